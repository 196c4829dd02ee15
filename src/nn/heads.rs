//! The heads: what is read off the hidden states. Each token gets evidence
//! for every indicator, found and denied, an entity tag and a role; each text
//! gets grade, indicators, serious-harm evidence, relationship and the vector
//! for linking. Text-level answers are pooled from token-level ones, so that
//! an answer always has words to point at.
//!
//! Dimension key: `n` head rows (tokens), `b` texts, `d` width of the encoder,
//! `i` indicators, `c` grades.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::Mode;
use super::batch::Batch;
use super::encoder::linear;
use super::ops;
use super::params::{Array, Init, Params};
use crate::rng::Rng;

/// Sharpness of the smooth maximum that lifts token evidence to the text: at
/// 2, two hundred tokens of logit −6 together weigh −3.4.
pub(crate) const EVIDENCE_TAU: f32 = 2.0;

/// Sizes of the heads. The counts come from the codebook and are stored with
/// the model, so that a model trained on another codebook is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadsConfig {
    /// Grades of stalking.
    pub grades: usize,
    /// Indicators.
    pub indicators: usize,
    /// Values of the relationship.
    pub relationships: usize,
    /// Entity tags: outside, and beginning and inside of each kind.
    pub tags: usize,
    /// Roles of an entity, the first being none.
    pub roles: usize,
    /// Further inputs of each token to the entity head.
    pub features: usize,
    /// Width of the token layer beneath the evidence.
    pub token_width: usize,
    /// Width of the text layer beneath grade, harm and relationship.
    pub text_width: usize,
    /// Attention pools that feed the text layer.
    pub pools: usize,
    /// Width of each pool's value.
    pub pool_width: usize,
    /// Width of the entity layer.
    pub entity_width: usize,
    /// Width of the vector for linking.
    pub link_width: usize,
}

/// What the heads answer, as logits.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Grade of each text, (b, c).
    pub grade: Tensor,
    /// Indicator found, against not mentioned, (b, i).
    pub found: Tensor,
    /// Indicator denied, against not mentioned, (b, i).
    pub denied: Tensor,
    /// Serious-harm evidence, (b, 1).
    pub harm: Tensor,
    /// Relationship, (b, values).
    pub relationship: Tensor,
    /// Vector for linking, of length 1, (b, link width).
    pub link: Tensor,
    /// Each token as evidence that an indicator is found, (n, i).
    pub found_evidence: Tensor,
    /// Each token as evidence that an indicator is denied, (n, i).
    pub denied_evidence: Tensor,
    /// Entity tag of each token, (n, tags).
    pub tags: Tensor,
    /// Role of each token's entity, (n, roles).
    pub roles: Tensor,
}

/// Creates the heads' variables beside the encoder's of width `d`.
///
/// # Errors
///
/// When a given weight has another shape.
pub fn init(
    params: &mut Params,
    config: &HeadsConfig,
    d: usize,
    given: &mut BTreeMap<String, Array>,
    rng: &mut Rng,
) -> Result<()> {
    let (i, w) = (config.indicators, config.token_width);
    let pooled = config.pools * config.pool_width;
    let layers = [
        ("token", w, d),
        ("evidence", 2 * i, w),
        ("attend", i, w),
        ("values", 2 * i, w),
        ("indicator_text", 2 * i, d + pooled),
        ("pool_score", config.pools, d),
        ("pool_value", pooled, d),
        ("text", config.text_width, d + pooled + 2 * i),
        ("grade", config.grades, config.text_width),
        ("harm", 1, config.text_width),
        ("relationship", config.relationships, config.text_width),
        ("entity", config.entity_width, d + config.features),
        ("tags", config.tags, config.entity_width),
        ("roles", config.roles, config.entity_width),
        ("link", config.link_width, d + pooled),
    ];
    for (name, o, k) in layers {
        // Scaled so that outputs begin with about the variance of the inputs;
        // scores begin flat, so that pools begin as means.
        let std = match name {
            "evidence" | "attend" | "pool_score" => 0.02,
            _ => (1.0 / k as f64).sqrt(),
        };
        params.add(&format!("heads.{name}.weight"), &[o, k], given, Init::Normal(std), rng)?;
        // A token is rarely evidence and an indicator rarely there: begin so.
        let bias = match name {
            "evidence" => Init::Constant(-4.0),
            "indicator_text" => Init::Constant(-1.5),
            "harm" => Init::Constant(-2.0),
            _ => Init::Zeros,
        };
        params.add(&format!("heads.{name}.bias"), &[o], given, bias, rng)?;
    }
    params.add("heads.evidence_gain", &[2 * i], given, Init::Constant(0.5), rng)
}

