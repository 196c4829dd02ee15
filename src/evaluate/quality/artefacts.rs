//! Whether anything but the matter tells the grade: each artefact alone is
//! asked to tell `possible` and `likely` from `none`.
//!
//! A leave-one-out rate of a category is lower for its positives than for its
//! negatives, because each row's own answer is missing from it; an AUROC from
//! such rates is below one half where there is nothing to find. So rates are
//! learnt on other folds instead: ten folds that keep cases together, drawn
//! five times. All rows of a category in a fold have one rate, which none of
//! them had a part in, and the AUROC is taken within each fold and averaged by
//! its pairs, because the rates of different folds are not comparable. Rows of
//! one distribution then have an expected AUROC of one half. Where categories
//! have more equal shares than chance would give, as authors with quotas have,
//! it is somewhat below: what one fold has more of, the others have less of.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use crate::evaluate::baselines::linear::{Logistic, Sparse};
use crate::evaluate::baselines::tfidf::Vocabulary;
use crate::evaluate::metrics::{Ranked, Ranking, average_precision};
use crate::evaluate::{Rows, write6};
use crate::rng::Rng;

/// AUROC that an artefact alone may have at most.
pub const LIMIT: f64 = 0.60;

/// Folds, and how often they are drawn.
const FOLDS: usize = 10;
const DRAWS: u64 = 5;

/// Bins of equal size into which a number is put.
const BINS: usize = 10;

/// Rows of the overall rate that are mixed into the rate of a category.
const PRIOR: f64 = 5.0;

/// What artefacts tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Artefacts {
    /// AUROC that those under the test may have at most.
    pub limit: f64,
    /// Each artefact, the strongest first.
    pub axes: Vec<Artefact>,
    /// What words alone tell; `None` with fewer than two authors or one grade.
    pub tfidf: Option<TfIdfFigures>,
}

/// One artefact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Artefact {
    /// Its name.
    pub axis: &'static str,
    /// AUROC of the grade; `None` when it does not exist.
    pub auroc: Option<f64>,
    /// Reports that have it and a grade.
    pub reports: usize,
    /// Whether the test fails when it is above the limit; the others are shown.
    pub tested: bool,
}

/// TF-IDF with logistic regression, trained on other authors only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TfIdfFigures {
    /// Average precision over all reports.
    #[serde(serialize_with = "write6")]
    pub average_precision_pooled: f64,
    /// Mean of the average precision of each author's reports.
    #[serde(serialize_with = "write6")]
    pub average_precision_within_authors: f64,
    /// Share of the reports that are graded `possible` or `likely`, the average
    /// precision of a scorer that knows nothing.
    #[serde(serialize_with = "write6")]
    pub prevalence: f64,
    /// Folds of authors.
    pub folds: usize,
}

impl Artefacts {
    /// Measures rows; `seed` draws the folds.
    pub fn of(rows: &Rows<'_>, seed: u64) -> Artefacts {
        let tested = |axis| matches!(axis, "author" | "voice" | "length" | "channel" | "capitals" | "force");
        let mut axes: Vec<Artefact> = [
            "author",
            "voice",
            "channel",
            "force",
            "register",
            "handling",
            "recorded_as",
            "sex_victim",
            "sex_suspect",
        ]
        .par_iter()
        .map(|&axis| {
            let mut values: Vec<Option<String>> = vec![None; rows.len()];
            for (value, places) in rows.by_column(axis) {
                for place in places {
                    values[place] = Some(value.clone());
                }
            }
            artefact(axis, tested(axis), rows, &values, seed)
        })
        .collect();
        let text = |row: usize| rows.examples()[row].report.text.as_str();
        let numbers = |of: &dyn Fn(&str) -> f64| bins((0..rows.len()).map(|row| of(text(row))).collect());
        axes.push(artefact("length", true, rows, &numbers(&|t| t.split_whitespace().count() as f64), seed));
        axes.push(artefact("capitals", true, rows, &numbers(&capitals), seed));
        axes.sort_by(|a, b| {
            b.auroc.unwrap_or(0.0).total_cmp(&a.auroc.unwrap_or(0.0)).then(a.axis.cmp(b.axis))
        });
        Artefacts { limit: LIMIT, axes, tfidf: tfidf(rows, seed) }
    }

    /// The artefacts under the test that are above the limit.
    pub fn failing(&self) -> Vec<&Artefact> {
        self.axes.iter().filter(|a| a.tested && a.auroc.is_some_and(|auroc| auroc > self.limit)).collect()
    }
}

/// Share of the letters that are capitals.
fn capitals(text: &str) -> f64 {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    text.chars().filter(|c| c.is_uppercase()).count() as f64 / letters.max(1) as f64
}

