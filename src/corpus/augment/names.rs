//! Other names of people.

use std::collections::{BTreeMap, BTreeSet};

use super::edit::{Edit, Word, apply, in_case_of, words};
use super::{Key, tables};
use crate::codebook::{EntityKind, Role};
use crate::corpus::gazetteer::{Gazetteer, Sex};
use crate::corpus::{EntitySpan, Example};

/// Titles and ranks within a name; they are no name.
const TITLES: [&str; 22] = [
    "mr", "mrs", "ms", "miss", "dr", "pc", "dc", "ds", "di", "ps", "sgt", "insp", "pcso", "cllr", "sir",
    "lady", "rev", "father", "sister", "nurse", "prof", "officer",
];

/// What a word of a name is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A first name of this sex, of a community of the gazetteer.
    First(usize, Sex),
    /// A surname of a community of the gazetteer.
    Last(usize),
}

/// Names of people become others of the same sex and community, one for one:
/// the same name wherever it stands, an initial with its name. Fields of the
/// record follow. A name whose sex is not known stays.
pub(super) fn other_names(example: &Example, gazetteer: &Gazetteer, key: Key) -> Option<Example> {
    let parts = name_parts(example, gazetteer);
    with_other_names(example, gazetteer, key, &parts, &parts)
}

/// Like [`other_names`], with names of another community: all who were of one
/// are of one other, the same throughout a case.
pub(super) fn names_of_another_community(
    example: &Example,
    gazetteer: &Gazetteer,
    key: Key,
) -> Option<Example> {
    let parts = name_parts(example, gazetteer);
    let n = gazetteer.communities();
    let by = 1 + key.rng("community", "").below(n.saturating_sub(1).max(1));
    let moved: BTreeMap<String, Part> = parts
        .iter()
        .map(|(word, part)| {
            let part = match *part {
                Part::First(at, sex) => Part::First((at + by) % n, sex),
                Part::Last(at) => Part::Last((at + by) % n),
            };
            (word.clone(), part)
        })
        .collect();
    with_other_names(example, gazetteer, key, &parts, &moved)
}

/// The example with a name drawn for each of `wanted`, the words of `parts`
/// with the community that the new name is of.
fn with_other_names(
    example: &Example,
    gazetteer: &Gazetteer,
    key: Key,
    parts: &BTreeMap<String, Part>,
    wanted: &BTreeMap<String, Part>,
) -> Option<Example> {
    // Nobody is given a name that somebody in the report has.
    let mut taken: BTreeSet<String> = parts.keys().cloned().collect();
    let mut new = BTreeMap::new();
    for (word, part) in wanted {
        let name = other_name(word, *part, gazetteer, key, &taken);
        taken.insert(name.to_lowercase());
        new.insert(word.clone(), name);
    }
    renamed(example, &new, parts)
}

/// A name for a word of a name, not its own and none that is taken.
pub(super) fn other_name(
    word: &str,
    part: Part,
    gazetteer: &Gazetteer,
    key: Key,
    taken: &BTreeSet<String>,
) -> String {
    let list = match part {
        Part::First(community, sex) => gazetteer.community_at(community).first_names(sex),
        Part::Last(community) => &gazetteer.community_at(community).surnames,
    };
    let mut rng = key.rng(if matches!(part, Part::Last(_)) { "surname" } else { "name" }, word);
    for _ in 0..20 {
        let name = list.draw(&mut rng);
        if !taken.contains(&name.to_lowercase()) {
            return name.to_owned();
        }
    }
    word.to_owned()
}

/// The words of people's names in small letters, and what each is. Initials,
/// titles and words of unknown sex are left out.
pub(super) fn name_parts(example: &Example, gazetteer: &Gazetteer) -> BTreeMap<String, Part> {
    let mut parts = BTreeMap::new();
    for (entity, name) in people(example) {
        let community = name.iter().find_map(|word| gazetteer.surname(&word.lower));
        let several = name.len() > 1;
        for (at, word) in name.iter().enumerate() {
            let first = gazetteer.first_name(&word.lower);
            let last = gazetteer.surname(&word.lower);
            let in_last_place = several && at + 1 == name.len();
            let part = match (first, last) {
                (_, Some(community)) if in_last_place => Some(Part::Last(community)),
                (Some((community, sex)), _) => Some(Part::First(community, sex)),
                (None, Some(community)) => Some(Part::Last(community)),
                (None, None) if in_last_place => Some(Part::Last(0)),
                (None, None) => {
                    sex_of(&word.lower, entity, example).map(|sex| Part::First(community.unwrap_or(0), sex))
                }
            };
            if let Some(part) = part {
                parts.entry(word.lower.clone()).or_insert(part);
            }
        }
    }
    parts
}

/// The persons of a report with the words of their names.
pub(super) fn people(example: &Example) -> Vec<(EntitySpan, Vec<Word>)> {
    let chars: Vec<char> = example.report.text.chars().collect();
    let people = example.entities.iter().filter(|entity| entity.kind == EntityKind::Person);
    people
        .filter_map(|entity| {
            let run: String = chars.get(entity.start..entity.end)?.iter().collect();
            let mut name = words(&run, &JOINERS);
            for word in &mut name {
                without_genitive(word);
                (word.start, word.end) = (word.start + entity.start, word.end + entity.start);
            }
            name.retain(|word| {
                let length = word.text.chars().count();
                length > 1
                    && !TITLES.contains(&word.lower.as_str())
                    && word.text.chars().all(|c| c.is_alphabetic() || JOINERS.contains(&c))
                    // Two or three capitals are initials, unless the gazetteer
                    // has such a name.
                    && (length > 3 || !is_initials(&run))
            });
            Some((*entity, name))
        })
        .collect()
}

