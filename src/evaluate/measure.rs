//! The named figures as functions of row weights.
//!
//! A [`Measure`] is one figure of one scorer on a selection of rows, ready for
//! any weights: its value on all rows, on a bootstrap resample and at a stated
//! prevalence are three calls of one function. Definitions are in the
//! documentation of [`measures`].

use std::collections::BTreeMap;

use super::metrics::overlap::words;
use super::metrics::tally::share;
use super::metrics::{Calibration, Marks, Ranking, Tally, agreement, token_marks};
use super::{IndicatorState, ReportState, Rows, Scores, Settings};
use crate::codebook::{EntityKind, Grade, Indicator, Relationship, Role};

/// A figure as a function of weights, one for each row of the dataset.
pub type Compute<'a> = Box<dyn Fn(&[f64]) -> Option<f64> + Send + Sync + 'a>;

/// One named figure of one scorer on some rows.
pub struct Measure<'a> {
    /// Its name, `group.figure`.
    pub name: String,
    /// Rows that it is over.
    pub n: usize,
    /// Rows among them that are to be found.
    pub positives: usize,
    /// The threshold that it was read at, where it searched for one.
    pub threshold: Option<f64>,
    /// Its value for weights of the rows; `None` where it does not exist.
    pub compute: Compute<'a>,
}

impl std::fmt::Debug for Measure<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Measure({}, n {}, {} positives)", self.name, self.n, self.positives)
    }
}

/// Rows with a scorer's answers: what every measure looks at.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The rows.
    pub rows: &'a Rows<'a>,
    /// One answer for each row.
    pub scores: &'a [Scores],
    /// Threshold and least number of positives.
    pub settings: &'a Settings,
}

/// A yes-or-no question over rows: place, answer, truth.
type Answered = Vec<(usize, bool, bool)>;

fn tally(rows: &Answered, weights: &[f64]) -> Tally {
    let mut tally = Tally::default();
    for &(row, answer, truth) in rows {
        tally.add(answer, truth, weights[row]);
    }
    tally
}

/// The mean of the figures that exist.
fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, n) = values.into_iter().flatten().fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

/// Marked and answered things of one kind in one row.
#[derive(Clone, Copy, Debug)]
struct Found {
    row: usize,
    marks: Marks,
}

fn micro_f1(found: &[Found], weights: &[f64]) -> Option<f64> {
    let mut sum = Marks::default();
    for f in found {
        sum.add(&f.marks, weights[f.row]);
    }
    sum.f1()
}

impl<'a> Judged<'a> {
    /// Rows of `selection` that have labels.
    pub fn labelled(&self, selection: &[usize]) -> Vec<usize> {
        selection.iter().copied().filter(|&r| self.rows.labels(r).is_some()).collect()
    }

    /// `stalking.p` and whether the row is correct, for labelled rows.
    pub fn stalking(&self, selection: &[usize]) -> Vec<(usize, f64, bool)> {
        selection.iter().filter_map(|&r| Some((r, self.scores[r].p(), self.rows.positive(r)?))).collect()
    }

    fn is_grade(&self, row: usize, grade: Grade) -> bool {
        self.rows.labels(row).is_some_and(|l| l.stalking == grade)
    }

    /// For each labelled row, whether the state `found` (or `denied`) is
    /// answered and is the label.
    pub fn state(
        &self,
        selection: &[usize],
        indicator: Indicator,
        state: IndicatorState,
    ) -> Vec<(usize, bool, bool)> {
        selection
            .iter()
            .filter_map(|&r| {
                let truth = true_state(self.rows.labels(r)?, indicator);
                let answer = self.scores[r].states[indicator.index()];
                Some((r, answer == state, truth == state))
            })
            .collect()
    }

    /// Indicator states with enough positives to enter a mean.
    fn states_in_mean(&self, rows: &[usize], states: &[IndicatorState]) -> Vec<Answered> {
        Indicator::ALL
            .iter()
            .flat_map(|&i| states.iter().map(move |&s| (i, s)))
            .map(|(i, s)| self.state(rows, i, s))
            .filter(|a| a.iter().filter(|r| r.2).count() >= self.settings.min_positives)
            .collect()
    }