/// Numbers as names of bins that hold about the same number of rows; equal
/// numbers are in one bin.
fn bins(numbers: Vec<f64>) -> Vec<Option<String>> {
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    numbers
        .iter()
        .map(|number| {
            let rank = sorted.partition_point(|other| other < number);
            Some(format!("{:02}", rank * BINS / sorted.len().max(1)))
        })
        .collect()
}

fn artefact(
    axis: &'static str,
    tested: bool,
    rows: &Rows<'_>,
    values: &[Option<String>],
    seed: u64,
) -> Artefact {
    let known: Vec<Option<(&str, bool)>> =
        (0..rows.len()).map(|row| Some((values.get(row)?.as_deref()?, rows.positive(row)?))).collect();
    let auroc = auroc(&known, rows.groups(), seed);
    // A number may tell the grade by going down as well as by going up: its
    // bins are learnt without an order, so only noise is below one half.
    let is_number = matches!(axis, "length" | "capitals");
    let auroc = auroc.map(|a| if is_number { a.max(1.0 - a) } else { a });
    let reports = known.iter().flatten().count();
    Artefact { axis, auroc: auroc.map(crate::evaluate::round6), reports, tested }
}

/// AUROC of the rate of each row's value, learnt on other folds; see the top.
fn auroc(rows: &[Option<(&str, bool)>], groups: &[Vec<usize>], seed: u64) -> Option<f64> {
    let (mut sum, mut pairs) = (0.0, 0.0);
    for draw in 0..DRAWS {
        let mut fold_of = vec![0; rows.len()];
        let mut order: Vec<usize> = (0..groups.len()).collect();
        Rng::new(seed, &format!("artefact folds {draw}")).shuffle(&mut order);
        for (place, group) in order.iter().enumerate() {
            for &row in &groups[*group] {
                fold_of[row] = place % FOLDS;
            }
        }
        for fold in 0..FOLDS {
            let mut rates: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
            let (mut positives, mut all) = (0.0, 0.0);
            for (row, known) in rows.iter().enumerate() {
                let Some((value, positive)) = known else { continue };
                if fold_of[row] != fold {
                    let rate = rates.entry(value).or_default();
                    rate.0 += f64::from(u8::from(*positive));
                    rate.1 += 1.0;
                    positives += f64::from(u8::from(*positive));
                    all += 1.0;
                }
            }
            if all == 0.0 {
                continue;
            }
            let overall = positives / all;
            let rate = |value: &str| {
                let (positives, all) = rates.get(value).copied().unwrap_or((0.0, 0.0));
                (positives + PRIOR * overall) / (all + PRIOR)
            };
            let held_out: Vec<(f64, bool)> = rows
                .iter()
                .enumerate()
                .filter(|(row, _)| fold_of[*row] == fold)
                .filter_map(|(_, known)| known.map(|(value, positive)| (rate(value), positive)))
                .collect();
            let n = held_out.len();
            let ranking = Ranking::new(held_out.iter().enumerate().map(|(at, &(p, y))| (at, p, y)));
            if let Some(auroc) = ranking.auroc(&vec![1.0; n]) {
                let positives = held_out.iter().filter(|(_, y)| *y).count();
                let weight = (positives * (n - positives)) as f64;
                sum += weight * auroc;
                pairs += weight;
            }
        }
    }
    (pairs > 0.0).then(|| sum / pairs)
}

/// Folds of authors for TF-IDF.
const AUTHOR_FOLDS: usize = 5;

/// Inverse strength of the penalty, as in the baseline.
const C: f64 = 10.0;