/// What may stand within a name.
const JOINERS: [char; 3] = ['\'', '\u{2019}', '-'];

/// Takes `'s` off a word.
fn without_genitive(word: &mut Word) {
    if word.lower.ends_with("'s") {
        word.end -= 2;
        word.text = word.text.chars().take(word.end - word.start).collect();
        word.lower.truncate(word.lower.len() - 2);
    }
}

/// Whether a name is two or three capitals and no more, `CC`.
fn is_initials(name: &str) -> bool {
    const NAMES: [&str; 4] = ["IAN", "LEE", "WEI", "JUN"];
    let length = name.chars().count();
    (2..=3).contains(&length) && name.chars().all(|c| c.is_uppercase()) && !NAMES.contains(&name)
}

/// The sex of a word that the gazetteer does not know as a name.
fn sex_of(word: &str, entity: EntitySpan, example: &Example) -> Option<Sex> {
    let known = |list: &[String]| list.iter().any(|name| name == word);
    if known(&tables().nicknames_female) {
        return Some(Sex::Female);
    }
    if known(&tables().nicknames_male) {
        return Some(Sex::Male);
    }
    let letter = match entity.role? {
        Role::Victim => example.meta.sex_victim.as_deref(),
        Role::Suspect => example.meta.sex_suspect.as_deref(),
        _ => None,
    };
    Sex::of(letter?)
}

/// The example with words of names replaced: in people's names, in emails and
/// handles, in the fields of the record, and wherever the same name stands
/// without markup. A name that is a word, too (`Will`, `Grace`), is replaced
/// outside markup only within a sentence and with a capital.
pub(super) fn renamed(
    example: &Example,
    new: &BTreeMap<String, String>,
    parts: &BTreeMap<String, Part>,
) -> Option<Example> {
    let text = &example.report.text;
    let chars: Vec<char> = text.chars().collect();
    let mixed = text.chars().any(char::is_lowercase) && text.chars().any(char::is_uppercase);
    let mut edits = Vec::new();
    for (entity, name) in people(example) {
        for word in &name {
            if let Some(name) = new.get(&word.lower) {
                edits.push(Edit::new(word.start, word.end, in_case_of(&word.text, name)));
            }
        }
        edits.extend(initials(entity, &chars, example, new, parts));
    }
    for mut word in words(text, &JOINERS) {
        without_genitive(&mut word);
        let Some(name) = new.get(&word.lower) else { continue };
        let inside = example.entities.iter().find(|e| e.start < word.end && word.start < e.end);
        let with = match inside.map(|entity| entity.kind) {
            Some(EntityKind::Email | EntityKind::Handle) => {
                let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
                in_case_of(&word.text, &plain)
            }
            Some(_) => continue,
            None => {
                let is_word = tables().names_that_are_words.contains(&word.lower);
                let capital = word.text.chars().next().is_some_and(char::is_uppercase);
                let mut before = chars[..word.start].iter().rev().filter(|c| !c.is_whitespace());
                let opens = before.next().is_none_or(|c| !(c.is_alphanumeric() || *c == ','));
                if is_word && !(mixed && capital && !opens) {
                    continue;
                }
                in_case_of(&word.text, name)
            }
        };
        edits.push(Edit::new(word.start, word.end, with));
    }
    let mut copy = apply(example, edits)?;
    for field in [&mut copy.report.suspect_name, &mut copy.report.victim_name].into_iter().flatten() {
        let renamed: Vec<String> = field
            .split(' ')
            .map(|word| new.get(&word.to_lowercase()).map_or(word.to_owned(), |name| in_case_of(word, name)))
            .collect();
        *field = renamed.join(" ");
    }
    Some(copy)
}

/// Edits of the initials within a name: each letter becomes that of the new
/// name which stands for it, of the same role if there is one.
fn initials(
    entity: EntitySpan,
    chars: &[char],
    example: &Example,
    new: &BTreeMap<String, String>,
    parts: &BTreeMap<String, Part>,
) -> Vec<Edit> {
    let Some(run) = chars.get(entity.start..entity.end) else { return Vec::new() };
    let whole: String = run.iter().collect();
    let all_initials = is_initials(&whole);
    // Initials stand alone or are all there is.
    let single = |at: usize| {
        let letter = |at: Option<usize>| at.and_then(|at| run.get(at)).is_some_and(|c| c.is_alphabetic());
        run[at].is_uppercase() && (all_initials || !(letter(at.checked_sub(1)) || letter(Some(at + 1))))
    };
    let places: Vec<usize> = (0..run.len()).filter(|&at| single(at)).collect();
    let mut names: Vec<(&String, bool)> = Vec::new();
    for (other, name) in people(example) {
        for word in &name {
            if let Some((old, _)) = new.get_key_value(&word.lower) {
                names.push((old, other.role == entity.role));
            }
        }
    }
    let mut edits = Vec::new();
    for (nth, &at) in places.iter().enumerate() {
        let wants_last = all_initials && nth + 1 == places.len();
        let fits = |old: &String| {
            let same = old.chars().next().is_some_and(|c| c.to_uppercase().eq(run[at].to_uppercase()));
            let is_last = matches!(parts.get(old), Some(Part::Last(_)));
            same && is_last == wants_last
        };
        let found = names.iter().filter(|(old, _)| fits(old)).max_by_key(|(_, own)| *own);
        if let Some(first) = found.and_then(|(old, _)| new.get(*old)).and_then(|name| name.chars().next()) {
            edits.push(Edit::new(entity.start + at, entity.start + at + 1, first.to_uppercase().to_string()));
        }
    }
    edits
}
