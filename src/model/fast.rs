//! The network as the engine reads with it. Its readings are those of
//! [`super::Network`] up to rounding (float32) or quantising (int8).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::reading::{Parts, Reading};
use super::stored::StoredWeights;
use super::{WINDOW_OVERLAP, lexical_answers};
use crate::engine::{Engine, Outputs, Path, Precision, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::batch::{Batch, BatchShape, TextInput, windows};
use crate::nn::encoder::EncoderConfig;
use crate::nn::heads::HeadsConfig;
use crate::nn::lexical::Lexical;
use crate::text::{Tokeniser, Tokens};

/// Tokens that one pass of one thread takes: enough for whole blocks of rows,
/// and little enough that what the layers leave behind stays in the cache.
const PASS_TOKENS: usize = 512;

/// What reads the texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// The engine, products in int8.
    #[default]
    Int8,
    /// The engine in float32.
    Float32,
    /// The trainable reference, in float32.
    Reference,
}

/// Tokeniser, encoder and heads, packed for reading.
#[derive(Debug)]
pub struct FastNetwork {
    tokeniser: Tokeniser,
    encoder: EncoderConfig,
    heads: HeadsConfig,
    lexical: Option<Lexical>,
    engine: Engine,
}

/// A network that waits for its tokeniser, which is read beside it.
pub(super) struct Untokenised {
    encoder: EncoderConfig,
    heads: HeadsConfig,
    lexical: Option<Lexical>,
    engine: Engine,
}

impl Untokenised {
    /// Joins the tokeniser.
    ///
    /// # Errors
    ///
    /// When it has tokens that the word table has no row for.
    pub(super) fn with_tokeniser(self, tokeniser: Tokeniser) -> Result<FastNetwork> {
        let Self { encoder, heads, lexical, engine } = self;
        let (have, need) = (encoder.vocab_size, tokeniser.vocabulary());
        if need > have {
            return Err(Error::new(
                ErrorKind::Model,
                format!("the tokeniser has {need} tokens, the word table only {have} rows"),
            ));
        }
        Ok(FastNetwork { tokeniser, encoder, heads, lexical, engine })
    }
}

impl FastNetwork {
    /// Packs the weights for the best instructions of this machine.
    pub(super) fn read(
        weights: &StoredWeights,
        encoder: &EncoderConfig,
        heads: &HeadsConfig,
        precision: Precision,
    ) -> Result<Untokenised> {
        Self::read_for(weights, encoder, heads, precision, Path::best())
    }

    /// Packs the weights for certain instructions.
    pub(super) fn read_for(
        weights: &StoredWeights,
        encoder: &EncoderConfig,
        heads: &HeadsConfig,
        precision: Precision,
        path: Path,
    ) -> Result<Untokenised> {
        let lexical = || -> Result<Option<Lexical>> {
            let mut arrays = std::collections::BTreeMap::new();
            for name in crate::nn::lexical::NAMES {
                if let Some(array) = weights.array(name)? {
                    arrays.insert(name.to_owned(), array);
                }
            }
            let bad = |what: String| Error::new(ErrorKind::Model, what);
            let lexical = Lexical::take(&mut arrays).map_err(|error| bad(error.to_string()))?;
            match &lexical {
                Some(lexical) if lexical.answers() != lexical_answers() => {
                    let (have, need) = (lexical.answers(), lexical_answers());
                    Err(bad(format!("the lexical path gives {have} answers, {need} are needed")))
                }
                _ => Ok(lexical),
            }
        };
        let (engine, lexical) =
            rayon::join(|| Engine::read(weights, encoder, heads, path, precision), lexical);
        Ok(Untokenised { encoder: encoder.clone(), heads: heads.clone(), lexical: lexical?, engine: engine? })
    }

    /// The tokeniser.
    pub fn tokeniser(&self) -> &Tokeniser {
        &self.tokeniser
    }

