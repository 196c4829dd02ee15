//! Fine-tuning: settings in, steps out. [`Trainer`] is an iterator; it takes a
//! step each time it is asked and says what happened. The caller prints, and
//! decides when to stop.
//!
//! Everything random is a function of seed, epoch and step, so one seed on one
//! machine gives the same weights bit for bit, and a run that was killed and
//! resumed gives them too.

pub mod calibrate;
mod checkpoint;
#[cfg(test)]
mod learning;
mod losses;
pub mod settings;
pub mod targets;
mod whole;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Var;
use serde::{Deserialize, Serialize};

use crate::codebook::Indicator;
use crate::corpus::augment::{Kind, augment, join};
use crate::corpus::gazetteer::Gazetteer;
use crate::corpus::{Dataset, Example};
use crate::digest::Sum;
use crate::entities::OUTSIDE;
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::metrics::{Ranked, average_precision};
use crate::model::folder::{Files, to_json, write_atomically};
use crate::model::{Network, Reading, tensor_error};
use crate::nn::Mode;
use crate::nn::batch::{Batch, TextInput};
use crate::nn::lexical::{self, Lexical};
use crate::nn::optim::{AdamW, WordGradient};
use crate::nn::params::{Array, WORD_EMBEDDINGS};
use crate::rng::{Rng, mix};
use crate::text::Tokens;
pub use checkpoint::STATE;
use losses::{Twins, losses};
use settings::TrainSettings;
use targets::{Item, Recase, draw_changes, item};

/// What one step did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Steps taken, from 1.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Texts in the step.
    pub texts: usize,
    /// Tokens in the step, special ones included.
    pub tokens: usize,
    /// Loss of all tasks together.
    pub loss: f64,
    /// Loss of each task, weighted.
    pub parts: BTreeMap<String, f64>,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f64,
    /// Rate of the encoder's last layer.
    pub rate: f64,
    /// Figures on the validation reports, at the end of an epoch.
    pub validation: Option<Validation>,
}

/// Figures on the validation reports, without thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Average precision of `possible` or `likely`.
    pub stalking_ap: f64,
    /// Average precision of an indicator found, mean over indicators with at
    /// least five positives.
    pub indicators_ap: f64,
    /// Average precision of serious-harm evidence.
    pub harm_ap: f64,
    /// Mean of the three, by which the best checkpoint is chosen.
    pub score: f64,
    /// Whether it is the best so far.
    pub is_best: bool,
}

/// What a resumed run must know beside weights and moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    step: u64,
    epoch: usize,
    /// Place in the epoch's order of batches.
    batch: usize,
    best: Option<f64>,
    best_epoch: usize,
    since_best: usize,
    stopped: bool,
}

/// Fine-tunes a network.
#[derive(Debug)]
pub struct Trainer {
    settings: TrainSettings,
    out: PathBuf,
    network: Network,
    optimiser: AdamW,
    dataset: Dataset,
    train: Vec<usize>,
    validation: Vec<Item>,
    state: State,
    /// Batches of the current epoch: indices into the dataset.
    batches: Vec<Vec<usize>>,
    data_sha256: String,
    /// Where augmentation draws its names from.
    gazetteer: Option<Gazetteer>,
    /// Moving average of the weights, where the settings ask for one.
    average: Option<BTreeMap<String, Array>>,
    /// Whether the step that was yielded last is to be kept as a checkpoint.
    checkpoint_due: bool,
    failed: bool,
}

/// File of the resolved settings in the folder of a run.
pub const SETTINGS: &str = "settings.toml";
/// File of the log, one JSON [`Step`] a line.
pub const LOG: &str = "log.jsonl";
/// Steps from one addition to the average of the weights to the next.
const AVERAGE_EVERY: u64 = 5;

/// Most training reports on which the sizes of inputs are found.
const OBSERVED: usize = 400;

/// File of the best weights so far.
pub const BEST: &str = "best.safetensors";

