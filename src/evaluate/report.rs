//! One evaluation as files: `metrics.json`, and `report.html`, one page with
//! its plots inside, without scripts, readable without colour.
//!
//! Reports are named by id. Their text is written only where the caller asks
//! for it, and into the page alone.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::compare::{Comparison, compare};
use super::figures::{Figure, Named, figures_of, resamples};
use super::probes::{Family, Probe, probes};
use super::subgroups::{Column, subgroups};
use super::svg::{Bar, Plot, Series, bars, escape};
use super::table::{cell, names};
use super::{Answers, Figures, Rows, Scorer, Settings, write6};
use crate::codebook::Grade;
use crate::error::{Error, Result};

/// The form of `metrics.json`.
pub const SCHEMA: &str = "throughline.evaluation/1";

/// Reports that are listed as most wrong, on each side.
const LISTED: usize = 20;

/// What an evaluation does beyond the figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// Figures by subgroup.
    pub subgroups: bool,
    /// Counterfactual and robustness probes on so many reports; 0 for none.
    pub probes: usize,
    /// Whether the page holds the texts of the reports it lists.
    pub with_texts: bool,
}

impl Default for Extent {
    fn default() -> Self {
        Self { subgroups: true, probes: 500, with_texts: false }
    }
}

/// A report that the scorer gets wrong by far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// The report's id.
    pub id: String,
    /// Its grade.
    pub grade: Grade,
    /// `p` that was answered.
    #[serde(serialize_with = "write6")]
    pub p: f64,
    /// Its text, for the page alone and only where asked for.
    #[serde(skip)]
    pub text: Option<String>,
}

/// Everything that an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The form of this object.
    pub schema: &'static str,
    /// One for each scorer: the one in question first, then the baselines.
    pub scorers: Vec<Figures>,
    /// The first scorer against another model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// The first scorer by group.
    pub subgroups: Vec<Column>,
    /// The first scorer on changed texts.
    pub probes: Vec<Probe>,
    /// Graded `possible` or `likely` and ranked lowest by the first scorer.
    pub missed: Vec<Mistake>,
    /// Graded `none` and ranked highest by the first scorer.
    pub raised_wrongly: Vec<Mistake>,
}

/// Evaluates scorers on the same rows. The first is the one in question, which
/// subgroups, probes and mistakes are of; `against` is another model that it is
/// compared with pair by pair.
///
/// # Errors
///
/// When the settings cannot be, or a scorer fails.
pub fn evaluate(
    scorers: &[&dyn Scorer],
    against: Option<&dyn Scorer>,
    rows: &Rows<'_>,
    settings: &Settings,
    extent: &Extent,
) -> Result<Evaluation> {
    settings.check()?;
    let resamples = resamples(rows, settings);
    let mut evaluation = Evaluation {
        schema: SCHEMA,
        scorers: Vec::new(),
        comparison: None,
        subgroups: Vec::new(),
        probes: Vec::new(),
        missed: Vec::new(),
        raised_wrongly: Vec::new(),
    };
    for (i, scorer) in scorers.iter().enumerate() {
        let answers = Answers::of(*scorer, rows)?;
        evaluation.scorers.push(figures_of(&answers, rows, settings, &resamples));
        if i > 0 {
            continue;
        }
        if let Some(other) = against {
            let other = Answers::of(other, rows)?;
            evaluation.comparison = Some(compare(rows, &answers, &other, settings, &resamples)?);
            evaluation.scorers.push(figures_of(&other, rows, settings, &resamples));
        }
        if extent.subgroups {
            evaluation.subgroups = subgroups(&answers, rows, settings, &resamples);
        }
        if extent.probes > 0 {
            evaluation.probes = probes(*scorer, &answers, rows, settings, &resamples, extent.probes)?;
        }
        evaluation.missed = mistakes(&answers, rows, settings, true, extent.with_texts);
        evaluation.raised_wrongly = mistakes(&answers, rows, settings, false, extent.with_texts);
    }
    Ok(evaluation)
}

