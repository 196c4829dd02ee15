//! Identifiers that have a form of their own, found without a model: numbers,
//! addresses, plates, names in the ways in which records write them.

use std::sync::LazyLock;

use regex::Regex;

use super::names;
use super::values;
use crate::codebook::{EntityKind, Role};

/// A run of text by bytes that holds an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub kind: EntityKind,
    pub role: Option<Role>,
    /// First byte and the byte after the last.
    pub start: usize,
    pub end: usize,
}

/// The patterns are constants: a test compiles them all, so that an `unwrap`
/// in disguise cannot stop a run.
macro_rules! pattern {
    ($name:ident, $regex:expr) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($regex).ok());
    };
}

pattern!(PHONE, r"(?:\+44|0044|\b0)[\s().-]{0,2}\d(?:[\s().-]{0,2}\d){8,9}\b");
pattern!(EMAIL, r"(?i)\b[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+\b");
pattern!(HANDLE, r"(?:^|[\s(\x22'‘“])(@[A-Za-z0-9_.]{4,30})");
pattern!(
    NAMED_HANDLE,
    r"(?i)\b(?:user ?name|handle|snap(?:chat)?|insta(?:gram)?|account|profile)\s+(?:is|of|name|called|named)?\s*[\x22'‘“]?([A-Za-z]+[A-Za-z0-9.]*[_0-9][A-Za-z0-9_.]{2,30})"
);
pattern!(PLATE, r"(?i)\b[A-Z]{2}[0-9OI][0-9OI]\s?[A-Z0]{3}\b");
pattern!(OLD_PLATE, r"\b(?:[A-Z][0-9]{1,3}\s?[A-Z]{3})\b");
pattern!(
    PART_PLATE,
    r"(?i)\b(?:vrm|index|plate|reg(?:istration)?)\.?\s*(?:number|no\.?|was|is|:|ends?|ending|starts?|starting|begins?|beginning|part|partial|in|with|like|possibly|poss|-|,)*\s*[\x22'‘“]?([A-Z]{2}\d{2}(?:\s?[A-Z]{1,3})?|[A-Z]{3})\b"
);
pattern!(POSTCODE, r"\b[A-Z]{1,2}[0-9][A-Z0-9]?\s?[0-9][A-Z]{2}\b");
pattern!(SMALL_POSTCODE, r"\b[a-z]{2}[0-9]{1,2}\s[0-9][a-z]{2}\b");
pattern!(
    BORN,
    r"(?i)\b(?:d\.?o\.?b\.?|born(?: on)?|b\.)\s*:?\s*(\d{1,2}[/.\- ]\d{1,2}[/.\- ]\d{2,4}|\d{4}-\d{2}-\d{2})"
);
pattern!(
    REFERENCE,
    r"(?i)\b(?:crime|log|ref(?:erence)?s?|cad|urn|occ(?:urrence)?|incident|crn|niche)\s*(?:no\.?|number|num|ref(?:erence)?|#|:)*\s*((?:[A-Z]{1,4}[/-]?)?\d[A-Z0-9]*(?:[/-][A-Z0-9]+)*)"
);
pattern!(
    ADDRESS,
    r"(?i)\b(\d{1,4}[a-z]?)\s*,?\s+((?:[a-z][a-z'’]*\s+){0,2}?[a-z][a-z'’]*)\s+(street|str|st|road|rd|lane|ln|avenue|ave|close|cl|court|ct|drive|dr|gardens|gdns|terrace|terr|tce|ter|crescent|cres|place|pl|grove|gr|mews|square|sq|way|walk|row|view|rise|house|parade|hill|yard|bank|side|reach|parc)\b"
);
pattern!(
    THE_ADDRESS,
    r"(?i)\b(\d{1,4}[a-z]?)\s*,?\s+(the\s+(?:crescent|avenue|close|drive|grove|green|square|parade|mews|rise|row|hill|terrace|street|lane)|quayside)\b"
);
pattern!(
    STREET,
    r"\b((?:[A-Z][a-z'’]+\s+){1,2}(?:Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Close|Drive|Gardens|Gdns|Terrace|Tce|Crescent|Cres|Grove|Mews|Row|Walk|Way|Place|View|Court))\b"
);
pattern!(
    LOUD_STREET,
    r"(?i)\b([a-z][a-z'’]{2,}\s+(?:street|road|rd|lane|avenue|ave|gardens|gdns|terrace|tce|crescent|cres|grove|mews))\b"
);
pattern!(WORD, r"[\p{L}][\p{L}’']*(?:-[\p{L}]+)*");

