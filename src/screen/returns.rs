//! The monthly return: hidden stalking that a screening found, counted for
//! those who watch over the force. Hidden is a report whose text reads like
//! stalking and that was recorded as another class.
//!
//! Small numbers could tell who it is. A count below the least that is told is
//! held back, and where only one of a table is held back, the next smallest is,
//! too, because the total would give it away. Months and the whole time are never
//! told together, for the same reason.

use std::collections::BTreeMap;
use std::path::Path;

use super::features_db;
use super::gather::FEATURES;
use super::row::month;
use crate::codebook::Flag;
use crate::error::{Error, ErrorKind, Result};

/// One report of the return.
#[derive(Clone, Debug, Default)]
struct One {
    class: String,
    district: String,
    outcome: String,
    domestic: bool,
    flags: Vec<Flag>,
    day: Option<i32>,
    month: String,
}

/// A count, or that it is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// So many.
    Count(usize),
    /// More than none, and too few to be told.
    HeldBack,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The class, district, outcome or finding.
    pub name: String,
    /// Reports.
    pub reports: Cell,
    /// Their share of the month's hidden reports.
    pub share: Option<f64>,
    /// The middle number of days from the report to the day of the return.
    pub median_days: Option<i32>,
}

/// A table of a month.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What its rows are, as the CSV names it.
    pub measure: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// Its rows.
    pub lines: Vec<Line>,
}

/// A month, or the whole time.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `2023-04`, `no date`, or `whole time`.
    pub month: String,
    /// All hidden reports of it.
    pub total: Line,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// The return.
#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    /// The least count that is told.
    pub least: usize,
    /// The day to which ages are counted, as days since 1 January 1970.
    pub as_of: Option<i32>,
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// Which months, and how.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Only these months; all where there is none.
    pub months: Vec<String>,
    /// One part for the whole time.
    pub whole: bool,
    /// The least count that is told.
    pub least: usize,
}

const NOTHING: &str = "(nothing held)";

/// Counts a finished screening.
///
/// # Errors
///
/// When the folder holds none.
pub fn count(folder: &Path, choice: &Choice) -> Result<Return> {
    let path = folder.join(FEATURES);
    let (all, as_of) = read(&path)?;
    let mut parts: BTreeMap<String, Vec<One>> = BTreeMap::new();
    for one in all {
        if choice.months.is_empty() || choice.months.contains(&one.month) {
            let name = if choice.whole { "whole time".to_owned() } else { one.month.clone() };
            parts.entry(name).or_default().push(one);
        }
    }
    let parts = parts.into_iter().map(|(month, ones)| part(month, &ones, choice.least, as_of)).collect();
    Ok(Return { least: choice.least, as_of, parts })
}

fn read(path: &Path) -> Result<(Vec<One>, Option<i32>)> {
    let database = features_db::open(path)?;
    let failed = |error: rusqlite::Error| {
        Error::new(ErrorKind::Data, format!("{}: {error}", path.display())).with_source(error)
    };
    let as_of: Option<String> = database
        .query_row("SELECT value FROM about WHERE key = 'as_of'", [], |row| row.get(0))
        .map(Some)
        .or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok(None),
            other => Err(other),
        })
        .map_err(failed)?;
    let mut select = database
        .prepare(
            "SELECT recorded_as, district, outcome, domestic, flags, reported FROM screened \
             WHERE state = 'review' AND NOT stalking ORDER BY report",
        )
        .map_err(failed)?;
    let held = |words: Option<String>| words.unwrap_or_else(|| NOTHING.to_owned());
    let rows = select
        .query_map([], |row| {
            let day: Option<i32> = row.get(5)?;
            let flags: String = row.get(4)?;
            Ok(One {
                class: held(row.get(0)?),
                district: held(row.get(1)?),
                outcome: held(row.get(2)?),
                domestic: row.get(3)?,
                // A flag that this version does not know is not counted.
                flags: flags.split(' ').filter_map(|flag| flag.parse().ok()).collect(),
                day,
                month: day.and_then(month).unwrap_or("no date".into()),
            })
        })
        .map_err(failed)?;
    let all = rows.collect::<rusqlite::Result<_>>().map_err(failed)?;
    Ok((all, as_of.and_then(|day| day.parse().ok())))
}

fn part(month: String, ones: &[One], least: usize, as_of: Option<i32>) -> Part {
    let every = |_: &One| true;
    let total = line("hidden stalking", ones, &every, ones.len(), as_of);
    let has = |flags: &'static [Flag]| move |one: &One| one.flags.iter().any(|f| flags.contains(f));
    let by = |measure, title, name: fn(&One) -> &str| {
        let mut names: Vec<&str> = ones.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        let lines = names.iter().map(|n| line(n, ones, &|one: &One| name(one) == *n, ones.len(), as_of));
        let mut lines: Vec<Line> = lines.collect();
        lines.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.name.cmp(&b.name)));
        Table { measure, title, lines }
    };
    let mut tables = vec![
        by("recorded_as", "By the class they were recorded under", |one| &one.class),
        by("district", "By district", |one| &one.district),
        by("outcome", "By outcome", |one| &one.outcome),
        Table {
            measure: "relationship",
            title: "Stalking in the domestic setting and outside it",
            lines: vec![
                line("partners, former partners, family", ones, &|one: &One| one.domestic, ones.len(), as_of),
                line("others or not known", ones, &|one: &One| !one.domestic, ones.len(), as_of),
            ],
        },
    ];
    for table in &mut tables {
        hold_back(&mut table.lines, least);
    }
    // These overlap; each stands against its own complement.
    let handling: [(&str, &'static [Flag]); 4] = [
        ("played down by the recorder", &[Flag::Minimising]),
        ("treated as an isolated incident", &[Flag::TreatedAsIsolated]),
        (
            "a breach of an order, of bail or of a warning, recorded as another class than stalking",
            &[Flag::BreachOfOrder, Flag::BreachOfBail, Flag::BreachOfWarning],
        ),
        ("former partners and more than one occasion", &[Flag::ExPartnerPresumption]),
    ];
    let lines = handling.iter().map(|(name, flags)| {
        let own = line(name, ones, &has(flags), ones.len(), as_of);
        let rest = ones.len() - size(&own);
        let mut pair = vec![
            own,
            Line { name: String::new(), reports: Cell::Count(rest), share: None, median_days: None },
        ];
        hold_back(&mut pair, least);
        pair.swap_remove(0)
    });
    tables.push(Table { measure: "handling", title: "How they were handled", lines: lines.collect() });
    let mut total = vec![total];
    hold_back(&mut total, least);
    Part { month, total: total.swap_remove(0), tables }
}