fn mistakes(
    answers: &Answers,
    rows: &Rows<'_>,
    settings: &Settings,
    positive: bool,
    with_texts: bool,
) -> Vec<Mistake> {
    let mut wrong: Vec<Mistake> = rows
        .examples()
        .iter()
        .zip(&answers.scores)
        .filter_map(|(example, scores)| {
            let grade = example.labels.as_ref()?.stalking;
            let p = scores.p();
            let is_wrong = (grade != Grade::None) == positive && (p >= settings.threshold) != positive;
            is_wrong.then(|| Mistake {
                id: example.report.id.clone(),
                grade,
                p,
                text: with_texts.then(|| example.report.text.clone()),
            })
        })
        .collect();
    wrong.sort_by(|a, b| {
        let order = a.p.total_cmp(&b.p);
        let order = if positive { order } else { order.reverse() };
        order.then(a.id.cmp(&b.id))
    });
    wrong.truncate(LISTED);
    wrong
}

impl Evaluation {
    /// The object as `metrics.json` holds it. It never holds a report's text.
    pub fn to_json(&self) -> String {
        // All keys are strings and no number is other than finite.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Writes `metrics.json` and `report.html` into a folder, which is made if
    /// it is not there.
    ///
    /// # Errors
    ///
    /// When the folder or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|err| Error::io(folder, err))?;
        for (name, data) in [("metrics.json", self.to_json()), ("report.html", self.to_html())] {
            let path = folder.join(name);
            std::fs::write(&path, data).map_err(|err| Error::io(&path, err))?;
        }
        Ok(())
    }

    /// The page.
    pub fn to_html(&self) -> String {
        let mut page = String::from(HEAD);
        if let Some(first) = self.scorers.first() {
            self.opening(&mut page, first);
            self.tables(&mut page, first);
            self.plots(&mut page, first);
            confusion(&mut page, first);
            self.groups(&mut page);
            self.changed_texts(&mut page);
            self.comparison(&mut page);
            self.mistakes(&mut page);
        }
        page.push_str("</main></html>\n");
        page
    }

    fn opening(&self, page: &mut String, first: &Figures) {
        let d = &first.data;
        let _ = write!(
            page,
            "<h1>Evaluation of {}</h1>\n<p>{} reports in {} groups by {} authors; {} labelled: {} none, {} possible, {} likely. Intervals hold 95 % of {} bootstrap resamples of whole groups (cases; a report without a case is a group), seed {}. A report counts as raised from p = {}.</p>\n",
            escape(&first.scorer),
            d.reports,
            d.groups,
            d.authors,
            d.labelled,
            d.none,
            d.possible,
            d.likely,
            first.settings.resamples,
            first.settings.seed,
            first.settings.threshold
        );
        let mut notes: Vec<&str> = Vec::new();
        for note in self.scorers.iter().flat_map(|f| &f.notes) {
            if !notes.contains(&&**note) {
                notes.push(note);
            }
        }
        if !notes.is_empty() {
            page.push_str("<h2>Not measured</h2>\n<ul>\n");
            for note in notes {
                let _ = writeln!(page, "<li>{}</li>", escape(note));
            }
            page.push_str("</ul>\n");
        }
    }

    fn tables(&self, page: &mut String, first: &Figures) {
        let scorers: Vec<&str> = self.scorers.iter().map(|f| &*f.scorer).collect();
        let all = |get: fn(&Figures) -> &Named| -> Vec<&Named> { self.scorers.iter().map(get).collect() };
        figures_table(page, "All rows", &scorers, &all(|f| &f.figures));
        figures_table(page, "Mean within authors (n counts authors)", &scorers, &all(|f| &f.within_authors));
        let at: Vec<&Named> = self.scorers.iter().filter_map(|f| f.at_prevalence.as_ref()).collect();
        if let Some(prevalence) = first.settings.prevalence
            && at.len() == self.scorers.len()
        {
            let title = format!("At a prevalence of {} %", prevalence * 100.0);
            figures_table(page, &title, &scorers, &at);
        }
    }

    /// A line of each scorer, from its curves.
    fn series(&self, points: fn(&Figures) -> Vec<(f64, f64)>) -> Vec<Series> {
        self.scorers
            .iter()
            .map(|f| Series { name: f.scorer.clone(), points: points(f) })
            .filter(|s| !s.points.is_empty())
            .collect()
    }

