//! Flags: what a rule of recording or of handling asks to be looked at. Each
//! follows from indicators and record fields alone; the codebook holds its
//! meaning and basis.

use super::{IndicatorAnswer, IndicatorState, State};
use crate::codebook::{Flag, Indicator, Relationship, codebook};
use crate::report::Report;
use crate::text::slice_chars;

/// Characters on either side of the evidence that tell what was breached.
const AROUND: usize = 80;

/// Flags of a report, in codebook order.
pub(super) fn flags(
    report: &Report,
    state: State,
    indicators: &[IndicatorAnswer],
    relationship: Relationship,
) -> Vec<Flag> {
    let found = |indicator: Indicator| indicators[indicator.index()].state == IndicatorState::Found;
    let mut flags = Vec::new();
    if relationship == Relationship::ExPartner && found(Indicator::Repeated) {
        flags.push(Flag::ExPartnerPresumption);
    }
    if found(Indicator::BreachOfOrder) {
        flags.extend(breaches(&report.text, &indicators[Indicator::BreachOfOrder.index()]));
    }
    let differs = report
        .recorded_as
        .as_deref()
        .is_some_and(|class| !class.trim().is_empty() && !codebook().is_recorded_as_stalking(class));
    if state == State::Review && differs {
        flags.push(Flag::RecordedAsDiffers);
    }
    if found(Indicator::Minimising) {
        flags.push(Flag::Minimising);
    }
    if found(Indicator::TreatedAsIsolated) {
        flags.push(Flag::TreatedAsIsolated);
    }
    flags.sort();
    flags.dedup();
    flags
}

/// What was breached, by the words at the evidence. A warning is told apart
/// because ignoring one is no breach in law.
fn breaches(text: &str, answer: &IndicatorAnswer) -> Vec<Flag> {
    let has = |words: &str, any: &[&str]| any.iter().any(|w| words.contains(w));
    let kinds = |words: &str| {
        let words = words.to_lowercase();
        let mut kinds = Vec::new();
        let order = [
            "non-mol",
            "non mol",
            "nonmol",
            "nmo",
            "restraining",
            "order",
            "injunction",
            "spo",
            "dvpo",
            "dvpn",
            "notice",
            "prohibit",
        ];
        if has(&words, &order) {
            kinds.push(Flag::BreachOfOrder);
        }
        if has(&words, &["bail", "conditions"]) {
            kinds.push(Flag::BreachOfBail);
        }
        if has(&words, &["warning", "warned", "words of advice", "words given", "spoken to"]) {
            kinds.push(Flag::BreachOfWarning);
        }
        kinds
    };
    let mut result = Vec::new();
    for evidence in &answer.evidence {
        let mut here = kinds(&evidence.text);
        if here.is_empty() {
            let start = evidence.start.saturating_sub(AROUND);
            here = kinds(slice_chars(text, start, evidence.end + AROUND));
        }
        result.extend(here);
    }
    if result.is_empty() {
        let whole = kinds(text);
        result.extend(whole.first().copied());
    }
    // Found, but the words do not say what: an order is the graver reading.
    if result.is_empty() {
        result.push(Flag::BreachOfOrder);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::Evidence;

    fn answer(text: &str, words: &str) -> IndicatorAnswer {
        let byte = text.find(words).unwrap();
        let start = text[..byte].chars().count();
        IndicatorAnswer {
            name: Indicator::BreachOfOrder,
            letter: None,
            state: IndicatorState::Found,
            p: 0.9,
            evidence: vec![Evidence { start, end: start + words.chars().count(), text: words.into() }],
        }
    }

    #[test]
    fn what_was_breached_is_told_by_the_words() {
        for (text, words, want) in [
            ("he is on bail not to contact her", "on bail", vec![Flag::BreachOfBail]),
            ("breached his non-mol again", "breached his non-mol", vec![Flag::BreachOfOrder]),
            ("came back after the harassment warning", "came back", vec![Flag::BreachOfWarning]),
            ("came back regardless", "came back", vec![Flag::BreachOfOrder]),
        ] {
            assert_eq!(breaches(text, &answer(text, words)), want, "{text}");
        }
    }
}
