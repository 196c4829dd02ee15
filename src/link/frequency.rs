//! How common a value is. In a pool of a hundred reports every name looks
//! rare, so counts of the pool are shrunk towards shipped tables: names,
//! streets, places and cars from the gazetteer, words from the training part
//! of the corpus.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::symbols::{Symbol, Symbols};

/// Reports that the shipped table is worth against the pool's own counts.
const TABLE_WEIGHT: f64 = 2000.0;

/// What sort of value a frequency is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// Given names, nicknames made one.
    Given,
    /// Surnames.
    Surname,
    /// Streets without numbers.
    Street,
    /// Named places and employers.
    Place,
    /// Makes and models.
    Car,
    /// Colours of cars.
    Colour,
    /// Words of narratives.
    Word,
    /// Surnames of suspects.
    Suspect,
}

impl Sort {
    /// Share of reports that hold a value of which no table knows.
    fn unseen(self) -> f64 {
        match self {
            Self::Given => 4e-4,
            Self::Surname => 2e-4,
            Self::Street => 4e-4,
            Self::Place => 5e-4,
            Self::Car => 2e-3,
            Self::Colour => 2e-2,
            Self::Word => 1e-4,
            Self::Suspect => 1e-4,
        }
    }
}

#[derive(Deserialize)]
struct Gazetteer {
    force: Vec<Force>,
    streets: Streets,
    places: BTreeMap<String, Vec<String>>,
    cars: Cars,
    people: BTreeMap<String, People>,
}

#[derive(Deserialize)]
struct Force {
    name: String,
    neighbours: Vec<String>,
}

#[derive(Deserialize)]
struct Streets {
    names: Vec<String>,
}

#[derive(Deserialize)]
struct Cars {
    models: Vec<String>,
    colours: Vec<String>,
}

#[derive(Deserialize)]
struct People {
    weight: f64,
    female: Vec<String>,
    male: Vec<String>,
    surnames: Vec<String>,
}

struct Tables {
    values: BTreeMap<Sort, BTreeMap<String, f64>>,
    neighbours: BTreeMap<String, Vec<String>>,
}

/// `Smith:14` as name and weight; a name alone has weight 1.
fn weighted(entry: &str) -> (String, f64) {
    match entry.rsplit_once(':') {
        Some((name, weight)) => (name.to_lowercase(), weight.parse().unwrap_or(1.0)),
        None => (entry.to_lowercase(), 1.0),
    }
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut values: BTreeMap<Sort, BTreeMap<String, f64>> = BTreeMap::new();
        let mut add =
            |sort: Sort, entries: &[String], scale: f64, uniform: &dyn Fn(&str) -> Option<String>| {
                let total: f64 = entries.iter().map(|e| weighted(e).1).sum();
                for entry in entries {
                    let (name, weight) = weighted(entry);
                    if let Some(value) = uniform(&name) {
                        *values.entry(sort).or_default().entry(value).or_default() +=
                            scale * weight / total.max(1.0);
                    }
                }
            };
        // The tests read both files, so that they cannot be broken here.
        let gazetteer: Option<Gazetteer> = toml::from_str(include_str!("../../datasets/gazetteer.toml")).ok();
        let mut neighbours = BTreeMap::new();
        if let Some(g) = gazetteer {
            let all: f64 = g.people.values().map(|p| p.weight).sum();
            let plain = |name: &str| Some(name.chars().filter(|c| c.is_alphanumeric()).collect::<String>());
            let given = |name: &str| Some(crate::entities::names::canonical(name).to_owned());
            for people in g.people.values() {
                let share = people.weight / all.max(1.0);
                add(Sort::Given, &people.female, share / 2.0, &given);
                add(Sort::Given, &people.male, share / 2.0, &given);
                add(Sort::Surname, &people.surnames, share, &plain);
            }
            add(Sort::Street, &g.streets.names, 0.5, &|name| crate::entities::values::address(name));
            for places in g.places.values() {
                add(Sort::Place, places, 0.2, &|name| crate::entities::values::place(name));
            }
            let model = |name: &str| {
                let value = crate::entities::values::vehicle(name)?;
                let mut parts = value.split('|').skip(1);
                Some(format!("{}|{}", parts.next()?, parts.next()?))
            };
            add(Sort::Car, &g.cars.models, 0.3, &model);
            add(Sort::Colour, &g.cars.colours, 0.3, &|name| Some(name.to_owned()));
            for force in g.force {
                neighbours.insert(force.name, force.neighbours);
            }
        }
        let mut lines = include_str!("words.tsv").lines().filter(|line| !line.starts_with('#'));
        let reports: f64 =
            lines.next().and_then(|line| line.rsplit('\t').next()?.parse().ok()).unwrap_or(1.0);
        for line in lines {
            if let Some((word, count)) = line.split_once('\t')
                && let Ok(count) = count.parse::<f64>()
            {
                values.entry(Sort::Word).or_default().insert(word.to_owned(), count / reports);
            }
        }
        Tables { values, neighbours }
    })
}

