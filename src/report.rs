//! The record: one free-text report as a force holds it, and its refusal.
//!
//! A record is read field by field into [`Report`]. What the program does not
//! know, and what is ground truth for training (`case`, `victim`, `suspect`,
//! `labels`, `spans`, `entities`), is stepped over without looking at it. A
//! record that cannot be used is a [`Rejected`] with its line and the reason;
//! reading goes on with the next one. See [`read`] for files, [`dates`] for
//! the dates that are understood.
//!
//! This room knows nothing of models, labels or links.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use time::{Date, PrimitiveDateTime};

use crate::codebook::labels;

pub mod dates;
pub mod read;

labels! {
    /// A field of the record that is read. The name is the one in the JSON.
    Field, "field", {
        /// The record's own name, unique in a run.
        Id = "id",
        /// The narrative.
        Text = "text",
        /// When it was taken down.
        ReportedAt = "reported_at",
        /// The force that holds it.
        Force = "force",
        /// How it came in.
        Channel = "channel",
        /// The class it was recorded under.
        RecordedAs = "recorded_as",
        /// How it ended.
        Outcome = "outcome",
        /// Suspect to victim, as the force has it.
        Relationship = "relationship",
        /// The suspect's name.
        SuspectName = "suspect_name",
        /// The victim's name.
        VictimName = "victim_name",
        /// The suspect's date of birth.
        SuspectDob = "suspect_dob",
        /// A phone number.
        Phone = "phone",
        /// An email address.
        Email = "email",
        /// A user name on a service.
        Handle = "handle",
        /// A number plate.
        Plate = "plate",
        /// A postcode.
        Postcode = "postcode",
        /// The force's own number for the suspect.
        SuspectNominal = "suspect_nominal",
        /// The force's own number for the victim.
        VictimNominal = "victim_nominal",
        /// When it began to happen.
        OccurredFrom = "occurred_from",
        /// When it stopped happening.
        OccurredTo = "occurred_to",
        /// The district within the force.
        District = "district",
        /// When the record was closed.
        ClosedAt = "closed_at",
        /// The grade of risk that the force gave it.
        RiskGrade = "risk_grade",
    }
}

/// Fields that hold ground truth: never read here, whatever they hold.
pub const GROUND_TRUTH: [&str; 6] = ["case", "victim", "suspect", "labels", "spans", "entities"];

/// The ways in which a report comes in.
pub const CHANNELS: [&str; 6] = ["999", "101", "online", "front_counter", "officer", "third_party"];

/// One report as a force holds it. Only `id` and `text` are always there.
///
/// Serialised as in the record's JSON, fields that are missing left out.
/// Deserialising steps over unknown fields and ground truth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The record's own name, unique in a run.
    pub id: String,
    /// The narrative, exactly as it was held; offsets count its characters.
    pub text: String,
    /// When it was taken down, local time. A date alone is midnight.
    #[serde(serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<PrimitiveDateTime>,
    /// The force that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<String>,
    /// How it came in: 999, 101, online, front_counter, officer, third_party.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The class it was recorded under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_as: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Suspect to victim, in the force's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relationship: Option<String>,
    /// The suspect's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect_name: Option<String>,
    /// The victim's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub victim_name: Option<String>,
    /// The suspect's date of birth.
    #[serde(serialize_with = "write_date", skip_serializing_if = "Option::is_none")]
    pub suspect_dob: Option<Date>,
    /// A phone number, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// An email address, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A user name on a service, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// A number plate, whole or partial, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// A postcode, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// The force's own number for the suspect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect_nominal: Option<String>,
    /// The force's own number for the victim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub victim_nominal: Option<String>,
    /// When it began to happen, local time.
    #[serde(serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
    pub occurred_from: Option<PrimitiveDateTime>,
    /// When it stopped happening, local time.
    #[serde(serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
    pub occurred_to: Option<PrimitiveDateTime>,
    /// The district within the force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// When the record was closed, local time.
    #[serde(serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<PrimitiveDateTime>,
    /// The grade of risk that the force gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_grade: Option<String>,
}

