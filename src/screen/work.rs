//! A run's place on disk.
//!
//! `assessments.jsonl`, `rejected.jsonl` and `work/records.jsonl` only grow. After
//! each round they are written through to the disk, and then one line is added
//! to `work/journal.jsonl`: how many records were dealt with and how long each
//! file is. A run that was killed cuts the files to the last whole line of the
//! journal and goes on after that record, so nothing is lost and nothing comes
//! twice. `manifest.json` is written last of all; where it stands, the run is
//! finished and `work` is gone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Start;
use super::manifest::Manifest;
use crate::error::{Error, ErrorKind, Result};

/// Assessments, one a line, in the order of the input.
pub const ASSESSMENTS: &str = "assessments.jsonl";
/// Records that could not be used, with reasons.
pub const REJECTED: &str = "rejected.jsonl";
/// The manifest, by which a finished run is known.
pub const MANIFEST: &str = "manifest.json";
const WORK: &str = "work";
const RECORDS: &str = "records.jsonl";
const JOURNAL: &str = "journal.jsonl";
const START: &str = "start.json";
const LOCK: &str = "lock";

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Records dealt with: assessed, refused or left out.
    pub records: u64,
    /// Reports assessed.
    pub assessed: u64,
    /// Records refused.
    pub rejected: u64,
    /// Bytes of the three files that grow.
    pub lengths: [u64; 3],
}

/// A folder that a run may write to.
#[derive(Debug)]
pub enum Opened {
    /// A run of the same input, model and settings is finished here.
    Finished(Box<Manifest>),
    /// A run to begin or to go on with.
    Unfinished(Work),
}

/// The folder of a run that is not finished. Nobody else may write to it.
#[derive(Debug)]
pub struct Work {
    folder: PathBuf,
    /// How far the run had come when it was opened.
    pub mark: Mark,
    /// Whether it goes on after a stop.
    pub resumed: bool,
    _lock: File,
}

fn write_error(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let full = matches!(error.kind(), Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge);
    let failed = Error::io(path, error);
    if full {
        failed.hint("make room and give the same command again: it goes on where it stopped")
    } else {
        failed
    }
}

/// Writes a file whole: under another name first, through to the disk, then renamed.
///
/// # Errors
///
/// When the folder cannot be written to; no part of the file is left then.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let half = path.with_extension("part");
    let write = || {
        let file = File::create(&half).map_err(|error| write_error(&half, error))?;
        let mut out = std::io::BufWriter::with_capacity(1 << 16, file);
        fill(&mut out)?;
        let file = out.into_inner().map_err(|error| write_error(&half, error.into_error()))?;
        file.sync_all().map_err(|error| write_error(&half, error))
    };
    let done = write().and_then(|()| std::fs::rename(&half, path).map_err(|error| write_error(path, error)));
    if done.is_err() {
        // Nothing more can be done where even this fails.
        let _ = std::fs::remove_file(&half);
    }
    done
}

/// An error of writing to `path`, with what to do when the disk is full.
pub fn writing(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |error| write_error(path, error)
}

impl Work {
    /// Opens `folder` for a run, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written to, another run is at work in it, an
    /// earlier run there read another input or had other settings, or files
    /// with the names of results lie there that no run of ours left.
    pub fn open(folder: &Path, start: &Start) -> Result<Opened> {
        let place = folder.join(WORK);
        let manifest = folder.join(MANIFEST);
        if manifest.exists() {
            let earlier = Manifest::read(&manifest)?;
            refuse_other(folder, start, &earlier.start)?;
            earlier.check_outputs(folder)?;
            // A run that was killed between its last two steps left this.
            if place.exists() {
                std::fs::remove_dir_all(&place).map_err(writing(&place))?;
            }
            return Ok(Opened::Finished(Box::new(earlier)));
        }
        let begun = place.join(START);
        if !begun.exists() {
            for name in [ASSESSMENTS, REJECTED] {
                if folder.join(name).exists() {
                    let what =
                        format!("{}: holds {name}, which no run of this program left", folder.display());
                    return Err(Error::new(ErrorKind::Arguments, what).hint("name a new folder with --out"));
                }
            }
        }
        std::fs::create_dir_all(&place).map_err(writing(&place))?;
        let lock_path = place.join(LOCK);
        let lock = File::create(&lock_path).map_err(writing(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("{}: another run is at work in this folder", folder.display());
                return Err(Error::new(ErrorKind::Arguments, what)
                    .hint("wait for it, or name another folder with --out"));
            }
            // Some file systems of networks know no locks; the run goes on without one.
            Err(TryLockError::Error(_)) => {}
        }
        let resumed = begun.exists();
        if resumed {
            let text = std::fs::read(&begun).map_err(|error| Error::io(&begun, error))?;
            let earlier: Start = serde_json::from_slice(&text)
                .map_err(|error| Error::new(ErrorKind::Data, format!("{}: {error}", begun.display())))?;
            refuse_other(folder, start, &earlier)?;
        } else {
            let text = crate::model::folder::to_json(start)?;
            write_whole(&begun, |out| out.write_all(text.as_bytes()).map_err(writing(&begun)))?;
        }
        let mut work = Self { folder: folder.to_owned(), mark: Mark::default(), resumed, _lock: lock };
        work.mark = work.last_mark()?;
        Ok(Opened::Unfinished(work))
    }

