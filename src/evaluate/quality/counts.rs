//! Reports by axis.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::codebook::{Grade, Indicator};
use crate::evaluate::{COLUMNS, Rows};

/// How many reports there are of each sort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Reports.
    pub reports: usize,
    /// Reports without labels.
    pub unlabelled: usize,
    /// Courses of conduct.
    pub cases: usize,
    /// Reports by grade.
    pub grades: BTreeMap<&'static str, usize>,
    /// Reports marked for serious harm.
    pub serious_harm: usize,
    /// For each column its values and their reports; a missing value is no value.
    pub axes: BTreeMap<&'static str, BTreeMap<String, usize>>,
    /// Reports in which each indicator is found and denied, in codebook order.
    pub indicators: Vec<IndicatorCount>,
    /// Words of a report.
    pub words: Lengths,
}

/// Reports in which an indicator is found and denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndicatorCount {
    /// Its name.
    pub indicator: &'static str,
    /// Reports that give evidence of it.
    pub found: usize,
    /// Reports that expressly say it did not happen.
    pub denied: usize,
}

/// Quantiles of the number of words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// The fewest.
    pub min: usize,
    /// 5 % have no more.
    pub q05: usize,
    /// A quarter has no more.
    pub q25: usize,
    /// Half has no more.
    pub median: usize,
    /// Three quarters have no more.
    pub q75: usize,
    /// 95 % have no more.
    pub q95: usize,
    /// The most.
    pub max: usize,
}

impl Counts {
    /// Counts rows.
    pub fn of(rows: &Rows<'_>) -> Counts {
        let examples = rows.examples();
        let labels = || examples.iter().filter_map(|e| e.labels.as_ref());
        let mut lengths: Vec<usize> =
            examples.iter().map(|e| e.report.text.split_whitespace().count()).collect();
        lengths.sort_unstable();
        // The smallest length that at least this share of the reports do not pass.
        let quantile = |share: f64| {
            let rank = (share * lengths.len() as f64).ceil() as usize;
            lengths.get(rank.saturating_sub(1)).copied().unwrap_or(0)
        };
        let axes = COLUMNS.iter().map(|&column| {
            let values = rows.by_column(column).into_iter().map(|(value, rows)| (value, rows.len()));
            (column, values.collect())
        });
        let mut cases: Vec<&str> = examples.iter().filter_map(|e| e.case.as_deref()).collect();
        cases.sort_unstable();
        cases.dedup();
        Counts {
            reports: rows.len(),
            unlabelled: rows.len() - labels().count(),
            cases: cases.len(),
            grades: Grade::ALL
                .iter()
                .map(|&grade| (grade.name(), labels().filter(|l| l.stalking == grade).count()))
                .collect(),
            serious_harm: labels().filter(|l| l.serious_harm).count(),
            axes: axes.collect(),
            indicators: Indicator::ALL
                .iter()
                .map(|i| IndicatorCount {
                    indicator: i.name(),
                    found: labels().filter(|l| l.found.contains(i)).count(),
                    denied: labels().filter(|l| l.denied.contains(i)).count(),
                })
                .collect(),
            words: Lengths {
                min: quantile(0.0),
                q05: quantile(0.05),
                q25: quantile(0.25),
                median: quantile(0.5),
                q75: quantile(0.75),
                q95: quantile(0.95),
                max: quantile(1.0),
            },
        }
    }
}

/// Values of an axis that are shown to people, the commonest first.
const SHOWN: usize = 12;

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { reports, unlabelled, cases, serious_harm, words, .. } = self;
        writeln!(
            f,
            "reports {reports}, without labels {unlabelled}, cases {cases}, serious harm {serious_harm}"
        )?;
        let Lengths { min, q05, q25, median, q75, q95, max } = words;
        writeln!(f, "words: {min} to {max}, median {median}, 5 % {q05}, 25 % {q25}, 75 % {q75}, 95 % {q95}")?;
        let grades: Vec<String> =
            Grade::ALL.iter().map(|g| format!("{g} {}", self.grades.get(g.name()).unwrap_or(&0))).collect();
        writeln!(f, "grade: {}", grades.join(", "))?;
        for (axis, values) in &self.axes {
            let mut values: Vec<(&String, &usize)> = values.iter().collect();
            values.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
            let more = values.len().saturating_sub(SHOWN);
            values.truncate(SHOWN);
            let shown: Vec<String> = values.iter().map(|(value, n)| format!("{value} {n}")).collect();
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            writeln!(f, "{axis}: {}{more}", shown.join(", "))?;
        }
        writeln!(f, "\nindicator                   found  denied")?;
        for IndicatorCount { indicator, found, denied } in &self.indicators {
            writeln!(f, "{indicator:<26} {found:>6} {denied:>7}")?;
        }
        Ok(())
    }
}
