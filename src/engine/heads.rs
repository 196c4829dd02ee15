//! The heads over ragged batches: the mathematics of [`crate::nn::heads`] on
//! plain slices.
//!
//! Layers that read the same rows are one product. The first of them, which
//! reads hidden states, is int8 where the encoder is; the layers after it and
//! the pooling stay in float32: they are a small part of the work, and their
//! outputs are the answers themselves.
//!
//! Dimension key: `n` head rows, `b` texts, `d` width of the encoder,
//! `i` indicators, `w` width of the token layer.

use std::ops::Range;

use super::attention::room;
use super::encoder::read_matrix;
use super::matrix::{Matrix, Precision, Quantised};
use super::path::Path;
use super::rows::{After, exp, gelu_in_place};
use super::weights::Source;
use super::{Pool, Work};
use crate::error::Result;
use crate::nn::batch::Batch;
use crate::nn::heads::{EVIDENCE_TAU, HeadsConfig};

/// Most rows of a block.
const BLOCK: usize = 96;

/// What the heads answer, as logits: row-major, with the widths that the
/// configuration names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Grade of each text, (b, grades).
    pub grade: Vec<f32>,
    /// Indicator found against not mentioned, (b, i).
    pub found: Vec<f32>,
    /// Indicator denied against not mentioned, (b, i).
    pub denied: Vec<f32>,
    /// Serious-harm evidence, (b).
    pub harm: Vec<f32>,
    /// Relationship, (b, values).
    pub relationship: Vec<f32>,
    /// Vector for linking, of length 1, (b, link width).
    pub link: Vec<f32>,
    /// Each token as evidence that an indicator is found and that it is
    /// denied, (n, 2i).
    pub evidence: Vec<f32>,
    /// Entity tag of each token and role of its entity, (n, tags + roles).
    pub entities: Vec<f32>,
}

/// The heads' weights, packed.
#[derive(Debug)]
pub struct Heads {
    path: Path,
    config: HeadsConfig,
    width: usize,
    /// The token layer, then the pools' values, scores, and the entity layer
    /// without the further inputs of each token.
    from_hidden: Matrix,
    /// The entity layer's weights of the further inputs, (features, entity
    /// width).
    entity_features: Vec<f32>,
    /// Evidence, attention score and values of each indicator.
    from_token: Matrix,
    /// Tags and roles.
    from_entity: Matrix,
    /// The part of indicators and link vector that reads pooled rows.
    indicator_text: Matrix,
    link: Matrix,
    text: Matrix,
    /// Grade, harm and relationship.
    from_text: Matrix,
    evidence_gain: Vec<f32>,
    blocks: Pool<Block>,
}

/// What a pass needs beside its result.
#[derive(Debug, Default)]
pub struct Arena {
    /// Scores and values of the pools, (n, pool score + pool value).
    pools: Vec<f32>,
    /// Evidence, score and values of the indicators, (n, 5i).
    indicators: Vec<f32>,
}

/// Buffers of one task.
#[derive(Debug, Default)]
struct Block {
    quantised: Quantised,
    gathered: Vec<f32>,
    layers: Vec<f32>,
}

