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
pub mod record;
pub mod synthetic;
#[cfg(test)]
mod tests;
pub mod weights;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::features::Features;
use compare::COMPARISONS;
use record::Pool;
use weights::{Weights, probability};

/// Bits of a text that comes twice: whatever else is said, it is one report.
const DUPLICATE_BITS: f64 = 30.0;

/// Candidates that are told for each report, beside the pairs of a group.
const BEST: usize = 5;

/// Groups up to this size have every pair told.
const PAIRS_IN_FULL: usize = 40;

/// One part of a pair's weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// `prior`, `same_text`, or the name of a comparison.
    pub comparison: String,
    /// The level on which the pair stands; the prior has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
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

/// Evidence is told to four places; the sum is that of what is told.
fn round4(bits: f64) -> f64 {
    (bits * 1e4).round() / 1e4 + 0.0
}

/// Compares pairs of one pool.
#[derive(Clone, Copy, Debug)]
pub struct Scorer<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// m, u and shares.
    pub weights: &'a Weights,
    prior: f64,
}

impl<'a> Scorer<'a> {
    /// A scorer of the pairs of a pool.
    pub fn new(pool: &'a Pool, weights: &'a Weights) -> Self {
        Self { pool, weights, prior: round4(weights.prior_bits(pool.records.len())) }
    }

    /// Weight of the pair at two places, in bits.
    pub fn bits(&self, a: usize, b: usize) -> f64 {
        let (x, y) = (&self.pool.records[a], &self.pool.records[b]);
        let same = if x.text_hash == y.text_hash { DUPLICATE_BITS } else { 0.0 };
        let outcomes = compare::compare(self.pool, x, y);
        let parts = self.weights.evidence_bits(&outcomes);
        self.prior + same + parts.iter().map(|b| round4(*b)).sum::<f64>()
    }

    /// The pair at two places with its evidence. The first id comes first.
    pub fn link(&self, a: usize, b: usize, linked: bool) -> Link {
        let (a, b) = (a.min(b), a.max(b));
        let (x, y) = (&self.pool.records[a], &self.pool.records[b]);
        let mut evidence = vec![Evidence { comparison: "prior".into(), level: None, bits: self.prior }];
        if x.text_hash == y.text_hash {
            let level = Some("duplicate".into());
            evidence.push(Evidence { comparison: "same_text".into(), level, bits: DUPLICATE_BITS });
        }
        let outcomes = compare::compare(self.pool, x, y);
        let parts = self.weights.evidence_bits(&outcomes);
        for ((comparison, outcome), bits) in COMPARISONS.iter().zip(&outcomes).zip(parts) {
            if let Some(outcome) = outcome {
                let level = comparison.levels.get(outcome.level).map(|l| (*l).to_owned());
                evidence.push(Evidence { comparison: comparison.name.into(), level, bits: round4(bits) });
            }
        }
        let bits = round4(evidence.iter().map(|e| e.bits).sum());
        let p = (probability(bits) * 1e6).round() / 1e6;
        Link { a: x.id.clone(), b: y.id.clone(), bits, p, linked, evidence }
    }
}

/// Links the reports of a pool. The answer does not depend on their order;
/// their ids must differ.
pub fn link(features: &[Features], weights: &Weights) -> Linked {
    let pool = Pool::new(features);
    let scorer = Scorer::new(&pool, weights);
    let pairs = block::candidates(&pool);
    let scored: Vec<(u32, u32, f64)> =
        pairs.par_iter().map(|&(a, b)| (a, b, scorer.bits(a as usize, b as usize))).collect();
    let n = pool.records.len();
    let found = cluster::groups(n, &scored, weights.merge, &|a, b| scorer.bits(a, b));

    let mut group_of = vec![usize::MAX; n];
    for (g, group) in found.iter().enumerate() {
        for &member in &group.members {
            group_of[member] = g;
        }
    }
    let told = told_pairs(n, &scored, &found, &scorer);
    let links: Vec<Link> = told
        .par_iter()
        .map(|&(a, b)| {
            let linked = group_of[a] != usize::MAX && group_of[a] == group_of[b];
            scorer.link(a, b, linked)
        })
        .collect();
    let groups = found
        .iter()
        .map(|group| Group {
            reports: group.members.iter().map(|&m| pool.records[m].id.clone()).collect(),
            p_linked: probability(group.weakest_merge_bits),
            weakest_link_bits: round4(group.weakest_link_bits),
        })
        .collect();
    Linked { groups, links, compared: pairs.len(), duplicates: duplicates(&pool) }
}

/// Pairs to tell: those within groups, and the best candidates of each report.
fn told_pairs(
    n: usize,
    scored: &[(u32, u32, f64)],
    found: &[cluster::Group],
    scorer: &Scorer<'_>,
) -> Vec<(usize, usize)> {
    let mut told: BTreeSet<(usize, usize)> = BTreeSet::new();
    for group in found {
        for (k, &a) in group.members.iter().enumerate() {
            for &b in &group.members[k + 1..] {
                if group.members.len() <= PAIRS_IN_FULL || scorer.bits(a, b) >= group.weakest_link_bits {
                    told.insert((a, b));
                }
            }
        }
    }
    let mut best: Vec<Vec<(f64, usize)>> = vec![Vec::new(); n];
    for &(a, b, bits) in scored {
        for (own, other) in [(a as usize, b as usize), (b as usize, a as usize)] {
            let list = &mut best[own];
            list.push((bits, other));
            if list.len() >= 8 * BEST {
                shorten(list);
            }
        }
    }
    for (a, list) in best.iter_mut().enumerate() {
        shorten(list);
        told.extend(list.iter().map(|&(_, b)| (a.min(b), a.max(b))));
    }
    told.into_iter().collect()
}

fn shorten(list: &mut Vec<(f64, usize)>) {
    list.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
    list.truncate(BEST);
}

fn duplicates(pool: &Pool) -> Vec<Vec<String>> {
    let mut by_text: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for record in &pool.records {
        by_text.entry(record.text_hash).or_default().push(record.id.clone());
    }
    let mut sets: Vec<Vec<String>> = by_text.into_values().filter(|ids| ids.len() > 1).collect();
    sets.sort();
    sets
}
