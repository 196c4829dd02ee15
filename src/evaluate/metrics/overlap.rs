//! How far two sets of marked runs of one text agree: by character and by
//! word (after ERASER, DeYoung et al. 2020).

/// Characters or words marked in truth, in the answer, and in both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marks {
    /// Marked in truth.
    pub truth: f64,
    /// Marked in the answer.
    pub answer: f64,
    /// Marked in both.
    pub both: f64,
}

impl Marks {
    /// Characters of runs `(start, end)`; a character that several runs cover
    /// counts once.
    pub fn of(truth: &[(usize, usize)], answer: &[(usize, usize)]) -> Self {
        let (truth, answer) = (merged(truth), merged(answer));
        let length = |runs: &[(usize, usize)]| runs.iter().map(|r| r.1 - r.0).sum::<usize>() as f64;
        let mut both = 0;
        for t in &truth {
            for a in &answer {
                both += t.1.min(a.1).saturating_sub(t.0.max(a.0));
            }
        }
        Self { truth: length(&truth), answer: length(&answer), both: both as f64 }
    }

    /// Intersection over union; `None` when nothing is marked.
    pub fn iou(&self) -> Option<f64> {
        let union = self.truth + self.answer - self.both;
        (union > 0.0).then(|| self.both / union)
    }

    /// F1, `2 both / (truth + answer)`; `None` when nothing is marked.
    pub fn f1(&self) -> Option<f64> {
        let sum = self.truth + self.answer;
        (sum > 0.0).then(|| 2.0 * self.both / sum)
    }

    /// Adds `other` times `weight`.
    pub fn add(&mut self, other: &Self, weight: f64) {
        self.truth += weight * other.truth;
        self.answer += weight * other.answer;
        self.both += weight * other.both;
    }
}

/// Runs in order, those that touch or overlap joined, empty ones left out.
fn merged(runs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut runs: Vec<_> = runs.iter().copied().filter(|r| r.0 < r.1).collect();
    runs.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(last) if run.0 <= last.1 => last.1 = last.1.max(run.1),
            _ => merged.push(run),
        }
    }
    merged
}

/// Words of a text as runs of characters: letters, digits and apostrophes.
pub fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    let mut n = 0;
    for (i, c) in text.chars().enumerate() {
        n = i + 1;
        let inside = c.is_alphanumeric() || c == '\'' || c == '\u{2019}';
        match (inside, start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                words.push((from, i));
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        words.push((from, n));
    }
    words
}

/// The same as [`Marks::of`] by word: a word is marked when a run covers any
/// character of it. `words` are runs of characters, in order.
pub fn token_marks(words: &[(usize, usize)], truth: &[(usize, usize)], answer: &[(usize, usize)]) -> Marks {
    let covers = |runs: &[(usize, usize)], word: &(usize, usize)| {
        runs.iter().any(|r| r.0 < r.1 && r.0 < word.1 && word.0 < r.1)
    };
    let mut marks = Marks::default();
    for word in words {
        let (t, a) = (covers(truth, word), covers(answer, word));
        marks.truth += f64::from(u8::from(t));
        marks.answer += f64::from(u8::from(a));
        marks.both += f64::from(u8::from(t && a));
    }
    marks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::metrics::close::close;

    #[test]
    fn a_case_worked_by_hand() {
        //  he waited outside her flat
        //     ------------- (3..16)      truth
        //            ------------------- (10..26) answer
        let marks = Marks::of(&[(3, 16)], &[(10, 26)]);
        assert_eq!((marks.truth, marks.answer, marks.both), (13.0, 16.0, 6.0));
        assert!(close(marks.iou().unwrap(), 6.0 / 23.0, 1e-12));
        assert!(close(marks.f1().unwrap(), 12.0 / 29.0, 1e-12));
        assert!(!close(marks.f1().unwrap(), 13.0 / 29.0, 1e-3));
        let words = words("he waited outside her flat");
        let marks = token_marks(&words, &[(3, 16)], &[(10, 26)]);
        // waited, outside against outside, her, flat.
        assert_eq!((marks.truth, marks.answer, marks.both), (2.0, 3.0, 1.0));
        assert_eq!(Marks::default().iou(), None);
        assert_eq!(Marks::default().f1(), None);
    }

    proptest! {
        /// The slow twin: one flag for each character.
        #[test]
        fn characters_one_by_one(
            truth in proptest::collection::vec((0usize..30, 0usize..30), 0..5),
            answer in proptest::collection::vec((0usize..30, 0usize..30), 0..5),
        ) {
            let flags = |runs: &[(usize, usize)]| -> Vec<bool> {
                (0..30).map(|c| runs.iter().any(|r| r.0 <= c && c < r.1)).collect()
            };
            let (t, a) = (flags(&truth), flags(&answer));
            let got = Marks::of(&truth, &answer);
            prop_assert_eq!(got.truth, t.iter().filter(|f| **f).count() as f64);
            prop_assert_eq!(got.answer, a.iter().filter(|f| **f).count() as f64);
            prop_assert_eq!(got.both, t.iter().zip(&a).filter(|(t, a)| **t && **a).count() as f64);
        }
    }
}
