//! `throughline screen`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::columns::Columns;
use super::link::open_weights;
use super::reading::Reading;
use super::{ExitStatus, say, stdout_error};
use crate::assess::AssessOptions;
use crate::digest;
use crate::error::{Error, ErrorKind, Result};
use crate::link::weights::Weights;
use crate::model::folder::{MANIFEST as MODEL_MANIFEST, Manifest as ModelManifest};
use crate::render;
use crate::report::dates;
use crate::report::read::{ColumnMap, ReadOptions, suggest_mapping};
use crate::screen::linking::{Beside, Take};
use crate::screen::manifest::{Counts, MANIFEST_SCHEMA, Manifest, outputs};
use crate::screen::pipeline::{self, Progress, Tally};
use crate::screen::work::{self, Opened, Work, write_whole, writing};
use crate::screen::{Found, InputFile, ModelUsed, Selection, Settings, Start, gather};
use crate::store;

/// The ranked list.
const RANKED: &str = "ranked.csv";
/// The reports that were recorded as stalking.
const RECORDED: &str = "recorded_as_stalking.csv";
/// The page for people.
const PAGE: &str = "report.html";

/// Screen an export: which reports should a person open first, and why?
///
/// A run that was stopped, in whatever way, goes on when the same command is
/// given again, and its results are the same to the byte.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files of reports: CSV or JSON Lines, also packed with gzip or Zstandard
    #[arg(required_unless_present = "suggest_mapping", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", required_unless_present = "suggest_mapping")]
    out: Option<PathBuf>,
    /// Print a first mapping of this file's columns, to read and to mend
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "out"])]
    suggest_mapping: Option<PathBuf>,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    reading: Reading,
    /// Weights of comparisons for linking, as `throughline estimate` writes them
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Link the batch with the reports of this store too, or of the features.db of an earlier screening
    #[arg(long, value_name = "FILE")]
    link: Option<PathBuf>,
    /// Only reports with a date of closing, or an outcome that is none of work that goes on
    #[arg(long)]
    closed_only: bool,
    /// Only reports whose recorded class has these words; may be repeated
    #[arg(long, value_name = "CLASS")]
    recorded_as: Vec<String>,
    /// Only reports taken down on this day or later; those without a date are screened all the same
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// The day to which the age of reports is counted; without it the latest of the input
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// Reports that the page shows
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=2000))]
    top: u16,
    /// Reports that people can read in a day, from which the threshold is told
    #[arg(long, value_name = "N")]
    per_day: Option<f64>,
    /// Answer `cannot_tell` where the model is least sure; never in place of `review`
    #[arg(long)]
    abstain: bool,
    /// Tokens that are assessed in one round
    #[arg(long, value_name = "N", default_value_t = 16_384, hide = true)]
    round_tokens: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    if let Some(path) = &arguments.suggest_mapping {
        let toml = suggest_mapping(path)?;
        std::io::stdout().write_all(toml.as_bytes()).map_err(stdout_error)?;
        return Ok(ExitStatus::Done);
    }
    let Some(out) = &arguments.out else {
        return Err(Error::new(ErrorKind::Arguments, "--out is missing, a folder for the results is needed"));
    };
    let began = Instant::now();
    refuse_inputs_among_results(arguments.files.iter().chain(&arguments.link), out)?;
    let weights = open_weights(arguments.weights.as_deref())?;
    let settings = settings_of(arguments, &weights)?;
    say_columns(&arguments.files, &settings.columns)?;
    let inputs = arguments.files.iter().map(|path| InputFile::open(path)).collect::<Result<_>>()?;
    let start = Start::new(inputs, settings);
    let work = match Work::open(out, &start)? {
        Opened::Finished(manifest) => {
            say(&format!(
                "{}: this run is finished ({} reports assessed, run {}); nothing was done",
                out.display(),
                manifest.read.assessed,
                manifest.run_id
            ));
            return Ok(ExitStatus::Done);
        }
        Opened::Unfinished(work) => work,
    };
    if work.resumed {
        say(&format!("going on after {} records", work.mark.records));
    }
    let options = AssessOptions { abstain: arguments.abstain, ..AssessOptions::default() };
    let assessor = arguments.reading.open(options)?;
    let mut ticker = Ticker::new();
    let tally = pipeline::assess(&work, &start, &assessor, &mut |progress| ticker.tell(&progress));
    ticker.end();
    let tally = tally?;
    if tally.assessed == 0 {
        return Err(nothing(work, &tally)?);
    }
    let identity = assessor.identity().clone();
    // Linking needs the memory.
    drop(assessor);
    say("linking and ranking");
    let read = arguments.link.as_ref().map(|path| move |take: &mut Take<'_>| store::read(path, take));
    let beside = read.as_ref().map(|read| read as Beside<'_>);
    let found = gather::gather(&work, &start, &identity, &weights, beside)?;
    draw(&work, &found, &tally, &start)?;
    let status = finish(work, &found, tally, start, began)?;
    say(&format!("written to {}: {RANKED}, {PAGE}, courses.jsonl and the rest", out.display()));
    Ok(status)
}

/// Views for people and spreadsheets.
fn draw(work: &Work, found: &Found, tally: &Tally, start: &Start) -> Result<()> {
    write_whole(&work.result(RANKED), |out| render::ranked::write(found, out))?;
    write_whole(&work.result(RECORDED), |out| render::ranked::write_recorded(found, out))?;
    let shown = found.page(start.settings.top)?;
    let page = render::screen::html(found, &shown, tally, start);
    let path = work.result(PAGE);
    write_whole(&path, |out| out.write_all(page.as_bytes()).map_err(writing(&path)))
}

/// Closes a run: the manifest last, then the run's own files go.
fn finish(work: Work, found: &Found, tally: Tally, start: Start, began: Instant) -> Result<ExitStatus> {
    let names = [
        work::ASSESSMENTS,
        work::REJECTED,
        gather::COURSES,
        gather::LINKS,
        gather::COURSE_REPORTS,
        gather::FEATURES,
        RANKED,
        RECORDED,
        PAGE,
    ];
    let outputs = outputs(work.folder(), &names)?;
    let states = |recorded: bool| {
        let mut counts = std::collections::BTreeMap::new();
        for row in found.rows.iter().filter(|row| row.recorded_as_stalking == recorded) {
            *counts.entry(row.state.name().to_owned()).or_default() += 1;
        }
        counts
    };
    let manifest = Manifest {
        schema: MANIFEST_SCHEMA.into(),
        run_id: start.run_id(),
        counts: Counts {
            states: states(false),
            recorded_as_stalking: states(true),
            courses: found.courses.len() as u64,
            in_courses: found.in_courses() as u64,
            linked_with: found.beside.reports as u64,
            groups: found.groups as u64,
            compared: found.compared as u64,
        },
        outputs,
        finished: now(),
        resumed: work.resumed,
        seconds: began.elapsed().as_secs_f64(),
        start,
        read: tally,
    };
    let text = crate::model::folder::to_json(&manifest)?;
    let path = work.result(work::MANIFEST);
    write_whole(&path, |out| out.write_all(text.as_bytes()).map_err(writing(&path)))?;
    let rejected = work.result(work::REJECTED);
    work.close()?;
    say(render::screen::summary(found, &manifest.read).trim_end());
    let mut partly = false;
    for (input, read) in manifest.start.inputs.iter().zip(&manifest.read.inputs) {
        if let Some(why) = &read.ended_early {
            say(&format!("warning: {}: reading ended early: {why}", input.path.display()));
            partly = true;
        }
    }
    if manifest.read.rejected > 0 {
        say(&format!("{} records were refused: {} says why", manifest.read.rejected, rejected.display()));
        partly = true;
    }
    Ok(if partly { ExitStatus::Partly } else { ExitStatus::Done })
}

/// The time in UTC, for manifests.
fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    dates::write(time::PrimitiveDateTime::new(now.date(), now.time())) + "Z"
}

