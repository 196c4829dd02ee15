//! Delimited columns under a header row.
//!
//! The rows are split here and not by the `csv` crate, which the tests compare
//! with, for three reasons: a row's size is bounded, its line is exact, and a
//! quote that is never closed is noticed. Such a quote swallows the rows after
//! it; here the row is refused and reading goes on with the next line.

use std::collections::BTreeMap;
use std::io::{BufRead, Chain, Cursor, Read};

use super::{
    ColumnMap, ColumnRead, Intake, RECORD_BYTES_MAX, ReadOptions, Started, decode, empty, start, too_long,
};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Cell, Field, Raw, Rejected, Report};

/// The delimiters that are looked for; the earlier one wins a tie.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// The header row must end within so many bytes.
const HEADER_BYTES_MAX: u64 = 1 << 16;
/// A look at a file takes so many bytes at most.
const PREVIEW_BYTES: u64 = 1 << 20;

/// A stream of rows under a header. Rows with nothing in them are passed over.
pub struct Csv<R> {
    rows: Rows<Chain<Cursor<Vec<u8>>, Started<R>>>,
    /// The columns in order: their names, the fields they hold, and which part
    /// of the field.
    header: Vec<(String, Option<(Field, usize)>)>,
    intake: Intake,
}

impl<R: BufRead> Csv<R> {
    /// Reads the header; `name` stands in messages.
    ///
    /// The delimiter is the one among `,` `;` tab and `|` that splits the header
    /// into the most columns that are known, then into the most columns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] when there is no header, when a column for `id` or
    /// `text` or a mapped column is missing, when two columns hold one field,
    /// and for UTF-16; [`ErrorKind::Io`] when reading fails.
    pub fn new(source: R, name: &str, options: &ReadOptions) -> Result<Csv<R>> {
        let mut source = start(source, name)?;
        let mut head = Vec::new();
        source.by_ref().take(HEADER_BYTES_MAX).read_to_end(&mut head).map_err(|err| Error::io(name, err))?;
        let named = named_delimiter(&mut head);
        let mut best: Option<((usize, usize), u8)> = None;
        for delimiter in DELIMITERS.into_iter().filter(|d| named.is_none_or(|named| named == *d)) {
            let mut rows = Rows::new(Cursor::new(&head[..]), delimiter);
            let score = match header_of(&mut rows, name) {
                Ok(header) => {
                    let known = |column: &&String| options.columns.field_of(column, false).is_some();
                    (header.iter().filter(known).count(), header.len())
                }
                // A wrong delimiter may make nonsense of a quoted header. Another
                // one has to split off a known column to be the right one.
                Err(_) => (0, usize::MAX),
            };
            if best.is_none_or(|(best, _)| score > best) {
                best = Some((score, delimiter));
            }
        }
        let delimiter = named.or(best.map(|(_, delimiter)| delimiter)).unwrap_or(DELIMITERS[0]);
        let mut rows = Rows::new(Cursor::new(head).chain(source), delimiter);
        rows.line += u64::from(named.is_some());
        let header = header_of(&mut rows, name)?;
        let columns = assign(&header, &options.columns, name)?;
        let mut intake = Intake::new(name, options);
        intake.read.extend(columns.iter().flatten().map(|(field, _)| field));
        let header: Vec<_> = header.into_iter().zip(columns).collect();
        for (column, field) in &header {
            if field.is_none()
                && !column.is_empty()
                && !super::GROUND_TRUTH.contains(&&*column.to_ascii_lowercase())
            {
                intake.ignored.insert(column.clone(), 0);
            }
        }
        Ok(Csv { rows, header, intake })
    }

    /// The columns that are not read, and in how many rows each held something.
    pub fn ignored(&self) -> &BTreeMap<String, u64> {
        &self.intake.ignored
    }

