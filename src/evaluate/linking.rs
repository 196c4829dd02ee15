//! Measuring linking where the courses are known: pairs, groups, first hits
//! and rankings, with intervals over whole courses, beside two rivals.
//!
//! Every figure has one-offs in the pool. *Series* are the reports that belong
//! to a course of two or more in the pool. Resamples draw whole courses (and
//! one-offs singly); a pair has the mean weight of its two reports.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::Serialize;

use super::metrics::{Interval, Ranking, Resamples};
use crate::codebook::Grade;
use crate::corpus::Example;
use crate::link::cluster;
use crate::link::compare::cosine;
use crate::link::estimate::GroupTruth;
use crate::link::record::Pool;
use crate::link::weights::{MergeRule, Weights};
use crate::link::{Decisions, Linking};

/// How one way of linking answered on a pool of `n` reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Name under which its figures stand.
    pub name: String,
    /// Group of each report; a report alone has a number of its own.
    pub groups: Vec<usize>,
    /// A score for every pair (a < b), in the order of [`pairs`]; higher is more
    /// alike. Empty for an answer that ranks nothing.
    pub scores: Vec<f64>,
}

/// Every pair of `n` reports, the smaller place first, in order.
pub fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| (a, b)))
}

/// One figure with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkFigure {
    /// Its name.
    pub name: &'static str,
    /// On all reports.
    pub value: f64,
    /// 95 % interval.
    pub interval: [f64; 2],
    /// What it is over: reports, pairs or courses. A figure over nothing is
    /// left out.
    pub n: usize,
}

/// Numbers of groups from lists of members among `n` reports.
pub fn numbers(n: usize, groups: &[Vec<usize>]) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..n).collect();
    for group in groups {
        if let Some(&first) = group.first() {
            for &member in group {
                numbers[member] = first;
            }
        }
    }
    numbers
}

/// Truth of a pool: the case of each report, where it has company there.
pub fn truth(cases: &[Option<String>]) -> Vec<Option<usize>> {
    let mut by_case: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, case) in cases.iter().enumerate() {
        if let Some(case) = case {
            by_case.entry(case).or_default().push(i);
        }
    }
    let mut truth = vec![None; cases.len()];
    for (number, members) in by_case.values().filter(|m| m.len() > 1).enumerate() {
        for &member in members {
            truth[member] = Some(number);
        }
    }
    truth
}

/// Groups that are drawn together: a course, or a report alone.
fn drawn(truth: &[Option<usize>]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (i, case) in truth.iter().enumerate() {
        match case {
            Some(case) => groups.entry(*case).or_default().push(i),
            None => alone.push(vec![i]),
        }
    }
    groups.into_values().chain(alone).collect()
}

fn ratio(over: f64, under: f64, nothing: Option<f64>) -> Option<f64> {
    if under > 0.0 { Some(over / under) } else { nothing }
}

fn f1(p: f64, r: f64) -> f64 {
    if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 }
}

/// B-cubed precision and recall over the reports of `selection`.
fn b_cubed(
    truth: &[Option<usize>],
    groups: &[usize],
    selection: &[usize],
    weights: &[f64],
) -> Option<(f64, f64)> {
    let mut sizes: BTreeMap<usize, f64> = BTreeMap::new();
    let mut classes: BTreeMap<usize, f64> = BTreeMap::new();
    let mut both: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for (i, &group) in groups.iter().enumerate() {
        *sizes.entry(group).or_default() += 1.0;
        if let Some(case) = truth[i] {
            *classes.entry(case).or_default() += 1.0;
            *both.entry((group, case)).or_default() += 1.0;
        }
    }
    let (mut p, mut r, mut total) = (0.0, 0.0, 0.0);
    for &i in selection {
        let size = sizes.get(&groups[i]).copied().unwrap_or(1.0);
        let (together, class) = match truth[i] {
            Some(case) => (
                both.get(&(groups[i], case)).copied().unwrap_or(1.0),
                classes.get(&case).copied().unwrap_or(1.0),
            ),
            None => (1.0, 1.0),
        };
        p += weights[i] * together / size;
        r += weights[i] * together / class;
        total += weights[i];
    }
    (total > 0.0).then(|| (p / total, r / total))
}

/// Names of figures, in the order in which they are told.
const FIGURES: [&str; 13] = [
    "pairwise precision",
    "pairwise recall",
    "pairwise F1",
    "B-cubed precision, series",
    "B-cubed recall, series",
    "B-cubed F1, series",
    "B-cubed precision, pool",
    "B-cubed recall, pool",
    "B-cubed F1, pool",
    "first hit",
    "courses found whole",
    "courses found in part",
    "AUPRC over pairs",
];

