use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::corpus::gazetteer;

const AUTHORS: usize = 200;

fn deck(author: &str, seed: u64) -> Deck {
    Deck::draw(author, seed, &axes::shipped(), &gazetteer::shipped()).unwrap()
}

fn decks() -> Vec<Deck> {
    let (axes, gazetteer) = (axes::shipped(), gazetteer::shipped());
    (0..AUTHORS).map(|n| Deck::draw(&format!("A{:03}", n + 50), 7, &axes, &gazetteer).unwrap()).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_gives_others() {
    assert_eq!(deck("A50", 1).to_markdown(), deck("A50", 1).to_markdown());
    assert_eq!(deck("A50", 1).to_json_lines().unwrap(), deck("A50", 1).to_json_lines().unwrap());
    assert_ne!(deck("A50", 1).to_markdown(), deck("A50", 2).to_markdown());
    assert_ne!(deck("A50", 1).courses[0].victim, deck("A51", 1).courses[0].victim);
}

#[test]
fn a_code_that_is_none_is_refused() {
    for bad in ["", "50", "a50", "A5", "A5000", "A5x", "Ä50", "A 50"] {
        let err = Deck::draw(bad, 1, &axes::shipped(), &gazetteer::shipped()).unwrap_err();
        assert_eq!(err.kind(), ErrorKind::Arguments, "{bad}");
        assert!(err.to_string().contains(&format!("`{bad}`")));
    }
}

#[test]
fn ids_and_phones_are_used_once_and_json_reads_back() {
    let deck = deck("A50", 3);
    let ids: BTreeSet<&str> = deck.cards().map(|card| card.id.as_str()).collect();
    assert_eq!(ids.len(), deck.cards().count());
    let lines = deck.to_json_lines().unwrap();
    let mut phones = BTreeSet::new();
    for (line, card) in lines.lines().zip(deck.cards()) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["id"], card.id.as_str());
        assert_eq!(value["course"].is_object(), matches!(card.kind, Kind::Course | Kind::Decoy));
        if let Some(phone) = card.things.get(2) {
            assert!(phones.insert(phone.clone()), "{phone}");
        }
    }
    assert!(deck.to_markdown().lines().filter(|line| line.contains("A50-")).count() >= ids.len());
}

#[test]
fn every_author_has_every_kind_and_half_are_of_courses() {
    for deck in decks() {
        let count = |kind| deck.cards().filter(|card| card.kind == kind).count() as f64;
        let all = deck.cards().count() as f64;
        assert!(Kind::ALL.iter().all(|kind| count(*kind) > 0.0), "{}", deck.author);
        let share = count(Kind::Course) / all;
        assert!((0.4..=0.6).contains(&share), "{}: {share}", deck.author);
        assert!(count(Kind::HardNegative) + count(Kind::Decoy) >= 0.2 * all);
        assert!(count(Kind::Ordinary) >= 0.2 * all);
    }
}

#[test]
fn one_course_in_eight_crosses_the_border() {
    let decks = decks();
    let courses: Vec<&Course> = decks.iter().flat_map(|deck| &deck.courses).collect();
    let crossing: Vec<&&Course> = courses.iter().filter(|course| course.crosses_into.is_some()).collect();
    let share = crossing.len() as f64 / courses.len() as f64;
    // About 2,300 courses: three standard errors are 0.021.
    assert!((share - 0.125).abs() < 0.021, "{share}");
    for course in crossing {
        let forces: BTreeSet<&str> = course.reports.iter().map(|card| card.force.as_str()).collect();
        assert_eq!(forces.len(), 2, "{}", course.case);
        assert!(course.reports.windows(2).all(|pair| pair[0].date <= pair[1].date));
    }
}

/// Phrases that only one side is asked for would tell the grade; the first
/// authors' cards did so.
#[test]
fn cue_words_are_asked_for_on_both_sides_alike() {
    let decks = decks();
    let share = |of: &dyn Fn(&Card) -> bool| {
        let cards: Vec<&Card> = decks.iter().flat_map(Deck::cards).filter(|card| of(card)).collect();
        cards.iter().filter(|card| card.cue.is_some()).count() as f64 / cards.len() as f64
    };
    let course = share(&|card| card.kind == Kind::Course && !card.thin && !card.bare);
    let negative = share(&|card| matches!(card.kind, Kind::HardNegative | Kind::Ordinary) && !card.bare);
    assert!((course - negative).abs() < 0.042, "{course} {negative}");
}

/// Shares of each value of an axis among the cards of a kind.
fn shares<'a>(cards: &[&'a Card], kind: Kind, axis: impl Fn(&'a Card) -> String) -> BTreeMap<String, f64> {
    let of_kind: Vec<&&Card> = cards.iter().filter(|card| card.kind == kind).collect();
    let mut shares = BTreeMap::new();
    for card in &of_kind {
        *shares.entry(axis(card)).or_insert(0.0) += 1.0 / of_kind.len() as f64;
    }
    shares
}

/// No axis knows the kind: each value has the same share in every kind. The
/// smallest kind has some 2,300 cards, so that the difference of two shares of
/// one half has a standard error of 0.014; the tolerance is three of them.
#[test]
fn axes_are_independent_of_the_kind() {
    const TOLERANCE: f64 = 0.042;
    let decks = decks();
    let cards: Vec<&Card> = decks.iter().flat_map(Deck::cards).filter(|card| !card.bare).collect();
    type Axis = (&'static str, fn(&Card) -> String);
    let axes: [Axis; 7] = [
        ("channel", |card| card.channel.clone()),
        ("voice", |card| card.voice.clone()),
        ("register", |card| card.register.clone()),
        ("words", |card| format!("{:03}", card.words / 40)),
        ("handling", |card| card.handling.clone()),
        ("outcome", |card| card.outcome.clone()),
        ("hour", |card| (card.hour / 6).to_string()),
    ];
    for (name, axis) in axes {
        let course = shares(&cards, Kind::Course, axis);
        for kind in [Kind::Decoy, Kind::HardNegative, Kind::Ordinary] {
            let other = shares(&cards, kind, axis);
            for value in course.keys().chain(other.keys()) {
                let gap = course.get(value).unwrap_or(&0.0) - other.get(value).unwrap_or(&0.0);
                assert!(gap.abs() < TOLERANCE, "{name} `{value}`: {kind} differs by {gap}");
            }
        }
    }
}
