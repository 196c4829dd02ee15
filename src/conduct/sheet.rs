//! The course sheet: everything that a coordinator takes into a meeting about
//! one course, worked out once and drawn by `render` in three forms.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Course, Quote, when};
use crate::assess::{IndicatorState, State};
use crate::codebook::{EntityKind, Flag, Indicator, Relationship, Role, codebook};
use crate::entities::names::{self, Agreement, Name};
use crate::features::{Assessed, Features, text_hash};
use crate::link::Link;
use crate::report::dates;

/// One report of a course.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Occasion {
    /// The report.
    pub report: String,
    /// When it happened or was taken down.
    pub when: Option<String>,
    /// Days since the occasion before.
    pub days_since_last: Option<i64>,
    /// The force that holds it.
    pub force: Option<String>,
    /// The class it was recorded under.
    pub recorded_as: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// What the text alone reads like.
    pub reads_like: State,
    /// Letters of the statute that it shows.
    pub letters: Vec<char>,
    /// Indicators found, with their words.
    pub found: Vec<Found>,
    /// Flags that its handling asks to be looked at.
    #[serde(serialize_with = "flag_names")]
    pub flags: Vec<Flag>,
    /// The report whose text it repeats: a duplicate, no further occasion.
    pub repeats: Option<String>,
    /// The narrative.
    pub text: String,
}

fn flag_names<S: serde::Serializer>(flags: &[Flag], s: S) -> std::result::Result<S::Ok, S::Error> {
    s.collect_seq(flags.iter().map(|f| f.name()))
}

/// An indicator and the words that show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The indicator.
    pub indicator: Indicator,
    /// Its words for people.
    pub label: String,
    /// Its letter.
    pub letter: Option<char>,
    /// The words.
    pub quotes: Vec<Quote>,
}

/// A person as the course's reports have them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PersonOfCourse {
    /// The fullest name.
    pub name: String,
    /// Reports in which they are the suspect.
    pub suspect_in: Vec<String>,
    /// Reports in which they are the victim or the one who reports.
    pub victim_in: Vec<String>,
}

/// Evidence under a heading of the law.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heading {
    /// What evidence is listed for.
    pub title: String,
    /// Where it stands in the statute.
    pub basis: String,
    /// Evidence; empty means that the texts were read and nothing was found.
    pub quotes: Vec<Quote>,
    /// Different occasions that the evidence is from.
    pub occasions: usize,
}

/// How the conduct went on, in plain numbers; no score.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Arithmetic {
    /// Days from the first occasion to the last.
    pub days: Option<i64>,
    /// Occasions in the first half of that time and in the second.
    pub halves: Option<[usize; 2]>,
    /// Mean days between occasions, first half of the gaps and second.
    pub mean_gap_days: Option<[f64; 2]>,
    /// Kinds of conduct in all.
    pub kinds: usize,
    /// Kinds that came after the first report.
    pub new_kinds: Vec<String>,
    /// Occasions that show a serious-harm marker, by report.
    pub serious: Vec<String>,
    /// Occasions at or in the home, by report.
    pub at_home: Vec<String>,
}

/// The sheet of one course.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sheet {
    /// The course.
    pub course: Course,
    /// Reports in the order of time.
    pub occasions: Vec<Occasion>,
    /// People named as suspect or victim, most named first.
    pub people: Vec<PersonOfCourse>,
    /// What can be said of who pursues whom.
    pub direction: String,
    /// Letters of the statute with evidence.
    pub letters: Vec<Heading>,
    /// Limbs of the more serious offence.
    pub limbs: Vec<Heading>,
    /// The test for an order.
    pub order_test: Vec<Heading>,
    /// Breaches of orders, bail and warnings.
    pub breaches: Vec<Quote>,
    /// Whether the recording rule for former partners bears on it.
    pub ex_partner: bool,
    /// How it went on.
    pub arithmetic: Arithmetic,
    /// Reports whose recorder played it down or handled it alone.
    pub minimised: Vec<String>,
    /// Questions that no report of the course answers.
    pub missing: Vec<String>,
    /// The links that hold the course together.
    pub links: Vec<Link>,
}

fn quotes_of(one: &Assessed, indicator: Indicator) -> Vec<Quote> {
    super::found(one, indicator).map(|e| super::quotes(one, e).collect()).unwrap_or_default()
}

fn heading(title: &str, basis: &str, quotes: Vec<Quote>) -> Heading {
    let mut reports: Vec<&str> = quotes.iter().map(|q| q.report.as_str()).collect();
    reports.sort_unstable();
    reports.dedup();
    let occasions = reports.len();
    Heading { title: title.into(), basis: basis.into(), quotes, occasions }
}