    /// The engine beneath.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn batch(&self, texts: &[&Tokens]) -> Batch {
        let (cls, sep) = self.tokeniser.special();
        let positions = self.encoder.max_position_embeddings;
        let overlap = WINDOW_OVERLAP.min(positions / 4);
        let shape = BatchShape { cls, sep, positions, overlap, features: self.heads.features };
        let inputs: Vec<TextInput<'_>> =
            texts.iter().map(|t| TextInput { ids: &t.ids, features: &t.features }).collect();
        Batch::new(&inputs, shape)
    }

    /// Hidden states of the last layer for each row `[CLS] tokens [SEP]` of
    /// texts of one window each, one after the other, and their width.
    ///
    /// # Errors
    ///
    /// When a token lies outside the vocabulary.
    pub fn hidden_states(&self, texts: &[&Tokens], work: Work) -> Result<(Vec<f32>, usize)> {
        let batch = self.batch(texts);
        Ok((self.engine.hidden_states(&batch, work)?, self.encoder.hidden_size))
    }

    /// Reads texts as [`super::Network::read`] does, on the threads of the
    /// current rayon pool: many texts beside each other, a single short one by
    /// all threads together.
    ///
    /// # Errors
    ///
    /// When a token lies outside the vocabulary.
    pub fn read_texts(&self, texts: &[Tokens]) -> Result<Vec<Reading>> {
        let parts = Parts::of(texts, self.heads.features);
        let order: Vec<usize> = (0..parts.len()).collect();
        let passes = parts.passes(&order, PASS_TOKENS);
        let read = |pass: &Vec<usize>, work| {
            let batch: Vec<&Tokens> = pass.iter().map(|&p| parts.tokens(p)).collect();
            self.read_pass(&batch, work)
        };
        let readings = if passes.len() < rayon::current_num_threads() {
            passes.iter().map(|pass| read(pass, Work::Together)).collect::<Result<Vec<_>>>()?
        } else {
            passes.par_iter().map(|pass| read(pass, Work::Alone)).collect::<Result<Vec<_>>>()?
        };
        Ok(parts.join(readings.into_iter().flatten()))
    }

    fn read_pass(&self, texts: &[&Tokens], work: Work) -> Result<Vec<Reading>> {
        let batch = self.batch(texts);
        let outputs = self.engine.forward(&batch, work)?;
        let mut readings = self.split(&batch, &outputs);
        if let Some(lexical) = &self.lexical {
            for (reading, text) in readings.iter_mut().zip(texts) {
                reading.add_lexical(&lexical.logits(&text.ids));
            }
        }
        Ok(readings)
    }

    /// Cuts the outputs of a pass into one reading for each text.
    fn split(&self, batch: &Batch, out: &Outputs) -> Vec<Reading> {
        let c = &self.heads;
        let capacity = self.encoder.max_position_embeddings - 2;
        let overlap = WINDOW_OVERLAP.min(self.encoder.max_position_embeddings / 4);
        let row = |x: &[f32], width: usize, text: usize| x[text * width..(text + 1) * width].to_vec();
        // Some columns of the token values, without [CLS] and [SEP].
        let part = |x: &[f32], width: usize, tokens: std::ops::Range<usize>, first: usize, n: usize| {
            let rows = x[tokens.start * width..tokens.end * width].chunks_exact(width);
            rows.flat_map(|row| &row[first..first + n]).copied().collect()
        };
        let (i, marks) = (c.indicators, c.tags + c.roles);
        let texts = batch.text_ranges().into_iter().enumerate();
        texts
            .map(|(text, rows)| {
                let tokens = rows.start + 1..rows.end - 1;
                Reading {
                    grade: row(&out.grade, c.grades, text),
                    found: row(&out.found, i, text),
                    denied: row(&out.denied, i, text),
                    harm: out.harm[text],
                    relationship: row(&out.relationship, c.relationships, text),
                    link: row(&out.link, c.link_width, text),
                    found_evidence: part(&out.evidence, 2 * i, tokens.clone(), 0, i),
                    denied_evidence: part(&out.evidence, 2 * i, tokens.clone(), i, i),
                    tags: part(&out.entities, marks, tokens.clone(), 0, c.tags),
                    roles: part(&out.entities, marks, tokens.clone(), c.tags, c.roles),
                    windows: windows(tokens.len(), capacity, overlap).len(),
                }
            })
            .collect()
    }
}
