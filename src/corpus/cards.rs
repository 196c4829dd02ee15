//! Scenario cards: what an author of the corpus is asked to write.
//!
//! A [`Deck`] holds the cards of one author. Every axis is drawn alike for
//! courses of conduct, decoys, hard negatives and ordinary reports, so that
//! none of them tells the grade; only bare cards, of a line or two, differ in
//! length. The axes are data ([`axes`]), the names come from the gazetteer,
//! and a seed gives the same cards twice.

use serde::Serialize;
use time::{Date, Duration, Month};

use super::gazetteer::{Force, Gazetteer, Sex};
use crate::codebook::labels;
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;

pub mod axes;
mod markdown;

use axes::{Axes, within};

labels! {
    /// What sort of report a card asks for.
    Kind, "kind", {
        /// One report of a course of conduct.
        Course = "course",
        /// Like a course of the author, but another matter.
        Decoy = "decoy",
        /// Reads like stalking and is none.
        HardNegative = "hard_negative",
        /// Anything that a force records.
        Ordinary = "ordinary",
    }
}

/// One report to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// The report's id.
    pub id: String,
    /// What sort of report it is.
    pub kind: Kind,
    /// The course of conduct that it belongs to.
    pub case: Option<String>,
    /// Whether it is a line or two only.
    pub bare: bool,
    /// The day it was taken down, as ISO 8601.
    pub date: String,
    /// The hour, 0 to 23.
    pub hour: usize,
    /// The force that holds it.
    pub force: String,
    /// Where it happened.
    pub town: String,
    /// How it came in.
    pub channel: String,
    /// Who types it: `v1` to `v4`, or `public`.
    pub voice: String,
    /// The manner of writing.
    pub register: String,
    /// About how many words.
    pub words: usize,
    /// How the recorder handles the matter.
    pub handling: String,
    /// How it ended.
    pub outcome: String,
    /// What it is about; the course stands with the [`Course`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scenario: String,
    /// The class it is recorded under, where the card fixes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_as: Option<String>,
    /// Whether it is so little that alone it is `possible` or `none`.
    pub thin: bool,
    /// Whether the word stalking may stand in it.
    pub may_say_stalking: bool,
    /// What a decoy shares with its course.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<String>,
    /// Names of the people in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// Address, car, phone and shop to use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub things: Vec<String>,
    /// A word to work in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cue: Option<String>,
}

/// A course of conduct with its reports and its decoy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Course {
    /// Its id.
    pub case: String,
    /// What it is, in words.
    pub scenario: String,
    /// The victim's name.
    pub victim: String,
    /// `f` or `m`.
    pub sex_victim: &'static str,
    /// Where the victim lives, with postcode.
    pub home: String,
    /// The victim's phone.
    pub victim_phone: String,
    /// Where the victim works.
    pub works: String,
    /// The suspect's name.
    pub suspect: String,
    /// `f` or `m`.
    pub sex_suspect: &'static str,
    /// The suspect's car and plate.
    pub car: String,
    /// The suspect's phones.
    pub suspect_phones: [String; 2],
    /// Other places to use.
    pub places: [String; 2],
    /// Acts to draw on.
    pub acts: Vec<String>,
    /// How it runs on.
    pub runs: String,
    /// The neighbouring force and its town, if the course crosses.
    pub crosses_into: Option<(String, String)>,
    /// Whether the suspect is unknown or misnamed at first.
    pub suspect_unknown_at_first: bool,
    /// Whether one report misspells the suspect.
    pub suspect_misspelt: bool,
    /// Whether one report comes from the suspect.
    pub suspect_reports_too: bool,
    /// The cards of its reports, in order of time.
    #[serde(skip)]
    pub reports: Vec<Card>,
    /// The card of its decoy.
    #[serde(skip)]
    pub decoy: Card,
}

/// The cards of one author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deck {
    /// The author's code, such as `A50`.
    pub author: String,
    /// The author's recorders `v1` to `v4`.
    pub voices: [String; 4],
    /// How the author's callers speak.
    pub speech: String,
    /// Courses of conduct.
    pub courses: Vec<Course>,
    /// Hard negatives, bare ones last.
    pub hard_negatives: Vec<Card>,
    /// Ordinary reports, bare ones last.
    pub ordinary: Vec<Card>,
}

