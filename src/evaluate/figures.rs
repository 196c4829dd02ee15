//! All figures of one scorer on one set of rows, as a file holds them.
//!
//! Everything is in a fixed order and every number has six places, so that two
//! runs on one machine give the same bytes.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::measure::{Judged, Measure, measures};
use super::metrics::calibration::BINS;
use super::metrics::{Calibration, Interval, Ranking, Resamples, Tally, at_prevalence};
use super::{Answers, IndicatorState, Rows, Scorer, Settings, round6, write6};
use crate::codebook::{EntityKind, Grade, Indicator, Role};
use crate::error::Result;

/// The form of the file.
pub const SCHEMA: &str = "throughline.metrics/1";

/// Figures that depend on the share of positives and are given again at a
/// stated prevalence.
const DEPEND_ON_PREVALENCE: [&str; 10] = [
    "stalking.average_precision",
    "stalking.recall_of_likely_at_90_precision",
    "stalking.recall_at_90_precision",
    "stalking.precision",
    "stalking.f1",
    "stalking.npv",
    "stalking.brier",
    "stalking.ece",
    "state.review_precision",
    "state.nothing_found_npv",
];

/// One figure with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Its name, `group.figure`; the key in the file.
    #[serde(skip)]
    pub name: String,
    /// The figure on all rows.
    #[serde(serialize_with = "write6")]
    pub value: f64,
    /// Lower end of the interval.
    #[serde(serialize_with = "write6")]
    pub low: f64,
    /// Upper end of the interval.
    #[serde(serialize_with = "write6")]
    pub high: f64,
    /// Rows (or authors) that it is over.
    pub n: usize,
    /// Rows among them that are to be found.
    pub positives: usize,
    /// The threshold that it was read at, where it searched for one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_some6")]
    pub threshold: Option<f64>,
}

fn write_some6<S: Serializer>(x: &Option<f64>, s: S) -> std::result::Result<S::Ok, S::Error> {
    match x {
        Some(x) => s.serialize_f64(round6(*x)),
        None => s.serialize_none(),
    }
}

impl Figure {
    fn of(measure: &Measure<'_>, interval: Interval) -> Self {
        Self {
            name: measure.name.clone(),
            value: interval.value,
            low: interval.low,
            high: interval.high,
            n: measure.n,
            positives: measure.positives,
            threshold: measure.threshold,
        }
    }
}

/// Figures by name, in order; an object in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named(pub Vec<Figure>);

impl Named {
    /// The figure of a name.
    pub fn get(&self, name: &str) -> Option<&Figure> {
        self.0.iter().find(|f| f.name == name)
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for figure in &self.0 {
            map.serialize_entry(&figure.name, figure)?;
        }
        map.end()
    }
}

/// What the figures are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Reports.
    pub reports: usize,
    /// Groups that are resampled whole: cases, and reports without a case.
    pub groups: usize,
    /// Authors that are named.
    pub authors: usize,
    /// Reports with labels.
    pub labelled: usize,
    /// Graded `none`.
    pub none: usize,
    /// Graded `possible`.
    pub possible: usize,
    /// Graded `likely`.
    pub likely: usize,
}

/// One indicator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IndicatorFigures {
    /// The indicator.
    pub name: Indicator,
    /// Reports where it is found in truth.
    pub positives: usize,
    /// Reports where it is denied in truth.
    pub denied: usize,
    /// Whether it has enough positives to enter the mean.
    pub in_mean: bool,
    /// Precision, recall, F1 and average precision of `found`, and F1 of
    /// `denied`, as far as they exist.
    pub figures: Named,
}

/// Entities of one kind, or of one kind and role.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EntityFigures {
    /// The kind.
    pub kind: EntityKind,
    /// The role, if by role; `none` for an entity without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Number in truth.
    pub truth: usize,
    /// Number answered.
    pub answered: usize,
    /// F1, where there are enough in truth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<Figure>,
}

/// Grades, truth against answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The grade in truth.
    pub truth: Grade,
    /// Reports answered as each grade, in order.
    pub answered: [usize; 3],
}

/// A point of the precision-recall and ROC curves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Rows of this `p` and above are taken.
    #[serde(serialize_with = "write6")]
    pub threshold: f64,
    /// Share of the taken that are correct.
    #[serde(serialize_with = "write6")]
    pub precision: f64,
    /// Share of the correct that are taken.
    #[serde(serialize_with = "write6")]
    pub recall: f64,
    /// Share of the others that are taken.
    #[serde(serialize_with = "write6")]
    pub false_positive_rate: f64,
}

