//! The same figures for groups of reports, the gap of each group to the rest,
//! and the widest gap of each column. Groups and counts too small to show are
//! suppressed.

use serde::Serialize;

use super::figures::{Figure, Named};
use super::measure::{Judged, Measure, measures};
use super::metrics::{Interval, Resamples};
use super::rows::COLUMNS;
use super::{Answers, Rows, Settings, write6};

/// Figures that do not move with the share of positives, so that groups can be
/// set beside each other, and the shares that a screener meets.
const FIGURES: [&str; 5] = [
    "stalking.auroc",
    "stalking.recall",
    "stalking.false_positive_rate",
    "stalking.mean_p_minus_rate",
    "state.review_share",
];

/// One group of reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The value of the column.
    pub value: String,
    /// Reports.
    pub n: usize,
    /// Reports graded `possible` or `likely`; absent where too few to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positives: Option<usize>,
    /// Figures of the group.
    pub figures: Named,
    /// Group minus all other reports that have the column.
    pub gaps: Named,
}

/// The groups furthest apart in one figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Widest {
    /// The figure.
    pub figure: String,
    /// The group where it is highest.
    pub highest: String,
    /// The group where it is lowest.
    pub lowest: String,
    /// Highest minus lowest.
    #[serde(serialize_with = "write6")]
    pub value: f64,
    /// Lower end of the interval. The pair was picked for being far apart, so
    /// an interval above 0 is expected even of equal groups.
    #[serde(serialize_with = "write6")]
    pub low: f64,
    /// Upper end of the interval.
    #[serde(serialize_with = "write6")]
    pub high: f64,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub column: String,
    /// Groups that are large enough.
    pub groups: Vec<Group>,
    /// Groups that are not shown for being too small.
    pub suppressed: usize,
    /// Reports without a value.
    pub missing: usize,
    /// The groups furthest apart, by figure.
    pub widest: Vec<Widest>,
}

/// Measures of a selection that its size allows.
fn allowed<'a>(judged: &Judged<'a>, rows: &[usize]) -> Vec<Measure<'a>> {
    let least = judged.settings.min_cell;
    let stalking = judged.stalking(rows);
    let positives = stalking.iter().filter(|r| r.2).count();
    let others = stalking.len() - positives;
    let mut list: Vec<Measure<'_>> = measures(judged, rows)
        .into_iter()
        .filter(|m| match &*m.name {
            "stalking.auroc" => positives >= least && others >= least,
            "stalking.recall" => positives >= least,
            "stalking.false_positive_rate" => others >= least,
            name => FIGURES.contains(&name),
        })
        .collect();
    if stalking.len() >= least {
        list.push(Measure {
            name: "stalking.mean_p_minus_rate".to_owned(),
            n: stalking.len(),
            positives,
            threshold: None,
            compute: Box::new(move |w| {
                let (sum, total) = stalking.iter().fold((0.0, 0.0), |(s, t), &(r, p, y)| {
                    (s + w[r] * (p - f64::from(u8::from(y))), t + w[r])
                });
                (total > 0.0).then(|| sum / total)
            }),
        });
    }
    list.sort_by_key(|m| FIGURES.iter().position(|f| *f == m.name));
    list
}

fn figure(measure: &Measure<'_>, interval: Interval) -> Figure {
    Figure {
        name: measure.name.clone(),
        value: interval.value,
        low: interval.low,
        high: interval.high,
        n: measure.n,
        positives: measure.positives,
        threshold: None,
    }
}

