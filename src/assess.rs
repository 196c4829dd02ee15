//! A narrative in, an [`Assessment`] out: the one place where the network's
//! numbers get meaning. Logits are calibrated, compared with thresholds, and
//! every indicator found or denied is given its words in the text.
//!
//! It finds evidence in text. It never predicts who will be harmed, never
//! says that there is no risk, and decides nothing.

mod calibration;
mod evidence;
mod flags;

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::codebook::{EntityKind, Flag, Grade, Indicator, Relationship, Role, codebook};
use crate::engine::Precision;
use crate::entities;
use crate::error::Result;
use crate::model::folder::{Files, Manifest};
use crate::model::{EngineKind, FastNetwork, Network, Reading};
use crate::report::Report;
use crate::text::{self, Tokens, language};

pub use calibration::{
    CALIBRATION_SCHEMA, Calibration, IndicatorThresholds, OperatingPoint, Scale, StateThresholds,
    THRESHOLDS_SCHEMA, Thresholds, wilson,
};
pub use evidence::MAX_SPANS;

/// The form of assessment that this program writes.
pub const SCHEMA: &str = "throughline.assessment/1";

/// What every assessment says of itself.
pub const ADVICE: &str = "Advisory: a program read this text and may be wrong. What the text does \
    not mention may still have happened. A person decides.";

/// Texts that one round of reading takes: enough for the threads to share out
/// evenly, and a bound on the memory of a long file.
const ROUND: usize = 128;

/// What the reader of a report should do next.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The text reads like stalking: review it now.
    Review,
    /// Something in the text could be part of it: screen it.
    Possible,
    /// The program found nothing in this text; that says nothing of what the
    /// text leaves out.
    NothingFound,
    /// The text cannot be judged: too short, not English, not a narrative, or
    /// inside the abstention band.
    CannotTell,
}

impl State {
    /// Every state, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Review, Self::Possible, Self::NothingFound, Self::CannotTell];

    /// The state of a reader who has grades and no states.
    pub fn of(grade: Grade) -> Self {
        match grade {
            Grade::None => Self::NothingFound,
            Grade::Possible => Self::Possible,
            Grade::Likely => Self::Review,
        }
    }

    /// The name as it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Possible => "possible",
            Self::NothingFound => "nothing_found",
            Self::CannotTell => "cannot_tell",
        }
    }
}

/// What a text says of an indicator. Not mentioned is never the same as no.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IndicatorState {
    /// The text gives evidence of it.
    Found,
    /// The text says that it did not happen.
    Denied,
    /// The text says nothing of it.
    NotMentioned,
}

impl IndicatorState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Found, Self::Denied, Self::NotMentioned];
}

/// Words of the text, by character offsets, end exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// First character.
    pub start: usize,
    /// Character after the last.
    pub end: usize,
    /// The words themselves.
    pub text: String,
}

/// Which model answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelIdentity {
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// SHA-256 of its weights.
    pub sha256: String,
}

/// Calibrated probabilities of the grade.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stalking {
    /// Probability of `possible` or `likely`.
    pub p: f64,
    /// Probability of `none`.
    pub none: f64,
    /// Probability of `possible`.
    pub possible: f64,
    /// Probability of `likely`.
    pub likely: f64,
}

/// What the text says of one indicator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IndicatorAnswer {
    /// The indicator.
    #[schemars(with = "String")]
    pub name: Indicator,
    /// Letter of the statute's example act, for the seven acts.
    pub letter: Option<char>,
    /// Found, denied or not mentioned.
    pub state: IndicatorState,
    /// Probability that it is found.
    pub p: f64,
    /// The words that say so; an indicator that rests on the whole text may
    /// have none.
    pub evidence: Vec<Evidence>,
}

/// Whether the text holds evidence of a risk of serious harm. A finding about
/// the text, no prediction about a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeriousHarm {
    /// Probability that a reader would mark this text.
    pub p: f64,
    /// Found or not mentioned.
    pub state: IndicatorState,
    /// The words that say so.
    pub evidence: Vec<Evidence>,
}

/// Who the suspect is to the victim.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RelationshipAnswer {
    /// The relationship.
    #[schemars(with = "String")]
    pub value: Relationship,
    /// Its probability.
    pub p: f64,
}

