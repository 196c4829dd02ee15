//! Reports linked into groups: which reports tell of the same people, and why.
//!
//! Features become [`record`]s, [`block`] chooses the pairs to compare,
//! [`compare`] says on which level each comparison of a pair stands,
//! [`weights`] turns levels into bits that add up, [`cluster`] turns pairs
//! into groups. Numbers and values only: no narrative, no tensors. The method
//! is that of Fellegi and Sunter (1969); its words are Splink's.

pub mod block;
pub mod cluster;
pub mod compare;
pub mod estimate;
pub mod frequency;
pub mod neighbours;
pub mod record;
pub mod symbols;
pub mod synthetic;
#[cfg(test)]
mod tests;
pub mod weights;

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::features::Features;
use compare::COMPARISONS;
use record::Pool;
use weights::{Weights, probability};

/// Bits of a text that comes twice: whatever else is said, it is one report.
const DUPLICATE_BITS: f64 = 30.0;

/// Candidates that are told for each report, beside the pairs of a group.
pub const BEST: usize = 5;

/// What a person's decision on a pair weighs in its sum; the decision itself
/// is kept to whatever the sum.
const DECIDED_BITS: f64 = 100.0;

/// Groups up to this size have every pair told.
const PAIRS_IN_FULL: usize = 40;

/// One part of a pair's weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// `prior`, `same_text`, `decision`, or the name of a comparison.
    pub comparison: Cow<'static, str>,
    /// The level on which the pair stands; the prior has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Cow<'static, str>>,
    /// What it says, in bits; below 0 against the link.
    pub bits: f64,
}

/// A pair of reports and what speaks for and against their link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The report whose id comes first.
    pub a: String,
    /// The other report.
    pub b: String,
    /// The sum of the evidence, in bits.
    pub bits: f64,
    /// Probability that both are of one course: 1 / (1 + 2^−bits).
    pub p: f64,
    /// Whether both stand in one group.
    pub linked: bool,
    /// The parts of the sum; they add up to `bits`.
    pub evidence: Vec<Evidence>,
}

/// Reports that are linked with each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Ids, sorted.
    pub reports: Vec<String>,
    /// Probability that the group belongs together, by its weakest merge.
    pub p_linked: f64,
    /// The strongest link of the weakest merge, in bits.
    pub weakest_link_bits: f64,
}

/// What linking gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linked {
    /// Groups of two or more, in the order of their first ids.
    pub groups: Vec<Group>,
    /// Pairs that join a group and each report's best candidates, each once.
    pub links: Vec<Link>,
    /// Pairs that were compared.
    pub compared: usize,
    /// Sets of ids whose texts are the same.
    pub duplicates: Vec<Vec<String>>,
}

/// What people have decided of pairs; later runs keep to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions(BTreeMap<(String, String), bool>);

impl Decisions {
    /// Notes that two reports are of one course (`true`) or are not; the last
    /// word on a pair counts.
    pub fn decide(&mut self, a: &str, b: &str, together: bool) {
        let pair = if a <= b { (a, b) } else { (b, a) };
        self.0.insert((pair.0.to_owned(), pair.1.to_owned()), together);
    }

    /// Decided pairs in the order of ids.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.0.iter().map(|((a, b), together)| (a.as_str(), b.as_str(), *together))
    }

    /// By places in a pool; pairs of which a report is not there are left out.
    fn in_pool(&self, pool: &Pool) -> BTreeMap<(u32, u32), bool> {
        let place = |id: &str| pool.place(id).map(|place| place as u32);
        self.0
            .iter()
            .filter_map(|((a, b), together)| {
                let (a, b) = (place(a)?, place(b)?);
                (a != b).then_some(((a.min(b), a.max(b)), *together))
            })
            .collect()
    }
}

/// Evidence is told to four places; the sum is that of what is told.
pub fn round4(bits: f64) -> f64 {
    (bits * 1e4).round() / 1e4 + 0.0
}

/// Compares pairs of one pool.
#[derive(Clone, Debug)]
pub struct Scorer<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// m, u and shares.
    pub weights: &'a Weights,
    prior: f64,
    decided: BTreeMap<(u32, u32), bool>,
}

impl<'a> Scorer<'a> {
    /// A scorer of the pairs of a pool.
    pub fn new(pool: &'a Pool, weights: &'a Weights) -> Self {
        Self::with_decisions(pool, weights, &Decisions::default())
    }

