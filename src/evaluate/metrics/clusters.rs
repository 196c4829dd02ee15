//! Two groupings of the same items compared: adjusted Rand index, B-cubed, and
//! precision and recall over pairs. A grouping gives each item a group number;
//! an item alone has a number of its own.

use std::collections::BTreeMap;

/// Precision and recall of a grouping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clustering {
    /// Of what was put together, the share that belongs together.
    pub precision: f64,
    /// Of what belongs together, the share that was put together.
    pub recall: f64,
    /// Their harmonic mean; 0 when both are 0.
    pub f1: f64,
}

impl Clustering {
    fn new(precision: f64, recall: f64) -> Self {
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f1 }
    }
}

/// Sizes of the cells of the table truth × answer, of its rows and columns.
type Table = (BTreeMap<(usize, usize), f64>, BTreeMap<usize, f64>, BTreeMap<usize, f64>);

fn table(truth: &[usize], answer: &[usize]) -> Table {
    let mut table = Table::default();
    for (&t, &a) in truth.iter().zip(answer) {
        *table.0.entry((t, a)).or_default() += 1.0;
        *table.1.entry(t).or_default() += 1.0;
        *table.2.entry(a).or_default() += 1.0;
    }
    table
}

/// Pairs within groups of these sizes.
fn pairs<'a>(sizes: impl IntoIterator<Item = &'a f64>) -> f64 {
    sizes.into_iter().map(|n| n * (n - 1.0) / 2.0).sum()
}

/// Adjusted Rand index (Hubert and Arabie 1985): 1 for equal groupings, 0 on
/// average for random ones. `None` without items, or when the two slices
/// differ in length.
pub fn adjusted_rand(truth: &[usize], answer: &[usize]) -> Option<f64> {
    if truth.is_empty() || truth.len() != answer.len() {
        return None;
    }
    let (cells, rows, columns) = table(truth, answer);
    let n = truth.len() as f64;
    let all = n * (n - 1.0) / 2.0;
    let (index, a, b) = (pairs(cells.values()), pairs(rows.values()), pairs(columns.values()));
    let expected = if all > 0.0 { a * b / all } else { 0.0 };
    let most = (a + b) / 2.0;
    if most == expected {
        // Both all alone or both all together: equal groupings.
        return Some(1.0);
    }
    Some((index - expected) / (most - expected))
}

/// B-cubed precision and recall (Bagga and Baldwin 1998; Amigó 2009): for each
/// item, the share of its group that belongs with it, and the share of what
/// belongs with it that is in its group, averaged over items. `None` without
/// items, or when the two slices differ in length.
pub fn b_cubed(truth: &[usize], answer: &[usize]) -> Option<Clustering> {
    if truth.is_empty() || truth.len() != answer.len() {
        return None;
    }
    let (cells, rows, columns) = table(truth, answer);
    let (mut precision, mut recall) = (0.0, 0.0);
    for ((t, a), both) in &cells {
        // `both` items have precision both / |group| and recall both / |class|.
        precision += both * both / columns.get(a).copied().unwrap_or(1.0);
        recall += both * both / rows.get(t).copied().unwrap_or(1.0);
    }
    let n = truth.len() as f64;
    Some(Clustering::new(precision / n, recall / n))
}