impl Trainer {
    /// Prepares a run in the folder `out`, or goes on with the one that was
    /// stopped there. The settings are saved in it; a run there with other
    /// settings or other data is refused.
    ///
    /// # Errors
    ///
    /// When data or base model cannot be read, the split leaks, or `out` holds
    /// another run.
    pub fn new(settings: TrainSettings, out: &Path) -> Result<Self> {
        let dataset = crate::corpus::load(&settings.data.corpus)?;
        let split = crate::corpus::split::by_author(
            &dataset,
            &crate::corpus::split::SplitSpec {
                validation_authors: settings.data.validation_authors.clone(),
                test_authors: settings.data.test_authors.clone(),
            },
        )?;
        let data_sha256 = data_hash(&dataset);
        let toml = format!("# data_sha256 = {data_sha256}\n{}", settings.to_toml()?);
        std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
        let saved = out.join(SETTINGS);
        match std::fs::read_to_string(&saved) {
            Ok(before) if before != toml => {
                return Err(Error::new(
                    ErrorKind::Arguments,
                    format!("{} holds a run with other settings or data", out.display()),
                )
                .hint("name another --out folder, or remove that one"));
            }
            Ok(_) => {}
            Err(_) => write_atomically(&saved, toml.as_bytes())?,
        }

        let t = &settings.training;
        let base = Files::from_folder(&settings.model.base)?;
        let mut network = base.base_network(t.seed)?;
        network.encoder.hidden_dropout_prob = t.dropout;
        network.encoder.attention_probs_dropout_prob = t.dropout;

        let mut validation = Vec::new();
        for &i in &split.validation {
            let as_written = (Recase::Keep, false);
            validation.extend(item(&dataset.examples[i], &network.tokeniser, as_written)?);
        }
        let train: Vec<usize> =
            split.train.into_iter().filter(|&i| dataset.examples[i].labels.is_some()).collect();
        for (what, n) in [("training", train.len()), ("validation", validation.len())] {
            if n == 0 {
                return Err(Error::new(ErrorKind::Data, format!("no labelled {what} report is left")));
            }
        }
        let mut trainer = Self {
            optimiser: AdamW::new(t.adamw()),
            state: State {
                step: 0,
                epoch: 0,
                batch: 0,
                best: None,
                best_epoch: 0,
                since_best: 0,
                stopped: false,
            },
            batches: Vec::new(),
            average: None,
            gazetteer: settings.augment.gazetteer.as_deref().map(Gazetteer::load).transpose()?,
            checkpoint_due: false,
            failed: false,
            out: out.to_owned(),
            settings,
            network,
            dataset,
            train,
            validation,
            data_sha256,
        };
        trainer.resume()?;
        trainer.batches = trainer.order(trainer.state.epoch);
        Ok(trainer)
    }

    /// Training and validation reports.
    pub fn sizes(&self) -> (usize, usize) {
        (self.train.len(), self.validation.len())
    }

    /// Steps taken before this process, by the run that it goes on with.
    pub fn resumed_at(&self) -> u64 {
        self.state.step
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        let t = &self.settings.training;
        let all = (t.epochs * self.batches.len()) as u64;
        if t.max_steps == 0 { all } else { all.min(t.max_steps) }
    }

    /// SHA-256 over the dataset's ids, texts and labels.
    pub fn data_sha256(&self) -> &str {
        &self.data_sha256
    }

    /// Batches of an epoch. Reports of one course come in pairs, so that the
    /// contrastive loss has partners; pairs and single reports are shuffled
    /// and laid out in order, so every report comes once.
    fn order(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = Rng::new(mix(self.settings.training.seed, &[epoch as u64]), "order");
        let mut indices = self.train.clone();
        rng.shuffle(&mut indices);
        let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
        let mut units: Vec<Vec<usize>> = Vec::new();
        for i in indices {
            match self.dataset.examples[i].case.as_deref() {
                None => units.push(vec![i]),
                Some(case) => match waiting.remove(case) {
                    Some(partner) => units.push(vec![partner, i]),
                    None => {
                        waiting.insert(case, i);
                    }
                },
            }
        }
        units.extend(waiting.into_values().map(|i| vec![i]));
        rng.shuffle(&mut units);
        let flat: Vec<usize> = units.into_iter().flatten().collect();
        flat.chunks(self.settings.training.batch_texts).map(<[usize]>::to_vec).collect()
    }

