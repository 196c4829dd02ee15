//! The screening of a batch for a person at a terminal.

use std::fmt::Write as _;

use crate::assess::{State, wilson};
use crate::report::dates;
use crate::screen::Found;
use crate::screen::pipeline::Tally;
use crate::screen::row::date_of;

pub use super::screen_page::html;

/// Reports in each state among some rows, in the order of [`State::ALL`].
pub(super) fn states(found: &Found, recorded: bool) -> [usize; 4] {
    State::ALL.map(|state| {
        found.rows.iter().filter(|row| row.recorded_as_stalking == recorded && row.state == state).count()
    })
}

/// What the reports recorded as stalking say of the model, in words; nothing
/// where there are none.
pub(super) fn own_recall(found: &Found) -> Option<String> {
    let [review, possible, ..] = states(found, true);
    let n = found.recorded().count();
    let share = |k: usize| {
        let counted = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (low, high) = wilson(counted(k), counted(n));
        format!(
            "{k} of {n} ({:.0} %, 95 % interval {:.0} to {:.0} %)",
            100.0 * k as f64 / n as f64,
            100.0 * low,
            100.0 * high
        )
    };
    (n > 0).then(|| {
        let apart = match n {
            1 => "1 report was recorded as stalking already and is not ranked".to_owned(),
            n => format!("{n} reports were recorded as stalking already and are not ranked"),
        };
        format!(
            "{apart}. By its text alone, the program flags {} of them for review, and {} for review or as possible: recall on the force's own records.",
            share(review),
            share(review + possible)
        )
    })
}

/// What the number of reports that can be read in a day means, in words.
pub(super) fn workload(found: &Found) -> Option<String> {
    let w = found.workload?;
    let said = match w.threshold {
        Some(least) => format!("a probability of {least:.3} and more brings {} reports", w.reports),
        None => "not one report can be read in full days".to_owned(),
    };
    Some(format!(
        "At {} reports a day over the {} days of the batch, {} can be read: {said}.",
        w.per_day, w.days, w.most
    ))
}

/// The batch in a few lines.
pub fn summary(found: &Found, tally: &Tally) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ =
        writeln!(out, "{} records read, {} assessed, {} refused", tally.read, tally.assessed, tally.rejected);
    for (why, count) in &tally.not_screened {
        let _ = writeln!(out, "{count} not screened: {why}");
    }
    let counts: Vec<String> = State::ALL
        .iter()
        .zip(states(found, false))
        .map(|(state, count)| format!("{count} {}", super::course::state_words(*state)))
        .collect();
    let _ = writeln!(out, "not recorded as stalking: {}", counts.join(", "));
    for line in own_recall(found).into_iter().chain(workload(found)) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(
        out,
        "{} pairs compared, {} groups linked, {} suspected courses of conduct ({} reports)",
        found.compared,
        found.groups,
        found.courses.len(),
        found.in_courses()
    );
    if found.beside.reports + found.beside.again > 0 {
        let _ = writeln!(
            out,
            "linked with {} reports beside the batch; {} more there are of the batch itself",
            found.beside.reports, found.beside.again
        );
    }
    if let Some(date) = found.as_of.and_then(date_of) {
        let _ = writeln!(out, "days are counted to {}", dates::write_date(date));
    }
    for (count, what) in [
        (found.late as u64, "dated after that day: the date does not count"),
        (tally.undated, "without a date"),
        (
            tally.month_first,
            "refused for a date that only month first would be one: others in that column may be misread",
        ),
        (found.duplicates as u64, "texts that came more than once: one occasion each"),
    ] {
        if count > 0 {
            let _ = writeln!(out, "note: {count} {what}");
        }
    }
    let first: Vec<usize> = found.order.iter().copied().take(5).collect();
    if !first.is_empty() {
        let _ = writeln!(out, "\nto open first:");
    }
    for (rank, place) in first.into_iter().enumerate() {
        let row = &found.rows[place];
        let quoted: Vec<String> = row.phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
        let _ = writeln!(
            out,
            "{:>3}  {}  {:.3}  recorded as {}  {}",
            rank + 1,
            row.id,
            row.p,
            row.recorded_as.as_deref().unwrap_or("nothing"),
            quoted.join("  ")
        );
    }
    out
}
