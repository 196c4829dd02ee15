//! The comparisons of a pair of reports: for each, an ordered list of levels,
//! of which the first that holds counts. A comparison with nothing to compare
//! gives no level and no evidence either way (Fellegi and Sunter 1969; the
//! form of declaration is Splink's).

use super::frequency;
use super::record::{Part, Person, Pool, Record};
use crate::codebook::Relationship;
use crate::entities::names::{self, Agreement};

/// A comparison by name and its levels, from most to least agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Its name in evidence.
    pub name: &'static str,
    /// Names of its levels.
    pub levels: &'static [&'static str],
}

const NAME_LEVELS: &[&str] = &["full_name", "similar", "surname", "given_name", "family", "different"];
const MATCH_LEVELS: &[&str] = &["full_name", "similar", "surname", "given_name"];

/// Every comparison, in the order in which evidence is written.
pub const COMPARISONS: &[Comparison] = &[
    Comparison { name: "suspect_name", levels: NAME_LEVELS },
    Comparison { name: "victim_name", levels: NAME_LEVELS },
    Comparison { name: "roles_swapped", levels: MATCH_LEVELS },
    Comparison { name: "other_name", levels: MATCH_LEVELS },
    Comparison { name: "phone", levels: &["same", "different"] },
    Comparison { name: "email", levels: &["same", "different"] },
    Comparison { name: "handle", levels: &["same", "similar", "different"] },
    Comparison { name: "plate", levels: &["same", "partial", "different"] },
    Comparison { name: "postcode", levels: &["same", "different"] },
    Comparison { name: "date_of_birth", levels: &["same", "different"] },
    Comparison { name: "reference", levels: &["same", "different"] },
    Comparison { name: "address", levels: &["same_house", "same_number", "same_street", "different"] },
    Comparison { name: "vehicle", levels: &["same_and_colour", "same_model", "same_make", "different"] },
    Comparison { name: "place", levels: &["same", "different"] },
    Comparison {
        name: "rare_words",
        levels: &["over_45", "over_32", "over_22", "over_14", "over_7", "over_0", "none"],
    },
    Comparison {
        name: "narrative",
        levels: &[
            "over_90", "over_80", "over_70", "over_60", "over_50", "over_40", "over_30", "over_20", "below",
        ],
    },
    Comparison { name: "conduct", levels: &["over_60", "over_40", "over_20", "below"] },
    Comparison { name: "relationship", levels: &["same", "different"] },
    Comparison { name: "force", levels: &["same", "neighbouring", "different"] },
    Comparison { name: "time", levels: &["week", "month", "quarter", "year", "two_years", "longer"] },
];

/// Place of each comparison in [`COMPARISONS`].
const SUSPECT: usize = 0;
const VICTIM: usize = 1;
const SWAPPED: usize = 2;
const OTHER: usize = 3;
/// The first of the kinds that are compared as whole values.
const EXACT: usize = 4;
const HANDLE: usize = 2;
const PLATE: usize = 3;
const ADDRESS: usize = 11;
const VEHICLE: usize = 12;
const PLACE: usize = 13;
const WORDS: usize = 14;
const NARRATIVE: usize = 15;
const CONDUCT: usize = 16;
const RELATION: usize = 17;
const FORCE: usize = 18;
const TIME: usize = 19;

/// What one comparison found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Place of the level in its comparison.
    pub level: usize,
    /// How common the agreeing value is, as a share of reports; `None` where
    /// the level's weight is not adjusted by value.
    pub frequency: Option<f64>,
}

/// What every comparison found, in the order of [`COMPARISONS`].
pub type Outcomes = [Option<Outcome>; COMPARISONS.len()];

/// A value that more than this share of a pool holds identifies nobody (and
/// more than [`MANY_REPORTS`] reports do): a helpline, a shop's postcode.
const MANY_SHARE: f64 = 0.02;
const MANY_REPORTS: u32 = 25;

