//! The losses of a batch: each task's, and that of twins which get different
//! answers.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::settings::TrainSettings;
use super::targets::Item;
use crate::entities::OUTSIDE;
use crate::nn::batch::Batch;
use crate::nn::heads::Outputs;
use crate::nn::loss;

/// Which texts of a batch are twins of which.
pub(super) struct Twins {
    /// Reports of the batch, which come first.
    pub reports: usize,
    /// For each twin, in order after the reports, the report it is a copy of.
    pub of: Vec<usize>,
}

impl Twins {
    /// A batch without twins.
    #[cfg(test)]
    pub fn none(reports: usize) -> Twins {
        Twins { reports, of: Vec::new() }
    }

    /// For each text its twin, or the report that it is a twin of.
    fn partners(&self) -> Vec<Option<usize>> {
        let mut partners = vec![None; self.reports + self.of.len()];
        for (nth, &report) in self.of.iter().enumerate() {
            partners[report] = Some(self.reports + nth);
            partners[self.reports + nth] = Some(report);
        }
        partners
    }
}

/// How far the answers of twins differ: the cross entropy of each one's grade,
/// indicators and serious harm against what the other answers, the other held
/// fixed. Its gradient is that of the Kullback–Leibler divergence, both ways.
/// Dropout and masked tokens differ too, as in R-Drop (Liang et al. 2021).
pub(super) fn disagreement(twins: &Twins, out: &Outputs) -> candle_core::Result<Tensor> {
    let partners = twins.partners();
    let pairs = twins.of.len() as f64;
    let against = |logits: &Tensor, answer: &dyn Fn(&[f32]) -> Vec<f32>, scale: f64| {
        let rows = logits.dim(0)? / partners.len();
        let values = logits.to_vec2::<f32>()?;
        let mut targets = Vec::with_capacity(logits.elem_count());
        let mut weights = Vec::with_capacity(logits.dim(0)?);
        for (text, partner) in partners.iter().enumerate() {
            for row in 0..rows {
                targets.extend(answer(&values[partner.unwrap_or(text) * rows + row]));
                weights.push(f32::from(u8::from(partner.is_some())));
            }
        }
        candle_core::Result::Ok((targets, weights, pairs * scale))
    };
    let (targets, weights, norm) = against(&out.grade, &softmax, 1.0)?;
    let grade = loss::cross_entropy(&out.grade, targets, weights, norm)?;
    let states = loss::three_state_logits(&out.found, &out.denied)?;
    let (targets, weights, norm) = against(&states, &softmax, 3.0)?;
    let indicators = loss::cross_entropy(&states, targets, weights, norm)?;
    let harm = out.harm.reshape((partners.len(), 1))?;
    let (targets, weights, norm) = against(&harm, &|x| vec![1.0 / (1.0 + (-x[0]).exp())], 1.0)?;
    let harm = loss::binary_cross_entropy(&harm, targets, weights, norm)?;
    grade + indicators + harm
}

/// `eˣ / Σeˣ`.
fn softmax(x: &[f32]) -> Vec<f32> {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f32> = x.iter().map(|&x| (x - max).exp()).collect();
    let sum: f32 = e.iter().sum();
    e.into_iter().map(|e| e / sum).collect()
}