    /// The columns that are read, in the order of the file.
    pub fn columns_read(&self) -> Vec<ColumnRead> {
        let read = |(column, field): &(String, Option<(Field, usize)>)| {
            Some(ColumnRead { field: (*field)?.0, column: column.clone() })
        };
        self.header.iter().filter_map(read).collect()
    }

    /// The error of the operating system that ended the reading, if one did.
    pub fn failure(&self) -> Option<&Error> {
        self.intake.failure.as_ref()
    }

    fn record(&mut self, cells: Vec<String>, line: u64) -> std::result::Result<Report, Rejected> {
        let mut raw = Raw::new();
        let (found, needed) = (cells.len(), self.header.len());
        // A delimiter too many at the end is common and harms nothing.
        let surplus_is_blank = cells.iter().skip(needed).all(|cell| cell.trim().is_empty());
        for ((column, field), cell) in self.header.iter().zip(cells) {
            match field {
                Some((field, part)) => raw.set_part(*field, *part, Some(Cell::Text(cell)), false),
                None if cell.trim().is_empty() => {}
                None => {
                    if let Some(count) = self.intake.ignored.get_mut(column) {
                        *count += 1;
                    }
                }
            }
        }
        if found < needed || !surplus_is_blank {
            let reason = format!("row has {found} cells, the header has {needed}");
            return Err(Rejected { line, id: raw.id(), reason });
        }
        self.intake.accept(raw, line)
    }
}

impl<R: BufRead> Iterator for Csv<R> {
    type Item = std::result::Result<Report, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.intake.failure.is_some() {
                return None;
            }
            let (row, line) = match self.rows.next_row() {
                Ok(row) => row?,
                Err(err) => {
                    let line = self.rows.line;
                    return Some(Err(self.intake.fail(err, line)));
                }
            };
            match row {
                Row::Cells(cells) => {
                    let cells = decode_row(cells);
                    if cells.iter().any(|cell| !cell.trim().is_empty()) {
                        return Some(self.record(cells, line));
                    }
                }
                Row::Broken(reason) => {
                    return Some(Err(Rejected { line, id: None, reason }));
                }
            }
        }
    }
}

/// Takes a first line `sep=;` off, by which a spreadsheet names the delimiter.
fn named_delimiter(head: &mut Vec<u8>) -> Option<u8> {
    let line = head.iter().position(|b| *b == b'\n')?;
    let words = head[..line].strip_suffix(b"\r").unwrap_or(&head[..line]);
    let delimiter = match words {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => *delimiter,
        _ => return None,
    };
    head.drain(..=line);
    Some(delimiter)
}

/// The header and the first rows, for a look at a file whose columns are not
/// known yet. The delimiter is the one that cuts most rows as it cuts the header.
pub(super) fn preview(
    source: impl BufRead,
    name: &str,
    rows: usize,
) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let mut head = Vec::new();
    start(source, name)?.take(PREVIEW_BYTES).read_to_end(&mut head).map_err(|err| Error::io(name, err))?;
    let whole = (head.len() as u64) < PREVIEW_BYTES;
    let named = named_delimiter(&mut head);
    let mut best: Option<(usize, Vec<String>, Vec<Vec<String>>)> = None;
    for delimiter in named.map_or(DELIMITERS.to_vec(), |named| vec![named]) {
        let mut source = Rows::new(Cursor::new(&head[..]), delimiter);
        let Ok(header) = header_of(&mut source, name) else { continue };
        let mut seen = Vec::new();
        while let Ok(Some((Row::Cells(cells), _))) = source.next_row() {
            if seen.len() == rows {
                break;
            }
            seen.push(decode_row(cells));
        }
        if !whole && seen.len() < rows {
            // The last row was cut by the end of what was looked at.
            seen.pop();
        }
        let fit = seen.iter().filter(|row| row.len() == header.len()).count();
        let score = header.len().saturating_sub(1) * (fit + 1);
        if best.as_ref().is_none_or(|(most, _, _)| score > *most) {
            best = Some((score, header, seen));
        }
    }
    best.map(|(_, header, rows)| (header, rows)).ok_or_else(|| empty(name))
}

