//! The model as a scorer.

use super::{Scorer, Scores};
use crate::assess::{Assessor, IndicatorState};
use crate::corpus::{EntitySpan, Span};
use crate::error::Result;
use crate::report::Report;

/// A model under the name that its figures stand by.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    name: &'a str,
    assessor: &'a Assessor,
}

impl<'a> Model<'a> {
    /// An assessor as a scorer.
    pub fn new(name: &'a str, assessor: &'a Assessor) -> Self {
        Self { name, assessor }
    }
}

impl Scorer for Model<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
        let reports: Vec<Report> =
            texts.iter().enumerate().map(|(i, text)| Report::new(i.to_string(), *text)).collect();
        let answers = self.assessor.assess_in_full(&reports)?;
        Ok(answers
            .into_iter()
            .map(|(a, p)| Scores {
                grades: [a.stalking.none, a.stalking.possible, a.stalking.likely],
                found: p.found,
                denied: p.denied,
                states: a.indicators.iter().map(|i| i.state).collect(),
                harm: a.serious_harm.p,
                harm_found: a.serious_harm.state == IndicatorState::Found,
                relationship: p.relationship,
                evidence: a
                    .indicators
                    .iter()
                    .flat_map(|i| {
                        let denied = i.state == IndicatorState::Denied;
                        i.evidence.iter().map(move |e| Span {
                            start: e.start,
                            end: e.end,
                            label: i.name,
                            denied,
                        })
                    })
                    .collect(),
                entities: a
                    .entities
                    .iter()
                    .map(|e| EntitySpan { start: e.start, end: e.end, kind: e.kind, role: e.role })
                    .collect(),
                state: Some(a.state),
            })
            .collect())
    }
}
