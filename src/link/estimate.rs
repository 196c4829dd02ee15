//! m, u and shares from reports whose courses are known, and m and u by EM
//! where they are not.

use super::compare::{COMPARISONS, Outcomes, compare};
use super::record::Pool;
use super::weights::{ComparisonWeights, CourseScale, Level, MergeRule, WEIGHTS_SCHEMA, Weights};

/// What two reports look like and whether they are of one course.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// On which levels they stand.
    pub outcomes: Outcomes,
    /// Whether they are of one course.
    pub matched: bool,
}

/// Every pair of a pool with its truth; `case` gives the course of a record's
/// id, if it belongs to one.
pub fn observe(pool: &Pool, case: &dyn Fn(&str) -> Option<String>) -> Vec<Observed> {
    let cases: Vec<Option<String>> = pool.records.iter().map(|r| case(&r.id)).collect();
    let mut observed = Vec::new();
    for i in 0..cases.len() {
        for j in i + 1..cases.len() {
            let matched = cases[i].is_some() && cases[i] == cases[j];
            observed.push(Observed { outcomes: compare(pool, i, j), matched });
        }
    }
    observed
}

/// Levels with m, u and mean frequency from weighted counts. `weight` is the
/// probability that a pair is of one course: 1 or 0 where that is known.
fn levels(observed: &[Observed], weight: &dyn Fn(usize) -> f64) -> Vec<ComparisonWeights> {
    COMPARISONS
        .iter()
        .enumerate()
        .map(|(c, comparison)| {
            let count = comparison.levels.len();
            let (mut m, mut u) = (vec![0.0; count], vec![0.0; count]);
            let (mut log_frequency, mut with_frequency) = (vec![0.0; count], vec![0.0; count]);
            for (i, pair) in observed.iter().enumerate() {
                let Some(outcome) = pair.outcomes[c] else { continue };
                let w = weight(i);
                m[outcome.level] += w;
                u[outcome.level] += 1.0 - w;
                if let Some(f) = outcome.frequency.filter(|f| *f > 0.0) {
                    // Of matches the mean over values, of others over chance
                    // agreements; few chance agreements borrow from matches.
                    let w = (1.0 - w) + 0.02 * w;
                    log_frequency[outcome.level] += w * f.ln();
                    with_frequency[outcome.level] += w;
                }
            }
            let (total_m, total_u): (f64, f64) = (m.iter().sum(), u.iter().sum());
            let mut sum_m = 0.0;
            let mut sum_u = 0.0;
            let smooth = 0.5;
            let shares: Vec<(f64, f64)> = (0..count)
                .map(|l| {
                    let pair = (
                        (m[l] + smooth) / (total_m + smooth * count as f64),
                        (u[l] + smooth) / (total_u + smooth * count as f64),
                    );
                    sum_m += pair.0;
                    sum_u += pair.1;
                    pair
                })
                .collect();
            let levels = (0..count)
                .map(|l| Level {
                    name: comparison.levels[l].to_owned(),
                    m: digits(shares[l].0 / sum_m),
                    u: digits(shares[l].1 / sum_u),
                    mean_frequency: (with_frequency[l] > 0.0)
                        .then(|| digits((log_frequency[l] / with_frequency[l]).exp())),
                })
                .collect();
            ComparisonWeights { comparison: comparison.name.into(), share: 1.0, levels }
        })
        .collect()
}

