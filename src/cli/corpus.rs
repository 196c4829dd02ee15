//! `throughline corpus`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::generate::write_to;
use super::{ExitStatus, say, stdout_error};
use crate::corpus::cards::axes::Axes;
use crate::corpus::{load_foreign, manifest, sample};
use crate::error::{Error, Result};
use crate::evaluate::quality::{Quality, QualitySettings};
use crate::evaluate::readings;
use crate::model::folder::to_json;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check dataset files: every fault with file, line, column, what and why
    Check {
        /// Dataset files, or folders of them
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Measure the quality of a dataset; status 1 when an artefact tells the grade
    Report(ReportArguments),
    /// Agreement of second readings with the labels of a dataset
    Agreement(AgreementArguments),
    /// Reports picked by a seed, as Markdown to read
    Sample {
        /// Dataset files, or folders of them
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// How many
        #[arg(long, default_value_t = 40)]
        n: usize,
        /// The same seed picks the same reports
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// File to write to; without it standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write or check the manifest of a dataset folder
    Manifest(ManifestArguments),
}

/// How figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for a person.
    Text,
    /// JSON for a program.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// Dataset files, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// File for the figures as JSON, whatever is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// text for a person, json for a program
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Seed of samples and folds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file whose cue words are looked at
    #[arg(long, value_name = "FILE", default_value = "datasets/cards.toml")]
    axes: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AgreementArguments {
    /// The labelled reports: dataset files, or folders of them
    #[arg(long, value_name = "FILES", num_args = 1.., required = true)]
    first: Vec<PathBuf>,
    /// The second readings: JSON Lines or CSV with id, reader, labels and spans
    #[arg(long, value_name = "FILES", num_args = 1.., required = true)]
    second: Vec<PathBuf>,
    /// Take this reader's readings as the first labels, in place of the dataset's
    #[arg(long, value_name = "READER")]
    first_reader: Option<String>,
    /// text for a person, json for a program
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Bootstrap resamples behind each interval
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    resamples: u32,
    /// Seed of the resamples
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
pub(super) struct ManifestArguments {
    /// The folder
    folder: PathBuf,
    /// Check instead of writing; status 2 with what differs
    #[arg(long, conflicts_with_all = ["data_version", "licence", "seed", "validation", "test"])]
    check: bool,
    /// Version of the dataset; needed the first time
    #[arg(long, value_name = "VERSION")]
    data_version: Option<String>,
    /// Licence of the dataset; the first time CC BY 4.0
    #[arg(long, value_name = "NAME")]
    licence: Option<String>,
    /// Seed of the scenario cards
    #[arg(long)]
    seed: Option<u64>,
    /// Authors for validation, with commas between
    #[arg(long, value_name = "AUTHORS", value_delimiter = ',')]
    validation: Option<Vec<String>>,
    /// Authors for testing, with commas between
    #[arg(long, value_name = "AUTHORS", value_delimiter = ',')]
    test: Option<Vec<String>>,
}

pub(super) fn run(command: Command) -> Result<ExitStatus> {
    match command {
        Command::Check { files } => {
            let report = crate::corpus::check::check_files(&files)?;
            write!(std::io::stdout(), "{report}").map_err(stdout_error)?;
            Ok(if report.faults.is_empty() { ExitStatus::Done } else { ExitStatus::NotDone })
        }
        Command::Report(arguments) => report(&arguments),
        Command::Agreement(arguments) => agreement(&arguments),
        Command::Sample { files, n, seed, out } => {
            let text = sample::markdown(&load_foreign(&files)?, n, seed)?;
            write_to(out.as_deref(), &text)?;
            Ok(ExitStatus::Done)
        }
        Command::Manifest(arguments) => write_manifest(arguments),
    }
}

fn report(arguments: &ReportArguments) -> Result<ExitStatus> {
    let cues = cues(&arguments.axes)?;
    let dataset = load_foreign(&arguments.files)?;
    let settings = QualitySettings { seed: arguments.seed, cues };
    let quality = Quality::of(&dataset, &settings, say)?;
    let json = to_json(&quality)?;
    if let Some(path) = &arguments.out {
        std::fs::write(path, &json).map_err(|err| Error::io(path, err))?;
    }
    let text = if arguments.format == Format::Json { json } else { quality.to_string() };
    std::io::stdout().write_all(text.as_bytes()).map_err(stdout_error)?;
    let failing = quality.artefacts.failing();
    for artefact in &failing {
        say(&format!(
            "artefact test: {} alone tells the grade, AUROC {:.3}, at most {:.2} is allowed",
            artefact.axis,
            artefact.auroc.unwrap_or(0.0),
            quality.artefacts.limit
        ));
    }
    Ok(if failing.is_empty() { ExitStatus::Done } else { ExitStatus::Partly })
}

/// The cue words of the axes file; none, with a word about it, where the file
/// of the default name is not there.
fn cues(axes: &Path) -> Result<Vec<String>> {
    if axes == Path::new("datasets/cards.toml") && !axes.exists() {
        say("note: no datasets/cards.toml here, only the words that are always looked at");
        return Ok(Vec::new());
    }
    Ok(Axes::load(axes)?.cue_words.values().to_vec())
}

fn agreement(arguments: &AgreementArguments) -> Result<ExitStatus> {
    let mut first = load_foreign(&arguments.first)?;
    let mut second = readings::read(&arguments.second)?;
    if let Some(reader) = &arguments.first_reader {
        second = readings::take_first(&mut first, second, reader)?;
    }
    let agreement = readings::compare(&first, &second, arguments.resamples as usize, arguments.seed)?;
    let text = match arguments.format {
        Format::Text => agreement.to_string(),
        Format::Json => to_json(&agreement)?,
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(stdout_error)?;
    Ok(ExitStatus::Done)
}

fn write_manifest(arguments: ManifestArguments) -> Result<ExitStatus> {
    let ManifestArguments { folder, check, data_version: version, licence, seed, validation, test } =
        arguments;
    let mut out = std::io::stdout();
    if check {
        let differences = manifest::differences(&folder)?;
        for difference in &differences {
            writeln!(out, "{difference}").map_err(stdout_error)?;
        }
        return Ok(if differences.is_empty() { ExitStatus::Done } else { ExitStatus::NotDone });
    }
    let decided = manifest::Decided { version, licence, seed, validation, test };
    let written = manifest::write(&folder, &decided)?;
    let totals = written.totals;
    say(&format!(
        "{}: {} files, {} reports (train {}, validation {}, test {})",
        folder.join(manifest::FILE).display(),
        written.files.len(),
        totals.reports,
        totals.train,
        totals.validation,
        totals.test
    ));
    Ok(ExitStatus::Done)
}
