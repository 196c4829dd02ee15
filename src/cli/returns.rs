//! `throughline returns`.

use std::path::PathBuf;

use clap::Args;

use super::{ExitStatus, say};
use crate::error::{Error, ErrorKind, Result};
use crate::render;
use crate::screen::returns::{Choice, count};
use crate::screen::work::{write_whole, writing};

/// The monthly return of a screened export: hidden stalking by recorded class,
/// district and outcome, with small counts held back.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder that `throughline screen` wrote
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Folder for returns.csv and returns.html; without it DIR
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only this month, e.g. 2023-04; may be repeated
    #[arg(long, value_name = "MONTH")]
    month: Vec<String>,
    /// One part for the whole time instead of one for each month
    #[arg(long)]
    whole: bool,
    /// The least count that is told
    #[arg(long, value_name = "N", default_value_t = 5)]
    least: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    for month in &arguments.month {
        let whole_date = format!("{month}-01");
        if month.len() != 7 || crate::report::dates::parse(&whole_date).is_err() {
            let what = format!("--month: `{month}` is no month");
            return Err(Error::new(ErrorKind::Arguments, what).hint("write it as 2023-04"));
        }
    }
    let choice = Choice { months: arguments.month.clone(), whole: arguments.whole, least: arguments.least };
    let told = count(&arguments.dir, &choice)?;
    let out = arguments.out.as_ref().unwrap_or(&arguments.dir);
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
    let (table, page) = (out.join("returns.csv"), out.join("returns.html"));
    write_whole(&table, |out| render::returns::csv(&told, out))?;
    let html = render::returns::html(&told);
    write_whole(&page, |out| out.write_all(html.as_bytes()).map_err(writing(&page)))?;
    say(&format!("written to {} and {}", table.display(), page.display()));
    if told.parts.is_empty() {
        say("note: no report that reads like stalking and was recorded as another class");
    }
    Ok(ExitStatus::Done)
}