impl Heads {
    /// Reads and packs the weights.
    ///
    /// # Errors
    ///
    /// When one is missing or has another shape.
    pub fn read(
        source: &dyn Source,
        config: &HeadsConfig,
        d: usize,
        path: Path,
        precision: Precision,
    ) -> Result<Self> {
        let c = config.clone();
        let (i, w) = (c.indicators, c.token_width);
        let pooled = c.pools * c.pool_width;
        let name = |part: &str| format!("heads.{part}");
        let matrix = |parts: &[(&str, usize)], inputs: usize| {
            let parts: Vec<(String, usize)> = parts.iter().map(|(p, o)| (name(p), *o)).collect();
            read_matrix(source, path, Precision::Float32, &parts, inputs, &[])
        };

        // The entity layer reads hidden state and features; they are taken
        // apart, so that the hidden state is multiplied once for all layers.
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for (part, outputs) in [("token", w), ("pool_value", pooled), ("pool_score", c.pools)] {
            weights.append(&mut source.floats(&format!("heads.{part}.weight"), &[outputs, d])?);
            biases.append(&mut source.floats(&format!("heads.{part}.bias"), &[outputs])?);
        }
        let entity = source.floats("heads.entity.weight", &[c.entity_width, d + c.features])?;
        let mut entity_features = vec![0.0; c.features * c.entity_width];
        for (o, row) in entity.chunks_exact(d + c.features).enumerate() {
            weights.extend_from_slice(&row[..d]);
            for (f, value) in row[d..].iter().enumerate() {
                entity_features[f * c.entity_width + o] = *value;
            }
        }
        biases.append(&mut source.floats("heads.entity.bias", &[c.entity_width])?);

        Ok(Self {
            path,
            width: d,
            from_hidden: Matrix::new(path, precision, &weights, &biases),
            entity_features,
            from_token: matrix(&[("evidence", 2 * i), ("attend", i), ("values", 2 * i)], w)?,
            from_entity: matrix(&[("tags", c.tags), ("roles", c.roles)], c.entity_width)?,
            indicator_text: matrix(&[("indicator_text", 2 * i)], d + pooled)?,
            link: matrix(&[("link", c.link_width)], d + pooled)?,
            text: matrix(&[("text", c.text_width)], d + pooled + 2 * i)?,
            from_text: matrix(
                &[("grade", c.grades), ("harm", 1), ("relationship", c.relationships)],
                c.text_width,
            )?,
            evidence_gain: source.floats("heads.evidence_gain", &[2 * i])?,
            config: c,
            blocks: Pool::default(),
        })
    }

    /// Reads hidden states (encoder rows, d) into the heads' answers.
    pub fn forward(&self, batch: &Batch, hidden: &[f32], arena: &mut Arena, work: Work) -> Outputs {
        let c = &self.config;
        let (n, d, i) = (batch.rows.len(), self.width, c.indicators);
        let pools = c.pools * c.pool_width + c.pools;
        let marks = c.tags + c.roles;
        let mut entities = vec![0.0; n * marks];
        let mut evidence = vec![0.0; n * 2 * i];
        let pool_rows = room(&mut arena.pools, n * pools);
        let indicator_rows = room(&mut arena.indicators, n * 5 * i);

        // Tokens.
        let block = work.block(n, BLOCK);
        let tasks = pool_rows
            .chunks_mut(block * pools)
            .zip(indicator_rows.chunks_mut(block * 5 * i))
            .zip(entities.chunks_mut(block * marks))
            .zip(evidence.chunks_mut(block * 2 * i))
            .enumerate();
        work.each(tasks, |(b, (((pools, indicators), entities), evidence))| {
            let rows = b * block..(b * block + evidence.len() / (2 * i)).min(n);
            self.blocks.with(|scratch| {
                self.tokens(batch, hidden, rows, scratch, pools, indicators, entities, evidence);
            });
        });

        // Texts.
        let texts = batch.text_ranges();
        let pooled_width = d + c.pools * c.pool_width;
        let seen_width = pooled_width + 2 * i;
        let b = texts.len();
        // Mean, pools, indicators, (b, seen width).
        let mut seen = vec![0.0; b * seen_width];
        let mut indicators = vec![0.0; b * 2 * i];
        for ((rows, seen), indicators) in
            texts.into_iter().zip(seen.chunks_exact_mut(seen_width)).zip(indicators.chunks_exact_mut(2 * i))
        {
            let (mean, pooled) = seen[..pooled_width].split_at_mut(d);
            self.path.run(
                #[inline(always)]
                |fused| {
                    mean_of(batch, hidden, rows.clone(), mean);
                    let values = c.pools * c.pool_width;
                    let (x, row) = (&pool_rows[rows.start * pools..rows.end * pools], pools);
                    attend(fused, x, row, values, 0, c.pools, c.pool_width, pooled);
                    let x = &indicator_rows[rows.start * 5 * i..rows.end * 5 * i];
                    self.indicators(fused, x, indicators);
                },
            );
        }
        self.blocks.with(|scratch| self.texts(&mut seen, &mut indicators, evidence, entities, scratch))
    }

