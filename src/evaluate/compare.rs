//! Two scorers on the same rows: differences with intervals, and where they
//! disagree most.

use serde::Serialize;

use super::figures::{Figure, Named};
use super::measure::{Judged, measures};
use super::metrics::Resamples;
use super::{Answers, Rows, Settings, write6};
use crate::error::{Error, ErrorKind, Result};

/// Reports whose answer changed most that are listed.
pub const LISTED: usize = 20;

/// A report that two scorers see differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// The report's id.
    pub id: String,
    /// `p` of the first scorer.
    #[serde(serialize_with = "write6")]
    pub p: f64,
    /// `p` of the other.
    #[serde(serialize_with = "write6")]
    pub other: f64,
}

/// Two scorers on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the first scorer.
    pub scorer: String,
    /// Name of the other.
    pub against: String,
    /// First minus other for each figure that both have; both are drawn on the
    /// same resamples, so an interval that leaves out 0 is a difference.
    pub differences: Named,
    /// Reports whose state differs, where both answer with states.
    pub states_differ: usize,
    /// Reports compared.
    pub reports: usize,
    /// The reports whose `p` differs most, greatest difference first.
    pub changed: Vec<Changed>,
}

/// Compares two scorers' answers to the same rows.
///
/// # Errors
///
/// When the answers are not to these rows.
pub fn compare(
    rows: &Rows<'_>,
    first: &Answers,
    other: &Answers,
    settings: &Settings,
    resamples: &Resamples,
) -> Result<Comparison> {
    for answers in [first, other] {
        if answers.scores.len() != rows.len() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("`{}` answered {} rows of {}", answers.name, answers.scores.len(), rows.len()),
            ));
        }
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    let judged = |answers: &'_ Answers| answers.scores.clone();
    let (a, b) = (judged(first), judged(other));
    let of = |scores| Judged { rows, scores, settings };
    let (ours, theirs) = (measures(&of(&a), &all), measures(&of(&b), &all));
    let differences = ours.iter().filter_map(|mine| {
        let their = theirs.iter().find(|m| m.name == mine.name)?;
        let interval = resamples.interval(|w| Some((mine.compute)(w)? - (their.compute)(w)?))?;
        Some(Figure {
            name: mine.name.clone(),
            value: interval.value,
            low: interval.low,
            high: interval.high,
            n: mine.n,
            positives: mine.positives,
            threshold: None,
        })
    });
    let differences = Named(differences.collect());
    let mut changed: Vec<Changed> = rows
        .examples()
        .iter()
        .zip(a.iter().zip(&b))
        .map(|(example, (a, b))| Changed { id: example.report.id.clone(), p: a.p(), other: b.p() })
        .filter(|c| c.p != c.other)
        .collect();
    changed.sort_by(|x, y| {
        let shift = |c: &Changed| (c.p - c.other).abs();
        shift(y).total_cmp(&shift(x)).then(x.id.cmp(&y.id))
    });
    changed.truncate(LISTED);
    let states = a.iter().zip(&b).filter(|(a, b)| a.state.is_some() && b.state.is_some());
    Ok(Comparison {
        scorer: first.name.clone(),
        against: other.name.clone(),
        differences,
        states_differ: states.filter(|(a, b)| a.state != b.state).count(),
        reports: rows.len(),
        changed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::figures::resamples;
    use crate::evaluate::toy::{self, Oracle, Shuffled};

    #[test]
    fn a_scorer_equals_itself_and_differs_from_chance() {
        let dataset = toy::dataset(300, 1);
        let rows = Rows::of(&dataset).unwrap();
        let settings = Settings { resamples: 100, ..Settings::default() };
        let resamples = resamples(&rows, &settings);
        let oracle = Answers::of(&Oracle::new(&dataset), &rows).unwrap();
        let chance = Answers::of(&Shuffled::new(&dataset, 1), &rows).unwrap();
        let same = compare(&rows, &oracle, &oracle, &settings, &resamples).unwrap();
        assert!(same.differences.0.iter().all(|d| d.value == 0.0 && d.high == 0.0));
        assert!(same.changed.is_empty());
        assert_eq!((same.states_differ, same.reports), (0, 300));
        let better = compare(&rows, &oracle, &chance, &settings, &resamples).unwrap();
        let auroc = better.differences.get("stalking.auroc").unwrap();
        assert!(auroc.low > 0.3, "{auroc:?}");
        assert_eq!(better.changed.len(), LISTED);
        let shift = |c: &Changed| (c.p - c.other).abs();
        assert!(better.changed.windows(2).all(|c| shift(&c[0]) >= shift(&c[1])));
        let short = Answers { name: "short".to_owned(), scores: Vec::new() };
        assert!(compare(&rows, &oracle, &short, &settings, &resamples).is_err());
    }
}
