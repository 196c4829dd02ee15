//! A report made ready to be compared: mentions of one person made one,
//! identifiers by kind with the frequency of each value.

use std::collections::BTreeSet;

use super::frequency::{Counts, Sort};
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
    /// The fullest form of the name.
    pub name: Name,
    /// The part most mentions give.
    pub part: Part,
    /// Shares of reports with the given name and with the surname.
    pub frequency: [f64; 2],
}

/// A street, with a number where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// House number.
    pub number: Option<String>,
    /// The street, `-` where only a number was given.
    pub street: String,
    /// Share of reports with the street.
    pub frequency: f64,
}

/// A car as far as it was described.
#[derive(Clone, Debug, PartialEq)]
pub struct Vehicle {
    /// Its colour.
    pub colour: Option<String>,
    /// Its make.
    pub make: String,
    /// Its model.
    pub model: Option<String>,
    /// Share of reports with the make and model.
    pub frequency: f64,
    /// Share of reports with the colour.
    pub colour_frequency: f64,
}

/// A value and how many reports of the pool hold it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The value.
    pub value: String,
    /// Reports that hold it.
    pub reports: u32,
}

/// A report ready to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The report's id.
    pub id: String,
    /// Days since 1 January 1970.
    pub day: Option<i32>,
    /// The force that holds it.
    pub force: Option<String>,
    /// People, officers left out unless some report suspects them.
    pub people: Vec<Person>,
    /// Phones, emails, handles, plates, postcodes, dates of birth, references,
    /// in the order of [`KINDS`].
    pub exact: [Vec<Counted>; KINDS.len()],
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Vehicles.
    pub vehicles: Vec<Vehicle>,
    /// Places and employers with their share of reports.
    pub places: Vec<(String, f64)>,
    /// Indicators found, a bit each.
    pub indicators: u32,
    /// Suspect to victim.
    pub relationship: Relationship,
    /// Rare words by number in the pool, sorted.
    pub words: Vec<u32>,
    /// Words in all, rare or not.
    pub length: f64,
    /// Bits that rare words would share by chance with a text of one word.
    pub chance_bits: f64,
    /// Vector for linking and its length.
    pub vector: (Vec<i8>, f32),
    /// Probability that the text reads like stalking.
    pub p: f64,
    /// Hash of the text.
    pub text_hash: u64,
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

/// Words in more than this share of reports say nothing of who it is.
const RARE: f64 = 0.01;

/// Records of a pool, sorted by id, and its rare words.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// The records.
    pub records: Vec<Record>,
    /// Rare words, by number, and their share of reports.
    pub words: Vec<(String, f64)>,
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