/// Precision and recall over pairs of items. With no pair put together the
/// precision is 1, with none to find the recall is 1. `None` when the two
/// slices differ in length.
pub fn pairwise(truth: &[usize], answer: &[usize]) -> Option<Clustering> {
    if truth.len() != answer.len() {
        return None;
    }
    let (cells, rows, columns) = table(truth, answer);
    let both = pairs(cells.values());
    let of = |total: f64| if total > 0.0 { both / total } else { 1.0 };
    Some(Clustering::new(of(pairs(columns.values())), of(pairs(rows.values()))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::metrics::close::close;

    #[test]
    fn adjusted_rand_is_that_of_scikit_learn() {
        struct Case(&'static [usize], &'static [usize], f64);
        // The documented examples of adjusted_rand_score, and one more.
        let cases = [
            Case(&[0, 0, 1, 1], &[0, 0, 1, 1], 1.0),
            Case(&[0, 0, 1, 1], &[1, 1, 0, 0], 1.0),
            Case(&[0, 0, 1, 2], &[0, 0, 1, 1], 0.571_428_571_428_571_4),
            Case(&[0, 0, 1, 1], &[0, 0, 1, 2], 0.571_428_571_428_571_4),
            Case(&[0, 0, 0, 0], &[0, 1, 2, 3], 0.0),
            Case(&[0, 0, 1, 1], &[0, 1, 0, 1], -0.5),
            Case(&[0, 0, 0, 1, 1, 1], &[0, 0, 1, 1, 2, 2], 0.242_424_242_424_242_43),
        ];
        for Case(truth, answer, want) in cases {
            let got = adjusted_rand(truth, answer).unwrap();
            assert!(close(got, want, 1e-12), "{truth:?} {answer:?}: {got}");
        }
        assert_eq!(adjusted_rand(&[], &[]), None);
        assert_eq!(adjusted_rand(&[1], &[1, 2]), None);
        assert_eq!(adjusted_rand(&[1], &[7]), Some(1.0));
    }

    #[test]
    fn b_cubed_is_that_of_the_worked_example() {
        // Amigó, Gonzalo, Artiles and Verdejo 2009, the left grouping of the
        // constraint of homogeneity: groups of 4, 3 and 7 items; printed there
        // as precision 0.59 and recall 0.69 (cut off, not rounded).
        let truth = [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 4, 5];
        let answer = [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3];
        let got = b_cubed(&truth, &answer).unwrap();
        // (16/4 + 1/3 + 4/3 + 16/7 + 3/7) / 14, (16/5 + 1/5 + 4/6 + 16/6 + 3) / 14
        assert!(close(got.precision, 8.380_952_380_952_38 / 14.0, 1e-12));
        assert!(close(got.recall, 9.733_333_333_333_333 / 14.0, 1e-12));
        assert_eq!((got.precision * 100.0).floor(), 59.0);
        assert_eq!((got.recall * 100.0).floor(), 69.0);
        assert!(!close(got.recall, 0.68, 0.005));
    }

    #[test]
    fn pairs_are_those_of_scikit_learn() {
        // pair_confusion_matrix([0,0,0,1,1,1], [0,0,1,1,2,2]) counts ordered
        // pairs: both 4, answer only 2, truth only 8.
        let got = pairwise(&[0, 0, 0, 1, 1, 1], &[0, 0, 1, 1, 2, 2]).unwrap();
        assert!(close(got.precision, 4.0 / 6.0, 1e-12));
        assert!(close(got.recall, 4.0 / 12.0, 1e-12));
        let alone = pairwise(&[0, 0], &[0, 1]).unwrap();
        assert_eq!((alone.precision, alone.recall, alone.f1), (1.0, 0.0, 0.0));
    }

    proptest! {
        /// The slow twin: B-cubed item by item.
        #[test]
        fn b_cubed_item_by_item(items in proptest::collection::vec((0usize..4, 0usize..4), 1..20)) {
            let (truth, answer): (Vec<_>, Vec<_>) = items.iter().copied().unzip();
            type Same<'a> = &'a dyn Fn(&Item, &Item) -> bool;
            type Item = (usize, usize);
            let mean = |of: Same<'_>| {
                items.iter().map(|i| {
                    let group: Vec<_> = items.iter().filter(|j| of(i, j)).collect();
                    group.iter().filter(|j| **j == i).count() as f64 / group.len() as f64
                }).sum::<f64>() / items.len() as f64
            };
            let got = b_cubed(&truth, &answer).unwrap();
            prop_assert!(close(got.precision, mean(&|i, j| i.1 == j.1), 1e-9));
            prop_assert!(close(got.recall, mean(&|i, j| i.0 == j.0), 1e-9));
        }
    }
}
