//! Other phone numbers and number plates of the same shape.

use super::Key;
use super::edit::{APOSTROPHES, Edit, apply, words};
use crate::codebook::EntityKind;
use crate::corpus::Example;

/// Phones get other last three digits, so that 07700 900xxx stays within the
/// range kept for fiction and `ending 433` still agrees with the whole number;
/// plates get other letters and digits, whole or partial, one letter always
/// becoming the same other one. What is marked as phone or plate is changed,
/// and whole numbers of the fiction range wherever they stand.
pub(super) fn other_numbers(example: &Example, key: Key) -> Option<Example> {
    let chars: Vec<char> = example.report.text.chars().collect();
    let mut edits = Vec::new();
    for entity in &example.entities {
        let Some(run) = chars.get(entity.start..entity.end) else { continue };
        match entity.kind {
            EntityKind::Phone => edits.extend(phone(run, entity.start, key)),
            EntityKind::Plate => edits.extend(plate(run, entity.start, key)),
            _ => {}
        }
    }
    let mut at = 0;
    while at < chars.len() {
        match fiction(&chars[at..]) {
            Some(length) => {
                edits.extend(phone(&chars[at..at + length], at, key));
                at += length;
            }
            None => at += 1,
        }
    }
    // The same digit may have been found twice.
    edits.sort_by_key(|edit| edit.start);
    edits.dedup();
    let mut copy = apply(example, edits)?;
    if let Some(number) = &mut copy.report.phone {
        let chars: Vec<char> = number.chars().collect();
        *number = changed(&chars, phone(&chars, 0, key));
    }
    if let Some(number) = &mut copy.report.plate {
        let chars: Vec<char> = number.chars().collect();
        *number = changed(&chars, plate(&chars, 0, key));
    }
    Some(copy)
}

/// A run with edits of single characters made.
fn changed(chars: &[char], edits: Vec<Edit>) -> String {
    let mut new = chars.to_vec();
    for edit in edits {
        if let (Some(place), Some(c)) = (new.get_mut(edit.start), edit.with.chars().next()) {
            *place = c;
        }
    }
    new.into_iter().collect()
}

/// Other last digits, three at most, by what they were.
fn phone(run: &[char], start: usize, key: Key) -> Vec<Edit> {
    let places: Vec<usize> = (0..run.len()).rev().filter(|&at| run[at].is_ascii_digit()).take(3).collect();
    let old: String = places.iter().map(|&at| run[at]).collect();
    let mut rng = key.rng("phone", &old);
    let edits = places.iter().map(|&at| {
        let digit = (b'0' + rng.below(10) as u8) as char;
        Edit::new(start + at, start + at + 1, digit)
    });
    edits.collect()
}

/// The length of a whole number of the fiction range at the beginning.
fn fiction(chars: &[char]) -> Option<usize> {
    if !matches!(chars.first(), Some('0')) {
        return None;
    }
    let mut rest = "07700900".chars();
    let (mut at, mut digits) = (0, 0);
    while digits < 11 {
        let c = *chars.get(at)?;
        if c.is_ascii_digit() {
            if rest.next().is_some_and(|want| want != c) {
                return None;
            }
            digits += 1;
        } else if c != ' ' {
            return None;
        }
        at += 1;
    }
    Some(at)
}

/// Other letters and digits of a plate. Words around a partial one stay: only
/// runs with a digit, or of up to three letters that are no word, are changed.
fn plate(run: &[char], start: usize, key: Key) -> Vec<Edit> {
    const WORDS: [&str; 30] = [
        "reg", "vrm", "the", "and", "or", "in", "is", "a", "of", "no", "to", "bit", "not", "all", "got",
        "saw", "car", "van", "six", "two", "one", "ten", "for", "nr", "it", "end", "ends", "red", "i", "x",
    ];
    let text: String = run.iter().collect();
    let has_capitals = run.iter().any(|c| c.is_uppercase());
    let mut edits = Vec::new();
    for word in words(&text, &APOSTROPHES) {
        let digits = word.text.chars().any(|c| c.is_ascii_digit());
        let short = word.text.chars().count() <= 3 && word.text.chars().all(|c| c.is_ascii_alphabetic());
        let is_word = WORDS.contains(&word.lower.as_str())
            || (has_capitals && !digits && word.text.chars().any(char::is_lowercase));
        if !(digits || short) || is_word || word.text.chars().count() > 8 {
            continue;
        }
        for (at, c) in word.text.chars().enumerate() {
            let at = start + word.start + at;
            edits.push(Edit::new(at, at + 1, other_character(c, key)));
        }
    }
    edits
}

/// What a character of a plate becomes: a permutation of the letters, and one
/// of the digits that keeps the two digits of the year plausible.
fn other_character(c: char, key: Key) -> char {
    let within = |group: &[u8], of: char| -> Option<char> {
        let at = group.iter().position(|g| char::from(*g) == of)?;
        let mut order: Vec<u8> = group.to_vec();
        key.rng("plate", &group.iter().map(|b| char::from(*b)).collect::<String>()).shuffle(&mut order);
        Some(char::from(order[at]))
    };
    let upper = c.to_ascii_uppercase();
    let groups: [&[u8]; 4] = [b"ABCDEFGHJKLMNOPRSTUVWXY", b"012", b"567", b"3489"];
    match groups.iter().find_map(|group| within(group, upper)) {
        Some(new) if c.is_ascii_lowercase() => new.to_ascii_lowercase(),
        Some(new) => new,
        None => c,
    }
}
