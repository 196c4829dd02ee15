//! `throughline score`.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::columns::Columns;
use super::reading::Reading;
use super::{ExitStatus, say, stdout_error};
use crate::assess::{AssessOptions, Assessment, Assessor, State};
use crate::error::{Error, ErrorKind, Result};
use crate::render;
use crate::report::Report;
use crate::report::read::{Format as InputFormat, ReadOptions, Reader, Run, open};

/// Reports assessed in one round: bounds memory, and is enough to fill passes.
const ROUND: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    Text,
    /// One assessment a line, for a program
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Input {
    /// By the file's name; of standard input by how it begins
    Auto,
    /// One plain narrative
    Text,
    /// One JSON object a line
    Jsonl,
    /// Columns under a header row
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A report that reads like stalking
    Review,
}

/// Assess one narrative, or each report of a file.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files to assess: .jsonl, .csv, .tsv, or plain text; `-` for standard input
    #[arg(required_unless_present = "text", conflicts_with = "text")]
    files: Vec<PathBuf>,
    /// Assess this narrative
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// What the input is
    #[arg(long, value_enum, default_value_t = Input::Auto)]
    input: Input,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    reading: Reading,
    /// Answer `cannot_tell` where the model is least sure; never in place of `review`
    #[arg(long)]
    abstain: bool,
    /// Exit with status 1 when a report is in this state
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
}

/// What went past.
#[derive(Default)]
struct Tally {
    assessed: usize,
    review: usize,
    rejected: usize,
    failed_files: usize,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitStatus> {
    let columns = arguments.columns.map()?;
    let options = AssessOptions { abstain: arguments.abstain, ..AssessOptions::default() };
    let assessor = arguments.reading.open(options)?;
    let mut printer = Printer::new(arguments.format);
    let mut tally = Tally::default();

    if let Some(text) = &arguments.text {
        if crate::report::is_blank(text) {
            return Err(Error::new(ErrorKind::Input, "--text is blank, a narrative is needed"));
        }
        let reports = [Report::new("text", text.as_str())];
        assess(&assessor, &reports, &mut printer, &mut tally)?;
    }
    let read = ReadOptions { columns, run: Some(Run::default()), ..ReadOptions::default() };
    let several = arguments.files.len() > 1;
    for path in &arguments.files {
        let reader = open_input(path, arguments.input, &read);
        let done = match reader {
            Ok(reader) => score_file(&assessor, path, reader, &mut printer, &mut tally),
            Err(error) if several => {
                // One bad file does not stop the others.
                say(&format!("error: {error}"));
                if let Some(hint) = error.hint_text() {
                    say(&format!("hint: {hint}"));
                }
                tally.failed_files += 1;
                Ok(())
            }
            Err(error) => Err(error),
        };
        done?;
    }
    printer.finish(&tally)?;
    if tally.rejected > 0 {
        say(&format!("{} of {} records were refused", tally.rejected, tally.rejected + tally.assessed));
    }
    if tally.assessed == 0 {
        return Ok(ExitStatus::NotDone);
    }
    let flagged = arguments.fail_on == Some(FailOn::Review) && tally.review > 0;
    if tally.rejected > 0 || tally.failed_files > 0 || flagged {
        return Ok(ExitStatus::Partly);
    }
    Ok(ExitStatus::Done)
}

fn open_input(path: &Path, input: Input, options: &ReadOptions) -> Result<Reader> {
    let format = match input {
        Input::Auto => None,
        Input::Text => Some(InputFormat::PlainText),
        Input::Jsonl => Some(InputFormat::JsonLines),
        Input::Csv => Some(InputFormat::Csv),
    };
    if path.as_os_str() == "-" {
        let mut source = BufReader::new(std::io::stdin());
        let format = match format {
            Some(format) => format,
            None => {
                use std::io::BufRead;
                let start = source.fill_buf().map_err(|error| Error::io("standard input", error))?;
                InputFormat::of_start(start)
            }
        };
        return Reader::new(Box::new(source), format, "standard input", options);
    }
    match format {
        None => open(path, options),
        Some(format) => {
            if path.is_dir() {
                return open(path, options);
            }
            let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
            let name = path.display().to_string();
            Reader::new(Box::new(BufReader::new(file.take(u64::MAX))), format, &name, options)
        }
    }
}

fn score_file(
    assessor: &Assessor,
    path: &Path,
    mut reader: Reader,
    printer: &mut Printer,
    tally: &mut Tally,
) -> Result<()> {
    let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    let mut round: Vec<Report> = Vec::with_capacity(ROUND);
    loop {
        let record = reader.next();
        let ended = record.is_none();
        match record {
            Some(Ok(report)) => round.push(report),
            Some(Err(rejected)) => {
                say(&format!("refused: {name}: {rejected}"));
                tally.rejected += 1;
            }
            None => {}
        }
        if round.len() == ROUND || (ended && !round.is_empty()) {
            assess(assessor, &round, printer, tally)?;
            round.clear();
        }
        if ended {
            break;
        }
    }
    if !reader.ignored().is_empty() {
        let names: Vec<String> = reader.ignored().iter().map(|(name, n)| format!("{name} ({n})")).collect();
        say(&format!("note: {name}: not read: {}", names.join(", ")));
    }
    Ok(())
}

fn assess(assessor: &Assessor, reports: &[Report], printer: &mut Printer, tally: &mut Tally) -> Result<()> {
    let assessments = assessor.assess_all(reports)?;
    for (report, assessment) in reports.iter().zip(&assessments) {
        tally.assessed += 1;
        tally.review += usize::from(assessment.state == State::Review);
        printer.print(report, assessment)?;
    }
    Ok(())
}

/// Writes answers as they come.
struct Printer {
    format: Format,
    colour: bool,
    out: anstream::AutoStream<std::io::Stdout>,
    printed: bool,
}

impl Printer {
    fn new(format: Format) -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        let colour = format == Format::Text && choice != anstream::ColorChoice::Never;
        Self { format, colour, out: anstream::stdout(), printed: false }
    }

    fn print(&mut self, report: &Report, assessment: &Assessment) -> Result<()> {
        let text = match self.format {
            Format::Json => render::json_line(assessment)?,
            Format::Text => {
                let view = render::terminal::assessment(report, assessment, self.colour);
                if self.printed { format!("\n{view}") } else { view }
            }
        };
        self.printed = true;
        self.out.write_all(text.as_bytes()).map_err(stdout_error)
    }

    fn finish(&mut self, tally: &Tally) -> Result<()> {
        if self.format == Format::Text && self.printed {
            let summary = render::terminal::closing(tally.assessed, tally.review);
            self.out.write_all(summary.as_bytes()).map_err(stdout_error)?;
        }
        self.out.flush().map_err(stdout_error)
    }
}
