//! Labelled reports.

use crate::codebook::{EntityKind, Grade, Indicator, Relationship, Role};
use crate::report::Report;

/// A report with what readers say of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The report.
    pub report: Report,
    /// The course of conduct it belongs to.
    pub case: Option<String>,
    /// Who is pursued.
    pub victim: Option<String>,
    /// Who pursues.
    pub suspect: Option<String>,
    /// Labels of the text as a whole.
    pub labels: Option<Labels>,
    /// Words that justify indicators.
    pub spans: Vec<Span>,
    /// Names and numbers.
    pub entities: Vec<EntitySpan>,
    /// Where the text comes from.
    pub meta: Meta,
}

/// Labels of a text as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The grade.
    pub stalking: Grade,
    /// Indicators that the text gives evidence of.
    pub found: Vec<Indicator>,
    /// Indicators that the text says did not happen.
    pub denied: Vec<Indicator>,
    /// Whether there is evidence of a risk of serious harm.
    pub serious_harm: bool,
    /// Suspect to victim.
    pub relationship: Relationship,
}

/// A run of text that justifies an indicator.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// First character.
    pub start: usize,
    /// Character after the last.
    pub end: usize,
    /// The indicator.
    pub label: Indicator,
    /// Whether it is denied.
    pub denied: bool,
}

/// A run of text that names something.
#[derive(Clone, Debug, PartialEq)]
pub struct EntitySpan {
    /// First character.
    pub start: usize,
    /// Character after the last.
    pub end: usize,
    /// What it names.
    pub kind: EntityKind,
    /// Whose it is.
    pub role: Option<Role>,
}

/// Where a text comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// Who wrote it.
    pub author: Option<String>,
    /// In whose voice.
    pub voice: Option<String>,
    /// What sort of story it is.
    pub kind: Option<String>,
    /// How formal.
    pub register: Option<String>,
    /// How the recorder handles it.
    pub handling: Option<String>,
    /// Sex of the victim.
    pub sex_victim: Option<String>,
    /// Sex of the suspect.
    pub sex_suspect: Option<String>,
}

/// Labelled reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The reports.
    pub examples: Vec<Example>,
}