impl Deck {
    /// Draws the cards of an author. A seed gives the same cards twice, and
    /// other cards for another author.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Arguments`] for a code that is not a capital letter with two
    /// or three digits.
    pub fn draw(author: &str, seed: u64, axes: &Axes, gazetteer: &Gazetteer) -> Result<Deck> {
        check_author(author)?;
        let mut dealer = Dealer::new(author, seed, axes, gazetteer);
        let voices = dealer.voices();
        let speech = axes.speech.draw(&mut dealer.rng).to_owned();
        let courses = dealer.courses();
        let deck = &axes.deck;
        let mut hard_negatives = dealer.negatives(Kind::HardNegative, deck.hard_negatives, None);
        let bare = deck.bare_hard_negative_words;
        hard_negatives.extend(dealer.negatives(Kind::HardNegative, deck.hard_negatives_bare, Some(bare)));
        let mut ordinary = dealer.negatives(Kind::Ordinary, deck.ordinary, None);
        ordinary.extend(dealer.negatives(Kind::Ordinary, deck.ordinary_bare, Some(deck.bare_ordinary_words)));
        Ok(Deck { author: author.to_owned(), voices, speech, courses, hard_negatives, ordinary })
    }

    /// Every card, in the order of the ids.
    pub fn cards(&self) -> impl Iterator<Item = &Card> {
        let of_courses = self.courses.iter().flat_map(|c| c.reports.iter().chain([&c.decoy]));
        of_courses.chain(&self.hard_negatives).chain(&self.ordinary)
    }

    /// The deck for the author to read.
    pub fn to_markdown(&self) -> String {
        markdown::write(self)
    }

    /// One JSON object a card and line, in the order of the ids. A card of a
    /// course and a decoy carry what is known of the course in `course`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if a card cannot be written, which is a fault.
    pub fn to_json_lines(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Line<'a> {
            author: &'a str,
            #[serde(flatten)]
            card: &'a Card,
            voice_manner: Option<&'a str>,
            speech: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            course: Option<&'a Course>,
        }
        let of_course = self.courses.iter().flat_map(|course| {
            course.reports.iter().chain([&course.decoy]).map(move |card| (card, Some(course)))
        });
        let others = self.hard_negatives.iter().chain(&self.ordinary).map(|card| (card, None));
        let mut lines = String::new();
        for (card, course) in of_course.chain(others) {
            let recorder = card.voice.strip_prefix('v').and_then(|n| n.parse::<usize>().ok());
            let voice_manner = recorder.and_then(|n| self.voices.get(n.wrapping_sub(1))).map(String::as_str);
            let line = Line { author: &self.author, card, voice_manner, speech: &self.speech, course };
            let json = serde_json::to_string(&line)
                .map_err(|err| Error::new(ErrorKind::Internal, format!("card {}: {err}", card.id)))?;
            lines.push_str(&json);
            lines.push('\n');
        }
        Ok(lines)
    }
}

/// Refuses an author's code that ids could not be made of.
fn check_author(author: &str) -> Result<()> {
    let mut letters = author.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_uppercase());
    let digits = letters.as_str();
    if first && (2..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Arguments,
        format!(
            "author: `{author}` is no author's code, a capital letter and two or three digits are needed"
        ),
    )
    .hint("for example --author A50"))
}

/// Draws the cards of one author.
struct Dealer<'a> {
    author: &'a str,
    axes: &'a Axes,
    gazetteer: &'a Gazetteer,
    rng: Rng,
    /// Places of the author's two forces in the gazetteer.
    home: [usize; 2],
    /// Last three digits of the phones that are still free.
    phones: Vec<usize>,
    ids: usize,
}

impl<'a> Dealer<'a> {
    fn new(author: &'a str, seed: u64, axes: &'a Axes, gazetteer: &'a Gazetteer) -> Self {
        let mut rng = Rng::new(seed, &format!("cards {author}"));
        let mut forces: Vec<usize> = (0..gazetteer.forces.len()).collect();
        rng.shuffle(&mut forces);
        let home = [forces[0], *forces.get(1).unwrap_or(&forces[0])];
        let mut phones: Vec<usize> = (0..1000).collect();
        rng.shuffle(&mut phones);
        Dealer { author, axes, gazetteer, rng, home, phones, ids: 0 }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.unit() < share
    }

