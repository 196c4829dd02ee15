//! The engine with the shipped model: its answers beside those of the
//! reference, on the sample's texts.

use std::path::Path;

use throughline::assess::{AssessOptions, Assessor};
use throughline::engine::Precision;
use throughline::model::folder::Files;
use throughline::model::{EngineKind, Reading};
use throughline::report::Report;
use throughline::text::{Tokeniser, Tokens};

use crate::util::{project, run, sample};

/// The sample's texts, and one that takes several windows and sections.
fn texts() -> Vec<String> {
    let sample: Vec<String> =
        sample().iter().map(|r| r["text"].as_str().expect("a text").to_owned()).collect();
    let mut texts = sample.clone();
    texts.push([sample.as_slice(), sample.as_slice()].concat().join(" "));
    texts
}

/// The largest difference of two lists of logits; NaN and other lengths count
/// as infinite.
fn gap(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    a.iter().zip(b).fold(0.0, |worst, (a, b)| {
        let d = (a - b).abs();
        if d.is_nan() { f32::INFINITY } else { f32::max(worst, d) }
    })
}

fn gaps(a: &Reading, b: &Reading) -> [(&'static str, f32); 10] {
    [
        ("grade", gap(&a.grade, &b.grade)),
        ("found", gap(&a.found, &b.found)),
        ("denied", gap(&a.denied, &b.denied)),
        ("harm", gap(&[a.harm], &[b.harm])),
        ("relationship", gap(&a.relationship, &b.relationship)),
        ("link", gap(&a.link, &b.link)),
        ("found evidence", gap(&a.found_evidence, &b.found_evidence)),
        ("denied evidence", gap(&a.denied_evidence, &b.denied_evidence)),
        ("tags", gap(&a.tags, &b.tags)),
        ("roles", gap(&a.roles, &b.roles)),
    ]
}

#[test]
fn float32_readings_are_those_of_the_reference() {
    let files = Files::from_folder(Path::new(&project("models/default"))).unwrap();
    let (reference, _) = files.network().unwrap();
    let (fast, _) = files.fast_network(Precision::Float32).unwrap();
    let tokens: Vec<Tokens> = texts().iter().map(|text| fast.tokeniser().encode(text).unwrap()).collect();
    assert!(tokens.iter().any(|t| t.len() > 1020), "a text of several sections");
    let want = reference.read(&tokens).unwrap();
    let got = fast.read_texts(&tokens).unwrap();
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert_eq!(got.windows, want.windows, "text {i}");
        for (name, gap) in gaps(got, want) {
            // Both sides compute in float32; over six layers the order of
            // additions leaves millionths of hidden states, and the heads'
            // logits, which reach 15, a few times that.
            assert!(gap < 5e-4, "text {i}, {name}: {gap}");
        }
    }
}

#[test]
fn int8_readings_lean_as_those_in_float32() {
    let files = Files::from_folder(Path::new(&project("models/default"))).unwrap();
    let (float, _) = files.fast_network(Precision::Float32).unwrap();
    let (int8, _) = files.fast_network(Precision::Int8).unwrap();
    let tokens: Vec<Tokens> = texts().iter().map(|text| float.tokeniser().encode(text).unwrap()).collect();
    let want = float.read_texts(&tokens).unwrap();
    let got = int8.read_texts(&tokens).unwrap();
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        // A logit of 0.5 moves a probability by an eighth at most; the means
        // are far smaller, and `evaluate` measures what is left of it.
        let moved = (got.leaning() - want.leaning()).abs();
        assert!(moved < 0.75, "text {i}: {moved}");
        let cosine: f32 = got.link.iter().zip(&want.link).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.99, "text {i}: cosine {cosine}");
    }
    let mean: f32 =
        got.iter().zip(&want).map(|(g, w)| (g.leaning() - w.leaning()).abs()).sum::<f32>() / got.len() as f32;
    assert!(mean < 0.15, "mean shift of the log odds {mean}");
}

#[test]
fn int8_changes_the_state_of_one_report_in_two_hundred_at_most() {
    let authors = ["A03", "A16", "A38"].map(|a| project("datasets/throughline-1").join(format!("{a}.jsonl")));
    let reports: Vec<Report> = throughline::corpus::load(&authors)
        .unwrap()
        .examples
        .into_iter()
        .map(|example| Report::new(example.report.id, example.report.text))
        .collect();
    assert!(reports.len() > 250);
    let [float, int8] = [EngineKind::Float32, EngineKind::Int8].map(|engine| {
        let assessor = Assessor::embedded(AssessOptions { engine, ..AssessOptions::default() }).unwrap();
        assessor.assess_all(&reports).unwrap()
    });
    let changed = float.iter().zip(&int8).filter(|(a, b)| a.state != b.state).count();
    assert!(changed * 200 <= reports.len(), "{changed} of {}", reports.len());
}