fn all<'t>(regex: &LazyLock<Option<Regex>>, text: &'t str) -> Vec<regex::Captures<'t>> {
    regex.as_ref().map_or_else(Vec::new, |regex| regex.captures_iter(text).collect())
}

/// Words that begin no street's name.
fn no_street(word: &str) -> bool {
    matches!(
        word,
        "the"
            | "a"
            | "my"
            | "our"
            | "her"
            | "his"
            | "their"
            | "this"
            | "that"
            | "main"
            | "side"
            | "same"
            | "other"
            | "down"
            | "up"
            | "in"
            | "on"
            | "at"
            | "of"
            | "off"
            | "from"
            | "to"
            | "and"
            | "next"
            | "back"
            | "across"
            | "by"
            | "my own"
            | "whole"
            | "busy"
            | "ring"
            | "every"
            | "slip"
            | "minutes"
            | "mins"
            | "feet"
            | "yards"
            | "times"
            | "hrs"
            | "hours"
            | "into"
            | "old"
            | "bus"
            | "country"
            | "a-road"
            | "for"
            | "with"
            | "along"
            | "outside"
            | "near"
            | "middle"
            | "left"
            | "right"
            | "one"
            | "no"
            | "council"
            | "open"
            | "service"
            | "garden"
            | "front"
            | "rear"
            | "your"
            | "cross"
            | "crossed"
            | "crosses"
            | "wrong"
    )
}

/// Identifiers by form alone, in the order of the text; kinds may overlap.
pub(super) fn find(text: &str) -> Vec<Match> {
    let mut found = Vec::new();
    let mut push = |kind, role, group: Option<regex::Match<'_>>| {
        if let Some(group) = group {
            found.push(Match { kind, role, start: group.start(), end: group.end() });
        }
    };
    for m in all(&PHONE, text) {
        push(EntityKind::Phone, None, m.get(0));
    }
    for m in all(&EMAIL, text) {
        push(EntityKind::Email, None, m.get(0));
    }
    for m in all(&HANDLE, text).iter().chain(&all(&NAMED_HANDLE, text)) {
        push(EntityKind::Handle, None, m.get(1));
    }
    for m in all(&PLATE, text) {
        // `at14 and`, `CV11 ATT`: a call sign and a word look like a plate.
        let word = m.get(0).map_or("", |g| g.as_str());
        let tail = word.rsplit(char::is_whitespace).next().unwrap_or("").to_lowercase();
        let spaced = word.contains(char::is_whitespace);
        let common = matches!(
            tail.as_str(),
            "and"
                | "the"
                | "for"
                | "att"
                | "adv"
                | "was"
                | "has"
                | "had"
                | "are"
                | "not"
                | "did"
                | "her"
                | "his"
                | "she"
                | "him"
                | "you"
                | "who"
                | "but"
                | "all"
                | "out"
                | "now"
                | "off"
                | "car"
                | "man"
                | "arr"
                | "via"
                | "with"
                | "hrs"
                | "nfa"
                | "o/s"
        );
        if !(spaced && common) {
            push(EntityKind::Plate, None, m.get(0));
        }
    }
    for m in all(&OLD_PLATE, text) {
        let word = m.get(0).map_or("", |g| g.as_str());
        if word.len() >= 6 {
            push(EntityKind::Plate, None, m.get(0));
        }
    }
    for m in all(&PART_PLATE, text) {
        let loud =
            m.get(1).is_some_and(|g| !g.as_str().chars().any(char::is_lowercase) || g.as_str().len() > 3);
        if loud {
            push(EntityKind::Plate, None, m.get(1));
        }
    }
    for m in all(&POSTCODE, text).iter().chain(&all(&SMALL_POSTCODE, text)) {
        push(EntityKind::Postcode, None, m.get(0));
    }
    for m in all(&BORN, text) {
        push(EntityKind::DateOfBirth, None, m.get(1));
    }
    for m in all(&REFERENCE, text) {
        push(EntityKind::Reference, None, m.get(1));
    }
    for m in all(&ADDRESS, text) {
        let street = m.get(2).map_or("", |g| g.as_str()).to_lowercase();
        if !street.split_whitespace().any(no_street) {
            push(EntityKind::Address, None, m.get(0));
        }
    }
    for m in all(&THE_ADDRESS, text) {
        push(EntityKind::Address, None, m.get(0));
    }
    for m in all(&STREET, text).iter().chain(&all(&LOUD_STREET, text)) {
        let name = m.get(1).map_or("", |g| g.as_str()).to_lowercase();
        if !name.split_whitespace().any(no_street) {
            push(EntityKind::Address, None, m.get(1));
        }
    }
    cars(text, &mut found);
    people(text, &mut found);
    found
}

