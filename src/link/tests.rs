//! Laws that linking keeps, on pools of features.

use proptest::prelude::*;

use super::*;
use crate::codebook::{EntityKind, Relationship, Role};
use crate::entities::Identifier;

fn features(id: &str, identifiers: &[(EntityKind, Option<Role>, &str)]) -> Features {
    Features {
        id: id.into(),
        day: None,
        force: None,
        identifiers: identifiers
            .iter()
            .map(|(kind, role, value)| Identifier {
                kind: *kind,
                role: *role,
                value: (*value).into(),
                place: None,
            })
            .collect(),
        indicators: Vec::new(),
        relationship: Relationship::Unknown,
        p: 0.5,
        words: Vec::new(),
        vector: Vec::new(),
        text_hash: crate::features::text_hash(id),
    }
}

const PERSON: EntityKind = EntityKind::Person;
const PHONE: EntityKind = EntityKind::Phone;

fn pair(linked: &Linked, a: &str, b: &str) -> Link {
    linked.links.iter().find(|l| l.a == a && l.b == b).cloned().expect("the pair is told")
}

fn says(link: &Link, comparison: &str) -> Option<(String, f64)> {
    let part = link.evidence.iter().find(|e| e.comparison == comparison)?;
    Some((part.level.clone().unwrap_or_default().into_owned(), part.bits))
}

#[test]
fn the_order_of_reports_changes_nothing() {
    let (mut pool, _) = synthetic::pool(900, 3);
    let weights = Weights::shipped().unwrap();
    let first = link(&pool, weights);
    assert!(!first.groups.is_empty());
    pool.reverse();
    pool.swap(10, 500);
    assert_eq!(link(&pool, weights), first);
}

#[test]
fn every_waterfall_adds_up_and_agrees_with_the_score() {
    let (pool, _) = synthetic::pool(300, 5);
    let weights = Weights::shipped().unwrap();
    let ready = Pool::new(&pool);
    let scorer = Scorer::new(&ready, weights);
    for link in link(&pool, weights).links {
        let sum: f64 = link.evidence.iter().map(|e| e.bits).sum();
        assert!((sum - link.bits).abs() < 1e-9);
        let place = |id: &str| ready.place(id).unwrap();
        assert!((scorer.bits(place(&link.a), place(&link.b)) - link.bits).abs() < 1e-3);
    }
}

#[test]
fn comparing_is_symmetric() {
    let (pool, _) = synthetic::pool(80, 7);
    let ready = Pool::new(&pool);
    for a in 0..80 {
        for b in 0..80 {
            assert_eq!(compare::compare(&ready, a, b), compare::compare(&ready, b, a));
        }
    }
}

#[test]
fn series_are_found_again_and_blocking_loses_few() {
    let (features, series) = synthetic::pool(4000, 11);
    let weights = Weights::shipped().unwrap();
    let pool = Pool::new(&features);
    let candidates = block::candidates(&pool);
    assert!(candidates.pairs() < 4000 * 40, "{} candidates", candidates.pairs());
    let mut of = vec![None; pool.records.len()];
    for (features, series) in features.iter().zip(&series) {
        of[pool.place(&features.id).unwrap()] = *series;
    }
    let same = |a: usize, b: usize| of[a].is_some() && of[a] == of[b];
    let wanted: Vec<(usize, usize)> =
        (0..4000).flat_map(|a| (a + 1..4000).map(move |b| (a, b))).filter(|&(a, b)| same(a, b)).collect();
    let found = wanted.iter().filter(|&&(a, b)| candidates.holds(a, b)).count();
    assert!(found * 100 >= wanted.len() * 90, "pair completeness {found} of {}", wanted.len());
    let linking = Linking::new(&pool, weights, &Decisions::default());
    let (mut right, mut all) = (0, 0);
    for group in &linking.groups {
        for (k, &a) in group.members.iter().enumerate() {
            for &b in &group.members[k + 1..] {
                all += 1;
                right += usize::from(same(a, b));
            }
        }
    }
    assert!(right * 10 >= all * 9 && right * 3 > wanted.len(), "{right} right of {all} pairs");
}

#[test]
fn a_common_name_does_not_make_a_crowd_of_pairs() {
    let pool: Vec<Features> = (0..3000)
        .map(|i| features(&format!("N{i:04}"), &[(PERSON, Some(Role::Suspect), "david smith")]))
        .collect();
    let linked = link(&pool, Weights::shipped().unwrap());
    assert!(linked.compared < 3000 * 30, "{} pairs", linked.compared);
}

#[test]
fn what_people_decided_is_kept() {
    let name = "gethin hebblethwaite";
    let alike = |id: &str| features(id, &[(PERSON, Some(Role::Suspect), name), (PHONE, None, "07700900777")]);
    let stranger = features("C", &[(PERSON, Some(Role::Suspect), "rhys tranter")]);
    let pool = Pool::new(&[alike("A"), alike("B"), stranger]);
    let weights = Weights::shipped().unwrap();
    let groups = |decisions: &Decisions| -> Vec<Vec<usize>> {
        let linking = Linking::new(&pool, weights, decisions);
        for pair in &linking.told {
            let link = linking.link(*pair);
            let sum: f64 = link.evidence.iter().map(|e| e.bits).sum();
            assert!((sum - link.bits).abs() < 1e-9);
        }
        linking.groups.into_iter().map(|g| g.members).collect()
    };
    assert_eq!(groups(&Decisions::default()), [[0, 1]]);
    let mut decisions = Decisions::default();
    decisions.decide("B", "A", false);
    assert_eq!(groups(&decisions), Vec::<Vec<usize>>::new());
    decisions.decide("A", "C", true);
    assert_eq!(groups(&decisions), [[0, 2]]);
    // The last word counts; a report that is not there is passed over.
    decisions.decide("A", "B", true);
    decisions.decide("A", "Z", true);
    assert_eq!(groups(&decisions), [[0, 1, 2]]);
}