    /// Everything that is read off single tokens, for some head rows.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step, named")]
    fn tokens(
        &self,
        batch: &Batch,
        hidden: &[f32],
        rows: Range<usize>,
        scratch: &mut Block,
        pools: &mut [f32],
        indicators: &mut [f32],
        entities: &mut [f32],
        evidence: &mut [f32],
    ) {
        let c = &self.config;
        let (n, d, w) = (rows.len(), self.width, c.token_width);
        let x = if batch.rows_are_identity() {
            &hidden[rows.start * d..rows.end * d]
        } else {
            let gathered = room(&mut scratch.gathered, n * d);
            for (to, &row) in gathered.chunks_exact_mut(d).zip(&batch.rows[rows.clone()]) {
                to.copy_from_slice(&hidden[row as usize * d..][..d]);
            }
            gathered
        };
        let width = self.from_hidden.outputs();
        let layers = room(&mut scratch.layers, n * width);
        self.from_hidden.apply(x, d, n, &mut scratch.quantised, After::Nothing, layers, width);

        let pooled = pools.len() / n;
        let entity_at = w + pooled;
        self.path.run(
            #[inline(always)]
            |fused| {
                let features = batch.features[rows.start * c.features..rows.end * c.features]
                    .chunks_exact(c.features.max(1));
                for (r, row) in layers.chunks_exact_mut(width).enumerate() {
                    pools[r * pooled..(r + 1) * pooled].copy_from_slice(&row[w..entity_at]);
                    gelu_in_place(fused, &mut row[..w]);
                }
                // Features are flags, most of them 0.
                for (row, features) in layers.chunks_exact_mut(width).zip(features) {
                    let entity = &mut row[entity_at..];
                    let weights = self.entity_features.chunks_exact(c.entity_width);
                    for (feature, weights) in features.iter().zip(weights).filter(|(f, _)| **f != 0.0) {
                        for (x, w) in entity.iter_mut().zip(weights) {
                            *x += feature * w;
                        }
                    }
                }
                for row in layers.chunks_exact_mut(width) {
                    gelu_in_place(fused, &mut row[entity_at..]);
                }
            },
        );
        let q = &mut scratch.quantised;
        let (i5, marks) = (5 * c.indicators, c.tags + c.roles);
        self.from_token.apply(layers, width, n, q, After::Nothing, indicators, i5);
        self.from_entity.apply(&layers[entity_at..], width, n, q, After::Nothing, entities, marks);
        for (to, from) in evidence.chunks_exact_mut(2 * c.indicators).zip(indicators.chunks_exact(i5)) {
            to.copy_from_slice(&from[..2 * c.indicators]);
        }
    }

    /// The part of a text's indicators that comes from its tokens: a smooth
    /// maximum of the evidence and an attention pool. `x` is (rows, 5i).
    #[inline(always)]
    fn indicators(&self, fused: bool, x: &[f32], out: &mut [f32]) {
        let i = self.config.indicators;
        // Pairs beside each other, found and denied.
        let mut attended = vec![0.0; 2 * i];
        attend(fused, x, 5 * i, 2 * i, 3 * i, i, 2, &mut attended);
        for channel in 0..i {
            out[channel] = attended[2 * channel];
            out[i + channel] = attended[2 * channel + 1];
        }
        // ln(Σ e^{τ x}) / τ
        let mut max = vec![f32::NEG_INFINITY; 2 * i];
        for row in x.chunks_exact(5 * i) {
            for (max, x) in max.iter_mut().zip(row) {
                *max = if *x > *max { *x } else { *max };
            }
        }
        let mut sums = vec![0.0; 2 * i];
        for row in x.chunks_exact(5 * i) {
            for ((sum, x), max) in sums.iter_mut().zip(row).zip(&max) {
                *sum += exp(fused, EVIDENCE_TAU * (x - max));
            }
        }
        for (((out, gain), sum), max) in out.iter_mut().zip(&self.evidence_gain).zip(&sums).zip(&max) {
            let strongest = max + sum.ln() / EVIDENCE_TAU;
            *out += strongest * gain;
        }
    }

