//! WordPiece tokens of an uncased BERT checkpoint (Schuster and Nakajima 2012;
//! Devlin and others 2019), written for a quick start: the vocabulary is read
//! into one table, and nothing else of the file is built.
//!
//! The `tokenizers` crate is the oracle: the tests compare the two, and a file
//! of another form, or one of the rare texts that ask for more (special tokens
//! spelt out, marks that change their order), is left to it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::char::{canonical_combining_class, decompose_canonical};

/// The tokeniser of a file of the usual form.
#[derive(Clone, Debug)]
pub(super) struct WordPieces {
    vocabulary: Vocabulary,
    unknown: u32,
    /// Longest word in characters; a longer one is unknown.
    longest_word: usize,
    /// Tokens that are found in a text as they stand, before anything else.
    added: Vec<String>,
}

/// Ids and offsets of the tokens of a text.
pub(super) struct Pieces {
    pub(super) ids: Vec<u32>,
    /// First character and character after the last.
    pub(super) offsets: Vec<(usize, usize)>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    added_tokens: Vec<Added<'a>>,
    normalizer: Normaliser,
    pre_tokenizer: Typed,
    #[serde(borrow)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct Added<'a> {
    id: u32,
    #[serde(borrow)]
    content: Cow<'a, str>,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
}

#[derive(Deserialize)]
struct Normaliser {
    r#type: String,
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

#[derive(Deserialize)]
struct Typed {
    r#type: String,
}

#[derive(Deserialize)]
struct Model<'a> {
    r#type: String,
    #[serde(borrow)]
    unk_token: Cow<'a, str>,
    #[serde(borrow)]
    continuing_subword_prefix: Cow<'a, str>,
    max_input_chars_per_word: usize,
    vocab: Vocabulary,
}

/// What a continuation begins with.
const PREFIX: &str = "##";

impl WordPieces {
    /// Reads a `tokenizer.json`; `None` where it is of another form.
    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        let file: File<'_> = serde_json::from_slice(json).ok()?;
        let (normaliser, model) = (&file.normalizer, &file.model);
        let usual = normaliser.r#type == "BertNormalizer"
            && normaliser.clean_text
            && normaliser.handle_chinese_chars
            && normaliser.strip_accents != Some(false)
            && normaliser.lowercase
            && file.pre_tokenizer.r#type == "BertPreTokenizer"
            && model.r#type == "WordPiece"
            && model.continuing_subword_prefix == PREFIX
            && file.added_tokens.iter().all(|added| {
                !(added.single_word || added.lstrip || added.rstrip || added.normalized)
                    && model.vocab.id(&added.content) == Some(added.id)
            });
        if !usual {
            return None;
        }
        Some(Self {
            unknown: model.vocab.id(&model.unk_token)?,
            longest_word: model.max_input_chars_per_word,
            added: file.added_tokens.into_iter().map(|added| added.content.into_owned()).collect(),
            vocabulary: file.model.vocab,
        })
    }

    /// Id of a token by its name in the file.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.vocabulary.id(token)
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.vocabulary.entries.len()
    }

    /// The highest id.
    pub(super) fn highest_id(&self) -> u32 {
        self.vocabulary.entries.iter().map(|entry| entry.id).max().unwrap_or(0)
    }

    /// The tokens of a text; `None` where it asks for more than this knows.
    pub(super) fn encode(&self, text: &str) -> Option<Pieces> {
        if self.added.iter().any(|added| text.contains(added.as_str())) {
            return None;
        }
        let mut pieces = Pieces { ids: Vec::new(), offsets: Vec::new() };
        let mut word = Word::default();
        for (i, c) in text.chars().enumerate() {
            if c.is_ascii() {
                if c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r') {
                    continue;
                }
                self.take(c.to_ascii_lowercase(), i, &mut word, &mut pieces);
                continue;
            }
            let mut known = true;
            let cjk = is_cjk(c);
            if !is_dropped(c) {
                if cjk {
                    self.end(&mut word, &mut pieces);
                }
                decompose_canonical(c, |part| {
                    if part.is_mark_nonspacing() {
                        return;
                    }
                    // Marks that are kept may have to change places.
                    known &= canonical_combining_class(part) == 0;
                    for lower in part.to_lowercase() {
                        self.take(lower, i, &mut word, &mut pieces);
                    }
                });
                if cjk {
                    self.end(&mut word, &mut pieces);
                }
            }
            if !known {
                return None;
            }
        }
        self.end(&mut word, &mut pieces);
        Some(pieces)
    }

    /// Takes the next normalised character, which stands for character `i`.
    fn take(&self, c: char, i: usize, word: &mut Word, pieces: &mut Pieces) {
        if c.is_whitespace() {
            self.end(word, pieces);
        } else if c.is_ascii_punctuation() || (!c.is_ascii() && c.is_punctuation()) {
            self.end(word, pieces);
            word.push(c, i);
            self.end(word, pieces);
        } else {
            word.push(c, i);
        }
    }

    /// Cuts the word that ends here, longest pieces first.
    fn end(&self, word: &mut Word, pieces: &mut Pieces) {
        let n = word.starts.len();
        if n == 0 {
            return;
        }
        let before = pieces.ids.len();
        let mut first = 0;
        while first < n {
            let found = if n > self.longest_word { None } else { self.longest(word, first) };
            let Some((id, next)) = found else {
                pieces.ids.truncate(before);
                pieces.offsets.truncate(before);
                pieces.ids.push(self.unknown);
                pieces.offsets.push((word.characters[0], word.characters[n - 1] + 1));
                break;
            };
            pieces.ids.push(id);
            pieces.offsets.push((word.characters[first], word.characters[next - 1] + 1));
            first = next;
        }
        word.clear();
    }

    /// The longest piece from character `first` of a word on: its id and the
    /// character after it.
    fn longest(&self, word: &Word, first: usize) -> Option<(u32, usize)> {
        let start = word.starts[first];
        let continued = first > 0;
        (first + 1..=word.starts.len()).rev().find_map(|next| {
            let end = word.starts.get(next).copied().unwrap_or(word.text.len());
            let id = self.vocabulary.find(continued, &word.text.as_bytes()[start..end])?;
            Some((id, next))
        })
    }
}

