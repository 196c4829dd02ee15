//! Metrics of ranked and classified answers.
//!
//! Ties in a ranking are taken together, so that no metric depends on the
//! order in which equal scores happen to stand. Where a metric does not exist
//! (no positive at all), the answer is `None`, never NaN.

use crate::rng::Rng;

/// One row of a ranking: its score and whether it is correct.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Higher comes first.
    pub score: f64,
    /// Whether the row is a positive.
    pub positive: bool,
}

/// Rows from high to low as groups of equal score: `(score, positives, rows)`.
fn groups(rows: &[Ranked]) -> Vec<(f64, usize, usize)> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut groups: Vec<(f64, usize, usize)> = Vec::new();
    for row in sorted {
        match groups.last_mut() {
            Some((score, positives, n)) if *score == row.score => {
                *positives += usize::from(row.positive);
                *n += 1;
            }
            _ => groups.push((row.score, usize::from(row.positive), 1)),
        }
    }
    groups
}

/// Average precision, `Σ (R_n − R_{n−1}) P_n` over the thresholds of a ranking
/// (scikit-learn's definition). `None` without a positive.
///
/// ```
/// use throughline::evaluate::metrics::{Ranked, average_precision};
/// let row = |score, positive| Ranked { score, positive };
/// let rows = [row(0.1, false), row(0.4, false), row(0.35, true), row(0.8, true)];
/// assert!((average_precision(&rows).unwrap() - 0.833333).abs() < 1e-5);
/// ```
pub fn average_precision(rows: &[Ranked]) -> Option<f64> {
    let total = rows.iter().filter(|r| r.positive).count();
    if total == 0 {
        return None;
    }
    let (mut positives, mut n, mut sum) = (0, 0, 0.0);
    for (_, group_positives, group) in groups(rows) {
        positives += group_positives;
        n += group;
        sum += group_positives as f64 / total as f64 * (positives as f64 / n as f64);
    }
    Some(sum)
}

/// A threshold and what it gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtThreshold {
    /// Rows of this score and above are taken.
    pub threshold: f64,
    /// Share of the taken rows that are correct.
    pub precision: f64,
    /// Share of the wanted rows that are taken.
    pub recall: f64,
}

/// The greatest recall of `wanted` rows at any threshold whose precision over
/// `correct` rows is at least `precision`. Both are given row by row:
/// `(score, correct, wanted)`. With no such threshold the recall is 0 at an
/// infinite threshold; `None` when no row is wanted.
pub fn recall_at_precision(rows: &[(f64, bool, bool)], precision: f64) -> Option<AtThreshold> {
    let total = rows.iter().filter(|r| r.2).count();
    if total == 0 {
        return None;
    }
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = AtThreshold {
        threshold: f64::INFINITY,
        precision: 1.0,
        recall: 0.0,
    };
    let (mut correct, mut wanted) = (0, 0);
    for (i, row) in sorted.iter().enumerate() {
        correct += usize::from(row.1);
        wanted += usize::from(row.2);
        let ends_group = sorted.get(i + 1).is_none_or(|next| next.0 != row.0);
        let here = correct as f64 / (i + 1) as f64;
        let recall = wanted as f64 / total as f64;
        if ends_group && here >= precision && recall > best.recall {
            best = AtThreshold {
                threshold: row.0,
                precision: here,
                recall,
            };
        }
    }
    Some(best)
}

/// Counts of a yes-or-no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Yes, rightly.
    pub true_positive: usize,
    /// Yes, wrongly.
    pub false_positive: usize,
    /// No, wrongly.
    pub false_negative: usize,
    /// No, rightly.
    pub true_negative: usize,
}

impl Counts {
    /// Counts of `(answer, truth)` pairs.
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for (answer, truth) in pairs {
            match (answer, truth) {
                (true, true) => counts.true_positive += 1,
                (true, false) => counts.false_positive += 1,
                (false, true) => counts.false_negative += 1,
                (false, false) => counts.true_negative += 1,
            }
        }
        counts
    }

    /// F1, `2 TP / (2 TP + FP + FN)`; 0 when there is nothing to find and
    /// nothing was found.
    pub fn f1(self) -> f64 {
        let two = 2 * self.true_positive;
        let rest = self.false_positive + self.false_negative;
        if two + rest == 0 {
            0.0
        } else {
            two as f64 / (two + rest) as f64
        }
    }
}

