//! The engine's products, on every path of this machine, beside those of the
//! crate `gemm`, on the shapes of the shipped encoder: 480 rows, three texts.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement stops where it stands"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use throughline::engine::matrix::{Matrix, Quantised};
use throughline::engine::rows::After;
use throughline::engine::{Path, Precision};
use throughline::nn::kernels::{self, Threads, View};
use throughline::rng::Rng;

const ROWS: usize = 480;

fn random(n: usize, purpose: &str) -> Vec<f32> {
    let mut rng = Rng::new(1, purpose);
    (0..n).map(|_| rng.normal() as f32).collect()
}

fn products(c: &mut Criterion) {
    for (name, k, o) in
        [("project", 384, 1152), ("output", 384, 384), ("widen", 384, 1536), ("narrow", 1536, 384)]
    {
        let (x, w, b) = (random(ROWS * k, "x"), random(o * k, "w"), vec![0.0; o]);
        let mut out = vec![0.0; ROWS * o];
        let mut group = c.benchmark_group(format!("{name} ({ROWS}, {k}) x ({k}, {o})"));
        group.sample_size(20);
        group.throughput(Throughput::Elements((2 * ROWS * k * o) as u64));
        for path in Path::ALL.into_iter().filter(|p| p.available()) {
            for precision in [Precision::Float32, Precision::Int8] {
                let matrix = Matrix::new(path, precision, &w, &b);
                let mut scratch = Quantised::default();
                let id = BenchmarkId::new(format!("engine {precision:?}"), path.name());
                group.bench_function(id, |bench| {
                    bench.iter(|| {
                        matrix.apply(black_box(&x), k, ROWS, &mut scratch, After::Nothing, &mut out, o)
                    });
                });
            }
        }
        group.bench_function("gemm float32", |bench| {
            bench.iter(|| {
                let w = View::new(&w, o, k).t();
                kernels::matmul(&mut out, o, false, View::new(black_box(&x), ROWS, k), w, 1.0, Threads::One);
            });
        });
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    products(&mut criterion);
    criterion.final_summary();
}
