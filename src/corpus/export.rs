//! Reports as a record system would export them: a CSV with other names of
//! columns, UK dates, a narrative in two columns, and a column that nobody
//! asked for. For trying `screen`, and for measuring it on many rows: beyond
//! the first round of reports, names of people are changed, the same way
//! throughout a round, so that courses stay courses and no two texts are alike.

use std::collections::BTreeMap;
use std::io::Write;

use time::{Date, Duration, PrimitiveDateTime};

use super::gazetteer::Gazetteer;
use crate::error::{Error, ErrorKind, Result};
use crate::report::Report;
use crate::rng::Rng;

/// The columns of the export.
pub const COLUMNS: [&str; 10] = [
    "Crime Ref No",
    "Date Reported",
    "Date Closed",
    "Force Area",
    "Sector",
    "Offence Title",
    "Closure Code",
    "MO Text",
    "Further Notes",
    "Beat Team",
];

const SECTORS: [&str; 4] = ["North", "East", "South", "West"];

/// Texts from so many characters on are cut into two columns.
const TWO_COLUMNS: usize = 260;

/// The export of one column each: its name by the field that it holds.
pub const MAPPING: &str = "# How the columns of closed.csv are read: field = \"COLUMN\".\n\
    id = \"Crime Ref No\"\n\
    text = [\"MO Text\", \"Further Notes\"]\n\
    reported_at = \"Date Reported\"\n\
    closed_at = \"Date Closed\"\n\
    force = \"Force Area\"\n\
    district = \"Sector\"\n\
    recorded_as = \"Offence Title\"\n\
    outcome = \"Closure Code\"\n";

/// Writes `rows` rows, going round `reports` as often as need be.
///
/// # Errors
///
/// When there is no report, or `out` cannot be written to.
pub fn write(
    reports: &[Report],
    rows: usize,
    seed: u64,
    gazetteer: &Gazetteer,
    out: &mut dyn Write,
) -> Result<()> {
    if reports.is_empty() {
        return Err(Error::new(ErrorKind::Data, "there is no report to export"));
    }
    let failed =
        |error: csv::Error| Error::new(ErrorKind::Io, format!("the export: {error}")).with_source(error);
    // As a spreadsheet writes it: with a mark of UTF-8 and both line ends.
    out.write_all(b"\xef\xbb\xbf").map_err(|error| Error::io("the export", error))?;
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    table.write_record(COLUMNS).map_err(failed)?;
    let mut names = BTreeMap::new();
    for row in 0..rows {
        let (round, place) = (row / reports.len(), row % reports.len());
        if place == 0 {
            names.clear();
        }
        let mut rng = Rng::new(seed ^ (row as u64), "export");
        table
            .write_record(cells(&reports[place], round, row, seed, gazetteer, &mut names, &mut rng))
            .map_err(failed)?;
    }
    table.flush().map_err(|error| Error::io("the export", error))
}

fn cells(
    report: &Report,
    round: usize,
    row: usize,
    seed: u64,
    gazetteer: &Gazetteer,
    names: &mut BTreeMap<String, String>,
    rng: &mut Rng,
) -> [String; COLUMNS.len()] {
    let reported = report.reported_at.map(|when| when.saturating_add(Duration::days(13 * round as i64)));
    let year = reported.map_or(0, |when| when.year() % 100);
    let open = report.outcome.as_deref().is_none_or(|outcome| outcome == "open");
    let closed =
        reported.filter(|_| !open).map(|when| when.date() + Duration::days(2 + rng.below(60) as i64));
    let text = match round {
        0 => report.text.clone(),
        _ => renamed(&report.text, round, seed, gazetteer, names),
    };
    let (first, second) = cut(&text);
    [
        format!("42/{:06}/{year:02}", row + 1),
        reported.map(uk_time).unwrap_or_default(),
        closed.map(uk_date).unwrap_or_default(),
        report.force.clone().unwrap_or_default(),
        SECTORS[rng.below(SECTORS.len())].to_owned(),
        report.recorded_as.clone().unwrap_or_default(),
        report.outcome.clone().unwrap_or_default(),
        first.to_owned(),
        second.to_owned(),
        format!("Team {}", 1 + rng.below(9)),
    ]
}

fn uk_date(date: Date) -> String {
    format!("{:02}/{:02}/{:04}", date.day(), u8::from(date.month()), date.year())
}

