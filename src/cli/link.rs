//! `throughline link`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::reading::Reading;
use super::{ExitStatus, say};
use crate::assess::{AssessOptions, Assessor};
use crate::conduct;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{ASSESSED_SCHEMA, Assessed, Features};
use crate::link::weights::Weights;
use crate::link::{Linked, link};
use crate::render;
use crate::report::Report;
use crate::report::read::{ColumnMap, ReadOptions, Run, open};

/// Reports assessed in one round.
const ROUND: usize = 128;

/// Link reports into suspected courses of conduct.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files of reports: .jsonl or .csv; or an assessed.jsonl of an earlier run
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Folder for courses.jsonl, links.jsonl and assessed.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Weights of comparisons, as `throughline estimate` writes them
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// A column that is named otherwise than its field, e.g. text=MO_TEXT; may be repeated
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<String>,
}

/// Weights from a file, or those that the program comes with.
pub(super) fn open_weights(path: Option<&Path>) -> Result<Weights> {
    match path {
        None => Weights::shipped().cloned(),
        Some(path) => {
            let json = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
            Weights::parse(&json)
        }
    }
}

/// Today's date, for dates that cannot be.
pub(super) fn today() -> time::Date {
    time::OffsetDateTime::now_utc().date()
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    let weights = open_weights(arguments.weights.as_deref())?;
    let read = ReadOptions { columns: ColumnMap::parse(&arguments.map)?, run: Some(Run::default()) };
    let (mut assessed, mut reports, mut refused) = (Vec::new(), Vec::new(), 0usize);
    for path in &arguments.inputs {
        if is_assessed(path)? {
            assessed.extend(read_assessed(path)?);
            continue;
        }
        let mut reader = open(path, &read)?;
        for record in reader.by_ref() {
            match record {
                Ok(report) => reports.push(report),
                Err(rejected) => {
                    say(&format!("refused: {}: {rejected}", path.display()));
                    refused += 1;
                }
            }
        }
        if !reader.ignored().is_empty() {
            let names: Vec<String> =
                reader.ignored().iter().map(|(name, n)| format!("{name} ({n})")).collect();
            say(&format!("note: {}: not read: {}", path.display(), names.join(", ")));
        }
    }
    if !reports.is_empty() {
        let assessor = arguments.reading.open(AssessOptions::default())?;
        assessed.extend(assess(&assessor, reports)?);
    }
    refused += drop_repeated_ids(&mut assessed);
    if assessed.is_empty() {
        return Err(Error::new(ErrorKind::Input, "no report could be read, at least one is needed")
            .hint("the lines above say why each record was refused"));
    }
    let today = today();
    for one in &assessed {
        if conduct::when(&one.report).is_some_and(|when| when.date() > today) {
            say(&format!("note: {}: the date lies in the future and is left out", one.report.id));
        }
    }
    let features: Vec<Features> = assessed.iter().map(|a| Features::of(a, Some(today))).collect();
    let linked = link(&features, &weights);
    let courses = conduct::courses(&linked.groups, &assessed);
    write(&arguments.out, &assessed, &linked, &courses)?;
    summary(&assessed, &linked, &courses, &arguments.out);
    Ok(if refused > 0 { ExitStatus::Partly } else { ExitStatus::Done })
}

/// Whether a file is one of assessed reports, by its first line.
fn is_assessed(path: &Path) -> Result<bool> {
    use std::io::{BufRead, BufReader, Read};
    if path.is_dir() {
        return Ok(false);
    }
    let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
    let mut start = Vec::new();
    let mut reader = BufReader::new(file.take(200));
    reader.read_until(b',', &mut start).map_err(|error| Error::io(path, error))?;
    Ok(String::from_utf8_lossy(&start).contains(ASSESSED_SCHEMA))
}

/// Reads assessed reports.
pub(super) fn read_assessed(path: &Path) -> Result<Vec<Assessed>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|error| {
                Error::new(ErrorKind::Data, format!("{}:{}: {error}", path.display(), i + 1))
                    .hint(format!("a line of `{ASSESSED_SCHEMA}` is needed, as `throughline link` writes it"))
            })
        })
        .collect()
}

/// Assesses reports, with a word on progress for a person who waits.
pub(super) fn assess(assessor: &Assessor, reports: Vec<Report>) -> Result<Vec<Assessed>> {
    let total = reports.len();
    let mut assessed = Vec::with_capacity(total);
    let mut rest = reports.into_iter();
    loop {
        let round: Vec<Report> = rest.by_ref().take(ROUND).collect();
        if round.is_empty() {
            break;
        }
        let answers = assessor.assess_with_vectors(&round)?;
        assessed.extend(
            round.into_iter().zip(answers).map(|(report, (a, vector))| Assessed::new(report, a, &vector)),
        );
        if super::on_terminal() {
            say(&format!("assessed {} of {total}", assessed.len()));
        }
    }
    Ok(assessed)
}

/// Keeps the first of reports with one id; readers refuse them within raw
/// records, this does across assessed files.
fn drop_repeated_ids(assessed: &mut Vec<Assessed>) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let before = assessed.len();
    assessed.retain(|one| {
        let new = seen.insert(one.report.id.clone());
        if !new {
            say(&format!("refused: the id {} comes twice", one.report.id));
        }
        new
    });
    before - assessed.len()
}

fn write(folder: &Path, assessed: &[Assessed], linked: &Linked, courses: &[conduct::Course]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    write_lines(&folder.join("courses.jsonl"), courses)?;
    write_lines(&folder.join("links.jsonl"), &linked.links)?;
    let mut sorted: Vec<&Assessed> = assessed.iter().collect();
    sorted.sort_by(|a, b| a.report.id.cmp(&b.report.id));
    write_lines(&folder.join("assessed.jsonl"), &sorted)
}

/// Writes one value a line; the file appears whole or not at all.
pub(super) fn write_lines<T: serde::Serialize>(path: &Path, values: &[T]) -> Result<()> {
    let half = path.with_extension("jsonl.part");
    let file = std::fs::File::create(&half).map_err(|error| Error::io(&half, error))?;
    let mut out = std::io::BufWriter::new(file);
    for value in values {
        out.write_all(render::json_line(value)?.as_bytes()).map_err(|error| Error::io(&half, error))?;
    }
    out.flush().map_err(|error| Error::io(&half, error))?;
    std::fs::rename(&half, path).map_err(|error| Error::io(path, error))
}

fn summary(assessed: &[Assessed], linked: &Linked, courses: &[conduct::Course], out: &Path) {
    let in_courses: usize = courses.iter().map(|c| c.reports.len()).sum();
    say(&format!(
        "{} reports, {} pairs compared; {} groups linked, of which {} read like stalking ({in_courses} reports)",
        assessed.len(),
        linked.compared,
        linked.groups.len(),
        courses.len(),
    ));
    for set in &linked.duplicates {
        say(&format!("note: {} hold the same text: duplicates, one occasion", set.join(", ")));
    }
    say(&format!("courses.jsonl, links.jsonl and assessed.jsonl written to {}", out.display()));
}