fn tfidf(rows: &Rows<'_>, seed: u64) -> Option<TfIdfFigures> {
    let mut authors: Vec<(String, Vec<usize>)> = rows
        .authors()
        .into_iter()
        .map(|(author, mut places)| {
            places.retain(|&row| rows.positive(row).is_some());
            (author, places)
        })
        .filter(|(_, places)| !places.is_empty())
        .collect();
    Rng::new(seed, "folds of authors").shuffle(&mut authors);
    let folds = AUTHOR_FOLDS.min(authors.len());
    if folds < 2 {
        return None;
    }
    let text = |row: usize| rows.examples()[row].report.text.as_str();
    let answers: Vec<Vec<(usize, f64)>> = (0..folds)
        .into_par_iter()
        .map(|fold| {
            let part = |held_out: bool| -> Vec<usize> {
                let of = authors.iter().enumerate().filter(|(at, _)| (at % folds == fold) == held_out);
                of.flat_map(|(_, (_, places))| places.iter().copied()).collect()
            };
            let (train, test) = (part(false), part(true));
            let vocabulary = Vocabulary::new(&train.iter().map(|&row| text(row)).collect::<Vec<_>>(), 2);
            let data = Sparse {
                columns: vocabulary.len(),
                rows: train.iter().map(|&row| vocabulary.row(text(row))).collect(),
            };
            let y: Vec<bool> = train.iter().map(|&row| rows.positive(row) == Some(true)).collect();
            let all: Vec<usize> = (0..train.len()).collect();
            let model = Logistic::fit(&data, &all, &y, C);
            test.iter().map(|&row| (row, model.p(&vocabulary.row(text(row))))).collect()
        })
        .collect();
    let p: BTreeMap<usize, f64> = answers.into_iter().flatten().collect();
    let ranked = |places: &mut dyn Iterator<Item = usize>| -> Vec<Ranked> {
        places
            .filter_map(|row| Some(Ranked { score: *p.get(&row)?, positive: rows.positive(row)? }))
            .collect()
    };
    let pooled = average_precision(&ranked(&mut p.keys().copied()))?;
    let within: Vec<f64> = authors
        .iter()
        .filter_map(|(_, places)| average_precision(&ranked(&mut places.iter().copied())))
        .collect();
    let positives = p.keys().filter(|&&row| rows.positive(row) == Some(true)).count();
    Some(TfIdfFigures {
        average_precision_pooled: pooled,
        average_precision_within_authors: within.iter().sum::<f64>() / within.len().max(1) as f64,
        prevalence: positives as f64 / p.len().max(1) as f64,
        folds,
    })
}

impl fmt::Display for Artefacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "grade (possible or likely against none) from one artefact alone, AUROC on other folds")?;
        for Artefact { axis, auroc, reports, tested } in &self.axes {
            let verdict = match (tested, auroc) {
                (_, None) => "cannot be measured",
                (false, _) => "shown only",
                (true, Some(a)) if *a > self.limit => "FAILS",
                (true, _) => "passes",
            };
            let auroc = auroc.map_or("    -".to_owned(), |a| format!("{a:.3}"));
            writeln!(f, "  {axis:<12} {auroc}  {reports:>6} reports  {verdict}")?;
        }
        if let Some(tfidf) = &self.tfidf {
            writeln!(
                f,
                "TF-IDF trained on other authors, {} folds: average precision {:.3} pooled, {:.3} within authors (prevalence {:.3})",
                tfidf.folds,
                tfidf.average_precision_pooled,
                tfidf.average_precision_within_authors,
                tfidf.prevalence
            )?;
        }
        match self.failing()[..] {
            [] => writeln!(f, "artefact test: passes, none above {:.2}", self.limit),
            ref failing => {
                let names: Vec<&str> = failing.iter().map(|a| a.axis).collect();
                writeln!(f, "artefact test: FAILS above {:.2}: {}", self.limit, names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(value: impl Fn(usize, &mut Rng) -> String, seed: u64) -> f64 {
        let mut rng = Rng::new(seed, "test");
        let rows: Vec<(String, bool)> = (0..2000)
            .map(|at| {
                let name = value(at, &mut rng);
                let p = if name == "good" { 0.9 } else { 0.5 };
                (name, rng.unit() < p)
            })
            .collect();
        let known: Vec<Option<(&str, bool)>> = rows.iter().map(|(v, y)| Some((v.as_str(), *y))).collect();
        let groups: Vec<Vec<usize>> = (0..2000).map(|at| vec![at]).collect();
        auroc(&known, &groups, seed).unwrap()
    }

    #[test]
    fn nothing_to_find_is_one_half_without_bias() {
        // A hundred values that know nothing: a leave-one-out rate would be far
        // below one half. The mean of 20 draws has a standard error of 0.003.
        let mean =
            (0..20).map(|seed| measured(|_, rng| rng.below(100).to_string(), seed)).sum::<f64>() / 20.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }

    #[test]
    fn what_tells_is_found() {
        // Half the rows at 0.9 and half at 0.5: the AUROC of the true rates is
        // (0.9 · 0.5 + ½ (0.9 · 0.1 + 0.5 · 0.5)) / (1.4 · 0.6) = 0.738.
        let found = measured(|at, _| if at % 2 == 0 { "good" } else { "other" }.to_owned(), 1);
        assert!((found - 0.738).abs() < 0.03, "{found}");
    }

    #[test]
    fn numbers_are_binned_by_rank_and_equals_together() {
        let binned = bins(vec![5.0, 1.0, 1.0, 9.0]);
        assert_eq!(binned[1], binned[2]);
        assert!(binned[1] < binned[0] && binned[0] < binned[3]);
        assert!(bins(Vec::new()).is_empty());
        assert_eq!(capitals("AB cd"), 0.5);
        assert_eq!(capitals("12"), 0.0);
    }
}
