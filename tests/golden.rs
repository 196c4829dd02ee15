//! The shipped encoder against golden hidden states, which
//! `tests/golden/make_golden.py` made with Hugging Face's `transformers` from
//! the same folder. Run that script again when the model changes.

use std::path::Path;

use throughline::model::folder::Files;

use crate::util::project;

/// Both sides compute in float32; over six layers the order of additions and
/// the approximation of `erf` leave a few millionths.
const TOLERANCE: f64 = 5e-5;

/// The largest difference between two lists, and whether they are of one
/// length; NaN counts as infinite.
fn gap(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |worst, d| {
        if d <= worst {
            worst
        } else if d.is_nan() {
            f64::INFINITY
        } else {
            d
        }
    })
}

#[test]
fn hidden_states_are_those_of_transformers() {
    let golden = std::fs::read_to_string(project("tests/golden/hidden_states.json")).unwrap();
    let golden: Vec<serde_json::Value> = serde_json::from_str(&golden).unwrap();
    assert!(golden.len() >= 4);
    let files = Files::from_folder(Path::new(&project("models/default"))).unwrap();
    let (network, _) = files.network().unwrap();
    let (cls, sep) = network.tokeniser.special();
    for case in &golden {
        let text = case["text"].as_str().unwrap();
        let tokens = network.tokeniser.encode(text).unwrap();
        let mut ids: Vec<u64> = tokens.ids.iter().map(|&id| u64::from(id)).collect();
        ids.insert(0, u64::from(cls));
        ids.push(u64::from(sep));
        let want: Vec<u64> = case["ids"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        assert_eq!(ids, want, "{text}");
        let (hidden, width) = network.hidden_states(&tokens).unwrap();
        let numbers = |v: &serde_json::Value| -> Vec<f64> {
            v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        for (row, (first, mean)) in hidden
            .chunks_exact(width)
            .zip(case["first"].as_array().unwrap().iter().zip(numbers(&case["mean"])))
        {
            let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            let worst = gap(&row[..8], &numbers(first));
            assert!(worst < TOLERANCE, "{text}: {worst}");
            let got = row.iter().sum::<f64>() / width as f64;
            assert!((got - mean).abs() < TOLERANCE, "{text}: mean {got}, wanted {mean}");
        }
    }
}

#[test]
fn the_comparison_fails_on_wrong_values() {
    assert!(gap(&[0.0, 1.0], &[0.0, 1.1]) > 0.09);
    assert!(gap(&[0.0], &[f64::NAN]).is_infinite());
    assert!(gap(&[0.0], &[0.0, 0.0]).is_infinite());
}
