//! `features.db`: what linking may know of each report, as SQLite, so that a
//! later batch or a store can link with it; no narrative. Beside it stands what
//! the monthly return counts.
//!
//! The same rows in the same order give the same bytes.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use super::Row;
use crate::assess::ModelIdentity;
use crate::codebook::{EntityKind, Indicator};
use crate::entities::Identifier;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Features;

/// The form of database that this program writes.
pub const FEATURES_SCHEMA: &str = "throughline.features-db/1";

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
                ("schema", FEATURES_SCHEMA),
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
    if schema != FEATURES_SCHEMA {
        let what =
            format!("{}: is of form `{schema}`, this program reads `{FEATURES_SCHEMA}`", path.display());
        return Err(Error::new(ErrorKind::Data, what));
    }
    Ok(database)
}

/// Features of a database, in the order in which they were written.
///
/// # Errors
///
/// When the file is no database of this form.
pub fn read(path: &Path) -> Result<Vec<Features>> {
    let database = open(path)?;
    let bad = |what: Error| Error::new(ErrorKind::Data, format!("{}: {what}", path.display()));
    let mut all = Vec::new();
    let mut select = database.prepare("SELECT * FROM report ORDER BY number").map_err(failed(path))?;
    let mut rows = select.query([]).map_err(failed(path))?;
    let mut by_report: std::collections::BTreeMap<i64, Vec<Identifier>> = std::collections::BTreeMap::new();
    let mut every = database
        .prepare("SELECT report, kind, role, value, first, last FROM identifier ORDER BY rowid")
        .map_err(failed(path))?;
    let mut found = every.query([]).map_err(failed(path))?;
    while let Some(row) = found.next().map_err(failed(path))? {
        let get = || -> rusqlite::Result<_> {
            let place: (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get(3)?,
                place,
            ))
        };
        let (report, kind, role, value, place) = get().map_err(failed(path))?;
        let kind: EntityKind = kind.parse().map_err(bad)?;
        let role = role.map(|role| role.parse()).transpose().map_err(bad)?;
        let place = place
            .0
            .zip(place.1)
            .and_then(|(a, b)| Some((usize::try_from(a).ok()?, usize::try_from(b).ok()?)));
        by_report.entry(report).or_default().push(Identifier { kind, role, value, place });
    }
    while let Some(row) = rows.next().map_err(failed(path))? {
        let get = || -> rusqlite::Result<_> {
            let named: [String; 3] = [row.get(5)?, row.get(6)?, row.get(7)?];
            let vector: Vec<u8> = row.get(9)?;
            let f = Features {
                id: row.get(1)?,
                day: row.get(2)?,
                force: row.get(3)?,
                identifiers: Vec::new(),
                indicators: Vec::new(),
                relationship: crate::codebook::Relationship::Unknown,
                p: row.get(4)?,
                words: named[2].split_whitespace().map(str::to_owned).collect(),
                vector: vector.into_iter().map(u8::cast_signed).collect(),
                text_hash: row.get::<_, i64>(8)?.cast_unsigned(),
            };
            Ok((row.get::<_, i64>(0)?, f, named))
        };
        let (number, mut f, [relationship, indicators, _]) = get().map_err(failed(path))?;
        f.relationship = relationship.parse().map_err(bad)?;
        f.indicators = indicators
            .split_whitespace()
            .map(|i| i.parse::<Indicator>())
            .collect::<Result<_>>()
            .map_err(bad)?;
        f.identifiers = by_report.remove(&number).unwrap_or_default();
        all.push(f);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::{Relationship, Role};

    fn features(id: &str) -> Features {
        Features {
            id: id.into(),
            day: Some(19_000),
            force: None,
            identifiers: vec![
                Identifier {
                    kind: EntityKind::Person,
                    role: Some(Role::Suspect),
                    value: "dan price".into(),
                    place: Some((3, 6)),
                },
                Identifier { kind: EntityKind::Phone, role: None, value: "07700900123".into(), place: None },
            ],
            indicators: vec![Indicator::Following, Indicator::Contact],
            relationship: Relationship::ExPartner,
            p: 0.123_456,
            words: vec!["41b".into(), "flat".into()],
            vector: vec![-127, 0, 127],
            text_hash: u64::MAX - 3,
        }
    }

    #[test]
    fn what_is_written_is_read_and_the_bytes_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let model = ModelIdentity { name: "m".into(), version: "1".into(), sha256: "ab".into() };
        let mut bytes = Vec::new();
        let all = [features("R2"), Features { identifiers: Vec::new(), day: None, ..features("R1") }];
        for name in ["a.db", "b.db"] {
            let path = folder.path().join(name);
            let mut writer = Writer::create(&path, &model, Some(7)).unwrap();
            for f in &all {
                writer.add(&path, f, &Row::default()).unwrap();
            }
            writer.finish(&path).unwrap();
            assert_eq!(read(&path).unwrap(), all);
            bytes.push(std::fs::read(&path).unwrap());
        }
        assert!(bytes[0] == bytes[1]);
        std::fs::write(folder.path().join("c.db"), "no database").unwrap();
        assert!(read(&folder.path().join("c.db")).is_err());
    }
}
