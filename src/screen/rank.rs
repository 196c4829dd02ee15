//! The order in which a person should open reports, and how many they can read.

use super::Row;

/// The rule in words, as the page and the summary tell it.
pub const RULE: &str = "Reports are put into bands by the probability that their text reads like stalking \
    (0.98 and more, 0.95, 0.9, and on by tenths). Within a band, where probabilities are alike, come first \
    those with evidence that bears on serious harm, then those with a breach of an order, of bail or of a \
    warning, then those of former partners, then those that are linked with another report of the batch \
    about the same people; after that the higher probability, then the order of the input. Reports that were \
    recorded as stalking already are not ranked: they are counted apart.";

/// Lower ends of the bands.
const BANDS: [f64; 12] = [0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0];

/// The band of a probability, 0 the highest.
pub fn band(p: f64) -> usize {
    BANDS.iter().position(|least| p >= *least).unwrap_or(BANDS.len())
}

/// Rows in the order in which to open them; places in `rows`.
pub fn order(rows: &[Row]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).filter(|&i| !rows[i].recorded_as_stalking).collect();
    order.sort_by(|&a, &b| {
        let key = |i: usize| {
            let row = &rows[i];
            (band(row.p), !row.serious_harm, !row.breach(), !row.ex_partner, row.course.is_none())
        };
        key(a).cmp(&key(b)).then(rows[b].p.total_cmp(&rows[a].p)).then(a.cmp(&b))
    });
    order
}

/// What a number of reports a day means for this batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// Reports that people can read in a day.
    pub per_day: f64,
    /// Days from the first report of the batch to the last, both counted.
    pub days: u64,
    /// Reports that can be read in so many days.
    pub most: usize,
    /// The least probability at which no more reports than that come out;
    /// `None` where not even one may.
    pub threshold: Option<f64>,
    /// Reports at or above it.
    pub reports: usize,
}

/// The threshold at which a batch of `days` days brings no more than
/// `per_day` reports a day.
pub fn workload(rows: &[Row], per_day: f64, days: u64) -> Workload {
    let most = (per_day * days as f64).floor().max(0.0) as usize;
    let mut p: Vec<f64> = rows.iter().filter(|row| !row.recorded_as_stalking).map(|row| row.p).collect();
    p.sort_by(|a, b| b.total_cmp(a));
    let at_least = |threshold: f64| p.partition_point(|p| *p >= threshold);
    let threshold = if p.len() <= most {
        p.last().copied()
    } else {
        // Equal probabilities come or stay out together.
        p[..most].iter().copied().rfind(|t| at_least(*t) <= most)
    };
    Workload { per_day, days, most, threshold, reports: threshold.map_or(0, at_least) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::Flag;

    fn row(p: f64) -> Row {
        Row { p, ..Row::default() }
    }

    #[test]
    fn what_is_grave_comes_first_where_p_is_alike() {
        let harm = Row { serious_harm: true, ..row(0.981) };
        let breach = Row { flags: vec![Flag::BreachOfBail], ..row(0.982) };
        let partner = Row { ex_partner: true, ..row(0.983) };
        let pair = Row { course: Some(0), ..row(0.984) };
        let plain = row(0.999);
        let lower = Row { serious_harm: true, course: Some(1), ..row(0.97) };
        let recorded = Row { recorded_as_stalking: true, ..row(0.9999) };
        let rows = [plain, lower, recorded, pair, partner, breach, harm];
        assert_eq!(order(&rows), [6, 5, 4, 3, 0, 1]);
    }

    #[test]
    fn the_threshold_follows_from_the_workload() {
        let rows: Vec<Row> = [0.9, 0.8, 0.8, 0.7, 0.1].map(row).into();
        let at = |per_day: f64, days| {
            let w = workload(&rows, per_day, days);
            (w.most, w.threshold, w.reports)
        };
        assert_eq!(at(1.0, 1), (1, Some(0.9), 1));
        // Two are alike and only one could come.
        assert_eq!(at(1.0, 2), (2, Some(0.9), 1));
        assert_eq!(at(1.5, 2), (3, Some(0.8), 3));
        assert_eq!(at(100.0, 2), (200, Some(0.1), 5));
        assert_eq!(at(0.1, 2), (0, None, 0));
        assert_eq!(workload(&[], 1.0, 1).threshold, None);
    }

    #[test]
    fn bands_cover_every_probability() {
        assert_eq!([1.0, 0.98, 0.9799, 0.05, 0.0].map(band), [0, 0, 1, 11, 11]);
    }
}
