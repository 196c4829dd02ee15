//! What happens to an answer when the text is changed in a way that should
//! not matter, or that makes reading harder.
//!
//! Counterfactual probes swap names, pronouns, words of ethnicity and of
//! sexual orientation (after Garg et al. 2019); robustness probes change
//! capitals, letters, punctuation and length. Word lists are in
//! `probes.toml`. Swaps are by rule and not always good English; what they
//! measure is how far an answer leans on such words.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::figures::{Figure, Named};
use super::measure::{Judged, measures};
use super::metrics::Resamples;
use super::{Answers, Rows, Scorer, Scores, Settings, score_all, write6};
use crate::codebook::{EntityKind, Role};
use crate::corpus::Example;
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;

/// Ids of the reports that move most that are listed for each probe.
const LISTED: usize = 5;

/// Share of words that the typing-error probe damages.
const TYPO_SHARE: f64 = 0.08;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sexes {
    f: Vec<String>,
    m: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    pronouns: Vec<[String; 2]>,
    nouns: Vec<[String; 2]>,
    partners: Vec<[String; 2]>,
    after_object: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ethnicity {
    targets: Vec<[String; 2]>,
    words: Vec<String>,
    codes: Vec<String>,
    people: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    name: String,
    base: String,
    other: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Irrelevant {
    before: String,
    after: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    names: BTreeMap<String, Sexes>,
    known: Sexes,
    pairs: Pairs,
    ethnicity: Ethnicity,
    fact: Vec<Fact>,
    irrelevant: Irrelevant,
}

impl Lists {
    fn parse(toml_text: &str) -> Result<Self> {
        let lists: Self = toml::from_str(toml_text).map_err(|err| {
            Error::new(ErrorKind::Data, format!("probe lists: {}", err.message())).with_source(err)
        })?;
        if lists.names.values().any(|s| s.f.is_empty() || s.m.is_empty()) {
            return Err(Error::new(ErrorKind::Data, "probe lists: a community without names"));
        }
        Ok(lists)
    }

    /// The sex of a first name, if it is known.
    fn sex(&self, name: &str) -> Option<Sex> {
        let of = |s: &Sexes| {
            let has = |names: &[String]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
            if has(&s.f) {
                Some(Sex::Female)
            } else if has(&s.m) {
                Some(Sex::Male)
            } else {
                None
            }
        };
        of(&self.known).or_else(|| self.names.values().find_map(of))
    }
}

#[allow(clippy::expect_used, reason = "the text is part of the binary and a test reads it")]
static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    // The text is part of the binary and `the_lists_parse` reads it.
    Lists::parse(include_str!("probes.toml")).expect("the probe lists parse")
});

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Sex {
    Female,
    Male,
}

/// One way of changing a text.
#[derive(Clone, Debug, PartialEq)]
enum Change {
    /// First names become those of a community; other sex if set.
    Names(String, bool),
    /// He and she.
    Pronouns,
    /// He and she, man and woman, husband and wife, and first names.
    Sexes,
    /// Husband and wife, boyfriend and girlfriend, and nothing else.
    Partners,
    /// A person is described so: word and code.
    Ethnicity(String, String),
    /// From one added sentence to another.
    Fact(String, String),
    Capitals,
    Lower,
    Typos,
    NoPunctuation,
    First(usize),
    Before(String),
    After(String),
}

/// What sort of probe it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The answer should stay as it is.
    Counterfactual,
    /// The answer may get worse, and how much is of interest.
    Robustness,
}

/// How the answers moved under one change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Its name.
    pub name: String,
    /// What sort of probe.
    pub family: Family,
    /// Reports whose text the change altered; the shifts are over these.
    pub n: usize,
    /// Mean of changed `p` minus `p`.
    #[serde(serialize_with = "write6")]
    pub mean_shift: f64,
    /// Mean of the shift without sign.
    #[serde(serialize_with = "write6")]
    pub mean_absolute: f64,
    /// 99th percentile of the shift without sign.
    #[serde(serialize_with = "write6")]
    pub p99_absolute: f64,
    /// Greatest shift without sign.
    #[serde(serialize_with = "write6")]
    pub max_absolute: f64,
    /// Reports that crossed the threshold, either way.
    pub crossed: usize,
    /// Ids of the reports that moved most.
    pub most: Vec<String>,
    /// Figures on the unchanged texts of the sample; robustness only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Named>,
    /// The same figures on the changed texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Named>,
}

