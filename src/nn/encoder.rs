//! The BERT encoder (Devlin et al. 2019) over ragged batches. The names of
//! its weights are those of Hugging Face's `BertModel`, so that a checkpoint
//! loads in either direction.
//!
//! Dimension key: `n` encoder rows, `d` width, `f` inner width of the
//! feed-forward part, `u` distinct tokens of the batch.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

use super::Mode;
use super::batch::Batch;
use super::kernels::AttentionShape;
use super::ops;
use super::params::{Array, Init, Params, WORD_EMBEDDINGS};
use crate::rng::{Rng, mix};

/// Shape of the encoder: the keys of Hugging Face's `config.json` that matter
/// here, by their names there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Family of the encoder; only `bert` is known.
    pub model_type: String,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide the width.
    pub num_attention_heads: usize,
    /// Inner width of the feed-forward part.
    pub intermediate_size: usize,
    /// Activation; only `gelu`, the exact form, is known.
    pub hidden_act: String,
    /// Longest window in tokens, `[CLS]` and `[SEP]` included.
    pub max_position_embeddings: usize,
    /// Segment types; the first is used throughout.
    pub type_vocab_size: usize,
    /// Added to the variance in layer norm.
    pub layer_norm_eps: f64,
    /// Dropout of hidden states in training.
    #[serde(default = "tenth")]
    pub hidden_dropout_prob: f64,
    /// Dropout of attention weights in training.
    #[serde(default = "tenth")]
    pub attention_probs_dropout_prob: f64,
}

fn tenth() -> f64 {
    0.1
}

impl EncoderConfig {
    /// Refuses what this encoder cannot do.
    ///
    /// # Errors
    ///
    /// When the family or activation is unknown, or sizes do not fit.
    pub fn check(&self) -> Result<()> {
        if self.model_type != "bert" {
            bail!("config: model_type must be `bert`, not `{}`", self.model_type);
        }
        if self.hidden_act != "gelu" {
            bail!("config: hidden_act must be `gelu` (the exact form), not `{}`", self.hidden_act);
        }
        let heads = self.num_attention_heads;
        if heads == 0 || self.hidden_size == 0 || !self.hidden_size.is_multiple_of(heads) {
            bail!("config: {heads} heads do not divide the width {}", self.hidden_size);
        }
        if self.max_position_embeddings < 8 || self.vocab_size == 0 || self.type_vocab_size == 0 {
            bail!("config: vocabulary, positions and types must not be empty");
        }
        // No sum or product of sizes below these overflows, and no known
        // member of the family comes near them.
        for (key, size, most) in [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 20),
            ("type_vocab_size", self.type_vocab_size, 1 << 16),
        ] {
            if size > most {
                bail!("config: {key} is {size}, the most is {most}");
            }
        }
        for (key, p) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ] {
            if !(0.0..1.0).contains(&p) {
                bail!("config: {key} is {p}, it must be at least 0 and below 1");
            }
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            bail!("config: layer_norm_eps is {}, it must lie between 0 and 1", self.layer_norm_eps);
        }
        Ok(())
    }

    /// A very small encoder for tests.
    pub fn tiny(vocab_size: usize) -> Self {
        Self {
            model_type: "bert".into(),
            vocab_size,
            hidden_size: 16,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            intermediate_size: 32,
            hidden_act: "gelu".into(),
            max_position_embeddings: 32,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
        }
    }
}

/// The weights of one linear layer, `{prefix}.weight` and `{prefix}.bias`.
pub(super) fn linear(params: &Params, prefix: &str, x: &Tensor) -> Result<Tensor> {
    let w = params.get(&format!("{prefix}.weight"))?;
    let b = params.get(&format!("{prefix}.bias"))?;
    ops::linear(x, w, b)
}

fn norm(params: &Params, prefix: &str, x: &Tensor, eps: f64) -> Result<Tensor> {
    let w = params.get(&format!("{prefix}.weight"))?;
    let b = params.get(&format!("{prefix}.bias"))?;
    ops::layer_norm(x, w, b, eps)
}

/// One weight of the encoder: what a checkpoint must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Its name in Hugging Face's `BertModel`.
    pub name: String,
    /// Extent of each dimension.
    pub shape: Vec<usize>,
    /// How it is filled where no checkpoint gives it.
    pub init: Init,
}

/// The weights of an encoder of this shape, the word table first. The
/// configuration must have passed [`EncoderConfig::check`].
pub fn layout(config: &EncoderConfig) -> Vec<Weight> {
    let (d, f) = (config.hidden_size, config.intermediate_size);
    let mut weights = Vec::new();
    let mut add = |name: String, shape: &[usize], init| {
        weights.push(Weight { name, shape: shape.to_vec(), init });
    };
    // As BERT draws them: normal, standard deviation 0.02.
    let normal = Init::Normal(0.02);
    add(WORD_EMBEDDINGS.into(), &[config.vocab_size, d], normal);
    add("embeddings.position_embeddings.weight".into(), &[config.max_position_embeddings, d], normal);
    add("embeddings.token_type_embeddings.weight".into(), &[config.type_vocab_size, d], normal);
    add("embeddings.LayerNorm.weight".into(), &[d], Init::Ones);
    add("embeddings.LayerNorm.bias".into(), &[d], Init::Zeros);
    for layer in 0..config.num_hidden_layers {
        let p = format!("encoder.layer.{layer}");
        for (part, o, i) in [
            ("attention.self.query", d, d),
            ("attention.self.key", d, d),
            ("attention.self.value", d, d),
            ("attention.output.dense", d, d),
            ("intermediate.dense", f, d),
            ("output.dense", d, f),
        ] {
            add(format!("{p}.{part}.weight"), &[o, i], normal);
            add(format!("{p}.{part}.bias"), &[o], Init::Zeros);
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            add(format!("{p}.{part}.weight"), &[d], Init::Ones);
            add(format!("{p}.{part}.bias"), &[d], Init::Zeros);
        }
    }
    weights
}