/// The field of each column and which part of it, checked.
pub(super) fn assign(header: &[String], map: &ColumnMap, name: &str) -> Result<Vec<Option<(Field, usize)>>> {
    let refused = |why: String| Error::new(ErrorKind::Input, format!("{name}: {why}"));
    let fields: Vec<Option<(Field, usize)>> =
        header.iter().map(|column| map.field_of(column, false)).collect();
    let place = |field: (Field, usize)| fields.iter().position(|f| *f == Some(field));
    for (at, part) in fields.iter().enumerate() {
        if let Some(part) = part
            && let Some(first) = place(*part).filter(|&first| first != at)
        {
            let field = part.0;
            let why = format!("columns `{}` and `{}` both hold `{field}`", header[first], header[at]);
            return Err(refused(why).hint(format!("name the one to read: --map {field}=COLUMN")));
        }
    }
    let mapped = map.columns.iter().flat_map(|(&field, columns)| (0..columns.len()).map(move |p| (field, p)));
    let needed = [(Field::Id, 0), (Field::Text, 0)].into_iter().chain(mapped);
    for (field, part) in needed {
        if place((field, part)).is_none() {
            let column = map.columns.get(&field).and_then(|c| c.get(part)).map_or(field.name(), |c| c);
            let mut there: Vec<String> = header.iter().take(40).map(|c| format!("`{}`", short(c))).collect();
            if header.len() > there.len() {
                there.push("…".to_owned());
            }
            return Err(refused(format!("no column `{column}`; the columns are: {}", there.join(", ")))
                .hint(format!("name the column that holds `{field}`: --map {field}=COLUMN")));
        }
    }
    Ok(fields)
}

fn short(column: &str) -> String {
    match column.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &column[..at]),
        None => column.to_owned(),
    }
}

/// The first row that is not blank, its cells trimmed.
fn header_of(rows: &mut Rows<impl BufRead>, name: &str) -> Result<Vec<String>> {
    loop {
        match rows.next_row().map_err(|err| Error::io(name, err))? {
            None => return Err(empty(name)),
            Some((Row::Broken(reason), line)) => {
                return Err(Error::new(
                    ErrorKind::Input,
                    format!("{name}: line {line}, the header: {reason}"),
                ));
            }
            Some((Row::Cells(cells), _)) => {
                let cells: Vec<String> =
                    decode_row(cells).iter().map(|cell| cell.trim().to_owned()).collect();
                if cells.iter().any(|cell| !cell.is_empty()) {
                    return Ok(cells);
                }
            }
        }
    }
}

/// A row is UTF-8 or Windows-1252 as a whole.
fn decode_row(cells: Vec<Vec<u8>>) -> Vec<String> {
    if cells.iter().all(|cell| std::str::from_utf8(cell).is_ok()) {
        return cells.into_iter().map(decode).collect();
    }
    let windows = |cell: &Vec<u8>| encoding_rs::WINDOWS_1252.decode_without_bom_handling(cell).0.into_owned();
    cells.iter().map(windows).collect()
}

/// One row of the file.
#[derive(Debug, PartialEq, Eq)]
enum Row {
    Cells(Vec<Vec<u8>>),
    /// Not a row, and why. Reading goes on with the line after its first one.
    Broken(String),
}

/// Splits a source into rows.
struct Rows<R> {
    source: R,
    delimiter: u8,
    /// The line that the next byte stands on, from 1.
    line: u64,
    /// Bytes to read again, after a row was found broken.
    again: Cursor<Vec<u8>>,
    limit: usize,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// After a quote within a quoted cell: its end, or half of a double quote.
    QuoteInQuoted,
}

