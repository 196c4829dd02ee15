//! Calibration and thresholds, fitted on validation reports after training.
//!
//! `review` is put where at least nine in ten of the validation reports above
//! it are rightly there, and not lower than where one in twenty of the reports
//! graded `none` would be; `possible` where 97 % of the reports graded
//! `possible` or `likely` are. Thresholds of indicators maximise F1, those of
//! rare indicators drawn towards the one that is best over all indicators.

use std::collections::BTreeMap;

use super::found_log_odds;
use super::settings::TrainSettings;
use super::targets::Targets;
use crate::assess::{
    CALIBRATION_SCHEMA, Calibration, IndicatorThresholds, OperatingPoint, Scale, StateThresholds,
    THRESHOLDS_SCHEMA, Thresholds,
};
use crate::codebook::{Grade, Indicator, Relationship};
use crate::evaluate::metrics::{Counts, Ranked, average_precision, recall_at_precision};
use crate::model::Reading;
use crate::nn::loss::softplus;

/// Precision at which `review` is set.
const REVIEW_PRECISION: f64 = 0.90;
/// Largest share of reports graded `none` that `review` may flag.
const REVIEW_FALSE_ALARMS: f64 = 0.05;
/// Recall at which `possible` is set.
const POSSIBLE_RECALL: f64 = 0.97;
/// Positives that the common threshold counts as when it is weighed against an
/// indicator's own.
const COMMON_WEIGHT: f64 = 10.0;
/// Strength of the pull of calibration towards leaving logits as they are, in
/// rows.
const PRIOR_ROWS: f64 = 2.0;

/// What was fitted, and what it gives on the rows it was fitted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// From logits to probabilities.
    pub calibration: Calibration,
    /// From probabilities to states.
    pub thresholds: Thresholds,
    /// Average precision of `possible` or `likely`.
    pub stalking_ap: f64,
    /// Mean F1 over indicators with at least ten positives.
    pub indicator_f1: f64,
}

/// Fits calibration and thresholds.
pub fn fit(readings: &[Reading], targets: &[&Targets]) -> Fitted {
    let calibration = calibrate(readings, targets);
    let thresholds = thresholds(&calibration, readings, targets);
    let ranked: Vec<Ranked> = stalking_rows(&calibration, readings, targets)
        .iter()
        .map(|&(score, positive, _)| Ranked { score, positive })
        .collect();
    let mut f1s = Vec::new();
    for &indicator in Indicator::ALL {
        let rows = indicator_rows(&calibration, readings, targets, indicator, 1);
        if rows.iter().filter(|r| r.1).count() >= 10 {
            let limit = thresholds.indicator(indicator).found;
            f1s.push(Counts::of(rows.iter().map(|&(p, truth)| (p >= limit, truth))).f1());
        }
    }
    Fitted {
        calibration,
        thresholds,
        stalking_ap: average_precision(&ranked).unwrap_or(0.0),
        indicator_f1: f1s.iter().sum::<f64>() / f1s.len().max(1) as f64,
    }
}

/// The least of a convex function over `[low, high]` by golden section.
fn golden(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_895;
    for _ in 0..60 {
        let a = high - RATIO * (high - low);
        let b = low + RATIO * (high - low);
        if f(a) < f(b) {
            high = b;
        } else {
            low = a;
        }
    }
    0.5 * (low + high)
}

/// Scale and bias that make `loss(scale, bias)`, summed over rows, least;
/// convex, so one line at a time gets there.
fn fit_scale(loss: impl Fn(f64, f64) -> f64) -> Scale {
    let total = |scale: f64, bias: f64| {
        loss(scale, bias) + PRIOR_ROWS * ((scale - 1.0).powi(2) + 0.25 * bias.powi(2))
    };
    let (mut scale, mut bias) = (1.0, 0.0);
    for _ in 0..40 {
        scale = golden(0.05, 5.0, |s| total(s, bias));
        bias = golden(-6.0, 6.0, |b| total(scale, b));
    }
    let places = |x: f64| (x * 1e4).round() / 1e4;
    Scale { scale: places(scale), bias: places(bias) }
}

