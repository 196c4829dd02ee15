//! Pools of features, not of texts, for measuring scale. Names, streets and
//! cars are as common as the shipped tables say, with a long tail behind them
//! of which no table knows; one report in twenty is in a series of two to six
//! about the same two people, spelt and described unlike.

use super::frequency::{self, Sort};
use crate::codebook::{EntityKind, Indicator, Relationship, Role};
use crate::entities::Identifier;
use crate::features::Features;
use crate::rng::{Rng, mix};

/// Values with their running sum of weights, to draw from.
struct Urn {
    values: Vec<(String, f64)>,
    /// Share of draws that come from the tail.
    tail: f64,
    /// Different values of the tail.
    tail_values: usize,
}

impl Urn {
    fn of(sort: Sort, tail: f64, tail_values: usize) -> Self {
        let mut sum = 0.0;
        let values = frequency::shipped_values(sort)
            .into_iter()
            .map(|(value, weight)| {
                sum += weight;
                (value, sum)
            })
            .collect();
        Self { values, tail, tail_values }
    }

    fn draw(&self, rng: &mut Rng) -> String {
        if rng.unit() < self.tail {
            // Log-uniform rank: the frequency falls as 1 / rank (Zipf).
            let rank = (self.tail_values as f64).powf(rng.unit());
            return made_up(rank as usize);
        }
        let top = self.values.last().map_or(0.0, |last| last.1);
        let at = rng.unit() * top;
        let place = self.values.partition_point(|(_, sum)| *sum <= at);
        self.values.get(place.min(self.values.len().saturating_sub(1))).map_or("x", |(value, _)| value).into()
    }
}

/// The made-up word of a number: three or four syllables that no table holds.
fn made_up(number: usize) -> String {
    const PARTS: [&str; 32] = [
        "ban", "cor", "dal", "fen", "gor", "hal", "kir", "lun", "mor", "nes", "pol", "rud", "sal", "tor",
        "ver", "wen", "bex", "cul", "dri", "eck", "fal", "gri", "hob", "jen", "kel", "lam", "mab", "nor",
        "osw", "pen", "rix", "tam",
    ];
    // Neighbouring numbers get words that are far apart.
    let mixed = mix(7, &[number as u64]);
    let syllables = 3 + usize::from(mixed & (1 << 40) != 0);
    (0..syllables).map(|i| PARTS[(mixed >> (5 * i)) as usize % PARTS.len()]).collect()
}

struct Person {
    given: String,
    surname: String,
}

struct Case {
    people: [Person; 2],
    address: String,
    car: String,
    phone: Option<String>,
    force: usize,
    day: i32,
    words: Vec<String>,
    vector: Vec<f64>,
}

/// A number that a share of all reports tell, as they do of a helpline.
const HELPLINE: &str = "08081234567";

/// A generator of one pool; give it away report by report, for no memory
/// holds a million of them.
pub struct Reports {
    rng: Rng,
    given: Urn,
    surname: Urn,
    street: Urn,
    car: Urn,
    colour: Urn,
    word: Urn,
    made: usize,
    wanted: usize,
    series: u32,
    case: Option<(Case, bool)>,
    left: usize,
}

/// `reports` sets of features, one after the other, each with the number of
/// its series, if it is in one. The order of ids is not that of series.
pub fn reports(reports: usize, seed: u64) -> Reports {
    Reports {
        rng: Rng::new(seed, "synthetic pool"),
        given: Urn::of(Sort::Given, 0.2, 3000),
        surname: Urn::of(Sort::Surname, 0.5, 40_000),
        street: Urn::of(Sort::Street, 0.6, 60_000),
        car: Urn::of(Sort::Car, 0.0, 0),
        colour: Urn::of(Sort::Colour, 0.0, 0),
        word: Urn::of(Sort::Word, 0.04, 200_000),
        made: 0,
        wanted: reports,
        series: 0,
        case: None,
        left: 0,
    }
}

