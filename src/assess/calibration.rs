//! From logits to probabilities, and from probabilities to states. Both are
//! fitted on validation reports and stored with the model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Stalking, round};
use crate::codebook::{Grade, Indicator, Relationship};
use crate::error::{Error, ErrorKind, Result};

/// The form of `calibration.json`.
pub const CALIBRATION_SCHEMA: &str = "throughline.calibration/1";
/// The form of `thresholds.json`.
pub const THRESHOLDS_SCHEMA: &str = "throughline.thresholds/1";

/// `σ(scale · logit + bias)` (Platt 1999).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Factor on the logit.
    pub scale: f64,
    /// Added after it.
    pub bias: f64,
}

impl Scale {
    /// Leaves the logit as it is.
    pub const IDENTITY: Self = Self { scale: 1.0, bias: 0.0 };

    /// The calibrated probability of a logit.
    pub fn probability(self, logit: f32) -> f64 {
        1.0 / (1.0 + (-(self.scale * f64::from(logit) + self.bias)).exp())
    }
}

/// Calibration of every answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Form of the file.
    pub schema: String,
    /// Of the log odds of `possible` or `likely` against `none`.
    pub stalking: Scale,
    /// Of the log odds of `likely` against `possible`.
    pub likely: Scale,
    /// Of the logits of an indicator, found and denied alike.
    pub indicators: Scale,
    /// Of the logit of serious-harm evidence.
    pub harm: Scale,
    /// Factor on the logits of the relationship.
    pub relationship: f64,
}

impl Calibration {
    /// Probabilities of the grades from their logits.
    pub fn stalking(&self, grade: &[f32]) -> Stalking {
        let at = |grade_: Grade| grade[grade_.index()];
        let (none, possible, likely) = (at(Grade::None), at(Grade::Possible), at(Grade::Likely));
        let max = possible.max(likely);
        let either = max + ((possible - max).exp() + (likely - max).exp()).ln();
        let p = self.stalking.probability(either - none);
        let share = self.likely.probability(likely - possible);
        // Rounded so that the three add up to one and two of them to p.
        let p = round(p);
        let likely = round(p * share);
        Stalking { p, none: round(1.0 - p), possible: round(p - likely), likely }
    }

    /// Probabilities that an indicator is found and that it is denied.
    pub fn indicator(&self, found: f32, denied: f32) -> (f64, f64) {
        let Scale { scale, bias } = self.indicators;
        let f = scale * f64::from(found) + bias;
        let d = scale * f64::from(denied) + bias;
        let max = f.max(d).max(0.0);
        let (ef, ed, e0) = ((f - max).exp(), (d - max).exp(), (-max).exp());
        let sum = ef + ed + e0;
        (ef / sum, ed / sum)
    }

    /// Probabilities of the relationships, in codebook order.
    pub fn relationships(&self, logits: &[f32]) -> Vec<f64> {
        let scaled: Vec<f64> = logits.iter().map(|l| self.relationship * f64::from(*l)).collect();
        let max = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scaled.iter().map(|s| (s - max).exp()).sum();
        scaled.iter().map(|s| (s - max).exp() / sum).collect()
    }

    /// The most probable relationship and its probability; of equals the first.
    pub fn relationship(&self, logits: &[f32]) -> (Relationship, f64) {
        let mut best = (Relationship::Unknown, 0.0);
        for (&relationship, p) in Relationship::ALL.iter().zip(self.relationships(logits)) {
            if p > best.1 {
                best = (relationship, p);
            }
        }
        best
    }

    /// Refuses a file of another form or with numbers that are not finite.
    pub(super) fn check(&self, origin: &str) -> Result<()> {
        let scales = [self.stalking, self.likely, self.indicators, self.harm];
        let finite = scales.iter().all(|s| s.scale.is_finite() && s.bias.is_finite());
        if self.schema != CALIBRATION_SCHEMA || !finite || !self.relationship.is_finite() {
            return Err(Error::new(
                ErrorKind::Model,
                format!("{origin}: calibration.json is not of the form `{CALIBRATION_SCHEMA}`"),
            ));
        }
        Ok(())
    }
}

/// Thresholds on `stalking.p`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateThresholds {
    /// From here on `review`.
    pub review: f64,
    /// From here on `possible`.
    pub possible: f64,
    /// With abstention on, `cannot_tell` from the first to below the second.
    pub abstain: [f64; 2],
}

/// Thresholds of one indicator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndicatorThresholds {
    /// Probability from which it counts as found.
    pub found: f64,
    /// Probability from which it counts as denied.
    pub denied: f64,
}

/// Where probabilities become states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Form of the file.
    pub schema: String,
    /// Of the report.
    pub states: StateThresholds,
    /// Of serious-harm evidence.
    pub serious_harm: f64,
    /// Of each indicator.
    pub indicators: BTreeMap<Indicator, IndicatorThresholds>,
    /// Probability from which a token is shown as evidence.
    pub evidence_token: f64,
    /// What each threshold of the report's probability gave on the validation
    /// reports, highest first; empty in models from before it was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operating: Vec<OperatingPoint>,
}

