//! What is kept in memory of each report of a batch: what ranking, lists and
//! counts need, and where the rest lies on disk.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use time::Date;

use crate::assess::{Assessment, Evidence, IndicatorState, State};
use crate::codebook::{Flag, Relationship, codebook};
use crate::features::{Assessed, day_number};
use crate::report::{Report, dates};

/// Phrases that are told of each report.
pub const PHRASES: usize = 3;

/// Words that a phrase has at least, where its sentence has them.
const PHRASE_WORDS: usize = 5;

/// The most characters of a phrase.
const PHRASE_MOST: usize = 120;

/// What is kept of each report.
#[derive(Clone, Debug)]
pub struct Row {
    /// The report.
    pub id: String,
    /// What to do next.
    pub state: State,
    /// Calibrated probability that the text reads like stalking.
    pub p: f64,
    /// Letters of the statute that are found.
    pub letters: String,
    /// Whether evidence that bears on serious harm is found.
    pub serious_harm: bool,
    /// The words that say most.
    pub phrases: Vec<String>,
    /// Flags, in codebook order.
    pub flags: Vec<Flag>,
    /// Whether the two are former partners, by the text or by the record.
    pub ex_partner: bool,
    /// Whether the two are or were partners or family, by the text or by the record.
    pub domestic: bool,
    /// The class it was recorded under.
    pub recorded_as: Option<Arc<str>>,
    /// Whether that class is stalking.
    pub recorded_as_stalking: bool,
    /// How it ended.
    pub outcome: Option<Arc<str>>,
    /// The force.
    pub force: Option<Arc<str>>,
    /// The district.
    pub district: Option<Arc<str>>,
    /// When it was taken down, else when it happened; days since 1 January 1970.
    pub reported: Option<i32>,
    /// When it was closed.
    pub closed: Option<i32>,
    /// The course that it belongs to, by its place in the list.
    pub course: Option<usize>,
    /// Where its assessment and its record lie: first byte and length.
    pub(super) places: [(u64, u32); 2],
}

impl Row {
    /// Whether an order, bail or a warning was ignored.
    pub fn breach(&self) -> bool {
        self.flags
            .iter()
            .any(|f| matches!(f, Flag::BreachOfOrder | Flag::BreachOfBail | Flag::BreachOfWarning))
    }

    /// Days from the report to `as_of`; none for one without a date or after it.
    pub fn days_to(&self, as_of: Option<i32>) -> Option<i32> {
        self.reported.zip(as_of).map(|(reported, as_of)| as_of - reported).filter(|days| *days >= 0)
    }

    /// The month of the report, `2023-04`.
    pub fn month(&self) -> Option<String> {
        month(self.reported?)
    }
}

/// The day of a number of days since 1 January 1970.
pub fn date_of(day: i32) -> Option<Date> {
    Date::from_julian_day(day.checked_add(2_440_588)?).ok()
}

/// The month of a day, `2023-04`.
pub fn month(day: i32) -> Option<String> {
    date_of(day).map(|date| dates::write_date(date).chars().take(7).collect())
}

/// When a report was taken down, else when it happened.
pub(super) fn reported(report: &Report) -> Option<i32> {
    report.reported_at.or(report.occurred_from).map(|when| day_number(when.date()))
}

/// Words that are held once, however many reports have them.
#[derive(Default)]
pub(super) struct Words(BTreeSet<Arc<str>>);

impl Words {
    pub(super) fn take(&mut self, words: Option<&String>) -> Option<Arc<str>> {
        let words = words?.as_str();
        if let Some(held) = self.0.get(words) {
            return Some(held.clone());
        }
        let held: Arc<str> = words.into();
        self.0.insert(held.clone());
        Some(held)
    }
}

/// The row of an assessed report; `places` are those of its assessment and record.
pub(super) fn row(assessed: &Assessed, places: [(u64, u32); 2], words: &mut Words) -> Row {
    let (report, assessment) = (&assessed.report, &assessed.assessment);
    let relationship = assessment.relationship;
    let held = report.relationship.as_deref().unwrap_or_default().to_lowercase();
    let held_former =
        ["ex-", "ex ", "former"].iter().any(|w| held.starts_with(w) || held.contains(&format!(" {w}")));
    let held_domestic = held_former
        || [
            "partner",
            "spouse",
            "wife",
            "husband",
            "boyfriend",
            "girlfriend",
            "family",
            "parent",
            "mother",
            "father",
            "brother",
            "sister",
            "son",
            "daughter",
        ]
        .iter()
        .any(|w| held.split(|c: char| !c.is_alphanumeric()).any(|own| own == *w));
    let said = |values: &[Relationship]| relationship.p >= 0.5 && values.contains(&relationship.value);
    Row {
        id: report.id.clone(),
        state: assessment.state,
        p: assessment.stalking.p,
        letters: letters(assessment),
        serious_harm: assessment.serious_harm.state == IndicatorState::Found,
        phrases: phrases(assessment, &report.text),
        flags: assessment.flags.clone(),
        ex_partner: said(&[Relationship::ExPartner]) || held_former,
        domestic: said(&[Relationship::ExPartner, Relationship::Partner, Relationship::Family])
            || held_domestic,
        recorded_as: words.take(report.recorded_as.as_ref()),
        recorded_as_stalking: report
            .recorded_as
            .as_deref()
            .is_some_and(|class| codebook().is_recorded_as_stalking(class)),
        outcome: words.take(report.outcome.as_ref()),
        force: words.take(report.force.as_ref()),
        district: words.take(report.district.as_ref()),
        reported: reported(report),
        closed: report.closed_at.map(|when| day_number(when.date())),
        course: None,
        places,
    }
}