/// Compares two reports; symmetric.
pub fn compare(pool: &Pool, a: &Record, b: &Record) -> Outcomes {
    // One order for both directions, so that ties fall alike.
    let (a, b) = if (&a.id, a.text_hash) <= (&b.id, b.text_hash) { (a, b) } else { (b, a) };
    let mut outcomes: Outcomes = [None; COMPARISONS.len()];
    // Words that other comparisons have counted already.
    let mut counted: Vec<String> = Vec::new();
    compare_people(a, b, &mut outcomes, &mut counted);
    let pool_size = pool.records.len();
    for kind in 0..a.exact.len() {
        outcomes[EXACT + kind] = compare_exact(kind, a, b, pool_size, &mut counted);
    }
    outcomes[ADDRESS] = compare_addresses(a, b, &mut counted);
    outcomes[VEHICLE] = compare_vehicles(a, b, &mut counted);
    outcomes[PLACE] = compare_places(a, b, &mut counted);
    outcomes[WORDS] = Some(compare_words(pool, a, b, &counted));
    outcomes[NARRATIVE] = compare_vectors(a, b);
    outcomes[CONDUCT] = compare_conduct(a, b);
    outcomes[RELATION] = compare_relationship(a, b);
    outcomes[FORCE] = compare_force(a, b);
    outcomes[TIME] = compare_time(a, b);
    outcomes
}

fn plain(level: usize) -> Option<Outcome> {
    Some(Outcome { level, frequency: None })
}

/// Share of reports that hold what two names have in common.
fn shared_frequency(agreement: Agreement, a: &Person, b: &Person) -> f64 {
    let given = a.frequency[0].max(b.frequency[0]).min(1.0);
    let surname = a.frequency[1].max(b.frequency[1]).min(1.0);
    match agreement {
        Agreement::Full | Agreement::FullSimilar => given * surname,
        Agreement::Given => given,
        _ => surname,
    }
}

fn name_level(agreement: Agreement) -> Option<usize> {
    match agreement {
        Agreement::Full => Some(0),
        Agreement::FullSimilar => Some(1),
        Agreement::Surname => Some(2),
        Agreement::Given => Some(3),
        _ => None,
    }
}

/// People are matched one to one, the surest first; each match counts under
/// the roles it has. Who is left over in a role that both reports name is
/// someone else.
fn compare_people(a: &Record, b: &Record, outcomes: &mut Outcomes, counted: &mut Vec<String>) {
    let mut matches: Vec<(usize, usize, f64, usize, usize)> = Vec::new();
    for (i, x) in a.people.iter().enumerate() {
        for (j, y) in b.people.iter().enumerate() {
            let agreement = names::compare(&x.name, &y.name);
            if let Some(level) = name_level(agreement) {
                let slot = match (x.part, y.part) {
                    (Part::Suspect, Part::Suspect) => SUSPECT,
                    (Part::Victim, Part::Victim) => VICTIM,
                    (Part::Suspect, Part::Victim) | (Part::Victim, Part::Suspect) => SWAPPED,
                    _ => OTHER,
                };
                matches.push((level, slot, shared_frequency(agreement, x, y), i, j));
            }
        }
    }
    matches.sort_by(|m, n| {
        (m.0, m.1).cmp(&(n.0, n.1)).then(m.2.total_cmp(&n.2)).then((m.3, m.4).cmp(&(n.3, n.4)))
    });
    let (mut used_a, mut used_b) = (vec![false; a.people.len()], vec![false; b.people.len()]);
    for (level, slot, frequency, i, j) in matches {
        if used_a[i] || used_b[j] {
            continue;
        }
        (used_a[i], used_b[j]) = (true, true);
        for name in [&a.people[i].name, &b.people[j].name] {
            counted.extend([name.given.clone(), name.surname.clone()]);
        }
        // A slot that is taken leaves the match to the others' slot.
        let slot = if outcomes[slot].is_none() { slot } else { OTHER };
        if outcomes[slot].is_none() {
            outcomes[slot] = Some(Outcome { level, frequency: Some(frequency) });
        }
    }
    for (slot, part) in [(SUSPECT, Part::Suspect), (VICTIM, Part::Victim)] {
        if outcomes[slot].is_some() {
            continue;
        }
        let left = |people: &'_ [Person], used: &[bool]| -> Vec<usize> {
            (0..people.len()).filter(|&i| !used[i] && people[i].part == part).collect()
        };
        let (left_a, left_b) = (left(&a.people, &used_a), left(&b.people, &used_b));
        let mut best: Option<Agreement> = None;
        for &i in &left_a {
            for &j in &left_b {
                let agreement = names::compare(&a.people[i].name, &b.people[j].name);
                best = Some(best.map_or(agreement, |b| b.min(agreement)));
            }
        }
        outcomes[slot] = match best {
            Some(Agreement::Family) => plain(4),
            Some(Agreement::Different) => plain(5),
            _ => None,
        };
    }
}