/// The sheet of a course from its reports; `links` are those of the run.
pub fn sheet(course: &Course, assessed: &[Assessed], links: &[Link]) -> Sheet {
    let by_id: BTreeMap<&str, &Assessed> = assessed.iter().map(|a| (a.report.id.as_str(), a)).collect();
    let reports = super::in_time(&course.reports, &by_id);
    let book = codebook();

    let occasions = occasions(&reports);
    let distinct: Vec<&Assessed> =
        reports.iter().zip(&occasions).filter(|(_, o)| o.repeats.is_none()).map(|(r, _)| *r).collect();
    let letters = Indicator::ALL
        .iter()
        .filter_map(|&indicator| {
            let info = indicator.info();
            let letter = info.letter?;
            let quotes: Vec<Quote> = distinct.iter().flat_map(|one| quotes_of(one, indicator)).collect();
            let basis = format!("{}({letter})", book.jurisdiction.acts_section);
            Some(heading(&info.label, &basis, quotes))
        })
        .collect();
    let limb_quotes =
        [&course.limbs.fear_of_violence, &course.limbs.alarm_or_distress, &course.limbs.daily_life_changed];
    let limbs = book
        .limbs
        .iter()
        .zip(limb_quotes)
        .map(|(info, quotes)| heading(&info.title, &info.basis, quotes.clone()))
        .collect();
    let order_test = book
        .spo_limbs
        .iter()
        .zip([&course.spo.a, &course.spo.b, &course.spo.c])
        .map(|(info, quotes)| {
            let basis = format!("{}({})", book.jurisdiction.order_section, info.letter);
            heading(&info.title, &basis, quotes.clone())
        })
        .collect();
    let people = people(&distinct);
    let answered = |indicator: Indicator| {
        distinct.iter().any(|one| {
            one.assessment
                .indicators
                .get(indicator.index())
                .is_some_and(|a| a.state != IndicatorState::NotMentioned)
        })
    };
    let played_down = [Indicator::Minimising, Indicator::TreatedAsIsolated];
    Sheet {
        course: course.clone(),
        direction: direction(&people),
        people,
        letters,
        limbs,
        order_test,
        breaches: distinct.iter().flat_map(|one| quotes_of(one, Indicator::BreachOfOrder)).collect(),
        ex_partner: distinct.iter().any(|one| {
            let relationship = &one.assessment.relationship;
            relationship.value == Relationship::ExPartner && relationship.p >= 0.5
        }),
        arithmetic: arithmetic(course, &distinct),
        minimised: distinct
            .iter()
            .filter(|one| played_down.iter().any(|i| super::found(one, *i).is_some()))
            .map(|one| one.report.id.clone())
            .collect(),
        missing: book
            .questions()
            .into_iter()
            .filter(|(indicator, _)| !answered(*indicator))
            .map(|(_, ask)| ask.question.clone())
            .take(8)
            .collect(),
        links: links
            .iter()
            .filter(|l| l.linked && course.reports.contains(&l.a) && course.reports.contains(&l.b))
            .cloned()
            .collect(),
        occasions,
    }
}

fn occasions(reports: &[&Assessed]) -> Vec<Occasion> {
    let mut first_of_text: BTreeMap<u64, String> = BTreeMap::new();
    let mut last = None;
    reports
        .iter()
        .map(|one| {
            let hash = text_hash(&one.report.text);
            let repeats = first_of_text.get(&hash).cloned();
            first_of_text.entry(hash).or_insert_with(|| one.report.id.clone());
            let date = when(&one.report);
            let days_since_last = match (repeats.is_some(), last, date) {
                (false, Some(last), Some(date)) => {
                    let days: time::Duration =
                        time::PrimitiveDateTime::date(date) - time::PrimitiveDateTime::date(last);
                    Some(days.whole_days())
                }
                _ => None,
            };
            if repeats.is_none() && date.is_some() {
                last = date;
            }
            let answers = one.assessment.indicators.iter().filter(|i| i.state == IndicatorState::Found);
            Occasion {
                report: one.report.id.clone(),
                when: date.map(dates::write),
                days_since_last,
                force: one.report.force.clone(),
                recorded_as: one.report.recorded_as.clone(),
                outcome: one.report.outcome.clone(),
                reads_like: one.assessment.state,
                letters: answers.clone().filter_map(|i| i.letter).collect(),
                found: answers
                    .map(|i| Found {
                        indicator: i.name,
                        label: i.name.info().label.clone(),
                        letter: i.letter,
                        quotes: super::quotes(one, &i.evidence).collect(),
                    })
                    .collect(),
                flags: one.assessment.flags.clone(),
                repeats,
                text: one.report.text.clone(),
            }
        })
        .collect()
}

