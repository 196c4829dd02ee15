//! Files of records, read one record at a time.
//!
//! [`open`] decides by the file's name: JSON Lines, CSV, or one plain text; what
//! was packed with gzip or Zstandard is unpacked while it is read.
//! Every reader yields `Result<Report, Rejected>` in the order of the file,
//! goes on after a bad record, and holds no more than one record in memory
//! (besides 24 bytes or so for each id, to notice when one comes twice).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Field, GROUND_TRUTH, Raw, Rejected, Report};
use crate::codebook::unknown;
use crate::error::{Error, ErrorKind, Result};

mod csv;
mod json;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod suggest;

#[cfg(feature = "parquet")]
pub use self::parquet::Parquet;
pub use csv::Csv;
pub use json::JsonLines;
pub(crate) use json::{LineRead, bad_json, read_line};
pub use suggest::suggest_mapping;

/// The most bytes that one record may take, line breaks and markup included.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// How a file holds its records.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// Delimited columns under a header row.
    Csv,
    /// The whole file is one narrative.
    PlainText,
}

impl Format {
    /// The format that a file's name stands for.
    ///
    /// `.jsonl`, `.ndjson` and `.json` are JSON Lines, `.csv` and `.tsv` are
    /// CSV, all else is plain text. A `.gz` or `.zst` after it does not matter.
    pub fn of_path(path: &Path) -> Format {
        if path.extension().is_some_and(|e| ["gz", "zst"].iter().any(|p| e.eq_ignore_ascii_case(p))) {
            return Format::of_path(&path.with_extension(""));
        }
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("jsonl" | "ndjson" | "json") => Format::JsonLines,
            Some("csv" | "tsv") => Format::Csv,
            _ => Format::PlainText,
        }
    }

    /// The format of a stream without a name, from how it begins: JSON Lines if
    /// the first character that is no space is `{`, else plain text.
    pub fn of_start(start: &[u8]) -> Format {
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        match start.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => Format::JsonLines,
            _ => Format::PlainText,
        }
    }
}

/// Which column or key of a file holds which field.
///
/// A column that is named like a field needs no entry. A field with an entry is
/// read from that column alone; the narrative may stand in several columns,
/// which are joined in the order of their entries, each on a line of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnMap {
    columns: BTreeMap<Field, Vec<String>>,
}

/// One column of a TOML mapping, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl ColumnMap {
    /// Reads entries of the form `field=COLUMN`, for example `text=MO_TEXT`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Arguments`] for an entry without `=`, an unknown field, a
    /// field or a column that is named twice.
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<ColumnMap> {
        let mut map = ColumnMap::default();
        for entry in entries {
            let entry = entry.as_ref();
            let Some((field, column)) = entry.split_once('=') else {
                return Err(Error::new(ErrorKind::Arguments, format!("no `=` in column mapping: `{entry}`"))
                    .hint("write field=COLUMN, for example text=MO_TEXT"));
            };
            map.insert(field.trim(), column.trim())?;
        }
        Ok(map)
    }

    /// Reads a TOML table of `field = "COLUMN"`; for the narrative, also of
    /// `text = ["COLUMN", "COLUMN"]`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Arguments`] as for [`ColumnMap::parse`], and for text that
    /// is no such table.
    pub fn from_toml(toml_text: &str) -> Result<ColumnMap> {
        let table: BTreeMap<String, OneOrMore> = toml::from_str(toml_text).map_err(|err| {
            Error::new(ErrorKind::Arguments, format!("column mapping: {}", err.message())).with_source(err)
        })?;
        let mut map = ColumnMap::default();
        for (field, columns) in &table {
            match columns {
                OneOrMore::One(column) => map.insert(field, column)?,
                OneOrMore::More(columns) if columns.is_empty() => map.insert(field, "")?,
                OneOrMore::More(columns) => columns.iter().try_for_each(|c| map.insert(field, c))?,
            }
        }
        Ok(map)
    }

    /// Says that `column` holds the field named `field`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Arguments`] for an unknown field, an empty column name, or
    /// a field or column that is named already.
    pub fn insert(&mut self, field: &str, column: &str) -> Result<()> {
        let Ok(known) = field.parse::<Field>() else {
            let names: Vec<&str> = Field::ALL.iter().map(|f| f.name()).collect();
            return Err(Error::new(ErrorKind::Arguments, unknown("field", field, &names).to_string()));
        };
        let refused = |why: String| Err(Error::new(ErrorKind::Arguments, format!("column mapping: {why}")));
        if column.is_empty() {
            return refused(format!("no column is named for `{known}`"));
        }
        if let Some((other, _)) = self.columns.iter().find(|(_, c)| c.iter().any(|c| c == column)) {
            return refused(format!("column `{column}` is named for `{other}` and `{known}`"));
        }
        let columns = self.columns.entry(known).or_default();
        if let Some(first) = columns.first().filter(|_| known != Field::Text) {
            return refused(format!("`{known}` is mapped to `{first}` and `{column}`"));
        }
        columns.push(column.to_owned());
        Ok(())
    }

    /// The columns of the fields that are mapped.
    pub fn entries(&self) -> impl Iterator<Item = (Field, &[String])> {
        self.columns.iter().map(|(&field, columns)| (field, columns.as_slice()))
    }

    /// The field that a column or key holds, and which part of it. `exact` is
    /// for JSON, where names differ by case; a column's name is trimmed and its
    /// case does not matter.
    fn field_of(&self, column: &str, exact: bool) -> Option<(Field, usize)> {
        let same = |a: &str, b: &str| a == b || (!exact && a.trim().eq_ignore_ascii_case(b.trim()));
        let mapped = self.columns.iter().find_map(|(&field, columns)| {
            columns.iter().position(|c| same(c, column)).map(|part| (field, part))
        });
        mapped.or_else(|| {
            let field = match exact {
                true => column.parse().ok()?,
                false => column.trim().to_ascii_lowercase().parse().ok()?,
            };
            (!self.columns.contains_key(&field)).then_some((field, 0))
        })
    }
}

