//! Weights packed once, and the product `x wᵀ + b` with them, in float32 or
//! int8.
//!
//! In int8 every output has a scale of its own and every row of activations a
//! scale and a zero point of its own, found when the row is read (dynamic
//! quantisation; Jacob and others 2018, equations 5 to 8). With
//! `x = s (q − z)` and `w = t p`, both `q` and `p` whole numbers,
//! `x · w = s t (Σ q p − z Σ p)`.
//!
//! Where a few columns of the activations are far larger than the others, the
//! others lose their precision to them. A matrix may therefore have a factor
//! for each input: inputs are multiplied with it before they are quantised, and
//! the weights of that column divided by it (SmoothQuant; Xiao and others 2023).
//!
//! Dimension key: `n` rows, `k` inner width, `o` outputs.

use std::ops::Range;

use super::path::Path;
use super::rows::{self, After, fma};
use super::tile::{self, COLUMNS, GROUP, ROWS, Tile};

/// How a matrix is stored and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Weights and activations as float32.
    Float32,
    /// Weights as `i8` with a scale for each output, activations as `i8` with
    /// scale and zero point for each row.
    Int8,
}

/// The weights and bias of a linear layer, ready to multiply.
#[derive(Clone, Debug)]
pub struct Matrix {
    path: Path,
    inputs: usize,
    outputs: usize,
    /// Filled up with zeros to whole panels.
    bias: Vec<f32>,
    /// In int8, what each input is multiplied with before it is quantised;
    /// empty stands for ones.
    factors: Vec<f32>,
    weights: Weights,
}

#[derive(Clone, Debug)]
enum Weights {
    /// Panels (o/32, k, 32).
    Float(Vec<f32>),
    /// Panels (o/32, k/4, 32, 4) with the sums and scales of each output.
    Int8 { panels: Vec<u8>, sums: Vec<i32>, scales: Vec<f32> },
}

/// Rows of activations as a product takes them.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// Rows of float32, `step` apart.
    Float {
        /// The values.
        data: &'a [f32],
        /// Values from one row to the next.
        step: usize,
    },
    /// Rows of int8.
    Int8(&'a Quantised),
}

/// Rows of activations in int8, each with its own scale and zero point.
#[derive(Clone, Debug, Default)]
pub struct Quantised {
    /// Values from one row to the next: the inner width filled up to a
    /// multiple of [`GROUP`].
    step: usize,
    data: Vec<i8>,
    rows: Vec<RowScale>,
    /// One row, multiplied with its factors.
    scaled: Vec<f32>,
}

/// What the whole numbers of a row stand for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowScale {
    /// One step.
    pub scale: f32,
    /// The number that stands for 0.
    pub zero: i32,
    /// Sum of the row's numbers.
    pub sum: i32,
}

impl Quantised {
    /// Quantises `n` rows of width `k` that lie `step` apart in `x`, each value
    /// multiplied with its column's factor first; no factors stand for ones.
    pub fn fill(&mut self, path: Path, x: &[f32], step: usize, n: usize, k: usize, factors: &[f32]) {
        self.step = k.next_multiple_of(GROUP);
        let need = n * self.step;
        if self.data.len() < need {
            self.data.resize(need, 0);
        }
        self.rows.resize(n, RowScale::default());
        self.scaled.resize(factors.len(), 0.0);
        let scaled = &mut self.scaled;
        path.run(
            #[inline(always)]
            |fused| {
                for (r, (out, row)) in
                    self.data.chunks_exact_mut(self.step).zip(&mut self.rows).take(n).enumerate()
                {
                    let (out, rest) = out.split_at_mut(k);
                    rest.fill(0);
                    let x = multiplied(&x[r * step..r * step + k], factors, scaled);
                    *row = rows::quantise(fused, x, out);
                }
            },
        );
    }
}

/// `x` times its columns' factors, in `out`; `x` itself where there are none.
#[inline(always)]
fn multiplied<'a>(x: &'a [f32], factors: &[f32], out: &'a mut [f32]) -> &'a [f32] {
    if factors.is_empty() {
        return x;
    }
    for ((to, x), factor) in out.iter_mut().zip(x).zip(factors) {
        *to = x * factor;
    }
    out
}

fn panels(outputs: usize) -> usize {
    outputs.div_ceil(COLUMNS)
}

impl Matrix {
    /// Packs `w` (o, k) and `b` (o).
    ///
    /// # Panics
    ///
    /// When the lengths do not fit or the machine cannot take `path`.
    pub fn new(path: Path, precision: Precision, w: &[f32], b: &[f32]) -> Self {
        Self::with_factors(path, precision, w, b, &[])
    }