/// Six significant digits: a file that reads well and rounds alike everywhere.
fn digits(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

/// Weights from pairs whose truth is known. `pool_size` is the mean number of
/// reports of the pools that the pairs are from.
pub fn from_truth(observed: &[Observed], pool_size: f64) -> Weights {
    let truth = |i: usize| f64::from(u8::from(observed[i].matched));
    let mut weights = Weights {
        schema: WEIGHTS_SCHEMA.into(),
        made_by: String::new(),
        estimated_from: String::new(),
        partners: 1.0,
        merge: MergeRule { strongest_share: 0.5, threshold_bits: 0.0 },
        course: None,
        comparisons: levels(observed, &truth),
    };
    let (shares, intercept) = fit_shares(observed, &weights);
    for (comparison, share) in weights.comparisons.iter_mut().zip(shares) {
        comparison.share = digits(share);
    }
    weights.partners = digits(intercept.exp2() * (pool_size - 1.0).max(1.0));
    weights
}

/// Shares of the comparisons and the intercept, in bits, of a logistic model
/// of truth on weights: each comparison keeps the part that the others have
/// not said already. Cyclic coordinate descent by Newton steps, shares held
/// within 0 and 1.2, with a ridge that draws them to 0.6.
fn fit_shares(observed: &[Observed], weights: &Weights) -> (Vec<f64>, f64) {
    let count = COMPARISONS.len();
    let rows: Vec<Vec<(usize, f64)>> = observed
        .iter()
        .map(|pair| {
            let parts = pair.outcomes.iter().enumerate();
            parts.filter_map(|(c, o)| o.map(|o| (c, weights.level_bits(c, o)))).collect()
        })
        .collect();
    let mut columns: Vec<Vec<(usize, f64)>> = vec![Vec::new(); count];
    for (i, row) in rows.iter().enumerate() {
        for &(c, bits) in row {
            columns[c].push((i, bits));
        }
    }
    let truth: Vec<f64> = observed.iter().map(|o| f64::from(u8::from(o.matched))).collect();
    let mut shares = vec![0.6; count];
    let mut intercept = -6.0;
    let mut totals: Vec<f64> = rows
        .iter()
        .map(|row| intercept + row.iter().map(|(c, bits)| shares[*c] * bits).sum::<f64>())
        .collect();
    let ln2 = std::f64::consts::LN_2;
    let ridge = 2.0;
    for _ in 0..60 {
        let mut moved = 0.0f64;
        let (mut gradient, mut curvature) = (0.0, 1e-9);
        for (total, truth) in totals.iter().zip(&truth) {
            let p = super::weights::probability(*total);
            gradient += ln2 * (truth - p);
            curvature += ln2 * ln2 * p * (1.0 - p);
        }
        let step = (gradient / curvature).clamp(-2.0, 2.0);
        intercept += step;
        totals.iter_mut().for_each(|t| *t += step);
        moved = moved.max(step.abs());
        for (c, column) in columns.iter().enumerate() {
            let (mut gradient, mut curvature) = (-ridge * (shares[c] - 0.6), ridge);
            for &(i, bits) in column {
                let p = super::weights::probability(totals[i]);
                gradient += ln2 * bits * (truth[i] - p);
                curvature += ln2 * ln2 * bits * bits * p * (1.0 - p);
            }
            let wanted = (shares[c] + (gradient / curvature).clamp(-0.3, 0.3)).clamp(0.0, 1.2);
            let step = wanted - shares[c];
            if step != 0.0 {
                shares[c] = wanted;
                for &(i, bits) in column {
                    totals[i] += step * bits;
                }
            }
            moved = moved.max(step.abs());
        }
        if moved < 1e-5 {
            break;
        }
    }
    (shares, intercept)
}

/// A group whose truth is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupTruth {
    /// Probability that it belongs together, by its weakest merge.
    pub p_linked: f64,
    /// Probability of stalking of its likeliest report.
    pub p_stalking: f64,
    /// Whether all its reports are of one course, and that is stalking.
    pub right: bool,
    /// The pool that it is from.
    pub pool: usize,
}

/// Logistic regression of truth on both log odds, by Newton steps, factors
/// not below 0; a ridge of 1 draws it to the sum of the odds, which is what
/// stands where little is known. `None` without a group of either truth.
pub fn course_scale(groups: &[GroupTruth]) -> Option<CourseScale> {
    if !groups.iter().any(|g| g.right) || groups.iter().all(|g| g.right) {
        return None;
    }
    let start = [0.0, 0.5, 0.5];
    let mut w = start;
    for _ in 0..100 {
        let mut moved = 0.0f64;
        // One factor after the other: three are few, and bounds are simple.
        for k in 0..3 {
            let (mut gradient, mut curvature) = (-(w[k] - start[k]), 1.0);
            for group in groups {
                let [l, s] = CourseScale::odds(group.p_linked, group.p_stalking);
                let x = [1.0, l, s];
                let p = 1.0 / (1.0 + (-(w[0] + w[1] * l + w[2] * s)).exp());
                gradient += x[k] * (f64::from(u8::from(group.right)) - p);
                curvature += x[k] * x[k] * p * (1.0 - p);
            }
            let wanted = w[k] + (gradient / curvature).clamp(-0.5, 0.5);
            let wanted = if k == 0 { wanted } else { wanted.max(0.0) };
            moved = moved.max((wanted - w[k]).abs());
            w[k] = wanted;
        }
        if moved < 1e-7 {
            break;
        }
    }
    Some(CourseScale { bias: digits(w[0]), linked: digits(w[1]), stalking: digits(w[2]) })
}

