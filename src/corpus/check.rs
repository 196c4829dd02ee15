//! The checker of dataset files: every fault, with its place.
//!
//! Two severities: what makes an example unusable ([`Severity::Broken`]) and
//! what breaks a rule of the corpus although the example could be read
//! ([`Severity::Rule`]). What the rules mean stands in the codebook; whether a
//! label is right is for readers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::places;
use super::{Dataset, EntitySpan, Example, Labels, Meta, Span, files_of, markup};
use crate::codebook::{EntityKind, Grade, Indicator, unknown};
use crate::error::{Error, Result};
use crate::report::read::{LineRead, RECORD_BYTES_MAX, bad_json, read_line};
use crate::report::{CHANNELS, Field, Report, faults_of};

/// How bad a fault is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The example cannot be used.
    Broken,
    /// The example can be read, but breaks a rule of the corpus.
    Rule,
}

/// One fault in a dataset file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The character in that line, from 1, where it is known.
    pub column: Option<u64>,
    /// The record's id, where it is known.
    pub id: Option<String>,
    /// What is at fault, in a word: `json`, `id`, `text`, `date`, `field`,
    /// `channel`, `labels`, `markup`, `span`, `entity`, `case`, `meta`, `phone`, `file`.
    pub what: &'static str,
    /// Why.
    pub why: String,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        write!(f, " {}: {}", self.what, self.why)?;
        match &self.id {
            Some(id) => write!(f, " [{id}]"),
            None => Ok(()),
        }
    }
}

/// What the files hold, faulty records left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files read.
    pub files: usize,
    /// Reports that can be used.
    pub reports: usize,
    /// Reports by grade, in the order of [`Grade::ALL`].
    pub by_grade: [usize; Grade::ALL.len()],
    /// Reports without labels.
    pub unlabelled: usize,
    /// Reports marked for serious harm.
    pub serious_harm: usize,
    /// For each indicator, in codebook order: reports where it is found, denied.
    pub indicators: Vec<(Indicator, usize, usize)>,
    /// Cases.
    pub cases: usize,
    /// Authors.
    pub authors: usize,
    /// Spans.
    pub spans: usize,
    /// Entities.
    pub entities: usize,
}

impl Summary {
    fn of(files: usize, dataset: &Dataset) -> Summary {
        let examples = &dataset.examples;
        let labels = || examples.iter().filter_map(|e| e.labels.as_ref());
        let cases: BTreeSet<&str> = examples.iter().filter_map(|e| e.case.as_deref()).collect();
        let mut by_grade = [0; Grade::ALL.len()];
        for labels in labels() {
            by_grade[labels.stalking.index()] += 1;
        }
        let count = |i: Indicator| {
            let found = labels().filter(|l| l.found.contains(&i)).count();
            (i, found, labels().filter(|l| l.denied.contains(&i)).count())
        };
        Summary {
            files,
            reports: examples.len(),
            by_grade,
            unlabelled: examples.iter().filter(|e| e.labels.is_none()).count(),
            serious_harm: labels().filter(|l| l.serious_harm).count(),
            indicators: Indicator::ALL.iter().map(|&i| count(i)).collect(),
            cases: cases.len(),
            authors: dataset.authors().len(),
            spans: examples.iter().map(|e| e.spans.len()).sum(),
            entities: examples.iter().map(|e| e.entities.len()).sum(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { files, reports, cases, authors, spans, entities, .. } = self;
        writeln!(
            f,
            "reports {reports}, files {files}, authors {authors}, cases {cases}, spans {spans}, entities {entities}"
        )?;
        for (grade, count) in Grade::ALL.iter().zip(self.by_grade) {
            write!(f, "{grade} {count}, ")?;
        }
        write!(f, "without labels {}, serious harm {}", self.unlabelled, self.serious_harm)
    }
}

/// Every fault of some files, and what they hold.
///
/// Displayed as a compiler does: one `file:line:column: what: why` a line, then
/// the summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// The faults, by file, line and column.
    pub faults: Vec<Fault>,
    /// What the files hold.
    pub summary: Summary,
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        writeln!(f, "{}", self.summary)?;
        match self.faults.len() {
            0 => f.write_str("no faults"),
            1 => f.write_str("1 fault"),
            faults => write!(f, "{faults} faults"),
        }
    }
}