    /// [`Matrix::new`] with a factor for each input (k), or none, which int8
    /// takes heed of and float32 has no need for. The product is the same.
    ///
    /// # Panics
    ///
    /// As [`Matrix::new`], and when there are neither `k` factors nor none.
    pub fn with_factors(path: Path, precision: Precision, w: &[f32], b: &[f32], factors: &[f32]) -> Self {
        assert!(path.available(), "path {} on this machine", path.name());
        let outputs = b.len();
        assert!(outputs > 0 && w.len().is_multiple_of(outputs), "weights of a matrix");
        let inputs = w.len() / outputs;
        let mut bias = b.to_vec();
        bias.resize(panels(outputs) * COLUMNS, 0.0);
        assert!(factors.is_empty() || factors.len() == inputs, "factors of a matrix");
        let weights = match precision {
            Precision::Float32 => pack_float(w, inputs, outputs),
            Precision::Int8 => pack_int8(path, w, inputs, outputs, factors),
        };
        Self { path, inputs, outputs, bias, factors: factors.to_vec(), weights }
    }

    /// Inner width.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether it multiplies int8.
    pub fn is_int8(&self) -> bool {
        matches!(self.weights, Weights::Int8 { .. })
    }

    /// `after(x wᵀ + b)` for `n` rows, written to rows of `out` that lie `step`
    /// apart. `scratch` holds the rows in int8 where the matrix asks for that.
    ///
    /// # Panics
    ///
    /// When `x` or `out` is too short.
    #[expect(clippy::too_many_arguments, reason = "an operand and a result with their steps")]
    pub fn apply(
        &self,
        x: &[f32],
        x_step: usize,
        n: usize,
        scratch: &mut Quantised,
        after: After,
        out: &mut [f32],
        step: usize,
    ) {
        match self.is_int8() {
            false => self.multiply(Input::Float { data: x, step: x_step }, n, after, out, step),
            true => {
                scratch.fill(self.path, x, x_step, n, self.inputs, &self.factors);
                self.multiply(Input::Int8(scratch), n, after, out, step);
            }
        }
    }

    /// [`Matrix::apply`] to rows that are already of the right kind.
    ///
    /// # Panics
    ///
    /// When the rows are of the other kind, or `x` or `out` is too short.
    pub fn multiply(&self, x: Input<'_>, n: usize, after: After, out: &mut [f32], step: usize) {
        if n == 0 {
            return;
        }
        assert!((n - 1) * step + self.outputs <= out.len(), "output of a product is too short");
        match after {
            After::Nothing => self.multiply_as::<false>(x, n, out, step),
            After::Gelu => self.multiply_as::<true>(x, n, out, step),
        }
    }

    fn multiply_as<const GELU: bool>(&self, x: Input<'_>, n: usize, out: &mut [f32], step: usize) {
        let path = self.path;
        path.run(
            #[inline(always)]
            |fused| {
                let mut spare = [0.0; ROWS * COLUMNS];
                let mut whole = Tile::new();
                // Panels outside, rows inside: a panel stays in the nearest
                // cache while the rows of a block pass by.
                for panel in 0..panels(self.outputs) {
                    let at = panel * COLUMNS;
                    let width = (self.outputs - at).min(COLUMNS);
                    for first in (0..n).step_by(ROWS) {
                        let rows = first..n.min(first + ROWS);
                        let to = first * step + at;
                        if width == COLUMNS {
                            self.tile::<GELU>(fused, x, rows, at, &mut whole, &mut out[to..], step);
                            continue;
                        }
                        self.tile::<GELU>(fused, x, rows.clone(), at, &mut whole, &mut spare, COLUMNS);
                        for (r, row) in spare.chunks_exact(COLUMNS).enumerate().take(rows.len()) {
                            out[to + r * step..][..width].copy_from_slice(&row[..width]);
                        }
                    }
                }
            },
        );
    }