/// All columns that the rows have two groups or more of.
pub fn subgroups(
    answers: &Answers,
    rows: &Rows<'_>,
    settings: &Settings,
    resamples: &Resamples,
) -> Vec<Column> {
    let judged = Judged { rows, scores: &answers.scores, settings };
    COLUMNS
        .iter()
        .filter_map(|&column| {
            let by_value = rows.by_column(column);
            let with_value: usize = by_value.values().map(Vec::len).sum();
            let (large, small): (Vec<_>, Vec<_>) =
                by_value.into_iter().partition(|(_, rows)| rows.len() >= settings.min_cell);
            if large.len() + small.len() < 2 || large.is_empty() {
                return None;
            }
            let all: Vec<usize> =
                large.iter().chain(&small).flat_map(|(_, rows)| rows.iter().copied()).collect();
            let measured: Vec<(&String, Vec<Measure<'_>>)> =
                large.iter().map(|(value, rows)| (value, allowed(&judged, rows))).collect();
            let groups = large
                .iter()
                .zip(&measured)
                .map(|((value, members), (_, list))| {
                    let rest: Vec<usize> =
                        all.iter().copied().filter(|r| members.binary_search(r).is_err()).collect();
                    group(&judged, value, members, list, &rest, resamples)
                })
                .collect();
            Some(Column {
                column: column.to_owned(),
                groups,
                suppressed: small.len(),
                missing: rows.len() - with_value,
                widest: widest(&measured, resamples),
            })
        })
        .collect()
}

fn group(
    judged: &Judged<'_>,
    value: &str,
    members: &[usize],
    list: &[Measure<'_>],
    rest: &[usize],
    resamples: &Resamples,
) -> Group {
    let least = judged.settings.min_cell;
    let positives = judged.stalking(members).iter().filter(|r| r.2).count();
    let figures = list.iter().filter_map(|m| Some(figure(m, resamples.interval(&m.compute)?)));
    let of_rest = if rest.len() >= least { allowed(judged, rest) } else { Vec::new() };
    let gaps = list.iter().filter_map(|mine| {
        let theirs = of_rest.iter().find(|m| m.name == mine.name)?;
        let interval = resamples.interval(|w| Some((mine.compute)(w)? - (theirs.compute)(w)?))?;
        Some(figure(mine, interval))
    });
    Group {
        value: value.to_owned(),
        n: members.len(),
        positives: (positives >= least).then_some(positives),
        figures: Named(figures.map(|f| hide_counts(f, least)).collect()),
        gaps: Named(gaps.map(|f| hide_counts(f, least)).collect()),
    }
}

/// A small count of positives is not shown beside a figure either.
fn hide_counts(mut figure: Figure, least: usize) -> Figure {
    if figure.positives < least {
        figure.positives = 0;
    }
    figure
}

fn widest(groups: &[(&String, Vec<Measure<'_>>)], resamples: &Resamples) -> Vec<Widest> {
    let ones = resamples.ones();
    FIGURES
        .iter()
        .filter_map(|&name| {
            let mut of: Vec<(&String, &Measure<'_>, f64)> = groups
                .iter()
                .filter_map(|(value, list)| {
                    let measure = list.iter().find(|m| m.name == name)?;
                    Some((*value, measure, (measure.compute)(&ones)?))
                })
                .collect();
            of.sort_by(|a, b| a.2.total_cmp(&b.2));
            let (lowest, highest) = (of.first()?, of.last()?);
            if of.len() < 2 {
                return None;
            }
            let interval = resamples.interval(|w| Some((highest.1.compute)(w)? - (lowest.1.compute)(w)?))?;
            Some(Widest {
                figure: name.to_owned(),
                highest: highest.0.clone(),
                lowest: lowest.0.clone(),
                value: interval.value,
                low: interval.low,
                high: interval.high,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::figures::resamples;
    use crate::evaluate::metrics::close::close;
    use crate::evaluate::toy::{self, Oracle, Shuffled};

    fn run(dataset: &crate::corpus::Dataset, oracle: bool) -> Vec<Column> {
        let rows = Rows::of(dataset).unwrap();
        let settings = Settings { resamples: 100, ..Settings::default() };
        let answers = if oracle {
            Answers::of(&Oracle::new(dataset), &rows)
        } else {
            Answers::of(&Shuffled::new(dataset, 1), &rows)
        };
        subgroups(&answers.unwrap(), &rows, &settings, &resamples(&rows, &settings))
    }

    #[test]
    fn an_oracle_has_no_gap_in_what_it_gets_right() {
        let columns = run(&toy::dataset(400, 1), true);
        let names: Vec<&str> = columns.iter().map(|c| &*c.column).collect();
        assert!(names.contains(&"sex_victim") && names.contains(&"channel"));
        for column in &columns {
            for group in &column.groups {
                for gap in &group.gaps.0 {
                    if !gap.name.starts_with("state.") {
                        assert!(close(gap.value, 0.0, 1e-12), "{column:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_gap_that_is_there_is_seen() {
        // Right about women, wrong about men.
        let dataset = toy::dataset(600, 1);
        let rows = Rows::of(&dataset).unwrap();
        let settings = Settings { resamples: 100, ..Settings::default() };
        let mut answers = Answers::of(&Oracle::new(&dataset), &rows).unwrap();
        for (example, scores) in rows.examples().iter().zip(&mut answers.scores) {
            if example.meta.sex_victim.as_deref() == Some("m") {
                scores.grades = [1.0, 0.0, 0.0];
            }
        }
        let columns = subgroups(&answers, &rows, &settings, &resamples(&rows, &settings));
        let column = columns.iter().find(|c| c.column == "sex_victim").unwrap();
        let recall = column.widest.iter().find(|w| w.figure == "stalking.recall").unwrap();
        assert_eq!((&*recall.highest, &*recall.lowest), ("f", "m"));
        assert!(close(recall.value, 1.0, 1e-12) && close(recall.low, 1.0, 1e-12));
    }

    #[test]
    fn small_groups_are_suppressed() {
        let mut dataset = toy::dataset(100, 1);
        for (i, example) in dataset.examples.iter_mut().enumerate() {
            let force = if i < 9 { "Smallshire" } else { "Bigshire" };
            example.report.force = Some(force.to_owned());
        }
        let columns = run(&dataset, false);
        let column = columns.iter().find(|c| c.column == "force").unwrap();
        assert_eq!((column.groups.len(), column.suppressed), (1, 1));
        assert!(column.groups[0].gaps.0.is_empty(), "the rest is too small");
        let json = serde_json::to_string(&columns).unwrap();
        assert!(!json.contains("Smallshire") && !json.contains("null"));
    }
}