/// A bin of the reliability curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Mean `p`.
    #[serde(serialize_with = "write6")]
    pub mean: f64,
    /// Share that is correct.
    #[serde(serialize_with = "write6")]
    pub rate: f64,
    /// Reports in it.
    pub n: usize,
}

/// A point of the risk-coverage curve: the surest are answered, the rest are
/// left to a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Share of reports that is answered.
    #[serde(serialize_with = "write6")]
    pub coverage: f64,
    /// Share of the answered that is wrong.
    #[serde(serialize_with = "write6")]
    pub risk: f64,
}

/// What one threshold means in work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// Reports of this `p` and above are raised.
    #[serde(serialize_with = "write6")]
    pub threshold: f64,
    /// Share of the correct that is raised.
    #[serde(serialize_with = "write6")]
    pub recall: f64,
    /// Share of the `likely` that is raised; 0 where there is none.
    #[serde(serialize_with = "write6")]
    pub recall_of_likely: f64,
    /// Share of the others that is raised.
    #[serde(serialize_with = "write6")]
    pub false_positive_rate: f64,
    /// Share of the raised that is correct, at the prevalence of the sweep.
    #[serde(serialize_with = "write6")]
    pub precision: f64,
    /// Records raised a day.
    #[serde(serialize_with = "write6")]
    pub raised_a_day: f64,
    /// Records raised rightly a day.
    #[serde(serialize_with = "write6")]
    pub right_a_day: f64,
    /// Stalking records missed a day.
    #[serde(serialize_with = "write6")]
    pub missed_a_day: f64,
}

/// What the plots are drawn from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curves {
    /// Precision, recall and false positives by threshold.
    pub ranking: Vec<CurvePoint>,
    /// Reliability in bins of equal mass.
    pub reliability: Vec<ReliabilityBin>,
    /// Risk by coverage.
    pub risk_coverage: Vec<Coverage>,
    /// The prevalence that the sweep assumes.
    #[serde(serialize_with = "write6")]
    pub sweep_prevalence: f64,
    /// Work by threshold.
    pub sweep: Vec<Sweep>,
}

/// All figures of one scorer on one set of rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The form of this object.
    pub schema: &'static str,
    /// Name of the scorer.
    pub scorer: String,
    /// What was asked.
    pub settings: Settings,
    /// What the figures are over.
    pub data: Counted,
    /// What is not given and why, in sentences.
    pub notes: Vec<String>,
    /// Figures over all rows.
    pub figures: Named,
    /// The mean over authors of the figure within each author's rows; an
    /// author enters where the figure has both classes. `n` counts authors.
    pub within_authors: Named,
    /// Figures at the stated prevalence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_prevalence: Option<Named>,
    /// By indicator.
    pub indicators: Vec<IndicatorFigures>,
    /// By kind of entity.
    pub entities: Vec<EntityFigures>,
    /// By kind and role of entity.
    pub entity_roles: Vec<EntityFigures>,
    /// Grades, truth against answer.
    pub confusion: Vec<Confusion>,
    /// What the plots are drawn from.
    pub curves: Curves,
}

