//! How far several readers of the same reports agree.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Serialize;

use super::metrics::{cohen_kappa, krippendorff_alpha};
use super::write6;
use crate::codebook::{Grade, Indicator};
use crate::error::{Error, ErrorKind, Result};

/// Agreement on one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// `grade` or the name of an indicator.
    pub question: String,
    /// Reports with an answer of two coders or more.
    pub n: usize,
    /// Krippendorff's alpha, nominal; absent where all gave one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Cohen's kappa of each pair of coders that shares reports.
    pub kappa: Vec<Pair>,
}

/// Two coders.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// One coder.
    pub first: String,
    /// The other.
    pub second: String,
    /// Reports that both read.
    pub n: usize,
    /// Cohen's kappa.
    #[serde(serialize_with = "write6")]
    pub kappa: f64,
}

/// What one coder said of one report.
#[derive(Clone, Debug)]
struct Coded {
    grade: Grade,
    indicators: Option<BTreeSet<Indicator>>,
}

/// Agreement of the coders of a CSV file with the columns `id`, `coder`,
/// `grade` and, if it is there, `indicators` (names with spaces or semicolons
/// between). Other columns are passed over. The grade comes first, then every
/// indicator that some coder found.
///
/// # Errors
///
/// [`ErrorKind::Input`] when a column is missing or the file is no CSV;
/// [`ErrorKind::Data`] for an unknown label, for a report that one coder read
/// twice, and when no report has two coders; each with its line.
pub fn agreement(csv: impl Read) -> Result<Vec<Agreement>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let not_csv = |err: csv::Error| {
        Error::new(ErrorKind::Input, format!("coders: not a CSV file: {err}")).with_source(err)
    };
    let header = reader.headers().map_err(not_csv)?.clone();
    let column = |name: &str| header.iter().position(|h| h.trim_start_matches('\u{feff}') == name);
    let need = |name: &str| {
        column(name).ok_or_else(|| {
            Error::new(ErrorKind::Input, format!("coders: no column `{name}`"))
                .hint("the columns are id, coder, grade and, if there, indicators")
        })
    };
    let (id, coder, grade) = (need("id")?, need("coder")?, need("grade")?);
    let indicators = column("indicators");
    let mut coded: BTreeMap<String, BTreeMap<String, Coded>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(not_csv)?;
        let line = record.position().map_or(0, csv::Position::line);
        let fault = |what: String| Error::new(ErrorKind::Data, format!("coders, line {line}: {what}"));
        let cell = |at: usize| record.get(at).unwrap_or("").to_owned();
        let (id, coder) = (cell(id), cell(coder));
        if id.is_empty() || coder.is_empty() {
            return Err(fault("no id or no coder".to_owned()));
        }
        let one = Coded {
            grade: cell(grade).parse().map_err(|e: Error| fault(e.to_string()))?,
            indicators: indicators
                .map(|at| {
                    cell(at)
                        .split([';', ' ', ','])
                        .filter(|name| !name.is_empty())
                        .map(|name| name.parse().map_err(|e: Error| fault(e.to_string())))
                        .collect::<Result<_>>()
                })
                .transpose()?,
        };
        if coded.entry(id.clone()).or_default().insert(coder.clone(), one).is_some() {
            return Err(fault(format!("coder `{coder}` read report `{id}` twice")));
        }
    }
    if coded.values().all(|c| c.len() < 2) {
        return Err(Error::new(
            ErrorKind::Data,
            format!("coders: none of the {} reports has two coders", coded.len()),
        ));
    }
    let mut all = vec![question(&coded, "grade", |c| Some(c.grade.index()))];
    for &indicator in Indicator::ALL {
        let said = |c: &Coded| Some(usize::from(c.indicators.as_ref()?.contains(&indicator)));
        if coded.values().flat_map(BTreeMap::values).any(|c| said(c) == Some(1)) {
            all.push(question(&coded, indicator.name(), said));
        }
    }
    Ok(all)
}

fn question(
    coded: &BTreeMap<String, BTreeMap<String, Coded>>,
    name: &str,
    answer: impl Fn(&Coded) -> Option<usize>,
) -> Agreement {
    let units: Vec<BTreeMap<&str, usize>> = coded
        .values()
        .map(|of| of.iter().filter_map(|(coder, c)| Some((&**coder, answer(c)?))).collect())
        .collect();
    let coders: BTreeSet<&str> = units.iter().flat_map(|u| u.keys().copied()).collect();
    let coders: Vec<&str> = coders.into_iter().collect();
    let mut kappa = Vec::new();
    for (i, first) in coders.iter().enumerate() {
        for second in &coders[i + 1..] {
            let (a, b): (Vec<usize>, Vec<usize>) =
                units.iter().filter_map(|u| Some((*u.get(first)?, *u.get(second)?))).unzip();
            if let Some(k) = cohen_kappa(&a, &b) {
                kappa.push(Pair {
                    first: (*first).to_owned(),
                    second: (*second).to_owned(),
                    n: a.len(),
                    kappa: k,
                });
            }
        }
    }
    let labels: Vec<Vec<usize>> = units.iter().map(|u| u.values().copied().collect()).collect();
    Agreement {
        question: name.to_owned(),
        n: labels.iter().filter(|l| l.len() > 1).count(),
        alpha: krippendorff_alpha(&labels).map(super::round6),
        kappa,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::close::close;

    #[test]
    fn kappa_and_alpha_of_a_file() {
        let csv = "id,coder,grade,indicators\n\
            1,ann,none,\n1,bob,none,contact\n\
            2,ann,likely,contact;following\n2,bob,likely,contact following\n\
            3,ann,none,\n3,bob,none,\n\
            4,ann,possible,gifts\n4,bob,possible,gifts\n\
            5,ann,likely,contact\n5,bob,none,contact\n";
        let all = agreement(csv.as_bytes()).unwrap();
        // The grades are those of scikit-learn's documented kappa example.
        assert_eq!((&*all[0].question, all[0].n), ("grade", 5));
        assert!(close(all[0].kappa[0].kappa, 0.6875, 1e-9));
        let questions: Vec<&str> = all.iter().map(|a| &*a.question).collect();
        assert_eq!(questions, ["grade", "following", "contact", "gifts"]);
        let following = &all[1];
        assert_eq!(following.alpha, Some(1.0));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_with_its_line() {
        struct Case(&'static str, &'static str);
        let cases = [
            Case("id,grade\n1,none\n", "no column `coder`"),
            Case("id,coder,grade\n1,a,none\n1,b,perhaps\n", "line 3"),
            Case("id,coder,grade\n1,a,none\n1,a,none\n", "`1` twice"),
            Case("id,coder,grade\n1,a,none\n2,b,none\n", "none of the 2 reports"),
            Case("id,coder,grade\n", "none of the 0 reports"),
            Case("id,coder,grade,indicators\n1,a,none,lurking\n", "line 2"),
            Case("id,coder,grade\n1,,none\n", "no coder"),
        ];
        for Case(csv, want) in cases {
            let error = agreement(csv.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{csv:?}: {error}");
        }
        let all = agreement("id,coder,grade\n1,a,none\n1,b,none\n".as_bytes()).unwrap();
        assert!(!serde_json::to_string(&all).unwrap().contains("null"));
    }
}
