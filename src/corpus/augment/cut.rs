//! Logs that break off, as read while the call is going on.

use std::collections::BTreeSet;

use super::edit::{APOSTROPHES, words};
use super::tables;
use crate::codebook::{Grade, Indicator};
use crate::corpus::Example;
use crate::rng::Rng;

/// The first 30 to 70 % of the words. Label-safe by these rules:
///
/// - a grade other than `none` is kept only where every span survives;
/// - `none` is kept only for ordinary reports and reports of courses, because
///   the end of a hard negative or a decoy may be what refutes its beginning;
/// - serious harm that was found is kept only where every span survives;
/// - an indicator whose spans are all cut off is dropped, and there is no copy
///   where an indicator rests on the whole text without a span;
/// - there is no copy where the part cut off has a word for what the suspect is
///   to the victim that the beginning has not.
///
/// A span that the cut would go through is cut off whole. That an indicator is
/// told a second time before the cut, without markup, cannot be seen.
pub(super) fn cut(example: &Example, rng: &mut Rng) -> Option<Example> {
    let share = 0.3 + 0.4 * rng.unit();
    let text = &example.report.text;
    let all = words(text, &APOSTROPHES);
    let kept = (all.len() as f64 * share) as usize;
    if kept < 6 {
        return None;
    }
    let end = all.get(kept - 1)?.end;
    let labels = example.labels.as_ref()?;
    let mut copy = example.clone();
    copy.report.text = text.chars().take(end).collect();
    copy.spans.retain(|span| span.end <= end);
    copy.entities.retain(|entity| entity.end <= end);
    let whole = copy.spans.len() == example.spans.len();
    let may_be_none = matches!(example.meta.kind.as_deref(), Some("ordinary" | "course"));
    if !whole && (labels.stalking != Grade::None || labels.serious_harm) {
        return None;
    }
    if labels.stalking == Grade::None && !may_be_none {
        return None;
    }
    let shown = |spans: &[crate::corpus::Span], denied: bool| -> BTreeSet<Indicator> {
        spans.iter().filter(|span| span.denied == denied).map(|span| span.label).collect()
    };
    let new = copy.labels.as_mut()?;
    for (list, denied) in [(&mut new.found, false), (&mut new.denied, true)] {
        let (before, after) = (shown(&example.spans, denied), shown(&copy.spans, denied));
        if list.iter().any(|indicator| !before.contains(indicator)) {
            return None;
        }
        list.retain(|indicator| after.contains(indicator));
    }
    let told = |word: &&str| tables().relationship.iter().any(|known| known == word);
    let (first, rest) = all.split_at(kept);
    let before: BTreeSet<&str> = first.iter().map(|word| word.lower.as_str()).filter(told).collect();
    let tells_more = rest.iter().map(|word| word.lower.as_str()).filter(told).any(|w| !before.contains(w));
    (!tells_more).then_some(copy)
}
