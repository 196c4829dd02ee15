//! Numerical kernels on slices of `f32`: matrix product, layer norm, GELU,
//! softmax and attention, each with the backward pass that training needs.
//! They know shapes, not tensors; [`super::ops`] joins them to candle's graph.
//!
//! Dimension key: `n` rows (tokens of all texts of a batch, end to end),
//! `d` width, `k` inner width, `o` output width, `h` heads, `e` width of a head.
//!
//! Every kernel gives the same bits whatever the number of threads: a sum is
//! taken by one thread, or in blocks of a fixed size that are added in order.

use pulp::Arch;
use rayon::prelude::*;

/// Rows that one task takes. Fixed, so that sums over rows do not depend on
/// the number of threads.
const ROWS_PER_TASK: usize = 64;

/// Elements that one task of an element-wise kernel takes.
const ELEMENTS_PER_TASK: usize = 16 * 1024;

/// Runs `f` with the widest vector instructions of this machine.
///
/// `f` must be a closure over plain loops that the compiler can inline.
#[inline(always)]
pub fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    struct Run<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Run<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    Arch::new().dispatch(Run(f))
}

/// A matrix in memory: a slice and the steps between its rows and columns.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_step: usize,
    col_step: usize,
}

impl<'a> View<'a> {
    /// A row-major `(rows, cols)` matrix whose rows lie `row_step` apart.
    ///
    /// # Panics
    ///
    /// When `data` is too short for that shape.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_step: usize) -> Self {
        assert!(
            rows == 0 || cols == 0 || (rows - 1) * row_step + cols <= data.len(),
            "matrix ({rows}, {cols}) with rows {row_step} apart needs more than {} values",
            data.len()
        );
        Self { data, rows, cols, row_step, col_step: 1 }
    }

    /// A dense row-major `(rows, cols)` matrix.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_step: self.col_step, col_step: self.row_step, ..self }
    }
}

/// How many threads a product may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread alone.
    One,
    /// All threads of the current pool.
    All,
}

/// `out = keep · out + scale · a · b`, with `out` row-major and rows
/// `out_row_step` apart. `keep` is 0 or 1.
///
/// # Panics
///
/// When the shapes do not fit together, or `out` is too short.
pub fn matmul(
    out: &mut [f32],
    out_row_step: usize,
    keep: bool,
    a: View<'_>,
    b: View<'_>,
    scale: f32,
    threads: Threads,
) {
    assert_eq!(a.cols, b.rows, "inner widths of a matrix product");
    let (m, n, k) = (a.rows, b.cols, a.cols);
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * out_row_step + n <= out.len(), "output of a matrix product is too short");
    let parallelism = match threads {
        Threads::One => gemm::Parallelism::None,
        Threads::All => gemm::Parallelism::Rayon(0),
    };
    // SAFETY: `View` was checked to lie within its slice for every (row, col)
    // below its shape, `out` was checked just above, and `out` is borrowed
    // mutably, so it overlaps neither operand. gemm reads and writes only
    // those elements; with `read_dst` false it does not read `out`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_row_step as isize,
            keep,
            a.data.as_ptr(),
            a.col_step as isize,
            a.row_step as isize,
            b.data.as_ptr(),
            b.col_step as isize,
            b.row_step as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// `x wᵀ + b` for `x` (n, k), `w` (o, k), `b` (o): (n, o).
pub fn linear(x: &[f32], w: &[f32], b: &[f32], n: usize, k: usize, o: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(n * o);
    for _ in 0..n {
        out.extend_from_slice(b);
    }
    matmul(&mut out, o, true, View::new(x, n, k), View::new(w, o, k).t(), 1.0, Threads::All);
    out
}

