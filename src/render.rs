//! Views of results: JSON for programs, text for people. A view draws what it
//! is given and works nothing out.

pub mod course;
pub mod ranked;
pub mod returns;
pub mod screen;
mod screen_page;
pub mod terminal;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// A value as one line of JSON, line break included.
///
/// # Errors
///
/// When the value cannot be written as JSON, which is a fault of this program.
pub fn json_line(value: &impl Serialize) -> Result<String> {
    let mut line = serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write JSON: {error}")))?;
    line.push('\n');
    Ok(line)
}

/// The JSON schema of an assessment, as committed in `schema/`.
///
/// # Errors
///
/// When the schema cannot be written as JSON, which is a fault of this program.
pub fn assessment_schema() -> Result<String> {
    let schema = schemars::schema_for!(crate::assess::Assessment);
    crate::model::folder::to_json(&schema)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_schema_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/assessment.schema.json");
        let schema = super::assessment_schema().unwrap();
        if std::env::var_os("THROUGHLINE_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == schema,
            "schema/assessment.schema.json is out of date; mend it with\n  \
             THROUGHLINE_WRITE_SCHEMA=1 cargo test --release the_committed_schema"
        );
    }
}
