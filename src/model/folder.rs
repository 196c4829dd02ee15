//! The files of a model: reading them with their checksums tested, writing
//! them, and the model that is inside the binary.
//!
//! A shipped folder holds `config.json`, `tokenizer.json`,
//! `model.safetensors` (float16), `calibration.json`, `thresholds.json`,
//! `CARD.md` and `manifest.json` with the SHA-256 of each. A base folder, to
//! train from, holds the first three (float32) and, where [`super::import`]
//! wrote it, `base.json`, which says where they come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::stored::StoredWeights;
use super::{FastNetwork, ModelConfig, Network, OwnConfig};
use crate::digest::sha256;
use crate::engine;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::encoder::EncoderConfig;
use crate::nn::params::Array;
use crate::text::Tokeniser;

/// Shape of the encoder and the heads.
pub const CONFIG: &str = "config.json";
/// The tokeniser.
pub const TOKENISER: &str = "tokenizer.json";
/// The weights.
pub const WEIGHTS: &str = "model.safetensors";
/// Calibration of the logits.
pub const CALIBRATION: &str = "calibration.json";
/// Thresholds of the states.
pub const THRESHOLDS: &str = "thresholds.json";
/// The model card.
pub const CARD: &str = "CARD.md";
/// Checksums and origin.
pub const MANIFEST: &str = "manifest.json";
/// Origin of a base model.
pub const BASE: &str = "base.json";

/// Files of a shipped model whose checksums the manifest holds.
pub const MEMBERS: [&str; 6] = [CONFIG, TOKENISER, WEIGHTS, CALIBRATION, THRESHOLDS, CARD];

/// Where a shipped model comes from and what its files must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Form of this file.
    pub schema: String,
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// Base model that training began from.
    pub base: String,
    /// Seed of the training run.
    pub seed: u64,
    /// SHA-256 over the training data.
    pub data_sha256: String,
    /// SHA-256 of each file, by name.
    pub files: BTreeMap<String, String>,
}

/// The form of manifest that this program writes.
pub const MANIFEST_SCHEMA: &str = "throughline.manifest/1";

/// The files of a model in memory or in the binary, by name.
#[derive(Clone, Debug)]
pub struct Files {
    /// Where they come from, for messages.
    origin: String,
    files: BTreeMap<String, Arc<Cow<'static, [u8]>>>,
}

pub(super) fn model_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Model, message)
}

impl Files {
    /// Reads the files of a folder that a model may hold; files of other names
    /// are left alone.
    ///
    /// # Errors
    ///
    /// When `path` is no folder, or a file in it cannot be read.
    pub fn from_folder(path: &Path) -> Result<Self> {
        let origin = path.display().to_string();
        if !path.is_dir() {
            let what = if path.exists() { "is not a folder" } else { "does not exist" };
            return Err(model_error(format!("model folder {origin} {what}"))
                .hint("name a folder that holds config.json, tokenizer.json and model.safetensors"));
        }
        let mut files = BTreeMap::new();
        for name in MEMBERS.iter().chain([&MANIFEST, &BASE]) {
            let file = path.join(name);
            match std::fs::read(&file) {
                Ok(data) => {
                    files.insert((*name).to_owned(), Arc::new(Cow::Owned(data)));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(
                        model_error(format!("cannot read {}: {error}", file.display())).with_source(error)
                    );
                }
            }
        }
        Ok(Self { origin, files })
    }

