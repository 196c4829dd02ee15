//! Blocking: which pairs are compared at all. A small pool is compared in
//! full. In a larger one a pair is a candidate when both reports share a key
//! (an identifier, a name, two people, a street in one force, a rare word), or
//! when their vectors are near.
//!
//! Work stays bounded however common a key is. A block of few reports gives
//! all its pairs; in a larger one each report meets those next to it in time
//! (the sorted neighbourhood of Hernández and Stolfo 1995). Each report then
//! keeps its most promising candidates only: those with whom it shares the
//! most keys, each weighed by how few reports hold it.

use rayon::prelude::*;

use super::compare::many;
use super::neighbours;
use super::record::{Pool, Record};
use super::symbols::{NONE, Symbol, Symbols};
use crate::entities::names;

/// Pools of so many reports are compared in full.
pub const FULL_POOL: usize = 600;

/// Reports of a block that gives all its pairs.
pub const BLOCK_WHOLE: usize = 40;

/// Reports on either side that a report meets in a larger block.
pub const WINDOW: usize = 12;

/// Candidates that a report keeps by its keys.
pub const CANDIDATES_MOST: usize = 24;

/// Rarest words that are keys.
const WORD_KEYS: usize = 12;

/// Candidates of every report of a pool.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Where the candidates of each report begin; one more than reports.
    starts: Vec<usize>,
    /// Places of candidates, sorted within a report; each pair stands with its
    /// first report only.
    others: Vec<u32>,
}