/// How files are to be read. The default: columns by their names, each file by itself.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Columns that are named otherwise than their field.
    pub columns: ColumnMap,
    /// The run that the file belongs to: an id may come only once in a run.
    /// Without one, ids are compared within the file alone.
    pub run: Option<Run>,
    /// What refusals call the file where they point to it; without one, its
    /// name. Results that must not hold a path have one.
    pub label: Option<String>,
    /// The most characters that a narrative may have; a longer one is refused.
    pub text_most: Option<usize>,
}

/// The ids of one run over several files. Clones share what they have seen.
#[derive(Clone, Debug, Default)]
pub struct Run(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    files: Vec<String>,
    /// The first 16 bytes of an id's SHA-256, and where it stood: a file's
    /// index in the upper 24 bits, a line in the lower 40. Whole ids would take
    /// several times the memory; two ids alike here are not to be expected in
    /// the lifetime of the universe.
    ids: HashMap<[u8; 16], u64>,
}

impl Run {
    fn add_file(&self, name: &str) -> u64 {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.files.push(name.to_owned());
        seen.files.len() as u64 - 1
    }

    /// Notes an id; says where it stood before, if it did.
    fn note(&self, id: &str, file: u64, line: u64) -> Option<String> {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(id.as_bytes())[..16]);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (file << 40) | (line & ((1 << 40) - 1));
        let first = *seen.ids.entry(key).or_insert(place);
        if first == place {
            return None;
        }
        let (first_file, first_line) = (first >> 40, first & ((1 << 40) - 1));
        Some(match usize::try_from(first_file).ok().and_then(|at| seen.files.get(at)) {
            Some(name) if first_file != file => format!("line {first_line} of {name}"),
            _ => format!("line {first_line}"),
        })
    }
}

/// A column or key that is read, and the field it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRead {
    /// The field of the record.
    pub field: Field,
    /// The column or key of the file.
    pub column: String,
}

/// What the readers share: the mapping, the ids seen, the names passed over.
#[derive(Debug)]
struct Intake {
    name: String,
    columns: ColumnMap,
    run: Run,
    file: u64,
    ignored: BTreeMap<String, u64>,
    read: BTreeSet<Field>,
    text_most: usize,
    failure: Option<Error>,
}

/// So many names are counted one by one; a file with more has no fixed fields,
/// and the rest is counted together.
const IGNORED_NAMES_MAX: usize = 1000;
const IGNORED_REST: &str = "(other names)";

impl Intake {
    fn new(name: &str, options: &ReadOptions) -> Intake {
        let run = options.run.clone().unwrap_or_default();
        Intake {
            name: name.to_owned(),
            columns: options.columns.clone(),
            file: run.add_file(options.label.as_deref().unwrap_or(name)),
            run,
            ignored: BTreeMap::new(),
            read: BTreeSet::new(),
            text_most: options.text_most.unwrap_or(usize::MAX),
            failure: None,
        }
    }

