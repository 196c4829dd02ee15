//! Second readings: how far readers who saw only text and codebook agree with
//! those who wrote and labelled the reports.
//!
//! A readings file is JSON Lines,
//! `{"id": "R0001", "reader": "R1", "labels": {…}, "spans": [{"start": 14, "end": 31, "label": "following"}]}`,
//! labels and spans as in the record; or a CSV with the columns `id`, `reader`,
//! `stalking`, `serious_harm`, `relationship`, `indicators`, `denied` and
//! `spans`, where lists have spaces between and a span is `following:14-31`. One
//! report may have several readers; each reading is compared with the first
//! labels on its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::metrics::agreement::weighted_kappa;
use super::metrics::{Marks, Resamples, overlap, token_marks};
use super::round6;
use crate::codebook::{Grade, Indicator, Relationship};
use crate::corpus::{Dataset, Example, Labels, Span};
use crate::error::{Error, ErrorKind, Result};

/// One reading of one report.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The report's id.
    pub id: String,
    /// Who read it.
    pub reader: String,
    /// What the reader said of the whole text.
    pub labels: Labels,
    /// Where the reader saw evidence.
    pub spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    reader: String,
    labels: LineLabels,
    #[serde(default)]
    spans: Vec<LineSpan>,
}

/// A row of a CSV.
#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(default)]
    reader: String,
    stalking: Grade,
    serious_harm: bool,
    relationship: Relationship,
    #[serde(default)]
    indicators: String,
    #[serde(default)]
    denied: String,
    #[serde(default)]
    spans: String,
}

impl Row {
    fn line(self) -> Result<Line> {
        let indicators =
            |list: &str| list.split_whitespace().map(str::parse).collect::<Result<Vec<Indicator>>>();
        let span = |word: &str| {
            let bad = || Error::new(ErrorKind::Data, format!("`{word}` is no span such as following:14-31"));
            let (label, range) = word.rsplit_once(':').ok_or_else(bad)?;
            let (start, end) = range.split_once('-').ok_or_else(bad)?;
            let place = |text: &str| text.parse::<usize>().map_err(|_| bad());
            Ok(LineSpan { start: place(start)?, end: place(end)?, label: label.to_owned() })
        };
        let labels = LineLabels {
            stalking: self.stalking,
            indicators: indicators(&self.indicators)?,
            denied: indicators(&self.denied)?,
            serious_harm: self.serious_harm,
            relationship: self.relationship,
        };
        let spans = self.spans.split_whitespace().map(span).collect::<Result<_>>()?;
        Ok(Line { id: self.id, reader: self.reader, labels, spans })
    }
}

#[derive(Deserialize)]
struct LineLabels {
    stalking: Grade,
    #[serde(default)]
    indicators: Vec<Indicator>,
    #[serde(default)]
    denied: Vec<Indicator>,
    serious_harm: bool,
    relationship: Relationship,
}

#[derive(Deserialize)]
struct LineSpan {
    start: usize,
    end: usize,
    label: String,
}

/// Reads files of readings.
///
/// # Errors
///
/// [`ErrorKind::Io`] when one cannot be read, [`ErrorKind::Data`] with file and
/// line for what is no reading, for a report that one reader read twice, and
/// when there is none.
pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let path = path.as_ref();
        let mut add = |number: usize, line: Result<Line>| {
            let fault = |what: String| {
                Error::new(ErrorKind::Data, format!("{}:{number}: {what}", path.display()))
                    .hint("a reading is id, reader, labels and spans, labels and spans as in the record")
            };
            let reading = line.and_then(reading).map_err(|err| fault(err.to_string()))?;
            if !seen.insert((reading.id.clone(), reading.reader.clone())) {
                return Err(fault(format!("reader `{}` read report `{}` twice", reading.reader, reading.id)));
            }
            readings.push(reading);
            Ok(())
        };
        let text = std::fs::read_to_string(path).map_err(|err| Error::io(path, err))?;
        let no_reading = |err: &dyn fmt::Display| Error::new(ErrorKind::Data, format!("no reading: {err}"));
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            let mut rows = csv::Reader::from_reader(text.as_bytes());
            for (number, row) in rows.deserialize::<Row>().enumerate() {
                add(number + 2, row.map_err(|err| no_reading(&err)).and_then(Row::line))?;
            }
            continue;
        }
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            add(number + 1, serde_json::from_str(line).map_err(|err| no_reading(&err)))?;
        }
    }
    if readings.is_empty() {
        return Err(Error::new(ErrorKind::Data, "the files of second readings hold none"));
    }
    Ok(readings)
}

