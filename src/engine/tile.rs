//! The innermost products: up to [`ROWS`] rows of the left side against a
//! *panel* of [`COLUMNS`] columns of the right side, held in registers over
//! the whole inner width.
//!
//! A float panel is (k, 32). An int8 panel is (k/4, 32, 4): the four values
//! that one instruction multiplies lie beside each other. Weights are stored
//! as `u8`, 128 above their value, and activations are `i8`, because the
//! instructions multiply unsigned by signed and broadcast the signed side.

use super::path::Path;

/// Columns of a panel.
pub const COLUMNS: usize = 32;

/// Most rows of a tile.
pub const ROWS: usize = 12;

/// Inner values that one int8 instruction multiplies and adds.
pub const GROUP: usize = 4;

/// What an int8 product leaves: up to [`ROWS`] rows of [`COLUMNS`] sums.
#[repr(align(64))]
pub struct Tile(pub [[i32; COLUMNS]; ROWS]);

impl Tile {
    /// Zeros.
    pub fn new() -> Self {
        Self([[0; COLUMNS]; ROWS])
    }
}

/// Calls `$f::<R>` with R the number of rows, 1 to 12.
#[cfg(target_arch = "x86_64")]
macro_rules! by_rows {
    ($rows:expr, $f:ident, $($argument:expr),*) => {
        match $rows {
            1 => $f::<1>($($argument),*),
            2 => $f::<2>($($argument),*),
            3 => $f::<3>($($argument),*),
            4 => $f::<4>($($argument),*),
            5 => $f::<5>($($argument),*),
            6 => $f::<6>($($argument),*),
            7 => $f::<7>($($argument),*),
            8 => $f::<8>($($argument),*),
            9 => $f::<9>($($argument),*),
            10 => $f::<10>($($argument),*),
            11 => $f::<11>($($argument),*),
            _ => $f::<12>($($argument),*),
        }
    };
}

/// `out[r · out_step + c] = Σ_k a[r · step + k] · panel[k · 32 + c]` for
/// `rows` rows and 32 columns.
///
/// # Panics
///
/// When the operands are too short for the shape.
#[expect(clippy::too_many_arguments, reason = "two operands and a result with their steps")]
#[inline]
pub fn float(
    path: Path,
    a: &[f32],
    step: usize,
    rows: usize,
    k: usize,
    panel: &[f32],
    out: &mut [f32],
    out_step: usize,
) {
    assert!((1..=ROWS).contains(&rows) && (rows - 1) * step + k <= a.len(), "left side of a float tile");
    assert!((rows - 1) * out_step + COLUMNS <= out.len(), "result of a float tile");
    assert!(k * COLUMNS <= panel.len(), "panel of a float tile");
    match path {
        Path::Plain => float_plain(a, step, rows, k, panel, out, out_step),
        // SAFETY: the features were detected when the path was chosen, and the
        // three assertions above are what the kernels ask for.
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => unsafe {
            by_rows!(rows, float_512, a.as_ptr(), step, k, panel.as_ptr(), out.as_mut_ptr(), out_step);
        },
        // SAFETY: as above; each call takes at most six of the rows and
        // sixteen of the columns.
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::Avx2Vnni => unsafe {
            for first in (0..rows).step_by(6) {
                let some = (rows - first).min(6);
                for half in [0, COLUMNS / 2] {
                    let a = a.as_ptr().add(first * step);
                    let panel = panel.as_ptr().add(half);
                    let out = out.as_mut_ptr().add(first * out_step + half);
                    by_rows!(some, float_256, a, step, k, panel, out, out_step);
                }
            }
        },
        #[cfg(not(target_arch = "x86_64"))]
        _ => float_plain(a, step, rows, k, panel, out, out_step),
    }
}

