//! The lexical path: logits from words and pairs of words, added to those of
//! the encoder's heads. A fine-tuned encoder bends to the style of the authors
//! that it has read; a bag of words cannot bend as far, errs elsewhere, and the
//! two together rank better than either.
//!
//! Features are hashed: tokens and pairs of neighbouring tokens, weighted
//! `(1 + ln tf) · idf`, rows of length 1 (scikit-learn's
//! `TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)` over word pieces,
//! with the hashing of Weinberger and others 2009). Each answer is one logistic
//! regression, fitted apart from the encoder.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::logistic::{Logistic, Sparse};
use super::params::Array;
use crate::rng::mix;

/// Weights by bucket and answer.
const WEIGHT: &str = "heads.lexical.weight";
/// Inverse document frequency by bucket; 0 where a bucket is not used.
const IDF: &str = "heads.lexical.idf";
/// Intercept of each answer.
const BIAS: &str = "heads.lexical.bias";

/// The names of its weights.
pub const NAMES: [&str; 3] = [WEIGHT, IDF, BIAS];

/// The weights of the lexical path.
#[derive(Clone, Debug, PartialEq)]
pub struct Lexical {
    /// Weights, (buckets, answers).
    weight: Vec<f32>,
    /// Inverse document frequencies, (buckets).
    idf: Vec<f32>,
    /// Intercepts, (answers).
    bias: Vec<f32>,
}

/// Stands for a token that is no feature, and is in no pair: a name, a phone
/// number, a place.
pub const HIDDEN: u32 = u32::MAX;

/// How often each bucket is hit by the tokens `ids` and their pairs.
fn counts(ids: &[u32], buckets: usize) -> BTreeMap<u32, f32> {
    let mut counts = BTreeMap::new();
    let mut hit = |feature: &[u64]| {
        let bucket = (mix(0, feature) % buckets.max(1) as u64) as u32;
        *counts.entry(bucket).or_insert(0.0) += 1.0;
    };
    for (i, &id) in ids.iter().enumerate() {
        if id == HIDDEN {
            continue;
        }
        hit(&[u64::from(id)]);
        if let Some(&next) = ids.get(i + 1).filter(|next| **next != HIDDEN) {
            hit(&[u64::from(id), u64::from(next)]);
        }
    }
    counts
}

/// The row of a text: `(1 + ln tf) · idf` of each bucket in use, of length 1,
/// or empty.
fn row(ids: &[u32], idf: &[f32]) -> Vec<(u32, f64)> {
    let mut row: Vec<(u32, f64)> = counts(ids, idf.len())
        .into_iter()
        .filter(|(bucket, _)| idf[*bucket as usize] > 0.0)
        .map(|(bucket, tf)| (bucket, f64::from((1.0 + tf.ln()) * idf[bucket as usize])))
        .collect();
    let length = row.iter().map(|(_, v)| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|(_, v)| *v /= length);
    }
    row
}

impl Lexical {
    /// Fits one logistic regression for each answer. `texts` are token ids, in
    /// which names are [`HIDDEN`]: a name that the fit has not seen is in no
    /// bucket that is used, so names carry no weight. `truths` hold, for each answer, what is true of each text, or `None`
    /// where the question does not arise. Buckets that fewer than
    /// `least_documents` texts hit are not used; `c` is the inverse strength of
    /// the penalty. An answer with fewer than five texts on either side stays
    /// silent: its logit is always 0.
    pub fn fit(
        texts: &[&[u32]],
        truths: &[Vec<Option<bool>>],
        buckets: usize,
        least_documents: usize,
        c: f64,
    ) -> Self {
        const LEAST: usize = 5;
        let mut documents = vec![0usize; buckets];
        for ids in texts {
            for bucket in counts(ids, buckets).into_keys() {
                documents[bucket as usize] += 1;
            }
        }
        let n = texts.len() as f64;
        let idf: Vec<f32> = documents
            .into_iter()
            .map(|df| match df >= least_documents.max(1) {
                true => (1.0 + ((1.0 + n) / (1.0 + df as f64)).ln()) as f32,
                false => 0.0,
            })
            .collect();
        let data = Sparse { columns: buckets, rows: texts.iter().map(|ids| row(ids, &idf)).collect() };
        let fitted: Vec<Option<Logistic>> = truths
            .par_iter()
            .map(|truth| {
                let rows: Vec<usize> = (0..truth.len()).filter(|&r| truth[r].is_some()).collect();
                let y: Vec<bool> = truth.iter().map(|t| *t == Some(true)).collect();
                let positives = y.iter().filter(|y| **y).count();
                let enough = positives >= LEAST && rows.len() - positives >= LEAST;
                enough.then(|| Logistic::fit(&data, &rows, &y, c))
            })
            .collect();
        let answers = truths.len();
        let mut weight = vec![0.0f32; buckets * answers];
        let mut bias = vec![0.0f32; answers];
        for (answer, model) in fitted.iter().enumerate() {
            let Some(model) = model else { continue };
            for (bucket, w) in model.weights.iter().enumerate() {
                weight[bucket * answers + answer] = *w as f32;
            }
            bias[answer] = model.intercept as f32;
        }
        Self { weight, idf, bias }
    }

