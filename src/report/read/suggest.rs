//! A first mapping for a file whose columns have other names: which column
//! looks like which field, by its name and by what its first rows hold. A
//! person reads it before it is used.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::super::{Field, dates};
use super::{Format, Source, csv, start, unpack};
use crate::error::{Error, ErrorKind, Result};

/// Rows that are looked at.
const ROWS: usize = 200;

/// Words of column names that tell a field, the most telling first. A name
/// matches when all words of one entry stand in it.
const NAMES: &[(Field, &[&str])] = &[
    (Field::SuspectDob, &["suspect dob", "sus dob", "suspect date of birth", "suspect birth", "dob"]),
    (Field::SuspectNominal, &["suspect nominal", "suspect id", "suspect urn", "sus nominal", "suspect pole"]),
    (Field::VictimNominal, &["victim nominal", "victim id", "victim urn", "vic nominal", "aggrieved id"]),
    (Field::SuspectName, &["suspect name", "sus name", "suspect", "offender name", "offender", "accused"]),
    (Field::VictimName, &["victim name", "vic name", "victim", "aggrieved", "complainant"]),
    (Field::Relationship, &["relationship", "rel to", "sus vic rel"]),
    (Field::ClosedAt, &["closed date", "date closed", "closed", "filed date", "date filed", "finalised"]),
    (
        Field::OccurredFrom,
        &["occurred from", "date from", "committed from", "from date", "first date", "occurred"],
    ),
    (Field::OccurredTo, &["occurred to", "date to", "committed to", "to date", "last date"]),
    (
        Field::ReportedAt,
        &[
            "reported date",
            "date reported",
            "reported",
            "created date",
            "date created",
            "recorded date",
            "date recorded",
            "created",
            "call date",
            "date",
            "datetime",
        ],
    ),
    (Field::RiskGrade, &["risk grade", "risk level", "dash grade", "risk"]),
    (Field::Outcome, &["outcome", "disposal", "result", "closure code", "clear up", "status"]),
    (
        Field::RecordedAs,
        &[
            "offence title",
            "offence",
            "crime type",
            "classification",
            "recorded as",
            "class",
            "hocr",
            "nicl",
            "incident type",
            "closing code",
            "opening code",
            "category",
        ],
    ),
    (Field::Channel, &["channel", "method of report", "how reported", "call source"]),
    (Field::Force, &["force", "constabulary"]),
    (Field::District, &["district", "sector", "bcu", "lpu", "division", "borough", "area", "beat"]),
    (Field::Postcode, &["postcode", "post code", "pcode"]),
    (Field::Plate, &["vrm", "plate", "registration", "vehicle reg"]),
    (Field::Email, &["email", "e mail"]),
    (Field::Handle, &["handle", "username", "user name", "social media"]),
    (Field::Phone, &["phone", "telephone", "mobile", "tel"]),
    (
        Field::Id,
        &[
            "crime ref",
            "crime no",
            "crime number",
            "occurrence no",
            "occurrence number",
            "incident no",
            "incident number",
            "report no",
            "report number",
            "urn",
            "log no",
            "ref no",
            "reference",
            "ref",
            "id",
        ],
    ),
];

/// Words that stand in the names of columns with narratives.
const NARRATIVE: &[&str] = &[
    "narrative",
    "text",
    "mo",
    "summary",
    "description",
    "details",
    "notes",
    "free",
    "log",
    "circumstances",
    "account",
    "synopsis",
];

/// A TOML mapping for a file, with a word on every column; what was guessed
/// is to be read by a person before it is used.
///
/// # Errors
///
/// When the file cannot be opened, is empty, or has no header.
pub fn suggest_mapping(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let file = File::open(path).map_err(|err| Error::io(path, err))?;
    if path.is_dir() {
        return Err(Error::new(ErrorKind::Input, format!("{name}: is a directory, a file is needed")));
    }
    let mut source = unpack(BufReader::new(file), &name)?;
    let begins = source.fill_buf().map_err(|err| Error::io(path, err))?;
    let lines = match Format::of_path(path) {
        Format::PlainText => Format::of_start(begins) == Format::JsonLines,
        format => format == Format::JsonLines,
    };
    let (columns, rows) = if lines { keys(source, &name)? } else { csv::preview(source, &name, ROWS)? };
    Ok(written(&columns, &rows))
}

