//! Rounds trained weights to what int8 holds, before they are calibrated and
//! shipped. The engine then multiplies the same weights in float32 and in int8,
//! and only the rounding of activations is left between the two.
//!
//! Two products of each layer read the output of a layer norm, in which a few
//! columns are many times as large as the others. They get factors for their
//! inputs (`engine/matrix.rs`), found on the training reports: part of
//! the size of a column goes over to the weights (SmoothQuant; Xiao and others
//! 2023, equation 4 with α = ½). Factors are powers of two, so that they cost
//! no rounding of their own.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::model::Network;
use crate::nn::encoder::factors_name;
use crate::nn::ops;
use crate::nn::params::Array;
use crate::text::Tokens;

/// Largest whole number of a weight in int8.
const MOST: f32 = 127.0;

/// `weights` with the matrices that the engine multiplies in int8 rounded, and
/// with factors for the inputs of some of them. `texts` are what the factors
/// are found on; nothing of their labels is read.
///
/// # Errors
///
/// When a weight is missing, or tensor arithmetic fails.
pub(super) fn round(
    network: &Network,
    mut weights: BTreeMap<String, Array>,
    texts: &[Tokens],
) -> Result<BTreeMap<String, Array>> {
    let sizes = input_sizes(&network.with_weights(weights.clone())?, texts)?;
    for layer in 0..network.encoder.num_hidden_layers {
        for (of, parts) in [
            ("attention.self", &["attention.self.query", "attention.self.key", "attention.self.value"][..]),
            ("intermediate", &["intermediate.dense"]),
            ("attention.output", &["attention.output.dense"]),
            ("output", &["output.dense"]),
        ] {
            let of = format!("encoder.layer.{layer}.{of}");
            let parts: Vec<String> =
                parts.iter().map(|part| format!("encoder.layer.{layer}.{part}.weight")).collect();
            let factors = match sizes.get(&of) {
                Some(sizes) => factors(&columns(&mut weights, &parts, sizes.len())?, sizes),
                None => Vec::new(),
            };
            for part in &parts {
                round_rows(find(&mut weights, part)?, &factors, None);
            }
            if !factors.is_empty() {
                let shape = vec![factors.len()];
                weights.insert(factors_name(&of), Array { shape, data: factors });
            }
        }
    }
    // The heads' first layers; of the entity layer only what reads the hidden
    // state, for the features of a token are added in float32.
    let d = network.encoder.hidden_size;
    for part in ["token", "pool_value", "pool_score", "entity"] {
        round_rows(find(&mut weights, &format!("heads.{part}.weight"))?, &[], Some(d));
    }
    Ok(weights)
}

fn find<'a>(weights: &'a mut BTreeMap<String, Array>, name: &str) -> Result<&'a mut Array> {
    weights
        .get_mut(name)
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("weight {name} is missing from the run")))
}

/// Raises `largest` to the largest size in each column of `values`.
fn raise(largest: &mut [f32], values: &[f32]) {
    for row in values.chunks_exact(largest.len()) {
        for (largest, value) in largest.iter_mut().zip(row) {
            *largest = largest.max(value.abs());
        }
    }
}

/// The largest weight of each of `k` inputs over some matrices.
fn columns(weights: &mut BTreeMap<String, Array>, parts: &[String], k: usize) -> Result<Vec<f32>> {
    let mut largest = vec![0f32; k];
    for part in parts {
        raise(&mut largest, &find(weights, part)?.data);
    }
    Ok(largest)
}

/// Factors, powers of two, that make columns of inputs as large as those of
/// weights.
fn factors(weights: &[f32], inputs: &[f32]) -> Vec<f32> {
    let one = |(weight, input): (&f32, &f32)| {
        let power = (weight / input).log2() / 2.0;
        if power.is_finite() { power.round().clamp(-10.0, 10.0).exp2() } else { 1.0 }
    };
    weights.iter().zip(inputs).map(one).collect()
}

/// Rounds each row of a matrix, its columns divided by `factors`, to whole
/// multiples of a 127th of its largest value. Only the first `k` columns count,
/// where that is given.
fn round_rows(array: &mut Array, factors: &[f32], k: Option<usize>) {
    let width = array.shape.last().copied().unwrap_or(1).max(1);
    let factor = |i: usize| factors.get(i).copied().unwrap_or(1.0);
    for row in array.data.chunks_exact_mut(width) {
        let row = &mut row[..k.unwrap_or(width).min(width)];
        let largest = row.iter().enumerate().fold(0f32, |most, (i, w)| most.max((w / factor(i)).abs()));
        let step = largest / MOST;
        if step.is_normal() {
            for (i, w) in row.iter_mut().enumerate() {
                *w = (*w / factor(i) / step).round() * step * factor(i);
            }
        }
    }
}

