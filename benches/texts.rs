//! Whole texts of the corpus, with the lengths that they have, from narrative
//! to assessment. Every iteration takes the next text of a shuffled list, so
//! that no cache is flattered; the list is longer than a run.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement stops where it stands"
)]

use std::cell::Cell;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput};
use throughline::assess::{AssessOptions, Assessor};
use throughline::corpus::load_foreign;
use throughline::model::EngineKind;
use throughline::model::folder::Files;
use throughline::report::Report;
use throughline::rng::Rng;

fn texts(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dataset = load_foreign(&[root.join("datasets/throughline-1")]).unwrap();
    let mut reports: Vec<Report> = dataset.examples.into_iter().map(|e| e.report).collect();
    Rng::new(1, "benches").shuffle(&mut reports);
    let files = Files::from_folder(&root.join("models/default")).unwrap();
    for engine in [EngineKind::Int8, EngineKind::Float32] {
        let assessor =
            Assessor::from_files(&files, AssessOptions { engine, ..AssessOptions::default() }).unwrap();
        let next = Cell::new(0);
        let take = |n: usize| -> Vec<Report> {
            let first = next.get();
            next.set(first + n);
            (first..first + n).map(|i| reports[i % reports.len()].clone()).collect()
        };
        let mut group = c.benchmark_group(format!("{engine:?}"));
        group.sample_size(10);
        for n in [1, 8, 32, 128] {
            group.throughput(Throughput::Elements(n as u64));
            group.bench_function(format!("{n} texts"), |bench| {
                bench.iter_batched(
                    || take(n),
                    |batch| assessor.assess_all(&batch).unwrap(),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    texts(&mut criterion);
    criterion.final_summary();
}