/// A figure with a 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The figure on all rows.
    pub value: f64,
    /// 2.5th percentile of the resamples.
    pub low: f64,
    /// 97.5th percentile of the resamples.
    pub high: f64,
}

/// A percentile bootstrap (Efron 1979) over groups: whole groups are drawn
/// with replacement, because the reports of one case are not independent.
/// `groups` hold row indices; `figure` is called with the rows of a resample.
/// `None` when the figure does not exist on all rows; resamples on which it
/// does not exist are left out.
pub fn bootstrap(
    groups: &[Vec<usize>],
    resamples: usize,
    seed: u64,
    figure: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    let all: Vec<usize> = groups.iter().flatten().copied().collect();
    let value = figure(&all)?;
    let mut rng = Rng::new(seed, "bootstrap");
    let mut values: Vec<f64> = (0..resamples)
        .filter_map(|_| {
            let rows: Vec<usize> = (0..groups.len())
                .flat_map(|_| groups[rng.below(groups.len())].iter().copied())
                .collect();
            figure(&rows)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)))
    };
    Some(Interval {
        value,
        low: at(0.025).copied().unwrap_or(value),
        high: at(0.975).copied().unwrap_or(value),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(score: f64, positive: bool) -> Ranked {
        Ranked { score, positive }
    }

    #[test]
    fn average_precision_takes_ties_together() {
        // One threshold, precision 1/2, recall 1.
        assert_eq!(
            average_precision(&[row(1.0, true), row(1.0, false)]),
            Some(0.5)
        );
        assert_eq!(average_precision(&[row(1.0, false)]), None);
        assert_eq!(
            average_precision(&[row(2.0, true), row(1.0, false)]),
            Some(1.0)
        );
    }

    #[test]
    fn recall_at_precision_looks_past_an_early_dip() {
        // Precisions down the list: 0, 1/2, 2/3, 3/4; wanted are all correct.
        let rows = [
            (4.0, false, false),
            (3.0, true, true),
            (2.0, true, true),
            (1.0, true, true),
        ];
        let at = recall_at_precision(&rows, 0.7).unwrap();
        assert_eq!((at.threshold, at.recall), (1.0, 1.0));
        assert_eq!(recall_at_precision(&rows, 0.9).unwrap().recall, 0.0);
        assert_eq!(recall_at_precision(&[(1.0, true, false)], 0.9), None);
    }

    #[test]
    fn f1_of_a_case_worked_by_hand() {
        // TP 2, FP 1, FN 1: 4 / 6.
        let counts = Counts::of([(true, true), (true, true), (true, false), (false, true)]);
        assert!((counts.f1() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(Counts::default().f1(), 0.0);
    }

    #[test]
    fn bootstrap_covers_the_mean_and_repeats() {
        let groups: Vec<Vec<usize>> = (0..50).map(|i| vec![2 * i, 2 * i + 1]).collect();
        let mean = |rows: &[usize]| {
            Some(rows.iter().map(|r| (r % 10) as f64).sum::<f64>() / rows.len() as f64)
        };
        let a = bootstrap(&groups, 200, 1, mean).unwrap();
        assert!(a.low < 4.5 && 4.5 < a.high && a.value == 4.5, "{a:?}");
        assert_eq!(Some(a), bootstrap(&groups, 200, 1, mean));
        assert_eq!(bootstrap(&groups, 10, 1, |_| None), None);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(scores in proptest::collection::vec((0u8..5, any::<bool>()), 1..30)) {
            let rows: Vec<_> = scores.iter().map(|&(s, p)| row(f64::from(s), p)).collect();
            let mut reversed = rows.clone();
            reversed.reverse();
            prop_assert_eq!(average_precision(&rows), average_precision(&reversed));
        }
    }
}