    /// Marks of evidence, one for each row, indicator and side that has words
    /// in truth or answer. `by_word` counts words, otherwise characters.
    fn evidence(&self, selection: &[usize], by_word: bool) -> Vec<Found> {
        let mut found = Vec::new();
        for &row in selection {
            let example = self.rows.examples()[row];
            let Some(labels) = &example.labels else {
                continue;
            };
            let words = if by_word { words(&example.report.text) } else { Vec::new() };
            for &indicator in Indicator::ALL {
                for denied in [false, true] {
                    let runs = |spans: &[crate::corpus::Span]| -> Vec<(usize, usize)> {
                        spans
                            .iter()
                            .filter(|s| s.label == indicator && s.denied == denied)
                            .map(|s| (s.start, s.end))
                            .collect()
                    };
                    let (truth, answer) = (runs(&example.spans), runs(&self.scores[row].evidence));
                    let listed = if denied { &labels.denied } else { &labels.found };
                    // A label without words of its own rests on the whole
                    // text: no words are right or wrong for it.
                    if truth.is_empty() && (answer.is_empty() || listed.contains(&indicator)) {
                        continue;
                    }
                    let marks = if by_word {
                        token_marks(&words, &truth, &answer)
                    } else {
                        Marks::of(&truth, &answer)
                    };
                    found.push(Found { row, marks });
                }
            }
        }
        found
    }

    /// Entities that agree in place and kind, and in role if `with_role`,
    /// one entry for each row; `only` keeps one kind and role.
    fn entities(
        &self,
        selection: &[usize],
        with_role: bool,
        only: Option<(EntityKind, Option<Role>)>,
    ) -> Vec<Found> {
        selection
            .iter()
            .map(|&row| {
                let keys = |entities: &[crate::corpus::EntitySpan]| -> Vec<_> {
                    let mut keys: Vec<_> = entities
                        .iter()
                        .filter(|e| {
                            only.is_none_or(|(kind, role)| e.kind == kind && (!with_role || e.role == role))
                        })
                        .map(|e| (e.start, e.end, e.kind, e.role.filter(|_| with_role)))
                        .collect();
                    keys.sort_unstable();
                    keys.dedup();
                    keys
                };
                let truth = keys(&self.rows.examples()[row].entities);
                let answer = keys(&self.scores[row].entities);
                let both = truth.iter().filter(|k| answer.binary_search(k).is_ok()).count();
                Found {
                    row,
                    marks: Marks {
                        truth: truth.len() as f64,
                        answer: answer.len() as f64,
                        both: both as f64,
                    },
                }
            })
            .collect()
    }

    /// F1 of the entities of one kind, and of one role if given: the number in
    /// truth, the number answered, and the measure.
    pub fn entity_measure(
        &self,
        selection: &[usize],
        kind: EntityKind,
        role: Option<Option<Role>>,
    ) -> (usize, usize, Measure<'a>) {
        let found = self.entities(selection, role.is_some(), Some((kind, role.flatten())));
        let truth = found.iter().map(|f| f.marks.truth).sum::<f64>() as usize;
        let answer = found.iter().map(|f| f.marks.answer).sum::<f64>() as usize;
        let measure = Measure {
            name: format!("entities.{kind}"),
            n: selection.len(),
            positives: truth,
            threshold: None,
            compute: Box::new(move |w| micro_f1(&found, w)),
        };
        (truth, answer, measure)
    }
}

/// The state that labels give an indicator.
pub(crate) fn true_state(labels: &crate::corpus::Labels, indicator: Indicator) -> IndicatorState {
    if labels.found.contains(&indicator) {
        IndicatorState::Found
    } else if labels.denied.contains(&indicator) {
        IndicatorState::Denied
    } else {
        IndicatorState::NotMentioned
    }
}

/// Collects measures of one selection.
struct List<'a> {
    measures: Vec<Measure<'a>>,
}