impl<R: BufRead> Rows<R> {
    fn new(source: R, delimiter: u8) -> Rows<R> {
        Rows { source, delimiter, line: 1, again: Cursor::new(Vec::new()), limit: RECORD_BYTES_MAX }
    }

    /// The next row and the line it starts on.
    fn next_row(&mut self) -> std::io::Result<Option<(Row, u64)>> {
        let first_line = self.line;
        let mut taken = Vec::new();
        let mut cells = Vec::new();
        let mut cell = Vec::new();
        let mut state = State::CellStart;
        // A cell went on after its closing quote: a slip in a row of one line,
        // but over several lines a sign that a quote swallowed something.
        let mut after_quote = false;
        loop {
            let Some(byte) = self.next_byte()? else {
                if taken.is_empty() {
                    return Ok(None);
                }
                if state == State::Quoted {
                    let reason = "a quote is opened and never closed";
                    return Ok(Some((self.broken(taken, first_line, reason.to_owned()), first_line)));
                }
                break;
            };
            taken.push(byte);
            if taken.len() > self.limit {
                if !taken.contains(&b'\n') {
                    self.skip_line()?;
                }
                return Ok(Some((self.broken(taken, first_line, too_long()), first_line)));
            }
            let ends_line = byte == b'\n' || byte == b'\r';
            match state {
                State::Quoted if byte == b'"' => state = State::QuoteInQuoted,
                State::Quoted => {
                    self.line += u64::from(byte == b'\n');
                    cell.push(byte);
                }
                State::CellStart if byte == b'"' => state = State::Quoted,
                State::QuoteInQuoted if byte == b'"' => {
                    cell.push(byte);
                    state = State::Quoted;
                }
                _ if byte == self.delimiter => {
                    cells.push(std::mem::take(&mut cell));
                    state = State::CellStart;
                }
                _ if ends_line => {
                    if byte == b'\r' && self.peek_byte()? == Some(b'\n') {
                        self.next_byte()?;
                    }
                    let lines = self.line - first_line;
                    self.line += 1;
                    if after_quote && lines > 0 {
                        taken.push(b'\n');
                        let reason = "text goes on after a closing quote, in a row over several lines";
                        return Ok(Some((self.broken(taken, first_line, reason.to_owned()), first_line)));
                    }
                    break;
                }
                _ => {
                    after_quote |= state == State::QuoteInQuoted;
                    cell.push(byte);
                    state = State::Plain;
                }
            }
        }
        cells.push(cell);
        Ok(Some((Row::Cells(cells), first_line)))
    }

    /// Gives back all but the first line of a row that is none.
    fn broken(&mut self, mut taken: Vec<u8>, first_line: u64, reason: String) -> Row {
        let rest = taken.iter().position(|&b| b == b'\n').map(|at| taken.split_off(at + 1));
        match rest {
            Some(mut rest) => {
                // What was still waiting to be read again comes after it.
                let waiting = usize::try_from(self.again.position()).unwrap_or(usize::MAX);
                rest.extend(self.again.get_ref().get(waiting..).unwrap_or_default());
                self.again = Cursor::new(rest);
                self.line = first_line + 1;
            }
            None => self.line = self.line.max(first_line + 1),
        }
        Row::Broken(reason)
    }

    fn skip_line(&mut self) -> std::io::Result<()> {
        while let Some(byte) = self.next_byte()? {
            if byte == b'\n' {
                break;
            }
        }
        Ok(())
    }

    fn peek_byte(&mut self) -> std::io::Result<Option<u8>> {
        let again = self.again.fill_buf()?;
        if let Some(&byte) = again.first() {
            return Ok(Some(byte));
        }
        loop {
            match self.source.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
    }

    fn next_byte(&mut self) -> std::io::Result<Option<u8>> {
        let byte = self.peek_byte()?;
        if byte.is_some() {
            match self.again.fill_buf()?.is_empty() {
                true => self.source.consume(1),
                false => self.again.consume(1),
            }
        }
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::drip;
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8], map: &[&str]) -> Result<Vec<String>> {
        let options = ReadOptions { columns: ColumnMap::parse(map)?, ..ReadOptions::default() };
        let reader = Csv::new(drip(bytes), "a.csv", &options)?;
        Ok(reader
            .map(|r| match r {
                Ok(report) => format!("{}={}", report.id, report.text),
                Err(rejected) => rejected.to_string(),
            })
            .collect())
    }