/// Makes and models with the words about them.
fn cars(text: &str, found: &mut Vec<Match>) {
    let words: Vec<(usize, usize, String)> = all(&CAR_WORD, text)
        .iter()
        .filter_map(|m| m.get(0))
        .map(|g| (g.start(), g.end(), g.as_str().to_lowercase()))
        .collect();
    for (i, (_, _, word)) in words.iter().enumerate() {
        // `up`, `golf`, `focus`, `seat`, `mini`, `rover` and `range` are words, too.
        let doubtful = matches!(
            word.as_str(),
            "up" | "golf"
                | "focus"
                | "seat"
                | "mini"
                | "range"
                | "rover"
                | "adam"
                | "ka"
                | "swift"
                | "galaxy"
                | "defender"
                | "leon"
                | "cooper"
                | "puma"
                | "jazz"
                | "a1"
                | "a3"
                | "a4"
                | "ford"
                | "polo"
                | "208"
                | "308"
                | "captur"
                | "fiat"
                | "discovery"
        );
        if !values::is_car_word(word) {
            continue;
        }
        let colour = (1..=2).any(|back| {
            i.checked_sub(back).and_then(|j| words.get(j)).is_some_and(|w| values::is_colour(&w.2))
        });
        let beside =
            |j: Option<usize>| j.and_then(|j| words.get(j)).is_some_and(|w| values::is_car_word(&w.2));
        let capital = text.get(words[i].0..).is_some_and(|t| t.starts_with(char::is_uppercase))
            && word.as_str() != "up";
        let company = beside(i.checked_sub(1)) || beside(Some(i + 1));
        let sure = !doubtful || colour || company || (word == "golf" && capital);
        if !sure {
            continue;
        }
        let mut first = i;
        for back in 1..=2 {
            match i.checked_sub(back) {
                Some(j) if values::is_colour(&words[j].2) || values::is_car_word(&words[j].2) => first = j,
                _ => {}
            }
        }
        let mut last = i;
        while last + 1 < words.len()
            && last < i + 2
            && (values::is_car_word(&words[last + 1].2)
                || words[last + 1].2 == "series"
                || words[last + 1].2 == "class")
        {
            last += 1;
        }
        found.push(Match {
            kind: EntityKind::Vehicle,
            role: None,
            start: words[first].0,
            end: words[last].1,
        });
    }
}

pattern!(CAR_WORD, r"[\p{L}0-9]+");

/// Words that mark the person who comes after them.
fn cue(word: &str) -> Option<Role> {
    Some(match word {
        "ip" | "aggd" | "aggrieved" | "victim" | "complainant" | "ap" => Role::Victim,
        "susp" | "suspect" | "offender" | "subject" | "ex" | "exhusband" | "expartner" | "exboyfriend"
        | "boyfriend" => Role::Suspect,
        "inft" | "informant" | "caller" => Role::Reporter,
        word if names::is_rank(word) => Role::Officer,
        _ => return None,
    })
}

