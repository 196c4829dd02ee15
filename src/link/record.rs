//! Reports made ready to be compared: mentions of one person made one, values
//! as numbers, each with how common it is. A record is a few hundred bytes, so
//! that a million fit in memory; reports are taken in one chunk after another.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::frequency::{Class, Counted, Counts, Sort};
use super::symbols::{NONE, Symbol, Symbols};
use crate::codebook::{EntityKind, Relationship, Role};
use crate::entities::names::{self, Agreement, Name};
use crate::features::Features;

/// What part a person plays, as far as it matters for linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The one who pursues.
    Suspect,
    /// The one pursued, or who reports it.
    Victim,
    /// An officer or a taker of reports.
    Officer,
    /// Anyone else.
    Other,
}

/// One person of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The given name.
    pub given: Symbol,
    /// The surname.
    pub surname: Symbol,
    /// The part most mentions give.
    pub part: Part,
    /// Shares of reports with the given name and with the surname.
    pub frequency: [f32; 2],
}

/// A street, with a number where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// House number.
    pub number: Symbol,
    /// The street, [`NONE`] where only a number was given.
    pub street: Symbol,
    /// Share of reports with the street.
    pub frequency: f32,
}

/// A car as far as it was described.
#[derive(Clone, Debug, PartialEq)]
pub struct Vehicle {
    /// Its colour.
    pub colour: Symbol,
    /// Its make.
    pub make: Symbol,
    /// Its model.
    pub model: Symbol,
    /// Make and model as one value.
    car: Symbol,
    /// Share of reports with the make and model.
    pub frequency: f32,
    /// Share of reports with the colour; 1 where it is not told.
    pub colour_frequency: f32,
}

/// A value of a kind that is compared as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its place in [`KINDS`].
    pub kind: u8,
    /// The value.
    pub symbol: Symbol,
    /// Reports of the pool that hold it.
    pub reports: u32,
}

/// A report ready to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The report's id.
    pub id: Box<str>,
    /// Days since 1 January 1970.
    pub day: Option<i32>,
    /// The force that holds it.
    pub force: Symbol,
    /// People, officers left out unless some report suspects them.
    pub people: Box<[Person]>,
    /// Phones, emails, handles, plates, postcodes, dates of birth, references,
    /// in the order of [`KINDS`] and of values.
    pub whole: Box<[Whole]>,
    /// Addresses, in the order of values.
    pub addresses: Box<[Address]>,
    /// Vehicles, in the order of values.
    pub vehicles: Box<[Vehicle]>,
    /// Places and employers with their share of reports.
    pub places: Box<[(Symbol, f32)]>,
    /// Rare words that another report has too, by symbol, sorted.
    pub words: Box<[Symbol]>,
    /// Words in all, rare or not.
    pub length: f32,
    /// Bits that rare words would share by chance with a text of one word.
    pub chance_bits: f64,
    /// Vector for linking.
    pub vector: Box<[i8]>,
    /// Length of the vector; 0 where there is none.
    pub norm: f32,
    /// Probability that the text reads like stalking.
    pub p: f32,
    /// Indicators found, a bit each.
    pub indicators: u32,
    /// Suspect to victim.
    pub relationship: Relationship,
    /// Hash of the text.
    pub text_hash: u64,
}

impl Record {
    /// The values of one kind of [`KINDS`].
    pub fn of_kind(&self, kind: usize) -> &[Whole] {
        let start = self.whole.partition_point(|w| usize::from(w.kind) < kind);
        let end = self.whole.partition_point(|w| usize::from(w.kind) <= kind);
        &self.whole[start..end]
    }
}

/// Kinds that are compared as whole values.
pub const KINDS: [EntityKind; 7] = [
    EntityKind::Phone,
    EntityKind::Email,
    EntityKind::Handle,
    EntityKind::Plate,
    EntityKind::Postcode,
    EntityKind::DateOfBirth,
    EntityKind::Reference,
];

/// Parts into which a bit is cut where words are summed.
pub const WORD_UNITS: f64 = 65_536.0;

/// Reports that one thread makes ready alone.
const FEW: usize = 512;

