//! The BERT encoder over ragged batches, for use alone. Each layer is two
//! steps: attention, shared out by head; and everything else, shared out by
//! blocks of rows, each of which goes through output projection, layer norm,
//! feed-forward part, layer norm and the projections of the next layer's
//! attention while it is in the cache.
//!
//! Dimension key: `n` encoder rows, `d` width, `f` inner width of the
//! feed-forward part, `h` heads of width `e`.

use rayon::prelude::*;

use super::attention::{self, Heads, room};
use super::embeddings::Embeddings;
use super::matrix::{Matrix, Precision, Quantised};
use super::path::Path;
use super::rows::{self, After};
use super::weights::Source;
use super::{Pool, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::batch::Batch;
use crate::nn::encoder::{EncoderConfig, factors_name};

/// Most rows of a block: the widest intermediate result of a block and a share
/// of the weights fit the second cache together.
const BLOCK: usize = 96;

/// The encoder's weights, packed.
#[derive(Debug)]
pub struct Encoder {
    path: Path,
    width: usize,
    heads: usize,
    eps: f32,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    pool: Pool<Block>,
}

#[derive(Debug)]
struct Layer {
    /// Query, key and value, one beneath the other.
    project: Matrix,
    attention_output: Matrix,
    attention_norm: Norm,
    intermediate: Matrix,
    output: Matrix,
    output_norm: Norm,
}

#[derive(Debug)]
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// What a pass needs beside its result.
#[derive(Debug, Default)]
pub struct Arena {
    /// Queries, keys and values, (n, 3d).
    projected: Vec<f32>,
    /// Context of each head, (h, n, e).
    context: Vec<f32>,
}

/// Buffers of one task.
#[derive(Debug, Default)]
struct Block {
    quantised: Quantised,
    /// Rows of width d.
    narrow: Vec<f32>,
    /// Rows of width f.
    wide: Vec<f32>,
    attention: attention::Scratch,
}

impl Norm {
    fn read(source: &dyn Source, prefix: &str, d: usize) -> Result<Self> {
        Ok(Self {
            weight: source.floats(&format!("{prefix}.weight"), &[d])?,
            bias: source.floats(&format!("{prefix}.bias"), &[d])?,
        })
    }
}

/// The linear layers of these names and numbers of outputs, which have the same
/// input, as one matrix.
pub fn read_matrix(
    source: &dyn Source,
    path: Path,
    precision: Precision,
    parts: &[(String, usize)],
    inputs: usize,
    factors: &[f32],
) -> Result<Matrix> {
    let (mut w, mut b) = (Vec::new(), Vec::new());
    for (name, outputs) in parts {
        w.append(&mut source.floats(&format!("{name}.weight"), &[*outputs, inputs])?);
        b.append(&mut source.floats(&format!("{name}.bias"), &[*outputs])?);
    }
    Ok(Matrix::with_factors(path, precision, &w, &b, factors))
}

impl Layer {
    fn read(
        source: &dyn Source,
        config: &EncoderConfig,
        path: Path,
        precision: Precision,
        layer: usize,
    ) -> Result<Self> {
        let (d, f) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let matrix = |of: &str, parts: &[&str], outputs: usize, inputs: usize| {
            let parts: Vec<(String, usize)> = parts.iter().map(|p| (name(p), outputs)).collect();
            let factors = source.optional(&factors_name(&name(of)), &[inputs])?.unwrap_or_default();
            let good = |f: &f32| f.is_normal() && *f > 0.0;
            if !factors.iter().all(good) {
                let message = format!("{} holds a value that is no positive number", factors_name(&name(of)));
                return Err(Error::new(ErrorKind::Model, message));
            }
            read_matrix(source, path, precision, &parts, inputs, &factors)
        };
        let query_key_value = ["attention.self.query", "attention.self.key", "attention.self.value"];
        Ok(Self {
            project: matrix("attention.self", &query_key_value, d, d)?,
            attention_output: matrix("attention.output", &["attention.output.dense"], d, d)?,
            attention_norm: Norm::read(source, &name("attention.output.LayerNorm"), d)?,
            intermediate: matrix("intermediate", &["intermediate.dense"], f, d)?,
            output: matrix("output", &["output.dense"], d, f)?,
            output_norm: Norm::read(source, &name("output.LayerNorm"), d)?,
        })
    }
}

impl Encoder {
    /// Reads and packs the weights, layers beside each other.
    ///
    /// # Errors
    ///
    /// When the configuration is refused, or a weight is missing or has
    /// another shape.
    pub fn read(
        source: &dyn Source,
        config: &EncoderConfig,
        path: Path,
        precision: Precision,
    ) -> Result<Self> {
        let layers = (0..config.num_hidden_layers)
            .into_par_iter()
            .map(|layer| Layer::read(source, config, path, precision, layer))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            path,
            width: config.hidden_size,
            heads: config.num_attention_heads,
            eps: config.layer_norm_eps as f32,
            embeddings: Embeddings::read(source, config)?,
            layers,
            pool: Pool::default(),
        })
    }

    /// Hidden states of the last layer for every encoder row, (n, d), left in
    /// `x`.
    ///
    /// # Errors
    ///
    /// When a token lies outside the vocabulary.
    pub fn forward(&self, batch: &Batch, arena: &mut Arena, x: &mut Vec<f32>, work: Work) -> Result<()> {
        let (n, d) = (batch.ids.len(), self.width);
        let e = d / self.heads;
        let x = room(x, n * d);
        let projected = room(&mut arena.projected, n * 3 * d);
        let context = room(&mut arena.context, n * d);
        self.embeddings.gather(self.path, batch, x)?;
        let block = work.block(n, BLOCK);

        // The first layer's queries, keys and values.
        if let Some(layer) = self.layers.first() {
            let blocks = x.chunks(block * d).zip(projected.chunks_mut(block * 3 * d));
            work.each(blocks, |(x, projected)| {
                self.pool.with(|scratch| {
                    let n = x.len() / d;
                    let q = &mut scratch.quantised;
                    layer.project.apply(x, d, n, q, After::Nothing, projected, 3 * d);
                });
            });
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let heads = context.chunks_mut((n * e).max(1)).enumerate();
            work.each(heads, |(head, context)| self.attend(batch, projected, head, context));

            let next = self.layers.get(i + 1);
            let blocks = x.chunks_mut(block * d).zip(projected.chunks_mut(block * 3 * d)).enumerate();
            work.each(blocks, |(b, (x, projected))| {
                self.pool.with(|scratch| {
                    self.rest_of_layer(layer, next, context, b * block, n, x, projected, scratch);
                });
            });
        }
        Ok(())
    }

    /// Context of one head over all windows, (n, e).
    fn attend(&self, batch: &Batch, projected: &[f32], head: usize, context: &mut [f32]) {
        let d = self.width;
        let e = d / self.heads;
        self.pool.with(|scratch| {
            let (mut first, mut context) = (0, context);
            for &rows in batch.windows.iter() {
                let (out, rest) = context.split_at_mut(rows * e);
                let at = head * e;
                let heads = Heads {
                    data: &projected[first * 3 * d..],
                    step: 3 * d,
                    rows,
                    columns: [at, d + at, 2 * d + at],
                    width: e,
                };
                attention::attend(self.path, heads, &mut scratch.attention, out);
                first += rows;
                context = rest;
            }
        });
    }

    /// What follows attention, for the rows of one block: `x` is replaced and
    /// `projected` becomes that of the next layer.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step, named")]
    fn rest_of_layer(
        &self,
        layer: &Layer,
        next: Option<&Layer>,
        context: &[f32],
        first: usize,
        n: usize,
        x: &mut [f32],
        projected: &mut [f32],
        scratch: &mut Block,
    ) {
        let d = self.width;
        let e = d / self.heads;
        let rows = x.len() / d;
        let Block { quantised, narrow, wide, .. } = scratch;
        let narrow = room(narrow, rows * d);
        // (h, n, e) to (rows, h · e)
        for head in 0..self.heads {
            let context = &context[(head * n + first) * e..][..rows * e];
            for (row, from) in context.chunks_exact(e).enumerate() {
                narrow[row * d + head * e..][..e].copy_from_slice(from);
            }
        }
        let f = layer.intermediate.outputs();
        let wide = room(wide, rows * f.max(d));

        // x = norm(x + attention)
        layer.attention_output.apply(narrow, d, rows, quantised, After::Nothing, wide, d);
        self.add_and_norm(x, &wide[..rows * d], &layer.attention_norm);

        // x = norm(x + feed-forward)
        layer.intermediate.apply(x, d, rows, quantised, After::Gelu, wide, f);
        layer.output.apply(wide, f, rows, quantised, After::Nothing, narrow, d);
        self.add_and_norm(x, narrow, &layer.output_norm);

        if let Some(next) = next {
            next.project.apply(x, d, rows, quantised, After::Nothing, projected, 3 * d);
        }
    }

    fn add_and_norm(&self, x: &mut [f32], y: &[f32], norm: &Norm) {
        let d = self.width;
        self.path.run(
            #[inline(always)]
            |_| {
                for (x, y) in x.chunks_exact_mut(d).zip(y.chunks_exact(d)) {
                    rows::add_and_norm(x, y, &norm.weight, &norm.bias, self.eps);
                }
            },
        );
    }
}
