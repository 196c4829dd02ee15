//! The monthly return as CSV and as one HTML page.

use std::fmt::Write as _;
use std::io::Write;

use super::ranked::safe;
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::svg::escape;
use crate::report::dates;
use crate::screen::returns::{Cell, Line, Return};
use crate::screen::row::date_of;

const MEANING: &str = "Counted are reports whose text reads like stalking by this program and that were recorded as \
    another class. A program read these texts and may be wrong; no person has confirmed the counts. Days are those \
    from the report to the last day of the batch.";

fn shown(cell: Cell, least: usize) -> String {
    match cell {
        Cell::Count(n) => n.to_string(),
        Cell::HeldBack => format!("held back (below {least}, or would tell one that is)"),
    }
}

/// Writes the return, one count a line; a count that is held back is `*`.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn csv(told: &Return, out: &mut dyn Write) -> Result<()> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let failed =
        |error: csv::Error| Error::new(ErrorKind::Io, format!("the return: {error}")).with_source(error);
    table.write_record(["month", "measure", "name", "reports", "share", "median_days"]).map_err(failed)?;
    for part in &told.parts {
        let total = std::iter::once(("total", &part.total));
        let rest = part.tables.iter().flat_map(|t| t.lines.iter().map(|line| (t.measure, line)));
        for (measure, line) in total.chain(rest) {
            let reports = match line.reports {
                Cell::Count(n) => n.to_string(),
                Cell::HeldBack => "*".into(),
            };
            let share = line.share.map(|share| format!("{share:.3}")).unwrap_or_default();
            let days = line.median_days.map(|days| days.to_string()).unwrap_or_default();
            let cells = [part.month.as_str(), measure, &line.name, &reports, &share, &days];
            table.write_record(cells.map(|cell| safe(cell).into_owned())).map_err(failed)?;
        }
    }
    table.flush().map_err(|error| Error::io("the return", error))
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:0 auto;padding:0 1em 3em;color:#111;background:#fff}\
h1{font-size:1.5em}h2{font-size:1.2em;border-bottom:1px solid #767676;margin:2em 0 .5em}table{border-collapse:collapse;width:100%;margin:.6em 0 1.4em}\
caption{text-align:left;font-weight:600;padding:.3em 0}th,td{text-align:left;vertical-align:top;padding:.2em .8em .2em 0;border-bottom:1px solid #ccc}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.advice{border:1px solid #767676;padding:.6em .8em}@media print{section{break-inside:avoid}}";

/// The return as one page.
pub fn html(told: &Return) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Hidden stalking: monthly return</title><style>{STYLE}</style></head><body><main>\n<h1>Hidden stalking: monthly return</h1>\n\
         <p class=\"advice\">{}</p>\n",
        escape(MEANING)
    );
    if let Some(date) = told.as_of.and_then(date_of) {
        let _ = writeln!(out, "<p>Last day of the batch: {}.</p>", dates::write_date(date));
    }
    if told.parts.is_empty() {
        out += "<p>No such report was found.</p>\n";
    }
    for part in &told.parts {
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<p>Hidden stalking: {} reports{}.</p>",
            escape(&part.month),
            escape(&shown(part.total.reports, told.least)),
            part.total.median_days.map_or(String::new(), |days| format!(", in the middle {days} days old"))
        );
        for table in &part.tables {
            let _ = writeln!(
                out,
                "<section><table><caption>{}</caption><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">reports</th>\
                 <th scope=\"col\" class=\"n\">share</th><th scope=\"col\" class=\"n\">days, median</th></tr></thead><tbody>",
                escape(table.title),
                escape(&table.measure.replace('_', " "))
            );
            for line in &table.lines {
                out += &row(line, told.least);
            }
            out += "</tbody></table></section>\n";
        }
    }
    out + "</main></body></html>\n"
}

fn row(line: &Line, least: usize) -> String {
    format!(
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        escape(&line.name),
        escape(&shown(line.reports, least)),
        line.share.map(|share| format!("{:.0} %", 100.0 * share)).unwrap_or_default(),
        line.median_days.map(|days| days.to_string()).unwrap_or_default()
    )
}