impl<'a> List<'a> {
    fn add(
        &mut self,
        name: &str,
        n: usize,
        positives: usize,
        compute: impl Fn(&[f64]) -> Option<f64> + Send + Sync + 'a,
    ) {
        self.measures.push(Measure {
            name: name.to_owned(),
            n,
            positives,
            threshold: None,
            compute: Box::new(compute),
        });
    }

    /// A figure of yes-or-no answers.
    fn add_tally(&mut self, name: &str, rows: &Answered, figure: fn(&Tally) -> Option<f64>) {
        let (rows, n) = (rows.clone(), rows.len());
        let positives = rows.iter().filter(|r| r.2).count();
        self.add(name, n, positives, move |w| figure(&tally(&rows, w)));
    }

    /// A mean of F1 over several questions.
    fn add_macro(&mut self, name: &str, n: usize, questions: Vec<Answered>) {
        let positives = questions.iter().flatten().filter(|r| r.2).count();
        self.add(name, n, positives, move |w| mean(questions.iter().map(|rows| tally(rows, w).f1())));
    }

    /// F1 over the answers of several questions together.
    fn add_micro(&mut self, name: &str, n: usize, questions: Vec<Answered>) {
        let positives = questions.iter().flatten().filter(|r| r.2).count();
        self.add(name, n, positives, move |w| {
            let mut sum = Tally::default();
            for &(row, answer, truth) in questions.iter().flatten() {
                sum.add(answer, truth, w[row]);
            }
            sum.f1()
        });
    }

    /// The greatest recall of wanted rows at a precision over the correct.
    fn add_recall_at(
        &mut self,
        name: &str,
        rows: &[(usize, f64, bool)],
        wanted: Vec<bool>,
        all: usize,
        precision: f64,
    ) {
        let ranking = Ranking::new(rows.iter().copied());
        let n = rows.len();
        let positives = rows.iter().filter(|r| wanted[r.0]).count();
        let threshold = ranking
            .recall_at_precision(&vec![1.0; all], &wanted, precision)
            .map(|at| at.threshold)
            .filter(|t| t.is_finite());
        self.measures.push(Measure {
            name: name.to_owned(),
            n,
            positives,
            threshold,
            compute: Box::new(move |w| Some(ranking.recall_at_precision(w, &wanted, precision)?.recall)),
        });
    }
}

/// Every figure of a scorer on the rows of `selection`, in the order of the
/// tables. Measures that cannot exist (no labels, no spans, no states) are
/// left out; those that could but do not on these rows give `None`.
///
/// * `stalking.*`: rows ranked by `stalking.p`; correct is graded `possible`
///   or `likely`. `average_precision_hard` keeps of the others only the rows
///   of kind `hard_negative` or `decoy`. `recall_of_likely_at_90_precision` is
///   over the `likely`, at the best threshold whose precision is at least
///   0.90. `precision`, `recall`, `f1` and `npv` take a row as raised from
///   `settings.threshold`. `ece` has ten bins of equal mass.
/// * `state.*`: shares of the states that a screener is told, over all rows,
///   labelled or not, unless the name says otherwise.
/// * `grade.*`: the most probable grade against the label.
/// * `indicators.*`: `macro_f1` compares the state `found` with the label,
///   averaged over indicators with at least `settings.min_positives`;
///   `micro_f1` pools all indicators. The figures with three states take
///   found, denied and not mentioned as classes: the macro one is a mean over
///   the pairs of indicator and state with enough positives, the micro one
///   pools found and denied, not mentioned being the empty class.
/// * `serious_harm.*`: ranked by `harm`.
/// * `relationship.*`: the most probable value against the label.
/// * `evidence.*`: words shown against words marked, by indicator, found and
///   denied apart; `token_f1` and `character_f1` are pooled, `iou` is the mean
///   of intersection over union.
/// * `entities.*`: same place and kind, `_with_role` same role too; pooled.
pub fn measures<'a>(judged: &Judged<'a>, selection: &[usize]) -> Vec<Measure<'a>> {
    let mut list = List { measures: Vec::new() };
    let labelled = judged.labelled(selection);
    if !labelled.is_empty() {
        stalking(&mut list, judged, &labelled);
    }
    states(&mut list, judged, selection, &labelled);
    if !labelled.is_empty() {
        grades(&mut list, judged, &labelled);
        indicators(&mut list, judged, &labelled);
        serious_harm(&mut list, judged, &labelled);
        relationship(&mut list, judged, &labelled);
        evidence(&mut list, judged, &labelled);
    }
    entities(&mut list, judged, selection);
    list.measures
}