/// Logistic loss of `(logit, truth)` rows.
fn logistic(rows: &[(f64, bool)], scale: f64, bias: f64) -> f64 {
    rows.iter()
        .map(|&(logit, truth)| {
            let x = scale * logit + bias;
            if truth { softplus(-x) } else { softplus(x) }
        })
        .sum()
}

fn calibrate(readings: &[Reading], targets: &[&Targets]) -> Calibration {
    let rows: Vec<(&Reading, &Targets)> = readings.iter().zip(targets.iter().copied()).collect();
    let stalking: Vec<(f64, bool)> =
        rows.iter().map(|(r, t)| (f64::from(r.leaning()), t.grade > 0)).collect();
    let likely: Vec<(f64, bool)> = rows
        .iter()
        .filter(|(_, t)| t.grade > 0)
        .map(|(r, t)| {
            let (l, p) = (r.grade[Grade::Likely.index()], r.grade[Grade::Possible.index()]);
            (f64::from(l - p), t.grade == Grade::Likely.index())
        })
        .collect();
    let harm: Vec<(f64, bool)> = rows.iter().map(|(r, t)| (f64::from(r.harm), t.harm)).collect();
    let indicators = fit_scale(|scale, bias| {
        let mut loss = 0.0;
        for (r, t) in &rows {
            for (i, &state) in t.states.iter().enumerate() {
                let f = scale * f64::from(r.found[i]) + bias;
                let d = scale * f64::from(r.denied[i]) + bias;
                let max = f.max(d).max(0.0);
                let sum = (f - max).exp() + (d - max).exp() + (-max).exp();
                loss += max + sum.ln() - [0.0, f, d][usize::from(state.min(2))];
            }
        }
        loss
    });
    let relationship = golden(0.1, 4.0, |scale| {
        let mut loss = 0.0;
        for (r, t) in &rows {
            let scaled: Vec<f64> = r.relationship.iter().map(|l| scale * f64::from(*l)).collect();
            let max = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scaled.iter().map(|s| (s - max).exp()).sum();
            loss += max + sum.ln() - scaled[t.relationship];
        }
        loss + PRIOR_ROWS * (scale - 1.0).powi(2)
    });
    Calibration {
        schema: CALIBRATION_SCHEMA.into(),
        stalking: fit_scale(|s, b| logistic(&stalking, s, b)),
        likely: fit_scale(|s, b| logistic(&likely, s, b)),
        indicators,
        harm: fit_scale(|s, b| logistic(&harm, s, b)),
        relationship: (relationship * 1e4).round() / 1e4,
    }
}

/// What is true of each report, for each answer of the lexical path.
pub fn lexical_truths(targets: &[&Targets]) -> Vec<Vec<Option<bool>>> {
    let likely = Grade::Likely.index();
    let each = |truth: &dyn Fn(&Targets) -> Option<bool>| targets.iter().map(|t| truth(t)).collect();
    let mut truths: Vec<Vec<Option<bool>>> = vec![
        each(&|t| Some(t.grade > 0)),
        each(&|t| (t.grade > 0).then_some(t.grade == likely)),
        each(&|t| Some(t.harm)),
    ];
    truths.extend(Indicator::ALL.iter().map(|i| each(&|t| Some(t.states[i.index()] == 1))));
    truths.extend(Relationship::ALL.iter().map(|r| each(&|t| Some(t.relationship == r.index()))));
    truths
}

