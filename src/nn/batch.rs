//! From token ids to a ragged batch: windows over long narratives, and the
//! rows that the heads read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What the network needs of one text: token ids without special tokens, and
/// further inputs of each token (letter case, digits), `features` a token.
#[derive(Clone, Copy, Debug)]
pub struct TextInput<'a> {
    /// WordPiece ids, without `[CLS]` and `[SEP]`.
    pub ids: &'a [u32],
    /// `ids.len() · features` values.
    pub features: &'a [f32],
}

/// One window of a text: the tokens that the encoder sees together, and those
/// of them whose hidden states are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Tokens seen.
    pub tokens: Range<usize>,
    /// Tokens kept: within `tokens`, and over all windows each token once.
    pub keep: Range<usize>,
}

/// Cuts `n` tokens into windows of at most `capacity` tokens that overlap by
/// `overlap`. A token in two windows is kept where it lies further from the
/// border, so that every token has context on both sides. No token is lost.
pub fn windows(n: usize, capacity: usize, overlap: usize) -> Vec<Window> {
    let capacity = capacity.max(1);
    if n <= capacity {
        return vec![Window { tokens: 0..n, keep: 0..n }];
    }
    let step = capacity.saturating_sub(overlap).max(1);
    let mut starts: Vec<usize> = (0..n - capacity).step_by(step).collect();
    // The last window ends with the text rather than being short.
    starts.push(n - capacity);
    starts.dedup();
    let mut result: Vec<Window> = Vec::with_capacity(starts.len());
    for (i, &start) in starts.iter().enumerate() {
        let end = start + capacity;
        let keep_start = result.last().map_or(0, |w| w.keep.end);
        let keep_end = match starts.get(i + 1) {
            Some(&next) => next + (end - next) / 2,
            None => n,
        };
        result.push(Window { tokens: start..end, keep: keep_start..keep_end });
    }
    result
}

/// Special tokens and limits that a batch needs to know of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// Id of `[CLS]`.
    pub cls: u32,
    /// Id of `[SEP]`.
    pub sep: u32,
    /// Positions that the encoder has; a window is two tokens shorter.
    pub positions: usize,
    /// Tokens by which windows overlap.
    pub overlap: usize,
    /// Further inputs of each token.
    pub features: usize,
}

/// Texts made ready for one pass.
///
/// Encoder rows are the tokens of all windows end to end, each window as
/// `[CLS] tokens [SEP]`. Head rows are, text by text, the first `[CLS]`, every
/// token once, and the last `[SEP]`: token `i` of a text is row `i + 1` of it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Token id of each encoder row.
    pub ids: Vec<u32>,
    /// Position of each encoder row within its window.
    pub positions: Vec<u32>,
    /// Rows of each window.
    pub windows: Arc<[usize]>,
    /// The encoder row of each head row.
    pub rows: Vec<u32>,
    /// Head rows of each text.
    pub texts: Arc<[usize]>,
    /// Further inputs, (head rows, features).
    pub features: Vec<f32>,
    /// Features of each row.
    pub feature_count: usize,
}