/// Figures whose change an ablation tells.
const ABLATED: [&str; 4] = ["pairwise precision", "pairwise recall", "B-cubed F1, series", "first hit"];

/// An answer held against the truth, ready for any weights of reports.
struct Held<'a> {
    answer: &'a Answer,
    truth: &'a [Option<usize>],
    series: Vec<usize>,
    pool: Vec<usize>,
    /// Pairs of one group.
    together: Vec<(usize, usize)>,
    /// Pairs of one course.
    wanted: Vec<(usize, usize)>,
    /// Whether the best partner of a report is of its course.
    hit: Vec<bool>,
    /// Reports of each course.
    cases: BTreeMap<usize, Vec<usize>>,
    ranking: Ranking,
}

impl<'a> Held<'a> {
    fn new(answer: &'a Answer, truth: &'a [Option<usize>]) -> Self {
        let n = truth.len();
        let same = |a: usize, b: usize| truth[a].is_some() && truth[a] == truth[b];
        // The best partner of each report, ties to the first.
        let mut best: Vec<(f64, usize)> = vec![(f64::NEG_INFINITY, usize::MAX); n];
        for ((a, b), &score) in pairs(n).zip(&answer.scores) {
            for (own, other) in [(a, b), (b, a)] {
                if score > best[own].0 {
                    best[own] = (score, other);
                }
            }
        }
        let series: Vec<usize> = (0..n).filter(|&i| truth[i].is_some()).collect();
        let mut cases: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &i in &series {
            if let Some(case) = truth[i] {
                cases.entry(case).or_default().push(i);
            }
        }
        Self {
            answer,
            truth,
            pool: (0..n).collect(),
            together: pairs(n).filter(|&(a, b)| answer.groups[a] == answer.groups[b]).collect(),
            wanted: pairs(n).filter(|&(a, b)| same(a, b)).collect(),
            hit: (0..n).map(|i| best[i].1 < n && same(i, best[i].1)).collect(),
            ranking: Ranking::new(
                pairs(n).zip(&answer.scores).enumerate().map(|(row, ((a, b), s))| (row, *s, same(a, b))),
            ),
            series,
            cases,
        }
    }

    /// What a figure is over.
    fn over(&self, figure: &str) -> usize {
        match figure {
            "pairwise precision" => self.together.len(),
            "pairwise recall" | "pairwise F1" => self.wanted.len(),
            "first hit" if self.answer.scores.is_empty() => 0,
            "courses found whole" | "courses found in part" => self.cases.len(),
            "AUPRC over pairs" => self.answer.scores.len(),
            _ if figure.ends_with("pool") => self.pool.len(),
            _ => self.series.len(),
        }
    }

    /// Weight of pairs; with `right`, of those that are both of one course and of one group.
    fn weigh(&self, list: &[(usize, usize)], w: &[f64], right: bool) -> f64 {
        let (truth, groups) = (self.truth, &self.answer.groups);
        let is_right =
            |a: usize, b: usize| truth[a].is_some() && truth[a] == truth[b] && groups[a] == groups[b];
        list.iter().filter(|&&(a, b)| !right || is_right(a, b)).map(|&(a, b)| (w[a] + w[b]) / 2.0).sum()
    }

    /// Share of courses that pass a test.
    fn of_cases(&self, test: &dyn Fn(&[usize]) -> bool, w: &[f64]) -> Option<f64> {
        let (mut good, mut all) = (0.0, 0.0);
        for members in self.cases.values() {
            let weight = w[members[0]];
            all += weight;
            good += if test(members) { weight } else { 0.0 };
        }
        ratio(good, all, None)
    }

