//! Splits of a dataset that let nothing leak.
//!
//! A model that has seen an author's other reports knows the style; one that has
//! seen another report of the same case knows the people. Either makes held-out
//! figures flatter. So authors, cases and persons stand on one side only.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{Dataset, Example};
use crate::codebook::unknown;
use crate::error::{Error, ErrorKind, Result};

/// Which authors are held out; all others are for training.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitSpec {
    /// Authors to choose thresholds and stopping on.
    pub validation_authors: Vec<String>,
    /// Authors to report figures on.
    pub test_authors: Vec<String>,
}

/// Places in [`Dataset::examples`], each in one list, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// For training, examples without an author included.
    pub train: Vec<usize>,
    /// To choose thresholds and stopping on.
    pub validation: Vec<usize>,
    /// To report figures on.
    pub test: Vec<usize>,
}

const PARTS: [&str; 3] = ["train", "validation", "test"];

/// Splits by author.
///
/// # Errors
///
/// [`ErrorKind::Arguments`] for an author whom the dataset does not have, or who
/// is named for both parts. [`ErrorKind::Data`] when a case or a person stands
/// in two parts.
pub fn by_author(dataset: &Dataset, spec: &SplitSpec) -> Result<Split> {
    let known = dataset.authors();
    let mut part_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (part, authors) in [(1, &spec.validation_authors), (2, &spec.test_authors)] {
        for author in authors {
            if !known.contains(&&**author) {
                return Err(Error::new(ErrorKind::Arguments, unknown("author", author, &known).to_string()));
            }
            if part_of.insert(author, part).is_some_and(|other| other != part) {
                return Err(Error::new(
                    ErrorKind::Arguments,
                    format!("author `{author}` is named for validation and for test"),
                ));
            }
        }
    }
    let mut split = Split::default();
    // The part in which each case or person was met first.
    let mut met: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, example) in dataset.examples.iter().enumerate() {
        let part =
            example.meta.author.as_deref().and_then(|author| part_of.get(author)).copied().unwrap_or(0);
        for key @ (what, id) in ties(example) {
            let first = *met.entry(key).or_insert(part);
            if first != part {
                return Err(Error::new(
                    ErrorKind::Data,
                    format!("{what} `{id}` stands in {} and in {}", PARTS[first], PARTS[part]),
                )
                .hint("hold out the authors who share it together"));
            }
        }
        match part {
            0 => split.train.push(at),
            1 => split.validation.push(at),
            _ => split.test.push(at),
        }
    }
    Ok(split)
}

/// Cuts a dataset into `k` folds of about the same size for cross-validation.
///
/// Each fold holds the places of the examples held out in its turn. What shares
/// an author, a case or a person is in one fold; an example with none of these
/// stands alone. The same dataset, `k` and `seed` give the same folds.
///
/// # Errors
///
/// [`ErrorKind::Arguments`] when `k` is below 2 or there are fewer than `k`
/// groups that can be kept apart.
pub fn folds(dataset: &Dataset, k: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
    let mut groups = groups(dataset);
    if k < 2 || groups.len() < k {
        let message =
            format!("{k} folds asked for: 2 to {} are possible, by author, case and person", groups.len());
        return Err(Error::new(ErrorKind::Arguments, message));
    }
    shuffle(&mut groups, seed);
    // The largest first, each to the smallest fold; the sort keeps the shuffled
    // order among groups of one size.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut folds = vec![Vec::new(); k];
    for group in groups {
        // `k` is at least 2, so there is a smallest one; the first among equals.
        if let Some(smallest) = folds.iter_mut().min_by_key(|fold| fold.len()) {
            smallest.extend(group);
        }
    }
    for fold in &mut folds {
        fold.sort_unstable();
    }
    Ok(folds)
}

/// What ties an example to others, apart from its author.
fn ties(example: &Example) -> impl Iterator<Item = (&'static str, &str)> {
    let person = [("person", &example.victim), ("person", &example.suspect)];
    let all = std::iter::once(("case", &example.case)).chain(person);
    all.filter_map(|(what, id)| Some((what, id.as_deref()?)))
}

