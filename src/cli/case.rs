//! `throughline case`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::link::inputs::read_assessed;
use super::{ExitStatus, say, stdout_error};
use crate::conduct::{Course, sheet};
use crate::error::{Error, ErrorKind, Result};
use crate::link::Link;
use crate::render;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person at a terminal
    Text,
    /// One object, for a program
    Json,
    /// One page that needs no network, to read and to print
    Html,
}

/// The sheet of one suspected course of conduct.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The course, e.g. K0001, or a report that belongs to it
    #[arg(value_name = "COURSE")]
    course: String,
    /// Folder that `throughline link` wrote
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How to draw it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn lines<T: serde::de::DeserializeOwned>(arguments: &Arguments, name: &str) -> Result<Vec<T>> {
    let path = arguments.dir.join(name);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Error::io(&path, error).hint("name the folder that `throughline link … --out DIR` wrote")
    })?;
    text.lines()
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|error| {
                Error::new(ErrorKind::Data, format!("{}:{}: {error}", path.display(), i + 1))
            })
        })
        .collect()
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    let courses: Vec<Course> = lines(arguments, "courses.jsonl")?;
    let wanted = arguments.course.as_str();
    let Some(course) = courses.iter().find(|c| c.course == wanted || c.reports.iter().any(|r| r == wanted))
    else {
        let known: Vec<&str> = courses.iter().map(|c| c.course.as_str()).collect();
        let known = match known.as_slice() {
            [] => "there is no course in this folder".to_owned(),
            [one] => format!("there is {one}"),
            [first, .., last] => format!("there are {first} to {last}"),
        };
        return Err(Error::new(
            ErrorKind::Arguments,
            format!("no course and no report of a course is named `{wanted}`; {known}"),
        ));
    };
    let links: Vec<Link> = lines(arguments, "links.jsonl")?;
    let assessed = read_assessed(&arguments.dir.join("assessed.jsonl"))?;
    let unread: Vec<&str> = course
        .reports
        .iter()
        .filter(|id| !assessed.iter().any(|a| a.report.id == **id))
        .map(String::as_str)
        .collect();
    if !unread.is_empty() {
        say(&format!(
            "note: {} of {} has no narrative in this folder and is not on the sheet",
            unread.join(", "),
            course.course
        ));
    }
    let sheet = sheet(course, &assessed, &links);
    let drawn = match arguments.format {
        Format::Text => render::course::text(&sheet),
        Format::Json => render::json_line(&sheet)?,
        Format::Html => render::course::html(&sheet),
    };
    match &arguments.out {
        Some(path) => {
            std::fs::write(path, drawn).map_err(|error| Error::io(path, error))?;
            say(&format!("the sheet of {} is written to {}", course.course, path.display()));
        }
        None => std::io::stdout().write_all(drawn.as_bytes()).map_err(stdout_error)?,
    }
    Ok(ExitStatus::Done)
}
