//! `throughline corpus`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{ExitStatus, stdout_error};
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check dataset files: every fault with file, line, column, what and why
    Check {
        /// Dataset files, or folders of them
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(super) fn run(command: Command) -> Result<ExitStatus> {
    use std::io::Write;
    match command {
        Command::Check { files } => {
            let report = crate::corpus::check::check_files(&files)?;
            write!(std::io::stdout(), "{report}").map_err(stdout_error)?;
            Ok(if report.faults.is_empty() { ExitStatus::Done } else { ExitStatus::NotDone })
        }
    }
}