/// Words in more than this share of reports say nothing of who it is.
const RARE: f64 = 0.01;

/// Records of a pool, sorted by id, and its values.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// The records.
    pub records: Vec<Record>,
    /// Their values.
    pub symbols: Symbols,
    /// Reports of the pool that the frequencies are of: all records, or all
    /// of the store that they were taken from.
    pub reports: usize,
    /// Bits of sharing a word, by symbol, in 1 / [`WORD_UNITS`]: whole numbers,
    /// whose sum does not hang on their order. 0 for all that is no word.
    word_units: Vec<u32>,
    /// Words within values of several words, and values in small letters.
    parts: BTreeMap<Symbol, Box<[Symbol]>>,
}

/// Reports on their way into a [`Pool`].
#[derive(Clone, Debug, Default)]
pub struct PoolBuilder {
    records: Vec<Record>,
    symbols: Symbols,
    counts: Counts,
    parts: BTreeMap<Symbol, Box<[Symbol]>>,
}

/// People of a report before frequencies: the fullest name and its part.
fn people(features: &Features) -> Vec<(Name, Part)> {
    let mut mentions: Vec<(Name, Option<Role>)> = features
        .identifiers
        .iter()
        .filter(|i| i.kind == EntityKind::Person)
        .map(|i| (Name::from_value(&i.value), i.role))
        .collect();
    // Full names first, so that lone parts find the person they belong to.
    mentions.sort_by_key(|(name, _)| {
        (name.given.is_empty() || name.surname.is_empty(), name.given.chars().count() < 2)
    });
    let mut people: Vec<(Name, Vec<Option<Role>>)> = Vec::new();
    for (name, role) in mentions {
        let same = people.iter_mut().find(|(other, _)| {
            matches!(
                names::compare(other, &name),
                Agreement::Full | Agreement::FullSimilar | Agreement::Surname | Agreement::Given
            )
        });
        match same {
            Some((other, roles)) => {
                roles.push(role);
                if other.given.chars().count() < 2 && name.given.chars().count() > 1 {
                    other.given = name.given;
                }
                if other.surname.is_empty() {
                    other.surname = name.surname;
                }
            }
            None => people.push((name, vec![role])),
        }
    }
    people
        .into_iter()
        .map(|(name, roles)| {
            let votes = |wanted: &[Role]| roles.iter().flatten().filter(|r| wanted.contains(r)).count();
            let suspect = votes(&[Role::Suspect]);
            let victim = votes(&[Role::Victim, Role::Reporter]);
            let officer = votes(&[Role::Officer]);
            let other = votes(&[Role::Other]);
            let most = suspect.max(victim).max(officer).max(other);
            let part = if most == 0 {
                Part::Other
            } else if suspect == most {
                Part::Suspect
            } else if victim == most {
                Part::Victim
            } else if officer == most {
                Part::Officer
            } else {
                Part::Other
            };
            (name, part)
        })
        .collect()
}

impl PoolBuilder {
    /// Takes reports in. Neither their order nor how they are cut into chunks
    /// matters; their ids must differ.
    pub fn extend(&mut self, features: &[Features]) {
        // Few are not worth the way to other threads: a store adds one at a time.
        let people: Vec<Vec<(Name, Part)>> = if features.len() < FEW {
            features.iter().map(people).collect()
        } else {
            features.par_iter().with_min_len(64).map(people).collect()
        };
        for (features, people) in features.iter().zip(people) {
            self.add(features, people);
        }
    }