    /// The rate of a variable at a step: a linear rise, then a linear fall to
    /// zero, times a factor that falls from the last layer to the first.
    fn rate(&self, name: &str, step: u64) -> f64 {
        let t = &self.settings.training;
        let (step, steps) = (step as f64, self.steps() as f64);
        let rise = (t.warm_up * steps).max(1.0);
        let shape =
            if step < rise { step / rise } else { ((steps - step) / (steps - rise).max(1.0)).max(0.0) };
        if name.starts_with("heads.") {
            return t.head_learning_rate * shape;
        }
        let layers = self.network.encoder.num_hidden_layers;
        let depth = match name.strip_prefix("encoder.layer.") {
            Some(rest) => {
                let layer: usize = rest.split('.').next().and_then(|layer| layer.parse().ok()).unwrap_or(0);
                layers - 1 - layer.min(layers - 1)
            }
            None => layers,
        };
        t.learning_rate * t.layer_decay.powi(depth as i32) * shape
    }

    fn take_step(&mut self) -> Result<Step> {
        let t = self.settings.training.clone();
        let (epoch, step) = (self.state.epoch, self.state.step + 1);
        let indices = self.batches[self.state.batch].clone();
        let mut items = Vec::with_capacity(indices.len());
        let mut copies = Vec::new();
        for &i in &indices {
            let mut rng = Rng::new(mix(t.seed, &[epoch as u64, i as u64]), "changes");
            let changes = draw_changes(&mut rng, t.recase, t.strip_punctuation);
            let example = self.augmented(i);
            let masked = |example: &Example, rng: &mut Rng| -> Result<Option<Item>> {
                let mut item = item(example, &self.network.tokeniser, changes)?;
                if let (Some(item), Some(mask)) = (&mut item, self.network.tokeniser.mask()) {
                    for id in &mut item.tokens.ids {
                        if rng.unit() < t.mask_tokens {
                            *id = mask;
                        }
                    }
                }
                Ok(item)
            };
            let Some(item) = masked(&example, &mut rng)? else { continue };
            if let Some(twin) = self.twin(&example, i)
                && let Some(twin) = masked(&twin, &mut rng)?
            {
                copies.push((items.len(), twin));
            }
            items.push(item);
        }
        let twins = Twins { reports: items.len(), of: copies.iter().map(|(of, _)| *of).collect() };
        items.extend(copies.into_iter().map(|(_, twin)| twin));
        let inputs: Vec<TextInput<'_>> = items
            .iter()
            .map(|item| TextInput { ids: &item.tokens.ids, features: &item.tokens.features })
            .collect();
        let batch = Batch::new(&inputs, self.network.batch_shape());
        let (ids, local) = batch.vocabulary();
        let words = self.network.params.gather_words(&ids).map_err(tensor_error)?;
        let words = Var::from_tensor(&words).map_err(tensor_error)?;
        let mode = Mode::Train { seed: mix(t.seed, &[7, step]) };
        let outputs = self.network.forward(&batch, words.as_tensor(), &local, mode)?;

        let rate = |name: &str| self.rate(name, step);
        let top = format!("encoder.layer.{}.", self.network.encoder.num_hidden_layers - 1);
        let top_rate = rate(&top);
        let rates: BTreeMap<String, f64> = self
            .network
            .params
            .vars()
            .map(|(name, _)| name)
            .chain([WORD_EMBEDDINGS])
            .map(|name| (name.to_owned(), rate(name)))
            .collect();
        let update = || -> candle_core::Result<(f64, BTreeMap<String, f64>, f64)> {
            let (total, parts) = losses(&self.settings, &items, &twins, &batch, &outputs)?;
            let value = f64::from(total.to_scalar::<f32>()?);
            let grads = total.backward()?;
            let Some(rows) = grads.get(&words) else {
                candle_core::bail!("the word embeddings got no gradient: the graph is cut")
            };
            let words = WordGradient { ids, rows: rows.clone() };
            let norm = AdamW::gradient_norm(&self.network.params, &grads, &words)?;
            let scale = if norm > t.clip_norm { t.clip_norm / norm } else { 1.0 };
            if norm.is_finite() {
                let params = &mut self.network.params;
                self.optimiser
                    .step(params, &grads, &words, scale, |name| rates.get(name).copied().unwrap_or(0.0))?;
            }
            Ok((value, parts, norm))
        };
        let (loss, parts, gradient_norm) = update().map_err(tensor_error)?;
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("step {step}: loss {loss}, gradient norm {gradient_norm}: training diverged"),
            )
            .hint("lower training.learning_rate"));
        }

        self.state.step = step;
        if step % AVERAGE_EVERY == 0 {
            self.take_average()?;
        }
        self.state.batch += 1;
        let steps = self.steps();
        let mut validation = None;
        if self.state.batch == self.batches.len() || step == steps {
            validation = Some(self.validate()?);
            self.state.epoch += 1;
            self.state.batch = 0;
            let stop = t.patience > 0 && self.state.since_best >= t.patience;
            self.state.stopped = stop || step == steps;
            self.batches = self.order(self.state.epoch);
        }
        let report = Step {
            step,
            steps,
            epoch,
            texts: twins.reports,
            tokens: batch.ids.len(),
            loss,
            parts,
            gradient_norm,
            rate: top_rate,
            validation,
        };
        self.checkpoint_due = step % t.checkpoint_steps == 0 || report.validation.is_some();
        Ok(report)
    }

    /// A training report with the changes that this epoch makes to it. Reports of
    /// one case get the same new names, so that they still belong together.
    fn augmented(&self, i: usize) -> Cow<'_, Example> {
        let example = &self.dataset.examples[i];
        let mut changed = Cow::Borrowed(example);
        let Some(gazetteer) = &self.gazetteer else { return changed };
        let (seed, epoch) = (self.settings.training.seed, self.state.epoch);
        for (&kind, &share) in &self.settings.augment.shares {
            let key = example.case.as_ref().filter(|_| kind.changes_names()).unwrap_or(&example.report.id);
            let mut rng = Rng::new(seed, &format!("augment {kind} {epoch} {key}"));
            if rng.unit() >= share {
                continue;
            }
            let copy = if kind == Kind::Joined {
                (0..10).find_map(|_| {
                    let other = &self.dataset.examples[self.train[rng.below(self.train.len())]];
                    join(&changed, other, &mut rng)
                })
            } else {
                augment(&changed, kind, gazetteer, &mut rng)
            };
            if let Some(copy) = copy {
                changed = Cow::Owned(copy);
            }
        }
        changed
    }

    /// A copy of a training report, as it is changed in this epoch, in which
    /// other people stand; `None` for most reports, see `settings::ConsistencySettings`.
    fn twin(&self, example: &Example, i: usize) -> Option<Example> {
        let settings = &self.settings.consistency;
        let gazetteer = self.gazetteer.as_ref()?;
        let seed = mix(self.settings.training.seed, &[self.state.epoch as u64, i as u64]);
        let mut rng = Rng::new(seed, "twin");
        if rng.unit() >= settings.share {
            return None;
        }
        let one = rng.below(settings.kinds.len());
        let mut twin = None;
        for (at, &kind) in settings.kinds.iter().enumerate() {
            if at == one || rng.unit() < 0.5 {
                let changed = augment(twin.as_ref().unwrap_or(example), kind, gazetteer, &mut rng);
                twin = changed.or(twin);
            }
        }
        twin
    }

    /// Moves the average towards the weights of now. It begins as a plain mean,
    /// so that the first weights are soon forgotten.
    fn take_average(&mut self) -> Result<()> {
        let decay = self.settings.training.average_decay;
        if decay == 0.0 {
            return Ok(());
        }
        let now = self.network.params.to_arrays().map_err(tensor_error)?;
        let Some(average) = &mut self.average else {
            self.average = Some(now);
            return Ok(());
        };
        let seen = (self.state.step / AVERAGE_EVERY) as f64;
        let share = (1.0 - decay.powf(AVERAGE_EVERY as f64)).max(1.0 / seen.max(1.0)) as f32;
        for (average, now) in average.values_mut().zip(now.values()) {
            for (a, n) in average.data.iter_mut().zip(&now.data) {
                *a += share * (n - *a);
            }
        }
        Ok(())
    }

    /// The weights that are validated and shipped: the average, where there is
    /// one, else those of now.
    fn weights(&self) -> Result<BTreeMap<String, Array>> {
        match &self.average {
            Some(average) => Ok(average.clone()),
            None => self.network.params.to_arrays().map_err(tensor_error),
        }
    }

    fn validate(&mut self) -> Result<Validation> {
        let weights = self.weights()?;
        let readings = read(&self.network.with_weights(weights.clone())?, &self.validation)?;
        let ap = |rows: &[Ranked]| average_precision(rows);
        let stalking: Vec<Ranked> = readings
            .iter()
            .zip(&self.validation)
            .map(|(r, item)| Ranked { score: f64::from(r.leaning()), positive: item.targets.grade > 0 })
            .collect();
        let harm: Vec<Ranked> = readings
            .iter()
            .zip(&self.validation)
            .map(|(r, item)| Ranked { score: f64::from(r.harm), positive: item.targets.harm })
            .collect();
        let mut indicator_aps = Vec::new();
        for indicator in 0..Indicator::ALL.len() {
            let rows: Vec<Ranked> = readings
                .iter()
                .zip(&self.validation)
                .map(|(r, item)| Ranked {
                    score: f64::from(found_log_odds(r, indicator)),
                    positive: item.targets.states[indicator] == 1,
                })
                .collect();
            if rows.iter().filter(|r| r.positive).count() >= 5 {
                indicator_aps.extend(ap(&rows));
            }
        }
        let stalking_ap = ap(&stalking).unwrap_or(0.0);
        let harm_ap = ap(&harm).unwrap_or(0.0);
        let indicators_ap = indicator_aps.iter().sum::<f64>() / indicator_aps.len().max(1) as f64;
        let score = (stalking_ap + indicators_ap + harm_ap) / 3.0;
        // Ties go to the earlier epoch.
        let is_best = self.state.best.is_none_or(|best| score > best);
        if is_best {
            self.state.best = Some(score);
            self.state.best_epoch = self.state.epoch;
            self.state.since_best = 0;
            let bytes =
                crate::model::folder::to_safetensors(&weights, crate::model::folder::Precision::Float32)?;
            write_atomically(&self.out.join(BEST), &bytes)?;
        } else {
            self.state.since_best += 1;
        }
        Ok(Validation { stalking_ap, indicators_ap, harm_ap, score, is_best })
    }

    /// Ends the run: loads the best weights as they will be shipped (rounded to
    /// what int8 holds, in float16), calibrates them on the validation reports,
    /// and writes the model folder `out/model`. Returns its path.
    ///
    /// # Errors
    ///
    /// When no epoch was finished, or a file cannot be written.
    pub fn finish(mut self) -> Result<PathBuf> {
        use crate::model::folder::{self, Precision};
        let best = self.out.join(BEST);
        let data = std::fs::read(&best)
            .map_err(|error| Error::io(&best, error).hint("let the run finish at least one epoch"))?;
        let weights = folder::from_safetensors(&data)?;
        let mut weights = whole::round(&self.network, weights, &self.texts_to_observe()?)?;
        if let Some(lexical) = self.lexical(&weights)? {
            weights.extend(lexical.to_arrays());
        }
        let shipped = folder::to_safetensors(&weights, Precision::Float16)?;
        self.network = self.network.with_weights(folder::from_safetensors(&shipped)?)?;
        let readings = read(&self.network, &self.validation)?;
        let targets: Vec<&targets::Targets> = self.validation.iter().map(|item| &item.targets).collect();
        let fitted = calibrate::fit(&readings, &targets);

        let model = &self.settings.model;
        let config = crate::model::ModelConfig {
            encoder: self.network.encoder.clone(),
            throughline: Some(crate::model::OwnConfig {
                name: model.name.clone(),
                version: model.version.clone(),
                codebook: crate::codebook::codebook().version,
                heads: self.network.heads.clone(),
            }),
        };
        let base = base_name(&model.base);
        let card = calibrate::card(&self.settings, &base, &self.data_sha256, self.sizes(), &fitted);
        let members = BTreeMap::from([
            (folder::CONFIG.to_owned(), to_json(&config)?.into_bytes()),
            (folder::TOKENISER.to_owned(), self.network.tokeniser.to_json()?.into_bytes()),
            (folder::WEIGHTS.to_owned(), shipped),
            (folder::CALIBRATION.to_owned(), to_json(&fitted.calibration)?.into_bytes()),
            (folder::THRESHOLDS.to_owned(), to_json(&fitted.thresholds)?.into_bytes()),
            (folder::CARD.to_owned(), card.into_bytes()),
        ]);
        let manifest = folder::Manifest {
            schema: folder::MANIFEST_SCHEMA.into(),
            name: model.name.clone(),
            version: model.version.clone(),
            base,
            seed: self.settings.training.seed,
            data_sha256: self.data_sha256.clone(),
            files: BTreeMap::new(),
        };
        let path = self.out.join("model");
        folder::write(&path, &members, manifest)?;
        Ok(path)
    }
}