impl Candidates {
    /// Candidates of a report that come after it.
    pub fn of(&self, report: usize) -> &[u32] {
        &self.others[self.starts[report]..self.starts[report + 1]]
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> usize {
        self.others.len()
    }

    /// Whether two reports are a candidate pair.
    pub fn holds(&self, a: usize, b: usize) -> bool {
        self.of(a.min(b)).binary_search(&(a.max(b) as u32)).is_ok()
    }

    /// From lists of candidates in which a pair may stand on either side.
    fn of_lists(lists: &[Vec<u32>]) -> Self {
        let n = lists.len();
        // Pairs that only the later report keeps are handed to the earlier one.
        let mut counts = vec![0usize; n + 1];
        let mine = |a: u32, b: u32| a < b || lists[b as usize].binary_search(&a).is_err();
        for (a, list) in lists.iter().enumerate() {
            for &b in list.iter().filter(|b| mine(a as u32, **b)) {
                counts[(a as u32).min(b) as usize + 1] += 1;
            }
        }
        for i in 0..n {
            counts[i + 1] += counts[i];
        }
        let mut at = counts.clone();
        let mut others = vec![0u32; counts[n]];
        for (a, list) in lists.iter().enumerate() {
            let a = a as u32;
            for &b in list.iter().filter(|b| mine(a, **b)) {
                let place = &mut at[a.min(b) as usize];
                others[*place] = a.max(b);
                *place += 1;
            }
        }
        for i in 0..n {
            others[counts[i]..counts[i + 1]].sort_unstable();
        }
        Self { starts: counts, others }
    }
}

/// The candidate pairs of a pool.
pub fn candidates(pool: &Pool) -> Candidates {
    let n = pool.records.len();
    if n <= FULL_POOL {
        let lists: Vec<Vec<u32>> = (0..n as u32).map(|a| (a + 1..n as u32).collect()).collect();
        return Candidates::of_lists(&lists);
    }
    blocked(pool)
}

/// The candidate pairs of a pool by keys and vectors, whatever its size.
pub fn blocked(pool: &Pool) -> Candidates {
    let near = neighbours::neighbours(pool);
    let blocks = Blocks::new(pool);
    let n = pool.records.len();
    let chunk = 4096;
    let lists: Vec<Vec<u32>> = (0..n.div_ceil(chunk))
        .into_par_iter()
        .flat_map_iter(|c| {
            let mut meeting = Meeting { weight: vec![0; n], met: Vec::new() };
            let reports: Vec<Vec<u32>> = (c * chunk..((c + 1) * chunk).min(n))
                .map(|report| {
                    blocks.meet(report as u32, &mut meeting);
                    let mut list = meeting.best(CANDIDATES_MOST);
                    list.extend(&near[report]);
                    list.sort_unstable();
                    list.dedup();
                    list.shrink_to_fit();
                    list
                })
                .collect();
            reports
        })
        .collect();
    Candidates::of_lists(&lists)
}

/// Reports by the keys that they share with others.
struct Blocks {
    /// Where the reports of each block begin.
    starts: Vec<usize>,
    /// Reports of the blocks, each block in the order of days.
    members: Vec<u32>,
    /// Weight of each block: bits of sharing its key, in sixteenths.
    weights: Vec<u32>,
    /// Where the blocks of each report begin.
    own_starts: Vec<usize>,
    /// Blocks of the reports.
    own: Vec<u32>,
    /// Day and place of each report, by which blocks are ordered.
    order: Vec<(i32, u32)>,
}

impl Blocks {
    fn new(pool: &Pool) -> Self {
        let n = pool.records.len();
        let most = many(pool.reports) as usize;
        let mut entries: Vec<(u64, u32)> = pool
            .records
            .par_iter()
            .enumerate()
            .flat_map_iter(|(i, record)| keys(pool, record).into_iter().map(move |key| (key, i as u32)))
            .collect();
        entries.par_sort_unstable();
        let order: Vec<(i32, u32)> =
            pool.records.iter().enumerate().map(|(i, r)| (r.day.unwrap_or(i32::MAX), i as u32)).collect();
        let (mut starts, mut members, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut own_starts = vec![0usize; n + 1];
        for block in entries.chunk_by(|a, b| a.0 == b.0) {
            if block.len() < 2 || block.len() > most && is_whole(block[0].0) {
                continue;
            }
            starts.push(members.len());
            weights.push(weight(n, block.len()));
            members.extend(block.iter().map(|(_, report)| *report));
            for (_, report) in block {
                own_starts[*report as usize + 1] += 1;
            }
        }
        drop(entries);
        starts.push(members.len());
        for i in 0..n {
            own_starts[i + 1] += own_starts[i];
        }
        let mut at = own_starts.clone();
        let mut own = vec![0u32; members.len()];
        for block in 0..starts.len() - 1 {
            for &report in &members[starts[block]..starts[block + 1]] {
                own[at[report as usize]] = block as u32;
                at[report as usize] += 1;
            }
        }
        // Blocks are slices one after the other.
        let mut rest = members.as_mut_slice();
        for block in 0..starts.len() - 1 {
            let (block, after) = rest.split_at_mut(starts[block + 1] - starts[block]);
            block.sort_unstable_by_key(|report| order[*report as usize]);
            rest = after;
        }
        Self { starts, members, weights, own_starts, own, order }
    }

    /// Everyone whom a report meets in its blocks.
    fn meet(&self, report: u32, meeting: &mut Meeting) {
        let own = &self.own[self.own_starts[report as usize]..self.own_starts[report as usize + 1]];
        for &block in own {
            let members = &self.members[self.starts[block as usize]..self.starts[block as usize + 1]];
            let met = if members.len() <= BLOCK_WHOLE {
                members
            } else {
                let key = self.order[report as usize];
                let place = members.partition_point(|m| self.order[*m as usize] < key);
                &members[place.saturating_sub(WINDOW)..members.len().min(place + WINDOW + 1)]
            };
            let weight = self.weights[block as usize];
            for &other in met.iter().filter(|other| **other != report) {
                meeting.add(other, weight);
            }
        }
    }
}

/// Weight of a key that so many of all reports hold: its bits, in sixteenths.
pub fn weight(reports: usize, holding: usize) -> u32 {
    let bits = (reports.max(holding) as f64 / holding.max(1) as f64).log2();
    1 + (bits * 16.0) as u32
}

/// How much one report shares with those it meets.
struct Meeting {
    /// By report; 0 for those not met.
    weight: Vec<u32>,
    /// Reports met.
    met: Vec<u32>,
}

impl Meeting {
    fn add(&mut self, other: u32, weight: u32) {
        let sum = &mut self.weight[other as usize];
        if *sum == 0 {
            self.met.push(other);
        }
        *sum += weight;
    }