    fn add(&mut self, f: &Features, people: Vec<(Name, Part)>) {
        let symbols = &mut self.symbols;
        let counts = &mut self.counts;
        counts.reports += 1;
        let people = people
            .into_iter()
            .map(|(name, part)| Person {
                given: symbols.intern(&name.given),
                surname: symbols.intern(&name.surname),
                part,
                frequency: [0.0; 2],
            })
            .collect();

        let mut wholes: Vec<(u8, &str)> = f
            .identifiers
            .iter()
            .filter_map(|i| Some((KINDS.iter().position(|k| *k == i.kind)? as u8, i.value.as_str())))
            .collect();
        wholes.sort_unstable();
        wholes.dedup();
        let mut whole = Vec::with_capacity(wholes.len());
        for (kind, value) in wholes {
            let symbol = symbols.intern(value);
            counts.add(Class::Whole(kind), symbol);
            let low = value.to_lowercase();
            if low != value && !self.parts.contains_key(&symbol) {
                let low = symbols.intern(&low);
                self.parts.insert(symbol, Box::new([low]));
            }
            whole.push(Whole { kind, symbol, reports: 0 });
        }

        let mut seen: BTreeSet<(Sort, Symbol)> = BTreeSet::new();
        let mut split = |symbols: &mut Symbols, symbol: Symbol, value: &str| {
            if value.contains(' ') && !self.parts.contains_key(&symbol) {
                let parts = value.split(' ').map(|part| symbols.intern(part)).collect();
                self.parts.insert(symbol, parts);
            }
        };
        let addresses = of_kinds(f, &[EntityKind::Address])
            .into_iter()
            .map(|value| {
                let (number, street) = split_address(value);
                let number = symbols.intern(number);
                if street == "-" {
                    return Address { number, street: NONE, frequency: 0.05 };
                }
                let symbol = symbols.intern(street);
                split(symbols, symbol, street);
                seen.insert((Sort::Street, symbol));
                Address { number, street: symbol, frequency: 0.0 }
            })
            .collect();
        let vehicles = of_kinds(f, &[EntityKind::Vehicle])
            .into_iter()
            .map(|value| {
                let car = value.split_once('|').map_or("-", |(_, car)| car);
                let mut parts = value.split('|').map(|part| if part == "-" { "" } else { part });
                let mut next = || symbols.intern(parts.next().unwrap_or(""));
                let (colour, make, model) = (next(), next(), next());
                let car = symbols.intern(car);
                seen.insert((Sort::Colour, colour));
                seen.insert((Sort::Car, car));
                Vehicle { colour, make, model, car, frequency: 0.0, colour_frequency: 1.0 }
            })
            .collect();
        let places = of_kinds(f, &[EntityKind::Place, EntityKind::Employer])
            .into_iter()
            .map(|value| {
                let symbol = symbols.intern(value);
                split(symbols, symbol, value);
                seen.insert((Sort::Place, symbol));
                (symbol, 0.0)
            })
            .collect();
        let mut words: Vec<Symbol> = f.words.iter().map(|word| symbols.intern(word)).collect();
        words.sort_unstable();
        words.dedup();
        seen.extend(words.iter().map(|word| (Sort::Word, *word)));
        for (sort, symbol) in seen {
            counts.add(Class::Part(sort), symbol);
        }
        self.records.push(Record {
            id: f.id.as_str().into(),
            day: f.day,
            force: f.force.as_deref().map_or(NONE, |force| symbols.intern(force)),
            people,
            whole: whole.into(),
            addresses,
            vehicles,
            places,
            words: words.into(),
            length: f.words.len() as f32,
            chance_bits: 0.0,
            norm: f.vector.iter().map(|x| f32::from(*x).powi(2)).sum::<f32>().sqrt(),
            vector: f.vector.as_slice().into(),
            p: f.p as f32,
            indicators: f.indicators.iter().fold(0, |bits, i| bits | 1u32.wrapping_shl(i.index() as u32)),
            relationship: f.relationship,
            text_hash: f.text_hash,
        });
    }

    /// Every value of the reports taken in by which reports are counted, a
    /// report after the other; officers' names where `suspected` knows them.
    pub fn counted(&self, suspected: &dyn Fn(&str) -> bool) -> Vec<(Class, &str)> {
        let mut all = Vec::new();
        for record in &self.records {
            let mut record = record.clone();
            let counts = |p: &&Person| {
                p.part != Part::Officer || p.surname != NONE && suspected(self.symbols.get(p.surname))
            };
            record.people = record.people.iter().filter(counts).cloned().collect();
            all.extend(values(&record).into_iter().map(|(class, symbol)| (class, self.symbols.get(symbol))));
        }
        all
    }