/// How many validation reports a threshold flags, and of how many.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// The threshold.
    pub p: f64,
    /// Of the reports graded `none`: how many it flags, and all.
    pub none: [u32; 2],
    /// Of the reports graded `possible`: how many it flags, and all.
    pub possible: [u32; 2],
    /// Of the reports graded `likely`: how many it flags, and all.
    pub likely: [u32; 2],
}

impl OperatingPoint {
    /// Share of `possible` and `likely` that is flagged.
    pub fn recall(&self) -> f64 {
        let of = |i: usize| f64::from(self.possible[i] + self.likely[i]);
        of(0) / of(1).max(1.0)
    }

    /// Share of the flagged that is `possible` or `likely`, where that is the
    /// grade of `prevalence` of all reports; `false_alarms` is the share of
    /// `none` that is flagged.
    pub fn precision(&self, prevalence: f64, false_alarms: f64) -> f64 {
        let right = prevalence * self.recall();
        let wrong = (1.0 - prevalence) * false_alarms;
        if right + wrong > 0.0 { right / (right + wrong) } else { 0.0 }
    }

    /// Share of all reports that is flagged at `prevalence`.
    pub fn workload(&self, prevalence: f64, false_alarms: f64) -> f64 {
        prevalence * self.recall() + (1.0 - prevalence) * false_alarms
    }
}

/// The interval of Wilson (1927) for a share of `k` in `n`, at 95 %.
pub fn wilson(k: u32, n: u32) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if n == 0 {
        return (0.0, 1.0);
    }
    let (k, n) = (f64::from(k), f64::from(n));
    let share = k / n;
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

impl Thresholds {
    /// Thresholds of `indicator`.
    pub fn indicator(&self, indicator: Indicator) -> IndicatorThresholds {
        let middle = IndicatorThresholds { found: 0.5, denied: 0.5 };
        self.indicators.get(&indicator).copied().unwrap_or(middle)
    }

    /// Refuses a file of another form, without an indicator, or out of order.
    pub(super) fn check(&self, origin: &str) -> Result<()> {
        let refuse =
            |what: String| Err(Error::new(ErrorKind::Model, format!("{origin}: thresholds.json: {what}")));
        if self.schema != THRESHOLDS_SCHEMA {
            return refuse(format!("form `{}`, needed `{THRESHOLDS_SCHEMA}`", self.schema));
        }
        if let Some(missing) = Indicator::ALL.iter().find(|i| !self.indicators.contains_key(i)) {
            return refuse(format!("no thresholds for {missing}"));
        }
        let s = &self.states;
        if !(0.0 <= s.possible && s.possible <= s.review && s.review <= 1.0) {
            return refuse(format!("possible {} and review {} are out of order", s.possible, s.review));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn intervals_are_those_of_wilson() {
        // statsmodels' proportion_confint(8, 10, method="wilson"): 0.4901625, 0.9433178.
        let (low, high) = wilson(8, 10);
        assert!((low - 0.490_162_5).abs() < 1e-6 && (high - 0.943_317_8).abs() < 1e-6, "{low} {high}");
        // Nothing flagged is not the same as nothing wrong.
        assert!(wilson(0, 100).1 > 0.03);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn an_operating_point_is_brought_to_a_prevalence() {
        let point = OperatingPoint { p: 0.5, none: [10, 100], possible: [5, 10], likely: [9, 10] };
        assert!((point.recall() - 0.7).abs() < 1e-12);
        // 0.02 · 0.7 = 0.014 right and 0.98 · 0.1 = 0.098 wrong.
        assert!((point.precision(0.02, 0.1) - 0.125).abs() < 1e-12);
        assert!((point.workload(0.02, 0.1) - 0.112).abs() < 1e-12);
    }

    fn calibration() -> Calibration {
        Calibration {
            schema: CALIBRATION_SCHEMA.into(),
            stalking: Scale { scale: 0.8, bias: 0.1 },
            likely: Scale::IDENTITY,
            indicators: Scale::IDENTITY,
            harm: Scale::IDENTITY,
            relationship: 1.0,
        }
    }

    #[test]
    fn identity_gives_the_softmax() {
        let c = Calibration { stalking: Scale::IDENTITY, ..calibration() };
        let s = c.stalking(&[1.0, 2.0, 3.0]);
        assert!((s.none - 0.090_031).abs() < 1e-6 && (s.likely - 0.665_241).abs() < 1e-6, "{s:?}");
        let (found, denied) = c.indicator(2.0, 1.0);
        assert!((found - 0.665_241).abs() < 1e-6 && (denied - 0.244_728).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn probabilities_are_finite_and_add_up(a in -1e4f32..1e4, b in -1e4f32..1e4, c in -1e4f32..1e4) {
            let s = calibration().stalking(&[a, b, c]);
            prop_assert!((s.none + s.possible + s.likely - 1.0).abs() < 1e-9);
            prop_assert!((s.possible + s.likely - s.p).abs() < 1e-9);
            prop_assert!(s.p >= 0.0 && s.p <= 1.0 && s.likely >= 0.0 && s.possible >= -1e-12);
            let (found, denied) = calibration().indicator(a, b);
            prop_assert!(found >= 0.0 && denied >= 0.0 && found + denied <= 1.0 + 1e-9);
            let (_, p) = calibration().relationship(&[a, b, c]);
            prop_assert!((0.0..=1.0 + 1e-9).contains(&p));
        }
    }
}