/// All of [`reports`] at once.
pub fn pool(count: usize, seed: u64) -> (Vec<Features>, Vec<Option<u32>>) {
    reports(count, seed).unzip()
}

impl Iterator for Reports {
    type Item = (Features, Option<u32>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.made == self.wanted {
            return None;
        }
        if self.left == 0 {
            self.next_case();
        }
        self.left -= 1;
        let place = self.made;
        self.made += 1;
        let Some((case, is_series)) = &self.case else { return None };
        let features = report(place, case, &self.word, &mut self.rng);
        Some((features, is_series.then_some(self.series)))
    }
}

impl Reports {
    fn next_case(&mut self) {
        let rng = &mut self.rng;
        // One report in twenty is in a series; a series has four on average.
        let is_series = rng.unit() < 0.05 / (0.05 + 0.95 * 4.0);
        self.left = if is_series { 2 + rng.below(5) } else { 1 };
        self.series += 1;
        let mut person = || Person { given: self.given.draw(rng), surname: self.surname.draw(rng) };
        let people = [person(), person()];
        let case = Case {
            people,
            address: format!("{} {}", 1 + rng.below(140), self.street.draw(rng)),
            car: format!("{}|{}", self.colour.draw(rng), self.car.draw(rng)),
            phone: (rng.unit() < 0.3).then(|| format!("077{:08}", rng.below(100_000_000))),
            force: rng.below(43),
            day: 18_000 + rng.below(2000) as i32,
            words: (0..3).map(|_| made_up(200_000 + rng.below(2_000_000))).collect(),
            vector: (0..128).map(|_| rng.normal()).collect(),
        };
        self.case = Some((case, is_series));
    }
}

fn report(place: usize, case: &Case, word: &Urn, rng: &mut Rng) -> Features {
    let mut identifiers = Vec::new();
    let mut add = |kind, role, value: String| {
        identifiers.push(Identifier { kind, role, value, place: None });
    };
    for (person, role) in case.people.iter().zip([Role::Suspect, Role::Victim]) {
        // Half of the mentions are whole, some are misspelt, the rest are parts or missing.
        let value = match rng.below(10) {
            0..=4 => format!("{} {}", person.given, person.surname),
            5 => format!("{} {}e", person.given, person.surname),
            6 => format!("- {}", person.surname),
            7 => format!("{} -", person.given),
            _ => continue,
        };
        add(EntityKind::Person, Some(role), value);
    }
    if rng.unit() < 0.5 {
        add(EntityKind::Address, Some(Role::Victim), case.address.clone());
    }
    if rng.unit() < 0.3 {
        add(EntityKind::Vehicle, Some(Role::Suspect), case.car.clone());
    }
    if let Some(phone) = case.phone.as_ref().filter(|_| rng.unit() < 0.5) {
        add(EntityKind::Phone, None, phone.clone());
    }
    if rng.unit() < 0.005 {
        add(EntityKind::Phone, None, HELPLINE.into());
    }
    let mut words: Vec<String> = (0..50).map(|_| word.draw(rng)).collect();
    words.extend(case.words.iter().filter(|_| rng.unit() < 0.4).cloned());
    words.sort();
    words.dedup();
    let vector: Vec<f64> = case.vector.iter().map(|x| x + 1.2 * rng.normal()).collect();
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let indicators: Vec<Indicator> = Indicator::ALL.iter().copied().filter(|_| rng.unit() < 0.15).collect();
    Features {
        // A step that is prime to a prime visits every number once.
        id: format!("S{:08}", place * 7_654_321 % 16_777_213),
        day: Some(case.day + rng.below(200) as i32),
        force: Some(format!("Force {:02}", case.force)),
        identifiers,
        indicators,
        relationship: Relationship::Unknown,
        p: rng.unit(),
        words,
        vector: vector.iter().map(|x| (x / norm * 127.0).round() as i8).collect(),
        text_hash: rng.bits(),
    }
}
