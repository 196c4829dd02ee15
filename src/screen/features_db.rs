//! `features.db`: what linking may know of each report, as SQLite, so that a
//! later batch or a store can link with it; no narrative. Beside it stands what
//! the monthly return counts.
//!
//! The same rows in the same order give the same bytes.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use super::Row;
use crate::assess::ModelIdentity;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{FEATURES_DB_SCHEMA, Features};

const TABLES: &str = "
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- day: days since 1 January 1970. indicators and words: with spaces between.
-- vector: signed bytes, each number in 1/127.
CREATE TABLE report (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, day INTEGER, force TEXT, p REAL NOT NULL,
    relationship TEXT NOT NULL, indicators TEXT NOT NULL, words TEXT NOT NULL, text_hash INTEGER NOT NULL,
    vector BLOB NOT NULL);
-- first and last: characters of the narrative; none where it stood in a column.
CREATE TABLE identifier (
    report INTEGER NOT NULL REFERENCES report (number), kind TEXT NOT NULL, role TEXT, value TEXT NOT NULL,
    first INTEGER, last INTEGER);
CREATE INDEX identifier_value ON identifier (kind, value);
-- What the monthly return counts; days as above, flags with spaces between.
CREATE TABLE screened (
    report INTEGER PRIMARY KEY REFERENCES report (number), state TEXT NOT NULL, recorded_as TEXT, stalking INTEGER NOT NULL,
    district TEXT, outcome TEXT, reported INTEGER, closed INTEGER, flags TEXT NOT NULL, domestic INTEGER NOT NULL);
";

/// Writes reports one by one; nothing is there until [`Writer::finish`].
pub struct Writer {
    database: Connection,
    number: i64,
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
    move |error| {
        let full =
            matches!(&error, rusqlite::Error::SqliteFailure(e, _) if e.code == rusqlite::ErrorCode::DiskFull);
        let said = Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error);
        if full {
            said.hint("make room and give the same command again: it goes on where it stopped")
        } else {
            said
        }
    }
}

impl Writer {
    /// Begins a new database; one that lies there is written over. `as_of` is
    /// the day to which ages are counted.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn create(path: &Path, model: &ModelIdentity, as_of: Option<i32>) -> Result<Self> {
        if path.exists() {
            std::fs::remove_file(path).map_err(|error| Error::io(path, error))?;
        }
        let begin = || {
            let database = Connection::open(path)?;
            // A run that was killed begins this file anew, so no journal is needed.
            database.pragma_update(None, "journal_mode", "OFF")?;
            database.pragma_update(None, "synchronous", "OFF")?;
            database.pragma_update(None, "cache_size", -8192)?;
            database.execute_batch(TABLES)?;
            database.execute_batch("BEGIN")?;
            let about = [
                ("schema", FEATURES_DB_SCHEMA),
                ("model", &model.name),
                ("model_version", &model.version),
                ("model_sha256", &model.sha256),
            ];
            for (key, value) in about {
                database.execute("INSERT INTO about VALUES (?1, ?2)", [key, value])?;
            }
            if let Some(day) = as_of {
                database.execute("INSERT INTO about VALUES ('as_of', ?1)", [day.to_string()])?;
            }
            Ok(database)
        };
        let database = begin().map_err(failed(path))?;
        Ok(Self { database, number: 0 })
    }

    /// Adds a report.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn add(&mut self, path: &Path, features: &Features, row: &Row) -> Result<()> {
        self.number += 1;
        self.try_add(features, row).map_err(failed(path))
    }

    fn try_add(&self, f: &Features, row: &Row) -> rusqlite::Result<()> {
        let names: Vec<&str> = f.indicators.iter().map(|i| i.name()).collect();
        let vector: Vec<u8> = f.vector.iter().map(|x| x.cast_unsigned()).collect();
        self.database
            .prepare_cached("INSERT INTO report VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                self.number,
                f.id,
                f.day,
                f.force,
                f.p,
                f.relationship.name(),
                names.join(" "),
                f.words.join(" "),
                f.text_hash.cast_signed(),
                vector
            ])?;
        let mut insert =
            self.database.prepare_cached("INSERT INTO identifier VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for i in &f.identifiers {
            let place = i.place.map(|(first, last)| (first as i64, last as i64)).unzip();
            insert.execute(params![
                self.number,
                i.kind.name(),
                i.role.map(|r| r.name()),
                i.value,
                place.0,
                place.1
            ])?;
        }
        let flags: Vec<&str> = row.flags.iter().map(|flag| flag.name()).collect();
        self.database
            .prepare_cached("INSERT INTO screened VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                self.number,
                row.state.name(),
                row.recorded_as.as_deref(),
                row.recorded_as_stalking,
                row.district.as_deref(),
                row.outcome.as_deref(),
                row.reported,
                row.closed,
                flags.join(" "),
                row.domestic
            ])?;
        Ok(())
    }

    /// Writes all through to the disk and closes the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn finish(self, path: &Path) -> Result<()> {
        self.database.execute_batch("COMMIT").map_err(failed(path))?;
        self.database.close().map_err(|(_, error)| failed(path)(error))?;
        let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
        file.sync_all().map_err(|error| Error::io(path, error))
    }
}

/// A database that is only read.
pub(super) fn open(path: &Path) -> Result<Connection> {
    if !path.is_file() {
        return Err(Error::new(ErrorKind::Input, format!("{}: there is no such file", path.display()))
            .hint("name the folder that `throughline screen … --out DIR` wrote"));
    }
    let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let database = opened.map_err(failed(path))?;
    let schema: String = database
        .query_row("SELECT value FROM about WHERE key = 'schema'", [], |row| row.get(0))
        .map_err(failed(path))?;
    if schema != FEATURES_DB_SCHEMA {
        let what =
            format!("{}: is of form `{schema}`, this program reads `{FEATURES_DB_SCHEMA}`", path.display());
        return Err(Error::new(ErrorKind::Data, what));
    }
    Ok(database)
}
