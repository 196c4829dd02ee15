//! Where things stand in a line of JSON, so that a fault can be pointed at.
//!
//! The line has been parsed before, so it is known to be JSON; on anything else
//! these functions return a place that is wrong, but never panic.

/// The top-level keys of an object and the byte at which each one's value begins.
pub(super) fn values(line: &str) -> Vec<(String, usize)> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut depth = 0usize;
    // The last string seen at the top level, which a colon makes a key.
    let mut last = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                if depth == 1 {
                    last = line.get(at..end).and_then(|s| serde_json::from_str::<String>(s).ok());
                }
                at = end;
                continue;
            }
            b':' if depth == 1 => {
                let value = bytes[at + 1..].iter().position(|b| !b.is_ascii_whitespace());
                if let (Some(key), Some(value)) = (last.take(), value) {
                    found.push((key, at + 1 + value));
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    found
}

/// The byte after a string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The column, in characters from 1, of the byte `at`.
pub(super) fn column(line: &str, at: usize) -> u64 {
    line.char_indices().take_while(|&(byte, _)| byte < at).count() as u64 + 1
}

/// The column, in characters from 1, of the `nth` character of the string value
/// that begins at byte `at`; an escape is one character of the value.
pub(super) fn column_within(line: &str, at: usize, nth: usize) -> u64 {
    let mut rest = line.get(at + 1..).unwrap_or_default();
    for _ in 0..nth {
        let length = match rest.as_bytes() {
            [] | [b'"', ..] => break,
            [b'\\', b'u', ..] => {
                let hex = |at: usize| rest.get(at..at + 4).and_then(|h| u32::from_str_radix(h, 16).ok());
                let high = hex(2).is_some_and(|unit| (0xd800..0xdc00).contains(&unit));
                if high { 12 } else { 6 }
            }
            [b'\\', ..] => 2,
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    column(line, line.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_values() {
        let line = r#" { "id" : "a:\"{", "n":[1,{"text":2}],"t\u0065xt":"x","é":null}"#;
        let found: Vec<(String, &str)> =
            values(line).into_iter().map(|(k, at)| (k, &line[at..at + 1])).collect();
        let expected = [("id", "\""), ("n", "["), ("text", "\""), ("é", "n")];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v)));
        for broken in ["", "{", "\"", "{\"a", "{\"a\\", "{\"a\":", "]}:"] {
            values(broken);
        }
    }

    #[test]
    fn columns_count_characters_of_the_line() {
        let line = r#"{"é":"a\n\ud83d\ude93é🚓b"}"#;
        let at = values(line)[0].1;
        let columns: Vec<u64> = (0..8).map(|nth| column_within(line, at, nth)).collect();
        assert_eq!(columns, [7, 8, 10, 22, 23, 24, 25, 25]);
        assert_eq!(column(line, 0), 1);
        assert_eq!(column_within(line, 999, 3), line.chars().count() as u64 + 1);
    }
}
