//! What an uncased tokeniser throws away and a name, a number plate or a
//! phone number is known by: letter case, digits and neighbours of a token.

/// Values for each token.
pub const FEATURES: usize = 16;

/// Titles that a surname follows.
const TITLES: [&str; 14] =
    ["mr", "mrs", "ms", "miss", "dr", "pc", "ps", "sgt", "dc", "ds", "insp", "pcso", "cllr", "rev"];

/// One whitespace-separated word.
struct Word {
    start: usize,
    end: usize,
    /// Begins a sentence or a line.
    opens: bool,
}

/// [`FEATURES`] values for each token, end to end. `offsets` are character
/// offsets into `chars`.
pub fn features(chars: &[char], offsets: &[(usize, usize)]) -> Vec<f32> {
    let words = words(chars);
    let (upper, letters) = chars
        .iter()
        .filter(|c| c.is_alphabetic())
        .fold((0, 0), |(u, n), c| (u + usize::from(c.is_uppercase()), n + 1));
    // In a log typed in capitals, capitals mark nothing.
    let capitals = letters > 0 && upper * 10 > letters * 7;
    let mut result = Vec::with_capacity(offsets.len() * FEATURES);
    let mut w = 0;
    for &(start, end) in offsets {
        while w + 1 < words.len() && words[w].end <= start {
            w += 1;
        }
        let text = &chars[start.min(chars.len())..end.min(chars.len())];
        let Some(word) = words.get(w) else {
            result.extend([0.0; FEATURES]);
            continue;
        };
        let whole = &chars[word.start..word.end];
        let starts_upper = |i: usize| {
            words.get(i).is_some_and(|w| {
                chars[w.start..w.end].iter().find(|c| c.is_alphabetic()).is_some_and(|c| c.is_uppercase())
            })
        };
        let before = w.checked_sub(1).map(|i| {
            let previous = &words[i];
            chars[previous.start..previous.end]
                .iter()
                .filter(|c| c.is_alphabetic())
                .flat_map(|c| c.to_lowercase())
                .collect::<String>()
        });
        let digits = whole.iter().filter(|c| c.is_ascii_digit()).count();
        let has_letter = whole.iter().any(|c| c.is_alphabetic());
        let first = text.iter().find(|c| c.is_alphabetic());
        let inner_upper = text.iter().skip(1).any(|c| c.is_uppercase());
        let flags: [bool; FEATURES] = [
            first.is_some_and(|c| c.is_uppercase()),
            text.len() > 1 && text.iter().all(|c| !c.is_alphabetic() || c.is_uppercase()) && first.is_some(),
            capitals,
            text.iter().any(|c| c.is_ascii_digit()),
            !text.is_empty() && text.iter().all(|c| c.is_ascii_digit()),
            digits > 0 && has_letter,
            start > word.start,
            word.opens,
            before.as_deref().is_some_and(|b| TITLES.contains(&b)),
            digits >= 9,
            whole.contains(&'@') || whole.contains(&'_'),
            first.is_some_and(|c| c.is_lowercase()),
            inner_upper && first.is_some_and(|c| c.is_uppercase()),
            start > 0 && matches!(chars.get(start - 1), Some(':' | '=' | '(' | '"' | '\'')),
            starts_upper(w + 1),
            w > 0 && starts_upper(w - 1),
        ];
        result.extend(flags.map(|flag| if flag { 1.0 } else { 0.0 }));
    }
    result
}

fn words(chars: &[char]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut start, mut opens) = (None, true);
    for (i, c) in chars.iter().enumerate() {
        match (c.is_whitespace(), start) {
            (false, None) => start = Some(i),
            (true, Some(s)) => {
                words.push(Word { start: s, end: i, opens });
                opens = matches!(chars[i - 1], '.' | '!' | '?');
                start = None;
            }
            _ => {}
        }
        if *c == '\n' {
            opens = true;
        }
    }
    if let Some(s) = start {
        words.push(Word { start: s, end: chars.len(), opens });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, start: usize, end: usize) -> Vec<usize> {
        let chars: Vec<char> = text.chars().collect();
        let f = features(&chars, &[(start, end)]);
        assert_eq!(f.len(), FEATURES);
        f.iter().enumerate().filter(|(_, v)| **v > 0.0).map(|(i, _)| i).collect()
    }

    #[test]
    fn a_name_after_a_title_is_seen_as_one() {
        // "Grace": capital, after a title, neighbour capital before.
        assert_eq!(of("told Mrs Grace to go", 9, 14), vec![0, 8, 15]);
        // "grace": lower case alone.
        assert_eq!(of("told mrs grace to go", 9, 14), vec![8, 11]);
    }

    #[test]
    fn plates_and_phones_show_their_digits() {
        assert!(of("in KX19 ABC today", 3, 7).contains(&5));
        assert!(of("rang 07700900123", 5, 10).contains(&9));
    }

    #[test]
    fn the_first_word_of_a_line_opens_it() {
        assert!(of("x\nWill came", 2, 6).contains(&7));
        assert!(!of("saw Will there", 4, 8).contains(&7));
    }

    #[test]
    fn empty_and_out_of_range_offsets_do_no_harm() {
        assert_eq!(features(&[], &[(0, 0)]).len(), FEATURES);
        assert_eq!(features(&['a'], &[(5, 9)]).len(), FEATURES);
    }
}
