use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::codebook::{Grade, Indicator};
use crate::corpus::check::check_files;
use crate::corpus::gazetteer;
use crate::corpus::{Dataset, Labels, load, markup};
use crate::rng::Rng;
use crate::text::slice_chars;

fn gazetteer() -> &'static Gazetteer {
    static GAZETTEER: OnceLock<Gazetteer> = OnceLock::new();
    GAZETTEER.get_or_init(gazetteer::shipped)
}

fn corpus() -> &'static Dataset {
    static CORPUS: OnceLock<Dataset> = OnceLock::new();
    CORPUS.get_or_init(|| {
        load(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/throughline-1")]).unwrap()
    })
}

/// An example from markup, with labels that its spans show.
fn example(marked: &str) -> Example {
    let marked = markup::parse(marked).unwrap();
    let mut example = Example::default();
    let label = |denied: bool| {
        let mut all: Vec<Indicator> =
            marked.spans.iter().filter(|s| s.denied == denied).map(|s| s.label).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    example.labels = Some(Labels {
        stalking: Grade::Likely,
        found: label(false),
        denied: label(true),
        serious_harm: false,
        relationship: "ex_partner".parse().unwrap(),
    });
    example.report.id = "T01".to_owned();
    example.report.text = marked.text;
    example.spans = marked.spans;
    example.entities = marked.entities;
    example
}

fn one(marked: &str, kind: Kind, seed: u64) -> Option<Example> {
    augment(&example(marked), kind, gazetteer(), &mut Rng::new(seed, "test"))
}

#[test]
fn the_tables_are_read() {
    assert!(tables().shorthand.len() > 40 && tables().after_object.contains(&"again".to_owned()));
}

#[test]
fn names_change_together_and_keep_sex_and_letter_case() {
    let text = "[[@person.victim:Hannah Smith]] says [[@person.suspect:CRAIG CARTER]] rang. Hannah's phone shows [[@person.suspect:C Carter]], will tell Craig.";
    let copy = one(text, Kind::Names, 4).unwrap();
    let names: Vec<&str> =
        copy.entities.iter().map(|e| slice_chars(&copy.report.text, e.start, e.end)).collect();
    let [victim, suspect, short] = names[..] else { panic!("{names:?}") };
    let first = victim.split(' ').next().unwrap();
    assert_eq!(gazetteer().first_name(first).unwrap().1, gazetteer::Sex::Female);
    assert_eq!(suspect, suspect.to_uppercase());
    let (suspect_first, suspect_last) = suspect.split_once(' ').unwrap();
    assert_eq!(short.to_uppercase(), format!("{} {suspect_last}", &suspect_first[..1]));
    assert!(copy.report.text.contains(&format!("{first}'s phone")), "{}", copy.report.text);
    assert!(copy.report.text.to_uppercase().ends_with(&format!("WILL TELL {suspect_first}.")));
    for old in ["Hannah", "Smith", "raig"] {
        assert!(!copy.report.text.contains(old), "{}", copy.report.text);
    }
}

#[test]
fn another_community_is_another_for_everybody_alike() {
    let text = "[[@person.victim:Hannah Smith]] says [[@person.suspect:CRAIG CARTER]] rang.";
    for seed in 0..20 {
        let copy = one(text, Kind::Communities, seed).unwrap();
        let of: BTreeSet<usize> = copy
            .entities
            .iter()
            .map(|e| slice_chars(&copy.report.text, e.start, e.end).split_once(' ').unwrap().1.to_lowercase())
            .filter_map(|surname| gazetteer().surname(&surname))
            .collect();
        // A surname of two communities is said to be of the commoner one.
        assert!(!of.is_empty() && of.len() <= 2, "{}", copy.report.text);
        assert!(!copy.report.text.contains("Smith") && !copy.report.text.contains("CARTER"));
    }
}

#[test]
fn backgrounds_change_for_people_only() {
    let swapped = one("IC1 male and a black man by a white Golf", Kind::Backgrounds, 3).unwrap().report.text;
    assert!(
        !swapped.contains("IC1") && !swapped.contains("black man") && swapped.contains("white Golf"),
        "{swapped}"
    );
    let plain = "HE [[following:FOLLOWED HER]]";
    let mut lines = BTreeSet::new();
    for seed in 0..20 {
        let copy = one(plain, Kind::Backgrounds, seed).unwrap();
        let span = copy.spans[0];
        assert_eq!(slice_chars(&copy.report.text, span.start, span.end), "FOLLOWED HER");
        assert!(
            copy.report.text.contains("HE FOLLOWED HER")
                && copy.report.text == copy.report.text.to_uppercase()
        );
        lines.insert(copy.report.text);
    }
    assert!(lines.len() > 10);
}

#[test]
fn places_and_numbers_keep_their_shape() {
    let text = "At [[@address.victim:11 Park Rd]], Denby Cross, [[@postcode:NS4 3BD]]. Back on Park Road by [[@place:Tesco]].";
    let mut before = example(text);
    before.report.force = Some("Northshire".to_owned());
    let copy = augment(&before, Kind::Places, gazetteer(), &mut Rng::new(1, "test")).unwrap();
    let text = &copy.report.text;
    assert!(!text.contains("Park R") && !text.contains("Denby") && !text.contains("Tesco"), "{text}");
    let postcode = slice_chars(text, copy.entities[1].start, copy.entities[1].end);
    assert!(postcode.starts_with("NS4 ") && postcode.len() == 7, "{postcode}");

    let text = "Rang on [[@phone.suspect:07700 900433]] and [[@phone.suspect:ending 433]], car [[@plate.suspect:BD52 XYZ]], seen [[@plate.suspect:BD something 52]].";
    let copy = one(text, Kind::Numbers, 1).unwrap();
    let marked: Vec<&str> =
        copy.entities.iter().map(|e| slice_chars(&copy.report.text, e.start, e.end)).collect();
    assert!(marked[0].starts_with("07700 900") && marked[0] != "07700 900433");
    assert_eq!(marked[1], format!("ending {}", &marked[0][9..]));
    assert_eq!(marked[3], format!("{} something {}", &marked[2][..2], &marked[2][2..4]));
}

#[test]
fn sexes_are_swapped_with_their_grammar() {
    for (text, want) in [
        ("he followed her home, his car outside her flat", "she followed him home, her car outside his flat"),
        ("told her. The blame is his. He's her husband", "told him. The blame is hers. She's his wife"),
        ("MALE RANG HER 40 TIMES. HER 2 KIDS", "FEMALE RANG HIM 40 TIMES. HIS 2 KIDS"),
        (
            "sent her flowers and her mum saw him; son stays",
            "sent him flowers and his dad saw her; son stays",
        ),
        ("the phone is hers, he himself said", "the phone is his, she herself said"),
    ] {
        assert_eq!(one(text, Kind::Sexes, 1).unwrap().report.text, want);
    }
    assert_eq!(one("she is pregnant and he knows", Kind::Sexes, 1), None);
    assert_eq!(one("[[@person.other:Zoltan]] saw her", Kind::Sexes, 1), None);
    let copy = one("[[@person.suspect:Craig Carter]] [[following:followed her]].", Kind::Sexes, 1).unwrap();
    let name = slice_chars(&copy.report.text, copy.entities[0].start, copy.entities[0].end);
    let (first, last) = name.split_once(' ').unwrap();
    assert_eq!((gazetteer().first_name(first).unwrap().1, last), (gazetteer::Sex::Female, "Carter"));
    assert_eq!(slice_chars(&copy.report.text, copy.spans[0].start, copy.spans[0].end), "followed him");
}

#[test]
fn shorthand_goes_both_ways() {
    let short = (0..20).find_map(|seed| {
        one("The informant was [[loitering:outside for approximately]] an hour", Kind::Shorthand, seed)
            .filter(|copy| copy.report.text.contains("o/s") && copy.report.text.contains("approx "))
    });
    let short = short.unwrap();
    assert_eq!(slice_chars(&short.report.text, short.spans[0].start, short.spans[0].end), "o/s for approx");
    let long = (0..20).find_map(|seed| one("male o/s, NFA", Kind::Longhand, seed)).unwrap();
    assert!(long.report.text.contains("outside") || long.report.text.contains("no further action"));
}

#[test]
fn a_cut_keeps_to_its_rules() {
    let late = "He was there on the Monday and again on the Friday and then he [[following:followed her]]";
    for seed in 0..50 {
        assert_eq!(one(late, Kind::Cut, seed), None, "the evidence is cut off");
    }
    let early = "He [[following:followed her]] and after that she went to the shop for milk and came back at ten past";
    let copy = one(early, Kind::Cut, 1).unwrap();
    assert!(copy.report.text.len() < early.len() && copy.spans.len() == 1);
    let mut refuted =
        example("Man behind her on the bus all week she thought. Checks show that he lives two doors down.");
    if let Some(labels) = &mut refuted.labels {
        labels.stalking = Grade::None;
    }
    refuted.meta.kind = Some("hard_negative".to_owned());
    assert_eq!(augment(&refuted, Kind::Cut, gazetteer(), &mut Rng::new(1, "test")), None);
}

#[test]
fn a_report_joined_with_an_ordinary_one_keeps_its_labels() {
    let first = example("He [[following:followed]] [[@person.victim:Hannah]]");
    let mut second = example("Till emptied by [[@person.suspect:Lee]]");
    second.report.id = "T02".to_owned();
    let mut rng = Rng::new(1, "test");
    assert_eq!(join(&first, &second, &mut rng), None, "the second is not graded none");
    if let Some(labels) = &mut second.labels {
        labels.stalking = Grade::None;
    }
    let both = join(&first, &second, &mut rng).unwrap();
    assert_eq!(both.labels.as_ref().unwrap().stalking, Grade::Likely);
    let words: BTreeSet<&str> =
        both.entities.iter().map(|e| slice_chars(&both.report.text, e.start, e.end)).collect();
    assert_eq!(words, BTreeSet::from(["Hannah", "Lee"]));
    second.report.text = second.report.text.replace("Lee", "HANNAH");
    second.entities[0].end += 3;
    assert_eq!(join(&first, &second, &mut rng), None, "the same name");
}

#[test]
fn the_reports_of_a_case_get_the_same_names() {
    let cases: Vec<&Example> =
        corpus().examples.iter().filter(|e| e.case.as_deref() == Some("A02-C01")).take(2).collect();
    let copies: Vec<Example> = cases
        .iter()
        .filter_map(|e| augment(e, Kind::Names, gazetteer(), &mut Rng::new(3, "A02-C01")))
        .collect();
    assert_eq!(copies[0].case, copies[1].case);
    assert_ne!(copies[0].case, cases[0].case);
    let victim = |e: &Example| {
        let all = e.entities.iter().find(|entity| {
            entity.role == Some(crate::codebook::Role::Victim)
                && entity.kind == crate::codebook::EntityKind::Person
        });
        all.map(|v| slice_chars(&e.report.text, v.start, v.end).to_uppercase()).unwrap()
    };
    let (a, b) = (victim(&copies[0]), victim(&copies[1]));
    assert!(a.starts_with(&b) || b.starts_with(&a), "{a} {b}");
}

/// Letters of a run, in small letters.
fn letters(text: &str, start: usize, end: usize) -> String {
    slice_chars(text, start, end).to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// What must hold of every copy.
fn holds(original: &Example, copy: &Example, kind: Kind) -> Result<(), TestCaseError> {
    let chars: Vec<char> = copy.report.text.chars().collect();
    let marks =
        copy.spans.iter().map(|s| (s.start, s.end)).chain(copy.entities.iter().map(|e| (e.start, e.end)));
    for (start, end) in marks {
        prop_assert!(start < end && end <= chars.len(), "{kind}: {start}..{end} of {}", chars.len());
        prop_assert!(!chars[start].is_whitespace() && !chars[end - 1].is_whitespace());
        // A mark that began and ended at the edge of a word still does.
        if !matches!(kind, Kind::Joined | Kind::Punctuation) {
            let splits = |at: usize| {
                at > 0 && at < chars.len() && chars[at - 1].is_alphabetic() && chars[at].is_alphabetic()
            };
            let all: Vec<char> = original.report.text.chars().collect();
            let split_before = |at: usize| {
                at > 0 && at < all.len() && all[at - 1].is_alphabetic() && all[at].is_alphabetic()
            };
            let any_before = original
                .spans
                .iter()
                .flat_map(|s| [s.start, s.end])
                .chain(original.entities.iter().flat_map(|e| [e.start, e.end]))
                .any(split_before);
            prop_assert!(
                any_before || !(splits(start) || splits(end)),
                "{kind} splits a word: {}",
                copy.report.text
            );
        }
    }
    let (labels, before) = (copy.labels.as_ref().unwrap(), original.labels.as_ref().unwrap());
    for span in &copy.spans {
        let list = if span.denied { &labels.denied } else { &labels.found };
        prop_assert!(list.contains(&span.label), "{kind}: {} without its label", span.label);
    }
    prop_assert_eq!(labels.stalking, before.stalking);
    match kind {
        Kind::Cut | Kind::Joined => {}
        _ => {
            prop_assert_eq!(labels, before);
            prop_assert_eq!(copy.spans.len(), original.spans.len());
            prop_assert_eq!(copy.entities.len(), original.entities.len());
        }
    }
    let spans = original.spans.iter().zip(&copy.spans).map(|(a, b)| ((a.start, a.end), (b.start, b.end)));
    let entities =
        original.entities.iter().zip(&copy.entities).map(|(a, b)| ((a.start, a.end), (b.start, b.end)));
    match kind {
        // Letter case, punctuation and cuts leave the letters of every mark.
        Kind::Capitals | Kind::SmallLetters | Kind::Punctuation => {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for (a, b) in spans.chain(entities) {
                before.push(letters(&original.report.text, a.0, a.1));
                after.push(letters(&copy.report.text, b.0, b.1));
            }
            // Marks that begin alike may change places.
            before.sort_unstable();
            after.sort_unstable();
            prop_assert_eq!(before, after);
        }
        Kind::Cut => {
            for span in &copy.spans {
                prop_assert!(original.spans.contains(span));
            }
            prop_assert!(original.report.text.starts_with(&copy.report.text));
        }
        // What changes wording leaves names and numbers as they are.
        Kind::Typos | Kind::Shorthand | Kind::Longhand => {
            for (a, b) in entities {
                prop_assert_eq!(
                    letters(&original.report.text, a.0, a.1),
                    letters(&copy.report.text, b.0, b.1)
                );
            }
        }
        // Names, places and numbers leave the count of characters between.
        Kind::Numbers => prop_assert_eq!(chars.len(), original.report.text.chars().count()),
        // Every letter of the original that is no word of ethnicity is there still.
        Kind::Backgrounds => prop_assert!(chars.len() + 12 > original.report.text.chars().count()),
        Kind::Names | Kind::Communities | Kind::Places | Kind::Sexes => {
            let outside = |e: &Example| {
                let mut text: Vec<char> = e.report.text.chars().collect();
                for entity in &e.entities {
                    text[entity.start..entity.end].fill(' ');
                }
                text.into_iter().filter(|c| !c.is_alphanumeric() && !c.is_whitespace()).count()
            };
            // Street names have no punctuation; shops may.
            prop_assert!(outside(original).abs_diff(outside(copy)) < 12);
        }
        Kind::Joined => {
            let all: BTreeSet<String> = copy
                .spans
                .iter()
                .map(|s| slice_chars(&copy.report.text, s.start, s.end).to_owned())
                .collect();
            for span in &original.spans {
                prop_assert!(all.contains(slice_chars(&original.report.text, span.start, span.end)));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn marks_point_at_their_words(place in 0usize..10_000, other in 0usize..10_000, seed: u64) {
        let all = &corpus().examples;
        let original = &all[place % all.len()];
        for &kind in Kind::ALL {
            let mut rng = Rng::new(seed, "test");
            let copy = match kind {
                Kind::Joined => join(original, &all[other % all.len()], &mut rng),
                _ => augment(original, kind, gazetteer(), &mut rng),
            };
            if let Some(copy) = copy {
                holds(original, &copy, kind)?;
                prop_assert_eq!(copy.meta.augment.as_deref(), Some(kind.name()));
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", start in 0usize..60, length in 0usize..20, seed: u64) {
        let mut any = Example::default();
        let n = text.chars().count();
        any.report.text = text;
        let (start, end) = (start.min(n), (start + length).min(n));
        if start < end {
            any.spans.push(crate::corpus::Span { start, end, label: Indicator::Contact, denied: false });
            for kind in [crate::codebook::EntityKind::Person, crate::codebook::EntityKind::Phone, crate::codebook::EntityKind::Plate, crate::codebook::EntityKind::Address] {
                any.entities.push(crate::corpus::EntitySpan { start, end, kind, role: None });
            }
        }
        any.labels = example("x").labels;
        for &kind in Kind::ALL {
            augment(&any, kind, gazetteer(), &mut Rng::new(seed, "test"));
        }
    }
}

#[test]
fn copies_of_the_corpus_pass_the_check() {
    let mut lines = String::new();
    let mut made = std::collections::BTreeMap::new();
    for (at, original) in corpus().examples.iter().enumerate().step_by(7) {
        for &kind in Kind::ALL {
            let mut rng = Rng::new(at as u64, kind.name());
            let copy = match kind {
                Kind::Joined => {
                    corpus().examples.get(at + 1).and_then(|other| join(original, other, &mut rng))
                }
                _ => augment(original, kind, gazetteer(), &mut rng),
            };
            if let Some(mut copy) = copy {
                *made.entry(kind).or_insert(0) += 1;
                copy.report.id = format!("{}-{kind}", original.report.id);
                lines += &serde_json::to_string(&copy).unwrap();
                lines.push('\n');
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("augment.jsonl");
    std::fs::write(&path, lines).unwrap();
    let report = check_files(&[&path]).unwrap();
    assert!(report.faults.is_empty(), "{report}");
    assert!(Kind::ALL.iter().all(|kind| made.get(kind).is_some_and(|n| *n > 10)), "{made:?}");
}
