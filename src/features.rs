//! What linking knows of a report: identifiers with roles, date, force,
//! what the text says of conduct, rare words and the vector. Numbers and
//! values, no narrative.
//!
//! [`Assessed`] is a report with its assessment and vector, as `link` keeps it
//! beside its answers; [`Features::of`] is all that linking sees of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::Date;

use crate::assess::{Assessment, IndicatorState};
use crate::codebook::{EntityKind, Indicator, Relationship, Role};
use crate::entities::{self, Identifier, Tagged};
use crate::report::Report;

/// The form of an assessed report that this program writes.
pub const ASSESSED_SCHEMA: &str = "throughline.assessed/1";

/// The form of features that this program reads and writes, as lines of JSON.
pub const FEATURES_SCHEMA: &str = "throughline.features/1";

/// The form of features that this program reads and writes, as a database.
pub const FEATURES_DB_SCHEMA: &str = "throughline.features-db/1";

/// Most rare words that are kept of a report.
const WORDS_MOST: usize = 400;

/// A report, what was found in it, and its vector for linking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessed {
    /// [`ASSESSED_SCHEMA`].
    pub schema: String,
    /// The report as it was read.
    pub report: Report,
    /// What was found in it.
    pub assessment: Assessment,
    /// Vector for linking, each number in 1/127.
    pub vector: Vec<i8>,
}

impl Assessed {
    /// A report with its assessment and the vector of length 1.
    pub fn new(report: Report, assessment: Assessment, vector: &[f32]) -> Self {
        let vector = vector.iter().map(|x| (x * 127.0).round().clamp(-127.0, 127.0) as i8).collect();
        Self { schema: ASSESSED_SCHEMA.into(), report, assessment, vector }
    }
}

/// All that linking knows of one report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The report's id.
    pub id: String,
    /// Days since 1 January 1970 of the day it happened, else was taken down.
    pub day: Option<i32>,
    /// The force that holds it.
    pub force: Option<String>,
    /// Identifiers with roles, of text and columns, each once.
    pub identifiers: Vec<Identifier>,
    /// Indicators found, in codebook order.
    pub indicators: Vec<Indicator>,
    /// Suspect to victim.
    pub relationship: Relationship,
    /// Probability that the text reads like stalking.
    pub p: f64,
    /// Words of the text in small letters, each once, sorted.
    pub words: Vec<String>,
    /// Vector for linking, each number in 1/127; empty when there is none.
    pub vector: Vec<i8>,
    /// Hash of the text without case and spaces, to know a text that comes twice.
    pub text_hash: u64,
}

/// A line of a features file: what linking may know of a report, no narrative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturesLine {
    /// [`FEATURES_SCHEMA`].
    pub schema: std::borrow::Cow<'static, str>,
    /// The features.
    pub features: Features,
}

impl FeaturesLine {
    /// Features with the form that they are written in.
    pub fn new(features: Features) -> Self {
        Self { schema: FEATURES_SCHEMA.into(), features }
    }
}

impl Features {
    /// The features of an assessed report. A date after `today` is a slip of
    /// the pen and counts as missing.
    pub fn of(assessed: &Assessed, today: Option<Date>) -> Self {
        let (report, assessment) = (&assessed.report, &assessed.assessment);
        let tagged: Vec<Tagged> = assessment
            .entities
            .iter()
            .map(|e| Tagged { range: e.start..e.end, kind: e.kind, role: e.role })
            .collect();
        let mut identifiers = entities::identifiers(&report.text, &tagged);
        identifiers.extend(columns(report));
        let date = report.occurred_from.or(report.reported_at).map(time::PrimitiveDateTime::date);
        let date = date.filter(|date| today.is_none_or(|today| *date <= today));
        Self {
            id: report.id.clone(),
            day: date.map(day_number),
            force: report.force.clone(),
            identifiers,
            indicators: assessment
                .indicators
                .iter()
                .filter(|i| i.state == IndicatorState::Found)
                .map(|i| i.name)
                .collect(),
            relationship: assessment.relationship.value,
            p: assessment.stalking.p,
            words: words(&report.text),
            vector: assessed.vector.clone(),
            text_hash: text_hash(&report.text),
        }
    }
}

/// Days since 1 January 1970.
pub fn day_number(date: Date) -> i32 {
    // The Julian day of 1 January 1970.
    date.to_julian_day() - 2_440_588
}

