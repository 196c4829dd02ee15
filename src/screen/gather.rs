//! What a finished batch says: a light row for each report, the courses over
//! all of them, the order in which to open them. Texts and assessments stay on
//! disk and are fetched by their place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::features_db;
use super::linking::{Batch, Beside, BesideCount, Joined, Joint};
use super::pipeline::RecordLine;
use super::rank::{self, Workload};
use super::row::{Row, Words, date_of, reported, row};
use super::work::{ASSESSMENTS, Work, write_whole, writing};
use super::{Settings, Start};
use crate::assess::{Assessment, ModelIdentity};
use crate::conduct::{self, Course, Occasion};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{ASSESSED_SCHEMA, Assessed, Features, day_number};
use crate::link::weights::Weights;
use crate::report::dates;

/// Suspected courses of conduct.
pub const COURSES: &str = "courses.jsonl";
/// Pairs that join a group, and the best candidates of each report.
pub const LINKS: &str = "links.jsonl";
/// The reports of courses, with their narratives, from which sheets are drawn.
pub const COURSE_REPORTS: &str = "assessed.jsonl";
/// What linking may know of each report.
pub const FEATURES: &str = "features.db";

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
    /// Reports beside the batch that it was linked with.
    pub beside: BesideCount,
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
/// writes courses, links, the reports of courses and the features. What is
/// known `beside` the batch is linked with it; courses and links that hold no
/// report of the batch are not told.
///
/// # Errors
///
/// When a file cannot be read or written.
pub fn gather(
    work: &Work,
    start: &Start,
    model: &ModelIdentity,
    weights: &Weights,
    beside: Option<Beside<'_>>,
) -> Result<Found> {
    let files = [work.result(ASSESSMENTS), work.records()];
    let as_of = latest(&files[1], &start.settings)?;
    let (mut rows, mut batch) = scan(work, &files, as_of, model)?;
    if let Some(read) = beside {
        batch.add_beside(read)?;
    }
    let path = work.result(LINKS);
    let mut joined = None;
    write_whole(&path, |out| {
        joined = Some(batch.link(weights, &mut |link| write_line(&path, out, link))?);
        Ok(())
    })?;
    let Joined { groups, compared, duplicates, beside } = joined.unwrap_or_default();
    let count = groups.len();
    let courses = courses(work, &files, groups, weights, &mut rows)?;
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
        beside,
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

    /// Reports of the batch that are in a course.
    pub fn in_courses(&self) -> usize {
        self.rows.iter().filter(|row| row.course.is_some()).count()
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

fn courses(
    work: &Work,
    files: &[std::path::PathBuf; 2],
    groups: Vec<Joint>,
    weights: &Weights,
    rows: &mut [Row],
) -> Result<Vec<Course>> {
    let places: BTreeMap<&str, usize> =
        rows.iter().enumerate().map(|(i, row)| (row.id.as_str(), i)).collect();
    let mut opened = Files::open(files)?;
    let mut told = Vec::new();
    for Joint { group, known } in groups {
        let members: Vec<Assessed> = group
            .reports
            .iter()
            .filter_map(|id| places.get(id.as_str()))
            .map(|&place| opened.fetch(&rows[place]))
            .collect::<Result<_>>()?;
        let by_id = members.iter().map(|one| (one.report.id.as_str(), one)).collect();
        let course = match known {
            Some(known) => conduct::course_with_texts(known, &group, &by_id, weights),
            None => conduct::course(&group, &by_id, weights),
        };
        if conduct::is_told(&course) {
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
}