/// Checks files, or the `*.jsonl` files of folders in the order of their names.
///
/// # Errors
///
/// [`ErrorKind::Io`](crate::error::ErrorKind::Io) and
/// [`ErrorKind::Input`](crate::error::ErrorKind::Input) when a path cannot be
/// read. What is wrong inside the files is no error, but a [`Fault`].
pub fn check_files<P: AsRef<Path>>(paths: &[P]) -> Result<CheckReport> {
    Ok(read_files(paths)?.1)
}

/// Reads files into a dataset and checks them. Broken examples are left out.
pub(super) fn read_files<P: AsRef<Path>>(paths: &[P]) -> Result<(Dataset, CheckReport)> {
    let files = files_of(paths)?;
    let mut checker = Checker::default();
    for path in &files {
        checker.file(path)?;
    }
    let dataset = Dataset { examples: checker.examples };
    let summary = Summary::of(files.len(), &dataset);
    Ok((dataset, CheckReport { faults: checker.faults, summary }))
}

#[derive(Default)]
struct Checker {
    examples: Vec<Example>,
    faults: Vec<Fault>,
    /// Where each id stood first.
    ids: HashMap<String, String>,
    /// The suspect of each case and where it stood first.
    suspects: HashMap<String, (String, String)>,
}

/// One line while it is checked.
struct Record<'a> {
    file: &'a str,
    line: u64,
    text: &'a str,
    /// Where the values of the line begin, in bytes.
    values: Vec<(String, usize)>,
    id: Option<String>,
    faults: Vec<Fault>,
}

impl Record<'_> {
    fn fault(&mut self, severity: Severity, column: Option<u64>, what: &'static str, why: String) {
        let (file, line, id) = (self.file.to_owned(), self.line, self.id.clone());
        self.faults.push(Fault { file, line, column, id, what, why, severity });
    }

    /// A fault in the value of a key.
    fn at(&mut self, key: &str, severity: Severity, what: &'static str, why: String) {
        let column = self.value(key).map(|byte| places::column(self.text, byte));
        self.fault(severity, column, what, why);
    }

    /// A fault at a character of a string value.
    fn within(&mut self, key: &str, nth: usize, severity: Severity, what: &'static str, why: String) {
        let column = self.value(key).map(|byte| places::column_within(self.text, byte, nth));
        self.fault(severity, column, what, why);
    }

    /// The byte at which a key's value begins; the last one counts, as in parsing.
    fn value(&self, key: &str) -> Option<usize> {
        self.values.iter().rev().find(|(k, _)| k == key).map(|&(_, at)| at)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    fn is_broken(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Broken)
    }
}

