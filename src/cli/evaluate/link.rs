//! `throughline evaluate --link`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::Arguments;
use crate::cli::link::open_weights;
use crate::cli::{ExitStatus, estimate, say, stdout_error};
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::Rows;
use crate::evaluate::linking::{self, Answer, LinkFigure};
use crate::features::Features;
use crate::link::block;
use crate::link::compare::COMPARISONS;
use crate::link::record::{KINDS, Part, Pool};
use crate::link::symbols::Symbol;

#[derive(Serialize)]
struct Measured {
    reports: usize,
    in_courses: usize,
    pairs_of_one_course: usize,
    candidates: usize,
    pairs_kept_by_blocking: usize,
    /// Figures by way of linking.
    answers: Vec<(String, Vec<LinkFigure>)>,
    /// How well the probability of a course keeps its word.
    course_p: Option<linking::Reliability>,
    /// What is lost without each comparison.
    without: Vec<(&'static str, Vec<LinkFigure>)>,
}

/// The reports as one pool, linked as `throughline link` does it.
pub(super) fn run(arguments: &Arguments, rows: &Rows<'_>) -> Result<ExitStatus> {
    let weights = open_weights(arguments.weights.as_deref())?;
    let assessed =
        estimate::assess_examples(rows.examples(), &arguments.reading, arguments.assessed.as_deref())?;
    let today = crate::cli::link::inputs::today();
    let features: Vec<Features> = assessed.iter().map(|a| Features::of(a, Some(today))).collect();
    let pool = Pool::new(&features);
    let n = pool.records.len();
    if let Some(path) = &arguments.fields {
        write_fields(path, &pool)?;
    }
    let case_of: BTreeMap<&str, Option<&str>> =
        rows.examples().iter().map(|e| (e.report.id.as_str(), e.case.as_deref())).collect();
    let case = |id: &str| case_of.get(id).copied().flatten().map(str::to_owned);
    let cases: Vec<Option<String>> = pool.records.iter().map(|r| case(&r.id)).collect();
    let truth = linking::truth(&cases);

    let own = linking::answer("throughline", &pool, &weights);
    let mut answers = vec![linking::exact_identifiers(&pool), linking::vectors_alone(&pool, &truth)];
    for rival in &arguments.rival {
        let (name, path) = rival.split_once('=').ok_or_else(|| {
            Error::new(ErrorKind::Arguments, format!("--rival: `{rival}` is not NAME=FILE"))
        })?;
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        answers.push(linking::groups_of_lines(name, &text, &pool));
    }
    answers.push(Answer { name: "all alone".into(), groups: (0..n).collect(), scores: Vec::new() });

    let candidates = block::candidates(&pool);
    let wanted: Vec<(usize, usize)> =
        linking::pairs(n).filter(|&(a, b)| truth[a].is_some() && truth[a] == truth[b]).collect();
    let mut measured = Measured {
        reports: n,
        in_courses: truth.iter().flatten().count(),
        pairs_of_one_course: wanted.len(),
        candidates: candidates.pairs(),
        pairs_kept_by_blocking: wanted.iter().filter(|&&(a, b)| candidates.holds(a, b)).count(),
        answers: Vec::new(),
        course_p: None,
        without: Vec::new(),
    };
    let mut out = std::io::stdout();
    let mut print = |text: &str| out.write_all(text.as_bytes()).map_err(stdout_error);
    print(&format!(
        "{n} reports, {} of them in courses, {} pairs of one course; blocking keeps {} of these among {} candidates\n",
        measured.in_courses,
        measured.pairs_of_one_course,
        measured.pairs_kept_by_blocking,
        measured.candidates,
    ))?;
    for answer in std::iter::once(&own).chain(&answers) {
        let figures = linking::figures(answer, &truth, arguments.resamples, 1);
        print(&format!("\n{}\n", answer.name))?;
        print(&lines(&figures))?;
        measured.answers.push((answer.name.clone(), figures));
    }
    let stalking = linking::stalking_cases(rows.examples());
    let of_stalking: Vec<bool> =
        cases.iter().map(|c| c.as_ref().is_some_and(|c| stalking.contains(c.as_str()))).collect();
    let said: Vec<(f64, bool)> = linking::group_truths(&pool, &weights, &truth, &of_stalking, 0)
        .into_iter()
        .map(|g| (weights.course_p(g.p_linked, g.p_stalking), g.right))
        .collect();
    measured.course_p = linking::reliability(&said, 5);
    if let Some(told) = &measured.course_p {
        print(&linking::reliability_lines("p of a course: linked and stalking", told))?;
    }
    if arguments.ablate {
        for (place, comparison) in COMPARISONS.iter().enumerate() {
            let mut without = weights.clone();
            without.comparisons[place].share = 0.0;
            let other = linking::answer(comparison.name, &pool, &without);
            let losses = linking::losses(&own, &other, &truth, arguments.resamples, 1);
            print(&format!("\nlost without {}\n", comparison.name))?;
            print(&lines(&losses))?;
            measured.without.push((comparison.name, losses));
        }
    }
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let path = folder.join("linking.json");
        let json = crate::model::folder::to_json(&measured)?;
        std::fs::write(&path, json).map_err(|error| Error::io(&path, error))?;
        say(&format!("linking.json written to {}", folder.display()));
    }
    Ok(ExitStatus::Done)
}

