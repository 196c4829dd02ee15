//! `throughline model`.

use std::path::Path;

use clap::Subcommand;

use super::{ExitStatus, stdout_error};
use crate::error::Result;
use crate::model::folder::Files;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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

/// The files of a model by the name that `--model` takes.
pub(super) fn open_files(name: &str) -> Result<Files> {
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
        Command::Verify { model } => {
            let files = files(model.as_deref())?;
            let manifest = files.verify()?;
            let mut text = format!("{} {}: every file is as the manifest says\n", manifest.name, manifest.version);
            for (name, sha256) in &manifest.files {
                text += &format!("{sha256}  {name}\n");
            }
            out.write_all(text.as_bytes()).map_err(stdout_error)?;
        }
        Command::Card { model } => {
            let files = files(model.as_deref())?;
            files.verify()?;
            out.write_all(files.get(crate::model::folder::CARD)?).map_err(stdout_error)?;
        }
    }
    Ok(ExitStatus::Done)
}
