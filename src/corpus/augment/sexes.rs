//! Every man a woman and every woman a man.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use super::edit::{APOSTROPHES, Edit, Word, in_case_of, words};
use super::names::{Part, name_parts, other_name, people, renamed};
use super::{Key, tables};
use crate::corpus::Example;
use crate::corpus::gazetteer::{Gazetteer, Sex};

/// The text with pronouns, words of sex (`man`, `wife`, `Mr`) and first names
/// swapped, and `meta.sex_victim` and `meta.sex_suspect` with them. Sons and
/// daughters stay, surnames stay, relationships stay what they are.
///
/// `her` becomes `his` or `him` by the word that follows: `him` before the end,
/// punctuation and words that no thing possessed begins with (`again`, `to`,
/// `home`, a number with `times`), `his` before any other. This is wrong where
/// `her` stands before a thing given (`gave her flowers`), except after the
/// usual verbs of giving, and where a noun follows an object without a mark.
/// `his` becomes `hers` before the end and before words that begin a new part
/// of a sentence, and `her` otherwise.
///
/// There is no copy where a first name's sex is unknown, and where the text
/// speaks of what only one sex has (a pregnancy, a refuge for women).
pub(super) fn swapped(example: &Example, gazetteer: &Gazetteer, key: Key) -> Option<Example> {
    let text = &example.report.text;
    let all = words(text, &APOSTROPHES);
    if all.iter().any(|word| tables().sexes_refused.contains(&word.lower)) {
        return None;
    }
    let parts = name_parts(example, gazetteer);
    let of_people = people(example);
    if of_people.iter().flat_map(|(_, name)| name).any(|word| !parts.contains_key(&word.lower)) {
        return None;
    }
    let mut taken: BTreeSet<String> = parts.keys().cloned().collect();
    let mut new = BTreeMap::new();
    for (word, part) in &parts {
        if let Part::First(community, sex) = *part {
            let name = other_name(word, Part::First(community, sex.other()), gazetteer, key, &taken);
            taken.insert(name.to_lowercase());
            new.insert(word.clone(), name);
        }
    }
    // Names first: the words of sex keep their places in what results.
    let named = renamed(example, &new, &parts);
    let named = named.as_ref().unwrap_or(example);
    let mut copy = with_words(named).or_else(|| (!new.is_empty()).then(|| named.clone()))?;
    for letter in [&mut copy.meta.sex_victim, &mut copy.meta.sex_suspect].into_iter().flatten() {
        if let Some(sex) = Sex::of(letter) {
            *letter = sex.other().letter().to_owned();
        }
    }
    Some(copy)
}

/// The words of sex changed.
fn with_words(example: &Example) -> Option<Example> {
    let text = &example.report.text;
    let chars: Vec<char> = text.chars().collect();
    let all = words(text, &APOSTROPHES);
    let mut edits = Vec::new();
    for (at, word) in all.iter().enumerate() {
        let covered = example.entities.iter().any(|entity| {
            let touches = entity.start < word.end && word.start < entity.end;
            touches && entity.kind != crate::codebook::EntityKind::Person
        });
        if covered {
            continue;
        }
        if let Some(with) = swap(&all, at, &chars) {
            edits.push(Edit::new(word.start, word.end, in_case_of(&word.text, &with)));
        }
    }
    super::edit::apply(example, edits)
}

/// Words of sex and what they become.
fn pairs() -> &'static HashMap<String, String> {
    static PAIRS: OnceLock<HashMap<String, String>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let tables = tables();
        let mut pairs: HashMap<String, String> = tables.sexes_one_way.iter().cloned().collect();
        for (female, male) in &tables.sexes {
            pairs.insert(female.clone(), male.clone());
            pairs.insert(male.clone(), female.clone());
        }
        pairs
    })
}

fn swap(all: &[Word], at: usize, chars: &[char]) -> Option<String> {
    let word = all.get(at)?;
    match word.lower.as_str() {
        "her" => return Some(if is_object(all, at, chars) { "him" } else { "his" }.to_owned()),
        "his" => return Some(if stands_alone(all, at, chars) { "hers" } else { "her" }.to_owned()),
        _ => {}
    }
    if let Some(with) = pairs().get(&word.lower) {
        return Some(with.clone());
    }
    // `he's`, `husband's`: what follows the apostrophe stays.
    let (stem, rest) = word.lower.split_once('\'')?;
    Some(format!("{}'{rest}", pairs().get(stem)?))
}

/// The word after the one at `at`, if nothing but a space is between.
fn next<'a>(all: &'a [Word], at: usize, chars: &[char]) -> Option<&'a Word> {
    let next = all.get(at + 1)?;
    let gap = chars.get(all.get(at)?.end..next.start)?;
    gap.iter().all(|c| *c == ' ' || *c == '\n').then_some(next)
}

fn is_object(all: &[Word], at: usize, chars: &[char]) -> bool {
    const GIVING: [&str; 14] = [
        "gave", "give", "gives", "giving", "sent", "send", "sends", "sending", "bought", "buying", "offered",
        "brought", "handed", "leaving",
    ];
    const GIVEN: [&str; 14] = [
        "flowers",
        "money",
        "messages",
        "texts",
        "letters",
        "presents",
        "gifts",
        "cards",
        "roses",
        "notes",
        "chocolates",
        "emails",
        "pictures",
        "photos",
    ];
    const CHILDREN: [&str; 8] = ["children", "kids", "daughters", "sons", "year", "yr", "yo", "boys"];
    let Some(following) = next(all, at, chars) else { return true };
    if following.text.starts_with(|c: char| c.is_ascii_digit()) {
        return !all.get(at + 2).is_some_and(|word| CHILDREN.contains(&word.lower.as_str()));
    }
    let before = at.checked_sub(1).and_then(|at| all.get(at)).map_or("", |word| &word.lower);
    let given = GIVING.contains(&before) && GIVEN.contains(&following.lower.as_str());
    given || tables().after_object.contains(&following.lower)
}

fn stands_alone(all: &[Word], at: usize, chars: &[char]) -> bool {
    next(all, at, chars).is_none_or(|following| tables().after_hers.contains(&following.lower))
}