/// All probes, in the order in which they run.
fn all_probes(lists: &Lists) -> Vec<(String, Family, Change)> {
    use Family::{Counterfactual, Robustness};
    let mut probes = Vec::new();
    for community in lists.names.keys() {
        probes.push((format!("names_{community}"), Counterfactual, Change::Names(community.clone(), false)));
    }
    probes.push((
        "names_other_sex".to_owned(),
        Counterfactual,
        Change::Names("white_british".to_owned(), true),
    ));
    for (name, change) in
        [("pronouns", Change::Pronouns), ("sexes", Change::Sexes), ("orientation_partners", Change::Partners)]
    {
        probes.push((name.to_owned(), Counterfactual, change));
    }
    for [word, code] in &lists.ethnicity.targets {
        probes.push((
            format!("ethnicity_{word}"),
            Counterfactual,
            Change::Ethnicity(word.clone(), code.clone()),
        ));
    }
    for fact in &lists.fact {
        probes.push((fact.name.clone(), Counterfactual, Change::Fact(fact.base.clone(), fact.other.clone())));
    }
    for (name, change) in [
        ("capitals", Change::Capitals),
        ("lower_case", Change::Lower),
        ("typing_errors", Change::Typos),
        ("no_punctuation", Change::NoPunctuation),
        ("first_30_percent", Change::First(30)),
        ("first_60_percent", Change::First(60)),
        ("irrelevant_before", Change::Before(lists.irrelevant.before.clone())),
        ("irrelevant_after", Change::After(lists.irrelevant.after.clone())),
    ] {
        probes.push((name.to_owned(), Robustness, change));
    }
    probes
}

/// Runs every probe on at most `limit` reports, drawn by the seed.
///
/// # Errors
///
/// When the scorer fails on a changed text.
pub fn probes(
    scorer: &dyn Scorer,
    answers: &Answers,
    rows: &Rows<'_>,
    settings: &Settings,
    resamples: &Resamples,
    limit: usize,
) -> Result<Vec<Probe>> {
    let mut sample: Vec<usize> = (0..rows.len()).collect();
    if limit < sample.len() {
        Rng::new(settings.seed, "probe sample").shuffle(&mut sample);
        sample.truncate(limit);
        sample.sort_unstable();
    }
    all_probes(&LISTS)
        .into_iter()
        .map(|(name, family, change)| {
            probe(scorer, answers, rows, settings, resamples, &sample, name, family, &change)
        })
        .collect()
}

