//! The engine against the reference on a small random network, on every path
//! of this machine.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::weights::{Stored, Table};
use super::*;
use crate::error::{Error, ErrorKind};
use crate::nn::batch::{BatchShape, TextInput};
use crate::nn::params::{Array, Params};
use crate::nn::{Mode, encoder as reference, heads as reference_heads, ops};
use crate::rng::Rng;

/// Weights in memory.
struct Arrays(BTreeMap<String, Array>);

impl Source for Arrays {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.0.get(name) {
            Some(array) if array.shape == shape => Ok(array.data.clone()),
            other => Err(Error::new(
                ErrorKind::Model,
                format!("{name}: wanted {shape:?}, got {:?}", other.map(|a| &a.shape)),
            )),
        }
    }

    fn table(&self, name: &str, shape: &[usize]) -> Result<Table> {
        let bytes: Vec<u8> = self.floats(name, shape)?.iter().flat_map(|v| v.to_le_bytes()).collect();
        let range = 0..bytes.len();
        Ok(Table::new(Arc::new(Cow::Owned(bytes)), range, Stored::F32))
    }
}

const VOCABULARY: usize = 50;

fn heads_config() -> HeadsConfig {
    HeadsConfig {
        grades: 3,
        indicators: 5,
        relationships: 4,
        tags: 7,
        roles: 3,
        features: 2,
        token_width: 20,
        text_width: 12,
        pools: 2,
        pool_width: 6,
        entity_width: 9,
        link_width: 8,
    }
}

fn random_network(config: &EncoderConfig) -> Params {
    let mut rng = Rng::new(8, "engine");
    let mut params = reference::init(config, &mut BTreeMap::new(), &mut rng).unwrap();
    reference_heads::init(&mut params, &heads_config(), config.hidden_size, &mut BTreeMap::new(), &mut rng)
        .unwrap();
    // Away from zeros and ones, so that no term is left out unseen.
    let mut arrays = params.to_arrays().unwrap();
    for array in arrays.values_mut() {
        for value in &mut array.data {
            *value = *value * 3.0 + rng.normal() as f32 * 0.1;
        }
    }
    let mut params = reference::init(config, &mut arrays, &mut rng).unwrap();
    reference_heads::init(&mut params, &heads_config(), config.hidden_size, &mut arrays, &mut rng).unwrap();
    params
}

/// Texts of these lengths; windows have at most 30 tokens.
fn batch(lengths: &[usize]) -> Batch {
    let mut rng = Rng::new(9, "texts");
    let texts: Vec<(Vec<u32>, Vec<f32>)> = lengths
        .iter()
        .map(|&n| {
            let ids = (0..n).map(|_| rng.below(VOCABULARY) as u32).collect();
            (ids, (0..2 * n).map(|_| (rng.below(3) == 0) as u8 as f32).collect())
        })
        .collect();
    let inputs: Vec<TextInput<'_>> =
        texts.iter().map(|(ids, features)| TextInput { ids, features }).collect();
    Batch::new(&inputs, BatchShape { cls: 1, sep: 2, positions: 32, overlap: 8, features: 2 })
}

/// The reference's answers, in the engine's form.
fn reference(params: &Params, config: &EncoderConfig, batch: &Batch) -> Outputs {
    let (ids, local) = batch.vocabulary();
    let words = params.gather_words(&ids).unwrap();
    let hidden = reference::forward(params, config, batch, &words, &local, Mode::Eval).unwrap();
    let out = reference_heads::forward(params, &heads_config(), batch, &hidden, 0.0, Mode::Eval).unwrap();
    let dense = |x: &candle_core::Tensor| ops::with_values(x, <[f32]>::to_vec).unwrap();
    let beside = |a: &[f32], b: &[f32], (m, n): (usize, usize)| -> Vec<f32> {
        a.chunks(m).zip(b.chunks(n)).flat_map(|(a, b)| [a, b].concat()).collect()
    };
    Outputs {
        grade: dense(&out.grade),
        found: dense(&out.found),
        denied: dense(&out.denied),
        harm: dense(&out.harm),
        relationship: dense(&out.relationship),
        link: dense(&out.link),
        evidence: beside(&dense(&out.found_evidence), &dense(&out.denied_evidence), (5, 5)),
        entities: beside(&dense(&out.tags), &dense(&out.roles), (7, 3)),
    }
}

