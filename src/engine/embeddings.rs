//! Word, position and type embeddings: the word table stays in the form in
//! which it is stored, and rows are converted as they are gathered.

use super::path::Path;
use super::rows;
use super::weights::{Source, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::batch::Batch;
use crate::nn::encoder::EncoderConfig;
use crate::nn::params::WORD_EMBEDDINGS;

/// The first step of the encoder.
#[derive(Debug)]
pub struct Embeddings {
    words: Table,
    /// Position and first type together, (positions, d).
    positions: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl Embeddings {
    /// Reads the tables.
    ///
    /// # Errors
    ///
    /// When one is missing or has another shape.
    pub fn read(source: &dyn Source, config: &EncoderConfig) -> Result<Self> {
        let d = config.hidden_size;
        let table = |part: &str, rows: usize| source.floats(&format!("embeddings.{part}.weight"), &[rows, d]);
        let mut positions = table("position_embeddings", config.max_position_embeddings)?;
        let types = table("token_type_embeddings", config.type_vocab_size)?;
        for row in positions.chunks_exact_mut(d) {
            for (p, t) in row.iter_mut().zip(&types) {
                *p += t;
            }
        }
        Ok(Self {
            words: source.table(WORD_EMBEDDINGS, &[config.vocab_size, d])?,
            positions,
            weight: source.floats("embeddings.LayerNorm.weight", &[d])?,
            bias: source.floats("embeddings.LayerNorm.bias", &[d])?,
            eps: config.layer_norm_eps as f32,
        })
    }

    /// Embeddings of each encoder row, (n, d), in `out`.
    ///
    /// # Errors
    ///
    /// When a token lies outside the vocabulary or a window is too long.
    pub fn gather(&self, path: Path, batch: &Batch, out: &mut [f32]) -> Result<()> {
        let d = self.weight.len();
        for ((row, &id), &position) in out.chunks_exact_mut(d).zip(&batch.ids).zip(&batch.positions) {
            let position = self.positions.get(position as usize * d..(position as usize + 1) * d);
            let (Some(()), Some(position)) = (self.words.read(id as usize * d, row), position) else {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("token id {id} or its position lies outside the model's tables"),
                ));
            };
            path.run(
                #[inline(always)]
                |_| rows::add_and_norm(row, position, &self.weight, &self.bias, self.eps),
            );
        }
        Ok(())
    }
}
