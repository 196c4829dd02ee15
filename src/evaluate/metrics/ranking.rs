//! Metrics of a ranking: average precision, area under the ROC curve, recall
//! at a fixed precision, and the points of both curves.

/// One row of a ranking: its score and whether it is correct.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Higher comes first.
    pub score: f64,
    /// Whether the row is a positive.
    pub positive: bool,
}

/// Average precision of unweighted rows, see [`Ranking::average_precision`].
///
/// ```
/// use throughline::evaluate::metrics::{Ranked, average_precision};
/// let row = |score, positive| Ranked { score, positive };
/// let rows = [row(0.1, false), row(0.4, false), row(0.35, true), row(0.8, true)];
/// assert!((average_precision(&rows).unwrap() - 0.833333).abs() < 1e-5);
/// ```
pub fn average_precision(rows: &[Ranked]) -> Option<f64> {
    let ranking = Ranking::new(rows.iter().enumerate().map(|(i, r)| (i, r.score, r.positive)));
    ranking.average_precision(&vec![1.0; rows.len()])
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
    let ranking = Ranking::new(rows.iter().enumerate().map(|(i, r)| (i, r.0, r.1)));
    let wanted: Vec<bool> = rows.iter().map(|r| r.2).collect();
    ranking.recall_at_precision(&vec![1.0; rows.len()], &wanted, precision)
}

/// One point of the precision-recall and ROC curves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Rows of this score and above are taken.
    pub threshold: f64,
    /// Share of the taken rows that are correct.
    pub precision: f64,
    /// Share of the correct rows that are taken.
    pub recall: f64,
    /// Share of the other rows that are taken; 0 when there are none.
    pub false_positive_rate: f64,
    /// Share of all rows that are taken.
    pub taken: f64,
}

/// Rows sorted once, so that a metric of any weights takes one pass.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Rows from high to low: place among the weights, score, positive.
    rows: Vec<(usize, f64, bool)>,
    /// Whether a row is the last of its group of equal scores.
    ends: Vec<bool>,
}

impl Ranking {
    /// Ranks rows `(place among the weights, score, positive)`.
    pub fn new(rows: impl IntoIterator<Item = (usize, f64, bool)>) -> Self {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let ends = (0..rows.len()).map(|i| rows.get(i + 1).is_none_or(|next| next.1 != rows[i].1)).collect();
        Self { rows, ends }
    }

    /// Weights of the positives and of the others.
    fn totals(&self, weights: &[f64]) -> (f64, f64) {
        self.rows.iter().fold((0.0, 0.0), |(p, n), &(i, _, positive)| {
            let w = weight(weights, i);
            if positive { (p + w, n) } else { (p, n + w) }
        })
    }

    /// Average precision, `Σ (R_n − R_{n−1}) P_n` over the thresholds of the
    /// ranking (scikit-learn's definition). `None` without a positive.
    pub fn average_precision(&self, weights: &[f64]) -> Option<f64> {
        let (total, _) = self.totals(weights);
        if total <= 0.0 {
            return None;
        }
        let (mut positives, mut taken, mut group, mut sum) = (0.0, 0.0, 0.0, 0.0);
        for (&(i, _, positive), &ends) in self.rows.iter().zip(&self.ends) {
            let w = weight(weights, i);
            taken += w;
            if positive {
                group += w;
            }
            if ends {
                positives += group;
                if group > 0.0 {
                    // (R_n − R_{n−1}) P_n
                    sum += group / total * (positives / taken);
                }
                group = 0.0;
            }
        }
        Some(sum.min(1.0))
    }

    /// Area under the ROC curve: the chance that a positive stands above
    /// another row, ties counted half (Mann and Whitney 1947). `None` without
    /// both classes.
    pub fn auroc(&self, weights: &[f64]) -> Option<f64> {
        let (positives, others) = self.totals(weights);
        if positives <= 0.0 || others <= 0.0 {
            return None;
        }
        let (mut above, mut group_positives, mut group_others, mut sum) = (0.0, 0.0, 0.0, 0.0);
        for (&(i, _, positive), &ends) in self.rows.iter().zip(&self.ends) {
            let w = weight(weights, i);
            if positive {
                group_positives += w;
            } else {
                group_others += w;
            }
            if ends {
                sum += group_others * (above + group_positives / 2.0);
                above += group_positives;
                (group_positives, group_others) = (0.0, 0.0);
            }
        }
        Some((sum / (positives * others)).min(1.0))
    }

