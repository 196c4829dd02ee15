//! Pools of features, not of texts, for measuring scale: names, streets and
//! cars as common as the shipped tables say, one report in twenty in a series
//! of two to six about the same two people, spelt and described unlike.

use super::frequency::{self, Sort};
use crate::codebook::{EntityKind, Indicator, Relationship, Role};
use crate::entities::Identifier;
use crate::features::Features;
use crate::rng::Rng;

/// Values with their running sum of weights, to draw from.
struct Urn(Vec<(String, f64)>);

impl Urn {
    fn of(sort: Sort) -> Self {
        let mut sum = 0.0;
        Self(
            frequency::shipped_values(sort)
                .into_iter()
                .map(|(value, weight)| {
                    sum += weight;
                    (value, sum)
                })
                .collect(),
        )
    }

    fn draw(&self, rng: &mut Rng) -> &str {
        let top = self.0.last().map_or(0.0, |last| last.1);
        let at = rng.unit() * top;
        let place = self.0.partition_point(|(_, sum)| *sum <= at);
        self.0.get(place.min(self.0.len().saturating_sub(1))).map_or("x", |(value, _)| value)
    }
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

/// A made-up word of no table: a place or a thing that few reports name.
fn rare_word(rng: &mut Rng) -> String {
    const PARTS: [&str; 16] = [
        "ban", "cor", "dal", "fen", "gor", "hal", "kir", "lun", "mor", "nes", "pol", "rud", "sal", "tor",
        "ver", "wen",
    ];
    (0..4).map(|_| PARTS[rng.below(PARTS.len())]).collect()
}

/// `reports` sets of features and the series of each, if it has one.
pub fn pool(reports: usize, seed: u64) -> (Vec<Features>, Vec<Option<u32>>) {
    let mut rng = Rng::new(seed, "synthetic pool");
    let rng = &mut rng;
    let [given, surname, street, car, colour, common] =
        [Sort::Given, Sort::Surname, Sort::Street, Sort::Car, Sort::Colour, Sort::Word].map(Urn::of);
    let (mut features, mut series) = (Vec::with_capacity(reports), Vec::with_capacity(reports));
    let mut number = 0;
    while features.len() < reports {
        // One report in twenty is in a series; a series has four on average.
        let is_series = rng.unit() < 0.05 / (0.05 + 0.95 * 4.0);
        let size = if is_series { 2 + rng.below(5) } else { 1 };
        let mut person = || Person { given: given.draw(rng).into(), surname: surname.draw(rng).into() };
        let people = [person(), person()];
        let case = Case {
            people,
            address: format!("{} {}", 1 + rng.below(140), street.draw(rng)),
            car: format!("{}|{}", colour.draw(rng), car.draw(rng)),
            phone: (rng.unit() < 0.3).then(|| format!("077{:08}", rng.below(100_000_000))),
            force: rng.below(43),
            day: 18_000 + rng.below(2000) as i32,
            words: (0..3).map(|_| rare_word(rng)).collect(),
            vector: (0..128).map(|_| rng.normal()).collect(),
        };
        for _ in 0..size.min(reports - features.len()) {
            features.push(report(features.len(), &case, &common, rng));
            series.push(is_series.then_some(number));
        }
        number += 1;
    }
    (features, series)
}

fn report(place: usize, case: &Case, common: &Urn, rng: &mut Rng) -> Features {
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
    let mut words: Vec<String> = (0..50).map(|_| common.draw(rng).to_owned()).collect();
    words.extend(case.words.iter().filter(|_| rng.unit() < 0.4).cloned());
    words.sort();
    words.dedup();
    let vector: Vec<f64> = case.vector.iter().map(|x| x + 1.2 * rng.normal()).collect();
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let indicators: Vec<Indicator> = Indicator::ALL.iter().copied().filter(|_| rng.unit() < 0.15).collect();
    Features {
        id: format!("S{place:07}"),
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