/// The keys of the first lines, and their values as text.
fn keys(source: Source, name: &str) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let mut columns: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for line in start(source, name)?.take(1 << 20).lines().take(ROWS) {
        let line = line.map_err(|err| Error::io(name, err))?;
        let Ok(serde_json::Value::Object(object)) = serde_json::from_str(&line) else { continue };
        for key in object.keys() {
            if !columns.contains(key) && !super::GROUND_TRUTH.contains(&key.as_str()) {
                columns.push(key.clone());
            }
        }
        let cell = |column: &String| match object.get(column) {
            Some(serde_json::Value::String(words)) => words.clone(),
            None | Some(serde_json::Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        rows.push(columns.iter().map(cell).collect());
    }
    match columns.is_empty() {
        true => Err(Error::new(ErrorKind::Input, format!("{name}: no line is a JSON object with keys"))),
        false => Ok((columns, rows)),
    }
}

/// A column's name as words in small letters, `crimeRefNo` taken apart.
fn words(column: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for c in column.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.extend(if c.is_alphanumeric() { c } else { ' ' }.to_lowercase());
        before = c;
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether all words of `wanted` are words of `name`.
fn holds(name: &str, wanted: &str) -> bool {
    wanted.split(' ').all(|word| name.split(' ').any(|own| own == word))
}

/// What the first rows of a column hold.
#[derive(Default)]
struct Seen {
    filled: usize,
    characters: usize,
    dates: usize,
    distinct: BTreeSet<String>,
    refused: Option<String>,
}

fn look(rows: &[Vec<String>], at: usize) -> Seen {
    let mut seen = Seen::default();
    for cell in rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.trim()).filter(|c| !c.is_empty()) {
        seen.filled += 1;
        seen.characters += cell.chars().count();
        match dates::parse(cell) {
            Ok(_) => seen.dates += 1,
            Err(why) if cell.starts_with(|c: char| c.is_ascii_digit()) && cell.contains(['/', '-']) => {
                seen.refused.get_or_insert(why);
            }
            Err(_) => {}
        }
        seen.distinct.insert(cell.to_owned());
    }
    seen
}

fn is_date(field: Field) -> bool {
    matches!(
        field,
        Field::ReportedAt | Field::OccurredFrom | Field::OccurredTo | Field::ClosedAt | Field::SuspectDob
    )
}

/// The fields by column, and the columns of the narrative.
fn guess(columns: &[String], seen: &[Seen]) -> (Vec<Option<Field>>, Vec<usize>) {
    let names: Vec<String> = columns.iter().map(|c| words(c)).collect();
    let mut fields: Vec<Option<Field>> = vec![None; columns.len()];
    let fits = |field: Field, at: usize| {
        let seen = &seen[at];
        seen.filled == 0 || !is_date(field) || seen.dates * 2 > seen.filled || seen.refused.is_some()
    };
    // A column that is named like a field is that field.
    for (at, column) in columns.iter().enumerate() {
        fields[at] = column.trim().to_ascii_lowercase().parse().ok();
    }
    let mut narrative: Vec<usize> = (0..columns.len())
        .filter(|&at| fields[at].is_none() && seen[at].filled > 0)
        .filter(|&at| {
            let mean = seen[at].characters / seen[at].filled.max(1);
            mean >= 120 || (mean >= 40 && NARRATIVE.iter().any(|word| holds(&names[at], word)))
        })
        .collect();
    if fields.contains(&Some(Field::Text)) {
        narrative.clear();
    }
    for (field, wanted) in NAMES {
        if fields.contains(&Some(*field)) {
            continue;
        }
        let free = |at: &usize| fields[*at].is_none() && !narrative.contains(at) && fits(*field, *at);
        let found = wanted
            .iter()
            .find_map(|wanted| (0..columns.len()).filter(free).find(|&at| holds(&names[at], wanted)));
        if let Some(at) = found {
            fields[at] = Some(*field);
        }
    }
    // Without a name that tells: the first column whose values are all different.
    if !fields.contains(&Some(Field::Id)) {
        let own = |at: &usize| {
            fields[*at].is_none()
                && !narrative.contains(at)
                && seen[*at].filled > 0
                && seen[*at].distinct.len() == seen[*at].filled
                && seen[*at].dates == 0
        };
        if let Some(at) = (0..columns.len()).find(own) {
            fields[at] = Some(Field::Id);
        }
    }
    (fields, narrative)
}

fn written(columns: &[String], rows: &[Vec<String>]) -> String {
    let seen: Vec<Seen> = (0..columns.len()).map(|at| look(rows, at)).collect();
    let (fields, narrative) = guess(columns, &seen);
    let quoted = |column: &str| toml::Value::String(column.to_owned()).to_string();
    let mut out = String::from(
        "# A first mapping, guessed from the names of the columns and their first rows.\n\
         # Read it, mend it, and give it to --map-file. Columns that are not named here are not read.\n\n",
    );
    // Writing to a string cannot fail.
    match narrative.as_slice() {
        [] if fields.contains(&Some(Field::Text)) => {}
        [] => out += "# No column looks like a narrative; name it:\n# text = \"COLUMN\"\n",
        [one] => {
            let _ = writeln!(out, "text = {}", quoted(&columns[*one]));
        }
        several => {
            let names: Vec<String> = several.iter().map(|&at| quoted(&columns[at])).collect();
            let _ = writeln!(
                out,
                "# joined in this order, each on a line of its own\ntext = [{}]",
                names.join(", ")
            );
        }
    }
    if !fields.contains(&Some(Field::Id)) {
        out += "# No column looks like an id; name it:\n# id = \"COLUMN\"\n";
    }
    for &field in Field::ALL {
        if let Some(at) = fields.iter().position(|f| *f == Some(field)) {
            let refused = seen[at].refused.as_ref().filter(|_| is_date(field));
            let note =
                refused.map_or(String::new(), |why| format!("  # some would be refused: {}", one_line(why)));
            let _ = writeln!(out, "{field} = {}{note}", quoted(&columns[at]));
        }
    }
    let rest: Vec<&String> = (0..columns.len())
        .filter(|at| fields[*at].is_none() && !narrative.contains(at))
        .map(|at| &columns[at])
        .filter(|column| !column.is_empty())
        .collect();
    if !rest.is_empty() {
        out += "\n# not read:\n";
        for column in rest {
            let _ = writeln!(out, "#   {}", one_line(column));
        }
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::ColumnMap;
    use super::*;

    fn suggested(name: &str, text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        suggest_mapping(&path).unwrap()
    }

    #[test]
    fn an_export_gets_a_mapping_that_reads_it() {
        let long =
            "Caller states that her former partner was outside again and would not leave when she asked him";
        let text = format!(
            "Crime Ref No;Date Reported;Offence Title;MO Text;Log Notes;SuspectName;Weather;Outcome Code\n\
             42/1;17/04/2023;Criminal damage;{long};{long};Dan Price;wet;NFA\n\
             42/2;18/04/2023;Theft;{long};{long};;dry;NFA\n"
        );
        let toml = suggested("a.csv", &text);
        for line in [
            "text = [\"MO Text\", \"Log Notes\"]",
            "id = \"Crime Ref No\"",
            "reported_at = \"Date Reported\"",
            "recorded_as = \"Offence Title\"",
            "suspect_name = \"SuspectName\"",
            "outcome = \"Outcome Code\"",
            "#   Weather",
        ] {
            assert!(toml.lines().any(|l| l == line), "{line}\n{toml}");
        }
        ColumnMap::from_toml(&toml).unwrap();
    }

    #[test]
    fn keys_of_json_lines_are_columns_and_dates_of_two_readings_are_said() {
        let toml = suggested(
            "a.jsonl",
            "{\"ref\":\"1\",\"narrative\":\"He was back outside the shop and asked for her by name.\",\"date\":\"03/04/24\",\"labels\":{}}\n",
        );
        assert!(toml.contains("id = \"ref\"") && toml.contains("text = \"narrative\""), "{toml}");
        assert!(toml.contains("2024-04-03 or 2024-03-04"), "{toml}");
        assert!(!toml.contains("labels"));
    }

    #[test]
    fn what_is_not_found_is_asked_for() {
        let toml = suggested("a.csv", "A,B\n,x\n,x\n");
        assert!(toml.contains("# text = ") && toml.contains("# id = "), "{toml}");
        assert!(ColumnMap::from_toml(&toml).is_ok());
    }
}