    #[test]
    fn rows_that_are_read() {
        let cases: [(&[u8], &[&str]); 16] = [
            (b"id,text\nR1,He was back.", &["R1=He was back."]),
            (b"\xef\xbb\xbfID;Text\r\nR1;\"a;b\r\nc \"\"d\"\"\"\r\n", &["R1=a;b\r\nc \"d\""]),
            (b"id\ttext\nR1\ta, b; c", &["R1=a, b; c"]),
            (b"id|text\nR1|a, b", &["R1=a, b"]),
            (b"\"id\",\"a;b;c;d\",\"text\"\nR1,,x", &["R1=x"]),
            (b"id,text\rR1,a\rR2,b\r", &["R1=a", "R2=b"]),
            (b"\n,,\nid,text\n\n , \nR1,a\n", &["R1=a"]),
            (b"id,text\nR1,caf\xe9 \x80\nR2,caf\xc3\xa9\n", &["R1=café €", "R2=café"]),
            (b"id,text,\nR1,a,\nR2,b,,,\n", &["R1=a", "R2=b"]),
            (b"id,text\nR1,5\" knife\nR2,\"said \"go\" twice\"\n", &["R1=5\" knife", "R2=said go\" twice\""]),
            (b"id,text\nR1, padded \n R2 ,x\n", &["R1= padded ", "R2=x"]),
            ("id,text\nR1,\"مرحبا 🚓\nعليكم\"\n".as_bytes(), &["R1=مرحبا 🚓\nعليكم"]),
            (b"id,text\n", &[]),
            (
                b"sep=;\r\nid;text\r\nR1;a, b\r\nR2\r\n",
                &["R1=a, b", "line 4 (R2): row has 1 cells, the header has 2"],
            ),
            (b"sep=^\nid^text\nR1^a\n", &["R1=a"]),
            (b"\"id\",\"a\nb\",\"text\"\nR1,,a", &["R1=a"]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(shown(bytes, &[]).unwrap(), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn reading_goes_on_after_a_bad_row() {
        let cases: [(&[u8], &[&str]); 6] = [
            (
                b"id,text,force\nR1,a\nR2,b,c,d\nR3,,x\nR4,d,x\n",
                &[
                    "line 2 (R1): row has 2 cells, the header has 3",
                    "line 3 (R2): row has 4 cells, the header has 3",
                    "line 4 (R3): `text` is blank",
                    "R4=d",
                ],
            ),
            (b"id,text\nR1,\"a\nR2,b\nR3,c", &["line 2: a quote is opened and never closed", "R2=b", "R3=c"]),
            (
                b"id,text\nR1,\"a\nR2,\"b\"\nR3,\"c\nd\"\n",
                &[
                    "line 2: text goes on after a closing quote, in a row over several lines",
                    "R2=b",
                    "R3=c\nd",
                ],
            ),
            (b"id,text\nR1,\"a", &["line 2: a quote is opened and never closed"]),
            (b"id,text\nR1,a\n\nR1,b\n", &["R1=a", "line 4 (R1): `id` was used before: line 2"]),
            (
                b"id,text,reported_at\nR1,\"a\nb\",04/25/2024\nR2,b,x\nR3,c,\n",
                &[
                    "line 2 (R1): `reported_at`: no such day, read day first: `04/25/2024`; month first it would be 2024-04-25",
                    "line 4 (R2): `reported_at`: not a date: `x`; write YYYY-MM-DD or DD/MM/YYYY, then HH:MM if known",
                    "R3=c",
                ],
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(shown(bytes, &[]).unwrap(), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_row_without_end_is_bounded() {
        let mut rows = Rows::new(drip(b"a,\"bbbbbbbbbb\nc,d\ne,\"f\""), b',');
        rows.limit = 8;
        let mut next = || rows.next_row().unwrap();
        assert_eq!(next(), Some((Row::Broken(too_long()), 1)));
        assert_eq!(next(), Some((Row::Cells(vec![b"c".to_vec(), b"d".to_vec()]), 2)));
        assert_eq!(next(), Some((Row::Cells(vec![b"e".to_vec(), b"f".to_vec()]), 3)));
        assert_eq!(next(), None);
    }

    #[test]
    fn files_that_are_refused() {
        let cases: [(&[u8], &[&str], &str, &str); 5] = [
            (
                b"id,MO_TEXT\nR1,a",
                &[],
                "a.csv: no column `text`; the columns are: `id`, `MO_TEXT`",
                "name the column that holds `text`: --map text=COLUMN",
            ),
            (b"Crime No,text\n1,a", &[], "no column `id`", "--map id=COLUMN"),
            (b"id,text\nR1,a", &["text=MO_TXT"], "no column `MO_TXT`", "--map text=COLUMN"),
            (b"id,text,Text\nR1,a,b", &[], "columns `text` and `Text` both hold `text`", "--map text=COLUMN"),
            (b"id,\"text\nR1,a", &[], "line 1, the header: a quote is opened and never closed", ""),
        ];
        for (bytes, map, message, hint) in cases {
            let err = shown(bytes, map).unwrap_err();
            assert!(err.to_string().contains(message), "{err}");
            assert!(err.hint_text().unwrap_or_default().contains(hint), "{err:?}");
            assert_eq!(err.kind(), ErrorKind::Input);
        }
    }

    #[test]
    fn columns_are_mapped_and_the_rest_is_said() {
        let options = ReadOptions {
            columns: ColumnMap::parse(["text=MO_TEXT", "id=Crime No"]).unwrap(),
            ..ReadOptions::default()
        };
        let bytes =
            b"Crime No,MO_TEXT,text,labels,Weather,Beat\n1,He was back.,not this,7,dry,\n2,Again.,,7,wet,\n";
        let mut reader = Csv::new(&bytes[..], "a.csv", &options).unwrap();
        let texts: Vec<String> = reader.by_ref().map(|r| r.unwrap().text).collect();
        assert_eq!(texts, ["He was back.", "Again."]);
        let ignored: Vec<(&str, u64)> = reader.ignored().iter().map(|(name, &n)| (&**name, n)).collect();
        assert_eq!(ignored, [("Beat", 0), ("Weather", 2), ("text", 1)]);
        let read: Vec<(Field, String)> =
            reader.columns_read().into_iter().map(|c| (c.field, c.column)).collect();
        assert_eq!(read, [(Field::Id, "Crime No".into()), (Field::Text, "MO_TEXT".into())]);
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_csv_crate(
            rows in prop::collection::vec(prop::collection::vec("[ab,;\" \n\r\té🚓]{0,6}", 1..5), 1..6),
            delimiter in prop::sample::select(DELIMITERS.to_vec()),
            crlf in any::<bool>(),
        ) {
            let terminator = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
            let mut writer = ::csv::WriterBuilder::new()
                .delimiter(delimiter)
                .terminator(terminator)
                .flexible(true)
                .from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let mut ours = Rows::new(drip(&bytes), delimiter);
            for row in &rows {
                let expected: Vec<Vec<u8>> = row.iter().map(|cell| cell.as_bytes().to_vec()).collect();
                prop_assert_eq!(ours.next_row().unwrap().unwrap().0, Row::Cells(expected));
            }
            prop_assert_eq!(ours.next_row().unwrap(), None);
        }
    }
}
