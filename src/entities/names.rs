//! Names of people: taken apart, made uniform and compared.
//!
//! A record may hold `GRIFFITHS Rhys`, `Mr Griffith`, `rhys griffiths` and
//! `R. Griffiths` for one man. [`Name::parse`] takes such words apart into a
//! given name and a surname, nicknames made one ([`canonical`]); [`compare`]
//! says how far two names agree. Tables stand in `names.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::Deserialize;

/// A person's name in small letters; either part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The given name, nicknames made one; a single letter is an initial.
    pub given: String,
    /// The surname without signs.
    pub surname: String,
}

/// How far two names agree, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// Given name and surname are the same.
    Full,
    /// Both parts agree, one of them in sound or but for an edit.
    FullSimilar,
    /// The surname agrees, and the given name is missing in one or an initial.
    Surname,
    /// The given name agrees, and the surname is missing in one.
    Given,
    /// The surname agrees, the given name does not: a family, perhaps.
    Family,
    /// The names have nothing to compare, or only a given name against a surname.
    Unknown,
    /// The names are of two people.
    Different,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    /// A given name and what it is also called.
    nicknames: BTreeMap<String, Vec<String>>,
    /// Further given names.
    given: Vec<String>,
    /// Surnames that are met often.
    surnames: Vec<String>,
    /// Names that are also words of narratives.
    words: Vec<String>,
    /// Words that stand before a name and are none.
    titles: Vec<String>,
    /// Ranks of officers.
    ranks: Vec<String>,
}

struct Known {
    canonical: BTreeMap<String, String>,
    given: BTreeSet<String>,
    surnames: BTreeSet<String>,
    words: BTreeSet<String>,
    titles: BTreeSet<String>,
    ranks: BTreeSet<String>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        // The tests read the tables, so that they cannot be broken here.
        let tables: Tables = toml::from_str(include_str!("names.toml")).unwrap_or(Tables {
            nicknames: BTreeMap::new(),
            given: Vec::new(),
            surnames: Vec::new(),
            words: Vec::new(),
            titles: Vec::new(),
            ranks: Vec::new(),
        });
        let mut canonical = BTreeMap::new();
        let mut given: BTreeSet<String> = tables.given.into_iter().collect();
        for (name, others) in tables.nicknames {
            for other in others {
                given.insert(other.clone());
                canonical.entry(other).or_insert_with(|| name.clone());
            }
            given.insert(name);
        }
        Known {
            canonical,
            given,
            surnames: tables.surnames.into_iter().collect(),
            words: tables.words.into_iter().collect(),
            titles: tables.titles.into_iter().collect(),
            ranks: tables.ranks.into_iter().collect(),
        }
    })
}

/// Whether a word in small letters is known as a given name.
pub fn is_given(word: &str) -> bool {
    known().given.contains(word)
}

/// Whether a word in small letters is known as a surname.
pub fn is_surname(word: &str) -> bool {
    known().surnames.contains(word)
}

/// Whether a name in small letters is also a word, as Will and Mark are.
pub fn is_word(word: &str) -> bool {
    known().words.contains(word)
}

/// Whether a word in small letters is a title, as Mrs.
pub fn is_title(word: &str) -> bool {
    known().titles.contains(word) || is_rank(word)
}

/// Whether a word in small letters is an officer's rank, as PC.
pub fn is_rank(word: &str) -> bool {
    known().ranks.contains(word)
}

/// The one name that stands for a given name and its nicknames.
pub fn canonical(given: &str) -> &str {
    known().canonical.get(given).map_or(given, String::as_str)
}

