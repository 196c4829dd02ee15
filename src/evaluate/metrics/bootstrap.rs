//! Intervals by resampling whole groups of rows.

use rayon::prelude::*;

use crate::rng::Rng;

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

impl Interval {
    /// The percentiles of what the resamples gave.
    fn of(value: f64, mut values: Vec<f64>) -> Self {
        values.retain(|v| v.is_finite());
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (values.len() as f64 * share) as usize;
            values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(value)
        };
        Self { value, low: at(0.025), high: at(0.975) }
    }
}

/// The resamples of one dataset: how often each row is drawn in each. They are
/// drawn once and used for every figure, so that figures are comparable and
/// the difference of two is that of one draw.
#[derive(Clone, Debug)]
pub struct Resamples {
    rows: usize,
    /// Group of each row.
    group: Vec<u32>,
    /// How often each group is drawn, (resamples, groups).
    draws: Vec<u16>,
    groups: usize,
}

impl Resamples {
    /// Draws groups of rows with replacement (Efron 1979, by cluster): the
    /// reports of one case are not independent. `groups` hold row places
    /// below `rows`; a row in no group is never drawn.
    pub fn new(groups: &[Vec<usize>], rows: usize, resamples: usize, seed: u64) -> Self {
        let mut group = vec![u32::MAX; rows];
        for (g, members) in groups.iter().enumerate() {
            for &row in members {
                if let Some(place) = group.get_mut(row) {
                    *place = u32::try_from(g).unwrap_or(u32::MAX);
                }
            }
        }
        let mut rng = Rng::new(seed, "bootstrap");
        let mut draws = vec![0u16; resamples * groups.len()];
        if !groups.is_empty() {
            for resample in draws.chunks_mut(groups.len()) {
                for _ in 0..groups.len() {
                    let g = rng.below(groups.len());
                    resample[g] = resample[g].saturating_add(1);
                }
            }
        }
        Self { rows, group, draws, groups: groups.len() }
    }

    /// A weight of 1 for every row.
    pub fn ones(&self) -> Vec<f64> {
        vec![1.0; self.rows]
    }

    /// A figure on all rows and its interval. `None` when it does not exist on
    /// all rows; resamples on which it does not exist are left out.
    pub fn interval(&self, figure: impl Fn(&[f64]) -> Option<f64> + Sync) -> Option<Interval> {
        let value = figure(&self.ones()).filter(|v| v.is_finite())?;
        if self.groups == 0 {
            return Some(Interval::of(value, Vec::new()));
        }
        let values: Vec<Option<f64>> = self
            .draws
            .par_chunks(self.groups)
            .map_init(
                || vec![0.0; self.rows],
                |weights, draw| {
                    for (weight, &g) in weights.iter_mut().zip(&self.group) {
                        *weight = f64::from(draw.get(g as usize).copied().unwrap_or(0));
                    }
                    figure(weights)
                },
            )
            .collect();
        Some(Interval::of(value, values.into_iter().flatten().collect()))
    }
}

/// A percentile bootstrap (Efron 1979) over groups: whole groups are drawn
/// with replacement. `groups` hold row indices; `figure` is called with the
/// rows of a resample. For figures that take rows and not weights; see
/// [`Resamples`] for the others.
pub fn bootstrap(
    groups: &[Vec<usize>],
    resamples: usize,
    seed: u64,
    figure: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    let all: Vec<usize> = groups.iter().flatten().copied().collect();
    let value = figure(&all)?;
    let mut rng = Rng::new(seed, "bootstrap");
    let values: Vec<f64> = (0..resamples)
        .filter_map(|_| {
            let rows: Vec<usize> =
                (0..groups.len()).flat_map(|_| groups[rng.below(groups.len())].iter().copied()).collect();
            figure(&rows)
        })
        .collect();
    Some(Interval::of(value, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::close::close;

    #[test]
    fn bootstrap_covers_the_mean_and_repeats() {
        let groups: Vec<Vec<usize>> = (0..50).map(|i| vec![2 * i, 2 * i + 1]).collect();
        let mean =
            |rows: &[usize]| Some(rows.iter().map(|r| (r % 10) as f64).sum::<f64>() / rows.len() as f64);
        let a = bootstrap(&groups, 200, 1, mean).unwrap();
        assert!(a.low < 4.5 && 4.5 < a.high && a.value == 4.5, "{a:?}");
        assert_eq!(Some(a), bootstrap(&groups, 200, 1, mean));
        assert_eq!(bootstrap(&groups, 10, 1, |_| None), None);
    }

    #[test]
    fn weights_and_rows_give_the_same_intervals() {
        let groups: Vec<Vec<usize>> = (0..40).map(|i| vec![2 * i, 2 * i + 1]).collect();
        let x = |row: usize| ((row * 37) % 11) as f64;
        let by_rows = bootstrap(&groups, 300, 7, |rows| {
            Some(rows.iter().map(|&r| x(r)).sum::<f64>() / rows.len() as f64)
        })
        .unwrap();
        let by_weights = Resamples::new(&groups, 80, 300, 7)
            .interval(|w| {
                let total: f64 = w.iter().sum();
                Some(w.iter().enumerate().map(|(r, w)| w * x(r)).sum::<f64>() / total)
            })
            .unwrap();
        for (a, b) in [
            (by_rows.value, by_weights.value),
            (by_rows.low, by_weights.low),
            (by_rows.high, by_weights.high),
        ] {
            assert!(close(a, b, 1e-9), "{by_rows:?} {by_weights:?}");
        }
    }

    #[test]
    fn the_interval_is_as_wide_as_theory_says() {
        // The mean of 400 independent rows of variance 1/4: 1.96 · 0.5 / 20.
        let groups: Vec<Vec<usize>> = (0..400).map(|i| vec![i]).collect();
        let figure = |w: &[f64]| {
            let total: f64 = w.iter().sum();
            Some(w.iter().step_by(2).sum::<f64>() / total)
        };
        let i = Resamples::new(&groups, 400, 2000, 3).interval(figure).unwrap();
        let half = (i.high - i.low) / 2.0;
        // The percentiles of 2,000 resamples vary by about 4 %.
        assert!(close(half, 0.049, 0.005), "{i:?}");
        // Rows that go together in fours count as a quarter as many.
        let groups: Vec<Vec<usize>> =
            (0..100).map(|i| (0..4).map(|k| (i / 2) * 8 + (i % 2) + 2 * k).collect()).collect();
        let i = Resamples::new(&groups, 400, 2000, 3).interval(figure).unwrap();
        assert!(close((i.high - i.low) / 2.0, 0.098, 0.01), "{i:?}");
    }

    #[test]
    fn nothing_to_draw_is_no_interval_and_no_panic() {
        let none = Resamples::new(&[], 0, 10, 1);
        assert_eq!(none.interval(|_| None), None);
        assert_eq!(none.interval(|_| Some(f64::NAN)), None);
        let at = none.interval(|_| Some(0.5)).unwrap();
        assert_eq!((at.low, at.high), (0.5, 0.5));
    }
}
