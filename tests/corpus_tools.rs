//! `generate` and the `corpus` commands beside `check`, end to end.

use crate::util::{project, run};

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn cards_are_drawn_by_seed_and_bad_arguments_refused() {
    let cards = |seed: &str| run(&["generate", "cards", "--author", "A50", "--seed", seed]).expect(0).stdout;
    let first = cards("3");
    assert!(first == cards("3") && first != cards("4"));
    let top: Vec<&str> = first.lines().take(8).collect();
    insta::assert_snapshot!("cards_top", top.join("\n"));
    let json =
        run(&["generate", "cards", "--author", "A50", "--seed", "3", "--format", "json"]).expect(0).json();
    assert!(json.len() > 80 && json.iter().all(|card| card["author"] == "A50"));

    let bad = run(&["generate", "cards", "--author", "me", "--seed", "3"]).expect(2);
    assert!(bad.stderr.contains("`me` is no author's code"), "{}", bad.stderr);
    let bad =
        run(&["generate", "cards", "--author", "A50", "--seed", "3", "--axes", "no/such.toml"]).expect(2);
    assert!(bad.stderr.contains("no/such.toml"), "{}", bad.stderr);
}

#[test]
fn augmented_copies_pass_the_check_and_keep_out_of_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(&folder, "augment.jsonl");
    let arguments =
        |out| ["generate", "augment", "datasets/sample", "--seed", "1", "--copies", "2", "--out", out];
    run(&arguments(&out)).expect(0);
    let first = std::fs::read_to_string(&out).unwrap();
    assert!(first.lines().count() > 100);
    run(&arguments(&out)).expect(0);
    assert_eq!(first, std::fs::read_to_string(&out).unwrap());
    run(&["corpus", "check", &out]).expect(0);
    for line in first.lines() {
        let copy: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(copy["id"].as_str().unwrap().contains(copy["meta"]["augment"].as_str().unwrap()));
    }

    let other = path(&folder, "more.jsonl");
    let refused = run(&arguments(&other)).expect(2);
    assert!(refused.stderr.contains("no `augment` in its name"), "{}", refused.stderr);
    let again = run(&["generate", "augment", &out, "--seed", "1", "--out", &out]).expect(2);
    assert!(again.stderr.contains("is a copy already"), "{}", again.stderr);
    let unknown =
        run(&["generate", "augment", "datasets/sample", "--seed", "1", "--kinds", "colour", "--out", &out]);
    assert!(unknown.expect(2).stderr.contains("colour"));
}

#[test]
fn a_report_is_measured_and_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(&folder, "report.json");
    let arguments = [
        "corpus",
        "report",
        "datasets/throughline-1/A01.jsonl",
        "datasets/throughline-1/A02.jsonl",
        "--out",
        &out,
    ];
    let ran = run(&arguments);
    assert!(ran.status == 0 || ran.status == 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("artefact test:") && ran.stdout.contains("near-duplicates:"));
    assert_eq!(ran.status == 1, ran.stderr.contains("alone tells the grade"), "{}", ran.stderr);
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(json["counts"]["axes"]["author"].as_object().unwrap().len(), 2);
    assert_eq!(run(&arguments).stdout, ran.stdout);
}

#[test]
fn agreement_of_a_reader_with_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let readings: String = crate::util::sample()
        .iter()
        .map(|record| {
            let mut labels = record["labels"].clone();
            if labels["stalking"] == "possible" {
                labels["stalking"] = "likely".into();
            }
            let line = serde_json::json!({"id": record["id"], "reader": "R1", "labels": labels, "spans": []});
            format!("{line}\n")
        })
        .collect();
    let second = path(&folder, "readings.jsonl");
    std::fs::write(&second, readings).unwrap();
    let ran = run(&["corpus", "agreement", "--first", "datasets/sample", "--second", &second]).expect(0);
    insta::assert_snapshot!("corpus_agreement", ran.stdout);
    let ran = run(&["corpus", "agreement", "--first", "datasets/sample", "--second", "no/such"]).expect(2);
    assert!(ran.stderr.contains("no/such"));
}

#[test]
fn a_sample_is_picked_by_seed() {
    let sample = || run(&["corpus", "sample", "datasets/sample", "--n", "2", "--seed", "5"]).expect(0).stdout;
    assert_eq!(sample(), sample());
    insta::assert_snapshot!("corpus_sample", sample());
    let ran = run(&["corpus", "sample", "datasets/sample", "--n", "900"]).expect(2);
    assert!(ran.stderr.contains("1 to 17 are possible"), "{}", ran.stderr);
}

#[test]
fn a_manifest_tells_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(project("datasets/sample/reports.jsonl"), folder.path().join("reports.jsonl")).unwrap();
    let of = folder.path().display().to_string();
    let ran = run(&["corpus", "manifest", &of]).expect(2);
    assert!(ran.stderr.contains("--data-version"), "{}", ran.stderr);
    run(&["corpus", "manifest", &of, "--data-version", "1.0", "--seed", "7"]).expect(0);
    run(&["corpus", "manifest", "--check", &of]).expect(0);
    let text = std::fs::read_to_string(folder.path().join("manifest.toml")).unwrap();
    assert!(text.contains("licence = \"CC BY 4.0\"") && text.contains("seed = 7"), "{text}");
    std::fs::write(folder.path().join("second.csv"), "id\n1\n").unwrap();
    let ran = run(&["corpus", "manifest", "--check", &of]).expect(2);
    assert!(ran.stdout.contains("second.csv: is in the folder and not in the manifest"), "{}", ran.stdout);
}
