//! Where people come from and whom they love, which should not matter.

use super::edit::{APOSTROPHES, Edit, Word, apply, in_case_of, in_entity, words};
use super::{Key, tables};
use crate::corpus::Example;
use crate::rng::Rng;

/// Words of ethnicity before a noun for a person, and codes of appearance
/// (`IC1`), become others; a short line that says what somebody is (`IP is
/// Black British.`) is put before or after the text, always where there was no
/// such word. A town's or a car's colour stays what it is.
pub(super) fn other_backgrounds(example: &Example, key: Key) -> Option<Example> {
    let text = &example.report.text;
    let mut rng = key.rng("background", "");
    let all = words(text, &APOSTROPHES);
    let mut edits: Vec<Edit> = Vec::new();
    for (at, word) in all.iter().enumerate() {
        if in_entity(example, word.start, word.end) {
            continue;
        }
        if let Some(with) = other_word(&all, at, &mut rng) {
            edits.push(Edit::new(word.start, word.end, in_case_of(&word.text, &with)));
        }
    }
    if edits.is_empty() || rng.unit() < 0.3 {
        let mut line = line(&mut rng)?;
        let letters = || text.chars().filter(|c| c.is_alphabetic());
        if letters().all(char::is_uppercase) {
            line = line.to_uppercase();
        } else if letters().all(char::is_lowercase) {
            line = line.to_lowercase();
        }
        let end = text.chars().count();
        edits.push(if rng.unit() < 0.5 {
            Edit::new(0, 0, format!("{line} "))
        } else {
            Edit::new(end, end, format!(" {line}"))
        });
    }
    apply(example, edits)
}

/// What stands in place of the word at a place: another of its sort.
fn other_word(all: &[Word], at: usize, rng: &mut Rng) -> Option<String> {
    let word = &all[at];
    let digit = word.lower.strip_prefix("ic").and_then(|code| code.parse::<usize>().ok());
    if let Some(code @ 1..=6) = digit {
        // One of the five others.
        return Some(format!("IC{}", (code - 1 + 1 + rng.below(5)) % 6 + 1));
    }
    let known = &tables().ethnicities;
    let own = known.iter().position(|known| *known == word.lower)?;
    let of_person = all.get(at + 1).is_some_and(|next| tables().ethnicity_of.contains(&next.lower));
    of_person.then(|| known[(own + 1 + rng.below(known.len() - 1)) % known.len()].clone())
}

/// A line on somebody's background.
fn line(rng: &mut Rng) -> Option<String> {
    let (of, what) = (&tables().background_of, &tables().backgrounds);
    let (of, what) = (of.get(rng.below(of.len()))?, what.get(rng.below(what.len()))?);
    Some(format!("{of} {what}."))
}