/// People by the form of their names: a known given name and a word beside it
/// that can be a surname, a title and a word, `SURNAME Given`.
fn people(text: &str, found: &mut Vec<Match>) {
    let words: Vec<(usize, usize, String)> = all(&WORD, text)
        .iter()
        .filter_map(|m| m.get(0))
        .map(|g| (g.start(), g.end(), g.as_str().trim_end_matches(['\'', '’']).to_owned()))
        .collect();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count().max(1);
    let capitals = text.chars().filter(|c| c.is_uppercase()).count();
    let loud = capitals * 10 > letters * 6;
    let quiet = capitals * 100 < letters;
    let low = |i: usize| words.get(i).map_or(String::new(), |w| strip(&w.2));
    let is_capital = |i: usize| words.get(i).is_some_and(|w| w.2.starts_with(char::is_uppercase));
    let is_caps = |i: usize| {
        words.get(i).is_some_and(|w| w.2.chars().count() > 1 && !w.2.chars().any(char::is_lowercase))
    };
    // Nothing but one space, or a comma for `Smith, John`, between two words.
    let joined = |i: usize| {
        words
            .get(i)
            .zip(words.get(i + 1))
            .and_then(|(a, b)| text.get(a.1..b.0))
            .is_some_and(|gap| !gap.is_empty() && gap.chars().all(|c| c == ' ' || c == '\'' || c == '’'))
    };
    let mut i = 0;
    while i < words.len() {
        let (here, next) = (low(i), low(i + 1));
        let pair = joined(i) && !next.is_empty();
        let can_be_surname = |j: usize| {
            let word = low(j);
            word.chars().count() >= 2
                && (names::is_surname(&word) && (is_capital(j) || quiet)
                    || (is_capital(j) && !loud && !common(&word)))
        };
        let given = names::is_given(&here) && (is_capital(i) || quiet || loud);
        let next_is_given = names::is_given(&next) && is_capital(i + 1);
        // `Graham Hall`; in capitals only with a surname that is known.
        let given_first = given
            && pair
            && (loud && names::is_surname(&next)
                || can_be_surname(i + 1)
                    && (names::is_surname(&next) || is_capital(i) || !is_doubtful(&here)));
        // `GRIFFITHS Rhys` among small letters, `Hebblethwaite Giles`.
        let surname_first = pair
            && next_is_given
            && (is_caps(i) && !loud && here.chars().count() >= 3 && !common(&here) && !is_caps(i + 1)
                || names::is_surname(&here) && is_capital(i) && !names::is_given(&here));
        // The title goes with it, so that the word after is read as a surname.
        let titled = pair
            && names::is_title(&here)
            && (is_capital(i + 1) || names::is_surname(&next))
            && !common(&next)
            && !names::is_title(&next);
        let lone_given = given && !is_doubtful(&here) && !quiet && is_capital(i) && !common(&here);
        let lone_surname = names::is_surname(&here) && !names::is_word(&here) && is_caps(i) && !loud;
        let taken = if given_first || surname_first {
            2
        } else if titled {
            let more = joined(i + 1) && can_be_surname(i + 2) && names::is_given(&next);
            if more { 3 } else { 2 }
        } else {
            usize::from(lone_given || lone_surname)
        };
        if taken == 0 {
            i += 1;
            continue;
        }
        let before = if i == 0 { String::new() } else { low(i - 1) };
        let role = if names::is_rank(&here) { Some(Role::Officer) } else { cue(&before) };
        let (start, end) = (words[i].0, words[i + taken - 1].1);
        found.push(Match { kind: EntityKind::Person, role, start, end });
        i += taken;
    }
}

/// A given name that is also a word must have more to show for itself.
fn is_doubtful(word: &str) -> bool {
    names::is_word(word)
}