/// Gradients of [`linear`] for the output gradient `dy` (n, o): those of
/// `x` (n, k), `w` (o, k) and `b` (o).
pub fn linear_backward(
    x: &[f32],
    w: &[f32],
    dy: &[f32],
    (n, k, o): (usize, usize, usize),
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let mut dx = vec![0.0; n * k];
    matmul(&mut dx, k, false, View::new(dy, n, o), View::new(w, o, k), 1.0, Threads::All);
    let mut dw = vec![0.0; o * k];
    matmul(&mut dw, k, false, View::new(dy, n, o).t(), View::new(x, n, k), 1.0, Threads::All);
    (dx, dw, column_sums(dy, o))
}

/// The sum of each column of a row-major matrix of `width` columns.
pub fn column_sums(x: &[f32], width: usize) -> Vec<f32> {
    let partial: Vec<Vec<f32>> = x
        .par_chunks(ROWS_PER_TASK * width.max(1))
        .map(|rows| {
            vectorised(|| {
                let mut sums = vec![0.0; width];
                for row in rows.chunks_exact(width) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
                sums
            })
        })
        .collect();
    add_in_order(&partial, width)
}

fn add_in_order(parts: &[Vec<f32>], width: usize) -> Vec<f32> {
    let mut total = vec![0.0; width];
    for part in parts {
        for (sum, value) in total.iter_mut().zip(part) {
            *sum += value;
        }
    }
    total
}

/// Mean and reciprocal standard deviation of a row, in two passes.
#[inline(always)]
fn row_moments(row: &[f32], eps: f32) -> (f32, f32) {
    let width = row.len() as f32;
    let mean = lane_sum(row, |v| v) / width;
    let variance = lane_sum(row, |v| (v - mean) * (v - mean)) / width;
    (mean, (variance + eps).sqrt().recip())
}

/// `Σ f(x)` in sixteen lanes, which the compiler turns into vector additions;
/// a plain `sum()` keeps the order of addition and stays scalar.
#[inline(always)]
fn lane_sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0f32; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f(value);
        }
    }
    let rest: f32 = chunks.remainder().iter().map(|&value| f(value)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// `Σ a · b` in sixteen lanes.
#[inline(always)]
fn lane_dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0f32; LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Layer norm over the last dimension: `(x − mean) / √(var + eps) · w + b`
/// for rows of width `w.len()` (Ba, Kiros and Hinton 2016).
pub fn layer_norm(x: &[f32], w: &[f32], b: &[f32], eps: f32) -> Vec<f32> {
    let d = w.len();
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(ROWS_PER_TASK * d).zip(x.par_chunks(ROWS_PER_TASK * d)).for_each(|(out, x)| {
        vectorised(|| {
            for (out, row) in out.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
                let (mean, rstd) = row_moments(row, eps);
                for i in 0..d {
                    out[i] = (row[i] - mean) * rstd * w[i] + b[i];
                }
            }
        });
    });
    out
}

/// Gradients of [`layer_norm`]: of `x`, `w` and `b`.
///
/// With `x̂ = (x − mean) · rstd` and `g = dy · w`:
/// `dx = rstd · (g − mean(g) − x̂ · mean(g · x̂))`, `dw = Σ dy · x̂`, `db = Σ dy`.
pub fn layer_norm_backward(x: &[f32], w: &[f32], dy: &[f32], eps: f32) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let d = w.len();
    let mut dx = vec![0.0; x.len()];
    let partial: Vec<(Vec<f32>, Vec<f32>)> = dx
        .par_chunks_mut(ROWS_PER_TASK * d)
        .zip(x.par_chunks(ROWS_PER_TASK * d).zip(dy.par_chunks(ROWS_PER_TASK * d)))
        .map(|(dx, (x, dy))| {
            vectorised(|| {
                let (mut dw, mut db) = (vec![0.0; d], vec![0.0; d]);
                let mut normal = vec![0.0; d];
                let mut g = vec![0.0; d];
                let rows = dx.chunks_exact_mut(d).zip(x.chunks_exact(d).zip(dy.chunks_exact(d)));
                for (dx, (x, dy)) in rows {
                    let (mean, rstd) = row_moments(x, eps);
                    for i in 0..d {
                        normal[i] = (x[i] - mean) * rstd;
                        g[i] = dy[i] * w[i];
                        dw[i] += dy[i] * normal[i];
                        db[i] += dy[i];
                    }
                    let mean_g = lane_sum(&g, |v| v) / d as f32;
                    let mean_gn = lane_dot(&g, &normal) / d as f32;
                    for i in 0..d {
                        dx[i] = rstd * (g[i] - mean_g - normal[i] * mean_gn);
                    }
                }
                (dw, db)
            })
        })
        .collect();
    let (dw, db): (Vec<_>, Vec<_>) = partial.into_iter().unzip();
    (dx, add_in_order(&dw, d), add_in_order(&db, d))
}