/// A name, number or place in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entity {
    /// What it is.
    #[schemars(with = "String")]
    pub kind: EntityKind,
    /// Whose it is, or who it is, where the text tells.
    #[schemars(with = "Option<String>")]
    pub role: Option<Role>,
    /// The words themselves.
    pub text: String,
    /// The words made uniform.
    pub value: String,
    /// First character.
    pub start: usize,
    /// Character after the last.
    pub end: usize,
}

/// All that is said of one report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Assessment {
    /// Form of this answer.
    pub schema: String,
    /// Id of the report.
    pub id: String,
    /// Which model answered.
    pub model: ModelIdentity,
    /// What to do next.
    pub state: State,
    /// Probabilities of the grade.
    pub stalking: Stalking,
    /// All indicators, in codebook order.
    pub indicators: Vec<IndicatorAnswer>,
    /// Evidence of a risk of serious harm.
    pub serious_harm: SeriousHarm,
    /// Suspect to victim.
    pub relationship: RelationshipAnswer,
    /// Names, numbers and places.
    pub entities: Vec<Entity>,
    /// What a rule of recording or handling asks to be looked at.
    #[schemars(with = "Vec<String>")]
    pub flags: Vec<Flag>,
    /// Questions that the text leaves open, in the order to ask them.
    pub ask_next: Vec<String>,
    /// Windows in which the encoder read the text.
    pub windows: usize,
    /// What this answer is and is not.
    pub advice: String,
}

impl Assessment {
    /// What the text says of `indicator`.
    pub fn indicator(&self, indicator: Indicator) -> &IndicatorAnswer {
        &self.indicators[indicator.index()]
    }
}

/// Probabilities that an [`Assessment`] does not list, for measuring.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    /// That each indicator is found, in codebook order.
    pub found: Vec<f64>,
    /// That each indicator is denied, in codebook order.
    pub denied: Vec<f64>,
    /// Of each relationship, in codebook order.
    pub relationship: Vec<f64>,
}

/// Choices of the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssessOptions {
    /// Answer `cannot_tell` inside the model's abstention band.
    pub abstain: bool,
    /// What reads the texts.
    pub engine: EngineKind,
}

/// What reads the texts, as [`AssessOptions::engine`] chose it.
#[derive(Debug)]
enum Reader {
    Engine(Box<FastNetwork>),
    Reference(Box<Network>),
}

impl Reader {
    fn tokeniser(&self) -> &text::Tokeniser {
        match self {
            Self::Engine(network) => network.tokeniser(),
            Self::Reference(network) => &network.tokeniser,
        }
    }

    fn read(&self, texts: &[Tokens]) -> Result<Vec<Reading>> {
        match self {
            Self::Engine(network) => network.read_texts(texts),
            Self::Reference(network) => network.read(texts),
        }
    }
}

/// A model ready to assess reports.
#[derive(Debug)]
pub struct Assessor {
    reader: Reader,
    calibration: Calibration,
    thresholds: Thresholds,
    identity: ModelIdentity,
    options: AssessOptions,
}

impl Assessor {
    /// An assessor from the files of a model folder, every checksum tested.
    ///
    /// # Errors
    ///
    /// When a file is absent, altered or does not fit the others.
    pub fn from_files(files: &Files, options: AssessOptions) -> Result<Self> {
        let manifest = files.verify()?;
        Self::from_verified(files, &manifest, options)
    }

    /// The model inside the binary. Its checksums are tested when the crate is
    /// tested, not at each start: a binary that was altered is beyond help.
    ///
    /// # Errors
    ///
    /// When the program was built with files that do not fit each other.
    #[cfg(feature = "embedded-model")]
    pub fn embedded(options: AssessOptions) -> Result<Self> {
        let files = Files::embedded();
        let manifest: Manifest = files.json(crate::model::folder::MANIFEST)?;
        Self::from_verified(&files, &manifest, options)
    }