/// `out[r][c] = Σ_k a[r · step + k] · w[k, c]` in whole numbers, with `w` the
/// bytes of the panel as they stand (128 above the weights).
///
/// # Panics
///
/// When the operands are too short for the shape, or `k` is no multiple of
/// [`GROUP`].
pub fn int8(path: Path, a: &[i8], step: usize, rows: usize, k: usize, panel: &[u8], out: &mut Tile) {
    assert!((1..=ROWS).contains(&rows) && (rows - 1) * step + k <= a.len(), "left side of an int8 tile");
    assert!(k.is_multiple_of(GROUP) && k * COLUMNS <= panel.len(), "panel of an int8 tile");
    match path {
        Path::Plain => int8_plain(a, step, rows, k, panel, out),
        // SAFETY: the features were detected when the path was chosen, and the
        // two assertions above are what the kernels ask for.
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => unsafe {
            by_rows!(rows, int8_512, a.as_ptr(), step, k, panel.as_ptr(), out);
        },
        // SAFETY: as above; each call takes at most six of the rows and
        // sixteen of the columns.
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::Avx2Vnni => unsafe {
            for first in (0..rows).step_by(6) {
                let some = (rows - first).min(6);
                for half in [0, COLUMNS / 2] {
                    let a = a.as_ptr().add(first * step);
                    let panel = panel.as_ptr().add(half * GROUP);
                    if path == Path::Avx2Vnni {
                        by_rows!(some, int8_256_vnni, a, step, k, panel, out, first, half);
                    } else {
                        by_rows!(some, int8_256, a, step, k, panel, out, first, half);
                    }
                }
            }
        },
        #[cfg(not(target_arch = "x86_64"))]
        _ => int8_plain(a, step, rows, k, panel, out),
    }
}

fn float_plain(
    a: &[f32],
    step: usize,
    rows: usize,
    k: usize,
    panel: &[f32],
    out: &mut [f32],
    out_step: usize,
) {
    for r in 0..rows {
        let mut sums = [0.0f32; COLUMNS];
        for (a, w) in a[r * step..r * step + k].iter().zip(panel.as_chunks::<COLUMNS>().0) {
            for c in 0..COLUMNS {
                sums[c] += a * w[c];
            }
        }
        out[r * out_step..r * out_step + COLUMNS].copy_from_slice(&sums);
    }
}

fn int8_plain(a: &[i8], step: usize, rows: usize, k: usize, panel: &[u8], out: &mut Tile) {
    for (r, out) in out.0.iter_mut().enumerate().take(rows) {
        let mut sums = [0i32; COLUMNS];
        let groups = a[r * step..r * step + k].as_chunks::<GROUP>().0;
        for (a, w) in groups.iter().zip(panel.as_chunks::<{ COLUMNS * GROUP }>().0) {
            for c in 0..COLUMNS {
                for g in 0..GROUP {
                    sums[c] += i32::from(a[g]) * i32::from(w[c * GROUP + g]);
                }
            }
        }
        *out = sums;
    }
}