/// The day of a number of [`day_number`]; `None` beyond the years 9999.
pub fn date_of(day: i32) -> Option<Date> {
    Date::from_julian_day(day.checked_add(2_440_588)?).ok()
}

/// Identifiers that a force holds in columns.
fn columns(report: &Report) -> Vec<Identifier> {
    let cells: [(EntityKind, Option<Role>, &Option<String>); 7] = [
        (EntityKind::Person, Some(Role::Suspect), &report.suspect_name),
        (EntityKind::Person, Some(Role::Victim), &report.victim_name),
        (EntityKind::Phone, None, &report.phone),
        (EntityKind::Email, None, &report.email),
        (EntityKind::Handle, None, &report.handle),
        (EntityKind::Plate, None, &report.plate),
        (EntityKind::Postcode, None, &report.postcode),
    ];
    let mut found: Vec<Identifier> = cells
        .into_iter()
        .filter_map(|(kind, role, cell)| {
            let value = entities::value_of(kind, cell.as_deref()?)?;
            Some(Identifier { kind, role, value, place: None })
        })
        .collect();
    if let Some(dob) = report.suspect_dob
        && let Some(value) = entities::values::date_of_birth(&dob.to_string())
    {
        found.push(Identifier {
            kind: EntityKind::DateOfBirth,
            role: Some(Role::Suspect),
            value,
            place: None,
        });
    }
    for (role, nominal) in [(Role::Suspect, &report.suspect_nominal), (Role::Victim, &report.victim_nominal)]
    {
        // A person number is a reference that starts with its own mark.
        if let Some(number) = nominal.as_deref()
            && !entities::values::is_placeholder(number)
        {
            let value = format!("nominal {}", number.trim().to_lowercase());
            found.push(Identifier { kind: EntityKind::Reference, role: Some(role), value, place: None });
        }
    }
    found
}

/// Words of four letters or more, and shorter ones that mix letters and
/// digits, in small letters, each once, sorted.
pub fn words(text: &str) -> Vec<String> {
    let mut words = BTreeSet::new();
    for word in text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’')) {
        let low = word.to_lowercase();
        let low = low.strip_suffix("'s").or_else(|| low.strip_suffix("’s")).unwrap_or(&low);
        let word: String = low.chars().filter(|c| c.is_alphanumeric()).collect();
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        let digits = word.chars().count() - letters;
        let of_letters = digits == 0 && letters >= 4;
        let mixed = digits > 0 && letters > 0 && letters + digits >= 3 && letters + digits <= 12;
        // `2105hrs`, `30th`: times and dates are no names.
        let time = mixed
            && ["hrs", "h", "am", "pm", "th", "st", "nd", "rd", "mins", "yrs", "x", "k", "s", "m", "ft"]
                .iter()
                .any(|unit| {
                    word.strip_suffix(unit).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
                });
        if (of_letters || mixed && !time) && words.len() < WORDS_MOST {
            words.insert(word);
        }
    }
    words.into_iter().collect()
}

/// A hash of the text without case, spaces and signs (FNV-1a, 64 bit).
pub fn text_hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for c in text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase) {
        hash = (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_can_be_rare() {
        assert_eq!(
            words("Miah's flat, 41B Parkhurst at 2105hrs on 30th"),
            ["41b", "flat", "miah", "parkhurst"]
        );
        assert!(words("").is_empty());
    }

    #[test]
    fn the_same_words_have_one_hash() {
        assert_eq!(text_hash("He  sat\noutside."), text_hash("he SAT outside"));
        assert_ne!(text_hash("He sat outside"), text_hash("He sat inside"));
    }

    #[test]
    fn columns_become_identifiers_and_placeholders_do_not() {
        let mut report = Report::new("R1", "text");
        report.suspect_name = Some("GRIFFITHS Rhys".into());
        report.phone = Some("07000 000000".into());
        report.plate = Some("N/A".into());
        report.suspect_nominal = Some("N 4412".into());
        let values: Vec<String> = columns(&report).into_iter().map(|i| i.value).collect();
        assert_eq!(values, ["rhys griffiths", "nominal n 4412"]);
    }

    #[test]
    fn days_count_from_1970() {
        assert_eq!(day_number(time::macros::date!(1970 - 01 - 02)), 1);
    }
}