    fn from_verified(files: &Files, manifest: &Manifest, options: AssessOptions) -> Result<Self> {
        use crate::model::folder::{CALIBRATION, THRESHOLDS, WEIGHTS};
        let fast = |precision| {
            let (network, own) = files.fast_network(precision)?;
            Ok::<_, crate::error::Error>((Reader::Engine(Box::new(network)), own))
        };
        let (reader, own) = match options.engine {
            EngineKind::Int8 => fast(Precision::Int8)?,
            EngineKind::Float32 => fast(Precision::Float32)?,
            EngineKind::Reference => {
                let (network, own) = files.network()?;
                (Reader::Reference(Box::new(network)), own)
            }
        };
        let calibration: Calibration = files.json(CALIBRATION)?;
        let thresholds: Thresholds = files.json(THRESHOLDS)?;
        calibration.check(files.origin())?;
        thresholds.check(files.origin())?;
        let sha256 = manifest.files.get(WEIGHTS).cloned().unwrap_or_default();
        let identity = ModelIdentity { name: own.name, version: own.version, sha256 };
        Ok(Self { reader, calibration, thresholds, identity, options })
    }

    /// Which model answers.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// The tokeniser of the model.
    pub fn tokeniser(&self) -> &text::Tokeniser {
        self.reader.tokeniser()
    }

    /// The thresholds of the states.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Assesses one report.
    ///
    /// # Errors
    ///
    /// When tensor arithmetic fails, which is a fault of this program.
    pub fn assess(&self, report: &Report) -> Result<Assessment> {
        let tokens = [self.tokeniser().encode(&report.text)?];
        let reading = self.reader.read(&tokens)?;
        Ok(self.interpret(report, &tokens[0], &reading[0]))
    }

    /// Assesses reports; answers come in their order and are those that each
    /// report gets alone.
    ///
    /// # Errors
    ///
    /// When tensor arithmetic fails, which is a fault of this program.
    pub fn assess_all(&self, reports: &[Report]) -> Result<Vec<Assessment>> {
        Ok(self.assess_in_full(reports)?.into_iter().map(|(assessment, _)| assessment).collect())
    }

    /// [`Assessor::assess_all`] with the probabilities that an assessment does
    /// not list.
    ///
    /// # Errors
    ///
    /// When tensor arithmetic fails, which is a fault of this program.
    pub fn assess_in_full(&self, reports: &[Report]) -> Result<Vec<(Assessment, Probabilities)>> {
        self.in_rounds(reports, |assessment, reading| (assessment, self.probabilities(&reading)))
    }

    /// [`Assessor::assess_all`] with the vector for linking of each report, of
    /// length 1.
    ///
    /// # Errors
    ///
    /// When tensor arithmetic fails, which is a fault of this program.
    pub fn assess_with_vectors(&self, reports: &[Report]) -> Result<Vec<(Assessment, Vec<f32>)>> {
        self.in_rounds(reports, |assessment, reading| (assessment, reading.link))
    }

    /// Assesses reports round by round, and keeps of each what `keep` makes of
    /// its assessment and reading.
    fn in_rounds<T: Send>(
        &self,
        reports: &[Report],
        keep: impl Fn(Assessment, Reading) -> T + Sync,
    ) -> Result<Vec<T>> {
        let mut result = Vec::with_capacity(reports.len());
        for round in reports.chunks(ROUND) {
            let tokens: Vec<Tokens> = round
                .par_iter()
                .map(|report| self.tokeniser().encode(&report.text))
                .collect::<Result<_>>()?;
            let readings = self.reader.read(&tokens)?;
            let answers = round.par_iter().zip(tokens.par_iter().zip(readings));
            result.par_extend(answers.map(|(report, (t, r))| keep(self.interpret(report, t, &r), r)));
        }
        Ok(result)
    }

    fn probabilities(&self, reading: &Reading) -> Probabilities {
        let (found, denied) = reading
            .found
            .iter()
            .zip(&reading.denied)
            .map(|(f, d)| self.calibration.indicator(*f, *d))
            .unzip();
        let relationship = self.calibration.relationships(&reading.relationship);
        Probabilities { found, denied, relationship }
    }

    /// The vector for linking of a text, of length 1.
    ///
    /// # Errors
    ///
    /// When tensor arithmetic fails, which is a fault of this program.
    pub fn link_vector(&self, text: &str) -> Result<Vec<f32>> {
        let tokens = [self.tokeniser().encode(text)?];
        let mut readings = self.reader.read(&tokens)?;
        Ok(readings.remove(0).link)
    }

