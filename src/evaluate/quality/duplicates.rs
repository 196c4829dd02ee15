//! Reports that stand there nearly twice, by shingles of words.
//!
//! Candidates come from MinHash signatures in bands (Broder 1997; Leskovec,
//! Rajaraman and Ullman 2014, section 3.4); each pair that is named has the
//! exact Jaccard similarity of its shingles beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::words;
use crate::evaluate::{Rows, write6};
use crate::rng::mix;

/// Words of a shingle.
const SHINGLE: usize = 5;

/// Bands and rows of a signature: a pair of similarity s becomes a candidate
/// with probability 1 − (1 − s³)⁴⁰: 0.9999 at 0.6, 0.99 at 0.5.
const BANDS: usize = 40;
const ROWS: usize = 3;

/// Similarity above which a pair is named.
pub const THRESHOLD: f64 = 0.6;

/// Reports that stand there nearly twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duplicates {
    /// Similarity above which a pair is named.
    pub threshold: f64,
    /// Words of a shingle.
    pub shingle_words: usize,
    /// Share of the reports that are in a pair.
    #[serde(serialize_with = "write6")]
    pub rate: f64,
    /// Reports that are in a pair.
    pub reports: usize,
    /// The pairs, the most similar first.
    pub pairs: Vec<Pair>,
}

/// Two reports and how similar they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The id of the one.
    pub first: String,
    /// The id of the other.
    pub second: String,
    /// Jaccard similarity of the sets of shingles.
    #[serde(serialize_with = "write6")]
    pub jaccard: f64,
}

impl Duplicates {
    /// Finds the pairs among rows.
    pub fn of(rows: &Rows<'_>) -> Duplicates {
        let texts: Vec<&str> = rows.examples().iter().map(|e| e.report.text.as_str()).collect();
        let ids: Vec<&str> = rows.examples().iter().map(|e| e.report.id.as_str()).collect();
        let found = pairs(&texts);
        let mut inside: Vec<usize> = found.iter().flat_map(|&(a, b, _)| [a, b]).collect();
        inside.sort_unstable();
        inside.dedup();
        let name = |at: usize| ids.get(at).map_or(String::new(), |id| (*id).to_owned());
        Duplicates {
            threshold: THRESHOLD,
            shingle_words: SHINGLE,
            rate: inside.len() as f64 / rows.len().max(1) as f64,
            reports: inside.len(),
            pairs: found
                .into_iter()
                .map(|(a, b, jaccard)| Pair { first: name(a), second: name(b), jaccard })
                .collect(),
        }
    }
}

/// Pairs of texts above the threshold, the most similar first.
fn pairs(texts: &[&str]) -> Vec<(usize, usize, f64)> {
    let sets: Vec<Vec<u64>> = texts.par_iter().map(|text| shingles(text)).collect();
    let signatures: Vec<Vec<u64>> = sets.par_iter().map(|set| signature(set)).collect();
    let mut candidates: BTreeSet<(usize, usize)> = BTreeSet::new();
    for band in 0..BANDS {
        let mut alike: BTreeMap<&[u64], Vec<usize>> = BTreeMap::new();
        for (at, signature) in signatures.iter().enumerate() {
            if let Some(part) = signature.get(band * ROWS..(band + 1) * ROWS) {
                alike.entry(part).or_default().push(at);
            }
        }
        for group in alike.values() {
            for (i, &a) in group.iter().enumerate() {
                candidates.extend(group[i + 1..].iter().map(|&b| (a, b)));
            }
        }
    }
    let mut found: Vec<(usize, usize, f64)> = candidates
        .into_iter()
        .map(|(a, b)| (a, b, jaccard(&sets[a], &sets[b])))
        .filter(|(_, _, similarity)| *similarity > THRESHOLD)
        .collect();
    found.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    found
}

/// Hashes of the shingles, sorted, each once. A text shorter than a shingle is
/// one shingle.
fn shingles(text: &str) -> Vec<u64> {
    let words = words(text);
    let hash = |words: &[String]| {
        words.iter().flat_map(|word| word.bytes().chain([0])).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    let mut set: Vec<u64> =
        if words.len() < SHINGLE { vec![hash(&words)] } else { words.windows(SHINGLE).map(hash).collect() };
    set.sort_unstable();
    set.dedup();
    set
}

/// The smallest of each of the hash functions over the set.
fn signature(set: &[u64]) -> Vec<u64> {
    (0..(BANDS * ROWS) as u64)
        .map(|function| {
            let (odd, add) = (mix(function, &[1]) | 1, mix(function, &[2]));
            let hash = |x: u64| {
                let z = x.wrapping_mul(odd).wrapping_add(add);
                (z ^ (z >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb)
            };
            set.iter().map(|&shingle| hash(shingle)).min().unwrap_or(u64::MAX)
        })
        .collect()
}

/// Shared shingles over all, of two sorted sets.
fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        both += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "near-duplicates: {} pairs above {} ({}-word shingles), {} reports, {:.2} % of all",
            self.pairs.len(),
            self.threshold,
            self.shingle_words,
            self.reports,
            100.0 * self.rate
        )?;
        for Pair { first, second, jaccard } in self.pairs.iter().take(20) {
            writeln!(f, "  {first} {second} {jaccard:.3}")?;
        }
        match self.pairs.len() {
            0..=20 => Ok(()),
            all => writeln!(f, "  and {} more, see the JSON", all - 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_copies_are_found_and_others_not() {
        let long = "he waited outside the shop on station road from nine until she came out and then walked behind her to the bus stop and stood there smiling";
        let near = long.replace("nine", "ten");
        let texts = [
            long,
            "milk taken from a doorstep in the night and nothing else",
            &near,
            "short one",
            "Short one!",
        ];
        let found = pairs(&texts);
        let places: Vec<(usize, usize)> = found.iter().map(|f| (f.0, f.1)).collect();
        assert_eq!(places, [(3, 4), (0, 2)]);
        // 23 shingles each, 5 of them with the changed word: 18 of 28.
        assert!((found[1].2 - 18.0 / 28.0).abs() < 1e-9, "{found:?}");
        assert_eq!(jaccard(&[], &[]), 0.0);
    }
}
