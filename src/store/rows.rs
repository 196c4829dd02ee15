//! Features as rows and back.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::failed;
use crate::codebook::Indicator;
use crate::entities::Identifier;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Features;

/// Reports that are handed on at once.
const ROUND: usize = 4096;

/// Columns of a report, in the order in which [`report`] reads them.
const REPORT: &str = "number, id, day, force, p, relationship, indicators, words, text_hash, vector";

/// A name that the codebook does not know, as an error of the database.
fn unknown(column: usize, error: Error) -> rusqlite::Error {
    let why = Box::new(error);
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why)
}

/// A report without its identifiers, and its number.
fn report(row: &Row<'_>) -> rusqlite::Result<(i64, Features)> {
    let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let indicators = text(6)?
        .split_ascii_whitespace()
        .map(str::parse::<Indicator>)
        .collect::<Result<_>>()
        .map_err(|error| unknown(6, error))?;
    let features = Features {
        id: row.get(1)?,
        day: row.get(2)?,
        force: row.get(3)?,
        identifiers: Vec::new(),
        indicators,
        relationship: text(5)?.parse().map_err(|error| unknown(5, error))?,
        p: row.get(4)?,
        words: text(7)?.split_ascii_whitespace().map(str::to_owned).collect(),
        vector: row.get_ref(9)?.as_blob()?.iter().map(|x| x.cast_signed()).collect(),
        text_hash: row.get::<_, i64>(8)?.cast_unsigned(),
    };
    Ok((row.get(0)?, features))
}

/// An identifier from its kind, role, value, first and last character.
fn identifier(row: &Row<'_>, at: usize) -> rusqlite::Result<Identifier> {
    let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let role = match row.get_ref(at + 1)?.as_str_or_null()? {
        Some(role) => Some(role.parse().map_err(|error| unknown(at + 1, error))?),
        None => None,
    };
    let (first, last): (Option<u32>, Option<u32>) = (row.get(at + 3)?, row.get(at + 4)?);
    Ok(Identifier {
        kind: text(at)?.parse().map_err(|error| unknown(at, error))?,
        role,
        value: row.get(at + 2)?,
        place: first.zip(last).map(|(first, last)| (first as usize, last as usize)),
    })
}

/// The features of one report of a store.
pub fn features(database: &Connection, number: i64) -> rusqlite::Result<Features> {
    let mut select = database.prepare_cached(&format!("SELECT {REPORT} FROM report WHERE number = ?1"))?;
    let (_, mut features) = select.query_row([number], report)?;
    let mut select = database.prepare_cached(
        "SELECT kind, role, value, first, last FROM identifier WHERE report = ?1 ORDER BY item",
    )?;
    let found = select.query_map([number], |row| identifier(row, 0))?;
    features.identifiers = found.collect::<rusqlite::Result<_>>()?;
    Ok(features)
}

/// Hands on all features of a database in rounds. Identifiers stand in the
/// order of reports when they are ordered by `order`.
pub fn stream(
    database: &Connection,
    path: &Path,
    order: &str,
    take: &mut dyn FnMut(Vec<Features>) -> Result<()>,
) -> Result<()> {
    let fail = |error| failed(path, error);
    let mut select =
        database.prepare(&format!("SELECT {REPORT} FROM report ORDER BY number")).map_err(fail)?;
    let mut reports = select.query([]).map_err(fail)?;
    let sql = format!("SELECT report, kind, role, value, first, last FROM identifier ORDER BY {order}");
    let mut select = database.prepare(&sql).map_err(fail)?;
    let mut identifiers = select
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, identifier(row, 1)?)))
        .map_err(fail)?
        .peekable();
    let mut round = Vec::with_capacity(ROUND);
    while let Some(row) = reports.next().map_err(fail)? {
        let (number, mut features) = report(row).map_err(fail)?;
        while let Some(found) = identifiers.next_if(|i| i.as_ref().map_or(true, |(r, _)| *r <= number)) {
            let (of, found) = found.map_err(fail)?;
            if of < number {
                let what = format!("{}: identifiers are not in the order of reports", path.display());
                return Err(Error::new(ErrorKind::Data, what));
            }
            features.identifiers.push(found);
        }
        round.push(features);
        if round.len() == ROUND {
            take(std::mem::take(&mut round))?;
        }
    }
    take(round)
}

/// Puts a report into a store; gives its number. It is in no course yet.
pub fn insert(database: &Connection, f: &Features) -> rusqlite::Result<i64> {
    let names: Vec<&str> = f.indicators.iter().map(|i| i.name()).collect();
    let vector: Vec<u8> = f.vector.iter().map(|x| x.cast_unsigned()).collect();
    database
        .prepare_cached("INSERT INTO report VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL)")?
        .execute(params![
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
    let number = database.last_insert_rowid();
    let mut insert = database.prepare_cached("INSERT INTO identifier VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (item, i) in f.identifiers.iter().enumerate() {
        let place = i.place.map(|(first, last)| (first as i64, last as i64)).unzip();
        let role = i.role.map(|r| r.name());
        insert.execute(params![number, item as i64, i.kind.name(), role, i.value, place.0, place.1])?;
    }
    Ok(number)
}
