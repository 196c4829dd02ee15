//! Whether a probability means what it says: Brier score, calibration error
//! and the points of the reliability curve.

/// One bin of the reliability curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Mean probability given.
    pub mean: f64,
    /// Share of positives.
    pub rate: f64,
    /// Weight of its rows.
    pub weight: f64,
}

/// Bins of the calibration error.
pub const BINS: usize = 10;

/// Probabilities and truths, sorted once.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// From low to high: place among the weights, probability, positive.
    rows: Vec<(usize, f64, bool)>,
}

impl Calibration {
    /// Takes rows `(place among the weights, probability, positive)`.
    pub fn new(rows: impl IntoIterator<Item = (usize, f64, bool)>) -> Self {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Self { rows }
    }

    fn weighted<'a>(&'a self, weights: &'a [f64]) -> impl Iterator<Item = (f64, f64, bool)> + 'a {
        self.rows.iter().map(move |&(i, p, positive)| (weights.get(i).copied().unwrap_or(0.0), p, positive))
    }

    /// Brier score (1950): the mean of `(p − y)²`. `None` without rows.
    pub fn brier(&self, weights: &[f64]) -> Option<f64> {
        let (sum, total) = self.weighted(weights).fold((0.0, 0.0), |(sum, total), (w, p, positive)| {
            let y = f64::from(u8::from(positive));
            (sum + w * (p - y) * (p - y), total + w)
        });
        (total > 0.0).then(|| sum / total)
    }

    /// The bins of equal mass, empty ones left out. Rows of equal probability
    /// go together into the bin where the middle of their mass falls, so that
    /// their order does not matter.
    pub fn bins(&self, weights: &[f64], bins: usize) -> Vec<Bin> {
        let total: f64 = self.weighted(weights).map(|r| r.0).sum();
        if total <= 0.0 || bins == 0 {
            return Vec::new();
        }
        // Sum of weights, of weighted probabilities, of weighted positives.
        let mut sums = vec![(0.0, 0.0, 0.0); bins];
        let mut before = 0.0;
        let mut start = 0;
        while start < self.rows.len() {
            let p = self.rows[start].1;
            let mut end = start;
            let (mut mass, mut positives) = (0.0, 0.0);
            while end < self.rows.len() && self.rows[end].1 == p {
                let (i, _, positive) = self.rows[end];
                let w = weights.get(i).copied().unwrap_or(0.0);
                mass += w;
                if positive {
                    positives += w;
                }
                end += 1;
            }
            let middle = (before + mass / 2.0) / total;
            let bin = ((middle * bins as f64) as usize).min(bins - 1);
            sums[bin].0 += mass;
            sums[bin].1 += mass * p;
            sums[bin].2 += positives;
            before += mass;
            start = end;
        }
        sums.into_iter()
            .filter(|s| s.0 > 0.0)
            .map(|(weight, p, positives)| Bin { mean: p / weight, rate: positives / weight, weight })
            .collect()
    }

    /// Expected calibration error (Naeini 2015) over [`BINS`] bins of equal
    /// mass: the weighted mean of `|rate − mean|`. `None` without rows.
    pub fn error(&self, weights: &[f64]) -> Option<f64> {
        let bins = self.bins(weights, BINS);
        let total: f64 = bins.iter().map(|b| b.weight).sum();
        (total > 0.0).then(|| bins.iter().map(|b| b.weight * (b.rate - b.mean).abs()).sum::<f64>() / total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::close::close;

    fn calibration(rows: &[(f64, u8)]) -> Calibration {
        Calibration::new(rows.iter().enumerate().map(|(i, &(p, y))| (i, p, y == 1)))
    }

    #[test]
    fn brier_is_that_of_scikit_learn() {
        // The documented example of brier_score_loss.
        let c = calibration(&[(0.1, 0), (0.9, 1), (0.8, 1), (0.3, 0)]);
        assert!(close(c.brier(&[1.0; 4]).unwrap(), 0.0375, 1e-12));
        assert_eq!(calibration(&[]).brier(&[]), None);
    }

    #[test]
    fn the_curve_is_that_of_scikit_learn() {
        // calibration_curve(y, p, n_bins=10, strategy="quantile") of
        // scikit-learn 1.9.1, forty rows in a scrambled order.
        let rows: Vec<(f64, u8)> = (0..40usize)
            .map(|i| {
                let p = (((i * 17) % 40) as f64 + 0.5) / 40.0;
                (p, u8::from((i * i * 7 + i * 3) % 5 < 2))
            })
            .collect();
        let c = calibration(&rows);
        let bins = c.bins(&[1.0; 40], BINS);
        let rates = [0.5, 0.5, 0.25, 0.5, 0.25, 0.5, 0.5, 0.25, 0.5, 0.25];
        assert_eq!(bins.len(), 10);
        for (i, (bin, rate)) in bins.iter().zip(rates).enumerate() {
            assert!(close(bin.rate, rate, 1e-12), "{i}: {bin:?}");
            assert!(close(bin.mean, 0.05 + 0.1 * i as f64, 1e-12), "{i}: {bin:?}");
        }
        assert!(close(c.error(&[1.0; 40]).unwrap(), 0.29, 1e-12));
        assert!(!close(c.error(&[1.0; 40]).unwrap(), 0.28, 1e-3));
    }

    #[test]
    fn a_constant_is_as_wrong_as_it_is_far_from_the_rate() {
        let c = calibration(&[(0.9, 1), (0.9, 0), (0.9, 0), (0.9, 0)]);
        assert!(close(c.error(&[1.0; 4]).unwrap(), 0.65, 1e-12));
        let perfect = calibration(&[(1.0, 1), (0.0, 0)]);
        assert_eq!(perfect.error(&[1.0; 2]), Some(0.0));
        assert_eq!(perfect.error(&[0.0; 2]), None);
    }
}
