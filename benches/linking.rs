//! Speed of linking's parts on made-up pools of features: `cargo bench --bench linking`.
//! Whole runs of up to a million reports: `benches/link_at_scale.py`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use throughline::link::record::Pool;
use throughline::link::weights::Weights;
use throughline::link::{Scorer, block, neighbours, synthetic};

/// The scorer of pairs: candidates, which look alike, and any pairs.
fn pairs(c: &mut Criterion) {
    let (features, _) = synthetic::pool(5000, 1);
    let pool = Pool::new(&features);
    #[expect(clippy::expect_used, reason = "a bench without weights measures nothing")]
    let weights = Weights::shipped().expect("the shipped weights");
    let scorer = Scorer::new(&pool, weights);
    let candidates = block::candidates(&pool);
    let alike: Vec<(usize, usize)> = (0..pool.records.len())
        .flat_map(|a| candidates.of(a).iter().map(move |b| (a, *b as usize)))
        .collect();
    let any: Vec<(usize, usize)> = (0..100).flat_map(|a| (a + 1..100).map(move |b| (a, b))).collect();
    let mut group = c.benchmark_group("score");
    for (name, pairs) in [("candidates", &alike[..5000]), ("any", &any[..])] {
        group.throughput(Throughput::Elements(pairs.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| pairs.iter().map(|&(a, b)| scorer.bits(a, b)).sum::<f64>());
        });
    }
    group.finish();
}

/// Keys, near vectors, and candidates of pools that grow.
fn blocking(c: &mut Criterion) {
    let mut group = c.benchmark_group("block");
    group.sample_size(10);
    for reports in [2000, 20_000] {
        let (features, _) = synthetic::pool(reports, 1);
        let pool = Pool::new(&features);
        group.throughput(Throughput::Elements(reports as u64));
        group.bench_with_input(BenchmarkId::new("keys", reports), &pool, |bench, pool| {
            bench.iter(|| pool.records.iter().map(|record| block::keys(pool, record).len()).sum::<usize>());
        });
        group.bench_with_input(BenchmarkId::new("neighbours", reports), &pool, |bench, pool| {
            bench.iter(|| neighbours::neighbours(pool).len());
        });
        group.bench_with_input(BenchmarkId::new("candidates", reports), &pool, |bench, pool| {
            bench.iter(|| block::blocked(pool).pairs());
        });
    }
    group.finish();
}

criterion_group!(benches, pairs, blocking);
criterion_main!(benches);