/// Takes the readings of one reader as the first labels of a dataset: those
/// that its reports had before readings were weighed against each other. Gives
/// back the readings of the others.
///
/// # Errors
///
/// When there is no reading of that reader.
pub fn take_first(dataset: &mut Dataset, readings: Vec<Reading>, reader: &str) -> Result<Vec<Reading>> {
    let (first, rest): (Vec<Reading>, Vec<Reading>) = readings.into_iter().partition(|r| r.reader == reader);
    if first.is_empty() {
        let readers: BTreeSet<&str> = rest.iter().map(|r| r.reader.as_str()).collect();
        let known: Vec<&str> = readers.into_iter().collect();
        return Err(Error::new(ErrorKind::Data, format!("no reading is of reader `{reader}`"))
            .hint(format!("readers: {}", known.join(", "))));
    }
    let mut by_id: BTreeMap<String, Reading> = first.into_iter().map(|r| (r.id.clone(), r)).collect();
    for example in &mut dataset.examples {
        example.labels = None;
        if let Some(reading) = by_id.remove(&example.report.id) {
            example.labels = Some(reading.labels);
            example.spans = reading.spans;
        }
    }
    Ok(rest)
}

fn reading(line: Line) -> Result<Reading> {
    let Line { id, reader, labels, spans } = line;
    let sorted = |mut list: Vec<Indicator>| {
        list.sort_unstable();
        list.dedup();
        list
    };
    let labels = Labels {
        stalking: labels.stalking,
        found: sorted(labels.indicators),
        denied: sorted(labels.denied),
        serious_harm: labels.serious_harm,
        relationship: labels.relationship,
    };
    let spans = spans
        .into_iter()
        .map(|LineSpan { start, end, label }| {
            let indicator: Indicator = label.trim_start_matches('!').parse()?;
            let denied = label.starts_with('!')
                || (labels.denied.contains(&indicator) && !labels.found.contains(&indicator));
            Ok(Span { start, end, label: indicator, denied })
        })
        .collect::<Result<_>>()?;
    Ok(Reading { id, reader, labels, spans })
}

/// A figure with its 95 % interval, by resampling cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What agrees: `grade`, `binary`, `serious_harm`, `relationship` or an indicator.
    pub question: String,
    /// Readings compared; for an indicator, those in which either found it.
    pub n: usize,
    /// Cohen's kappa; `None` where all gave one answer.
    pub kappa: Option<Estimate>,
}

/// A value between the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// On all readings.
    pub value: f64,
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// One way of disagreeing and how often it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// What was asked.
    pub question: String,
    /// What the first labels say.
    pub first: String,
    /// What the reader says.
    pub second: String,
    /// Readings.
    pub n: usize,
}

/// How far two readings of the same reports agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecondReading {
    /// Readings compared.
    pub readings: usize,
    /// Reports that were read.
    pub reports: usize,
    /// Readings of reports that the first files do not have, or have unlabelled.
    pub unmatched: usize,
    /// Kappa of grade (three classes), binary (`none` against the others),
    /// serious harm, relationship, then each indicator that either found.
    pub kappas: Vec<Figure>,
    /// F1 of the words of spans, over indicators that both found and marked.
    pub span_f1: Option<Estimate>,
    /// Words in both spans over words in either.
    pub span_iou: Option<Estimate>,
    /// Indicators of readings whose spans were compared.
    pub spans_compared: usize,
    /// The commonest disagreements.
    pub disagreements: Vec<Disagreement>,
}

