//! Markup inside a text, as people write it.
//!
//! `[[following:sat outside in the Golf]]` is evidence, `[[!threat:made no
//! threats]]` a denial, `[[@person.suspect:Dan]]` an entity. Markup nests and
//! closes in order. There is no escape: a text that needs `[[` or `]]` itself
//! is kept as plain text with offsets.
//!
//! White space at the ends of a span is not part of it.

use std::cmp::Reverse;

use super::{EntitySpan, Span};
use crate::codebook::{EntityKind, Indicator, Role};
use crate::error::{Error, ErrorKind, Result};

/// A plain text and what was marked in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// The text without markup.
    pub text: String,
    /// The spans, by start, the longer first, then in the order of opening.
    pub spans: Vec<Span>,
    /// The entities, in the same order.
    pub entities: Vec<EntitySpan>,
}

/// A place in a marked text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkupFault {
    /// The character of the marked text, markup counted, from 0.
    pub at: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A label between `[[` and `:`.
#[derive(Copy, Clone, Debug)]
enum Label {
    Indicator { label: Indicator, denied: bool },
    Entity { kind: EntityKind, role: Option<Role> },
}

/// An opened span. `label` is missing where the opening was at fault, so that
/// its closing is no fault again.
struct Open {
    label: Option<Label>,
    /// Where the opening stands in the source.
    at: usize,
    /// Where the span begins in the plain text.
    start: usize,
}

/// Turns marked text into plain text, spans and entities.
///
/// # Errors
///
/// Every fault, in the order of the text: an opening without a known label, a
/// person without a role, a closing without an opening, a span that is never
/// closed or holds no words.
///
/// ```
/// let marked = throughline::corpus::markup::parse("He [[following:sat outside ]]again").unwrap();
/// assert_eq!(marked.text, "He sat outside again");
/// assert_eq!((marked.spans[0].start, marked.spans[0].end), (3, 14));
/// ```
pub fn parse(source: &str) -> std::result::Result<Marked, Vec<MarkupFault>> {
    let source: Vec<char> = source.chars().collect();
    let mut text: Vec<char> = Vec::with_capacity(source.len());
    // One past the last character of the plain text that is no white space.
    let mut ink_end = 0;
    let mut open: Vec<Open> = Vec::new();
    let mut closed: Vec<(Label, usize, usize, usize)> = Vec::new();
    let mut faults = Vec::new();
    let mut at = 0;
    while at < source.len() {
        if source[at..].starts_with(&['[', '[']) {
            let (label, length) = match opening(&source[at + 2..]) {
                Ok((label, length)) => (Some(label), length),
                Err((why, length)) => {
                    faults.push(MarkupFault { at, why });
                    (None, length)
                }
            };
            open.push(Open { label, at, start: text.len() });
            at += 2 + length;
        } else if source[at..].starts_with(&[']', ']']) {
            match open.pop() {
                None => faults.push(MarkupFault { at, why: "`]]` closes nothing".to_owned() }),
                Some(Open { label: Some(label), at: opened, start }) => match ink_end > start {
                    true => closed.push((label, opened, start, ink_end)),
                    false => faults.push(MarkupFault { at: opened, why: "span holds no words".to_owned() }),
                },
                Some(Open { label: None, .. }) => {}
            }
            at += 2;
        } else {
            text.push(source[at]);
            if !source[at].is_whitespace() {
                ink_end = text.len();
            }
            at += 1;
        }
    }
    faults.extend(open.iter().map(|o| MarkupFault { at: o.at, why: "`[[` is never closed".to_owned() }));
    if !faults.is_empty() {
        faults.sort_by_key(|fault| fault.at);
        return Err(faults);
    }
    // The first character at or after each place that is no white space.
    let mut ink_start = vec![text.len(); text.len() + 1];
    for at in (0..text.len()).rev() {
        ink_start[at] = if text[at].is_whitespace() { ink_start[at + 1] } else { at };
    }
    closed.sort_by_key(|&(_, opened, start, end)| (ink_start[start], Reverse(end), opened));
    let mut marked = Marked { text: text.into_iter().collect(), ..Marked::default() };
    for (label, _, start, end) in closed {
        let start = ink_start[start];
        match label {
            Label::Indicator { label, denied } => marked.spans.push(Span { start, end, label, denied }),
            Label::Entity { kind, role } => marked.entities.push(EntitySpan { start, end, kind, role }),
        }
    }
    Ok(marked)
}

