//! Reading, assessing and writing at once, in bounded memory: one thread
//! parses and chooses, one assesses, one writes. Between them wait one round
//! each, and a round is bounded by its tokens, not by its reports. Results are
//! written in the order of the input.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::{Deserialize, Serialize};

use super::work::{Mark, Round, Work, Writer};
use super::{InputFile, Start};
use crate::assess::{Assessment, Assessor};
use crate::error::{Error, ErrorKind, Result};
use crate::features::Assessed;
use crate::report::read::{Format, ReadOptions, Reader, Run, is_parquet, open_parquet, unpack};
use crate::report::{Rejected, Report};

/// The most characters that a narrative may have. A cell that is longer holds
/// something else, or a quote in it was never closed.
pub const NARRATIVE_MOST: usize = 600_000;

/// Records of a round, whatever their length.
const ROUND_MOST: usize = 4096;

/// Names of columns and classes that are counted one by one.
const NAMES_MOST: usize = 200;

/// A refused record, as `rejected.jsonl` holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLine {
    /// The form of this line.
    pub schema: &'static str,
    /// The file, by its place among the inputs, from 1.
    pub input: usize,
    /// The line that the record starts on, from 1.
    pub line: u64,
    /// Its id, as far as it could be read.
    pub id: Option<String>,
    /// Why it cannot be used.
    pub reason: String,
}

/// The report and the vector of an assessment, as they wait to be gathered.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordLine {
    /// The report.
    pub report: Report,
    /// Its vector for linking, each number in 1/127.
    pub vector: Vec<i8>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records read, refused ones included.
    pub read: u64,
    /// Reports assessed.
    pub assessed: u64,
    /// Records refused.
    pub rejected: u64,
    /// Reports that were not chosen, by the reason.
    pub not_screened: BTreeMap<String, u64>,
    /// Reports without any date.
    pub undated: u64,
    /// Refused dates that month first would be read.
    pub month_first: u64,
    /// What was read of each file, in their order.
    pub inputs: Vec<InputRead>,
}

/// What was read of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRead {
    /// Columns that were read, as `field = column`.
    pub read: Vec<String>,
    /// Columns that were not, and in how many records each held something.
    pub not_read: BTreeMap<String, u64>,
    /// Why reading ended before the end of the file, if it did.
    pub ended_early: Option<String>,
}

/// How far a run is, for whoever waits.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How far it has come.
    pub mark: Mark,
    /// Bytes of the input that were read, as they lie on disk.
    pub bytes: u64,
    /// Bytes of the input in all.
    pub bytes_total: u64,
}

