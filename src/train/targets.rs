//! From a labelled report to what the heads should say of it.

use crate::codebook::Indicator;
use crate::corpus::Example;
use crate::entities::{OUTSIDE, begin_tag, inside_tag, role_index};
use crate::error::Result;
use crate::rng::Rng;
use crate::text::{Tokeniser, Tokens};

/// Targets of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Index of the grade.
    pub grade: usize,
    /// State of each indicator: 0 not mentioned, 1 found, 2 denied.
    pub states: Vec<u8>,
    /// Serious-harm evidence.
    pub harm: bool,
    /// Index of the relationship.
    pub relationship: usize,
    /// Whether spans were marked at all.
    pub marked: bool,
    /// `(token, indicator, denied)` for each token that is evidence.
    pub evidence: Vec<(usize, usize, bool)>,
    /// Entity tag of each token.
    pub tags: Vec<usize>,
    /// Role of each token.
    pub roles: Vec<usize>,
    /// Course of conduct that the report belongs to.
    pub group: Option<u64>,
}

/// A text with its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Tokens of the text.
    pub tokens: Tokens,
    /// What the heads should say.
    pub targets: Targets,
}

/// Changes of letters that keep every offset: set in capitals, in small
/// letters, or without punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recase {
    /// As written.
    Keep,
    /// Capitals throughout.
    Upper,
    /// Small letters throughout.
    Lower,
}

/// Draws the changes of a text.
pub fn draw_changes(rng: &mut Rng, recase: f64, strip: f64) -> (Recase, bool) {
    let u = rng.unit();
    let case = if u < recase {
        Recase::Upper
    } else if u < 2.0 * recase {
        Recase::Lower
    } else {
        Recase::Keep
    };
    (case, rng.unit() < strip)
}

/// `text` with the changes; one character stays one character.
pub fn change(text: &str, case: Recase, strip: bool) -> String {
    text.chars()
        .map(|c| match case {
            _ if strip && matches!(c, '.' | ',' | ';' | ':' | '!' | '?') => ' ',
            Recase::Upper => c.to_ascii_uppercase(),
            Recase::Lower => c.to_ascii_lowercase(),
            Recase::Keep => c,
        })
        .collect()
}

/// A labelled example as an item; `None` when it has no labels.
///
/// # Errors
///
/// When the text cannot be tokenised.
pub fn item(example: &Example, tokeniser: &Tokeniser, (case, strip): (Recase, bool)) -> Result<Option<Item>> {
    let Some(labels) = &example.labels else { return Ok(None) };
    let tokens = tokeniser.encode(&change(&example.report.text, case, strip))?;
    let mut states = vec![0; Indicator::ALL.len()];
    for indicator in &labels.denied {
        states[indicator.index()] = 2;
    }
    for indicator in &labels.found {
        states[indicator.index()] = 1;
    }
    let within = |start: usize, end: usize| {
        tokens
            .offsets
            .iter()
            .enumerate()
            .filter(move |(_, (a, b))| *a < end && *b > start)
            .map(|(token, _)| token)
    };
    let mut evidence: Vec<(usize, usize, bool)> = Vec::new();
    for span in &example.spans {
        evidence.extend(within(span.start, span.end).map(|token| (token, span.label.index(), span.denied)));
    }
    evidence.sort_unstable();
    evidence.dedup();
    let mut tags = vec![OUTSIDE; tokens.len()];
    let mut roles = vec![0; tokens.len()];
    for entity in &example.entities {
        for (i, token) in within(entity.start, entity.end).enumerate() {
            tags[token] = if i == 0 { begin_tag(entity.kind) } else { inside_tag(entity.kind) };
            roles[token] = role_index(entity.role);
        }
    }
    let group = example.case.as_ref().map(|case| {
        case.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    });
    let targets = Targets {
        grade: labels.stalking.index(),
        states,
        harm: labels.serious_harm,
        relationship: labels.relationship.index(),
        marked: !example.spans.is_empty() || !example.entities.is_empty(),
        evidence,
        tags,
        roles,
        group,
    };
    Ok(Some(Item { tokens, targets }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn changes_keep_every_character_in_its_place(text in "\\PC{0,60}", upper in any::<bool>(), strip in any::<bool>()) {
            let case = if upper { Recase::Upper } else { Recase::Lower };
            prop_assert_eq!(change(&text, case, strip).chars().count(), text.chars().count());
        }
    }
}
