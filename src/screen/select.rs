//! Which reports of an export are screened at all.

use serde::{Deserialize, Serialize};

use crate::report::{Report, dates};

/// Words of outcomes that say that a report is still being worked on. A pick
/// list differs from force to force; a date of closing goes before it.
const OPEN: [&str; 14] = [
    "open",
    "ongoing",
    "pending",
    "live",
    "active",
    "awaiting",
    "under investigation",
    "released under investigation",
    "in progress",
    "not yet",
    "arrest",
    "arrested",
    "bail",
    "bailed",
];

/// The choice of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Only reports that are closed: with a date of closing, or with an outcome
    /// that is none of work that goes on.
    pub closed_only: bool,
    /// Only reports whose recorded class has the words of one of these.
    pub recorded_as: Vec<String>,
    /// Only reports taken down on or after this day (`2023-04-17`). A report
    /// without a date is screened all the same.
    pub since: Option<String>,
}

/// Words in small letters with single spaces around.
fn words(text: &str) -> String {
    let kept: String =
        text.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    format!(" {} ", kept.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a report counts as closed.
pub fn is_closed(report: &Report) -> bool {
    report.closed_at.is_some()
        || report.outcome.as_deref().is_some_and(|outcome| {
            let outcome = words(outcome);
            !OPEN.iter().any(|open| outcome.contains(&format!(" {open} ")))
        })
}

impl Selection {
    /// Why a report is not screened, if it is not.
    pub fn leaves_out(&self, report: &Report) -> Option<&'static str> {
        if self.closed_only && !is_closed(report) {
            return Some("not closed");
        }
        if !self.recorded_as.is_empty() {
            let class = words(report.recorded_as.as_deref().unwrap_or_default());
            if !self.recorded_as.iter().any(|wanted| class.contains(&words(wanted))) {
                return Some("recorded as another class");
            }
        }
        if let (Some(since), Some(date)) = (&self.since, report.reported_at.or(report.occurred_from))
            && dates::write_date(date.date()) < *since
        {
            return Some("before the first day");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: Option<&str>, class: Option<&str>, date: Option<&str>) -> Report {
        Report {
            outcome: outcome.map(str::to_owned),
            recorded_as: class.map(str::to_owned),
            reported_at: date.map(|d| dates::parse(d).unwrap()),
            ..Report::new("R1", "text")
        }
    }

    #[test]
    fn closed_is_told_by_the_date_or_the_outcome() {
        for (outcome, closed) in [
            (Some("no further action"), true),
            (Some("Filed, no lines of enquiry"), true),
            (Some("caution"), true),
            (Some("OPEN"), false),
            (Some("Under Investigation"), false),
            (Some("bail with conditions"), false),
            (None, false),
        ] {
            assert_eq!(is_closed(&report(outcome, None, None)), closed, "{outcome:?}");
        }
        let mut dated = report(Some("open"), None, None);
        dated.closed_at = dates::parse("2023-04-17").ok();
        assert!(is_closed(&dated));
    }

    #[test]
    fn each_choice_leaves_out_what_it_should() {
        let all = Selection::default();
        assert_eq!(all.leaves_out(&report(None, None, None)), None);
        let chosen = Selection {
            closed_only: true,
            recorded_as: vec!["harassment".into(), "8L".into()],
            since: Some("2023-04-17".into()),
        };
        let nfa = Some("no further action");
        assert_eq!(chosen.leaves_out(&report(nfa, Some("8l Other"), Some("2023-04-17"))), None);
        assert_eq!(chosen.leaves_out(&report(nfa, Some("Harassment (s.2)"), None)), None);
        assert!(chosen.leaves_out(&report(nfa, Some("theft"), None)).is_some());
        assert!(chosen.leaves_out(&report(nfa, None, None)).is_some());
        assert!(chosen.leaves_out(&report(nfa, Some("8L"), Some("2023-04-16"))).is_some());
        assert!(chosen.leaves_out(&report(Some("open"), Some("8L"), None)).is_some());
    }
}
