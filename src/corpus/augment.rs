//! Augmentation: changed copies of labelled reports whose labels still hold.
//!
//! Each [`Kind`] changes one thing. A change is a list of edits on the plain
//! text (`edit.rs`), by which spans and entities move along, so that each
//! still points at the image of its own words. Where a change could make a
//! label untrue there is no copy; each kind says what it refuses.
//!
//! Nothing here reads a file: a trainer may call [`augment`] for each report
//! of a batch. Kinds that change who or what is named ([`Kind::changes_names`])
//! draw by a key and the old word, so that calls with the same state of the
//! random numbers give the reports of one case the same new names; the ids of
//! case, victim and suspect get the key as a suffix.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::gazetteer::Gazetteer;
use super::{Dataset, Example};
use crate::codebook::labels;
use crate::rng::Rng;

mod backgrounds;
mod cut;
mod edit;
mod joined;
mod letters;
mod names;
mod numbers;
mod places;
mod sexes;
mod wording;

pub use joined::join;

labels! {
    /// What is changed in a copy.
    Kind, "kind of augmentation", {
        /// Other names of people, of the same sex and community.
        Names = "names",
        /// Other names of people, of the same sex and another community.
        Communities = "communities",
        /// Other words of ethnicity, and a line on somebody's background.
        Backgrounds = "backgrounds",
        /// Other streets, towns and shops of the same sort.
        Places = "places",
        /// Other phone numbers and number plates of the same shape.
        Numbers = "numbers",
        /// Capitals throughout.
        Capitals = "capitals",
        /// Small letters throughout.
        SmallLetters = "small_letters",
        /// Slips of the keyboard and of a phone's correction.
        Typos = "typos",
        /// Words made short as recorders do.
        Shorthand = "shorthand",
        /// Shorthand written out.
        Longhand = "longhand",
        /// Punctuation left out.
        Punctuation = "punctuation",
        /// The first 30 to 70 % of the words, as while a call is going on.
        Cut = "cut",
        /// Every man a woman and every woman a man.
        Sexes = "sexes",
        /// Followed or led by a fragment of another report, see [`join`].
        Joined = "joined",
    }
}

impl Kind {
    /// Whether a copy is about other people, places or numbers, so that it no
    /// longer belongs to the case of its original.
    pub fn changes_names(self) -> bool {
        matches!(self, Kind::Names | Kind::Communities | Kind::Places | Kind::Numbers | Kind::Sexes)
    }
}

/// A copy of an example with one thing changed; `None` when there is nothing to
/// change, or when the labels would not surely hold. [`Kind::Joined`] needs two
/// examples and gives `None` here.
///
/// `meta.augment` of the copy is the name of the kind; its id is that of the
/// original, which a caller makes its own.
pub fn augment(example: &Example, kind: Kind, gazetteer: &Gazetteer, rng: &mut Rng) -> Option<Example> {
    let key = Key(rng.bits());
    let mut copy = match kind {
        Kind::Names => names::other_names(example, gazetteer, key),
        Kind::Communities => names::names_of_another_community(example, gazetteer, key),
        Kind::Backgrounds => backgrounds::other_backgrounds(example, key),
        Kind::Places => places::other_places(example, gazetteer, key),
        Kind::Numbers => numbers::other_numbers(example, key),
        Kind::Capitals => letters::capitals(example),
        Kind::SmallLetters => letters::small_letters(example),
        Kind::Typos => letters::typos(example, rng),
        Kind::Shorthand => wording::shorten(example, rng),
        Kind::Longhand => wording::lengthen(example, rng),
        Kind::Punctuation => letters::without_punctuation(example, rng),
        Kind::Cut => cut::cut(example, rng),
        Kind::Sexes => sexes::swapped(example, gazetteer, key),
        Kind::Joined => None,
    }?;
    if kind.changes_names() {
        for id in [&mut copy.case, &mut copy.victim, &mut copy.suspect].into_iter().flatten() {
            id.push_str(&format!("~{:08x}", key.0 >> 32));
        }
    }
    copy.meta.augment = Some(kind.name().to_owned());
    edit::tidy(&mut copy);
    Some(copy)
}

/// Copies of a dataset, `n` of each report where the kind allows them, with ids
/// of their own: `A01-007-names1`. Reports of one case get the same new names.
/// A fragment for [`Kind::Joined`] is a report of the same author.
pub fn copies(dataset: &Dataset, kind: Kind, n: usize, seed: u64, gazetteer: &Gazetteer) -> Vec<Example> {
    let mut of_author: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (place, example) in dataset.examples.iter().enumerate() {
        of_author.entry(example.meta.author.as_deref()).or_default().push(place);
    }
    let mut copies = Vec::new();
    for example in &dataset.examples {
        for number in 1..=n {
            let id = &example.report.id;
            // The case and not the report, so that names agree within a case.
            let key = example.case.as_ref().filter(|_| kind.changes_names()).unwrap_or(id);
            let mut rng = Rng::new(seed, &format!("augment {kind} {number} {key}"));
            let copy = if kind == Kind::Joined {
                let others = of_author.get(&example.meta.author.as_deref()).map_or(&[][..], Vec::as_slice);
                // Most reports cannot be the second; a few tries find one.
                (0..20).find_map(|_| {
                    let other = others.get(rng.below(others.len()))?;
                    join(example, &dataset.examples[*other], &mut rng)
                })
            } else {
                augment(example, kind, gazetteer, &mut rng)
            };
            if let Some(mut copy) = copy {
                copy.report.id = format!("{id}-{kind}{number}");
                copies.push(copy);
            }
        }
    }
    copies
}

/// By which the new word for an old one is drawn, so that the same word of
/// another report of the case gets the same new one.
#[derive(Clone, Copy)]
struct Key(u64);

impl Key {
    /// A stream of its own for each word and purpose.
    fn rng(self, purpose: &str, word: &str) -> Rng {
        Rng::new(self.0, &format!("{purpose} {}", word.to_lowercase()))
    }
}

/// Words and phrases of the kinds that change wording, from `wording.toml`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    /// Long and short form; both ways.
    shorthand: Vec<(String, String)>,
    /// Long and short form of what may be shortened only.
    shorten_only: Vec<(String, String)>,
    /// A word and what a phone makes of it.
    autocorrect: Vec<(String, String)>,
    /// Short forms of first names.
    nicknames_female: Vec<String>,
    nicknames_male: Vec<String>,
    /// First and last names that are words, too.
    names_that_are_words: Vec<String>,
    /// Female and male word; both ways.
    sexes: Vec<(String, String)>,
    /// A word and what it becomes, one way.
    sexes_one_way: Vec<(String, String)>,
    /// Words of which a copy with swapped sexes would make no sense.
    sexes_refused: Vec<String>,
    /// What may follow an object `her`; anything else follows a possessive.
    after_object: Vec<String>,
    /// What may follow a `his` that stands alone.
    after_hers: Vec<String>,
    /// Words that say what the suspect is to the victim.
    relationship: Vec<String>,
    /// Words of ethnicity, each in the place of another.
    ethnicities: Vec<String>,
    /// Nouns that show such a word to be about a person.
    ethnicity_of: Vec<String>,
    /// Who a line on a background is about.
    background_of: Vec<String>,
    /// What such a line says.
    backgrounds: Vec<String>,
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "the file is compiled in and read by the tests")]
    TABLES.get_or_init(|| {
        toml::from_str(include_str!("augment/wording.toml"))
            .expect("wording.toml is read by the tests; this is a bug")
    })
}

#[cfg(test)]
mod tests;
