//! What a run reads and how: all that its results depend on. It is compared
//! with what an earlier run in the same folder was started with.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Selection;
use crate::digest::{self, Sum};
use crate::error::{Error, ErrorKind, Result};
use crate::model::EngineKind;
use crate::report::read::ColumnMap;

/// The form of start that this program writes and goes on from.
pub const START_SCHEMA: &str = "throughline.screen-start/1";

/// The model of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUsed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of each of its files.
    pub files: BTreeMap<String, String>,
}

/// Choices that the results depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Version of this program.
    pub program: String,
    /// The model.
    pub model: ModelUsed,
    /// SHA-256 of the weights of linking.
    pub link_weights: String,
    /// What the batch is linked with beside itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<InputFile>,
    /// Columns that are named otherwise than their field.
    pub columns: ColumnMap,
    /// Which reports are screened.
    pub selection: Selection,
    /// The date that ages are counted to; without one, the latest of the input.
    pub as_of: Option<String>,
    /// Reports that the page shows.
    pub top: usize,
    /// Reports that people can read in a day.
    pub per_day: Option<f64>,
    /// Whether the model abstains where it is least sure.
    pub abstain: bool,
    /// What reads the texts.
    pub engine: EngineKind,
    /// Tokens, as estimated, that are assessed in one round.
    pub round_tokens: usize,
}

/// A file of reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Where it lies. It may move: what it holds decides.
    pub path: PathBuf,
    /// Bytes, as it lies there.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: String,
}

impl InputFile {
    /// Reads a file through for its sum.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is a directory, or is no file at all (a pipe
    /// cannot be read twice, so a run on it could not go on after a stop).
    pub fn open(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
        if !about.is_file() {
            let what = if about.is_dir() { "is a directory" } else { "is no file that can be read twice" };
            return Err(Error::new(
                ErrorKind::Input,
                format!("{}: {what}, a file is needed", path.display()),
            ));
        }
        let (bytes, sha256) = sum_of(path)?;
        Ok(Self { path: path.to_owned(), bytes, sha256 })
    }
}

/// Bytes and SHA-256 of a file.
///
/// # Errors
///
/// When it cannot be read.
pub fn sum_of(path: &Path) -> Result<(u64, String)> {
    let mut file = BufReader::new(File::open(path).map_err(|error| Error::io(path, error))?);
    let mut sum = Sum::default();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer).map_err(|error| Error::io(path, error))?;
        if count == 0 {
            return Ok((bytes, sum.finish()));
        }
        sum.update(&buffer[..count]);
        bytes += count as u64;
    }
}

/// A run as it was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// [`START_SCHEMA`].
    pub schema: String,
    /// The files, in the order in which they are read.
    pub inputs: Vec<InputFile>,
    /// How they are read.
    pub settings: Settings,
}

impl Start {
    /// A run over these files.
    pub fn new(inputs: Vec<InputFile>, settings: Settings) -> Self {
        Self { schema: START_SCHEMA.into(), inputs, settings }
    }

    /// The run's name: the same for the same input, model and settings.
    pub fn run_id(&self) -> String {
        let text: String = self.flat().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        digest::sha256(text.as_bytes()).chars().take(16).collect()
    }

    /// Every value by its place; where files lie is left out.
    fn flat(&self) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        let value = serde_json::to_value(self).unwrap_or_default();
        flatten(&value, String::new(), &mut flat);
        flat.retain(|name, _| {
            !(name == "link.path" || name.starts_with("input ") && name.ends_with(".path"))
        });
        flat
    }

    /// What differs from an earlier start, a line each; empty when this run
    /// would give the same results.
    pub fn differences(&self, earlier: &Start) -> Vec<String> {
        let (now, before) = (self.flat(), earlier.flat());
        let mut names: Vec<&String> = now.keys().chain(before.keys()).collect();
        names.sort();
        names.dedup();
        let shown =
            |value: Option<&String>| value.map_or("nothing".to_owned(), |v| v.chars().take(80).collect());
        names
            .into_iter()
            .filter(|name| now.get(*name) != before.get(*name))
            .map(|name| format!("{name}: was {}, is {}", shown(before.get(name)), shown(now.get(name))))
            .collect()
    }
}

fn flatten(value: &serde_json::Value, name: String, flat: &mut BTreeMap<String, String>) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = match name.as_str() {
                    // The outermost names say nothing to a person.
                    "" | "settings" if key != "inputs" => key.clone(),
                    "" => "input".into(),
                    outer => format!("{outer}.{key}"),
                };
                flatten(value, name, flat);
            }
        }
        Value::Array(values) if name == "input" => {
            for (i, value) in values.iter().enumerate() {
                flatten(value, format!("input {}", i + 1), flat);
            }
        }
        Value::String(text) => {
            flat.insert(name, text.clone());
        }
        other => {
            flat.insert(name, other.to_string());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::screen) fn start() -> Start {
        let model = ModelUsed {
            name: "m".into(),
            version: "1".into(),
            files: [("model.safetensors".to_owned(), "ab".to_owned())].into(),
        };
        let settings = Settings {
            program: "0.1.0".into(),
            model,
            link_weights: "cd".into(),
            link: None,
            columns: ColumnMap::default(),
            selection: Selection::default(),
            as_of: None,
            top: 100,
            per_day: None,
            abstain: false,
            engine: EngineKind::default(),
            round_tokens: 1000,
        };
        Start::new(vec![InputFile { path: "a.csv".into(), bytes: 3, sha256: "ef".into() }], settings)
    }

    #[test]
    fn what_differs_is_named_and_where_a_file_lies_is_not() {
        let first = start();
        let mut moved = start();
        moved.inputs[0].path = "elsewhere/b.csv".into();
        assert!(moved.differences(&first).is_empty());
        assert_eq!(moved.run_id(), first.run_id());

        let mut other = start();
        other.inputs[0].sha256 = "00".into();
        other.settings.model.files.insert("model.safetensors".into(), "11".into());
        other.settings.selection.closed_only = true;
        let differences = other.differences(&first);
        assert_eq!(
            differences,
            [
                "input 1.sha256: was ef, is 00",
                "model.files.model.safetensors: was ab, is 11",
                "selection.closed_only: was false, is true"
            ]
        );
        assert_ne!(other.run_id(), first.run_id());
    }
}
