//! A model: tokeniser, encoder, heads, and the folder they live in.
//!
//! [`Network`] turns narratives into [`Reading`]s, plain numbers without
//! meaning; [`crate::assess`] gives them meaning. [`folder`] reads and writes
//! the files, [`import`] brings in a base model to train from.

pub mod fast;
pub mod folder;
pub mod import;
mod reading;
mod stored;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::codebook::{EntityKind, Grade, Indicator, Relationship, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::batch::{Batch, BatchShape, TextInput};
use crate::nn::encoder::{self, EncoderConfig};
use crate::nn::heads::{self, HeadsConfig, Outputs};
use crate::nn::lexical::Lexical;
use crate::nn::params::{Array, Params};
use crate::nn::{Mode, ops};
use crate::rng::Rng;
use crate::text::{self, Tokeniser, Tokens};

pub use fast::{EngineKind, FastNetwork};
pub use reading::Reading;

/// Tokens by which the windows of a long narrative overlap.
pub const WINDOW_OVERLAP: usize = 128;

/// Longest part of a narrative that is pooled as one, in tokens. A longer
/// narrative is read in several parts, see [`Network::read`].
pub const SECTION_TOKENS: usize = 1020;

/// Tokens that one pass takes when texts are read in numbers.
const PASS_TOKENS: usize = 2048;

/// `config.json` of a model folder: Hugging Face's keys for the encoder, and
/// ours for the heads under `throughline`, which `transformers` passes over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Shape of the encoder.
    #[serde(flatten)]
    pub encoder: EncoderConfig,
    /// Shape of the heads; absent in a base model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughline: Option<OwnConfig>,
}

/// Our part of `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnConfig {
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// Version of the codebook that it was trained with.
    pub codebook: u32,
    /// Sizes of the heads.
    pub heads: HeadsConfig,
}

/// Sizes of the heads for the codebook's labels.
pub fn heads_config() -> HeadsConfig {
    HeadsConfig {
        grades: Grade::ALL.len(),
        indicators: Indicator::ALL.len(),
        relationships: Relationship::ALL.len(),
        tags: 1 + 2 * EntityKind::ALL.len(),
        roles: 1 + Role::ALL.len(),
        features: text::FEATURES,
        token_width: 384,
        text_width: 256,
        pools: 8,
        pool_width: 32,
        entity_width: 128,
        link_width: 128,
    }
}

/// Tokeniser, encoder and heads with their weights.
#[derive(Clone, Debug)]
pub struct Network {
    /// The tokeniser.
    pub tokeniser: Tokeniser,
    /// Shape of the encoder.
    pub encoder: EncoderConfig,
    /// Shape of the heads.
    pub heads: HeadsConfig,
    /// Weights of both.
    pub params: Params,
    /// The lexical path, where the model has one; its answers are those of
    /// [`lexical_answers`].
    pub lexical: Option<Lexical>,
}

/// Answers of the lexical path: stalking (`possible` or `likely`), `likely`
/// given stalking, serious harm, then each indicator found, then each value of
/// the relationship.
pub fn lexical_answers() -> usize {
    3 + Indicator::ALL.len() + Relationship::ALL.len()
}

/// A failure of tensor arithmetic as an error of ours.
pub(crate) fn tensor_error(error: candle_core::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("tensor arithmetic failed: {error}"))
}

impl Network {
    /// A network from weights by name; what is missing is drawn with `seed`.
    ///
    /// # Errors
    ///
    /// When a weight does not fit the configuration.
    pub fn new(
        tokeniser: Tokeniser,
        encoder: EncoderConfig,
        heads: HeadsConfig,
        mut weights: BTreeMap<String, Array>,
        seed: u64,
    ) -> Result<Self> {
        let bad = |error: candle_core::Error| Error::new(ErrorKind::Model, error.to_string());
        if tokeniser.vocabulary() > encoder.vocab_size {
            let (have, need) = (encoder.vocab_size, tokeniser.vocabulary());
            return Err(Error::new(
                ErrorKind::Model,
                format!("the tokeniser has {need} tokens, the word table only {have} rows"),
            ));
        }
        let mut rng = Rng::new(seed, "initial weights");
        let lexical = Lexical::take(&mut weights).map_err(bad)?;
        if let Some(lexical) = &lexical
            && lexical.answers() != lexical_answers()
        {
            let (have, need) = (lexical.answers(), lexical_answers());
            return Err(Error::new(
                ErrorKind::Model,
                format!("the lexical path gives {have} answers, {need} are needed"),
            ));
        }
        let mut params = encoder::init(&encoder, &mut weights, &mut rng).map_err(bad)?;
        heads::init(&mut params, &heads, encoder.hidden_size, &mut weights, &mut rng).map_err(bad)?;
        Ok(Self { tokeniser, encoder, heads, params, lexical })
    }