fn stalking(list: &mut List<'_>, judged: &Judged<'_>, rows: &[usize]) {
    let all = judged.rows.len();
    let ranked = judged.stalking(rows);
    let (n, positives) = (ranked.len(), ranked.iter().filter(|r| r.2).count());
    let ranking = Ranking::new(ranked.iter().copied());
    // A ranking without both classes has no average precision worth the name.
    let mixed = positives > 0 && positives < n;
    if mixed {
        let r = ranking.clone();
        list.add("stalking.average_precision", n, positives, move |w| r.average_precision(w));
        list.add("stalking.auroc", n, positives, move |w| ranking.auroc(w));
        let hard: Vec<_> = ranked
            .iter()
            .copied()
            .filter(|r| {
                let kind = judged.rows.examples()[r.0].meta.kind.as_deref();
                r.2 || matches!(kind, Some("hard_negative" | "decoy"))
            })
            .collect();
        if hard.len() > positives {
            let (n, ranking) = (hard.len(), Ranking::new(hard));
            list.add("stalking.average_precision_hard", n, positives, move |w| ranking.average_precision(w));
        }
        let likely: Vec<bool> = (0..all).map(|r| judged.is_grade(r, Grade::Likely)).collect();
        let correct: Vec<bool> = (0..all).map(|r| judged.rows.positive(r) == Some(true)).collect();
        list.add_recall_at("stalking.recall_of_likely_at_90_precision", &ranked, likely, all, 0.9);
        list.add_recall_at("stalking.recall_at_90_precision", &ranked, correct, all, 0.9);
    }
    let threshold = judged.settings.threshold;
    let raised: Answered = ranked.iter().map(|&(r, p, truth)| (r, p >= threshold, truth)).collect();
    list.add_tally("stalking.precision", &raised, Tally::precision);
    list.add_tally("stalking.recall", &raised, Tally::recall);
    list.add_tally("stalking.f1", &raised, Tally::f1);
    list.add_tally("stalking.npv", &raised, Tally::negative_predictive_value);
    list.add_tally("stalking.false_positive_rate", &raised, Tally::false_positive_rate);
    let calibration = Calibration::new(ranked);
    let c = calibration.clone();
    list.add("stalking.brier", n, positives, move |w| c.brier(w));
    list.add("stalking.ece", n, positives, move |w| calibration.error(w));
}

fn states(list: &mut List<'_>, judged: &Judged<'_>, selection: &[usize], labelled: &[usize]) {
    let state = |r: usize| judged.scores[r].state;
    if selection.iter().all(|&r| state(r).is_none()) {
        return;
    }
    let share_of = |rows: Vec<usize>, wanted: ReportState| {
        let rows: Vec<(usize, bool)> = rows.into_iter().map(|r| (r, state(r) == Some(wanted))).collect();
        let positives = rows.iter().filter(|r| r.1).count();
        let compute = {
            let rows = rows.clone();
            move |w: &[f64]| {
                let total: f64 = rows.iter().map(|r| w[r.0]).sum();
                let hits: f64 = rows.iter().filter(|r| r.1).map(|r| w[r.0]).sum();
                share(hits, total)
            }
        };
        (rows.len(), positives, compute)
    };
    for wanted in ReportState::ALL {
        let (n, hits, compute) = share_of(selection.to_vec(), wanted);
        list.add(&format!("state.{}_share", wanted.name()), n, hits, compute);
    }
    let of_grade = |grade: Grade| -> Vec<usize> {
        labelled.iter().copied().filter(|&r| judged.is_grade(r, grade)).collect()
    };
    for (name, grade) in [
        ("state.review_share_of_none", Grade::None),
        ("state.review_share_of_possible", Grade::Possible),
        ("state.review_share_of_likely", Grade::Likely),
    ] {
        let rows = of_grade(grade);
        if !rows.is_empty() {
            let (n, hits, compute) = share_of(rows, ReportState::Review);
            list.add(name, n, hits, compute);
        }
    }
    let question = |wanted: ReportState| -> Answered {
        labelled
            .iter()
            .filter_map(|&r| Some((r, state(r) == Some(wanted), judged.rows.positive(r)?)))
            .collect()
    };
    if !labelled.is_empty() {
        list.add_tally("state.review_precision", &question(ReportState::Review), Tally::precision);
        // Of what is told "nothing found", the share that is graded `none`.
        let nothing: Answered = question(ReportState::NothingFound)
            .into_iter()
            .map(|(r, nothing, truth)| (r, !nothing, truth))
            .collect();
        list.add_tally("state.nothing_found_npv", &nothing, Tally::negative_predictive_value);
    }
}