/// Letters small and plain, signs dropped.
fn plain(word: &str) -> String {
    word.chars()
        .flat_map(char::to_lowercase)
        .filter_map(|c| match c {
            'à'..='å' => Some('a'),
            'ç' => Some('c'),
            'è'..='ë' => Some('e'),
            'ì'..='ï' => Some('i'),
            'ñ' => Some('n'),
            'ò'..='ö' | 'ø' => Some('o'),
            'ù'..='ü' => Some('u'),
            'ł' => Some('l'),
            'ś' => Some('s'),
            'ż' | 'ź' => Some('z'),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .collect()
}

impl Name {
    /// Takes a name apart. `None` when no word of it can be a name.
    ///
    /// ```
    /// use throughline::entities::names::Name;
    /// let name = Name::parse("GRIFFITHS Rhys").unwrap();
    /// assert_eq!((name.given.as_str(), name.surname.as_str()), ("rhys", "griffiths"));
    /// assert_eq!(Name::parse("Danny").unwrap().given, "daniel");
    /// ```
    pub fn parse(words: &str) -> Option<Name> {
        let comma = words.contains(',');
        let mut titled = false;
        let mut parts: Vec<(&str, String)> = Vec::new();
        for word in words.split(|c: char| c.is_whitespace() || matches!(c, ',' | '.' | '(' | ')' | '"' | '/'))
        {
            let owned = ["'s", "’s", "'S", "’S"].iter().find_map(|end| word.strip_suffix(end));
            let word = owned.unwrap_or(word);
            let low = plain(word);
            if low.is_empty() || low.chars().any(|c| c.is_ascii_digit()) {
                continue;
            }
            if parts.is_empty() && is_title(&low) {
                titled = true;
                continue;
            }
            parts.push((word, low));
        }
        let caps = |word: &str| {
            word.chars().filter(|c| c.is_alphabetic()).count() > 1 && !word.chars().any(char::is_lowercase)
        };
        let name = match parts.as_slice() {
            [] => return None,
            [(_, one)] => {
                if is_placeholder(one) || (one.chars().count() < 2) {
                    return None;
                }
                // After a title a word is a surname, unless it is known as a given name alone.
                let given = is_given(one) && !(titled && is_surname(one));
                if given {
                    Name { given: canonical(one).to_owned(), surname: String::new() }
                } else {
                    Name { given: String::new(), surname: one.clone() }
                }
            }
            [first, .., last] => {
                let (first_caps, last_caps) = (caps(first.0), caps(last.0));
                let swapped = comma
                    || (first_caps && !last_caps)
                    || (is_surname(&first.1)
                        && !is_given(&first.1)
                        && is_given(&last.1)
                        && !is_surname(&last.1));
                let (given, surname) = if swapped { (&last.1, &first.1) } else { (&first.1, &last.1) };
                if is_placeholder(given) || is_placeholder(surname) {
                    return None;
                }
                if surname.chars().count() < 2 && given.chars().count() < 2 {
                    return None;
                }
                if surname.chars().count() < 2 {
                    // `Megan B.`: an initial says too little to be a surname.
                    Name { given: canonical(given).to_owned(), surname: String::new() }
                } else {
                    Name { given: canonical(given).to_owned(), surname: surname.clone() }
                }
            }
        };
        Some(name)
    }

    /// The name as one value: `rhys griffiths`, a missing part as `-`.
    pub fn value(&self) -> String {
        let part = |part: &str| if part.is_empty() { "-".to_owned() } else { part.to_owned() };
        format!("{} {}", part(&self.given), part(&self.surname))
    }

    /// A name from its [`Name::value`].
    pub fn from_value(value: &str) -> Name {
        let (given, surname) = value.split_once(' ').unwrap_or((value, "-"));
        let part = |part: &str| if part == "-" { String::new() } else { part.to_owned() };
        Name { given: part(given), surname: part(surname) }
    }
}

/// Words that stand where a name was not known.
fn is_placeholder(word: &str) -> bool {
    matches!(
        word,
        "unknown"
            | "na"
            | "none"
            | "nk"
            | "tbc"
            | "anon"
            | "anonymous"
            | "xxx"
            | "test"
            | "refused"
            | "nfa"
            | "male"
            | "female"
    )
}

/// How far two names agree; symmetric.
pub fn compare(a: &Name, b: &Name) -> Agreement {
    let surname = part(&a.surname, &b.surname);
    let given = part(&a.given, &b.given);
    let initial = |x: &str, y: &str| {
        x.chars().count() == 1 && y.starts_with(x) || y.chars().count() == 1 && x.starts_with(y)
    };
    match (given, surname) {
        (Some(2), Some(2)) => Agreement::Full,
        (Some(g), Some(s)) if g > 0 && s > 0 => Agreement::FullSimilar,
        (_, Some(s)) if s > 0 && initial(&a.given, &b.given) => Agreement::Surname,
        (None, Some(s)) if s > 0 => Agreement::Surname,
        (Some(g), None) if g > 0 => Agreement::Given,
        (Some(0), Some(2)) => Agreement::Family,
        (None, None) => {
            // A single unknown word is read as a surname, and may be a given name.
            let crossed = (!a.given.is_empty() && a.given == b.surname)
                || (!b.given.is_empty() && b.given == a.surname);
            if crossed { Agreement::Given } else { Agreement::Unknown }
        }
        _ => {
            let crossed =
                (a.surname.is_empty() || b.surname.is_empty() || a.given.is_empty() || b.given.is_empty())
                    && ((!a.given.is_empty() && a.given == b.surname)
                        || (!b.given.is_empty() && b.given == a.surname));
            if crossed { Agreement::Given } else { Agreement::Different }
        }
    }
}

/// 2: the same; 1: alike; 0: different; `None`: one is missing.
fn part(a: &str, b: &str) -> Option<u8> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    Some(if a == b {
        2
    } else if alike(a, b) {
        1
    } else {
        0
    })
}

/// Whether two words may be one name misheard or mistyped: one edit, or two
/// edits and the same sound, in words that are long enough to tell.
pub fn alike(a: &str, b: &str) -> bool {
    // Edits are within the longer length; most pairs are told apart by length alone.
    let (x, y) = (a.chars().count(), b.chars().count());
    let shorter = x.min(y);
    if shorter < 4 || x.abs_diff(y) > 2 {
        return false;
    }
    match edits(a, b) {
        0 => true,
        1 => shorter >= 5 || soundex(a) == soundex(b),
        2 => shorter >= 5 && soundex(a) == soundex(b),
        _ => false,
    }
}

/// Letters of the longest words whose edits are counted without allocating.
const SHORT: usize = 24;

/// Edits between two words: insert, delete, change, or swap two neighbours
/// (Damerau 1964, the restricted form).
pub fn edits(a: &str, b: &str) -> usize {
    if a.is_ascii() && b.is_ascii() && a.len() <= SHORT && b.len() <= SHORT {
        let mut rows = [0u8; 3 * (SHORT + 1)];
        return edits_in(a.as_bytes(), b.as_bytes(), &mut rows);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![0usize; 3 * (b.len() + 1)];
    edits_in(&a, &b, &mut rows)
}

/// The dynamic programme of [`edits`] over three rows of `b.len() + 1` cells
/// each: the row before the last, the last, and the one being filled.
fn edits_in<L: Copy + PartialEq, N: Copy + Ord + TryFrom<usize> + Into<usize>>(
    a: &[L],
    b: &[L],
    rows: &mut [N],
) -> usize {
    let width = b.len() + 1;
    let (older, rest) = rows.split_at_mut(width);
    let (last, rest) = rest.split_at_mut(width);
    let (mut older, mut last, mut row) = (older, last, &mut rest[..width]);
    let set = |cell: &mut N, edits: usize| {
        // Short words have few edits, long ones are counted in usize.
        if let Ok(edits) = N::try_from(edits) {
            *cell = edits;
        }
    };
    for (j, cell) in last.iter_mut().enumerate() {
        set(cell, j);
    }
    for i in 1..=a.len() {
        set(&mut row[0], i);
        for j in 1..width {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let (up, left, slant): (usize, usize, usize) =
                (last[j].into(), row[j - 1].into(), last[j - 1].into());
            let mut best = (up + 1).min(left + 1).min(slant + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let before: usize = older[j - 2].into();
                best = best.min(before + 1);
            }
            set(&mut row[j], best);
        }
        (older, last, row) = (last, row, older);
    }
    last[b.len()].into()
}

/// How a word sounds, as a letter and three digits (Russell's Soundex), the
/// first letter made one with those that sound like it.
pub fn soundex(word: &str) -> String {
    let code = |c: char| match c {
        'b' | 'f' | 'p' | 'v' => '1',
        'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => '2',
        'd' | 't' => '3',
        'l' => '4',
        'm' | 'n' => '5',
        'r' => '6',
        _ => '0',
    };
    // The p of Thompson is not heard.
    let word = word.replace("ph", "f").replace("mps", "ms").replace("mpt", "mt");
    let mut letters = word.chars();
    let Some(first) = letters.next() else { return String::new() };
    let head = match first {
        'c' | 'q' => 'k',
        'z' => 's',
        'y' => 'i',
        c => c,
    };
    let mut result = String::from(head);
    let mut last = code(first);
    for c in letters {
        let digit = code(c);
        if digit != '0' && digit != last {
            result.push(digit);
            if result.len() == 4 {
                break;
            }
        }
        if !matches!(c, 'h' | 'w') {
            last = digit;
        }
    }
    while result.len() < 4 {
        result.push('0');
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(words: &str) -> Name {
        Name::parse(words).unwrap_or_default()
    }

    #[test]
    fn the_tables_can_be_read() {
        let tables: Tables = toml::from_str(include_str!("names.toml")).unwrap();
        assert!(tables.nicknames.len() > 50 && tables.given.len() > 100);
        let small = |word: &String| *word == plain(word);
        assert!(tables.given.iter().chain(&tables.surnames).chain(&tables.words).all(small));
    }

    #[test]
    fn names_in_many_forms_are_one() {
        let rhys = name("Rhys Griffiths");
        for words in
            ["GRIFFITHS Rhys", "Mr Rhys Griffiths", "rhys griffiths", "Griffiths, Rhys", "RHYS GRIFFITHS'S"]
        {
            assert_eq!(compare(&rhys, &name(words)), Agreement::Full, "{words}");
        }
        assert_eq!(compare(&rhys, &name("rhys griffith")), Agreement::FullSimilar);
        assert_eq!(compare(&rhys, &name("Mr Griffiths")), Agreement::Surname);
        assert_eq!(compare(&rhys, &name("R. Griffiths")), Agreement::Surname);
        assert_eq!(compare(&rhys, &name("Rhys")), Agreement::Given);
        assert_eq!(compare(&rhys, &name("Gareth Griffiths")), Agreement::Family);
        assert_eq!(compare(&rhys, &name("Rhys Morgan")), Agreement::Different);
        assert_eq!(compare(&name("Danny Price"), &name("Daniel Price")), Agreement::Full);
        assert_eq!(compare(&name("Bradley Taylor"), &name("BRAD TAYLER")), Agreement::FullSimilar);
    }

    #[test]
    fn what_is_no_name_is_none() {
        for words in ["", "  ", "UNKNOWN", "N/A", "Mr", "Mr Unknown", "123", "."] {
            assert_eq!(Name::parse(words), None, "{words}");
        }
    }

    #[test]
    fn edits_and_sounds() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("ab", "ba"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(soundex("robert"), soundex("rupert"));
        assert_eq!(soundex("thompson"), soundex("tomson"));
        assert_ne!(soundex("smith"), soundex("jones"));
        assert!(alike("thompson", "tomson"));
        assert!(!alike("lee", "les"));
    }

    proptest! {
        #[test]
        fn comparing_is_symmetric_and_never_panics(a in "\\PC{0,24}", b in "\\PC{0,24}") {
            let (x, y) = (name(&a), name(&b));
            prop_assert_eq!(compare(&x, &y), compare(&y, &x));
            prop_assert_eq!(Name::from_value(&x.value()), x);
        }
    }
}
