//! Other streets, towns and places of the same sort.

use super::Key;
use super::edit::{Edit, apply, force_of, in_case_of, words};
use crate::codebook::EntityKind;
use crate::corpus::Example;
use crate::corpus::gazetteer::{Gazetteer, PlaceKind, STREET_ENDINGS};

/// Streets, towns, shops and other places that the gazetteer knows become
/// others of the same sort, house numbers and the second halves of postcodes
/// others of the same shape. Streets and places are changed where they are
/// marked as address, place or employer and wherever the text names the same
/// again; towns of the report's own force also where they are not marked.
pub(super) fn other_places(example: &Example, gazetteer: &Gazetteer, key: Key) -> Option<Example> {
    let all = words(&example.report.text, &['\'', '\u{2019}', '&', '-']);
    let lower: Vec<String> = all.iter().map(|word| word.lower.clone()).collect();
    let force = force_of(example, gazetteer);
    let marked = |start: usize, end: usize| {
        let place = |kind| matches!(kind, EntityKind::Address | EntityKind::Place | EntityKind::Employer);
        example.entities.iter().any(|e| place(e.kind) && e.start <= start && end <= e.end)
    };
    let person = |start: usize, end: usize| {
        let person = |kind| matches!(kind, EntityKind::Person | EntityKind::Email | EntityKind::Handle);
        example.entities.iter().any(|e| person(e.kind) && e.start < end && start < e.end)
    };
    // Every place name of the text: first word, words, sort, and if marked.
    let mut named: Vec<(usize, usize, PlaceKind, bool)> = Vec::new();
    let mut at = 0;
    while at < all.len() {
        match gazetteer.place(&lower[at..]) {
            Some((length, kind)) => {
                let (start, end) = (all[at].start, all[at + length - 1].end);
                let near = all[at..at + length].windows(2).all(|pair| pair[0].end + 1 == pair[1].start);
                // Employers stay (`a bank`), but `Premier Inn` is no `Premier`.
                if near && kind != PlaceKind::Employer && !person(start, end) {
                    named.push((at, length, kind, marked(start, end)));
                }
                at += length;
            }
            None => at += 1,
        }
    }
    let mut edits = Vec::new();
    for &(at, length, kind, is_marked) in &named {
        // The long form is the key, so that `Park Rd` follows `Park Road`.
        let (long, short) = long_name(&lower[at..at + length], kind);
        let again = || named.iter().any(|n| n.3 && long_name(&lower[n.0..n.0 + n.1], n.2).0 == long);
        let own_town = matches!(kind, PlaceKind::Town(of) if Some(of) == force);
        let is_capital = all[at].text.chars().next().is_some_and(char::is_uppercase);
        if !(is_marked || again() || (own_town && is_capital)) {
            continue;
        }
        let mut rng = key.rng("place", &long);
        let mut new = gazetteer.draw_place(kind, &mut rng).to_owned();
        for _ in 0..8 {
            if new.to_lowercase() != long {
                break;
            }
            new = gazetteer.draw_place(kind, &mut rng).to_owned();
        }
        if short {
            new = short_street(&new);
        }
        let (start, end) = (all[at].start, all[at + length - 1].end);
        edits.push(Edit::new(start, end, in_case_of(&all[at].text, &new)));
    }
    for entity in &example.entities {
        let inside = all.iter().filter(|word| entity.start <= word.start && word.end <= entity.end);
        for word in inside {
            let digits = word.text.chars().filter(char::is_ascii_digit).count();
            let in_place =
                named.iter().any(|n| all[n.0].start <= word.start && word.end <= all[n.0 + n.1 - 1].end);
            if in_place || digits == 0 {
                continue;
            }
            match entity.kind {
                EntityKind::Address if word.text.starts_with(|c: char| c.is_ascii_digit()) => {
                    edits.push(Edit::new(word.start, word.end, other_digits(&word.text, key)));
                }
                EntityKind::Postcode if word.text.starts_with(|c: char| c.is_ascii_digit()) => {
                    edits.push(Edit::new(word.start, word.end, other_inward(&word.text, key)));
                }
                _ => {}
            }
        }
    }
    let mut copy = apply(example, edits)?;
    if let Some(postcode) = &mut copy.report.postcode
        && let Some((outward, inward)) = postcode.clone().rsplit_once(' ')
    {
        *postcode = format!("{outward} {}", other_inward(inward, key));
    }
    Some(copy)
}

/// A place's name with the ending of a street written out, and whether it was
/// short.
fn long_name(words: &[String], kind: PlaceKind) -> (String, bool) {
    let name = words.join(" ");
    if kind == PlaceKind::Street
        && let Some((first, last)) = name.rsplit_once(' ')
        && let Some((long, _)) = STREET_ENDINGS.iter().find(|(_, short)| *short == last)
    {
        return (format!("{first} {long}"), true);
    }
    (name, false)
}

/// A street with its ending made short, where it has a short form.
fn short_street(name: &str) -> String {
    let Some((first, last)) = name.rsplit_once(' ') else { return name.to_owned() };
    match STREET_ENDINGS.iter().find(|(long, _)| last.eq_ignore_ascii_case(long)) {
        Some((_, short)) => format!("{first} {}", in_case_of(last, short)),
        None => name.to_owned(),
    }
}

/// A number of as many digits, what follows the digits kept.
fn other_digits(old: &str, key: Key) -> String {
    let mut rng = key.rng("house", old);
    let mut first = true;
    let new = old.chars().map(|c| {
        let digit = if std::mem::take(&mut first) { 1 + rng.below(9) } else { rng.below(10) };
        if c.is_ascii_digit() { (b'0' + digit as u8) as char } else { c }
    });
    new.collect()
}

/// The second half of a postcode: a digit and letters.
fn other_inward(old: &str, key: Key) -> String {
    let mut rng = key.rng("postcode", old);
    let new = old.chars().map(|c| match c {
        '0'..='9' => (b'1' + rng.below(9) as u8) as char,
        'A'..='Z' => char::from(b"ABDEFGHJLNPQRSTUWXY"[rng.below(19)]),
        'a'..='z' => char::from(b"abdefghjlnpqrstuwxy"[rng.below(19)]),
        other => other,
    });
    new.collect()
}
