//! The course sheet for people: plain text, and one HTML page that needs no
//! network and no script, with a timeline and the words marked in the texts.

use std::fmt::Write as _;

use crate::assess::State;
use crate::conduct::{Heading, Occasion, Quote, Sheet};
use crate::evaluate::svg::escape;

/// What every sheet says of itself.
const ADVICE: &str = "Advisory: a program linked these reports and may be wrong. They are suspected to be one course of \
    conduct; what the texts do not mention may still have happened. A person decides.";

pub(super) fn state_words(state: State) -> &'static str {
    match state {
        State::Review => "reads like stalking",
        State::Possible => "possible",
        State::NothingFound => "nothing found",
        State::CannotTell => "cannot tell",
    }
}

fn day(when: Option<&str>) -> &str {
    when.map_or("no date", |when| when.get(..10).unwrap_or(when))
}

/// The sheet as plain text.
pub fn text(sheet: &Sheet) -> String {
    let course = &sheet.course;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}  suspected course of conduct, p {:.2}", course.course, course.p);
    let _ = writeln!(
        out,
        "{} occasions in {} reports, {} to {}, {}",
        course.occasions,
        course.reports.len(),
        day(course.first.as_deref()),
        day(course.last.as_deref()),
        course.forces.join(", ")
    );
    let _ = writeln!(out, "weakest link {:.1} bits", course.weakest_link_bits);
    let _ = writeln!(out, "{}\n", sheet.direction);
    let _ = writeln!(out, "OCCASIONS");
    for occasion in &sheet.occasions {
        let gap = occasion.days_since_last.map_or(String::new(), |days| format!(" (+{days} days)"));
        let _ = writeln!(
            out,
            "  {}{gap}  {}  recorded as {}; {}",
            day(occasion.when.as_deref()),
            occasion.report,
            occasion.recorded_as.as_deref().unwrap_or("nothing"),
            state_words(occasion.reads_like)
        );
        if let Some(first) = &occasion.repeats {
            let _ = writeln!(out, "      the same text as {first}: a duplicate, no further occasion");
        }
        for found in &occasion.found {
            let letter = found.letter.map_or(String::new(), |l| format!(" ({l})"));
            let words: Vec<String> =
                found.quotes.iter().map(|q| format!("\"{}\"", one_line(&q.text))).collect();
            let _ = writeln!(out, "      {}{letter}  {}", found.label, words.join("  "));
        }
        for flag in &occasion.flags {
            let _ = writeln!(out, "      flag: {}", flag.info().label);
        }
    }
    headings(&mut out, "EXAMPLE ACTS", &sheet.letters);
    headings(&mut out, "LIMBS (evidence, never a finding)", &sheet.limbs);
    headings(&mut out, "TEST FOR A STALKING PROTECTION ORDER (evidence, never a finding)", &sheet.order_test);
    let _ = writeln!(out, "\nBREACHES OF ORDERS, BAIL, WARNINGS");
    list(&mut out, &sheet.breaches);
    let _ = writeln!(out, "\nHOW IT WENT ON (arithmetic, no score)");
    for line in arithmetic(sheet) {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(out, "\nNOT ANSWERED BY ANY REPORT");
    for question in &sheet.missing {
        let _ = writeln!(out, "  {question}");
    }
    let _ = writeln!(out, "\nWHY THESE REPORTS ARE LINKED");
    for link in &sheet.links {
        let parts: Vec<String> = link
            .evidence
            .iter()
            .map(|e| {
                let level = e.level.as_deref().map_or(String::new(), |l| format!(" {l}"));
                format!("{}{level} {:+.1}", e.comparison, e.bits)
            })
            .collect();
        let _ = writeln!(out, "  {} and {}: {:+.1} bits = {}", link.a, link.b, link.bits, parts.join(", "));
    }
    let _ = writeln!(out, "\n{ADVICE}");
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(out: &mut String, quotes: &[Quote]) {
    if quotes.is_empty() {
        let _ = writeln!(out, "      nothing found in the texts");
    }
    for quote in quotes {
        let _ = writeln!(out, "      {}  \"{}\"", quote.report, one_line(&quote.text));
    }
}

fn headings(out: &mut String, title: &str, headings: &[Heading]) {
    let _ = writeln!(out, "\n{title}");
    for heading in headings {
        let _ = writeln!(out, "  {}, {} ({})", heading.basis, heading.title, occasions(heading.occasions));
        list(out, &heading.quotes);
    }
}

fn occasions(n: usize) -> String {
    if n == 1 { "1 occasion".into() } else { format!("{n} occasions") }
}

/// How the conduct went on, a sentence a line.
fn arithmetic(sheet: &Sheet) -> Vec<String> {
    let a = &sheet.arithmetic;
    let mut lines = Vec::new();
    if let Some(days) = a.days {
        lines.push(format!("{} in {days} days", occasions(sheet.course.occasions)));
    }
    if !sheet.course.escalation.gap_days.is_empty() {
        let gaps: Vec<String> = sheet.course.escalation.gap_days.iter().map(i64::to_string).collect();
        lines.push(format!("days between occasions: {}", gaps.join(", ")));
    }
    if let Some([early, late]) = a.mean_gap_days {
        lines.push(format!(
            "mean days between occasions: {early} in the first half of the gaps, {late} in the second"
        ));
    }
    if let Some([early, late]) = a.halves {
        lines.push(format!("occasions: {early} in the first half of the time, {late} in the second"));
    }
    lines.push(format!("kinds of conduct: {}", a.kinds));
    if !a.new_kinds.is_empty() {
        lines.push(format!("new after the first report, in order: {}", a.new_kinds.join(", ")));
    }
    for (what, reports) in [
        ("markers of serious harm in", &a.serious),
        ("the home entered or tried in", &a.at_home),
        ("played down or handled alone by the recorder in", &sheet.minimised),
    ] {
        if !reports.is_empty() {
            lines.push(format!("{what} {}", reports.join(", ")));
        }
    }
    if sheet.ex_partner {
        lines.push("former partners: the recording rule of April 2020 asks for a course of conduct to be recorded as stalking unless shown otherwise".into());
    }
    lines
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:1.5em auto;padding:0 1em;color:#111;background:#fff}\
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.1em;border-bottom:1px solid #888;margin:1.6em 0 .5em}h3{font-size:1em;margin:1em 0 .2em}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25em .6em;border-bottom:1px solid #ccc}\
.narrative{white-space:pre-wrap;border-left:3px solid #bbb;padding-left:.8em}mark{background:#ffe38a;color:#111}\
.nothing{color:#555;font-style:italic}.advice{border:1px solid #888;padding:.6em .8em}svg{width:100%;height:auto}\
.bits{font-variant-numeric:tabular-nums;white-space:nowrap;text-align:right}\
@media print{body{margin:0;max-width:none;font-size:11pt}section,tr,.occasion{break-inside:avoid}mark{background:none;border-bottom:2px solid #111}}";

/// The sheet as one HTML page.
pub fn html(sheet: &Sheet) -> String {
    let course = &sheet.course;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}: suspected course of conduct</title><style>{STYLE}</style></head><body><main>\n\
         <h1>{0}: suspected course of conduct</h1>\n\
         <p>{1} occasions in {2} reports, {3} to {4}, {5}. Probability that they belong together and are stalking: {6:.2}; weakest link {7:.1} bits.</p>\n\
         <p>{8}</p>\n<p class=\"advice\">{9}</p>\n",
        escape(&course.course),
        course.occasions,
        course.reports.len(),
        escape(day(course.first.as_deref())),
        escape(day(course.last.as_deref())),
        escape(&course.forces.join(", ")),
        course.p,
        course.weakest_link_bits,
        escape(&sheet.direction),
        escape(ADVICE),
    );
    page += "<h2>Timeline</h2>\n";
    page += &timeline(&sheet.occasions);
    page += "<h2>Occasions</h2>\n";
    for occasion in &sheet.occasions {
        page += &occasion_html(occasion);
    }
    for (title, headings) in [
        ("Example acts of the statute", &sheet.letters),
        ("Limbs of the more serious offence: evidence, never a finding", &sheet.limbs),
        ("Test for a stalking protection order: evidence, never a finding", &sheet.order_test),
    ] {
        let _ = writeln!(page, "<h2>{}</h2>", escape(title));
        for heading in headings {
            let _ = writeln!(
                page,
                "<section><h3>{}, {} ({})</h3>{}</section>",
                escape(&heading.basis),
                escape(&heading.title),
                occasions(heading.occasions),
                quotes_html(&heading.quotes)
            );
        }
    }
    let _ = writeln!(page, "<h2>Breaches of orders, bail and warnings</h2>{}", quotes_html(&sheet.breaches));
    page += "<h2>How it went on: arithmetic, no score</h2>\n<ul>";
    for line in arithmetic(sheet) {
        let _ = write!(page, "<li>{}</li>", escape(&line));
    }
    page += "</ul>\n<h2>Not answered by any report</h2>\n<ul>";
    for question in &sheet.missing {
        let _ = write!(page, "<li>{}</li>", escape(question));
    }
    page += "</ul>\n<h2>Why these reports are linked</h2>\n<table><tr><th>reports</th><th class=\"bits\">bits</th><th>the sum</th></tr>\n";
    for link in &sheet.links {
        let parts: Vec<String> = link
            .evidence
            .iter()
            .map(|e| {
                let level = e.level.as_deref().map_or(String::new(), |l| format!(" {}", l.replace('_', " ")));
                escape(&format!("{}{level} {:+.1}", e.comparison.replace('_', " "), e.bits))
            })
            .collect();
        let _ = writeln!(
            page,
            "<tr><td>{}, {}</td><td class=\"bits\">{:+.1}</td><td>{}</td></tr>",
            escape(&link.a),
            escape(&link.b),
            link.bits,
            parts.join("; ")
        );
    }
    page += "</table>\n</main></body></html>\n";
    page
}

fn quotes_html(quotes: &[Quote]) -> String {
    if quotes.is_empty() {
        return "<p class=\"nothing\">Nothing found in the texts.</p>".into();
    }
    let items: Vec<String> = quotes
        .iter()
        .map(|q| format!("<li>{}: <q>{}</q></li>", escape(&q.report), escape(&one_line(&q.text))))
        .collect();
    format!("<ul>{}</ul>", items.concat())
}

fn occasion_html(occasion: &Occasion) -> String {
    let gap = occasion.days_since_last.map_or(String::new(), |days| format!(", {days} days after the last"));
    let mut out = format!(
        "<section class=\"occasion\"><h3>{} {}{gap}</h3>\n<p>Recorded as {}, {}; the text alone: {}{}.</p>\n",
        escape(day(occasion.when.as_deref())),
        escape(&occasion.report),
        escape(occasion.recorded_as.as_deref().unwrap_or("nothing")),
        escape(occasion.outcome.as_deref().unwrap_or("no outcome held")),
        state_words(occasion.reads_like),
        occasion.force.as_deref().map_or(String::new(), |force| format!("; held by {}", escape(force))),
    );
    if let Some(first) = &occasion.repeats {
        let _ = writeln!(
            out,
            "<p>The same text as {}: a duplicate, no further occasion.</p></section>",
            escape(first)
        );
        return out;
    }
    let found: Vec<String> = occasion
        .found
        .iter()
        .map(|f| escape(&f.letter.map_or(f.label.clone(), |l| format!("{} ({l})", f.label))))
        .collect();
    if !found.is_empty() {
        let _ = writeln!(out, "<p>Found: {}.</p>", found.join(", "));
    }
    let flags: Vec<String> = occasion.flags.iter().map(|f| escape(&f.info().label)).collect();
    if !flags.is_empty() {
        let _ = writeln!(out, "<p>Flags: {}.</p>", flags.join("; "));
    }
    let _ = writeln!(out, "<div class=\"narrative\">{}</div></section>", marked(occasion));
    out
}

/// The narrative with the words of its evidence marked.
fn marked(occasion: &Occasion) -> String {
    let quotes =
        occasion.found.iter().flat_map(|f| f.quotes.iter().map(|q| (q.start, q.end, f.label.as_str())));
    marked_text(&occasion.text, quotes)
}

/// A text with words marked: first character, character after the last, why.
pub(super) fn marked_text<'a>(
    text: &str,
    marks: impl IntoIterator<Item = (usize, usize, &'a str)>,
) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut why: Vec<Vec<&str>> = vec![Vec::new(); chars.len()];
    for (start, end, label) in marks {
        let end = end.min(chars.len());
        for labels in why.iter_mut().take(end).skip(start) {
            labels.push(label);
        }
    }
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let end = (at..chars.len()).find(|&i| why[i] != why[at]).unwrap_or(chars.len());
        let words = escape(&chars[at..end].iter().collect::<String>());
        if why[at].is_empty() {
            out += &words;
        } else {
            let _ = write!(out, "<mark title=\"{}\">{words}</mark>", escape(&why[at].join(", ")));
        }
        at = end;
    }
    out
}

/// Occasions on a line of time, placed by day; letters above, reports below.
pub(super) fn timeline(occasions: &[Occasion]) -> String {
    let placed: Vec<(&Occasion, i64)> = occasions
        .iter()
        .filter(|o| o.repeats.is_none())
        .filter_map(|o| Some((o, day_number(o.when.as_deref()?)?)))
        .collect();
    let (Some(first), Some(last)) = (placed.first().map(|p| p.1), placed.last().map(|p| p.1)) else {
        return "<p class=\"nothing\">No report has a date.</p>\n".into();
    };
    let (width, left) = (900.0, 60.0);
    let span = (last - first).max(1) as f64;
    // Words get the first row in which nothing is in their way; occasions of
    // one day stand on top of each other.
    let (mut above, mut below) = (Rows::default(), Rows::default());
    let marks: Vec<Mark<'_>> = placed
        .iter()
        .map(|(occasion, day_of)| {
            let x = left + width * (day_of - first) as f64 / span;
            let letters = occasion.letters.iter().map(char::to_string).collect::<Vec<_>>().join(" ");
            let label = format!("{} {}", day(occasion.when.as_deref()), occasion.report);
            let class = occasion.recorded_as.as_deref().unwrap_or("");
            let wide = text_width(&label).max(text_width(class));
            // Kept within the picture on either side.
            let start = (x - wide / 2.0).clamp(0.0, (width + 2.0 * left - wide).max(0.0));
            let half = text_width(&letters) / 2.0;
            let stack =
                placed.iter().take_while(|(o, _)| !std::ptr::eq(*o, *occasion)).filter(|p| p.1 == *day_of);
            Mark {
                occasion,
                x,
                stack: stack.count(),
                above: above.place(x - half, x + half),
                below: below.place(start, start + wide),
                start,
                letters,
                label,
            }
        })
        .collect();
    let stacked = marks.iter().map(|mark| mark.stack).max().unwrap_or(0) as f64;
    let line = 24.0 + 14.0 * above.0.len() as f64 + 18.0 * stacked;
    let height = line + 50.0 + 32.0 * below.0.len() as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {height}\" role=\"img\" aria-label=\"timeline of occasions\" font-family=\"system-ui,sans-serif\" font-size=\"12\">\
         <line x1=\"{left}\" y1=\"{line}\" x2=\"{}\" y2=\"{line}\" stroke=\"#111\" stroke-width=\"2\"/>\n",
        width + 2.0 * left,
        left + width
    );
    for mark in &marks {
        let fill = match mark.occasion.reads_like {
            State::Review => "#111",
            State::Possible => "#888",
            _ => "#fff",
        };
        let (x, start) = (mark.x, mark.start);
        let row = line + 34.0 + 32.0 * mark.below as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{line}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#bbb\"/>\
             <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"7\" fill=\"{fill}\" stroke=\"#111\" stroke-width=\"1.5\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{start:.1}\" y=\"{row:.1}\">{}</text>\
             <text x=\"{start:.1}\" y=\"{:.1}\" fill=\"#444\">{}</text>",
            row - 12.0,
            line - 18.0 * mark.stack as f64,
            line - 14.0 - 18.0 * stacked - 14.0 * mark.above as f64,
            escape(&mark.letters),
            escape(&mark.label),
            row + 13.0,
            escape(mark.occasion.recorded_as.as_deref().unwrap_or("")),
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"60\" y=\"{:.1}\" fill=\"#444\">black: the text alone reads like stalking; grey: possible; white: nothing found. Above: letters of the statute.</text></svg>",
        height - 6.0
    );
    svg
}

/// Where one occasion stands on the timeline.
struct Mark<'a> {
    occasion: &'a Occasion,
    x: f64,
    /// Occasions of the same day before it.
    stack: usize,
    /// Row of its letters, from the line up.
    above: usize,
    /// Row of its words, from the line down.
    below: usize,
    /// Left end of its words.
    start: f64,
    letters: String,
    label: String,
}

