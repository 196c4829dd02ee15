//! Attention of one head within one window: `softmax(q kᵀ / √e) v`
//! (Vaswani and others 2017), a tile of rows at a time, so that scores never
//! leave the nearest cache.
//!
//! Dimension key: `t` rows of the window, `e` width of the head.

use super::path::Path;
use super::rows;
use super::tile::{self, COLUMNS, ROWS};

/// Rows of the queries, keys and values of a window: three matrices whose rows
/// lie `step` apart in one buffer, of which this head takes `e` columns each.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// From the window's first row on.
    pub data: &'a [f32],
    /// Values from one row to the next.
    pub step: usize,
    /// Rows.
    pub rows: usize,
    /// First column of query, key and value.
    pub columns: [usize; 3],
    /// Width of the head.
    pub width: usize,
}

/// Buffers of one task, used again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// `kᵀ` as panels (t/32, e, 32).
    keys: Vec<f32>,
    /// `v` as panels (e/32, t, 32).
    values: Vec<f32>,
    /// Scores of a tile of rows, (12, t filled up to panels).
    scores: Vec<f32>,
}

/// A slice of at least `n` values; what they are is not said.
pub fn room<T: Clone + Default>(buffer: &mut Vec<T>, n: usize) -> &mut [T] {
    if buffer.len() < n {
        buffer.resize(n, T::default());
    }
    &mut buffer[..n]
}

/// Writes the head's context, (t, e) dense, to `out`.
///
/// # Panics
///
/// When `out` or the input is too short.
pub fn attend(path: Path, x: Heads<'_>, scratch: &mut Scratch, out: &mut [f32]) {
    let (t, e) = (x.rows, x.width);
    let [q, k, v] = x.columns;
    let wide = t.next_multiple_of(COLUMNS);
    let key_panels = room(&mut scratch.keys, wide * e);
    let value_panels = room(&mut scratch.values, t * e.next_multiple_of(COLUMNS));
    let scores = room(&mut scratch.scores, ROWS * wide);
    let scale = (e as f32).sqrt().recip();
    path.run(
        #[inline(always)]
        |fused| {
            pack_keys(x.data, x.step, k, t, e, key_panels);
            pack_values(x.data, x.step, v, t, e, value_panels);
            let mut tile = [0.0; ROWS * COLUMNS];
            for first in (0..t).step_by(ROWS) {
                let n = (t - first).min(ROWS);
                let queries = &x.data[first * x.step + q..];
                for (p, panel) in key_panels.chunks_exact(e * COLUMNS).enumerate() {
                    tile::float(path, queries, x.step, n, e, panel, &mut scores[p * COLUMNS..], wide);
                }
                let mut scales = [0.0; ROWS];
                for r in 0..n {
                    scales[r] = rows::softmax_unscaled(fused, &mut scores[r * wide..r * wide + t], scale);
                }
                for (p, panel) in value_panels.chunks_exact(t * COLUMNS).enumerate() {
                    tile::float(path, scores, wide, n, t, panel, &mut tile, COLUMNS);
                    let width = (e - p * COLUMNS).min(COLUMNS);
                    for (r, row) in tile.as_chunks_mut::<COLUMNS>().0.iter_mut().enumerate().take(n) {
                        for value in row.iter_mut() {
                            *value *= scales[r];
                        }
                        out[(first + r) * e + p * COLUMNS..][..width].copy_from_slice(&row[..width]);
                    }
                }
            }
        },
    );
}

/// `kᵀ` in panels; columns that fill up the last one are zero.
#[inline(always)]
fn pack_keys(x: &[f32], step: usize, at: usize, t: usize, e: usize, out: &mut [f32]) {
    for (p, panel) in out.chunks_exact_mut(e * COLUMNS).enumerate() {
        let first = p * COLUMNS;
        let n = (t - first).min(COLUMNS);
        if n < COLUMNS {
            panel.fill(0.0);
        }
        for c in 0..n {
            let row = &x[(first + c) * step + at..][..e];
            for (to, value) in panel[c..].iter_mut().step_by(COLUMNS).zip(row) {
                *to = *value;
            }
        }
    }
}

/// `v` in panels; columns that fill up the last one are zero.
#[inline(always)]
fn pack_values(x: &[f32], step: usize, at: usize, t: usize, e: usize, out: &mut [f32]) {
    for (p, panel) in out.chunks_exact_mut(t * COLUMNS).enumerate() {
        let width = (e - p * COLUMNS).min(COLUMNS);
        for (r, to) in panel.as_chunks_mut::<COLUMNS>().0.iter_mut().enumerate() {
            let row = &x[r * step + at + p * COLUMNS..][..width];
            if width == COLUMNS {
                to.copy_from_slice(row);
            } else {
                to[..width].copy_from_slice(row);
                to[width..].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::{self, AttentionShape};
    use crate::rng::Rng;

    #[test]
    fn it_is_the_attention_of_the_reference_at_every_length() {
        let mut rng = Rng::new(4, "attention");
        let mut scratch = Scratch::default();
        for path in Path::ALL.into_iter().filter(|p| p.available()) {
            for e in [4, 32, 40, 64] {
                for t in [1, 2, 11, 12, 13, 31, 32, 33, 70] {
                    let d = 3 * e + 2;
                    let x: Vec<f32> = (0..t * d).map(|_| rng.normal() as f32).collect();
                    let column = |at: usize| -> Vec<f32> {
                        (0..t).flat_map(|r| x[r * d + at..r * d + at + e].to_vec()).collect()
                    };
                    let (q, k, v) = (column(0), column(e + 1), column(2 * e + 2));
                    let shape = AttentionShape { d: e, heads: 1, dropout: 0.0, seed: 0 };
                    let want = kernels::attention(&q, &k, &v, &[t], shape);
                    let mut got = vec![0.0; t * e];
                    let heads =
                        Heads { data: &x, step: d, rows: t, columns: [0, e + 1, 2 * e + 2], width: e };
                    attend(path, heads, &mut scratch, &mut got);
                    let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    // Weighted means of values of about 1.
                    assert!(worst < 1e-5, "{path:?} e {e} t {t}: {worst}");
                }
            }
        }
    }
}
