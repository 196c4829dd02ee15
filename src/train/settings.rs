//! The settings of a training run: one TOML file, strict. The resolved
//! settings are saved beside the weights in the same form.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::corpus::augment::Kind;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::optim::AdamWConfig;

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// What is read.
    pub data: DataSettings,
    /// What is made.
    pub model: ModelSettings,
    /// How it is trained.
    #[serde(default)]
    pub training: TrainingSettings,
    /// How much each task counts.
    #[serde(default)]
    pub loss: LossSettings,
    /// The lexical path beside the encoder.
    #[serde(default)]
    pub lexical: LexicalSettings,
    /// Changed copies in place of the reports as written.
    #[serde(default)]
    pub augment: AugmentSettings,
    /// Copies beside the reports that must get the same answer.
    #[serde(default)]
    pub consistency: ConsistencySettings,
}

/// What a run reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// Dataset files, or folders of them.
    pub corpus: Vec<PathBuf>,
    /// Authors whose reports choose the checkpoint, calibration and thresholds.
    pub validation_authors: Vec<String>,
    /// Authors whose reports are left alone.
    #[serde(default)]
    pub test_authors: Vec<String>,
}

/// What a run makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Folder of the base model, as `throughline model import` writes it.
    pub base: PathBuf,
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
}

/// How a run trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSettings {
    /// Seed of everything random.
    pub seed: u64,
    /// Passes over the training reports.
    pub epochs: usize,
    /// Stop after this many steps, whatever the epoch; 0 sets no limit. The
    /// schedule of the rate follows the shorter of the two.
    pub max_steps: u64,
    /// Texts of a step.
    pub batch_texts: usize,
    /// Rate of the encoder's last layer.
    pub learning_rate: f64,
    /// Rate of the heads.
    pub head_learning_rate: f64,
    /// Factor on the rate from each layer to the one beneath it.
    pub layer_decay: f64,
    /// Share of the steps over which the rate rises from zero.
    pub warm_up: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub clip_norm: f64,
    /// Dropout of hidden states, attention weights and heads.
    pub dropout: f64,
    /// Mass that a grade's target gives to the other grades.
    pub label_smoothing: f64,
    /// Validations without a better score before the run stops; 0 never stops.
    pub patience: usize,
    /// Share of training texts set in capitals, and as much again in small
    /// letters, anew in each epoch.
    pub recase: f64,
    /// Share of training texts that lose their punctuation, anew in each epoch.
    pub strip_punctuation: f64,
    /// Share of training tokens that are hidden behind `[MASK]`, anew in each
    /// epoch, so that no single word or name carries an answer.
    pub mask_tokens: f64,
    /// Decay per step of the moving average of the weights, which is what is
    /// validated and shipped; 0 keeps none.
    pub average_decay: f64,
    /// Steps between checkpoints.
    pub checkpoint_steps: u64,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 10,
            max_steps: 0,
            batch_texts: 8,
            learning_rate: 2.0e-4,
            head_learning_rate: 1.0e-3,
            layer_decay: 0.9,
            warm_up: 0.1,
            weight_decay: 0.01,
            clip_norm: 5.0,
            dropout: 0.1,
            label_smoothing: 0.05,
            patience: 0,
            recase: 0.1,
            strip_punctuation: 0.1,
            mask_tokens: 0.0,
            average_decay: 0.0,
            checkpoint_steps: 50,
        }
    }
}

impl TrainingSettings {
    /// Settings of the optimiser: one place, so that a resumed run has those
    /// of a new one.
    pub fn adamw(&self) -> AdamWConfig {
        AdamWConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: self.weight_decay }
    }
}

/// How much each task counts in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSettings {
    /// Grade of stalking.
    pub grade: f64,
    /// Indicators of the text, found and denied.
    pub indicators: f64,
    /// Tokens that are evidence.
    pub evidence: f64,
    /// Weight of a token that is evidence against one that is not.
    pub evidence_positive: f64,
    /// Serious-harm evidence.
    pub harm: f64,
    /// Relationship.
    pub relationship: f64,
    /// Entity tags and roles.
    pub entities: f64,
    /// Vector for linking.
    pub link: f64,
    /// Temperature of the contrastive loss.
    pub link_temperature: f64,
}

impl Default for LossSettings {
    fn default() -> Self {
        Self {
            grade: 3.0,
            indicators: 1.0,
            evidence: 0.15,
            evidence_positive: 3.0,
            harm: 1.0,
            relationship: 0.5,
            entities: 0.15,
            link: 0.2,
            link_temperature: 0.1,
        }
    }
}

/// The lexical path: hashed words and pairs with logistic regressions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LexicalSettings {
    /// Buckets that words and pairs are hashed into; 0 leaves the path out.
    pub buckets: usize,
    /// Texts that a bucket must occur in to be used.
    pub least_documents: usize,
    /// Inverse strength of the penalty; rows have length 1.
    pub c: f64,
}

impl Default for LexicalSettings {
    fn default() -> Self {
        Self { buckets: 24_576, least_documents: 2, c: 10.0 }
    }
}

/// Which changes are made to training reports, anew in each epoch. Where a
/// change is not safe for a report's labels, the report stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSettings {
    /// The gazetteer that new names, streets and shops come from; needed where
    /// a share is above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gazetteer: Option<PathBuf>,
    /// Share of the reports that each kind of change is tried on.
    pub shares: BTreeMap<Kind, f64>,
}

