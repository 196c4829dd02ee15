//! The one gazetteer of the corpus: invented forces, towns, streets, firms and
//! cars, and people's names by community, with weights that say how common
//! each is. `datasets/gazetteer.toml` is the file.
//!
//! Drawing from it is for the scenario cards; looking up what a word of a
//! report is (a first name, a surname, a street) is for augmentation.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::weighted::Weighted;
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;

/// Female or male, as far as a first name or a pronoun tells.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sex {
    /// Female, `f`.
    Female,
    /// Male, `m`.
    Male,
}

impl Sex {
    /// `f` or `m`; nothing for any other letter.
    pub fn of(letter: &str) -> Option<Sex> {
        match letter {
            "f" => Some(Sex::Female),
            "m" => Some(Sex::Male),
            _ => None,
        }
    }

    /// `f` or `m`.
    pub fn letter(self) -> &'static str {
        match self {
            Sex::Female => "f",
            Sex::Male => "m",
        }
    }

    /// The other one.
    pub fn other(self) -> Sex {
        match self {
            Sex::Female => Sex::Male,
            Sex::Male => Sex::Female,
        }
    }
}

/// A police force with what lies in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Force {
    /// Its name.
    pub name: String,
    /// Forces that it borders on, by name.
    pub neighbours: Vec<String>,
    /// Its towns.
    pub towns: Vec<String>,
    /// The first halves of its postcodes.
    pub postcodes: Vec<String>,
}

/// Names of one community.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Community {
    /// How many of the people belong to it, relative to the others.
    pub weight: u32,
    /// Female first names.
    pub female: Weighted,
    /// Male first names.
    pub male: Weighted,
    /// Surnames.
    pub surnames: Weighted,
}

