//! m and u of every level, and the arithmetic from outcomes to bits.
//!
//! *m* is how often a level holds between two reports of one course, *u* how
//! often between two that have nothing to do with each other. The weight of a
//! level is log2(m / u), in bits (Fellegi and Sunter 1969). Comparisons are
//! not independent: `share` is the part of its weight that each keeps, fitted
//! to all of them together, so that nothing is counted twice.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::compare::{COMPARISONS, Outcome, Outcomes};
use crate::error::{Error, ErrorKind, Result};

/// The form of weights that this program reads and writes.
pub const WEIGHTS_SCHEMA: &str = "throughline.link-weights/1";

/// The most by which a value's own frequency moves a weight, in bits.
const ADJUST_MOST: f64 = 6.0;

/// The most that one comparison says for a link, in bits.
const LEVEL_MOST: f64 = 16.0;

/// The most that one comparison says against a link, in bits. That no course
/// of a corpus crosses a border or lasts four years says more of the corpus
/// than of pursuers.
const LEVEL_LEAST: f64 = -4.0;

/// A level's probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The level's name.
    pub name: String,
    /// Share of pairs of one course on this level, where there is something to compare.
    pub m: f64,
    /// Share of other pairs on this level, where there is something to compare.
    pub u: f64,
    /// Mean share of reports that hold the agreeing value, over the other
    /// pairs on this level; a rarer value weighs more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_frequency: Option<f64>,
}

/// A comparison's levels and the part of their weight that it keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonWeights {
    /// The comparison's name.
    pub comparison: String,
    /// Part of its weight that it keeps beside the others.
    pub share: f64,
    /// Its levels, in order.
    pub levels: Vec<Level>,
}

/// When groups are joined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeRule {
    /// Part of the strongest link in the score of a merge; the mean link has
    /// the rest.
    pub strongest_share: f64,
    /// The least score of a merge, in bits.
    pub threshold_bits: f64,
}

/// How likely it is that a group is of one course and that it is stalking:
/// σ(bias + linked · l + stalking · s), where l and s are the log odds of its
/// weakest merge and of its report that reads most like stalking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseScale {
    /// Added to the others.
    pub bias: f64,
    /// Factor on the log odds that the group belongs together.
    pub linked: f64,
    /// Factor on the log odds of the stalking of its likeliest report.
    pub stalking: f64,
}

impl CourseScale {
    /// Log odds of the two probabilities, kept within ±8.
    pub fn odds(p_linked: f64, p_stalking: f64) -> [f64; 2] {
        [p_linked, p_stalking].map(|p| (p / (1.0 - p)).ln().clamp(-8.0, 8.0))
    }

    /// The calibrated probability.
    pub fn probability(&self, p_linked: f64, p_stalking: f64) -> f64 {
        let [l, s] = Self::odds(p_linked, p_stalking);
        1.0 / (1.0 + (-(self.bias + self.linked * l + self.stalking * s)).exp())
    }
}

/// Everything that linking needs to know; one committed file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// [`WEIGHTS_SCHEMA`].
    pub schema: String,
    /// The command that made the file.
    pub made_by: String,
    /// What it was estimated from.
    pub estimated_from: String,
    /// Partners that a report of a pool has on average; the prior odds of a
    /// pair are this over the number of other reports.
    pub partners: f64,
    /// When groups are joined.
    pub merge: MergeRule,
    /// From a group to the probability of a course; without it the product of
    /// both probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<CourseScale>,
    /// Every comparison, in the order of [`COMPARISONS`].
    pub comparisons: Vec<ComparisonWeights>,
}

impl Weights {
    /// Reads weights and tests that they fit the comparisons.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] for JSON of another form, comparisons or levels
    /// that are not this program's, and numbers that are no probabilities.
    pub fn parse(json: &str) -> Result<Self> {
        let bad = |what: String| {
            Error::new(ErrorKind::Data, format!("link weights: {what}"))
                .hint("`throughline estimate` writes a file of this form")
        };
        let weights: Self = serde_json::from_str(json).map_err(|err| bad(err.to_string()))?;
        if weights.schema != WEIGHTS_SCHEMA {
            return Err(bad(format!("the schema is `{}`, needed is `{WEIGHTS_SCHEMA}`", weights.schema)));
        }
        if weights.comparisons.len() != COMPARISONS.len() {
            let (have, need) = (weights.comparisons.len(), COMPARISONS.len());
            return Err(bad(format!("{have} comparisons, {need} are needed")));
        }
        for (have, need) in weights.comparisons.iter().zip(COMPARISONS) {
            let names: Vec<&str> = have.levels.iter().map(|l| l.name.as_str()).collect();
            if have.comparison != need.name || names != need.levels {
                return Err(bad(format!("`{}` with levels {names:?}, needed is {need:?}", have.comparison)));
            }
            let odd = |p: f64| !(p > 0.0 && p <= 1.0);
            if have.levels.iter().any(|l| odd(l.m) || odd(l.u)) || !(0.0..=2.0).contains(&have.share) {
                return Err(bad(format!("`{}`: m and u must lie in (0, 1], the share in [0, 2]", need.name)));
            }
        }
        let merge = weights.merge;
        let possible = weights.partners > 0.0
            && weights.partners.is_finite()
            && (0.0..=1.0).contains(&merge.strongest_share)
            && merge.threshold_bits.is_finite();
        let course = weights.course.is_none_or(|c| {
            [c.bias, c.linked, c.stalking].iter().all(|x| x.is_finite())
                && c.linked >= 0.0
                && c.stalking >= 0.0
        });
        if !possible || !course {
            return Err(bad("partners, merge, course: not a number that can be".into()));
        }
        Ok(weights)
    }

