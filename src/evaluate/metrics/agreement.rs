//! How far readers agree beyond chance.

use std::collections::BTreeMap;

/// Cohen's kappa (1960) of two coders' labels of the same items. `None`
/// without items, for slices of different lengths, and when both used one and
/// the same label throughout, where kappa is undefined.
pub fn cohen_kappa<L: Ord>(a: &[L], b: &[L]) -> Option<f64> {
    weighted_kappa(a, b, &vec![1.0; a.len()])
}

/// Cohen's kappa with a weight for each item.
pub fn weighted_kappa<L: Ord>(a: &[L], b: &[L], weights: &[f64]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let mut shares: BTreeMap<&L, (f64, f64)> = BTreeMap::new();
    let (mut agree, mut n) = (0.0, 0.0);
    for ((a, b), w) in a.iter().zip(b).zip(weights) {
        shares.entry(a).or_default().0 += w;
        shares.entry(b).or_default().1 += w;
        if a == b {
            agree += w;
        }
        n += w;
    }
    if n <= 0.0 {
        return None;
    }
    let chance: f64 = shares.values().map(|(a, b)| a * b).sum::<f64>() / (n * n);
    // κ = (p_o − p_e) / (1 − p_e)
    (chance < 1.0 - 1e-12).then(|| (agree / n - chance) / (1.0 - chance))
}

/// Krippendorff's alpha (2011) for nominal labels: `units` hold the labels
/// that the coders gave to each item, missing ones left out. `None` when no
/// item has two labels, or when all labels are one and the same, where alpha
/// is undefined.
pub fn krippendorff_alpha<L: Ord + Clone>(units: &[Vec<L>]) -> Option<f64> {
    // Coincidences: each ordered pair of labels of a unit counts 1 / (m − 1).
    let mut totals: BTreeMap<L, f64> = BTreeMap::new();
    let (mut disagreement, mut n) = (0.0, 0.0);
    for unit in units.iter().filter(|u| u.len() > 1) {
        let m = unit.len() as f64;
        let mut counts: BTreeMap<&L, f64> = BTreeMap::new();
        for label in unit {
            *counts.entry(label).or_default() += 1.0;
            *totals.entry(label.clone()).or_default() += 1.0;
        }
        n += m;
        let same: f64 = counts.values().map(|c| c * (c - 1.0)).sum();
        disagreement += (m * (m - 1.0) - same) / (m - 1.0);
    }
    if n <= 1.0 {
        return None;
    }
    let same: f64 = totals.values().map(|c| c * (c - 1.0)).sum();
    let expected = n * (n - 1.0) - same;
    // α = 1 − D_o / D_e
    (expected > 0.0).then(|| 1.0 - (n - 1.0) * disagreement / expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::close::close;

    #[test]
    fn kappa_is_that_of_scikit_learn() {
        // The documented example of cohen_kappa_score.
        let a = ["negative", "positive", "negative", "neutral", "positive"];
        let b = ["negative", "positive", "negative", "neutral", "negative"];
        let got = cohen_kappa(&a, &b).unwrap();
        assert!(close(got, 0.6875, 1e-12), "{got}");
        // The usual textbook table: both yes 20, 5, 10, both no 15.
        let table = [(0, 0, 20), (0, 1, 5), (1, 0, 10), (1, 1, 15)];
        let side = |second: bool| -> Vec<i32> {
            table.iter().flat_map(|&(a, b, n)| vec![if second { b } else { a }; n]).collect()
        };
        let got = cohen_kappa(&side(false), &side(true)).unwrap();
        assert!(close(got, 0.4, 1e-12), "{got}");
        assert!(!close(got, 0.41, 1e-3));
        assert_eq!(cohen_kappa(&[1, 1], &[1, 1]), None);
        assert_eq!(cohen_kappa::<u8>(&[], &[]), None);
        assert_eq!(cohen_kappa(&[1], &[1, 2]), None);
    }

    #[test]
    fn alpha_is_that_of_the_worked_examples() {
        // Krippendorff 2011, "Computing Krippendorff's alpha-reliability",
        // example B: two coders, two values, ten items: alpha 0.095.
        let a = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0];
        let b = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0];
        let units: Vec<Vec<i32>> = a.iter().zip(b).map(|(a, b)| vec![*a, b]).collect();
        let got = krippendorff_alpha(&units).unwrap();
        assert!(close(got, 0.095, 0.0005), "{got}");
        // The same, example C: four coders, twelve units, missing values:
        // nominal alpha 0.743.
        let x = 0;
        let coders = [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, x, x, x],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, x, 3],
            [x, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, x],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, x],
        ];
        let units: Vec<Vec<i32>> =
            (0..12).map(|u| coders.iter().map(|c| c[u]).filter(|&v| v != x).collect()).collect();
        let got = krippendorff_alpha(&units).unwrap();
        assert!(close(got, 0.743, 0.0005), "{got}");
        assert!(!close(got, 0.75, 0.0005));
    }

    #[test]
    fn alpha_of_nothing_does_not_exist() {
        assert_eq!(krippendorff_alpha::<u8>(&[]), None);
        assert_eq!(krippendorff_alpha(&[vec![1], vec![2]]), None);
        assert_eq!(krippendorff_alpha(&[vec![1, 1], vec![1, 1]]), None);
        assert_eq!(krippendorff_alpha(&[vec![1, 1], vec![2, 2]]), Some(1.0));
    }
}
