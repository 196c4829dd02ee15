//! Two reports in one text, as where a log holds two incidents.

use super::Kind;
use super::edit::{APOSTROPHES, tidy, words};
use crate::codebook::{EntityKind, Grade, Indicator, Relationship};
use crate::corpus::Example;
use crate::rng::Rng;

/// A report with another one before or after it, a line break between. The
/// grade is the higher, serious harm of either counts, indicators are united.
///
/// Label-safe by these rules: the second report is graded `none`, belongs to no
/// case and either is ordinary or shows no indicator; both have one author; no
/// indicator is found in one and denied in the other; nobody bears a name of
/// the other report; and where both are graded `none`, they agree on the
/// relationship or one does not know it. Anything else gives `None`.
///
/// Fields and ids are those of the first.
pub fn join(first: &Example, second: &Example, rng: &mut Rng) -> Option<Example> {
    let (a, b) = (first.labels.as_ref()?, second.labels.as_ref()?);
    let harmless = second.meta.kind.as_deref() == Some("ordinary") || b.found.is_empty();
    if b.stalking != Grade::None || second.case.is_some() || !harmless {
        return None;
    }
    if first.meta.author != second.meta.author || first.report.id == second.report.id {
        return None;
    }
    let clash = |x: &[Indicator], y: &[Indicator]| x.iter().any(|indicator| y.contains(indicator));
    if clash(&a.found, &b.denied) || clash(&a.denied, &b.found) {
        return None;
    }
    let unknown = Relationship::Unknown;
    if a.stalking == Grade::None
        && a.relationship != b.relationship
        && a.relationship != unknown
        && b.relationship != unknown
    {
        return None;
    }
    let (names, others) = (names(first), names(second));
    if names.iter().any(|name| others.contains(name)) {
        return None;
    }
    let mut copy = first.clone();
    let labels = copy.labels.as_mut()?;
    labels.serious_harm |= b.serious_harm;
    if labels.stalking == Grade::None && labels.relationship == unknown {
        labels.relationship = b.relationship;
    }
    for (list, more) in [(&mut labels.found, &b.found), (&mut labels.denied, &b.denied)] {
        list.extend(more.iter().filter(|indicator| !list.contains(indicator)).collect::<Vec<_>>());
        list.sort_unstable();
    }
    let second_first = rng.below(2) == 0;
    let (before, after) = if second_first { (second, first) } else { (first, second) };
    let shift = before.report.text.chars().count() + 1;
    copy.report.text = format!("{}\n{}", before.report.text, after.report.text);
    copy.spans = before.spans.clone();
    copy.spans.extend(after.spans.iter().map(|span| {
        let mut span = *span;
        (span.start, span.end) = (span.start + shift, span.end + shift);
        span
    }));
    copy.entities = before.entities.clone();
    copy.entities.extend(after.entities.iter().map(|entity| {
        let mut entity = *entity;
        (entity.start, entity.end) = (entity.start + shift, entity.end + shift);
        entity
    }));
    copy.meta.augment = Some(Kind::Joined.name().to_owned());
    tidy(&mut copy);
    Some(copy)
}

/// Words of people's names, in small letters.
fn names(example: &Example) -> Vec<String> {
    let people = example.entities.iter().filter(|entity| entity.kind == EntityKind::Person);
    let of = |entity: &crate::corpus::EntitySpan| {
        let name = crate::text::slice_chars(&example.report.text, entity.start, entity.end);
        words(name, &APOSTROPHES).into_iter().map(|word| word.lower)
    };
    people.flat_map(of).filter(|word| word.chars().count() > 1).collect()
}