/// `eˣ` for `x` up to 88, with a relative error of at most 2.5 · 10⁻⁷ (against
/// `f64`, in steps of 0.0037, in the tests); 0 below −87.3.
///
/// `x = n ln 2 + r` with `|r| ≤ ln 2 / 2`; `eʳ` by its Taylor polynomial of
/// degree 6, `2ⁿ` by writing the exponent bits.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding 1.5 · 2²³ leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that n · ln 2 is exact to beyond f32.
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let value = p * f32::from_bits(exponent);
    if x < -87.3 { 0.0 } else { value }
}

/// The standard normal distribution at `x`: `(Φ(x), φ(x))`.
///
/// `Φ` by formula 7.1.26 of Abramowitz and Stegun; the largest error found
/// over [−10, 10] in steps of 10⁻⁴ is below 3 · 10⁻⁷.
#[inline(always)]
fn normal_distribution(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let gauss = exp(-z * z);
    let tail = 0.5 * p * t * gauss;
    let cdf = if x < 0.0 { tail } else { 1.0 - tail };
    (cdf, gauss * 0.398_942_3)
}

/// `Φ(x)`, the share of a standard normal distribution below `x`, with an
/// error below 3 · 10⁻⁷; a loop over it vectorises.
#[inline(always)]
pub fn normal_cdf(x: f32) -> f32 {
    normal_distribution(x).0
}

/// Exact GELU, `x Φ(x)` (Hendrycks and Gimpel 2016), not its tanh form.
pub fn gelu(x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(ELEMENTS_PER_TASK).zip(x.par_chunks(ELEMENTS_PER_TASK)).for_each(|(out, x)| {
        vectorised(|| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = x * normal_distribution(x).0;
            }
        });
    });
    out
}

/// Gradient of [`gelu`]: `dy · (Φ(x) + x φ(x))`.
pub fn gelu_backward(x: &[f32], dy: &[f32]) -> Vec<f32> {
    let mut dx = vec![0.0; x.len()];
    dx.par_chunks_mut(ELEMENTS_PER_TASK)
        .zip(x.par_chunks(ELEMENTS_PER_TASK).zip(dy.par_chunks(ELEMENTS_PER_TASK)))
        .for_each(|(dx, (x, dy))| {
            vectorised(|| {
                for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                    let (cdf, density) = normal_distribution(x);
                    *dx = dy * (cdf + x * density);
                }
            });
        });
    dx
}

/// Softmax of each row of width `width`, in place. A row of −∞ alone becomes
/// zeros, not NaN.
#[inline(always)]
pub fn softmax_rows_in_place(x: &mut [f32], width: usize) {
    if width == 0 {
        return;
    }
    for row in x.chunks_exact_mut(width) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if max == f32::NEG_INFINITY {
            row.fill(0.0);
            continue;
        }
        for value in row.iter_mut() {
            *value = exp(*value - max);
        }
        let sum = lane_sum(row, |v| v);
        let scale = sum.recip();
        for value in row.iter_mut() {
            *value *= scale;
        }
    }
}