impl Figures {
    /// The object as a file holds it: JSON with two spaces, fixed order and a
    /// line end.
    pub fn to_json(&self) -> String {
        // Names are strings and `write6` lets no number pass that JSON lacks.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }
}

/// All figures of `scorer` on `rows`.
///
/// # Errors
///
/// When the settings cannot be, or the scorer fails. Data that lacks something
/// is no error: what cannot be measured is left out and noted.
pub fn figures(scorer: &dyn Scorer, rows: &Rows<'_>, settings: &Settings) -> Result<Figures> {
    settings.check()?;
    let answers = Answers::of(scorer, rows)?;
    Ok(figures_of(&answers, rows, settings, &resamples(rows, settings)))
}

/// The resamples of these rows, to be shared by all scorers.
pub fn resamples(rows: &Rows<'_>, settings: &Settings) -> Resamples {
    Resamples::new(rows.groups(), rows.len(), settings.resamples, settings.seed)
}

/// All figures of answers that are already there.
pub fn figures_of(answers: &Answers, rows: &Rows<'_>, settings: &Settings, resamples: &Resamples) -> Figures {
    let judged = Judged { rows, scores: &answers.scores, settings };
    let all: Vec<usize> = (0..rows.len()).collect();
    let pooled = measures(&judged, &all);
    let mut notes = rows.notes().to_vec();
    let mut given = Vec::new();
    for measure in &pooled {
        match resamples.interval(&measure.compute) {
            Some(interval) => given.push(Figure::of(measure, interval)),
            None => notes.push(format!("{} does not exist on these rows", measure.name)),
        }
    }
    if answers.scores.iter().all(|s| s.evidence.is_empty()) {
        notes.push(format!("`{}` shows no evidence", answers.name));
    }
    if answers.scores.iter().all(|s| s.entities.is_empty()) {
        notes.push(format!("`{}` names no entities", answers.name));
    }
    let labelled = judged.labelled(&all);
    let indicators =
        if labelled.is_empty() { Vec::new() } else { by_indicator(&judged, &all, resamples, &mut notes) };
    let (entities, entity_roles) = by_entity(&judged, &all, resamples);
    Figures {
        schema: SCHEMA,
        scorer: answers.name.clone(),
        settings: settings.clone(),
        data: counted(rows),
        figures: Named(given),
        within_authors: within_authors(&judged, resamples, &mut notes),
        at_prevalence: prevalence(&judged, &pooled, resamples, &mut notes),
        indicators,
        entities,
        entity_roles,
        confusion: confusion(&judged, &labelled),
        curves: curves(&judged, &labelled),
        notes,
    }
}

fn counted(rows: &Rows<'_>) -> Counted {
    let graded = |grade: Grade| {
        (0..rows.len()).filter(|&r| rows.labels(r).is_some_and(|l| l.stalking == grade)).count()
    };
    Counted {
        reports: rows.len(),
        groups: rows.groups().len(),
        authors: rows.authors().len(),
        labelled: (0..rows.len()).filter(|&r| rows.labels(r).is_some()).count(),
        none: graded(Grade::None),
        possible: graded(Grade::Possible),
        likely: graded(Grade::Likely),
    }
}

/// Averages each figure over the authors within whom it has both classes.
fn within_authors(judged: &Judged<'_>, resamples: &Resamples, notes: &mut Vec<String>) -> Named {
    let authors = judged.rows.authors();
    if authors.len() < 2 {
        notes.push("figures within authors need two authors or more: they are not given".to_owned());
        return Named::default();
    }
    let of_author: Vec<Vec<Measure<'_>>> = authors
        .values()
        .map(|rows| {
            measures(judged, rows)
                .into_iter()
                .filter(|m| m.positives > 0 && (m.positives < m.n || !needs_both(&m.name)))
                .collect()
        })
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for measure in of_author.iter().flatten() {
        if !measure.name.starts_with("state.") && !names.contains(&&*measure.name) {
            names.push(&measure.name);
        }
    }
    // The order of the pooled figures, whatever author comes first.
    let all: Vec<usize> = (0..judged.rows.len()).collect();
    let order: Vec<String> = measures(judged, &all).into_iter().map(|m| m.name).collect();
    names.sort_by_key(|name| order.iter().position(|o| o == name));
    let figures = names.into_iter().filter_map(|name| {
        let of: Vec<&Measure<'_>> = of_author
            .iter()
            .flatten()
            .filter(|m| m.name == name)
            .filter(|m| (m.compute)(&resamples.ones()).is_some())
            .collect();
        let interval = resamples.interval(|w| {
            let values: Vec<f64> = of.iter().filter_map(|m| (m.compute)(w)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        })?;
        Some(Figure {
            name: name.to_owned(),
            value: interval.value,
            low: interval.low,
            high: interval.high,
            n: of.len(),
            positives: of.iter().map(|m| m.positives).sum(),
            threshold: None,
        })
    });
    Named(figures.collect())
}

/// Whether a figure says nothing of rows that are all of one class.
fn needs_both(name: &str) -> bool {
    name.starts_with("stalking.") || name.starts_with("serious_harm.")
}

fn prevalence(
    judged: &Judged<'_>,
    pooled: &[Measure<'_>],
    resamples: &Resamples,
    notes: &mut Vec<String>,
) -> Option<Named> {
    let prevalence = judged.settings.prevalence?;
    let positive: Vec<Option<bool>> = (0..judged.rows.len()).map(|r| judged.rows.positive(r)).collect();
    if at_prevalence(&resamples.ones(), &positive, prevalence).is_none() {
        notes.push("figures at a prevalence need reports of both classes".to_owned());
        return None;
    }
    let figures = pooled.iter().filter(|m| DEPEND_ON_PREVALENCE.contains(&&*m.name)).filter_map(|measure| {
        let interval =
            resamples.interval(|w| (measure.compute)(&at_prevalence(w, &positive, prevalence)?))?;
        Some(Figure {
            // The threshold was searched for on the sample's own mix.
            threshold: None,
            ..Figure::of(measure, interval)
        })
    });
    Some(Named(figures.collect()))
}

fn by_indicator(
    judged: &Judged<'_>,
    rows: &[usize],
    resamples: &Resamples,
    notes: &mut Vec<String>,
) -> Vec<IndicatorFigures> {
    let least = judged.settings.min_positives;
    let mut left_out = Vec::new();
    let figures = Indicator::ALL
        .iter()
        .map(|&indicator| {
            let found = judged.state(rows, indicator, IndicatorState::Found);
            let denied = judged.state(rows, indicator, IndicatorState::Denied);
            let count = |rows: &[(usize, bool, bool)]| rows.iter().filter(|r| r.2).count();
            let (n, positives, denials) = (found.len(), count(&found), count(&denied));
            let tally_of = |rows: &[(usize, bool, bool)], w: &[f64]| {
                let mut tally = Tally::default();
                for &(r, answer, truth) in rows {
                    tally.add(answer, truth, w[r]);
                }
                tally
            };
            let ranking = Ranking::new(
                found.iter().map(|&(r, _, truth)| (r, judged.scores[r].found[indicator.index()], truth)),
            );
            let mut list: Vec<(&str, usize, Option<Interval>)> = vec![
                ("precision", positives, resamples.interval(|w| tally_of(&found, w).precision())),
                ("recall", positives, resamples.interval(|w| tally_of(&found, w).recall())),
            ];
            if positives > 0 {
                list.push(("f1", positives, resamples.interval(|w| tally_of(&found, w).f1())));
                list.push((
                    "average_precision",
                    positives,
                    resamples.interval(|w| ranking.average_precision(w)),
                ));
            }
            if denials > 0 {
                list.push(("denied_f1", denials, resamples.interval(|w| tally_of(&denied, w).f1())));
            }
            let in_mean = positives >= least;
            if !in_mean {
                left_out.push(format!("{indicator} ({positives})"));
            }
            IndicatorFigures {
                name: indicator,
                positives,
                denied: denials,
                in_mean,
                figures: Named(
                    list.into_iter()
                        .filter_map(|(name, positives, interval)| {
                            let interval = interval?;
                            Some(Figure {
                                name: name.to_owned(),
                                value: interval.value,
                                low: interval.low,
                                high: interval.high,
                                n,
                                positives,
                                threshold: None,
                            })
                        })
                        .collect(),
                ),
            }
        })
        .collect();
    if !left_out.is_empty() {
        notes.push(format!(
            "indicators with fewer than {least} positives, left out of the means: {}",
            left_out.join(", ")
        ));
    }
    figures
}

fn by_entity(
    judged: &Judged<'_>,
    rows: &[usize],
    resamples: &Resamples,
) -> (Vec<EntityFigures>, Vec<EntityFigures>) {
    let (mut kinds, mut roles) = (Vec::new(), Vec::new());
    if judged.rows.examples().iter().all(|e| e.entities.is_empty())
        || judged.scores.iter().all(|s| s.entities.is_empty())
    {
        return (kinds, roles);
    }
    let one = |kind: EntityKind, role: Option<Option<Role>>| {
        let (truth, answered, measure) = judged.entity_measure(rows, kind, role);
        let f1 = (truth >= judged.settings.min_positives)
            .then(|| resamples.interval(&measure.compute))
            .flatten()
            .map(|interval| Figure::of(&measure, interval));
        (truth + answered > 0).then(|| EntityFigures {
            kind,
            role: role.map(|r| r.map_or("none", Role::name).to_owned()),
            truth,
            answered,
            f1,
        })
    };
    for &kind in EntityKind::ALL {
        kinds.extend(one(kind, None));
        for role in Role::ALL.iter().copied().map(Some).chain([None]) {
            roles.extend(one(kind, Some(role)));
        }
    }
    (kinds, roles)
}

fn confusion(judged: &Judged<'_>, labelled: &[usize]) -> Vec<Confusion> {
    if labelled.is_empty() {
        return Vec::new();
    }
    Grade::ALL
        .iter()
        .map(|&truth| {
            let mut answered = [0; 3];
            for &row in labelled {
                if judged.rows.labels(row).is_some_and(|l| l.stalking == truth) {
                    answered[judged.scores[row].grade().index()] += 1;
                }
            }
            Confusion { truth, answered }
        })
        .collect()
}

/// Points that a curve keeps in the file.
const CURVE_POINTS: usize = 200;

fn curves(judged: &Judged<'_>, labelled: &[usize]) -> Curves {
    let rows = judged.stalking(labelled);
    let positives = rows.iter().filter(|r| r.2).count();
    if rows.is_empty() {
        return Curves::default();
    }
    let ones = vec![1.0; judged.rows.len()];
    let mixed = positives > 0 && positives < rows.len();
    let points = if mixed { Ranking::new(rows.iter().copied()).points(&ones) } else { Vec::new() };
    let ranking = thin(&points, CURVE_POINTS)
        .into_iter()
        .map(|p| CurvePoint {
            threshold: p.threshold,
            precision: p.precision,
            recall: p.recall,
            false_positive_rate: p.false_positive_rate,
        })
        .collect();
    let reliability = Calibration::new(rows.iter().copied())
        .bins(&ones, BINS)
        .into_iter()
        .map(|b| ReliabilityBin { mean: b.mean, rate: b.rate, n: b.weight as usize })
        .collect();
    let sample = positives as f64 / rows.len() as f64;
    let prevalence = judged.settings.prevalence.unwrap_or(sample);
    Curves {
        ranking,
        reliability,
        risk_coverage: risk_coverage(&rows, judged.settings.threshold),
        sweep_prevalence: prevalence,
        sweep: if mixed { sweep(judged, &rows, prevalence) } else { Vec::new() },
    }
}

/// Some `most` items at even distance, first and last among them.
fn thin<T: Copy>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most || most < 2 {
        return items.to_vec();
    }
    (0..most).map(|i| items[i * (items.len() - 1) / (most - 1)]).collect()
}

/// Risk of the answers by how many are given, surest first (El-Yaniv and
/// Wiener 2010). How sure is the distance of `p` from the threshold, each side
/// scaled to 1; equals go together.
fn risk_coverage(rows: &[(usize, f64, bool)], threshold: f64) -> Vec<Coverage> {
    let sure = |p: f64| {
        if p >= threshold {
            (p - threshold) / (1.0 - threshold).max(1e-9)
        } else {
            (threshold - p) / threshold.max(1e-9)
        }
    };
    let mut sorted: Vec<(f64, bool)> =
        rows.iter().map(|&(_, p, truth)| (sure(p), (p >= threshold) != truth)).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut points = Vec::new();
    let mut wrong = 0usize;
    for (i, (sure, is_wrong)) in sorted.iter().enumerate() {
        wrong += usize::from(*is_wrong);
        if sorted.get(i + 1).is_none_or(|next| next.0 != *sure) {
            points.push(Coverage {
                coverage: (i + 1) as f64 / sorted.len() as f64,
                risk: wrong as f64 / (i + 1) as f64,
            });
        }
    }
    thin(&points, CURVE_POINTS)
}

fn sweep(judged: &Judged<'_>, rows: &[(usize, f64, bool)], prevalence: f64) -> Vec<Sweep> {
    let day = judged.settings.records_a_day;
    let thresholds = [0.01, 0.02].into_iter().chain((1..20).map(|i| f64::from(i) / 20.0));
    thresholds
        .chain([0.98, 0.99])
        .map(|threshold| {
            let mut tally = Tally::default();
            let (mut likely, mut likely_raised) = (0.0, 0.0);
            for &(row, p, truth) in rows {
                tally.add(p >= threshold, truth, 1.0);
                if judged.rows.labels(row).is_some_and(|l| l.stalking == Grade::Likely) {
                    likely += 1.0;
                    likely_raised += f64::from(u8::from(p >= threshold));
                }
            }
            let recall = tally.recall().unwrap_or(0.0);
            let false_positive_rate = tally.false_positive_rate().unwrap_or(0.0);
            let right_a_day = day * prevalence * recall;
            let raised_a_day = right_a_day + day * (1.0 - prevalence) * false_positive_rate;
            Sweep {
                threshold,
                recall,
                recall_of_likely: if likely > 0.0 { likely_raised / likely } else { 0.0 },
                false_positive_rate,
                precision: if raised_a_day > 0.0 { right_a_day / raised_a_day } else { 1.0 },
                raised_a_day,
                right_a_day,
                missed_a_day: day * prevalence * (1.0 - recall),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Dataset, Example};
    use crate::evaluate::metrics::close::close;
    use crate::evaluate::toy::{self, Constant, Oracle, Shuffled};

    fn settings() -> Settings {
        Settings { resamples: 100, prevalence: Some(0.02), ..Settings::default() }
    }

    /// Every number in a JSON value.
    fn numbers(value: &serde_json::Value, found: &mut Vec<f64>) {
        match value {
            serde_json::Value::Number(n) => found.push(n.as_f64().unwrap()),
            serde_json::Value::Array(items) => items.iter().for_each(|v| numbers(v, found)),
            serde_json::Value::Object(map) => map.values().for_each(|v| numbers(v, found)),
            _ => {}
        }
    }

    #[test]
    fn an_oracle_gets_everything_right() {
        let dataset = toy::dataset(400, 1);
        let rows = Rows::of(&dataset).unwrap();
        let figures = figures(&Oracle::new(&dataset), &rows, &settings()).unwrap();
        assert!(figures.figures.0.len() > 35, "{:?}", figures.figures);
        let zero = ["brier", "ece", "false_positive_rate", "review_share_of_none"];
        for figure in figures
            .figures
            .0
            .iter()
            .chain(&figures.within_authors.0)
            .chain(&figures.at_prevalence.as_ref().unwrap().0)
        {
            if figure.name.ends_with("_share") || figure.name.ends_with("_of_possible") {
                continue;
            }
            let want = if zero.iter().any(|z| figure.name.ends_with(z)) { 0.0 } else { 1.0 };
            for value in [figure.value, figure.low, figure.high] {
                assert!(close(value, want, 1e-9), "{figure:?}");
            }
        }
        for indicator in &figures.indicators {
            for figure in &indicator.figures.0 {
                assert!(close(figure.value, 1.0, 1e-12), "{indicator:?}");
            }
        }
        assert!(!figures.entities.is_empty() && !figures.entity_roles.is_empty());
        for entity in figures.entities.iter().chain(&figures.entity_roles) {
            assert_eq!(entity.truth, entity.answered);
            assert!(entity.f1.as_ref().is_none_or(|f| f.value == 1.0));
        }
        for (i, row) in figures.confusion.iter().enumerate() {
            assert_eq!(row.answered.iter().sum::<usize>(), row.answered[i]);
        }
    }

    #[test]
    fn shuffled_and_constant_answers_are_at_chance() {
        let dataset = toy::dataset(1200, 2);
        let rows = Rows::of(&dataset).unwrap();
        let at = |f: &Figures, name: &str| f.figures.get(name).unwrap().value;
        let shuffled = figures(&Shuffled::new(&dataset, 5), &rows, &settings()).unwrap();
        let share = (shuffled.data.possible + shuffled.data.likely) as f64 / 1200.0;
        // Three standard errors of an AUROC of 600 against 600 are 0.05.
        assert!(close(at(&shuffled, "stalking.auroc"), 0.5, 0.05));
        assert!(close(at(&shuffled, "stalking.average_precision"), share, 0.06));
        assert!(at(&shuffled, "stalking.recall_of_likely_at_90_precision") < 0.05);
        assert!(close(at(&shuffled, "grade.kappa"), 0.0, 0.1));
        assert!(close(at(&shuffled, "serious_harm.auroc"), 0.5, 0.08));
        let constant = figures(&Constant, &rows, &settings()).unwrap();
        assert_eq!(at(&constant, "stalking.auroc"), 0.5);
        assert!(close(at(&constant, "stalking.average_precision"), share, 1e-12));
        assert_eq!(at(&constant, "stalking.recall_of_likely_at_90_precision"), 0.0);
        assert_eq!(at(&constant, "grade.kappa"), 0.0);
    }

    #[test]
    fn two_runs_give_the_same_bytes() {
        let dataset = toy::dataset(200, 3);
        let rows = Rows::of(&dataset).unwrap();
        let run = || figures(&Shuffled::new(&dataset, 5), &rows, &settings()).unwrap().to_json();
        let json = run();
        assert_eq!(json, run());
        assert!(json.contains("\"stalking.average_precision\": {"));
    }

    #[test]
    fn poor_data_is_noted_and_gives_only_finite_numbers() {
        struct Case {
            what: &'static str,
            damage: fn(&mut Dataset),
            note: &'static str,
        }
        fn each(dataset: &mut Dataset, damage: fn(&mut Example)) {
            dataset.examples.iter_mut().for_each(damage);
        }
        let cases = [
            Case {
                what: "no labels",
                damage: |d| each(d, |e| e.labels = None),
                note: "none of the 60 reports has labels",
            },
            Case {
                what: "one grade",
                damage: |d| each(d, |e| e.labels.as_mut().unwrap().stalking = Grade::None),
                note: "graded `none`",
            },
            Case {
                what: "no spans",
                damage: |d| each(d, |e| e.spans.clear()),
                note: "no report has evidence spans",
            },
            Case {
                what: "no entities",
                damage: |d| each(d, |e| e.entities.clear()),
                note: "no report has entities",
            },
            Case {
                what: "no author",
                damage: |d| each(d, |e| e.meta.author = None),
                note: "figures within authors need two authors",
            },
            Case {
                what: "one report",
                damage: |d| d.examples.truncate(1),
                note: "every labelled report is graded",
            },
            Case {
                what: "rare indicators",
                damage: |d| d.examples.truncate(20),
                note: "fewer than 10 positives, left out of the means",
            },
            Case {
                what: "empty texts",
                damage: |d| {
                    each(d, |e| {
                        e.report.text.clear();
                        e.spans.clear();
                        e.entities.clear();
                    });
                },
                note: "no report has",
            },
        ];
        for case in cases {
            let mut dataset = toy::dataset(60, 4);
            (case.damage)(&mut dataset);
            let rows = Rows::of(&dataset).unwrap();
            for scorer in [&Oracle::new(&dataset) as &dyn Scorer, &Shuffled::new(&dataset, 1), &Constant] {
                let figures = figures(scorer, &rows, &settings()).unwrap();
                assert!(
                    figures.notes.iter().any(|n| n.contains(case.note)),
                    "{}: {:?}",
                    case.what,
                    figures.notes
                );
                let json = figures.to_json();
                let value: serde_json::Value = serde_json::from_str(&json).unwrap();
                let mut all = Vec::new();
                numbers(&value, &mut all);
                assert!(all.iter().all(|n| n.is_finite()), "{}", case.what);
                assert!(!json.contains("null"), "{}: {json}", case.what);
            }
        }
    }

    #[test]
    fn review_share_needs_no_labels() {
        let mut dataset = toy::dataset(60, 4);
        let oracle = Oracle::new(&dataset);
        dataset.examples.iter_mut().for_each(|e| e.labels = None);
        let rows = Rows::of(&dataset).unwrap();
        let figures = figures(&oracle, &rows, &settings()).unwrap();
        let share = figures.figures.get("state.review_share").unwrap();
        assert!(share.value > 0.0 && share.value < 1.0 && share.n == 60);
    }

    #[test]
    fn the_sweep_adds_up() {
        let dataset = toy::dataset(300, 6);
        let rows = Rows::of(&dataset).unwrap();
        let figures = figures(&Shuffled::new(&dataset, 5), &rows, &settings()).unwrap();
        assert_eq!(figures.curves.sweep_prevalence, 0.02);
        for s in &figures.curves.sweep {
            // 1,000 records a day at 2 %: 20 of them are stalking.
            assert!(close(s.right_a_day + s.missed_a_day, 20.0, 1e-9), "{s:?}");
            assert!(s.raised_a_day >= s.right_a_day && s.raised_a_day <= 1000.0);
        }
        let last = figures.curves.risk_coverage.last().unwrap();
        assert_eq!(last.coverage, 1.0);
    }
}
