//! The encoder before any training, with logistic regression on top: what a
//! general sentence encoder gives without our labels reaching its layers.

use super::linear::{Heads, Sparse};
use crate::corpus::{Dataset, Example};
use crate::error::Result;
use crate::evaluate::{Scorer, Scores};
use crate::model::Network;
use crate::text::{FEATURES, Tokens};

/// Inverse strength of the penalty; the features have variance 1.
const C: f64 = 0.01;

/// Mean-pooled hidden states of a base encoder with logistic regression.
#[derive(Debug)]
pub struct Frozen<'a> {
    network: &'a Network,
    /// Mean and standard deviation of each value over the training texts.
    scale: Vec<(f64, f64)>,
    heads: Heads,
}

/// The mean of a text's hidden states over all tokens of all its windows,
/// `[CLS]` and `[SEP]` among them.
fn pooled(network: &Network, text: &str) -> Result<Vec<f64>> {
    let tokens = network.tokeniser.encode(text)?;
    let window = network.encoder.max_position_embeddings.saturating_sub(2).max(1);
    let mut sum: Vec<f64> = Vec::new();
    let mut rows = 0.0;
    let mut start = 0;
    loop {
        let end = (start + window).min(tokens.len());
        let part = Tokens {
            ids: tokens.ids[start..end].to_vec(),
            offsets: tokens.offsets[start..end].to_vec(),
            features: tokens.features[start * FEATURES..end * FEATURES].to_vec(),
        };
        let (states, width) = network.hidden_states(&part)?;
        sum.resize(width, 0.0);
        for row in states.chunks_exact(width.max(1)) {
            for (s, v) in sum.iter_mut().zip(row) {
                *s += f64::from(*v);
            }
            rows += 1.0;
        }
        start = end;
        if start >= tokens.len() {
            break;
        }
    }
    if rows > 0.0 {
        sum.iter_mut().for_each(|s| *s /= rows);
    }
    Ok(sum)
}

fn row(values: &[f64], scale: &[(f64, f64)]) -> Vec<(u32, f64)> {
    values
        .iter()
        .zip(scale)
        .enumerate()
        .map(|(column, (v, (mean, deviation)))| (column as u32, (v - mean) / deviation))
        .collect()
}

impl<'a> Frozen<'a> {
    /// Trains the regressions on the labelled examples of a dataset; the
    /// encoder stays as it is.
    ///
    /// # Errors
    ///
    /// When a text cannot be read, or fewer than two grades are among the
    /// labels.
    pub fn train(network: &'a Network, dataset: &Dataset) -> Result<Self> {
        let examples: Vec<&Example> = dataset.examples.iter().filter(|e| e.labels.is_some()).collect();
        let values = examples.iter().map(|e| pooled(network, &e.report.text)).collect::<Result<Vec<_>>>()?;
        let columns = values.first().map_or(0, Vec::len);
        let n = values.len().max(1) as f64;
        let scale: Vec<(f64, f64)> = (0..columns)
            .map(|c| {
                let mean = values.iter().map(|v| v[c]).sum::<f64>() / n;
                let variance = values.iter().map(|v| (v[c] - mean).powi(2)).sum::<f64>() / n;
                (mean, variance.sqrt().max(1e-6))
            })
            .collect();
        let data = Sparse { columns, rows: values.iter().map(|v| row(v, &scale)).collect() };
        let heads = Heads::learn(&data, &examples, C)?;
        Ok(Self { network, scale, heads })
    }
}

impl Scorer for Frozen<'_> {
    fn name(&self) -> &str {
        "frozen encoder"
    }

    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
        texts
            .iter()
            .map(|text| {
                let values = pooled(self.network, text)?;
                Ok(self.heads.answer(&row(&values, &self.scale)))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::evaluate::{Answers, Rows, toy};
    use crate::model::heads_config;
    use crate::nn::encoder::EncoderConfig;
    use crate::text::fixture::tiny_tokeniser;

    #[test]
    fn any_length_of_text_gets_an_answer_that_depends_on_it_alone() {
        let tokeniser = tiny_tokeniser();
        let encoder = EncoderConfig::tiny(tokeniser.vocabulary());
        let most = encoder.max_position_embeddings;
        let network = Network::new(tokeniser, encoder, heads_config(), BTreeMap::new(), 1).unwrap();
        let mut dataset = toy::dataset(40, 1);
        let scorer = Frozen::train(&network, &dataset).unwrap();
        let long = "he sat outside ".repeat(most);
        let alone = scorer.score(&[&long]).unwrap();
        let together = scorer.score(&["", &long, "\u{1f600}"]).unwrap();
        assert_eq!(alone[0], together[1]);
        dataset.examples[0].report.text = long;
        dataset.examples[0].spans.clear();
        dataset.examples[0].entities.clear();
        // Answers are checked to be probabilities.
        assert!(Answers::of(&scorer, &Rows::of(&dataset).unwrap()).is_ok());
        assert!(Frozen::train(&network, &Dataset::default()).is_err());
    }
}