/// Counts the bytes that are read from a file.
struct Counting {
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A record as the reading thread hands it on; the number is that of its file.
enum Item {
    Report(Box<Report>),
    Rejected(usize, Rejected),
}

/// Records that are assessed together, and how many were dealt with after them.
struct Batch {
    items: Vec<Item>,
    records: u64,
}

/// Opens an input for reading, unpacked where it is packed.
///
/// # Errors
///
/// When the file cannot be opened or lacks a column that is needed.
pub fn open(path: &Path, options: &ReadOptions) -> Result<Reader> {
    open_counted(path, options, &Arc::default())
}

fn open_counted(path: &Path, options: &ReadOptions, bytes: &Arc<AtomicU64>) -> Result<Reader> {
    let name = path.display().to_string();
    if is_parquet(path) {
        let reader = open_parquet(path, options)?;
        // How far it is cannot be seen; it counts as read.
        let length = std::fs::metadata(path).map_or(0, |about| about.len());
        bytes.fetch_add(length, Ordering::Relaxed);
        return Ok(reader);
    }
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let counting = Counting { file, bytes: bytes.clone() };
    let mut source = unpack(BufReader::with_capacity(1 << 16, counting), &name)?;
    let format = match Format::of_path(path) {
        // An export may be named `.txt` or `.dat`; it has columns all the same.
        Format::PlainText => {
            let start = source.fill_buf().map_err(|error| Error::io(path, error))?;
            if Format::of_start(start) == Format::JsonLines { Format::JsonLines } else { Format::Csv }
        }
        format => format,
    };
    Reader::new(source, format, &name, options)
}

/// Reads, assesses and writes all that the run has not dealt with yet.
///
/// `tell` is called after each round.
///
/// # Errors
///
/// When a file cannot be read or written or the model fails; what was written
/// before stands, and the run can go on.
pub fn assess(
    work: &Work,
    start: &Start,
    assessor: &Assessor,
    tell: &mut dyn FnMut(Progress),
) -> Result<Tally> {
    let bytes = Arc::new(AtomicU64::new(0));
    let bytes_total = start.inputs.iter().map(|input| input.bytes).sum();
    let writer = work.writer()?;
    let (to_assess, batches) = sync_channel::<Batch>(1);
    let (to_write, rounds) = sync_channel::<Round>(1);
    let (to_tell, marks) = std::sync::mpsc::channel::<Mark>();
    let done = std::thread::scope(|scope| {
        let read_bytes = bytes.clone();
        let reading = scope.spawn(move || read_all(start, work.mark.records, &read_bytes, &to_assess));
        let writing = scope.spawn(move || write_all(writer, &rounds, &to_tell));
        let assessed = assess_all(assessor, &batches, &to_write, &mut || {
            for mark in marks.try_iter() {
                tell(Progress { mark, bytes: bytes.load(Ordering::Relaxed), bytes_total });
            }
        });
        // The ends of the channels go, so that both threads come to an end.
        drop((batches, to_write));
        let written = joined(writing.join());
        for mark in marks.try_iter() {
            tell(Progress { mark, bytes: bytes.load(Ordering::Relaxed), bytes_total });
        }
        let tally = joined(reading.join());
        // A full disk is the cause, a closed channel only its consequence.
        written?;
        assessed?;
        tally
    })?;
    Ok(done)
}

fn joined<T>(ended: std::thread::Result<Result<T>>) -> Result<T> {
    ended.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a thread of the run stopped on a fault")))
}

/// The reading thread. A closed channel means that nobody waits any more.
fn read_all(
    start: &Start,
    done: u64,
    bytes: &Arc<AtomicU64>,
    to_assess: &SyncSender<Batch>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let run = Run::default();
    let mut items = Vec::new();
    let mut tokens = 0usize;
    for (number, input) in start.inputs.iter().enumerate() {
        let options = ReadOptions {
            columns: start.settings.columns.clone(),
            run: Some(run.clone()),
            label: Some(format!("input {}", number + 1)),
            text_most: Some(NARRATIVE_MOST),
        };
        let mut reader = open_counted(&input.path, &options, bytes)?;
        for record in reader.by_ref() {
            tally.read += 1;
            let item = match chosen(start, record, &mut tally) {
                None => continue,
                Some(Ok(report)) => Item::Report(report),
                Some(Err(rejected)) => Item::Rejected(number + 1, rejected),
            };
            if tally.read <= done {
                continue;
            }
            let next = match &item {
                Item::Report(report) => tokens_of(&report.text),
                Item::Rejected(..) => 0,
            };
            // The round ends before this record where it would become too long.
            if tokens > 0 && tokens + next > start.settings.round_tokens || items.len() >= ROUND_MOST {
                let batch = Batch { items: std::mem::take(&mut items), records: tally.read - 1 };
                if to_assess.send(batch).is_err() {
                    return Ok(tally);
                }
                tokens = 0;
            }
            items.push(item);
            tokens += next;
        }
        tally.inputs.push(read_of(&reader, input));
    }
    // The last round may be empty, but it says that all was read.
    if tally.read > done {
        let _ = to_assess.send(Batch { items, records: tally.read });
    }
    Ok(tally)
}

/// Tokens of a text, about: four bytes each, and two that mark its ends.
fn tokens_of(text: &str) -> usize {
    text.len() / 4 + 2
}

/// A record that is to be assessed or refused; `None` when it was not chosen.
fn chosen(
    start: &Start,
    record: std::result::Result<Report, Rejected>,
    tally: &mut Tally,
) -> Option<std::result::Result<Box<Report>, Rejected>> {
    let refused = |tally: &mut Tally, rejected: Rejected| {
        tally.rejected += 1;
        tally.month_first += u64::from(rejected.reason.contains("month first it would be"));
        Some(Err(rejected))
    };
    let report = match record {
        Ok(report) => report,
        Err(rejected) => return refused(tally, rejected),
    };
    if let Some(why) = start.settings.selection.leaves_out(&report) {
        *tally.not_screened.entry(why.to_owned()).or_default() += 1;
        return None;
    }
    tally.assessed += 1;
    tally.undated += u64::from(report.reported_at.or(report.occurred_from).is_none());
    Some(Ok(Box::new(report)))
}

fn read_of(reader: &Reader, input: &InputFile) -> InputRead {
    let read = reader.columns_read().into_iter().map(|c| format!("{} = {}", c.field, c.column)).collect();
    let mut not_read = reader.ignored().clone();
    while not_read.len() > NAMES_MOST {
        not_read.pop_last();
    }
    // The path stands in the message; results must not hold it.
    let path = input.path.display().to_string();
    let ended_early = reader.failure().map(|error| error.to_string().replace(&format!("{path}: "), ""));
    InputRead { read, not_read, ended_early }
}

/// The assessing thread, which is the caller's.
fn assess_all(
    assessor: &Assessor,
    batches: &Receiver<Batch>,
    to_write: &SyncSender<Round>,
    told: &mut dyn FnMut(),
) -> Result<()> {
    for batch in batches {
        let mut round = Round { records: batch.records, ..Round::default() };
        let mut reports = Vec::new();
        for item in batch.items {
            match item {
                Item::Report(report) => reports.push(*report),
                Item::Rejected(input, rejected) => {
                    let Rejected { line, id, reason } = rejected;
                    let schema = "throughline.rejected/1";
                    add_line(&mut round.lines[1], &RejectedLine { schema, input, line, id, reason })?;
                    round.rejected += 1;
                }
            }
        }
        round.assessed = reports.len() as u64;
        let answers = if reports.is_empty() { Vec::new() } else { assessor.assess_with_vectors(&reports)? };
        for (report, (assessment, vector)) in reports.into_iter().zip(answers) {
            let Assessed { report, assessment, vector, .. } = Assessed::new(report, assessment, &vector);
            add_line::<Assessment>(&mut round.lines[0], &assessment)?;
            add_line(&mut round.lines[2], &RecordLine { report, vector })?;
        }
        if to_write.send(round).is_err() {
            // The writing thread has stopped, and its error says why.
            return Ok(());
        }
        told();
    }
    Ok(())
}

fn add_line<T: Serialize>(lines: &mut Vec<u8>, value: &T) -> Result<()> {
    serde_json::to_writer(&mut *lines, value)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write JSON: {error}")))?;
    lines.push(b'\n');
    Ok(())
}

/// The writing thread.
fn write_all(
    mut writer: Writer,
    rounds: &Receiver<Round>,
    told: &std::sync::mpsc::Sender<Mark>,
) -> Result<()> {
    for round in rounds {
        let mark = writer.add(&round)?;
        // Nobody may be left to tell.
        let _ = told.send(mark);
    }
    Ok(())
}