    /// The pool of the reports taken in. Frequencies are of these reports, or
    /// of those that `outside` counts, which must include these.
    pub fn finish(self, outside: Option<&dyn Counted>) -> Pool {
        self.finish_with_counts(outside).0
    }

    /// As [`PoolBuilder::finish`], with the counts behind the frequencies.
    pub fn finish_with_counts(self, outside: Option<&dyn Counted>) -> (Pool, Counts) {
        let Self { mut records, symbols, mut counts, parts } = self;
        records.sort_by(|a, b| (&a.id, a.text_hash).cmp(&(&b.id, b.text_hash)));
        keep_officers_who_are_suspects(&mut records, &symbols, outside);
        let mut names = Vec::new();
        for record in &records {
            names.clear();
            for person in &record.people {
                names.push((Sort::Given, person.given));
                names.push((Sort::Surname, person.surname));
            }
            names.sort_unstable();
            names.dedup();
            for &(sort, symbol) in &names {
                counts.add(Class::Part(sort), symbol);
            }
            names.clear();
            let suspects = record.people.iter().filter(|p| p.part == Part::Suspect && p.surname != NONE);
            names.extend(suspects.map(|p| (Sort::Suspect, p.surname)));
            names.sort_unstable();
            names.dedup();
            for &(sort, symbol) in &names {
                counts.add(Class::Part(sort), symbol);
            }
        }
        if let Some(outside) = outside {
            counts.reports = outside.reports();
            count_outside(&records, &symbols, &mut counts, outside);
        }
        let reports = counts.reports;
        let share = |symbol: Symbol| match counts.count(Class::Part(Sort::Word), symbol) {
            0 => 0.0,
            _ => counts.frequency(Sort::Word, symbol, &symbols) as f32,
        };
        let all = 0..symbols.len() as Symbol;
        let shares: Vec<f32>;
        if records.len() < FEW {
            shares = all.map(share).collect();
            records.iter_mut().for_each(|record| frequencies(record, &counts, &shares, &symbols));
        } else {
            shares = all.into_par_iter().map(share).collect();
            records.par_iter_mut().for_each(|record| frequencies(record, &counts, &shares, &symbols));
        }
        let units =
            |share: &f32| if *share > 0.0 { (-f64::from(*share).log2() * WORD_UNITS) as u32 } else { 0 };
        let word_units = shares.iter().map(units).collect();
        (Pool { records, symbols, reports, word_units, parts }, counts)
    }
}

/// An officer counts where some report has that person as suspect.
fn keep_officers_who_are_suspects(records: &mut [Record], symbols: &Symbols, outside: Option<&dyn Counted>) {
    let mut suspects = vec![false; symbols.len()];
    for person in records.iter().flat_map(|r| &r.people).filter(|p| p.part == Part::Suspect) {
        suspects[person.surname as usize] = person.surname != NONE;
    }
    let suspected = |surname: Symbol| {
        suspects[surname as usize]
            || surname != NONE
                && outside.is_some_and(|o| o.count(Class::Part(Sort::Suspect), symbols.get(surname)) > 0)
    };
    for record in records {
        if record.people.iter().any(|p| p.part == Part::Officer) {
            let kept = record.people.iter().filter(|p| p.part != Part::Officer || suspected(p.surname));
            record.people = kept.cloned().collect();
        }
    }
}

/// Puts the counts of a store in the place of these reports' own.
fn count_outside(records: &[Record], symbols: &Symbols, counts: &mut Counts, outside: &dyn Counted) {
    let mut classes: BTreeSet<(Class, Symbol)> = BTreeSet::new();
    for record in records {
        classes.extend(values(record));
    }
    for (class, symbol) in classes {
        counts.set(class, symbol, outside.count(class, symbols.get(symbol)));
    }
}

