//! The page of a batch: one HTML file that needs no network, and no script for
//! reading. A few lines of script add filters; without it all is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::course::{marked_text, state_words, timeline};
use super::screen::{own_recall, states, workload};
use crate::assess::{ADVICE, IndicatorState, State};
use crate::evaluate::svg::escape;
use crate::features::Assessed;
use crate::report::dates;
use crate::screen::gather::Page;
use crate::screen::pipeline::Tally;
use crate::screen::row::date_of;
use crate::screen::{Found, Row, Start, rank};

const STYLE: &str = "*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;max-width:62em;margin:0 auto;padding:0 1em 3em;color:#111;background:#fff}\
h1{font-size:1.6em;margin:.8em 0 .2em}h2{font-size:1.25em;border-bottom:1px solid #767676;margin:2em 0 .6em}h3{font-size:1.05em;margin:0 0 .3em}\
a{color:#0b3d91}a:focus,select:focus,button:focus,summary:focus{outline:3px solid #b45309;outline-offset:2px}\
.skip{position:absolute;left:-99em}.skip:focus{left:1em;top:.5em;background:#fff;padding:.4em}\
.advice{border:1px solid #767676;padding:.6em .8em}table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:600;padding:.3em 0}\
th,td{text-align:left;vertical-align:top;padding:.2em .6em .2em 0;border-bottom:1px solid #ccc}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
td.b{width:45%}.bar{display:inline-block;height:.9em;background:#0b3d91;vertical-align:middle}\
article{border:1px solid #767676;border-left:6px solid #0b3d91;padding:.7em 1em;margin:1em 0}article.possible{border-left-color:#767676}\
article dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em .8em;margin:.3em 0}dt{color:#444}dd{margin:0}\
.narrative{white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid #bbb;padding-left:.8em;margin-top:.5em}\
mark{background:#ffe38a;color:#111}mark.harm{background:#ffc9c9;border-bottom:2px solid #a61c00}\
.tag{display:inline-block;border:1px solid #111;border-radius:3px;padding:0 .4em;margin:0 .3em .2em 0;font-size:.9em}\
form{border:1px solid #767676;padding:.6em .8em;margin:1em 0}form label{margin-right:1.2em;display:inline-block}select,button{font:inherit}\
.two{display:grid;grid-template-columns:1fr 1fr;gap:0 2em}@media(max-width:50em){.two{grid-template-columns:1fr}}\
svg{width:100%;height:auto}[hidden]{display:none!important}\
@media print{form,.skip{display:none}body{max-width:none;font-size:11pt}article,tr,section{break-inside:avoid}mark{background:none;border-bottom:2px solid #111}}";

// Without it the form stays hidden and every report is shown.
const SCRIPT: &str = "(function(){var f=document.getElementById('filters');if(!f)return;f.hidden=false;\
var s=Array.prototype.slice.call(f.querySelectorAll('select')),a=Array.prototype.slice.call(document.querySelectorAll('article.report')),o=document.getElementById('shown');\
function go(){var n=0;a.forEach(function(r){var ok=s.every(function(x){return !x.value||r.getAttribute('data-'+x.name)===x.value.slice(1)});r.hidden=!ok;if(ok)n++});o.textContent=n+' of '+a.length+' reports shown'}\
s.forEach(function(x){x.addEventListener('change',go)});f.addEventListener('reset',function(){setTimeout(go,0)});f.addEventListener('submit',function(e){e.preventDefault()});\
document.addEventListener('click',function(e){var h=e.target.getAttribute&&e.target.getAttribute('href');var t=h&&h.charAt(0)==='#'&&document.getElementById(h.slice(1));\
if(t&&t.closest('[hidden]')){s.forEach(function(x){x.value=''});go()}});go()})();";

/// The page of a batch.
pub fn html(found: &Found, page: &Page, tally: &Tally, start: &Start) -> String {
    let model = &start.settings.model;
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Reports to open first</title><style>{STYLE}</style></head><body>\n\
         <a class=\"skip\" href=\"#reports\">To the reports</a>\n<main>\n<h1>Reports to open first</h1>\n\
         <p>{} reports were screened with {} {}; run {}.{}</p>\n<p class=\"advice\">{}</p>\n",
        found.rows.len(),
        escape(&model.name),
        escape(&model.version),
        escape(&start.run_id()),
        found
            .as_of
            .and_then(date_of)
            .map_or(String::new(), |date| format!(" Days are counted to {}.", dates::write_date(date))),
        escape(ADVICE),
    );
    out += "<nav aria-label=\"Parts of this page\"><a href=\"#reports\">Reports</a> · <a href=\"#courses\">Courses of conduct</a> · \
            <a href=\"#where\">Where hidden stalking lies</a></nav>\n";
    out += &overview(found, tally);
    let _ = writeln!(
        out,
        "<h2 id=\"reports\" tabindex=\"-1\">The first {} of {} reports</h2>\n<p>{}</p>",
        page.top.len(),
        found.order.len(),
        escape(rank::RULE)
    );
    out += &filters(found, page);
    for (at, (place, assessed)) in page.top.iter().enumerate() {
        out += &report(found, at + 1, &found.rows[*place], assessed, page);
    }
    if page.top.is_empty() {
        out += "<p>No report is ranked.</p>\n";
    }
    out += &courses(found, page);
    out += &plots(found);
    let _ = write!(out, "</main>\n<script>{SCRIPT}</script>\n</body></html>\n");
    out
}

fn overview(found: &Found, tally: &Tally) -> String {
    let mut out = String::from("<h2>Overview</h2>\n<ul>\n");
    let mut item = |text: &str| {
        let _ = writeln!(out, "<li>{}</li>", escape(text));
    };
    item(&format!("{} records read, {} assessed, {} refused.", tally.read, tally.assessed, tally.rejected));
    for (why, count) in &tally.not_screened {
        item(&format!("{count} not screened: {why}."));
    }
    for line in own_recall(found).into_iter().chain(workload(found)) {
        item(&line);
    }
    item(&format!(
        "{} suspected courses of conduct, {} reports in them.",
        found.courses.len(),
        found.in_courses()
    ));
    if found.beside.reports > 0 {
        item(&format!("The batch was linked with {} other reports as well.", found.beside.reports));
    }
    out += "</ul>\n<table><caption>What the texts read like</caption><thead><tr><th scope=\"col\">state</th>\
            <th scope=\"col\" class=\"n\">recorded as another class</th><th scope=\"col\" class=\"n\">recorded as stalking</th></tr></thead><tbody>\n";
    let (others, recorded) = (states(found, false), states(found, true));
    for (i, state) in State::ALL.iter().enumerate() {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            state_words(*state),
            others[i],
            recorded[i]
        );
    }
    out + "</tbody></table>\n"
}

/// Bars as a table: a screen reader reads the numbers, an eye the bars.
fn bars(caption: &str, head: &str, rows: &[(String, usize)]) -> String {
    let most = rows.iter().map(|(_, n)| *n).max().unwrap_or(0).max(1);
    let mut out = format!(
        "<table><caption>{}</caption><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">reports</th><td></td></tr></thead><tbody>\n",
        escape(caption),
        escape(head)
    );
    for (name, n) in rows {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{n}</td><td class=\"b\"><span class=\"bar\" style=\"width:{:.1}%\"></span></td></tr>",
            escape(name),
            100.0 * *n as f64 / most as f64
        );
    }
    out + "</tbody></table>\n"
}

/// Classes, forces and such, the most frequent first; the rest is one row.
fn counted<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut rows: Vec<(String, usize)> = counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if rows.len() > most {
        let rest: usize = rows.drain(most..).map(|(_, n)| n).sum();
        rows.push(("all others".into(), rest));
    }
    rows
}

const NOTHING: &str = "(nothing held)";

fn plots(found: &Found) -> String {
    let hidden = || found.rows.iter().filter(|row| !row.recorded_as_stalking && row.state == State::Review);
    let mut bins = vec![0usize; 10];
    for row in found.rows.iter().filter(|row| !row.recorded_as_stalking) {
        bins[((row.p * 10.0) as usize).min(9)] += 1;
    }
    let bins: Vec<(String, usize)> = bins
        .into_iter()
        .enumerate()
        .map(|(i, n)| (format!("{:.1} to {:.1}", i as f64 / 10.0, (i + 1) as f64 / 10.0), n))
        .rev()
        .collect();
    let mut months: BTreeMap<String, usize> = BTreeMap::new();
    for row in hidden() {
        *months.entry(row.month().unwrap_or(NOTHING.into())).or_default() += 1;
    }
    // The last three years; earlier months are one row.
    let mut months: Vec<(String, usize)> = months.into_iter().collect();
    if months.len() > 36 {
        let rest = months.len() - 36;
        let earlier: usize = months.drain(..rest).map(|(_, n)| n).sum();
        months.insert(0, ("earlier".into(), earlier));
    }
    let classes = counted(hidden().map(|row| row.recorded_as.as_deref().unwrap_or(NOTHING)), 15);
    format!(
        "<h2 id=\"where\" tabindex=\"-1\">Where hidden stalking lies</h2>\n<p>Counted are reports whose text reads like stalking and that were recorded as another class.</p>\n\
         <div class=\"two\"><div>{}</div><div>{}</div></div>\n{}",
        bars("By the class they were recorded under", "recorded as", &classes),
        bars("By the month of the report", "month", &months),
        bars(
            "All reports not recorded as stalking, by the probability that the text reads like it",
            "probability",
            &bins
        ),
    )
}

fn class_of(row: &Row) -> &str {
    row.recorded_as.as_deref().unwrap_or(NOTHING)
}

fn force_of(row: &Row) -> &str {
    row.force.as_deref().unwrap_or(NOTHING)
}

fn month_of(row: &Row) -> String {
    row.month().unwrap_or(NOTHING.into())
}

fn filters(found: &Found, page: &Page) -> String {
    let rows = || page.top.iter().map(|(place, _)| &found.rows[*place]);
    let mut out = String::from("<form id=\"filters\" hidden aria-label=\"Filter the reports below\">\n");
    let sets: [(&str, &str, Vec<String>); 3] = [
        ("class", "Recorded as", rows().map(|row| class_of(row).to_owned()).collect()),
        ("force", "Force", rows().map(|row| force_of(row).to_owned()).collect()),
        ("month", "Month", rows().map(month_of).collect()),
    ];
    for (name, label, mut values) in sets {
        values.sort();
        values.dedup();
        let _ = write!(out, "<label>{label} <select name=\"{name}\"><option value=\"\">all</option>");
        for value in values {
            // A mark before the value tells an empty value from `all`.
            let _ = write!(out, "<option value=\"={0}\">{0}</option>", escape(&value));
        }
        out += "</select></label>\n";
    }
    out + "<button type=\"reset\">Show all</button> <span id=\"shown\" role=\"status\" aria-live=\"polite\"></span>\n</form>\n"
}

fn report(found: &Found, rank: usize, row: &Row, assessed: &Assessed, page: &Page) -> String {
    let assessment = &assessed.assessment;
    let mut out = format!(
        "<article class=\"report {}\" data-class=\"{}\" data-force=\"{}\" data-month=\"{}\" aria-labelledby=\"r{rank}\">\n<h3 id=\"r{rank}\">{rank}. {}</h3>\n",
        row.state.name(),
        escape(class_of(row)),
        escape(force_of(row)),
        escape(&month_of(row)),
        escape(&row.id),
    );
    let mut tags: Vec<String> = Vec::new();
    if row.serious_harm {
        tags.push("evidence that bears on serious harm".into());
    }
    if row.ex_partner {
        tags.push("former partners".into());
    }
    tags.extend(row.flags.iter().map(|flag| flag.info().label.clone()));
    if !tags.is_empty() {
        out += "<p>";
        for tag in tags {
            let _ = write!(out, "<span class=\"tag\">{}</span>", escape(&tag));
        }
        out += "</p>\n";
    }
    out += "<dl>";
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(out, "<dt>{name}</dt><dd>{value}</dd>");
        }
    };
    line("recorded as", &escape(class_of(row)));
    line("outcome", &escape(row.outcome.as_deref().unwrap_or(NOTHING)));
    let date = row.reported.and_then(date_of).map(dates::write_date).unwrap_or("no date".into());
    let days =
        row.days_to(found.as_of).map_or(String::new(), |days| format!(", {days} days before the last day"));
    line("reported", &escape(&format!("{date}{days}")));
    let held: Vec<&str> = [row.force.as_deref(), row.district.as_deref()].into_iter().flatten().collect();
    line("held by", &escape(&held.join(", ")));
    line("text", &escape(&format!("{}, probability {:.3}", state_words(row.state), row.p)));
    let found_here: Vec<String> = assessment
        .indicators
        .iter()
        .filter(|i| i.state == IndicatorState::Found)
        .map(|i| {
            let label = &i.name.info().label;
            i.letter.map_or(label.clone(), |letter| format!("{label} ({letter})"))
        })
        .collect();
    line("found", &escape(&found_here.join(", ")));
    if let Some(course) = row.course {
        let name = escape(&found.courses[course].course);
        let drawn = page.courses.iter().any(|(number, _)| *number == course);
        line("course", &if drawn { format!("<a href=\"#{name}\">{name}</a>") } else { name });
    }
    out += "</dl>\n";
    let harm = assessment.serious_harm.evidence.iter().map(|e| (e.start, e.end, "bears on serious harm"));
    let marks = assessment
        .indicators
        .iter()
        .filter(|i| i.state == IndicatorState::Found)
        .flat_map(|i| i.evidence.iter().map(|e| (e.start, e.end, i.name.info().label.as_str())));
    let marked = marked_text(&assessed.report.text, harm.chain(marks))
        .replace("<mark title=\"bears on serious harm", "<mark class=\"harm\" title=\"bears on serious harm");
    let _ = writeln!(out, "<div class=\"narrative\">{marked}</div>\n</article>");
    out
}

fn courses(found: &Found, page: &Page) -> String {
    let mut out = String::from("<h2 id=\"courses\" tabindex=\"-1\">Courses of conduct</h2>\n");
    if page.courses.is_empty() {
        return out + "<p>None of the reports above is linked into a suspected course of conduct.</p>\n";
    }
    out += "<p>Suspected courses that one of the reports above belongs to. A program linked these reports and may be wrong.</p>\n";
    let ranks: BTreeMap<&str, usize> = page
        .top
        .iter()
        .enumerate()
        .map(|(at, (place, _))| (found.rows[*place].id.as_str(), at + 1))
        .collect();
    for (number, occasions) in &page.courses {
        let course = &found.courses[*number];
        let name = escape(&course.course);
        let day = |date: &Option<String>| {
            date.as_deref().map_or("no date".into(), |d| d.chars().take(10).collect::<String>())
        };
        let _ = writeln!(
            out,
            "<section id=\"{name}\" aria-labelledby=\"{name}h\"><h3 id=\"{name}h\">{name}: {} occasions, {} to {}</h3>",
            course.occasions,
            day(&course.first),
            day(&course.last)
        );
        let reports: Vec<String> = occasions
            .iter()
            .map(|occasion| {
                let id = escape(&occasion.report);
                let shown = ranks
                    .get(occasion.report.as_str())
                    .map_or(id.clone(), |r| format!("<a href=\"#r{r}\">{id}</a>"));
                format!(
                    "<li>{}: {shown}, recorded as {}; {}</li>",
                    day(&occasion.when),
                    escape(occasion.recorded_as.as_deref().unwrap_or("nothing")),
                    state_words(occasion.reads_like)
                )
            })
            .collect();
        let beside: Vec<String> = course
            .reports
            .iter()
            .filter(|id| !occasions.iter().any(|occasion| occasion.report == **id))
            .map(|id| escape(id))
            .collect();
        let beside = match beside.as_slice() {
            [] => String::new(),
            ids => format!("<p>Linked with reports outside this batch: {}.</p>", ids.join(", ")),
        };
        let _ = writeln!(out, "{}<ol>{}</ol>{beside}</section>", timeline(occasions), reports.concat());
    }
    out
}
