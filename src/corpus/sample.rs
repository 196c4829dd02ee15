//! Reports picked by a seed, for a reader who wants to judge them at a glance.

use std::fmt::Write;

use super::{Dataset, Example};
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use crate::text::slice_chars;

/// `n` reports as Markdown, in the order of the data: plain text in a block,
/// labels, and the words that are marked as evidence. The same dataset, `n` and
/// `seed` give the same bytes.
///
/// # Errors
///
/// [`ErrorKind::Arguments`] when `n` is 0 or more than there are reports.
pub fn markdown(dataset: &Dataset, n: usize, seed: u64) -> Result<String> {
    let all = &dataset.examples;
    if n == 0 || n > all.len() {
        return Err(Error::new(
            ErrorKind::Arguments,
            format!("a sample of {n} asked for: 1 to {} are possible", all.len()),
        ));
    }
    let mut places: Vec<usize> = (0..all.len()).collect();
    Rng::new(seed, "sample of reports").shuffle(&mut places);
    places.truncate(n);
    places.sort_unstable();
    let mut out = format!("# {n} of {} reports, picked by seed {seed}\n", all.len());
    for place in places {
        // Writing to a string cannot fail.
        let _ = report_to(&mut out, &all[place]);
    }
    Ok(out)
}

fn report_to(out: &mut String, example: &Example) -> std::fmt::Result {
    let Example { report, labels, spans, meta, case, .. } = example;
    writeln!(out, "\n## {}\n", report.id)?;
    let date = report.reported_at.map(crate::report::dates::write);
    let head: Vec<&str> = [
        date.as_deref(),
        report.force.as_deref(),
        report.channel.as_deref(),
        report.recorded_as.as_deref(),
        report.outcome.as_deref(),
        meta.kind.as_deref(),
        case.as_deref(),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !head.is_empty() {
        writeln!(out, "{}\n", head.join(" | "))?;
    }
    let fence = fence(&report.text);
    writeln!(out, "{fence}text\n{}\n{fence}", report.text)?;
    let Some(labels) = labels else { return writeln!(out, "\nwithout labels") };
    let harm = if labels.serious_harm { ", serious harm" } else { "" };
    writeln!(out, "\n**{}**{harm}, {}", labels.stalking, labels.relationship)?;
    for (list, denied, word) in [(&labels.found, false, ""), (&labels.denied, true, ", denied")] {
        for indicator in list {
            let shown: Vec<String> = spans
                .iter()
                .filter(|span| span.label == *indicator && span.denied == denied)
                .map(|span| {
                    let words = slice_chars(&report.text, span.start, span.end);
                    format!("“{}”", words.split_whitespace().collect::<Vec<_>>().join(" "))
                })
                .collect();
            let shown = if shown.is_empty() { "(the whole text)".to_owned() } else { shown.join("; ") };
            writeln!(out, "- `{indicator}`{word}: {shown}")?;
        }
    }
    Ok(())
}

/// A fence longer than any run of back-ticks in a text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Dataset {
        let example = |n: usize| {
            let mut example = Example::default();
            example.report.id = format!("R{n}");
            example.report.text = format!("Text {n} with ```` in it");
            example
        };
        Dataset { examples: (0..9).map(example).collect() }
    }

    #[test]
    fn a_sample_repeats_and_is_fenced() {
        let first = markdown(&dataset(), 3, 1).unwrap();
        assert_eq!(first, markdown(&dataset(), 3, 1).unwrap());
        assert_ne!(first, markdown(&dataset(), 3, 2).unwrap());
        assert_eq!(first.matches("`````text").count(), 3);
    }

    #[test]
    fn more_than_there_are_is_refused() {
        for n in [0, 10] {
            assert_eq!(markdown(&dataset(), n, 1).unwrap_err().kind(), ErrorKind::Arguments);
        }
    }
}