    /// `x wᵀ + b` of some rows and the panel of outputs from `at` on.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step, named")]
    #[inline(always)]
    fn tile<const GELU: bool>(
        &self,
        fused: bool,
        x: Input<'_>,
        rows: Range<usize>,
        at: usize,
        whole: &mut Tile,
        out: &mut [f32],
        out_step: usize,
    ) {
        let k = self.inputs;
        let n = rows.len();
        let bias = self.bias[at..].first_chunk::<COLUMNS>();
        let Some(bias) = bias else { return };
        let finish = |x: f32| if GELU { rows::gelu(fused, x) } else { x };
        match (&self.weights, x) {
            (Weights::Float(panels), Input::Float { data, step }) => {
                let weights = &panels[at * k..(at + COLUMNS) * k];
                tile::float(self.path, &data[rows.start * step..], step, n, k, weights, out, out_step);
                for row in out.chunks_mut(out_step).take(n) {
                    for (x, b) in row[..COLUMNS].iter_mut().zip(bias) {
                        *x = finish(*x + b);
                    }
                }
            }
            (Weights::Int8 { panels, sums, scales }, Input::Int8(x)) => {
                let k = k.next_multiple_of(GROUP);
                assert_eq!(x.step, k, "width of the rows of an int8 product");
                let weights = &panels[at * k..(at + COLUMNS) * k];
                let (sums, scales) = (&sums[at..at + COLUMNS], &scales[at..at + COLUMNS]);
                tile::int8(self.path, &x.data[rows.start * k..], k, n, k, weights, whole);
                let tile_rows = out.chunks_mut(out_step).zip(&whole.0).zip(&x.rows[rows]);
                for ((out, whole), row) in tile_rows {
                    let out = &mut out[..COLUMNS];
                    // Weights are stored 128 above their value.
                    let above = 128 * row.sum;
                    for c in 0..COLUMNS {
                        let sum = whole[c] - above - row.zero * sums[c];
                        out[c] = finish(fma(fused, sum as f32, row.scale * scales[c], bias[c]));
                    }
                }
            }
            _ => unreachable!("rows and weights of a product are of one kind"),
        }
    }
}

fn pack_float(w: &[f32], k: usize, o: usize) -> Weights {
    let mut packed = vec![0.0; panels(o) * k * COLUMNS];
    for (row, w) in w.chunks_exact(k).enumerate() {
        let panel = &mut packed[row / COLUMNS * k * COLUMNS..];
        for (i, value) in w.iter().enumerate() {
            panel[i * COLUMNS + row % COLUMNS] = *value;
        }
    }
    Weights::Float(packed)
}