    /// Takes the lexical path out of a model's weights; `None` where the model
    /// has none.
    ///
    /// # Errors
    ///
    /// When one of its arrays is missing or shapes do not fit.
    pub fn take(weights: &mut BTreeMap<String, Array>) -> candle_core::Result<Option<Self>> {
        match (weights.remove(WEIGHT), weights.remove(IDF), weights.remove(BIAS)) {
            (None, None, None) => Ok(None),
            (Some(weight), Some(idf), Some(bias)) => {
                let (buckets, answers) = (idf.data.len(), bias.data.len());
                if weight.shape != [buckets, answers] || weight.data.len() != buckets * answers {
                    candle_core::bail!(
                        "weight {WEIGHT}: expected shape {:?}, got {:?}",
                        [buckets, answers],
                        weight.shape
                    );
                }
                Ok(Some(Self { weight: weight.data, idf: idf.data, bias: bias.data }))
            }
            _ => candle_core::bail!("of {WEIGHT}, {IDF} and {BIAS}, one or two are missing"),
        }
    }

    /// The arrays by name, as a model's weights hold them.
    pub fn to_arrays(&self) -> BTreeMap<String, Array> {
        let (buckets, answers) = (self.idf.len(), self.bias.len());
        let array = |shape: &[usize], data: &[f32]| Array { shape: shape.to_vec(), data: data.to_vec() };
        BTreeMap::from([
            (WEIGHT.to_owned(), array(&[buckets, answers], &self.weight)),
            (IDF.to_owned(), array(&[buckets], &self.idf)),
            (BIAS.to_owned(), array(&[answers], &self.bias)),
        ])
    }

    /// Multiplies each answer by its factor, so that a weight found on other
    /// texts becomes part of the model.
    pub fn scale(&mut self, factors: &[f32]) {
        let answers = self.bias.len();
        for (i, w) in self.weight.iter_mut().enumerate() {
            *w *= factors.get(i % answers).copied().unwrap_or(1.0);
        }
        for (b, f) in self.bias.iter_mut().zip(factors) {
            *b *= f;
        }
    }

    /// How many answers it gives.
    pub fn answers(&self) -> usize {
        self.bias.len()
    }

    /// The log odds of each answer for the tokens of a text.
    pub fn logits(&self, ids: &[u32]) -> Vec<f32> {
        let answers = self.bias.len();
        let mut logits = self.bias.clone();
        for (bucket, value) in row(ids, &self.idf) {
            let start = bucket as usize * answers;
            for (logit, w) in logits.iter_mut().zip(&self.weight[start..start + answers]) {
                *logit += value as f32 * w;
            }
        }
        logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<Vec<u32>> {
        // Token 1 stands in every second text; the rest is noise.
        (0..60u32).map(|i| vec![i % 2, 2 + i % 7, 9 + i % 5, 2 + i % 3]).collect()
    }

    fn fitted() -> Lexical {
        let texts = texts();
        let ids: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let odd: Vec<Option<bool>> = (0..60).map(|i| Some(i % 2 == 1)).collect();
        let rare: Vec<Option<bool>> = (0..60).map(|i| Some(i == 3)).collect();
        Lexical::fit(&ids, &[odd, rare], 512, 2, 10.0)
    }

    #[test]
    fn it_learns_a_word_and_keeps_silent_on_what_is_rare() {
        let lexical = fitted();
        let (yes, no) = (lexical.logits(&[1, 4, 10]), lexical.logits(&[0, 4, 10]));
        assert!(yes[0] > 1.0 && no[0] < -1.0, "{yes:?} {no:?}");
        assert_eq!((yes[1], no[1]), (0.0, 0.0));
        // No known word: the intercept alone.
        assert_eq!(lexical.logits(&[]), lexical.bias);
        assert_eq!(lexical.logits(&[HIDDEN, 500, HIDDEN]), lexical.bias);
        // What is hidden is in no pair either.
        assert_eq!(counts(&[1, HIDDEN, 2], 512).len(), 2);
    }

    #[test]
    fn rows_have_length_one() {
        let lexical = fitted();
        let row = row(&[1, 4, 10, 1], &lexical.idf);
        let length: f64 = row.iter().map(|(_, v)| v * v).sum();
        assert!((length - 1.0).abs() < 1e-9, "{length}");
    }

    #[test]
    fn arrays_survive_a_round_trip_and_bad_ones_are_refused() {
        let mut lexical = fitted();
        lexical.scale(&[0.5, 2.0]);
        let mut arrays = lexical.to_arrays();
        assert_eq!(Lexical::take(&mut arrays).unwrap(), Some(lexical.clone()));
        assert_eq!(Lexical::take(&mut arrays).unwrap(), None);
        let mut arrays = lexical.to_arrays();
        arrays.remove(IDF);
        assert!(Lexical::take(&mut arrays).is_err());
        let mut arrays = lexical.to_arrays();
        arrays.get_mut(WEIGHT).unwrap().shape = vec![1, 1];
        assert!(Lexical::take(&mut arrays).is_err());
    }
}
