//! What must hold of the model in `models/default`.

use crate::util::{project, run};

#[test]
fn every_file_is_as_the_manifest_says_and_the_weights_are_small() {
    let ran = run(&["model", "verify", "models/default"]).expect(0);
    assert!(ran.stdout.contains("every file is as the manifest says"));
    let weights = std::fs::metadata(project("models/default/model.safetensors")).unwrap().len();
    assert!(weights < 50_000_000, "{weights} bytes");
}

#[cfg(feature = "embedded-model")]
#[test]
fn the_model_inside_the_program_is_the_one_in_the_folder() {
    let inside = run(&["model", "verify"]).expect(0);
    let folder = run(&["model", "verify", "models/default"]).expect(0);
    assert_eq!(inside.stdout, folder.stdout);
    let text = "He sat outside her work again last night although she has told him to leave her alone.";
    let a = run(&["score", "--text", text, "--format", "json"]).expect(0);
    let b = run(&["score", "--text", text, "--format", "json", "--model", "models/default"]).expect(0);
    assert_eq!(a.stdout, b.stdout);
}

#[test]
fn the_card_says_what_it_must() {
    let ran = run(&["model", "card", "models/default"]).expect(0);
    let card = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "by language models, not by police or victims",
        "Nothing was measured on real UK reports",
        "a person decides",
    ] {
        assert!(card.contains(words), "the card does not say `{words}`");
    }
}

#[test]
fn no_number_on_a_card_was_typed() {
    let cards = ["README.md", "models/default/CARD.md", "models/default/ATRS.md"];
    let mut arguments = vec!["model", "figures", "models/default", "--check", "--fill"];
    arguments.extend(cards);
    run(&arguments).expect(0);

    // And the check sees a number that was changed.
    let folder = tempfile::tempdir().unwrap();
    let card = folder.path().join("CARD.md");
    let text = std::fs::read_to_string(project(cards[1])).unwrap();
    let wrong = text.replacen(" [0.", " [1.", 1);
    assert_ne!(text, wrong);
    std::fs::write(&card, wrong).unwrap();
    let card = card.to_str().unwrap();
    let ran = run(&["model", "figures", "models/default", "--check", "--fill", card]).expect(2);
    assert!(ran.stderr.contains("figures differ"), "{}", ran.stderr);
}

#[test]
fn thresholds_are_brought_to_a_prevalence() {
    let ran = run(&["model", "thresholds", "--prevalence", "0.02", "--per-day", "500"]).expect(0);
    assert!(ran.stdout.contains("2.00 % stalking among 500 records a day"), "{}", ran.stdout);
    let marked = |state: &str| ran.stdout.lines().filter(|line| line.contains(state)).count();
    assert!(marked("  review  ") == 1 && marked("  possible  ") >= 1, "{}", ran.stdout);
    run(&["model", "thresholds", "--prevalence", "2"]).expect(2);
}

#[test]
fn the_sample_is_sorted_sensibly() {
    // The sample is no measure, but a model that fails here is broken.
    let records = crate::util::sample();
    let answers = run(&["score", "datasets/sample/reports.jsonl", "--format", "json"]).expect(0).json();
    let p = |grade: &str| -> Vec<f64> {
        let pairs = records.iter().zip(&answers);
        pairs
            .filter(|(r, _)| r["labels"]["stalking"] == grade)
            .map(|(_, a)| a["stalking"]["p"].as_f64().unwrap())
            .collect()
    };
    let mean = |v: Vec<f64>| v.iter().sum::<f64>() / v.len() as f64;
    let (likely, none) = (mean(p("likely")), mean(p("none")));
    assert!(likely > none + 0.4, "likely {likely}, none {none}");
}

#[test]
fn failures_are_quoted_from_reports_that_the_evaluation_lists() {
    let page = std::fs::read_to_string(project("models/default/FAILURES.md")).unwrap();
    let metrics = std::fs::read(project("models/default/reports/later/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_slice(&metrics).unwrap();
    let (missed, raised) = page.split_once("## Raised wrongly").unwrap();
    let mut rows = 0;
    for (part, list) in [(missed, "missed"), (raised, "raised_wrongly")] {
        let listed: Vec<&str> =
            metrics[list].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        for row in part.lines().filter(|line| line.starts_with("| A")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let (id, words) = (cells[1], cells[2].trim_matches('"'));
            assert!(listed.contains(&id), "{id} is not in {list}");
            let author = project("datasets/throughline-1").join(format!("{}.jsonl", &id[..3]));
            let examples = throughline::corpus::load(&[author]).unwrap().examples;
            let example = examples.iter().find(|example| example.report.id == id).unwrap();
            assert!(example.report.text.contains(words), "{id} does not say {words}");
            rows += 1;
        }
    }
    assert!(rows >= 10);
}
