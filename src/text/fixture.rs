//! A small WordPiece tokeniser for tests: letters and digits one by one, and
//! a few whole words.

use serde_json::{Value, json};

use super::Tokeniser;

/// Whole words and continuations of the vocabulary.
const WORDS: [&str; 23] = [
    "he", "she", "her", "his", "the", "and", "sat", "outside", "in", "golf", "ex", "partner", "follow",
    "##ed", "text", "cafe", "zoe", "been", "phone", "work", "again", "said", "today",
];

/// The tokeniser as the JSON of a `tokenizer.json`, for tests that change it.
pub(crate) fn tiny_json() -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let letters: Vec<char> = ('a'..='z').chain('0'..='9').collect();
    let tokens = special
        .into_iter()
        .map(str::to_owned)
        .chain("!\"#$%&'()*+,-./:;<=>?@[\\]^_{|}~".chars().map(String::from))
        .chain(letters.iter().map(|c| c.to_string()))
        .chain(letters.iter().map(|c| format!("##{c}")))
        .chain(WORDS.map(str::to_owned));
    let vocab: serde_json::Map<String, Value> =
        tokens.enumerate().map(|(id, token)| (token, json!(id))).collect();
    let added: Vec<Value> = special
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({
                "id": id, "content": token, "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
            })
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab,
        },
    })
}

/// The tokeniser.
pub(crate) fn tiny_tokeniser() -> Tokeniser {
    Tokeniser::from_json(tiny_json().to_string().as_bytes()).unwrap()
}