    /// A scorer that keeps to what people have decided.
    pub fn with_decisions(pool: &'a Pool, weights: &'a Weights, decisions: &Decisions) -> Self {
        let prior = round4(weights.prior_bits(pool.reports));
        Self { pool, weights, prior, decided: decisions.in_pool(pool) }
    }

    /// What was decided of the pair at two places.
    pub fn decided(&self, a: usize, b: usize) -> Option<bool> {
        if self.decided.is_empty() {
            return None;
        }
        self.decided.get(&(a.min(b) as u32, a.max(b) as u32)).copied()
    }

    fn same_text(&self, a: usize, b: usize) -> bool {
        self.pool.records[a].text_hash == self.pool.records[b].text_hash
    }

    /// Weight of the pair at two places, in bits.
    pub fn bits(&self, a: usize, b: usize) -> f64 {
        let mut bits = self.prior;
        if self.same_text(a, b) {
            bits += DUPLICATE_BITS;
        }
        if let Some(together) = self.decided(a, b) {
            bits += if together { DECIDED_BITS } else { -DECIDED_BITS };
        }
        let outcomes = compare::compare(self.pool, a, b);
        let parts = self.weights.evidence_bits(&outcomes);
        bits + parts.iter().map(|b| round4(*b)).sum::<f64>()
    }

    /// The pair at two places with its evidence. The first id comes first.
    pub fn link(&self, a: usize, b: usize, linked: bool) -> Link {
        let (a, b) = (a.min(b), a.max(b));
        let mut evidence = vec![Evidence { comparison: "prior".into(), level: None, bits: self.prior }];
        let mut say = |comparison: &'static str, level: Option<&'static str>, bits: f64| {
            evidence.push(Evidence { comparison: comparison.into(), level: level.map(Cow::from), bits });
        };
        if self.same_text(a, b) {
            say("same_text", Some("duplicate"), DUPLICATE_BITS);
        }
        match self.decided(a, b) {
            Some(true) => say("decision", Some("confirmed"), DECIDED_BITS),
            Some(false) => say("decision", Some("cut"), -DECIDED_BITS),
            None => {}
        }
        let outcomes = compare::compare(self.pool, a, b);
        let parts = self.weights.evidence_bits(&outcomes);
        for ((comparison, outcome), bits) in COMPARISONS.iter().zip(&outcomes).zip(parts) {
            if let Some(outcome) = outcome {
                say(comparison.name, comparison.levels.get(outcome.level).copied(), round4(bits));
            }
        }
        let bits = round4(evidence.iter().map(|e| e.bits).sum());
        let p = (probability(bits) * 1e6).round() / 1e6;
        let id = |place: usize| self.pool.records[place].id.to_string();
        Link { a: id(a), b: id(b), bits, p, linked, evidence }
    }
}

/// The links of a pool by place; [`Linking::link`] spells one out.
#[derive(Debug)]
pub struct Linking<'a> {
    scorer: Scorer<'a>,
    /// Groups of two or more by place, in the order of their first members.
    pub groups: Vec<cluster::Group>,
    /// Pairs that join a group and each report's best candidates, each once, in order.
    pub told: Vec<(u32, u32)>,
    /// Pairs that were compared.
    pub compared: usize,
    group_of: Vec<u32>,
}

impl<'a> Linking<'a> {
    /// Links the reports of a pool, keeping to what people have decided.
    pub fn new(pool: &'a Pool, weights: &'a Weights, decisions: &Decisions) -> Self {
        Self::of_candidates(pool, weights, decisions, &block::candidates(pool))
    }

