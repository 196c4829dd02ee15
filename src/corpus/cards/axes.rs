//! The axes of the scenario cards, as they stand in `datasets/cards.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::codebook::unknown;
use crate::corpus::gazetteer::Sex;
use crate::corpus::weighted::Weighted;
use crate::error::{Error, ErrorKind, Result};
use crate::report::CHANNELS;
use crate::rng::Rng;

/// Every axis with its values, as read and checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axes {
    version: u32,
    /// `(share, fewest words, most words)` of each band of lengths.
    pub lengths: Vec<(f64, usize, usize)>,
    channels: Vec<(String, u32)>,
    /// What a course of conduct is, in words.
    pub courses: Vec<String>,
    /// Acts to draw on.
    pub acts: Vec<String>,
    /// Classes that a course's reports are recorded under.
    pub recorded_as: Weighted,
    /// What a hard negative is, in words.
    pub hard_negatives: Vec<String>,
    /// What an ordinary report is, in words.
    pub ordinary: Vec<String>,
    /// How the recorder handles the matter.
    pub handling: Weighted,
    /// How it ended.
    pub outcomes: Weighted,
    /// Words that stand in negatives as in positives.
    pub cue_words: Weighted,
    /// Letter case of a voice.
    pub voice_case: Weighted,
    /// Habits of a voice; each has two.
    pub voice_habits: Weighted,
    /// Mood of a voice.
    pub voice_moods: Weighted,
    /// How a course runs on.
    pub runs: Weighted,
    /// What a course's decoy is.
    pub decoys: Weighted,
    /// Speech of the callers.
    pub speech: Weighted,
    /// Jobs of an author's third recorder.
    pub voice_officers: Weighted,
    /// Jobs of an author's fourth recorder.
    pub voice_clerks: Weighted,
    course_sizes: Vec<(usize, u32)>,
    /// Mean days between two reports of a course.
    pub gap_days: Vec<f64>,
    /// How many reports of each sort one author writes.
    pub deck: DeckSizes,
    /// Shares of what may or may not be on a card.
    pub shares: Shares,
    course_sexes: BTreeMap<String, String>,
    registers: BTreeMap<String, Weighted>,
}

/// How many reports of each sort one author writes, and the words of bare ones.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeckSizes {
    /// Reports of courses; the last course may add one.
    pub course_reports: usize,
    /// Hard negatives of full length.
    pub hard_negatives: usize,
    /// Hard negatives of a line or two.
    pub hard_negatives_bare: usize,
    /// Ordinary reports of full length.
    pub ordinary: usize,
    /// Ordinary reports of a line or two.
    pub ordinary_bare: usize,
    /// Fewest and most words of a bare hard negative.
    pub bare_hard_negative_words: (usize, usize),
    /// Fewest and most words of a bare ordinary report.
    pub bare_ordinary_words: (usize, usize),
    /// Fewest and most words of a bare report of a course.
    pub bare_course_words: (usize, usize),
}

/// Shares between 0 and 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Courses that cross into a neighbouring force.
    pub crosses_force: f64,
    /// Reports of a course that alone are `possible` or `none`.
    pub thin: f64,
    /// Thin reports that are bare.
    pub bare_if_thin: f64,
    /// Other reports of a course that are bare.
    pub bare_if_not_thin: f64,
    /// Reports of a course that may use the word stalking.
    pub may_say_stalking: f64,
    /// Courses with a female victim.
    pub victim_female: f64,
    /// Courses whose suspect is not of the victim's sex.
    pub other_sex: f64,
    /// Courses whose suspect is unknown or misnamed at first.
    pub suspect_unknown_at_first: f64,
    /// Courses with one report that misspells the suspect's name.
    pub suspect_misspelt: f64,
    /// Courses with one report by the suspect himself.
    pub suspect_reports_too: f64,
    /// Negatives that are asked for a cue word, the bare ones left aside.
    pub cue_in_negative: f64,
    /// Reports of a course that are, the thin and bare ones left aside.
    pub cue_in_course: f64,
}

impl Axes {
    /// Reads an axes file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when it cannot be read, [`ErrorKind::Data`] naming the
    /// key that is missing, unknown, empty or out of its range.
    pub fn load(path: &Path) -> Result<Axes> {
        let text = std::fs::read_to_string(path).map_err(|err| Error::io(path, err))?;
        Axes::parse(&text).map_err(|err| {
            Error::new(err.kind(), format!("{}: {err}", path.display()))
                .hint("datasets/cards.toml shows the form of the file")
        })
    }

