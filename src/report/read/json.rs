//! JSON Lines: one object a line, UTF-8.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use serde::de::DeserializeSeed;

use super::{ColumnRead, Intake, RECORD_BYTES_MAX, ReadOptions, Started, empty, start, too_long};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Field, Raw, RawObject, Rejected, Report};

/// A stream of JSON objects, one a line. Blank lines are passed over.
pub struct JsonLines<R> {
    source: Started<R>,
    intake: Intake,
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> JsonLines<R> {
    /// Begins to read; `name` stands in messages.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] when there is no record at all, for UTF-16, and for
    /// a JSON array; [`ErrorKind::Io`] when reading fails.
    pub fn new(source: R, name: &str, options: &ReadOptions) -> Result<JsonLines<R>> {
        let mut source = start(source, name)?;
        let mut line = 0;
        // Blank lines are consumed here, to see that there is something else.
        loop {
            let bytes = match source.fill_buf() {
                Ok(bytes) => bytes,
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(Error::io(name, err)),
            };
            let Some(&first) = bytes.first() else {
                return Err(empty(name));
            };
            if first == b'[' {
                return Err(Error::new(
                    ErrorKind::Input,
                    format!("{name}: is a JSON array, one object a line is needed"),
                )
                .hint("jq -c '.[]' turns an array into lines"));
            }
            if !first.is_ascii_whitespace() {
                break;
            }
            line += u64::from(first == b'\n');
            source.consume(1);
        }
        Ok(JsonLines { source, intake: Intake::new(name, options), line, buffer: Vec::new() })
    }

    /// The keys that no field has, and in how many records each stood.
    pub fn ignored(&self) -> &BTreeMap<String, u64> {
        &self.intake.ignored
    }

    /// The keys read so far.
    pub fn columns_read(&self) -> Vec<ColumnRead> {
        let mapped = &self.intake.columns.columns;
        let columns = |field: Field| mapped.get(&field).cloned().unwrap_or(vec![field.name().to_owned()]);
        let read =
            |&field: &Field| columns(field).into_iter().map(move |column| ColumnRead { field, column });
        self.intake.read.iter().flat_map(read).collect()
    }

    /// The error of the operating system that ended the reading, if one did.
    pub fn failure(&self) -> Option<&Error> {
        self.intake.failure.as_ref()
    }

    fn record(&mut self) -> std::result::Result<Report, Rejected> {
        let line = self.line;
        let rejected = |id, reason| Rejected { line, id, reason };
        let text = match std::str::from_utf8(&self.buffer) {
            Ok(text) => text.trim_start_matches('\u{feff}'),
            Err(err) => {
                return Err(rejected(None, format!("not UTF-8 at byte {}", err.valid_up_to() + 1)));
            }
        };
        let raw = RefCell::new(Raw::new());
        let mut unknown = BTreeSet::new();
        let mut read = BTreeSet::new();
        let columns = &self.intake.columns;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let outcome = RawObject {
            raw: &raw,
            field: &|key| columns.field_of(key, true),
            unknown: &mut |key| {
                unknown.insert(key.to_owned());
            },
        }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
        let raw = raw.into_inner();
        if let Err(err) = outcome {
            return Err(rejected(raw.id(), bad_json(&err)));
        }
        read.extend(Field::ALL.iter().filter(|f| raw.cells[f.index()].is_some()));
        self.intake.read.append(&mut read);
        for key in &unknown {
            self.intake.count_ignored(key);
        }
        self.intake.accept(raw, line)
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = std::result::Result<Report, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.intake.failure.is_some() {
                return None;
            }
            self.line += 1;
            match read_line(&mut self.source, &mut self.buffer, RECORD_BYTES_MAX) {
                Err(err) => return Some(Err(self.intake.fail(err, self.line))),
                Ok(LineRead::End) => return None,
                Ok(LineRead::TooLong) => {
                    return Some(Err(Rejected { line: self.line, id: None, reason: too_long() }));
                }
                Ok(LineRead::Whole) => {
                    let blank =
                        self.buffer.iter().all(u8::is_ascii_whitespace) || self.buffer == b"\xef\xbb\xbf";
                    if !blank {
                        return Some(self.record());
                    }
                }
            }
        }
    }
}

/// What came of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LineRead {
    /// The source is at its end.
    End,
    /// The line is in the buffer, without its line break.
    Whole,
    /// The line was longer than the limit; it was read past.
    TooLong,
}

