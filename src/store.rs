//! A store of reports in one SQLite file: what linking knows of each, which
//! courses they are in, and what people have decided. A new report joins what
//! is there without relinking it: its keys are looked up in indexed tables,
//! its few candidates are read and compared, and only the courses that it
//! touches can change.
//!
//! The store holds features, never narratives.

mod add;
mod counts;
mod fill;
mod rows;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::error::{Error, ErrorKind, Result};
use crate::features::{FEATURES_DB_SCHEMA, Features};
use crate::link::{Decisions, Group};

pub use add::Added;

/// The form of store that this program reads and writes.
pub const STORE_SCHEMA: &str = "throughline.store/1";

/// Seconds to wait for another program that writes.
const PATIENCE_S: u64 = 10;

const TABLES: &str = "
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- day: days since 1 January 1970. indicators and words: with spaces between.
-- vector: signed bytes, each number in 1/127. course: none where it is linked to nothing.
CREATE TABLE report (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, day INTEGER, force TEXT, p REAL NOT NULL,
    relationship TEXT NOT NULL, indicators TEXT NOT NULL, words TEXT NOT NULL, text_hash INTEGER NOT NULL,
    vector BLOB NOT NULL, course INTEGER);
CREATE INDEX report_course ON report (course) WHERE course IS NOT NULL;
CREATE TABLE identifier (
    report INTEGER NOT NULL, item INTEGER NOT NULL, kind TEXT NOT NULL, role TEXT, value TEXT NOT NULL,
    first INTEGER, last INTEGER, PRIMARY KEY (report, item)) WITHOUT ROWID;
-- In how many reports a value stands, by class and stable hash of the value.
CREATE TABLE tally (
    class INTEGER NOT NULL, value INTEGER NOT NULL, reports INTEGER NOT NULL, PRIMARY KEY (class, value)) WITHOUT ROWID;
-- Keys of blocking; place: day and hash of the id, so that neighbours in time lie together.
CREATE TABLE block (
    key INTEGER NOT NULL, place INTEGER NOT NULL, report INTEGER NOT NULL, PRIMARY KEY (key, place, report)) WITHOUT ROWID;
-- Cells of near vectors: their centroids, and their vectors.
CREATE TABLE cell (number INTEGER PRIMARY KEY, centroid BLOB NOT NULL);
CREATE TABLE near (
    cell INTEGER NOT NULL, report INTEGER NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (cell, report)) WITHOUT ROWID;
-- Pairs that join a group, and each report's best candidates when it came.
CREATE TABLE link (a INTEGER NOT NULL, b INTEGER NOT NULL, bits REAL NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE course (number INTEGER PRIMARY KEY, weakest_link_bits REAL NOT NULL, weakest_merge_bits REAL NOT NULL);
-- What people decided, in order; the last word on a pair counts.
CREATE TABLE decision (number INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT NOT NULL, together INTEGER NOT NULL);
";

/// A store that is open for reading and writing.
pub struct Store {
    database: Connection,
    path: PathBuf,
}

fn failed(path: &Path, error: rusqlite::Error) -> Error {
    let busy =
        matches!(&error, rusqlite::Error::SqliteFailure(e, _) if e.code == rusqlite::ErrorCode::DatabaseBusy);
    let said = Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error);
    if busy { said.hint("another program is writing to this store; wait until it has done") } else { said }
}

/// Whether a file is an SQLite database, by its first bytes.
///
/// # Errors
///
/// When the file cannot be read.
pub fn is_database(path: &Path) -> Result<bool> {
    use std::io::Read;
    if path.is_dir() {
        return Ok(false);
    }
    let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
    let mut start = Vec::new();
    file.take(16).read_to_end(&mut start).map_err(|error| Error::io(path, error))?;
    Ok(start == b"SQLite format 3\0")
}

/// The form of a database of this program, if it says one.
fn form(database: &Connection, path: &Path) -> Result<String> {
    let asked = database.query_row("SELECT value FROM about WHERE key = 'schema'", [], |row| row.get(0));
    asked.map_err(|error| {
        Error::new(ErrorKind::Data, format!("{}: is no store and no features: {error}", path.display()))
            .hint(format!("needed is a database of form `{STORE_SCHEMA}` or `{FEATURES_DB_SCHEMA}`"))
    })
}

/// A store or a `features.db`, opened for reading, and its form.
fn open_known(path: &Path) -> Result<(Connection, String)> {
    let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let database = opened.map_err(|error| failed(path, error))?;
    let form = form(&database, path)?;
    if form == STORE_SCHEMA || form == FEATURES_DB_SCHEMA {
        return Ok((database, form));
    }
    let what = format!(
        "{}: is of form `{form}`, this program reads `{STORE_SCHEMA}` and `{FEATURES_DB_SCHEMA}`",
        path.display()
    );
    Err(Error::new(ErrorKind::Data, what))
}

/// Finds out whether [`read`] can read a file as it lies there.
///
/// # Errors
///
/// When the file is no such database, or when another program has not yet put
/// all of its changes into it.
pub fn check(path: &Path) -> Result<()> {
    open_known(path)?;
    // SQLite's log of changes that are still to come into the file.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if std::fs::metadata(&log).is_ok_and(|about| about.len() > 0) {
        let what = format!("{}: holds changes that are not in the file yet", path.display());
        return Err(Error::new(ErrorKind::Io, what).hint(
            "wait until the program that writes to it has done; if none does, `throughline link --store` brings it in order",
        ));
    }
    Ok(())
}