impl Trainer {
    /// Training reports, spread over all of them, on which the sizes of inputs
    /// are found.
    fn texts_to_observe(&self) -> Result<Vec<Tokens>> {
        let step = self.train.len().div_ceil(OBSERVED).max(1);
        let texts = self.train.iter().step_by(step);
        texts.map(|&i| self.network.tokeniser.encode(&self.dataset.examples[i].report.text)).collect()
    }

    /// Fits the lexical path to the training reports, and weighs it against the
    /// encoder with these weights on the validation reports.
    fn lexical(&self, weights: &BTreeMap<String, Array>) -> Result<Option<Lexical>> {
        let settings = &self.settings.lexical;
        if settings.buckets == 0 {
            return Ok(None);
        }
        let mut items = Vec::with_capacity(self.train.len());
        for &i in &self.train {
            let as_written = (Recase::Keep, false);
            items.extend(item(&self.dataset.examples[i], &self.network.tokeniser, as_written)?);
        }
        for item in &mut items {
            for (id, tag) in item.tokens.ids.iter_mut().zip(&item.targets.tags) {
                if *tag != OUTSIDE {
                    *id = lexical::HIDDEN;
                }
            }
        }
        let texts: Vec<&[u32]> = items.iter().map(|item| item.tokens.ids.as_slice()).collect();
        let targets: Vec<&targets::Targets> = items.iter().map(|item| &item.targets).collect();
        let truths = calibrate::lexical_truths(&targets);
        let (buckets, least) = (settings.buckets, settings.least_documents);
        let mut lexical = Lexical::fit(&texts, &truths, buckets, least, settings.c);

        let readings = read(&self.network.with_weights(weights.clone())?, &self.validation)?;
        let logits: Vec<Vec<f32>> =
            self.validation.iter().map(|item| lexical.logits(&item.tokens.ids)).collect();
        let targets: Vec<&targets::Targets> = self.validation.iter().map(|item| &item.targets).collect();
        lexical.scale(&calibrate::lexical_factors(&readings, &logits, &targets));
        Ok(Some(lexical))
    }
}