/// Disagreements that are listed.
const LISTED: usize = 10;

/// Compares readings with the labels of a dataset.
///
/// # Errors
///
/// [`ErrorKind::Data`] when no reading is of a labelled report, and when a span
/// does not lie within its text.
pub fn compare(first: &Dataset, second: &[Reading], resamples: usize, seed: u64) -> Result<SecondReading> {
    let by_id: BTreeMap<&str, &Example> =
        first.examples.iter().map(|example| (example.report.id.as_str(), example)).collect();
    let pairs: Vec<(&Example, &Labels, &Reading)> = second
        .iter()
        .filter_map(|reading| {
            let example = *by_id.get(reading.id.as_str())?;
            Some((example, example.labels.as_ref()?, reading))
        })
        .collect();
    if pairs.is_empty() {
        return Err(Error::new(
            ErrorKind::Data,
            format!("none of the {} readings is of a labelled report of the first files", second.len()),
        )
        .hint("the ids of both must be the same"));
    }
    for (example, _, reading) in &pairs {
        let length = example.report.text.chars().count();
        if let Some(span) = reading.spans.iter().find(|s| s.start >= s.end || s.end > length) {
            return Err(Error::new(
                ErrorKind::Data,
                format!(
                    "reader `{}`, report `{}`: span {} to {} does not lie within its text of {length} characters",
                    reading.reader, reading.id, span.start, span.end
                ),
            ));
        }
    }
    let resamples = Resamples::new(&groups(&pairs), pairs.len(), resamples, seed);
    let kappa =
        |a: &[usize], b: &[usize]| estimate(resamples.interval(|weights| weighted_kappa(a, b, weights)));
    type Answer<'a> = (&'a str, Box<dyn Fn(&Labels) -> usize>);
    let questions: [Answer; 4] = [
        ("grade", Box::new(|l| l.stalking.index())),
        ("binary", Box::new(|l| usize::from(l.stalking != Grade::None))),
        ("serious_harm", Box::new(|l| usize::from(l.serious_harm))),
        ("relationship", Box::new(|l| l.relationship.index())),
    ];
    let mut kappas = Vec::new();
    for (question, answer) in &questions {
        let a: Vec<usize> = pairs.iter().map(|p| answer(p.1)).collect();
        let b: Vec<usize> = pairs.iter().map(|p| answer(&p.2.labels)).collect();
        kappas.push(Figure { question: (*question).to_owned(), n: a.len(), kappa: kappa(&a, &b) });
    }
    for indicator in Indicator::ALL {
        let found = |l: &Labels| usize::from(l.found.contains(indicator));
        let a: Vec<usize> = pairs.iter().map(|p| found(p.1)).collect();
        let b: Vec<usize> = pairs.iter().map(|p| found(&p.2.labels)).collect();
        let n = a.iter().zip(&b).filter(|(a, b)| **a + **b > 0).count();
        if n > 0 {
            kappas.push(Figure { question: indicator.name().to_owned(), n, kappa: kappa(&a, &b) });
        }
    }
    let marks: Vec<Vec<Marks>> = pairs.iter().map(marks).collect();
    let pooled = |weights: &[f64]| {
        let mut all = Marks::default();
        for (of, weight) in marks.iter().zip(weights) {
            of.iter().for_each(|marks| all.add(marks, *weight));
        }
        all
    };
    let ids: BTreeSet<&str> = pairs.iter().map(|p| p.2.id.as_str()).collect();
    Ok(SecondReading {
        readings: pairs.len(),
        reports: ids.len(),
        unmatched: second.len() - pairs.len(),
        span_f1: estimate(resamples.interval(|weights| pooled(weights).f1())),
        span_iou: estimate(resamples.interval(|weights| pooled(weights).iou())),
        spans_compared: marks.iter().map(Vec::len).sum(),
        kappas,
        disagreements: disagreements(&pairs),
    })
}

