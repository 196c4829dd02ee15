//! Measuring: how well a reader of narratives answers as the codebook asks.
//!
//! A [`Scorer`] is anything that answers, a model or a baseline. [`Rows`] are
//! the labelled reports it is measured on. [`figures()`] puts the two together;
//! [`subgroups`], [`probes`] and [`compare`] ask further questions of the same
//! answers; [`report`] and [`table`] draw them. Nothing here knows how an
//! answer came about, and nothing that is written holds text of a report
//! unless that is asked for.

pub mod assessor;
pub mod baselines;
pub mod card;
pub mod coders;
pub mod compare;
pub mod figures;
pub mod linking;
pub mod measure;
pub mod metrics;
pub mod probes;
pub mod quality;
pub mod readings;
pub mod report;
mod rows;
pub mod subgroups;
pub(crate) mod svg;
pub mod table;
#[cfg(test)]
pub(crate) mod toy;

use serde::{Deserialize, Serialize};

use crate::codebook::{Grade, Indicator, Relationship};
use crate::corpus::{EntitySpan, Span};
use crate::error::{Error, ErrorKind, Result};

pub use crate::assess::{IndicatorState, State as ReportState};
pub use figures::{Figures, figures};
pub use report::{Evaluation, Extent, evaluate};
pub use rows::{COLUMNS, Rows};

/// Anything that reads narratives and answers as the codebook asks.
pub trait Scorer {
    /// The name under which its figures stand.
    fn name(&self) -> &str;

    /// One answer for each text, in the order of the texts. An answer depends
    /// on its text alone.
    ///
    /// # Errors
    ///
    /// When the texts cannot be read.
    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>>;
}

/// Calibrated answers on one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Probability of each grade, in the order of [`Grade::ALL`].
    pub grades: [f64; 3],
    /// Probability that each indicator is found, in codebook order.
    pub found: Vec<f64>,
    /// Probability that each indicator is denied, in codebook order.
    pub denied: Vec<f64>,
    /// What is said of each indicator, in codebook order.
    pub states: Vec<IndicatorState>,
    /// Probability that a reader would mark serious-harm evidence.
    pub harm: f64,
    /// Whether serious-harm evidence is said to be found.
    pub harm_found: bool,
    /// Probability of each relationship, in codebook order.
    pub relationship: Vec<f64>,
    /// Words shown as evidence, found and denied.
    pub evidence: Vec<Span>,
    /// Names and numbers.
    pub entities: Vec<EntitySpan>,
    /// What a screener is told; `None` for a scorer that has no states.
    pub state: Option<ReportState>,
}

impl Scores {
    /// Answers that know nothing: grade `none`, nothing mentioned.
    pub fn nothing() -> Self {
        let mut relationship = vec![0.0; Relationship::ALL.len()];
        relationship[Relationship::Unknown.index()] = 1.0;
        Self {
            grades: [1.0, 0.0, 0.0],
            found: vec![0.0; Indicator::ALL.len()],
            denied: vec![0.0; Indicator::ALL.len()],
            states: vec![IndicatorState::NotMentioned; Indicator::ALL.len()],
            harm: 0.0,
            harm_found: false,
            relationship,
            evidence: Vec::new(),
            entities: Vec::new(),
            state: None,
        }
    }

    /// `stalking.p`: the probability that the grade is `possible` or `likely`.
    pub fn p(&self) -> f64 {
        (self.grades[Grade::Possible.index()] + self.grades[Grade::Likely.index()]).clamp(0.0, 1.0)
    }

    /// The grade of the greatest probability; the lower one of equals.
    pub fn grade(&self) -> Grade {
        let mut best = Grade::None;
        for &grade in Grade::ALL {
            if self.grades[grade.index()] > self.grades[best.index()] {
                best = grade;
            }
        }
        best
    }

    /// The relationship of the greatest probability; the first of equals.
    pub fn relationship(&self) -> Relationship {
        let mut best = (Relationship::Unknown, f64::NEG_INFINITY);
        for (&value, &p) in Relationship::ALL.iter().zip(&self.relationship) {
            if p > best.1 {
                best = (value, p);
            }
        }
        best.0
    }

    /// Refuses answers of the wrong shape, and numbers that are no
    /// probabilities.
    fn check(&self, scorer: &str, id: &str) -> Result<()> {
        let fault = |what: String| {
            Err(Error::new(ErrorKind::Internal, format!("scorer `{scorer}`, report `{id}`: {what}")))
        };
        let n = Indicator::ALL.len();
        for (what, have, need) in [
            ("found", self.found.len(), n),
            ("denied", self.denied.len(), n),
            ("states", self.states.len(), n),
            ("relationship", self.relationship.len(), Relationship::ALL.len()),
        ] {
            if have != need {
                return fault(format!("{what} has {have} values, {need} are needed"));
            }
        }
        let numbers = self
            .grades
            .iter()
            .chain(&self.found)
            .chain(&self.denied)
            .chain(&self.relationship)
            .chain([&self.harm]);
        for &p in numbers {
            // Sums of rounded probabilities may pass 1 by a little.
            if !(-1e-6..=1.0 + 1e-6).contains(&p) {
                return fault(format!("not a probability: {p}"));
            }
        }
        Ok(())
    }
}