/// Share of reports that hold a value, by the shipped tables.
pub fn shipped(sort: Sort, value: &str) -> f64 {
    tables().values.get(&sort).and_then(|of| of.get(value)).copied().unwrap_or(0.0).max(sort.unseen())
}

/// Every value of a sort in the shipped tables with its share of reports, in
/// the order of values.
pub fn shipped_values(sort: Sort) -> Vec<(String, f64)> {
    let of_sort = tables().values.get(&sort).into_iter().flatten();
    of_sort.map(|(value, share)| (value.clone(), *share)).collect()
}

/// Whether two forces are neighbours; forces that no table knows are none.
pub fn are_neighbours(a: &str, b: &str) -> bool {
    let of = |x: &str, y: &str| tables().neighbours.get(x).is_some_and(|names| names.iter().any(|n| n == y));
    of(a, b) || of(b, a)
}

/// What a value is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A part of a value that many reports share.
    Part(Sort),
    /// A whole value of a kind that is compared as a whole, by its place in
    /// [`KINDS`](super::record::KINDS).
    Whole(u8),
}

impl Class {
    /// A small number of its own, the same in every run.
    pub fn number(self) -> u8 {
        match self {
            Self::Part(sort) => sort as u8,
            Self::Whole(kind) => 16 + kind,
        }
    }
}

/// Every class in the order of its numbers.
pub fn classes() -> impl Iterator<Item = Class> {
    let parts = [
        Sort::Given,
        Sort::Surname,
        Sort::Street,
        Sort::Place,
        Sort::Car,
        Sort::Colour,
        Sort::Word,
        Sort::Suspect,
    ];
    let wholes = (0..super::record::KINDS.len() as u8).map(Class::Whole);
    parts.into_iter().map(Class::Part).chain(wholes)
}

/// Counts of a pool that is kept elsewhere, in a store.
pub trait Counted {
    /// Reports of the pool.
    fn reports(&self) -> usize;
    /// Reports that hold the value.
    fn count(&self, class: Class, value: &str) -> u32;
}

/// Counts of values in a pool: in how many reports each stands.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Words, by symbol: of them there are most.
    words: Vec<u32>,
    /// All else, by class and symbol.
    others: std::collections::HashMap<(u8, Symbol), u32>,
    /// Reports that were counted.
    pub reports: usize,
}

impl Counts {
    /// Counts one value of one report; it must come once.
    pub fn add(&mut self, class: Class, symbol: Symbol) {
        if class == Class::Part(Sort::Word) {
            let place = symbol as usize;
            if place >= self.words.len() {
                self.words.resize(place + 1 + place / 2, 0);
            }
            self.words[place] += 1;
        } else {
            *self.others.entry((class.number(), symbol)).or_default() += 1;
        }
    }

    /// Reports of the pool that hold the value.
    pub fn count(&self, class: Class, symbol: Symbol) -> u32 {
        if class == Class::Part(Sort::Word) {
            return self.words.get(symbol as usize).copied().unwrap_or(0);
        }
        self.others.get(&(class.number(), symbol)).copied().unwrap_or(0)
    }

    /// Sets a count that was taken elsewhere.
    pub fn set(&mut self, class: Class, symbol: Symbol, count: u32) {
        if class == Class::Part(Sort::Word) {
            let place = symbol as usize;
            if place >= self.words.len() {
                self.words.resize(place + 1, 0);
            }
            self.words[place] = count;
        } else {
            self.others.insert((class.number(), symbol), count);
        }
    }

    /// Share of reports that hold a value: the pool's count shrunk towards
    /// the shipped share, (count + 2000 · shipped) / (reports + 2000).
    pub fn frequency(&self, sort: Sort, symbol: Symbol, symbols: &Symbols) -> f64 {
        let count = f64::from(self.count(Class::Part(sort), symbol));
        (count + TABLE_WEIGHT * shipped(sort, symbols.get(symbol))) / (self.reports as f64 + TABLE_WEIGHT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_can_be_read() {
        let parsed: std::result::Result<Gazetteer, _> =
            toml::from_str(include_str!("../../datasets/gazetteer.toml"));
        assert!(parsed.is_ok(), "{:?}", parsed.err());
        assert!(shipped(Sort::Surname, "smith") > 10.0 * shipped(Sort::Surname, "hebblethwaite"));
        assert!(shipped(Sort::Street, "high street") > shipped(Sort::Street, "fiddlers reach"));
        assert!(are_neighbours("Northshire", "Aldermoor") && !are_neighbours("Northshire", "Wexmoor"));
    }

    #[test]
    fn a_value_of_half_the_pool_is_common_whatever_the_table_says() {
        let mut symbols = Symbols::default();
        let dray = symbols.intern("dray");
        let mut counts = Counts { reports: 10_000, ..Counts::default() };
        for _ in 0..5000 {
            counts.add(Class::Part(Sort::Surname), dray);
        }
        assert!(counts.frequency(Sort::Surname, dray, &symbols) > 0.4);
        assert!(Counts::default().frequency(Sort::Surname, dray, &symbols) < 1e-3);
    }
}
