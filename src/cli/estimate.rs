//! `throughline estimate`: the weights of linking from reports whose courses
//! are known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::link::inputs::{assess, read_assessed, today};
use super::link::write_lines;
use super::reading::Reading;
use super::{ExitStatus, say};
use crate::assess::AssessOptions;
use crate::corpus::{Dataset, Example, load_foreign};
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::linking;
use crate::features::{Assessed, Features, words};
use crate::link::record::Pool;
use crate::link::weights::{CourseScale, MergeRule, Weights};
use crate::link::{Scorer, cluster, estimate};

/// Reports that must hold a word before it stands in the table.
const WORD_LEAST: usize = 3;

/// The least pairwise precision of a merge rule that is chosen.
const PRECISION_LEAST: f64 = 0.96;

/// Estimate m, u and shares of the comparisons of linking.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Labelled dataset files, or folders of them
    #[arg(required = true, value_name = "DATA")]
    data: Vec<PathBuf>,
    /// Authors to estimate from, best those that the model was not trained on; each is a pool
    #[arg(long, value_name = "AUTHOR", value_delimiter = ',')]
    authors: Vec<String>,
    /// Where to write the weights
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to write the table of words, from every author but those left out
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// Authors whose words stay out of the table
    #[arg(long, value_name = "AUTHOR", value_delimiter = ',')]
    leave_out: Vec<String>,
    /// Assessed reports to read where they are there, and to write
    #[arg(long, value_name = "FILE")]
    assessed: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitStatus> {
    let dataset = load_foreign(&arguments.data)?;
    if let Some(path) = &arguments.words {
        let table = word_table(&dataset, &arguments.leave_out);
        std::fs::write(path, table).map_err(|error| Error::io(path, error))?;
        say(&format!("the table of words is written to {}", path.display()));
    }
    let Some(out) = &arguments.out else { return Ok(ExitStatus::Done) };
    let mut pools: BTreeMap<&str, Vec<&Example>> = BTreeMap::new();
    for example in &dataset.examples {
        let author = example.meta.author.as_deref().unwrap_or("");
        if arguments.authors.is_empty() || arguments.authors.iter().any(|a| a == author) {
            pools.entry(author).or_default().push(example);
        }
    }
    let examples: Vec<&Example> = pools.values().flatten().copied().collect();
    if !examples.iter().any(|e| e.case.is_some()) {
        return Err(Error::new(ErrorKind::Data, "no report with a known course is left to estimate from")
            .hint("name authors of the dataset with --authors, or none for all of them"));
    }
    let assessed = assess_examples(&examples, &arguments.reading, arguments.assessed.as_deref())?;
    let by_id: BTreeMap<&str, &Assessed> = assessed.iter().map(|a| (a.report.id.as_str(), a)).collect();
    let cases: BTreeMap<&str, &str> =
        examples.iter().filter_map(|e| Some((e.report.id.as_str(), e.case.as_deref()?))).collect();
    let ready: Vec<Pool> = pools
        .values()
        .map(|examples| {
            let features: Vec<Features> = examples
                .iter()
                .filter_map(|e| by_id.get(e.report.id.as_str()))
                .map(|a| Features::of(a, Some(today())))
                .collect();
            Pool::new(&features)
        })
        .collect();
    let case = |id: &str| cases.get(id).map(|case| (*case).to_owned());
    let observed: Vec<estimate::Observed> =
        ready.iter().flat_map(|pool| estimate::observe(pool, &case)).collect();
    let size = examples.len() as f64 / pools.len().max(1) as f64;
    let mut weights = estimate::from_truth(&observed, size);
    weights.merge = choose_merge(&ready, &weights, &case);
    weights.course = fit_course(&ready, &weights, &case, &examples);
    let names: Vec<&str> = pools.keys().copied().collect();
    let matches = observed.iter().filter(|o| o.matched).count();
    weights.made_by =
        format!("throughline estimate {} --authors {} --out FILE", show(&arguments.data), names.join(","));
    weights.estimated_from = format!(
        "{} reports of {} authors, {} pairs within an author, {matches} of them of one course",
        examples.len(),
        names.len(),
        observed.len()
    );
    let json = crate::model::folder::to_json(&weights)?;
    std::fs::write(out, json).map_err(|error| Error::io(out, error))?;
    say(&weights.estimated_from);
    say(&format!("weights are written to {}", out.display()));
    Ok(ExitStatus::Done)
}