/// Reads hidden states (encoder rows, d) into the heads' answers.
///
/// # Errors
///
/// When a weight is missing or a shape does not fit.
pub fn forward(
    params: &Params,
    config: &HeadsConfig,
    batch: &Batch,
    hidden: &Tensor,
    dropout: f32,
    mode: Mode,
) -> Result<Outputs> {
    let i = config.indicators;
    let device = hidden.device();
    let x = if batch.rows_are_identity() {
        hidden.clone()
    } else {
        let rows = Tensor::from_slice(&batch.rows, batch.rows.len(), device)?;
        hidden.index_select(&rows, 0)?
    }; // (n, d)
    let head = |name: &str, x: &Tensor| linear(params, &format!("heads.{name}"), x);
    let texts = &batch.texts;

    // Tokens: evidence, and by attention over it the indicators.
    let t = ops::gelu(&head("token", &mode.dropout(&x, dropout, 1000)?)?)?; // (n, w)
    let evidence = head("evidence", &t)?; // (n, 2i)
    let strongest = ops::segment_smooth_max(&evidence, texts, EVIDENCE_TAU)?; // (b, 2i)
    let gain = params.get("heads.evidence_gain")?;
    let values = head("values", &t)?; // (n, 2i): found and denied beside each other
    let attended = ops::segment_attend(&head("attend", &t)?, &values, texts)?; // (b, 2i)
    let (b, _) = attended.dims2()?;
    // Pairs beside each other become all found, then all denied.
    let attended = attended.reshape((b, i, 2))?.transpose(1, 2)?.reshape((b, 2 * i))?;

    // Texts: mean and attention pools.
    let mean = ops::segment_mean(&x, texts)?; // (b, d)
    let pooled = ops::segment_attend(&head("pool_score", &x)?, &head("pool_value", &x)?, texts)?;
    let pooled = Tensor::cat(&[&mean, &pooled], 1)?; // (b, d + pooled)
    let pooled_dropped = mode.dropout(&pooled, dropout, 1001)?;

    let indicators = (attended + strongest.broadcast_mul(gain)?)?;
    let indicators = (indicators + head("indicator_text", &pooled_dropped)?)?; // (b, 2i)
    let found = indicators.narrow(1, 0, i)?.contiguous()?;
    let denied = indicators.narrow(1, i, i)?.contiguous()?;

    // The text layer sees the indicators as well; squashed, so that one loud
    // logit does not drown the rest.
    let seen = (&indicators * 0.5)?.tanh()?;
    let text = ops::gelu(&head("text", &Tensor::cat(&[&pooled_dropped, &seen], 1)?)?)?;
    let text = mode.dropout(&text, dropout, 1002)?; // (b, text width)

    // Entities see letter case and digits, which the encoder does not.
    let features = Tensor::from_slice(&batch.features, (batch.rows.len(), batch.feature_count), device)?;
    let entity = Tensor::cat(&[&mode.dropout(&x, dropout, 1003)?, &features], 1)?;
    let entity = ops::gelu(&head("entity", &entity)?)?; // (n, entity width)

    let link = head("link", &pooled)?;
    let length = (link.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?;

    Ok(Outputs {
        grade: head("grade", &text)?,
        found,
        denied,
        harm: head("harm", &text)?,
        relationship: head("relationship", &text)?,
        link: link.broadcast_div(&length)?,
        found_evidence: evidence.narrow(1, 0, i)?.contiguous()?,
        denied_evidence: evidence.narrow(1, i, i)?.contiguous()?,
        tags: head("tags", &entity)?,
        roles: head("roles", &entity)?,
    })
}
