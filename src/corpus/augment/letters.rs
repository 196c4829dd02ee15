//! Letter case, slips of the keyboard, and punctuation.

use super::edit::{APOSTROPHES, Edit, apply, in_case_of, in_entity, words};
use super::tables;
use crate::corpus::Example;
use crate::rng::Rng;

/// The text in capitals; a letter without one capital of its own stays.
pub(super) fn capitals(example: &Example) -> Option<Example> {
    recased(example, |c| single(c.to_uppercase(), c))
}

/// The text in small letters.
pub(super) fn small_letters(example: &Example) -> Option<Example> {
    recased(example, |c| single(c.to_lowercase(), c))
}

/// The one character that letter case makes of `c`, or `c` if they are several.
fn single(mut new: impl Iterator<Item = char>, c: char) -> char {
    match (new.next(), new.next()) {
        (Some(new), None) => new,
        _ => c,
    }
}

fn recased(example: &Example, change: impl Fn(char) -> char) -> Option<Example> {
    let text: String = example.report.text.chars().map(change).collect();
    (text != example.report.text).then(|| {
        let mut copy = example.clone();
        copy.report.text = text;
        copy
    })
}

/// Share of the words that get a slip.
const SLIPS: f64 = 0.08;

/// Slips in about one word in twelve. Names, numbers and words of up to three
/// letters stay, and so does what denies: `never`, `nothing` and the like.
pub(super) fn typos(example: &Example, rng: &mut Rng) -> Option<Example> {
    const KEPT: [&str; 8] = ["never", "none", "nothing", "nobody", "without", "denies", "denied", "cannot"];
    let mut edits = Vec::new();
    for word in words(&example.report.text, &APOSTROPHES) {
        let drawn = rng.unit();
        let slip = rng.below(4);
        let at = rng.bits();
        let corrected = tables().autocorrect.iter().find(|(from, _)| *from == word.lower);
        let letters: Vec<char> = word.text.chars().collect();
        let whole = letters.iter().all(|c| c.is_alphabetic());
        if in_entity(example, word.start, word.end) || KEPT.contains(&word.lower.as_str()) {
            continue;
        }
        if let Some((_, to)) = corrected {
            // A phone is surer of itself than a thumb is clumsy.
            if drawn < 2.0 * SLIPS {
                edits.push(Edit::new(word.start, word.end, in_case_of(&word.text, to)));
            }
        } else if drawn < SLIPS && whole && letters.len() > 3 {
            edits.push(Edit::new(word.start, word.end, slipped(letters, slip, at)));
        }
    }
    apply(example, edits)
}

/// A word with two letters changed over, one left out, one twice, or one that
/// stands beside it on the keyboard. The first letter stays.
fn slipped(mut letters: Vec<char>, slip: usize, at: u64) -> String {
    const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let at = 1 + (at % (letters.len() as u64 - 2)) as usize;
    match slip {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        2 => letters.insert(at, letters[at]),
        _ => {
            let lower = letters[at].to_ascii_lowercase();
            let beside = ROWS.iter().find_map(|row| {
                let place = row.find(lower)?;
                row.chars().nth(if place == 0 { 1 } else { place - 1 })
            });
            if let Some(beside) = beside {
                letters[at] = if letters[at].is_uppercase() { beside.to_ascii_uppercase() } else { beside };
            }
        }
    }
    letters.into_iter().collect()
}

/// Most of the punctuation left out; that of names, numbers and times stays.
pub(super) fn without_punctuation(example: &Example, rng: &mut Rng) -> Option<Example> {
    let chars: Vec<char> = example.report.text.chars().collect();
    let mut edits = Vec::new();
    for (at, c) in chars.iter().enumerate() {
        let left_out = rng.unit() < 0.85;
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1);
        let digit = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
        let letter = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
        if !left_out || in_entity(example, at, at + 1) || digit(after) {
            continue;
        }
        let joins = letter(before) && letter(after);
        match c {
            // `Carter's` keeps its apostrophe, or the name would end in a word.
            '\'' | '\u{2019}' if in_entity(example, at.saturating_sub(1), at) => {}
            '\'' | '\u{2019}' => edits.push(Edit::new(at, at + 1, "")),
            '.' | ',' | ';' | ':' | '!' | '?' | '"' | '\u{201c}' | '\u{201d}' => {
                edits.push(Edit::new(at, at + 1, if joins { " " } else { "" }));
            }
            _ => {}
        }
    }
    apply(example, edits)
}