fn lines(figures: &[LinkFigure]) -> String {
    let line = |f: &LinkFigure| {
        let [low, high] = f.interval;
        format!("  {:<26} {:>6.3}  [{low:.3}, {high:.3}]  n {}\n", f.name, f.value, f.n)
    };
    figures.iter().map(line).collect()
}

/// The fields that linking compares, one report a row: what other linkers are
/// given, so that methods are compared and not what was read from the texts.
fn write_fields(path: &Path, pool: &Pool) -> Result<()> {
    let failed = |error: csv::Error| Error::new(ErrorKind::Io, format!("{}: {error}", path.display()));
    let mut out = csv::Writer::from_path(path).map_err(failed)?;
    let kinds = KINDS.map(|kind| kind.name());
    let mut header = vec![
        "id",
        "suspect_given",
        "suspect_surname",
        "victim_given",
        "victim_surname",
        "house",
        "street",
        "colour",
        "make",
        "model",
        "place",
        "force",
        "day",
        "relationship",
        "rare_words",
    ];
    header.extend(kinds);
    out.write_record(&header).map_err(failed)?;
    let text = |symbol: Symbol| pool.symbols.get(symbol).to_owned();
    for record in &pool.records {
        let person = |part: Part| {
            let found = record.people.iter().find(|p| p.part == part);
            found.map_or([String::new(), String::new()], |p| [text(p.given), text(p.surname)])
        };
        let address = record.addresses.first();
        let vehicle = record.vehicles.first();
        let mut row = vec![record.id.to_string()];
        row.extend(person(Part::Suspect));
        row.extend(person(Part::Victim));
        row.push(address.map_or(String::new(), |a| text(a.number)));
        row.push(address.map_or(String::new(), |a| text(a.street)));
        row.push(vehicle.map_or(String::new(), |v| text(v.colour)));
        row.push(vehicle.map_or(String::new(), |v| text(v.make)));
        row.push(vehicle.map_or(String::new(), |v| text(v.model)));
        row.push(record.places.first().map_or(String::new(), |p| text(p.0)));
        row.push(text(record.force));
        row.push(record.day.map_or(String::new(), |day| day.to_string()));
        row.push(record.relationship.name().to_owned());
        let mut words: Vec<String> = record.words.iter().map(|w| text(*w)).collect();
        words.sort();
        row.push(words.join(" "));
        for kind in 0..KINDS.len() {
            row.push(record.of_kind(kind).first().map_or(String::new(), |w| text(w.symbol)));
        }
        out.write_record(&row).map_err(failed)?;
    }
    out.flush().map_err(|error| Error::io(path, error))
}