#[allow(clippy::too_many_arguments)] // One caller, which passes them through.
fn probe(
    scorer: &dyn Scorer,
    answers: &Answers,
    rows: &Rows<'_>,
    settings: &Settings,
    resamples: &Resamples,
    sample: &[usize],
    name: String,
    family: Family,
    change: &Change,
) -> Result<Probe> {
    let mut changed: Vec<(usize, String)> = Vec::new();
    let mut bases: Vec<String> = Vec::new();
    for &row in sample {
        let example = rows.examples()[row];
        let mut rng = Rng::new(settings.seed, &format!("typing errors {}", example.report.id));
        let text = &example.report.text;
        let new = apply(change, example, &mut rng);
        if let Change::Fact(base, _) = change {
            bases.push(format!("{text} {base}"));
        }
        if new != *text {
            changed.push((row, new));
        }
    }
    let id = |row: usize| &*rows.examples()[row].report.id;
    let read = |texts: Vec<&str>| {
        let ids: Vec<&str> = changed.iter().map(|c| id(c.0)).collect();
        score_all(scorer, &texts, &ids)
    };
    let after = read(changed.iter().map(|c| &*c.1).collect())?;
    let before: Vec<Scores> = if bases.is_empty() {
        changed.iter().map(|c| answers.scores[c.0].clone()).collect()
    } else {
        read(bases.iter().map(|b| &**b).collect())?
    };
    let mut shifts: Vec<(f64, usize)> =
        before.iter().zip(&after).zip(&changed).map(|((b, a), c)| (a.p() - b.p(), c.0)).collect();
    let crossed = before
        .iter()
        .zip(&after)
        .filter(|(b, a)| (b.p() >= settings.threshold) != (a.p() >= settings.threshold))
        .count();
    shifts.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()).then(a.1.cmp(&b.1)));
    let n = shifts.len();
    let mean = |of: &dyn Fn(f64) -> f64| {
        if n == 0 { 0.0 } else { shifts.iter().map(|s| of(s.0)).sum::<f64>() / n as f64 }
    };
    let absolute = |place: usize| shifts.get(place).map_or(0.0, |s| s.0.abs());
    let figures_of = |scores: &[Scores]| {
        let judged = Judged { rows, scores, settings };
        sample_figures(&judged, sample, resamples)
    };
    let (figures_before, figures_after) = if family == Family::Robustness {
        let mut scores = answers.scores.clone();
        for ((row, _), new) in changed.iter().zip(&after) {
            scores[*row] = new.clone();
        }
        (Some(figures_of(&answers.scores)), Some(figures_of(&scores)))
    } else {
        (None, None)
    };
    Ok(Probe {
        name,
        family,
        n,
        mean_shift: mean(&|s| s),
        mean_absolute: mean(&f64::abs),
        // From the top: one in a hundred is at or above it.
        p99_absolute: absolute(n / 100),
        max_absolute: absolute(0),
        crossed,
        most: shifts.iter().filter(|s| s.0 != 0.0).take(LISTED).map(|s| id(s.1).to_owned()).collect(),
        before: figures_before,
        after: figures_after,
    })
}

/// The figures that a robustness probe shows.
fn sample_figures(judged: &Judged<'_>, sample: &[usize], resamples: &Resamples) -> Named {
    const SHOWN: [&str; 4] = [
        "stalking.average_precision",
        "stalking.recall_of_likely_at_90_precision",
        "stalking.recall",
        "indicators.macro_f1",
    ];
    let figures =
        measures(judged, sample).into_iter().filter(|m| SHOWN.contains(&&*m.name)).filter_map(|m| {
            let interval = resamples.interval(&m.compute)?;
            Some(Figure {
                name: m.name,
                value: interval.value,
                low: interval.low,
                high: interval.high,
                n: m.n,
                positives: m.positives,
                threshold: None,
            })
        });
    Named(figures.collect())
}

/// A text cut into words and what stands between them.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}' | '-');
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut is_word = None;
    for (i, c) in text.char_indices() {
        if is_word.is_some_and(|w| w != inside(c)) {
            pieces.push((is_word == Some(true), &text[start..i]));
            start = i;
        }
        is_word = Some(inside(c));
    }
    if let Some(word) = is_word {
        pieces.push((word, &text[start..]));
    }
    pieces
}

/// Writes `new` in the letter case of `old`.
fn in_case(old: &str, new: &str) -> String {
    let letters = || old.chars().filter(|c| c.is_alphabetic());
    if letters().count() > 1 && letters().all(char::is_uppercase) {
        new.to_uppercase()
    } else if letters().next().is_some_and(char::is_uppercase) {
        let mut chars = new.chars();
        match chars.next() {
            Some(first) => first.to_uppercase().chain(chars).collect(),
            None => String::new(),
        }
    } else {
        new.to_lowercase()
    }
}

/// Applies `swap` to each word; it is given the word without "'s", and the next
/// word where only spaces stand between.
fn swap_words(text: &str, mut swap: impl FnMut(&str, Option<&str>) -> Option<String>) -> String {
    let pieces = pieces(text);
    let mut result = String::with_capacity(text.len());
    for (i, &(is_word, piece)) in pieces.iter().enumerate() {
        if !is_word {
            result.push_str(piece);
            continue;
        }
        let next = match (pieces.get(i + 1), pieces.get(i + 2)) {
            (Some((_, between)), Some((_, next))) if between.trim().is_empty() => Some(*next),
            _ => None,
        };
        if let Some(new) = swap(piece, next) {
            result.push_str(&new);
            continue;
        }
        // "Dan's": the name alone is a word, too.
        let stem = piece.strip_suffix("'s").or_else(|| piece.strip_suffix("\u{2019}s"));
        match stem.and_then(|stem| Some((stem, swap(stem, next)?))) {
            Some((stem, new)) => {
                result.push_str(&new);
                result.push_str(&piece[stem.len()..]);
            }
            None => result.push_str(piece),
        }
    }
    result
}