    fn one<T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.rng.below(from.len()))
    }

    fn voices(&mut self) -> [String; 4] {
        let Axes { voice_moods, voice_case, voice_habits, voice_officers, voice_clerks, .. } = self.axes;
        let rng = &mut self.rng;
        let officer = voice_officers.draw(rng).to_owned();
        let clerk = voice_clerks.draw(rng).to_owned();
        ["call handler".to_owned(), "call handler".to_owned(), officer, clerk].map(|job| {
            let (mood, case) = (voice_moods.draw(rng), voice_case.draw(rng));
            let first = voice_habits.draw(rng);
            let mut second = voice_habits.draw(rng);
            for _ in 0..20 {
                if second != first {
                    break;
                }
                second = voice_habits.draw(rng);
            }
            format!("{job}; {mood}; {case}; {first}; {second}")
        })
    }

    /// A phone number of the range for fiction that the author has not used.
    fn phone(&mut self) -> String {
        // A deck uses about a hundred of the thousand; if it should use all, the
        // last one is used again.
        let last = if self.phones.len() > 1 { self.phones.pop() } else { self.phones.last().copied() };
        format!("07700 900{:03}", last.unwrap_or(0))
    }

    /// A day of the four years from January 2021.
    fn day(&mut self) -> Date {
        let first = Date::from_calendar_date(2021, Month::January, 5).unwrap_or(Date::MIN);
        first.saturating_add(Duration::days(self.rng.below(1501) as i64))
    }

    /// A card with everything that is drawn alike for every kind.
    fn card(
        &mut self,
        kind: Kind,
        force: &Force,
        town: &str,
        day: Date,
        bare: Option<(usize, usize)>,
    ) -> Card {
        self.ids += 1;
        let axes = self.axes;
        let channel = axes.channel(&mut self.rng);
        let voices: &[&str] = match channel {
            "999" => &["v1", "v2"],
            "101" => &["v1", "v2", "v4"],
            "online" => &["public"],
            "front_counter" => &["v4"],
            "officer" => &["v3"],
            _ => &["public", "public", "v1", "v3"],
        };
        let rng = &mut self.rng;
        let voice = voices[rng.below(voices.len())];
        let handling = axes.handling.draw(rng);
        let recorded = voice != "public";
        let words = axes.length(rng);
        let bare_words = bare.map(|range| within(range, rng));
        Card {
            id: format!("{}-{:03}", self.author, self.ids),
            kind,
            case: None,
            bare: bare.is_some(),
            date: day.to_string(),
            hour: rng.below(24),
            force: force.name.clone(),
            town: town.to_owned(),
            channel: channel.to_owned(),
            voice: voice.to_owned(),
            register: axes.register(channel, rng).to_owned(),
            words: bare_words.unwrap_or(words),
            handling: if recorded { handling } else { "no recorder (public's own words)" }.to_owned(),
            outcome: axes.outcomes.draw(rng).to_owned(),
            scenario: String::new(),
            recorded_as: None,
            thin: false,
            may_say_stalking: false,
            shares: None,
            people: Vec::new(),
            things: Vec::new(),
            cue: None,
        }
    }

    fn courses(&mut self) -> Vec<Course> {
        let wanted = self.axes.deck.course_reports;
        let mut scenarios: Vec<&str> = self.axes.courses.iter().map(String::as_str).collect();
        self.rng.shuffle(&mut scenarios);
        let mut courses = Vec::new();
        let mut reports = 0;
        while reports < wanted {
            let size = self.axes.course_size(&mut self.rng).min((wanted - reports).max(2));
            reports += size;
            let scenario = scenarios[courses.len() % scenarios.len()];
            courses.push(self.course(courses.len() + 1, scenario, size));
        }
        courses
    }

    fn course(&mut self, number: usize, scenario: &str, size: usize) -> Course {
        let (axes, gazetteer) = (self.axes, self.gazetteer);
        let (victim_sex, suspect_sex) = axes.sexes(scenario, &mut self.rng);
        let force = &gazetteer.forces[self.home[self.rng.below(2)]];
        let town = self.one(&force.towns).cloned().unwrap_or_default();
        let crosses = self.chance(axes.shares.crosses_force);
        let neighbour = self.one(&force.neighbours).and_then(|name| gazetteer.force(name));
        let across = neighbour.filter(|_| crosses).map(|(_, force)| force);
        let across_town = across.and_then(|force| self.one(&force.towns)).cloned().unwrap_or_default();
        let rng = &mut self.rng;
        let victim = gazetteer.person(victim_sex, rng);
        let suspect = gazetteer.person(suspect_sex, rng);
        let home = format!("{}, {town} {}", gazetteer.address(rng), gazetteer.postcode(force, rng));
        let works = gazetteer.employers.draw(rng).to_owned();
        let car_model = gazetteer.car(rng);
        let car = format!("{car_model} {}", gazetteer.plate(rng));
        let shop = gazetteer.shops.draw(rng).to_owned();
        let elsewhere = [&gazetteer.schools, &gazetteer.care, &gazetteer.parks, &gazetteer.gyms];
        let other_place = elsewhere[rng.below(4)].draw(rng).to_owned();
        let mut acts = axes.acts.clone();
        rng.shuffle(&mut acts);
        acts.truncate(3 + rng.below(4));
        let runs = axes.runs.draw(rng).to_owned();
        let case = format!("{}-C{number:02}", self.author);

        let mut day = self.day();
        let mut reports = Vec::with_capacity(size);
        for at in 0..size {
            if at > 0 {
                let mean = self.one(&axes.gap_days).copied().unwrap_or(30.0);
                // Days between reports are exponential; one day at least.
                let gap = (-mean * (1.0 - self.rng.unit()).ln()).max(1.0) as i64;
                day = day.saturating_add(Duration::days(gap));
            }
            let thin = self.chance(axes.shares.thin);
            let bare = if thin { axes.shares.bare_if_thin } else { axes.shares.bare_if_not_thin };
            let bare = self.chance(bare).then_some(axes.deck.bare_course_words);
            // The later half of a course that crosses, and always its last
            // report, is the neighbour's.
            let later = at >= size.div_ceil(2) || at + 1 == size;
            let mut card = match across.filter(|_| later) {
                Some(across) => self.card(Kind::Course, across, &across_town, day, bare),
                None => self.card(Kind::Course, force, &town, day, bare),
            };
            card.case = Some(case.clone());
            card.thin = thin;
            card.recorded_as = Some(axes.recorded_as.draw(&mut self.rng).to_owned());
            card.may_say_stalking = self.chance(axes.shares.may_say_stalking);
            // As often as in negatives: a phrase that one side alone is asked
            // for would tell the grade.
            if !thin && bare.is_none() && self.chance(axes.shares.cue_in_course) {
                card.cue = Some(axes.cue_words.draw(&mut self.rng).to_owned());
            }
            reports.push(card);
        }
        let decoy = self.decoy(force, &town, day, [&victim, &suspect], &car_model);
        Course {
            case,
            scenario: scenario.to_owned(),
            victim,
            sex_victim: victim_sex.letter(),
            home,
            victim_phone: self.phone(),
            works,
            suspect,
            sex_suspect: suspect_sex.letter(),
            car,
            suspect_phones: [self.phone(), self.phone()],
            places: [shop, other_place],
            acts,
            runs,
            crosses_into: across.map(|force| (force.name.clone(), across_town)),
            suspect_unknown_at_first: self.chance(axes.shares.suspect_unknown_at_first),
            suspect_misspelt: self.chance(axes.shares.suspect_misspelt),
            suspect_reports_too: self.chance(axes.shares.suspect_reports_too),
            reports,
            decoy,
        }
    }

    /// One report of another matter in the same town, which shares a name or a
    /// car with the course.
    fn decoy(
        &mut self,
        force: &Force,
        town: &str,
        last: Date,
        [victim, suspect]: [&str; 2],
        car: &str,
    ) -> Card {
        let first = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
        let day = last.saturating_add(Duration::days(60 - self.rng.below(121) as i64));
        let mut card = self.card(Kind::Decoy, force, town, day, None);
        let rng = &mut self.rng;
        card.scenario = self.axes.decoys.draw(rng).to_owned();
        card.shares = Some(match rng.below(4) {
            0 => format!("the suspect's first name {}", first(suspect)),
            1 => format!("the same model and colour of car, {car} (another plate)"),
            2 => format!("the victim's first name {}", first(victim)),
            _ => "the same street or shop".to_owned(),
        });
        card.people = [Sex::Female, Sex::Male].map(|sex| self.gazetteer.person(sex, rng)).to_vec();
        card
    }

    /// Cards of one kind, each about something else while there is enough.
    fn negatives(&mut self, kind: Kind, n: usize, bare: Option<(usize, usize)>) -> Vec<Card> {
        let (axes, gazetteer) = (self.axes, self.gazetteer);
        let scenarios = if kind == Kind::Ordinary { &axes.ordinary } else { &axes.hard_negatives };
        let mut order: Vec<usize> = (0..scenarios.len()).collect();
        self.rng.shuffle(&mut order);
        let mut cards = Vec::with_capacity(n);
        for at in 0..n {
            // One in three is from anywhere, the others from the author's forces.
            let place = match self.rng.below(3) {
                2 => self.rng.below(gazetteer.forces.len()),
                home => self.home[home],
            };
            let force = &gazetteer.forces[place];
            let town = self.one(&force.towns).cloned().unwrap_or_default();
            let day = self.day();
            let mut card = self.card(kind, force, &town, day, bare);
            card.scenario = scenarios[order[at % order.len()]].clone();
            if bare.is_none() {
                let phone = self.phone();
                let rng = &mut self.rng;
                let second = if rng.below(3) == 0 { Sex::Female } else { Sex::Male };
                let first = if rng.below(2) == 0 { Sex::Female } else { Sex::Male };
                card.people = vec![gazetteer.person(first, rng), gazetteer.person(second, rng)];
                card.things = vec![
                    gazetteer.address(rng),
                    format!("{} {}", gazetteer.car(rng), gazetteer.plate(rng)),
                    phone,
                    gazetteer.shops.draw(rng).to_owned(),
                ];
                let cue = axes.cue_words.draw(rng).to_owned();
                card.cue = (rng.unit() < axes.shares.cue_in_negative).then_some(cue);
            }
            cards.push(card);
        }
        cards
    }
}

#[cfg(test)]
mod tests;