fn compare_exact(
    kind: usize,
    a: &Record,
    b: &Record,
    pool_size: usize,
    counted: &mut Vec<String>,
) -> Option<Outcome> {
    let (x, y) = (&a.exact[kind], &b.exact[kind]);
    if x.is_empty() || y.is_empty() {
        return None;
    }
    let many = MANY_REPORTS.max((pool_size as f64 * MANY_SHARE) as u32);
    let mut similar = false;
    let mut too_common = false;
    let mut same: Option<u32> = None;
    for u in x {
        for v in y {
            if u.value == v.value {
                if u.reports > many {
                    too_common = true;
                } else {
                    same = Some(same.map_or(u.reports, |s| s.min(u.reports)));
                    counted.push(u.value.to_lowercase());
                }
            } else if kind == PLATE {
                let (short, long) =
                    if u.value.len() < v.value.len() { (&u.value, &v.value) } else { (&v.value, &u.value) };
                let partial = short.len() >= 3
                    && short.len() < long.len()
                    && (long.starts_with(short.as_str()) || long.ends_with(short.as_str()));
                let mistyped = short.len() == 7 && long.len() == 7 && names::edits(short, long) == 1;
                if partial || mistyped {
                    similar = true;
                    counted.extend([u.value.to_lowercase(), v.value.to_lowercase()]);
                }
            } else if kind == HANDLE {
                similar |= u.value.len() >= 6 && v.value.len() >= 6 && names::edits(&u.value, &v.value) <= 1;
            }
        }
    }
    let three = kind == PLATE || kind == HANDLE;
    if let Some(reports) = same {
        // The share is against a value that half a dozen reports hold.
        return Some(Outcome { level: 0, frequency: Some(f64::from(reports.max(6))) });
    }
    if similar {
        return plain(1);
    }
    if too_common {
        return None;
    }
    plain(if three { 2 } else { 1 })
}

fn compare_addresses(a: &Record, b: &Record, counted: &mut Vec<String>) -> Option<Outcome> {
    if a.addresses.is_empty() || b.addresses.is_empty() {
        return None;
    }
    let mut best: Option<(usize, f64)> = None;
    for x in &a.addresses {
        for y in &b.addresses {
            let known = x.street != "-" && y.street != "-";
            let street = known && (x.street == y.street || names::alike(&x.street, &y.street));
            let number = x.number.is_some() && x.number == y.number;
            let level = match (street, number) {
                (true, true) => 0,
                (false, true) if !known => 1,
                (true, false) => 2,
                _ => continue,
            };
            if street {
                counted.extend(x.street.split(' ').chain(y.street.split(' ')).map(str::to_owned));
            }
            if number {
                counted.extend(x.number.clone());
            }
            let frequency = x.frequency.max(y.frequency);
            if best.is_none_or(|(l, f)| (level, frequency) < (l, f)) {
                best = Some((level, frequency));
            }
        }
    }
    match best {
        Some((level, frequency)) => Some(Outcome { level, frequency: Some(frequency) }),
        None => plain(3),
    }
}

fn compare_vehicles(a: &Record, b: &Record, counted: &mut Vec<String>) -> Option<Outcome> {
    if a.vehicles.is_empty() || b.vehicles.is_empty() {
        return None;
    }
    let mut best: Option<(usize, f64)> = None;
    for x in &a.vehicles {
        for y in &b.vehicles {
            let models_clash = x.model.is_some() && y.model.is_some() && x.model != y.model;
            let colours_clash = x.colour.is_some() && y.colour.is_some() && x.colour != y.colour;
            if x.make != y.make || models_clash || colours_clash {
                continue;
            }
            let colour = x.colour.is_some() && x.colour == y.colour;
            let model = x.model.is_some() && x.model == y.model;
            let mut frequency = x.frequency.max(y.frequency);
            if colour {
                frequency *= x.colour_frequency;
            }
            let level = if colour {
                0
            } else if model {
                1
            } else {
                2
            };
            counted.push(x.make.clone());
            counted.extend(x.model.clone());
            counted.extend(x.colour.clone());
            if best.is_none_or(|(l, f)| (level, frequency) < (l, f)) {
                best = Some((level, frequency));
            }
        }
    }
    match best {
        Some((level, frequency)) => Some(Outcome { level, frequency: Some(frequency) }),
        None => plain(3),
    }
}