    /// The greatest recall of the `wanted` rows (by place among the weights)
    /// at any threshold whose precision over the positives is at least
    /// `precision`. Recall 0 at an infinite threshold where there is none;
    /// `None` when no row is wanted.
    pub fn recall_at_precision(
        &self,
        weights: &[f64],
        wanted: &[bool],
        precision: f64,
    ) -> Option<AtThreshold> {
        let is_wanted = |i: usize| wanted.get(i).copied().unwrap_or(false);
        let total: f64 = self.rows.iter().filter(|r| is_wanted(r.0)).map(|r| weight(weights, r.0)).sum();
        if total <= 0.0 {
            return None;
        }
        let mut best = AtThreshold { threshold: f64::INFINITY, precision: 1.0, recall: 0.0 };
        let (mut correct, mut found, mut taken) = (0.0, 0.0, 0.0);
        for (&(i, score, positive), &ends) in self.rows.iter().zip(&self.ends) {
            let w = weight(weights, i);
            taken += w;
            if positive {
                correct += w;
            }
            if is_wanted(i) {
                found += w;
            }
            if ends && taken > 0.0 {
                let recall = found / total;
                // Sums of weights are not exact: 9 of 10 must count as 0.9.
                if correct / taken >= precision - 1e-12 && recall > best.recall {
                    best =
                        AtThreshold { threshold: score, precision: correct / taken, recall: recall.min(1.0) };
                }
            }
        }
        Some(best)
    }

    /// The points of both curves, from the highest threshold to the lowest.
    /// Empty without a positive.
    pub fn points(&self, weights: &[f64]) -> Vec<Point> {
        let (positives, others) = self.totals(weights);
        if positives <= 0.0 {
            return Vec::new();
        }
        let mut points = Vec::new();
        let (mut correct, mut wrong) = (0.0, 0.0);
        for (&(i, score, positive), &ends) in self.rows.iter().zip(&self.ends) {
            let w = weight(weights, i);
            if positive {
                correct += w;
            } else {
                wrong += w;
            }
            if ends && correct + wrong > 0.0 {
                points.push(Point {
                    threshold: score,
                    precision: correct / (correct + wrong),
                    recall: correct / positives,
                    false_positive_rate: if others > 0.0 { wrong / others } else { 0.0 },
                    taken: (correct + wrong) / (positives + others),
                });
            }
        }
        points
    }
}