    fn plots(&self, page: &mut String, first: &Figures) {
        page.push_str("<h2>Curves</h2>\n<div class=\"plots\">\n");
        let mut draw = |plot: Plot<'_>| {
            if !plot.series.is_empty() {
                let _ = writeln!(page, "<figure>{}</figure>", plot.draw());
            }
        };
        draw(Plot {
            title: "Precision and recall",
            x: "recall",
            y: "precision",
            most: (1.0, 1.0),
            diagonal: false,
            marks: false,
            series: self.series(|f| {
                let c = &f.curves.ranking;
                c.iter().map(|p| (p.recall, p.precision)).collect()
            }),
        });
        draw(Plot {
            title: "ROC",
            x: "false positives, share of the others",
            y: "recall",
            most: (1.0, 1.0),
            diagonal: true,
            marks: false,
            series: self.series(|f| {
                let c = &f.curves.ranking;
                let start = (!c.is_empty()).then_some((0.0, 0.0));
                start.into_iter().chain(c.iter().map(|p| (p.false_positive_rate, p.recall))).collect()
            }),
        });
        draw(Plot {
            title: "Reliability, bins of equal mass",
            x: "mean p",
            y: "share that is stalking",
            most: (1.0, 1.0),
            diagonal: true,
            marks: true,
            series: self.series(|f| {
                let c = &f.curves.reliability;
                c.iter().map(|b| (b.mean, b.rate)).collect()
            }),
        });
        let risk =
            self.scorers.iter().flat_map(|f| &f.curves.risk_coverage).map(|c| c.risk).fold(0.05, f64::max);
        draw(Plot {
            title: "Risk and coverage",
            x: "share of reports answered, surest first",
            y: "share of answers that is wrong",
            most: (1.0, risk),
            diagonal: false,
            marks: false,
            series: self.series(|f| {
                let c = &f.curves.risk_coverage;
                c.iter().map(|p| (p.coverage, p.risk)).collect()
            }),
        });
        let title = format!(
            "Work of {} records a day, {} % stalking",
            first.settings.records_a_day,
            (first.curves.sweep_prevalence * 1e4).round() / 1e2
        );
        draw(Plot {
            title: &title,
            x: "threshold of p",
            y: "records a day",
            most: (1.0, first.curves.sweep.iter().map(|s| s.raised_a_day).fold(1.0, f64::max)),
            diagonal: false,
            marks: false,
            series: {
                let line = |name: &str, get: fn(&super::figures::Sweep) -> f64| Series {
                    name: name.to_owned(),
                    points: first.curves.sweep.iter().map(|s| (s.threshold, get(s))).collect(),
                };
                let lines = vec![
                    line("raised", |s| s.raised_a_day),
                    line("raised rightly", |s| s.right_a_day),
                    line("missed", |s| s.missed_a_day),
                ];
                lines.into_iter().filter(|l| !l.points.is_empty()).collect()
            },
        });
        page.push_str("</div>\n");
        sweep_table(page, first);
        let bar = |name: &str, f: &Figure, pale: bool| Bar {
            name: name.to_owned(),
            value: f.value,
            low: f.low,
            high: f.high,
            note: format!("of {}", f.positives),
            pale,
        };
        let indicators: Vec<Bar> = first
            .indicators
            .iter()
            .filter_map(|i| Some(bar(i.name.name(), i.figures.get("f1")?, !i.in_mean)))
            .collect();
        if !indicators.is_empty() {
            page.push_str("<h2>Indicators, evidence and entities</h2>\n");
            let title = "F1 by indicator (outlined: too few to enter the mean)";
            let _ = writeln!(page, "<figure class=\"w\">{}</figure>", bars(title, &indicators));
        }
        let evidence: Vec<Bar> = first
            .figures
            .0
            .iter()
            .filter(|f| f.name.starts_with("evidence."))
            .map(|f| bar(f.name.trim_start_matches("evidence."), f, false))
            .collect();
        if !evidence.is_empty() {
            let drawn = bars("Evidence shown against evidence marked", &evidence);
            let _ = writeln!(page, "<figure class=\"w\">{drawn}</figure>");
        }
        let entities: Vec<Bar> = first
            .entities
            .iter()
            .chain(&first.entity_roles)
            .filter_map(|e| {
                let name = match &e.role {
                    Some(role) => format!("{}, {role}", e.kind),
                    None => e.kind.to_string(),
                };
                Some(bar(&name, e.f1.as_ref()?, false))
            })
            .collect();
        if !entities.is_empty() {
            let drawn = bars("F1 of entities by kind, then by kind and role", &entities);
            let _ = writeln!(page, "<figure class=\"w\">{drawn}</figure>");
        }
    }

    fn groups(&self, page: &mut String) {
        if self.subgroups.is_empty() {
            return;
        }
        page.push_str("<h2>Subgroups</h2>\n<p>Gap: the group minus all other reports. Groups of too few reports are not shown.</p>\n");
        for column in &self.subgroups {
            let _ = write!(page, "<h3>{}</h3>\n<table>\n", escape(&column.column));
            let groups: Vec<&Named> = column.groups.iter().map(|g| &g.figures).collect();
            let names = names(&groups);
            page.push_str("<tr><th>group</th><th>n</th><th>stalking</th>");
            for name in &names {
                let _ = write!(page, "<th>{}</th><th>gap</th>", escape(name));
            }
            page.push_str("</tr>\n");
            for group in &column.groups {
                let positives = group.positives.map_or("few".to_owned(), |p| p.to_string());
                let _ = write!(
                    page,
                    "<tr><th>{}</th><td>{}</td><td>{positives}</td>",
                    escape(&group.value),
                    group.n
                );
                for name in &names {
                    for list in [&group.figures, &group.gaps] {
                        let _ = write!(page, "<td>{}</td>", list.get(name).map_or("-".to_owned(), cell));
                    }
                }
                page.push_str("</tr>\n");
            }
            page.push_str("</table>\n");
            if column.suppressed > 0 || column.missing > 0 {
                let _ = writeln!(
                    page,
                    "<p>{} groups too small to show; {} reports without a value.</p>",
                    column.suppressed, column.missing
                );
            }
            for w in &column.widest {
                let _ = writeln!(
                    page,
                    "<p>Widest in {}: {} above {} by {:.3} [{:.3}, {:.3}].</p>",
                    escape(&w.figure),
                    escape(&w.highest),
                    escape(&w.lowest),
                    w.value,
                    w.low,
                    w.high
                );
            }
        }
    }

    fn changed_texts(&self, page: &mut String) {
        for (family, title, words) in [
            (
                Family::Counterfactual,
                "Counterfactual swaps",
                "Words that should not matter were swapped; p should stay where it is.",
            ),
            (Family::Robustness, "Robustness", "The text was made harder to read, cut short or lengthened."),
        ] {
            let of: Vec<&Probe> = self.probes.iter().filter(|p| p.family == family).collect();
            if of.is_empty() {
                continue;
            }
            let shown: Vec<&Named> = of.iter().filter_map(|p| p.after.as_ref()).collect();
            let names = names(&shown);
            let _ = write!(
                page,
                "<h2>{title}</h2>\n<p>{words}</p>\n<table>\n<tr><th>change</th><th>reports changed</th><th>mean shift of p</th><th>mean size</th><th>99th percentile</th><th>greatest</th><th>crossed the threshold</th><th>moved most</th>"
            );
            for name in &names {
                let _ = write!(page, "<th>{}: before</th><th>after</th>", escape(name));
            }
            page.push_str("</tr>\n");
            for probe in of {
                let ids: Vec<String> = probe.most.iter().map(|id| escape(id)).collect();
                let _ = write!(
                    page,
                    "<tr><th>{}</th><td>{}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td><td>{}</td><td>{}</td>",
                    escape(&probe.name),
                    probe.n,
                    probe.mean_shift + 0.0,
                    probe.mean_absolute,
                    probe.p99_absolute,
                    probe.max_absolute,
                    probe.crossed,
                    ids.join(" ")
                );
                for name in &names {
                    for list in [&probe.before, &probe.after] {
                        let figure = list.as_ref().and_then(|l| l.get(name));
                        let _ = write!(page, "<td>{}</td>", figure.map_or("-".to_owned(), cell));
                    }
                }
                page.push_str("</tr>\n");
            }
            page.push_str("</table>\n");
        }
    }

    fn comparison(&self, page: &mut String) {
        let Some(c) = &self.comparison else { return };
        let _ = write!(
            page,
            "<h2>{} minus {}</h2>\n<table>\n<tr><th>figure</th><th>difference</th><th>leaves out 0</th></tr>\n",
            escape(&c.scorer),
            escape(&c.against)
        );
        for f in &c.differences.0 {
            let apart = if f.low > 0.0 || f.high < 0.0 { "yes" } else { "" };
            let _ =
                writeln!(page, "<tr><th>{}</th><td>{}</td><td>{apart}</td></tr>", escape(&f.name), cell(f));
        }
        page.push_str("</table>\n");
        if c.changed.is_empty() {
            return;
        }
        page.push_str("<h3>Reports whose answer changed most</h3>\n<table>\n<tr><th>id</th><th>p</th><th>p of the other</th></tr>\n");
        for changed in &c.changed {
            let _ = writeln!(
                page,
                "<tr><th>{}</th><td>{:.3}</td><td>{:.3}</td></tr>",
                escape(&changed.id),
                changed.p,
                changed.other
            );
        }
        page.push_str("</table>\n");
    }

    fn mistakes(&self, page: &mut String) {
        for (title, list) in [
            ("Stalking that was ranked lowest", &self.missed),
            ("Other reports that were ranked highest", &self.raised_wrongly),
        ] {
            if list.is_empty() {
                continue;
            }
            let _ = write!(page, "<h2>{title}</h2>\n<table>\n<tr><th>id</th><th>grade</th><th>p</th></tr>\n");
            for m in list {
                let _ = writeln!(
                    page,
                    "<tr><th>{}</th><td>{}</td><td>{:.3}</td></tr>",
                    escape(&m.id),
                    m.grade,
                    m.p
                );
                if let Some(text) = &m.text {
                    let _ = writeln!(page, "<tr><td colspan=\"3\" class=\"x\">{}</td></tr>", escape(text));
                }
            }
            page.push_str("</table>\n");
        }
    }
}