    /// The same network with other weights, all of which must be given.
    ///
    /// # Errors
    ///
    /// When a weight does not fit the configuration.
    pub fn with_weights(&self, weights: BTreeMap<String, Array>) -> Result<Self> {
        Self::new(self.tokeniser.clone(), self.encoder.clone(), self.heads.clone(), weights, 0)
    }

    /// What a batch needs to know of this network.
    pub fn batch_shape(&self) -> BatchShape {
        let (cls, sep) = self.tokeniser.special();
        let positions = self.encoder.max_position_embeddings;
        BatchShape {
            cls,
            sep,
            positions,
            overlap: WINDOW_OVERLAP.min(positions / 4),
            features: self.heads.features,
        }
    }

    /// One forward pass. `words` are the embeddings of the batch's distinct
    /// tokens, `local` each row's place among them.
    ///
    /// # Errors
    ///
    /// When shapes do not fit, which is a fault of this program.
    pub fn forward(&self, batch: &Batch, words: &Tensor, local: &[u32], mode: Mode) -> Result<Outputs> {
        let dropout = self.encoder.hidden_dropout_prob as f32;
        encoder::forward(&self.params, &self.encoder, batch, words, local, mode)
            .and_then(|hidden| heads::forward(&self.params, &self.heads, batch, &hidden, dropout, mode))
            .map_err(tensor_error)
    }

    /// Hidden states of the last layer for each row `[CLS] tokens [SEP]` of a
    /// text of one window, row-major, and their width.
    ///
    /// # Errors
    ///
    /// When the text is longer than one window.
    pub fn hidden_states(&self, tokens: &Tokens) -> Result<(Vec<f32>, usize)> {
        let batch = self.batch(&[tokens]);
        if batch.windows.len() != 1 {
            let most = self.encoder.max_position_embeddings - 2;
            return Err(Error::new(
                ErrorKind::Arguments,
                format!("hidden states are given for one window of {most} tokens at most"),
            ));
        }
        let states = || {
            let (words, local) = self.words(&batch)?;
            let hidden = encoder::forward(&self.params, &self.encoder, &batch, &words, &local, Mode::Eval)?;
            ops::with_values(&hidden, <[f32]>::to_vec)
        };
        Ok((states().map_err(tensor_error)?, self.encoder.hidden_size))
    }

    /// Reads texts for nothing but what [`encoder::observed`] shows.
    ///
    /// # Errors
    ///
    /// When tensor arithmetic or `observe` fails.
    pub(crate) fn observe(
        &self,
        texts: &[Tokens],
        observe: &mut dyn FnMut(&str, &Tensor) -> candle_core::Result<()>,
    ) -> Result<()> {
        for texts in texts.chunks(8) {
            let batch = self.batch(&texts.iter().collect::<Vec<_>>());
            let (words, local) = self.words(&batch).map_err(tensor_error)?;
            encoder::observed(&self.params, &self.encoder, &batch, &words, &local, Mode::Eval, observe)
                .map_err(tensor_error)?;
        }
        Ok(())
    }

    /// Embeddings of the batch's distinct tokens, and each row's place among them.
    fn words(&self, batch: &Batch) -> candle_core::Result<(Tensor, Vec<u32>)> {
        let (ids, local) = batch.vocabulary();
        Ok((self.params.gather_words(&ids)?, local))
    }