/// Twins: copies of a report with other names, sexes or backgrounds that stand
/// in the same batch, and a loss where the two answers differ, so that such
/// words carry no weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsistencySettings {
    /// Share of the training reports that get a twin, anew in each epoch.
    pub share: f64,
    /// Weight of the loss.
    pub weight: f64,
    /// The changes; each is made to half of the twins, one to every twin.
    pub kinds: Vec<Kind>,
}

impl Default for ConsistencySettings {
    fn default() -> Self {
        Self { share: 0.0, weight: 1.0, kinds: vec![Kind::Communities, Kind::Sexes, Kind::Backgrounds] }
    }
}

impl TrainSettings {
    /// Reads settings.
    ///
    /// # Errors
    ///
    /// When a key is unknown or missing, or a value cannot be used; the
    /// message names it.
    pub fn from_toml(text: &str) -> Result<Self> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Arguments, format!("settings: {}", error.to_string().trim_end()))
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// The settings as TOML, every value written out.
    ///
    /// # Errors
    ///
    /// When they cannot be written, which is a fault of this program.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::new(ErrorKind::Internal, format!("settings: {error}")))
    }

    fn check(&self) -> Result<()> {
        let t = &self.training;
        let refuse = |key: &str, got: String, needed: &str| {
            Err(Error::new(ErrorKind::Arguments, format!("settings: {key} is {got}, needed: {needed}")))
        };
        if self.data.corpus.is_empty() {
            return refuse("data.corpus", "empty".into(), "at least one file or folder");
        }
        if self.data.validation_authors.is_empty() {
            return refuse("data.validation_authors", "empty".into(), "at least one author");
        }
        if t.epochs == 0 || t.batch_texts == 0 || t.checkpoint_steps == 0 {
            let got = format!("{}, {}, {}", t.epochs, t.batch_texts, t.checkpoint_steps);
            return refuse("training.epochs, batch_texts, checkpoint_steps", got, "1 or more each");
        }
        for (key, value) in [
            ("training.learning_rate", t.learning_rate),
            ("training.head_learning_rate", t.head_learning_rate),
            ("training.clip_norm", t.clip_norm),
            ("loss.link_temperature", self.loss.link_temperature),
            ("lexical.c", self.lexical.c),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(key, value.to_string(), "a number above 0");
            }
        }
        for (kind, &share) in &self.augment.shares {
            if !(0.0..=1.0).contains(&share) {
                return refuse(&format!("augment.shares.{kind}"), share.to_string(), "from 0 to 1");
            }
        }
        let twins = self.consistency.share > 0.0;
        if twins && self.consistency.kinds.is_empty() {
            return refuse("consistency.kinds", "none".into(), "one or more kinds of change");
        }
        if !(self.consistency.weight >= 0.0 && self.consistency.weight.is_finite()) {
            return refuse("consistency.weight", self.consistency.weight.to_string(), "a number from 0");
        }
        if self.augment.gazetteer.is_none()
            && (twins || self.augment.shares.values().any(|share| *share > 0.0))
        {
            return refuse("augment.gazetteer", "missing".into(), "the gazetteer's file");
        }
        for (key, value, below) in [
            ("training.layer_decay", t.layer_decay, 1.0 + f64::EPSILON),
            ("training.warm_up", t.warm_up, 1.0),
            ("training.dropout", t.dropout, 1.0),
            ("training.label_smoothing", t.label_smoothing, 1.0),
            ("training.recase", t.recase, 0.5 + f64::EPSILON),
            ("training.mask_tokens", t.mask_tokens, 1.0),
            ("training.average_decay", t.average_decay, 1.0),
            ("training.strip_punctuation", t.strip_punctuation, 1.0 + f64::EPSILON),
            ("consistency.share", self.consistency.share, 1.0 + f64::EPSILON),
        ] {
            if !(0.0..below).contains(&value) {
                return refuse(key, value.to_string(), &format!("from 0 to {:.1}", below));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "[data]\ncorpus = ['a']\nvalidation_authors = ['A01']\n\
        [model]\nbase = 'b'\nname = 'n'\nversion = '1'\n";

    #[test]
    fn settings_survive_a_round_trip() {
        let settings = TrainSettings::from_toml(LEAST).unwrap();
        assert_eq!(settings.training, TrainingSettings::default());
        let again = TrainSettings::from_toml(&settings.to_toml().unwrap()).unwrap();
        assert_eq!(settings, again);
    }

    #[test]
    fn unknown_keys_and_useless_values_are_refused_by_name() {
        for (extra, named) in [
            ("[training]\nlearning_rat = 1.0\n", "learning_rat"),
            ("[training]\ndropout = 1.5\n", "training.dropout"),
            ("[training]\nlearning_rate = 0.0\n", "training.learning_rate"),
            ("[loss]\nharm = 'much'\n", "harm"),
            ("[augment.shares]\nnames = 0.5\n", "augment.gazetteer"),
            ("[augment]\ngazetteer = 'g'\n[augment.shares]\nnames = 1.5\n", "augment.shares.names"),
            ("[augment.shares]\nhats = 0.5\n", "hats"),
            ("[consistency]\nshare = 0.5\n", "augment.gazetteer"),
            ("[consistency]\nshare = 0.5\nkinds = []\n", "consistency.kinds"),
            ("[consistency]\nweight = -1.0\n", "consistency.weight"),
        ] {
            let error = TrainSettings::from_toml(&format!("{LEAST}{extra}")).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