fn line(name: &str, ones: &[One], belongs: &dyn Fn(&One) -> bool, all: usize, as_of: Option<i32>) -> Line {
    let own: Vec<&One> = ones.iter().filter(|one| belongs(one)).collect();
    let mut days: Vec<i32> =
        own.iter().filter_map(|one| Some(as_of? - one.day?)).filter(|days| *days >= 0).collect();
    days.sort_unstable();
    Line {
        name: name.to_owned(),
        reports: Cell::Count(own.len()),
        share: (all > 0).then(|| own.len() as f64 / all as f64),
        median_days: days.get(days.len() / 2).copied(),
    }
}

fn size(line: &Line) -> usize {
    match line.reports {
        Cell::Count(n) => n,
        Cell::HeldBack => 0,
    }
}

/// Holds back what is too small, and one more where the total would tell it.
fn hold_back(lines: &mut [Line], least: usize) {
    let small = |n: usize| n > 0 && n < least;
    let hidden: Vec<usize> = (0..lines.len()).filter(|&i| small(size(&lines[i]))).collect();
    let mut hide = hidden.clone();
    let told: usize = hidden.iter().map(|&i| size(&lines[i])).sum();
    if !hidden.is_empty() && (hidden.len() == 1 || small(told)) {
        let next = (0..lines.len()).filter(|i| !hide.contains(i) && size(&lines[*i]) > 0);
        hide.extend(next.min_by_key(|&i| size(&lines[i])));
    }
    for i in hide {
        lines[i] = Line {
            reports: Cell::HeldBack,
            share: None,
            median_days: None,
            name: std::mem::take(&mut lines[i].name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(counts: &[usize]) -> Vec<Line> {
        let line = |(i, n): (usize, &usize)| Line {
            name: i.to_string(),
            reports: Cell::Count(*n),
            share: Some(0.5),
            median_days: Some(1),
        };
        counts.iter().enumerate().map(line).collect()
    }

    fn held(counts: &[usize]) -> Vec<bool> {
        let mut lines = lines(counts);
        hold_back(&mut lines, 5);
        lines.iter().map(|line| line.reports == Cell::HeldBack).collect()
    }

    #[test]
    fn small_counts_and_those_that_give_them_away_are_held_back() {
        assert_eq!(held(&[9, 8, 7]), [false; 3]);
        assert_eq!(held(&[9, 0, 7]), [false; 3], "none is no small count");
        assert_eq!(held(&[9, 3, 7]), [false, true, true]);
        assert_eq!(held(&[9, 3, 4, 7]), [false, true, true, false]);
        assert_eq!(held(&[9, 1, 2, 7]), [false, true, true, true], "their sum is small, too");
        assert_eq!(held(&[3]), [true]);
        assert_eq!(held(&[]), [] as [bool; 0]);
    }

    proptest! {
        /// From what is told and the total, no count below the least can be worked out.
        #[test]
        fn the_total_gives_nothing_away(counts in proptest::collection::vec(0usize..12, 1..8)) {
            let held = held(&counts);
            for (n, held) in counts.iter().zip(&held) {
                prop_assert!(*n == 0 || *n >= 5 || *held);
            }
            let hidden: Vec<usize> = counts.iter().zip(&held).filter(|(_, h)| **h).map(|(n, _)| *n).collect();
            let others = counts.iter().filter(|n| **n > 0).count() > 1;
            if !hidden.is_empty() && others {
                prop_assert!(hidden.len() > 1, "{:?} {:?}", counts, held);
            }
        }
    }

    #[test]
    fn a_part_counts_what_it_should() {
        let one = |class: &str, domestic, flags: &[Flag]| One {
            class: class.into(),
            domestic,
            flags: flags.to_vec(),
            day: Some(10),
            ..One::default()
        };
        let mut ones = vec![one("theft", true, &[Flag::Minimising]); 6];
        ones.extend(vec![one("noise", false, &[]); 7]);
        let part = part("2023-04".into(), &ones, 5, Some(40));
        assert_eq!((part.total.reports, part.total.median_days), (Cell::Count(13), Some(30)));
        let classes: Vec<(&str, Cell)> =
            part.tables[0].lines.iter().map(|l| (l.name.as_str(), l.reports)).collect();
        assert_eq!(classes, [("noise", Cell::Count(7)), ("theft", Cell::Count(6))]);
        assert_eq!(part.tables[3].lines[0].reports, Cell::Count(6));
        let handling = &part.tables[4].lines;
        assert_eq!(handling[0].reports, Cell::Count(6));
        assert!((handling[0].share.unwrap() - 6.0 / 13.0).abs() < 1e-9);
        assert_eq!(handling[1].reports, Cell::Count(0));
    }
}
