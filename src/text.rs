//! From a narrative to what the encoder reads: characters made uniform without
//! moving any, WordPiece tokens with their place in the text, and what the
//! uncased encoder cannot see of each token (letter case, digits).
//!
//! All offsets count Unicode characters of the original text.

pub mod language;
mod shape;

use tokenizers::Tokenizer as WordPiece;

use crate::error::{Error, ErrorKind, Result};
pub use shape::FEATURES;

/// A narrative as tokens, without `[CLS]` and `[SEP]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// WordPiece ids.
    pub ids: Vec<u32>,
    /// First character and character after the last of each token.
    pub offsets: Vec<(usize, usize)>,
    /// [`FEATURES`] values for each token, end to end.
    pub features: Vec<f32>,
}

impl Tokens {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the text gave no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// The WordPiece tokeniser of a BERT checkpoint.
#[derive(Clone, Debug)]
pub struct Tokeniser {
    inner: WordPiece,
    cls: u32,
    sep: u32,
}

impl Tokeniser {
    /// Reads a `tokenizer.json`. Truncation and padding that the file asks for
    /// are cleared: a narrative is never cut silently.
    ///
    /// # Errors
    ///
    /// When the file does not parse or has no `[CLS]` and `[SEP]`.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let mut inner = WordPiece::from_bytes(json).map_err(|error| {
            Error::new(
                ErrorKind::Model,
                format!("tokenizer.json does not parse: {error}"),
            )
        })?;
        let _ = inner.with_truncation(None);
        inner.with_padding(None);
        let special = |token: &str| {
            inner.token_to_id(token).ok_or_else(|| {
                Error::new(
                    ErrorKind::Model,
                    format!("tokenizer.json has no token `{token}`"),
                )
            })
        };
        let (cls, sep) = (special("[CLS]")?, special("[SEP]")?);
        Ok(Self { inner, cls, sep })
    }

    /// The file again, without truncation and padding.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        self.inner.to_string(false).map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                format!("tokenizer cannot be written: {error}"),
            )
        })
    }

    /// Ids of `[CLS]` and `[SEP]`.
    pub fn special(&self) -> (u32, u32) {
        (self.cls, self.sep)
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Tokens of a narrative.
    ///
    /// # Errors
    ///
    /// When the tokeniser fails, which a WordPiece file that loads does not.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        let uniform = normalise(text);
        let encoding = self
            .inner
            .encode_char_offsets(uniform.as_str(), false)
            .map_err(|error| {
                Error::new(ErrorKind::Internal, format!("tokenising failed: {error}"))
            })?;
        let offsets = encoding.get_offsets().to_vec();
        let chars: Vec<char> = uniform.chars().collect();
        let features = shape::features(&chars, &offsets);
        Ok(Tokens {
            ids: encoding.get_ids().to_vec(),
            offsets,
            features,
        })
    }
}

/// Makes characters uniform one for one: typographic quotes and dashes become
/// plain ones; control characters, NUL among them, and unusual spaces become
/// spaces. Character offsets stay true.
pub fn normalise(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{02bc}' | '`' | '\u{00b4}' => '\'',
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{00ab}' | '\u{00bb}' => '"',
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            '\u{00a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{3000}' | '\u{feff}' => ' ',
            '\n' | '\t' | '\r' => c,
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// The part of `text` between two character offsets.
pub fn slice_chars(text: &str, start: usize, end: usize) -> &str {
    let mut indices = text
        .char_indices()
        .map(|(i, _)| i)
        .chain(std::iter::once(text.len()));
    let from = indices.by_ref().nth(start).unwrap_or(text.len());
    let to = match end.checked_sub(start) {
        Some(0) | None => from,
        Some(n) => indices.nth(n - 1).unwrap_or(text.len()),
    };
    &text[from..to]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn normalising_moves_no_character(text in "\\PC{0,80}") {
            prop_assert_eq!(normalise(&text).chars().count(), text.chars().count());
        }

        #[test]
        fn slices_are_by_character(text in "\\PC{0,40}", a in 0usize..50, b in 0usize..50) {
            let chars: Vec<char> = text.chars().collect();
            let (a, b) = (a.min(chars.len()), b.min(chars.len()));
            let want: String = if a < b { chars[a..b].iter().collect() } else { String::new() };
            prop_assert_eq!(slice_chars(&text, a, b), want);
        }
    }

    #[test]
    fn typographic_characters_become_plain() {
        assert_eq!(
            normalise("he\u{2019}s \u{201c}here\u{201d}\u{2013}now\0"),
            "he's \"here\"-now "
        );
    }
}