impl Report {
    /// A report that has nothing but an id and a text.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Report {
        Report { id: id.into(), text: text.into(), ..Report::default() }
    }
}

/// A record that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The line of the file that the record starts on, from 1.
    pub line: u64,
    /// Its id, as far as it could be read.
    pub id: Option<String>,
    /// Why it cannot be used, naming the field.
    pub reason: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "line {} ({id}): {}", self.line, self.reason),
            None => write!(f, "line {}: {}", self.line, self.reason),
        }
    }
}

/// Whether a text has nothing to read: only space, control or invisible marks.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
    })
}

/// The value of one field before it is checked.
#[derive(Clone, Debug)]
enum Cell {
    Text(String),
    /// A value of a type that no field has, in words.
    Wrong(&'static str),
}

/// The fields of one record before they are checked; the place is [`Field::index`].
#[derive(Clone, Debug)]
struct Raw {
    cells: [Option<Cell>; Field::ALL.len()],
    /// Parts of a narrative that stands in several columns, by their place.
    parts: Vec<(usize, String)>,
    /// A field that stood there twice.
    twice: Option<Field>,
}

impl Raw {
    fn new() -> Raw {
        Raw { cells: [const { None }; Field::ALL.len()], parts: Vec::new(), twice: None }
    }

    fn set(&mut self, field: Field, cell: Option<Cell>, again: bool) {
        if again && self.twice.is_none() {
            self.twice = Some(field);
        }
        self.cells[field.index()] = cell;
    }

    /// Sets one of the columns that a field is joined from. What is no text
    /// spoils the whole field.
    fn set_part(&mut self, field: Field, part: usize, cell: Option<Cell>, again: bool) {
        if field != Field::Text {
            return self.set(field, cell, again);
        }
        match cell {
            Some(Cell::Text(words)) => {
                self.parts.push((part, words));
                let joined = match self.cells[field.index()].take() {
                    // Keeps the place of the field; the words are joined at the end.
                    None => Some(Cell::Text(String::new())),
                    before => before,
                };
                self.set(field, joined, again);
            }
            Some(wrong) => self.set(field, Some(wrong), again),
            None if again => self.twice = self.twice.or(Some(field)),
            None => {}
        }
    }

    /// Joins the narrative's parts, each on a line of its own; blank ones are
    /// left out where another one is not.
    fn join_parts(&mut self) {
        if !matches!(self.cells[Field::Text.index()], Some(Cell::Text(_))) || self.parts.is_empty() {
            return;
        }
        self.parts.sort_by_key(|(part, _)| *part);
        let mut joined = std::mem::take(&mut self.parts[0].1);
        for (_, words) in self.parts.drain(1..) {
            if is_blank(&joined) {
                joined = words;
            } else if !is_blank(&words) {
                joined.push('\n');
                joined.push_str(&words);
            }
        }
        self.parts.clear();
        self.cells[Field::Text.index()] = Some(Cell::Text(joined));
    }

    /// The id, if there is one that can be shown.
    fn id(&self) -> Option<String> {
        match &self.cells[Field::Id.index()] {
            Some(Cell::Text(id)) if !is_blank(id) => Some(id.trim().to_owned()),
            _ => None,
        }
    }

    /// Checks the fields; the error says which and why.
    fn build(mut self) -> Result<Report, String> {
        if let Some(field) = self.twice {
            return Err(format!("`{field}` stands there twice"));
        }
        self.join_parts();
        let id = self.required(Field::Id)?.trim().to_owned();
        let text = self.required(Field::Text)?;
        Ok(Report {
            id,
            text,
            reported_at: self.time(Field::ReportedAt)?,
            force: self.optional(Field::Force)?,
            channel: self.optional(Field::Channel)?,
            recorded_as: self.optional(Field::RecordedAs)?,
            outcome: self.optional(Field::Outcome)?,
            relationship: self.optional(Field::Relationship)?,
            suspect_name: self.optional(Field::SuspectName)?,
            victim_name: self.optional(Field::VictimName)?,
            suspect_dob: self.time(Field::SuspectDob)?.map(PrimitiveDateTime::date),
            phone: self.optional(Field::Phone)?,
            email: self.optional(Field::Email)?,
            handle: self.optional(Field::Handle)?,
            plate: self.optional(Field::Plate)?,
            postcode: self.optional(Field::Postcode)?,
            suspect_nominal: self.optional(Field::SuspectNominal)?,
            victim_nominal: self.optional(Field::VictimNominal)?,
            occurred_from: self.time(Field::OccurredFrom)?,
            occurred_to: self.time(Field::OccurredTo)?,
            district: self.optional(Field::District)?,
            closed_at: self.time(Field::ClosedAt)?,
            risk_grade: self.optional(Field::RiskGrade)?,
        })
    }

