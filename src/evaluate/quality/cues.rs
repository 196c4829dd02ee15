//! Which words go with a grade.

use std::fmt;

use serde::Serialize;

use super::words;
use crate::codebook::Grade;
use crate::evaluate::{Rows, write6};

/// Words that are always looked at, beside those of the axes file.
pub const ALWAYS: [&str; 6] = ["ex", "stalk*", "harass*", "blocked", "outside", "watching"];

/// A word or phrase; a star at its end stands for any letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    words: Vec<String>,
    prefix: bool,
}

impl Cue {
    /// Reads `gifts or flowers` as two cues, anything else as one.
    pub fn parse(text: &str) -> Vec<Cue> {
        let parts = text.split(" or ").map(|part| {
            let part = part.trim();
            Cue { prefix: part.ends_with('*'), words: words(part) }
        });
        parts.filter(|cue| !cue.words.is_empty()).collect()
    }

    /// Whether it stands among some words.
    fn is_in(&self, text: &[String]) -> bool {
        text.windows(self.words.len()).any(|run| {
            let Some((last, first)) = self.words.split_last() else { return false };
            let Some((end, before)) = run.split_last() else { return false };
            before == first && if self.prefix { end.starts_with(last.as_str()) } else { end == last }
        })
    }
}

impl fmt::Display for Cue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.words.join(" "), if self.prefix { "*" } else { "" })
    }
}

/// How a cue goes with the grades.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CueOdds {
    /// The word or phrase.
    pub cue: String,
    /// Reports that have it.
    pub reports: usize,
    /// For each grade, against all other grades.
    pub grades: Vec<GradeOdds>,
}

/// A log odds ratio with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradeOdds {
    /// The grade.
    pub grade: Grade,
    /// Share of the reports of the grade that have the cue.
    #[serde(serialize_with = "write6")]
    pub share: f64,
    /// Natural logarithm of the odds ratio of having the cue.
    #[serde(serialize_with = "write6")]
    pub log_odds_ratio: f64,
    /// Lower end of its 95 % interval.
    #[serde(serialize_with = "write6")]
    pub low: f64,
    /// Upper end of its 95 % interval.
    #[serde(serialize_with = "write6")]
    pub high: f64,
}

/// The odds of each cue, those always looked at first, each once.
///
/// ln((a + ½)(d + ½) / ((b + ½)(c + ½))) with Woolf's interval (Haldane 1956):
/// a and b reports of the grade and of the others with the cue, c and d without.
pub fn odds(rows: &Rows<'_>, cues: &[String]) -> Vec<CueOdds> {
    let mut all: Vec<Cue> = Vec::new();
    for cue in ALWAYS.iter().copied().chain(cues.iter().map(String::as_str)).flat_map(Cue::parse) {
        let covered = |other: &Cue| *other == cue || (other.prefix && other.is_in(&cue.words));
        if !all.iter().any(covered) {
            all.push(cue);
        }
    }
    let labelled: Vec<(Vec<String>, Grade)> = (0..rows.len())
        .filter_map(|row| Some((words(&rows.examples()[row].report.text), rows.labels(row)?.stalking)))
        .collect();
    let of = |cue: &Cue| {
        let marked: Vec<(bool, Grade)> =
            labelled.iter().map(|(words, grade)| (cue.is_in(words), *grade)).collect();
        let count = |has: bool, of: &dyn Fn(Grade) -> bool| {
            marked.iter().filter(|(h, grade)| *h == has && of(*grade)).count() as f64
        };
        let grades = Grade::ALL.iter().map(|&grade| {
            let (a, b) = (count(true, &|g| g == grade), count(true, &|g| g != grade));
            let (c, d) = (count(false, &|g| g == grade), count(false, &|g| g != grade));
            let ratio = ((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))).ln();
            let error = [a, b, c, d].iter().map(|n| 1.0 / (n + 0.5)).sum::<f64>().sqrt();
            GradeOdds {
                grade,
                share: if a + c > 0.0 { a / (a + c) } else { 0.0 },
                log_odds_ratio: ratio,
                low: ratio - 1.96 * error,
                high: ratio + 1.96 * error,
            }
        });
        CueOdds {
            cue: cue.to_string(),
            reports: marked.iter().filter(|(has, _)| *has).count(),
            grades: grades.collect(),
        }
    };
    all.iter().map(of).collect()
}

/// The cues as a table for people.
pub(super) fn write(f: &mut fmt::Formatter<'_>, cues: &[CueOdds]) -> fmt::Result {
    writeln!(f, "log odds ratio of a word, each grade against the others, with 95 % interval")?;
    for CueOdds { cue, reports, grades } in cues {
        write!(f, "{cue:<24} {reports:>5}")?;
        for GradeOdds { grade, log_odds_ratio, low, high, .. } in grades {
            write!(f, "  {grade} {log_odds_ratio:>5.2} ({low:>5.2} to {high:>5.2})")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_words_phrases_and_beginnings() {
        let text = words("My ex keeps turning up, he's STALKING me. Exeter.");
        let has = |cue: &str| Cue::parse(cue).iter().any(|cue| cue.is_in(&text));
        assert!(has("ex") && has("stalk*") && has("keeps turning up") && has("gifts or ex"));
        assert!(has("turning") && !has("exe") && !has("turn") && !has("won't leave me alone"));
        assert!(Cue::parse("").is_empty() && Cue::parse("*").is_empty());
    }
}
