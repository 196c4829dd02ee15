//! What `throughline link` reads: raw records, assessed reports of an earlier
//! run, features as lines of JSON or in a database, stores. A file is known by
//! how it begins.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use rayon::prelude::*;

use crate::assess::{AssessOptions, Assessor};
use crate::cli::say;
use crate::conduct;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{ASSESSED_SCHEMA, Assessed, FEATURES_SCHEMA, Features, FeaturesLine, day_number};
use crate::link::Decisions;
use crate::link::record::PoolBuilder;
use crate::report::Report;
use crate::report::read::{ReadOptions, open};
use crate::store;

/// Reports assessed in one round.
const ROUND: usize = 128;

/// Lines of features that are parsed in one round.
const LINES: usize = 4096;

/// What sort of file an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Records with narratives.
    Records,
    /// Assessed reports.
    Assessed,
    /// Features, a line each.
    Features,
    /// Features in a database, or a store.
    Database,
}

fn kind(path: &Path) -> Result<Kind> {
    if path.is_dir() {
        return Ok(Kind::Records);
    }
    if store::is_database(path)? {
        return Ok(Kind::Database);
    }
    let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
    let mut start = Vec::new();
    BufReader::new(file.take(200)).read_until(b',', &mut start).map_err(|error| Error::io(path, error))?;
    let start = String::from_utf8_lossy(&start);
    Ok(if start.contains(ASSESSED_SCHEMA) {
        Kind::Assessed
    } else if start.contains(FEATURES_SCHEMA) {
        Kind::Features
    } else {
        Kind::Records
    })
}

/// Everything that was read.
#[derive(Default)]
pub(in crate::cli) struct Inputs {
    /// Reports ready to be linked.
    pub builder: PoolBuilder,
    /// Those that have their texts, in the order in which they were read.
    pub assessed: Vec<Assessed>,
    /// What people have decided, from stores among the inputs.
    pub decisions: Decisions,
    /// Every report's features, where they were asked for.
    pub features: Option<Vec<Features>>,
    /// How many were read.
    pub reports: usize,
    /// How many were refused.
    pub refused: usize,
    seen: HashSet<Box<str>>,
}

impl Inputs {
    /// Reads every file; records are assessed by the model that `model` opens.
    /// With `keep`, features are kept beside what is made of them.
    pub fn read(
        paths: &[impl AsRef<Path>],
        keep: bool,
        options: &ReadOptions,
        model: &dyn Fn(AssessOptions) -> Result<Assessor>,
    ) -> Result<Self> {
        let mut inputs = Self { features: keep.then(Vec::new), ..Self::default() };
        let mut records = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            match kind(path)? {
                Kind::Records => inputs.records(path, options, &mut records)?,
                Kind::Assessed => inputs.take_assessed(read_assessed(path)?),
                Kind::Features => inputs.lines(path)?,
                Kind::Database => {
                    let decisions = store::read(path, &mut |features| {
                        inputs.take_features(features);
                        Ok(())
                    })?;
                    for (a, b, together) in decisions.pairs() {
                        inputs.decisions.decide(a, b, together);
                    }
                }
            }
        }
        if !records.is_empty() {
            let assessed = assess(&model(AssessOptions::default())?, records)?;
            inputs.take_assessed(assessed);
        }
        if inputs.reports == 0 {
            return Err(Error::new(ErrorKind::Input, "no report could be read, at least one is needed")
                .hint("the lines above say why each record was refused"));
        }
        Ok(inputs)
    }

    fn records(&mut self, path: &Path, options: &ReadOptions, records: &mut Vec<Report>) -> Result<()> {
        let mut reader = open(path, options)?;
        for record in reader.by_ref() {
            match record {
                Ok(report) => records.push(report),
                Err(rejected) => {
                    say(&format!("refused: {}: {rejected}", path.display()));
                    self.refused += 1;
                }
            }
        }
        if !reader.ignored().is_empty() {
            let names: Vec<String> =
                reader.ignored().iter().map(|(name, n)| format!("{name} ({n})")).collect();
            say(&format!("note: {}: not read: {}", path.display(), names.join(", ")));
        }
        Ok(())
    }

    /// Whether an id is new; one that was there is refused.
    fn is_new(&mut self, id: &str) -> bool {
        let new = self.seen.insert(id.into());
        if new {
            self.reports += 1;
        } else {
            say(&format!("refused: the id {id} comes twice"));
            self.refused += 1;
        }
        new
    }

    fn take_assessed(&mut self, assessed: Vec<Assessed>) {
        let today = today();
        for one in assessed {
            if !self.is_new(&one.report.id) {
                continue;
            }
            if conduct::when(&one.report).is_some_and(|when| when.date() > today) {
                say_future(&one.report.id);
            }
            let features = Features::of(&one, Some(today));
            self.builder.extend(std::slice::from_ref(&features));
            self.features.as_mut().into_iter().for_each(|all| all.push(features.clone()));
            self.assessed.push(one);
        }
    }

    /// Takes features in; a date in the future is left out.
    fn take_features(&mut self, mut features: Vec<Features>) {
        let today = day_number(today());
        features.retain(|f| self.is_new(&f.id));
        for one in features.iter_mut().filter(|f| f.day.is_some_and(|day| day > today)) {
            say_future(&one.id);
            one.day = None;
        }
        self.builder.extend(&features);
        if let Some(all) = &mut self.features {
            all.extend(features);
        }
    }

    fn lines(&mut self, path: &Path) -> Result<()> {
        let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
        let mut lines = BufReader::with_capacity(1 << 20, file).lines();
        let mut number = 0;
        loop {
            let round: Vec<String> = lines
                .by_ref()
                .take(LINES)
                .collect::<std::io::Result<_>>()
                .map_err(|error| Error::io(path, error))?;
            if round.is_empty() {
                return Ok(());
            }
            let parsed: Vec<Option<serde_json::Result<FeaturesLine>>> = round
                .par_iter()
                .map(|line| (!line.trim().is_empty()).then(|| serde_json::from_str(line)))
                .collect();
            let mut features = Vec::with_capacity(round.len());
            for (line, one) in parsed.into_iter().enumerate() {
                match one {
                    Some(Ok(line)) => features.push(line.features),
                    Some(Err(error)) => {
                        say(&format!("refused: {}:{}: {error}", path.display(), number + line + 1));
                        self.refused += 1;
                    }
                    None => {}
                }
            }
            number += round.len();
            self.take_features(features);
        }
    }
}

