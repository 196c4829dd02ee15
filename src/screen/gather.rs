//! What a finished batch says: a light row for each report, the courses over
//! all of them, the order in which to open them. Texts and assessments stay on
//! disk and are fetched by their place.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::Date;

use super::features_db;
use super::linking::Batch;
use super::pipeline::RecordLine;
use super::rank::{self, Workload};
use super::work::{ASSESSMENTS, Work, write_whole, writing};
use super::{Settings, Start};
use crate::assess::{Assessment, Evidence, IndicatorState, ModelIdentity, State};
use crate::codebook::{Flag, Relationship, codebook};
use crate::conduct::{self, Course, Occasion};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{ASSESSED_SCHEMA, Assessed, Features, day_number};
use crate::link::Group;
use crate::link::weights::Weights;
use crate::report::{Report, dates};

/// Phrases that are told of each report.
pub const PHRASES: usize = 3;

/// Words that a phrase has at least, where its sentence has them.
const PHRASE_WORDS: usize = 5;

/// The most characters of a phrase.
const PHRASE_MOST: usize = 120;

/// Files that gathering writes.
pub const COURSES: &str = "courses.jsonl";
/// Pairs that join a group, and the best candidates of each report.
pub const LINKS: &str = "links.jsonl";
/// The reports of courses, with their narratives, from which sheets are drawn.
pub const COURSE_REPORTS: &str = "assessed.jsonl";
/// What linking may know of each report.
pub const FEATURES: &str = "features.db";

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

/// What a batch says.
#[derive(Debug)]
pub struct Found {
    /// Every assessed report, in the order of the input.
    pub rows: Vec<Row>,
    /// Places of the rows that were not recorded as stalking, in the order in
    /// which to open them.
    pub order: Vec<usize>,
    /// Suspected courses of conduct.
    pub courses: Vec<Course>,
    /// Groups of linked reports, whether they read like stalking or not.
    pub groups: usize,
    /// Pairs that were compared.
    pub compared: usize,
    /// Sets of reports whose texts are the same.
    pub duplicates: usize,
    /// The day that ages are counted to.
    pub as_of: Option<i32>,
    /// The first day of the batch.
    pub first: Option<i32>,
    /// Reports whose date lies after that day and does not count.
    pub late: usize,
    /// What the number of reports that can be read in a day means.
    pub workload: Option<Workload>,
    files: [std::path::PathBuf; 2],
}

/// Links and ranks the batch of a run whose reports are all assessed, and
/// writes courses, links, the reports of courses and the features.
///
/// # Errors
///
/// When a file cannot be read or written.
pub fn gather(work: &Work, start: &Start, model: &ModelIdentity, weights: &Weights) -> Result<Found> {
    let files = [work.result(ASSESSMENTS), work.records()];
    let as_of = latest(&files[1], &start.settings)?;
    let (mut rows, batch) = scan(work, &files, as_of, model)?;
    let path = work.result(LINKS);
    let mut joined = None;
    write_whole(&path, |out| {
        joined = Some(batch.link(weights, &mut |link| write_line(&path, out, link))?);
        Ok(())
    })?;
    let (groups, compared, duplicates) =
        joined.map_or((Vec::new(), 0, 0), |joined| (joined.groups, joined.compared, joined.duplicates));
    let count = groups.len();
    let courses = courses(work, &files, &groups, weights, &mut rows)?;
    let first = rows.iter().filter_map(|row| row.reported).min();
    let late = as_of.map_or(0, |as_of| rows.iter().filter(|r| r.reported.is_some_and(|d| d > as_of)).count());
    let days = first.zip(as_of).map_or(1, |(first, as_of)| u64::try_from(as_of - first + 1).unwrap_or(1));
    let workload = start.settings.per_day.map(|per_day| rank::workload(&rows, per_day, days));
    let order = rank::order(&rows);
    Ok(Found {
        rows,
        order,
        courses,
        groups: count,
        compared,
        duplicates,
        as_of,
        first,
        late,
        workload,
        files,
    })
}

impl Found {
    /// Places of reports that were recorded as stalking.
    pub fn recorded(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.len()).filter(|&i| self.rows[i].recorded_as_stalking)
    }
}

/// What the page for people shows in full.
#[derive(Debug)]
pub struct Page {
    /// The first reports of the order, by their places in the rows.
    pub top: Vec<(usize, Assessed)>,
    /// Courses that one of these belongs to, by their places in the list, in
    /// the order of their first report; with their occasions.
    pub courses: Vec<(usize, Vec<Occasion>)>,
}

