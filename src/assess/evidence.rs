//! From token evidence to spans of the text: runs of tokens that are evidence,
//! joined over small gaps and widened to whole words, the strongest first.

use std::ops::Range;

use crate::codebook::Indicator;
use crate::model::Reading;
use crate::text::Tokens;

/// Most spans that are shown for one indicator.
pub const MAX_SPANS: usize = 3;

/// Tokens between two runs that are bridged.
const GAP: usize = 1;

/// Most tokens of a span; the strongest part of a longer run is shown.
const MAX_TOKENS: usize = 24;

/// Shortest words that are shown where there are longer ones, in characters.
const LEAST_CHARS: usize = 5;

/// A token is worth showing beside the strongest one from this share of its
/// probability on, when none reaches the threshold.
const BESIDE: f64 = 0.5;

/// Finds the words behind an answer.
pub(super) struct Finder<'a> {
    chars: Vec<char>,
    tokens: &'a Tokens,
    reading: &'a Reading,
}

impl<'a> Finder<'a> {
    pub(super) fn new(text: &str, tokens: &'a Tokens, reading: &'a Reading) -> Self {
        Self { chars: text.chars().collect(), tokens, reading }
    }

    /// Probability of each token as evidence.
    fn probabilities(&self, indicator: Indicator, denied: bool) -> Vec<f64> {
        let logits = if denied { &self.reading.denied_evidence } else { &self.reading.found_evidence };
        let width = Indicator::ALL.len();
        logits
            .chunks_exact(width)
            .map(|row| 1.0 / (1.0 + (-f64::from(row[indicator.index()])).exp()))
            .collect()
    }

    /// Character ranges that are evidence of an indicator, in the order of the
    /// text, at most [`MAX_SPANS`]. Where no token reaches `threshold` the
    /// strongest place is shown, unless the indicator may rest on the whole
    /// text.
    pub(super) fn spans(&self, indicator: Indicator, denied: bool, threshold: f64) -> Vec<Range<usize>> {
        let p = self.probabilities(indicator, denied);
        let mut threshold = threshold;
        let strongest = p.iter().copied().fold(0.0, f64::max);
        if strongest < threshold {
            if indicator.info().whole_text || strongest <= 0.0 {
                return Vec::new();
            }
            threshold = strongest * BESIDE;
        }
        self.runs(&p, threshold)
    }

    fn runs(&self, p: &[f64], threshold: f64) -> Vec<Range<usize>> {
        // (strength, tokens)
        let mut runs: Vec<(f64, Range<usize>)> = Vec::new();
        for (i, &p) in p.iter().enumerate().filter(|(_, p)| **p >= threshold) {
            match runs.last_mut() {
                Some((strength, run)) if i - run.end <= GAP => {
                    run.end = i + 1;
                    *strength = strength.max(p);
                }
                _ => runs.push((p, i..i + 1)),
            }
        }
        for (_, run) in &mut runs {
            if run.len() > MAX_TOKENS {
                let best = (run.start..=run.end - MAX_TOKENS)
                    .max_by(|&a, &b| {
                        let sum = |at: usize| p[at..at + MAX_TOKENS].iter().sum::<f64>();
                        sum(a).total_cmp(&sum(b))
                    })
                    .unwrap_or(run.start);
                *run = best..best + MAX_TOKENS;
            }
        }
        // A lone scrap such as "he" tells nothing beside a whole phrase.
        let told = |run: &Range<usize>| {
            let (start, end) = (self.tokens.offsets[run.start].0, self.tokens.offsets[run.end - 1].1);
            end - start >= LEAST_CHARS
        };
        if runs.iter().any(|(_, run)| told(run)) {
            runs.retain(|(_, run)| told(run));
        }
        // Strongest first; of equals the earlier.
        runs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.start.cmp(&b.1.start)));
        runs.truncate(MAX_SPANS);
        let mut ranges: Vec<Range<usize>> = runs.into_iter().filter_map(|(_, run)| self.words(run)).collect();
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut joined: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        joined
    }

    /// The characters of a run of tokens, widened to whole words.
    fn words(&self, run: Range<usize>) -> Option<Range<usize>> {
        let (mut start, _) = *self.tokens.offsets.get(run.start)?;
        let (_, mut end) = *self.tokens.offsets.get(run.end.checked_sub(1)?)?;
        let inside = |i: usize| self.chars.get(i).is_some_and(|c| c.is_alphanumeric() || *c == '\'');
        while start > 0 && inside(start) && inside(start - 1) {
            start -= 1;
        }
        while end > start && inside(end - 1) && inside(end) {
            end += 1;
        }
        (start < end).then_some(start..end)
    }

    /// Words that bear on serious harm: evidence of the codebook's serious-harm
    /// markers, of threats and of violence.
    pub(super) fn serious_harm(&self, threshold: f64) -> Vec<Range<usize>> {
        let mut strongest = vec![0.0f64; self.tokens.len()];
        for &indicator in Indicator::ALL {
            let marks =
                indicator.info().serious_harm || matches!(indicator, Indicator::Threat | Indicator::Violence);
            if marks {
                for (s, p) in strongest.iter_mut().zip(self.probabilities(indicator, false)) {
                    *s = s.max(p);
                }
            }
        }
        let peak = strongest.iter().copied().fold(0.0, f64::max);
        if peak <= 0.0 {
            return Vec::new();
        }
        self.runs(&strongest, threshold.min(peak))
    }
}