/// The error of a run in which no report was assessed; leaves no files.
fn nothing(work: Work, tally: &Tally) -> Result<Error> {
    let rejected = work.result(work::REJECTED);
    let mut reasons = std::fs::read_to_string(&rejected).unwrap_or_default();
    let cut = reasons.char_indices().nth(600).map_or(reasons.len(), |(at, _)| at);
    reasons.truncate(cut);
    if !reasons.is_empty() {
        say(reasons.trim_end());
    }
    work.abandon()?;
    let left: u64 = tally.not_screened.values().sum();
    let what = match (tally.read, left) {
        (0, _) => "the input has a header and no records".to_owned(),
        (read, 0) => format!("all {read} records were refused"),
        (read, left) => {
            format!("of {read} records {left} were not chosen and {} refused", tally.rejected)
        }
    };
    Ok(Error::new(ErrorKind::Input, format!("{what}; at least one report is needed"))
        .hint("look at the columns above, and at --closed-only, --recorded-as and --since"))
}

fn day(flag: &str, value: Option<&String>) -> Result<Option<String>> {
    let read = |value: &String| {
        dates::parse(value)
            .map(|when| dates::write_date(when.date()))
            .map_err(|why| Error::new(ErrorKind::Arguments, format!("{flag}: {why}")))
    };
    value.map(read).transpose()
}