impl Batch {
    /// Lays texts out for one pass.
    ///
    /// # Panics
    ///
    /// When a text's features do not fit its tokens.
    pub fn new(texts: &[TextInput<'_>], shape: BatchShape) -> Self {
        let f = shape.features;
        let mut batch = Self {
            ids: Vec::new(),
            positions: Vec::new(),
            windows: [].into(),
            rows: Vec::new(),
            texts: [].into(),
            features: Vec::new(),
            feature_count: f,
        };
        let (mut window_rows, mut text_rows) = (Vec::new(), Vec::new());
        for text in texts {
            assert_eq!(text.features.len(), text.ids.len() * f, "features of each token");
            let plan = windows(text.ids.len(), shape.positions - 2, shape.overlap);
            let last = plan.len() - 1;
            for (i, window) in plan.iter().enumerate() {
                let first_row = batch.ids.len() as u32;
                let rows = window.tokens.len() + 2;
                batch.ids.push(shape.cls);
                batch.ids.extend_from_slice(&text.ids[window.tokens.clone()]);
                batch.ids.push(shape.sep);
                batch.positions.extend(0..rows as u32);
                window_rows.push(rows);
                if i == 0 {
                    batch.rows.push(first_row);
                }
                let offset = window.tokens.start;
                batch.rows.extend(window.keep.clone().map(|token| first_row + 1 + (token - offset) as u32));
                if i == last {
                    batch.rows.push(first_row + rows as u32 - 1);
                }
            }
            batch.features.extend(std::iter::repeat_n(0.0, f));
            batch.features.extend_from_slice(text.features);
            batch.features.extend(std::iter::repeat_n(0.0, f));
            text_rows.push(text.ids.len() + 2);
        }
        batch.windows = window_rows.into();
        batch.texts = text_rows.into();
        batch
    }

    /// The distinct token ids, ascending, and for each encoder row the place
    /// of its id among them. Training gathers only these rows of the table.
    pub fn vocabulary(&self) -> (Vec<u32>, Vec<u32>) {
        let mut places: BTreeMap<u32, u32> = self.ids.iter().map(|&id| (id, 0)).collect();
        for (place, entry) in places.values_mut().enumerate() {
            *entry = place as u32;
        }
        let local = self.ids.iter().map(|id| places[id]).collect();
        (places.into_keys().collect(), local)
    }

    /// Whether the head rows are the encoder rows in order (no long text).
    pub fn rows_are_identity(&self) -> bool {
        self.rows.len() == self.ids.len()
    }

    /// The head rows of each text as ranges.
    pub fn text_ranges(&self) -> Vec<Range<usize>> {
        let mut next = 0;
        self.texts
            .iter()
            .map(|&rows| {
                let range = next..next + rows;
                next = range.end;
                range
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPE: BatchShape = BatchShape { cls: 101, sep: 102, positions: 10, overlap: 3, features: 1 };

    proptest! {
        #[test]
        fn windows_keep_every_token_once(n in 0usize..400, capacity in 1usize..60, overlap in 0usize..70) {
            let plan = windows(n, capacity, overlap);
            let mut next = 0;
            for window in &plan {
                prop_assert!(window.tokens.len() <= capacity);
                prop_assert!(window.tokens.end <= n);
                prop_assert_eq!(window.keep.start, next);
                prop_assert!(window.keep.start >= window.tokens.start);
                prop_assert!(window.keep.end <= window.tokens.end);
                next = window.keep.end;
            }
            prop_assert_eq!(next, n);
        }

        #[test]
        fn head_rows_hold_each_token_in_order(lengths in proptest::collection::vec(0usize..40, 1..5)) {
            let ids: Vec<Vec<u32>> = lengths.iter().map(|&n| (0..n as u32).map(|i| 1000 + i).collect()).collect();
            let features: Vec<Vec<f32>> = lengths.iter().map(|&n| (0..n).map(|i| i as f32).collect()).collect();
            let texts: Vec<_> = ids.iter().zip(&features)
                .map(|(ids, features)| TextInput { ids, features }).collect();
            let batch = Batch::new(&texts, SHAPE);
            for (range, ids) in batch.text_ranges().into_iter().zip(&ids) {
                let seen: Vec<u32> = batch.rows[range].iter().map(|&r| batch.ids[r as usize]).collect();
                prop_assert_eq!(seen[0], 101);
                prop_assert_eq!(seen[seen.len() - 1], 102);
                prop_assert_eq!(&seen[1..seen.len() - 1], &ids[..]);
            }
            prop_assert_eq!(batch.features.len(), batch.rows.len());
            let (distinct, local) = batch.vocabulary();
            let back: Vec<u32> = local.iter().map(|&l| distinct[l as usize]).collect();
            prop_assert_eq!(back, batch.ids);
        }
    }

    #[test]
    fn a_short_text_is_one_window() {
        assert_eq!(windows(5, 8, 3), vec![Window { tokens: 0..5, keep: 0..5 }]);
        assert_eq!(windows(0, 8, 3), vec![Window { tokens: 0..0, keep: 0..0 }]);
    }

    #[test]
    fn overlapping_tokens_are_kept_far_from_borders() {
        let plan = windows(12, 8, 4);
        assert_eq!(plan[0], Window { tokens: 0..8, keep: 0..6 });
        assert_eq!(plan[1], Window { tokens: 4..12, keep: 6..12 });
    }
}
