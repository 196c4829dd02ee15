//! Invented reports and scorers for tests: an oracle, one that knows nothing
//! and one whose answers are shuffled.

use std::collections::BTreeMap;

use super::{IndicatorState, ReportState, Scorer, Scores};
use crate::codebook::{EntityKind, Grade, Indicator, Relationship, Role};
use crate::corpus::{Dataset, EntitySpan, Example, Labels, Meta, Span};
use crate::error::Result;
use crate::report::Report;
use crate::rng::Rng;

/// `n` reports by four authors, about half of them stalking, every text its
/// own.
pub(crate) fn dataset(n: usize, seed: u64) -> Dataset {
    let mut rng = Rng::new(seed, "toy");
    let examples = (0..n).map(|i| {
        let grade = match rng.below(4) {
            0 | 1 => Grade::None,
            2 => Grade::Possible,
            _ => Grade::Likely,
        };
        let mut text = format!("Report {i}. Dan and Priya. ");
        let mut entities: Vec<EntitySpan> = [("Dan", Role::Suspect), ("Priya", Role::Victim)]
            .into_iter()
            .filter_map(|(name, role)| {
                let start = text.find(name)?;
                Some(EntitySpan {
                    start,
                    end: start + name.len(),
                    kind: EntityKind::Person,
                    role: Some(role),
                })
            })
            .collect();
        let phone = text.len();
        text.push_str("07700 900123. ");
        entities.push(EntitySpan { start: phone, end: phone + 12, kind: EntityKind::Phone, role: None });
        let (mut found, mut denied, mut spans) = (Vec::new(), Vec::new(), Vec::new());
        for &indicator in &Indicator::ALL[..12] {
            let is_denied = match rng.below(5) {
                0 | 1 => false,
                2 => true,
                _ => continue,
            };
            let start = text.len();
            let words = if grade == Grade::None { "a" } else { "the" };
            text.push_str(&format!("{words} {indicator} "));
            spans.push(Span { start, end: text.len() - 1, label: indicator, denied: is_denied });
            if is_denied {
                denied.push(indicator);
            } else {
                found.push(indicator);
            }
        }
        let pick = |rng: &mut Rng, values: &[&str]| Some(values[rng.below(values.len())].to_owned());
        let kind = match grade {
            Grade::None => pick(&mut rng, &["hard_negative", "ordinary"]),
            _ => Some("course".to_owned()),
        };
        Example {
            report: Report {
                channel: pick(&mut rng, &["999", "101", "online"]),
                force: pick(&mut rng, &["Northshire", "Southshire"]),
                ..Report::new(format!("R{i:04}"), text)
            },
            case: (i % 3 == 0).then(|| format!("C{:03}", i / 6)),
            labels: Some(Labels {
                stalking: grade,
                found,
                denied,
                serious_harm: rng.below(5) == 0,
                relationship: Relationship::ALL[rng.below(3)],
            }),
            spans,
            entities,
            meta: Meta {
                author: Some(format!("A{}", i % 4)),
                kind,
                sex_victim: pick(&mut rng, &["f", "m"]),
                ..Meta::default()
            },
            ..Example::default()
        }
    });
    Dataset { examples: examples.collect() }
}

/// The right answer to an example.
fn truth(example: &Example) -> Scores {
    let mut scores = Scores::nothing();
    let Some(labels) = &example.labels else {
        return scores;
    };
    scores.grades = [0.0; 3];
    scores.grades[labels.stalking.index()] = 1.0;
    for &i in &labels.found {
        scores.found[i.index()] = 1.0;
        scores.states[i.index()] = IndicatorState::Found;
    }
    for &i in &labels.denied {
        scores.denied[i.index()] = 1.0;
        scores.states[i.index()] = IndicatorState::Denied;
    }
    scores.harm = f64::from(u8::from(labels.serious_harm));
    scores.harm_found = labels.serious_harm;
    scores.relationship = vec![0.0; Relationship::ALL.len()];
    scores.relationship[labels.relationship.index()] = 1.0;
    scores.evidence = example.spans.clone();
    scores.entities = example.entities.clone();
    scores.state = Some(ReportState::of(labels.stalking));
    scores
}

/// Knows the labels of each text.
pub(crate) struct Oracle(BTreeMap<String, Scores>);

impl Oracle {
    pub(crate) fn new(dataset: &Dataset) -> Self {
        let answers = dataset.examples.iter().map(|e| (e.report.text.clone(), truth(e)));
        Self(answers.collect())
    }
}

impl Scorer for Oracle {
    fn name(&self) -> &str {
        "oracle"
    }

    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
        let answer = |text: &&str| self.0.get(*text).cloned().unwrap_or_else(Scores::nothing);
        Ok(texts.iter().map(answer).collect())
    }
}

/// Gives each text the labels of another one.
pub(crate) struct Shuffled(BTreeMap<String, Scores>);

impl Shuffled {
    pub(crate) fn new(dataset: &Dataset, seed: u64) -> Self {
        let mut rng = Rng::new(seed, "shuffled scorer");
        let mut answers: Vec<Scores> = dataset.examples.iter().map(truth).collect();
        for answer in &mut answers {
            // Every text has a p of its own, on the side of its grade.
            let (none, yes) = (answer.grades[0], 0.5 * rng.unit());
            answer.grades = if none > 0.5 {
                [1.0 - yes, yes / 2.0, yes / 2.0]
            } else {
                [yes, 0.4 * (1.0 - yes), 0.6 * (1.0 - yes)]
            };
        }
        rng.shuffle(&mut answers);
        let texts = dataset.examples.iter().map(|e| e.report.text.clone());
        Self(texts.zip(answers).collect())
    }
}

impl Scorer for Shuffled {
    fn name(&self) -> &str {
        "shuffled"
    }

    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
        let answer = |text: &&str| self.0.get(*text).cloned().unwrap_or_else(Scores::nothing);
        Ok(texts.iter().map(answer).collect())
    }
}

/// Says the same of every text.
pub(crate) struct Constant;

impl Scorer for Constant {
    fn name(&self) -> &str {
        "constant"
    }

    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
        Ok(vec![Scores::nothing(); texts.len()])
    }
}
