//! Names, numbers and places: from the tags of tokens to typed entities with
//! roles, and their words made uniform. [`identifiers`] joins the tags with
//! patterns and gives what linking compares.

mod identify;
pub mod names;
mod patterns;
pub mod values;

use std::ops::Range;

pub use identify::{Identifier, Tagged, identifiers, value_of};

use crate::codebook::{EntityKind, Role};
use crate::text::Tokens;

/// Tag of a token outside every entity; tag `1 + 2k` begins an entity of the
/// k-th kind, tag `2 + 2k` goes on with it.
pub const OUTSIDE: usize = 0;

/// Tag of the first token of an entity.
pub fn begin_tag(kind: EntityKind) -> usize {
    1 + 2 * kind.index()
}

/// Tag of a further token of an entity.
pub fn inside_tag(kind: EntityKind) -> usize {
    2 + 2 * kind.index()
}

/// Role index of a token; 0 is none.
pub fn role_index(role: Option<Role>) -> usize {
    role.map_or(0, |role| 1 + role.index())
}

fn arg_max(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// Entities of a text from the logits of tags (tokens, tags) and roles
/// (tokens, roles): character range, kind and role, in the order of the text.
///
/// A token that goes on with an entity of another kind begins a new one, and
/// an entity never ends inside a word.
pub fn decode(
    text: &str,
    tokens: &Tokens,
    tags: &[f32],
    roles: &[f32],
) -> Vec<(Range<usize>, EntityKind, Option<Role>)> {
    let chars: Vec<char> = text.chars().collect();
    let tag_count = 1 + 2 * EntityKind::ALL.len();
    let role_count = 1 + Role::ALL.len();
    let mut runs: Vec<(EntityKind, Range<usize>)> = Vec::new();
    for (i, row) in tags.chunks_exact(tag_count).take(tokens.len()).enumerate() {
        let tag = arg_max(row);
        if tag == OUTSIDE {
            continue;
        }
        let kind = EntityKind::ALL[(tag - 1) / 2];
        let begins = tag % 2 == 1;
        let inside_word = i > 0 && {
            let (before, here) = (tokens.offsets[i - 1], tokens.offsets[i]);
            before.1 == here.0 && chars.get(here.0).is_some_and(|c| c.is_alphanumeric())
        };
        match runs.last_mut() {
            Some((last, run)) if *last == kind && run.end == i && (!begins || inside_word) => {
                run.end = i + 1;
            }
            _ => runs.push((kind, i..i + 1)),
        }
    }
    let mut result: Vec<(Range<usize>, EntityKind, Option<Role>)> = Vec::new();
    for (kind, run) in runs {
        let (Some(first), Some(last)) = (tokens.offsets.get(run.start), tokens.offsets.get(run.end - 1))
        else {
            continue;
        };
        let (mut start, mut end) = (first.0, last.1);
        let word = |i: usize| chars.get(i).is_some_and(|c| c.is_alphanumeric());
        while start > 0 && word(start) && word(start - 1) {
            start -= 1;
        }
        while end > start && word(end - 1) && word(end) {
            end += 1;
        }
        if start >= end || !chars[start..end].iter().any(|c| c.is_alphanumeric()) {
            continue;
        }
        let mut sums = vec![0.0; role_count];
        for row in roles.chunks_exact(role_count).skip(run.start).take(run.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        // A person always has a role.
        let role = if kind == EntityKind::Person {
            Some(Role::ALL[arg_max(&sums[1..])])
        } else {
            arg_max(&sums).checked_sub(1).map(|role| Role::ALL[role])
        };
        match result.last_mut() {
            Some((range, k, _)) if range.end > start => {
                // Widening met the one before: one entity, of the earlier kind.
                if *k == kind {
                    range.end = range.end.max(end);
                }
            }
            _ => result.push((start..end, kind, role)),
        }
    }
    result
}

/// The words of an entity made uniform, so that two spellings of one thing
/// compare equal: letters small, signs out of numbers, spaces single.
pub fn normalise(kind: EntityKind, words: &str) -> String {
    let kept: String = match kind {
        EntityKind::Phone => {
            let digits: String = words.chars().filter(char::is_ascii_digit).collect();
            return match digits.strip_prefix("0044").or_else(|| digits.strip_prefix("44")) {
                Some(rest) if rest.len() >= 9 => format!("0{}", rest.trim_start_matches('0')),
                _ => digits,
            };
        }
        EntityKind::Plate | EntityKind::Postcode | EntityKind::Reference => {
            words.chars().filter(|c| c.is_alphanumeric()).collect()
        }
        _ => words.to_owned(),
    };
    kept.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(offsets: &[(usize, usize)]) -> Tokens {
        Tokens { ids: vec![0; offsets.len()], offsets: offsets.to_vec(), features: Vec::new() }
    }

    fn one_hot(width: usize, hot: &[usize]) -> Vec<f32> {
        hot.iter().flat_map(|&h| (0..width).map(move |i| f32::from(u8::from(i == h)))).collect()
    }

    #[test]
    fn runs_become_whole_words_with_a_role() {
        let text = "saw Daniel Price go";
        // Daniel is two pieces, the second of them missed by the tagger.
        let tokens = tokens(&[(0, 3), (4, 7), (7, 10), (11, 16), (17, 19)]);
        let kinds = 1 + 2 * EntityKind::ALL.len();
        let person = EntityKind::Person;
        let tags =
            one_hot(kinds, &[OUTSIDE, begin_tag(person), inside_tag(person), inside_tag(person), OUTSIDE]);
        let suspect = role_index(Some(Role::Suspect));
        let roles = one_hot(1 + Role::ALL.len(), &[0, suspect, suspect, suspect, 0]);
        assert_eq!(decode(text, &tokens, &tags, &roles), vec![(4..16, person, Some(Role::Suspect))]);
        let tags = one_hot(kinds, &[OUTSIDE, begin_tag(person), OUTSIDE, OUTSIDE, OUTSIDE]);
        assert_eq!(decode(text, &tokens, &tags, &roles)[0].0, 4..10);
    }

    #[test]
    fn tags_of_kinds_do_not_collide() {
        let mut tags: Vec<usize> =
            EntityKind::ALL.iter().flat_map(|&k| [begin_tag(k), inside_tag(k)]).collect();
        tags.push(OUTSIDE);
        tags.sort_unstable();
        assert_eq!(tags, (0..=2 * EntityKind::ALL.len()).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_compare_equal_however_they_are_written() {
        for phone in ["07700 900123", "+44 7700 900123", "0044 (0)7700-900123"] {
            assert_eq!(normalise(EntityKind::Phone, phone), "07700900123", "{phone}");
        }
        assert_eq!(normalise(EntityKind::Plate, "KX19 abc"), "kx19abc");
        assert_eq!(normalise(EntityKind::Person, "Dan  PRICE"), "dan price");
    }
}