#[test]
fn a_helpline_of_five_thousand_reports_is_no_evidence() {
    let pool: Vec<Features> =
        (0..5000).map(|i| features(&format!("H{i:04}"), &[(PHONE, None, "01632960555")])).collect();
    let linked = link(&pool, Weights::shipped().unwrap());
    assert!(linked.groups.is_empty());
    assert!(linked.compared < 5000 * 20, "{} pairs", linked.compared);
    assert!(linked.links.iter().all(|l| says(l, "phone").is_none()));
}

#[test]
fn the_same_suspect_weighs_more_than_a_counter_allegation_which_speaks_for_the_pair() {
    let name = "gethin hebblethwaite";
    let pool = [
        features("A", &[(PERSON, Some(Role::Suspect), name)]),
        features("B", &[(PERSON, Some(Role::Suspect), name)]),
        features("D", &[(PERSON, Some(Role::Victim), name)]),
    ];
    let linked = link(&pool, Weights::shipped().unwrap());
    let (level, suspect) = says(&pair(&linked, "A", "B"), "suspect_name").unwrap();
    assert_eq!(level, "full_name");
    let (_, swapped) = says(&pair(&linked, "A", "D"), "roles_swapped").unwrap();
    assert!(suspect > swapped && swapped > 0.0, "{suspect} {swapped}");
}

#[test]
fn a_common_name_weighs_less_than_a_rare_one() {
    let pool = [
        features("A", &[(PERSON, Some(Role::Suspect), "james smith")]),
        features("B", &[(PERSON, Some(Role::Suspect), "james smith")]),
        features("C", &[(PERSON, Some(Role::Suspect), "giles hebblethwaite")]),
        features("D", &[(PERSON, Some(Role::Suspect), "giles hebblethwaite")]),
    ];
    let linked = link(&pool, Weights::shipped().unwrap());
    let bits = |a, b| says(&pair(&linked, a, b), "suspect_name").unwrap().1;
    assert!(bits("C", "D") > bits("A", "B") + 1.0);
}

#[test]
fn an_officer_counts_only_where_somebody_suspects_them() {
    let officer = |id| features(id, &[(PERSON, Some(Role::Officer), "- tranter")]);
    let weights = Weights::shipped().unwrap();
    let names = |l: &Link| l.evidence.iter().filter(|e| e.comparison.ends_with("name")).count();
    let linked = link(&[officer("A"), officer("B")], weights);
    assert_eq!(names(&pair(&linked, "A", "B")), 0);
    let suspect = features("C", &[(PERSON, Some(Role::Suspect), "bradley tranter")]);
    let linked = link(&[officer("A"), officer("B"), suspect], weights);
    assert_eq!(names(&pair(&linked, "A", "B")), 1);
    assert_eq!(names(&pair(&linked, "A", "C")), 1);
}

#[test]
fn a_text_that_comes_twice_is_told() {
    let mut again = features("B", &[]);
    again.text_hash = crate::features::text_hash("A");
    let linked = link(&[features("A", &[]), again, features("C", &[])], Weights::shipped().unwrap());
    assert_eq!(linked.duplicates, [["A", "B"]]);
    assert!(pair(&linked, "A", "B").linked);
}

#[test]
fn empty_pools_and_empty_reports_are_nothing() {
    let weights = Weights::shipped().unwrap();
    assert_eq!(link(&[], weights), Linked::default());
    let linked = link(&[features("A", &[]), features("B", &[])], weights);
    assert!(linked.groups.is_empty() && linked.links.len() == 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever the values, numbers are finite and each report is in one group at most.
    #[test]
    fn odd_values_do_no_harm(values in proptest::collection::vec((0usize..12, "\\PC{0,12}"), 0..24), day in proptest::option::of(any::<i32>())) {
        let pool: Vec<Features> = values
            .chunks(3)
            .enumerate()
            .map(|(i, chunk)| {
                let parts: Vec<_> = chunk
                    .iter()
                    .map(|(kind, value)| (EntityKind::ALL[*kind % EntityKind::ALL.len()], Some(Role::Suspect), value.as_str()))
                    .collect();
                let mut one = features(&format!("P{i}"), &parts);
                one.day = if i % 2 == 0 { day } else { day.map(|d| d.wrapping_neg()) };
                one.words = chunk.iter().map(|(_, value)| value.clone()).collect();
                one
            })
            .collect();
        let linked = link(&pool, Weights::shipped().unwrap());
        prop_assert!(linked.links.iter().all(|l| l.bits.is_finite() && (0.0..=1.0).contains(&l.p)));
        let mut seen = std::collections::BTreeSet::new();
        for group in &linked.groups {
            for report in &group.reports {
                prop_assert!(seen.insert(report.clone()));
            }
        }
    }
}
