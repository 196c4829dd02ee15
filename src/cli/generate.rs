//! `throughline generate`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{ExitStatus, say, stdout_error};
use crate::corpus::cards::Deck;
use crate::corpus::cards::axes::Axes;
use crate::corpus::gazetteer::Gazetteer;
use crate::error::{Error, Result};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Draw the scenario cards from which one author writes reports
    Cards(CardArguments),
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

pub(super) fn run(command: Command) -> Result<ExitStatus> {
    match command {
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

/// Writes to a file, or to standard output where none is named.
pub(super) fn write_to(path: Option<&Path>, text: &str) -> Result<()> {
    match path {
        Some(path) => std::fs::write(path, text).map_err(|err| Error::io(path, err)),
        None => std::io::stdout().write_all(text.as_bytes()).map_err(stdout_error),
    }
}