fn grades(list: &mut List<'_>, judged: &Judged<'_>, rows: &[usize]) {
    let pairs: Vec<(usize, Grade, Grade)> = rows
        .iter()
        .filter_map(|&r| Some((r, judged.scores[r].grade(), judged.rows.labels(r)?.stalking)))
        .collect();
    let n = pairs.len();
    accuracy(list, "grade.accuracy", &pairs);
    let least = judged.settings.min_positives;
    list.add_macro("grade.macro_f1", n, classes(&pairs, Grade::ALL, least));
    list.add("grade.kappa", n, n, move |w| {
        let (mut a, mut b, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for &(r, answer, truth) in &pairs {
            a.push(answer);
            b.push(truth);
            weights.push(w[r]);
        }
        agreement::weighted_kappa(&a, &b, &weights)
    });
}

/// Share of the rows whose answer is the truth.
fn accuracy<T: PartialEq>(list: &mut List<'_>, name: &str, pairs: &[(usize, T, T)]) {
    let right: Vec<(usize, bool)> = pairs.iter().map(|(r, a, t)| (*r, a == t)).collect();
    list.add(name, pairs.len(), pairs.len(), move |w| {
        let total: f64 = right.iter().map(|r| w[r.0]).sum();
        let hits: f64 = right.iter().filter(|r| r.1).map(|r| w[r.0]).sum();
        share(hits, total)
    });
}

/// One yes-or-no question for each class that has at least `least` rows.
fn classes<T: PartialEq + Copy>(pairs: &[(usize, T, T)], all: &[T], least: usize) -> Vec<Answered> {
    all.iter()
        .map(|&class| -> Answered { pairs.iter().map(|&(r, a, t)| (r, a == class, t == class)).collect() })
        .filter(|a| a.iter().filter(|r| r.2).count() >= least)
        .collect()
}

fn indicators(list: &mut List<'_>, judged: &Judged<'_>, rows: &[usize]) {
    use IndicatorState::{Denied, Found, NotMentioned};
    let n = rows.len();
    list.add_macro("indicators.macro_f1", n, judged.states_in_mean(rows, &[Found]));
    let every = |states: &[IndicatorState]| -> Vec<Answered> {
        Indicator::ALL
            .iter()
            .flat_map(|&i| states.iter().map(move |&s| (i, s)))
            .map(|(i, s)| judged.state(rows, i, s))
            .collect()
    };
    list.add_micro("indicators.micro_f1", n, every(&[Found]));
    let rankings: Vec<(Ranking, usize)> = Indicator::ALL
        .iter()
        .map(|&i| {
            let ranked: Vec<(usize, f64, bool)> = judged
                .state(rows, i, Found)
                .into_iter()
                .map(|(r, _, truth)| (r, judged.scores[r].found[i.index()], truth))
                .collect();
            let positives = ranked.iter().filter(|r| r.2).count();
            (Ranking::new(ranked), positives)
        })
        .filter(|(_, positives)| *positives >= judged.settings.min_positives)
        .collect();
    let positives = rankings.iter().map(|r| r.1).sum();
    list.add("indicators.macro_average_precision", n, positives, move |w| {
        mean(rankings.iter().map(|(r, _)| r.average_precision(w)))
    });
    list.add_macro("indicators.denied_macro_f1", n, judged.states_in_mean(rows, &[Denied]));
    list.add_macro(
        "indicators.three_state_macro_f1",
        n,
        judged.states_in_mean(rows, &[Found, Denied, NotMentioned]),
    );
    list.add_micro("indicators.three_state_micro_f1", n, every(&[Found, Denied]));
}

fn serious_harm(list: &mut List<'_>, judged: &Judged<'_>, rows: &[usize]) {
    let truth = |r: usize| judged.rows.labels(r).is_some_and(|l| l.serious_harm);
    let ranked: Vec<(usize, f64, bool)> =
        rows.iter().map(|&r| (r, judged.scores[r].harm, truth(r))).collect();
    let (n, positives) = (ranked.len(), ranked.iter().filter(|r| r.2).count());
    if positives > 0 && positives < n {
        let ranking = Ranking::new(ranked.iter().copied());
        let r = ranking.clone();
        list.add("serious_harm.average_precision", n, positives, move |w| r.average_precision(w));
        list.add("serious_harm.auroc", n, positives, move |w| ranking.auroc(w));
        let wanted = (0..judged.rows.len()).map(truth).collect();
        list.add_recall_at("serious_harm.recall_at_80_precision", &ranked, wanted, judged.rows.len(), 0.8);
    }
    let answered: Answered = rows.iter().map(|&r| (r, judged.scores[r].harm_found, truth(r))).collect();
    list.add_tally("serious_harm.f1", &answered, Tally::f1);
    let calibration = Calibration::new(ranked);
    let c = calibration.clone();
    list.add("serious_harm.brier", n, positives, move |w| c.brier(w));
    list.add("serious_harm.ece", n, positives, move |w| calibration.error(w));
}

fn relationship(list: &mut List<'_>, judged: &Judged<'_>, rows: &[usize]) {
    let pairs: Vec<(usize, Relationship, Relationship)> = rows
        .iter()
        .filter_map(|&r| {
            let truth = judged.rows.labels(r)?.relationship;
            Some((r, judged.scores[r].relationship(), truth))
        })
        .collect();
    accuracy(list, "relationship.accuracy", &pairs);
    let least = judged.settings.min_positives;
    list.add_macro("relationship.macro_f1", pairs.len(), classes(&pairs, Relationship::ALL, least));
}

fn evidence(list: &mut List<'_>, judged: &Judged<'_>, rows: &[usize]) {
    let examples = judged.rows.examples();
    if rows.iter().all(|&r| examples[r].spans.is_empty())
        || judged.scores.iter().all(|s| s.evidence.is_empty())
    {
        return;
    }
    let by_word = judged.evidence(rows, true);
    let by_character = judged.evidence(rows, false);
    let (n, marked) = (rows.len(), by_character.iter().filter(|f| f.marks.truth > 0.0).count());
    list.add("evidence.token_f1", n, marked, move |w| micro_f1(&by_word, w));
    let mut of_row: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for f in &by_character {
        if let Some(iou) = f.marks.iou() {
            let sums = of_row.entry(f.row).or_default();
            sums.0 += iou;
            sums.1 += 1.0;
        }
    }
    list.add("evidence.character_f1", n, marked, move |w| micro_f1(&by_character, w));
    list.add("evidence.iou", n, marked, move |w| {
        let (sum, count) = of_row.iter().fold((0.0, 0.0), |(s, c), (&r, v)| (s + w[r] * v.0, c + w[r] * v.1));
        share(sum, count)
    });
}

fn entities(list: &mut List<'_>, judged: &Judged<'_>, selection: &[usize]) {
    let examples = judged.rows.examples();
    if selection.iter().all(|&r| examples[r].entities.is_empty())
        || judged.scores.iter().all(|s| s.entities.is_empty())
    {
        return;
    }
    for (name, with_role) in [("entities.f1", false), ("entities.f1_with_role", true)] {
        let found = judged.entities(selection, with_role, None);
        let truth = found.iter().map(|f| f.marks.truth).sum::<f64>() as usize;
        list.add(name, selection.len(), truth, move |w| micro_f1(&found, w));
    }
}