    fn take(&mut self, field: Field) -> Result<Option<String>, String> {
        match self.cells[field.index()].take() {
            None => Ok(None),
            Some(Cell::Text(value)) => Ok(Some(value)),
            Some(Cell::Wrong(found)) => Err(format!("`{field}`: text is needed, found {found}")),
        }
    }

    fn required(&mut self, field: Field) -> Result<String, String> {
        match self.take(field)? {
            None => Err(format!("`{field}` is missing")),
            Some(value) if is_blank(&value) => Err(format!("`{field}` is blank")),
            Some(value) => Ok(value),
        }
    }

    fn optional(&mut self, field: Field) -> Result<Option<String>, String> {
        Ok(self.take(field)?.filter(|value| !is_blank(value)).map(|value| value.trim().to_owned()))
    }

    fn time(&mut self, field: Field) -> Result<Option<PrimitiveDateTime>, String> {
        match self.optional(field)? {
            None => Ok(None),
            Some(value) => dates::parse(&value).map(Some).map_err(|why| format!("`{field}`: {why}")),
        }
    }
}

/// Every fault in the fields of one JSON object, where [`Report`]'s own reading
/// stops at the first. Ground truth and unknown fields are not looked at.
pub(crate) fn faults_of(object: &serde_json::Map<String, serde_json::Value>) -> Vec<(Field, String)> {
    let mut faults = Vec::new();
    for &field in Field::ALL {
        let mut raw = Raw::new();
        for needed in [Field::Id, Field::Text] {
            raw.set(needed, Some(Cell::Text("x".to_owned())), false);
        }
        let cell = object.get(field.name()).map(Loose::deserialize);
        // Reading a loose value out of a parsed one cannot fail.
        raw.set(field, cell.and_then(|loose| loose.ok()?.0), false);
        if let Err(why) = raw.build() {
            faults.push((field, why));
        }
    }
    faults
}

impl<'de> Deserialize<'de> for Report {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Report, D::Error> {
        let raw = RefCell::new(Raw::new());
        let field = |name: &str| name.parse().ok().map(|field| (field, 0));
        RawObject { raw: &raw, field: &field, unknown: &mut |_| {} }.deserialize(deserializer)?;
        raw.into_inner().build().map_err(D::Error::custom)
    }
}

/// Reads a JSON object into a [`Raw`], stepping over what is not a field.
///
/// The raw record stands outside, so that what was read before an error, above
/// all the id, is still there after it.
struct RawObject<'a> {
    raw: &'a RefCell<Raw>,
    /// The field that a key names, if it names one, and which part of it.
    field: &'a dyn Fn(&str) -> Option<(Field, usize)>,
    /// Told each key that names no field.
    unknown: &'a mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for RawObject<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RawObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            match (self.field)(&key) {
                Some((field, part)) => {
                    let Loose(cell) = map.next_value()?;
                    let again = !seen.insert((field, part));
                    self.raw.borrow_mut().set_part(field, part, cell, again);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                    (self.unknown)(&key);
                }
            }
        }
        Ok(())
    }
}

