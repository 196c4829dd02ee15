//! The record: one free-text report as a force holds it.

/// One report as a force holds it. Only `id` and `text` are always there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The record's own name, unique in a run.
    pub id: String,
    /// The narrative; offsets count its characters.
    pub text: String,
    /// The force that holds it.
    pub force: Option<String>,
    /// How it came in.
    pub channel: Option<String>,
    /// The class it was recorded under.
    pub recorded_as: Option<String>,
}

impl Report {
    /// A report that has nothing but an id and a text.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Report {
        Report {
            id: id.into(),
            text: text.into(),
            ..Report::default()
        }
    }
}