fn parts(out: &Outputs) -> [(&'static str, &[f32]); 8] {
    [
        ("grade", &out.grade),
        ("found", &out.found),
        ("denied", &out.denied),
        ("harm", &out.harm),
        ("relationship", &out.relationship),
        ("link", &out.link),
        ("evidence", &out.evidence),
        ("entities", &out.entities),
    ]
}

/// The largest difference of each kind of answer, as a share of the largest
/// value.
fn gaps(got: &Outputs, want: &Outputs) -> Vec<(&'static str, f32)> {
    parts(got)
        .into_iter()
        .zip(parts(want))
        .map(|((name, got), (_, want))| {
            assert_eq!(got.len(), want.len(), "{name}");
            let largest = want.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
            let worst = got.iter().zip(want).fold(0.0, |worst, (a, b)| {
                let d = (a - b).abs() / largest;
                if d.is_nan() { f32::INFINITY } else { f32::max(worst, d) }
            });
            (name, worst)
        })
        .collect()
}

#[test]
fn answers_are_those_of_the_reference_on_every_path() {
    let config = EncoderConfig::tiny(VOCABULARY);
    let params = random_network(&config);
    let source = Arrays(params.to_arrays().unwrap());
    // Texts of one window and of several, and one without a token.
    for lengths in [&[7, 0, 30, 12][..], &[75, 3], &[1]] {
        let batch = batch(lengths);
        let want = reference(&params, &config, &batch);
        for path in Path::ALL.into_iter().filter(|p| p.available()) {
            // Float32: the order of additions and the approximations of exp.
            // Int8: a network this narrow has little over which errors
            // average out; what int8 may cost is measured on the real one.
            for (precision, tolerance) in [(Precision::Float32, 2e-5), (Precision::Int8, 0.2)] {
                let engine = Engine::read(&source, &config, &heads_config(), path, precision).unwrap();
                for work in [Work::Alone, Work::Together] {
                    let got = engine.forward(&batch, work).unwrap();
                    for (name, gap) in gaps(&got, &want) {
                        assert!(gap < tolerance, "{path:?} {precision:?} {lengths:?} {name}: {gap}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_comparison_fails_on_wrong_values() {
    let config = EncoderConfig::tiny(VOCABULARY);
    let params = random_network(&config);
    let good = reference(&params, &config, &batch(&[5, 9]));
    for name in ["grade", "entities"] {
        let mut wrong = good.clone();
        match name {
            "grade" => wrong.grade[1] += 0.1,
            _ => wrong.entities[3] = f32::NAN,
        }
        assert!(gaps(&wrong, &good).iter().any(|(n, gap)| *n == name && *gap > 1e-3), "{name}");
    }
}

#[test]
fn answers_depend_neither_on_company_nor_on_threads() {
    let config = EncoderConfig::tiny(VOCABULARY);
    let source = Arrays(random_network(&config).to_arrays().unwrap());
    let lengths = [40, 3, 17, 61];
    for path in Path::ALL.into_iter().filter(|p| p.available()) {
        for precision in [Precision::Float32, Precision::Int8] {
            let engine = Engine::read(&source, &config, &heads_config(), path, precision).unwrap();
            let all = batch(&lengths);
            let together = engine.forward(&all, Work::Together).unwrap();
            assert_eq!(engine.forward(&all, Work::Alone).unwrap(), together);
            // The same tokens come first in a batch that ends earlier.
            let first = engine.forward(&batch(&lengths[..1]), Work::Alone).unwrap();
            for ((name, one), (_, all)) in parts(&first).into_iter().zip(parts(&together)) {
                assert_eq!(one, &all[..one.len()], "{path:?} {precision:?} {name}");
            }
        }
    }
}

#[test]
fn a_token_outside_the_vocabulary_is_an_error() {
    let config = EncoderConfig::tiny(VOCABULARY);
    let source = Arrays(random_network(&config).to_arrays().unwrap());
    let engine = Engine::read(&source, &config, &heads_config(), Path::best(), Precision::Float32).unwrap();
    let mut batch = batch(&[4]);
    batch.ids[2] = VOCABULARY as u32;
    assert!(engine.forward(&batch, Work::Alone).is_err());
}
