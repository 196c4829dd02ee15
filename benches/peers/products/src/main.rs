//! Operations a second of the products of the shipped encoder, one thread: the
//! engine's own tiles on every path of this machine, the crate `gemm`, and
//! `rten-gemm` with packed weights. All sides take turns; medians are printed
//! as a Markdown table. 480 rows are about three reports.
//!
//! What is counted on which side: the engine's int8 takes float32 rows in and
//! gives float32 rows back, so it also finds each row's scale, rounds, scales
//! back and adds the bias; `rten-gemm` multiplies bytes that were rounded
//! before and gives whole numbers.

use std::hint::black_box;
use std::time::Instant;

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;
use throughline::engine::matrix::{Matrix, Quantised};
use throughline::engine::rows::After;
use throughline::engine::{Path, Precision};
use throughline::rng::Rng;

const ROWS: usize = 480;
const ROUNDS: usize = 15;
const TIMES: usize = 8;
const SHAPES: [(&str, usize, usize); 4] =
    [("project", 384, 1152), ("output", 384, 384), ("widen", 384, 1536), ("narrow", 1536, 384)];

fn random(n: usize, purpose: &str) -> Vec<f32> {
    let mut rng = Rng::new(1, purpose);
    (0..n).map(|_| rng.normal() as f32).collect()
}

/// A side's name, and one product.
type Side<'a> = (String, Box<dyn FnMut() + 'a>);

fn shape(k: usize, o: usize) -> Vec<(String, f64)> {
    let (x, w, bias) = (random(ROWS * k, "x"), random(o * k, "w"), vec![0.0f32; o]);
    let x8: Vec<u8> = x.iter().map(|v| (v * 30.0 + 128.0).clamp(0.0, 255.0) as u8).collect();
    // The crates want the weights as (k, o).
    let turned: Vec<f32> = (0..k * o).map(|at| w[at % o * k + at / o]).collect();
    let w8: Vec<i8> = turned.iter().map(|v| (v * 30.0).clamp(-127.0, 127.0) as i8).collect();
    let float = GemmExecutor::<f32, f32, f32>::new();
    let whole = GemmExecutor::<u8, i8, i32>::new();
    let packed = float.prepack_b(NdTensorView::from_data([k, o], &turned[..]));
    let packed8 = whole.prepack_b(NdTensorView::from_data([k, o], &w8[..]));
    let mut sides: Vec<Side<'_>> = Vec::new();
    for precision in [Precision::Float32, Precision::Int8] {
        for path in Path::ALL.into_iter().filter(|path| path.available()) {
            let matrix = Matrix::new(path, precision, &w, &bias);
            let (mut scratch, mut out, x) = (Quantised::default(), vec![0.0f32; ROWS * o], &x);
            sides.push((
                format!("engine {precision:?}, {}", path.name()),
                Box::new(move || {
                    matrix.apply(black_box(x), k, ROWS, &mut scratch, After::Nothing, &mut out, o);
                    black_box(&out);
                }),
            ));
        }
    }
    let mut out = vec![0.0f32; ROWS * o];
    let (left, right) = (&x, &turned);
    sides.push((
        "gemm float32".to_owned(),
        Box::new(move || {
            // SAFETY: the pointers are to whole matrices of these shapes and strides, and nothing else
            // looks at `out` meanwhile.
            unsafe {
                gemm::gemm(
                    ROWS,
                    o,
                    k,
                    out.as_mut_ptr(),
                    1,
                    o as isize,
                    false,
                    black_box(left).as_ptr(),
                    1,
                    k as isize,
                    right.as_ptr(),
                    1,
                    o as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
            black_box(&out);
        }),
    ));
    let mut out = vec![0.0f32; ROWS * o];
    let (name, a) = (float.kernel_name().to_owned(), NdTensorView::from_data([ROWS, k], &x[..]));
    sides.push((
        format!("rten-gemm float32, {name}"),
        Box::new(move || {
            let (a, b) = (GemmInputA::Unpacked(black_box(a)), GemmInputB::Packed(&packed));
            float.gemm(&mut out, a, b, GemmOptions::default()).expect("shapes that fit");
            black_box(&out);
        }),
    ));
    let mut out = vec![0i32; ROWS * o];
    let (name, a) = (whole.kernel_name().to_owned(), NdTensorView::from_data([ROWS, k], &x8[..]));
    sides.push((
        format!("rten-gemm u8·i8, {name}"),
        Box::new(move || {
            let (a, b) = (GemmInputA::Unpacked(black_box(a)), GemmInputB::Packed(&packed8));
            whole.gemm(&mut out, a, b, GemmOptions::default()).expect("shapes that fit");
            black_box(&out);
        }),
    ));
    let mut seconds = vec![Vec::new(); sides.len()];
    for _ in 0..=ROUNDS {
        for ((_, product), seconds) in sides.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            (0..TIMES).for_each(|_| product());
            seconds.push(start.elapsed().as_secs_f64() / TIMES as f64);
        }
    }
    let operations = (2 * ROWS * k * o) as f64 / 1e9;
    sides
        .into_iter()
        .zip(seconds)
        .map(|((name, _), mut seconds)| {
            // The first round warms up.
            seconds.remove(0);
            seconds.sort_by(f64::total_cmp);
            (name, operations / seconds[seconds.len() / 2])
        })
        .collect()
}

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    let tables: Vec<Vec<(String, f64)>> =
        SHAPES.iter().map(|&(_, k, o)| pool.install(|| shape(k, o))).collect();
    let heads: Vec<String> =
        SHAPES.iter().map(|(name, k, o)| format!("{name} ({ROWS}, {k}) · ({k}, {o})")).collect();
    println!("| 10⁹ operations a second, one thread | {} |", heads.join(" | "));
    println!("| --- |{}", " --- |".repeat(heads.len()));
    for (side, (name, _)) in tables[0].iter().enumerate() {
        let cells: Vec<String> = tables.iter().map(|table| format!("{:.0}", table[side].1)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}