fn pack_int8(path: Path, w: &[f32], k: usize, o: usize, factors: &[f32]) -> Weights {
    let width = k.next_multiple_of(GROUP);
    // Outputs that fill up the last panel have weight 0, stored as 128.
    let mut packed = vec![128u8; panels(o) * width * COLUMNS];
    let mut sums = vec![0; panels(o) * COLUMNS];
    let mut scales = vec![0.0; panels(o) * COLUMNS];
    let mut whole = vec![0i8; width];
    let inverses: Vec<f32> = factors.iter().map(|factor| factor.recip()).collect();
    let mut divided = vec![0.0; inverses.len()];
    for (row, w) in w.chunks_exact(k).enumerate() {
        let w = multiplied(w, &inverses, &mut divided);
        (scales[row], sums[row]) = path.run(
            #[inline(always)]
            |_| rows::quantise_weights(w, &mut whole[..k]),
        );
        let panel = &mut packed[row / COLUMNS * width * COLUMNS..][..width * COLUMNS];
        let groups = panel.as_chunks_mut::<GROUP>().0.iter_mut().skip(row % COLUMNS).step_by(COLUMNS);
        for (to, from) in groups.zip(whole.as_chunks::<GROUP>().0) {
            *to = from.map(|p| (p as u8) ^ 0x80);
        }
    }
    Weights::Int8 { panels: packed, sums, scales }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels;
    use crate::rng::Rng;

    fn random(n: usize, purpose: &str) -> Vec<f32> {
        let mut rng = Rng::new(5, purpose);
        (0..n).map(|_| rng.normal() as f32).collect()
    }

    /// The largest difference, as a share of the largest value wanted, or of a
    /// fifth where all are smaller: GELU's own error is absolute.
    fn gap(got: &[f32], want: &[f32]) -> f32 {
        assert_eq!(got.len(), want.len());
        let largest = want.iter().fold(0.2f32, |m, v| m.max(v.abs()));
        got.iter().zip(want).fold(0.0, |worst, (a, b)| {
            let d = (a - b).abs() / largest;
            if d.is_nan() { f32::INFINITY } else { worst.max(d) }
        })
    }

    #[test]
    fn products_are_those_of_the_reference_on_every_path() {
        for path in Path::ALL.into_iter().filter(|p| p.available()) {
            for (n, k, o) in [(1, 8, 1), (13, 20, 33), (30, 7, 64), (25, 384, 70)] {
                let (x, w, b) = (random(n * k, "x"), random(o * k, "w"), random(o, "b"));
                let want = kernels::linear(&x, &w, &b, n, k, o);
                let want_gelu = kernels::gelu(&want);
                // Float32 adds up to rounding; int8 keeps about 1 part in 127
                // of each factor, and random errors average out.
                for (precision, tolerance) in [(Precision::Float32, 1e-5), (Precision::Int8, 0.03)] {
                    let matrix = Matrix::new(path, precision, &w, &b);
                    let mut out = vec![0.0; n * o];
                    let mut scratch = Quantised::default();
                    matrix.apply(&x, k, n, &mut scratch, After::Nothing, &mut out, o);
                    let worst = gap(&out, &want);
                    assert!(worst < tolerance, "{path:?} {precision:?} ({n}, {k}, {o}): {worst}");
                    matrix.apply(&x, k, n, &mut scratch, After::Gelu, &mut out, o);
                    let worst = gap(&out, &want_gelu);
                    assert!(worst < tolerance, "{path:?} {precision:?} GELU ({n}, {k}, {o}): {worst}");
                }
            }
        }
    }

    #[test]
    fn factors_change_no_product_and_save_the_small_columns_from_the_large() {
        let (n, k, o) = (9, 64, 40);
        let (mut x, w, b) = (random(n * k, "x"), random(o * k, "w"), random(o, "b"));
        // Two columns a hundred times as large as the others.
        for row in x.chunks_exact_mut(k) {
            row[5] *= 100.0;
            row[40] *= 100.0;
        }
        let mut factors = vec![1.0; k];
        (factors[5], factors[40]) = (0.125, 0.125);
        let want = kernels::linear(&x, &w, &b, n, k, o);
        for path in Path::ALL.into_iter().filter(|p| p.available()) {
            let worst = |precision, factors: &[f32]| {
                let matrix = Matrix::with_factors(path, precision, &w, &b, factors);
                let mut out = vec![0.0; n * o];
                matrix.apply(&x, k, n, &mut Quantised::default(), After::Nothing, &mut out, o);
                gap(&out, &want)
            };
            assert!(worst(Precision::Float32, &factors) < 1e-5, "{path:?}");
            let (with, without) = (worst(Precision::Int8, &factors), worst(Precision::Int8, &[]));
            assert!(with < 0.6 * without, "{path:?}: {with} with factors, {without} without");
        }
    }

    #[test]
    fn the_comparison_fails_on_wrong_values() {
        assert!(gap(&[0.0, 1.1], &[0.0, 1.0]) > 0.09);
        assert!(gap(&[f32::NAN], &[0.0]).is_infinite());
        assert!(gap(&[0.1], &[0.0]) > 0.4);
    }

    #[test]
    fn int8_is_the_same_on_every_path_to_rounding() {
        let (n, k, o) = (14, 48, 40);
        let (x, w, b) = (random(n * k, "x"), random(o * k, "w"), random(o, "b"));
        let answer = |path| {
            let mut out = vec![0.0; n * o];
            let matrix = Matrix::new(path, Precision::Int8, &w, &b);
            matrix.apply(&x, k, n, &mut Quantised::default(), After::Nothing, &mut out, o);
            out
        };
        let plain = answer(Path::Plain);
        for path in Path::ALL.into_iter().filter(|p| p.available()) {
            assert!(gap(&answer(path), &plain) < 1e-6, "{path:?}");
        }
    }

    #[test]
    fn rows_do_not_depend_on_their_company() {
        let (n, k, o) = (29, 40, 35);
        let (x, w, b) = (random(n * k, "x"), random(o * k, "w"), random(o, "b"));
        for path in Path::ALL.into_iter().filter(|p| p.available()) {
            for precision in [Precision::Float32, Precision::Int8] {
                let matrix = Matrix::new(path, precision, &w, &b);
                let mut scratch = Quantised::default();
                let mut all = vec![0.0; n * o];
                matrix.apply(&x, k, n, &mut scratch, After::Gelu, &mut all, o);
                for r in 0..n {
                    let mut one = vec![0.0; o];
                    matrix.apply(&x[r * k..], k, 1, &mut scratch, After::Gelu, &mut one, o);
                    assert_eq!(one, all[r * o..(r + 1) * o], "{path:?} {precision:?} row {r}");
                }
            }
        }
    }
}
