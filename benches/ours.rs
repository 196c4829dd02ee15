//! Our side of the speed table of `benches/peers/table.py`, which runs this
//! program beside ONNX Runtime and PyTorch. Each call prints one JSON line.
//!
//! ```text
//! ours texts  --out FILE --authors A,B DATA…           plain texts, one JSON object a line
//! ours encoder|whole --model DIR --texts FILE --engine int8|float32|reference
//!             --threads N [--vectors FILE]             speed of the encoder alone, or with heads;
//!                                                      or only the encoder's mean hidden states
//! ours peak   --threads N                              the machine's peak of products
//! ```
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement stops where it stands"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path as FilePath;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;
use throughline::assess::{AssessOptions, Assessor};
use throughline::corpus::load_foreign;
use throughline::engine::matrix::{Input, Matrix, Quantised};
use throughline::engine::rows::After;
use throughline::engine::{Path, Precision, Work};
use throughline::model::folder::Files;
use throughline::model::{EngineKind, FastNetwork};
use throughline::report::Report;
use throughline::text::Tokens;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tokens of a window beside `[CLS]` and `[SEP]`: the peers cut there, so the
/// comparison of encoders does too.
const WINDOW: usize = 510;

fn main() {
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    let mut rest = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--") {
            // What cargo says to every bench.
            Some("bench") => {}
            Some(name) => {
                options.insert(name.to_owned(), arguments.next().expect("a value"));
            }
            None => rest.push(argument),
        }
    }
    let option = |name: &str| options.get(name).unwrap_or_else(|| panic!("--{name} is needed")).as_str();
    let Some((mode, data)) = rest.split_first() else {
        println!("nothing to do: see the head of benches/ours.rs");
        return;
    };
    if let Some(threads) = options.get("threads") {
        let threads = threads.parse().expect("a number of threads");
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("threads");
    }
    let answer = match mode.as_str() {
        "texts" => texts(data, option("authors"), option("out")),
        "peak" => peak(),
        "encoder" => encoder(&options, option("model"), option("engine"), &read(option("texts"))),
        "whole" => whole(option("model"), option("engine"), &read(option("texts"))),
        other => panic!("unknown: {other}"),
    };
    println!("{answer}");
}

fn texts(data: &[String], authors: &str, out: &str) -> serde_json::Value {
    let dataset = load_foreign(data).expect("a dataset");
    let wanted: Vec<&str> = authors.split(',').collect();
    let chosen =
        dataset.examples.iter().filter(|e| e.meta.author.as_deref().is_some_and(|a| wanted.contains(&a)));
    let mut seen = std::collections::BTreeSet::new();
    let lines: Vec<String> = chosen
        .filter(|e| seen.insert(e.report.text.clone()))
        .map(|e| json!({"text": e.report.text}).to_string())
        .collect();
    std::fs::write(out, lines.join("\n") + "\n").expect("the file is written");
    json!({"texts": lines.len()})
}

fn read(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("the texts");
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line");
    text.lines().map(|line| value(line)["text"].as_str().expect("a text").to_owned()).collect()
}

fn cut(mut tokens: Tokens) -> Tokens {
    let features = tokens.features.len() / tokens.len().max(1);
    tokens.ids.truncate(WINDOW);
    tokens.offsets.truncate(WINDOW);
    tokens.features.truncate(WINDOW * features);
    tokens
}

/// Hidden states of texts, as the peers give them: no heads.
fn encode(network: &FastNetwork, texts: &[&str]) -> usize {
    let tokens: Vec<Tokens> =
        texts.par_iter().map(|t| cut(network.tokeniser().encode(t).expect("tokens"))).collect();
    let refs: Vec<&Tokens> = tokens.iter().collect();
    // Passes of about 512 tokens, as the network reads.
    let mut passes: Vec<Vec<&Tokens>> = Vec::new();
    let mut size = usize::MAX;
    for t in refs {
        size = size.saturating_add(t.len() + 2);
        match passes.last_mut() {
            Some(pass) if size <= 512 => pass.push(t),
            _ => {
                size = t.len() + 2;
                passes.push(vec![t]);
            }
        }
    }
    let work = if passes.len() < rayon::current_num_threads() { Work::Together } else { Work::Alone };
    let run = |pass: &Vec<&Tokens>| {
        black_box(network.hidden_states(pass, work).expect("hidden states"));
    };
    match work {
        Work::Together => passes.iter().for_each(run),
        Work::Alone => passes.par_iter().for_each(run),
    }
    tokens.iter().map(|t| t.len() + 2).sum()
}

fn encoder(
    options: &BTreeMap<String, String>,
    model: &str,
    engine: &str,
    texts: &[String],
) -> serde_json::Value {
    let precision = match engine {
        "int8" => Precision::Int8,
        "float32" => Precision::Float32,
        other => panic!("the encoder alone is int8 or float32, not {other}"),
    };
    let files = Files::from_folder(FilePath::new(model)).expect("a model folder");
    let (network, _) = files.fast_network(precision).expect("a network");
    if let Some(path) = options.get("vectors") {
        let vectors: Vec<Vec<f64>> = texts
            .iter()
            .take(50)
            .map(|text| {
                let tokens = cut(network.tokeniser().encode(text).expect("tokens"));
                let (hidden, d) = network.hidden_states(&[&tokens], Work::Together).expect("hidden states");
                let n = (hidden.len() / d) as f64;
                (0..d)
                    .map(|i| hidden.iter().skip(i).step_by(d).map(|v| f64::from(*v)).sum::<f64>() / n)
                    .collect()
            })
            .collect();
        std::fs::write(path, serde_json::to_string(&vectors).expect("JSON")).expect("the file is written");
        // Nothing is timed: no text is to be read twice within a measurement.
        return json!({"vectors": vectors.len()});
    }
    let length = |text: &str| cut(network.tokeniser().encode(text).expect("tokens")).len() + 2;
    let name = format!("{engine} {}", network.engine().path().name());
    measure(texts, |texts| encode(&network, texts), length, &name)
}

