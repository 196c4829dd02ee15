//! The `corpus check` command: every fault with its place and reason.

use crate::util::{project, run};

const BAD: &str = r#"{"id": "A1", "text": "He [[following:followed her]] home. [[!threat:No threats]].", "labels": {"stalking": "likely", "indicators": ["following"], "denied": ["threat"], "serious_harm": false, "relationship": "ex_partner"}}
{"id": "A1", "text": "The same id.", "labels": {"stalking": "none", "indicators": [], "denied": [], "serious_harm": false, "relationship": "unknown"}}
{"id": "A2", "text": "He [[folowing:followed her]] home.", "labels": {"stalking": "likely", "indicators": ["following"], "denied": [], "serious_harm": false, "relationship": "unknown"}}
{"id": "A3", "text": "He [[following:followed her home.", "labels": {"stalking": "likely", "indicators": ["following"], "denied": [], "serious_harm": false, "relationship": "unknown"}}
{"id": "A4", "text": "Ring him on 07911 123456.", "labels": {"stalking": "maybe", "indicators": [], "denied": [], "serious_harm": false, "relationship": "unknown"}}
{"id": "A5", "text": "[[@person:Dan]] came.", "labels": {"stalking": "none", "indicators": [], "denied": [], "serious_harm": false, "relationship": "unknown"}}
{"id": "A6"}
"#;

#[test]
fn every_fault_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.jsonl");
    std::fs::write(&path, BAD).unwrap();
    let ran = run(&["corpus", "check", path.to_str().unwrap()]).expect(2);
    let told = ran.stdout.replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!("corpus_check_bad", told);
}

#[test]
fn the_committed_datasets_have_no_fault() {
    let ran = run(&["corpus", "check", "datasets/sample", "datasets/throughline-1"]).expect(0);
    assert!(ran.stdout.contains("no faults"), "{}", ran.stdout);
}

#[test]
fn the_sample_is_what_the_readme_says() {
    let records = crate::util::sample();
    assert!(records.len() >= 12);
    let cases: std::collections::BTreeSet<&str> = records.iter().filter_map(|r| r["case"].as_str()).collect();
    assert!(cases.len() >= 2);
    let hard =
        records.iter().filter(|r| matches!(r["meta"]["kind"].as_str(), Some("hard_negative" | "decoy")));
    assert!(hard.count() >= 4);
    // Nobody in the sample wrote for the corpus.
    assert!(records.iter().all(|r| r["meta"]["author"] == "S01"));
    assert!(!project("datasets/throughline-1/S01.jsonl").exists());
}

#[test]
fn the_manifest_and_the_readings_are_those_of_the_corpus() {
    run(&["corpus", "manifest", "--check", "datasets/throughline-1"]).expect(0);
    let corpus = "datasets/throughline-1";
    let readings = "datasets/throughline-1/readings.csv";
    let ran = run(&[
        "corpus",
        "agreement",
        "--first",
        corpus,
        "--second",
        readings,
        "--first-reader",
        "author",
        "--resamples",
        "20",
    ])
    .expect(0);
    assert!(ran.stdout.contains("readings of other reports 0"), "{}", ran.stdout);
}
