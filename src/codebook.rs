//! The labels that the program knows: what they mean and where they stand in law.
//!
//! Two things meet here. The enums ([`Grade`], [`Indicator`], …) are what code
//! reasons with; their names are those of the JSON. The [`Codebook`] is one
//! versioned TOML file with the words, the statute letters and the questions of
//! one jurisdiction, read once. Loading checks that the file names exactly the
//! enums' labels in the enums' order, so a lookup cannot miss.
//!
//! What a text must hold for a label to apply is for readers and models; this
//! room only holds the lists.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// Declares an enum whose variants have one name each in JSON and TOML.
///
/// Gives `ALL`, `name`, `index`, `Display`, `FromStr` with a suggestion, and
/// serde as the name.
macro_rules! labels {
    (
        $(#[$doc:meta])*
        $enum:ident, $what:literal, { $( $(#[$vdoc:meta])* $variant:ident = $name:literal, )+ }
    ) => {
        $(#[$doc])*
        #[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $enum {
            $( $(#[$vdoc])* $variant, )+
        }

        impl $enum {
            /// Every value, in codebook order.
            pub const ALL: &'static [$enum] = &[$( $enum::$variant, )+];

            /// The name as it stands in JSON and TOML.
            pub fn name(self) -> &'static str {
                match self {
                    $( $enum::$variant => $name, )+
                }
            }

            /// The place in codebook order, from 0.
            pub fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $enum {
            type Err = $crate::error::Error;

            fn from_str(value: &str) -> $crate::error::Result<$enum> {
                match value {
                    $( $name => Ok($enum::$variant), )+
                    _ => Err($crate::codebook::unknown($what, value, &[$( $name, )+])),
                }
            }
        }

        impl serde::Serialize for $enum {
            fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
                s.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $enum {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<$enum, D::Error> {
                let value = std::borrow::Cow::<'de, str>::deserialize(d)?;
                value.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use labels;

labels! {
    /// How one text, taken alone, reads to somebody who screens for stalking.
    Grade, "grade", {
        /// Nothing here suggests stalking.
        None = "none",
        /// Should be screened, but an innocent explanation stays open.
        Possible = "possible",
        /// On its face stalking.
        Likely = "likely",
    }
}

labels! {
    /// What a text may give evidence of. See [`Indicator::info`] for meanings.
    Indicator, "indicator", {
        /// Following a person.
        Following = "following",
        /// Unwanted contact by any means.
        Contact = "contact",
        /// Publishing about the person or as the person.
        Publishing = "publishing",
        /// Monitoring of electronic communication.
        MonitoringCommunications = "monitoring_communications",
        /// Loitering in any place.
        Loitering = "loitering",
        /// Interference with property.
        PropertyInterference = "property_interference",
        /// Watching or spying.
        WatchingSpying = "watching_spying",
        /// Any threat of harm.
        Threat = "threat",
        /// Violence or an attempt, in this report.
        Violence = "violence",
        /// Entering or trying to enter the home.
        HomeIntrusion = "home_intrusion",
        /// Gifts, notes or objects left.
        Gifts = "gifts",
        /// Other people used or targeted to reach the victim.
        Proxy = "proxy",
        /// Vexatious complaints or false allegations.
        FalseReports = "false_reports",
        /// Obsessive interest.
        Fixation = "fixation",
        /// Plainly unwanted by the victim.
        Unwanted = "unwanted",
        /// Two or more occasions.
        Repeated = "repeated",
        /// Worse, more frequent, closer.
        Escalation = "escalation",
        /// An order, bail condition or warning ignored.
        BreachOfOrder = "breach_of_order",
        /// A position of trust or power used.
        AbuseOfPosition = "abuse_of_position",
        /// A threat to kill or of grievous harm.
        ThreatToKill = "threat_to_kill",
        /// A weapon seen, used, mentioned or found.
        Weapon = "weapon",
        /// Choking, strangling, suffocating.
        Strangulation = "strangulation",
        /// The suspect threatens or attempts suicide or self-harm.
        SuspectSuicidal = "suspect_suicidal",
        /// The relationship ended within about twelve months, or is ending.
        RecentSeparation = "recent_separation",
        /// A history of violence or control.
        PriorViolence = "prior_violence",
        /// Fear of violence, alarm, serious distress.
        Fear = "fear",
        /// Substantial effect on daily life.
        LifeChanged = "life_changed",
        /// The recorder plays it down.
        Minimising = "minimising",
        /// A history is plain, but it is handled as a one-off.
        TreatedAsIsolated = "treated_as_isolated",
    }
}

labels! {
    /// The part of the codebook that an [`Indicator`] belongs to.
    Group, "indicator group", {
        /// The example acts of the statute.
        Acts = "acts",
        /// Further conduct.
        FurtherConduct = "further_conduct",
        /// Signs of a pattern.
        Pattern = "pattern",
        /// Serious-harm markers.
        SeriousHarm = "serious_harm",
        /// Impact on the victim.
        Impact = "impact",
        /// How the recorder responds.
        RecorderResponse = "recorder_response",
    }
}

labels! {
    /// What the suspect is to the victim.
    Relationship, "relationship", {
        /// A couple.
        Partner = "partner",
        /// A couple once.
        ExPartner = "ex_partner",
        /// Dated briefly.
        Date = "date",
        /// Known, but not closely.
        Acquaintance = "acquaintance",
        /// Known from work.
        Colleague = "colleague",
        /// Lives close by.
        Neighbour = "neighbour",
        /// Related.
        Family = "family",
        /// Not known to the victim.
        Stranger = "stranger",
        /// Known through a service, either way.
        Professional = "professional",
        /// The text does not tell.
        Unknown = "unknown",
    }
}

labels! {
    /// What sort of thing a run of text names.
    EntityKind, "entity kind", {
        /// A person's name, nickname or initials.
        Person = "person",
        /// A phone number.
        Phone = "phone",
        /// An email address.
        Email = "email",
        /// A user name on a service.
        Handle = "handle",
        /// Make, model or colour of a vehicle.
        Vehicle = "vehicle",
        /// A number plate, whole or partial.
        Plate = "plate",
        /// A street address.
        Address = "address",
        /// A postcode.
        Postcode = "postcode",
        /// A named place.
        Place = "place",
        /// An employer.
        Employer = "employer",
        /// A date of birth.
        DateOfBirth = "date_of_birth",
        /// A crime or log number.
        Reference = "reference",
    }
}

labels! {
    /// Whose name, or whose thing, an entity is.
    Role, "role", {
        /// The person pursued or wronged.
        Victim = "victim",
        /// The person whose conduct is reported.
        Suspect = "suspect",
        /// The person reporting, if neither of these.
        Reporter = "reporter",
        /// Police staff who deal with the report.
        Officer = "officer",
        /// Anybody else.
        Other = "other",
    }
}

labels! {
    /// What an assessment or a course calls a person's attention to.
    Flag, "flag", {
        /// A former partner, and more than one occasion.
        ExPartnerPresumption = "ex_partner_presumption",
        /// A court order ignored.
        BreachOfOrder = "breach_of_order",
        /// Bail conditions ignored.
        BreachOfBail = "breach_of_bail",
        /// A police warning ignored; no breach in law.
        BreachOfWarning = "breach_of_warning",
        /// Recorded as another class.
        RecordedAsDiffers = "recorded_as_differs",
        /// Played down by the recorder.
        Minimising = "minimising",
        /// Handled as a one-off although a history is plain.
        TreatedAsIsolated = "treated_as_isolated",
    }
}

labels! {
    /// What a course sheet lists evidence for; never said to be met.
    Limb, "limb", {
        /// Fear of violence, on at least two occasions.
        FearOfViolence = "fear_of_violence",
        /// Serious alarm or distress.
        AlarmOrDistress = "alarm_or_distress",
        /// Substantial adverse effect on daily life.
        DailyLifeChanged = "daily_life_changed",
    }
}

impl Indicator {
    /// What the embedded codebook says about this indicator.
    pub fn info(self) -> &'static IndicatorInfo {
        // Loading proved that the list has every indicator, in order.
        &codebook().indicators[self.index()]
    }
}

impl Grade {
    /// What the embedded codebook says about this grade.
    pub fn info(self) -> &'static LabelInfo {
        // As for `Indicator::info`.
        &codebook().grades[self.index()]
    }
}

impl Relationship {
    /// What the embedded codebook says about this relationship.
    pub fn info(self) -> &'static LabelInfo {
        // As for `Indicator::info`.
        &codebook().relationships[self.index()]
    }
}

impl Flag {
    /// What the embedded codebook says about this flag.
    pub fn info(self) -> &'static FlagInfo {
        // As for `Indicator::info`.
        &codebook().flags[self.index()]
    }
}

impl Limb {
    /// What the embedded codebook says about this limb.
    pub fn info(self) -> &'static LimbInfo {
        // As for `Indicator::info`.
        &codebook().limbs[self.index()]
    }
}

/// One jurisdiction's profile of the labels.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codebook {
    /// The version of the lists; a model names the one it was trained with.
    pub version: u32,
    /// The law that the letters and classes come from.
    pub jurisdiction: Jurisdiction,
    /// The grades, in the order of [`Grade::ALL`].
    #[serde(rename = "grade")]
    pub grades: Vec<LabelInfo>,
    /// The indicators, in the order of [`Indicator::ALL`].
    #[serde(rename = "indicator")]
    pub indicators: Vec<IndicatorInfo>,
    /// The relationships, in the order of [`Relationship::ALL`].
    #[serde(rename = "relationship")]
    pub relationships: Vec<LabelInfo>,
    /// The kinds of entity, in the order of [`EntityKind::ALL`].
    #[serde(rename = "entity_kind")]
    pub entity_kinds: Vec<LabelInfo>,
    /// The roles, in the order of [`Role::ALL`].
    #[serde(rename = "role")]
    pub roles: Vec<LabelInfo>,
    /// The flags, in the order of [`Flag::ALL`].
    #[serde(rename = "flag")]
    pub flags: Vec<FlagInfo>,
    /// The limbs, in the order of [`Limb::ALL`].
    #[serde(rename = "limb")]
    pub limbs: Vec<LimbInfo>,
    /// The parts of the test for a protection order, by letter.
    #[serde(rename = "spo_limb")]
    pub spo_limbs: Vec<SpoLimb>,
}

/// Where a profile applies and which statutes it cites.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jurisdiction {
    /// The profile's name, for example `england_wales`.
    pub id: String,
    /// The name for people, for example "England and Wales".
    pub title: String,
    /// The statute that the acts come from.
    pub statute: String,
    /// The part of it that letters the acts, for example "s.2A(3)".
    pub acts_section: String,
    /// The statute of the protection order.
    pub order_statute: String,
    /// The part of it that sets the test.
    pub order_section: String,
    /// Words that show that a report was recorded as stalking, lower case.
    pub recorded_as_stalking: Vec<String>,
}

/// A label and its words.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelInfo {
    /// The name in JSON.
    pub name: String,
    /// A few plain words for people.
    pub label: String,
    /// What it means.
    pub meaning: String,
}

/// An indicator and all that the codebook says about it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndicatorInfo {
    /// The name in JSON.
    pub name: String,
    /// The part of the codebook it belongs to.
    pub group: Group,
    /// The letter of the statute's example act, for the acts only.
    pub letter: Option<char>,
    /// A few plain words for people, for example "unwanted contact".
    pub label: String,
    /// What it means.
    pub meaning: String,
    /// Whether it may rest on the text as a whole, without a span.
    #[serde(default)]
    pub whole_text: bool,
    /// Whether it is a serious-harm marker.
    #[serde(default)]
    pub serious_harm: bool,
    /// What to ask when a text does not mention it.
    pub ask_next: Option<AskNext>,
}

/// A neutral question for the person who takes the report.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskNext {
    /// Order of asking: 1 is asked first.
    pub priority: u32,
    /// The question, as a whole sentence.
    pub question: String,
}

/// A flag, its words and what it rests on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagInfo {
    /// The name in JSON.
    pub name: String,
    /// A few plain words for people.
    pub label: String,
    /// When it is raised.
    pub meaning: String,
    /// The rule or statute behind it, or that there is none.
    pub basis: String,
}