    /// Reads axes from TOML.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`], as for [`Axes::load`].
    pub fn parse(text: &str) -> Result<Axes> {
        let axes: Axes = toml::from_str(text).map_err(|err| {
            let line = err
                .span()
                .map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
            data(format!("line {line}: {}", err.message()))
        })?;
        axes.check()?;
        Ok(axes)
    }

    fn check(&self) -> Result<()> {
        if self.version != 1 {
            return Err(data(format!("`version` is {}, 1 is needed", self.version)));
        }
        let empty = [
            ("lengths", self.lengths.is_empty()),
            ("channels", self.channels.iter().all(|(_, weight)| *weight == 0)),
            ("courses", self.courses.is_empty()),
            ("acts", self.acts.is_empty()),
            ("hard_negatives", self.hard_negatives.is_empty()),
            ("ordinary", self.ordinary.is_empty()),
            ("course_sizes", self.course_sizes.iter().all(|(_, weight)| *weight == 0)),
            ("gap_days", self.gap_days.is_empty()),
        ];
        if let Some((name, _)) = empty.iter().find(|(_, empty)| *empty) {
            return Err(data(format!("`{name}` is empty, one value or more is needed")));
        }
        for (channel, _) in &self.channels {
            if !CHANNELS.contains(&channel.as_str()) {
                return Err(unknown("channel", channel, &CHANNELS));
            }
            if !self.registers.contains_key(channel) {
                return Err(data(format!("`registers` has none for the channel `{channel}`")));
            }
        }
        if let Some(stranger) = self.registers.keys().find(|name| !CHANNELS.contains(&name.as_str())) {
            return Err(unknown("channel in `registers`", stranger, &CHANNELS));
        }
        for (name, sexes) in &self.course_sexes {
            if !self.courses.contains(name) {
                return Err(data(format!("`course_sexes` names `{name}`, which is none of the `courses`")));
            }
            if !["same", "ff", "mf", "fm", "mm"].contains(&sexes.as_str()) {
                return Err(data(format!("`course_sexes`: `{sexes}` is none of same, ff, mf, fm, mm")));
            }
        }
        if let Some((size, _)) = self.course_sizes.iter().find(|(size, _)| !(2..=50).contains(size)) {
            return Err(data(format!("`course_sizes`: a course of {size} reports, 2 to 50 are possible")));
        }
        if self.lengths.iter().any(|&(share, _, _)| !(0.0..=1.0).contains(&share)) {
            return Err(data("`lengths`: a share is not between 0 and 1".to_owned()));
        }
        let total: f64 = self.lengths.iter().map(|band| band.0).sum();
        if (total - 1.0).abs() > 1e-6 {
            return Err(data(format!("`lengths`: the shares add up to {total}, 1 is needed")));
        }
        let DeckSizes { course_reports, hard_negatives, hard_negatives_bare, .. } = self.deck;
        let DeckSizes { ordinary, ordinary_bare, .. } = self.deck;
        let sizes = [course_reports, hard_negatives, hard_negatives_bare, ordinary, ordinary_bare];
        if sizes.iter().any(|&n| n > 400) || course_reports < 2 {
            return Err(data("`deck`: 2 to 400 course reports and at most 400 of the others".to_owned()));
        }
        let bare =
            [self.deck.bare_hard_negative_words, self.deck.bare_ordinary_words, self.deck.bare_course_words];
        for (low, high) in self.lengths.iter().map(|&(_, low, high)| (low, high)).chain(bare) {
            if low == 0 || low > high || high > 5000 {
                return Err(data(format!("{low} to {high} words is no range within 1 and 5000")));
            }
        }
        let s = &self.shares;
        for (name, share) in [
            ("crosses_force", s.crosses_force),
            ("thin", s.thin),
            ("bare_if_thin", s.bare_if_thin),
            ("bare_if_not_thin", s.bare_if_not_thin),
            ("may_say_stalking", s.may_say_stalking),
            ("victim_female", s.victim_female),
            ("other_sex", s.other_sex),
            ("suspect_unknown_at_first", s.suspect_unknown_at_first),
            ("suspect_misspelt", s.suspect_misspelt),
            ("suspect_reports_too", s.suspect_reports_too),
            ("cue_in_negative", s.cue_in_negative),
            ("cue_in_course", s.cue_in_course),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(data(format!("`shares.{name}` is {share}, 0 to 1 is needed")));
            }
        }
        match self.gap_days.iter().find(|days| !(**days > 0.0 && **days < 1000.0)) {
            Some(days) => Err(data(format!("`gap_days`: {days} is no number of days between 0 and 1000"))),
            None => Ok(()),
        }
    }

    /// A channel, as often as its weight says.
    pub fn channel(&self, rng: &mut Rng) -> &str {
        draw(&self.channels, rng).map_or("", |(name, _)| name)
    }

    /// A manner of writing of a channel.
    pub fn register(&self, channel: &str, rng: &mut Rng) -> &str {
        self.registers.get(channel).map_or("", |registers| registers.draw(rng))
    }

    /// How many reports a course has.
    pub fn course_size(&self, rng: &mut Rng) -> usize {
        draw(&self.course_sizes, rng).map_or(2, |(size, _)| *size)
    }

    /// Words of a report.
    pub fn length(&self, rng: &mut Rng) -> usize {
        let mut left = rng.unit();
        for &(share, low, high) in &self.lengths {
            if left < share {
                return within((low, high), rng);
            }
            left -= share;
        }
        // Only rounding of the shares comes here.
        self.lengths.last().map_or(100, |&(_, low, high)| within((low, high), rng))
    }

    /// Sexes of victim and suspect of a course.
    pub fn sexes(&self, course: &str, rng: &mut Rng) -> (Sex, Sex) {
        let victim = if rng.unit() < self.shares.victim_female { Sex::Female } else { Sex::Male };
        let suspect = if rng.unit() < self.shares.other_sex { victim.other() } else { victim };
        match self.course_sexes.get(course).map(String::as_str) {
            None => (victim, suspect),
            Some("same") => (victim, victim),
            Some(fixed) => {
                let sex = |at: usize| fixed.get(at..=at).and_then(Sex::of);
                (sex(0).unwrap_or(victim), sex(1).unwrap_or(suspect))
            }
        }
    }
}

