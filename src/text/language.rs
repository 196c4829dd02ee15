//! Whether a text can be assessed at all: long enough, in English, and telling
//! something. Police shorthand, capitals and bad spelling are English.

/// Why a text cannot be assessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Fewer words than [`MIN_WORDS`].
    TooShort,
    /// Another language, or no words at all.
    NotEnglish,
    /// Words, but no telling: a list, a form without its answers.
    NotANarrative,
}

/// Fewest words that are assessed.
pub const MIN_WORDS: usize = 4;

/// Words that hold English sentences together, and those that hold police
/// shorthand together. Content words are left out on purpose.
const FUNCTION_WORDS: &[&str] = &[
    "the",
    "a",
    "an",
    "and",
    "or",
    "but",
    "to",
    "of",
    "in",
    "on",
    "at",
    "by",
    "for",
    "from",
    "with",
    "off",
    "out",
    "up",
    "down",
    "over",
    "into",
    "outside",
    "i",
    "me",
    "my",
    "he",
    "him",
    "his",
    "she",
    "her",
    "hers",
    "it",
    "its",
    "they",
    "them",
    "their",
    "we",
    "us",
    "our",
    "you",
    "your",
    "this",
    "that",
    "these",
    "those",
    "who",
    "what",
    "when",
    "where",
    "why",
    "how",
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "being",
    "am",
    "has",
    "have",
    "had",
    "do",
    "does",
    "did",
    "done",
    "will",
    "would",
    "can",
    "could",
    "not",
    "no",
    "nothing",
    "never",
    "again",
    "still",
    "now",
    "then",
    "there",
    "here",
    "as",
    "if",
    "so",
    "because",
    "cos",
    "after",
    "before",
    "since",
    "about",
    "all",
    "some",
    "any",
    "im",
    "ive",
    "hes",
    "shes",
    "dont",
    "didnt",
    "wont",
    "cant",
    "just",
    "said",
    "says",
    "states",
    "stated",
    "got",
    "went",
    "came",
    "saw",
    "inft",
    "inf",
    "informant",
    "caller",
    "ip",
    "ap",
    "vic",
    "susp",
    "male",
    "female",
    "nfa",
    "re",
    "pls",
    "poss",
    "approx",
    "w",
    "o/s",
    "b/f",
    "ex",
    "u",
    "ur",
    "r",
];

/// Words that carry an act: enough for a clipped log without a pronoun.
const ACT_ENDINGS: [&str; 4] = ["ed", "ing", "en", "es"];

/// Why `text` cannot be assessed, or `None` when it can.
pub fn unreadable(text: &str) -> Option<Unreadable> {
    let words: Vec<String> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '/' || c == '\u{2019}'))
        .map(|w| w.replace(['\'', '\u{2019}'], "").to_lowercase())
        .filter(|w| w.chars().any(char::is_alphabetic))
        .collect();
    if words.is_empty() {
        // Emoji, digits or signs alone.
        return Some(if text.chars().filter(|c| !c.is_whitespace()).count() > 40 {
            Unreadable::NotEnglish
        } else {
            Unreadable::TooShort
        });
    }
    let function = words.iter().filter(|w| FUNCTION_WORDS.contains(&w.as_str())).count();
    let share = function as f64 / words.len() as f64;
    let latin = words.iter().filter(|w| w.chars().all(|c| c.is_ascii() || is_accented(c))).count();
    if latin * 2 < words.len() {
        return Some(Unreadable::NotEnglish);
    }
    if words.len() >= 6 && share < 0.25 {
        // Few English function words: another language, or a list.
        let foreign = whatlang::detect(text).is_some_and(|guess| {
            guess.lang() != whatlang::Lang::Eng
                && ((guess.is_reliable() && share < 0.12) || (guess.confidence() > 0.3 && share < 0.06))
        });
        if foreign {
            return Some(Unreadable::NotEnglish);
        }
    }
    if words.len() < MIN_WORDS {
        return Some(Unreadable::TooShort);
    }
    let acts =
        words.iter().filter(|w| w.len() > 4 && ACT_ENDINGS.iter().any(|ending| w.ends_with(ending))).count();
    if share < 0.08 && (acts as f64) < 0.1 * words.len() as f64 {
        return Some(Unreadable::NotANarrative);
    }
    None
}

fn is_accented(c: char) -> bool {
    ('\u{00c0}'..='\u{017f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_in_every_register_is_readable() {
        for text in [
            "my ex keeps sitting outside my work in his golf",
            "INFT STATES SUSP O/S ADDRESS AGAIN, REFUSING TO LEAVE",
            "AP reports damage to n/s wing mirror overnight. No CCTV. No witnesses. NFA.",
            "hes bn textin me all nite n wont stop pls help",
            "VEH DAMAGED OVERNIGHT BY UNK OFFENDER, SCRATCH TO O/S DOOR, NO LOE, FILED",
            "Hello I am Magda, he come to my work every day and wait, I am scare.",
        ] {
            assert_eq!(unreadable(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_so() {
        let cases = [
            ("help me please", Unreadable::TooShort),
            ("😡😡😡", Unreadable::TooShort),
            ("", Unreadable::TooShort),
            (
                "Mon ancien mari attend devant mon travail tous les jours et il refuse de partir malgré mes demandes",
                Unreadable::NotEnglish,
            ),
            (
                "Mein früherer Freund steht jeden Abend vor meinem Haus und schreibt mir ständig Nachrichten",
                Unreadable::NotEnglish,
            ),
            ("زوجي السابق ينتظرني أمام العمل كل يوم ولا يتوقف عن الاتصال بي", Unreadable::NotEnglish),
            (
                "milk, eggs, bread, 2 tins beans, washing powder, onions, carrots, tea bags, toilet roll, cat food",
                Unreadable::NotANarrative,
            ),
        ];
        for (text, why) in cases {
            assert_eq!(unreadable(text), Some(why), "{text}");
        }
    }
}
