//! A group of linked reports read as one suspected course of conduct:
//! occasions in time, the statute's letters, evidence for the limbs, the
//! arithmetic of escalation. It lists what texts say and never says that a
//! limb is met; whether there is a course of conduct, a person decides.

mod sheet;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::assess::{Evidence, IndicatorState};
use crate::codebook::{Group as IndicatorGroup, Indicator};
use crate::features::{Assessed, date_of, text_hash};
use crate::link::Group;
use crate::link::record::{Pool, Record};
use crate::link::weights::Weights;
use crate::report::{Report, dates};

pub use sheet::{Arithmetic, Found, Heading, Occasion, PersonOfCourse, Sheet, sheet};

/// The form of course that this program writes.
pub const COURSE_SCHEMA: &str = "throughline.course/1";

/// The least probability of a course that is told.
pub const LEAST_P: f64 = 0.5;

/// Words of one report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// The report.
    pub report: String,
    /// First character.
    pub start: usize,
    /// Character after the last.
    pub end: usize,
    /// The words.
    pub text: String,
}

/// Evidence for the limbs of the more serious offence; none is ever `met`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limbs {
    /// Fear where the report speaks of violence to the victim.
    pub fear_of_violence: Vec<Quote>,
    /// Other fear, alarm or distress.
    pub alarm_or_distress: Vec<Quote>,
    /// Changes to daily life.
    pub daily_life_changed: Vec<Quote>,
}

/// Evidence for the parts of the test for a stalking protection order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spo {
    /// Acts associated with stalking.
    pub a: Vec<Quote>,
    /// A risk associated with stalking.
    pub b: Vec<Quote>,
    /// Why an order may be necessary: earlier orders and warnings passed over.
    pub c: Vec<Quote>,
}

/// Arithmetic of how the conduct went on; no score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// Days between one occasion and the next.
    pub gap_days: Vec<i64>,
    /// Acts and further conduct that the first report does not show, in the
    /// order in which they came.
    pub new_kinds: Vec<Indicator>,
}

/// A suspected course of conduct.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// [`COURSE_SCHEMA`].
    pub schema: String,
    /// Its name in this run.
    pub course: String,
    /// Its reports in the order of their dates.
    pub reports: Vec<String>,
    /// Probability that they belong together and are stalking.
    pub p: f64,
    /// Reports less those whose text came before.
    pub occasions: usize,
    /// The first date.
    pub first: Option<String>,
    /// The last date.
    pub last: Option<String>,
    /// Letters of the statute that any report shows, in order.
    pub letters: Vec<char>,
    /// Forces that hold the reports, in order of name.
    pub forces: Vec<String>,
    /// The strongest link of the weakest merge, in bits.
    pub weakest_link_bits: f64,
    /// Evidence for the limbs.
    pub limbs: Limbs,
    /// Evidence for the test for an order.
    pub spo: Spo,
    /// Arithmetic of how it went on.
    pub escalation: Escalation,
}

/// The date by which a report stands in a course: when it began to happen,
/// else when it was taken down.
pub fn when(report: &Report) -> Option<time::PrimitiveDateTime> {
    report.occurred_from.or(report.reported_at)
}

/// The reports of a group in the order of their dates; those without a date
/// come last.
pub fn in_time<'a>(ids: &[String], assessed: &BTreeMap<&str, &'a Assessed>) -> Vec<&'a Assessed> {
    let mut reports: Vec<&Assessed> =
        ids.iter().filter_map(|id| assessed.get(id.as_str()).copied()).collect();
    reports.sort_by(|a, b| {
        let (x, y) = (when(&a.report), when(&b.report));
        (x.is_none(), x, &a.report.id).cmp(&(y.is_none(), y, &b.report.id))
    });
    reports
}

fn found(assessed: &Assessed, indicator: Indicator) -> Option<&[Evidence]> {
    let answer = assessed.assessment.indicators.get(indicator.index())?;
    (answer.state == IndicatorState::Found).then_some(answer.evidence.as_slice())
}

fn quotes(assessed: &Assessed, evidence: &[Evidence]) -> impl Iterator<Item = Quote> {
    let report = assessed.report.id.clone();
    evidence.iter().map(move |e| Quote {
        report: report.clone(),
        start: e.start,
        end: e.end,
        text: e.text.clone(),
    })
}

fn speaks_of_violence(words: &str) -> bool {
    let low = words.to_lowercase();
    [
        "kill", "stab", "hurt", "beat", "burn", "punch", "hit", "attack", "strangl", "chok", "knife",
        "violen", "murder", "harm", "slap", "kick",
    ]
    .iter()
    .any(|stem| low.contains(stem))
}

