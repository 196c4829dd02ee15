//! The command line: arguments to settings to calls. The only room that
//! prints: data to stdout, talk to stderr.

mod case;
mod columns;
mod corpus;
mod estimate;
mod evaluate;
mod generate;
mod link;
mod model;
mod reading;
mod returns;
mod score;
mod screen;
mod train;

use std::io::IsTerminal;

use clap::{Parser, Subcommand};

use crate::error::{Error, ErrorKind, Result};

/// How a command ended; other programs decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done.
    Done,
    /// 1: done, but some records were refused, or something was flagged with
    /// `--fail-on review`.
    Partly,
    /// 2: not done: bad arguments, unreadable input.
    NotDone,
    /// 3: the model is absent or fails its checksum.
    Model,
    /// 4: a limit was exceeded.
    Limit,
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Partly => 1,
            ExitStatus::NotDone => 2,
            ExitStatus::Model => 3,
            ExitStatus::Limit => 4,
        })
    }
}

/// Reads police incident narratives and shows what in them reads like
/// stalking. It advises; a person decides.
#[derive(Debug, Parser)]
#[command(name = "throughline", version, max_term_width = 100)]
#[command(after_help = "Exit status: 0 done; 1 done, but some records were refused or something was \
    flagged with --fail-on; 2 not done; 3 the model is absent or fails its checksum; 4 a limit was exceeded.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Assess one narrative, or each report of a file
    Score(score::Arguments),
    /// Screen an export: which reports to open first, and why
    Screen(screen::Arguments),
    /// The monthly return of a screened export
    Returns(returns::Arguments),
    /// Link reports into suspected courses of conduct
    Link(link::Arguments),
    /// The sheet of one suspected course of conduct
    Case(case::Arguments),
    /// Estimate the weights of linking from reports whose courses are known
    Estimate(estimate::Arguments),
    /// Fine-tune a model on a labelled corpus
    Train(train::Arguments),
    /// Measure a model on labelled reports, with intervals, beside baselines
    Evaluate(evaluate::Arguments),
    /// Import a base model; show or verify a model
    #[command(subcommand)]
    Model(model::Command),
    /// Check dataset files
    #[command(subcommand)]
    Corpus(corpus::Command),
    /// Make data: cards to write from
    #[command(subcommand)]
    Generate(generate::Command),
}

/// Parses the process's arguments, runs the command and prints its error.
pub fn main() -> ExitStatus {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors and go to stdout.
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::NotDone } else { ExitStatus::Done };
        }
    };
    let result = match cli.command {
        Command::Score(arguments) => score::run(arguments),
        Command::Screen(arguments) => screen::run(&arguments),
        Command::Returns(arguments) => returns::run(&arguments),
        Command::Link(arguments) => link::run(&arguments),
        Command::Case(arguments) => case::run(&arguments),
        Command::Estimate(arguments) => estimate::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Model(command) => model::run(command),
        Command::Corpus(command) => corpus::run(command),
        Command::Generate(command) => generate::run(command),
    };
    match result {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => ExitStatus::Done,
        Err(error) => {
            say(&format!("error: {error}"));
            if let Some(hint) = error.hint_text() {
                say(&format!("hint: {hint}"));
            }
            match error.kind() {
                ErrorKind::Model => ExitStatus::Model,
                ErrorKind::Limit => ExitStatus::Limit,
                _ => ExitStatus::NotDone,
            }
        }
    }
}

/// A reader that has seen enough (`| head`) is no failure.
fn is_broken_pipe(error: &Error) -> bool {
    use std::error::Error as _;
    error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A line to the person at the terminal.
fn say(line: &str) {
    use std::io::Write;
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether progress may be drawn.
fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

fn stdout_error(error: std::io::Error) -> Error {
    Error::io("standard output", error)
}

/// Where a model comes from: `--model` of every command that reads texts.
fn open_model(model: Option<&str>, options: crate::assess::AssessOptions) -> Result<crate::assess::Assessor> {
    use crate::assess::Assessor;
    match model {
        #[cfg(feature = "embedded-model")]
        None => Assessor::embedded(options),
        #[cfg(not(feature = "embedded-model"))]
        None => Err(Error::new(ErrorKind::Model, "this program was built without a model inside")
            .hint("name a model folder with --model, or build with the feature `embedded-model`")),
        Some(name) => Assessor::from_files(&model::open_files(name)?, options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