/// How much each answer of the lexical path weighs beside the encoder's, by
/// logistic regression on the two logits: one factor for each question, and
/// one shared by all indicators and one by all relationships, because few
/// reports tell about each of them.
pub fn lexical_factors(readings: &[Reading], logits: &[Vec<f32>], targets: &[&Targets]) -> Vec<f32> {
    let (likely, possible) = (Grade::Likely.index(), Grade::Possible.index());
    let truths = lexical_truths(targets);
    let encoder = |r: &Reading, answer: usize| -> f64 {
        f64::from(match answer {
            0 => r.leaning(),
            1 => r.grade[likely] - r.grade[possible],
            2 => r.harm,
            _ if answer < 3 + Indicator::ALL.len() => crate::train::found_log_odds(r, answer - 3),
            _ => {
                let of = answer - 3 - Indicator::ALL.len();
                let others = r.relationship.iter().enumerate().filter(|(i, _)| *i != of);
                let max = r.relationship.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let rest: f32 = others.map(|(_, l)| (l - max).exp()).sum();
                r.relationship[of] - max - rest.max(1e-12).ln()
            }
        })
    };
    let rows = |answer: usize| -> Vec<(f64, f64, bool)> {
        let row = |i: usize| {
            let truth = truths[answer][i]?;
            Some((encoder(&readings[i], answer), f64::from(logits[i][answer]), truth))
        };
        (0..readings.len()).filter_map(row).collect()
    };
    let pooled = |answers: std::ops::Range<usize>| answers.flat_map(rows).collect::<Vec<_>>();
    let (found, all) = (3..3 + Indicator::ALL.len(), truths.len());
    let mut factors: Vec<f32> = (0..3).map(|answer| fit_factor(&rows(answer))).collect();
    factors.extend(vec![fit_factor(&pooled(found.clone())); found.len()]);
    factors.extend(vec![fit_factor(&pooled(found.end..all)); all - found.end]);
    factors
}

/// The weight of the second logit in units of the first: `a (x + f y) + b` with
/// the least logistic loss, `f` from 0 to 3.
fn fit_factor(rows: &[(f64, f64, bool)]) -> f32 {
    let total = |a: f64, f: f64, b: f64| {
        let mixed: Vec<(f64, bool)> = rows.iter().map(|&(x, y, truth)| (x + f * y, truth)).collect();
        logistic(&mixed, a, b) + PRIOR_ROWS * ((a - 1.0).powi(2) + 0.25 * b.powi(2) + (f - 0.5).powi(2))
    };
    let (mut b, mut f) = (0.0, 0.5);
    for _ in 0..12 {
        let a = golden(0.05, 5.0, |a| total(a, f, b));
        b = golden(-6.0, 6.0, |b| total(a, f, b));
        f = golden(0.0, 3.0, |f| total(a, f, b));
    }
    ((f * 1e3).round() / 1e3) as f32
}

/// `(p, possible or likely, likely)` of each report.
fn stalking_rows(
    calibration: &Calibration,
    readings: &[Reading],
    targets: &[&Targets],
) -> Vec<(f64, bool, bool)> {
    readings
        .iter()
        .zip(targets)
        .map(|(r, t)| {
            let p = calibration.stalking(&r.grade).p;
            (p, t.grade > 0, t.grade == Grade::Likely.index())
        })
        .collect()
}

/// `(p of the state, whether it is the state)` of each report; state 1 is
/// found, 2 denied.
fn indicator_rows(
    calibration: &Calibration,
    readings: &[Reading],
    targets: &[&Targets],
    indicator: Indicator,
    state: u8,
) -> Vec<(f64, bool)> {
    let i = indicator.index();
    readings
        .iter()
        .zip(targets)
        .map(|(r, t)| {
            let (found, denied) = calibration.indicator(r.found[i], r.denied[i]);
            (if state == 1 { found } else { denied }, t.states[i] == state)
        })
        .collect()
}

/// Thresholds that are tried.
fn grid() -> impl Iterator<Item = f64> {
    (2..=48).map(|i| f64::from(i) / 50.0)
}

fn f1_at(rows: &[(f64, bool)], threshold: f64) -> f64 {
    Counts::of(rows.iter().map(|&(p, truth)| (p >= threshold, truth))).f1()
}

/// The threshold with the greatest `value`; of equals the one nearest to 0.5.
fn best(value: impl Fn(f64) -> f64) -> f64 {
    let mut best = (0.5, value(0.5));
    for threshold in grid() {
        let v = value(threshold);
        let nearer = (threshold - 0.5).abs() < (best.0 - 0.5f64).abs();
        if v > best.1 + 1e-12 || (v >= best.1 - 1e-12 && nearer) {
            best = (threshold, v);
        }
    }
    best.0
}