/// Courses that the page shows at most.
const COURSES_MOST: usize = 60;

impl Found {
    /// Fetches what the page shows.
    ///
    /// # Errors
    ///
    /// When the files cannot be read.
    pub fn page(&self, top: usize) -> Result<Page> {
        let mut files = Files::open(&self.files)?;
        let first = &self.order[..top.min(self.order.len())];
        let top = first.iter().map(|&i| Ok((i, files.fetch(&self.rows[i])?))).collect::<Result<_>>()?;
        let mut numbers: Vec<usize> = Vec::new();
        for number in first.iter().filter_map(|&i| self.rows[i].course) {
            if numbers.len() < COURSES_MOST && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, row) in self.rows.iter().enumerate() {
            if let Some(number) = row.course.filter(|number| numbers.contains(number)) {
                members.entry(number).or_default().push(place);
            }
        }
        let courses = numbers
            .into_iter()
            .map(|number| {
                let places = members.remove(&number).unwrap_or_default();
                let reports: Vec<Assessed> =
                    places.into_iter().map(|place| files.fetch(&self.rows[place])).collect::<Result<_>>()?;
                Ok((number, conduct::sheet(&self.courses[number], &reports, &[]).occasions))
            })
            .collect::<Result<_>>()?;
        Ok(Page { top, courses })
    }
}

/// The two files that rows point into.
struct Files([BufReader<File>; 2]);

impl Files {
    fn open(paths: &[std::path::PathBuf; 2]) -> Result<Self> {
        let open = |path: &Path| File::open(path).map(BufReader::new).map_err(|error| Error::io(path, error));
        Ok(Self([open(&paths[0])?, open(&paths[1])?]))
    }

    fn fetch(&mut self, row: &Row) -> Result<Assessed> {
        let assessment: Assessment = self.at(0, row.places[0])?;
        let RecordLine { report, vector } = self.at(1, row.places[1])?;
        Ok(Assessed { schema: ASSESSED_SCHEMA.into(), report, assessment, vector })
    }

    fn at<T: DeserializeOwned>(&mut self, file: usize, (first, length): (u64, u32)) -> Result<T> {
        let read = |file: &mut BufReader<File>| -> std::io::Result<Vec<u8>> {
            file.seek(SeekFrom::Start(first))?;
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read(&mut self.0[file]).map_err(|error| Error::io("the run's own files", error))?;
        parse(&bytes)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new(ErrorKind::Data, format!("the run's own files were altered: {error}")))
}

/// Lines of a file with the place of each.
struct Lines {
    path: std::path::PathBuf,
    file: BufReader<File>,
    at: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        Ok(Self { path: path.to_owned(), file: BufReader::with_capacity(1 << 16, file), at: 0 })
    }

    /// The next line and its place; false at the end.
    fn next(&mut self, line: &mut Vec<u8>) -> Result<Option<(u64, u32)>> {
        line.clear();
        let count = self.file.read_until(b'\n', line).map_err(|error| Error::io(&self.path, error))?;
        let place = (self.at, u32::try_from(count).unwrap_or(u32::MAX));
        self.at += count as u64;
        Ok((count > 0).then_some(place))
    }
}

fn reported(report: &Report) -> Option<i32> {
    report.reported_at.or(report.occurred_from).map(|when| day_number(when.date()))
}

/// The day that ages are counted to: the one that was set, else the latest of
/// the batch. A few dates that lie more than a year after all others are slips
/// of the pen and do not count.
fn latest(records: &Path, settings: &Settings) -> Result<Option<i32>> {
    if let Some(day) = &settings.as_of {
        let date =
            dates::parse(day).map_err(|why| Error::new(ErrorKind::Arguments, format!("--as-of: {why}")))?;
        return Ok(Some(day_number(date.date())));
    }
    let mut days = Vec::new();
    let mut lines = Lines::open(records)?;
    let mut line = Vec::new();
    while lines.next(&mut line)?.is_some() {
        days.extend(reported(&parse::<RecordLine>(&line)?.report));
    }
    days.sort_unstable();
    Ok(latest_of(&days))
}

fn latest_of(days: &[i32]) -> Option<i32> {
    let few = days.len() / 100;
    let (mut end, mut slips) = (days.len(), 0);
    // From the latest back, over gaps of more than a year that few lie after.
    for at in (1..days.len()).rev() {
        slips += 1;
        if slips > few {
            break;
        }
        if days[at] - days[at - 1] > 366 {
            end = at;
        }
    }
    end.checked_sub(1).and_then(|at| days.get(at)).copied()
}

