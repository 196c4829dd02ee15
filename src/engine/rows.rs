//! What is done to rows between products: GELU, layer norm, softmax,
//! quantising. Plain loops, to be run inside [`super::path::Path::run`], so
//! that the compiler vectorises them for the path.

use super::matrix::RowScale;
use crate::nn::kernels::{exp, normal_cdf};

/// What is done to each value of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Nothing,
    /// Exact GELU.
    Gelu,
}

/// Lanes in which sums and extremes are taken, so that they vectorise. The
/// number is the same on every path: the order of additions is too.
const LANES: usize = 16;

/// Adding 1.5 · 2²³ leaves the nearest whole number in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Exact GELU, `x Φ(x)`.
#[inline(always)]
pub(super) fn gelu_in_place(x: &mut [f32]) {
    for x in x {
        *x *= normal_cdf(*x);
    }
}

/// Folds `x` in lanes, then the lanes.
#[inline(always)]
fn fold(x: &[f32], start: f32, f: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = f(lanes[i], chunk[i]);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = f(*lane, value);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    fold(x, 0.0, |a, b| a + f(b), |a, b| a + b)
}

/// The larger; as a comparison, which is one instruction where `f32::max`,
/// with its rule for NaN, is three.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

/// `x = norm(x + y) · w + b` in place, over one row (Ba, Kiros and Hinton 2016).
#[inline(always)]
pub(super) fn add_and_norm(x: &mut [f32], y: &[f32], w: &[f32], b: &[f32], eps: f32) {
    let d = x.len();
    let (y, w, b) = (&y[..d], &w[..d], &b[..d]);
    for i in 0..d {
        x[i] += y[i];
    }
    norm(x, w, b, eps);
}

/// `norm(x) · w + b` in place, over one row: mean and variance in two passes.
#[inline(always)]
pub(super) fn norm(x: &mut [f32], w: &[f32], b: &[f32], eps: f32) {
    let d = x.len();
    let (w, b) = (&w[..d], &b[..d]);
    let mean = sum(x, |v| v) / d as f32;
    let variance = sum(x, |v| (v - mean) * (v - mean)) / d as f32;
    let scale = (variance + eps).sqrt().recip();
    for i in 0..d {
        x[i] = (x[i] - mean) * scale * w[i] + b[i];
    }
}

/// `e^{scale (x − max)}` in place, over one row; returns the reciprocal of the
/// sum, which the caller applies to what the weights are multiplied with.
#[inline(always)]
pub(super) fn softmax_unscaled(x: &mut [f32], scale: f32) -> f32 {
    let max = fold(x, f32::NEG_INFINITY, larger, larger);
    for x in x.iter_mut() {
        *x = exp((*x - max) * scale);
    }
    sum(x, |v| v).recip()
}

/// Quantises a row of activations: the span of its values, 0 included, in 255
/// steps.
#[inline(always)]
pub(super) fn quantise(x: &[f32], out: &mut [i8]) -> RowScale {
    let high = fold(x, 0.0, larger, larger);
    let low = fold(x, 0.0, smaller, smaller);
    let span = high - low;
    // A row of zeros, or of values whose span is no number, becomes zeros.
    let scale = if span > 1e-30 && span < 1e30 { span / 255.0 } else { 1.0 };
    let inverse = scale.recip();
    let zero = -128.0 - (low * inverse).clamp(-255.0, 0.0).round_ties_even();
    let out = &mut out[..x.len()];
    let mut lanes = [0i32; LANES];
    let one = |x: f32| -> i32 {
        let y = x * inverse + zero;
        // In this order NaN becomes −128.
        let y = smaller(larger(-128.0, y), 127.0);
        (y + ROUND).to_bits() as i32 - ROUND.to_bits() as i32
    };
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (out_chunks, out_rest) = out.as_chunks_mut::<LANES>();
    for (x, out) in chunks.iter().zip(out_chunks) {
        for i in 0..LANES {
            let q = one(x[i]);
            lanes[i] += q;
            out[i] = q as i8;
        }
    }
    for ((x, out), lane) in rest.iter().zip(out_rest).zip(&mut lanes) {
        let q = one(*x);
        *lane += q;
        *out = q as i8;
    }
    RowScale { scale, zero: zero as i32, sum: lanes.iter().sum() }
}