fn letters(assessment: &Assessment) -> String {
    let found = assessment.indicators.iter().filter(|i| i.state == IndicatorState::Found);
    let letters: BTreeSet<char> = found.filter_map(|i| i.letter).collect();
    letters.into_iter().map(String::from).collect::<Vec<_>>().join(" ")
}

/// The words that say most: evidence that bears on serious harm first, then
/// that of the surest indicators, each place of the text once. A word or two
/// say little, so that short evidence brings the words around it.
fn phrases(assessment: &Assessment, text: &str) -> Vec<String> {
    let mut found: Vec<_> =
        assessment.indicators.iter().filter(|i| i.state == IndicatorState::Found).collect();
    found.sort_by(|a, b| b.p.total_cmp(&a.p).then(a.name.cmp(&b.name)));
    let longest =
        |evidence: &[Evidence]| evidence.iter().max_by_key(|e| (e.end - e.start, Reverse(e.start))).cloned();
    let chars: Vec<char> = text.chars().collect();
    let mut kept: Vec<Range<usize>> = Vec::new();
    let harm = longest(&assessment.serious_harm.evidence);
    for evidence in harm.into_iter().chain(found.iter().filter_map(|i| longest(&i.evidence))) {
        let range = widened(&chars, evidence.start..evidence.end);
        if kept.len() < PHRASES && kept.iter().all(|k| range.end <= k.start || k.end <= range.start) {
            kept.push(range);
        }
    }
    let shown = |range: Range<usize>| {
        let text: String = chars[range].iter().collect();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(PHRASE_MOST) {
            Some((at, _)) => format!("{}…", &line[..at]),
            None => line,
        }
    };
    kept.into_iter().map(shown).collect()
}

/// The range with words around it, within the sentence, until it has a few.
fn widened(chars: &[char], range: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (range.start.min(chars.len()), range.end.min(chars.len()));
    let words = |start: usize, end: usize| {
        chars[start..end].split(|c| c.is_whitespace()).filter(|word| !word.is_empty()).count()
    };
    let ends = |at: usize| matches!(chars[at], '.' | '!' | '?' | '\n' | ';');
    loop {
        let before = (start, end);
        if words(start, end) < PHRASE_WORDS && end < chars.len() && (end == start || !ends(end - 1)) {
            end += 1;
            while end < chars.len() && !chars[end].is_whitespace() && !(ends(end) && end + 1 == chars.len()) {
                end += 1;
            }
        }
        if words(start, end) < PHRASE_WORDS && start > 0 {
            let mut at = start - 1;
            while at > 0 && chars[at].is_whitespace() && !ends(at) {
                at -= 1;
            }
            if !ends(at) {
                while at > 0 && !chars[at - 1].is_whitespace() {
                    at -= 1;
                }
                start = at;
            }
        }
        if before == (start, end) || words(start, end) >= PHRASE_WORDS {
            return start..end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Default for Row {
        fn default() -> Self {
            Self {
                id: String::new(),
                state: State::NothingFound,
                p: 0.0,
                letters: String::new(),
                serious_harm: false,
                phrases: Vec::new(),
                flags: Vec::new(),
                ex_partner: false,
                domestic: false,
                recorded_as: None,
                recorded_as_stalking: false,
                outcome: None,
                force: None,
                district: None,
                reported: None,
                closed: None,
                course: None,
                places: [(0, 0); 2],
            }
        }
    }

    #[test]
    fn short_evidence_brings_the_words_around_it() {
        let wide = |text: &str, words: &str| {
            let chars: Vec<char> = text.chars().collect();
            let start = text[..text.find(words).unwrap()].chars().count();
            let range = widened(&chars, start..start + words.chars().count());
            chars[range].iter().collect::<String>().trim().to_owned()
        };
        let text = "She is scared. He took her number and rang all night. Stop";
        assert_eq!(wide(text, "number"), "took her number and rang");
        assert_eq!(wide(text, "Stop"), "Stop");
        assert_eq!(wide(text, "scared"), "She is scared.");
        assert_eq!(wide(text, "He took her number and rang"), "He took her number and rang");
        assert_eq!(wide("x", "x"), "x");
        assert_eq!(widened(&[], 3..9), 0..0);
    }

    #[test]
    fn months_and_days() {
        assert_eq!(month(0).as_deref(), Some("1970-01"));
        assert_eq!(month(i32::MAX), None);
        let row = Row { reported: Some(10), ..Row::default() };
        assert_eq!(row.days_to(Some(12)), Some(2));
        assert_eq!(row.days_to(Some(9)), None);
        assert_eq!(row.days_to(None), None);
    }
}