/// Whether a text has at least one opening of a known label.
pub fn has_markup(text: &str) -> bool {
    text.match_indices("[[").any(|(at, _)| {
        // An opening is short; its first characters decide.
        let head: Vec<char> = text[at + 2..].chars().take(LABEL_CHARS_MAX + 1).collect();
        opening(&head).is_ok()
    })
}

/// No label with its marks and role is longer.
const LABEL_CHARS_MAX: usize = 60;

/// Reads what follows `[[`, up to and with the colon. An error says why and how
/// many characters to go past.
fn opening(rest: &[char]) -> std::result::Result<(Label, usize), (String, usize)> {
    let colon = rest.iter().take(LABEL_CHARS_MAX).position(|c| matches!(c, ':' | '[' | ']' | '\n'));
    let Some(colon) = colon.filter(|&at| rest[at] == ':') else {
        return Err(("`[[` without a label, write [[label:words]]".to_owned(), 0));
    };
    let whole: String = rest[..colon].iter().collect();
    let refused = |why: String| (why, colon + 1);
    let (denied, name) = match whole.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, &*whole),
    };
    let Some(entity) = name.strip_prefix('@') else {
        let label = name.parse().map_err(|err: Error| refused(err.to_string()))?;
        return Ok((Label::Indicator { label, denied }, colon + 1));
    };
    if denied {
        return Err(refused("an entity cannot be denied".to_owned()));
    }
    let (kind, role) = match entity.split_once('.') {
        Some((kind, role)) => (kind, Some(role)),
        None => (entity, None),
    };
    let kind = kind.parse().map_err(|err: Error| refused(err.to_string()))?;
    let role = role.map(str::parse).transpose().map_err(|err: Error| refused(err.to_string()))?;
    if kind == EntityKind::Person && role.is_none() {
        return Err(refused("person without a role, write [[@person.suspect:Dan]]".to_owned()));
    }
    Ok((Label::Entity { kind, role }, colon + 1))
}