/// People over all reports, mentions that agree made one.
fn people(reports: &[&Assessed]) -> Vec<PersonOfCourse> {
    let mut people: Vec<(Name, PersonOfCourse)> = Vec::new();
    let mut mentions: Vec<(Name, Role, &str)> = Vec::new();
    for one in reports {
        // As linking knows them: a street that was tagged as a person is none.
        for identifier in Features::of(one, None).identifiers {
            let role = identifier.role.filter(|r| matches!(r, Role::Suspect | Role::Victim | Role::Reporter));
            if let (Some(role), EntityKind::Person) = (role, identifier.kind) {
                mentions.push((Name::from_value(&identifier.value), role, &one.report.id));
            }
        }
    }
    // Full names first, so that lone parts find the person they belong to.
    mentions.sort_by_key(|(name, _, _)| name.given.is_empty() || name.surname.is_empty());
    for (name, role, report) in mentions {
        let same = |other: &Name| {
            matches!(
                names::compare(other, &name),
                Agreement::Full | Agreement::FullSimilar | Agreement::Surname | Agreement::Given
            )
        };
        let place = match people.iter().position(|(other, _)| same(other)) {
            Some(place) => place,
            None => {
                let shown = [&name.given, &name.surname]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .map(|part| {
                        let mut letters = part.chars();
                        letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
                    })
                    .collect::<Vec<String>>()
                    .join(" ");
                let person = PersonOfCourse { name: shown, suspect_in: Vec::new(), victim_in: Vec::new() };
                people.push((name, person));
                people.len() - 1
            }
        };
        let person = &mut people[place].1;
        let list = if role == Role::Suspect { &mut person.suspect_in } else { &mut person.victim_in };
        if !list.iter().any(|r| r == report) {
            list.push(report.to_owned());
        }
    }
    let mut people: Vec<PersonOfCourse> = people.into_iter().map(|(_, p)| p).collect();
    people.sort_by(|a, b| {
        let count = |p: &PersonOfCourse| p.suspect_in.len() + p.victim_in.len();
        count(b).cmp(&count(a)).then_with(|| a.name.cmp(&b.name))
    });
    people
}

/// Who pursues whom, by what most reports say; pursuers report, too.
fn direction(people: &[PersonOfCourse]) -> String {
    let suspect =
        people.iter().filter(|p| p.suspect_in.len() > p.victim_in.len()).max_by_key(|p| p.suspect_in.len());
    let Some(suspect) = suspect else {
        return "The texts do not name who pursues; a person must tell.".into();
    };
    let mut said = format!("{} is the suspect in {}", suspect.name, counted(suspect.suspect_in.len()));
    let victim = people
        .iter()
        .filter(|p| p.name != suspect.name && p.victim_in.len() > p.suspect_in.len())
        .max_by_key(|p| p.victim_in.len());
    if let Some(victim) = victim {
        said += &format!(", {} the victim or reporter in {}", victim.name, counted(victim.victim_in.len()));
    }
    said.push('.');
    for person in people.iter().filter(|p| !p.suspect_in.is_empty() && !p.victim_in.is_empty()) {
        said += &format!(
            " {} stands on both sides (suspect in {}, victim or reporter in {}): a possible counter-allegation.",
            person.name,
            person.suspect_in.join(", "),
            person.victim_in.join(", ")
        );
    }
    said
}

fn counted(reports: usize) -> String {
    if reports == 1 { "1 report".into() } else { format!("{reports} reports") }
}

fn arithmetic(course: &Course, reports: &[&Assessed]) -> Arithmetic {
    let days: Vec<i64> = reports
        .iter()
        .filter_map(|one| when(&one.report))
        .map(|date| i64::from(date.date().to_julian_day()))
        .collect();
    let span = days.first().zip(days.last()).map(|(first, last)| last - first);
    let halves = span.filter(|span| *span > 0 && days.len() > 2).map(|span| {
        let middle = days[0] * 2 + span;
        let early = days.iter().filter(|day| **day * 2 <= middle).count();
        [early, days.len() - early]
    });
    let gaps = &course.escalation.gap_days;
    let mean = |gaps: &[i64]| {
        let mean = gaps.iter().sum::<i64>() as f64 / gaps.len().max(1) as f64;
        (mean * 10.0).round() / 10.0
    };
    let mean_gap_days = (gaps.len() > 1).then(|| {
        let (early, late) = gaps.split_at(gaps.len() / 2);
        [mean(early), mean(late)]
    });
    let shows = |one: &Assessed, groups: &[crate::codebook::Group]| !super::of_groups(one, groups).is_empty();
    use crate::codebook::Group;
    let mut kinds: Vec<Indicator> =
        reports.iter().flat_map(|one| super::of_groups(one, &[Group::Acts, Group::FurtherConduct])).collect();
    kinds.sort_unstable_by_key(|k| k.index());
    kinds.dedup();
    Arithmetic {
        days: span,
        halves,
        mean_gap_days,
        kinds: kinds.len(),
        new_kinds: course.escalation.new_kinds.iter().map(|k| k.info().label.clone()).collect(),
        serious: reports
            .iter()
            .filter(|one| shows(one, &[Group::SeriousHarm]))
            .map(|one| one.report.id.clone())
            .collect(),
        at_home: reports
            .iter()
            .filter(|one| super::found(one, Indicator::HomeIntrusion).is_some())
            .map(|one| one.report.id.clone())
            .collect(),
    }
}