    /// Links the reports of a pool by these candidate pairs.
    pub fn of_candidates(
        pool: &'a Pool,
        weights: &'a Weights,
        decisions: &Decisions,
        candidates: &block::Candidates,
    ) -> Self {
        let scorer = Scorer::with_decisions(pool, weights, decisions);
        let n = pool.records.len();
        let least = cluster::least_edge(weights.merge);
        let mut best = Best::new(n);
        let mut edges: Vec<(u32, u32, f64)> = Vec::new();
        // In rounds, so that no more than a round's scores are held at once.
        for from in (0..n).step_by(ROUND) {
            let to = (from + ROUND).min(n);
            let scored: Vec<Vec<(u32, f64)>> = (from..to)
                .into_par_iter()
                .map(|a| candidates.of(a).iter().map(|&b| (b, scorer.bits(a, b as usize))).collect())
                .collect();
            for (a, list) in (from as u32..).zip(scored) {
                for (b, bits) in list {
                    best.offer(a, b, bits);
                    best.offer(b, a, bits);
                    if bits > least {
                        edges.push((a, b, bits));
                    }
                }
            }
        }
        for (&(a, b), together) in &scorer.decided {
            if *together && !candidates.holds(a as usize, b as usize) {
                edges.push((a, b, scorer.bits(a as usize, b as usize)));
            }
        }
        let groups = cluster::groups(n, &edges, weights.merge, &|a, b| scorer.bits(a, b), &|a, b| {
            scorer.decided(a, b)
        });
        let mut group_of = vec![u32::MAX; n];
        for (g, group) in groups.iter().enumerate() {
            for &member in &group.members {
                group_of[member] = g as u32;
            }
        }
        let mut told = best.pairs();
        for group in &groups {
            for (k, &a) in group.members.iter().enumerate() {
                for &b in &group.members[k + 1..] {
                    if group.members.len() <= PAIRS_IN_FULL || scorer.bits(a, b) >= group.weakest_link_bits {
                        told.push((a as u32, b as u32));
                    }
                }
            }
        }
        told.par_sort_unstable();
        told.dedup();
        Self { scorer, groups, told, compared: candidates.pairs(), group_of }
    }

    /// The weights by which pairs were compared.
    pub fn weights(&self) -> &'a Weights {
        self.scorer.weights
    }

    /// Weight of the pair at two places, in bits.
    pub fn bits(&self, a: usize, b: usize) -> f64 {
        self.scorer.bits(a, b)
    }

    /// A pair by places, with its evidence.
    pub fn link(&self, pair: (u32, u32)) -> Link {
        let (a, b) = (pair.0 as usize, pair.1 as usize);
        let linked = self.group_of[a] != u32::MAX && self.group_of[a] == self.group_of[b];
        self.scorer.link(a, b, linked)
    }

    /// A group with its reports by id.
    pub fn group(&self, group: &cluster::Group) -> Group {
        let id = |place: &usize| self.scorer.pool.records[*place].id.to_string();
        Group {
            reports: group.members.iter().map(id).collect(),
            p_linked: probability(group.weakest_merge_bits),
            weakest_link_bits: round4(group.weakest_link_bits),
        }
    }
}

/// Links the reports of a pool. The answer does not depend on their order;
/// their ids must differ.
pub fn link(features: &[Features], weights: &Weights) -> Linked {
    let pool = Pool::new(features);
    let linking = Linking::new(&pool, weights, &Decisions::default());
    Linked {
        groups: linking.groups.iter().map(|g| linking.group(g)).collect(),
        links: linking.told.par_iter().map(|pair| linking.link(*pair)).collect(),
        compared: linking.compared,
        duplicates: duplicates(&pool),
    }
}

/// Reports whose pairs are scored in one round.
const ROUND: usize = 16_384;

/// The best candidates of each report.
struct Best(Vec<[(f64, u32); BEST]>);

impl Best {
    fn new(reports: usize) -> Self {
        Self(vec![[(f64::NEG_INFINITY, u32::MAX); BEST]; reports])
    }

    /// Takes a candidate in; ties stay with the first place.
    fn offer(&mut self, report: u32, other: u32, bits: f64) {
        let list = &mut self.0[report as usize];
        let before = |x: &(f64, u32)| x.0 > bits || x.0 == bits && x.1 < other;
        let at = list.partition_point(before);
        if at < BEST {
            list[at..].rotate_right(1);
            list[at] = (bits, other);
        }
    }

    fn pairs(&self) -> Vec<(u32, u32)> {
        let known = |(a, list): (usize, &[(f64, u32); BEST])| {
            let others = list.map(|(_, b)| b);
            others.into_iter().filter(|b| *b != u32::MAX).map(move |b| (b.min(a as u32), b.max(a as u32)))
        };
        self.0.iter().enumerate().flat_map(known).collect()
    }
}

/// Sets of ids whose texts are the same.
pub fn duplicates(pool: &Pool) -> Vec<Vec<String>> {
    let mut order: Vec<(u64, u32)> =
        pool.records.iter().enumerate().map(|(i, r)| (r.text_hash, i as u32)).collect();
    order.par_sort_unstable();
    let id = |(_, place): &(u64, u32)| pool.records[*place as usize].id.to_string();
    let mut sets: Vec<Vec<String>> = order
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|set| set.len() > 1)
        .map(|set| set.iter().map(id).collect())
        .collect();
    sets.sort();
    sets
}