/// The other word of a pair.
fn other<'a>(pairs: &'a [[String; 2]], word: &str) -> Option<&'a str> {
    pairs.iter().find_map(|[a, b]| {
        if a == word {
            Some(&**b)
        } else if b == word {
            Some(&**a)
        } else {
            None
        }
    })
}

fn apply(change: &Change, example: &Example, rng: &mut Rng) -> String {
    let lists = &*LISTS;
    let text = &*example.report.text;
    match change {
        Change::Names(community, other_sex) => names(example, community, *other_sex),
        Change::Pronouns => swap_words(text, pronoun),
        Change::Sexes => {
            let renamed = Example {
                report: crate::report::Report {
                    text: names(example, "white_british", true),
                    ..example.report.clone()
                },
                ..Example::default()
            };
            swap_words(&renamed.report.text, |w, next| {
                let lower = w.to_lowercase();
                other(&lists.pairs.nouns, &lower)
                    .or_else(|| other(&lists.pairs.partners, &lower))
                    .map(|new| in_case(w, new))
                    .or_else(|| pronoun(w, next))
            })
        }
        Change::Partners => swap_words(text, |w, _| {
            other(&lists.pairs.partners, &w.to_lowercase()).map(|new| in_case(w, new))
        }),
        Change::Ethnicity(word, code) => ethnicity(text, word, code),
        Change::Fact(_, fact) => format!("{text} {fact}"),
        Change::Capitals => text.to_uppercase(),
        Change::Lower => text.to_lowercase(),
        Change::Typos => typos(text, rng),
        Change::NoPunctuation => text.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect(),
        Change::First(percent) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            // At least one word, rounded up.
            let keep = (words.len() * percent).div_ceil(100);
            words[..keep.min(words.len())].join(" ")
        }
        Change::Before(extra) => format!("{extra}{text}"),
        Change::After(extra) => format!("{text}{extra}"),
    }
}

/// He for she and back. "her" is "him" before the words of the list and at the
/// end of a clause, otherwise "his"; "his" is "her".
fn pronoun(word: &str, next: Option<&str>) -> Option<String> {
    let pairs = &LISTS.pairs;
    let lower = word.to_lowercase().replace('\u{2019}', "'");
    let new = match &*lower {
        "her" => match next {
            Some(next) if !pairs.after_object.contains(&next.to_lowercase()) => "his",
            _ => "him",
        },
        "hers" => "his",
        "him" | "his" => "her",
        other_word => other(&pairs.pronouns, other_word)?,
    };
    Some(in_case(word, new))
}

/// First names become those of a community; one name of the text becomes one
/// new name, the same wherever it stands.
fn names(example: &Example, community: &str, other_sex: bool) -> String {
    let lists = &*LISTS;
    let Some(target) = lists.names.get(community) else {
        return example.report.text.clone();
    };
    // Names that no list has, but whose person's sex is known.
    let mut marked: BTreeMap<String, Sex> = BTreeMap::new();
    for entity in &example.entities {
        let sex = match entity.role {
            Some(Role::Victim) => example.meta.sex_victim.as_deref(),
            Some(Role::Suspect) => example.meta.sex_suspect.as_deref(),
            _ => None,
        };
        let sex = match sex {
            Some("f" | "female") => Sex::Female,
            Some("m" | "male") => Sex::Male,
            _ => continue,
        };
        let words = slice(&example.report.text, entity.start, entity.end);
        let first = words.split_whitespace().find(|w| {
            let title = ["mr", "mrs", "ms", "miss", "dr", "pc", "dc", "ps", "ds", "sgt"];
            let lower = w.to_lowercase();
            w.chars().count() > 1 && w.chars().all(char::is_alphabetic) && !title.contains(&&*lower)
        });
        if entity.kind == EntityKind::Person
            && let Some(first) = first
        {
            marked.insert(first.to_lowercase(), sex);
        }
    }
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    let mut used = [0usize; 2];
    // Where the list begins depends on the text, so that all names are used.
    let offset = example.report.id.bytes().map(usize::from).sum::<usize>();
    swap_words(&example.report.text, |word, _| {
        let lower = word.to_lowercase();
        let sex = lists.sex(word).or_else(|| marked.get(&lower).copied())?;
        let new = given.entry(lower).or_insert_with(|| {
            let female = (sex == Sex::Female) != other_sex;
            let list = if female { &target.f } else { &target.m };
            let place = &mut used[usize::from(female)];
            *place += 1;
            list[(offset + *place) % list.len()].clone()
        });
        Some(in_case(word, new))
    })
}