    /// Files already in memory.
    pub fn from_memory(
        origin: impl Into<String>,
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Self {
        let files = files.into_iter().map(|(name, data)| (name, Arc::new(Cow::Owned(data)))).collect();
        Self { origin: origin.into(), files }
    }

    /// The model inside the binary.
    #[cfg(feature = "embedded-model")]
    pub fn embedded() -> Self {
        macro_rules! file {
            ($name:literal) => {
                (
                    $name.to_owned(),
                    Arc::new(Cow::Borrowed(
                        &include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/default/", $name))[..],
                    )),
                )
            };
        }
        Self {
            origin: "the model inside the program".into(),
            files: [
                file!("config.json"),
                file!("tokenizer.json"),
                file!("model.safetensors"),
                file!("calibration.json"),
                file!("thresholds.json"),
                file!("CARD.md"),
                file!("manifest.json"),
            ]
            .into(),
        }
    }

    /// Where the files come from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The file `name`, where there is one.
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|data| &data[..])
    }

    /// The file `name`.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn get(&self, name: &str) -> Result<&[u8]> {
        self.find(name).ok_or_else(|| model_error(format!("{} has no {name}", self.origin)))
    }

    /// A JSON file as a value.
    ///
    /// # Errors
    ///
    /// When the file is absent or not of the form expected.
    pub fn json<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(self.get(name)?).map_err(|error| {
            model_error(format!("{}: {name} is not of the form expected: {error}", self.origin))
                .with_source(error)
        })
    }

    /// The manifest, after testing every checksum in it.
    ///
    /// # Errors
    ///
    /// When a file is absent or is not the one that the manifest names.
    pub fn verify(&self) -> Result<Manifest> {
        let manifest: Manifest = self.json(MANIFEST)?;
        if manifest.schema != MANIFEST_SCHEMA {
            return Err(model_error(format!(
                "{}: the manifest is of form `{}`, this program reads `{MANIFEST_SCHEMA}`",
                self.origin, manifest.schema
            )));
        }
        for name in MEMBERS {
            let Some(expected) = manifest.files.get(name) else {
                return Err(model_error(format!("{}: the manifest does not name {name}", self.origin)));
            };
            let got = sha256(self.get(name)?);
            if got != *expected {
                return Err(model_error(format!(
                    "{}: {name} has SHA-256 {got}, the manifest says {expected}",
                    self.origin
                ))
                .hint("the file was altered or cut short: fetch the model again"));
            }
        }
        Ok(manifest)
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// When it is absent or not of the form expected.
    pub fn config(&self) -> Result<ModelConfig> {
        self.json(CONFIG)
    }

    /// The weights by their plain names, as `f32`, so that checkpoints with a
    /// head of another kind load as well.
    ///
    /// # Errors
    ///
    /// When the file is no safetensors file or holds another type of number.
    pub fn weights(&self) -> Result<BTreeMap<String, Array>> {
        let data = self.get(WEIGHTS)?;
        let bad = |what: String| model_error(format!("{}: {WEIGHTS}: {what}", self.origin));
        let tensors = SafeTensors::deserialize(data)
            .map_err(|error| bad(format!("not a safetensors file: {error}")))?;
        let mut arrays = BTreeMap::new();
        let mut tensors = tensors.tensors();
        // They come in the order of a hash table.
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, view) in tensors {
            let Some(data) = to_f32(&view) else {
                if name.ends_with("position_ids") {
                    continue;
                }
                return Err(bad(format!("weight {name} is of type {:?}", view.dtype())));
            };
            arrays.insert(plain_name(&name), Array { shape: view.shape().to_vec(), data });
        }
        Ok(arrays)
    }

    /// A network of a base model, its heads drawn with `seed`: to train, or to
    /// read hidden states from.
    ///
    /// # Errors
    ///
    /// When a file is absent or does not fit the others.
    pub fn base_network(&self, seed: u64) -> Result<Network> {
        let tokeniser = Tokeniser::from_json(self.get(TOKENISER)?)?;
        let encoder = self.config()?.encoder;
        Network::new(tokeniser, encoder, super::heads_config(), self.weights()?, seed)
    }

    /// The configuration of a trained model, which must be one that this
    /// program's codebook fits.
    fn trained_config(&self) -> Result<(EncoderConfig, OwnConfig)> {
        let config = self.config()?;
        let Some(own) = config.throughline else {
            return Err(model_error(format!("{} is a base model without heads", self.origin))
                .hint("train it first: `throughline train SETTINGS.toml`"));
        };
        let expected = super::heads_config();
        let (h, e) = (&own.heads, &expected);
        let book = crate::codebook::codebook().version;
        if own.codebook != book
            || (h.grades, h.indicators, h.relationships, h.tags, h.roles, h.features)
                != (e.grades, e.indicators, e.relationships, e.tags, e.roles, e.features)
        {
            return Err(model_error(format!(
                "{} was trained with codebook {}, this program has codebook {book}",
                self.origin, own.codebook
            )));
        }
        Ok((config.encoder, own))
    }

    /// The network as the engine reads with it, in the precision asked for.
    ///
    /// # Errors
    ///
    /// When a file is absent or does not fit the others.
    pub fn fast_network(&self, precision: engine::Precision) -> Result<(FastNetwork, OwnConfig)> {
        let (encoder, own) = self.trained_config()?;
        encoder.check().map_err(|error| model_error(error.to_string()))?;
        let bytes = self.files.get(WEIGHTS).cloned();
        let bytes = bytes.ok_or_else(|| model_error(format!("{} has no {WEIGHTS}", self.origin)))?;
        let weights = StoredWeights::open(bytes, &format!("{}: {WEIGHTS}", self.origin))?;
        let (tokeniser, rest) = rayon::join(
            || Tokeniser::from_json(self.get(TOKENISER)?),
            || FastNetwork::read(&weights, &encoder, &own.heads, precision),
        );
        Ok((rest?.with_tokeniser(tokeniser?)?, own))
    }

    /// The network, ready to read texts: the reference, which can train.
    ///
    /// # Errors
    ///
    /// When a file is absent or does not fit the others.
    pub fn network(&self) -> Result<(Network, OwnConfig)> {
        let (encoder, own) = self.trained_config()?;
        let tokeniser = Tokeniser::from_json(self.get(TOKENISER)?)?;
        let weights = self.weights()?;
        for name in ["embeddings.LayerNorm.weight", "heads.grade.weight"] {
            if !weights.contains_key(name) {
                return Err(model_error(format!("{}: weight {name} is missing", self.origin)));
            }
        }
        let network = Network::new(tokeniser, encoder, own.heads.clone(), weights, 0)?;
        Ok((network, own))
    }
}

