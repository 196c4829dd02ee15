//! The `score` command on good input.

use std::collections::BTreeMap;

use crate::util::{project, run, run_with, sample};

fn chars(text: &str, start: u64, end: u64) -> String {
    text.chars().skip(start as usize).take((end - start) as usize).collect()
}

#[test]
fn a_plain_case_of_stalking_is_found_with_its_words() {
    let stalking = "my ex keeps sitting outside my work in his golf even tho i blocked him and told him to \
        leave me alone, 3rd time this week\n";
    let ran = run_with(&["score", "-", "--format", "json"], stalking.as_bytes()).expect(0);
    let answer = &ran.json()[0];
    assert_eq!(answer["state"], "review", "{answer}");
    for name in ["loitering", "unwanted", "repeated"] {
        let indicators = answer["indicators"].as_array().unwrap();
        let indicator = indicators.iter().find(|i| i["name"] == name).unwrap();
        assert_eq!(indicator["state"], "found", "{indicator}");
        assert!(!indicator["evidence"].as_array().unwrap().is_empty(), "{indicator}");
    }
    let ran = run_with(&["score", "-", "--format", "json"], THEFT.as_bytes()).expect(0);
    assert_ne!(ran.json()[0]["state"], "review");
}

const THEFT: &str = "my bike was nicked from outside the library, caller states lock cut, no suspects\n";

#[test]
fn a_bare_theft_is_nothing() {
    let ran = run_with(&["score", "-", "--format", "json"], THEFT.as_bytes()).expect(0);
    assert_eq!(ran.json()[0]["state"], "nothing_found");
}

#[test]
fn every_field_is_there_and_evidence_equals_its_offsets() {
    let ran = run(&["score", "datasets/sample/reports.jsonl", "--format", "json"]).expect(0);
    let (answers, records) = (ran.json(), sample());
    assert_eq!(answers.len(), records.len());
    for (answer, record) in answers.iter().zip(&records) {
        assert_eq!(answer["id"], record["id"], "answers come in input order");
        let text = record["text"].as_str().unwrap();
        for key in [
            "schema",
            "id",
            "model",
            "state",
            "stalking",
            "indicators",
            "serious_harm",
            "relationship",
            "entities",
            "flags",
            "ask_next",
            "windows",
            "advice",
        ] {
            assert!(!answer[key].is_null(), "{key} is missing: {answer}");
        }
        assert_eq!(answer["indicators"].as_array().unwrap().len(), 29);
        let s = &answer["stalking"];
        let sum: f64 = ["none", "possible", "likely"].iter().map(|k| s[k].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{s}");
        let spans =
            answer["indicators"].as_array().unwrap().iter().flat_map(|i| i["evidence"].as_array().unwrap());
        let harm = answer["serious_harm"]["evidence"].as_array().unwrap().iter();
        let entities = answer["entities"].as_array().unwrap().iter();
        for span in spans.chain(harm).chain(entities) {
            let (start, end) = (span["start"].as_u64().unwrap(), span["end"].as_u64().unwrap());
            assert!(start < end);
            assert_eq!(span["text"].as_str().unwrap(), chars(text, start, end));
        }
    }
}

#[test]
fn ground_truth_ids_and_order_change_nothing() {
    let as_is = run(&["score", "datasets/sample/reports.jsonl", "--format", "json"]).expect(0);
    let truth = ["case", "victim", "suspect", "labels", "spans", "entities", "meta"];
    let mut records = sample();
    records.reverse();
    let mut renamed = BTreeMap::new();
    let mut lines = String::new();
    for (i, record) in records.iter_mut().enumerate() {
        let fields = record.as_object_mut().unwrap();
        for name in truth {
            fields.remove(name);
        }
        let id = fields.insert("id".into(), format!("X{i}").into()).unwrap();
        renamed.insert(format!("X{i}"), id);
        lines += &format!("{}\n", serde_json::Value::Object(fields.clone()));
    }
    let stripped = run_with(&["score", "-", "--format", "json"], lines.as_bytes()).expect(0);
    let mut answers: BTreeMap<String, serde_json::Value> =
        as_is.json().into_iter().map(|a| (a["id"].as_str().unwrap().to_owned(), a)).collect();
    for mut answer in stripped.json() {
        let id = renamed[answer["id"].as_str().unwrap()].clone();
        answer["id"] = id.clone();
        assert_eq!(answers.remove(id.as_str().unwrap()).unwrap(), answer);
    }
    assert!(answers.is_empty());

    // Whatever the six fields hold, they are skipped unparsed.
    let odd = r#"{"id": "a", "text": "He rang me again and again last night.", "labels": 7, "spans": {"x": []}, "case": [1], "entities": "?"}"#;
    run_with(&["score", "-", "--format", "json"], odd.as_bytes()).expect(0);
}

#[test]
fn a_report_gets_the_same_answer_alone_and_in_company() {
    let records = sample();
    let whole = run(&["score", "datasets/sample/reports.jsonl", "--format", "json"]).expect(0).json();
    for (record, in_company) in records.iter().zip(&whole).take(4) {
        let line = format!("{record}\n");
        let alone = run_with(&["score", "-", "--format", "json"], line.as_bytes()).expect(0).json();
        let p = |a: &serde_json::Value| a["stalking"]["p"].as_f64().unwrap();
        assert!((p(&alone[0]) - p(in_company)).abs() <= 1e-5);
        assert_eq!(alone[0]["state"], in_company["state"]);
        for (a, b) in alone[0]["indicators"]
            .as_array()
            .unwrap()
            .iter()
            .zip(in_company["indicators"].as_array().unwrap())
        {
            assert!((a["p"].as_f64().unwrap() - b["p"].as_f64().unwrap()).abs() <= 1e-5);
        }
    }
}

#[test]
fn two_hundred_reports_give_two_hundred_lines_in_order() {
    let records = sample();
    let mut lines = String::new();
    for i in 0..200 {
        let mut record = records[i % records.len()].clone();
        record["id"] = format!("N{i:03}").into();
        // No two texts alike, so that nothing can be answered from memory.
        record["text"] = format!("{} Log {i}.", record["text"].as_str().unwrap()).into();
        lines += &format!("{record}\n");
    }
    let ran = run_with(&["score", "-", "--format", "json"], lines.as_bytes()).expect(0);
    let ids: Vec<String> = ran.json().iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..200).map(|i| format!("N{i:03}")).collect::<Vec<_>>());
}

