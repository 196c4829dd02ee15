//! The rows that an evaluation measures on: labelled reports, checked, with
//! the groups for the bootstrap and the columns for subgroups.
//!
//! This is the one place of the room that reads a [`Dataset`].

use std::collections::BTreeMap;

use crate::codebook::Grade;
use crate::corpus::{Dataset, Example, Labels};
use crate::error::{Error, ErrorKind, Result};

/// Columns that subgroups may be made by and rows selected by.
pub const COLUMNS: [&str; 12] = [
    "sex_victim",
    "sex_suspect",
    "relationship",
    "channel",
    "register",
    "length",
    "force",
    "recorded_as",
    "handling",
    "voice",
    "kind",
    "author",
];

/// Checked rows. Notes say what of the figures cannot be given, and why.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    examples: Vec<&'a Example>,
    groups: Vec<Vec<usize>>,
    notes: Vec<String>,
}

fn data_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Data, message)
}

impl<'a> Rows<'a> {
    /// Takes the examples of a dataset.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] when there is none, when an id stands there twice,
    /// and when a span or entity does not lie within its text.
    pub fn of(dataset: &'a Dataset) -> Result<Self> {
        Self::select(dataset, &[])
    }

    /// Takes the examples whose columns have the wanted values, see
    /// [`COLUMNS`]; several values of one column are alternatives.
    ///
    /// # Errors
    ///
    /// As for [`Rows::of`]; [`ErrorKind::Arguments`] for an unknown column, and
    /// when no example is left.
    pub fn select(dataset: &'a Dataset, wanted: &[(String, String)]) -> Result<Self> {
        if dataset.examples.is_empty() {
            return Err(data_error("the dataset has no report to evaluate on"));
        }
        let mut by_column: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (column, value) in wanted {
            if !COLUMNS.contains(&&**column) {
                return Err(Error::new(ErrorKind::Arguments, format!("no column to select by: `{column}`"))
                    .hint(format!("columns: {}", COLUMNS.join(", "))));
            }
            by_column.entry(column).or_default().push(value);
        }
        let examples: Vec<&Example> = dataset
            .examples
            .iter()
            .filter(|example| {
                by_column.iter().all(|(column, values)| {
                    column_of(example, column).is_some_and(|have| values.contains(&&*have))
                })
            })
            .collect();
        if examples.is_empty() {
            let asked: Vec<String> = wanted.iter().map(|(c, v)| format!("{c}={v}")).collect();
            return Err(Error::new(
                ErrorKind::Arguments,
                format!(
                    "no report is left to evaluate on: {} of {} have {}",
                    0,
                    dataset.examples.len(),
                    asked.join(" and ")
                ),
            )
            .hint("leave out a filter, or see that its value is written as in the data"));
        }
        check(&examples)?;
        let groups = groups(&examples);
        let notes = notes(&examples);
        Ok(Self { examples, groups, notes })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// Whether there are none, which [`Rows::of`] refuses.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// The examples, in the order of the data.
    pub fn examples(&self) -> &[&'a Example] {
        &self.examples
    }

    /// Rows of each case; an example without a case is a group of its own.
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// What cannot be measured on these rows, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The labels of a row.
    pub fn labels(&self, row: usize) -> Option<&'a Labels> {
        self.examples.get(row)?.labels.as_ref()
    }

    /// Whether a row is graded `possible` or `likely`; `None` if not labelled.
    pub fn positive(&self, row: usize) -> Option<bool> {
        Some(self.labels(row)?.stalking != Grade::None)
    }

    /// The rows of each author, by name; rows without author are left out.
    pub fn authors(&self) -> BTreeMap<String, Vec<usize>> {
        self.by_column("author")
    }

    /// The rows of each value of a column, see [`COLUMNS`].
    pub fn by_column(&self, column: &str) -> BTreeMap<String, Vec<usize>> {
        let mut rows: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (row, example) in self.examples.iter().enumerate() {
            if let Some(value) = column_of(example, column) {
                rows.entry(value).or_default().push(row);
            }
        }
        rows
    }
}

/// The value of one column of an example; a blank one counts as missing.
fn column_of(example: &Example, column: &str) -> Option<String> {
    let (report, meta) = (&example.report, &example.meta);
    let value = match column {
        "sex_victim" => meta.sex_victim.clone(),
        "sex_suspect" => meta.sex_suspect.clone(),
        "relationship" => example.labels.as_ref().map(|l| l.relationship.name().to_owned()),
        "channel" => report.channel.clone(),
        "register" => meta.register.clone(),
        "length" => Some(length_band(&report.text).to_owned()),
        "force" => report.force.clone(),
        "recorded_as" => report.recorded_as.as_deref().map(str::to_lowercase),
        "handling" => meta.handling.clone(),
        "voice" => meta.voice.clone(),
        "kind" => meta.kind.clone(),
        "author" => meta.author.clone(),
        _ => None,
    };
    value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

/// The band of a text's length. The numbers sort by name.
fn length_band(text: &str) -> &'static str {
    match text.split_whitespace().count() {
        0..60 => "1: under 60 words",
        60..120 => "2: 60 to 119 words",
        120..240 => "3: 120 to 239 words",
        _ => "4: 240 words and more",
    }
}

