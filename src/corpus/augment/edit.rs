//! The one primitive: replacing runs of a text while its marks move along.

use std::cmp::Reverse;

use crate::corpus::Example;
use crate::corpus::gazetteer::Gazetteer;

/// A run of characters and what stands there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub start: usize,
    pub end: usize,
    pub with: String,
}

impl Edit {
    pub(super) fn new(start: usize, end: usize, with: impl Into<String>) -> Edit {
        Edit { start, end, with: with.into() }
    }
}

/// A copy with the edits made; `None` when there is none. Of edits that overlap
/// the one that begins first is made.
///
/// A mark that begins or ends within a replaced run takes the whole of what
/// replaces it; what is inserted at the edge of a mark stays outside.
pub(super) fn apply(example: &Example, mut edits: Vec<Edit>) -> Option<Example> {
    edits.sort_by_key(|edit| (edit.start, Reverse(edit.end)));
    let mut kept: Vec<Edit> = Vec::with_capacity(edits.len());
    let chars: Vec<char> = example.report.text.chars().collect();
    for edit in edits {
        let free = kept.last().is_none_or(|last| last.end <= edit.start && last.start < edit.end);
        if free && edit.start <= edit.end && edit.end <= chars.len() {
            let old = chars[edit.start..edit.end].iter();
            if !old.copied().eq(edit.with.chars()) {
                kept.push(edit);
            }
        }
    }
    if kept.is_empty() {
        return None;
    }
    let mut text = String::with_capacity(example.report.text.len());
    // Where each old character begins in the new text, and one past the end.
    let mut starts = vec![0; chars.len() + 1];
    let mut ends = vec![0; chars.len() + 1];
    let (mut at, mut length) = (0, 0);
    for edit in &kept {
        while at < edit.start {
            starts[at] = length;
            length += 1;
            ends[at + 1] = length;
            text.push(chars[at]);
            at += 1;
        }
        let new = edit.with.chars().count();
        for inside in edit.start..edit.end {
            starts[inside] = length;
            ends[inside + 1] = length + new;
        }
        length += new;
        at = edit.end;
        text.push_str(&edit.with);
    }
    while at < chars.len() {
        starts[at] = length;
        length += 1;
        ends[at + 1] = length;
        text.push(chars[at]);
        at += 1;
    }
    starts[chars.len()] = length;
    let mut copy = example.clone();
    copy.report.text = text;
    let place = |table: &[usize], at: usize| table.get(at).copied().unwrap_or(length);
    for span in &mut copy.spans {
        (span.start, span.end) = (place(&starts, span.start), place(&ends, span.end));
    }
    for entity in &mut copy.entities {
        (entity.start, entity.end) = (place(&starts, entity.start), place(&ends, entity.end));
    }
    Some(copy)
}

/// Takes white space off the ends of marks, drops marks without words, and
/// puts them in the order of the loader.
pub(super) fn tidy(example: &mut Example) {
    let chars: Vec<char> = example.report.text.chars().collect();
    let trim = |start: usize, end: usize| {
        let (mut start, mut end) = (start, end.min(chars.len()));
        while start < end && chars[start].is_whitespace() {
            start += 1;
        }
        while start < end && chars[end - 1].is_whitespace() {
            end -= 1;
        }
        (start, end)
    };
    for span in &mut example.spans {
        (span.start, span.end) = trim(span.start, span.end);
    }
    for entity in &mut example.entities {
        (entity.start, entity.end) = trim(entity.start, entity.end);
    }
    example.spans.retain(|span| span.start < span.end);
    example.entities.retain(|entity| entity.start < entity.end);
    example.spans.sort_by_key(|span| (span.start, Reverse(span.end)));
    example.entities.sort_by_key(|entity| (entity.start, Reverse(entity.end)));
}

/// A word of a text: a run of letters, digits and apostrophes within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub start: usize,
    pub end: usize,
    /// As it stands.
    pub text: String,
    /// In small letters, with a plain apostrophe.
    pub lower: String,
}

/// The words of a text in order. `joiners` are characters that belong to a word
/// when letters or digits stand on both sides.
pub(super) fn words(text: &str, joiners: &[char]) -> Vec<Word> {
    let chars: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_alphanumeric() {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len() {
            let inside = chars[at].is_alphanumeric()
                || (joiners.contains(&chars[at]) && chars.get(at + 1).is_some_and(|c| c.is_alphanumeric()));
            if !inside {
                break;
            }
            at += 1;
        }
        let text: String = chars[start..at].iter().collect();
        let lower = text.to_lowercase().replace('\u{2019}', "'");
        words.push(Word { start, end: at, text, lower });
    }
    words
}

/// Joiners of words of ordinary prose.
pub(super) const APOSTROPHES: [char; 2] = ['\'', '\u{2019}'];

/// `new` in the letter case of `old`: capitals, small letters, or as `new` is.
pub(super) fn in_case_of(old: &str, new: &str) -> String {
    let letters = || old.chars().filter(|c| c.is_alphabetic());
    if letters().next().is_none() {
        new.to_owned()
    } else if letters().all(char::is_lowercase) {
        new.to_lowercase()
    } else if letters().count() > 1 && letters().all(char::is_uppercase) {
        new.to_uppercase()
    } else if letters().next().is_some_and(char::is_uppercase) {
        let mut rest = new.chars();
        rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
    } else {
        new.to_owned()
    }
}

/// Whether any entity of the example covers a part of the run.
pub(super) fn in_entity(example: &Example, start: usize, end: usize) -> bool {
    example.entities.iter().any(|entity| entity.start < end && start < entity.end)
}

/// The gazetteer's place in the force of the report, for towns.
pub(super) fn force_of(example: &Example, gazetteer: &Gazetteer) -> Option<usize> {
    gazetteer.force(example.report.force.as_deref()?).map(|(at, _)| at)
}
