//! Where the engine's weights come from, and the types of number in which they
//! are stored.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::error::Result;

/// A type of number in which a table is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// 32-bit floats.
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// The upper half of 32-bit floats.
    Bf16,
}

impl Stored {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// A table that stays as it is stored, little-endian, until a row is asked for.
#[derive(Clone, Debug)]
pub struct Table {
    bytes: Arc<Cow<'static, [u8]>>,
    range: Range<usize>,
    stored: Stored,
}

impl Table {
    /// A part of some bytes.
    pub fn new(bytes: Arc<Cow<'static, [u8]>>, range: Range<usize>, stored: Stored) -> Self {
        Self { bytes, range, stored }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.range.len() / self.stored.size()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values from `first` on, as many as `out` takes; `None` where the
    /// table does not hold them.
    pub fn read(&self, first: usize, out: &mut [f32]) -> Option<()> {
        let size = self.stored.size();
        let bytes = self.bytes.get(self.range.clone())?;
        let bytes = bytes.get(first.checked_mul(size)?..)?.get(..out.len() * size)?;
        decode(bytes, self.stored, out);
        Some(())
    }
}

/// Little-endian values as `f32`.
pub fn decode(bytes: &[u8], stored: Stored, out: &mut [f32]) {
    match stored {
        Stored::F32 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
        Stored::Bf16 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *out = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
            }
        }
        Stored::F16 => {
            const PART: usize = 64;
            let mut halves = [f16::ZERO; PART];
            for (out, bytes) in out.chunks_mut(PART).zip(bytes.chunks(2 * PART)) {
                let n = out.len();
                for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *half = f16::from_le_bytes(*bytes);
                }
                halves[..n].convert_to_f32_slice(out);
            }
        }
    }
}

/// Weights by name.
pub trait Source: Sync {
    /// Whether there is a weight of this name.
    fn has(&self, name: &str) -> bool;

    /// The values of a weight of this shape, row-major.
    ///
    /// # Errors
    ///
    /// When it is missing or has another shape.
    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// The values of a weight that a model may do without, row-major.
    ///
    /// # Errors
    ///
    /// When it is there and has another shape.
    fn optional(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>> {
        self.has(name).then(|| self.floats(name, shape)).transpose()
    }

    /// A large weight, left where it is.
    ///
    /// # Errors
    ///
    /// When it is missing or has another shape.
    fn table(&self, name: &str, shape: &[usize]) -> Result<Table>;
}