    fn batch(&self, texts: &[&Tokens]) -> Batch {
        let inputs: Vec<TextInput<'_>> =
            texts.iter().map(|t| TextInput { ids: &t.ids, features: &t.features }).collect();
        Batch::new(&inputs, self.batch_shape())
    }

    /// Reads texts, in passes of about equal work; the answers come in the
    /// order of the texts and do not depend on their company.
    ///
    /// A text of more than [`SECTION_TOKENS`] tokens is read in parts of that
    /// length. Token values are those of the parts, end to end; grade,
    /// relationship and link vector are those of the part that most suggests
    /// stalking, and each indicator and the serious-harm evidence those of the
    /// part where it is strongest.
    ///
    /// # Errors
    ///
    /// When tensor arithmetic fails, which is a fault of this program.
    pub fn read(&self, texts: &[Tokens]) -> Result<Vec<Reading>> {
        let parts = reading::Parts::of(texts, self.heads.features);
        // Like lengths together make passes of like work.
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&p| parts.tokens(p).len());
        let mut readings: Vec<Option<Reading>> = vec![None; parts.len()];
        for pass in parts.passes(&order, PASS_TOKENS) {
            let batch: Vec<&Tokens> = pass.iter().map(|&p| parts.tokens(p)).collect();
            for (&p, reading) in pass.iter().zip(self.read_pass(&batch)?) {
                readings[p] = Some(reading);
            }
        }
        Ok(parts.join(readings.into_iter().flatten()))
    }

    fn read_pass(&self, texts: &[&Tokens]) -> Result<Vec<Reading>> {
        let batch = self.batch(texts);
        let (words, local) = self.words(&batch).map_err(tensor_error)?;
        let outputs = self.forward(&batch, &words, &local, Mode::Eval)?;
        let mut readings = self.split(&batch, &outputs).map_err(tensor_error)?;
        if let Some(lexical) = &self.lexical {
            for (reading, text) in readings.iter_mut().zip(texts) {
                reading.add_lexical(&lexical.logits(&text.ids));
            }
        }
        Ok(readings)
    }

    /// Cuts the outputs of a pass into one reading for each text.
    ///
    /// # Errors
    ///
    /// When an output is not a matrix on the CPU.
    pub fn split(&self, batch: &Batch, out: &Outputs) -> candle_core::Result<Vec<Reading>> {
        let positions = self.encoder.max_position_embeddings - 2;
        let dense = |x: &Tensor| -> candle_core::Result<(Vec<f32>, usize)> {
            Ok((ops::with_values(&x.to_device(&Device::Cpu)?, <[f32]>::to_vec)?, x.dim(1)?))
        };
        let row =
            |(data, width): &(Vec<f32>, usize), text: usize| data[text * width..(text + 1) * width].to_vec();
        let (grade, found) = (dense(&out.grade)?, dense(&out.found)?);
        let (denied, harm) = (dense(&out.denied)?, dense(&out.harm)?);
        let (relationship, link) = (dense(&out.relationship)?, dense(&out.link)?);
        let found_evidence = dense(&out.found_evidence)?;
        let denied_evidence = dense(&out.denied_evidence)?;
        let (tags, roles) = (dense(&out.tags)?, dense(&out.roles)?);
        let readings = batch.text_ranges().into_iter().enumerate().map(|(text, rows)| {
            // Without [CLS] and [SEP].
            let tokens = rows.start + 1..rows.end - 1;
            let part =
                |(data, width): &(Vec<f32>, usize)| data[tokens.start * width..tokens.end * width].to_vec();
            Reading {
                grade: row(&grade, text),
                found: row(&found, text),
                denied: row(&denied, text),
                harm: harm.0[text],
                relationship: row(&relationship, text),
                link: row(&link, text),
                found_evidence: part(&found_evidence),
                denied_evidence: part(&denied_evidence),
                tags: part(&tags),
                roles: part(&roles),
                windows: crate::nn::batch::windows(
                    tokens.len(),
                    positions,
                    WINDOW_OVERLAP.min((positions + 2) / 4),
                )
                .len(),
            }
        });
        Ok(readings.collect())
    }
}