/// Name of the factors of the inputs of the matrix `name` (k), by which the
/// engine evens out large columns before it rounds them: a weight that a model
/// may do without, and that this reference has no use for.
pub fn factors_name(name: &str) -> String {
    format!("{name}.input_factors")
}

/// Creates the encoder's variables: from `given` where it has them, else
/// drawn with `rng`.
///
/// # Errors
///
/// When the configuration is refused or a given weight has another shape.
pub fn init(config: &EncoderConfig, given: &mut BTreeMap<String, Array>, rng: &mut Rng) -> Result<Params> {
    config.check()?;
    let d = config.hidden_size;
    let words = match given.remove(WORD_EMBEDDINGS) {
        Some(array) if array.shape == [config.vocab_size, d] => array,
        Some(array) => bail!(
            "weight {WORD_EMBEDDINGS}: expected shape [{}, {d}], got {:?}",
            config.vocab_size,
            array.shape
        ),
        None => Array {
            shape: vec![config.vocab_size, d],
            data: (0..config.vocab_size * d).map(|_| (rng.normal() * 0.02) as f32).collect(),
        },
    };
    let mut params = Params::new(words)?;
    for Weight { name, shape, init } in layout(config) {
        if name != WORD_EMBEDDINGS {
            params.add(&name, &shape, given, init, rng)?;
        }
    }
    Ok(params)
}

/// Hidden states of the last layer for every encoder row: (n, d).
///
/// `words` are the embeddings of the batch's distinct tokens (u, d) and
/// `local` the place of each row's token among them, as
/// [`Batch::vocabulary`] gives them; training makes `words` a variable.
///
/// # Errors
///
/// When a weight is missing or a shape does not fit.
pub fn forward(
    params: &Params,
    config: &EncoderConfig,
    batch: &Batch,
    words: &Tensor,
    local: &[u32],
    mode: Mode,
) -> Result<Tensor> {
    observed(params, config, batch, words, local, mode, &mut |_, _| Ok(()))
}

/// [`forward`], which shows `observe` the input (n, d) of the matrices that read
/// the output of a layer norm, with their name: `….attention.self` for query,
/// key and value, `….intermediate`.
///
/// # Errors
///
/// As [`forward`], and what `observe` fails with.
pub fn observed(
    params: &Params,
    config: &EncoderConfig,
    batch: &Batch,
    words: &Tensor,
    local: &[u32],
    mode: Mode,
    observe: &mut dyn FnMut(&str, &Tensor) -> Result<()>,
) -> Result<Tensor> {
    let n = batch.ids.len();
    let (eps, d) = (config.layer_norm_eps, config.hidden_size);
    let p = config.hidden_dropout_prob as f32;
    let index = |ids: &[u32]| Tensor::from_slice(ids, ids.len(), words.device());

    // x = word + position + type 0
    let words = words.index_select(&index(local)?, 0)?; // (n, d)
    let positions =
        params.get("embeddings.position_embeddings.weight")?.index_select(&index(&batch.positions)?, 0)?; // (n, d)
    let types = params.get("embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?; // (1, d)
    let x = (words + positions)?.broadcast_add(&types)?;
    let x = norm(params, "embeddings.LayerNorm", &x, eps)?;
    let mut x = mode.dropout(&x, p, 0)?;

    for layer in 0..config.num_hidden_layers {
        let name = format!("encoder.layer.{layer}");
        let place = 10 * (layer as u64 + 1);
        observe(&format!("{name}.attention.self"), &x)?;
        let project = |part: &str| linear(params, &format!("{name}.attention.self.{part}"), &x);
        let (q, k, v) = (project("query")?, project("key")?, project("value")?);
        let (dropout, seed) = match mode {
            Mode::Train { seed } => (config.attention_probs_dropout_prob as f32, mix(seed, &[place + 1])),
            Mode::Eval => (0.0, 0),
        };
        let shape = AttentionShape { d, heads: config.num_attention_heads, dropout, seed };
        let context = ops::attention(&q, &k, &v, &batch.windows, shape)?; // (n, d)

        // x = norm(x + attention)
        let y = linear(params, &format!("{name}.attention.output.dense"), &context)?;
        let y = mode.dropout(&y, p, place + 2)?;
        x = norm(params, &format!("{name}.attention.output.LayerNorm"), &(x + y)?, eps)?;

        // x = norm(x + feed-forward)
        observe(&format!("{name}.intermediate"), &x)?;
        let y = linear(params, &format!("{name}.intermediate.dense"), &x)?; // (n, f)
        let y = linear(params, &format!("{name}.output.dense"), &ops::gelu(&y)?)?; // (n, d)
        let y = mode.dropout(&y, p, place + 3)?;
        x = norm(params, &format!("{name}.output.LayerNorm"), &(x + y)?, eps)?;
    }
    debug_assert_eq!(x.dims(), [n, d]);
    Ok(x)
}
