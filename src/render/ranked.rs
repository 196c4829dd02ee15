//! The ranked list as CSV, safe to open in a spreadsheet: a cell that would be
//! taken for a formula begins with an apostrophe.

use std::borrow::Cow;
use std::io::Write;

use crate::error::{Error, ErrorKind, Result};
use crate::report::dates;
use crate::screen::row::date_of;
use crate::screen::{Found, Row};

/// Columns of the list.
pub const COLUMNS: [&str; 18] = [
    "rank",
    "id",
    "recorded_as",
    "state",
    "p",
    "letters",
    "serious_harm_evidence",
    "phrase_1",
    "phrase_2",
    "phrase_3",
    "flags",
    "outcome",
    "days",
    "date",
    "force",
    "district",
    "course",
    "within_workload",
];

/// A cell that no spreadsheet takes for a formula.
pub fn safe(cell: &str) -> Cow<'_, str> {
    match cell.trim_start().starts_with(['=', '+', '-', '@']) || cell.starts_with(['\t', '\r', '\n']) {
        true => Cow::Owned(format!("'{cell}")),
        false => Cow::Borrowed(cell),
    }
}

/// Writes reports, the first in the order first.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write(found: &Found, out: &mut dyn Write) -> Result<()> {
    rows(found, found.order.iter().enumerate().map(|(rank, &place)| (Some(rank + 1), place)), out)
}

/// Writes the reports that were recorded as stalking, in the order of the input
/// and without a rank.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_recorded(found: &Found, out: &mut dyn Write) -> Result<()> {
    rows(found, found.recorded().map(|place| (None, place)), out)
}

fn rows(
    found: &Found,
    places: impl Iterator<Item = (Option<usize>, usize)>,
    out: &mut dyn Write,
) -> Result<()> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let failed =
        |error: csv::Error| Error::new(ErrorKind::Io, format!("the list: {error}")).with_source(error);
    table.write_record(COLUMNS).map_err(failed)?;
    for (rank, place) in places {
        let cells = cells(found, rank, &found.rows[place]);
        table.write_record(cells.iter().map(|cell| safe(cell).into_owned())).map_err(failed)?;
    }
    table.flush().map_err(|error| Error::io("the list", error))
}

fn cells(found: &Found, rank: Option<usize>, row: &Row) -> [String; COLUMNS.len()] {
    let text = |words: Option<&std::sync::Arc<str>>| words.map(|w| w.to_string()).unwrap_or_default();
    let phrase = |at: usize| row.phrases.get(at).cloned().unwrap_or_default();
    let flags: Vec<&str> = row.flags.iter().map(|flag| flag.name()).collect();
    let course = row.course.and_then(|c| found.courses.get(c)).map(|c| c.course.clone());
    let within = match found.workload {
        Some(workload) if rank.is_some() => {
            if workload.threshold.is_some_and(|least| row.p >= least) {
                "yes"
            } else {
                "no"
            }
        }
        _ => "",
    };
    [
        rank.map(|rank| rank.to_string()).unwrap_or_default(),
        row.id.clone(),
        text(row.recorded_as.as_ref()),
        row.state.name().into(),
        format!("{:.3}", row.p),
        row.letters.clone(),
        if row.serious_harm { "found" } else { "not mentioned" }.into(),
        phrase(0),
        phrase(1),
        phrase(2),
        flags.join(" "),
        text(row.outcome.as_ref()),
        row.days_to(found.as_of).map(|days| days.to_string()).unwrap_or_default(),
        row.reported.and_then(date_of).map(dates::write_date).unwrap_or_default(),
        text(row.force.as_ref()),
        text(row.district.as_ref()),
        course.unwrap_or_default(),
        within.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_are_defused() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+44 7700", "'+44 7700"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("  =cmd|' /C calc'!A0", "'  =cmd|' /C calc'!A0"),
            ("he said = no", "he said = no"),
            ("", ""),
        ] {
            assert_eq!(safe(cell), expected);
        }
    }

    proptest! {
        #[test]
        fn no_cell_begins_as_a_formula(cell in "[\\t\\r\\n =+@a-]{0,8}") {
            prop_assert!(!safe(&cell).trim_start().starts_with(['=', '+', '-', '@']));
        }
    }
}