#[cfg(target_arch = "x86_64")]
use x86::{float_256, float_512, int8_256, int8_256_vnni, int8_512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{COLUMNS, GROUP, Tile};

    /// # Safety
    ///
    /// `a` must have `R` readable rows of `k` values, `step` apart; `b` must
    /// have `k · 32` readable values; `out` must have `R` writable rows of 32
    /// values, `out_step` apart.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn float_512<const R: usize>(
        a: *const f32,
        step: usize,
        k: usize,
        b: *const f32,
        out: *mut f32,
        out_step: usize,
    ) {
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        for i in 0..k {
            // SAFETY: i < k and r < R, within what the caller promises.
            unsafe {
                let b0 = _mm512_loadu_ps(b.add(i * COLUMNS));
                let b1 = _mm512_loadu_ps(b.add(i * COLUMNS + 16));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = _mm512_set1_ps(*a.add(r * step + i));
                    sums[0] = _mm512_fmadd_ps(a, b0, sums[0]);
                    sums[1] = _mm512_fmadd_ps(a, b1, sums[1]);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            // SAFETY: r < R, within what the caller promises.
            unsafe {
                _mm512_storeu_ps(out.add(r * out_step), sums[0]);
                _mm512_storeu_ps(out.add(r * out_step + 16), sums[1]);
            }
        }
    }

    /// # Safety
    ///
    /// `a` must have `R` readable rows of `k` values, `step` apart; `b` must
    /// have `k · 32` readable bytes; `k` is a multiple of 4, `R` at most 12.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) unsafe fn int8_512<const R: usize>(
        a: *const i8,
        step: usize,
        k: usize,
        b: *const u8,
        out: &mut Tile,
    ) {
        let mut sums = [[_mm512_setzero_si512(); 2]; R];
        for i in 0..k / GROUP {
            // SAFETY: four values from 4 i < k on, r < R, within what the
            // caller promises; reads are unaligned.
            unsafe {
                let b0 = _mm512_loadu_si512(b.add(i * COLUMNS * GROUP).cast());
                let b1 = _mm512_loadu_si512(b.add(i * COLUMNS * GROUP + 64).cast());
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = a.add(r * step + i * GROUP).cast::<i32>().read_unaligned();
                    let a = _mm512_set1_epi32(a);
                    sums[0] = _mm512_dpbusd_epi32(sums[0], b0, a);
                    sums[1] = _mm512_dpbusd_epi32(sums[1], b1, a);
                }
            }
        }
        for (row, sums) in out.0.iter_mut().zip(&sums) {
            // SAFETY: a row of a tile has 32 values.
            unsafe {
                _mm512_storeu_si512(row.as_mut_ptr().cast(), sums[0]);
                _mm512_storeu_si512(row.as_mut_ptr().add(16).cast(), sums[1]);
            }
        }
    }

    /// Sixteen of the columns.
    ///
    /// # Safety
    ///
    /// `a` must have `R` readable rows of `k` values, `step` apart; `b` must
    /// have `k` readable rows of sixteen values, 32 apart; `out` must have `R`
    /// writable rows of sixteen values, `out_step` apart.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn float_256<const R: usize>(
        a: *const f32,
        step: usize,
        k: usize,
        b: *const f32,
        out: *mut f32,
        out_step: usize,
    ) {
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        for i in 0..k {
            // SAFETY: i < k and r < R, within what the caller promises.
            unsafe {
                let b0 = _mm256_loadu_ps(b.add(i * COLUMNS));
                let b1 = _mm256_loadu_ps(b.add(i * COLUMNS + 8));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = _mm256_set1_ps(*a.add(r * step + i));
                    sums[0] = _mm256_fmadd_ps(a, b0, sums[0]);
                    sums[1] = _mm256_fmadd_ps(a, b1, sums[1]);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            // SAFETY: r < R, within what the caller promises.
            unsafe {
                _mm256_storeu_ps(out.add(r * out_step), sums[0]);
                _mm256_storeu_ps(out.add(r * out_step + 8), sums[1]);
            }
        }
    }

    /// Sixteen of the columns, from `half` on, into rows from `first` on.
    /// Without VNNI: bytes are widened to 16 bits, even and odd ones apart,
    /// which is exact; `maddubs` would be quicker and saturates.
    ///
    /// # Safety
    ///
    /// `a` must have `R` readable rows of `k` values, `step` apart; `b` must
    /// have `k/4` readable groups of 64 bytes, 128 apart.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn int8_256<const R: usize>(
        a: *const i8,
        step: usize,
        k: usize,
        b: *const u8,
        out: &mut Tile,
        first: usize,
        half: usize,
    ) {
        let low = _mm256_set1_epi16(0x00ff);
        let mut sums = [[_mm256_setzero_si256(); 2]; R];
        for i in 0..k / GROUP {
            // SAFETY: four values from 4 i < k on, r < R, within what the
            // caller promises; reads are unaligned.
            unsafe {
                let b0 = _mm256_loadu_si256(b.add(i * COLUMNS * GROUP).cast());
                let b1 = _mm256_loadu_si256(b.add(i * COLUMNS * GROUP + 32).cast());
                let even = [_mm256_and_si256(b0, low), _mm256_and_si256(b1, low)];
                let odd = [_mm256_srli_epi16::<8>(b0), _mm256_srli_epi16::<8>(b1)];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = a.add(r * step + i * GROUP).cast::<i32>().read_unaligned();
                    let a = _mm256_set1_epi32(a);
                    let a_odd = _mm256_srai_epi16::<8>(a);
                    let a_even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(a));
                    for h in 0..2 {
                        let pairs = _mm256_add_epi32(
                            _mm256_madd_epi16(even[h], a_even),
                            _mm256_madd_epi16(odd[h], a_odd),
                        );
                        sums[h] = _mm256_add_epi32(sums[h], pairs);
                    }
                }
            }
        }
        // SAFETY: the caller promises that the rows lie within the tile.
        unsafe { store_256(&sums, out, first, half) };
    }

    /// # Safety
    ///
    /// As [`int8_256`].
    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) unsafe fn int8_256_vnni<const R: usize>(
        a: *const i8,
        step: usize,
        k: usize,
        b: *const u8,
        out: &mut Tile,
        first: usize,
        half: usize,
    ) {
        let mut sums = [[_mm256_setzero_si256(); 2]; R];
        for i in 0..k / GROUP {
            // SAFETY: four values from 4 i < k on, r < R, within what the
            // caller promises; reads are unaligned.
            unsafe {
                let b0 = _mm256_loadu_si256(b.add(i * COLUMNS * GROUP).cast());
                let b1 = _mm256_loadu_si256(b.add(i * COLUMNS * GROUP + 32).cast());
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = a.add(r * step + i * GROUP).cast::<i32>().read_unaligned();
                    let a = _mm256_set1_epi32(a);
                    sums[0] = _mm256_dpbusd_avx_epi32(sums[0], b0, a);
                    sums[1] = _mm256_dpbusd_avx_epi32(sums[1], b1, a);
                }
            }
        }
        // SAFETY: the caller promises that the rows lie within the tile.
        unsafe { store_256(&sums, out, first, half) };
    }

    /// # Safety
    ///
    /// The processor must have AVX2.
    #[target_feature(enable = "avx2")]
    unsafe fn store_256<const R: usize>(sums: &[[__m256i; 2]; R], out: &mut Tile, first: usize, half: usize) {
        for (row, sums) in out.0[first..first + R].iter_mut().zip(sums) {
            let row = &mut row[half..half + 16];
            // SAFETY: the slice above has 16 values.
            unsafe {
                _mm256_storeu_si256(row.as_mut_ptr().cast(), sums[0]);
                _mm256_storeu_si256(row.as_mut_ptr().add(8).cast(), sums[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// All paths of this machine.
    fn paths() -> impl Iterator<Item = Path> {
        Path::ALL.into_iter().filter(|p| p.available())
    }

    #[test]
    fn float_tiles_are_the_sums_of_products() {
        let mut rng = Rng::new(1, "tiles");
        for path in paths() {
            for rows in 1..=ROWS {
                for k in [1, 3, 16, 37] {
                    let step = k + 5;
                    let a: Vec<f32> = (0..rows * step).map(|_| rng.normal() as f32).collect();
                    let b: Vec<f32> = (0..k * COLUMNS).map(|_| rng.normal() as f32).collect();
                    let out_step = COLUMNS + 3;
                    let mut out = vec![0.0; ROWS * out_step];
                    float(path, &a, step, rows, k, &b, &mut out, out_step);
                    for r in 0..rows {
                        for c in 0..COLUMNS {
                            let want: f64 = (0..k)
                                .map(|i| f64::from(a[r * step + i]) * f64::from(b[i * COLUMNS + c]))
                                .sum();
                            let got = f64::from(out[r * out_step + c]);
                            // Forty float32 products of about 1.
                            assert!((got - want).abs() < 2e-5, "{path:?} rows {rows} k {k}: {got} {want}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn int8_tiles_are_exact_on_every_path_and_at_the_ends_of_the_range() {
        let mut rng = Rng::new(2, "tiles");
        for path in paths() {
            for rows in 1..=ROWS {
                for k in [4, 8, 64] {
                    for extreme in [false, true] {
                        let step = k + 4;
                        let mut byte = || if extreme { 255 } else { (rng.bits() & 255) as u8 };
                        let b: Vec<u8> = (0..k * COLUMNS).map(|_| byte()).collect();
                        let a: Vec<i8> =
                            (0..rows * step).map(|_| if extreme { -128 } else { byte() as i8 }).collect();
                        let mut out = Tile::new();
                        int8(path, &a, step, rows, k, &b, &mut out);
                        for r in 0..rows {
                            for c in 0..COLUMNS {
                                let want: i32 = (0..k)
                                    .map(|i| {
                                        let w = b[(i / GROUP * COLUMNS + c) * GROUP + i % GROUP];
                                        i32::from(a[r * step + i]) * i32::from(w)
                                    })
                                    .sum();
                                assert_eq!(out.0[r][c], want, "{path:?} rows {rows} k {k}");
                            }
                        }
                    }
                }
            }
        }
    }
}