fn strip(word: &str) -> String {
    let low = word.to_lowercase();
    let low = low.strip_suffix("'s").or_else(|| low.strip_suffix("’s")).unwrap_or(&low).to_owned();
    low.chars().filter(|c| c.is_alphabetic()).collect()
}

/// Words that stand with a capital beside names and are none.
fn common(word: &str) -> bool {
    const WORDS: &str = " and the was has had not for with from that this she he his her him they them you your is are be been in on at of to \
        a an as by or if so but who what when where why how no yes all any one two three four five six now then there here out off up down \
        says said states stated stating saying told asked rang called came went got left sat stood will would can could should did does do \
        monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october \
        november december mon tue tues wed thu thurs fri sat sun road street lane avenue close drive court house car van flat shop school \
        police pc officer caller victim suspect ip inft susp male female ex wife husband mum dad mother father son daughter sister brother \
        nfa cctv pnc dna whatsapp facebook instagram snapchat tiktok google ring amazon tesco asda aldi lidl crown county northshire \
        advised closed refused again still also only just very been being about after before because until while during over under ";
    WORDS.split_whitespace().any(|w| w == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, kind: EntityKind) -> Vec<&str> {
        find(text).into_iter().filter(|m| m.kind == kind).map(|m| &text[m.start..m.end]).collect()
    }

    #[test]
    fn every_pattern_compiles() {
        for pattern in [
            &PHONE,
            &EMAIL,
            &HANDLE,
            &NAMED_HANDLE,
            &PLATE,
            &OLD_PLATE,
            &PART_PLATE,
            &POSTCODE,
            &SMALL_POSTCODE,
            &BORN,
            &REFERENCE,
            &ADDRESS,
            &THE_ADDRESS,
            &STREET,
            &LOUD_STREET,
            &WORD,
            &CAR_WORD,
        ] {
            assert!(pattern.is_some());
        }
    }

    #[test]
    fn numbers_and_addresses_are_found() {
        let text = "IP Leah Morgan of 14 Mill Lane, NS4 7AB, rang on 07700 900123 from leah@mail.com re grey Golf BD51 SMR, dob 3/4/85, log 4412/23, @lads_on_tour";
        assert_eq!(found(text, EntityKind::Phone), ["07700 900123"]);
        assert_eq!(found(text, EntityKind::Email), ["leah@mail.com"]);
        assert_eq!(found(text, EntityKind::Plate), ["BD51 SMR"]);
        assert_eq!(found(text, EntityKind::Postcode), ["NS4 7AB"]);
        assert_eq!(found(text, EntityKind::DateOfBirth), ["3/4/85"]);
        assert_eq!(found(text, EntityKind::Handle), ["@lads_on_tour"]);
        assert_eq!(found(text, EntityKind::Vehicle), ["grey Golf"]);
        assert!(found(text, EntityKind::Address).contains(&"14 Mill Lane"));
        assert!(found(text, EntityKind::Reference).contains(&"4412/23"));
    }

    #[test]
    fn people_are_found_as_records_write_them() {
        for (text, wanted) in [
            ("Seen with GRIFFITHS Rhys again", "GRIFFITHS Rhys"),
            ("caller graham hall says", "graham hall"),
            ("INFT GEMMA BENNETT, 19", "GEMMA BENNETT"),
            ("spoke to Mrs Ames at the window", "Mrs Ames"),
        ] {
            assert!(
                found(text, EntityKind::Person).contains(&wanted),
                "{text}: {:?}",
                found(text, EntityKind::Person)
            );
        }
    }

    #[test]
    fn words_that_are_names_are_words() {
        assert!(found("he will ring and mark the car", EntityKind::Person).is_empty());
        assert!(found("HE WILL RING AND MARK THE CAR", EntityKind::Person).is_empty());
        assert!(found("Will he ring? Mark my words. Grace period.", EntityKind::Person).is_empty());
        assert_eq!(found("then Will Smith came", EntityKind::Person), ["Will Smith"]);
    }
}
