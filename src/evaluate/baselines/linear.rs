//! Logistic regressions that answer all questions of the codebook, from sparse
//! rows of features.

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::codebook::{Indicator, Relationship};
use crate::corpus::{Example, Labels};
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::{IndicatorState, ReportState, Scores};
pub use crate::nn::logistic::{Logistic, Sparse};

/// A question with its regression and the threshold of its answer.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    model: Option<Logistic>,
    threshold: f64,
}

/// Folds of the training rows that thresholds are chosen on.
const FOLDS: usize = 3;

/// Fewest positives that a question is learnt from; below, the answer is no.
const LEAST: usize = 5;

impl Question {
    /// Learns a question. The threshold gives the best F1 on rows of folds
    /// that were left out; folds keep cases together.
    fn learn(data: &Sparse, y: &[bool], folds: &[usize], c: f64) -> Self {
        let positives = y.iter().filter(|y| **y).count();
        if positives < LEAST {
            return Self { model: None, threshold: 0.5 };
        }
        let mut held_out: Vec<(f64, bool)> = Vec::with_capacity(y.len());
        for fold in 0..FOLDS {
            let rows: Vec<usize> = (0..y.len()).filter(|&r| folds[r] != fold).collect();
            let model = Logistic::fit(data, &rows, y, c);
            held_out
                .extend((0..y.len()).filter(|&r| folds[r] == fold).map(|r| (model.p(&data.rows[r]), y[r])));
        }
        let rows: Vec<usize> = (0..y.len()).collect();
        Self { model: Some(Logistic::fit(data, &rows, y, c)), threshold: best_threshold(held_out, positives) }
    }

    fn p(&self, row: &[(u32, f64)]) -> f64 {
        self.model.as_ref().map_or(0.0, |m| m.p(row))
    }

    fn yes(&self, p: f64) -> bool {
        self.model.is_some() && p >= self.threshold
    }
}

/// The threshold of the best F1; 0.5 where no F1 is above 0.
fn best_threshold(mut rows: Vec<(f64, bool)>, positives: usize) -> f64 {
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut best, mut threshold, mut right) = (0.0, 0.5, 0usize);
    for (i, &(p, y)) in rows.iter().enumerate() {
        right += usize::from(y);
        let ends = rows.get(i + 1).is_none_or(|next| next.0 != p);
        // F1 = 2 TP / (taken + positives)
        let f1 = 2.0 * right as f64 / (i + 1 + positives) as f64;
        if ends && f1 > best {
            // Between this row and the next, so that neither is on the edge.
            let next = rows.get(i + 1).map_or(0.0, |n| n.0);
            (best, threshold) = (f1, (p + next) / 2.0);
        }
    }
    threshold
}

/// Regressions for every question of the codebook, one against the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Heads {
    stalking: Question,
    likely: Question,
    found: Vec<Question>,
    denied: Vec<Question>,
    harm: Question,
    relationship: Vec<Question>,
}

impl Heads {
    /// Learns from rows of features and the examples they belong to; examples
    /// without labels are passed over.
    ///
    /// # Errors
    ///
    /// When fewer than two grades are among the labels.
    pub fn learn(data: &Sparse, examples: &[&Example], c: f64) -> Result<Self> {
        let mut kept = Sparse { columns: data.columns, rows: Vec::new() };
        let mut labels: Vec<&Labels> = Vec::new();
        let mut folds = Vec::new();
        let mut fold_of = std::collections::BTreeMap::new();
        let mut next = 0;
        for (row, example) in data.rows.iter().zip(examples) {
            let Some(of) = &example.labels else { continue };
            kept.rows.push(row.clone());
            labels.push(of);
            let fold = match &example.case {
                Some(case) => *fold_of.entry(case).or_insert_with(|| {
                    next += 1;
                    next
                }),
                None => {
                    next += 1;
                    next
                }
            };
            folds.push(fold % FOLDS);
        }
        if labels.windows(2).all(|l| l[0].stalking == l[1].stalking) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("a baseline cannot be trained on {} labelled reports of one grade", labels.len()),
            ));
        }
        type Truth = Box<dyn Fn(&Labels) -> bool + Send + Sync>;
        use crate::codebook::Grade;
        let mut asked: Vec<Truth> = vec![
            Box::new(|l| l.stalking != Grade::None),
            Box::new(|l| l.stalking == Grade::Likely),
            Box::new(|l| l.serious_harm),
        ];
        for &i in Indicator::ALL {
            asked.push(Box::new(move |l| l.found.contains(&i)));
        }
        for &i in Indicator::ALL {
            asked.push(Box::new(move |l| l.denied.contains(&i)));
        }
        for &r in Relationship::ALL {
            asked.push(Box::new(move |l| l.relationship == r));
        }
        let mut learnt: VecDeque<Question> = asked
            .par_iter()
            .map(|truth| {
                let y: Vec<bool> = labels.iter().map(|l| truth(l)).collect();
                Question::learn(&kept, &y, &folds, c)
            })
            .collect();
        let none = || Question { model: None, threshold: 0.5 };
        let mut one = || learnt.pop_front().unwrap_or_else(none);
        Ok(Self {
            stalking: one(),
            likely: one(),
            harm: one(),
            found: Indicator::ALL.iter().map(|_| one()).collect(),
            denied: Indicator::ALL.iter().map(|_| one()).collect(),
            relationship: Relationship::ALL.iter().map(|_| one()).collect(),
        })
    }

    /// Answers to one row.
    pub fn answer(&self, row: &[(u32, f64)]) -> Scores {
        let mut scores = Scores::nothing();
        let p = self.stalking.p(row);
        let likely = self.likely.p(row).min(p);
        scores.grades = [1.0 - p, p - likely, likely];
        for (i, (found, denied)) in self.found.iter().zip(&self.denied).enumerate() {
            let (pf, pd) = (found.p(row), denied.p(row));
            scores.found[i] = pf;
            scores.denied[i] = pd;
            scores.states[i] = if found.yes(pf) {
                IndicatorState::Found
            } else if denied.yes(pd) {
                IndicatorState::Denied
            } else {
                IndicatorState::NotMentioned
            };
        }
        scores.harm = self.harm.p(row);
        scores.harm_found = self.harm.yes(scores.harm);
        let each: Vec<f64> = self.relationship.iter().map(|q| q.p(row)).collect();
        let sum: f64 = each.iter().sum();
        if sum > 0.0 {
            scores.relationship = each.into_iter().map(|p| p / sum).collect();
        }
        scores.state = Some(ReportState::of(scores.grade()));
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_of_the_best_f1_lies_between_the_rows() {
        assert_eq!(best_threshold(vec![(0.9, true), (0.3, false)], 1), 0.6);
        assert_eq!(best_threshold(vec![], 0), 0.5);
    }
}