#[test]
fn csv_columns_are_mapped_and_the_rest_is_said_to_be_unread() {
    let csv = "REF;MO_TEXT;RECORDED;OFFICER\r\n\
        1;\"He waited outside her work again.\r\nShe has told him to stop.\";harassment;Bell\r\n\
        2;Bike taken from rack outside station, lock cut.;theft;Bell\r\n";
    let ran = run_with(
        &[
            "score",
            "-",
            "--input",
            "csv",
            "--format",
            "json",
            "--map",
            "id=REF",
            "--map",
            "text=MO_TEXT",
            "--map",
            "recorded_as=RECORDED",
        ],
        csv.as_bytes(),
    )
    .expect(0);
    assert_eq!(ran.json().len(), 2);
    assert!(ran.stderr.contains("OFFICER"), "{}", ran.stderr);
}

#[test]
fn the_view_for_people_reads_without_colour() {
    let ran = run(&["score", "datasets/sample/reports.jsonl"]).expect(0);
    assert!(!ran.stdout.contains('\u{1b}'), "no colour codes into a pipe");
    assert!(ran.stdout.contains("REVIEW") && ran.stdout.contains("NOTHING FOUND"));
    assert!(ran.stdout.contains("A person decides."));
    for word in ["no risk", "low risk", "harm score"] {
        assert!(!ran.stdout.to_lowercase().contains(word));
    }
    // The probability of serious harm is no number for people.
    assert!(!ran.stdout.contains("serious harm: 0.") && !ran.stdout.contains("serious harm 0."));
}

#[test]
fn fail_on_review_is_told_by_the_status() {
    let file = "datasets/sample/reports.jsonl";
    run(&["score", file, "--format", "json", "--fail-on", "review"]).expect(1);
    let quiet = b"Bike taken from rack outside the station overnight, lock cut, no CCTV, no suspects.";
    run_with(&["score", "-", "--fail-on", "review"], quiet).expect(0);
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_throughline"))
        .args(["score", "datasets/sample/reports.jsonl", "--format", "json"])
        .current_dir(project(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_and_version_go_to_stdout() {
    let ran = run(&["--help"]).expect(0);
    assert!(ran.stdout.contains("Exit status") && ran.stderr.is_empty());
    let ran = run(&["score", "--help"]).expect(0);
    insta::assert_snapshot!("score_help", ran.stdout);
    run(&["scorch"]).expect(2);
}