    /// Gives a reading its meaning.
    pub fn interpret(&self, report: &Report, tokens: &Tokens, reading: &Reading) -> Assessment {
        let text = &report.text;
        let thresholds = &self.thresholds;
        let stalking = self.calibration.stalking(&reading.grade);

        let finder = evidence::Finder::new(text, tokens, reading);
        let indicators: Vec<IndicatorAnswer> = Indicator::ALL
            .iter()
            .map(|&indicator| {
                let i = indicator.index();
                let (found, denied) = self.calibration.indicator(reading.found[i], reading.denied[i]);
                let limits = thresholds.indicator(indicator);
                let state = if found >= limits.found && found >= denied {
                    IndicatorState::Found
                } else if denied >= limits.denied {
                    IndicatorState::Denied
                } else {
                    IndicatorState::NotMentioned
                };
                let evidence = match state {
                    IndicatorState::NotMentioned => Vec::new(),
                    _ => finder.spans(indicator, state == IndicatorState::Denied, thresholds.evidence_token),
                };
                IndicatorAnswer {
                    name: indicator,
                    letter: indicator.info().letter,
                    state,
                    p: round(found),
                    evidence: evidence.into_iter().map(|range| quote(text, range)).collect(),
                }
            })
            .collect();

        let harm = self.calibration.harm.probability(reading.harm);
        let serious_harm = if harm >= thresholds.serious_harm {
            let ranges = finder.serious_harm(thresholds.evidence_token);
            SeriousHarm {
                p: round(harm),
                state: IndicatorState::Found,
                evidence: ranges.into_iter().map(|range| quote(text, range)).collect(),
            }
        } else {
            SeriousHarm { p: round(harm), state: IndicatorState::NotMentioned, evidence: Vec::new() }
        };

        let relationship = self.calibration.relationship(&reading.relationship);
        let relationship = RelationshipAnswer { value: relationship.0, p: round(relationship.1) };

        let state = self.state(text, stalking.p);
        let entities = entities::decode(text, tokens, &reading.tags, &reading.roles)
            .into_iter()
            .map(|(range, kind, role)| {
                let words = quote(text, range);
                Entity {
                    kind,
                    role,
                    value: entities::normalise(kind, &words.text),
                    text: words.text,
                    start: words.start,
                    end: words.end,
                }
            })
            .collect();
        let flags = flags::flags(report, state, &indicators, relationship.value);
        Assessment {
            schema: SCHEMA.into(),
            id: report.id.clone(),
            model: self.identity.clone(),
            state,
            stalking,
            ask_next: ask_next(state, &indicators),
            indicators,
            serious_harm,
            relationship,
            entities,
            flags,
            windows: reading.windows,
            advice: ADVICE.into(),
        }
    }

    fn state(&self, text: &str, p: f64) -> State {
        let limits = &self.thresholds.states;
        if p >= limits.review {
            return State::Review;
        }
        if language::unreadable(text).is_some() {
            return State::CannotTell;
        }
        let [low, high] = limits.abstain;
        if self.options.abstain && (low..high).contains(&p) {
            return State::CannotTell;
        }
        if p >= limits.possible { State::Possible } else { State::NothingFound }
    }
}

/// Probabilities are given to six places: what lies beyond is noise, and a
/// figure that is short reads better.
pub(crate) fn round(p: f64) -> f64 {
    (p * 1e6).round() / 1e6
}

fn quote(text: &str, range: Range<usize>) -> Evidence {
    let words = text::slice_chars(text, range.start, range.end).to_owned();
    Evidence { start: range.start, end: range.end, text: words }
}

/// The first open questions, in the codebook's order: those of indicators
/// that the text does not mention.
fn ask_next(state: State, indicators: &[IndicatorAnswer]) -> Vec<String> {
    let most = match state {
        State::Review | State::Possible => 5,
        State::NothingFound | State::CannotTell => 2,
    };
    codebook()
        .questions()
        .into_iter()
        .filter(|(indicator, _)| indicators[indicator.index()].state == IndicatorState::NotMentioned)
        .map(|(_, ask)| ask.question.clone())
        .take(most)
        .collect()
}