    fn count_ignored(&mut self, name: &str) {
        if GROUND_TRUTH.contains(&name) {
            return;
        }
        match self.ignored.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                let full = self.ignored.len() >= IGNORED_NAMES_MAX;
                let name = if full { IGNORED_REST } else { name };
                *self.ignored.entry(name.to_owned()).or_insert(0) += 1;
            }
        }
    }

    /// Checks a record's fields and that its id is new.
    fn accept(&mut self, raw: Raw, line: u64) -> std::result::Result<Report, Rejected> {
        let id = raw.id();
        let checked = raw.build().and_then(|report| {
            let characters = report.text.chars().count();
            let most = self.text_most;
            if characters > most {
                return Err(format!(
                    "`text` has {characters} characters, {most} at most are read: look whether a quote was never closed"
                ));
            }
            match self.run.note(&report.id, self.file, line) {
                None => Ok(report),
                Some(place) => Err(format!("`id` was used before: {place}")),
            }
        });
        checked.map_err(|reason| Rejected { line, id, reason })
    }

    /// Notes that reading failed for good.
    fn fail(&mut self, err: std::io::Error, line: u64) -> Rejected {
        let reason = format!("reading failed: {err}");
        self.failure = Some(Error::io(&self.name, err));
        Rejected { line, id: None, reason }
    }
}

/// A file that is being read, whatever its format.
pub enum Reader {
    /// JSON Lines.
    JsonLines(Box<JsonLines<Source>>),
    /// Delimited columns.
    Csv(Box<Csv<Source>>),
    /// Columns of a Parquet file.
    #[cfg(feature = "parquet")]
    Parquet(Box<Parquet>),
    /// One plain text, until it has been taken.
    PlainText(Box<std::iter::Once<std::result::Result<Report, Rejected>>>),
}

/// Whether a file is Parquet, by its name.
pub fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
}

/// Opens a Parquet file, where this program was built to.
///
/// # Errors
///
/// As for [`open`], and when the program was built without the feature.
pub fn open_parquet(path: &Path, options: &ReadOptions) -> Result<Reader> {
    #[cfg(feature = "parquet")]
    return Ok(Reader::Parquet(Box::new(Parquet::open(path, options)?)));
    #[cfg(not(feature = "parquet"))]
    {
        let _ = options;
        let what = format!("{}: is Parquet, which this program was built without", path.display());
        Err(Error::new(ErrorKind::Input, what)
            .hint("export CSV or JSON Lines, or build with `cargo build --release --features parquet`"))
    }
}

/// Where a [`Reader`] takes its bytes from.
pub type Source = Box<dyn BufRead + Send>;

/// Opens a file of records; the format is that of [`Format::of_path`].
///
/// # Errors
///
/// [`ErrorKind::Io`] when the file cannot be opened. [`ErrorKind::Input`] when
/// it is a directory, is empty, is UTF-16, is a JSON array, or lacks a column
/// that is needed.
pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Reader> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|err| Error::io(path, err))?;
    let about = file.metadata().map_err(|err| Error::io(path, err))?;
    if about.is_dir() {
        return Err(Error::new(
            ErrorKind::Input,
            format!("{}: is a directory, a file is needed", path.display()),
        ));
    }
    let name = path.display().to_string();
    let source = unpack(BufReader::with_capacity(1 << 16, file), &name)?;
    Reader::new(source, Format::of_path(path), &name, options)
}

/// Unpacks a source that begins like gzip or Zstandard; any other is given
/// back as it is.
///
/// # Errors
///
/// [`ErrorKind::Io`] when its beginning cannot be read.
pub fn unpack(source: impl BufRead + Send + 'static, name: &str) -> Result<Source> {
    packed::unpack(source).map_err(|err| Error::io(name, err))
}

impl Reader {
    /// Reads records from any source. `name` stands in messages, and without
    /// its folder and extension it is the id of a plain text.
    ///
    /// # Errors
    ///
    /// As for [`open`].
    pub fn new(source: Source, format: Format, name: &str, options: &ReadOptions) -> Result<Reader> {
        Ok(match format {
            Format::JsonLines => Reader::JsonLines(Box::new(JsonLines::new(source, name, options)?)),
            Format::Csv => Reader::Csv(Box::new(Csv::new(source, name, options)?)),
            Format::PlainText => {
                Reader::PlainText(Box::new(std::iter::once(plain_text(source, name, options)?)))
            }
        })
    }