/// Reads the features of a store or of a `features.db`, and what people have
/// decided; `take` gets them in rounds.
///
/// # Errors
///
/// When the file is no such database or cannot be read.
pub fn read(path: &Path, take: &mut dyn FnMut(Vec<Features>) -> Result<()>) -> Result<Decisions> {
    let (database, form) = open_known(path)?;
    if form == STORE_SCHEMA {
        rows::stream(&database, path, "report, item", take)?;
        decisions(&database).map_err(|error| failed(path, error))
    } else {
        rows::stream(&database, path, "rowid", take)?;
        Ok(Decisions::default())
    }
}

fn decisions(database: &Connection) -> rusqlite::Result<Decisions> {
    let mut decisions = Decisions::default();
    let mut select = database.prepare_cached("SELECT a, b, together FROM decision ORDER BY number")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (a, b): (String, String) = (row.get(0)?, row.get(1)?);
        decisions.decide(&a, &b, row.get(2)?);
    }
    Ok(decisions)
}

impl Store {
    /// Opens a store, or makes an empty one where there is no file.
    ///
    /// # Errors
    ///
    /// When the file is no store of this form, or cannot be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        let new = !path.exists();
        let begin = || {
            let database = Connection::open(path)?;
            database.busy_timeout(std::time::Duration::from_secs(PATIENCE_S))?;
            database.set_prepared_statement_cache_capacity(64);
            if new {
                database.execute_batch(TABLES)?;
                database.execute("INSERT INTO about VALUES ('schema', ?1)", [STORE_SCHEMA])?;
                database.execute("INSERT INTO about VALUES ('reports', '0')", [])?;
            }
            Ok(database)
        };
        let database = begin().map_err(|error| failed(path, error))?;
        let store = Self { database, path: path.to_owned() };
        let form = form(&store.database, path)?;
        if form != STORE_SCHEMA {
            let what = format!("{}: is of form `{form}`, a store is `{STORE_SCHEMA}`", path.display());
            return Err(Error::new(ErrorKind::Data, what));
        }
        store.tried(|db| {
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "NORMAL")?;
            db.pragma_update(None, "mmap_size", 1_i64 << 30)
        })?;
        Ok(store)
    }

    fn tried<T>(&self, job: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        job(&self.database).map_err(|error| failed(&self.path, error))
    }

    /// Reports that the store holds.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn reports(&self) -> Result<usize> {
        self.tried(reports)
    }

    /// Whether the store holds a report of this id.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn holds(&self, id: &str) -> Result<bool> {
        let number = self.tried(|db| {
            let mut select = db.prepare_cached("SELECT number FROM report WHERE id = ?1")?;
            select.query_row([id], |row| row.get::<_, i64>(0)).optional()
        })?;
        Ok(number.is_some())
    }

    /// Courses as they stand, by number, with their reports in the order of ids.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn courses(&self) -> Result<Vec<(i64, Group)>> {
        self.tried(|db| {
            let mut numbers = db.prepare_cached("SELECT number FROM course ORDER BY number")?;
            let numbers: Vec<i64> =
                numbers.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            numbers.into_iter().map(|number| Ok((number, group(db, number)?))).collect()
        })
    }

    /// The course that a report is in, if any.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn course_of(&self, id: &str) -> Result<Option<(i64, Group)>> {
        self.tried(|db| {
            let mut select = db.prepare_cached("SELECT course FROM report WHERE id = ?1")?;
            let course: Option<Option<i64>> = select.query_row([id], |row| row.get(0)).optional()?;
            course.flatten().map(|number| Ok((number, group(db, number)?))).transpose()
        })
    }

    /// The features of reports by their ids; those that the store does not
    /// hold are left out.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn features(&self, ids: &[String]) -> Result<Vec<Features>> {
        self.tried(|db| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let mut select = db.prepare_cached("SELECT number FROM report WHERE id = ?1")?;
                if let Some(number) = select.query_row([id], |row| row.get(0)).optional()? {
                    found.push(rows::features(db, number)?);
                }
            }
            Ok(found)
        })
    }

    /// What people have decided.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn decisions(&self) -> Result<Decisions> {
        self.tried(decisions)
    }
}

fn reports(database: &Connection) -> rusqlite::Result<usize> {
    let mut select = database.prepare_cached("SELECT value FROM about WHERE key = 'reports'")?;
    let text: String = select.query_row([], |row| row.get(0))?;
    Ok(text.parse().unwrap_or(0))
}

/// A course with its reports in the order of ids.
fn group(database: &Connection, number: i64) -> rusqlite::Result<Group> {
    let mut select = database.prepare_cached("SELECT id FROM report WHERE course = ?1 ORDER BY id")?;
    let reports = select.query_map([number], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut bits = database
        .prepare_cached("SELECT weakest_link_bits, weakest_merge_bits FROM course WHERE number = ?1")?;
    let (link, merge): (f64, f64) = bits.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Group {
        reports,
        p_linked: crate::link::weights::probability(merge),
        weakest_link_bits: crate::link::round4(link),
    })
}

#[cfg(test)]
mod tests;
