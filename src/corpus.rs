//! Datasets: reports with what readers said about them.
//!
//! A dataset is JSON Lines in the form of the record, with the ground truth
//! beside it. Spans stand either as offsets in `spans` and `entities`, or, in
//! files that people write, as markup inside the text ([`markup`]). Loading
//! refuses what [`check`] finds fault with, so that training never meets a
//! label that means nothing. [`split`] keeps authors and cases apart.
//!
//! Offsets count characters (Unicode code points) from 0, end exclusive.

use std::path::{Path, PathBuf};

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};

use crate::codebook::{EntityKind, Grade, Indicator, Relationship, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;

pub mod augment;
pub mod cards;
pub mod check;
pub mod export;
pub mod gazetteer;
pub mod manifest;
pub mod markup;
mod places;
pub mod sample;
pub mod split;
mod weighted;

/// A run of text that by itself justifies an indicator, or denies it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// What the run gives evidence of.
    pub label: Indicator,
    /// Whether the run says that it did not happen; `!` before the label in JSON.
    pub denied: bool,
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        let mut span = s.serialize_struct("Span", 3)?;
        span.serialize_field("start", &self.start)?;
        span.serialize_field("end", &self.end)?;
        let mark = if self.denied { "!" } else { "" };
        span.serialize_field("label", &format!("{mark}{}", self.label))?;
        span.end()
    }
}

/// A run of text that names something.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct EntitySpan {
    /// The first character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// What sort of thing it names.
    pub kind: EntityKind,
    /// Whose it is; a person always has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// What a reader said about a whole text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// The grade of this text alone.
    pub stalking: Grade,
    /// What the text gives evidence of, in codebook order; `indicators` in JSON.
    #[serde(rename = "indicators")]
    pub found: Vec<Indicator>,
    /// What the text expressly says did not happen, in codebook order.
    pub denied: Vec<Indicator>,
    /// Whether the text holds evidence of a risk of serious harm or homicide.
    pub serious_harm: bool,
    /// What the suspect is to the victim.
    pub relationship: Relationship,
}

/// How a report of the corpus came about; never shown to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Who wrote the report.
    pub author: Option<String>,
    /// The recorder whom the author speaks as, unique over authors.
    pub voice: Option<String>,
    /// `course`, `decoy`, `hard_negative` or `ordinary`.
    pub kind: Option<String>,
    /// The manner of writing.
    pub register: Option<String>,
    /// How the recorder handles the matter.
    pub handling: Option<String>,
    /// `m`, `f` or `u`, as far as the text tells.
    pub sex_victim: Option<String>,
    /// `m`, `f` or `u`, as far as the text tells.
    pub sex_suspect: Option<String>,
    /// What was changed in a copy, see [`augment`]; missing in what was written.
    pub augment: Option<String>,
}

/// One report of a dataset with its ground truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The report; its text is plain, without markup.
    pub report: Report,
    /// The course of conduct it belongs to.
    pub case: Option<String>,
    /// Who is pursued, as an id.
    pub victim: Option<String>,
    /// Who pursues, as an id.
    pub suspect: Option<String>,
    /// What a reader said about the text.
    pub labels: Option<Labels>,
    /// Where the text gives evidence.
    pub spans: Vec<Span>,
    /// Where the text names something.
    pub entities: Vec<EntitySpan>,
    /// How the report came about.
    pub meta: Meta,
}

/// Written in the form of the record, with plain text and offsets.
impl Serialize for Example {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            #[serde(flatten)]
            report: &'a Report,
            case: &'a Option<String>,
            victim: &'a Option<String>,
            suspect: &'a Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            labels: &'a Option<Labels>,
            spans: &'a [Span],
            entities: &'a [EntitySpan],
            #[serde(skip_serializing_if = "is_empty")]
            meta: MetaKnown<'a>,
        }
        fn is_empty(meta: &MetaKnown) -> bool {
            *meta.0 == Meta::default()
        }
        Flat {
            report: &self.report,
            case: &self.case,
            victim: &self.victim,
            suspect: &self.suspect,
            labels: &self.labels,
            spans: &self.spans,
            entities: &self.entities,
            meta: MetaKnown(&self.meta),
        }
        .serialize(s)
    }
}

/// The entries of a [`Meta`] that are there.
struct MetaKnown<'a>(&'a Meta);

impl Serialize for MetaKnown<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        let Meta { author, voice, kind, register, handling, sex_victim, sex_suspect, augment } = self.0;
        let entries = [
            ("author", author),
            ("voice", voice),
            ("kind", kind),
            ("register", register),
            ("handling", handling),
            ("sex_victim", sex_victim),
            ("sex_suspect", sex_suspect),
            ("augment", augment),
        ];
        let mut map = s.serialize_map(None)?;
        for (key, value) in entries {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

/// The examples of one or more files, in the order of files and lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The examples.
    pub examples: Vec<Example>,
}

impl Dataset {
    /// The authors, each once, sorted.
    pub fn authors(&self) -> Vec<&str> {
        let mut authors: Vec<&str> = self.examples.iter().filter_map(|e| e.meta.author.as_deref()).collect();
        authors.sort_unstable();
        authors.dedup();
        authors
    }
}

/// Loads files, or the `*.jsonl` files of folders in the order of their names.
///
/// # Errors
///
/// [`ErrorKind::Data`] on any fault that [`check::check_files`] finds, naming
/// the first one and how many there are. [`ErrorKind::Io`] and
/// [`ErrorKind::Input`] when a path cannot be read or holds no dataset.
pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Dataset> {
    load_allowing(paths, |_| false)
}