/// Inverted dropout: `keep(i) ? x / (1 − p) : 0`, the mask a function of
/// `seed` and index, so that applying it to a gradient is its own backward.
pub fn dropout(x: &[f32], p: f32, seed: u64) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(ELEMENTS_PER_TASK).zip(x.par_chunks(ELEMENTS_PER_TASK)).enumerate().for_each(
        |(task, (out, x))| {
            out.copy_from_slice(x);
            dropout_in_place(out, p, seed, task * ELEMENTS_PER_TASK);
        },
    );
    out
}

/// [`dropout`] of a part that begins at index `first`.
fn dropout_in_place(x: &mut [f32], p: f32, seed: u64, first: usize) {
    let scale = 1.0 / (1.0 - p);
    let limit = (f64::from(p) * 4_294_967_296.0) as u32;
    vectorised(|| {
        for (i, value) in x.iter_mut().enumerate() {
            let bits = crate::rng::mask_bits(seed, (first + i) as u64);
            *value = if bits < limit { 0.0 } else { *value * scale };
        }
    });
}

/// Settings of [`attention`].
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Width of all heads together.
    pub d: usize,
    /// Number of heads; it divides `d`.
    pub heads: usize,
    /// Probability that an attention weight is dropped; 0 when not training.
    pub dropout: f32,
    /// Seed of the dropout masks.
    pub seed: u64,
}

/// Splits a mutable row-major matrix of `d` columns at segment borders.
fn split_segments<'a>(mut x: &'a mut [f32], lengths: &[usize], d: usize) -> Vec<&'a mut [f32]> {
    let mut parts = Vec::with_capacity(lengths.len());
    for &length in lengths {
        let (head, tail) = x.split_at_mut(length * d);
        parts.push(head);
        x = tail;
    }
    parts
}

/// The first row of each segment.
fn starts(lengths: &[usize]) -> Vec<usize> {
    let mut next = 0;
    lengths
        .iter()
        .map(|length| {
            let start = next;
            next += length;
            start
        })
        .collect()
}

/// Scaled dot-product attention (Vaswani et al. 2017) over ragged texts: rows
/// attend to the rows of their own segment and to no others, so no padding
/// exists. `q`, `k`, `v` are (n, d); `lengths` are the segments' rows, adding
/// up to n. Returns (n, d).
pub fn attention(q: &[f32], k: &[f32], v: &[f32], lengths: &[usize], shape: AttentionShape) -> Vec<f32> {
    let AttentionShape { d, heads, .. } = shape;
    let e = d / heads;
    let mut out = vec![0.0; q.len()];
    let tasks: Vec<_> =
        split_segments(&mut out, lengths, d).into_iter().zip(starts(lengths)).enumerate().collect();
    tasks.into_par_iter().for_each(|(segment, (out, start))| {
        let t = out.len() / d;
        let rows = start * d..(start + t) * d;
        let (q, k, v) = (&q[rows.clone()], &k[rows.clone()], &v[rows]);
        let mut weights = vec![0.0; t * t];
        for head in 0..heads {
            let at = head * e;
            if t == 0 {
                continue;
            }
            attention_weights(&mut weights, &q[at..], &k[at..], t, e, d);
            if shape.dropout > 0.0 {
                let seed = crate::rng::mix(shape.seed, &[segment as u64, head as u64]);
                dropout_in_place(&mut weights, shape.dropout, seed, 0);
            }
            let v = View::strided(&v[at..], t, e, d);
            matmul(&mut out[at..], d, false, View::new(&weights, t, t), v, 1.0, Threads::One);
        }
    });
    out
}

/// `softmax(q kᵀ / √e)` of one head: (t, t).
fn attention_weights(weights: &mut [f32], q: &[f32], k: &[f32], t: usize, e: usize, d: usize) {
    let scale = (e as f32).sqrt().recip();
    let (q, k) = (View::strided(q, t, e, d), View::strided(k, t, e, d));
    matmul(weights, t, false, q, k.t(), scale, Threads::One);
    vectorised(|| softmax_rows_in_place(weights, t));
}

