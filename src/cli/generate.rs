//! `throughline generate`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{ExitStatus, say, stdout_error};
use crate::corpus::augment::{Kind, copies};
use crate::corpus::cards::Deck;
use crate::corpus::cards::axes::Axes;
use crate::corpus::export;
use crate::corpus::gazetteer::Gazetteer;
use crate::corpus::{load, load_foreign};
use crate::error::{Error, ErrorKind, Result};
use crate::features::FeaturesLine;
use crate::report::Report;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Draw the scenario cards from which one author writes reports
    Cards(CardArguments),
    /// Make changed copies of labelled reports whose labels still hold
    Augment(AugmentArguments),
    /// Write reports as a record system would export them, for trying and measuring `screen`
    #[command(hide = true)]
    Export(ExportArguments),
    /// Make a pool of features, not of texts, on which to measure linking at scale
    Pool(PoolArguments),
}

/// How cards are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Markdown for a person.
    Markdown,
    /// One JSON object a card and line.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct CardArguments {
    /// The author's code, a capital letter and two or three digits
    #[arg(long, value_name = "CODE")]
    author: String,
    /// The same seed gives the same cards
    #[arg(long)]
    seed: u64,
    /// File to write to; without it standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// markdown for a person, json with one card a line for a program
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
    /// The axes of the cards
    #[arg(long, value_name = "FILE", default_value = "datasets/cards.toml")]
    axes: PathBuf,
    /// The names, places and cars
    #[arg(long, value_name = "FILE", default_value = "datasets/gazetteer.toml")]
    gazetteer: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AugmentArguments {
    /// Dataset files, or folders of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The same seed gives the same copies
    #[arg(long)]
    seed: u64,
    /// What is changed, with commas between: names, places, numbers, capitals, small_letters, typos,
    /// shorthand, longhand, punctuation, cut, sexes, joined; without it all of them
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Copies of each report and kind
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    copies: u16,
    /// JSON Lines file to write to; `augment` must be in its name
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The names, places and cars
    #[arg(long, value_name = "FILE", default_value = "datasets/gazetteer.toml")]
    gazetteer: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Files of reports: JSON Lines
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Rows to write, going round the reports with other names; without it each report once
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// The same seed gives the same rows
    #[arg(long)]
    seed: u64,
    /// CSV file to write to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The names
    #[arg(long, value_name = "FILE", default_value = "datasets/gazetteer.toml")]
    gazetteer: PathBuf,
}

fn exported(arguments: &ExportArguments) -> Result<ExitStatus> {
    let gazetteer = Gazetteer::load(&arguments.gazetteer)?;
    // The corpus's reader takes markup out of the texts.
    let dataset = load_foreign(&arguments.files)?;
    let reports: Vec<Report> = dataset.examples.into_iter().map(|example| example.report).collect();
    let rows = arguments.rows.unwrap_or(reports.len());
    let path = &arguments.out;
    let file = std::fs::File::create(path).map_err(|error| Error::io(path, error))?;
    let mut out = std::io::BufWriter::new(file);
    export::write(&reports, rows, arguments.seed, &gazetteer, &mut out)?;
    out.flush().map_err(|error| Error::io(path, error))?;
    say(&format!("{rows} rows written to {}; datasets/sample/closed.toml maps its columns", path.display()));
    Ok(ExitStatus::Done)
}

#[derive(Debug, Args)]
pub(super) struct PoolArguments {
    /// Reports of the pool; one in twenty is in a series of two to six
    #[arg(long, value_name = "N")]
    reports: usize,
    /// The same seed gives the same pool
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File of features to write, one line a report
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where to write which report is in which series, for `throughline link --truth`
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

/// Writes a pool of features and the truth beside it.
fn pool(arguments: &PoolArguments) -> Result<ExitStatus> {
    let failed = |error| Error::io(&arguments.out, error);
    let mut out = std::io::BufWriter::new(std::fs::File::create(&arguments.out).map_err(failed)?);
    let mut truth = String::new();
    for (features, series) in crate::link::synthetic::reports(arguments.reports, arguments.seed) {
        if let Some(series) = series {
            truth += &format!("{}\t{series}\n", features.id);
        }
        let line = crate::render::json_line(&FeaturesLine::new(features))?;
        out.write_all(line.as_bytes()).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    if let Some(path) = &arguments.truth {
        std::fs::write(path, truth).map_err(|error| Error::io(path, error))?;
    }
    say(&format!("{} reports written to {}", arguments.reports, arguments.out.display()));
    Ok(ExitStatus::Done)
}

pub(super) fn run(command: Command) -> Result<ExitStatus> {
    match command {
        Command::Augment(arguments) => augmented(&arguments),
        Command::Export(arguments) => exported(&arguments),
        Command::Pool(arguments) => pool(&arguments),
        Command::Cards(arguments) => cards(&arguments),
    }
}

fn cards(arguments: &CardArguments) -> Result<ExitStatus> {
    let axes = Axes::load(&arguments.axes)?;
    let gazetteer = Gazetteer::load(&arguments.gazetteer)?;
    let deck = Deck::draw(&arguments.author, arguments.seed, &axes, &gazetteer)?;
    let text = match arguments.format {
        Format::Markdown => deck.to_markdown(),
        Format::Json => deck.to_json_lines()?,
    };
    write_to(arguments.out.as_deref(), &text)?;
    if let Some(path) = &arguments.out {
        say(&format!("{} cards written to {}", deck.cards().count(), path.display()));
    }
    Ok(ExitStatus::Done)
}

fn augmented(arguments: &AugmentArguments) -> Result<ExitStatus> {
    let path = &arguments.out;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains("augment") {
        return Err(Error::new(
            ErrorKind::Arguments,
            format!(
                "--out: `{name}` has no `augment` in its name, by which copies are told from what was written"
            ),
        )
        .hint("for example --out augment.jsonl"));
    }
    let gazetteer = Gazetteer::load(&arguments.gazetteer)?;
    let dataset = load(&arguments.files)?;
    if let Some(copy) = dataset.examples.iter().find(|e| e.meta.augment.is_some()) {
        return Err(Error::new(
            ErrorKind::Data,
            format!("report `{}` is a copy already, and copies are made of what was written", copy.report.id),
        ));
    }
    let mut kinds = if arguments.kinds.is_empty() { Kind::ALL.to_vec() } else { arguments.kinds.clone() };
    kinds.sort_unstable();
    kinds.dedup();
    let mut text = String::new();
    let mut made = 0usize;
    for kind in kinds {
        let before = made;
        for copy in copies(&dataset, kind, usize::from(arguments.copies), arguments.seed, &gazetteer) {
            let json = serde_json::to_string(&copy)
                .map_err(|err| Error::new(ErrorKind::Internal, format!("{}: {err}", copy.report.id)))?;
            text.push_str(&json);
            text.push('\n');
            made += 1;
        }
        say(&format!("{kind}: {} copies of {} reports", made - before, dataset.examples.len()));
    }
    if made == 0 {
        return Err(Error::new(
            ErrorKind::Data,
            "no report can be changed in these ways with its labels kept",
        ));
    }
    write_to(Some(path), &text)?;
    say(&format!("{made} copies written to {}", path.display()));
    Ok(ExitStatus::Done)
}

/// Writes to a file, or to standard output where none is named.
pub(super) fn write_to(path: Option<&Path>, text: &str) -> Result<()> {
    match path {
        Some(path) => std::fs::write(path, text).map_err(|err| Error::io(path, err)),
        None => std::io::stdout().write_all(text.as_bytes()).map_err(stdout_error),
    }
}