fn whole(model: &str, engine: &str, texts: &[String]) -> serde_json::Value {
    let engine_kind = match engine {
        "int8" => EngineKind::Int8,
        "float32" => EngineKind::Float32,
        _ => EngineKind::Reference,
    };
    let files = Files::from_folder(FilePath::new(model)).expect("a model folder");
    let options = AssessOptions { engine: engine_kind, ..AssessOptions::default() };
    let assessor = Assessor::from_files(&files, options).expect("a model");
    let length = |text: &str| assessor.tokeniser().encode(text).expect("tokens").len() + 2;
    let run = |texts: &[&str]| {
        let reports: Vec<Report> =
            texts.iter().enumerate().map(|(i, t)| Report::new(i.to_string(), *t)).collect();
        black_box(assessor.assess_all(&reports).expect("assessments"));
        0
    };
    let mut answer = measure(texts, run, length, engine);
    answer["tokens"] = texts.iter().map(|text| length(text)).sum::<usize>().into();
    answer
}

/// The texts are split among the ways of reading, so that none is read twice:
/// a tenth one by one, a tenth by 8, a fifth by 32, the rest as a whole file.
fn measure(
    texts: &[String],
    run: impl Fn(&[&str]) -> usize,
    length: impl Fn(&str) -> usize,
    name: &str,
) -> serde_json::Value {
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (warm, all) = all.split_at(8);
    run(warm);
    let parts = split(all.len());
    let mut single = Vec::new();
    for text in &all[..parts[0]] {
        let start = Instant::now();
        run(&[text]);
        single.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let by = |texts: &[&str], size: usize| {
        let start = Instant::now();
        let tokens: usize = texts.chunks(size).map(&run).sum();
        (texts.len() as f64 / start.elapsed().as_secs_f64(), tokens, start.elapsed().as_secs_f64())
    };
    let (eight, _, _) = by(&all[parts[0]..parts[1]], 8);
    let (thirty_two, _, _) = by(&all[parts[1]..parts[2]], 32);
    let file = &all[parts[2]..];
    let (whole, tokens, seconds) = by(file, file.len().max(1));
    let total: f64 = single.iter().sum();
    let one = single.len() as f64 / total * 1e3;
    // Texts of about 160 tokens, their time scaled to 160.
    let mut of_160: Vec<f64> = all[..parts[0]]
        .iter()
        .zip(&single)
        .map(|(text, ms)| (length(text), ms))
        .filter(|(length, _)| (120..=200).contains(length))
        .map(|(length, ms)| ms * 160.0 / length as f64)
        .collect();
    let at = |sorted: &mut Vec<f64>, share: f64| {
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len().saturating_sub(1) as f64 * share).round() as usize).copied()
    };
    json!({
        "what": name, "threads": rayon::current_num_threads(),
        "texts": file.len(), "tokens": tokens, "seconds": seconds,
        "texts_per_s": {"1": one, "8": eight, "32": thirty_two, "file": whole},
        "single_ms": {"p50": at(&mut single, 0.5), "p95": at(&mut single, 0.95), "of_160": at(&mut of_160, 0.5)},
    })
}

/// Where the parts of the texts end; `table.py` does the same.
fn split(n: usize) -> [usize; 3] {
    [n / 10, n / 5, 2 * n / 5]
}

/// Products whose operands stay in the nearest cache: what the machine gives
/// at most, in 10⁹ operations a second (a multiplication and an addition are
/// two) over all threads.
fn peak() -> serde_json::Value {
    let (n, k, o) = (12, 256, 32);
    let w: Vec<f32> = (0..o * k).map(|i| ((i * 37) % 101) as f32 / 101.0 - 0.5).collect();
    let x: Vec<f32> = (0..n * k).map(|i| ((i * 31) % 97) as f32 / 97.0 - 0.5).collect();
    let best = |precision| {
        let matrix = Matrix::new(Path::best(), precision, &w, &vec![0.0; o]);
        let threads = rayon::current_num_threads();
        let rates: Vec<f64> = (0..20)
            .map(|_| {
                const TIMES: usize = 20_000;
                let start = Instant::now();
                rayon::broadcast(|_| {
                    let mut rows = Quantised::default();
                    rows.fill(Path::best(), &x, k, n, k, &[]);
                    let mut out = vec![0.0; n * o];
                    for _ in 0..TIMES {
                        let input = match precision {
                            Precision::Int8 => Input::Int8(&rows),
                            Precision::Float32 => Input::Float { data: &x, step: k },
                        };
                        matrix.multiply(black_box(input), n, After::Nothing, black_box(&mut out), o);
                    }
                });
                (2 * n * k * o * TIMES * threads) as f64 / start.elapsed().as_secs_f64() / 1e9
            })
            .collect();
        rates.into_iter().fold(0.0, f64::max)
    };
    json!({
        "threads": rayon::current_num_threads(), "path": Path::best().name(),
        "float32_gflops": best(Precision::Float32), "int8_gops": best(Precision::Int8),
    })
}