/// One scorer's checked answers on some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Name of the scorer.
    pub name: String,
    /// One for each row.
    pub scores: Vec<Scores>,
}

/// Texts that a scorer is given at once.
const BATCH: usize = 256;

impl Answers {
    /// Has `scorer` read the texts of `rows`.
    ///
    /// # Errors
    ///
    /// When the scorer fails, gives too few answers, or gives a number that is
    /// no probability.
    pub fn of(scorer: &dyn Scorer, rows: &Rows<'_>) -> Result<Self> {
        let texts: Vec<&str> = rows.examples().iter().map(|e| &*e.report.text).collect();
        let ids: Vec<&str> = rows.examples().iter().map(|e| &*e.report.id).collect();
        Ok(Self { name: scorer.name().to_owned(), scores: score_all(scorer, &texts, &ids)? })
    }
}

/// Scores texts in batches and checks the answers; `ids` are for messages.
pub(crate) fn score_all(scorer: &dyn Scorer, texts: &[&str], ids: &[&str]) -> Result<Vec<Scores>> {
    let mut scores = Vec::with_capacity(texts.len());
    for batch in texts.chunks(BATCH) {
        let answers = scorer.score(batch)?;
        if answers.len() != batch.len() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("scorer `{}` gave {} answers to {} texts", scorer.name(), answers.len(), batch.len()),
            ));
        }
        scores.extend(answers);
    }
    for (answer, id) in scores.iter().zip(ids) {
        answer.check(scorer.name(), id)?;
    }
    Ok(scores)
}

/// What an evaluation is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seed of the resamples and of the probes.
    pub seed: u64,
    /// Bootstrap resamples behind each interval.
    pub resamples: usize,
    /// `stalking.p` from which a report counts as raised.
    pub threshold: f64,
    /// Share of stalking among the records of a force, to which figures that
    /// depend on it are brought; `None` leaves them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevalence: Option<f64>,
    /// Records a day, for the workload of each threshold.
    pub records_a_day: f64,
    /// Fewest positives for a figure to enter a mean.
    pub min_positives: usize,
    /// Smallest subgroup that is shown.
    pub min_cell: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            resamples: 1000,
            threshold: 0.5,
            prevalence: None,
            records_a_day: 1000.0,
            min_positives: 10,
            min_cell: 10,
        }
    }
}

impl Settings {
    /// Refuses settings that cannot be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Arguments`], naming the setting.
    pub fn check(&self) -> Result<()> {
        let fault = |message: String| Err(Error::new(ErrorKind::Arguments, message));
        if !(0.0..=1.0).contains(&self.threshold) {
            return fault(format!("threshold: not within 0 and 1: {}", self.threshold));
        }
        if let Some(p) = self.prevalence
            && !(p > 0.0 && p < 1.0)
        {
            return fault(format!("prevalence: not between 0 and 1: {p}"));
        }
        if !(self.records_a_day > 0.0 && self.records_a_day < 1e9) {
            return fault(format!("records_a_day: not a number of records: {}", self.records_a_day));
        }
        if self.resamples > 100_000 {
            return fault(format!("resamples: at most 100000, given: {}", self.resamples));
        }
        Ok(())
    }
}

/// A number as files hold it: six places, no negative zero. Something that is
/// not finite becomes 0; callers have none to write.
pub(crate) fn round6(x: f64) -> f64 {
    if !x.is_finite() {
        return 0.0;
    }
    let rounded = (x * 1e6).round() / 1e6;
    // Adding 0 turns −0 into 0.
    if rounded.is_finite() { rounded + 0.0 } else { x }
}

/// Writes a number with [`round6`].
pub(crate) fn write6<S: serde::Serializer>(x: &f64, s: S) -> std::result::Result<S::Ok, S::Error> {
    s.serialize_f64(round6(*x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_files_are_finite_and_short() {
        assert_eq!(round6(0.123_456_789), 0.123_457);
        assert_eq!(round6(-1e-9).to_string(), "0");
        assert_eq!(round6(f64::NAN), 0.0);
        assert_eq!(round6(f64::INFINITY), 0.0);
        assert_eq!(round6(1e308), 1e308);
    }

    #[test]
    fn answers_that_are_no_probabilities_are_refused() {
        let good = Scores::nothing();
        assert!(good.check("s", "R1").is_ok());
        for damage in [
            |s: &mut Scores| s.harm = f64::NAN,
            |s: &mut Scores| s.grades[1] = 1.5,
            |s: &mut Scores| s.found[3] = -0.2,
            |s: &mut Scores| {
                s.denied.pop();
            },
            |s: &mut Scores| s.relationship[0] = f64::INFINITY,
        ] {
            let mut bad = good.clone();
            damage(&mut bad);
            let error = bad.check("s", "R1").unwrap_err();
            assert!(error.to_string().contains("report `R1`"), "{error}");
        }
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        assert!(Settings::default().check().is_ok());
        for settings in [
            Settings { prevalence: Some(1.0), ..Settings::default() },
            Settings { prevalence: Some(f64::NAN), ..Settings::default() },
            Settings { threshold: 1.2, ..Settings::default() },
            Settings { records_a_day: f64::INFINITY, ..Settings::default() },
        ] {
            let error = settings.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Arguments);
        }
    }
}