    /// The weights that the program comes with.
    ///
    /// # Errors
    ///
    /// When the program was built with a file that does not fit it.
    pub fn shipped() -> Result<&'static Self> {
        static SHIPPED: OnceLock<std::result::Result<Weights, String>> = OnceLock::new();
        SHIPPED
            .get_or_init(|| Self::parse(include_str!("weights.json")).map_err(|err| err.to_string()))
            .as_ref()
            .map_err(|why| Error::new(ErrorKind::Internal, why.clone()))
    }

    /// Prior weight of a pair in a pool of so many reports, in bits:
    /// log2(partners / (reports − 1)).
    pub fn prior_bits(&self, reports: usize) -> f64 {
        let others = reports.saturating_sub(1).max(1) as f64;
        (self.partners / others).min(1.0).log2()
    }

    /// Probability that a group is of one course and that it is stalking, from
    /// that of its weakest merge and that of its likeliest report.
    pub fn course_p(&self, p_linked: f64, p_stalking: f64) -> f64 {
        self.course.map_or(p_linked * p_stalking, |scale| scale.probability(p_linked, p_stalking))
    }

    /// Weight of one outcome of a comparison before its share, in bits.
    pub fn level_bits(&self, comparison: usize, outcome: Outcome) -> f64 {
        let Some(level) = self.comparisons.get(comparison).and_then(|c| c.levels.get(outcome.level)) else {
            return 0.0;
        };
        let adjust = match (level.mean_frequency, outcome.frequency) {
            // u of this very value: u · f(value) / mean f.
            (Some(mean), Some(f)) if mean > 0.0 && f > 0.0 => {
                (mean / f).log2().clamp(-ADJUST_MOST, ADJUST_MOST)
            }
            _ => 0.0,
        };
        ((level.m / level.u).log2() + adjust).clamp(LEVEL_LEAST, LEVEL_MOST)
    }

    /// Evidence of each comparison, in bits; 0 where there is none.
    pub fn evidence_bits(&self, outcomes: &Outcomes) -> [f64; COMPARISONS.len()] {
        let mut bits = [0.0; COMPARISONS.len()];
        for (c, outcome) in outcomes.iter().enumerate() {
            if let Some(outcome) = outcome {
                bits[c] = self.comparisons.get(c).map_or(0.0, |w| w.share) * self.level_bits(c, *outcome);
            }
        }
        bits
    }
}

/// Probability that stands behind a weight with its prior:
/// 1 / (1 + 2^−bits).
pub fn probability(bits: f64) -> f64 {
    1.0 / (1.0 + (-bits).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_weights_fit_the_comparisons() {
        let weights = Weights::shipped().unwrap();
        let json = serde_json::to_string(weights).unwrap();
        assert_eq!(&Weights::parse(&json).unwrap(), weights);
    }

    #[test]
    fn weights_that_do_not_fit_are_refused() {
        let good = Weights::shipped().unwrap();
        for damage in [
            |w: &mut Weights| w.schema = "other/1".into(),
            |w: &mut Weights| w.partners = 0.0,
            |w: &mut Weights| w.comparisons[0].levels[0].u = 0.0,
            |w: &mut Weights| w.comparisons[3].share = f64::INFINITY,
            |w: &mut Weights| w.comparisons[2].comparison = "other".into(),
            |w: &mut Weights| {
                w.comparisons.pop();
            },
        ] {
            let mut bad = good.clone();
            damage(&mut bad);
            let json = serde_json::to_string(&bad).unwrap();
            assert_eq!(Weights::parse(&json).unwrap_err().kind(), ErrorKind::Data);
        }
    }

    #[test]
    fn a_rarer_value_weighs_more() {
        let mut weights = Weights::shipped().unwrap().clone();
        weights.comparisons[0].levels[0].mean_frequency = Some(1e-3);
        let bits = |f| weights.level_bits(0, Outcome { level: 0, frequency: Some(f) });
        assert!(bits(1e-4) > bits(1e-3) && bits(1e-3) > bits(1e-2));
        assert!(bits(1e-300).is_finite());
    }

    #[test]
    fn a_course_is_as_likely_as_its_parts() {
        let mut weights = Weights::shipped().unwrap().clone();
        weights.course = None;
        assert!((weights.course_p(0.5, 0.8) - 0.4).abs() < 1e-12);
        weights.course = Some(CourseScale { bias: -1.0, linked: 0.5, stalking: 0.5 });
        assert!(weights.course_p(0.9, 0.9) > weights.course_p(0.6, 0.9));
        assert!(weights.course_p(0.9, 0.9) > weights.course_p(0.9, 0.6));
        for p in [0.0, 1.0] {
            assert!((0.0..=1.0).contains(&weights.course_p(p, p)));
        }
        weights.course = Some(CourseScale { bias: f64::NAN, linked: 0.5, stalking: 0.5 });
        assert!(Weights::parse(&serde_json::to_string(&weights).unwrap()).is_err());
    }

    #[test]
    fn probabilities_of_bits() {
        assert_eq!(probability(0.0), 0.5);
        assert!((probability(14.2) - 0.99995).abs() < 1e-5);
        assert!(probability(-2000.0) >= 0.0 && probability(2000.0) <= 1.0);
    }

    #[test]
    fn the_prior_falls_with_the_pool() {
        let weights = Weights::shipped().unwrap();
        assert!(weights.prior_bits(1_000_000) < weights.prior_bits(100));
        assert!(weights.prior_bits(0).is_finite() && weights.prior_bits(1) <= 0.0);
    }
}