    /// A figure under weights of reports; `None` where there is nothing to measure.
    fn value(&self, figure: &str, w: &[f64]) -> Option<f64> {
        let groups = &self.answer.groups;
        let selection = if figure.ends_with("pool") { &self.pool } else { &self.series };
        let cubed = || b_cubed(self.truth, groups, selection, w);
        match figure {
            "pairwise precision" => {
                ratio(self.weigh(&self.together, w, true), self.weigh(&self.together, w, false), Some(1.0))
            }
            "pairwise recall" => {
                ratio(self.weigh(&self.wanted, w, true), self.weigh(&self.wanted, w, false), None)
            }
            "pairwise F1" => {
                Some(f1(self.value("pairwise precision", w)?, self.value("pairwise recall", w)?))
            }
            "first hit" => {
                let all: f64 = self.series.iter().map(|&i| w[i]).sum();
                let good: f64 = self.series.iter().filter(|&&i| self.hit[i]).map(|&i| w[i]).sum();
                ratio(good, all, None)
            }
            "courses found whole" => {
                self.of_cases(&|members| members.iter().all(|&m| groups[m] == groups[members[0]]), w)
            }
            "courses found in part" => {
                let parts = |members: &[usize]| members.iter().map(|&m| groups[m]).collect::<BTreeSet<_>>();
                self.of_cases(&|members| parts(members).len() < members.len(), w)
            }
            "AUPRC over pairs" => {
                let of_pairs: Vec<f64> = pairs(w.len()).map(|(a, b)| (w[a] + w[b]) / 2.0).collect();
                self.ranking.average_precision(&of_pairs)
            }
            _ if figure.starts_with("B-cubed precision") => cubed().map(|(p, _)| p),
            _ if figure.starts_with("B-cubed recall") => cubed().map(|(_, r)| r),
            _ => cubed().map(|(p, r)| f1(p, r)),
        }
    }
}

/// One figure from its interval. Adding 0 turns −0 into 0.
fn figure(name: &'static str, n: usize, interval: &Interval) -> LinkFigure {
    let Interval { value, low, high } = *interval;
    LinkFigure { name, value: value + 0.0, interval: [low + 0.0, high + 0.0], n }
}

/// Every figure of one answer.
pub fn figures(answer: &Answer, truth: &[Option<usize>], resamples: usize, seed: u64) -> Vec<LinkFigure> {
    let samples = Resamples::new(&drawn(truth), truth.len(), resamples, seed);
    let held = Held::new(answer, truth);
    FIGURES
        .into_iter()
        .filter(|name| held.over(name) > 0)
        .filter_map(|name| {
            let interval = samples.interval(|w: &[f64]| held.value(name, w))?;
            Some(figure(name, held.over(name), &interval))
        })
        .collect()
}

/// How much lower figures are in `other` than in `full`, on the same resamples.
pub fn losses(
    full: &Answer,
    other: &Answer,
    truth: &[Option<usize>],
    resamples: usize,
    seed: u64,
) -> Vec<LinkFigure> {
    let samples = Resamples::new(&drawn(truth), truth.len(), resamples, seed);
    let (full, other) = (Held::new(full, truth), Held::new(other, truth));
    ABLATED
        .into_iter()
        .filter(|name| full.over(name) > 0)
        .filter_map(|name| {
            let lost = |w: &[f64]| Some(full.value(name, w)? - other.value(name, w)?);
            Some(figure(name, full.over(name), &samples.interval(lost)?))
        })
        .collect()
}

/// An answer by weights on a pool, linked as `throughline link` does it.
pub fn answer(name: &str, pool: &Pool, weights: &Weights) -> Answer {
    let n = pool.records.len();
    let linking = Linking::new(pool, weights, &Decisions::default());
    let groups: Vec<Vec<usize>> = linking.groups.iter().map(|g| g.members.clone()).collect();
    let of_row = |a: usize| (a + 1..n).map(|b| linking.bits(a, b)).collect::<Vec<f64>>();
    Answer {
        name: name.into(),
        groups: numbers(n, &groups),
        scores: (0..n).into_par_iter().flat_map_iter(of_row).collect(),
    }
}

/// Groups that another program made, a line each of an id, a tab and a group.
/// Reports that it does not name are alone.
pub fn groups_of_lines(name: &str, text: &str, pool: &Pool) -> Answer {
    let mut by_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (id, group) in text.lines().filter_map(|line| line.split_once('\t')) {
        if let Some(place) = pool.place(id) {
            by_group.entry(group).or_default().push(place);
        }
    }
    let groups: Vec<Vec<usize>> = by_group.into_values().collect();
    Answer { name: name.into(), groups: numbers(pool.records.len(), &groups), scores: Vec::new() }
}

/// Courses of which some report is graded possible or likely.
pub fn stalking_cases<'a>(examples: &[&'a Example]) -> BTreeSet<&'a str> {
    let graded = |e: &&&Example| e.labels.as_ref().is_some_and(|labels| labels.stalking != Grade::None);
    examples.iter().filter(graded).filter_map(|e| e.case.as_deref()).collect()
}