/// The scale of the probability of a course, and how it does on authors that
/// it was not fitted on.
fn fit_course(
    pools: &[Pool],
    weights: &Weights,
    case: &dyn Fn(&str) -> Option<String>,
    examples: &[&Example],
) -> Option<CourseScale> {
    let stalking = linking::stalking_cases(examples);
    let mut groups = Vec::new();
    for (number, pool) in pools.iter().enumerate() {
        let cases: Vec<Option<String>> = pool.records.iter().map(|r| case(&r.id)).collect();
        let of_stalking: Vec<bool> =
            cases.iter().map(|c| c.as_ref().is_some_and(|c| stalking.contains(c.as_str()))).collect();
        let truth = linking::truth(&cases);
        groups.extend(linking::group_truths(pool, weights, &truth, &of_stalking, number));
    }
    let held_out: Vec<(f64, bool)> = groups
        .iter()
        .filter_map(|one| {
            let others: Vec<_> = groups.iter().filter(|g| g.pool != one.pool).copied().collect();
            Some((estimate::course_scale(&others)?.probability(one.p_linked, one.p_stalking), one.right))
        })
        .collect();
    let product: Vec<(f64, bool)> = groups.iter().map(|g| (g.p_linked * g.p_stalking, g.right)).collect();
    for (title, said) in
        [("p of a course, fitted on the other authors", held_out), ("the product of both", product)]
    {
        if let Some(told) = linking::reliability(&said, 5) {
            say(linking::reliability_lines(title, &told).trim());
        }
    }
    estimate::course_scale(&groups)
}

fn show(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// Assessed reports of examples: from the file where the same text stands in
/// it, else by the model; the file is then written anew.
pub(super) fn assess_examples(
    examples: &[&Example],
    reading: &Reading,
    path: Option<&Path>,
) -> Result<Vec<Assessed>> {
    let mut known: BTreeMap<String, Assessed> = BTreeMap::new();
    if let Some(path) = path
        && path.exists()
    {
        known = read_assessed(path)?.into_iter().map(|a| (a.report.id.clone(), a)).collect();
    }
    let is_known = |e: &Example| known.get(&e.report.id).is_some_and(|a| a.report.text == e.report.text);
    let missing: Vec<_> = examples.iter().filter(|e| !is_known(e)).map(|e| e.report.clone()).collect();
    if !missing.is_empty() {
        say(&format!("assessing {} reports", missing.len()));
        let assessor = reading.open(AssessOptions::default())?;
        for one in assess(&assessor, missing)? {
            known.insert(one.report.id.clone(), one);
        }
        if let Some(path) = path {
            let all: Vec<&Assessed> = known.values().collect();
            write_lines(path, &all)?;
        }
    }
    let wanted: BTreeSet<&str> = examples.iter().map(|e| e.report.id.as_str()).collect();
    Ok(known.into_values().filter(|a| wanted.contains(a.report.id.as_str())).collect())
}

/// Words of narratives and how many reports hold them.
fn word_table(dataset: &Dataset, leave_out: &[String]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut reports = 0;
    for example in &dataset.examples {
        if leave_out.iter().any(|a| Some(a.as_str()) == example.meta.author.as_deref()) {
            continue;
        }
        reports += 1;
        for word in words(&example.report.text) {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut table = format!(
        "# Words of narratives and how many reports hold them; made by `throughline estimate --words`.\nreports\t{reports}\n"
    );
    for (word, count) in counts.into_iter().filter(|(_, count)| *count >= WORD_LEAST) {
        table += &format!("{word}\t{count}\n");
    }
    table
}

/// The merge rule with the best B-cubed F1 over series, summed over pools,
/// among those whose pairwise precision is high enough.
fn choose_merge(pools: &[Pool], weights: &Weights, case: &dyn Fn(&str) -> Option<String>) -> MergeRule {
    let mut best: Option<(f64, MergeRule)> = None;
    let scored: Vec<(usize, Vec<Option<usize>>, Vec<f64>)> = pools
        .iter()
        .map(|pool| {
            let n = pool.records.len();
            let cases: Vec<Option<String>> = pool.records.iter().map(|r| case(&r.id)).collect();
            let scorer = Scorer::new(pool, weights);
            let mut matrix = vec![0.0; n * n];
            for (a, b) in linking::pairs(n) {
                let bits = scorer.bits(a, b);
                matrix[a * n + b] = bits;
                matrix[b * n + a] = bits;
            }
            (n, linking::truth(&cases), matrix)
        })
        .collect();
    for strongest in 0..=10 {
        for threshold in -8..=6 {
            let rule = MergeRule {
                strongest_share: f64::from(strongest) / 10.0,
                threshold_bits: f64::from(threshold) / 2.0,
            };
            let (mut f1, mut precision) = (0.0, 0.0);
            for (n, truth, matrix) in &scored {
                let bits = |a: usize, b: usize| matrix[a * n + b];
                let edges: Vec<(u32, u32, f64)> =
                    linking::pairs(*n).map(|(a, b)| (a as u32, b as u32, bits(a, b))).collect();
                let groups: Vec<Vec<usize>> = cluster::groups(*n, &edges, rule, &bits, &|_, _| None)
                    .into_iter()
                    .map(|g| g.members)
                    .collect();
                let (f, p) = linking::quick(truth, &linking::numbers(*n, &groups));
                f1 += f / scored.len() as f64;
                precision += p / scored.len() as f64;
            }
            say(&format!(
                "merge rule {:.1} {:+.1}: B-cubed F1 {f1:.3}, pairwise precision {precision:.3}",
                rule.strongest_share, rule.threshold_bits
            ));
            if precision >= PRECISION_LEAST && best.as_ref().is_none_or(|(b, _)| f1 > *b) {
                best = Some((f1, rule));
            }
        }
    }
    best.map_or(weights.merge, |(_, rule)| rule)
}