#[test]
fn the_shipped_weights_are_what_int8_holds() {
    let weights = Files::from_folder(Path::new(&project("models/default"))).unwrap().weights().unwrap();
    let mut rows = 0;
    for layer in 0..6 {
        let array = &weights[&format!("encoder.layer.{layer}.output.dense.weight")];
        for row in array.data.chunks_exact(array.shape[1]) {
            let step = row.iter().fold(0f32, |most, w| most.max(w.abs())) / 127.0;
            // Float16 moves a value by 1 part in 2,048.
            assert!(row.iter().all(|w| (w / step - (w / step).round()).abs() < 0.13));
            rows += 1;
        }
    }
    assert_eq!(rows, 6 * 384);
}

#[test]
fn own_tokens_are_those_of_the_oracle_over_the_corpus() {
    let json = std::fs::read(project("models/default/tokenizer.json")).unwrap();
    let own = Tokeniser::from_json(&json).unwrap();
    // The same file in a form that our own code leaves to the general one.
    let mut value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    value["pre_tokenizer"] = serde_json::json!({
        "type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}],
    });
    let oracle = Tokeniser::from_json(value.to_string().as_bytes()).unwrap();
    assert!(own.is_own() && !oracle.is_own());
    let mut texts = 0;
    for author in ["A03", "A16", "A38"] {
        let path = project("datasets/throughline-1").join(format!("{author}.jsonl"));
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = record["text"].as_str().unwrap();
            assert_eq!(own.encode(text).unwrap(), oracle.encode(text).unwrap(), "{text}");
            texts += 1;
        }
    }
    assert!(texts > 100);
}

#[test]
fn readings_do_not_depend_on_their_company() {
    let files = Files::from_folder(Path::new(&project("models/default"))).unwrap();
    let (fast, _) = files.fast_network(Precision::Int8).unwrap();
    let tokens: Vec<Tokens> = texts().iter().map(|text| fast.tokeniser().encode(text).unwrap()).collect();
    let all = fast.read_texts(&tokens).unwrap();
    for (tokens, want) in tokens.iter().zip(&all).step_by(7) {
        assert_eq!(&fast.read_texts(std::slice::from_ref(tokens)).unwrap()[0], want);
    }
    assert!(fast.read_texts(&[]).unwrap().is_empty());
}

#[test]
fn the_engine_is_chosen_on_the_command_line_and_threads_change_nothing() {
    let sample = "datasets/sample/reports.jsonl";
    let one = run(&["score", sample, "--format", "json", "--threads", "1"]).expect(0);
    let two = run(&["score", sample, "--format", "json", "--threads", "3"]).expect(0);
    assert_eq!(one.stdout, two.stdout);
    let int8 = run(&["score", sample, "--format", "json", "--engine", "int8"]).expect(0).json();
    let float = run(&["score", sample, "--format", "json", "--engine", "float32"]).expect(0).json();
    let reference = run(&["score", sample, "--format", "json", "--engine", "reference"]).expect(0).json();
    let p = |a: &serde_json::Value| a["stalking"]["p"].as_f64().unwrap();
    let mut changed = 0;
    for ((int8, float), reference) in int8.iter().zip(&float).zip(&reference) {
        // Probabilities are given to six places.
        assert!((p(float) - p(reference)).abs() < 1e-4);
        assert_eq!(float["state"], reference["state"]);
        changed += usize::from(int8["state"] != float["state"]);
    }
    assert!(changed * 50 <= float.len(), "{changed} of {} states change in int8", float.len());
    run(&["score", "--text", "He sat outside.", "--threads", "0"]).expect(2);
    run(&["score", "--text", "He sat outside.", "--engine", "other"]).expect(2);
}

#[test]
fn the_comparison_fails_on_wrong_values() {
    assert!(gap(&[0.0, 1.0], &[0.0, 1.1]) > 0.09);
    assert!(gap(&[f32::NAN], &[0.0]).is_infinite());
    assert!(gap(&[0.0], &[]).is_infinite());
}