fn estimate(interval: Option<super::metrics::Interval>) -> Option<Estimate> {
    interval.map(|i| Estimate { value: round6(i.value), low: round6(i.low), high: round6(i.high) })
}

/// Readings of one case; a report without a case is its own.
fn groups(pairs: &[(&Example, &Labels, &Reading)]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (place, (example, _, _)) in pairs.iter().enumerate() {
        let key = match example.case.as_deref() {
            Some(case) => ("case", case),
            None => ("report", example.report.id.as_str()),
        };
        groups.entry(key).or_default().push(place);
    }
    groups.into_values().collect()
}

/// Words of the spans of each indicator that both found and marked.
fn marks((example, labels, reading): &(&Example, &Labels, &Reading)) -> Vec<Marks> {
    let words = overlap::words(&example.report.text);
    let runs = |spans: &[Span], indicator: Indicator| -> Vec<(usize, usize)> {
        let of = spans.iter().filter(|span| span.label == indicator && !span.denied);
        of.map(|span| (span.start, span.end)).collect()
    };
    let both = labels.found.iter().filter(|indicator| reading.labels.found.contains(indicator));
    both.filter_map(|&indicator| {
        let (a, b) = (runs(&example.spans, indicator), runs(&reading.spans, indicator));
        (!a.is_empty() && !b.is_empty()).then(|| token_marks(&words, &a, &b))
    })
    .collect()
}

fn disagreements(pairs: &[(&Example, &Labels, &Reading)]) -> Vec<Disagreement> {
    let state = |labels: &Labels, indicator: &Indicator| {
        if labels.found.contains(indicator) {
            "found"
        } else if labels.denied.contains(indicator) {
            "denied"
        } else {
            "not_mentioned"
        }
    };
    let harm = |labels: &Labels| if labels.serious_harm { "found" } else { "not_mentioned" };
    let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for (_, a, reading) in pairs {
        let b = &reading.labels;
        let mut answers = vec![
            ("grade", a.stalking.name(), b.stalking.name()),
            ("serious_harm", harm(a), harm(b)),
            ("relationship", a.relationship.name(), b.relationship.name()),
        ];
        answers.extend(Indicator::ALL.iter().map(|i| (i.name(), state(a, i), state(b, i))));
        for answer in answers.into_iter().filter(|answer| answer.1 != answer.2) {
            *counts.entry(answer).or_default() += 1;
        }
    }
    let mut all: Vec<Disagreement> = counts
        .into_iter()
        .map(|((question, first, second), n)| Disagreement {
            question: question.to_owned(),
            first: first.to_owned(),
            second: second.to_owned(),
            n,
        })
        .collect();
    // The sort keeps the order by name among equals.
    all.sort_by_key(|d| std::cmp::Reverse(d.n));
    all.truncate(LISTED);
    all
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.value, self.low, self.high)
    }
}

