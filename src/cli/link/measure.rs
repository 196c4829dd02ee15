//! What a run of `throughline link` cost, and how it did where the truth is known.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::cli::say;
use crate::error::{Error, ErrorKind, Result};
use crate::link::block::Candidates;
use crate::link::record::Pool;
use crate::link::{Decisions, Linking, Scorer};

/// Seconds of each stage and other figures of a run.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    reports: usize,
    pairs_compared: usize,
    groups: usize,
    links_told: usize,
    threads: usize,
    /// Seconds of wall-clock time, by stage, in order.
    seconds: Vec<(&'static str, f64)>,
    /// Largest memory of the process so far; 0 where the system does not tell.
    peak_memory_mb: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    against_truth: Option<Against>,
}

/// How links compare with series that are known.
#[derive(Clone, Copy, Debug, Serialize)]
struct Against {
    /// Pairs of one series.
    pairs: usize,
    /// Share of these among the candidates.
    pair_completeness: f64,
    /// Pairs of one series whose weight is above 0 bits, were they compared.
    pairs_above_zero: usize,
    /// Share of these among the candidates.
    completeness_above_zero: f64,
    /// Share of linked pairs that are of one series.
    pairwise_precision: f64,
    /// Share of pairs of one series that are linked.
    pairwise_recall: f64,
}

/// Stage by stage.
pub(super) struct Clock {
    last: Instant,
    seconds: Vec<(&'static str, f64)>,
}

impl Clock {
    pub fn start() -> Self {
        Self { last: Instant::now(), seconds: Vec::new() }
    }

    /// Ends a stage and begins the next.
    pub fn lap(&mut self, stage: &'static str) {
        let seconds = (self.last.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        self.seconds.push((stage, seconds));
        self.last = Instant::now();
    }
}

/// Largest resident memory so far in megabytes, where the system tells.
fn peak_memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(0.0, |kb| (kb / 100.0).round() / 10.0)
}

impl Measured {
    pub fn new(pool: &Pool, linking: &Linking<'_>, clock: Clock) -> Self {
        Self {
            reports: pool.records.len(),
            pairs_compared: linking.compared,
            groups: linking.groups.len(),
            links_told: linking.told.len(),
            threads: rayon::current_num_threads(),
            seconds: clock.seconds,
            peak_memory_mb: peak_memory_mb(),
            against_truth: None,
        }
    }

    /// Holds links and candidates against a file of ids and series.
    pub fn compare(
        &mut self,
        path: &Path,
        pool: &Pool,
        linking: &Linking<'_>,
        candidates: &Candidates,
    ) -> Result<()> {
        let series = read_truth(path, pool)?;
        let mut of = vec![None; pool.records.len()];
        for (number, members) in series.iter().enumerate() {
            for &member in members {
                of[member] = Some(number);
            }
        }
        let scorer = Scorer::with_decisions(pool, linking.weights(), &Decisions::default());
        let (mut pairs, mut kept, mut above, mut above_kept) = (0, 0, 0, 0);
        for (a, b) in series.iter().flat_map(|m| pairs_of(m)) {
            let holds = usize::from(candidates.holds(a, b));
            pairs += 1;
            kept += holds;
            if scorer.bits(a, b) > 0.0 {
                above += 1;
                above_kept += holds;
            }
        }
        let (mut linked, mut right) = (0, 0);
        for (a, b) in linking.groups.iter().flat_map(|g| pairs_of(&g.members)) {
            linked += 1;
            right += usize::from(of[a].is_some() && of[a] == of[b]);
        }
        let share = |over: usize, under: usize| {
            if under == 0 { 1.0 } else { (over as f64 / under as f64 * 1e4).round() / 1e4 }
        };
        let against = Against {
            pairs,
            pair_completeness: share(kept, pairs),
            pairs_above_zero: above,
            completeness_above_zero: share(above_kept, above),
            pairwise_precision: share(right, linked),
            pairwise_recall: share(right, pairs),
        };
        say(&format!(
            "against the truth: blocking keeps {:.3} of {pairs} pairs ({:.3} of the {above} above 0 bits); pairwise precision {:.3}, recall {:.3}",
            against.pair_completeness,
            against.completeness_above_zero,
            against.pairwise_precision,
            against.pairwise_recall
        ));
        self.against_truth = Some(against);
        Ok(())
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let json = crate::model::folder::to_json(self)?;
        std::fs::write(path, json).map_err(|error| Error::io(path, error))
    }
}

fn pairs_of(members: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    members.iter().enumerate().flat_map(|(k, &a)| members[k + 1..].iter().map(move |&b| (a, b)))
}

/// Series of two or more in the pool, by place; lines of an id, a tab and a series.
fn read_truth(path: &Path, pool: &Pool) -> Result<Vec<Vec<usize>>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let mut series: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let (id, name) = line.split_once('\t').ok_or_else(|| {
            let what =
                format!("{}:{}: `{line}`, an id, a tab and a series are needed", path.display(), i + 1);
            Error::new(ErrorKind::Data, what)
        })?;
        if let Some(place) = pool.place(id) {
            series.entry(name).or_default().push(place);
        }
    }
    Ok(series.into_values().filter(|members| members.len() > 1).collect())
}
