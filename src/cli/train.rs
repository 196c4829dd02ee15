//! `throughline train`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::{ExitStatus, on_terminal, say};
use crate::error::{Error, ErrorKind, Result};
use crate::model::folder::write_atomically;
use crate::train::settings::TrainSettings;
use crate::train::{LOG, Step, Trainer};

/// Without a terminal, a line of progress at least this often.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Fine-tune a model on a labelled corpus. A run that was stopped goes on
/// where its last checkpoint stands.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Settings of the run, in TOML
    settings: PathBuf,
    /// Folder of the run: checkpoint, log, and at the end the model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the resolved settings and stop
    #[arg(long)]
    show_settings: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    let path = &arguments.settings;
    let toml = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let settings = TrainSettings::from_toml(&toml)?;
    if arguments.show_settings {
        let text = settings.to_toml()?;
        std::io::stdout().write_all(text.as_bytes()).map_err(super::stdout_error)?;
        return Ok(ExitStatus::Done);
    }
    let trainer = Trainer::new(settings, &arguments.out)?;
    let (train, validation) = trainer.sizes();
    say(&format!("{train} reports to train on, {validation} to validate on"));
    if trainer.resumed_at() > 0 {
        say(&format!("going on after step {}", trainer.resumed_at()));
    }
    let model = train_to_the_end(trainer, &arguments.out)?;
    say(&format!("model written to {}", model.display()));
    Ok(ExitStatus::Done)
}

fn train_to_the_end(mut trainer: Trainer, out: &Path) -> Result<PathBuf> {
    let log_path = out.join(LOG);
    cut_log(&log_path, trainer.resumed_at())?;
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(|error| Error::io(&log_path, error))?;
    let bar = on_terminal().then(|| {
        let bar = indicatif::ProgressBar::new(trainer.steps());
        bar.set_position(trainer.resumed_at());
        if let Ok(style) = indicatif::ProgressStyle::with_template(
            "{bar:30} {pos}/{len} steps, {elapsed} gone, {eta} left {msg}",
        ) {
            bar.set_style(style);
        }
        bar
    });
    let start = Instant::now();
    let (mut texts, mut last_line) = (0, Instant::now());
    let first = trainer.resumed_at();
    for step in trainer.by_ref() {
        let step = step?;
        let line = serde_json::to_string(&step)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("log: {error}")))?;
        writeln!(log, "{line}").map_err(|error| Error::io(&log_path, error))?;
        texts += step.texts;
        let rate = texts as f64 / start.elapsed().as_secs_f64().max(1e-9);
        let message = describe(&step, rate);
        if let Some(bar) = &bar {
            bar.set_position(step.step);
            bar.set_message(message);
        } else if last_line.elapsed() >= LINE_EVERY || step.validation.is_some() {
            let done = (step.step - first).max(1) as f64;
            let left = start.elapsed().as_secs_f64() / done * (step.steps - step.step) as f64;
            say(&format!("step {}/{} {message}, {:.0} s left", step.step, step.steps, left));
            last_line = Instant::now();
        }
        if let (Some(bar), Some(_)) = (&bar, &step.validation) {
            bar.println(describe(&step, rate));
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    trainer.finish()
}

fn describe(step: &Step, texts_per_s: f64) -> String {
    let mut line = format!("loss {:.3}, {texts_per_s:.1} texts/s", step.loss);
    if let Some(v) = &step.validation {
        line += &format!(
            "; validation: stalking {:.3}, indicators {:.3}, harm {:.3}{}",
            v.stalking_ap,
            v.indicators_ap,
            v.harm_ap,
            if v.is_best { " (best)" } else { "" }
        );
    }
    line
}

/// Drops the lines of steps that the checkpoint has not seen: they are taken
/// again.
fn cut_log(path: &Path, last_step: u64) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    let kept: String = text
        .lines()
        .filter(|line| serde_json::from_str::<Step>(line).is_ok_and(|step| step.step <= last_step))
        .flat_map(|line| [line, "\n"])
        .collect();
    write_atomically(path, kept.as_bytes())
}