/// The part of a text between two character offsets.
fn slice(text: &str, start: usize, end: usize) -> String {
    text.chars().skip(start).take(end.saturating_sub(start)).collect()
}

/// Describes the persons of a text by a word: in place of another such word, or
/// before the first noun for a person where there is none.
fn ethnicity(text: &str, word: &str, code: &str) -> String {
    let lists = &LISTS.ethnicity;
    let is_person = |w: &str| lists.people.contains(&w.to_lowercase());
    let mut hit = false;
    let replaced = swap_words(text, |w, next| {
        if lists.codes.iter().any(|c| c.eq_ignore_ascii_case(w)) {
            hit = true;
            return Some(in_case(w, code));
        }
        let named = lists.words.contains(&w.to_lowercase());
        // "white van" is no person; "white male", "Polish woman" are.
        if named && next.is_some_and(is_person) {
            hit = true;
            return Some(in_case(w, word));
        }
        None
    });
    if hit {
        return replaced;
    }
    let mut done = false;
    swap_words(text, |w, _| {
        let lower = w.to_lowercase();
        let noun = matches!(&*lower, "male" | "female" | "man" | "woman");
        if done || !noun {
            return None;
        }
        done = true;
        Some(format!("{} {w}", in_case(w, word)))
    })
}

/// Damages some words of four letters and more: two letters change places, one
/// is left out or stands twice.
fn typos(text: &str, rng: &mut Rng) -> String {
    let mut result = String::with_capacity(text.len());
    for (is_word, piece) in pieces(text) {
        let mut chars: Vec<char> = piece.chars().collect();
        let hit = rng.unit() < TYPO_SHARE;
        if is_word && hit && chars.len() >= 4 {
            // Never the first letter, which people get right.
            let at = 1 + rng.below(chars.len() - 2);
            match rng.below(3) {
                0 => chars.swap(at, at + 1),
                1 => {
                    chars.remove(at);
                }
                _ => chars.insert(at, chars[at]),
            }
        }
        result.extend(chars);
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::{EntitySpan, Meta};
    use crate::evaluate::figures::resamples;
    use crate::evaluate::toy;
    use crate::report::Report;
    use crate::rng::Rng;

    fn example(text: &str) -> Example {
        Example { report: Report::new("R1", text), ..Example::default() }
    }

    fn changed(change: &Change, text: &str) -> String {
        apply(change, &example(text), &mut Rng::new(1, "test"))
    }

    #[test]
    fn the_lists_parse() {
        let lists = Lists::parse(include_str!("probes.toml")).unwrap();
        let sizes: Vec<usize> = lists.names.values().flat_map(|s| [s.f.len(), s.m.len()]).collect();
        assert!(sizes.iter().all(|n| *n == sizes[0]), "{sizes:?}");
        // Nobody is of both sexes.
        let mut all: Vec<&String> = lists.names.values().flat_map(|s| s.f.iter()).collect();
        all.extend(&lists.known.f);
        let men = lists.names.values().flat_map(|s| s.m.iter()).chain(&lists.known.m);
        for man in men {
            assert!(!all.contains(&man), "{man}");
        }
    }

    #[test]
    fn pronouns_go_both_ways() {
        let got = changed(
            &Change::Pronouns,
            "HE told her to stop. She's seen him at her work, it was hers. He followed her.",
        );
        assert_eq!(got, "SHE told him to stop. He's seen her at his work, it was his. She followed him.");
    }

    #[test]
    fn one_name_becomes_one_name_everywhere() {
        let change = Change::Names("south_asian".to_owned(), false);
        let got = changed(&change, "Dan rang. DAN sat outside; Dan's car. Emma saw him.");
        let words: Vec<&str> = got.split_whitespace().collect();
        let name = words[0];
        assert!(LISTS.names["south_asian"].m.contains(&name.to_owned()), "{got}");
        assert_eq!(words[2], name.to_uppercase());
        assert_eq!(words[5], format!("{name}'s"));
        assert!(LISTS.names["south_asian"].f.contains(&words[7].to_owned()), "{got}");
        let change = Change::Names("arab".to_owned(), true);
        let got = changed(&change, "Dan rang.");
        let first = got.split(' ').next().unwrap().to_owned();
        assert!(LISTS.names["arab"].f.contains(&first), "{got}");
        assert_eq!(changed(&change, "The caller rang."), "The caller rang.");
    }

    #[test]
    fn a_marked_name_is_swapped_too() {
        let mut example = example("Mr Zebulon Pike rang. Zebulon was seen.");
        example.entities.push(EntitySpan {
            start: 0,
            end: 15,
            kind: EntityKind::Person,
            role: Some(Role::Suspect),
        });
        example.meta = Meta { sex_suspect: Some("m".to_owned()), ..Meta::default() };
        let got = names(&example, "white_british", false);
        assert!(!got.contains("Zebulon") && got.starts_with("Mr "), "{got}");
    }

    #[test]
    fn ethnicity_is_of_persons_only() {
        let to = |text: &str| changed(&Change::Ethnicity("black".into(), "IC3".into()), text);
        assert_eq!(to("A white male in a white van."), "A black male in a white van.");
        assert_eq!(to("IC1 male seen."), "IC3 male seen.");
        assert_eq!(to("A male was seen by a woman."), "A black male was seen by a woman.");
        assert_eq!(to("The black cat sat."), "The black cat sat.");
    }

    #[test]
    fn shortened_and_damaged_texts() {
        let text = "one two three, four five six. seven eight nine ten";
        assert_eq!(changed(&Change::First(30), text), "one two three,");
        assert_eq!(changed(&Change::NoPunctuation, "He's here: now!"), "Hes here now");
        assert_eq!(changed(&Change::First(30), ""), "");
        let long = "waiting outside ".repeat(100);
        let damaged = changed(&Change::Typos, &long);
        let wrong = damaged.split_whitespace().filter(|w| !["waiting", "outside"].contains(w)).count();
        assert!((5..40).contains(&wrong), "{wrong}");
    }

    #[test]
    fn a_scorer_that_leans_on_a_name_is_caught() {
        struct Leans;
        impl Scorer for Leans {
            fn name(&self) -> &str {
                "leans"
            }
            fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
                let one = |text: &&str| {
                    let mut scores = Scores::nothing();
                    if text.contains("Dan ") {
                        scores.grades = [0.2, 0.4, 0.4];
                    }
                    scores
                };
                Ok(texts.iter().map(one).collect())
            }
        }
        let dataset = toy::dataset(60, 1);
        let rows = Rows::of(&dataset).unwrap();
        let settings = Settings { resamples: 20, ..Settings::default() };
        let answers = Answers::of(&Leans, &rows).unwrap();
        let resamples = resamples(&rows, &settings);
        let run = || probes(&Leans, &answers, &rows, &settings, &resamples, 40).unwrap();
        let all = run();
        assert_eq!(all, run(), "two runs are equal");
        let of = |name: &str| all.iter().find(|p| p.name == name).unwrap();
        let names = of("names_arab");
        assert_eq!((names.n, names.crossed), (40, 40));
        assert!((names.mean_shift + 0.8).abs() < 1e-12 && names.max_absolute > 0.79);
        let fact = of("orientation_gay");
        assert_eq!((fact.n, fact.max_absolute), (40, 0.0));
        assert_eq!(of("pronouns").n, 0);
        assert!(of("capitals").after.is_some());
        assert!(!serde_json::to_string(&all).unwrap().contains("null"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,120}") {
            for (_, _, change) in all_probes(&LISTS) {
                let _ = changed(&change, &text);
            }
            let joined: String = pieces(&text).into_iter().map(|p| p.1).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