fn figures_table(page: &mut String, title: &str, scorers: &[&str], lists: &[&Named]) {
    let names = names(lists);
    if names.is_empty() {
        return;
    }
    let _ =
        write!(page, "<h2>{}</h2>\n<table>\n<tr><th>figure</th><th>n</th><th>positives</th>", escape(title));
    for scorer in scorers {
        let _ = write!(page, "<th>{}</th>", escape(scorer));
    }
    page.push_str("</tr>\n");
    for name in names {
        let first = lists.iter().find_map(|l| l.get(name));
        let (n, positives) = first.map_or((0, 0), |f| (f.n, f.positives));
        let _ = write!(page, "<tr><th>{}</th><td>{n}</td><td>{positives}</td>", escape(name));
        for list in lists {
            let _ = write!(page, "<td>{}</td>", list.get(name).map_or("-".to_owned(), cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

fn sweep_table(page: &mut String, first: &Figures) {
    if first.curves.sweep.is_empty() {
        return;
    }
    page.push_str("<table>\n<tr><th>threshold</th><th>recall</th><th>recall of likely</th><th>false positives</th><th>precision</th><th>raised a day</th><th>of them right</th><th>missed a day</th></tr>\n");
    for s in &first.curves.sweep {
        let _ = writeln!(
            page,
            "<tr><th>{:.2}</th><td>{:.3}</td><td>{:.3}</td><td>{:.3}</td><td>{:.3}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td></tr>",
            s.threshold,
            s.recall,
            s.recall_of_likely,
            s.false_positive_rate,
            s.precision,
            s.raised_a_day,
            s.right_a_day,
            s.missed_a_day
        );
    }
    page.push_str("</table>\n");
}

fn confusion(page: &mut String, first: &Figures) {
    if first.confusion.is_empty() {
        return;
    }
    page.push_str("<h2>Grades</h2>\n<table>\n<tr><th>graded</th>");
    for grade in Grade::ALL {
        let _ = write!(page, "<th>answered {grade}</th>");
    }
    page.push_str("</tr>\n");
    for row in &first.confusion {
        let total: usize = row.answered.iter().sum();
        let _ = write!(page, "<tr><th>{}</th>", row.truth);
        for (i, &n) in row.answered.iter().enumerate() {
            let share = if total > 0 {
                format!(" ({:.0} %)", 100.0 * n as f64 / total as f64)
            } else {
                String::new()
            };
            let class = if i == row.truth.index() { " class=\"r\"" } else { "" };
            let _ = write!(page, "<td{class}>{n}{share}</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

/// Head of the page. Nothing is loaded from anywhere.
const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Evaluation</title>\n<style>
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 0; }
main { max-width: 1100px; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: 2px 9px; border-bottom: 1px solid #ccc; text-align: left; white-space: nowrap; }
tr:first-child th { border-bottom: 2px solid #111; vertical-align: bottom; }
td.r { font-weight: bold; } td.x { white-space: pre-wrap; max-width: 60rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 460px; max-width: 100%; } figure.w { width: 720px; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: #111; }
svg .t { font-weight: bold; font-size: 13px; } svg .e { text-anchor: end; } svg .m { text-anchor: middle; }
svg .g { stroke: #ddd; fill: none; } svg .d { stroke: #999; stroke-dasharray: 4 4; fill: none; }
svg .l { fill: none; stroke-width: 2; } svg .i { stroke: #111; stroke-width: 2; fill: none; }
svg .b { fill: #9db8d6; } svg .p { fill: #fff; stroke: #9db8d6; }
@media print { main { max-width: none; } table { display: table; } }
</style></head><main>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::toy::{self, Constant, Oracle, Shuffled};

    fn settings() -> Settings {
        Settings { resamples: 30, prevalence: Some(0.02), ..Settings::default() }
    }

    fn run(with_texts: bool) -> Evaluation {
        let dataset = toy::dataset(120, 1);
        let rows = Rows::of(&dataset).unwrap();
        let extent = Extent { with_texts, probes: 40, ..Extent::default() };
        evaluate(
            &[&Shuffled::new(&dataset, 1), &Constant],
            Some(&Oracle::new(&dataset)),
            &rows,
            &settings(),
            &extent,
        )
        .unwrap()
    }

    #[test]
    fn the_page_has_every_part_and_no_text() {
        let evaluation = run(false);
        let page = evaluation.to_html();
        for part in [
            "Evaluation of shuffled",
            "Precision and recall",
            "ROC",
            "Reliability",
            "Risk and coverage",
            "records a day",
            "F1 by indicator",
            "Evidence shown",
            "F1 of entities",
            "answered possible",
            "Subgroups",
            "Counterfactual swaps",
            "Robustness",
            "shuffled minus oracle",
            "ranked lowest",
            "At a prevalence of 2 %",
        ] {
            assert!(page.contains(part), "{part}");
        }
        for wrong in ["NaN", "inf,", "<script", "http", "Dan and Priya"] {
            assert!(!page.contains(wrong), "{wrong}");
        }
        let json = evaluation.to_json();
        assert!(!json.contains("Dan and Priya") && !json.contains("null"));
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        // The probes put names in; none of them reaches a file.
        assert!(!page.contains("Priya") && !json.contains("Priya"));
    }

    #[test]
    fn texts_are_written_where_asked_for_and_never_to_json() {
        let evaluation = run(true);
        assert!(evaluation.to_html().contains("Dan and Priya"));
        assert!(!evaluation.to_json().contains("Dan and Priya"));
    }

    #[test]
    fn two_runs_write_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| {
            run(false).write(&folder.path().join(name)).unwrap();
            let file = |f: &str| std::fs::read(folder.path().join(name).join(f)).unwrap();
            (file("metrics.json"), file("report.html"))
        };
        assert_eq!(read("a"), read("b"));
    }

    #[test]
    fn poor_data_gives_a_page_too() {
        let mut dataset = toy::dataset(12, 1);
        dataset.examples.iter_mut().for_each(|e| e.labels = None);
        let rows = Rows::of(&dataset).unwrap();
        let run = |extent: &Extent| evaluate(&[&Constant], None, &rows, &settings(), extent).unwrap();
        let evaluation = run(&Extent::default());
        assert!(evaluation.to_html().contains("none of the 12 reports has labels"));
        assert!(!evaluation.to_html().contains("NaN"));
        let none = evaluate(&[], None, &rows, &settings(), &Extent::default()).unwrap();
        assert!(none.to_html().ends_with("</html>\n"));
    }
}