/// Groups of a pool held against its truth. `stalking` tells of each report
/// whether its course is stalking; `number` is given to the pool.
pub fn group_truths(
    pool: &Pool,
    weights: &Weights,
    truth: &[Option<usize>],
    stalking: &[bool],
    number: usize,
) -> Vec<GroupTruth> {
    let linking = Linking::new(pool, weights, &Decisions::default());
    let of_group = |group: &cluster::Group| {
        let first = group.members[0];
        let p_stalking = group.members.iter().map(|&m| f64::from(pool.records[m].p)).fold(0.0, f64::max);
        let one = truth[first].is_some() && group.members.iter().all(|&m| truth[m] == truth[first]);
        let p_linked = linking.group(group).p_linked;
        GroupTruth { p_linked, p_stalking, right: one && stalking[first], pool: number }
    };
    linking.groups.iter().map(of_group).collect()
}

/// How well a probability keeps its word, in bins of equal mass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// Of each bin: groups, mean probability, share that is right.
    pub bins: Vec<(usize, f64, f64)>,
    /// Mean gap between the two over groups.
    pub error: f64,
    /// Mean squared difference between probability and truth (Brier 1950).
    pub brier: f64,
}

/// Reliability of probabilities with their truth; `None` for none.
pub fn reliability(said: &[(f64, bool)], bins: usize) -> Option<Reliability> {
    let mut order = said.to_vec();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let n = order.len();
    if n == 0 {
        return None;
    }
    let truth = |right: bool| f64::from(u8::from(right));
    let bounds = (0..bins).map(|k| (k * n / bins, (k + 1) * n / bins)).filter(|(a, b)| a < b);
    let told: Vec<(usize, f64, f64)> = bounds
        .map(|(a, b)| {
            let part = &order[a..b];
            let mean = |f: &dyn Fn(&(f64, bool)) -> f64| part.iter().map(f).sum::<f64>() / part.len() as f64;
            (part.len(), mean(&|x| x.0), mean(&|x| truth(x.1)))
        })
        .collect();
    let error =
        told.iter().map(|(count, p, share)| *count as f64 * (p - share).abs()).sum::<f64>() / n as f64;
    let brier = order.iter().map(|(p, right)| (p - truth(*right)).powi(2)).sum::<f64>() / n as f64;
    Some(Reliability { bins: told, error, brier })
}

/// Reliability as lines of text.
pub fn reliability_lines(title: &str, told: &Reliability) -> String {
    let groups: usize = told.bins.iter().map(|b| b.0).sum();
    let mut text = format!(
        "\n{title}: {groups} groups, mean gap {:.3}, mean squared difference {:.3}\n",
        told.error, told.brier
    );
    for (count, p, share) in &told.bins {
        text += &format!("  {count:>4} groups: said {p:.3}, right {share:.3}\n");
    }
    text
}

/// A rival: reports that share a phone, plate, email, handle or person number
/// are one group, whatever else they say.
pub fn exact_identifiers(pool: &Pool) -> Answer {
    let n = pool.records.len();
    let shared = |a: usize, b: usize| {
        let (x, y) = (&pool.records[a].whole, &pool.records[b].whole);
        x.iter().filter(|u| y.iter().any(|v| (v.kind, v.symbol) == (u.kind, u.symbol))).count()
    };
    let scores: Vec<f64> = pairs(n).map(|(a, b)| shared(a, b) as f64).collect();
    let mut numbers: Vec<usize> = (0..n).collect();
    for ((a, b), score) in pairs(n).zip(&scores) {
        if *score > 0.0 && numbers[a] != numbers[b] {
            let (keep, drop) = (numbers[a].min(numbers[b]), numbers[a].max(numbers[b]));
            numbers.iter_mut().filter(|x| **x == drop).for_each(|x| *x = keep);
        }
    }
    Answer { name: "shared identifiers".into(), groups: numbers, scores }
}

/// A rival: cosine of vectors alone, grouped by mean cosine. Its threshold is
/// the one that is best for these very reports, which flatters it.
pub fn vectors_alone(pool: &Pool, truth: &[Option<usize>]) -> Answer {
    let n = pool.records.len();
    let of = |a: usize, b: usize| f64::from(cosine(&pool.records[a], &pool.records[b]).unwrap_or(-1.0));
    let scores: Vec<f64> = pairs(n).map(|(a, b)| of(a, b)).collect();
    let series: Vec<usize> = (0..n).filter(|&i| truth[i].is_some()).collect();
    let ones = vec![1.0; n];
    let mut best: (f64, Vec<usize>) = (-1.0, (0..n).collect());
    for step in 0..12 {
        let threshold = 0.4 + 0.05 * f64::from(step);
        // In tenths of cosine above the threshold, so that the clamps of pairs do not bite.
        let bits = |a: usize, b: usize| 10.0 * (of(a, b) - threshold);
        let edges: Vec<(u32, u32, f64)> =
            pairs(n).map(|(a, b)| (a as u32, b as u32, bits(a, b))).filter(|e| e.2 > 0.0).collect();
        let rule = MergeRule { strongest_share: 0.0, threshold_bits: 0.0 };
        let groups: Vec<Vec<usize>> =
            cluster::groups(n, &edges, rule, &bits, &|_, _| None).into_iter().map(|g| g.members).collect();
        let numbers = numbers(n, &groups);
        if let Some((p, r)) = b_cubed(truth, &numbers, &series, &ones)
            && f1(p, r) > best.0
        {
            best = (f1(p, r), numbers);
        }
    }
    Answer { name: "vectors alone".into(), groups: best.1, scores }
}

