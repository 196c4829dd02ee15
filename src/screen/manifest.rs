//! The manifest that closes a run: what was read, with what, what came out.
//! The only file that holds the clock and where files lay.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Start;
use super::pipeline::Tally;
use super::settings::sum_of;
use crate::error::{Error, ErrorKind, Result};

/// The form of manifest that this program writes.
pub const MANIFEST_SCHEMA: &str = "throughline.screen/1";

/// A file among the results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: String,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Reports in each state, those recorded as stalking left out.
    pub states: BTreeMap<String, u64>,
    /// Reports in each state among those that were recorded as stalking.
    pub recorded_as_stalking: BTreeMap<String, u64>,
    /// Suspected courses of conduct.
    pub courses: u64,
    /// Reports of the batch in them.
    pub in_courses: u64,
    /// Reports beside the batch that it was linked with.
    #[serde(default)]
    pub linked_with: u64,
    /// Groups of linked reports.
    pub groups: u64,
    /// Pairs that were compared.
    pub compared: u64,
}

/// The manifest of a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_SCHEMA`].
    pub schema: String,
    /// The same for the same input, model and settings.
    pub run_id: String,
    /// What the run read and how.
    pub start: Start,
    /// What was read.
    pub read: Tally,
    /// What came out.
    pub counts: Counts,
    /// The files of the run.
    pub outputs: BTreeMap<String, Output>,
    /// When it was finished, UTC.
    pub finished: String,
    /// Whether it went on after a stop.
    pub resumed: bool,
    /// Seconds since it was begun or gone on with.
    pub seconds: f64,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is none of this form.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let other = |why: String| {
            Error::new(ErrorKind::Data, format!("{}: is no manifest of a screening: {why}", path.display()))
                .hint("name a new folder with --out")
        };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| other(error.to_string()))?;
        if manifest.schema != MANIFEST_SCHEMA {
            return Err(other(format!("its form is `{}`, `{MANIFEST_SCHEMA}` is needed", manifest.schema)));
        }
        Ok(manifest)
    }

    /// Whether the files of the run are still there.
    ///
    /// # Errors
    ///
    /// When a file is gone or has another length.
    pub fn check_outputs(&self, folder: &Path) -> Result<()> {
        for (name, output) in &self.outputs {
            let path = folder.join(name);
            let bytes = std::fs::metadata(&path).map(|about| about.len()).ok();
            if bytes != Some(output.bytes) {
                let is = bytes.map_or("is gone".to_owned(), |bytes| format!("has {bytes} bytes"));
                let what = format!("{}: {is}, the manifest says {} bytes", path.display(), output.bytes);
                return Err(Error::new(ErrorKind::Data, what)
                    .hint("take this folder away, or name a new one with --out, and screen again"));
            }
        }
        Ok(())
    }
}

/// Lengths and sums of the files of a run.
///
/// # Errors
///
/// When a file cannot be read.
pub fn outputs(folder: &Path, names: &[&str]) -> Result<BTreeMap<String, Output>> {
    let one = |name: &&str| {
        let (bytes, sha256) = sum_of(&folder.join(name))?;
        Ok(((*name).to_owned(), Output { bytes, sha256 }))
    };
    names.iter().map(one).collect()
}
