//! Tags of the model and patterns joined into identifiers: what the pattern
//! finds has its exact words, what the model finds has a role.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::names::{self, Name};
use super::{patterns, values};
use crate::codebook::{EntityKind, Role};

/// One thing that identifies somebody or something in a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identifier {
    /// What sort of thing it is.
    pub kind: EntityKind,
    /// Whose it is, as far as can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Its uniform value; see [`value_of`].
    pub value: String,
    /// Characters of the text, end exclusive; `None` when it stands in a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(usize, usize)>,
}

/// An entity as the model tagged it, by characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Characters, end exclusive.
    pub range: Range<usize>,
    /// What sort of thing it is.
    pub kind: EntityKind,
    /// Whose it is.
    pub role: Option<Role>,
}

/// The uniform value of words of a kind; `None` for words that identify
/// nobody, placeholders above all.
pub fn value_of(kind: EntityKind, words: &str) -> Option<String> {
    match kind {
        EntityKind::Person => Name::parse(words).map(|name| name.value()),
        EntityKind::Phone => values::phone(words),
        EntityKind::Email => values::email(words),
        EntityKind::Handle => values::handle(words),
        EntityKind::Vehicle => values::vehicle(words),
        EntityKind::Plate => values::plate(words),
        EntityKind::Address => values::address(words),
        EntityKind::Postcode => values::postcode(words),
        EntityKind::Place | EntityKind::Employer => values::place(words),
        EntityKind::DateOfBirth => values::date_of_birth(words),
        EntityKind::Reference => values::reference(words),
    }
}

/// A candidate by characters.
struct Found {
    start: usize,
    end: usize,
    kind: EntityKind,
    role: Option<Role>,
    by_pattern: bool,
}

/// Every identifier of a text, in its order. `tagged` are the model's.
///
/// Where a pattern and the model name the same thing, the longer words stand
/// and the model gives the role; an officer's rank before a name makes an
/// officer, unless the model sees the suspect in him.
pub fn identifiers(text: &str, tagged: &[Tagged]) -> Vec<Identifier> {
    let chars: Vec<char> = text.chars().collect();
    // Character of each byte at which one begins, so that patterns agree with tags.
    let mut at = vec![0usize; text.len() + 1];
    let mut count = 0;
    for (byte, place) in at.iter_mut().enumerate() {
        *place = count;
        if text.is_char_boundary(byte) && byte < text.len() {
            count += 1;
        }
    }
    let mut found: Vec<Found> = patterns::find(text)
        .into_iter()
        .map(|m| Found { start: at[m.start], end: at[m.end], kind: m.kind, role: m.role, by_pattern: true })
        .collect();
    for tag in tagged {
        let (start, end) = (tag.range.start, tag.range.end.min(chars.len()));
        if start < end {
            found.push(Found { start, end, kind: tag.kind, role: tag.role, by_pattern: false });
        }
    }
    // Longer first; a pattern before a tag of the same length.
    found.sort_by_key(|f| {
        (std::cmp::Reverse(rank(f)), std::cmp::Reverse(f.end - f.start), !f.by_pattern, f.start, f.kind)
    });
    let mut kept: Vec<Found> = Vec::new();
    for candidate in found {
        let words: String = chars[candidate.start..candidate.end].iter().collect();
        if value_of(candidate.kind, &words).is_none() {
            continue;
        }
        match kept.iter_mut().find(|k| k.start < candidate.end && candidate.start < k.end) {
            None => kept.push(candidate),
            Some(before) if before.kind == candidate.kind => {
                let rank_says_officer =
                    before.role == Some(Role::Officer) || candidate.role == Some(Role::Officer);
                let model = if before.by_pattern { candidate.role } else { before.role };
                before.role = match (model, rank_says_officer) {
                    (Some(Role::Suspect), _) => Some(Role::Suspect),
                    (_, true) => Some(Role::Officer),
                    (Some(role), _) => Some(role),
                    (None, _) => before.role.or(candidate.role),
                };
            }
            Some(_) => {}
        }
    }
    kept.sort_by_key(|f| (f.start, f.end));
    kept.into_iter()
        .filter_map(|f| {
            let words: String = chars[f.start..f.end].iter().collect();
            let value = value_of(f.kind, &words)?;
            // A word that is also a name needs a capital, alone in a text that has them.
            let lone_word = f.kind == EntityKind::Person && {
                let low = words.to_lowercase();
                names::is_word(&low) && !words.starts_with(char::is_uppercase)
            };
            (!lone_word).then_some(Identifier {
                kind: f.kind,
                role: f.role,
                value,
                place: Some((f.start, f.end)),
            })
        })
        .collect()
}

/// Forms that cannot be anything else go before names and places.
fn rank(found: &Found) -> u8 {
    match found.kind {
        EntityKind::Email | EntityKind::Phone | EntityKind::DateOfBirth => 4,
        EntityKind::Postcode | EntityKind::Plate if found.by_pattern => 3,
        EntityKind::Address if found.by_pattern => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_give_roles_and_patterns_give_words() {
        let text = "Ring Graham Hall, 55 The Crescent, re PC Taylor";
        let tagged = [
            Tagged { range: 5..11, kind: EntityKind::Person, role: Some(Role::Victim) },
            Tagged { range: 41..47, kind: EntityKind::Person, role: Some(Role::Suspect) },
        ];
        let found = identifiers(text, &tagged);
        let people: Vec<(&str, Option<Role>)> = found
            .iter()
            .filter(|i| i.kind == EntityKind::Person)
            .map(|i| (i.value.as_str(), i.role))
            .collect();
        assert_eq!(people, [("graham hall", Some(Role::Victim)), ("- taylor", Some(Role::Suspect))]);
        assert!(found.iter().any(|i| i.value == "55 crescent"));
    }

    #[test]
    fn an_officer_is_told_by_rank() {
        let found = identifiers("attended by PC Walsh, nothing seen", &[]);
        assert_eq!(found[0].role, Some(Role::Officer));
        assert_eq!(found[0].value, "- walsh");
    }

    #[test]
    fn offsets_count_characters() {
        let text = "Zoë 🚓 rang from 07700 900123";
        let found = identifiers(text, &[]);
        let phone = found.iter().find(|i| i.kind == EntityKind::Phone).unwrap();
        assert_eq!(phone.place, Some((16, 28)));
    }

    #[test]
    fn placeholders_identify_nobody() {
        let text = "phone 07000 000000 or 0000-000000, name UNKNOWN, email N/A";
        assert_eq!(identifiers(text, &[]), []);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,200}", start in 0usize..250, len in 0usize..20) {
            let tagged = [Tagged { range: start..start + len, kind: EntityKind::Person, role: None }];
            for found in identifiers(&text, &tagged) {
                let (start, end) = found.place.unwrap();
                prop_assert!(start < end && end <= text.chars().count());
            }
        }
    }
}