/// B-cubed F1 over series and pairwise precision of groups, for tuning.
pub fn quick(truth: &[Option<usize>], groups: &[usize]) -> (f64, f64) {
    let n = truth.len();
    let series: Vec<usize> = (0..n).filter(|&i| truth[i].is_some()).collect();
    let ones = vec![1.0; n];
    let f = b_cubed(truth, groups, &series, &ones).map_or(0.0, |(p, r)| f1(p, r));
    let (mut right, mut all) = (0.0, 0.0);
    for (a, b) in pairs(n).filter(|&(a, b)| groups[a] == groups[b]) {
        all += 1.0;
        right += f64::from(u8::from(truth[a].is_some() && truth[a] == truth[b]));
    }
    (f, ratio(right, all, Some(1.0)).unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(list: &[LinkFigure], name: &str) -> f64 {
        list.iter().find(|f| f.name == name).map_or(f64::NAN, |f| f.value)
    }

    fn cases(list: &[Option<&str>]) -> Vec<Option<usize>> {
        truth(&list.iter().map(|c| c.map(str::to_owned)).collect::<Vec<_>>())
    }

    #[test]
    fn a_perfect_answer_is_perfect_and_all_alone_is_not() {
        let truth = cases(&[Some("A"), Some("A"), Some("B"), Some("B"), Some("B"), None, Some("C")]);
        assert_eq!(truth[6], None, "a case of one report is no series");
        let n = truth.len();
        let same = |a: usize, b: usize| truth[a].is_some() && truth[a] == truth[b];
        let scores: Vec<f64> = pairs(n).map(|(a, b)| f64::from(u8::from(same(a, b)))).collect();
        let good = Answer { name: "good".into(), groups: vec![0, 0, 2, 2, 2, 5, 6], scores: scores.clone() };
        let list = figures(&good, &truth, 50, 1);
        assert!(list.iter().all(|f| (f.value - 1.0).abs() < 1e-12), "{list:?}");
        let alone = Answer { name: "alone".into(), groups: (0..n).collect(), scores };
        let list = figures(&alone, &truth, 50, 1);
        assert_eq!(figure(&list, "pairwise recall"), 0.0);
        assert_eq!(figure(&list, "courses found in part"), 0.0);
        // Recall 1/2, 1/2, 1/3, 1/3, 1/3 on average 0.4.
        assert!((figure(&list, "B-cubed recall, series") - 0.4).abs() < 1e-12);
    }

    #[test]
    fn reliability_is_that_of_its_bins() {
        let said: Vec<(f64, bool)> = (0..10).map(|i| (if i < 5 { 0.2 } else { 0.8 }, i % 5 == 0)).collect();
        let told = reliability(&said, 2).unwrap();
        assert_eq!(told.bins.len(), 2);
        assert!((told.error - 0.3).abs() < 1e-12, "{told:?}");
        assert!(reliability(&[], 5).is_none());
        assert_eq!(reliability(&said[..1], 5).unwrap().bins.len(), 1);
    }

    #[test]
    fn a_one_off_in_a_group_costs_precision() {
        let truth = cases(&[Some("A"), Some("A"), None]);
        let answer = Answer { name: "x".into(), groups: vec![0, 0, 0], scores: vec![0.5, 0.9, 0.1] };
        let list = figures(&answer, &truth, 20, 1);
        assert!((figure(&list, "pairwise precision") - 1.0 / 3.0).abs() < 1e-12);
        assert!((figure(&list, "B-cubed precision, series") - 2.0 / 3.0).abs() < 1e-12);
        // The first report's best partner is the one-off, the second's the first.
        assert!((figure(&list, "first hit") - 0.5).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_measure_does_not_panic() {
        let answer = Answer { name: "x".into(), groups: vec![], scores: vec![] };
        let list = figures(&answer, &[], 10, 1);
        assert!(list.iter().all(|f| f.value.is_finite()));
    }
}
