//! In how many reports a value stands, from the store's tally.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::link::frequency::{Class, Counted};
use crate::link::symbols::stable_hash;

/// Counts of a store, each asked for once.
pub struct Tally<'a> {
    database: &'a Connection,
    reports: usize,
    known: RefCell<HashMap<(u8, i64), u32>>,
    /// The first fault; counts are 0 from there on.
    fault: RefCell<Option<rusqlite::Error>>,
}

fn value_key(value: &str) -> i64 {
    stable_hash(value).cast_signed()
}

impl<'a> Tally<'a> {
    pub fn new(database: &'a Connection) -> rusqlite::Result<Self> {
        let reports = super::reports(database)?;
        Ok(Self { database, reports, known: RefCell::default(), fault: RefCell::default() })
    }

    fn ask(&self, class: Class, value: i64) -> rusqlite::Result<u32> {
        let mut select =
            self.database.prepare_cached("SELECT reports FROM tally WHERE class = ?1 AND value = ?2")?;
        let found = select.query_row(params![class.number(), value], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(0))
    }

    /// What went wrong while counts were asked for, if anything.
    pub fn check(self) -> rusqlite::Result<()> {
        self.fault.into_inner().map_or(Ok(()), Err)
    }
}

impl Counted for Tally<'_> {
    fn reports(&self) -> usize {
        self.reports
    }

    fn count(&self, class: Class, value: &str) -> u32 {
        let value = value_key(value);
        let key = (class.number(), value);
        if let Some(count) = self.known.borrow().get(&key) {
            return *count;
        }
        let count = self.ask(class, value).unwrap_or_else(|error| {
            self.fault.borrow_mut().get_or_insert(error);
            0
        });
        self.known.borrow_mut().insert(key, count);
        count
    }
}

/// Counts one more report for each value.
pub fn add(database: &Connection, values: &[(Class, &str)]) -> rusqlite::Result<()> {
    let mut upsert = database.prepare_cached(
        "INSERT INTO tally VALUES (?1, ?2, 1) ON CONFLICT (class, value) DO UPDATE SET reports = reports + 1",
    )?;
    for (class, value) in values {
        upsert.execute(params![class.number(), value_key(value)])?;
    }
    Ok(())
}

/// Puts counts in where there are none yet, in the order of the table.
pub fn fill(database: &Connection, counts: &mut Vec<(Class, u64, u32)>) -> rusqlite::Result<()> {
    counts.sort_unstable_by_key(|(class, value, _)| (class.number(), value.cast_signed()));
    // Strings of one hash count as one value.
    let mut upsert = database.prepare_cached(
        "INSERT INTO tally VALUES (?1, ?2, ?3) ON CONFLICT (class, value) DO UPDATE SET reports = reports + ?3",
    )?;
    for (class, value, reports) in counts {
        upsert.execute(params![class.number(), value.cast_signed(), *reports])?;
    }
    Ok(())
}
