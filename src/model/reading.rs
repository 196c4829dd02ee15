//! What a network says of one text, and how a long text is read in parts.

use crate::codebook::Grade;
use crate::text::Tokens;

use super::SECTION_TOKENS;

/// What the network says of one text, as logits. Rows of token values follow
/// the tokens of the text; special tokens are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Grade: one logit each.
    pub grade: Vec<f32>,
    /// Indicator found against not mentioned, by indicator.
    pub found: Vec<f32>,
    /// Indicator denied against not mentioned, by indicator.
    pub denied: Vec<f32>,
    /// Serious-harm evidence.
    pub harm: f32,
    /// Relationship: one logit each.
    pub relationship: Vec<f32>,
    /// Vector for linking, of length 1.
    pub link: Vec<f32>,
    /// Each token as evidence of each indicator found, (tokens, indicators).
    pub found_evidence: Vec<f32>,
    /// Each token as evidence of each indicator denied, (tokens, indicators).
    pub denied_evidence: Vec<f32>,
    /// Entity tag of each token, (tokens, tags).
    pub tags: Vec<f32>,
    /// Role of each token's entity, (tokens, roles).
    pub roles: Vec<f32>,
    /// Windows that the encoder took.
    pub windows: usize,
}

impl Reading {
    /// How far the reading leans towards stalking: the log odds of `possible`
    /// or `likely` against `none`, before calibration.
    pub fn leaning(&self) -> f32 {
        let (none, rest) = match self.grade.split_first() {
            Some((none, rest)) => (*none, rest),
            None => return 0.0,
        };
        let max = rest.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        max + rest.iter().map(|g| (g - max).exp()).sum::<f32>().ln() - none
    }

    /// Adds the answers of the lexical path, in the order of
    /// `lexical_answers`.
    pub(super) fn add_lexical(&mut self, logits: &[f32]) {
        let [stalking, likely, harm, rest @ ..] = logits else { return };
        // Half up and half down: their difference moves, their height does not.
        let moved = [(Grade::Possible, stalking - 0.5 * likely), (Grade::Likely, stalking + 0.5 * likely)];
        for (grade, by) in moved {
            if let Some(logit) = self.grade.get_mut(grade.index()) {
                *logit += by;
            }
        }
        self.harm += harm;
        for (logit, by) in self.found.iter_mut().chain(&mut self.relationship).zip(rest) {
            *logit += by;
        }
    }

    /// Joins the reading of the next part of the same text to this one.
    pub(super) fn join(mut self, mut next: Self) -> Self {
        if next.leaning() > self.leaning() {
            std::mem::swap(&mut self.grade, &mut next.grade);
            std::mem::swap(&mut self.relationship, &mut next.relationship);
            std::mem::swap(&mut self.link, &mut next.link);
        }
        for (a, b) in self.found.iter_mut().zip(&next.found) {
            *a = a.max(*b);
        }
        for (a, b) in self.denied.iter_mut().zip(&next.denied) {
            *a = a.max(*b);
        }
        self.harm = self.harm.max(next.harm);
        self.found_evidence.extend(next.found_evidence);
        self.denied_evidence.extend(next.denied_evidence);
        self.tags.extend(next.tags);
        self.roles.extend(next.roles);
        self.windows += next.windows;
        self
    }
}

/// Texts cut into parts of at most [`SECTION_TOKENS`] tokens.
pub(super) struct Parts {
    /// Each part with the text that it belongs to, in the order of the texts.
    parts: Vec<(usize, Tokens)>,
    texts: usize,
}

impl Parts {
    /// Cuts texts whose tokens have `features` further inputs each.
    pub(super) fn of(texts: &[Tokens], features: usize) -> Self {
        let mut parts = Vec::with_capacity(texts.len());
        for (i, text) in texts.iter().enumerate() {
            let mut start = 0;
            loop {
                let end = (start + SECTION_TOKENS).min(text.len());
                parts.push((
                    i,
                    Tokens {
                        ids: text.ids[start..end].to_vec(),
                        offsets: text.offsets[start..end].to_vec(),
                        features: text.features[start * features..end * features].to_vec(),
                    },
                ));
                start = end;
                if start >= text.len() {
                    break;
                }
            }
        }
        Self { parts, texts: texts.len() }
    }

    /// Number of parts.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Tokens of a part.
    pub(super) fn tokens(&self, part: usize) -> &Tokens {
        &self.parts[part].1
    }

    /// Takes parts in `order` together until `most` tokens are reached.
    pub(super) fn passes(&self, order: &[usize], most: usize) -> Vec<Vec<usize>> {
        let mut passes: Vec<Vec<usize>> = Vec::new();
        let mut tokens = usize::MAX;
        for &p in order {
            let next = self.tokens(p).len() + 2;
            tokens = tokens.saturating_add(next);
            match passes.last_mut() {
                Some(pass) if tokens <= most => pass.push(p),
                _ => {
                    passes.push(vec![p]);
                    tokens = next;
                }
            }
        }
        passes
    }

    /// One reading for each text from one for each part, in order.
    pub(super) fn join(self, readings: impl Iterator<Item = Reading>) -> Vec<Reading> {
        let mut result: Vec<Option<Reading>> = vec![None; self.texts];
        for ((text, _), reading) in self.parts.into_iter().zip(readings) {
            result[text] = Some(match result[text].take() {
                None => reading,
                Some(before) => before.join(reading),
            });
        }
        result.into_iter().flatten().collect()
    }
}