/// m and u by expectation and maximisation (Dempster, Laird and Rubin 1977;
/// Winkler 1988) where no truth is known, from the weights given; `prior` is
/// the first guess at the share of pairs of one course. Shares, frequencies
/// and the merge rule stay as they are. Gives the weights and the share found.
pub fn by_em(observed: &[Observed], start: &Weights, prior: f64, rounds: usize) -> (Weights, f64) {
    let mut weights = start.clone();
    let mut share = prior.clamp(1e-9, 0.5);
    for _ in 0..rounds {
        let odds = (share / (1.0 - share)).log2();
        let p: Vec<f64> = observed
            .iter()
            .map(|pair| {
                let bits: f64 = weights
                    .comparisons
                    .iter()
                    .zip(&pair.outcomes)
                    .filter_map(|(c, o)| o.and_then(|o| c.levels.get(o.level)))
                    .map(|level| (level.m / level.u).log2())
                    .sum();
                super::weights::probability(odds + bits)
            })
            .collect();
        share = (p.iter().sum::<f64>() / p.len().max(1) as f64).clamp(1e-9, 0.5);
        for (new, old) in levels(observed, &|i| p[i]).into_iter().zip(&mut weights.comparisons) {
            for (new, old) in new.levels.into_iter().zip(&mut old.levels) {
                (old.m, old.u) = (new.m, new.u);
            }
        }
    }
    (weights, share)
}

#[cfg(test)]
mod tests {
    use super::super::compare::Outcome;
    use super::*;
    use crate::rng::Rng;

    /// Pairs drawn from known m and u of the first three comparisons.
    fn simulated(pairs: usize, share: f64) -> (Vec<Observed>, [[(f64, f64); 2]; 3]) {
        let truth = [[(0.9, 0.02), (0.1, 0.98)], [(0.7, 0.05), (0.3, 0.95)], [(0.8, 0.1), (0.2, 0.9)]];
        let mut rng = Rng::new(5, "pairs");
        let observed = (0..pairs)
            .map(|_| {
                let matched = rng.unit() < share;
                let mut outcomes: Outcomes = [None; COMPARISONS.len()];
                for (place, levels) in [4, 5, 8].into_iter().zip(&truth) {
                    let agree = rng.unit() < if matched { levels[0].0 } else { levels[0].1 };
                    outcomes[place] = Some(Outcome { level: usize::from(!agree), frequency: None });
                }
                Observed { outcomes, matched }
            })
            .collect();
        (observed, truth)
    }

    #[test]
    fn m_and_u_are_recovered_from_truth_and_by_em() {
        let (observed, truth) = simulated(40_000, 0.1);
        let counted = from_truth(&observed, 100.0);
        let start = from_truth(&simulated(50, 0.3).0, 100.0);
        let (found, share) = by_em(&observed, &start, 0.3, 200);
        assert!((share - 0.1).abs() < 0.01, "share of matches: {share}");
        for (place, levels) in [4, 5, 8].into_iter().zip(truth) {
            for weights in [&counted, &found] {
                let have = &weights.comparisons[place].levels[0];
                assert!((have.m - levels[0].0).abs() < 0.03, "{place}: m {} of {}", have.m, levels[0].0);
                assert!((have.u - levels[0].1).abs() < 0.01, "{place}: u {} of {}", have.u, levels[0].1);
            }
        }
    }

    #[test]
    fn the_scale_of_a_course_is_recovered() {
        let truth = CourseScale { bias: -1.0, linked: 0.7, stalking: 0.9 };
        let mut rng = Rng::new(3, "groups");
        let groups: Vec<GroupTruth> = (0..4000)
            .map(|_| {
                let [p_linked, p_stalking] = [(); 2].map(|()| 1.0 / (1.0 + (-2.0 * rng.normal()).exp()));
                let right = rng.unit() < truth.probability(p_linked, p_stalking);
                GroupTruth { p_linked, p_stalking, right, pool: 0 }
            })
            .collect();
        let found = course_scale(&groups).unwrap();
        assert!((found.bias - truth.bias).abs() < 0.15, "{found:?}");
        assert!((found.linked - truth.linked).abs() < 0.12, "{found:?}");
        assert!((found.stalking - truth.stalking).abs() < 0.12, "{found:?}");
        assert_eq!(course_scale(&groups[..0]), None);
    }

    #[test]
    fn evidence_that_comes_twice_counts_once() {
        // The second comparison repeats the first: together they keep about
        // the weight of one.
        let (mut observed, _) = simulated(20_000, 0.1);
        for pair in &mut observed {
            pair.outcomes[5] = pair.outcomes[4];
            pair.outcomes[8] = None;
        }
        let weights = from_truth(&observed, 100.0);
        let together = weights.comparisons[4].share + weights.comparisons[5].share;
        assert!((together - 1.0).abs() < 0.15, "{together}");
        // What stands alone keeps its weight.
        for pair in &mut observed {
            pair.outcomes[5] = None;
        }
        let alone = from_truth(&observed, 100.0).comparisons[4].share;
        assert!((alone - 1.0).abs() < 0.1, "{alone}");
    }
}
