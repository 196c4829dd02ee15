//! A bag of words and pairs of words with logistic regression: what style and
//! vocabulary alone give.

use std::collections::BTreeMap;

use super::linear::{Heads, Sparse};
use crate::corpus::{Dataset, Example};
use crate::error::Result;
use crate::evaluate::{Scorer, Scores};

/// Inverse strength of the penalty; the features have length 1.
const C: f64 = 10.0;

/// Documents that a word or pair must occur in to be a feature.
const LEAST_DOCUMENTS: usize = 2;

/// Weights of words and pairs of words, after scikit-learn's
/// `TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)`:
/// `(1 + ln tf) · (1 + ln((1 + n) / (1 + df)))`, rows of length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// Column and weight of each feature.
    features: BTreeMap<String, (u32, f64)>,
}

/// Lower-case words: runs of letters and digits.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

/// How often each word and pair occurs.
fn counts(text: &str) -> BTreeMap<String, f64> {
    let words = words(text);
    let mut counts = BTreeMap::new();
    for pair in words.windows(2) {
        *counts.entry(pair.join(" ")).or_insert(0.0) += 1.0;
    }
    for word in words {
        *counts.entry(word).or_insert(0.0) += 1.0;
    }
    counts
}

impl Vocabulary {
    /// The features of some texts.
    pub fn new(texts: &[&str], least_documents: usize) -> Self {
        let mut documents: BTreeMap<String, usize> = BTreeMap::new();
        for text in texts {
            for feature in counts(text).into_keys() {
                *documents.entry(feature).or_default() += 1;
            }
        }
        let n = texts.len() as f64;
        let features = documents
            .into_iter()
            .filter(|(_, df)| *df >= least_documents)
            .enumerate()
            .map(|(column, (feature, df))| {
                let idf = 1.0 + ((1.0 + n) / (1.0 + df as f64)).ln();
                (feature, (column as u32, idf))
            })
            .collect();
        Self { features }
    }

    /// Columns that there are.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// The row of a text, of length 1, or empty when it has no known word.
    pub fn row(&self, text: &str) -> Vec<(u32, f64)> {
        let mut row: Vec<(u32, f64)> = counts(text)
            .into_iter()
            .filter_map(|(feature, tf)| {
                let (column, idf) = *self.features.get(&feature)?;
                Some((column, (1.0 + tf.ln()) * idf))
            })
            .collect();
        let length = row.iter().map(|(_, v)| v * v).sum::<f64>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|(_, v)| *v /= length);
        }
        row
    }
}

/// TF-IDF with logistic regression, one against the rest.
#[derive(Clone, Debug)]
pub struct TfIdf {
    vocabulary: Vocabulary,
    heads: Heads,
}

impl TfIdf {
    /// Trains on the labelled examples of a dataset.
    ///
    /// # Errors
    ///
    /// When fewer than two grades are among the labels.
    pub fn train(dataset: &Dataset) -> Result<Self> {
        let examples: Vec<&Example> = dataset.examples.iter().filter(|e| e.labels.is_some()).collect();
        let texts: Vec<&str> = examples.iter().map(|e| &*e.report.text).collect();
        let vocabulary = Vocabulary::new(&texts, LEAST_DOCUMENTS);
        let data =
            Sparse { columns: vocabulary.len(), rows: texts.iter().map(|t| vocabulary.row(t)).collect() };
        let heads = Heads::learn(&data, &examples, C)?;
        Ok(Self { vocabulary, heads })
    }
}

impl Scorer for TfIdf {
    fn name(&self) -> &str {
        "tf-idf"
    }

    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
        let answer = |text: &&str| self.heads.answer(&self.vocabulary.row(text));
        Ok(texts.iter().map(answer).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::evaluate::metrics::close::close;
    use crate::evaluate::{Rows, Settings, figures, toy};

    #[test]
    fn weights_are_those_of_scikit_learn() {
        let texts = ["he followed her home", "she saw him at her home home", "he sent flowers"];
        let vocabulary = Vocabulary::new(&texts, 1);
        assert_eq!(vocabulary.len(), 20);
        let row = vocabulary.row(texts[1]);
        // TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), 1.9.1.
        let want = [
            ("at", 0.290_927),
            ("her", 0.221_258),
            ("home", 0.374_622),
            ("home home", 0.290_927),
            ("her home", 0.221_258),
        ];
        for (feature, want) in want {
            let column = vocabulary.features[feature].0;
            let got = row.iter().find(|r| r.0 == column).unwrap().1;
            assert!(close(got, want, 1e-6), "{feature}: {got}");
        }
        assert!(vocabulary.row("!?").is_empty());
    }

    #[test]
    fn it_learns_what_words_tell() {
        // In the toy reports "the" stands in stalking and "a" in the others.
        let train = toy::dataset(300, 1);
        let test = toy::dataset(200, 2);
        let rows = Rows::of(&test).unwrap();
        let scorer = TfIdf::train(&train).unwrap();
        let settings = Settings { resamples: 20, ..Settings::default() };
        let figures = figures(&scorer, &rows, &settings).unwrap();
        let at = |name: &str| figures.figures.get(name).unwrap().value;
        assert!(at("stalking.average_precision") > 0.95);
        assert!(at("serious_harm.auroc") < 0.7, "there is nothing to learn");
    }

    #[test]
    fn one_grade_is_refused() {
        let mut train = toy::dataset(30, 1);
        train
            .examples
            .iter_mut()
            .for_each(|e| e.labels.as_mut().unwrap().stalking = crate::codebook::Grade::None);
        assert_eq!(TfIdf::train(&train).unwrap_err().kind(), ErrorKind::Data);
        let empty = Dataset::default();
        assert_eq!(TfIdf::train(&empty).unwrap_err().kind(), ErrorKind::Data);
    }
}