/// Turns plain text, spans and entities into marked text, the way back from [`parse`].
///
/// # Errors
///
/// [`ErrorKind::Data`] when spans cross, lie outside the text or hold no words,
/// and when the text itself has brackets that would be read as markup.
pub fn render(marked: &Marked) -> Result<String> {
    let refused = |why: String| Err(Error::new(ErrorKind::Data, format!("markup: {why}")));
    let text: Vec<char> = marked.text.chars().collect();
    let mut items: Vec<(usize, usize, String)> = Vec::new();
    for span in &marked.spans {
        let mark = if span.denied { "!" } else { "" };
        items.push((span.start, span.end, format!("[[{mark}{}:", span.label)));
    }
    for entity in &marked.entities {
        let role = entity.role.map_or(String::new(), |role| format!(".{role}"));
        items.push((entity.start, entity.end, format!("[[@{}{role}:", entity.kind)));
    }
    items.sort_by_key(|&(start, end, _)| (start, Reverse(end)));
    let mut ends: Vec<usize> = Vec::new();
    let mut next = items.iter().peekable();
    let mut out = String::with_capacity(marked.text.len() + 24 * items.len());
    for at in 0..=text.len() {
        while ends.last() == Some(&at) {
            ends.pop();
            out.push_str("]]");
        }
        while let Some((start, end, opening)) = next.next_if(|&&(start, _, _)| start == at) {
            if end <= start || ends.last().is_some_and(|outer| end > outer) {
                return refused(format!("span {start}..{end} is empty or crosses another"));
            }
            ends.push(*end);
            out.push_str(opening);
        }
        out.extend(text.get(at));
    }
    if !ends.is_empty() || next.peek().is_some() {
        return refused(format!("a span reaches past the end of the text, {} characters", text.len()));
    }
    let mut expected = marked.clone();
    expected.spans.sort_by_key(|s| (s.start, Reverse(s.end)));
    expected.entities.sort_by_key(|e| (e.start, Reverse(e.end)));
    match parse(&out) {
        Ok(again) if again == expected => Ok(out),
        _ => {
            refused("the text has brackets of its own, or a span begins or ends with white space".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_that_is_read() {
        let cases = [
            ("", "", vec![]),
            ("no marks [at] all]", "no marks [at] all]", vec![]),
            (
                "[[contact:[[gifts:left a note]] on the car]]",
                "left a note on the car",
                vec![(0, 22, "contact"), (0, 11, "gifts")],
            ),
            ("é🚓[[!threat:مرحبا]]\r\n", "é🚓مرحبا\r\n", vec![(2, 7, "!threat")]),
            ("a[[fear: \u{a0}b \n]]c", "a \u{a0}b \nc", vec![(3, 4, "fear")]),
            ("[[fear:[b]]]", "[b]", vec![(0, 2, "fear")]),
            ("[[fear:a: b]]", "a: b", vec![(0, 4, "fear")]),
            ("[[fear:[[unwanted:x]]]]", "x", vec![(0, 1, "fear"), (0, 1, "unwanted")]),
        ];
        for (source, text, expected) in cases {
            let marked = parse(source).unwrap();
            assert_eq!(marked.text, text);
            let spans: Vec<(usize, usize, String)> = marked
                .spans
                .iter()
                .map(|s| (s.start, s.end, format!("{}{}", if s.denied { "!" } else { "" }, s.label)))
                .collect();
            let expected: Vec<_> =
                expected.into_iter().map(|(a, b, l): (_, _, &str)| (a, b, l.to_owned())).collect();
            assert_eq!(spans, expected, "{source}");
        }
        let marked =
            parse("[[following:[[@vehicle.suspect:grey Golf]] of [[@person.suspect:Dan]]]] [[@place:Spar]]")
                .unwrap();
        assert_eq!(marked.spans[0].end, 16);
        let entities: Vec<_> = marked.entities.iter().map(|e| (e.start, e.end, e.kind, e.role)).collect();
        assert_eq!(
            entities,
            [
                (0, 9, EntityKind::Vehicle, Some(Role::Suspect)),
                (13, 16, EntityKind::Person, Some(Role::Suspect)),
                (17, 21, EntityKind::Place, None),
            ]
        );
    }

    #[test]
    fn markup_that_is_refused() {
        let cases: [(&str, &[(usize, &str)]); 12] = [
            ("a [[following:b", &[(2, "never closed")]),
            ("a ]] b", &[(2, "closes nothing")]),
            ("é🚓[[folowing:b]]", &[(2, "did you mean `following`?")]),
            ("[[@person:Dan]]", &[(0, "person without a role")]),
            ("[[@person.supect:Dan]]", &[(0, "did you mean `suspect`?")]),
            ("[[@persn.suspect:Dan]]", &[(0, "unknown entity kind")]),
            ("[[!@phone:07700 900123]]", &[(0, "cannot be denied")]),
            ("[[fear.suspect:x]]", &[(0, "unknown indicator: `fear.suspect`")]),
            ("[[fear: \n]]", &[(0, "no words")]),
            ("[[fear]] [[ ]]", &[(0, "without a label"), (9, "without a label")]),
            ("[[:x]] ]]", &[(0, "unknown indicator: ``"), (7, "closes nothing")]),
            ("[[fear:a [[gift:b]]", &[(0, "never closed"), (9, "unknown indicator: `gift`")]),
        ];
        for (source, expected) in cases {
            let faults = parse(source).unwrap_err();
            assert_eq!(faults.len(), expected.len(), "{source}: {faults:?}");
            for (fault, (at, why)) in faults.iter().zip(expected) {
                assert_eq!(fault.at, *at, "{source}");
                assert!(fault.why.contains(why), "{source}: {}", fault.why);
            }
        }
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = 10_000;
        let source = format!("{}x{}", "[[fear:".repeat(deep), "]]".repeat(deep));
        let marked = parse(&source).unwrap();
        assert_eq!((marked.spans.len(), &*marked.text), (deep, "x"));
        assert_eq!(render(&marked).unwrap(), source);
        assert_eq!(parse(&"[[fear:".repeat(deep)).unwrap_err().len(), deep);
        assert_eq!(parse(&"]]".repeat(deep)).unwrap_err().len(), deep);
    }

    #[test]
    fn what_cannot_be_marked_is_refused() {
        let span = |start, end| Span { start, end, label: Indicator::Fear, denied: false };
        let cases = [
            ("abcdef", vec![span(0, 3), span(2, 5)]),
            ("abc", vec![span(1, 1)]),
            ("abc", vec![span(2, 1)]),
            ("abc", vec![span(1, 9)]),
            ("abc", vec![span(9, 10)]),
            ("abc", vec![span(0, usize::MAX)]),
            ("a b", vec![span(0, 2)]),
            ("a [[b", vec![]),
            ("a]b", vec![span(0, 2)]),
        ];
        for (text, spans) in cases {
            let marked = Marked { text: text.to_owned(), spans: spans.clone(), entities: vec![] };
            // "a]" closes early: the bracket of the text joins those of the span.
            assert!(render(&marked).is_err(), "{text} {spans:?}");
        }
    }

    #[test]
    fn known_openings_are_told_from_other_brackets() {
        assert!(has_markup("a [[x [[!threat:b"));
        assert!(has_markup("[[@person.suspect:Dan]]"));
        assert!(!has_markup("see [[wiki]] and [[note: this]]"));
    }

    /// Properly nesting items over a text of `length` characters, from draws.
    fn nest(text: &[char], draws: &[(usize, usize, usize)]) -> Marked {
        let mut marked = Marked { text: text.iter().collect(), ..Marked::default() };
        let mut kept: Vec<(usize, usize)> = Vec::new();
        for &(a, b, label) in draws {
            let (start, end) = (a % text.len().max(1), b % (text.len() + 1));
            let inked = |at: usize| text.get(at).is_some_and(|c| !c.is_whitespace());
            let crosses = kept
                .iter()
                .any(|&(s, e)| (s < start && start < e && e < end) || (start < s && s < end && end < e));
            if start >= end || crosses || !inked(start) || !inked(end - 1) {
                continue;
            }
            kept.push((start, end));
            let indicator = Indicator::ALL.get(label / 2).copied();
            match indicator {
                Some(i) => marked.spans.push(Span { start, end, label: i, denied: label % 2 == 1 }),
                None => {
                    let kind = EntityKind::ALL[label % EntityKind::ALL.len()];
                    let role = Some(Role::ALL[label % Role::ALL.len()]);
                    marked.entities.push(EntitySpan { start, end, kind, role });
                }
            }
        }
        marked.spans.sort_by_key(|s| (s.start, Reverse(s.end)));
        marked.entities.sort_by_key(|e| (e.start, Reverse(e.end)));
        marked
    }

    proptest! {
        #[test]
        fn what_nests_comes_back(
            text in "[a-z é🚓م:!@.\r\n]{0,40}",
            draws in prop::collection::vec((0..40usize, 0..41usize, 0..80usize), 0..12),
        ) {
            let text: Vec<char> = text.chars().collect();
            let marked = nest(&text, &draws);
            let source = render(&marked).unwrap();
            prop_assert_eq!(parse(&source).unwrap(), marked);
        }

        #[test]
        fn any_text_is_read_or_refused(source in "(\\[\\[|\\]\\]|\\[|\\]|fear:|!|@person|\\.suspect:| |a|🚓|\n){0,30}") {
            match parse(&source) {
                Ok(marked) => {
                    let length = marked.text.chars().count();
                    for span in &marked.spans {
                        prop_assert!(span.start < span.end && span.end <= length);
                    }
                }
                Err(faults) => prop_assert!(faults.iter().all(|f| f.at < source.chars().count())),
            }
        }
    }
}