/// Gradients of [`attention`]: of `q`, `k` and `v`. The weights are computed
/// again rather than kept.
///
/// With weights `P`, dropped weights `P'` and output `O = P' V`:
/// `dV = P'ᵀ dO`, `dP = drop(dO Vᵀ)`, `dS = P · (dP − rowsum(dP · P))`,
/// `dQ = dS K / √e`, `dK = dSᵀ Q / √e`.
pub fn attention_backward(
    (q, k, v): (&[f32], &[f32], &[f32]),
    d_out: &[f32],
    lengths: &[usize],
    shape: AttentionShape,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let AttentionShape { d, heads, .. } = shape;
    let e = d / heads;
    let scale = (e as f32).sqrt().recip();
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; q.len()], vec![0.0; q.len()]);
    let tasks: Vec<_> = split_segments(&mut dq, lengths, d)
        .into_iter()
        .zip(split_segments(&mut dk, lengths, d))
        .zip(split_segments(&mut dv, lengths, d))
        .zip(starts(lengths))
        .enumerate()
        .collect();
    tasks.into_par_iter().for_each(|(segment, (((dq, dk), dv), start))| {
        let t = dq.len() / d;
        if t == 0 {
            return;
        }
        let rows = start * d..(start + t) * d;
        let (q, k, v) = (&q[rows.clone()], &k[rows.clone()], &v[rows.clone()]);
        let d_out = &d_out[rows];
        let mut weights = vec![0.0; t * t];
        let mut d_weights = vec![0.0; t * t];
        let mut dropped = Vec::new();
        for head in 0..heads {
            let at = head * e;
            let seed = crate::rng::mix(shape.seed, &[segment as u64, head as u64]);
            attention_weights(&mut weights, &q[at..], &k[at..], t, e, d);
            let d_out = View::strided(&d_out[at..], t, e, d);
            let v = View::strided(&v[at..], t, e, d);
            matmul(&mut d_weights, t, false, d_out, v.t(), 1.0, Threads::One);
            let used = if shape.dropout > 0.0 {
                dropped.clear();
                dropped.extend_from_slice(&weights);
                dropout_in_place(&mut dropped, shape.dropout, seed, 0);
                dropout_in_place(&mut d_weights, shape.dropout, seed, 0);
                &dropped
            } else {
                &weights
            };
            matmul(&mut dv[at..], d, false, View::new(used, t, t).t(), d_out, 1.0, Threads::One);
            vectorised(|| {
                let rows = d_weights.chunks_exact_mut(t).zip(weights.chunks_exact(t));
                for (dp, p) in rows {
                    let dot = lane_dot(dp, p);
                    for (dp, p) in dp.iter_mut().zip(p) {
                        *dp = p * (*dp - dot);
                    }
                }
            });
            let ds = View::new(&d_weights, t, t);
            let (q, k) = (View::strided(&q[at..], t, e, d), View::strided(&k[at..], t, e, d));
            matmul(&mut dq[at..], d, false, ds, k, scale, Threads::One);
            matmul(&mut dk[at..], d, false, ds.t(), q, scale, Threads::One);
        }
    });
    (dq, dk, dv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn random(n: usize, purpose: &str) -> Vec<f32> {
        let mut rng = Rng::new(5, purpose);
        (0..n).map(|_| rng.normal() as f32).collect()
    }

    fn assert_close(got: &[f32], want: &[f32], tolerance: f32) {
        assert_eq!(got.len(), want.len());
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "value {i}: got {g}, want {w}");
        }
    }

    #[test]
    #[should_panic(expected = "value 1")]
    fn assert_close_fails_on_a_wrong_value() {
        assert_close(&[1.0, 0.1], &[1.0, 0.0], 1e-5);
    }

    #[test]
    #[should_panic(expected = "value 0")]
    fn assert_close_fails_on_nan() {
        assert_close(&[f32::NAN], &[0.0], 1e-5);
    }

    #[test]
    fn linear_equals_its_slow_twin_over_small_shapes() {
        for (n, k, o) in [(1, 1, 1), (3, 5, 2), (17, 8, 33), (0, 4, 4)] {
            let (x, w, b) = (random(n * k, "x"), random(o * k, "w"), random(o, "b"));
            let mut slow = vec![0.0; n * o];
            for i in 0..n {
                for j in 0..o {
                    slow[i * o + j] = b[j] + (0..k).map(|c| x[i * k + c] * w[j * k + c]).sum::<f32>();
                }
            }
            assert_close(&linear(&x, &w, &b, n, k, o), &slow, 1e-5);
        }
    }

    #[test]
    fn exp_keeps_its_stated_error() {
        let mut worst = 0.0f64;
        let mut x = -87.0f32;
        while x < 88.0 {
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
            x += 0.0037;
        }
        assert!(worst < 2.5e-7, "worst relative error {worst:e}");
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e4), 0.0);
        assert!(exp(1e4).is_finite());
    }

    #[test]
    fn gelu_is_the_exact_form() {
        // Values of x Φ(x) from scipy.stats.norm.cdf.
        let x = [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 40.0, -40.0];
        let want = [
            -0.004_049_694,
            -0.158_655_25,
            -0.154_268_77,
            0.0,
            0.345_731_23,
            0.841_344_8,
            2.995_950_2,
            40.0,
            0.0,
        ];
        assert_close(&gelu(&x), &want, 1e-6);
    }

    #[test]
    fn softmax_sums_to_one_and_survives_extremes() {
        let mut x = vec![1e4, -1e4, 0.0, 1.0, 2.0, 3.0];
        softmax_rows_in_place(&mut x, 3);
        assert_close(&x[..3], &[1.0, 0.0, 0.0], 1e-6);
        assert_close(&x[3..], &[0.090_030_57, 0.244_728_48, 0.665_240_96], 1e-6);
        let mut masked = vec![f32::NEG_INFINITY; 4];
        softmax_rows_in_place(&mut masked, 4);
        assert_eq!(masked, vec![0.0; 4]);
    }

    #[test]
    fn attention_equals_its_slow_twin_and_ignores_other_segments() {
        let (d, heads) = (8, 2);
        let lengths = [3, 1, 5];
        let n: usize = lengths.iter().sum();
        let (q, k, v) = (random(n * d, "q"), random(n * d, "k"), random(n * d, "v"));
        let shape = AttentionShape { d, heads, dropout: 0.0, seed: 0 };
        let got = attention(&q, &k, &v, &lengths, shape);
        let mut slow = vec![0.0f32; n * d];
        let e = d / heads;
        let mut start = 0;
        for t in lengths {
            for head in 0..heads {
                for i in start..start + t {
                    let score = |j: usize| {
                        (0..e).map(|c| q[i * d + head * e + c] * k[j * d + head * e + c]).sum::<f32>()
                            / (e as f32).sqrt()
                    };
                    let total: f32 = (start..start + t).map(|j| score(j).exp()).sum();
                    for j in start..start + t {
                        let p = score(j).exp() / total;
                        for c in 0..e {
                            slow[i * d + head * e + c] += p * v[j * d + head * e + c];
                        }
                    }
                }
            }
            start += t;
        }
        assert_close(&got, &slow, 1e-5);
        let alone = attention(&q[24..32], &k[24..32], &v[24..32], &[1], shape);
        assert_close(&got[24..32], &alone, 1e-6);
    }

    #[test]
    fn dropout_keeps_the_mean_and_repeats_its_mask() {
        let ones = vec![1.0; 50_000];
        let once = dropout(&ones, 0.1, 9);
        assert_eq!(once, dropout(&ones, 0.1, 9));
        assert_ne!(once, dropout(&ones, 0.1, 10));
        let mean = once.iter().sum::<f32>() / once.len() as f32;
        assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    }
}
