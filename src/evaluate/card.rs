//! Figures on cards: tables in Markdown that are filled from `metrics.json`,
//! so that no number on a card was typed.
//!
//! A card holds blocks between `<!-- figures: NAME -->` and `<!-- end -->`;
//! `NAME` is a folder of reports beside the model, such as `test`. What stands
//! between is replaced, the rest is left alone.

use std::fmt::Write;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// Figures that a card shows, by part and name, in order, in plain words.
const SHOWN: [(&str, &str, &str); 12] = [
    ("figures", "stalking.average_precision", "stalking (`possible` or `likely`): average precision"),
    ("within_authors", "stalking.average_precision", "the same within authors, mean"),
    ("figures", "stalking.average_precision_hard", "the same against hard negatives alone"),
    ("figures", "stalking.recall_of_likely_at_90_precision", "recall of `likely` at 90 % precision"),
    ("figures", "indicators.macro_f1", "indicators: macro F1"),
    ("figures", "serious_harm.recall_at_80_precision", "serious-harm evidence: recall at 80 % precision"),
    ("figures", "stalking.ece", "calibration error (ECE)"),
    ("figures", "state.review_share_of_none", "share of `none` that is flagged `review`"),
    ("figures", "state.nothing_found_npv", "share of `nothing_found` that is `none`"),
    ("figures", "relationship.accuracy", "relationship: accuracy"),
    ("figures", "entities.f1", "entities: F1"),
    ("figures", "evidence.token_f1", "evidence: F1 of tokens"),
];

/// The table of one evaluation, `metrics` being its `metrics.json`: a line of
/// what it was measured on, then figures with 95 % intervals for each scorer.
///
/// # Errors
///
/// When the file is not of the form that `evaluate` writes.
pub fn table(metrics: &Value) -> Result<String> {
    let bad = || Error::new(ErrorKind::Data, "this is no metrics.json of `throughline evaluate`");
    let scorers = metrics["scorers"].as_array().filter(|s| !s.is_empty()).ok_or_else(bad)?;
    let data = &scorers[0]["data"];
    let count = |name: &str| data[name].as_u64().ok_or_else(bad);
    let mut text = format!(
        "{} reports in {} groups: {} none, {} possible, {} likely\n\n|",
        count("reports")?,
        count("groups")?,
        count("none")?,
        count("possible")?,
        count("likely")?,
    );
    // Writing to a string cannot fail.
    for scorer in scorers {
        let _ = write!(text, " | {}", scorer["scorer"].as_str().ok_or_else(bad)?);
    }
    let _ = writeln!(text, " |\n|{}", " --- |".repeat(scorers.len() + 1));
    for (part, name, words) in SHOWN {
        let cells: Vec<String> = scorers.iter().map(|scorer| cell(&scorer[part][name])).collect();
        if cells.iter().any(|cell| cell != "-") {
            let _ = writeln!(text, "| {words} | {} |", cells.join(" | "));
        }
    }
    Ok(text)
}

fn cell(figure: &Value) -> String {
    let part = |name: &str| figure[name].as_f64();
    match (part("value"), part("low"), part("high")) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        _ => "-".into(),
    }
}

/// `card` with each block of figures filled; `metrics` gives the `metrics.json`
/// of a block by its name.
///
/// # Errors
///
/// When a block does not end, or its figures cannot be read.
pub fn fill(card: &str, metrics: impl Fn(&str) -> Result<Value>) -> Result<String> {
    const BEGIN: &str = "<!-- figures: ";
    const END: &str = "<!-- end -->";
    let mut filled = String::new();
    let mut rest = card;
    while let Some(start) = rest.find(BEGIN) {
        let (before, block) = rest.split_at(start);
        let inside = &block[BEGIN.len()..];
        let (name, after) = inside.split_once(" -->").ok_or_else(|| unfinished(inside))?;
        let (_, after) = after.split_once(END).ok_or_else(|| unfinished(name))?;
        let table = table(&metrics(name)?)?;
        let _ = write!(filled, "{before}{BEGIN}{name} -->\n{table}{END}");
        rest = after;
    }
    filled += rest;
    Ok(filled)
}

fn unfinished(name: &str) -> Error {
    let name: String = name.chars().take(40).collect();
    Error::new(ErrorKind::Data, format!("the block of figures `{name}` does not end"))
        .hint("end it with a line `<!-- end -->`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metrics() -> Value {
        let figure = json!({"value": 0.5, "low": 0.25, "high": 0.75, "n": 4, "positives": 2});
        json!({"scorers": [
            {"scorer": "ours 1", "data": {"reports": 4, "groups": 3, "none": 2, "possible": 1, "likely": 1},
             "figures": {"stalking.ece": figure, "entities.f1": figure}, "within_authors": {}},
            {"scorer": "theirs", "data": {}, "figures": {"stalking.ece": figure}, "within_authors": {}},
        ]})
    }

    #[test]
    fn blocks_are_filled_and_the_rest_is_left_alone() {
        let card = "# A\n<!-- figures: test -->\nold\n<!-- end -->\nB\n";
        let filled = fill(card, |name| {
            assert_eq!(name, "test");
            Ok(metrics())
        })
        .unwrap();
        assert_eq!(
            filled,
            "# A\n<!-- figures: test -->\n4 reports in 3 groups: 2 none, 1 possible, 1 likely\n\n\
             | | ours 1 | theirs |\n| --- | --- | --- |\n\
             | calibration error (ECE) | 0.500 [0.250, 0.750] | 0.500 [0.250, 0.750] |\n\
             | entities: F1 | 0.500 [0.250, 0.750] | - |\n<!-- end -->\nB\n"
        );
        // Filled again, it stays as it is.
        assert_eq!(fill(&filled, |_| Ok(metrics())).unwrap(), filled);
        assert_eq!(fill("no block", |_| Ok(metrics())).unwrap(), "no block");
    }

    #[test]
    fn a_block_that_does_not_end_and_another_file_are_refused() {
        assert!(fill("<!-- figures: test -->\nold", |_| Ok(metrics())).is_err());
        assert!(fill("<!-- figures: te", |_| Ok(metrics())).is_err());
        assert!(table(&json!({"a": 1})).is_err());
        assert!(table(&json!({"scorers": []})).is_err());
    }
}