/// A limb of the more serious offence.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimbInfo {
    /// The name in JSON.
    pub name: String,
    /// What evidence is listed for.
    pub title: String,
    /// Where it stands in the statute.
    pub basis: String,
}

/// One part of the test for a stalking protection order.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoLimb {
    /// Its letter in the statute.
    pub letter: char,
    /// What must appear; a sheet lists evidence and never says that it does.
    pub title: String,
}

impl Codebook {
    /// Reads a profile and checks it against the enums.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] when the text is no TOML of this form, when a list
    /// does not name exactly the known labels in their order, or when letters
    /// or priorities are used twice.
    pub fn parse(toml_text: &str) -> Result<Codebook> {
        let book: Codebook = toml::from_str(toml_text).map_err(|err| {
            Error::new(ErrorKind::Data, format!("codebook: {}", err.message())).with_source(err)
        })?;
        book.check()?;
        Ok(book)
    }

    fn check(&self) -> Result<()> {
        same_names("grade", names_of(Grade::ALL, Grade::name), self.grades.iter().map(|l| &*l.name))?;
        same_names(
            "indicator",
            names_of(Indicator::ALL, Indicator::name),
            self.indicators.iter().map(|l| &*l.name),
        )?;
        same_names(
            "relationship",
            names_of(Relationship::ALL, Relationship::name),
            self.relationships.iter().map(|l| &*l.name),
        )?;
        same_names(
            "entity_kind",
            names_of(EntityKind::ALL, EntityKind::name),
            self.entity_kinds.iter().map(|l| &*l.name),
        )?;
        same_names("role", names_of(Role::ALL, Role::name), self.roles.iter().map(|l| &*l.name))?;
        same_names("flag", names_of(Flag::ALL, Flag::name), self.flags.iter().map(|l| &*l.name))?;
        same_names("limb", names_of(Limb::ALL, Limb::name), self.limbs.iter().map(|l| &*l.name))?;
        let mut letters = BTreeSet::new();
        let mut priorities = BTreeSet::new();
        for info in &self.indicators {
            if let Some(letter) = info.letter
                && !letters.insert(letter)
            {
                return Err(fault(format!("indicator `{}`: letter ({letter}) is used twice", info.name)));
            }
            if let Some(ask) = &info.ask_next
                && !priorities.insert(ask.priority)
            {
                return Err(fault(format!(
                    "indicator `{}`: priority {} is used twice",
                    info.name, ask.priority
                )));
            }
        }
        let spo: String = self.spo_limbs.iter().map(|l| l.letter).collect();
        if spo != "abc" {
            return Err(fault(format!("spo_limb: expected the letters a, b, c, found: {spo}")));
        }
        if let Some(word) = self.jurisdiction.recorded_as_stalking.iter().find(|w| **w != words(w).join(" "))
        {
            return Err(fault(format!(
                "recorded_as_stalking: not lower case words with single spaces: `{word}`"
            )));
        }
        Ok(())
    }