/// Reads one line, but never holds more than `limit` bytes of it.
pub(crate) fn read_line(
    source: &mut impl BufRead,
    buffer: &mut Vec<u8>,
    limit: usize,
) -> std::io::Result<LineRead> {
    buffer.clear();
    let mut any = false;
    let mut too_long = false;
    loop {
        let bytes = match source.fill_buf() {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(err) => return Err(err),
        };
        if bytes.is_empty() {
            break;
        }
        any = true;
        let end = bytes.iter().position(|&b| b == b'\n');
        let piece = &bytes[..end.unwrap_or(bytes.len())];
        too_long |= buffer.len() + piece.len() > limit;
        if !too_long {
            buffer.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        source.consume(used);
        if end.is_some() {
            break;
        }
    }
    if buffer.last() == Some(&b'\r') {
        buffer.pop();
    }
    Ok(match (any, too_long) {
        (false, _) => LineRead::End,
        (true, false) => LineRead::Whole,
        (true, true) => LineRead::TooLong,
    })
}

/// The reason in a JSON error, with the column; the line is always 1 there.
pub(crate) fn bad_json(err: &serde_json::Error) -> String {
    let whole = err.to_string();
    let reason = whole.rfind(" at line ").map_or(&*whole, |at| &whole[..at]);
    match err.column() {
        0 => format!("bad JSON: {reason}"),
        column => format!("bad JSON at byte {column}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::drip;
    use super::*;

    fn all(bytes: &[u8]) -> (Vec<std::result::Result<Report, Rejected>>, BTreeMap<String, u64>) {
        let mut reader = JsonLines::new(drip(bytes), "a.jsonl", &ReadOptions::default()).unwrap();
        (reader.by_ref().collect(), reader.ignored().clone())
    }

    #[test]
    fn reading_goes_on_after_a_bad_line() {
        let lines: &[&[u8]] = &[
            b"\xef\xbb\xbf",
            b"{\"id\":\"R1\",\"text\":\"Dan was b\xc3\xa4ck \xf0\x9f\x9a\x93\"}\r",
            b"{\"id\":\"R2\",\"text\":\"He",
            b"{\"id\":\"R3\",\"text\":\"caf\xe9\"}",
            b"{\"text\":\"x\"}",
            b"  ",
            b"7",
            b"{\"id\":\"R4\",\"text\":\"x\"} {}",
            b"{\"id\":\"R5\",\"text\":\"x\",\"weather\":[[1]],\"labels\":7}",
            b"\xef\xbb\xbf{\"id\":\"R6\",\"text\":\"\\u0000x\",\"weather\":1,\"weather\":2}",
        ];
        let (records, ignored) = all(&lines.join(&b'\n'));
        let shown: Vec<String> = records
            .iter()
            .map(|r| match r {
                Ok(report) => format!("{}: {:?}", report.id, report.text),
                Err(rejected) => rejected.to_string(),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "R1: \"Dan was bäck 🚓\"",
                "line 3 (R2): bad JSON at byte 21: EOF while parsing a string",
                "line 4: not UTF-8 at byte 23",
                "line 5: `id` is missing",
                "line 7: bad JSON at byte 1: invalid type: integer `7`, expected a JSON object",
                "line 8 (R4): bad JSON at byte 24: trailing characters",
                "R5: \"x\"",
                "R6: \"\\0x\"",
            ]
        );
        assert_eq!(ignored, BTreeMap::from([("weather".to_owned(), 2)]));
    }

    #[test]
    fn keys_can_be_mapped() {
        let options = ReadOptions {
            columns: super::super::ColumnMap::parse(["text=MO_TEXT"]).unwrap(),
            ..ReadOptions::default()
        };
        let line = br#"{"id":"R1","MO_TEXT":"He was back.","text":"not this"}"#;
        let mut reader = JsonLines::new(&line[..], "a", &options).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().text, "He was back.");
        assert_eq!(reader.ignored().get("text"), Some(&1));
        assert_eq!(reader.columns_read()[1], ColumnRead { field: Field::Text, column: "MO_TEXT".into() });
    }

    #[test]
    fn deep_nesting_does_not_matter() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let line = format!(
            "{{\"id\":\"R1\",\"labels\":{deep},\"text\":\"x\"}}\n{{\"id\":{deep},\"text\":\"x\"}}\n{deep}"
        );
        let (records, _) = all(line.as_bytes());
        assert!(records[0].is_ok());
        assert_eq!(records[1].as_ref().unwrap_err().reason, "`id`: text is needed, found a list");
        assert!(records[2].is_err());
    }

    #[test]
    fn a_long_line_is_read_past() {
        let mut buffer = Vec::new();
        let mut source = drip(b"abc\r\nabcd\n\nabcdef\nab");
        let mut read = || (read_line(&mut source, &mut buffer, 4).unwrap(), buffer.clone());
        assert_eq!(read(), (LineRead::Whole, b"abc".to_vec()));
        assert_eq!(read(), (LineRead::Whole, b"abcd".to_vec()));
        assert_eq!(read(), (LineRead::Whole, b"".to_vec()));
        assert_eq!(read().0, LineRead::TooLong);
        assert_eq!(read(), (LineRead::Whole, b"ab".to_vec()));
        assert_eq!(read().0, LineRead::End);
    }

    #[test]
    fn names_without_end_are_counted_together() {
        let keys: Vec<String> = (0..5000).map(|i| format!("\"k{i}\":0")).collect();
        let (_, ignored) = all(format!("{{\"id\":\"R1\",\"text\":\"x\",{}}}", keys.join(",")).as_bytes());
        assert_eq!(ignored.len(), super::super::IGNORED_NAMES_MAX + 1);
        assert_eq!(ignored[super::super::IGNORED_REST], 4000);
    }

    #[test]
    fn a_source_that_fails_ends_the_reading_and_is_kept() {
        struct Broken;
        impl std::io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the disk is gone"))
            }
        }
        let source =
            std::io::Read::chain(&b"{\"id\":\"R1\",\"text\":\"x\"}\n"[..], std::io::BufReader::new(Broken));
        let mut reader = JsonLines::new(source, "a.jsonl", &ReadOptions::default()).unwrap();
        assert!(reader.next().unwrap().is_ok());
        assert_eq!(reader.next().unwrap().unwrap_err().reason, "reading failed: the disk is gone");
        assert!(reader.next().is_none());
        assert_eq!(reader.failure().unwrap().kind(), ErrorKind::Io);
    }
}
