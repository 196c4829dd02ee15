//! Counts of yes-or-no answers, plain and weighted, and the weights that bring
//! a sample to a stated prevalence.

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
        if two + rest == 0 { 0.0 } else { two as f64 / (two + rest) as f64 }
    }
}

/// Weighted counts of a yes-or-no answer. Each share is `None` where nothing
/// stands below the line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Yes, rightly.
    pub true_positive: f64,
    /// Yes, wrongly.
    pub false_positive: f64,
    /// No, wrongly.
    pub false_negative: f64,
    /// No, rightly.
    pub true_negative: f64,
}

/// `above / below`, if there is anything below.
pub(crate) fn share(above: f64, below: f64) -> Option<f64> {
    (below > 0.0).then(|| (above / below).clamp(0.0, 1.0))
}

impl Tally {
    /// Adds one row.
    pub fn add(&mut self, answer: bool, truth: bool, weight: f64) {
        *match (answer, truth) {
            (true, true) => &mut self.true_positive,
            (true, false) => &mut self.false_positive,
            (false, true) => &mut self.false_negative,
            (false, false) => &mut self.true_negative,
        } += weight;
    }

    /// Share of the yes that are right.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_positive)
    }

    /// Share of the positives that are found.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Share of the others that are said yes of.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positive, self.false_positive + self.true_negative)
    }

    /// Negative predictive value: share of the no that are right.
    pub fn negative_predictive_value(&self) -> Option<f64> {
        share(self.true_negative, self.true_negative + self.false_negative)
    }

    /// F1, `2 TP / (2 TP + FP + FN)`; `None` when there is nothing to find and
    /// nothing was found.
    pub fn f1(&self) -> Option<f64> {
        let two = 2.0 * self.true_positive;
        share(two, two + self.false_positive + self.false_negative)
    }

    /// Share of all that are right.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positive + self.true_negative;
        share(right, right + self.false_positive + self.false_negative)
    }
}

/// Weights that bring the share of positives to `prevalence` and keep the sum.
/// `None` when there is only one class, or `prevalence` is not within (0, 1).
///
/// The mix inside each class (`possible` to `likely`, hard to easy negatives)
/// stays that of the sample.
pub fn at_prevalence(weights: &[f64], positive: &[Option<bool>], prevalence: f64) -> Option<Vec<f64>> {
    if !(prevalence > 0.0 && prevalence < 1.0) {
        return None;
    }
    let sum = |class: bool| -> f64 {
        weights.iter().zip(positive).filter(|(_, p)| **p == Some(class)).map(|(w, _)| w).sum()
    };
    let (positives, others) = (sum(true), sum(false));
    if positives <= 0.0 || others <= 0.0 {
        return None;
    }
    let all = positives + others;
    Some(
        weights
            .iter()
            .zip(positive)
            .map(|(w, p)| match p {
                Some(true) => w * prevalence * all / positives,
                Some(false) => w * (1.0 - prevalence) * all / others,
                None => 0.0,
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::close::close;

    #[test]
    fn f1_of_a_case_worked_by_hand() {
        // TP 2, FP 1, FN 1: 4 / 6.
        let counts = Counts::of([(true, true), (true, true), (true, false), (false, true)]);
        assert!(close(counts.f1(), 2.0 / 3.0, 1e-12));
        assert_eq!(Counts::default().f1(), 0.0);
    }

    #[test]
    fn shares_of_a_case_worked_by_hand() {
        let mut tally = Tally::default();
        assert_eq!((tally.precision(), tally.recall(), tally.f1()), (None, None, None));
        // TP 3, FP 1, FN 2, TN 4, the last three rows of weight 2.
        for (answer, truth, weight) in
            [(true, true, 3.0), (true, false, 1.0), (false, true, 2.0), (false, false, 4.0)]
        {
            tally.add(answer, truth, weight);
        }
        assert_eq!(tally.precision(), Some(0.75));
        assert_eq!(tally.recall(), Some(0.6));
        assert_eq!(tally.false_positive_rate(), Some(0.2));
        assert!(close(tally.negative_predictive_value().unwrap(), 4.0 / 6.0, 1e-12));
        assert!(close(tally.f1().unwrap(), 6.0 / 9.0, 1e-12));
        assert_eq!(tally.accuracy(), Some(0.7));
    }

    #[test]
    fn a_stated_prevalence_moves_precision_as_bayes_says() {
        // Recall 0.8 and false positives 0.1, at a prevalence of 2 %:
        // 0.8 · 0.02 / (0.8 · 0.02 + 0.1 · 0.98).
        let rows: Vec<(bool, bool)> =
            (0..10).map(|i| (i < 8, true)).chain((0..10).map(|i| (i < 1, false))).collect();
        let truth: Vec<_> = rows.iter().map(|r| Some(r.1)).collect();
        let weights = at_prevalence(&[1.0; 20], &truth, 0.02).unwrap();
        let mut tally = Tally::default();
        for (&(answer, truth), &w) in rows.iter().zip(&weights) {
            tally.add(answer, truth, w);
        }
        let want = 0.016 / (0.016 + 0.098);
        assert!(close(tally.precision().unwrap(), want, 1e-12));
        assert!(close(weights.iter().sum::<f64>(), 20.0, 1e-9));
        for wrong in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(at_prevalence(&[1.0; 20], &truth, wrong), None);
        }
        assert_eq!(at_prevalence(&[1.0], &[Some(true)], 0.5), None);
    }
}