    /// Whether a force's recorded class says that this was recorded as stalking.
    ///
    /// A listed word counts where it stands as whole words, in any case, and
    /// not after "not", "no", "non" or "without".
    ///
    /// ```
    /// let book = throughline::codebook::codebook();
    /// assert!(book.is_recorded_as_stalking("8Q - Stalking (s.2A)"));
    /// assert!(!book.is_recorded_as_stalking("harassment, not stalking"));
    /// assert!(!book.is_recorded_as_stalking("criminal damage"));
    /// ```
    pub fn is_recorded_as_stalking(&self, recorded_as: &str) -> bool {
        let class = words(recorded_as);
        self.jurisdiction.recorded_as_stalking.iter().any(|listed| {
            let wanted = words(listed);
            (0..class.len()).any(|at| {
                let negated = at > 0 && matches!(&*class[at - 1], "not" | "no" | "non" | "without");
                class[at..].starts_with(&wanted) && !negated
            })
        })
    }

    /// The questions, first one first, each with the indicator it asks about.
    pub fn questions(&self) -> Vec<(Indicator, &AskNext)> {
        let mut asked: Vec<_> = Indicator::ALL
            .iter()
            .zip(&self.indicators)
            .filter_map(|(&indicator, info)| Some((indicator, info.ask_next.as_ref()?)))
            .collect();
        asked.sort_by_key(|(_, ask)| ask.priority);
        asked
    }
}