/// A whole number of a range, both ends in it.
pub(super) fn within((low, high): (usize, usize), rng: &mut Rng) -> usize {
    low + rng.below(high.saturating_sub(low) + 1)
}

fn draw<'a, T>(weighted: &'a [(T, u32)], rng: &mut Rng) -> Option<&'a (T, u32)> {
    let total: usize = weighted.iter().map(|(_, weight)| *weight as usize).sum();
    let mut at = rng.below(total);
    weighted.iter().find(|(_, weight)| {
        let here = at < *weight as usize;
        at = at.saturating_sub(*weight as usize);
        here
    })
}

fn data(message: String) -> Error {
    Error::new(ErrorKind::Data, message)
}

/// The axes of the repository, for tests.
#[cfg(test)]
pub(crate) fn shipped() -> Axes {
    Axes::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/cards.toml")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_is_refused_by_its_key() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/cards.toml");
        let good = std::fs::read_to_string(path).unwrap();
        Axes::parse(&good).unwrap();
        for (from, to, want) in [
            ("version = 1", "version = 3", "`version` is 3"),
            ("thin = 0.24", "thin = 24", "`shares.thin` is 24"),
            ("[[0.18, 15, 40]", "[[0.38, 15, 40]", "add up to 1.2"),
            ("\"999\", 20", "\"99\", 20", "unknown channel: `99`"),
            ("gap_days = [4,", "gap_days = [0,", "`gap_days`: 0"),
            ("[deck]", "[deck]\nspare = 1", "unknown field `spare`"),
            ("speech = [", "speech = []\nunused = [", "the list is empty"),
            ("= \"mf\"", "= \"xf\"", "`xf` is none of"),
            ("course_sizes = [[2, 22]", "course_sizes = [[1, 22]", "a course of 1 reports"),
        ] {
            assert!(good.contains(from), "{from}");
            let err = Axes::parse(&good.replacen(from, to, 1)).unwrap_err();
            assert_eq!(err.kind(), ErrorKind::Data);
            assert!(err.to_string().contains(want), "{err}");
        }
    }
}