impl Checker {
    fn file(&mut self, path: &Path) -> Result<()> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|err| Error::io(path, err))?;
        let mut source = BufReader::new(file);
        let mut buffer = Vec::new();
        let mut faults = Vec::new();
        // Held back until it is known that the file has spans at all.
        let mut spanless = Vec::new();
        let (first, mut line) = (self.examples.len(), 0);
        let mut records = 0;
        loop {
            line += 1;
            let read =
                read_line(&mut source, &mut buffer, RECORD_BYTES_MAX).map_err(|err| Error::io(path, err))?;
            let mut record =
                Record { file: &name, line, text: "", values: Vec::new(), id: None, faults: Vec::new() };
            match read {
                LineRead::End => break,
                LineRead::TooLong => {
                    let why = format!("longer than {} MiB", RECORD_BYTES_MAX >> 20);
                    record.fault(Severity::Broken, None, "json", why);
                }
                LineRead::Whole => {
                    match std::str::from_utf8(&buffer) {
                        Ok(text) => {
                            record.text = text.trim_start_matches('\u{feff}');
                            if record.text.trim().is_empty() {
                                continue;
                            }
                            self.record(&mut record, &mut spanless);
                        }
                        Err(err) => {
                            let why = format!("not UTF-8 at byte {}", err.valid_up_to() + 1);
                            record.fault(Severity::Broken, None, "json", why);
                        }
                    };
                }
            }
            records += 1;
            faults.append(&mut record.faults);
        }
        if records == 0 {
            let mut record =
                Record { file: &name, line: 1, text: "", values: Vec::new(), id: None, faults: Vec::new() };
            record.fault(Severity::Broken, None, "file", "holds no record".to_owned());
            faults.append(&mut record.faults);
        }
        if self.examples[first..].iter().any(|e| !e.spans.is_empty()) {
            faults.append(&mut spanless);
        }
        faults.sort_by_key(|fault| (fault.line, fault.column));
        self.faults.append(&mut faults);
        Ok(())
    }

    /// Checks one line and keeps its example unless it is broken.
    fn record(&mut self, record: &mut Record, spanless: &mut Vec<Fault>) {
        use Severity::{Broken, Rule};
        let object = match serde_json::from_str::<Value>(record.text) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return record.fault(Broken, Some(1), "json", "not a JSON object".to_owned()),
            Err(err) => {
                let byte = err.column().saturating_sub(1);
                let column = places::column(record.text, byte);
                return record.fault(Broken, Some(column), "json", bad_json(&err));
            }
        };
        record.values = places::values(record.text);
        record.id = object.get("id").and_then(Value::as_str).map(str::to_owned);
        for (field, why) in faults_of(&object) {
            let what = match field {
                Field::Id => "id",
                Field::Text => "text",
                Field::ReportedAt
                | Field::OccurredFrom
                | Field::OccurredTo
                | Field::ClosedAt
                | Field::SuspectDob => "date",
                _ => "field",
            };
            record.at(field.name(), Broken, what, why);
        }
        if let Some(id) = &record.id {
            match self.ids.get(id.trim()) {
                None => drop(self.ids.insert(id.trim().to_owned(), record.place())),
                Some(first) => {
                    let why = format!("used before: {first}");
                    record.at("id", Broken, "id", why);
                }
            }
        }
        if let Some(channel) = object.get("channel").and_then(Value::as_str)
            && !channel.trim().is_empty()
            && !CHANNELS.contains(&channel.trim())
        {
            record.at("channel", Rule, "channel", unknown("channel", channel, &CHANNELS).to_string());
        }
        let source = object.get("text").and_then(Value::as_str).unwrap_or_default();
        phones(record, "text", source);
        phones(record, "phone", object.get("phone").and_then(Value::as_str).unwrap_or_default());

        let labels = labels_of(record, &object);
        let mut example = Example {
            case: id_of(record, &object, "case"),
            victim: id_of(record, &object, "victim"),
            suspect: id_of(record, &object, "suspect"),
            meta: meta_of(record, &object),
            ..Example::default()
        };
        let has_offsets =
            ["spans", "entities"].iter().any(|key| object.get(*key).is_some_and(|v| !v.is_null()));
        let plain = if has_offsets {
            if markup::has_markup(source) {
                let why = "markup in the text of a record that has `spans` or `entities`".to_owned();
                record.at("text", Broken, "markup", why);
            }
            let length = Text(source.chars().collect());
            example.spans = spans_of(record, &object, &length, labels.as_ref());
            example.entities = entities_of(record, &object, &length);
            source.to_owned()
        } else {
            match markup::parse(source) {
                Ok(marked) => {
                    (example.spans, example.entities) = (marked.spans, marked.entities);
                    marked.text
                }
                Err(faults) => {
                    for fault in faults {
                        record.within("text", fault.at, Broken, "markup", fault.why);
                    }
                    source.to_owned()
                }
            }
        };
        if !source.is_empty() && crate::report::is_blank(&plain) && !crate::report::is_blank(source) {
            record.at("text", Broken, "text", "`text` is blank".to_owned());
        }
        if let Some(labels) = &labels {
            consistent(record, labels, &example.spans, spanless);
        } else if !example.spans.is_empty() && !object.contains_key("labels") {
            record.fault(Rule, None, "labels", "missing, but there are spans".to_owned());
        }
        example.labels = labels;
        self.case(record, &example);
        if record.is_broken() {
            return;
        }
        // Every field was checked above, so this reads.
        if let Ok(report) = Report::deserialize(&Value::Object(object)) {
            example.report = Report { text: plain, ..report };
            self.examples.push(example);
        }
    }

    /// A case has victims and one suspect.
    fn case(&mut self, record: &mut Record, example: &Example) {
        let Some(case) = &example.case else { return };
        for (who, id) in [("victim", &example.victim), ("suspect", &example.suspect)] {
            if id.is_none() {
                record.at("case", Severity::Rule, "case", format!("case `{case}` without a {who}"));
            }
        }
        let Some(suspect) = &example.suspect else {
            return;
        };
        let place = record.place();
        let (first, at) = self.suspects.entry(case.clone()).or_insert_with(|| (suspect.clone(), place));
        if first != suspect {
            let why = format!("case `{case}` has the suspect `{suspect}`, but `{first}` at {at}");
            record.at("suspect", Severity::Rule, "case", why);
        }
    }
}