impl Community {
    /// First names of a sex.
    pub fn first_names(&self, sex: Sex) -> &Weighted {
        match sex {
            Sex::Female => &self.female,
            Sex::Male => &self.male,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    names: Weighted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    shops: Weighted,
    gyms: Weighted,
    schools: Weighted,
    care: Weighted,
    parks: Weighted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cars {
    models: Weighted,
    colours: Weighted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    force: Vec<Force>,
    streets: Named,
    places: Places,
    cars: Cars,
    employers: Named,
    people: BTreeMap<String, Community>,
}

/// A sort of place whose names may stand for one another.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlaceKind {
    /// A street.
    Street,
    /// A town of the force with this place in [`Gazetteer::forces`].
    Town(usize),
    /// A shop or pub.
    Shop,
    /// A gym.
    Gym,
    /// A school or college.
    School,
    /// A hospital, surgery or care home.
    Care,
    /// A park or other open place.
    Park,
    /// An employer.
    Employer,
}

/// The gazetteer, checked, with its look-ups.
#[derive(Clone, Debug)]
pub struct Gazetteer {
    /// The forces; there are two or more.
    pub forces: Vec<Force>,
    /// Shops and pubs.
    pub shops: Weighted,
    /// Gyms.
    pub gyms: Weighted,
    /// Schools.
    pub schools: Weighted,
    /// Hospitals, surgeries and care homes.
    pub care: Weighted,
    /// Parks and other open places.
    pub parks: Weighted,
    /// Streets.
    pub streets: Weighted,
    /// Car makes and models.
    pub car_models: Weighted,
    /// Car colours.
    pub car_colours: Weighted,
    /// Employers.
    pub employers: Weighted,
    communities: Vec<Community>,
    by_weight: Weighted,
    first_names: HashMap<String, (usize, Sex)>,
    surnames: HashMap<String, usize>,
    /// Places by their first word in small letters, the longer names first.
    places: HashMap<String, Vec<(Vec<String>, PlaceKind)>>,
}

impl Gazetteer {
    /// Reads a gazetteer file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when it cannot be read, [`ErrorKind::Data`] naming the
    /// key that is missing, unknown, empty or does not fit the others.
    pub fn load(path: &Path) -> Result<Gazetteer> {
        let text = std::fs::read_to_string(path).map_err(|err| Error::io(path, err))?;
        Gazetteer::parse(&text).map_err(|err| {
            Error::new(err.kind(), format!("{}: {err}", path.display()))
                .hint("datasets/gazetteer.toml shows the form of the file")
        })
    }

    /// Reads a gazetteer from TOML.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`], as for [`Gazetteer::load`].
    pub fn parse(text: &str) -> Result<Gazetteer> {
        let file: File = toml::from_str(text).map_err(|err| data(err.message().to_owned()))?;
        let File { version, force: forces, streets, places, cars, employers, people } = file;
        if version != 1 {
            return Err(data(format!("`version` is {version}, 1 is needed")));
        }
        if forces.len() < 2 {
            return Err(data(format!("{} forces, two or more are needed", forces.len())));
        }
        for force in &forces {
            for (what, list) in
                [("neighbours", &force.neighbours), ("towns", &force.towns), ("postcodes", &force.postcodes)]
            {
                if list.is_empty() {
                    return Err(data(format!("force `{}`: `{what}` is empty", force.name)));
                }
            }
            let known = |name: &String| forces.iter().any(|other| other.name == *name);
            if let Some(stranger) = force.neighbours.iter().find(|name| !known(name)) {
                return Err(data(format!(
                    "force `{}`: the neighbour `{stranger}` is no force of the file",
                    force.name
                )));
            }
        }
        let communities: Vec<Community> = people.into_values().collect();
        let weights = communities.iter().enumerate().map(|(at, c)| (at.to_string(), c.weight));
        let by_weight = Weighted::new(weights.collect())
            .ok_or_else(|| data("`people` is empty, one community or more is needed".to_owned()))?;
        let mut gazetteer = Gazetteer {
            first_names: first_names(&communities),
            surnames: surnames(&communities),
            places: HashMap::new(),
            forces,
            shops: places.shops,
            gyms: places.gyms,
            schools: places.schools,
            care: places.care,
            parks: places.parks,
            streets: streets.names,
            car_models: cars.models,
            car_colours: cars.colours,
            employers: employers.names,
            communities,
            by_weight,
        };
        gazetteer.places = gazetteer.index_places();
        Ok(gazetteer)
    }

    /// A community, as often as its weight says.
    pub fn community(&self, rng: &mut Rng) -> &Community {
        let at = self.by_weight.draw(rng).parse().unwrap_or(0);
        self.community_at(at)
    }

    /// The community at a place that a look-up gave.
    pub fn community_at(&self, at: usize) -> &Community {
        // There is one or more, and places come from look-ups.
        &self.communities[at.min(self.communities.len() - 1)]
    }

    /// Number of communities, one or more.
    pub fn communities(&self) -> usize {
        self.communities.len()
    }

    /// First name and surname of a person; one in twelve has a surname of
    /// another community.
    pub fn person(&self, sex: Sex, rng: &mut Rng) -> String {
        let own = self.community(rng);
        let other =
            if rng.unit() < 0.08 { &self.communities[rng.below(self.communities.len())] } else { own };
        format!("{} {}", own.first_names(sex).draw(rng), other.surnames.draw(rng))
    }

    /// House number and street.
    pub fn address(&self, rng: &mut Rng) -> String {
        let number = 1 + rng.below(148);
        let letter = ["", "", "", "", "A", "B"][rng.below(6)];
        format!("{number}{letter} {}", self.streets.draw(rng))
    }

    /// A postcode of a force.
    pub fn postcode(&self, force: &Force, rng: &mut Rng) -> String {
        let letter = |from: &str, rng: &mut Rng| char_at(from, rng.below(from.len()));
        let first = force.postcodes.get(rng.below(force.postcodes.len())).map_or("", String::as_str);
        let digit = 1 + rng.below(9);
        format!("{first} {digit}{}{}", letter("ABDEFGHJLN", rng), letter("PQRSTUWXY", rng))
    }

    /// Colour, make and model of a car.
    pub fn car(&self, rng: &mut Rng) -> String {
        format!("{} {}", self.car_colours.draw(rng), self.car_models.draw(rng))
    }

    /// A number plate in the form of the country, invented.
    pub fn plate(&self, rng: &mut Rng) -> String {
        let mut letters = |n: usize| -> String {
            (0..n).map(|_| char_at(PLATE_LETTERS, rng.below(PLATE_LETTERS.len()))).collect()
        };
        let (area, rest) = (letters(2), letters(3));
        format!("{area}{:02} {rest}", 8 + rng.below(66))
    }

    /// The force of this name.
    pub fn force(&self, name: &str) -> Option<(usize, &Force)> {
        self.forces.iter().enumerate().find(|(_, force)| force.name.eq_ignore_ascii_case(name))
    }

    /// Community and sex of a first name, in any letter case. A name of two
    /// communities or sexes is of the one where it is the more common.
    pub fn first_name(&self, word: &str) -> Option<(usize, Sex)> {
        self.first_names.get(&word.to_lowercase()).copied()
    }

    /// Community of a surname, in any letter case.
    pub fn surname(&self, word: &str) -> Option<usize> {
        self.surnames.get(&word.to_lowercase()).copied()
    }

    /// The longest place name that begins with the first of some words in small
    /// letters: how many words it has, and its sort.
    pub fn place(&self, words: &[String]) -> Option<(usize, PlaceKind)> {
        let names = self.places.get(words.first()?)?;
        let found = names.iter().find(|(name, _)| words.starts_with(name))?;
        Some((found.0.len(), found.1))
    }

    /// A place of a sort.
    pub fn draw_place(&self, kind: PlaceKind, rng: &mut Rng) -> &str {
        match kind {
            PlaceKind::Street => self.streets.draw(rng),
            PlaceKind::Shop => self.shops.draw(rng),
            PlaceKind::Gym => self.gyms.draw(rng),
            PlaceKind::School => self.schools.draw(rng),
            PlaceKind::Care => self.care.draw(rng),
            PlaceKind::Park => self.parks.draw(rng),
            PlaceKind::Employer => self.employers.draw(rng),
            PlaceKind::Town(force) => {
                let towns = self.forces.get(force).map_or(&[][..], |force| &force.towns);
                towns.get(rng.below(towns.len())).map_or("", String::as_str)
            }
        }
    }

    fn index_places(&self) -> HashMap<String, Vec<(Vec<String>, PlaceKind)>> {
        let mut all: Vec<(&str, PlaceKind)> = Vec::new();
        for (list, kind) in [
            (&self.streets, PlaceKind::Street),
            (&self.shops, PlaceKind::Shop),
            (&self.gyms, PlaceKind::Gym),
            (&self.schools, PlaceKind::School),
            (&self.care, PlaceKind::Care),
            (&self.parks, PlaceKind::Park),
            (&self.employers, PlaceKind::Employer),
        ] {
            all.extend(list.values().iter().map(|name| (name.as_str(), kind)));
        }
        for (at, force) in self.forces.iter().enumerate() {
            all.extend(force.towns.iter().map(|town| (town.as_str(), PlaceKind::Town(at))));
        }
        let mut index: HashMap<String, Vec<(Vec<String>, PlaceKind)>> = HashMap::new();
        for (name, kind) in all {
            let words: Vec<String> = name.to_lowercase().split_whitespace().map(str::to_owned).collect();
            let mut forms = vec![words];
            if kind == PlaceKind::Street {
                forms.extend(short_street(&forms[0]));
            }
            for words in forms {
                if let Some(first) = words.first() {
                    index.entry(first.clone()).or_default().push((words, kind));
                }
            }
        }
        let names: Vec<String> = {
            let mut keys: Vec<String> = index.keys().cloned().collect();
            keys.sort_unstable();
            keys
        };
        for name in names {
            if let Some(list) = index.get_mut(&name) {
                list.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
            }
        }
        index
    }
}

/// Letters of a number plate.
const PLATE_LETTERS: &str = "ABCDEFGHJKLMNOPRSTUVWXY";

fn char_at(letters: &str, at: usize) -> char {
    letters.chars().nth(at).unwrap_or('X')
}

/// Endings of streets with their usual short forms.
pub(super) const STREET_ENDINGS: [(&str, &str); 10] = [
    ("road", "rd"),
    ("street", "st"),
    ("lane", "ln"),
    ("avenue", "ave"),
    ("close", "cl"),
    ("drive", "dr"),
    ("court", "ct"),
    ("terrace", "terr"),
    ("gardens", "gdns"),
    ("crescent", "cres"),
];

/// The words of a street with its ending made short.
fn short_street(words: &[String]) -> Option<Vec<String>> {
    let (last, first) = words.split_last()?;
    let (_, short) = STREET_ENDINGS.iter().find(|(long, _)| long == last)?;
    (!first.is_empty()).then(|| first.iter().cloned().chain([(*short).to_owned()]).collect())
}

fn first_names(communities: &[Community]) -> HashMap<String, (usize, Sex)> {
    let mut found = HashMap::new();
    // The commonest community first, so that it keeps a name of two.
    for at in by_size(communities) {
        for sex in [Sex::Female, Sex::Male] {
            for name in communities[at].first_names(sex).values() {
                found.entry(name.to_lowercase()).or_insert((at, sex));
            }
        }
    }
    found
}

fn surnames(communities: &[Community]) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for at in by_size(communities) {
        for name in communities[at].surnames.values() {
            found.entry(name.to_lowercase()).or_insert(at);
        }
    }
    found
}

fn by_size(communities: &[Community]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..communities.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(communities[at].weight));
    order
}