/// Words that are held once, however many reports have them.
#[derive(Default)]
struct Words(BTreeSet<Arc<str>>);

impl Words {
    fn take(&mut self, words: Option<&String>) -> Option<Arc<str>> {
        let words = words?.as_str();
        if let Some(held) = self.0.get(words) {
            return Some(held.clone());
        }
        let held: Arc<str> = words.into();
        self.0.insert(held.clone());
        Some(held)
    }
}

fn scan(
    work: &Work,
    files: &[std::path::PathBuf; 2],
    as_of: Option<i32>,
    model: &ModelIdentity,
) -> Result<(Vec<Row>, Batch)> {
    let path = work.passing(FEATURES);
    let mut database = features_db::Writer::create(&path, model, as_of)?;
    let today = as_of.and_then(date_of);
    let (mut assessments, mut records) = (Lines::open(&files[0])?, Lines::open(&files[1])?);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let (mut rows, mut batch, mut words) = (Vec::new(), Batch::default(), Words::default());
    while let (Some(a), Some(b)) = (assessments.next(&mut one)?, records.next(&mut other)?) {
        let assessment: Assessment = parse(&one)?;
        let RecordLine { report, vector } = parse(&other)?;
        let assessed = Assessed { schema: ASSESSED_SCHEMA.into(), report, assessment, vector };
        let row = row(&assessed, [a, b], &mut words);
        let features = Features::of(&assessed, today);
        database.add(&path, &features, &row)?;
        rows.push(row);
        batch.add(features);
    }
    database.finish(&path)?;
    let place = work.result(FEATURES);
    std::fs::rename(&path, &place).map_err(writing(&place))?;
    Ok((rows, batch))
}

fn row(assessed: &Assessed, places: [(u64, u32); 2], words: &mut Words) -> Row {
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

fn courses(
    work: &Work,
    files: &[std::path::PathBuf; 2],
    groups: &[Group],
    weights: &Weights,
    rows: &mut [Row],
) -> Result<Vec<Course>> {
    let places: BTreeMap<&str, usize> =
        rows.iter().enumerate().map(|(i, row)| (row.id.as_str(), i)).collect();
    let mut opened = Files::open(files)?;
    let mut told = Vec::new();
    for group in groups {
        let members: Vec<Assessed> = group
            .reports
            .iter()
            .filter_map(|id| places.get(id.as_str()))
            .map(|&place| opened.fetch(&rows[place]))
            .collect::<Result<_>>()?;
        let by_id = members.iter().map(|one| (one.report.id.as_str(), one)).collect();
        let course = conduct::course(group, &by_id, weights);
        if course.p >= conduct::LEAST_P && course.occasions > 1 {
            told.push(course);
        }
    }
    let courses = conduct::named(told.into_iter());
    let mut members: Vec<(&String, usize, usize)> = Vec::new();
    for (number, course) in courses.iter().enumerate() {
        members.extend(course.reports.iter().filter_map(|id| Some((id, *places.get(id.as_str())?, number))));
    }
    members.sort_unstable();
    let path = work.result(COURSE_REPORTS);
    write_whole(&path, |out| {
        members.iter().try_for_each(|(_, place, _)| write_line(&path, out, &opened.fetch(&rows[*place])?))
    })?;
    let path = work.result(COURSES);
    write_whole(&path, |out| courses.iter().try_for_each(|course| write_line(&path, out, course)))?;
    let in_courses: Vec<(usize, usize)> =
        members.iter().map(|(_, place, number)| (*place, *number)).collect();
    for (place, number) in in_courses {
        rows[place].course = Some(number);
    }
    Ok(courses)
}

fn write_line<T: Serialize>(path: &Path, out: &mut dyn Write, value: &T) -> Result<()> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("cannot write JSON: {error}")))?;
    line.push(b'\n');
    out.write_all(&line).map_err(writing(path))
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
    fn a_slip_of_the_pen_is_not_the_latest_day() {
        assert_eq!(latest_of(&[]), None);
        assert_eq!(latest_of(&[7]), Some(7));
        assert_eq!(latest_of(&[1, 5000]), Some(5000), "one of two is no slip");
        let mut days: Vec<i32> = (0..300).collect();
        days.extend([90_000, 95_000]);
        assert_eq!(latest_of(&days), Some(299));
        days.extend([95_001, 95_002, 95_003]);
        assert_eq!(latest_of(&days), Some(95_003), "more than one in a hundred");
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