/// The embedded profile, England and Wales.
#[expect(clippy::expect_used, reason = "the text is part of the binary, and a test reads it")]
pub fn codebook() -> &'static Codebook {
    static BOOK: LazyLock<Codebook> = LazyLock::new(|| {
        // The text is part of the binary and `the_embedded_codebook_parses` reads it.
        Codebook::parse(include_str!("codebook/england_wales.toml")).expect("the embedded codebook parses")
    });
    &BOOK
}

/// Lower-case words: runs of letters and digits. A slash between digits and a
/// full stop before a digit are part of the word ("195/12", "s.2a").
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.to_lowercase().chars().collect();
    let digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_numeric());
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let joins =
            digit(Some(at + 1)) && !word.is_empty() && (c == '.' || (c == '/' && digit(at.checked_sub(1))));
        if c.is_alphanumeric() || joins {
            word.push(c);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

fn names_of<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|&label| name(label)).collect()
}

fn same_names<'a>(list: &str, known: Vec<&str>, found: impl Iterator<Item = &'a str>) -> Result<()> {
    let found: Vec<&str> = found.collect();
    if found == known {
        return Ok(());
    }
    let at = found.iter().zip(&known).take_while(|(f, k)| f == k).count();
    let shown = |names: &[&str]| names.get(at).map_or("nothing".to_owned(), |name| format!("`{name}`"));
    Err(fault(format!("{list} {}: expected {}, found {}", at + 1, shown(&known), shown(&found))))
}

