//! The quality of a corpus: what it holds, how varied it is, and whether
//! anything but the matter tells the grade.
//!
//! The figures are those of `throughline corpus report`. [`counts`] says what
//! there is, [`duplicates`] what stands there nearly twice, [`diversity`] how
//! much authors repeat themselves and each other, [`cues`] which words go with
//! a grade, and [`artefacts`] whether author, recorder, length, channel,
//! capitals or force alone give the grade away.

use std::fmt;

use serde::Serialize;

use crate::corpus::Dataset;
use crate::error::Result;
use crate::evaluate::Rows;

pub mod artefacts;
pub mod counts;
pub mod cues;
pub mod diversity;
pub mod duplicates;

/// What a report on a corpus is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualitySettings {
    /// Seed of samples and folds.
    pub seed: u64,
    /// Words whose odds are given for each grade, see [`cues::Cue::parse`].
    pub cues: Vec<String>,
}

/// Everything that is measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// The seed of samples and folds.
    pub seed: u64,
    /// What there is.
    pub counts: counts::Counts,
    /// What stands there nearly twice.
    pub duplicates: duplicates::Duplicates,
    /// How varied the words are.
    pub diversity: diversity::Diversity,
    /// How words go with grades.
    pub cues: Vec<cues::CueOdds>,
    /// What tells the grade apart from the matter.
    pub artefacts: artefacts::Artefacts,
}

impl Quality {
    /// Measures a corpus; `progress` is told what is being measured.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`](crate::error::ErrorKind::Data) when the dataset is
    /// empty, has an id twice or a mark outside its text.
    pub fn of(
        dataset: &Dataset,
        settings: &QualitySettings,
        mut progress: impl FnMut(&str),
    ) -> Result<Quality> {
        let rows = Rows::of(dataset)?;
        progress("counting");
        let counts = counts::Counts::of(&rows);
        progress("looking for near-duplicates");
        let duplicates = duplicates::Duplicates::of(&rows);
        progress("measuring diversity");
        let diversity = diversity::Diversity::of(&rows, settings.seed);
        let cues = cues::odds(&rows, &settings.cues);
        progress("trying to tell grades from artefacts");
        let artefacts = artefacts::Artefacts::of(&rows, settings.seed);
        Ok(Quality { seed: settings.seed, counts, duplicates, diversity, cues, artefacts })
    }
}

/// For people; a program takes the JSON.
impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.counts, self.duplicates, self.diversity)?;
        cues::write(f, &self.cues)?;
        write!(f, "\n{}", self.artefacts)
    }
}

/// Lower-case words of a text: runs of letters, digits and apostrophes.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace('\u{2019}', "'")
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