/// Quantises the weights of one output to [−127, 127]: scale and sum.
#[inline(always)]
pub(super) fn quantise_weights(w: &[f32], out: &mut [i8]) -> (f32, i32) {
    let largest = fold(w, 0.0, |a, b| larger(a, b.abs()), larger);
    let scale = if largest > 1e-30 && largest < 1e30 { largest / 127.0 } else { 1.0 };
    let inverse = scale.recip();
    let mut sum = 0;
    for (w, out) in w.iter().zip(out) {
        let y = smaller(larger(-127.0, w * inverse), 127.0);
        let q = (y + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
        sum += q;
        *out = q as i8;
    }
    (scale, sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels;
    use crate::rng::Rng;

    fn random(n: usize) -> Vec<f32> {
        let mut rng = Rng::new(3, "rows");
        (0..n).map(|_| rng.normal() as f32 * 2.0).collect()
    }

    #[test]
    fn norm_and_softmax_are_those_of_the_reference_at_every_length() {
        for d in 1..=40 {
            let (x, y, w, b) = (random(d), random(2 * d)[d..].to_vec(), random(d), random(d));
            let added: Vec<f32> = x.iter().zip(&y).map(|(a, b)| a + b).collect();
            let want = kernels::layer_norm(&added, &w, &b, 1e-5);
            let mut got = x.clone();
            add_and_norm(&mut got, &y, &w, &b, 1e-5);
            // The order of additions differs; a row of one or two values may
            // have a tiny variance that magnifies rounding.
            let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "d {d}: {worst}");

            let mut want: Vec<f32> = x.iter().map(|v| v * 0.5).collect();
            kernels::softmax_rows_in_place(&mut want, d);
            let mut got = x.clone();
            let scale = softmax_unscaled(&mut got, 0.5);
            let worst = got.iter().zip(&want).map(|(a, b)| (a * scale - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-6, "d {d}: {worst}");
        }
    }

    #[test]
    fn quantised_rows_are_within_half_a_step_and_keep_zero() {
        for k in 1..=40 {
            let mut x = random(k);
            x[k / 2] = 0.0;
            let mut q = vec![0i8; k];
            let row = quantise(&x, &mut q);
            assert_eq!(row.sum, q.iter().map(|q| i32::from(*q)).sum::<i32>());
            for (x, q) in x.iter().zip(&q) {
                let back = (i32::from(*q) - row.zero) as f32 * row.scale;
                assert!((back - x).abs() <= row.scale * 0.501 + 1e-6, "{back} {x} step {}", row.scale);
                if *x == 0.0 {
                    assert_eq!(back, 0.0);
                }
            }
        }
    }

    #[test]
    fn odd_rows_stay_finite() {
        let rows: [&[f32]; 5] =
            [&[], &[0.0, 0.0], &[1e-38, -1e-38], &[3e38, -3e38], &[f32::INFINITY, f32::NAN, 1.0]];
        for x in rows {
            let mut q = vec![0i8; x.len()];
            let row = quantise(x, &mut q);
            assert!(row.scale.is_finite() && row.scale > 0.0 && (-128..=127).contains(&row.zero), "{x:?}");
            let (scale, _) = quantise_weights(x, &mut q);
            assert!(scale.is_finite() && scale > 0.0, "{x:?}");
        }
    }

    #[test]
    fn weights_are_within_half_a_step() {
        let w = random(100);
        let mut q = vec![0i8; 100];
        let (scale, sum) = quantise_weights(&w, &mut q);
        assert_eq!(sum, q.iter().map(|q| i32::from(*q)).sum::<i32>());
        for (w, q) in w.iter().zip(&q) {
            assert!((f32::from(*q) * scale - w).abs() <= scale * 0.501);
        }
    }
}