fn fault(message: String) -> Error {
    Error::new(ErrorKind::Data, format!("codebook: {message}"))
}

/// The error for a name that is not in a list, with the nearest one that is.
pub(crate) fn unknown(what: &str, value: &str, known: &[&str]) -> Error {
    let shown: String = value.chars().take(60).collect();
    let cut = if shown.len() < value.len() { "…" } else { "" };
    let mut message = format!("unknown {what}: `{shown}{cut}`");
    if let Some(near) = nearest(value, known) {
        message.push_str(&format!(", did you mean `{near}`?"));
    }
    message.push_str(&format!(" (known: {})", known.join(", ")));
    Error::new(ErrorKind::Data, message)
}

/// The known name with the fewest edits, if it is near enough to be meant.
fn nearest<'a>(value: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer than any label plus the edits allowed: nothing can be near, and
    // the distance of a huge value would take long.
    if value.len() > 100 {
        return None;
    }
    let value = value.trim().to_lowercase().replace([' ', '-'], "_");
    known
        .iter()
        .map(|&name| (edits(&value, name), name))
        .min_by_key(|&(distance, _)| distance)
        .filter(|&(distance, name)| distance <= (name.len() / 3).max(1))
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_codebook_parses() {
        let book = Codebook::parse(include_str!("codebook/england_wales.toml")).unwrap();
        assert_eq!(book.version, 1);
        assert_eq!(book.jurisdiction.id, "england_wales");
        assert_eq!(&book, codebook());
    }

    #[test]
    fn file_and_enums_agree_in_both_directions_and_in_order() {
        fn agree<T: Copy + std::str::FromStr + PartialEq + std::fmt::Debug>(
            all: &[T],
            name: fn(T) -> &'static str,
            index: fn(T) -> usize,
            listed: Vec<&str>,
        ) where
            T::Err: std::fmt::Debug,
        {
            assert_eq!(names_of(all, name), listed);
            for (i, (&label, listed)) in all.iter().zip(listed).enumerate() {
                assert_eq!(index(label), i);
                assert_eq!(listed.parse::<T>().unwrap(), label);
            }
        }
        let book = codebook();
        let of = |list: &'static [LabelInfo]| list.iter().map(|l| &*l.name).collect::<Vec<_>>();
        agree(Grade::ALL, Grade::name, Grade::index, of(&book.grades));
        agree(Relationship::ALL, Relationship::name, Relationship::index, of(&book.relationships));
        agree(EntityKind::ALL, EntityKind::name, EntityKind::index, of(&book.entity_kinds));
        agree(Role::ALL, Role::name, Role::index, of(&book.roles));
        agree(Flag::ALL, Flag::name, Flag::index, book.flags.iter().map(|l| &*l.name).collect());
        agree(Limb::ALL, Limb::name, Limb::index, book.limbs.iter().map(|l| &*l.name).collect());
        agree(
            Indicator::ALL,
            Indicator::name,
            Indicator::index,
            book.indicators.iter().map(|l| &*l.name).collect(),
        );
        assert_eq!(Indicator::ALL.len(), 29);
    }

    #[test]
    fn the_lists_hold_what_the_statute_and_the_rulings_say() {
        let letters: String = Indicator::ALL.iter().filter_map(|i| i.info().letter).collect();
        assert_eq!(letters, "abcdefg");
        for &i in Indicator::ALL {
            let info = i.info();
            assert_eq!(info.letter.is_some(), info.group == Group::Acts, "{i}");
            assert_eq!(info.serious_harm, info.group == Group::SeriousHarm, "{i}");
            assert!(!info.meaning.is_empty() && !info.meaning.ends_with('.'), "{i}");
            if let Some(ask) = &info.ask_next {
                assert!(ask.question.ends_with('?'), "{i}");
            }
        }
        let whole: Vec<_> = Indicator::ALL.iter().filter(|i| i.info().whole_text).map(|i| i.name()).collect();
        assert_eq!(whole, ["repeated", "escalation", "recent_separation", "treated_as_isolated"]);
        let asked = codebook().questions();
        assert_eq!(asked[0].0, Indicator::Repeated);
        let priorities: Vec<u32> = asked.iter().map(|(_, ask)| ask.priority).collect();
        assert_eq!(priorities, (1..=asked.len() as u32).collect::<Vec<_>>());
        assert_eq!(Grade::Likely.info().label, "likely");
        assert_eq!(Relationship::ExPartner.info().label, "former partner");
        assert!(Flag::BreachOfWarning.info().basis.contains("no breach in law"));
        assert!(Limb::FearOfViolence.info().basis.contains("s.4A"));
    }

    #[test]
    fn recorded_classes() {
        let cases = [
            ("stalking", true),
            ("STALKING - fear of violence", true),
            ("8Q", true),
            ("8q: involving serious alarm", true),
            ("8/66", true),
            ("Stalking s.2A (195/12)", true),
            ("section 4A PHA 1997", true),
            ("harassment/stalking", true),
            ("harassment.Stalking", true),
            ("harassment", false),
            ("8L harassment", false),
            ("not stalking", false),
            ("non-stalking domestic", false),
            ("beanstalking", false),
            ("18Q", false),
            ("8/660", false),
            ("criminal damage", false),
            ("", false),
        ];
        for (class, expected) in cases {
            assert_eq!(codebook().is_recorded_as_stalking(class), expected, "{class:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_and_all_known() {
        let err = "breach of order".parse::<Indicator>().unwrap_err().to_string();
        assert!(
            err.starts_with("unknown indicator: `breach of order`, did you mean `breach_of_order`?"),
            "{err}"
        );
        assert!(err.contains("known: following, contact,"), "{err}");
        let err = "Likly".parse::<Grade>().unwrap_err().to_string();
        assert!(err.contains("did you mean `likely`?"), "{err}");
        let err = "zzzzzz".parse::<Role>().unwrap_err().to_string();
        assert!(!err.contains("did you mean"), "{err}");
        let long = "é".repeat(1_000_000).parse::<Role>().unwrap_err().to_string();
        assert!(long.len() < 300);
    }

    #[test]
    fn labels_are_their_names_in_json() {
        assert_eq!(serde_json::to_string(&Indicator::ThreatToKill).unwrap(), "\"threat_to_kill\"");
        assert_eq!(serde_json::from_str::<Role>("\"\\u0076ictim\"").unwrap(), Role::Victim);
        let err = serde_json::from_str::<Role>("\"Victim\"").unwrap_err().to_string();
        assert!(err.contains("did you mean `victim`?"), "{err}");
    }

    #[test]
    fn a_profile_that_differs_from_the_enums_is_refused() {
        let good = include_str!("codebook/england_wales.toml");
        let cases = [
            ("name = \"gifts\"", "name = \"presents\"", "indicator 11: expected `gifts`, found `presents`"),
            ("letter = \"b\"", "letter = \"a\"", "letter (a) is used twice"),
            ("priority = 2,", "priority = 1,", "is used twice"),
            ("version = 1", "version = 1\nversions = 2", "unknown field `versions`"),
            ("version = 1", "", "missing field `version`"),
            ("group = \"acts\"", "group = \"act\"", "did you mean `acts`?"),
            ("letter = \"c\"\ntitle", "letter = \"d\"\ntitle", "expected the letters a, b, c, found: abd"),
            ("\"8q\"", "\"8Q\"", "not lower case"),
        ];
        for (from, to, message) in cases {
            assert!(good.contains(from), "{from}");
            let err = Codebook::parse(&good.replacen(from, to, 1)).unwrap_err();
            assert!(err.to_string().contains(message), "{to}: {err}");
            assert_eq!(err.kind(), ErrorKind::Data);
        }
    }

    #[test]
    fn edits_are_counted_in_characters() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("é", "e", 1), ("ab", "ab", 0)]
        {
            assert_eq!(edits(a, b), expected, "{a} {b}");
            assert_eq!(edits(b, a), expected, "{b} {a}");
        }
    }
}
