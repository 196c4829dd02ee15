//! From a narrative to what the encoder reads: characters made uniform without
//! moving any, WordPiece tokens with their place in the text, and what the
//! uncased encoder cannot see of each token (letter case, digits).
//!
//! All offsets count Unicode characters of the original text.

#[cfg(test)]
pub(crate) mod fixture;
pub mod language;
mod shape;
mod wordpiece;

use std::sync::{Arc, OnceLock};

use tokenizers::Tokenizer as WordPiece;

use crate::error::{Error, ErrorKind, Result};
pub use shape::FEATURES;
use wordpiece::WordPieces;

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
///
/// A file of the usual form is read by our own code (`wordpiece`), which
/// starts in a few milliseconds; the `tokenizers` crate reads any other, and
/// texts that ask for more, and is built when it is first needed.
#[derive(Clone, Debug)]
pub struct Tokeniser {
    json: Arc<[u8]>,
    own: Option<Arc<WordPieces>>,
    general: Arc<OnceLock<WordPiece>>,
    cls: u32,
    sep: u32,
}

/// Reads a file with the `tokenizers` crate, without truncation and padding.
fn general(json: &[u8]) -> Result<WordPiece> {
    let mut tokeniser = WordPiece::from_bytes(json)
        .map_err(|error| Error::new(ErrorKind::Model, format!("tokenizer.json does not parse: {error}")))?;
    let _ = tokeniser.with_truncation(None);
    tokeniser.with_padding(None);
    Ok(tokeniser)
}