/// The largest input in each column of the matrices that read the output of a
/// layer norm, by the matrix's name.
fn input_sizes(network: &Network, texts: &[Tokens]) -> Result<BTreeMap<String, Vec<f32>>> {
    let mut sizes: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    network.observe(texts, &mut |name, x| {
        let d = x.dim(1)?;
        let largest = sizes.entry(name.to_owned()).or_insert_with(|| vec![0.0; d]);
        ops::with_values(x, |values| raise(largest, values))
    })?;
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::folder::{Precision, from_safetensors, to_safetensors};
    use crate::model::heads_config;
    use crate::nn::encoder::EncoderConfig;
    use crate::text::fixture::tiny_tokeniser;

    fn network() -> Network {
        let tokeniser = tiny_tokeniser();
        let encoder = EncoderConfig::tiny(tokeniser.vocabulary());
        let mut weights = BTreeMap::new();
        // A layer norm whose fourth column is far larger than the others.
        for name in ["embeddings.LayerNorm", "encoder.layer.0.attention.output.LayerNorm"] {
            let mut data = vec![1.0; 16];
            data[3] = 64.0;
            weights.insert(format!("{name}.weight"), Array { shape: vec![16], data });
        }
        Network::new(tokeniser, encoder, heads_config(), weights, 7).unwrap()
    }

    fn texts(network: &Network) -> Vec<Tokens> {
        ["he sat outside in the golf", "she said he is outside her work again today", "partner"]
            .iter()
            .map(|text| network.tokeniser.encode(text).unwrap())
            .collect()
    }

    #[test]
    fn what_is_shipped_is_what_int8_holds() {
        let network = network();
        let before = network.params.to_arrays().unwrap();
        let rounded = round(&network, before.clone(), &texts(&network)).unwrap();
        let shipped = from_safetensors(&to_safetensors(&rounded, Precision::Float16).unwrap()).unwrap();
        let mut matrices = 0;
        for layer in 0..2 {
            for (of, part, factored) in [
                ("attention.self", "attention.self.value", true),
                ("intermediate", "intermediate.dense", true),
                ("attention.output", "attention.output.dense", false),
                ("output", "output.dense", false),
            ] {
                let of = format!("encoder.layer.{layer}.{of}");
                let name = format!("encoder.layer.{layer}.{part}.weight");
                let array = &shipped[&name];
                let k = array.shape[1];
                let factors = shipped.get(&factors_name(&of)).map(|a| a.data.clone());
                assert_eq!(factors.is_some(), factored, "{of}");
                let factors = factors.unwrap_or_else(|| vec![1.0; k]);
                assert!(factors.iter().all(|f| f.log2().fract() == 0.0), "{factors:?}");
                for (row, old) in array.data.chunks_exact(k).zip(before[&name].data.chunks_exact(k)) {
                    let divided: Vec<f32> = row.iter().zip(&factors).map(|(w, f)| w / f).collect();
                    let step = divided.iter().fold(0f32, |m, w| m.max(w.abs())) / MOST;
                    for ((w, old), f) in divided.iter().zip(old).zip(&factors) {
                        // Float16 moves a value by at most 2⁻¹¹ of itself.
                        assert!((w / step - (w / step).round()).abs() < 0.13, "{name}: {}", w / step);
                        assert!((w - old / f).abs() < 0.57 * step, "{name}: {w} for {}", old / f);
                    }
                }
                matrices += 1;
            }
        }
        assert_eq!(matrices, 8);
        // What the engine keeps in float32 is left alone.
        for name in ["heads.grade.weight", "heads.link.weight", "encoder.layer.0.output.LayerNorm.weight"] {
            assert_eq!(rounded[name], before[name], "{name}");
        }
        let (entity, old) = (&rounded["heads.entity.weight"], &before["heads.entity.weight"]);
        let width = entity.shape[1];
        for (row, old) in entity.data.chunks_exact(width).zip(old.data.chunks_exact(width)) {
            assert_eq!(row[16..], old[16..]);
            assert_ne!(row[..16], old[..16]);
        }
    }

    #[test]
    fn a_column_of_large_inputs_gets_the_smallest_factor() {
        let network = network();
        let arrays = network.params.to_arrays().unwrap();
        let rounded = round(&network, arrays, &texts(&network)).unwrap();
        for of in ["encoder.layer.0.attention.self", "encoder.layer.0.intermediate"] {
            let factors = &rounded[&factors_name(of)].data;
            let least = factors.iter().copied().fold(f32::INFINITY, f32::min);
            assert_eq!(factors[3], least, "{factors:?}");
            assert!(factors.iter().enumerate().all(|(i, f)| i == 3 || *f > least), "{factors:?}");
        }
    }

    #[test]
    fn nothing_divides_by_zero() {
        assert_eq!(factors(&[0.0, 1.0, 1e-20], &[1.0, 0.0, 1e10]), [1.0, 1.0, 2f32.powi(-10)]);
        let mut zeros = Array { shape: vec![2, 3], data: vec![0.0; 6] };
        round_rows(&mut zeros, &[], None);
        assert_eq!(zeros.data, [0.0; 6]);
    }
}