    /// The most promising, ties to the first; forgets all for the next report.
    fn best(&mut self, most: usize) -> Vec<u32> {
        if self.met.len() > most {
            let weight = &self.weight;
            self.met.select_nth_unstable_by_key(most, |m| (std::cmp::Reverse(weight[*m as usize]), *m));
        }
        let best = self.met[..most.min(self.met.len())].to_vec();
        for met in self.met.drain(..) {
            self.weight[met as usize] = 0;
        }
        best
    }
}

/// Sorts of keys, each with a number that is mixed into its hash.
#[derive(Clone, Copy)]
enum Key {
    Text,
    Whole,
    PlatePart,
    Name,
    NameSound,
    Surname,
    SurnameSound,
    TwoPeople,
    TwoSounds,
    GivenPair,
    House,
    Street,
    StreetName,
    Car,
    CarName,
    Place,
    Word,
}

/// Whether a key is of a whole value, which identifies nobody when too many hold it.
pub fn is_whole(key: u64) -> bool {
    key & 0xff == Key::Whole as u64
}

/// Mixes the sort of a key and the hashes of its parts into one number that is
/// the same in every run; its lowest byte is the sort.
fn key(sort: Key, parts: &[u64]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64 ^ sort as u64;
    for part in parts {
        hash = (hash ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 29;
    }
    (hash & !0xff) | sort as u64
}

/// Hash of how a word sounds; 0 for none.
fn sound(symbols: &Symbols, symbol: Symbol) -> u64 {
    if symbol == NONE { 0 } else { super::symbols::stable_hash(&names::soundex(symbols.get(symbol))) }
}

/// The keys of a report, each once, sorted; the same in every run.
pub fn keys(pool: &Pool, record: &Record) -> Vec<u64> {
    let symbols = &pool.symbols;
    let hash = |symbol: Symbol| symbols.hash(symbol);
    let force = hash(record.force);
    let mut keys = vec![key(Key::Text, &[record.text_hash])];
    for whole in &record.whole {
        keys.push(key(Key::Whole, &[u64::from(whole.kind), hash(whole.symbol)]));
        // Plates: by either end, for partial ones.
        if whole.kind == 3 {
            let value = symbols.get(whole.symbol);
            for part in [value.get(..4), value.get(value.len().saturating_sub(3)..)].into_iter().flatten() {
                keys.push(key(Key::PlatePart, &[super::symbols::stable_hash(part)]));
            }
        }
    }
    let sounds: Vec<[u64; 2]> =
        record.people.iter().map(|p| [sound(symbols, p.given), sound(symbols, p.surname)]).collect();
    for (person, [given_sound, surname_sound]) in record.people.iter().zip(&sounds) {
        let (given, surname) = (hash(person.given), hash(person.surname));
        if person.given != NONE && person.surname != NONE {
            keys.push(key(Key::Name, &[given, surname]));
            keys.push(key(Key::NameSound, &[*given_sound, *surname_sound]));
        }
        if person.surname != NONE {
            keys.push(key(Key::Surname, &[surname, force]));
            keys.push(key(Key::SurnameSound, &[*surname_sound, force]));
        }
        for address in record.addresses.iter().filter(|a| a.street != NONE) {
            for part in [given_sound, surname_sound].into_iter().filter(|s| **s != 0) {
                keys.push(key(Key::StreetName, &[hash(address.street), *part]));
            }
        }
        for vehicle in &record.vehicles {
            for part in [given_sound, surname_sound].into_iter().filter(|s| **s != 0) {
                keys.push(key(Key::CarName, &[hash(vehicle.make), *part]));
            }
        }
    }
    // Two people of one report, whatever their roles.
    for (i, x) in record.people.iter().enumerate() {
        for (j, y) in record.people.iter().enumerate().skip(i + 1) {
            for (a, a_sound) in [(x.given, sounds[i][0]), (x.surname, sounds[i][1])] {
                for (b, b_sound) in [(y.given, sounds[j][0]), (y.surname, sounds[j][1])] {
                    if a == NONE || b == NONE {
                        continue;
                    }
                    let (low, high) = (a_sound.min(b_sound), a_sound.max(b_sound));
                    keys.push(key(Key::TwoSounds, &[low, high, force]));
                    let (low, high) = (hash(a).min(hash(b)), hash(a).max(hash(b)));
                    keys.push(key(Key::TwoPeople, &[low, high]));
                }
            }
            if x.given != NONE && y.given != NONE {
                let (a, b) = (hash(x.given), hash(y.given));
                keys.push(key(Key::GivenPair, &[a.min(b), a.max(b), force]));
            }
        }
    }
    for address in record.addresses.iter().filter(|a| a.street != NONE) {
        keys.push(key(Key::House, &[hash(address.number), hash(address.street)]));
        keys.push(key(Key::Street, &[hash(address.street), force]));
    }
    for vehicle in &record.vehicles {
        keys.push(key(Key::Car, &[hash(vehicle.colour), hash(vehicle.make), hash(vehicle.model), force]));
    }
    for (place, _) in &record.places {
        keys.push(key(Key::Place, &[hash(*place), force]));
    }
    let mut words: Vec<(std::cmp::Reverse<u32>, u64)> =
        record.words.iter().map(|w| (std::cmp::Reverse(pool.word_units(*w)), hash(*w))).collect();
    words.sort_unstable();
    keys.extend(words.into_iter().take(WORD_KEYS).map(|(_, word)| key(Key::Word, &[word])));
    keys.sort_unstable();
    keys.dedup();
    keys
}