    /// The folder of the results.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file among the results.
    pub fn result(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file that is gone when the run is finished.
    pub fn passing(&self, name: &str) -> PathBuf {
        self.folder.join(WORK).join(name)
    }

    /// Reports and vectors of the assessments, line by line.
    pub fn records(&self) -> PathBuf {
        self.passing(RECORDS)
    }

    fn growing(&self) -> [PathBuf; 3] {
        [self.result(ASSESSMENTS), self.result(REJECTED), self.records()]
    }

    /// The last whole line of the journal that the files bear out.
    fn last_mark(&self) -> Result<Mark> {
        let path = self.passing(JOURNAL);
        let mut text = Vec::new();
        match File::open(&path) {
            Ok(mut file) => file.read_to_end(&mut text).map_err(|error| Error::io(&path, error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Mark::default()),
            Err(error) => return Err(Error::io(&path, error)),
        };
        let mut lengths = [0; 3];
        for (length, path) in lengths.iter_mut().zip(self.growing()) {
            *length = std::fs::metadata(&path).map_or(0, |about| about.len());
        }
        let borne_out = |mark: &Mark| mark.lengths.iter().zip(lengths).all(|(wanted, is)| *wanted <= is);
        let lines = text.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n"));
        let marks = lines.filter_map(|line| serde_json::from_slice::<Mark>(line).ok());
        Ok(marks.rev().find(borne_out).unwrap_or_default())
    }

    /// Opens the files that grow, cut to where the run stood.
    ///
    /// # Errors
    ///
    /// When a file cannot be opened or cut.
    pub fn writer(&self) -> Result<Writer> {
        let open = |path: PathBuf, length: u64| -> Result<(PathBuf, File)> {
            let options = OpenOptions::new().append(true).create(true).open(&path);
            let file = options.map_err(writing(&path))?;
            file.set_len(length).map_err(writing(&path))?;
            Ok((path, file))
        };
        let [assessments, rejected, records] = self.growing();
        let [a, b, c] = self.mark.lengths;
        let journal = self.passing(JOURNAL);
        // The journal is begun anew, so that half a line at its end is gone.
        let start = if self.mark == Mark::default() { String::new() } else { mark_line(&self.mark)? };
        write_whole(&journal, |out| out.write_all(start.as_bytes()).map_err(writing(&journal)))?;
        Ok(Writer {
            files: [open(assessments, a)?, open(rejected, b)?, open(records, c)?],
            journal: open(journal, start.len() as u64)?,
            journal_length: start.len() as u64,
            mark: self.mark,
        })
    }

    /// Takes the run's own files away, after the manifest was written.
    ///
    /// # Errors
    ///
    /// When a file cannot be taken away.
    pub fn close(self) -> Result<()> {
        let place = self.folder.join(WORK);
        std::fs::remove_dir_all(&place).map_err(writing(&place))
    }

    /// Takes away all that a run wrote that came to nothing.
    ///
    /// # Errors
    ///
    /// When a file cannot be taken away.
    pub fn abandon(self) -> Result<()> {
        for path in [self.result(ASSESSMENTS), self.result(REJECTED)] {
            if path.exists() {
                std::fs::remove_file(&path).map_err(writing(&path))?;
            }
        }
        let folder = self.folder.clone();
        self.close()?;
        // A folder that held nothing else goes, too; one that did stays.
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }
}

fn refuse_other(folder: &Path, now: &Start, earlier: &Start) -> Result<()> {
    let differences = now.differences(earlier);
    if differences.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{}: an earlier run in this folder was another one; what differs:\n  {}",
        folder.display(),
        differences.join("\n  ")
    );
    Err(Error::new(ErrorKind::Arguments, what)
        .hint("give the earlier command again, or name a new folder with --out"))
}

fn mark_line(mark: &Mark) -> Result<String> {
    let text =
        serde_json::to_string(mark).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    Ok(text + "\n")
}

/// What a round adds to the files, in their order: assessments, refusals, records.
#[derive(Debug, Default)]
pub struct Round {
    /// Lines to add to each file.
    pub lines: [Vec<u8>; 3],
    /// Records dealt with so far, this round included.
    pub records: u64,
    /// Reports assessed in this round.
    pub assessed: u64,
    /// Records refused in this round.
    pub rejected: u64,
}

/// The files that grow.
#[derive(Debug)]
pub struct Writer {
    files: [(PathBuf, File); 3],
    journal: (PathBuf, File),
    journal_length: u64,
    mark: Mark,
}

impl Writer {
    /// Adds a round and notes it in the journal.
    ///
    /// # Errors
    ///
    /// When a file cannot be written; the files are cut to where they stood
    /// before, so that no half line is left.
    pub fn add(&mut self, round: &Round) -> Result<Mark> {
        let done = self.try_add(round);
        if done.is_err() {
            for ((_, file), length) in self.files.iter().zip(self.mark.lengths) {
                // What cannot be cut is cut when the run goes on.
                let _ = file.set_len(length);
            }
            let _ = self.journal.1.set_len(self.journal_length);
        }
        done
    }