fn settings_of(arguments: &Arguments, weights: &Weights) -> Result<Settings> {
    if let Some(per_day) = arguments.per_day
        && !(per_day.is_finite() && per_day > 0.0)
    {
        let what = format!("--per-day: {per_day} is no number of reports, one above 0 is needed");
        return Err(Error::new(ErrorKind::Arguments, what));
    }
    let files = super::model::files(arguments.reading.model.as_deref())?;
    let manifest: ModelManifest = files.json(MODEL_MANIFEST)?;
    let weights = serde_json::to_vec(weights).map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
    Ok(Settings {
        program: env!("CARGO_PKG_VERSION").into(),
        model: ModelUsed { name: manifest.name, version: manifest.version, files: manifest.files },
        link_weights: digest::sha256(&weights),
        link: arguments.link.as_deref().map(beside_file).transpose()?,
        columns: arguments.columns.map()?,
        selection: Selection {
            closed_only: arguments.closed_only,
            recorded_as: arguments.recorded_as.clone(),
            since: day("--since", arguments.since.as_ref())?,
        },
        as_of: day("--as-of", arguments.as_of.as_ref())?,
        top: usize::from(arguments.top),
        per_day: arguments.per_day,
        abstain: arguments.abstain,
        engine: arguments.reading.engine.into(),
        round_tokens: arguments.round_tokens,
    })
}

/// The file to link with, found to be one that can be read, before the night.
fn beside_file(path: &Path) -> Result<InputFile> {
    let file = InputFile::open(path)?;
    store::check(path)?;
    Ok(file)
}

/// An input that lies in the folder of the results could be written over.
fn refuse_inputs_among_results<'a>(files: impl Iterator<Item = &'a PathBuf>, out: &Path) -> Result<()> {
    let Ok(out_at) = out.canonicalize() else { return Ok(()) };
    for path in files {
        if path.canonicalize().is_ok_and(|at| at.starts_with(&out_at)) {
            let what =
                format!("{}: the input lies in {}, the folder of the results", path.display(), out.display());
            return Err(Error::new(ErrorKind::Arguments, what).hint("name another folder with --out"));
        }
    }
    Ok(())
}

/// Opens every file once, so that a wrong column is told before the night.
fn say_columns(files: &[PathBuf], columns: &ColumnMap) -> Result<()> {
    for path in files {
        let options = ReadOptions { columns: columns.clone(), ..ReadOptions::default() };
        let reader = pipeline::open(path, &options)?;
        let read: Vec<String> =
            reader.columns_read().into_iter().map(|c| format!("{} from `{}`", c.field, c.column)).collect();
        if !read.is_empty() {
            say(&format!("{}: reads {}", path.display(), read.join(", ")));
        }
        let not: Vec<&str> = reader.ignored().keys().map(String::as_str).collect();
        if !not.is_empty() {
            say(&format!("{}: does not read {}", path.display(), not.join(", ")));
        }
    }
    Ok(())
}

/// Progress: a line that is written over on a terminal, else one a minute.
struct Ticker {
    terminal: bool,
    last: Instant,
    /// When the first round of this process was done, and how far it was then.
    first: Option<(Instant, Progress)>,
    drawn: bool,
}

impl Ticker {
    fn new() -> Self {
        Self { terminal: super::on_terminal(), last: Instant::now(), first: None, drawn: false }
    }

    fn tell(&mut self, progress: &Progress) {
        let (since, first) = *self.first.get_or_insert((Instant::now(), *progress));
        let pause = if self.terminal { Duration::from_millis(500) } else { Duration::from_secs(60) };
        if self.last.elapsed() < pause {
            return;
        }
        self.last = Instant::now();
        let line = Self::line(progress, &first, since.elapsed().as_secs_f64());
        if self.terminal {
            // Nobody is left to tell when stderr is closed.
            let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
            self.drawn = true;
        } else {
            say(&line);
        }
    }

    fn line(now: &Progress, first: &Progress, seconds: f64) -> String {
        let read =
            if now.bytes_total > 0 { 100.0 * now.bytes as f64 / now.bytes_total as f64 } else { 100.0 };
        let mut line =
            format!("{} assessed, {} refused, {read:.0} % read", now.mark.assessed, now.mark.rejected);
        let assessed = now.mark.assessed.saturating_sub(first.mark.assessed);
        let bytes = now.bytes.saturating_sub(first.bytes);
        if assessed > 0 && seconds > 0.0 {
            line += &format!(", {:.0} a second", assessed as f64 / seconds);
        }
        if bytes > 0 && seconds > 0.0 {
            let left = now.bytes_total.saturating_sub(now.bytes) as f64 * seconds / bytes as f64;
            line += &match left {
                left if left < 90.0 => format!(", about {left:.0} s left"),
                left if left < 5400.0 => format!(", about {:.0} min left", left / 60.0),
                left => format!(", about {:.1} h left", left / 3600.0),
            };
        }
        line
    }

    fn end(&self) {
        if self.drawn {
            say("");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::work::Mark;

    #[test]
    fn progress_tells_rate_and_time_left() {
        let at = |assessed, bytes| Progress {
            mark: Mark { assessed, ..Mark::default() },
            bytes,
            bytes_total: 1000,
        };
        let line = Ticker::line(&at(300, 500), &at(100, 100), 10.0);
        assert_eq!(line, "300 assessed, 0 refused, 50 % read, 20 a second, about 12 s left");
        // Nothing done yet: no rate, and no division by nothing.
        assert_eq!(Ticker::line(&at(0, 0), &at(0, 0), 0.0), "0 assessed, 0 refused, 0 % read");
    }
}