impl Pool {
    /// Makes the reports of a pool ready. Their order does not matter.
    pub fn new(features: &[Features]) -> Self {
        let mut order: Vec<&Features> = features.iter().collect();
        order.sort_by(|a, b| (&a.id, a.text_hash).cmp(&(&b.id, b.text_hash)));

        let all_people: Vec<Vec<(Name, Part)>> = order.iter().map(|f| people(f)).collect();
        // An officer counts where some report has that person as suspect.
        let suspects: BTreeSet<&str> = all_people
            .iter()
            .flatten()
            .filter(|(name, part)| *part == Part::Suspect && !name.surname.is_empty())
            .map(|(name, _)| name.surname.as_str())
            .collect();
        let counts_as =
            |(name, part): &(Name, Part)| *part != Part::Officer || suspects.contains(name.surname.as_str());

        let mut counts = Counts::default();
        let mut exact_counts: std::collections::HashMap<(usize, &str), u32> =
            std::collections::HashMap::new();
        for (f, people) in order.iter().zip(&all_people) {
            let mut seen: BTreeSet<(Sort, String)> = BTreeSet::new();
            for (name, _) in people.iter().filter(|p| counts_as(p)) {
                seen.insert((Sort::Given, name.given.clone()));
                seen.insert((Sort::Surname, name.surname.clone()));
            }
            for identifier in &f.identifiers {
                seen.extend(sorts(identifier.kind, &identifier.value));
            }
            seen.extend(f.words.iter().map(|w| (Sort::Word, w.clone())));
            counts.add(seen.iter().map(|(sort, value)| (*sort, value.as_str())));
            let mut exact: Vec<(usize, &str)> = f
                .identifiers
                .iter()
                .filter_map(|i| Some((KINDS.iter().position(|k| *k == i.kind)?, i.value.as_str())))
                .collect();
            exact.sort_unstable();
            exact.dedup();
            for key in exact {
                *exact_counts.entry(key).or_default() += 1;
            }
        }

        let mut words: Vec<(String, f64)> = Vec::new();
        let mut numbers: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
        let mut records = Vec::with_capacity(order.len());
        for (f, people) in order.iter().zip(&all_people) {
            let mut own_words = Vec::new();
            let mut chance_bits = 0.0;
            for word in &f.words {
                let share = counts.frequency(Sort::Word, word);
                if share >= RARE {
                    continue;
                }
                chance_bits += share * -share.log2();
                if counts.count(Sort::Word, word) < 2 {
                    continue;
                }
                let number = *numbers.entry(word.clone()).or_insert_with(|| {
                    words.push((word.clone(), share));
                    u32::try_from(words.len() - 1).unwrap_or(u32::MAX)
                });
                own_words.push(number);
            }
            own_words.sort_unstable();
            let norm = f.vector.iter().map(|x| f32::from(*x).powi(2)).sum::<f32>().sqrt();
            records.push(Record {
                id: f.id.clone(),
                day: f.day,
                force: f.force.clone(),
                people: people
                    .iter()
                    .filter(|p| counts_as(p))
                    .map(|(name, part)| Person {
                        name: name.clone(),
                        part: *part,
                        frequency: [
                            counts.frequency(Sort::Given, &name.given),
                            counts.frequency(Sort::Surname, &name.surname),
                        ],
                    })
                    .collect(),
                exact: std::array::from_fn(|k| {
                    let mut values: Vec<Counted> = f
                        .identifiers
                        .iter()
                        .filter(|i| i.kind == KINDS[k])
                        .map(|i| Counted {
                            value: i.value.clone(),
                            reports: exact_counts.get(&(k, i.value.as_str())).copied().unwrap_or(1),
                        })
                        .collect();
                    values.sort();
                    values.dedup();
                    values
                }),
                addresses: addresses(f, &counts),
                vehicles: vehicles(f, &counts),
                places: places(f, &counts),
                indicators: f.indicators.iter().fold(0, |bits, i| bits | 1u32.wrapping_shl(i.index() as u32)),
                relationship: f.relationship,
                words: own_words,
                length: f.words.len() as f64,
                chance_bits,
                vector: (f.vector.clone(), norm),
                p: f.p,
                text_hash: f.text_hash,
            });
        }
        Self { records, words }
    }
}

/// The values of an identifier whose frequency is counted.
fn sorts(kind: EntityKind, value: &str) -> Vec<(Sort, String)> {
    match kind {
        EntityKind::Address => vec![(Sort::Street, split_address(value).1)],
        EntityKind::Place | EntityKind::Employer => vec![(Sort::Place, value.to_owned())],
        EntityKind::Vehicle => {
            let mut parts = value.splitn(2, '|');
            let (colour, car) = (parts.next().unwrap_or("-"), parts.next().unwrap_or("-"));
            vec![(Sort::Colour, colour.to_owned()), (Sort::Car, car.to_owned())]
        }
        _ => Vec::new(),
    }
}

fn split_address(value: &str) -> (Option<String>, String) {
    match value.split_once(' ') {
        Some((number, street)) if number.starts_with(|c: char| c.is_ascii_digit()) => {
            (Some(number.to_owned()), street.to_owned())
        }
        _ => (None, value.to_owned()),
    }
}

fn of_kinds<'a>(f: &'a Features, kinds: &'a [EntityKind]) -> BTreeSet<&'a str> {
    f.identifiers.iter().filter(|i| kinds.contains(&i.kind)).map(|i| i.value.as_str()).collect()
}

fn addresses(f: &Features, counts: &Counts) -> Vec<Address> {
    of_kinds(f, &[EntityKind::Address])
        .into_iter()
        .map(|value| {
            let (number, street) = split_address(value);
            let frequency = if street == "-" { 0.05 } else { counts.frequency(Sort::Street, &street) };
            Address { number, street, frequency }
        })
        .collect()
}

fn vehicles(f: &Features, counts: &Counts) -> Vec<Vehicle> {
    of_kinds(f, &[EntityKind::Vehicle])
        .into_iter()
        .map(|value| {
            let mut parts =
                value.split('|').map(|part| if part == "-" { None } else { Some(part.to_owned()) });
            let (colour, make, model) =
                (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
            let car = value.split_once('|').map_or("-", |(_, car)| car);
            let colour_frequency = colour.as_ref().map_or(1.0, |c| counts.frequency(Sort::Colour, c));
            Vehicle {
                colour,
                make: make.unwrap_or_default(),
                model,
                frequency: counts.frequency(Sort::Car, car),
                colour_frequency,
            }
        })
        .collect()
}

fn places(f: &Features, counts: &Counts) -> Vec<(String, f64)> {
    of_kinds(f, &[EntityKind::Place, EntityKind::Employer])
        .into_iter()
        .map(|value| (value.to_owned(), counts.frequency(Sort::Place, value)))
        .collect()
}
