//! What is done to rows between products: GELU, layer norm, softmax,
//! quantising. Plain loops, to be run inside `Path::run`, so
//! that the compiler vectorises them for the path.

use super::matrix::RowScale;

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

/// `a b + c`, in one instruction where the path has one. `fused` is a constant
/// to the compiler once [`super::Path::run`] is inlined; without that
/// instruction `mul_add` would be a call.
#[inline(always)]
pub(super) fn fma(fused: bool, a: f32, b: f32, c: f32) -> f32 {
    if fused { a.mul_add(b, c) } else { a * b + c }
}

/// The polynomial with these coefficients, the constant first, by Horner.
#[inline(always)]
fn polynomial<const N: usize>(fused: bool, coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for c in coefficients.into_iter().rev().skip(1) {
        sum = fma(fused, sum, x, c);
    }
    sum
}

/// Exact GELU, `x Φ(x)` (Hendrycks and Gimpel 2016), with an error below
/// 2 · 10⁻⁶ within [−5, 5] and below 5 · 10⁻⁷ |x| beyond.
///
/// `Φ(x) − ½ = x Q(x²)` is odd: `Q` is a polynomial of degree 13 in
/// `2 x²/25 − 1`, fitted at Chebyshev's points over [−5, 5], beyond which Φ is
/// 0 or 1 to float32. Neither exponential nor division is needed.
#[inline(always)]
pub(super) fn gelu(fused: bool, x: f32) -> f32 {
    const Q: [f32; 14] = [
        1.413_638_1e-1,
        -7.029_687e-2,
        5.151_793e-2,
        -4.042_435e-2,
        3.147_676e-2,
        -2.342_857_2e-2,
        1.623_609e-2,
        -1.056_846e-2,
        6.766_527_4e-3,
        -3.758_024_4e-3,
        1.374_596_1e-3,
        -6.918_448_5e-4,
        7.353_764e-4,
        -3.030_419e-4,
    ];
    let z = smaller(larger(x, -5.0), 5.0);
    let q = polynomial(fused, Q, fma(fused, z * z, 0.08, -1.0));
    x * fma(fused, z, q, 0.5)
}

/// `eˣ` for `x` up to 0, with a relative error below 4 · 10⁻⁷; 0 below −87.
///
/// `x = n ln 2 + r` with `|r| ≤ ln 2 / 2`; `eʳ` by a polynomial of degree 5
/// fitted at Chebyshev's points, `2ⁿ` by writing the exponent bits.
#[inline(always)]
pub(super) fn exp(fused: bool, x: f32) -> f32 {
    const P: [f32; 6] = [1.000_000_1, 1.0, 4.999_886_9e-1, 1.666_641_5e-1, 4.191_758e-2, 8.375_137e-3];
    let clamped = larger(x, -88.0);
    let shifted = fma(fused, clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, so that n · ln 2 is exact to beyond f32.
    let r = fma(fused, n, 2.121_944_4e-4, fma(fused, n, -0.693_359_4, clamped));
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let value = polynomial(fused, P, r) * f32::from_bits(exponent);
    if x < -87.0 { 0.0 } else { value }
}

/// [`gelu`] of each value.
#[inline(always)]
pub(super) fn gelu_in_place(fused: bool, x: &mut [f32]) {
    for x in x {
        *x = gelu(fused, *x);
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
pub(super) fn softmax_unscaled(fused: bool, x: &mut [f32], scale: f32) -> f32 {
    let max = fold(x, f32::NEG_INFINITY, larger, larger);
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = x.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            chunk[i] = exp(fused, (chunk[i] - max) * scale);
            lanes[i] += chunk[i];
        }
    }
    for (x, lane) in rest.iter_mut().zip(&mut lanes) {
        *x = exp(fused, (*x - max) * scale);
        *lane += *x;
    }
    sum(&lanes, |v| v).recip()
}

/// Quantises a row of activations: the span of its values, 0 included, in 255
/// steps.
#[inline(always)]
pub(super) fn quantise(fused: bool, x: &[f32], out: &mut [i8]) -> RowScale {
    let high = fold(x, 0.0, larger, larger);
    let low = fold(x, 0.0, smaller, smaller);
    let span = high - low;
    // A row of zeros, or of values whose span is no number, becomes zeros.
    let scale = if span > 1e-30 && span < 1e30 { span / 255.0 } else { 1.0 };
    let inverse = scale.recip();
    let zero = -128.0 - (low * inverse).clamp(-255.0, 0.0).round_ties_even();
    // Two plain loops, each of which vectorises.
    for (out, x) in out.iter_mut().zip(x) {
        let y = fma(fused, *x, inverse, zero);
        // In this order NaN becomes −128.
        let y = smaller(larger(-128.0, y), 127.0);
        *out = ((y + ROUND).to_bits() as i32) as i8;
    }
    let sum = out.iter().map(|q| i32::from(*q)).sum();
    RowScale { scale, zero: zero as i32, sum }
}

/// Quantises the weights of one output to [−127, 127]: scale and sum.
#[inline(always)]
pub(super) fn quantise_weights(w: &[f32], out: &mut [i8]) -> (f32, i32) {
    let largest = fold(w, 0.0, |a, b| larger(a, b.abs()), larger);
    let scale = if largest > 1e-30 && largest < 1e30 { largest / 127.0 } else { 1.0 };
    let inverse = scale.recip();
    for (w, out) in w.iter().zip(out.iter_mut()) {
        let y = smaller(larger(-127.0, w * inverse), 127.0);
        *out = ((y + ROUND).to_bits() as i32) as i8;
    }
    (scale, out.iter().map(|q| i32::from(*q)).sum())
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
            let scale = softmax_unscaled(false, &mut got, 0.5);
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
            let row = quantise(false, &x, &mut q);
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
    fn gelu_and_exp_are_as_close_as_they_say() {
        for fused in [false, true] {
            for i in -120_000..=120_000 {
                let x = i as f32 * 1e-4;
                let want = f64::from(x) * kernels::normal_cdf(x) as f64;
                // The reference's own error, 3 · 10⁻⁷ |x|, is added.
                let allowed = 2e-6 + 8e-7 * f64::from(x.abs());
                let got = f64::from(gelu(fused, x));
                assert!((got - want).abs() < allowed, "gelu({x}) = {got}, not {want}");
            }
            for i in 0..90_000 {
                let x = i as f32 * -1e-3;
                let (got, want) = (f64::from(exp(fused, x)), f64::from(x).exp());
                assert!((got - want).abs() <= 4e-7 * want + 2e-38, "exp({x}) = {got}, not {want}");
            }
        }
        assert_eq!(exp(true, f32::NEG_INFINITY), 0.0);
        assert!(gelu(true, f32::MAX).is_finite() && gelu(true, -1e30).abs() <= 1e24);
    }

    #[test]
    fn odd_rows_stay_finite() {
        let rows: [&[f32]; 5] =
            [&[], &[0.0, 0.0], &[1e-38, -1e-38], &[3e38, -3e38], &[f32::INFINITY, f32::NAN, 1.0]];
        for x in rows {
            let mut q = vec![0i8; x.len()];
            let row = quantise(false, x, &mut q);
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