/// Refuses ids that stand there twice and marks outside their text.
fn check(examples: &[&Example]) -> Result<()> {
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    for example in examples {
        *ids.entry(&example.report.id).or_default() += 1;
    }
    let twice: Vec<&str> = ids.iter().filter(|(_, n)| **n > 1).map(|(id, _)| *id).collect();
    if let Some(first) = twice.first() {
        return Err(data_error(format!(
            "{} ids stand in the data more than once, the first: `{first}`",
            twice.len()
        ))
        .hint("the same report may be in two files"));
    }
    for example in examples {
        let length = example.report.text.chars().count();
        let marks = example
            .spans
            .iter()
            .map(|s| ("span", s.start, s.end))
            .chain(example.entities.iter().map(|e| ("entity", e.start, e.end)));
        for (what, start, end) in marks {
            if start >= end || end > length {
                return Err(data_error(format!(
                    "report `{}`: {what} {start} to {end} does not lie within its text of {length} characters",
                    example.report.id
                )));
            }
        }
    }
    Ok(())
}

fn groups(examples: &[&Example]) -> Vec<Vec<usize>> {
    let mut of_case: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        match example.case.as_deref() {
            None => groups.push(vec![row]),
            Some(case) => {
                let group = *of_case.entry(case).or_insert_with(|| {
                    groups.push(Vec::new());
                    groups.len() - 1
                });
                groups[group].push(row);
            }
        }
    }
    groups
}

fn notes(examples: &[&Example]) -> Vec<String> {
    let mut notes = Vec::new();
    let all = examples.len();
    let labelled = examples.iter().filter(|e| e.labels.is_some()).count();
    if labelled == 0 {
        notes.push(format!("none of the {all} reports has labels: only the shares of the states are given"));
        return notes;
    }
    if labelled < all {
        notes.push(format!(
            "{} of {all} reports have no labels and count in the shares of the states alone",
            all - labelled
        ));
    }
    let grades: Vec<Grade> = Grade::ALL
        .iter()
        .copied()
        .filter(|g| examples.iter().any(|e| e.labels.as_ref().is_some_and(|l| l.stalking == *g)))
        .collect();
    if let [only] = grades[..] {
        notes.push(format!(
            "every labelled report is graded `{only}`: figures that compare grades do not exist"
        ));
    } else if !grades.contains(&Grade::None) {
        notes.push("no report is graded `none`: figures that compare it with others do not exist".to_owned());
    }
    if examples.iter().all(|e| e.spans.is_empty()) {
        notes.push("no report has evidence spans: evidence is not measured".to_owned());
    }
    if examples.iter().all(|e| e.entities.is_empty()) {
        notes.push("no report has entities: entities are not measured".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::Indicator;
    use crate::corpus::Span;
    use crate::evaluate::toy;

    #[test]
    fn an_empty_selection_is_said() {
        let empty = Dataset::default();
        assert_eq!(Rows::of(&empty).unwrap_err().kind(), ErrorKind::Data);
        let dataset = toy::dataset(40, 1);
        let filter = |c: &str, v: &str| vec![(c.to_owned(), v.to_owned())];
        let error = Rows::select(&dataset, &filter("channel", "pigeon")).unwrap_err();
        assert!(error.to_string().contains("channel=pigeon"), "{error}");
        let error = Rows::select(&dataset, &filter("colour", "red")).unwrap_err();
        assert!(error.to_string().contains("`colour`"), "{error}");
        let some = Rows::select(&dataset, &filter("channel", "999")).unwrap();
        assert!(!some.is_empty() && some.len() < 40);
    }

    #[test]
    fn an_id_twice_is_refused() {
        let mut dataset = toy::dataset(10, 1);
        dataset.examples[7].report.id = dataset.examples[2].report.id.clone();
        let error = Rows::of(&dataset).unwrap_err();
        assert!(error.to_string().contains("`R0002`"), "{error}");
    }

    #[test]
    fn a_span_outside_its_text_is_refused() {
        let mut dataset = toy::dataset(10, 1);
        dataset.examples[3].spans.push(Span {
            start: 5,
            end: 100_000,
            label: Indicator::Contact,
            denied: false,
        });
        let error = Rows::of(&dataset).unwrap_err();
        assert!(error.to_string().contains("`R0003`"), "{error}");
    }

    #[test]
    fn what_cannot_be_measured_is_noted() {
        let mut dataset = toy::dataset(10, 1);
        for example in &mut dataset.examples {
            example.labels = None;
        }
        let rows = Rows::of(&dataset).unwrap();
        assert!(rows.notes()[0].contains("none of the 10 reports has labels"));
        let mut dataset = toy::dataset(10, 1);
        for example in &mut dataset.examples {
            if let Some(labels) = &mut example.labels {
                labels.stalking = Grade::Likely;
            }
        }
        let rows = Rows::of(&dataset).unwrap();
        assert!(rows.notes()[0].contains("graded `likely`"));
    }

    #[test]
    fn rows_without_a_case_are_alone() {
        let mut dataset = toy::dataset(6, 1);
        for (i, example) in dataset.examples.iter_mut().enumerate() {
            example.case = (i % 2 == 0).then(|| "C1".to_owned());
        }
        let rows = Rows::of(&dataset).unwrap();
        assert_eq!(rows.groups(), [vec![0, 2, 4], vec![1], vec![3], vec![5]]);
    }
}