/// Whether a report speaks of violence to the victim beside its fear: a
/// threat to kill, a weapon or violence, or a threat whose words are of it.
fn of_violence(assessed: &Assessed) -> bool {
    let direct = [Indicator::ThreatToKill, Indicator::Weapon, Indicator::Violence, Indicator::Strangulation];
    direct.iter().any(|i| found(assessed, *i).is_some())
        || found(assessed, Indicator::Threat).is_some_and(|e| e.iter().any(|e| speaks_of_violence(&e.text)))
}

/// Indicators of a group of the codebook, found in a report.
fn of_groups(assessed: &Assessed, groups: &[IndicatorGroup]) -> Vec<Indicator> {
    Indicator::ALL
        .iter()
        .copied()
        .filter(|i| groups.contains(&i.info().group) && found(assessed, *i).is_some())
        .collect()
}

/// The course of a group of reports, without a name yet.
pub fn course(group: &Group, assessed: &BTreeMap<&str, &Assessed>, weights: &Weights) -> Course {
    let reports = in_time(&group.reports, assessed);
    let mut limbs = Limbs::default();
    let mut spo = Spo::default();
    let mut letters = BTreeSet::new();
    let mut forces = BTreeSet::new();
    let mut texts = BTreeSet::new();
    let mut dates_of_occasions = Vec::new();
    let mut kinds: BTreeSet<Indicator> = BTreeSet::new();
    let mut escalation = Escalation::default();
    let mut p_stalking = 0.0f64;
    for one in &reports {
        p_stalking = p_stalking.max(one.assessment.stalking.p);
        forces.extend(one.report.force.clone());
        if !texts.insert(text_hash(&one.report.text)) {
            // The same text again is the same occasion.
            continue;
        }
        if let Some(date) = when(&one.report) {
            dates_of_occasions.push(date);
        }
        for answer in one.assessment.indicators.iter().filter(|i| i.state == IndicatorState::Found) {
            letters.extend(answer.letter);
        }
        if let Some(evidence) = found(one, Indicator::Fear) {
            let violence = of_violence(one);
            for quote in quotes(one, evidence) {
                if violence || speaks_of_violence(&quote.text) {
                    limbs.fear_of_violence.push(quote);
                } else {
                    limbs.alarm_or_distress.push(quote);
                }
            }
        }
        if let Some(evidence) = found(one, Indicator::LifeChanged) {
            limbs.daily_life_changed.extend(quotes(one, evidence));
        }
        for indicator in of_groups(one, &[IndicatorGroup::Acts]) {
            spo.a.extend(quotes(one, found(one, indicator).unwrap_or_default()));
        }
        let risk = [Indicator::Threat, Indicator::Violence, Indicator::HomeIntrusion, Indicator::Escalation];
        for indicator in of_groups(one, &[IndicatorGroup::SeriousHarm]).into_iter().chain(risk) {
            spo.b.extend(quotes(one, found(one, indicator).unwrap_or_default()));
        }
        for indicator in [Indicator::BreachOfOrder, Indicator::Unwanted] {
            spo.c.extend(quotes(one, found(one, indicator).unwrap_or_default()));
        }
        let first = kinds.is_empty() && texts.len() == 1;
        for kind in of_groups(one, &[IndicatorGroup::Acts, IndicatorGroup::FurtherConduct]) {
            if kinds.insert(kind) && !first {
                escalation.new_kinds.push(kind);
            }
        }
    }
    for part in [&mut spo.a, &mut spo.b, &mut spo.c] {
        let mut seen = BTreeSet::new();
        part.retain(|q| seen.insert((q.report.clone(), q.start, q.end)));
    }
    escalation.gap_days =
        dates_of_occasions.windows(2).map(|pair| (pair[1].date() - pair[0].date()).whole_days()).collect();
    Course {
        schema: COURSE_SCHEMA.into(),
        course: String::new(),
        reports: reports.iter().map(|r| r.report.id.clone()).collect(),
        p: round6(weights.course_p(group.p_linked, p_stalking)),
        occasions: texts.len(),
        first: dates_of_occasions.first().map(|d| dates::write(*d)),
        last: dates_of_occasions.last().map(|d| dates::write(*d)),
        letters: letters.into_iter().collect(),
        forces: forces.into_iter().collect(),
        weakest_link_bits: group.weakest_link_bits,
        limbs,
        spo,
        escalation,
    }
}

fn round6(p: f64) -> f64 {
    (p * 1e6).round() / 1e6
}