impl Tokeniser {
    /// Reads a `tokenizer.json`. Truncation and padding that the file asks for
    /// are cleared: a narrative is never cut silently.
    ///
    /// # Errors
    ///
    /// When the file does not parse or has no `[CLS]` and `[SEP]`.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        Self::new(json, WordPieces::from_json(json).map(Arc::new))
    }

    fn new(json: &[u8], own: Option<Arc<WordPieces>>) -> Result<Self> {
        let mut tokeniser =
            Self { json: json.into(), own, general: Arc::new(OnceLock::new()), cls: 0, sep: 0 };
        let special = |token: &str| {
            let id = match &tokeniser.own {
                Some(own) => own.id(token),
                None => tokeniser.general()?.token_to_id(token),
            };
            id.ok_or_else(|| Error::new(ErrorKind::Model, format!("tokenizer.json has no token `{token}`")))
        };
        let (cls, sep) = (special("[CLS]")?, special("[SEP]")?);
        (tokeniser.cls, tokeniser.sep) = (cls, sep);
        Ok(tokeniser)
    }

    /// The tokeniser of the `tokenizers` crate, built when first asked for.
    fn general(&self) -> Result<&WordPiece> {
        if let Some(built) = self.general.get() {
            return Ok(built);
        }
        let built = general(&self.json)?;
        Ok(self.general.get_or_init(|| built))
    }

    /// The file again, without truncation and padding.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        self.general()?
            .to_string(false)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("tokenizer cannot be written: {error}")))
    }

    /// Whether our own code reads texts, and not the general tokeniser.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Ids of `[CLS]` and `[SEP]`.
    pub fn special(&self) -> (u32, u32) {
        (self.cls, self.sep)
    }

    /// Id of `[MASK]`, where the vocabulary has one.
    pub fn mask(&self) -> Option<u32> {
        match &self.own {
            Some(own) => own.id("[MASK]"),
            None => self.general().ok()?.token_to_id("[MASK]"),
        }
    }

    /// Size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        match (&self.own, self.general.get()) {
            (Some(own), _) => own.len(),
            (None, Some(general)) => general.get_vocab_size(true),
            // Built when the file was read.
            (None, None) => 0,
        }
    }

    /// The highest id of a token: the word table must have a row for it.
    pub fn highest_id(&self) -> u32 {
        match (&self.own, self.general.get()) {
            (Some(own), _) => own.highest_id(),
            (None, Some(general)) => general.get_vocab(true).into_values().max().unwrap_or(0),
            (None, None) => 0,
        }
    }

    /// Tokens of a narrative.
    ///
    /// # Errors
    ///
    /// When the tokeniser fails, which a WordPiece file that loads does not.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        let uniform = normalise(text);
        let (ids, offsets) = match self.own.as_ref().and_then(|own| own.encode(&uniform)) {
            Some(pieces) => (pieces.ids, pieces.offsets),
            None => self.encode_generally(&uniform)?,
        };
        let chars: Vec<char> = uniform.chars().collect();
        let features = shape::features(&chars, &offsets);
        Ok(Tokens { ids, offsets, features })
    }

    #[expect(clippy::type_complexity, reason = "ids and offsets, named in the caller")]
    fn encode_generally(&self, uniform: &str) -> Result<(Vec<u32>, Vec<(usize, usize)>)> {
        let encoding = self
            .general()?
            .encode_char_offsets(uniform, false)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("tokenising failed: {error}")))?;
        Ok((encoding.get_ids().to_vec(), encoding.get_offsets().to_vec()))
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
    let mut indices = text.char_indices().map(|(i, _)| i).chain(std::iter::once(text.len()));
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

    use super::fixture::{tiny_json, tiny_tokeniser};
    use super::*;

    /// The tokens of a text as the words of the vocabulary, each with the
    /// characters of the original that it stands for.
    fn pieces(text: &str) -> Vec<(String, &str)> {
        let tokeniser = tiny_tokeniser();
        let tokens = tokeniser.encode(text).unwrap();
        tokens
            .ids
            .iter()
            .zip(&tokens.offsets)
            .map(|(id, &(start, end))| {
                let token = tokeniser.general().unwrap().id_to_token(*id).unwrap();
                (token, slice_chars(text, start, end))
            })
            .collect()
    }

    #[test]
    fn offsets_are_characters_of_the_original_text() {
        struct Case {
            what: &'static str,
            text: &'static str,
            want: &'static [(&'static str, &'static str)],
        }
        let cases = [
            Case {
                what: "letter case and word pieces",
                text: "He followed.",
                want: &[("he", "He"), ("follow", "follow"), ("##ed", "ed"), (".", ".")],
            },
            Case {
                what: "accents in one character",
                text: "Zoë sat in the Café",
                want: &[("zoe", "Zoë"), ("sat", "sat"), ("in", "in"), ("the", "the"), ("cafe", "Café")],
            },
            Case {
                // The mark is dropped, so the piece ends before it; what comes
                // after it is in its place.
                what: "accents as combining characters",
                text: "Zoe\u{308} sat cafe\u{301}s",
                want: &[("zoe", "Zoe"), ("sat", "sat"), ("cafe", "cafe"), ("##s", "s")],
            },
            Case {
                what: "emoji, of one character and of several",
                text: "he \u{1f621} sat\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} she",
                want: &[
                    ("he", "he"),
                    ("[UNK]", "\u{1f621}"),
                    ("[UNK]", "sat\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"),
                    ("she", "she"),
                ],
            },
            Case {
                what: "NUL and other control characters",
                text: "he\0sat\u{7}\u{1b}outside\0",
                want: &[("he", "he"), ("sat", "sat"), ("outside", "outside")],
            },
            Case {
                what: "Windows line ends and tabs",
                text: "he sat\r\n\r\n\tshe sat\r\n",
                want: &[("he", "he"), ("sat", "sat"), ("she", "she"), ("sat", "sat")],
            },
            Case {
                what: "typographic characters",
                text: "her\u{2019}s \u{2013} \u{201c}text\u{201d}\u{a0}he",
                want: &[
                    ("her", "her"),
                    ("'", "\u{2019}"),
                    ("s", "s"),
                    ("-", "\u{2013}"),
                    ("\"", "\u{201c}"),
                    ("text", "text"),
                    ("\"", "\u{201d}"),
                    ("he", "he"),
                ],
            },
            Case {
                what: "characters that grow or are unknown",
                text: "\u{130}n stra\u{df}e \u{4e2d}\u{6587} he",
                want: &[
                    ("in", "\u{130}n"),
                    ("[UNK]", "stra\u{df}e"),
                    ("[UNK]", "\u{4e2d}"),
                    ("[UNK]", "\u{6587}"),
                    ("he", "he"),
                ],
            },
            Case { what: "nothing to read", text: " \r\n\0 ", want: &[] },
        ];
        for Case { what, text, want } in cases {
            let want: Vec<(String, &str)> = want.iter().map(|(t, s)| ((*t).to_owned(), *s)).collect();
            assert_eq!(pieces(text), want, "{what}");
        }
    }

    #[test]
    fn truncation_and_padding_are_cleared() {
        let mut json = tiny_json();
        json["truncation"] = serde_json::json!({
            "max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right",
        });
        json["padding"] = serde_json::json!({
            "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        });
        let tokeniser = Tokeniser::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(tokeniser.encode("he").unwrap().len(), 1);
        assert_eq!(tokeniser.encode("he sat in the golf").unwrap().len(), 5);
        let written = tokeniser.to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert!(value["truncation"].is_null() && value["padding"].is_null());
        let again = Tokeniser::from_json(written.as_bytes()).unwrap();
        assert_eq!(again.vocabulary(), tokeniser.vocabulary());
        assert_eq!(again.highest_id() as usize + 1, tokeniser.vocabulary());
        assert_eq!(again.special(), (2, 3));
    }

    #[test]
    fn special_tokens_spelt_out_and_long_words_are_as_the_oracle_has_them() {
        let tokeniser = tiny_tokeniser();
        let long = "he".repeat(60);
        for text in
            ["he [SEP] sat", "[cls] he", "he[MASK]", long.as_str(), "he\u{e9}\u{302e}\u{301} sat", "##ed"]
        {
            let tokens = tokeniser.encode(text).unwrap();
            let (ids, offsets) = tokeniser.encode_generally(&normalise(text)).unwrap();
            assert_eq!((tokens.ids, tokens.offsets), (ids, offsets), "{text:?}");
        }
        assert!(tokeniser.own.as_ref().unwrap().encode("he [SEP] sat").is_none());
    }

    #[test]
    fn a_file_of_another_form_is_read_by_the_general_tokeniser() {
        let mut json = tiny_json();
        json["normalizer"]["lowercase"] = false.into();
        let tokeniser = Tokeniser::from_json(json.to_string().as_bytes()).unwrap();
        assert!(tokeniser.own.is_none());
        let usual = tiny_tokeniser();
        assert!(usual.own.is_some());
        assert_eq!(tokeniser.vocabulary(), usual.vocabulary());
        assert_eq!(tokeniser.highest_id(), usual.highest_id());
        assert_eq!(tokeniser.mask(), usual.mask());
        assert_ne!(tokeniser.encode("He").unwrap().ids, usual.encode("He").unwrap().ids);
    }

    #[test]
    fn a_file_that_is_no_tokeniser_is_refused() {
        let error = Tokeniser::from_json(b"{}").unwrap_err().to_string();
        assert!(error.starts_with("tokenizer.json does not parse: "), "{error}");
        let json = tiny_json().to_string().replace("[SEP]", "[END]");
        let error = Tokeniser::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "tokenizer.json has no token `[SEP]`");
    }

    proptest! {
        #[test]
        fn every_token_stands_for_characters_of_the_text(
            text in proptest::collection::vec(
                prop_oneof![
                    any::<char>(),
                    proptest::char::range('\0', '\u{24f}'),
                    proptest::char::range('\u{300}', '\u{36f}'),
                    Just(' '),
                ],
                0..40,
            )
        ) {
            let text: String = text.into_iter().collect();
            let tokens = tiny_tokeniser().encode(&text).unwrap();
            prop_assert_eq!(tokens.features.len(), tokens.len() * FEATURES);
            let mut last = 0;
            for &(start, end) in &tokens.offsets {
                prop_assert!(last <= start && start < end && end <= text.chars().count());
                last = end;
            }
        }

        #[test]
        fn own_tokens_are_those_of_the_oracle(
            text in proptest::collection::vec(
                prop_oneof![
                    3 => proptest::char::range(' ', '~'),
                    3 => proptest::sample::select(vec!['h', 'e', 's', 'a', 't', ' ', '#', '[', ']']),
                    1 => any::<char>(),
                    1 => proptest::char::range('\0', '\u{24f}'),
                    1 => proptest::char::range('\u{300}', '\u{36f}'),
                    1 => proptest::char::range('\u{2000}', '\u{2bff}'),
                    1 => proptest::char::range('\u{ac00}', '\u{ac20}'),
                    1 => proptest::char::range('\u{1f600}', '\u{1f64f}'),
                    1 => proptest::char::range('\u{302a}', '\u{3030}'),
                    1 => proptest::char::range('\u{4e00}', '\u{4e10}'),
                ],
                0..60,
            )
        ) {
            let text: String = text.into_iter().collect();
            let tokeniser = tiny_tokeniser();
            // As it is, and as `encode` makes it first.
            for text in [normalise(&text), text] {
                let own = tokeniser.own.as_ref().unwrap().encode(&text);
                if let Some(own) = own {
                    let (ids, offsets) = tokeniser.encode_generally(&text).unwrap();
                    prop_assert_eq!(own.ids, ids, "{:?}", text);
                    prop_assert_eq!(own.offsets, offsets, "{:?}", text);
                }
            }
        }

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
        assert_eq!(normalise("he\u{2019}s \u{201c}here\u{201d}\u{2013}now\0"), "he's \"here\"-now ");
    }
}
