//! Shorthand of recorders and its long forms.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::edit::{APOSTROPHES, Edit, Word, apply, in_case_of, in_entity, words};
use super::tables;
use crate::corpus::Example;
use crate::rng::Rng;

/// Phrases by their first word, the longest first; each with what it becomes.
type Phrases = HashMap<String, Vec<(Vec<String>, String)>>;

fn index<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, joiners: &[char]) -> Phrases {
    let mut index = Phrases::new();
    for (from, to) in pairs {
        let from: Vec<String> = words(from, joiners).into_iter().map(|word| word.lower).collect();
        if let Some(first) = from.first() {
            let list = index.entry(first.clone()).or_default();
            list.push((from, to.to_owned()));
            list.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        }
    }
    index
}

/// A slash is part of shorthand, `o/s`.
const SLASHED: [char; 3] = ['\'', '\u{2019}', '/'];

/// Words made short, each with a chance of two thirds.
pub(super) fn shorten(example: &Example, rng: &mut Rng) -> Option<Example> {
    static LONG: OnceLock<Phrases> = OnceLock::new();
    let long = LONG.get_or_init(|| {
        let pairs = tables().shorthand.iter().chain(&tables().shorten_only);
        index(pairs.map(|(long, short)| (long.as_str(), short.as_str())), &APOSTROPHES)
    });
    replaced(example, long, &APOSTROPHES, rng)
}

/// Shorthand written out, each with a chance of two thirds.
pub(super) fn lengthen(example: &Example, rng: &mut Rng) -> Option<Example> {
    static SHORT: OnceLock<Phrases> = OnceLock::new();
    let short = SHORT.get_or_init(|| {
        index(tables().shorthand.iter().map(|(long, short)| (short.as_str(), long.as_str())), &SLASHED)
    });
    replaced(example, short, &SLASHED, rng)
}

fn replaced(example: &Example, phrases: &Phrases, joiners: &[char], rng: &mut Rng) -> Option<Example> {
    let words = words(&example.report.text, joiners);
    let mut edits = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let drawn = rng.unit() < 2.0 / 3.0;
        match found(&words[at..], phrases) {
            Some((length, to)) if drawn => {
                let (start, end) = (words[at].start, words[at + length - 1].end);
                if !in_entity(example, start, end) {
                    let old = &words[at].text;
                    // Shorthand that is all capitals stays so in running text.
                    let kept = to.chars().any(char::is_uppercase);
                    let with = if kept { to.to_owned() } else { in_case_of(old, to) };
                    edits.push(Edit::new(start, end, with));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    apply(example, edits)
}

fn found<'a>(words: &[Word], phrases: &'a Phrases) -> Option<(usize, &'a str)> {
    let list = phrases.get(&words.first()?.lower)?;
    let (from, to) = list.iter().find(|(from, _)| {
        from.len() <= words.len()
            && from.iter().zip(words).all(|(from, word)| *from == word.lower)
            // The words of a phrase have one space between.
            && words[..from.len()].windows(2).all(|pair| pair[0].end + 1 == pair[1].start)
    })?;
    Some((from.len(), to))
}