fn compare_places(a: &Record, b: &Record, counted: &mut Vec<String>) -> Option<Outcome> {
    if a.places.is_empty() || b.places.is_empty() {
        return None;
    }
    let mut best: Option<f64> = None;
    for (place, frequency) in &a.places {
        if b.places.iter().any(|(other, _)| other == place) {
            counted.extend(place.split(' ').map(str::to_owned));
            best = Some(best.map_or(*frequency, |f: f64| f.min(*frequency)));
        }
    }
    match best {
        Some(frequency) => Some(Outcome { level: 0, frequency: Some(frequency) }),
        None => plain(1),
    }
}

/// Bits of the rare words that both texts have, less what texts of their
/// lengths share by chance; words that another comparison counted are left out.
pub(super) fn shared_word_bits(pool: &Pool, a: &Record, b: &Record, counted: &[String]) -> f64 {
    let (mut i, mut j) = (0, 0);
    let mut bits = 0.0;
    while i < a.words.len() && j < b.words.len() {
        match a.words[i].cmp(&b.words[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                if let Some((word, share)) = pool.words.get(a.words[i] as usize)
                    && !counted.iter().any(|c| c == word)
                {
                    bits -= share.log2();
                }
                i += 1;
                j += 1;
            }
        }
    }
    // A rare word of one text stands in the other with its share, scaled by
    // how long the other is against a usual text of 60 such words.
    let chance = (a.chance_bits * b.length + b.chance_bits * a.length) / 120.0;
    if bits > 0.0 { (bits - chance).max(0.01) } else { 0.0 }
}

fn compare_words(pool: &Pool, a: &Record, b: &Record, counted: &[String]) -> Outcome {
    let bits = shared_word_bits(pool, a, b, counted);
    let level = [45.0, 32.0, 22.0, 14.0, 7.0, 0.0].iter().position(|over| bits > *over).unwrap_or(6);
    Outcome { level, frequency: None }
}

/// Cosine of the vectors for linking; `None` where one has none.
pub fn cosine(a: &Record, b: &Record) -> Option<f32> {
    let ((x, nx), (y, ny)) = (&a.vector, &b.vector);
    if x.len() != y.len() || *nx == 0.0 || *ny == 0.0 {
        return None;
    }
    let dot: i32 = x.iter().zip(y).map(|(u, v)| i32::from(*u) * i32::from(*v)).sum();
    Some(dot as f32 / (nx * ny))
}

fn compare_vectors(a: &Record, b: &Record) -> Option<Outcome> {
    let cosine = cosine(a, b)?;
    let over = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
    plain(over.iter().position(|limit| cosine > *limit).unwrap_or(over.len()))
}

fn compare_conduct(a: &Record, b: &Record) -> Option<Outcome> {
    if a.indicators == 0 || b.indicators == 0 {
        return None;
    }
    let both = (a.indicators & b.indicators).count_ones() as f32;
    let share = both / (a.indicators | b.indicators).count_ones() as f32;
    plain([0.6, 0.4, 0.2].iter().position(|over| share > *over).unwrap_or(3))
}

fn compare_relationship(a: &Record, b: &Record) -> Option<Outcome> {
    if a.relationship == Relationship::Unknown || b.relationship == Relationship::Unknown {
        return None;
    }
    plain(usize::from(a.relationship != b.relationship))
}

fn compare_force(a: &Record, b: &Record) -> Option<Outcome> {
    let (x, y) = (a.force.as_ref()?, b.force.as_ref()?);
    plain(if x == y {
        0
    } else if frequency::are_neighbours(x, y) {
        1
    } else {
        2
    })
}

fn compare_time(a: &Record, b: &Record) -> Option<Outcome> {
    let days = a.day?.abs_diff(b.day?);
    plain([7, 31, 92, 366, 731].iter().position(|most| days <= *most).unwrap_or(5))
}