/// Loads like [`load`], but refuses only what makes an example unusable
/// ([`check::Severity::Broken`]), not what only breaks a rule of the corpus.
///
/// # Errors
///
/// As for [`load`].
pub fn load_foreign<P: AsRef<Path>>(paths: &[P]) -> Result<Dataset> {
    load_allowing(paths, |fault| fault.severity == check::Severity::Rule)
}

fn load_allowing<P: AsRef<Path>>(paths: &[P], allowed: fn(&check::Fault) -> bool) -> Result<Dataset> {
    let (dataset, report) = check::read_files(paths)?;
    let refused: Vec<&check::Fault> = report.faults.iter().filter(|fault| !allowed(fault)).collect();
    match refused.first() {
        None => Ok(dataset),
        Some(first) => {
            let more = match refused.len() - 1 {
                0 => String::new(),
                1 => ", and 1 fault more".to_owned(),
                more => format!(", and {more} faults more"),
            };
            Err(Error::new(ErrorKind::Data, format!("{first}{more}"))
                .hint("`throughline corpus check` lists every fault"))
        }
    }
}

/// The files that paths stand for: a folder is its `*.jsonl`, sorted by name.
fn files_of<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let about = std::fs::metadata(path).map_err(|err| Error::io(path, err))?;
        if !about.is_dir() {
            files.push(path.to_owned());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|err| Error::io(path, err))? {
            let file = entry.map_err(|err| Error::io(path, err))?.path();
            if file.extension().is_some_and(|e| e == "jsonl") && file.is_file() {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(Error::new(
                ErrorKind::Input,
                format!("{}: no .jsonl file in this folder", path.display()),
            ));
        }
        inside.sort();
        files.append(&mut inside);
    }
    if files.is_empty() {
        return Err(Error::new(ErrorKind::Input, "no dataset file is named"));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"id":"A01-001","text":"[[@person.suspect:Dan]] [[following:sat outside]]. [[!threat:No threats]] 🚓","reported_at":"2023-04-17T21:40:00","#,
        r#""channel":"101","case":"C1","victim":"C1-V","suspect":"C1-S","#,
        r#""labels":{"stalking":"possible","indicators":["following"],"denied":["threat"],"serious_harm":false,"relationship":"ex_partner"},"#,
        r#""meta":{"author":"A01","voice":"A01-v1","words":12}}"#
    );

    fn write(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn markup_becomes_plain_text_and_offsets_and_is_read_back_the_same() {
        let (_folder, path) = write("a.jsonl", LINE);
        let dataset = load(&[&path]).unwrap();
        let example = &dataset.examples[0];
        assert_eq!(example.report.text, "Dan sat outside. No threats 🚓");
        assert_eq!(example.spans[0], Span { start: 4, end: 15, label: Indicator::Following, denied: false });
        assert_eq!(example.spans[1], Span { start: 17, end: 27, label: Indicator::Threat, denied: true });
        assert_eq!(example.entities[0].role, Some(Role::Suspect));
        assert_eq!(example.meta.voice.as_deref(), Some("A01-v1"));
        assert_eq!(dataset.authors(), ["A01"]);

        let plain = serde_json::to_string(example).unwrap();
        assert!(plain.contains(r#"{"start":17,"end":27,"label":"!threat"}"#), "{plain}");
        let (_folder, path) = write("b.jsonl", &plain);
        assert_eq!(load(&[&path]).unwrap(), dataset);
    }

    #[test]
    fn a_folder_is_its_jsonl_files_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for (name, id) in [("b.jsonl", "B"), ("a.jsonl", "A"), ("c.txt", "C")] {
            std::fs::write(folder.path().join(name), format!("{{\"id\":\"{id}\",\"text\":\"x\"}}\n"))
                .unwrap();
        }
        let dataset = load(&[folder.path()]).unwrap();
        let ids: Vec<&str> = dataset.examples.iter().map(|e| &*e.report.id).collect();
        assert_eq!(ids, ["A", "B"]);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(load(&[empty.path()]).unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(load(&[empty.path().join("none")]).unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(load::<&Path>(&[]).unwrap_err().kind(), ErrorKind::Input);
    }

    #[test]
    fn loading_refuses_faults_with_the_first_and_the_count() {
        let (_folder, path) = write("a.jsonl", &format!("{}\n{LINE}", LINE.replace("\"101\"", "\"pigeon\"")));
        let err = load(&[&path]).unwrap_err();
        assert_eq!(err.kind(), ErrorKind::Data);
        assert!(err.to_string().contains("a.jsonl:1:"), "{err}");
        assert!(err.to_string().ends_with("and 1 fault more"), "{err}");
        assert_eq!(err.hint_text(), Some("`throughline corpus check` lists every fault"));
    }

    #[test]
    fn a_foreign_dataset_may_break_the_corpus_rules_but_not_its_form() {
        let (_folder, path) = write("a.jsonl", &LINE.replace("\"101\"", "\"pigeon\""));
        assert_eq!(load_foreign(&[&path]).unwrap().examples.len(), 1);
        let (_folder, path) = write("a.jsonl", &LINE.replace("[[following", "[[follow"));
        assert!(load_foreign(&[&path]).is_err());
    }
}