/// The sets of examples that must stay together, in the order of their first one.
fn groups(dataset: &Dataset) -> Vec<Vec<usize>> {
    // Each example points to an earlier one of its group, or to itself.
    let mut parent: Vec<usize> = (0..dataset.examples.len()).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    let mut first: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, example) in dataset.examples.iter().enumerate() {
        let author = example.meta.author.as_deref().map(|author| ("author", author));
        for key in ties(example).chain(author) {
            let other = *first.entry(key).or_insert(at);
            let (a, b) = (root(&mut parent, at), root(&mut parent, other));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for at in 0..parent.len() {
        let root = root(&mut parent, at);
        groups.entry(root).or_default().insert(at);
    }
    groups.into_values().map(|group| group.into_iter().collect()).collect()
}

/// Fisher and Yates, from a seed.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..items.len()).rev() {
        // Scaled to 0..=last: the bias is below one in 2^40 for any list that
        // fits in memory.
        let draw = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, draw as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example(author: Option<&str>, case: Option<&str>, suspect: Option<&str>) -> Example {
        let mut example = Example {
            case: case.map(str::to_owned),
            suspect: suspect.map(str::to_owned),
            ..Example::default()
        };
        example.meta.author = author.map(str::to_owned);
        example
    }

    fn spec(validation: &[&str], test: &[&str]) -> SplitSpec {
        let own = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        SplitSpec { validation_authors: own(validation), test_authors: own(test) }
    }

    #[test]
    fn authors_are_split() {
        let examples = vec![
            example(Some("A"), Some("C1"), None),
            example(Some("B"), None, None),
            example(None, None, None),
            example(Some("C"), None, Some("S")),
        ];
        let dataset = Dataset { examples };
        let split = by_author(&dataset, &spec(&["B"], &["C"])).unwrap();
        assert_eq!(split, Split { train: vec![0, 2], validation: vec![1], test: vec![3] });
        let err = by_author(&dataset, &spec(&["b"], &[])).unwrap_err();
        assert!(err.to_string().starts_with("unknown author: `b`"), "{err}");
        let err = by_author(&dataset, &spec(&["B"], &["B"])).unwrap_err();
        assert_eq!(err.to_string(), "author `B` is named for validation and for test");
        assert!(by_author(&dataset, &spec(&["B", "B"], &[])).is_ok());
    }

    #[test]
    fn a_case_or_person_in_two_parts_is_refused() {
        let dataset = Dataset {
            examples: vec![example(Some("A"), Some("C1"), None), example(Some("B"), Some("C1"), None)],
        };
        let err = by_author(&dataset, &spec(&[], &["B"])).unwrap_err();
        assert_eq!(err.to_string(), "case `C1` stands in train and in test");
        let mut dataset =
            Dataset { examples: vec![example(Some("A"), None, Some("P")), example(Some("B"), None, None)] };
        dataset.examples[1].victim = Some("P".to_owned());
        let err = by_author(&dataset, &spec(&["B"], &[])).unwrap_err();
        assert_eq!(err.to_string(), "person `P` stands in train and in validation");
    }

    #[test]
    fn folds_are_refused_where_groups_do_not_suffice() {
        let dataset = Dataset {
            examples: vec![
                example(Some("A"), None, None),
                example(Some("A"), None, None),
                example(Some("B"), None, None),
            ],
        };
        for k in [0, 1, 3, usize::MAX] {
            assert!(folds(&dataset, k, 0).is_err(), "{k}");
        }
        assert_eq!(folds(&dataset, 2, 0).unwrap(), [vec![0, 1], vec![2]]);
        assert!(folds(&Dataset::default(), 2, 0).is_err());
    }

    fn datasets() -> impl Strategy<Value = Dataset> {
        let name = |of: &'static [&'static str]| prop::option::of(prop::sample::select(of));
        let one = (
            name(&["A", "B", "C", "D", "E", "F"]),
            name(&["C1", "C2", "C3", "C4"]),
            name(&["S1", "S2", "S3"]),
        );
        prop::collection::vec(one, 0..30).prop_map(|all| Dataset {
            examples: all.into_iter().map(|(author, case, suspect)| example(author, case, suspect)).collect(),
        })
    }

    /// Nothing that ties examples together is in two of these lists.
    fn apart(dataset: &Dataset, lists: &[Vec<usize>]) -> bool {
        let keys = |list: &Vec<usize>| -> BTreeSet<(&str, String)> {
            let of = |&at: &usize| {
                let example = &dataset.examples[at];
                let author = example.meta.author.as_deref().map(|a| ("author", a));
                ties(example).chain(author).map(|(w, id)| (w, id.to_owned())).collect::<Vec<_>>()
            };
            list.iter().flat_map(of).collect()
        };
        let keys: Vec<_> = lists.iter().map(keys).collect();
        (0..keys.len()).all(|a| (0..a).all(|b| keys[a].is_disjoint(&keys[b])))
    }

    fn whole(dataset: &Dataset, lists: &[Vec<usize>]) -> bool {
        let mut all = lists.concat();
        all.sort_unstable();
        all == (0..dataset.examples.len()).collect::<Vec<_>>()
    }

    proptest! {
        #[test]
        fn no_split_leaks(dataset in datasets()) {
            let authors = dataset.authors();
            let held = |at: usize| authors.get(at).copied().into_iter().collect::<Vec<_>>();
            if let Ok(split) = by_author(&dataset, &spec(&held(0), &held(1))) {
                let parts = [split.train, split.validation, split.test];
                prop_assert!(apart(&dataset, &parts) && whole(&dataset, &parts));
            }
        }

        #[test]
        fn no_fold_leaks(dataset in datasets(), k in 2..6usize, seed: u64) {
            if let Ok(parts) = folds(&dataset, k, seed) {
                prop_assert!(apart(&dataset, &parts) && whole(&dataset, &parts));
                prop_assert!(parts.len() == k && parts.iter().all(|fold| !fold.is_empty()));
                prop_assert_eq!(folds(&dataset, k, seed).unwrap(), parts);
            }
        }
    }
}
