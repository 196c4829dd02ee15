//! The encoder and the heads, fast, for use alone. The mathematics is that of
//! [`crate::nn`], which stays the oracle in the tests; nothing here can train.
//!
//! How it differs from the reference:
//!
//! - Weights are packed once, when the model is opened, into panels that the
//!   innermost product reads from end to end (`matrix`, `tile`).
//! - A layer is two steps, attention and the rest, and the rest goes through a
//!   block of rows at a time (`encoder`), so that intermediate results stay
//!   in the cache and no large matrix is written in between.
//! - Nothing is allocated during a pass: buffers are kept and used again.
//! - Products may be in int8 ([`Precision::Int8`]), weights with a scale for
//!   each output and activations with a scale for each row, and factors that
//!   even out large columns where the model has them. Attention, layer norms,
//!   and the heads' last layers stay in float32.
//!
//! Answers of a text do not depend on the texts beside it, nor on the number
//! of threads: every row is summed in the same order wherever it stands. They
//! differ between processors by rounding ([`path`]).
//!
//! Dimension key: `n` rows, `b` texts, `d` width of the encoder.

mod attention;
mod embeddings;
mod encoder;
mod heads;
pub mod matrix;
pub mod path;
pub mod rows;
mod tile;
pub mod weights;

use std::sync::Mutex;

use rayon::prelude::*;

pub use heads::Outputs;
pub use matrix::Precision;
pub use path::Path;

use crate::error::Result;
use crate::nn::batch::Batch;
use crate::nn::encoder::EncoderConfig;
use crate::nn::heads::HeadsConfig;
use weights::Source;

/// Encoder and heads, packed and ready to read.
#[derive(Debug)]
pub struct Engine {
    path: Path,
    precision: Precision,
    encoder: encoder::Encoder,
    heads: heads::Heads,
    arenas: Pool<Arena>,
}

/// What a pass needs beside its result.
#[derive(Debug, Default)]
struct Arena {
    encoder: encoder::Arena,
    /// Hidden states, (n, d).
    hidden: Vec<f32>,
    heads: heads::Arena,
}

/// Who does the work of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The calling thread alone: for passes that run beside each other.
    Alone,
    /// The threads of the current pool together: for one pass that somebody
    /// waits for.
    Together,
}

impl Work {
    /// Rows of a block, so that blocks are alike and whole tiles, there are
    /// enough of them for every thread, and none has more than `most` rows.
    fn block(self, n: usize, most: usize) -> usize {
        let threads = match self {
            Self::Alone => 1,
            Self::Together => rayon::current_num_threads(),
        };
        let blocks = n.div_ceil(most).max(1).next_multiple_of(threads);
        n.div_ceil(blocks).max(1).next_multiple_of(tile::ROWS)
    }

    /// Does `f` for each item, in any order.
    fn each<T: Send>(self, items: impl Iterator<Item = T>, f: impl Fn(T) + Sync + Send) {
        match self {
            Self::Alone => items.for_each(f),
            Self::Together => items.collect::<Vec<T>>().into_par_iter().with_max_len(1).for_each(f),
        }
    }
}

/// Buffers that tasks borrow and give back; there come to be as many as there
/// are tasks at one time.
#[derive(Debug)]
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T: Default> Pool<T> {
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // A task that panicked held no lock; what the pool holds is good.
        let lock = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut one = lock().pop().unwrap_or_default();
        let result = f(&mut one);
        lock().push(one);
        result
    }
}

impl Engine {
    /// Reads and packs the weights that `source` has under the names of
    /// [`crate::nn`].
    ///
    /// # Errors
    ///
    /// When a weight is missing or has another shape.
    ///
    /// # Panics
    ///
    /// When this machine cannot take `path`.
    pub fn read(
        source: &dyn Source,
        encoder: &EncoderConfig,
        heads: &HeadsConfig,
        path: Path,
        precision: Precision,
    ) -> Result<Self> {
        assert!(path.available(), "path {} on this machine", path.name());
        let (encoder, heads) = rayon::join(
            || encoder::Encoder::read(source, encoder, path, precision),
            || heads::Heads::read(source, heads, encoder.hidden_size, path, precision),
        );
        Ok(Self { path, precision, encoder: encoder?, heads: heads?, arenas: Pool::default() })
    }

    /// The instructions that it uses.
    pub fn path(&self) -> Path {
        self.path
    }

    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// One pass over a batch.
    ///
    /// # Errors
    ///
    /// When a token lies outside the vocabulary.
    pub fn forward(&self, batch: &Batch, work: Work) -> Result<Outputs> {
        self.arenas.with(|arena| {
            self.encoder.forward(batch, &mut arena.encoder, &mut arena.hidden, work)?;
            Ok(self.heads.forward(batch, &arena.hidden, &mut arena.heads, work))
        })
    }

    /// Hidden states of the last layer alone, (n, d) with one row for each
    /// encoder row.
    ///
    /// # Errors
    ///
    /// When a token lies outside the vocabulary.
    pub fn hidden_states(&self, batch: &Batch, work: Work) -> Result<Vec<f32>> {
        let mut hidden = Vec::new();
        self.arenas.with(|arena| self.encoder.forward(batch, &mut arena.encoder, &mut hidden, work))?;
        Ok(hidden)
    }
}

#[cfg(test)]
mod tests;