fn thresholds(calibration: &Calibration, readings: &[Reading], targets: &[&Targets]) -> Thresholds {
    let stalking = stalking_rows(calibration, readings, targets);
    let states = state_thresholds(&stalking);

    let harm: Vec<(f64, bool)> =
        readings.iter().zip(targets).map(|(r, t)| (calibration.harm.probability(r.harm), t.harm)).collect();

    let rows_of = |indicator, state| indicator_rows(calibration, readings, targets, indicator, state);
    let pooled =
        |state| -> Vec<(f64, bool)> { Indicator::ALL.iter().flat_map(|&i| rows_of(i, state)).collect() };
    let (all_found, all_denied) = (pooled(1), pooled(2));
    let denied = best(|t| f1_at(&all_denied, t));
    let mut indicators = BTreeMap::new();
    for &indicator in Indicator::ALL {
        let rows = rows_of(indicator, 1);
        let positives = rows.iter().filter(|r| r.1).count() as f64;
        let found = best(|t| positives * f1_at(&rows, t) + COMMON_WEIGHT * f1_at(&all_found, t));
        indicators.insert(indicator, IndicatorThresholds { found, denied });
    }

    let mut tokens: Vec<(f64, bool)> = Vec::new();
    let width = Indicator::ALL.len();
    for (r, t) in readings.iter().zip(targets) {
        for i in (0..width).filter(|&i| t.states[i] == 1) {
            let marked: Vec<usize> = t.evidence.iter().filter(|e| e.1 == i && !e.2).map(|e| e.0).collect();
            if marked.is_empty() || found_log_odds(r, i) < 0.0 {
                continue;
            }
            for (token, row) in r.found_evidence.chunks_exact(width).enumerate() {
                let p = 1.0 / (1.0 + (-f64::from(row[i])).exp());
                tokens.push((p, marked.binary_search(&token).is_ok()));
            }
        }
    }
    Thresholds {
        schema: THRESHOLDS_SCHEMA.into(),
        states,
        serious_harm: best(|t| f1_at(&harm, t)),
        indicators,
        evidence_token: best(|t| f1_at(&tokens, t)),
        operating: operating(&stalking, &states),
    }
}

/// What thresholds give on `(p, possible or likely, likely)` rows: those in
/// force, and twenty more in even steps.
fn operating(rows: &[(f64, bool, bool)], states: &StateThresholds) -> Vec<OperatingPoint> {
    let mut tried: Vec<f64> = (1..20).map(|i| f64::from(i) / 20.0).collect();
    tried.extend([states.possible, states.review, 0.98]);
    tried.sort_by(|a, b| b.total_cmp(a));
    tried.dedup();
    let count = |p: f64, of: &dyn Fn(bool, bool) -> bool| {
        let of: Vec<f64> = rows.iter().filter(|r| of(r.1, r.2)).map(|r| r.0).collect();
        [of.iter().filter(|x| **x >= p).count() as u32, of.len() as u32]
    };
    tried
        .into_iter()
        .map(|p| OperatingPoint {
            p,
            none: count(p, &|stalking, _| !stalking),
            possible: count(p, &|stalking, likely| stalking && !likely),
            likely: count(p, &|_, likely| likely),
        })
        .collect()
}

fn state_thresholds(rows: &[(f64, bool, bool)]) -> StateThresholds {
    let places = |x: f64| (x * 1e4).floor() / 1e4;
    let precise = recall_at_precision(rows, REVIEW_PRECISION)
        .map(|at| at.threshold)
        .filter(|t| t.is_finite())
        .unwrap_or(0.9);
    let mut negatives: Vec<f64> = rows.iter().filter(|r| !r.1).map(|r| r.0).collect();
    negatives.sort_by(|a, b| b.total_cmp(a));
    let allowed = (negatives.len() as f64 * REVIEW_FALSE_ALARMS) as usize;
    let quiet = negatives.get(allowed).map_or(0.5, |p| p + 1e-4);
    let review = places(precise.max(quiet).clamp(0.05, 0.99));

    let mut positives: Vec<f64> = rows.iter().filter(|r| r.1).map(|r| r.0).collect();
    positives.sort_by(|a, b| b.total_cmp(a));
    let wanted = (positives.len() as f64 * POSSIBLE_RECALL).ceil() as usize;
    let possible = positives.get(wanted.saturating_sub(1)).copied().unwrap_or(0.5);
    let possible = places(possible).clamp(0.01, review);
    let abstain = [places(possible * 0.6), places((possible * 1.6).min(review))];
    StateThresholds { review, possible, abstain }
}