    /// Everything that is read off whole texts. `seen` holds the pooled rows,
    /// `indicators` what the tokens say of each indicator.
    fn texts(
        &self,
        seen: &mut [f32],
        indicators: &mut [f32],
        evidence: Vec<f32>,
        entities: Vec<f32>,
        scratch: &mut Block,
    ) -> Outputs {
        let c = &self.config;
        let i = c.indicators;
        let pooled = self.link.inputs();
        let width = self.text.inputs();
        let b = seen.len() / width;
        let q = &mut scratch.quantised;

        let mut more = vec![0.0; b * 2 * i];
        self.indicator_text.apply(seen, width, b, q, After::Nothing, &mut more, 2 * i);
        for (x, more) in indicators.iter_mut().zip(&more) {
            *x += more;
        }
        // The text layer sees the indicators as well, squashed.
        for (seen, indicators) in seen.chunks_exact_mut(width).zip(indicators.chunks_exact(2 * i)) {
            for (seen, x) in seen[pooled..].iter_mut().zip(indicators) {
                *seen = (x * 0.5).tanh();
            }
        }
        let mut text = vec![0.0; b * c.text_width];
        self.text.apply(seen, width, b, q, After::Gelu, &mut text, c.text_width);
        let last = self.from_text.outputs();
        let mut answers = vec![0.0; b * last];
        self.from_text.apply(&text, c.text_width, b, q, After::Nothing, &mut answers, last);

        let mut link = vec![0.0; b * c.link_width];
        self.link.apply(seen, width, b, q, After::Nothing, &mut link, c.link_width);
        for row in link.chunks_exact_mut(c.link_width) {
            let length = (row.iter().map(|v| v * v).sum::<f32>() + 1e-12).sqrt();
            row.iter_mut().for_each(|v| *v /= length);
        }
        let part = |x: &[f32], width: usize, part: Range<usize>| -> Vec<f32> {
            x.chunks_exact(width).flat_map(|row| &row[part.clone()]).copied().collect()
        };
        Outputs {
            grade: part(&answers, last, 0..c.grades),
            harm: part(&answers, last, c.grades..c.grades + 1),
            relationship: part(&answers, last, c.grades + 1..last),
            found: part(indicators, 2 * i, 0..i),
            denied: part(indicators, 2 * i, i..2 * i),
            link,
            evidence,
            entities,
        }
    }
}

/// The mean of some head rows.
#[inline(always)]
fn mean_of(batch: &Batch, hidden: &[f32], rows: Range<usize>, out: &mut [f32]) {
    let d = out.len();
    let scale = 1.0 / rows.len().max(1) as f32;
    for &row in &batch.rows[rows] {
        for (o, v) in out.iter_mut().zip(&hidden[row as usize * d..][..d]) {
            *o += v * scale;
        }
    }
}

/// Pools values by attention: `x` has rows of width `row`, with `c` scores
/// from `score_at` on and `c · s` values from `value_at` on; the scores become
/// weights by a softmax over the rows. `out` is (c · s), zeros at first.
#[expect(clippy::too_many_arguments, reason = "a shape, named")]
#[inline(always)]
fn attend(
    fused: bool,
    x: &[f32],
    row: usize,
    score_at: usize,
    value_at: usize,
    c: usize,
    s: usize,
    out: &mut [f32],
) {
    let mut max = vec![f32::NEG_INFINITY; c];
    for row in x.chunks_exact(row) {
        for (max, x) in max.iter_mut().zip(&row[score_at..]) {
            *max = if *x > *max { *x } else { *max };
        }
    }
    let mut sums = vec![0.0; c];
    let mut weights = vec![0.0; c];
    for row in x.chunks_exact(row) {
        for ((weight, sum), (x, max)) in
            weights.iter_mut().zip(&mut sums).zip(row[score_at..].iter().zip(&max))
        {
            *weight = exp(fused, x - max);
            *sum += *weight;
        }
        let values = row[value_at..].chunks_exact(s);
        for ((out, weight), values) in out.chunks_exact_mut(s).zip(&weights).zip(values) {
            for (out, value) in out.iter_mut().zip(values) {
                *out += weight * value;
            }
        }
    }
    for (out, sum) in out.chunks_exact_mut(s).zip(&sums) {
        for out in out {
            *out /= sum;
        }
    }
}