fn uk_time(when: PrimitiveDateTime) -> String {
    format!("{} {:02}:{:02}", uk_date(when.date()), when.hour(), when.minute())
}

/// A long text in two parts, cut after a sentence beyond its middle.
fn cut(text: &str) -> (&str, &str) {
    if text.chars().count() < TWO_COLUMNS {
        return (text, "");
    }
    let middle = text.len() / 2;
    let end = text.match_indices(". ").map(|(at, _)| at + 1).find(|at| *at > middle);
    match end {
        Some(at) => (&text[..at], text[at..].trim_start()),
        None => (text, ""),
    }
}

/// The text with other names for people, the same for the same name in a round.
fn renamed(
    text: &str,
    round: usize,
    seed: u64,
    gazetteer: &Gazetteer,
    names: &mut BTreeMap<String, String>,
) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphabetic) {
        out.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let word = &tail[..end];
        match names.get(&word.to_lowercase()) {
            Some(known) => out.push_str(&like(known, word)),
            None => match drawn(word, round, seed, gazetteer) {
                Some(name) => {
                    out.push_str(&like(&name, word));
                    names.insert(word.to_lowercase(), name);
                }
                None => out.push_str(word),
            },
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

fn drawn(word: &str, round: usize, seed: u64, gazetteer: &Gazetteer) -> Option<String> {
    let low = word.to_lowercase();
    let mut rng = Rng::new(seed ^ ((round as u64) << 32), &low);
    let first = gazetteer.first_name(word);
    if let Some((_, sex)) = first {
        return Some(gazetteer.community(&mut rng).first_names(sex).draw(&mut rng).to_owned());
    }
    gazetteer.surname(word)?;
    Some(gazetteer.community(&mut rng).surnames.draw(&mut rng).to_owned())
}

/// A name in the case of the word that it stands for.
fn like(name: &str, word: &str) -> String {
    let capitals = word.chars().filter(|c| c.is_uppercase()).count();
    if capitals == 0 {
        name.to_lowercase()
    } else if capitals > 1 && capitals == word.chars().count() {
        name.to_uppercase()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read::{ColumnMap, Format, ReadOptions, Reader};

    fn project(path: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    fn sample() -> Vec<Report> {
        let text = std::fs::read_to_string(project("datasets/sample/reports.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn exported(rows: usize) -> Vec<u8> {
        let gazetteer = Gazetteer::load(&project("datasets/gazetteer.toml")).unwrap();
        let mut out = Vec::new();
        write(&sample(), rows, 1, &gazetteer, &mut out).unwrap();
        out
    }

    #[test]
    fn the_committed_export_is_that_of_the_code() {
        let (csv, toml) = (project("datasets/sample/closed.csv"), project("datasets/sample/closed.toml"));
        let made = exported(sample().len());
        if std::env::var_os("THROUGHLINE_WRITE_EXPORT").is_some() {
            std::fs::write(&csv, &made).unwrap();
            std::fs::write(&toml, MAPPING).unwrap();
        }
        assert!(
            std::fs::read(&csv).unwrap_or_default() == made
                && std::fs::read_to_string(&toml).unwrap_or_default() == MAPPING,
            "datasets/sample/closed.csv or closed.toml is out of date; mend them with\n  \
             THROUGHLINE_WRITE_EXPORT=1 cargo test --release the_committed_export"
        );
    }

    #[test]
    fn every_row_is_read_and_no_two_texts_are_alike() {
        let reports = sample();
        let rows = 3 * reports.len() + 2;
        let options =
            ReadOptions { columns: ColumnMap::from_toml(MAPPING).unwrap(), ..ReadOptions::default() };
        let source = Box::new(std::io::Cursor::new(exported(rows)));
        let reader = Reader::new(source, Format::Csv, "a.csv", &options).unwrap();
        let read: Vec<Report> = reader.map(|r| r.unwrap()).collect();
        assert_eq!(read.len(), rows);
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (one, other) in read.iter().zip(&reports) {
            assert_eq!(flat(&one.text), flat(&other.text));
            assert_eq!(one.reported_at.map(|t| t.date()), other.reported_at.map(|t| t.date()));
            assert_eq!(one.recorded_as, other.recorded_as);
        }
        let texts: std::collections::BTreeSet<&str> = read.iter().map(|r| r.text.as_str()).collect();
        let named = texts.len();
        // A text that names nobody of the gazetteer stays as it is.
        assert!(named > rows * 3 / 4, "{named} of {rows}");
    }
}