/// Every value of a record by which reports are counted, each once.
pub fn values(record: &Record) -> BTreeSet<(Class, Symbol)> {
    let mut values = BTreeSet::new();
    for person in &record.people {
        values.insert((Class::Part(Sort::Given), person.given));
        values.insert((Class::Part(Sort::Surname), person.surname));
        if person.part == Part::Suspect && person.surname != NONE {
            values.insert((Class::Part(Sort::Suspect), person.surname));
        }
    }
    values.extend(record.whole.iter().map(|w| (Class::Whole(w.kind), w.symbol)));
    let streets = record.addresses.iter().filter(|a| a.street != NONE);
    values.extend(streets.map(|a| (Class::Part(Sort::Street), a.street)));
    for vehicle in &record.vehicles {
        values.insert((Class::Part(Sort::Colour), vehicle.colour));
        values.insert((Class::Part(Sort::Car), vehicle.car));
    }
    values.extend(record.places.iter().map(|p| (Class::Part(Sort::Place), p.0)));
    values.extend(record.words.iter().map(|w| (Class::Part(Sort::Word), *w)));
    values
}

/// Puts in how common each value of a record is; of words those stay that are
/// rare and that another report has too.
fn frequencies(record: &mut Record, counts: &Counts, shares: &[f32], symbols: &Symbols) {
    let of = |sort: Sort, symbol: Symbol| counts.frequency(sort, symbol, symbols) as f32;
    for person in &mut record.people {
        person.frequency = [of(Sort::Given, person.given), of(Sort::Surname, person.surname)];
    }
    for whole in &mut record.whole {
        whole.reports = counts.count(Class::Whole(whole.kind), whole.symbol).max(1);
    }
    for address in record.addresses.iter_mut().filter(|a| a.street != NONE) {
        address.frequency = of(Sort::Street, address.street);
    }
    for vehicle in &mut record.vehicles {
        vehicle.frequency = of(Sort::Car, vehicle.car);
        if vehicle.colour != NONE {
            vehicle.colour_frequency = of(Sort::Colour, vehicle.colour);
        }
    }
    for place in &mut record.places {
        place.1 = of(Sort::Place, place.0);
    }
    let mut rare: Vec<(&str, Symbol)> = record
        .words
        .iter()
        .filter(|w| f64::from(shares[**w as usize]) < RARE)
        .map(|w| (symbols.get(*w), *w))
        .collect();
    // Sums of many small numbers: in the order of words, not of their numbers.
    rare.sort_unstable();
    record.chance_bits =
        rare.iter().map(|(_, w)| f64::from(shares[*w as usize])).map(|share| share * -share.log2()).sum();
    let mut words: Vec<Symbol> = rare
        .into_iter()
        .filter(|(_, w)| counts.count(Class::Part(Sort::Word), *w) > 1)
        .map(|(_, w)| w)
        .collect();
    words.sort_unstable();
    record.words = words.into();
}

impl Pool {
    /// Makes the reports of a pool ready. Their order does not matter.
    pub fn new(features: &[Features]) -> Self {
        let mut builder = PoolBuilder::default();
        builder.extend(features);
        builder.finish(None)
    }

    /// Where a report stands in the pool.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.records.binary_search_by(|r| r.id.as_ref().cmp(id)).ok()
    }

    /// Bits of sharing a word, in 1 / [`WORD_UNITS`]; the rarer, the more.
    pub fn word_units(&self, word: Symbol) -> u32 {
        self.word_units.get(word as usize).copied().unwrap_or(0)
    }

    /// The words within a value, or the value itself where it is one word.
    pub fn parts<'a>(&'a self, symbol: &'a Symbol) -> &'a [Symbol] {
        self.parts.get(symbol).map_or(std::slice::from_ref(symbol), |parts| parts)
    }
}

/// A house number, empty where there is none, and the street.
fn split_address(value: &str) -> (&str, &str) {
    match value.split_once(' ') {
        Some((number, street)) if number.starts_with(|c: char| c.is_ascii_digit()) => (number, street),
        _ => ("", value),
    }
}

fn of_kinds<'a>(f: &'a Features, kinds: &[EntityKind]) -> BTreeSet<&'a str> {
    f.identifiers.iter().filter(|i| kinds.contains(&i.kind)).map(|i| i.value.as_str()).collect()
}
