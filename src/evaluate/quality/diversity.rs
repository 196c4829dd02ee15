//! How much authors repeat themselves and each other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::words;
use crate::evaluate::{Rows, write6};
use crate::rng::Rng;

/// Reports of an author from which self-BLEU is taken.
pub const SAMPLE: usize = 50;

/// How varied the words of a corpus are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diversity {
    /// Different words over words, of all reports.
    #[serde(serialize_with = "write6")]
    pub distinct_1: f64,
    /// Different pairs of words over pairs.
    #[serde(serialize_with = "write6")]
    pub distinct_2: f64,
    /// Different triples of words over triples.
    #[serde(serialize_with = "write6")]
    pub distinct_3: f64,
    /// Reports of an author, drawn by seed, from which self-BLEU is taken.
    pub sample: usize,
    /// Self-BLEU of each author; high is repetitive.
    pub self_bleu_4: BTreeMap<String, f64>,
    /// Mean of the authors.
    #[serde(serialize_with = "write6")]
    pub self_bleu_4_mean: f64,
    /// Mean Jaccard similarity of the content words of two authors.
    #[serde(serialize_with = "write6")]
    pub vocabulary_overlap: f64,
    /// The pair of authors whose vocabularies are most alike, and how much.
    pub most_alike: Option<(String, String, f64)>,
}

impl Diversity {
    /// Measures rows; `seed` draws each author's sample.
    pub fn of(rows: &Rows<'_>, seed: u64) -> Diversity {
        let all: Vec<Vec<String>> = rows.examples().par_iter().map(|e| words(&e.report.text)).collect();
        let authors = rows.authors();
        let self_bleu_4: BTreeMap<String, f64> = authors
            .par_iter()
            .map(|(author, places)| {
                let mut places = places.clone();
                Rng::new(seed, &format!("self-BLEU {author}")).shuffle(&mut places);
                places.truncate(SAMPLE);
                let texts: Vec<&[String]> = places.iter().map(|&at| all[at].as_slice()).collect();
                (author.clone(), super::super::round6(self_bleu(&texts)))
            })
            .collect();
        let vocabularies: Vec<(&String, BTreeSet<&str>)> = authors
            .iter()
            .map(|(author, places)| {
                let words = places.iter().flat_map(|&at| &all[at]).map(String::as_str);
                (author, words.filter(|word| is_content(word)).collect())
            })
            .collect();
        let mut alike: Vec<(String, String, f64)> = Vec::new();
        for (at, (first, a)) in vocabularies.iter().enumerate() {
            for (second, b) in &vocabularies[at + 1..] {
                let both = a.intersection(b).count();
                let jaccard = both as f64 / (a.len() + b.len() - both).max(1) as f64;
                alike.push(((*first).clone(), (*second).clone(), super::super::round6(jaccard)));
            }
        }
        let mean = |sum: f64, n: usize| if n == 0 { 0.0 } else { sum / n as f64 };
        Diversity {
            distinct_1: distinct(&all, 1),
            distinct_2: distinct(&all, 2),
            distinct_3: distinct(&all, 3),
            sample: SAMPLE,
            self_bleu_4_mean: mean(self_bleu_4.values().sum(), self_bleu_4.len()),
            self_bleu_4,
            vocabulary_overlap: mean(alike.iter().map(|a| a.2).sum(), alike.len()),
            most_alike: alike.into_iter().max_by(|a, b| a.2.total_cmp(&b.2)),
        }
    }
}

/// Different n-grams over n-grams (Li and others 2016); 0 where there is none.
fn distinct(texts: &[Vec<String>], n: usize) -> f64 {
    let mut seen: HashSet<&[String]> = HashSet::new();
    let mut all = 0usize;
    for text in texts {
        for gram in text.windows(n) {
            all += 1;
            seen.insert(gram);
        }
    }
    seen.len() as f64 / all.max(1) as f64
}

