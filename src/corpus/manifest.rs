//! The manifest of a dataset folder: its files with rows and checksums, and
//! what a user must know to use it (licence, version, seed, splits).
//!
//! `manifest.toml` stands in the folder. What people decide (name, version,
//! licence, seed, splits) is kept when it is written again; what files hold is
//! counted anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::check;
use super::split::{SplitSpec, by_author};
use crate::digest;
use crate::error::{Error, ErrorKind, Result};

/// The name of the file.
pub const FILE: &str = "manifest.toml";

/// The licence of the project's own datasets.
pub const LICENCE: &str = "CC BY 4.0";

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the dataset, that of its folder.
    pub name: String,
    /// Version of the dataset.
    pub version: String,
    /// Licence of all its files.
    pub licence: String,
    /// Seed of the scenario cards, if one made them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Which authors are held out.
    #[serde(default)]
    pub splits: Splits,
    /// What all dataset files hold together.
    pub totals: Totals,
    /// Every file but the manifest, by name.
    pub files: BTreeMap<String, FileEntry>,
}

/// Authors held out; all others are for training.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Splits {
    /// Authors to choose thresholds and stopping on.
    pub validation: Vec<String>,
    /// Authors to report figures on.
    pub test: Vec<String>,
}

/// What all dataset files hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Reports.
    pub reports: usize,
    /// Reports by grade.
    pub none: usize,
    /// Reports by grade.
    pub possible: usize,
    /// Reports by grade.
    pub likely: usize,
    /// Reports marked for serious harm.
    pub serious_harm: usize,
    /// Courses of conduct.
    pub cases: usize,
    /// Authors.
    pub authors: usize,
    /// Reports of the authors for training.
    pub train: usize,
    /// Reports of the authors for validation.
    pub validation: usize,
    /// Reports of the authors for testing.
    pub test: usize,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Records, for `.jsonl` and `.csv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What people decide about a dataset; what is missing is taken from the
/// manifest that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Version of the dataset.
    pub version: Option<String>,
    /// Licence of all its files.
    pub licence: Option<String>,
    /// Seed of the scenario cards.
    pub seed: Option<u64>,
    /// Authors for validation.
    pub validation: Option<Vec<String>>,
    /// Authors for testing.
    pub test: Option<Vec<String>>,
}

/// Counts a folder and writes its manifest.
///
/// # Errors
///
/// [`ErrorKind::Io`] when the folder cannot be read or written,
/// [`ErrorKind::Data`] when a dataset file is at fault,
/// [`ErrorKind::Arguments`] when a split names an author who is not there or
/// there is no version yet and none is given.
pub fn write(folder: &Path, decided: &Decided) -> Result<Manifest> {
    let path = folder.join(FILE);
    let old = if path.exists() { Some(read(&path)?) } else { None };
    let kept = |new: &Option<Vec<String>>, old: Option<&Vec<String>>| {
        let mut authors = new.clone().or_else(|| old.cloned()).unwrap_or_default();
        authors.sort_unstable();
        authors.dedup();
        authors
    };
    let splits = Splits {
        validation: kept(&decided.validation, old.as_ref().map(|old| &old.splits.validation)),
        test: kept(&decided.test, old.as_ref().map(|old| &old.splits.test)),
    };
    let version = decided.version.clone().or_else(|| old.as_ref().map(|old| old.version.clone()));
    let version = version.ok_or_else(|| {
        Error::new(
            ErrorKind::Arguments,
            format!("{}: no manifest yet, so a version is needed", folder.display()),
        )
        .hint("--data-version 1.0")
    })?;
    let licence = decided.licence.clone().or_else(|| old.as_ref().map(|old| old.licence.clone()));
    let manifest = Manifest {
        name: name_of(folder)?,
        version,
        licence: licence.unwrap_or_else(|| LICENCE.to_owned()),
        seed: decided.seed.or_else(|| old.as_ref().and_then(|old| old.seed)),
        totals: totals(folder, &splits)?,
        splits,
        files: files(folder)?,
    };
    let text = toml::to_string_pretty(&manifest)
        .map_err(|err| Error::new(ErrorKind::Internal, format!("manifest: {err}")))?;
    std::fs::write(&path, text).map_err(|err| Error::io(&path, err))?;
    Ok(manifest)
}

/// What differs between a folder and its manifest, one sentence each.
///
/// # Errors
///
/// [`ErrorKind::Io`] when the folder or its manifest cannot be read,
/// [`ErrorKind::Data`] when the manifest or a dataset file is at fault.
pub fn differences(folder: &Path) -> Result<Vec<String>> {
    let manifest = read(&folder.join(FILE))?;
    let now = files(folder)?;
    let names: BTreeSet<&String> = manifest.files.keys().chain(now.keys()).collect();
    let mut differences = Vec::new();
    for name in names {
        let mut tell = |what: String| differences.push(format!("{name}: {what}"));
        match (manifest.files.get(name), now.get(name)) {
            (Some(_), None) => tell("is in the manifest and not in the folder".to_owned()),
            (None, Some(_)) => tell("is in the folder and not in the manifest".to_owned()),
            (Some(then), Some(now)) => {
                if then.rows != now.rows {
                    let rows = |rows: Option<usize>| rows.map_or("no".to_owned(), |rows| rows.to_string());
                    tell(format!("{} rows, the manifest says {}", rows(now.rows), rows(then.rows)));
                }
                if then.sha256 != now.sha256 {
                    tell(format!(
                        "SHA-256 {}, the manifest says {}",
                        short(&now.sha256),
                        short(&then.sha256)
                    ));
                }
            }
            (None, None) => {}
        }
    }
    let now = totals(folder, &manifest.splits)?;
    if now != manifest.totals {
        differences.push(format!("totals: {now:?}, the manifest says {:?}", manifest.totals));
    }
    let name = name_of(folder)?;
    if name != manifest.name {
        differences.push(format!("name: the folder is `{name}`, the manifest says `{}`", manifest.name));
    }
    Ok(differences)
}

fn read(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path).map_err(|err| {
        Error::io(path, err).hint("`throughline corpus manifest` without --check writes it")
    })?;
    toml::from_str(&text)
        .map_err(|err| Error::new(ErrorKind::Data, format!("{}: {}", path.display(), err.message())))
}

fn name_of(folder: &Path) -> Result<String> {
    let whole = folder.canonicalize().map_err(|err| Error::io(folder, err))?;
    Ok(whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()))
}

/// Every file of a folder but the manifest and hidden ones.
fn files(folder: &Path) -> Result<BTreeMap<String, FileEntry>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|err| Error::io(folder, err))? {
        let path = entry.map_err(|err| Error::io(folder, err))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name == FILE || name.starts_with('.') || !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|err| Error::io(&path, err))?;
        let rows = match path.extension().and_then(|e| e.to_str()) {
            Some("jsonl") => {
                Some(String::from_utf8_lossy(&bytes).lines().filter(|l| !l.trim().is_empty()).count())
            }
            Some("csv") => Some(csv::Reader::from_reader(&bytes[..]).records().count()),
            _ => None,
        };
        files.insert(name, FileEntry { rows, sha256: digest::sha256(&bytes) });
    }
    Ok(files)
}

fn totals(folder: &Path, splits: &Splits) -> Result<Totals> {
    let dataset = super::load(&[folder])?;
    let summary = check::check_files(&[folder])?.summary;
    let spec = SplitSpec { validation_authors: splits.validation.clone(), test_authors: splits.test.clone() };
    let split = by_author(&dataset, &spec)?;
    let [none, possible, likely] = summary.by_grade;
    Ok(Totals {
        reports: summary.reports,
        none,
        possible,
        likely,
        serious_harm: summary.serious_harm,
        cases: summary.cases,
        authors: summary.authors,
        train: split.train.len(),
        validation: split.validation.len(),
        test: split.test.len(),
    })
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"R1","text":"Bike taken.","meta":{"author":"A01"}}"#;

    #[test]
    fn a_manifest_is_written_checked_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("A01.jsonl");
        std::fs::write(&file, format!("{LINE}\n")).unwrap();
        let err = write(folder.path(), &Decided::default()).unwrap_err();
        assert_eq!(err.kind(), ErrorKind::Arguments);
        let test = Some(vec!["A01".to_owned()]);
        let decided = Decided { version: Some("1.0".to_owned()), test, ..Decided::default() };
        let manifest = write(folder.path(), &decided).unwrap();
        assert_eq!((manifest.totals.reports, manifest.totals.test), (1, 1));
        assert!(differences(folder.path()).unwrap().is_empty());
        // Written again with nothing decided it is the same.
        assert_eq!(write(folder.path(), &Decided::default()).unwrap(), manifest);

        std::fs::write(&file, format!("{LINE}\n{}\n", LINE.replace("R1", "R2"))).unwrap();
        std::fs::write(folder.path().join("notes.csv"), "id\n1\n").unwrap();
        let told = differences(folder.path()).unwrap().join("\n");
        for want in [
            "A01.jsonl: 2 rows, the manifest says 1",
            "A01.jsonl: SHA-256",
            "notes.csv: is in the folder",
            "totals:",
        ] {
            assert!(told.contains(want), "{told}");
        }
        let strangers = Decided { test: Some(vec!["A09".to_owned()]), ..Decided::default() };
        assert!(write(folder.path(), &strangers).unwrap_err().to_string().contains("A09"));
        assert!(differences(&folder.path().join("none")).is_err());
    }
}