/// Today's date, for dates that cannot be.
pub(in crate::cli) fn today() -> time::Date {
    time::OffsetDateTime::now_utc().date()
}

fn say_future(id: &str) {
    say(&format!("note: {id}: the date lies in the future and is left out"));
}

/// Reads assessed reports.
pub(in crate::cli) fn read_assessed(path: &Path) -> Result<Vec<Assessed>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|error| {
                Error::new(ErrorKind::Data, format!("{}:{}: {error}", path.display(), i + 1))
                    .hint(format!("a line of `{ASSESSED_SCHEMA}` is needed, as `throughline link` writes it"))
            })
        })
        .collect()
}

/// Assesses reports, with a word on progress for a person who waits.
pub(in crate::cli) fn assess(assessor: &Assessor, reports: Vec<Report>) -> Result<Vec<Assessed>> {
    let total = reports.len();
    let mut assessed = Vec::with_capacity(total);
    let mut rest = reports.into_iter();
    loop {
        let round: Vec<Report> = rest.by_ref().take(ROUND).collect();
        if round.is_empty() {
            break;
        }
        let answers = assessor.assess_with_vectors(&round)?;
        assessed.extend(
            round.into_iter().zip(answers).map(|(report, (a, vector))| Assessed::new(report, a, &vector)),
        );
        if crate::cli::on_terminal() {
            say(&format!("assessed {} of {total}", assessed.len()));
        }
    }
    Ok(assessed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::ModelIdentity;
    use crate::codebook::{EntityKind, Indicator, Relationship, Role};
    use crate::entities::Identifier;
    use crate::screen::Row;
    use crate::screen::features_db::Writer;

    fn read(path: &Path) -> Result<Vec<Features>> {
        let mut all = Vec::new();
        store::read(path, &mut |round| {
            all.extend(round);
            Ok(())
        })?;
        Ok(all)
    }

    fn features(id: &str) -> Features {
        Features {
            id: id.into(),
            day: Some(19_000),
            force: None,
            identifiers: vec![
                Identifier {
                    kind: EntityKind::Person,
                    role: Some(Role::Suspect),
                    value: "dan price".into(),
                    place: Some((3, 6)),
                },
                Identifier { kind: EntityKind::Phone, role: None, value: "07700900123".into(), place: None },
            ],
            indicators: vec![Indicator::Following, Indicator::Contact],
            relationship: Relationship::ExPartner,
            p: 0.123_456,
            words: vec!["41b".into(), "flat".into()],
            vector: vec![-127, 0, 127],
            text_hash: u64::MAX - 3,
        }
    }

    #[test]
    fn what_is_written_is_read_and_the_bytes_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let model = ModelIdentity { name: "m".into(), version: "1".into(), sha256: "ab".into() };
        let mut bytes = Vec::new();
        let all = [features("R2"), Features { identifiers: Vec::new(), day: None, ..features("R1") }];
        for name in ["a.db", "b.db"] {
            let path = folder.path().join(name);
            let mut writer = Writer::create(&path, &model, Some(7)).unwrap();
            for f in &all {
                writer.add(&path, f, &Row::default()).unwrap();
            }
            writer.finish(&path).unwrap();
            assert_eq!(read(&path).unwrap(), all);
            bytes.push(std::fs::read(&path).unwrap());
        }
        assert!(bytes[0] == bytes[1]);
        std::fs::write(folder.path().join("c.db"), "no database").unwrap();
        assert!(read(&folder.path().join("c.db")).is_err());
    }
}
