//! A store against linking all at once.

use std::collections::BTreeSet;

use super::*;
use crate::link::record::PoolBuilder;
use crate::link::weights::Weights;
use crate::link::{Linking, synthetic};

fn linked(features: &[Features]) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("store.db")).unwrap();
    let weights = Weights::shipped().unwrap();
    let mut builder = PoolBuilder::default();
    builder.extend(features);
    let (pool, counts) = builder.finish_with_counts(None);
    let linking = Linking::new(&pool, weights, &Decisions::default());
    store.fill(features, &pool, &counts, &linking).unwrap();
    (folder, store)
}

fn groups(store: &Store) -> BTreeSet<Vec<String>> {
    store.courses().unwrap().into_iter().map(|(_, group)| group.reports).collect()
}

fn pairs(groups: &BTreeSet<Vec<String>>) -> BTreeSet<(&str, &str)> {
    let of = |g: &'_ Vec<String>| -> Vec<(usize, usize)> {
        (0..g.len()).flat_map(|i| (i + 1..g.len()).map(move |j| (i, j))).collect()
    };
    groups.iter().flat_map(|g| of(g).into_iter().map(|(i, j)| (g[i].as_str(), g[j].as_str()))).collect()
}

#[test]
fn what_goes_in_comes_out() {
    let (features, _) = synthetic::pool(300, 4);
    let (folder, store) = linked(&features);
    let mut read_back = Vec::new();
    read(&folder.path().join("store.db"), &mut |round| {
        read_back.extend(round);
        Ok(())
    })
    .unwrap();
    let mut sorted = features.clone();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(read_back, sorted);
    assert_eq!(store.reports().unwrap(), 300);
    assert_eq!(store.features(&[sorted[7].id.clone(), "none".into()]).unwrap(), [sorted[7].clone()]);
}

#[test]
fn reports_that_join_one_by_one_are_linked_as_all_at_once() {
    let (features, _) = synthetic::pool(2500, 6);
    let weights = Weights::shipped().unwrap();
    let (_all_folder, all) = linked(&features);
    // Every fifth report comes later.
    let (early, late): (Vec<_>, Vec<_>) = features.into_iter().enumerate().partition(|(i, _)| i % 5 != 0);
    let early: Vec<Features> = early.into_iter().map(|(_, f)| f).collect();
    let late: Vec<Features> = late.into_iter().map(|(_, f)| f).collect();
    let (_folder, mut store) = linked(&early);
    let added = store.add(&late, weights).unwrap();
    assert_eq!(added.len(), late.len());
    assert_eq!(store.reports().unwrap(), 2500);
    for one in &added {
        assert!(one.links.len() >= 5);
        for link in &one.links {
            let sum: f64 = link.evidence.iter().map(|e| e.bits).sum();
            assert!((sum - link.bits).abs() < 1e-9);
        }
    }
    let (whole, grown) = (groups(&all), groups(&store));
    let (whole, grown) = (pairs(&whole), pairs(&grown));
    let both = whole.intersection(&grown).count();
    assert!(whole.len() > 50, "{} pairs", whole.len());
    assert!(both * 100 >= whole.len() * 95, "{both} of {}", whole.len());
    // A pool that is still small links a little more readily: its prior is higher.
    assert!(both * 100 >= grown.len() * 90, "{both} of {}", grown.len());
}

