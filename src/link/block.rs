//! Blocking: which pairs are compared at all. A small pool is compared in
//! full. In a larger one a pair is a candidate when both reports share a key:
//! an identifier, a name, a street in one force, a rare word, or when their
//! vectors are near. Keys that too many reports share are passed over, and
//! each report keeps its most promising candidates only.

use std::collections::HashMap;

use rayon::prelude::*;

use super::record::{Pool, Record};
use crate::entities::names;

/// Pools of so many reports are compared in full.
pub const FULL_POOL: usize = 600;

/// Reports that may share a key before it is passed over.
const KEY_MOST: usize = 60;

/// Candidates that a report keeps.
const CANDIDATES_MOST: usize = 60;

/// Rarest words that are keys.
const WORD_KEYS: usize = 12;

/// Near vectors that become candidates.
const NEIGHBOURS: usize = 8;

/// Pools of more reports than this search vectors by cell, not in full.
const EXACT_SEARCH: usize = 20_000;

/// Candidate pairs by place in the pool, the smaller first, each once, sorted.
pub fn candidates(pool: &Pool) -> Vec<(u32, u32)> {
    let n = pool.records.len();
    if n <= FULL_POOL {
        let pairs = (0..n as u32).flat_map(|a| (a + 1..n as u32).map(move |b| (a, b)));
        return pairs.collect();
    }
    let mut blocks: HashMap<u64, Vec<u32>> = HashMap::new();
    for (i, record) in pool.records.iter().enumerate() {
        let mut keys = keys(pool, record);
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            blocks.entry(key).or_default().push(i as u32);
        }
    }
    let mut sorted: Vec<(u64, Vec<u32>)> =
        blocks.into_iter().filter(|(_, b)| (2..=KEY_MOST).contains(&b.len())).collect();
    sorted.sort_unstable();
    // Candidates of each report: a key that few share promises more.
    let mut promise: Vec<HashMap<u32, f32>> = vec![HashMap::new(); n];
    for (_, block) in &sorted {
        let weight = 1.0 / (block.len() as f32 - 0.5);
        for (k, &a) in block.iter().enumerate() {
            for &b in &block[k + 1..] {
                *promise[a as usize].entry(b).or_default() += weight;
                *promise[b as usize].entry(a).or_default() += weight;
            }
        }
    }
    let near = neighbours(pool);
    let mut pairs: Vec<(u32, u32)> = promise
        .into_par_iter()
        .enumerate()
        .flat_map_iter(|(a, others)| {
            let mut others: Vec<(u32, f32)> = others.into_iter().collect();
            others.sort_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
            others.truncate(CANDIDATES_MOST);
            let a = a as u32;
            others.into_iter().map(move |(b, _)| (a.min(b), a.max(b)))
        })
        .chain(near)
        .collect();
    pairs.par_sort_unstable();
    pairs.dedup();
    pairs
}

/// A key as a hash (FNV-1a, 64 bit) of its sort and its parts.
fn key(sort: &str, parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in std::iter::once(&sort).chain(parts) {
        for byte in part.bytes().chain(std::iter::once(0)) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

fn keys(pool: &Pool, record: &Record) -> Vec<u64> {
    let force = record.force.as_deref().unwrap_or("");
    let mut keys = vec![key("text", &[&record.text_hash.to_string()])];
    for (kind, values) in record.exact.iter().enumerate() {
        for counted in values {
            keys.push(key("exact", &[&kind.to_string(), &counted.value]));
            // Plates: by either end, for partial ones.
            if kind == 3 {
                let value = counted.value.as_str();
                for part in [value.get(..4), value.get(value.len().saturating_sub(3)..)].into_iter().flatten()
                {
                    keys.push(key("plate", &[part]));
                }
            }
        }
    }
    for person in &record.people {
        let (given, surname) = (person.name.given.as_str(), person.name.surname.as_str());
        if !given.is_empty() && !surname.is_empty() {
            keys.push(key("name", &[given, surname]));
            keys.push(key("sound", &[given, &names::soundex(surname)]));
        }
        if !surname.is_empty() {
            keys.push(key("surname", &[surname, force]));
            keys.push(key("surname sound", &[&names::soundex(surname), force]));
        }
    }
    for address in &record.addresses {
        let number = address.number.as_deref().unwrap_or("");
        if address.street != "-" {
            keys.push(key("house", &[number, &address.street, force]));
            keys.push(key("street", &[&address.street, force]));
        }
    }
    for vehicle in &record.vehicles {
        let (colour, model) =
            (vehicle.colour.as_deref().unwrap_or(""), vehicle.model.as_deref().unwrap_or(""));
        keys.push(key("car", &[colour, &vehicle.make, model, force]));
    }
    for (place, _) in &record.places {
        keys.push(key("place", &[place, force]));
    }
    let mut words: Vec<(f64, u32)> = record
        .words
        .iter()
        .filter_map(|w| pool.words.get(*w as usize).map(|(_, share)| (*share, *w)))
        .collect();
    words.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (_, word) in words.into_iter().take(WORD_KEYS) {
        if let Some((word, _)) = pool.words.get(word as usize) {
            keys.push(key("word", &[word]));
        }
    }
    keys
}

/// The nearest vectors of each report. Beyond [`EXACT_SEARCH`] reports, only
/// those within a cell are searched: cells are the signs of the first numbers
/// of the vector (Charikar 2002), which need no training.
fn neighbours(pool: &Pool) -> Vec<(u32, u32)> {
    let n = pool.records.len();
    let cell_bits = if n <= EXACT_SEARCH { 0 } else { (n / 1000).ilog2().min(16) as usize };
    let mut cells: HashMap<u32, Vec<u32>> = HashMap::new();
    for (i, record) in pool.records.iter().enumerate() {
        if record.vector.1 > 0.0 {
            let cell = record.vector.0.iter().take(cell_bits).fold(0u32, |c, x| (c << 1) | u32::from(*x > 0));
            cells.entry(cell).or_default().push(i as u32);
        }
    }
    let mut cells: Vec<(u32, Vec<u32>)> = cells.into_iter().collect();
    cells.sort_unstable();
    cells
        .par_iter()
        .flat_map_iter(|(_, members)| {
            members.iter().flat_map(move |&a| {
                let mut near: Vec<(f32, u32)> = members
                    .iter()
                    .filter(|&&b| b != a)
                    .filter_map(|&b| {
                        let c = super::compare::cosine(&pool.records[a as usize], &pool.records[b as usize])?;
                        Some((c, b))
                    })
                    .collect();
                let by = |x: &(f32, u32), y: &(f32, u32)| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1));
                if near.len() > NEIGHBOURS {
                    near.select_nth_unstable_by(NEIGHBOURS, by);
                    near.truncate(NEIGHBOURS);
                }
                near.into_iter().map(move |(_, b)| (a.min(b), a.max(b)))
            })
        })
        .collect()
}