/// The card of a freshly trained model: origin, data, validation figures, and
/// what must be known before anybody relies on it.
pub fn card(
    settings: &TrainSettings,
    base: &str,
    data_sha256: &str,
    (train, validation): (usize, usize),
    fitted: &Fitted,
) -> String {
    let states = &fitted.thresholds.states;
    let filled = [
        ("{name}", settings.model.name.clone()),
        ("{version}", settings.model.version.clone()),
        ("{base}", base.to_owned()),
        ("{train}", train.to_string()),
        ("{validation}", validation.to_string()),
        ("{authors}", settings.data.validation_authors.join(", ")),
        ("{tests}", settings.data.test_authors.join(", ")),
        ("{data_sha256}", data_sha256.to_owned()),
        ("{seed}", settings.training.seed.to_string()),
        ("{review}", states.review.to_string()),
        ("{possible}", states.possible.to_string()),
        ("{ap}", format!("{:.3}", fitted.stalking_ap)),
        ("{f1}", format!("{:.3}", fitted.indicator_f1)),
    ];
    filled.iter().fold(include_str!("card.md").to_owned(), |card, (place, value)| card.replace(place, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_scale_is_found_again() {
        // Logits that are twice too large: truth drawn by σ(x / 2).
        let mut rng = crate::rng::Rng::new(1, "calibration");
        let rows: Vec<(f64, bool)> = (0..4000)
            .map(|_| {
                let x = 4.0 * rng.normal();
                (x, rng.unit() < 1.0 / (1.0 + (-(0.5 * x + 0.3)).exp()))
            })
            .collect();
        let fitted = fit_scale(|s, b| logistic(&rows, s, b));
        assert!((fitted.scale - 0.5).abs() < 0.05, "{fitted:?}");
        assert!((fitted.bias - 0.3).abs() < 0.12, "{fitted:?}");
    }

    #[test]
    fn the_better_of_two_logits_weighs_more() {
        let mut rng = crate::rng::Rng::new(2, "factors");
        let mut rows = |noise_x: f64, noise_y: f64| -> Vec<(f64, f64, bool)> {
            (0..2000)
                .map(|_| {
                    let truth = rng.unit() < 0.5;
                    let z = if truth { 1.0 } else { -1.0 };
                    (z + noise_x * rng.normal(), z + noise_y * rng.normal(), truth)
                })
                .collect()
        };
        let (alike, worse, noise) =
            (fit_factor(&rows(1.0, 1.0)), fit_factor(&rows(1.0, 2.0)), fit_factor(&rows(0.5, 50.0)));
        assert!((alike - 1.0).abs() < 0.2, "{alike}");
        // The best weight of a logit with twice the noise is a quarter.
        assert!((worse - 0.25).abs() < 0.1, "{worse}");
        assert!(noise < 0.02, "{noise}");
    }

    #[test]
    fn review_lies_above_possible_and_keeps_its_precision() {
        let rows: Vec<(f64, bool, bool)> = (0..200)
            .map(|i| {
                let p = f64::from(i) / 200.0;
                (p, i >= 100 || i % 10 == 0, i >= 120)
            })
            .collect();
        let states = state_thresholds(&rows);
        assert!(states.possible <= states.review);
        let above: Vec<_> = rows.iter().filter(|r| r.0 >= states.review).collect();
        let right = above.iter().filter(|r| r.1).count() as f64;
        assert!(right / above.len() as f64 >= REVIEW_PRECISION);
        let found = rows.iter().filter(|r| r.1 && r.0 >= states.possible).count() as f64;
        assert!(found / rows.iter().filter(|r| r.1).count() as f64 >= POSSIBLE_RECALL);
    }

    #[test]
    fn the_best_threshold_separates_what_can_be_separated() {
        let rows = [(0.1, false), (0.2, false), (0.3, true), (0.4, true)];
        let t = best(|t| f1_at(&rows, t));
        assert!((0.2..=0.3).contains(&t), "{t}");
        // Nothing to tell apart: the middle.
        assert_eq!(best(|_| 1.0), 0.5);
    }
}