/// Readings of items.
fn read(network: &Network, items: &[Item]) -> Result<Vec<Reading>> {
    let tokens: Vec<Tokens> = items.iter().map(|item| item.tokens.clone()).collect();
    network.read(&tokens)
}

impl Iterator for Trainer {
    type Item = Result<Step>;

    /// Takes a step. A checkpoint is written when the step after it is asked
    /// for, so a caller that logs each step before it asks again never has a
    /// checkpoint that is ahead of the log, whenever the run is killed.
    fn next(&mut self) -> Option<Result<Step>> {
        if std::mem::take(&mut self.checkpoint_due)
            && let Err(error) = self.save()
        {
            self.failed = true;
            return Some(Err(error));
        }
        if self.state.stopped || self.failed || self.state.step >= self.steps() {
            return None;
        }
        let step = self.take_step();
        self.failed = step.is_err();
        Some(step)
    }
}

/// What the manifest and the card call the base: the origin that its import
/// wrote down, else the folder's own name.
fn base_name(folder: &Path) -> String {
    let written = std::fs::read(folder.join("base.json"))
        .ok()
        .and_then(|data| serde_json::from_slice::<serde_json::Value>(&data).ok())
        .and_then(|value| value["source"]["name"].as_str().map(str::to_owned));
    written.unwrap_or_else(|| {
        folder.file_name().map_or_else(|| "base".into(), |name| name.to_string_lossy().into_owned())
    })
}

/// SHA-256 over ids, texts and labels of a dataset, in its order.
fn data_hash(dataset: &Dataset) -> String {
    let mut sum = Sum::default();
    for example in &dataset.examples {
        let line = format!(
            "{:?}\u{0}{:?}\u{0}{:?}\u{0}{:?}\u{0}{:?}\u{1}",
            example.report.id, example.report.text, example.labels, example.spans, example.entities
        );
        sum.update(line.as_bytes());
    }
    sum.finish()
}

/// Log odds that an indicator is found against denied or not mentioned.
pub fn found_log_odds(reading: &Reading, indicator: usize) -> f32 {
    let (found, denied) = (reading.found[indicator], reading.denied[indicator]);
    // found − ln(1 + e^denied)
    found - (denied.max(0.0) + (-denied.abs()).exp().ln_1p())
}