fn id_of(record: &mut Record, object: &Map<String, Value>, key: &'static str) -> Option<String> {
    match object.get(key) {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if !id.trim().is_empty() => Some(id.clone()),
        Some(_) => {
            record.at(key, Severity::Broken, "case", format!("`{key}` is neither a name nor null"));
            None
        }
    }
}

fn meta_of(record: &mut Record, object: &Map<String, Value>) -> Meta {
    match object.get("meta") {
        None | Some(Value::Null) => Meta::default(),
        Some(Value::Object(meta)) => Meta::deserialize(meta).unwrap_or_else(|err| {
            record.at("meta", Severity::Broken, "meta", err.to_string());
            Meta::default()
        }),
        Some(_) => {
            record.at("meta", Severity::Broken, "meta", "not an object".to_owned());
            Meta::default()
        }
    }
}

/// The labels; faults are noted, and then there may be none.
fn labels_of(record: &mut Record, object: &Map<String, Value>) -> Option<Labels> {
    let broken = |record: &mut Record, why: String| record.at("labels", Severity::Broken, "labels", why);
    let labels = match object.get("labels") {
        None | Some(Value::Null) => return None,
        Some(Value::Object(labels)) => labels,
        Some(_) => {
            broken(record, "not an object".to_owned());
            return None;
        }
    };
    let mut list = |key: &str, needed: bool| -> Vec<Indicator> {
        let mut all: Vec<Indicator> = Vec::new();
        let values = match labels.get(key) {
            Some(Value::Array(values)) => values.as_slice(),
            None if !needed => &[],
            _ => {
                broken(record, format!("`{key}` is not a list"));
                &[]
            }
        };
        for value in values {
            match Indicator::deserialize(value) {
                Ok(label) if all.contains(&label) => broken(record, format!("`{key}` has `{label}` twice")),
                Ok(label) => all.push(label),
                Err(err) => broken(record, format!("`{key}`: {err}")),
            }
        }
        all.sort_unstable();
        all
    };
    let (found, denied) = (list("indicators", true), list("denied", false));
    let mut one = |key: &str| match labels.get(key) {
        None | Some(Value::Null) => {
            broken(record, format!("`{key}` is missing"));
            None
        }
        value => value,
    };
    let stalking = one("stalking").map(Grade::deserialize);
    let serious_harm = one("serious_harm").map(bool::deserialize);
    let relationship = one("relationship").map(Deserialize::deserialize);
    match (stalking?, serious_harm?, relationship?) {
        (Ok(stalking), Ok(serious_harm), Ok(relationship)) => {
            Some(Labels { stalking, found, denied, serious_harm, relationship })
        }
        (stalking, serious_harm, relationship) => {
            let faults = [
                ("stalking", stalking.err()),
                ("serious_harm", serious_harm.err()),
                ("relationship", relationship.err()),
            ];
            for (key, err) in faults {
                if let Some(err) = err {
                    broken(record, format!("`{key}`: {err}"));
                }
            }
            None
        }
    }
}

/// The characters of a text, to check offsets against.
struct Text(Vec<char>);

