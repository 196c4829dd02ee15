//! Figures as a table of plain text, scorers side by side.

use super::Figures;
use super::compare::Comparison;
use super::figures::{Figure, Named};

/// A figure and its interval: `0.934 [0.910, 0.955]`.
pub(crate) fn cell(figure: &Figure) -> String {
    // Adding 0 keeps a rounded −0.000 from looking negative.
    let r = |x: f64| {
        let x = (x * 1000.0).round() / 1000.0 + 0.0;
        format!("{x:.3}")
    };
    format!("{} [{}, {}]", r(figure.value), r(figure.low), r(figure.high))
}

/// The columns padded to one width each, two spaces between.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&width).map(|(cell, &w)| format!("{cell:<w$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The names that any of the lists has, in their order.
pub(crate) fn names<'a>(lists: &[&'a Named]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for list in lists {
        for figure in &list.0 {
            if !names.contains(&&*figure.name) {
                names.push(&figure.name);
            }
        }
    }
    names
}

fn section(title: &str, scorers: &[&str], lists: &[&Named]) -> String {
    let names = names(lists);
    if names.is_empty() {
        return String::new();
    }
    let mut rows = vec![vec![title.to_owned(), "n".to_owned(), "positives".to_owned()]];
    rows[0].extend(scorers.iter().map(|s| (*s).to_owned()));
    for name in names {
        let of: Vec<Option<&Figure>> = lists.iter().map(|l| l.get(name)).collect();
        let first = of.iter().flatten().next();
        let count = |get: fn(&Figure) -> usize| first.map_or(String::new(), |f| get(f).to_string());
        let mut row = vec![name.to_owned(), count(|f| f.n), count(|f| f.positives)];
        row.extend(of.iter().map(|f| f.map_or("-".to_owned(), cell)));
        rows.push(row);
    }
    aligned(&rows)
}

/// All figures of some scorers on the same rows, each with its 95 % interval:
/// pooled, within authors, at the stated prevalence and by indicator; then the
/// notes.
pub fn table(figures: &[&Figures]) -> String {
    let Some(first) = figures.first() else {
        return String::new();
    };
    let scorers: Vec<&str> = figures.iter().map(|f| &*f.scorer).collect();
    let d = &first.data;
    let mut parts = vec![format!(
        "{} reports in {} groups, {} authors; {} labelled: {} none, {} possible, {} likely\n",
        d.reports, d.groups, d.authors, d.labelled, d.none, d.possible, d.likely
    )];
    let all = |get: fn(&Figures) -> &Named| figures.iter().map(|f| get(f)).collect::<Vec<_>>();
    parts.push(section("all rows", &scorers, &all(|f| &f.figures)));
    parts.push(section("within authors", &scorers, &all(|f| &f.within_authors)));
    let at: Vec<&Named> = figures.iter().filter_map(|f| f.at_prevalence.as_ref()).collect();
    if let Some(prevalence) = first.settings.prevalence
        && at.len() == figures.len()
    {
        let title = format!("at a prevalence of {} %", prevalence * 100.0);
        parts.push(section(&title, &scorers, &at));
    }
    let by_indicator: Vec<Named> = figures
        .iter()
        .map(|f| {
            let of = f.indicators.iter().filter_map(|i| {
                let mut figure = i.figures.get("f1")?.clone();
                let mark = if i.in_mean { "" } else { " (not in mean)" };
                figure.name = format!("{}{mark}", i.name);
                Some(figure)
            });
            Named(of.collect())
        })
        .collect();
    parts.push(section("F1 by indicator", &scorers, &by_indicator.iter().collect::<Vec<_>>()));
    let mut notes: Vec<&str> = Vec::new();
    for note in figures.iter().flat_map(|f| &f.notes) {
        if !notes.contains(&&**note) {
            notes.push(note);
        }
    }
    if !notes.is_empty() {
        parts.push(notes.iter().map(|n| format!("note: {n}\n")).collect());
    }
    parts.retain(|p| !p.is_empty());
    parts.join("\n")
}

/// Paired differences, and the reports whose answer changed most.
pub fn comparison(comparison: &Comparison) -> String {
    let title = format!("{} minus {}", comparison.scorer, comparison.against);
    let mut rows = vec![vec![title, "difference".to_owned(), String::new()]];
    for figure in &comparison.differences.0 {
        let apart = figure.low > 0.0 || figure.high < 0.0;
        rows.push(vec![
            figure.name.clone(),
            cell(figure),
            if apart { "*".to_owned() } else { String::new() },
        ]);
    }
    let mut text = aligned(&rows);
    text.push_str("* the interval leaves out 0\n");
    let share = 100.0 * comparison.states_differ as f64 / comparison.reports.max(1) as f64;
    text.push_str(&format!(
        "states that differ: {} of {} ({share:.2} %)\n",
        comparison.states_differ, comparison.reports
    ));
    if !comparison.changed.is_empty() {
        let mut rows =
            vec![vec!["changed most".to_owned(), comparison.scorer.clone(), comparison.against.clone()]];
        for changed in &comparison.changed {
            rows.push(vec![changed.id.clone(), format!("{:.3}", changed.p), format!("{:.3}", changed.other)]);
        }
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::toy::{self, Constant, Oracle};
    use crate::evaluate::{Rows, Settings, figures};

    #[test]
    fn scorers_stand_side_by_side() {
        let dataset = toy::dataset(100, 1);
        let rows = Rows::of(&dataset).unwrap();
        let settings = Settings { resamples: 20, prevalence: Some(0.02), ..Settings::default() };
        let oracle = figures(&Oracle::new(&dataset), &rows, &settings).unwrap();
        let constant = figures(&Constant, &rows, &settings).unwrap();
        let text = table(&[&oracle, &constant]);
        let line = text.lines().find(|l| l.starts_with("stalking.auroc")).unwrap();
        assert!(line.contains("1.000 [1.000, 1.000]") && line.contains("0.500 ["), "{line}");
        assert!(text.contains("at a prevalence of 2 %") && text.contains("within authors"));
        let evidence = text.lines().find(|l| l.starts_with("evidence.iou")).unwrap();
        assert!(evidence.ends_with('-'), "{evidence}");
        assert!(!text.contains("NaN") && !text.contains("-0.000"));
        assert_eq!(table(&[]), "");
    }
}