/// The name of a weight as `BertModel` of today has it: without the prefix
/// `bert.` of a checkpoint with a head, and with `weight` and `bias` for the
/// `gamma` and `beta` of the first checkpoints.
pub(super) fn plain_name(name: &str) -> String {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    for (old, new) in [("gamma", "weight"), ("beta", "bias")] {
        if let Some(stem) = name.strip_suffix(old)
            && stem.ends_with("LayerNorm.")
        {
            return format!("{stem}{new}");
        }
    }
    name.to_owned()
}

/// The values of a tensor, where its type of number is one that we read.
pub(super) fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Some(data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::F16 => {
            use half::slice::HalfFloatSliceExt;
            let halves: Vec<half::f16> =
                data.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b)).collect();
            let mut out = vec![0.0; halves.len()];
            halves.convert_to_f32_slice(&mut out);
            Some(out)
        }
        Dtype::BF16 => {
            Some(data.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect())
        }
        _ => None,
    }
}

/// Type of number in which weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 4 bytes; checkpoints.
    Float32,
    /// 2 bytes; shipped models.
    Float16,
}

/// Weights as the bytes of a safetensors file, in order of their names.
///
/// # Errors
///
/// When a weight lies beyond what float16 can hold, or shapes do not fit.
pub fn to_safetensors(arrays: &BTreeMap<String, Array>, precision: Precision) -> Result<Vec<u8>> {
    let mut encoded: Vec<(&String, Vec<u8>, &Array)> = Vec::with_capacity(arrays.len());
    for (name, array) in arrays {
        let bytes = match precision {
            Precision::Float32 => array.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::Float16 => {
                if let Some(value) = array.data.iter().find(|v| !half::f16::from_f32(**v).is_finite()) {
                    return Err(model_error(format!("weight {name} holds {value}, beyond float16")));
                }
                array.data.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
            }
        };
        encoded.push((name, bytes, array));
    }
    let dtype = match precision {
        Precision::Float32 => Dtype::F32,
        Precision::Float16 => Dtype::F16,
    };
    let internal = |error: safetensors::SafeTensorError| {
        Error::new(ErrorKind::Internal, format!("weights cannot be written: {error}"))
    };
    let mut views = Vec::with_capacity(encoded.len());
    for (name, bytes, array) in &encoded {
        let view = TensorView::new(dtype, array.shape.clone(), bytes).map_err(internal)?;
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, None).map_err(internal)
}

/// Arrays from the bytes of a safetensors file of `f32`.
///
/// # Errors
///
/// When they are no such file.
pub fn from_safetensors(data: &[u8]) -> Result<BTreeMap<String, Array>> {
    let files = Files::from_memory("checkpoint", [(WEIGHTS.to_owned(), data.to_vec())]);
    files.weights()
}

/// Writes a file whole or not at all: to a neighbour first, then renamed.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_atomically(path: &Path, data: &[u8]) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let write = || {
        use std::io::Write;
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(data)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|error| {
        // A failed write leaves no half file behind.
        let _ = std::fs::remove_file(&partial);
        Error::io(path, error)
    })
}

/// Writes a model folder: `members` by name, then the manifest over them.
///
/// # Errors
///
/// When a member is missing or a file cannot be written.
pub fn write(path: &Path, members: &BTreeMap<String, Vec<u8>>, mut manifest: Manifest) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| Error::io(path, error))?;
    manifest.files.clear();
    for name in MEMBERS {
        let data = members
            .get(name)
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("model without {name}")))?;
        write_atomically(&path.join(name), data)?;
        manifest.files.insert(name.to_owned(), sha256(data));
    }
    write_atomically(&path.join(MANIFEST), to_json(&manifest)?.as_bytes())
}

/// Writes the manifest of a model folder anew over the files that stand in it.
///
/// # Errors
///
/// When a member is missing or the manifest cannot be written.
pub fn rewrite_manifest(path: &Path, mut manifest: Manifest) -> Result<()> {
    for name in MEMBERS {
        let member = path.join(name);
        let data = std::fs::read(&member).map_err(|error| Error::io(&member, error))?;
        manifest.files.insert(name.to_owned(), sha256(&data));
    }
    write_atomically(&path.join(MANIFEST), to_json(&manifest)?.as_bytes())
}

/// A value as indented JSON with a line break at its end.
///
/// # Errors
///
/// When the value cannot be written as JSON.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}