/// All losses of a batch: their weighted sum and each one's share.
pub(super) fn losses(
    settings: &TrainSettings,
    items: &[Item],
    twins: &Twins,
    batch: &Batch,
    out: &Outputs,
) -> candle_core::Result<(Tensor, BTreeMap<String, f64>)> {
    let w = &settings.loss;
    let b = items.len();
    let ones = vec![1.0f32; b];
    let one_hot = |indices: &[usize], classes: usize, smoothing: f64| {
        let mut targets = vec![(smoothing / classes as f64) as f32; indices.len() * classes];
        for (row, &class) in indices.iter().enumerate() {
            targets[row * classes + class] += (1.0 - smoothing) as f32;
        }
        targets
    };
    let mut terms: Vec<(&str, f64, Tensor)> = Vec::new();

    let grades: Vec<usize> = items.iter().map(|i| i.targets.grade).collect();
    let targets = one_hot(&grades, out.grade.dim(1)?, settings.training.label_smoothing);
    let grade = loss::cross_entropy(&out.grade, targets, ones.clone(), b as f64)?;
    terms.push(("grade", w.grade, grade));

    let i = out.found.dim(1)?;
    let states: Vec<u8> = items.iter().flat_map(|item| item.targets.states.clone()).collect();
    // The sum over indicators, scaled down: about three hold in a text.
    let indicators = loss::three_states(&out.found, &out.denied, &states, vec![1.0; b * i], 3.0 * b as f64)?;
    terms.push(("indicators", w.indicators, indicators));

    let harm: Vec<f32> = items.iter().map(|i| f32::from(u8::from(i.targets.harm))).collect();
    let harm = loss::binary_cross_entropy(&out.harm, harm, ones.clone(), b as f64)?;
    terms.push(("harm", w.harm, harm));

    let relationships: Vec<usize> = items.iter().map(|i| i.targets.relationship).collect();
    let targets = one_hot(&relationships, out.relationship.dim(1)?, 0.0);
    let relationship = loss::cross_entropy(&out.relationship, targets, ones, b as f64)?;
    terms.push(("relationship", w.relationship, relationship));

    // Tokens as evidence. Where a text was not marked, or an indicator rests
    // on the whole text, its tokens count for nothing.
    let rows = batch.rows.len();
    let positive = w.evidence_positive as f32;
    for (denied, name, logits) in
        [(false, "evidence", &out.found_evidence), (true, "denials", &out.denied_evidence)]
    {
        let mut targets = vec![0.0f32; rows * i];
        let mut weights = vec![0.0f32; rows * i];
        let mut sum = 0.0;
        for (range, item) in batch.text_ranges().into_iter().zip(items) {
            if !item.targets.marked {
                continue;
            }
            let state = if denied { 2 } else { 1 };
            let has_span: Vec<bool> =
                (0..i).map(|k| item.targets.evidence.iter().any(|e| e.1 == k && e.2 == denied)).collect();
            for row in range.start + 1..range.end - 1 {
                for k in 0..i {
                    if has_span[k] || item.targets.states[k] != state {
                        weights[row * i + k] = 1.0;
                    }
                }
            }
            for &(token, k, d) in &item.targets.evidence {
                if d == denied {
                    let at = (range.start + 1 + token) * i + k;
                    targets[at] = 1.0;
                    weights[at] = positive;
                    sum += f64::from(positive);
                }
            }
        }
        // Divided by the evidence there is, so that long texts do not drown it.
        let norm = sum.max(b as f64 * 10.0);
        let evidence = loss::binary_cross_entropy(logits, targets, weights, norm)?;
        terms.push((name, w.evidence, evidence));
    }

    // Entities.
    let tag_count = out.tags.dim(1)?;
    let role_count = out.roles.dim(1)?;
    let mut tags = vec![OUTSIDE; rows];
    let mut roles = vec![0; rows];
    let (mut tag_weights, mut role_weights) = (vec![0.0f32; rows], vec![0.0f32; rows]);
    for (range, item) in batch.text_ranges().into_iter().zip(items) {
        if !item.targets.marked {
            continue;
        }
        for (token, (&tag, &role)) in item.targets.tags.iter().zip(&item.targets.roles).enumerate() {
            let row = range.start + 1 + token;
            tags[row] = tag;
            roles[row] = role;
            tag_weights[row] = 1.0;
            role_weights[row] = if tag == OUTSIDE { 0.0 } else { 1.0 };
        }
    }
    let in_entities: f64 = role_weights.iter().map(|&w| f64::from(w)).sum();
    let norm = in_entities.max(b as f64);
    let tag_loss = loss::cross_entropy(&out.tags, one_hot(&tags, tag_count, 0.0), tag_weights, norm)?;
    terms.push(("entities", w.entities, tag_loss));
    let role_loss = loss::cross_entropy(&out.roles, one_hot(&roles, role_count, 0.0), role_weights, norm)?;
    terms.push(("roles", w.entities, role_loss));

    // A twin is the same report about other people: neither partner nor stranger.
    let groups: Vec<Option<u64>> = items[..twins.reports].iter().map(|item| item.targets.group).collect();
    let vectors = out.link.narrow(0, 0, twins.reports)?;
    let link = match loss::supervised_contrastive(&vectors, &groups, w.link_temperature)? {
        Some(link) => link,
        // No partner in the batch: a loss of zero that keeps the graph whole.
        None => (&out.link * out.link.zeros_like()?)?.sum_all()?,
    };
    terms.push(("link", w.link, link));
    if !twins.of.is_empty() {
        terms.push(("consistency", settings.consistency.weight, disagreement(twins, out)?));
    }

    let mut parts = BTreeMap::new();
    let mut total: Option<Tensor> = None;
    for (name, weight, term) in terms {
        let term = (term * weight)?;
        parts.insert(name.to_owned(), f64::from(term.to_scalar::<f32>()?));
        total = Some(match total {
            None => term,
            Some(total) => (total + term)?,
        });
    }
    match total {
        Some(total) => Ok((total, parts)),
        None => candle_core::bail!("no loss term"),
    }
}