/// Any JSON value: text and whole numbers are kept, the rest is named.
struct Loose(Option<Cell>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Loose, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl LooseVisitor {
    fn text<E>(value: impl ToString) -> Result<Loose, E> {
        Ok(Loose(Some(Cell::Text(value.to_string()))))
    }

    fn wrong<E>(what: &'static str) -> Result<Loose, E> {
        Ok(Loose(Some(Cell::Wrong(what))))
    }
}

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose(None))
    }

    fn visit_str<E>(self, value: &str) -> Result<Loose, E> {
        Self::text(value)
    }

    fn visit_string<E>(self, value: String) -> Result<Loose, E> {
        Ok(Loose(Some(Cell::Text(value))))
    }

    // Registers export person numbers and ids as numbers: they are names, so
    // the digits are kept.
    fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
        Self::text(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
        Self::text(value)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
        Self::wrong("a number")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
        Self::wrong(if value { "true" } else { "false" })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Self::wrong("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Self::wrong("an object")
    }
}

// serde hands over a reference to the field.
#[allow(clippy::ref_option)]
fn write_time<S: Serializer>(time: &Option<PrimitiveDateTime>, s: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => s.serialize_str(&dates::write(*time)),
        None => s.serialize_none(),
    }
}

// As above.
#[allow(clippy::ref_option)]
fn write_date<S: Serializer>(date: &Option<Date>, s: S) -> Result<S::Ok, S::Error> {
    match date {
        Some(date) => s.serialize_str(&dates::write_date(*date)),
        None => s.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_report_reads_what_it_writes() {
        let line = r#"{"id":"R1","text":"He was back.\r\n","reported_at":"2023-04-17T21:40:00","force":"Northshire","suspect_dob":"1980-02-03"}"#;
        let report: Report = serde_json::from_str(line).unwrap();
        assert_eq!(report.reported_at, Some(datetime!(2023-04-17 21:40)));
        assert_eq!(serde_json::to_string(&report).unwrap(), line);
    }

    #[test]
    fn ground_truth_and_unknown_fields_may_hold_anything() {
        let plain: Report = serde_json::from_str(r#"{"id":"R1","text":"He was back."}"#).unwrap();
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for value in ["7", "null", "1e999", "\"\\ud800\"", "{\"id\":\"other\"}", "[true,{}]", "-0", &deep] {
            for name in GROUND_TRUTH.iter().chain(&["weather", "ID"]) {
                let line =
                    format!(r#"{{"{name}":{value},"id":"R1","{name}":{value},"text":"He was back."}}"#);
                assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), plain, "{name}");
            }
        }
    }

    #[test]
    fn refusals_name_the_field() {
        let cases = [
            (r#"{"text":"a"}"#, "`id` is missing"),
            (r#"{"id":null,"text":"a"}"#, "`id` is missing"),
            (r#"{"id":" ","text":"a"}"#, "`id` is blank"),
            (r#"{"id":"R1"}"#, "`text` is missing"),
            (r#"{"id":"R1","text":null}"#, "`text` is missing"),
            (r#"{"id":"R1","text":" \n\u0000\u200b"}"#, "`text` is blank"),
            (r#"{"id":"R1","text":["a"]}"#, "`text`: text is needed, found a list"),
            (r#"{"id":"R1","text":{"a":[1]}}"#, "`text`: text is needed, found an object"),
            (r#"{"id":"R1","text":"a","text":"b"}"#, "`text` stands there twice"),
            (r#"{"id":"R1","text":"a","force":true}"#, "`force`: text is needed, found true"),
            (r#"{"id":1.5,"text":"a"}"#, "`id`: text is needed, found a number"),
            (r#"{"id":"R1","text":"a","closed_at":"13/25/2024"}"#, "`closed_at`: "),
            (r#"["id"]"#, "expected a JSON object"),
        ];
        for (line, reason) in cases {
            let err = serde_json::from_str::<Report>(line).unwrap_err().to_string();
            assert!(err.contains(reason), "{line}: {err}");
        }
    }

    #[test]
    fn whole_numbers_are_names_and_blank_fields_are_missing() {
        let line = r#"{"id":7,"text":"a","phone":7700900123,"force":" ","district":null,"plate":" KX19 "}"#;
        let report: Report = serde_json::from_str(line).unwrap();
        assert_eq!(report.id, "7");
        assert_eq!(report.phone.as_deref(), Some("7700900123"));
        assert_eq!((report.force, report.district), (None, None));
        assert_eq!(report.plate.as_deref(), Some("KX19"));
    }
}