/// The course of a group of which only features are known: dates, letters and
/// kinds of conduct, and nothing to quote. It has no name yet.
pub fn course_of_features(group: &Group, pool: &Pool, weights: &Weights) -> Course {
    let mut records: Vec<&Record> =
        group.reports.iter().filter_map(|id| pool.place(id)).map(|place| &pool.records[place]).collect();
    records.sort_by_key(|r| (r.day.is_none(), r.day, &r.id));
    let mut texts = BTreeSet::new();
    let distinct: Vec<&Record> = records.iter().copied().filter(|r| texts.insert(r.text_hash)).collect();
    let days: Vec<i32> = distinct.iter().filter_map(|r| r.day).collect();
    let shown = |record: &Record| {
        let bits = record.indicators;
        Indicator::ALL.iter().copied().filter(move |i| bits & 1u32.wrapping_shl(i.index() as u32) != 0)
    };
    let letters: BTreeSet<char> =
        distinct.iter().flat_map(|r| shown(r)).filter_map(|i| i.info().letter).collect();
    let forces: BTreeSet<&str> =
        records.iter().map(|r| pool.symbols.get(r.force)).filter(|force| !force.is_empty()).collect();
    let of_conduct =
        |i: &Indicator| matches!(i.info().group, IndicatorGroup::Acts | IndicatorGroup::FurtherConduct);
    let mut kinds: BTreeSet<Indicator> = BTreeSet::new();
    let mut escalation = Escalation::default();
    for (i, record) in distinct.iter().enumerate() {
        for kind in shown(record).filter(of_conduct) {
            if kinds.insert(kind) && i > 0 {
                escalation.new_kinds.push(kind);
            }
        }
    }
    escalation.gap_days = days.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).collect();
    let date = |day: &i32| date_of(*day).map(dates::write_date);
    let p_stalking = records.iter().map(|r| f64::from(r.p)).fold(0.0, f64::max);
    Course {
        schema: COURSE_SCHEMA.into(),
        course: String::new(),
        reports: records.iter().map(|r| r.id.to_string()).collect(),
        p: round6(weights.course_p(group.p_linked, p_stalking)),
        occasions: distinct.len(),
        first: days.first().and_then(date),
        last: days.last().and_then(date),
        letters: letters.into_iter().collect(),
        forces: forces.into_iter().map(str::to_owned).collect(),
        weakest_link_bits: group.weakest_link_bits,
        limbs: Limbs::default(),
        spo: Spo::default(),
        escalation,
    }
}

fn by_id(assessed: &[Assessed]) -> BTreeMap<&str, &Assessed> {
    assessed.iter().map(|a| (a.report.id.as_str(), a)).collect()
}

/// The course of a group of which some reports have no text: what features
/// tell of all, and the words of those that have one.
pub fn course_with_texts(
    known: Course,
    group: &Group,
    by_id: &BTreeMap<&str, &Assessed>,
    weights: &Weights,
) -> Course {
    let Course { limbs, spo, .. } = course(group, by_id, weights);
    Course { limbs, spo, ..known }
}

/// The course of a group from its texts; where not every report has one, from
/// what the pool knows and the texts that are there.
fn course_of_group(
    group: &Group,
    pool: &Pool,
    by_id: &BTreeMap<&str, &Assessed>,
    weights: &Weights,
) -> Course {
    if group.reports.iter().all(|id| by_id.contains_key(id.as_str())) {
        course(group, by_id, weights)
    } else {
        course_with_texts(course_of_features(group, pool, weights), group, by_id, weights)
    }
}

/// The groups that are suspected courses, named `K0001` on in the order of
/// their first dates. A linked group whose texts do not read like stalking is
/// none, nor is one text that came twice. Where not every report of a group
/// has its text, its dates, letters and kinds are what the pool knows.
pub fn courses_of_pool(
    groups: &[Group],
    pool: &Pool,
    assessed: &[Assessed],
    weights: &Weights,
) -> Vec<Course> {
    let by_id = by_id(assessed);
    named(groups.iter().map(|group| course_of_group(group, pool, &by_id, weights)))
}

/// Courses of a store under their numbers there.
pub fn numbered_courses(
    groups: &BTreeMap<i64, Group>,
    pool: &Pool,
    assessed: &[Assessed],
    weights: &Weights,
) -> Vec<Course> {
    let by_id = by_id(assessed);
    groups
        .iter()
        .map(|(number, group)| Course {
            course: format!("K{number:04}"),
            ..course_of_group(group, pool, &by_id, weights)
        })
        .filter(is_told)
        .collect()
}

/// Whether a course is told: likely enough, and more than one occasion.
pub fn is_told(course: &Course) -> bool {
    course.p >= LEAST_P && course.occasions > 1
}

/// Keeps those that are told, and names them.
pub fn named(courses: impl Iterator<Item = Course>) -> Vec<Course> {
    let mut courses: Vec<Course> = courses.filter(is_told).collect();
    courses.sort_by(|a, b| {
        (a.first.is_none(), &a.first, &a.reports).cmp(&(b.first.is_none(), &b.first, &b.reports))
    });
    for (i, course) in courses.iter_mut().enumerate() {
        course.course = format!("K{:04}", i + 1);
    }
    courses
}