fn data(message: String) -> Error {
    Error::new(ErrorKind::Data, message)
}

/// The gazetteer of the repository, for tests.
#[cfg(test)]
pub(crate) fn shipped() -> Gazetteer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/gazetteer.toml");
    Gazetteer::load(&path).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_are_looked_up_in_any_case() {
        let gazetteer = shipped();
        let (_, sex) = gazetteer.first_name("HANNAH").unwrap();
        assert_eq!(sex, Sex::Female);
        assert!(gazetteer.surname("o'brien").is_some() && gazetteer.surname("hannah").is_none());
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(gazetteer.place(&words("park rd by")), Some((2, PlaceKind::Street)));
        assert_eq!(gazetteer.place(&words("old brickworks lane")), Some((3, PlaceKind::Street)));
        assert_eq!(gazetteer.place(&words("denby cross")), Some((2, PlaceKind::Town(0))));
        assert_eq!(gazetteer.place(&words("park")), None);
    }

    #[test]
    fn a_bad_file_is_refused_by_its_key() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/gazetteer.toml");
        let good = std::fs::read_to_string(path).unwrap();
        for (from, to, want) in [
            ("version = 1", "version = 2", "`version` is 2"),
            ("[streets]", "[streets]\nlanes = []", "unknown field `lanes`"),
            ("\"Aldermoor\", \"Westholme\"]", "\"Mordor\"]", "`Mordor` is no force"),
        ] {
            let err = Gazetteer::parse(&good.replacen(from, to, 1)).unwrap_err();
            assert_eq!(err.kind(), ErrorKind::Data);
            assert!(err.to_string().contains(want), "{err}");
        }
        assert!(Gazetteer::parse("").unwrap_err().to_string().contains("missing field"));
    }

    #[test]
    fn plates_and_postcodes_have_their_form() {
        let gazetteer = shipped();
        let mut rng = Rng::new(1, "test");
        for _ in 0..200 {
            assert_eq!(gazetteer.plate(&mut rng).len(), 8);
            let postcode = gazetteer.postcode(&gazetteer.forces[0], &mut rng);
            assert!(postcode.starts_with("NS") && postcode.contains(' '));
        }
    }
}