/// The weight at a place; 0 for a place that has none.
fn weight(weights: &[f64], place: usize) -> f64 {
    weights.get(place).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::metrics::close::close;

    fn row(score: f64, positive: bool) -> Ranked {
        Ranked { score, positive }
    }

    fn ranking(scores: &[f64], truth: &[u8]) -> Ranking {
        Ranking::new(scores.iter().zip(truth).enumerate().map(|(i, (&s, &t))| (i, s, t == 1)))
    }

    /// Twelve rows with ties, and weights; the values asserted on them are
    /// those of scikit-learn 1.9.1.
    const TRUTH: [u8; 12] = [1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0];
    const SCORES: [f64; 12] = [0.9, 0.9, 0.8, 0.7, 0.7, 0.7, 0.6, 0.5, 0.4, 0.4, 0.2, 0.1];
    const WEIGHTS: [f64; 12] = [1.0, 2.0, 0.0, 3.0, 1.0, 1.0, 2.0, 1.0, 4.0, 1.0, 1.0, 2.0];

    #[test]
    fn average_precision_and_auroc_are_those_of_scikit_learn() {
        struct Case {
            what: &'static str,
            got: Option<f64>,
            want: f64,
        }
        let tied = ranking(&SCORES, &TRUTH);
        let documented = ranking(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]);
        let cases = [
            Case {
                what: "documented average precision",
                got: documented.average_precision(&[1.0; 4]),
                want: 0.833_333_333_333_333_3,
            },
            Case { what: "documented AUROC", got: documented.auroc(&[1.0; 4]), want: 0.75 },
            Case {
                what: "tied average precision",
                got: tied.average_precision(&[1.0; 12]),
                want: 0.547_619_047_619_047_7,
            },
            Case { what: "tied AUROC", got: tied.auroc(&[1.0; 12]), want: 0.685_714_285_714_285_7 },
            Case {
                what: "weighted average precision",
                got: tied.average_precision(&WEIGHTS),
                want: 0.495_833_333_333_333_3,
            },
            Case { what: "weighted AUROC", got: tied.auroc(&WEIGHTS), want: 0.702_380_952_380_952_4 },
        ];
        for case in cases {
            assert!(close(case.got.unwrap(), case.want, 1e-12), "{}: {:?}", case.what, case.got);
        }
    }

    #[test]
    fn the_curve_is_that_of_scikit_learn() {
        let points = ranking(&SCORES, &TRUTH).points(&[1.0; 12]);
        // precision_recall_curve lists from low to high and adds (1, 0).
        let precision = [0.5, 0.666_666_67, 0.5, 0.571_428_57, 0.5, 0.5, 0.454_545_45, 0.416_666_67];
        let recall = [0.2, 0.4, 0.6, 0.8, 0.8, 1.0, 1.0, 1.0];
        assert_eq!(points.len(), 8);
        for (point, (p, r)) in points.iter().zip(precision.iter().zip(recall)) {
            assert!(close(point.precision, *p, 1e-8) && close(point.recall, r, 1e-12), "{point:?}");
        }
    }

    #[test]
    fn average_precision_takes_ties_together() {
        // One threshold, precision 1/2, recall 1.
        assert_eq!(average_precision(&[row(1.0, true), row(1.0, false)]), Some(0.5));
        assert_eq!(average_precision(&[row(1.0, false)]), None);
        assert_eq!(average_precision(&[row(2.0, true), row(1.0, false)]), Some(1.0));
        assert_eq!(ranking(&[1.0, 2.0], &[1, 1]).auroc(&[1.0; 2]), None);
        assert_eq!(ranking(&[1.0, 1.0], &[1, 0]).auroc(&[1.0; 2]), Some(0.5), "a constant score");
    }

    #[test]
    fn recall_at_precision_looks_past_an_early_dip() {
        // Precisions down the list: 0, 1/2, 2/3, 3/4; wanted are all correct.
        let rows = [(4.0, false, false), (3.0, true, true), (2.0, true, true), (1.0, true, true)];
        let at = recall_at_precision(&rows, 0.7).unwrap();
        assert_eq!((at.threshold, at.recall), (1.0, 1.0));
        assert_eq!(recall_at_precision(&rows, 0.9).unwrap().recall, 0.0);
        assert_eq!(recall_at_precision(&[(1.0, true, false)], 0.9), None);
    }

    #[test]
    fn nine_of_ten_is_a_precision_of_nine_tenths() {
        let rows: Vec<_> = (0..10).map(|i| (f64::from(10 - i), i != 3, i != 3)).collect();
        assert_eq!(recall_at_precision(&rows, 0.9).unwrap().recall, 1.0);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(scores in proptest::collection::vec((0u8..5, any::<bool>()), 1..30)) {
            let rows: Vec<_> = scores.iter().map(|&(s, p)| row(f64::from(s), p)).collect();
            let mut reversed = rows.clone();
            reversed.reverse();
            prop_assert_eq!(average_precision(&rows), average_precision(&reversed));
        }

        #[test]
        fn a_weight_of_two_is_the_row_twice(
            rows in proptest::collection::vec((0u8..5, any::<bool>(), 0usize..3), 1..20),
        ) {
            let weighted = Ranking::new(rows.iter().enumerate().map(|(i, r)| (i, f64::from(r.0), r.1)));
            let weights: Vec<f64> = rows.iter().map(|r| r.2 as f64).collect();
            let copies: Vec<(f64, bool)> = rows
                .iter()
                .flat_map(|r| std::iter::repeat_n((f64::from(r.0), r.1), r.2))
                .collect();
            let repeated = Ranking::new(copies.iter().enumerate().map(|(i, r)| (i, r.0, r.1)));
            let ones = vec![1.0; copies.len()];
            for (a, b) in [
                (weighted.average_precision(&weights), repeated.average_precision(&ones)),
                (weighted.auroc(&weights), repeated.auroc(&ones)),
            ] {
                match (a, b) {
                    (Some(a), Some(b)) => prop_assert!(close(a, b, 1e-12), "{} {}", a, b),
                    (a, b) => prop_assert_eq!(a, b),
                }
            }
        }
    }
}