    /// The names that no field has, and in how many records each stood. The
    /// fields for ground truth are passed over too, but not counted.
    pub fn ignored(&self) -> &BTreeMap<String, u64> {
        static NONE: BTreeMap<String, u64> = BTreeMap::new();
        match self {
            Reader::JsonLines(reader) => reader.ignored(),
            Reader::Csv(reader) => reader.ignored(),
            #[cfg(feature = "parquet")]
            Reader::Parquet(reader) => reader.ignored(),
            Reader::PlainText(_) => &NONE,
        }
    }

    /// The columns that are read; for JSON Lines, the keys read so far.
    pub fn columns_read(&self) -> Vec<ColumnRead> {
        match self {
            Reader::JsonLines(reader) => reader.columns_read(),
            Reader::Csv(reader) => reader.columns_read(),
            #[cfg(feature = "parquet")]
            Reader::Parquet(reader) => reader.columns_read(),
            Reader::PlainText(_) => Vec::new(),
        }
    }

    /// The error of the operating system that ended the reading, if one did.
    pub fn failure(&self) -> Option<&Error> {
        match self {
            Reader::JsonLines(reader) => reader.failure(),
            Reader::Csv(reader) => reader.failure(),
            #[cfg(feature = "parquet")]
            Reader::Parquet(reader) => reader.failure(),
            Reader::PlainText(_) => None,
        }
    }
}

impl Iterator for Reader {
    type Item = std::result::Result<Report, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Reader::JsonLines(reader) => reader.next(),
            Reader::Csv(reader) => reader.next(),
            #[cfg(feature = "parquet")]
            Reader::Parquet(reader) => reader.next(),
            Reader::PlainText(once) => once.next(),
        }
    }
}

/// Reads a whole source as one narrative; its id is the name without folder
/// and extension. UTF-8 with or without a mark, else Windows-1252.
///
/// # Errors
///
/// [`ErrorKind::Input`] when the source is empty or UTF-16, [`ErrorKind::Io`]
/// when reading fails. A blank or too long text is a [`Rejected`].
pub fn plain_text(
    source: impl BufRead,
    name: &str,
    options: &ReadOptions,
) -> Result<std::result::Result<Report, Rejected>> {
    let mut bytes = Vec::new();
    let limit = RECORD_BYTES_MAX as u64 + 1;
    start(source, name)?.take(limit).read_to_end(&mut bytes).map_err(|err| Error::io(name, err))?;
    let id = Path::new(name).file_stem().map_or(name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    if bytes.len() > RECORD_BYTES_MAX {
        return Ok(Err(Rejected { line: 1, id: Some(id), reason: too_long() }));
    }
    let mut raw = Raw::new();
    raw.set(Field::Id, Some(super::Cell::Text(id)), false);
    raw.set(Field::Text, Some(super::Cell::Text(decode(bytes))), false);
    Ok(Intake::new(name, options).accept(raw, 1))
}

/// A source after its beginning was looked at.
type Started<R> = std::io::Chain<Cursor<Vec<u8>>, R>;

/// Takes the byte order mark off a source.
///
/// # Errors
///
/// [`ErrorKind::Input`] for an empty source and for UTF-16.
fn start<R: BufRead>(mut source: R, name: &str) -> Result<Started<R>> {
    let mut head = Vec::new();
    source.by_ref().take(3).read_to_end(&mut head).map_err(|err| Error::io(name, err))?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(Error::new(ErrorKind::Input, format!("{name}: is UTF-16, UTF-8 is needed"))
            .hint("save it again as UTF-8 (in a spreadsheet: \"CSV UTF-8\")"));
    }
    if head == b"\xef\xbb\xbf" {
        head.clear();
        source.by_ref().take(1).read_to_end(&mut head).map_err(|err| Error::io(name, err))?;
    }
    match head.is_empty() {
        true => Err(empty(name)),
        false => Ok(Cursor::new(head).chain(source)),
    }
}

fn empty(name: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{name}: is empty, there is nothing to read"))
}

fn too_long() -> String {
    format!("longer than {} MiB", RECORD_BYTES_MAX >> 20)
}

