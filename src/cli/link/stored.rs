//! `throughline link --store`: new reports join what a store holds; people's
//! decisions are kept.

use std::path::Path;
use std::time::Instant;

use super::inputs::Inputs;
use super::{Arguments, write_all, write_assessed, write_lines};
use crate::cli::{ExitStatus, say};
use crate::conduct;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Features;
use crate::link::record::Pool;
use crate::link::weights::Weights;
use crate::link::{Group, Link, Linking, block};
use crate::store::Store;

pub(super) fn run(
    arguments: &Arguments,
    path: &Path,
    weights: &Weights,
    read: &dyn Fn() -> Result<Inputs>,
) -> Result<ExitStatus> {
    let confirmed = pairs(&arguments.confirm, "--confirm")?;
    let cut = pairs(&arguments.cut, "--cut")?;
    let mut store = Store::open(path)?;
    std::fs::create_dir_all(&arguments.out).map_err(|error| Error::io(&arguments.out, error))?;
    let mut status = ExitStatus::Done;
    if !arguments.inputs.is_empty() {
        let inputs = read()?;
        if inputs.refused > 0 {
            status = ExitStatus::Partly;
        }
        if store.reports()? == 0 {
            fill(arguments, &mut store, weights, inputs)?;
        } else if add(arguments, &mut store, weights, inputs)? > 0 {
            status = ExitStatus::Partly;
        }
    }
    let decided = confirmed.iter().map(|p| (p, true)).chain(cut.iter().map(|p| (p, false)));
    for ((a, b), together) in decided {
        let courses = store.decide(a, b, together, weights)?;
        let says = if together { "are of one course" } else { "are not of one course" };
        say(&format!("decided: {a} and {b} {says}"));
        for (id, course) in [a, b].into_iter().zip(courses) {
            say(&match course {
                Some((number, group)) => {
                    format!("{id} is linked with {} others in K{number:04}", group.reports.len() - 1)
                }
                None => format!("{id} is linked with nothing"),
            });
        }
    }
    Ok(status)
}

/// `A,B` as two ids.
fn pairs(given: &[String], option: &str) -> Result<Vec<(String, String)>> {
    let split = |pair: &String| match pair.split_once(',') {
        Some((a, b)) if !a.trim().is_empty() && !b.trim().is_empty() => {
            Ok((a.trim().to_owned(), b.trim().to_owned()))
        }
        _ => Err(Error::new(
            ErrorKind::Arguments,
            format!("{option}: `{pair}` is not two ids with a comma between"),
        )),
    };
    given.iter().map(split).collect()
}

/// The first reports of a store are linked all at once.
fn fill(arguments: &Arguments, store: &mut Store, weights: &Weights, inputs: Inputs) -> Result<()> {
    let Inputs { builder, assessed, features, decisions, reports, .. } = inputs;
    let (pool, counts) = builder.finish_with_counts(None);
    let candidates = block::candidates(&pool);
    let linking = Linking::of_candidates(&pool, weights, &decisions, &candidates);
    store.fill(&features.unwrap_or_default(), &pool, &counts, &linking)?;
    let courses = write_all(&arguments.out, &pool, &linking, &assessed)?;
    super::summary(reports, &linking, &courses, &arguments.out);
    say(&format!("{reports} reports are in the store"));
    Ok(())
}

/// Further reports join what is there; gives how many were refused. Writes
/// the courses that they are in and the links of each.
fn add(arguments: &Arguments, store: &mut Store, weights: &Weights, inputs: Inputs) -> Result<usize> {
    let mut refused = 0;
    let mut new: Vec<Features> = Vec::new();
    for one in inputs.features.unwrap_or_default() {
        if store.holds(&one.id)? {
            say(&format!("refused: the store holds the id {} already", one.id));
            refused += 1;
        } else {
            new.push(one);
        }
    }
    let start = Instant::now();
    let added = store.add(&new, weights)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let mut groups: std::collections::BTreeMap<i64, Group> = std::collections::BTreeMap::new();
    for one in &added {
        // As it stands after the last report of the round.
        if let Some((number, group)) = store.course_of(&one.report)? {
            groups.insert(number, group);
        }
    }
    let ids: Vec<String> = groups.values().flat_map(|g| g.reports.iter().cloned()).collect();
    let pool = Pool::new(&store.features(&ids)?);
    let courses = conduct::numbered_courses(&groups, &pool, &inputs.assessed, weights);
    write_lines(&arguments.out.join("courses.jsonl"), &courses)?;
    let links: Vec<&Link> = added.iter().flat_map(|one| &one.links).collect();
    write_lines(&arguments.out.join("links.jsonl"), &links)?;
    write_assessed(&arguments.out, &inputs.assessed)?;
    say(&format!(
        "{} reports joined the store in {milliseconds:.0} ms; they are in {} groups, of which {} read like stalking",
        added.len(),
        groups.len(),
        courses.len()
    ));
    Ok(refused)
}