#[test]
fn the_order_in_which_reports_are_given_changes_nothing() {
    let (features, _) = synthetic::pool(900, 8);
    let weights = Weights::shipped().unwrap();
    let run = |turned: bool| {
        let (mut first, mut second) = (features[..700].to_vec(), features[700..].to_vec());
        if turned {
            first.reverse();
            second.reverse();
        }
        let (_folder, mut store) = linked(&first);
        let added = store.add(&second, weights).unwrap();
        (added, store.courses().unwrap())
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn decisions_hold_in_later_runs() {
    let (features, _) = synthetic::pool(1200, 10);
    let weights = Weights::shipped().unwrap();
    let (folder, mut store) = linked(&features);
    let (number, group) = store.courses().unwrap().into_iter().find(|(_, g)| g.reports.len() > 2).unwrap();
    let (a, b) = (group.reports[0].clone(), group.reports[1].clone());
    store.decide(&a, &b, false, weights).unwrap();
    let [of_a, of_b] = [store.course_of(&a).unwrap(), store.course_of(&b).unwrap()];
    assert!(of_a.is_none() || of_a.as_ref().map(|c| c.0) != of_b.as_ref().map(|c| c.0));
    assert!(of_a.is_some_and(|c| c.0 == number) || of_b.is_some_and(|c| c.0 == number), "the name stays");
    // Two strangers are confirmed.
    let alone: Vec<String> = features
        .iter()
        .map(|f| f.id.clone())
        .filter(|id| store.course_of(id).unwrap().is_none())
        .take(2)
        .collect();
    store.decide(&alone[0], &alone[1], true, weights).unwrap();
    let together = store.course_of(&alone[0]).unwrap().unwrap();
    assert!(together.1.reports.contains(&alone[1]));
    // A copy of a cut report comes: it cannot bring the two together again.
    let mut copy = features.iter().find(|f| f.id == a).unwrap().clone();
    copy.id = "Z1".into();
    copy.text_hash ^= 1;
    store.add(&[copy], weights).unwrap();
    let apart = |groups: &BTreeSet<Vec<String>>| !pairs(groups).contains(&(a.as_str(), b.as_str()));
    assert!(apart(&groups(&store)));
    // So it stays when all are linked anew.
    let mut builder = PoolBuilder::default();
    let decisions = read(&folder.path().join("store.db"), &mut |round| {
        builder.extend(&round);
        Ok(())
    })
    .unwrap();
    let pool = builder.finish(None);
    let linking = Linking::new(&pool, weights, &decisions);
    let anew: BTreeSet<Vec<String>> = linking.groups.iter().map(|g| linking.group(g).reports).collect();
    assert!(apart(&anew));
    assert!(anew.iter().any(|g| g.contains(&alone[0]) && g.contains(&alone[1])));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_the_store_as_it_was() {
    let (features, _) = synthetic::pool(100, 12);
    let weights = Weights::shipped().unwrap();
    let (folder, mut store) = linked(&features);
    let mut new = features[0].clone();
    new.id = "N".into();
    let error = store.add(&[new.clone(), features[3].clone()], weights).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Arguments);
    assert!(store.add(&[new.clone(), new.clone()], weights).is_err());
    assert!(!store.holds("N").unwrap() && store.reports().unwrap() == 100);
    assert!(store.decide("N", &features[0].id, true, weights).is_err());
    assert!(store.decide(&features[0].id, &features[0].id, true, weights).is_err());
    assert!(store.add(&[], weights).unwrap().is_empty());
    let other = folder.path().join("other.db");
    std::fs::write(&other, "no database, but long enough to be looked at").unwrap();
    assert!(Store::open(&other).is_err());
    assert!(!is_database(&other).unwrap() && is_database(&folder.path().join("store.db")).unwrap());
}

#[test]
fn an_empty_store_takes_reports_one_by_one() {
    let (features, series) = synthetic::pool(400, 14);
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("store.db")).unwrap();
    for one in &features {
        store.add(std::slice::from_ref(one), Weights::shipped().unwrap()).unwrap();
    }
    let of: std::collections::BTreeMap<&str, u32> =
        features.iter().zip(&series).filter_map(|(f, s)| Some((f.id.as_str(), (*s)?))).collect();
    let groups = groups(&store);
    let found = pairs(&groups);
    let right = found.iter().filter(|(a, b)| of.contains_key(a) && of.get(a) == of.get(b)).count();
    assert!(right > 5 && right * 10 >= found.len() * 9, "{right} of {}", found.len());
}
