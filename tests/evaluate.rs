//! The `evaluate` command: what it writes, that a damaged model is at chance
//! in it, and what bad input gets.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::util::{Ran, project, run};

fn sample() -> Vec<Value> {
    std::fs::read_to_string(project("datasets/sample/reports.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn write(path: &Path, reports: &[Value]) -> String {
    let lines: String = reports.iter().map(|report| format!("{report}\n")).collect();
    std::fs::write(path, lines).unwrap();
    path.to_str().unwrap().to_owned()
}

fn evaluate(data: &[&str], out: &Path, more: &[&str]) -> Ran {
    let mut arguments = vec!["evaluate", "--data"];
    arguments.extend(data);
    arguments.extend(["--out", out.to_str().unwrap(), "--resamples", "20"]);
    arguments.extend(more);
    run(&arguments)
}

fn metrics(out: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(out.join("metrics.json")).unwrap()).unwrap()
}

/// The figure `name` of the model in metrics.json.
fn figure(out: &Path, name: &str) -> f64 {
    fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
        match value {
            Value::Object(map) => map.get(name).or_else(|| map.values().find_map(|v| find(v, name))),
            Value::Array(list) => list.iter().find_map(|v| find(v, name)),
            _ => None,
        }
    }
    find(&metrics(out), name).and_then(|figure| figure["value"].as_f64()).unwrap()
}

/// Every file of a run holds finite numbers only.
#[track_caller]
fn no_nan(out: &Path) {
    for file in ["metrics.json", "report.html"] {
        let text = std::fs::read_to_string(out.join(file)).unwrap();
        for bad in ["NaN", "Infinity", ">inf<", ">-inf<"] {
            assert!(!text.contains(bad), "{file} holds {bad}");
        }
    }
}

/// The shipped model with every weight of its heads and of its lexical path
/// moved to another place of the same matrix.
fn shuffled(folder: &Path, seed: u64) -> PathBuf {
    use throughline::model::folder::{self, Files, Precision};
    use throughline::rng::Rng;

    let files = Files::from_folder(&project("models/default")).unwrap();
    let mut weights = files.weights().unwrap();
    for (name, array) in weights.iter_mut().filter(|(name, _)| name.starts_with("heads.")) {
        Rng::new(seed, name).shuffle(&mut array.data);
    }
    let manifest = files.verify().unwrap();
    let mut members: std::collections::BTreeMap<String, Vec<u8>> = std::collections::BTreeMap::new();
    for name in manifest.files.keys() {
        members.insert(name.clone(), files.get(name).unwrap().to_vec());
    }
    members.insert("model.safetensors".into(), folder::to_safetensors(&weights, Precision::Float16).unwrap());
    let path = folder.join(format!("shuffled-{seed}"));
    folder::write(&path, &members, manifest).unwrap();
    path
}

#[test]
fn a_shuffled_head_is_at_chance_and_the_shipped_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    // Sixty reports of a test author.
    let text = std::fs::read_to_string(project("datasets/throughline-1/A03.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().take(60).map(|line| serde_json::from_str(line).unwrap()).collect();
    let data = write(&folder.path().join("reports.jsonl"), &lines);

    let out = folder.path().join("shipped");
    evaluate(&[&data], &out, &[]).expect(0);
    assert!(figure(&out, "stalking.auroc") > 0.8, "{}", figure(&out, "stalking.auroc"));

    // One shuffle may by luck lean either way; several do not.
    let aurocs: Vec<f64> = (1..=4)
        .map(|seed| {
            let model = shuffled(folder.path(), seed);
            let out = folder.path().join(format!("out-{seed}"));
            evaluate(&[&data], &out, &["--model", model.to_str().unwrap()]).expect(0);
            no_nan(&out);
            figure(&out, "stalking.auroc")
        })
        .collect();
    let mean = aurocs.iter().sum::<f64>() / aurocs.len() as f64;
    assert!((0.3..0.7).contains(&mean), "{aurocs:?}");
}

#[test]
fn two_runs_write_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| {
        let out = folder.path().join(name);
        evaluate(&["datasets/sample/reports.jsonl"], &out, &["--probes", "4", "--prevalence", "0.02"])
            .expect(0);
        no_nan(&out);
        ["metrics.json", "report.html"].map(|file| std::fs::read(out.join(file)).unwrap())
    };
    assert!(read("a") == read("b"), "two runs differ");
}

