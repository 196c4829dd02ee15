//! `throughline link`.

pub(super) mod inputs;
mod measure;
mod stored;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;

use self::inputs::Inputs;
use self::measure::{Clock, Measured};
use super::columns::Columns;
use super::reading::Reading;
use super::{ExitStatus, say};
use crate::conduct::{self, Course};
use crate::error::{Error, Result};
use crate::features::Assessed;
use crate::link::record::Pool;
use crate::link::weights::Weights;
use crate::link::{Group, Linking, block, duplicates};
use crate::render;
use crate::report::read::{ReadOptions, Run};

/// Links that are spelt out and written in one round.
const ROUND: usize = 16_384;

/// Link reports into suspected courses of conduct.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files of reports: .jsonl or .csv; assessed reports or features of an earlier run; a store
    #[arg(required_unless_present_any = ["confirm", "cut"], value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Folder for courses.jsonl, links.jsonl and assessed.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Weights of comparisons, as `throughline estimate` writes them
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    columns: Columns,
    /// Keep the reports in this store and link new ones with what it holds; made where there is none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["truth", "measure"])]
    store: Option<PathBuf>,
    /// Two reports of the store that a person found to be of one course; may be repeated
    #[arg(long, value_name = "A,B", requires = "store")]
    confirm: Vec<String>,
    /// Two reports of the store that a person found not to be of one course; may be repeated
    #[arg(long, value_name = "A,B", requires = "store")]
    cut: Vec<String>,
    /// Write what the run cost to this file: seconds by stage, memory, pairs
    #[arg(long, value_name = "FILE")]
    measure: Option<PathBuf>,
    /// Known series, a line each of an id, a tab and a series: says what blocking and linking miss
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
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

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    let weights = open_weights(arguments.weights.as_deref())?;
    let read = ReadOptions {
        columns: arguments.columns.map()?,
        run: Some(Run::default()),
        ..ReadOptions::default()
    };
    let model = |options| arguments.reading.open(options);
    if let Some(path) = &arguments.store {
        return stored::run(arguments, path, &weights, &|| {
            Inputs::read(&arguments.inputs, true, &read, &model)
        });
    }
    let mut clock = Clock::start();
    let Inputs { builder, assessed, reports, refused, decisions, .. } =
        Inputs::read(&arguments.inputs, false, &read, &model)?;
    clock.lap("read");
    let pool = builder.finish(None);
    clock.lap("prepare");
    let candidates = block::candidates(&pool);
    clock.lap("block");
    let linking = Linking::of_candidates(&pool, &weights, &decisions, &candidates);
    clock.lap("compare");

    std::fs::create_dir_all(&arguments.out).map_err(|error| Error::io(&arguments.out, error))?;
    let courses = write_all(&arguments.out, &pool, &linking, &assessed)?;
    clock.lap("write");
    summary(reports, &linking, &courses, &arguments.out);
    let mut measured = Measured::new(&pool, &linking, clock);
    if let Some(path) = &arguments.truth {
        measured.compare(path, &pool, &linking, &candidates)?;
    }
    if let Some(path) = &arguments.measure {
        measured.write(path)?;
    }
    Ok(if refused > 0 { ExitStatus::Partly } else { ExitStatus::Done })
}

/// Writes the answers of a pool that was linked all at once.
fn write_all(out: &Path, pool: &Pool, linking: &Linking<'_>, assessed: &[Assessed]) -> Result<Vec<Course>> {
    let groups: Vec<Group> = linking.groups.iter().map(|g| linking.group(g)).collect();
    let courses = conduct::courses_of_pool(&groups, pool, assessed, linking.weights());
    write_lines(&out.join("courses.jsonl"), &courses)?;
    write_links(&out.join("links.jsonl"), linking)?;
    write_assessed(out, assessed)?;
    for set in duplicates(pool) {
        say(&format!("note: {} hold the same text: duplicates, one occasion", set.join(", ")));
    }
    Ok(courses)
}

/// Keeps reports that have their texts, in the order of ids.
fn write_assessed(out: &Path, assessed: &[Assessed]) -> Result<()> {
    if assessed.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&Assessed> = assessed.iter().collect();
    sorted.sort_by(|a, b| a.report.id.cmp(&b.report.id));
    write_lines(&out.join("assessed.jsonl"), &sorted)
}

/// Takes the next bytes of a file.
type Take<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Writes a file by parts; it appears whole or not at all.
fn write_whole(path: &Path, parts: &mut dyn FnMut(&mut Take<'_>) -> Result<()>) -> Result<()> {
    let half = path.with_extension("jsonl.part");
    let file = std::fs::File::create(&half).map_err(|error| Error::io(&half, error))?;
    let mut out = std::io::BufWriter::with_capacity(1 << 18, file);
    parts(&mut |bytes| out.write_all(bytes).map_err(|error| Error::io(&half, error)))?;
    out.flush().map_err(|error| Error::io(&half, error))?;
    drop(out);
    std::fs::rename(&half, path).map_err(|error| Error::io(path, error))
}

/// Writes one value a line; the file appears whole or not at all.
pub(super) fn write_lines<T: serde::Serialize>(path: &Path, values: &[T]) -> Result<()> {
    write_whole(path, &mut |out| {
        values.iter().try_for_each(|value| out(render::json_line(value)?.as_bytes()))
    })
}

/// Spells links out and writes them, a round at a time.
fn write_links(path: &Path, linking: &Linking<'_>) -> Result<()> {
    write_whole(path, &mut |out| {
        for round in linking.told.chunks(ROUND) {
            let lines: Vec<String> = round
                .par_iter()
                .with_min_len(64)
                .map(|pair| render::json_line(&linking.link(*pair)))
                .collect::<Result<_>>()?;
            lines.iter().try_for_each(|line| out(line.as_bytes()))?;
        }
        Ok(())
    })
}

fn summary(reports: usize, linking: &Linking<'_>, courses: &[Course], out: &Path) {
    let in_courses: usize = courses.iter().map(|c| c.reports.len()).sum();
    say(&format!(
        "{reports} reports, {} pairs compared; {} groups linked, of which {} read like stalking ({in_courses} reports)",
        linking.compared,
        linking.groups.len(),
        courses.len(),
    ));
    say(&format!("courses.jsonl and links.jsonl written to {}", out.display()));
}