/// How far each row of words is taken.
#[derive(Default)]
struct Rows(Vec<Vec<(f64, f64)>>);

impl Rows {
    /// The first row in which nothing stands between two ends, which it takes.
    fn place(&mut self, from: f64, to: f64) -> usize {
        let free = |row: &Vec<(f64, f64)>| row.iter().all(|(a, b)| to + 8.0 < *a || *b + 8.0 < from);
        let place = self.0.iter().position(free).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push(Vec::new());
        }
        self.0[place].push((from, to));
        place
    }
}

/// About how wide words are at 12 pixels.
fn text_width(words: &str) -> f64 {
    6.8 * words.chars().count() as f64
}

/// Days of a date `YYYY-MM-DD…`.
fn day_number(when: &str) -> Option<i64> {
    let mut parts = when.get(..10)?.split('-');
    let year: i32 = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day: u8 = parts.next()?.parse().ok()?;
    let date = time::Date::from_calendar_date(year, time::Month::try_from(month).ok()?, day).ok()?;
    Some(i64::from(date.to_julian_day()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::Indicator;
    use crate::conduct::Found;

    fn occasion(when: Option<&str>, text: &str, quote: (usize, usize)) -> Occasion {
        Occasion {
            report: "R<1>".into(),
            when: when.map(str::to_owned),
            days_since_last: None,
            force: None,
            recorded_as: None,
            outcome: None,
            reads_like: State::Review,
            letters: vec!['a'],
            found: vec![Found {
                indicator: Indicator::Following,
                label: "following".into(),
                letter: Some('a'),
                quotes: vec![Quote {
                    report: "R<1>".into(),
                    start: quote.0,
                    end: quote.1,
                    text: String::new(),
                }],
            }],
            flags: Vec::new(),
            repeats: None,
            text: text.into(),
        }
    }

    #[test]
    fn evidence_is_marked_and_text_is_made_safe() {
        let o = occasion(None, "he <followed> her", (3, 13));
        assert_eq!(marked(&o), "he <mark title=\"following\">&lt;followed&gt;</mark> her");
        // Offsets beyond the text mark what there is and do not panic.
        assert!(marked(&occasion(None, "short", (2, 99))).ends_with("rt</mark>"));
        assert_eq!(marked(&occasion(None, "", (0, 3))), "");
    }

    #[test]
    fn words_of_one_day_do_not_write_over_each_other() {
        let many: Vec<Occasion> = (0..6).map(|_| occasion(Some("2023-03-01"), "x", (0, 1))).collect();
        let svg = timeline(&many);
        let ends = |attribute: &str| {
            let mut found: Vec<&str> =
                svg.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).collect();
            found.sort_unstable();
            let all = found.len();
            found.dedup();
            (all, found.len())
        };
        assert_eq!(ends("cy=\""), (6, 6));
        assert_eq!(ends("<circle cx=\"").1, 1);
        let mut rows = Rows::default();
        let placed = [(0.0, 50.0), (40.0, 90.0), (70.0, 99.0)].map(|(a, b)| rows.place(a, b));
        assert_eq!(placed, [0, 1, 0]);
    }

    #[test]
    fn a_timeline_needs_a_date_and_takes_one() {
        let none = occasion(None, "x", (0, 1));
        assert!(timeline(&[none]).contains("No report has a date"));
        let one = timeline(&[
            occasion(Some("2023-02-29"), "x", (0, 1)),
            occasion(Some("2023-03-01T10:00:00"), "x", (0, 1)),
        ]);
        assert_eq!(one.matches("<circle").count(), 1, "29 February 2023 is no day: {one}");
        assert!(one.contains("R&lt;1&gt;") && !one.contains("NaN"));
    }
}