#[test]
fn a_page_that_needs_nothing_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    evaluate(&["datasets/sample/reports.jsonl"], folder.path(), &[]).expect(0);
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("<title>"));
    for outside in ["http://", "https://", "<script src", "<link "] {
        let rest = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!rest.contains(outside), "the page holds {outside}");
    }
}

#[test]
fn labels_that_are_absent_or_all_alike_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut reports = sample();
    for report in &mut reports {
        report.as_object_mut().unwrap().remove("labels");
    }
    let data = write(&folder.path().join("nothing.jsonl"), &reports);
    let out = folder.path().join("nothing");
    let ran = evaluate(&[&data], &out, &[]).expect(0);
    assert!(ran.stderr.contains("none of the 17 reports has labels"), "{}", ran.stderr);
    no_nan(&out);

    let alike: Vec<Value> = sample().into_iter().filter(|r| r["labels"]["stalking"] == "none").collect();
    let data = write(&folder.path().join("alike.jsonl"), &alike);
    let out = folder.path().join("alike");
    let ran = evaluate(&[&data], &out, &[]).expect(0);
    assert!(ran.stderr.contains("every labelled report is graded `none`"), "{}", ran.stderr);
    assert!(!metrics(&out).to_string().contains("stalking.average_precision\":{\"value"), "no ranking");
    no_nan(&out);
}

#[test]
fn indicators_with_few_positives_are_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let ran = evaluate(&["datasets/sample/reports.jsonl"], folder.path(), &[]).expect(0);
    let said = "fewer than 10 positives, left out of the means";
    assert!(ran.stdout.contains(said) || ran.stderr.contains(said), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn data_that_cannot_be_measured_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let at = |name: &str| folder.path().join(name);
    let refused = |data: &[&str], more: &[&str], why: &[&str]| {
        let ran = evaluate(data, &out, more).expect(2);
        for part in why {
            assert!(ran.stderr.contains(part), "wanted `{part}` in: {}", ran.stderr);
        }
        assert!(!out.join("metrics.json").exists());
    };

    let mut reports = sample();
    reports[0]["labels"]["indicators"] = json!(["teleporting"]);
    let unknown = write(&at("unknown.jsonl"), &reports);
    refused(&[&unknown], &[], &["unknown.jsonl:1", "unknown indicator", "teleporting", "known: following"]);

    let twice = write(&at("twice.jsonl"), &sample()[..2]);
    refused(&[&twice, "datasets/sample/reports.jsonl"], &[], &["used before", "twice.jsonl:1"]);

    let mut reports = sample();
    reports[0] = json!({
        "id": "a", "text": "He followed her home.",
        "labels": {
            "stalking": "likely", "indicators": ["following"], "denied": [],
            "serious_harm": false, "relationship": "unknown",
        },
        "spans": [{"start": 10, "end": 400, "label": "following"}],
    });
    let spans = write(&at("spans.jsonl"), &reports);
    refused(&[&spans], &[], &["spans.jsonl:1", "10..400 is not within the text, 21 characters"]);

    let sample = "datasets/sample/reports.jsonl";
    refused(&[sample], &["--select", "author=ZZ"], &["no report is left", "0 of 17 have author=ZZ"]);
    refused(&[sample], &["--select", "shoe=44"], &["shoe", "columns:"]);
    refused(&[sample], &["--select", "author"], &["COLUMN=VALUE"]);
    refused(&["no/such/file.jsonl"], &[], &["no/such/file.jsonl"]);
}