impl Text {
    /// The offsets of a span object, or why there are none.
    fn offsets(&self, span: &Map<String, Value>) -> std::result::Result<(usize, usize), String> {
        let number = |key: &str| {
            let number = span.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            number.ok_or_else(|| format!("`{key}` is no whole number"))
        };
        let (start, end) = (number("start")?, number("end")?);
        let Some(run) = self.0.get(start..end) else {
            return Err(format!("{start}..{end} is not within the text, {} characters", self.0.len()));
        };
        if run.iter().all(|c| c.is_whitespace()) {
            return Err(format!("{start}..{end} holds no words"));
        }
        let run: String = run.iter().collect();
        match span.get("text") {
            Some(Value::String(text)) if *text != run => {
                Err(format!("{start}..{end} is `{}` in the text, not `{}`", cut(&run), cut(text)))
            }
            _ => Ok((start, end)),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The objects of a list, each with its place in the list.
fn objects<'a>(
    record: &mut Record,
    object: &'a Map<String, Value>,
    key: &str,
    what: &'static str,
) -> Vec<(usize, &'a Map<String, Value>)> {
    let values = match object.get(key) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(values)) => values,
        Some(_) => {
            record.at(key, Severity::Broken, what, format!("`{key}` is not a list"));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (at, value) in values.iter().enumerate() {
        match value {
            Value::Object(object) => found.push((at, object)),
            _ => record.at(key, Severity::Broken, what, format!("{key}[{at}]: not an object")),
        }
    }
    found
}

/// Spans from offsets. A denial is marked by `!` before the label or by
/// `"denied": true`; a label that the reader denied and did not find is one too.
fn spans_of(
    record: &mut Record,
    object: &Map<String, Value>,
    text: &Text,
    labels: Option<&Labels>,
) -> Vec<Span> {
    let mut spans = Vec::new();
    for (at, span) in objects(record, object, "spans", "span") {
        let mut faulty =
            |why: String| record.at("spans", Severity::Broken, "span", format!("spans[{at}]: {why}"));
        let name = span.get("label").and_then(Value::as_str).unwrap_or_default();
        let label = match name.trim_start_matches('!').parse::<Indicator>() {
            Ok(label) => label,
            Err(err) => {
                faulty(err.to_string());
                continue;
            }
        };
        let marked = name.starts_with('!') || span.get("denied").and_then(Value::as_bool).unwrap_or(false);
        let denied = marked || labels.is_some_and(|l| l.denied.contains(&label) && !l.found.contains(&label));
        match text.offsets(span) {
            Ok((start, end)) => spans.push(Span { start, end, label, denied }),
            Err(why) => faulty(why),
        }
    }
    spans.sort_by_key(|s| (s.start, std::cmp::Reverse(s.end)));
    spans
}

fn entities_of(record: &mut Record, object: &Map<String, Value>, text: &Text) -> Vec<EntitySpan> {
    let mut entities = Vec::new();
    for (at, entity) in objects(record, object, "entities", "entity") {
        let mut faulty = |severity, why: String| {
            record.at("entities", severity, "entity", format!("entities[{at}]: {why}"))
        };
        let kind = match entity.get("kind").and_then(Value::as_str).unwrap_or_default().parse::<EntityKind>()
        {
            Ok(kind) => kind,
            Err(err) => {
                faulty(Severity::Broken, err.to_string());
                continue;
            }
        };
        let role = match entity.get("role") {
            None | Some(Value::Null) => None,
            Some(role) => match Deserialize::deserialize(role) {
                Ok(role) => Some(role),
                Err(err) => {
                    let err: serde_json::Error = err;
                    faulty(Severity::Broken, err.to_string());
                    continue;
                }
            },
        };
        if kind == EntityKind::Person && role.is_none() {
            faulty(Severity::Rule, "person without a role".to_owned());
        }
        match text.offsets(entity) {
            Ok((start, end)) => entities.push(EntitySpan { start, end, kind, role }),
            Err(why) => faulty(Severity::Broken, why),
        }
    }
    entities.sort_by_key(|e| (e.start, std::cmp::Reverse(e.end)));
    entities
}

/// Labels and spans must say the same.
fn consistent(record: &mut Record, labels: &Labels, spans: &[Span], spanless: &mut Vec<Fault>) {
    use Severity::Rule;
    for label in labels.found.iter().filter(|label| labels.denied.contains(label)) {
        record.at("labels", Rule, "labels", format!("`{label}` is found and denied"));
    }
    if labels.stalking != Grade::None && labels.found.is_empty() {
        record.at("labels", Rule, "labels", format!("graded `{}` without an indicator", labels.stalking));
    }
    for (denied, list, state) in [(false, &labels.found, "found"), (true, &labels.denied, "denied")] {
        let shown: BTreeSet<Indicator> =
            spans.iter().filter(|s| s.denied == denied).map(|s| s.label).collect();
        for label in shown.iter().filter(|label| !list.contains(label)) {
            record.at(
                "labels",
                Rule,
                "labels",
                format!("a span shows `{label}` as {state}, the labels do not"),
            );
        }
        for label in list.iter().filter(|label| !shown.contains(label) && !label.info().whole_text) {
            let before = record.faults.len();
            record.at("labels", Rule, "span", format!("`{label}` is {state}, but no span shows it"));
            spanless.extend(record.faults.drain(before..));
        }
    }
}

/// Mobile numbers outside the range that is kept for fiction.
fn phones(record: &mut Record, key: &'static str, text: &str) {
    for (at, number) in mobiles(text) {
        let invented = number.strip_prefix("07700900").is_some_and(|rest| rest.len() == 3);
        if !invented {
            let why = format!("{number} may be somebody's, use 07700 900000 to 07700 900999");
            record.within(key, at, Severity::Rule, "phone", why);
        }
    }
}

/// What looks like a whole UK mobile number: the character it begins at, and
/// its eleven digits.
fn mobiles(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let after_digit = at > 0 && chars[at - 1].is_ascii_digit();
        let whole = if after_digit { None } else { mobile(&chars[at..]) };
        match whole {
            Some((number, length)) => {
                found.push((at, number));
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

/// A mobile number at the beginning: its eleven digits and its length.
fn mobile(chars: &[char]) -> Option<(String, usize)> {
    const PREFIXES: [&str; 7] = ["07", "+447", "+44 7", "+44(0)7", "+44 (0)7", "00447", "0044 7"];
    let prefix =
        PREFIXES.iter().find(|prefix| prefix.chars().eq(chars.iter().take(prefix.len()).copied()))?;
    let mut number = "07".to_owned();
    let mut at = prefix.len();
    while number.len() < 11 {
        if matches!(chars.get(at), Some(' ' | '-' | '.')) {
            at += 1;
        }
        number.push(*chars.get(at).filter(|c| c.is_ascii_digit())?);
        at += 1;
    }
    let ends = !chars.get(at).is_some_and(char::is_ascii_digit);
    ends.then_some((number, at))
}

/// Reports by grade, for a caller that prints a table.
impl Summary {
    /// Each grade with its number of reports.
    pub fn grades(&self) -> BTreeMap<Grade, usize> {
        Grade::ALL.iter().copied().zip(self.by_grade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &[u8]) -> CheckReport {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, text).unwrap();
        let mut report = check_files(&[&path]).unwrap();
        for fault in &mut report.faults {
            fault.file = "a.jsonl".to_owned();
            fault.why = fault.why.replace(&path.display().to_string(), "a.jsonl");
        }
        report
    }

    /// A record with these fields added to or put over a sound one.
    fn record(changes: Value) -> String {
        let mut sound = serde_json::json!({
            "id": "R1", "text": "He [[following:sat outside]]. [[!threat:No threats]]", "channel": "999",
            "labels": {"stalking": "likely", "indicators": ["following", "repeated"], "denied": ["threat"],
                       "serious_harm": false, "relationship": "unknown"},
        });
        for (key, value) in changes.as_object().unwrap() {
            match key.strip_prefix("labels.") {
                Some(key) => sound["labels"][key] = value.clone(),
                None => sound[key] = value.clone(),
            }
        }
        sound.to_string()
    }

    #[test]
    fn each_fault_is_found_where_it_stands() {
        use serde_json::json;
        let plain = "He sat outside. No threats";
        let offsets = json!([{"start": 3, "end": 14, "label": "following"}, {"start": 16, "end": 26, "label": "!threat"}]);
        let cases: Vec<(Value, &str)> = vec![
            (json!({}), ""),
            (json!({"text": plain, "spans": offsets}), ""),
            (json!({"weather": [1], "meta": {"words": 7}, "labels": null, "text": "x"}), ""),
            (json!({"id": null}), "id: `id` is missing"),
            (json!({"text": null}), "text: `text` is missing"),
            (json!({"text": " "}), "text: `text` is blank"),
            (json!({"reported_at": "03/04/24"}), "date: `reported_at`: year with two digits"),
            (json!({"closed_at": 7, "occurred_to": "2023-02-30"}), "date: `occurred_to`: no such day"),
            (json!({"force": [1]}), "field: `force`: text is needed, found a list"),
            (json!({"channel": "phone"}), "channel: unknown channel: `phone`"),
            (json!({"labels": 7}), "labels: not an object"),
            (json!({"labels.stalking": "likly"}), "did you mean `likely`?"),
            (json!({"labels.stalking": null}), "labels: `stalking` is missing"),
            (json!({"labels.serious_harm": "no"}), "labels: `serious_harm`: invalid type"),
            (json!({"labels.indicators": "following"}), "labels: `indicators` is not a list"),
            (json!({"labels.indicators": ["following", "follow"]}), "unknown indicator: `follow`"),
            (json!({"labels.indicators": ["following", "following"]}), "`indicators` has `following` twice"),
            (json!({"labels.denied": ["threat", "following"]}), "labels: `following` is found and denied"),
            (
                json!({"labels.indicators": ["following", "fear"]}),
                "span: `fear` is found, but no span shows it",
            ),
            (
                json!({"labels.denied": ["threat", "weapon"]}),
                "span: `weapon` is denied, but no span shows it",
            ),
            (json!({"labels.denied": []}), "labels: a span shows `threat` as denied, the labels do not"),
            (
                json!({"labels.indicators": [], "text": "[[!threat:No]]"}),
                "labels: graded `likely` without an indicator",
            ),
            (json!({"text": "[[following:a]] [[!threat:b]] [[@person.suspect:Dan"}), "a.jsonl:1:"),
            (
                json!({"text": "[[following:a]] [[!threat:b]] [[@person:Dan]]"}),
                "markup: person without a role",
            ),
            (
                json!({"text": "[[following:a]] [[!threat:b]]", "spans": []}),
                "markup: markup in the text of a record that has",
            ),
            (
                json!({"text": plain, "spans": [{"start": 3, "end": 27, "label": "following"}]}),
                "3..27 is not within the text, 26 characters",
            ),
            (
                json!({"text": plain, "spans": [{"start": 4, "end": 3, "label": "following"}]}),
                "4..3 is not within the text",
            ),
            (
                json!({"text": plain, "spans": [{"start": 2, "end": 3, "label": "following"}]}),
                "2..3 holds no words",
            ),
            (
                json!({"text": plain, "spans": [{"start": -1, "end": 3, "label": "following"}]}),
                "`start` is no whole number",
            ),
            (
                json!({"text": plain, "spans": [{"start": 0, "end": 2, "label": "following", "text": "she"}]}),
                "is `He` in the text, not `she`",
            ),
            (json!({"text": plain, "spans": ["x"]}), "spans[0]: not an object"),
            (json!({"text": plain, "spans": 7}), "span: `spans` is not a list"),
            (
                json!({"text": plain, "spans": offsets, "entities": [{"start": 0, "end": 2, "kind": "person"}]}),
                "entities[0]: person without a role",
            ),
            (
                json!({"text": plain, "spans": offsets, "entities": [{"start": 0, "end": 2, "kind": "thing"}]}),
                "unknown entity kind: `thing`",
            ),
            (
                json!({"text": plain, "spans": offsets, "entities": [{"start": 0, "end": 2, "kind": "place", "role": "x"}]}),
                "unknown role: `x`",
            ),
            (json!({"case": "C1", "suspect": "S"}), "case: case `C1` without a victim"),
            (json!({"case": "C1", "victim": "V"}), "case: case `C1` without a suspect"),
            (json!({"case": 7}), "case: `case` is neither a name nor null"),
            (json!({"meta": {"author": 7}}), "meta: invalid type"),
            (json!({"meta": 7}), "meta: not an object"),
            (json!({"phone": "07911 123456"}), "phone: 07911123456 may be somebody's"),
        ];
        for (changes, expected) in cases {
            let report = check(record(changes.clone()).as_bytes());
            let shown = report.to_string();
            match expected {
                "" => assert_eq!(report.faults, [], "{changes}: {shown}"),
                _ => {
                    assert!(!report.faults.is_empty(), "{changes}");
                    assert!(shown.contains(expected), "{changes}: {shown}");
                }
            }
        }
    }

    #[test]
    fn the_listing_is_like_a_compilers() {
        let lines = [
            &b"{\"id\":\"R1\",\"text\":\"\\u00e9\\n\xf0\x9f\x9a\x93 [[folowing:x]]\"}"[..],
            b"{\"id\":\"R2\",\"text\":\"x\" oops}",
            b"{\"id\":\"R1\",\"text\":\"x\"}",
            b"",
            b"{\"id\":\"R\xff\"}",
            b"[]",
            b"{\"id\":\"R3\",\"text\":\"ring 07911-123456\",\"case\":\"C\",\"victim\":\"V\",\"suspect\":\"S\"}",
            b"{\"id\":\"R4\",\"text\":\"ring 07700 900123\",\"case\":\"C\",\"victim\":\"W\",\"suspect\":\"T\"}",
        ];
        let report = check(&lines.join(&b'\n'));
        let shown = report.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].starts_with(
                "a.jsonl:1:30: markup: unknown indicator: `folowing`, did you mean `following`?"
            ),
            "{shown}"
        );
        assert_eq!(lines[1], "a.jsonl:2:23: json: bad JSON at byte 23: expected `,` or `}`");
        assert_eq!(lines[2], "a.jsonl:3:7: id: used before: a.jsonl:1 [R1]");
        assert_eq!(lines[3], "a.jsonl:5: json: not UTF-8 at byte 9");
        assert_eq!(lines[4], "a.jsonl:6:1: json: not a JSON object");
        assert!(lines[5].starts_with("a.jsonl:7:25: phone: 07911123456"), "{shown}");
        assert!(
            lines[6].contains("case: case `C` has the suspect `T`, but `S` at a.jsonl:7 [R4]"),
            "{shown}"
        );
        assert_eq!(
            &lines[7..],
            [
                "reports 2, files 1, authors 0, cases 1, spans 0, entities 0",
                "none 0, possible 0, likely 0, without labels 2, serious harm 0",
                "7 faults",
            ]
        );
    }

    #[test]
    fn a_file_without_spans_need_not_show_its_labels() {
        let bare = serde_json::json!({"id": "R2", "text": "x", "labels.denied": ["weapon"]});
        let alone = record(bare);
        assert_eq!(check(alone.as_bytes()).faults, []);
        let both = format!("{alone}\n{}", record(serde_json::json!({})));
        assert_eq!(check(both.as_bytes()).faults.len(), 2);
    }

    #[test]
    fn denials_may_be_told_in_three_ways() {
        for span in [r#""label":"!threat""#, r#""label":"threat","denied":true"#, r#""label":"threat""#] {
            let line = format!(
                r#"{{"id":"R1","text":"No threats","spans":[{{"start":0,"end":10,{span}}}],"labels":{{"stalking":"none","indicators":[],"denied":["threat"],"serious_harm":false,"relationship":"unknown"}}}}"#
            );
            assert_eq!(check(line.as_bytes()).faults, [], "{span}");
        }
    }

    #[test]
    fn numbers_of_mobiles() {
        let cases: [(&str, &[&str]); 11] = [
            ("call 07700 900123 2140hrs", &["07700900123"]),
            ("+44 7700 900 123, 0044 7911123456.", &["07700900123", "07911123456"]),
            ("+44 (0)7911-123-456", &["07911123456"]),
            ("0 7911123456", &[]),
            ("107911123456", &[]),
            ("07911 12345", &[]),
            ("07911 1234567", &[]),
            ("01632 960123", &[]),
            ("log 07 of 17.04.2023", &[]),
            ("🚓07911123456🚓07700900999", &["07911123456", "07700900999"]),
            ("07", &[]),
        ];
        for (text, expected) in cases {
            let found: Vec<String> = mobiles(text).into_iter().map(|(_, number)| number).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_empty_file_is_a_fault_and_deep_nesting_no_danger() {
        assert_eq!(check(b"\n").to_string().lines().next(), Some("a.jsonl:1: file: holds no record"));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for key in ["labels", "spans", "weather"] {
            let report = check(format!("{{\"id\":\"R1\",\"text\":\"x\",\"{key}\":{deep}}}").as_bytes());
            assert_eq!(report.faults[0].what, "json");
        }
        let marks = format!("{}x{}", "[[fear:".repeat(10_000), "]]".repeat(10_000));
        assert_eq!(check(format!("{{\"id\":\"R1\",\"text\":\"{marks}\"}}").as_bytes()).faults.len(), 1);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_checker_panic(line in "(\\{|\\}|\\[|\\]|\"|:|,|\"text\":|\"spans\":|\"labels\":|\"id\":|\"start\":|7|null|\\\\|é|fear){0,30}") {
            check(line.as_bytes());
        }

        #[test]
        fn no_value_makes_the_checker_panic(key in "id|text|labels|spans|entities|meta|case|channel|phone|reported_at", value in "7|null|\\[\\]|\\[7\\]|\\{\\}|\"\"|\"x\"|\\[\\{\\}\\]|\\[\\{\"start\":0,\"end\":1,\"label\":\"fear\"\\}\\]|\\{\"denied\":\\[\"fear\"\\]\\}") {
            check(format!("{{\"id\":\"R1\",\"text\":\"x\",\"{key}\":{value}}}").as_bytes());
        }
    }
}