/// The mean BLEU-4 of each text against all others (Zhu and others 2018).
///
/// BLEU = BP · exp(¼ Σ ln pₙ) with clipped precisions pₙ (Papineni and others
/// 2002); a precision of none counts as 0.1 over its n-grams (Chen and Cherry
/// 2014, method 1); the reference of the nearest length sets the penalty.
fn self_bleu(texts: &[&[String]]) -> f64 {
    if texts.len() < 2 {
        return 0.0;
    }
    type Grams<'a> = HashMap<&'a [String], usize>;
    let mut log_precisions = vec![0.0; texts.len()];
    for n in 1..=4 {
        let grams: Vec<Grams> = texts
            .iter()
            .map(|text| {
                let mut grams = Grams::new();
                for gram in text.windows(n) {
                    *grams.entry(gram).or_default() += 1;
                }
                grams
            })
            .collect();
        // The most and second most often that one text has an n-gram, and
        // which text has it most often: the others' most follows for each text.
        let mut most: HashMap<&[String], (usize, usize, usize)> = HashMap::new();
        for (at, text) in texts.iter().enumerate() {
            let mut seen: HashSet<&[String]> = HashSet::new();
            for gram in text.windows(n).filter(|gram| seen.insert(gram)) {
                let count = grams[at].get(gram).copied().unwrap_or(0);
                let best = most.entry(gram).or_insert((0, 0, at));
                if count > best.0 {
                    *best = (count, best.0, at);
                } else if count > best.1 {
                    best.1 = count;
                }
            }
        }
        for (at, text) in texts.iter().enumerate() {
            let mut seen: HashSet<&[String]> = HashSet::new();
            let mut matched = 0;
            for gram in text.windows(n).filter(|gram| seen.insert(gram)) {
                let own = grams[at].get(gram).copied().unwrap_or(0);
                let &(first, second, who) = most.get(gram).unwrap_or(&(0, 0, at));
                matched += own.min(if who == at { second } else { first });
            }
            let total = (text.len() + 1).saturating_sub(n).max(1);
            let precision = if matched == 0 { 0.1 } else { matched as f64 } / total as f64;
            log_precisions[at] += precision.ln() / 4.0;
        }
    }
    let scores = texts.iter().enumerate().map(|(at, text)| {
        let length = text.len() as f64;
        let others = texts.iter().enumerate().filter(|(other, _)| *other != at);
        let nearest = others
            .map(|(_, other)| other.len() as f64)
            .min_by(|a, b| (a - length).abs().total_cmp(&(b - length).abs()).then(a.total_cmp(b)));
        let reference = nearest.unwrap_or(length);
        let penalty =
            if length > reference || length == 0.0 { 1.0 } else { (1.0 - reference / length).exp() };
        penalty * log_precisions[at].exp()
    });
    scores.sum::<f64>() / texts.len() as f64
}

/// Whether a word says what a text is about: three letters or more, and none of
/// the words that every text has.
fn is_content(word: &str) -> bool {
    const COMMON: [&str; 76] = [
        "the", "and", "for", "that", "was", "with", "his", "her", "she", "they", "has", "had", "not", "but",
        "from", "this", "have", "been", "were", "out", "who", "him", "are", "you", "said", "says", "when",
        "then", "all", "there", "their", "what", "one", "two", "about", "into", "back", "down", "off",
        "over", "after", "before", "would", "could", "will", "can", "did", "does", "which", "them", "than",
        "some", "any", "only", "just", "also", "now", "more", "very", "where", "while", "because", "being",
        "its", "our", "your", "how", "too", "still", "again", "once", "here", "it's", "don't", "didn't",
        "he's",
    ];
    word.chars().count() > 2
        && word.chars().all(|c| c.is_alphabetic() || c == '\'')
        && !COMMON.contains(&word)
}

impl fmt::Display for Diversity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diversity { distinct_1, distinct_2, distinct_3, sample, self_bleu_4_mean, .. } = self;
        writeln!(f, "distinct words {distinct_1:.4}, pairs {distinct_2:.4}, triples {distinct_3:.4}")?;
        writeln!(
            f,
            "self-BLEU-4 within an author, {sample} reports drawn of each: mean {self_bleu_4_mean:.3}"
        )?;
        let mut authors: Vec<(&String, &f64)> = self.self_bleu_4.iter().collect();
        authors.sort_by(|a, b| b.1.total_cmp(a.1));
        let shown: Vec<String> =
            authors.iter().take(5).map(|(author, bleu)| format!("{author} {bleu:.3}")).collect();
        if !shown.is_empty() {
            writeln!(f, "  the most repetitive: {}", shown.join(", "))?;
        }
        writeln!(f, "vocabulary shared by two authors: {:.3} on average (Jaccard)", self.vocabulary_overlap)?;
        match &self.most_alike {
            Some((first, second, overlap)) => {
                writeln!(f, "  the most alike: {first} and {second} {overlap:.3}")
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        words(text)
    }

    #[test]
    fn bleu_is_one_for_copies_and_small_for_strangers() {
        let (a, b) = (
            split("he sat outside in the car all night long"),
            split("milk eggs bread two tins of beans tea bags"),
        );
        assert!((self_bleu(&[&a, &a]) - 1.0).abs() < 1e-12);
        assert!(self_bleu(&[&a, &b]) < 0.05);
        assert_eq!(self_bleu(&[&a]), 0.0);
        assert!(self_bleu(&[&[], &a]).is_finite());
    }

    #[test]
    fn bleu_worked_by_hand() {
        // Four of five words, three of four pairs, two of three triples, one of
        // two quadruples are shared either way; lengths are equal.
        let (a, b) = (split("a b c d x"), split("a b c d y"));
        let want = (0.8_f64 * 0.75 * (2.0 / 3.0) * 0.5).powf(0.25);
        assert!((self_bleu(&[&a, &b]) - want).abs() < 1e-12);
    }

    #[test]
    fn distinct_counts_each_once() {
        assert_eq!(distinct(&[split("a a b")], 1), 2.0 / 3.0);
        assert_eq!(distinct(&[split("a a a")], 2), 0.5);
        assert_eq!(distinct(&[], 2), 0.0);
    }
}
