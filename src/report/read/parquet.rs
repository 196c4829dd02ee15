//! Parquet, with the feature `parquet`: columns by name, as in CSV. Only the
//! columns that hold a field are read from the file at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field as Value, Row};
use parquet::schema::types::Type;
use time::{Date, Duration, PrimitiveDateTime, Time};

use super::csv::assign;
use super::{ColumnRead, Intake, ReadOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Cell, Field, Raw, Rejected, Report, dates};

/// A stream of rows. The line of a refused one is the number of its row.
pub struct Parquet {
    rows: RowIter<'static>,
    /// The columns that are read, in order: names, fields, parts.
    columns: Vec<(String, Field, usize)>,
    intake: Intake,
    row: u64,
}

impl Parquet {
    /// Reads the schema of a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when the file cannot be opened, [`ErrorKind::Input`]
    /// when it is no Parquet or lacks a column that is needed.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Parquet> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|err| Error::io(path, err))?;
        let bad = |err: parquet::errors::ParquetError| {
            Error::new(ErrorKind::Input, format!("{name}: {err}")).with_source(err)
        };
        let reader = SerializedFileReader::new(file).map_err(bad)?;
        let schema = reader.metadata().file_metadata().schema().clone();
        let header: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        let fields = assign(&header, &options.columns, &name)?;
        let mut intake = Intake::new(&name, options);
        let (mut columns, mut wanted) = (Vec::new(), Vec::new());
        for ((column, field), of_file) in header.into_iter().zip(fields).zip(schema.get_fields()) {
            match field {
                Some((field, part)) => {
                    intake.read.insert(field);
                    columns.push((column, field, part));
                    wanted.push(of_file.clone());
                }
                None if super::GROUND_TRUTH.contains(&column.as_str()) => {}
                None => {
                    intake.ignored.insert(column, 0);
                }
            }
        }
        let projection = Type::group_type_builder(schema.name()).with_fields(wanted).build().map_err(bad)?;
        let rows = RowIter::from_file_into(Box::new(reader)).project(Some(projection)).map_err(bad)?;
        Ok(Parquet { rows, columns, intake, row: 0 })
    }

    /// The columns that are not read. What they hold is not looked at.
    pub fn ignored(&self) -> &BTreeMap<String, u64> {
        &self.intake.ignored
    }

    /// The columns that are read, in the order of the file.
    pub fn columns_read(&self) -> Vec<ColumnRead> {
        let read = |(column, field, _): &(String, Field, usize)| ColumnRead {
            field: *field,
            column: column.clone(),
        };
        self.columns.iter().map(read).collect()
    }

    /// The error that ended the reading, if one did.
    pub fn failure(&self) -> Option<&Error> {
        self.intake.failure.as_ref()
    }

    fn record(&mut self, row: Row) -> std::result::Result<Report, Rejected> {
        let mut raw = Raw::new();
        for ((_, field, part), (_, value)) in self.columns.iter().zip(row.into_columns()) {
            raw.set_part(*field, *part, cell(value), false);
        }
        self.intake.accept(raw, self.row)
    }
}

impl Iterator for Parquet {
    type Item = std::result::Result<Report, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.intake.failure.is_some() {
            return None;
        }
        self.row += 1;
        match self.rows.next()? {
            Ok(row) => Some(self.record(row)),
            Err(err) => Some(Err(self.intake.fail(std::io::Error::other(err), self.row))),
        }
    }
}

/// A value as the text that a CSV would hold.
fn cell(value: Value) -> Option<Cell> {
    let text = match value {
        Value::Null => return None,
        Value::Str(text) => text,
        Value::Bytes(bytes) => match String::from_utf8(bytes.data().to_vec()) {
            Ok(text) => text,
            Err(_) => return Some(Cell::Wrong("bytes that are no UTF-8")),
        },
        Value::Byte(n) => n.to_string(),
        Value::Short(n) => n.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Long(n) => n.to_string(),
        Value::UByte(n) => n.to_string(),
        Value::UShort(n) => n.to_string(),
        Value::UInt(n) => n.to_string(),
        Value::ULong(n) => n.to_string(),
        Value::Date(days) => match since_1970(Duration::days(i64::from(days))) {
            Some(when) => dates::write_date(when.date()),
            None => return Some(Cell::Wrong("a date beyond all years")),
        },
        Value::TimestampMillis(n) => return Some(moment(Duration::milliseconds(n))),
        Value::TimestampMicros(n) => return Some(moment(Duration::microseconds(n))),
        Value::Bool(true) => return Some(Cell::Wrong("true")),
        Value::Bool(false) => return Some(Cell::Wrong("false")),
        Value::Group(_) | Value::MapInternal(_) => return Some(Cell::Wrong("an object")),
        Value::ListInternal(_) => return Some(Cell::Wrong("a list")),
        _ => return Some(Cell::Wrong("a number")),
    };
    Some(Cell::Text(text))
}

fn moment(since: Duration) -> Cell {
    match since_1970(since) {
        Some(when) => Cell::Text(dates::write(when)),
        None => Cell::Wrong("a date beyond all years"),
    }
}

fn since_1970(since: Duration) -> Option<PrimitiveDateTime> {
    let first = Date::from_ordinal_date(1970, 1).ok()?;
    PrimitiveDateTime::new(first, Time::MIDNIGHT).checked_add(since)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::ColumnMap;
    use super::*;
    use parquet::basic::Compression;
    use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    #[test]
    fn rows_are_read_by_their_columns() {
        let schema =
            "message export { required int64 ref; optional binary mo (UTF8); required int32 day (DATE);
            required binary weather (UTF8); }";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer =
            SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[7, 8, 7], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let texts: Vec<ByteArray> = ["He was back.", "Again."].map(ByteArray::from).into();
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1, 0, 1]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[19_464, 0, 0], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let wet = vec![ByteArray::from("wet"); 3];
        column.typed::<ByteArrayType>().write_batch(&wet, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();

        let columns = ColumnMap::parse(["id=ref", "text=mo", "reported_at=day"]).unwrap();
        let options = ReadOptions { columns, ..ReadOptions::default() };
        let mut reader = Parquet::open(&path, &options).unwrap();
        let first = reader.next().unwrap().unwrap();
        assert_eq!((first.id.as_str(), first.text.as_str()), ("7", "He was back."));
        assert_eq!(first.reported_at.map(dates::write).as_deref(), Some("2023-04-17T00:00:00"));
        let rest: Vec<String> = reader.by_ref().map(|r| r.unwrap_err().to_string()).collect();
        assert_eq!(rest, ["line 2 (8): `text` is missing", "line 3 (7): `id` was used before: line 1"]);
        assert!(reader.ignored().contains_key("weather"));

        // A file that was cut is refused with a message.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(Parquet::open(&path, &options).is_err());
        assert!(Parquet::open(&path, &ReadOptions::default()).is_err());
    }
}
