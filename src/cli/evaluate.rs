//! `throughline evaluate`.

mod link;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::reading::{Engine, Reading};
use super::{ExitStatus, say, stdout_error};
use crate::assess::AssessOptions;
use crate::corpus::{Dataset, load_foreign};
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::assessor::Model;
use crate::evaluate::baselines::frozen::Frozen;
use crate::evaluate::baselines::keywords::Keywords;
use crate::evaluate::baselines::tfidf::TfIdf;
use crate::evaluate::{Extent, Rows, Scorer, Settings, coders, evaluate, table};
use crate::model::folder::Files;

/// Measure a model on labelled reports, with intervals, beside baselines.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Labelled dataset files, or folders of them
    #[arg(long, value_name = "DATA", num_args = 1.., required_unless_present = "coders")]
    data: Vec<PathBuf>,
    /// Keep only reports with this value, e.g. author=A03; may be repeated
    #[arg(long, value_name = "COLUMN=VALUE")]
    select: Vec<String>,
    /// Folder for metrics.json and report.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Another model to compare with, report by report
    #[arg(long, value_name = "MODEL")]
    against: Option<String>,
    /// What reads the texts for the model that is compared with; alone, the same model by other means
    #[arg(long, value_enum, value_name = "ENGINE")]
    against_engine: Option<Engine>,
    /// Put the baselines in the same table; those that learn are trained on --train
    #[arg(long)]
    baselines: bool,
    /// What the baselines are trained on; authors that are measured are left out of it
    #[arg(long, value_name = "DATA", num_args = 1.., requires = "baselines")]
    train: Vec<PathBuf>,
    /// Base model for the frozen-encoder baseline
    #[arg(long, value_name = "DIR", requires = "train")]
    base: Option<PathBuf>,
    /// Share of stalking among a force's records, to which precision and workload are brought
    #[arg(long, value_name = "SHARE")]
    prevalence: Option<f64>,
    /// Bootstrap resamples behind each interval
    #[arg(long, default_value_t = 1000)]
    resamples: usize,
    /// Reports on which swapped and damaged copies are tried; 0 for none
    #[arg(long, default_value_t = 0)]
    probes: usize,
    /// Put the texts of the worst mistakes into report.html
    #[arg(long)]
    with_texts: bool,
    /// Measure linking instead: pairs and groups, beside two rivals
    #[arg(long, conflicts_with_all = ["coders", "against", "baselines"])]
    link: bool,
    /// With --link: assessed reports to read where they are there, and to write
    #[arg(long, value_name = "FILE", requires = "link")]
    assessed: Option<PathBuf>,
    /// With --link: weights of comparisons, as `throughline estimate` writes them
    #[arg(long, value_name = "FILE", requires = "link")]
    weights: Option<PathBuf>,
    /// With --link: leave out each comparison in turn and tell what is lost
    #[arg(long, requires = "link")]
    ablate: bool,
    /// With --link: groups of another program, a line each of an id, a tab and a group
    #[arg(long, value_name = "NAME=FILE", requires = "link")]
    rival: Vec<String>,
    /// With --link: write the fields that are compared as CSV, for other programs
    #[arg(long, value_name = "FILE", requires = "link")]
    fields: Option<PathBuf>,
    /// Agreement of several coders: a CSV with the columns id, coder, grade
    #[arg(long, value_name = "CSV", conflicts_with = "data")]
    coders: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    let mut out = std::io::stdout();
    if let Some(path) = &arguments.coders {
        let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
        let agreement = coders::agreement(file)?;
        let text = crate::model::folder::to_json(&agreement)?;
        out.write_all(text.as_bytes()).map_err(stdout_error)?;
        return Ok(ExitStatus::Done);
    }
    let dataset = load_foreign(&arguments.data)?;
    let wanted = arguments
        .select
        .iter()
        .map(|pair| {
            let (column, value) = pair.split_once('=').ok_or_else(|| {
                Error::new(ErrorKind::Arguments, format!("--select: `{pair}` is not COLUMN=VALUE"))
            })?;
            Ok((column.to_owned(), value.to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    let rows = Rows::select(&dataset, &wanted)?;
    for note in rows.notes() {
        say(&format!("note: {note}"));
    }

    if arguments.link {
        return link::run(arguments, &rows);
    }

    let options = AssessOptions { engine: arguments.reading.engine.into(), ..AssessOptions::default() };
    let assessor = arguments.reading.open(options)?;
    let name = format!("{} {}", assessor.identity().name, assessor.identity().version);
    let model = Model::new(&name, &assessor);
    let other = match (&arguments.against, arguments.against_engine) {
        (None, None) => None,
        (against, engine) => {
            let engine = engine.unwrap_or(arguments.reading.engine).into();
            let model = against.as_deref().or(arguments.reading.model.as_deref());
            Some(super::open_model(model, AssessOptions { engine, ..options })?)
        }
    };
    let other_name = other.as_ref().map(|o| {
        let id = o.identity();
        let engine = arguments.against_engine.map(|e| format!(", {e:?}").to_lowercase()).unwrap_or_default();
        format!("{} {} {}{engine}", id.name, id.version, id.sha256.get(..8).unwrap_or_default())
    });
    let against = other.as_ref().zip(other_name.as_deref()).map(|(o, name)| Model::new(name, o));

    let training = training_set(&arguments.train, &rows)?;
    let tfidf = training.as_ref().map(TfIdf::train).transpose()?;
    let network =
        arguments.base.as_deref().map(|base| Files::from_folder(base)?.base_network(0)).transpose()?;
    let frozen = match (&network, &training) {
        (Some(network), Some(training)) => Some(Frozen::train(network, training)?),
        _ => None,
    };
    let keywords = Keywords;
    let mut scorers: Vec<&dyn Scorer> = vec![&model];
    if arguments.baselines {
        scorers.push(&keywords);
        match &tfidf {
            Some(tfidf) => scorers.push(tfidf),
            None => say("note: TF-IDF and the frozen encoder need --train (and --base)"),
        }
        if let Some(frozen) = &frozen {
            scorers.push(frozen);
        }
    }

    let settings = Settings {
        prevalence: arguments.prevalence,
        resamples: arguments.resamples,
        threshold: assessor.thresholds().states.review,
        ..Settings::default()
    };
    let extent = Extent { subgroups: true, probes: arguments.probes, with_texts: arguments.with_texts };
    let against = against.as_ref().map(|a| a as &dyn Scorer);
    let evaluation = evaluate(&scorers, against, &rows, &settings, &extent)?;
    let figures: Vec<_> = evaluation.scorers.iter().collect();
    let mut text = table::table(&figures);
    if let Some(comparison) = &evaluation.comparison {
        text += &table::comparison(comparison);
    }
    out.write_all(text.as_bytes()).map_err(stdout_error)?;
    if let Some(folder) = &arguments.out {
        evaluation.write(folder)?;
        say(&format!("metrics.json and report.html written to {}", folder.display()));
    }
    Ok(ExitStatus::Done)
}

/// What the baselines learn from: nothing by an author whose reports are
/// measured, and no report that is.
fn training_set(paths: &[PathBuf], rows: &Rows<'_>) -> Result<Option<Dataset>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let measured = rows.authors();
    let ids: std::collections::BTreeSet<&str> =
        rows.examples().iter().map(|e| e.report.id.as_str()).collect();
    let mut dataset = load_foreign(paths)?;
    dataset.examples.retain(|example| {
        let author = example.meta.author.as_deref();
        !author.is_some_and(|a| measured.contains_key(a)) && !ids.contains(example.report.id.as_str())
    });
    if dataset.examples.is_empty() {
        return Err(Error::new(
            ErrorKind::Data,
            "--train holds no report of an author other than those that are measured",
        ));
    }
    say(&format!("baselines learn from {} reports", dataset.examples.len()));
    Ok(Some(dataset))
}