    fn try_add(&mut self, round: &Round) -> Result<Mark> {
        let mut mark = Mark {
            records: round.records,
            assessed: self.mark.assessed + round.assessed,
            rejected: self.mark.rejected + round.rejected,
            lengths: self.mark.lengths,
        };
        for (((path, file), lines), length) in self.files.iter_mut().zip(&round.lines).zip(&mut mark.lengths)
        {
            if !lines.is_empty() {
                file.write_all(lines).and_then(|()| file.sync_data()).map_err(writing(path))?;
                *length += lines.len() as u64;
            }
        }
        let line = mark_line(&mark)?;
        let (path, file) = &mut self.journal;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(writing(path))?;
        self.journal_length += line.len() as u64;
        self.mark = mark;
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::start;
    use super::*;

    fn unfinished(folder: &Path) -> Work {
        match Work::open(folder, &start()).unwrap() {
            Opened::Unfinished(work) => work,
            Opened::Finished(_) => panic!("not finished"),
        }
    }

    fn round(n: u64) -> Round {
        let line = format!("line {n}\n").into_bytes();
        Round { lines: [line.clone(), Vec::new(), line], records: n, assessed: 1, rejected: 0 }
    }

    #[test]
    fn a_run_goes_on_after_its_last_whole_mark() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("out");
        let work = unfinished(&place);
        assert!(!work.resumed);
        let mut writer = work.writer().unwrap();
        for n in 1..=3 {
            writer.add(&round(n)).unwrap();
        }
        drop((writer, work));
        let (journal, data) = (place.join("work/journal.jsonl"), place.join(ASSESSMENTS));
        let whole = std::fs::read(&journal).unwrap();
        let grown = std::fs::read(&data).unwrap();
        // Killed at any byte of the journal, with half a round in the data.
        for cut in 0..=whole.len() {
            std::fs::write(&journal, &whole[..cut]).unwrap();
            std::fs::write(&data, [&grown[..], b"{\"half"].concat()).unwrap();
            std::fs::write(place.join("work/records.jsonl"), &grown).unwrap();
            let work = unfinished(&place);
            let lines = whole[..cut].iter().filter(|b| **b == b'\n').count() as u64;
            assert_eq!((work.mark.records, work.resumed), (lines, true), "{cut}");
            let mut writer = work.writer().unwrap();
            for n in lines + 1..=3 {
                writer.add(&round(n)).unwrap();
            }
            assert_eq!(std::fs::read(&data).unwrap(), grown, "{cut}");
        }
        // A journal that is ahead of the data is not believed.
        std::fs::write(&journal, &whole).unwrap();
        std::fs::write(&data, &grown[..10]).unwrap();
        assert_eq!(unfinished(&place).mark.records, 1);
    }

    #[test]
    fn one_run_at_a_time_and_no_other_run() {
        let folder = tempfile::tempdir().unwrap();
        let work = unfinished(folder.path());
        let error = Work::open(folder.path(), &start()).unwrap_err();
        assert!(error.to_string().contains("another run is at work"), "{error}");
        drop(work);
        let mut other = start();
        other.settings.top = 5;
        let error = Work::open(folder.path(), &other).unwrap_err();
        assert!(error.to_string().contains("top: was 100, is 5"), "{error}");
    }

    #[test]
    fn results_of_others_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(ASSESSMENTS), "mine").unwrap();
        let error = Work::open(folder.path(), &start()).unwrap_err();
        assert!(error.to_string().contains("no run of this program left"), "{error}");
        assert_eq!(std::fs::read(folder.path().join(ASSESSMENTS)).unwrap(), b"mine");
    }

    #[test]
    fn a_file_that_failed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let failed = write_whole(&path, |out| {
            out.write_all(b"half").map_err(writing(&path))?;
            Err(Error::new(ErrorKind::Io, "no room"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
