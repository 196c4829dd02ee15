//! Filling an empty store with reports that were linked all at once.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rusqlite::{Connection, params};

use super::{Store, counts, rows};
use crate::error::{Error, ErrorKind, Result};
use crate::features::Features;
use crate::link::frequency::{Counts, classes};
use crate::link::record::{Pool, Record};
use crate::link::{Linking, block, neighbours};

/// Where a report stands in a block: by day, then by the hash of its id.
pub fn place(record: &Record) -> i64 {
    let day = i64::from(record.day.unwrap_or(i32::MAX));
    let hash = crate::link::symbols::stable_hash(&record.id) & 0xffff_ffff;
    (day << 32) | hash.cast_signed()
}

impl Store {
    /// Fills an empty store with the reports of a pool, as they were linked.
    ///
    /// # Errors
    ///
    /// When the store holds a report already or cannot be written; it is then
    /// as it was.
    pub fn fill(
        &mut self,
        features: &[Features],
        pool: &Pool,
        counts: &Counts,
        linking: &Linking<'_>,
    ) -> Result<()> {
        if self.reports()? > 0 {
            let what = format!("{}: holds reports already, an empty store is needed", self.path.display());
            return Err(Error::new(ErrorKind::Arguments, what));
        }
        let path = self.path.clone();
        let fail = |error| super::failed(&path, error);
        let transaction = self.database.transaction().map_err(fail)?;
        fill(&transaction, features, pool, counts, linking).map_err(fail)?;
        transaction.commit().map_err(fail)
    }
}

fn fill(
    db: &Connection,
    features: &[Features],
    pool: &Pool,
    counts: &Counts,
    linking: &Linking<'_>,
) -> rusqlite::Result<()> {
    // In the order of ids, so that the order of reading changes no byte.
    let by_id: BTreeMap<&str, &Features> = features.iter().map(|f| (f.id.as_str(), f)).collect();
    let mut numbers = Vec::with_capacity(pool.records.len());
    for record in &pool.records {
        // Every record is of one of these features.
        let Some(features) = by_id.get(record.id.as_ref()) else { continue };
        numbers.push(rows::insert(db, features)?);
    }
    db.execute("UPDATE about SET value = ?1 WHERE key = 'reports'", [numbers.len().to_string()])?;

    let mut tally = Vec::new();
    for class in classes() {
        for symbol in 0..pool.symbols.len() as u32 {
            let count = counts.count(class, symbol);
            if count > 0 {
                tally.push((class, pool.symbols.hash(symbol), count));
            }
        }
    }
    counts::fill(db, &mut tally)?;
    drop(tally);

    let mut blocks: Vec<(i64, i64, i64)> = pool
        .records
        .par_iter()
        .zip(&numbers)
        .flat_map_iter(|(record, number)| {
            let place = place(record);
            block::keys(pool, record).into_iter().map(move |key| (key.cast_signed(), place, *number))
        })
        .collect();
    blocks.par_sort_unstable();
    let mut insert = db.prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3)")?;
    for (key, place, number) in blocks {
        insert.execute(params![key, place, number])?;
    }

    let mut insert_cell = db.prepare_cached("INSERT INTO cell VALUES (?1, ?2)")?;
    let mut insert_near = db.prepare_cached("INSERT INTO near VALUES (?1, ?2, ?3)")?;
    for (cell, (centroid, members)) in neighbours::cells_of(pool).into_iter().enumerate() {
        insert_cell.execute(params![cell as i64, bytes(&centroid)])?;
        for member in members {
            let vector = bytes(&pool.records[member as usize].vector);
            insert_near.execute(params![cell as i64, numbers[member as usize], vector])?;
        }
    }

    let mut insert = db.prepare_cached("INSERT INTO course VALUES (?1, ?2, ?3)")?;
    let mut join = db.prepare_cached("UPDATE report SET course = ?1 WHERE number = ?2")?;
    for (i, group) in linking.groups.iter().enumerate() {
        insert.execute(params![i as i64 + 1, group.weakest_link_bits, group.weakest_merge_bits])?;
        for &member in &group.members {
            join.execute(params![i as i64 + 1, numbers[member]])?;
        }
    }
    let mut insert = db.prepare_cached("INSERT INTO link VALUES (?1, ?2, ?3)")?;
    for &(a, b) in &linking.told {
        let bits = linking.bits(a as usize, b as usize);
        insert.execute(params![numbers[a as usize], numbers[b as usize], bits])?;
    }
    Ok(())
}

/// Signed bytes as SQLite keeps them.
pub fn bytes(vector: &[i8]) -> Vec<u8> {
    vector.iter().map(|x| x.cast_unsigned()).collect()
}