/// The word that is being read, normalised.
#[derive(Default)]
struct Word {
    text: String,
    /// Where in `text` each character begins.
    starts: Vec<usize>,
    /// The character of the original that each stands for.
    characters: Vec<usize>,
}

impl Word {
    fn push(&mut self, c: char, character: usize) {
        self.starts.push(self.text.len());
        self.characters.push(character);
        self.text.push(c);
    }

    fn clear(&mut self) {
        self.text.clear();
        self.starts.clear();
        self.characters.clear();
    }
}

/// Control and format characters beyond ASCII, and what stands for what
/// cannot be read.
fn is_dropped(c: char) -> bool {
    c == '\u{fffd}' || c.is_other()
}

/// Characters that are words by themselves.
fn is_cjk(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

/// Tokens by their bytes: an open table of entries into one string.
#[derive(Clone, Debug, Default)]
struct Vocabulary {
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// Number of an entry plus one, or 0; a power of two of them.
    slots: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    length: u16,
    continued: bool,
    id: u32,
}

impl Vocabulary {
    fn id(&self, token: &str) -> Option<u32> {
        match token.strip_prefix(PREFIX) {
            Some(rest) if !rest.is_empty() => self.find(true, rest.as_bytes()),
            _ => self.find(false, token.as_bytes()),
        }
    }

    fn bytes(&self, entry: Entry) -> &[u8] {
        let start = entry.start as usize;
        &self.text[start..start + usize::from(entry.length)]
    }

    fn find(&self, continued: bool, token: &[u8]) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(continued, token) as usize & mask;
        loop {
            let entry = self.entries[self.slots[slot].checked_sub(1)? as usize];
            if entry.continued == continued && self.bytes(entry) == token {
                return Some(entry.id);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn index(&mut self) {
        let size = (self.entries.len() * 2 + 1).next_power_of_two();
        self.slots = vec![0; size];
        for (number, entry) in self.entries.iter().enumerate() {
            let start = entry.start as usize;
            let token = &self.text[start..start + usize::from(entry.length)];
            let mut slot = hash(entry.continued, token) as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number as u32 + 1;
        }
    }
}

/// FNV-1a; tokens are short, and the file is not one that an attacker writes.
fn hash(continued: bool, token: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(continued);
    let hash = token.iter().fold(start, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
    hash ^ (hash >> 29)
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tokens;
        impl<'de> Visitor<'de> for Tokens {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tokens to ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                #[derive(Deserialize)]
                struct Token<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut vocabulary = Vocabulary::default();
                while let Some((Token(token), id)) = map.next_entry::<Token<'de>, u32>()? {
                    let rest = token.strip_prefix(PREFIX).filter(|rest| !rest.is_empty());
                    let bytes = rest.unwrap_or(&token).as_bytes();
                    let length = u16::try_from(bytes.len())
                        .map_err(|_| serde::de::Error::custom("a token of more than 65,535 bytes"))?;
                    let start = vocabulary.text.len() as u32;
                    vocabulary.text.extend_from_slice(bytes);
                    vocabulary.entries.push(Entry { start, length, continued: rest.is_some(), id });
                }
                vocabulary.index();
                Ok(vocabulary)
            }
        }
        deserializer.deserialize_map(Tokens)
    }
}