/// UTF-8 if it is that, else Windows-1252, which every byte has a meaning in.
fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|err| {
        let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(err.as_bytes());
        text.into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::super::is_blank;
    use super::*;
    use proptest::prelude::*;

    /// Reads bytes in chunks of one, as a slow pipe would bring them.
    pub(super) fn drip(bytes: &[u8]) -> BufReader<Cursor<Vec<u8>>> {
        BufReader::with_capacity(1, Cursor::new(bytes.to_vec()))
    }

    fn opened(name: &str, bytes: &[u8]) -> Result<Vec<std::result::Result<Report, Rejected>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Ok(open(&path, &ReadOptions::default())?.collect())
    }

    #[test]
    fn the_name_decides_the_format() {
        let cases = [
            ("a.jsonl", Format::JsonLines),
            ("a.NDJSON", Format::JsonLines),
            ("a.json", Format::JsonLines),
            ("a.csv", Format::Csv),
            ("a.TSV", Format::Csv),
            ("a.txt", Format::PlainText),
            ("a", Format::PlainText),
            (".jsonl", Format::PlainText),
        ];
        for (name, format) in cases {
            assert_eq!(Format::of_path(Path::new(name)), format, "{name}");
        }
        assert_eq!(Format::of_start(b"\xef\xbb\xbf\n {\"id\""), Format::JsonLines);
        assert_eq!(Format::of_start(b"He was back."), Format::PlainText);
        assert_eq!(Format::of_start(b""), Format::PlainText);
    }

    #[test]
    fn a_plain_text_is_one_report_named_after_its_file() {
        let report = opened("log 17.txt", b"\xef\xbb\xbfHe was back.\r\n\0").unwrap().remove(0).unwrap();
        assert_eq!((&*report.id, &*report.text), ("log 17", "He was back.\r\n\0"));
        let report = opened("b", b"caf\xe9 \x93Dan\x94").unwrap().remove(0).unwrap();
        assert_eq!(report.text, "café “Dan”");
        let rejected = opened("b.txt", b" \n").unwrap().remove(0).unwrap_err();
        assert_eq!(rejected.to_string(), "line 1 (b): `text` is blank");
        let rejected = opened("b.txt", &vec![b'a'; RECORD_BYTES_MAX + 1]).unwrap().remove(0).unwrap_err();
        assert_eq!(rejected.reason, "longer than 16 MiB");
    }

    #[test]
    fn what_is_no_file_of_records_is_refused() {
        let cases: [(&str, &[u8], &str); 7] = [
            ("a.jsonl", b"", "is empty"),
            ("a.jsonl", b"\xef\xbb\xbf \n\n", "is empty"),
            ("a.csv", b"", "is empty"),
            ("a.csv", b"\r\n\r\n", "is empty"),
            ("a.txt", b"\xef\xbb\xbf", "is empty"),
            ("a.csv", b"\xff\xfei\0d\0", "is UTF-16"),
            ("a.json", b" [{\"id\":1}]", "is a JSON array"),
        ];
        for (name, bytes, expected) in cases {
            let err = opened(name, bytes).unwrap_err();
            assert!(err.to_string().contains(expected), "{name}: {err}");
            assert_eq!(err.kind(), ErrorKind::Input);
        }
        let folder = tempfile::tempdir().unwrap();
        let err = open(folder.path(), &ReadOptions::default()).err().unwrap();
        assert!(err.to_string().ends_with("is a directory, a file is needed"), "{err}");
        let err = open(folder.path().join("none.csv"), &ReadOptions::default()).err().unwrap();
        assert_eq!(err.kind(), ErrorKind::Io);
    }

    #[test]
    fn an_id_may_come_once_in_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.jsonl"), folder.path().join("b.csv"));
        std::fs::write(&a, "{\"id\":\"R1\",\"text\":\"x\"}\n\n{\"id\":\"R1\",\"text\":\"y\"}\n").unwrap();
        std::fs::write(&b, "id,text\nR1,x\nR2,y\n").unwrap();
        let options = ReadOptions { run: Some(Run::default()), ..ReadOptions::default() };
        let first: Vec<_> = open(&a, &options).unwrap().collect();
        assert!(first[0].is_ok());
        assert_eq!(first[1].as_ref().unwrap_err().to_string(), "line 3 (R1): `id` was used before: line 1");
        let second: Vec<_> = open(&b, &options).unwrap().collect();
        let reason = &second[0].as_ref().unwrap_err().reason;
        assert_eq!(*reason, format!("`id` was used before: line 1 of {}", a.display()));
        assert!(second[1].is_ok());
        assert!(open(&b, &ReadOptions::default()).unwrap().all(|r| r.is_ok()));
    }

    #[test]
    fn mappings() {
        let map = ColumnMap::parse(["text=MO_TEXT", " id = Crime No "]).unwrap();
        assert_eq!(map.field_of("mo_text ", false), Some((Field::Text, 0)));
        assert_eq!(map.field_of("mo_text", true), None);
        assert_eq!(map.field_of("text", false), None, "a mapped field is read from its column alone");
        assert_eq!(map.field_of("Force", false), Some((Field::Force, 0)));
        assert_eq!(map.field_of("Force", true), None);
        assert_eq!(map, ColumnMap::from_toml("text = \"MO_TEXT\"\nid = \"Crime No\"").unwrap());
        let cases = [
            (vec!["text"], "no `=` in column mapping: `text`"),
            (vec!["txt=A"], "unknown field: `txt`, did you mean `text`?"),
            (vec!["text="], "no column is named for `text`"),
            (vec!["force=A", "force=B"], "`force` is mapped to `A` and `B`"),
            (vec!["text=A", "id=A"], "column `A` is named for `text` and `id`"),
            (vec!["labels=A"], "unknown field: `labels`"),
        ];
        for (entries, expected) in cases {
            let err = ColumnMap::parse(entries).unwrap_err();
            assert!(err.to_string().contains(expected), "{err}");
            assert_eq!(err.kind(), ErrorKind::Arguments);
        }
        assert!(ColumnMap::from_toml("text = 7").is_err());
        assert!(ColumnMap::from_toml("text = []").is_err());
        assert!(ColumnMap::from_toml("force = [\"A\", \"B\"]").is_err());
    }

    #[test]
    fn a_narrative_may_stand_in_several_columns() {
        let map = ColumnMap::from_toml("text = [\"MO\", \"Summary\"]").unwrap();
        assert_eq!(map, ColumnMap::parse(["text=MO", "text=Summary"]).unwrap());
        let options = ReadOptions { columns: map, ..ReadOptions::default() };
        let read = |format, bytes: &[u8]| -> Vec<String> {
            let source = Box::new(Cursor::new(bytes.to_vec()));
            let reader = Reader::new(source, format, "a", &options).unwrap();
            reader.map(|r| r.map_or_else(|why| why.to_string(), |report| report.text)).collect()
        };
        let rows = b"Summary,id,MO\nShouting.,R1,He was back.\n,R2,Again.\nOnly this.,R3, \n,R4,\n";
        let expected = ["He was back.\nShouting.", "Again.", "Only this.", "line 5 (R4): `text` is blank"];
        assert_eq!(read(Format::Csv, rows), expected);
        let lines = b"{\"Summary\":\"Shouting.\",\"id\":1,\"MO\":\"He was back.\"}\n\
            {\"id\":2,\"MO\":\"Again.\"}\n{\"id\":3,\"Summary\":\"Only this.\",\"MO\":null}\n\
            {\"id\":\"R4\"}\n{\"id\":5,\"MO\":[7],\"Summary\":\"x\"}\n{\"id\":6,\"MO\":\"x\",\"MO\":\"y\"}\n";
        let got = read(Format::JsonLines, lines);
        assert_eq!(got[..3], expected[..3]);
        assert_eq!(got[3], "line 4 (R4): `text` is missing");
        assert!(got[4].contains("`text`: text is needed, found a list"), "{}", got[4]);
        assert!(got[5].contains("`text` stands there twice"), "{}", got[5]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for format in [Format::JsonLines, Format::Csv, Format::PlainText] {
                if let Ok(reader) = Reader::new(Box::new(drip(&bytes)), format, "a", &ReadOptions::default()) {
                    prop_assert!(reader.count() <= bytes.len() + 1);
                }
            }
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "(id|text|,|;|\"|\n|\r|\\{|\\}|:|R1| |é|🚓){0,60}") {
            for format in [Format::JsonLines, Format::Csv, Format::PlainText] {
                let source = Box::new(Cursor::new(format!("id,text\n{text}").into_bytes()));
                if let Ok(reader) = Reader::new(source, format, "a", &ReadOptions::default()) {
                    for report in reader.flatten() {
                        prop_assert!(!is_blank(&report.id) && !is_blank(&report.text));
                    }
                }
            }
        }
    }
}