impl fmt::Display for SecondReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecondReading { readings, reports, unmatched, spans_compared, .. } = self;
        writeln!(f, "readings {readings}, reports {reports}, readings of other reports {unmatched}\n")?;
        writeln!(f, "Cohen's kappa, 95 % interval by resampling cases")?;
        for Figure { question, n, kappa } in &self.kappas {
            let kappa = kappa.map_or("not defined".to_owned(), |kappa| kappa.to_string());
            writeln!(f, "  {question:<26} {n:>5}  {kappa}")?;
        }
        for (name, figure) in [("F1", &self.span_f1), ("overlap", &self.span_iou)] {
            let figure = figure.map_or("none to compare".to_owned(), |figure| figure.to_string());
            writeln!(f, "words of spans, {name}: {figure}, {spans_compared} indicators that both marked")?;
        }
        writeln!(f, "\ncommonest disagreements")?;
        for Disagreement { question, first, second, n } in &self.disagreements {
            writeln!(f, "  {n:>4}  {question}: {first}, reader {second}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::toy;

    fn of(dataset: &Dataset) -> Vec<Reading> {
        let labelled = dataset.examples.iter().filter_map(|e| Some((e, e.labels.clone()?)));
        labelled
            .map(|(e, labels)| Reading {
                id: e.report.id.clone(),
                reader: "R1".to_owned(),
                labels,
                spans: e.spans.clone(),
            })
            .collect()
    }

    #[test]
    fn a_reader_who_says_the_same_agrees_wholly() {
        let dataset = toy::dataset(80, 1);
        let same = compare(&dataset, &of(&dataset), 50, 1).unwrap();
        assert!(same.kappas.iter().filter_map(|k| k.kappa).all(|k| k.value == 1.0 && k.low == 1.0));
        assert!(same.disagreements.is_empty());
        assert!(same.span_f1.is_none_or(|f1| f1.value == 1.0));
    }

    #[test]
    fn a_csv_holds_the_readings_and_the_first_reader_stands_in_for_the_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("readings.csv");
        let head = "id,reader,stalking,serious_harm,relationship,indicators,denied,spans\n";
        let rows = "a,author,possible,false,unknown,following,,following:0-8\n\
                    a,R1,likely,true,ex_partner,following repeated,threat,following:0-8 !threat:9-15\n";
        std::fs::write(&path, format!("{head}{rows}")).unwrap();
        let readings = read(&[&path]).unwrap();
        assert_eq!(readings.len(), 2);
        assert_eq!(readings[1].labels.found, [Indicator::Following, Indicator::Repeated]);
        assert!(readings[1].spans[1].denied && readings[1].spans[1].label == Indicator::Threat);

        let mut dataset = Dataset::default();
        let mut example = toy::dataset(1, 1).examples.remove(0);
        example.report.id = "a".into();
        dataset.examples.push(example);
        let rest = take_first(&mut dataset, readings.clone(), "author").unwrap();
        assert_eq!(rest.len(), 1);
        assert_eq!(dataset.examples[0].labels.as_ref().unwrap().stalking, Grade::Possible);
        let error = take_first(&mut dataset, readings, "nobody").unwrap_err();
        assert!(error.to_string().contains("nobody"), "{error}");

        std::fs::write(&path, format!("{head}a,R1,likely,true,unknown,following,,following:x\n")).unwrap();
        let error = read(&[&path]).unwrap_err().to_string();
        assert!(error.contains("readings.csv:2") && error.contains("following:14-31"), "{error}");
    }

    #[test]
    fn disagreements_are_counted_and_lower_kappa() {
        let dataset = toy::dataset(80, 1);
        let mut readings = of(&dataset);
        let mut changed = 0;
        for reading in readings.iter_mut().filter(|r| r.labels.stalking == Grade::None).take(9) {
            reading.labels.stalking = Grade::Possible;
            changed += 1;
        }
        readings[0].id = "elsewhere".to_owned();
        let other = compare(&dataset, &readings, 50, 1).unwrap();
        assert_eq!(other.unmatched, 1);
        let first = &other.disagreements[0];
        assert_eq!((&*first.question, &*first.first, &*first.second), ("grade", "none", "possible"));
        assert!(first.n == changed || first.n == changed - 1);
        assert!(other.kappas[0].kappa.unwrap().value < 1.0);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl");
        let good = r#"{"id":"R1","reader":"a","labels":{"stalking":"none","indicators":[],"serious_harm":false,"relationship":"unknown"}}"#;
        for (text, want) in [
            (format!("{good}\n{good}\n"), "r.jsonl:2: reader `a` read report `R1` twice"),
            (good.replace("none", "perhaps"), "r.jsonl:1: no reading"),
            (good.replace("}}", r#"},"spans":[{"start":0,"end":2,"label":"lurking"}]}"#), "lurking"),
            (String::new(), "hold none"),
        ] {
            std::fs::write(&path, text).unwrap();
            let err = read(&[&path]).unwrap_err();
            assert!(err.to_string().contains(want), "{err}");
        }
        std::fs::write(&path, good).unwrap();
        let readings = read(&[&path]).unwrap();
        assert!(compare(&Dataset::default(), &readings, 10, 1).is_err());
    }
}
