//! The `link` and `case` commands end to end: the sample, order, ground truth,
//! bad input, sheets.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::util::{Ran, run, sample};

/// Links the records; gives the run and the folder.
fn link(records: &[Value]) -> (Ran, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    let text: String = records.iter().map(|r| format!("{r}\n")).collect();
    std::fs::write(&input, text).unwrap();
    let out = folder.path().join("out");
    let ran = run(&["link", input.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    (ran, folder)
}

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("out").join(name)).expect(name);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn reports(course: &Value) -> BTreeSet<String> {
    course["reports"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_sample_links_and_every_waterfall_adds_up() {
    let records = sample();
    let (ran, folder) = link(&records);
    let ran = ran.expect(0);
    assert!(ran.stdout.is_empty(), "data goes to files: {}", ran.stdout);
    assert!(ran.stderr.contains("pairs compared"), "{}", ran.stderr);

    let links = lines(folder.path(), "links.jsonl");
    let mut told: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for pair in &links {
        let sum: f64 = pair["evidence"].as_array().unwrap().iter().map(|e| e["bits"].as_f64().unwrap()).sum();
        let bits = pair["bits"].as_f64().unwrap();
        assert!((sum - bits).abs() < 1e-6, "{pair}");
        assert_eq!(pair["evidence"][0]["comparison"], "prior");
        let p = pair["p"].as_f64().unwrap();
        assert!((p - 1.0 / (1.0 + (-bits).exp2())).abs() < 1e-5, "{pair}");
        for end in ["a", "b"] {
            *told.entry(pair[end].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert!(pair["a"].as_str() < pair["b"].as_str(), "one order for every pair: {pair}");
    }
    let distinct: BTreeSet<String> = links.iter().map(|l| format!("{} {}", l["a"], l["b"])).collect();
    assert_eq!(distinct.len(), links.len(), "a pair is told once");
    assert!(records.iter().all(|r| told.get(r["id"].as_str().unwrap()).is_some_and(|n| *n >= 5)));

    let courses = lines(folder.path(), "courses.jsonl");
    assert!(!courses.is_empty());
    let mut seen = BTreeSet::new();
    for course in &courses {
        assert_eq!(course["schema"], "throughline.course/1");
        for report in reports(course) {
            assert!(seen.insert(report), "a report is in one course at most");
        }
        for field in ["course", "p", "occasions", "first", "last", "letters", "forces", "weakest_link_bits"] {
            assert!(!course[field].is_null(), "{field}");
        }
        for (part, names) in [
            ("limbs", &["fear_of_violence", "alarm_or_distress", "daily_life_changed"][..]),
            ("spo", &["a", "b", "c"][..]),
            ("escalation", &["gap_days", "new_kinds"][..]),
        ] {
            assert!(names.iter().all(|n| course[part][n].is_array()), "{part}: {course}");
        }
    }
}

#[test]
fn order_names_and_ground_truth_change_nothing() {
    let records = sample();
    let (_, first) = link(&records);
    let mut turned: Vec<Value> = records.iter().rev().cloned().collect();
    for record in &mut turned {
        let object = record.as_object_mut().unwrap();
        for field in ["case", "victim", "suspect", "labels", "spans", "entities", "meta"] {
            object.remove(field);
        }
    }
    let (_, second) = link(&turned);
    for name in ["courses.jsonl", "links.jsonl", "assessed.jsonl"] {
        assert_eq!(lines(first.path(), name), lines(second.path(), name), "{name}");
    }
    // Other ids in the same order give the same groups.
    for record in &mut turned {
        let id = record["id"].as_str().unwrap().replace('R', "X-");
        record["id"] = id.into();
    }
    let (_, third) = link(&turned);
    let renamed: Vec<Value> = lines(third.path(), "courses.jsonl");
    let text = serde_json::to_string(&renamed).unwrap().replace("X-", "R");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&text).unwrap(), lines(first.path(), "courses.jsonl"));
}

#[test]
fn assessed_reports_can_be_linked_again_without_the_model() {
    let (_, folder) = link(&sample());
    let again = folder.path().join("again");
    let input = folder.path().join("out/assessed.jsonl");
    run(&["link", input.to_str().unwrap(), "--out", again.to_str().unwrap()]).expect(0);
    for name in ["courses.jsonl", "links.jsonl"] {
        let first = std::fs::read(folder.path().join("out").join(name)).unwrap();
        assert!(first == std::fs::read(again.join(name)).unwrap(), "{name}");
    }
}

fn report(id: &str, text: &str) -> Value {
    serde_json::json!({"id": id, "text": text})
}

#[test]
fn bad_input_is_said_and_linked_as_far_as_it_goes() {
    let mut records = vec![
        report(
            "B1",
            "Shop theft at the corner shop, two bottles of wine taken, male made off towards the park.",
        ),
        report(
            "B2",
            "Shop theft at the corner  shop, two bottles of wine taken; male made off towards the park",
        ),
        report(
            "B3",
            "Caller gave phone 07000 000000 and name UNKNOWN, says music is loud again in the flats above.",
        ),
        report(
            "B4",
            "Email N/A, phone 0000-000000, name UNKNOWN. Fence panel broken by a lorry, driver left no note.",
        ),
        report("B4", "The same id again, with other words about a lost dog near the station road car park."),
        report(
            "B5",
            "Fly tipping by the river, one sofa and a fridge, no lines of enquiry, passed to the council.",
        ),
    ];
    records[5]["reported_at"] = "2999-01-01".into();
    let (ran, folder) = link(&records);
    let ran = ran.expect(1);
    assert!(ran.stderr.contains("B4"), "{}", ran.stderr);
    assert!(ran.stderr.contains("B1, B2 hold the same text: duplicates"), "{}", ran.stderr);
    assert!(ran.stderr.contains("B5: the date lies in the future"), "{}", ran.stderr);
    let links = lines(folder.path(), "links.jsonl");
    let pair = |a: &str, b: &str| links.iter().find(|l| l["a"] == a && l["b"] == b).cloned().unwrap();
    assert_eq!(pair("B1", "B2")["linked"], true);
    let comparisons: Vec<String> = pair("B3", "B4")["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["comparison"].as_str().unwrap().to_owned())
        .collect();
    for never in ["phone", "email", "suspect_name", "victim_name"] {
        assert!(!comparisons.contains(&never.to_owned()), "{never}: {comparisons:?}");
    }
    // One text that came twice is no course of conduct.
    assert_eq!(lines(folder.path(), "courses.jsonl"), Vec::<Value>::new());
}

#[test]
fn a_helpline_in_many_reports_links_nobody() {
    // The model is not asked: the features alone decide, so a small pool does.
    let records: Vec<Value> = (0..40)
        .map(|i| {
            let what = ["noise", "a broken fence", "a lost phone", "parking", "a barking dog"][i % 5];
            report(
                &format!("H{i:02}"),
                &format!("Complaint number {i} about {what}. Given the helpline 01632 960555 and advice."),
            )
        })
        .collect();
    let (ran, folder) = link(&records);
    ran.expect(0);
    for pair in lines(folder.path(), "links.jsonl") {
        let phone = pair["evidence"].as_array().unwrap().iter().any(|e| e["comparison"] == "phone");
        assert!(!phone, "{pair}");
    }
}

#[test]
fn nothing_to_link_is_an_error_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, "{\"id\": \"A\"}\n").unwrap();
    let out = folder.path().join("out");
    let ran = run(&["link", input.to_str().unwrap(), "--out", out.to_str().unwrap()]).expect(2);
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn a_course_has_a_sheet_in_three_forms() {
    let (_, folder) = link(&sample());
    let out = folder.path().join("out");
    let dir = out.to_str().unwrap();
    for course in lines(folder.path(), "courses.jsonl") {
        let name = course["course"].as_str().unwrap();
        let text = run(&["case", name, "--dir", dir]).expect(0).stdout;
        for part in [
            "OCCASIONS",
            "LIMBS",
            "TEST FOR A STALKING PROTECTION ORDER",
            "Advisory",
            "nothing found in the texts",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Evidence is listed; a finding is never made.
        assert!(!text.contains(" is met") && !text.to_lowercase().contains("no risk"));
        let json = run(&["case", name, "--dir", dir, "--format", "json"]).expect(0).json();
        assert_eq!(json[0]["course"], course);
        let page = folder.path().join("page.html");
        run(&["case", name, "--dir", dir, "--format", "html", "--out", page.to_str().unwrap()]).expect(0);
        let html = std::fs::read_to_string(page).unwrap();
        assert!(html.contains("<svg") && html.contains("<mark") && html.ends_with("</html>\n"));
        for outside in ["<script", "http://", "https://", "src="] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
    // A report stands for its course; an unknown name is refused with what there is.
    let first = &lines(folder.path(), "courses.jsonl")[0];
    run(&["case", first["reports"][0].as_str().unwrap(), "--dir", dir]).expect(0);
    let ran = run(&["case", "K9999", "--dir", dir]).expect(2);
    assert!(ran.stderr.contains("K9999") && ran.stderr.contains("K0001"), "{}", ran.stderr);
    let ran = run(&["case", "K0001", "--dir", folder.path().join("none").to_str().unwrap()]).expect(2);
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn linking_is_measured_beside_rivals() {
    let ran = run(&["evaluate", "--link", "--data", "datasets/sample/reports.jsonl", "--resamples", "20"])
        .expect(0);
    for part in [
        "throughline",
        "shared identifiers",
        "vectors alone",
        "pairwise precision",
        "B-cubed F1, series",
        "first hit",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

/// A pool of made-up features and the folder that it lies in.
fn made_up(reports: usize) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let pool = folder.path().join("pool.jsonl");
    let number = reports.to_string();
    run(&["generate", "pool", "--reports", &number, "--out", pool.to_str().unwrap()]).expect(0);
    let lines = std::fs::read_to_string(pool).unwrap().lines().map(str::to_owned).collect();
    (folder, lines)
}

fn id_of(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    value["features"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn features_are_linked_in_any_order_and_bad_lines_are_refused() {
    let (folder, mut lines) = made_up(900);
    let link = |lines: &[String], out: &str, status: i32| {
        let input = folder.path().join("in.jsonl");
        std::fs::write(&input, lines.join("\n") + "\n").unwrap();
        let out = folder.path().join(out);
        run(&["link", input.to_str().unwrap(), "--out", out.to_str().unwrap()]).expect(status)
    };
    link(&lines, "first", 0);
    lines.reverse();
    lines.push(lines[3].clone());
    lines.push("{\"schema\": \"throughline.features/1\", \"features\": 7}".into());
    let ran = link(&lines, "second", 1);
    assert!(ran.stderr.contains(&format!("the id {} comes twice", id_of(&lines[3]))), "{}", ran.stderr);
    assert!(ran.stderr.contains("in.jsonl:902"), "{}", ran.stderr);
    for name in ["courses.jsonl", "links.jsonl"] {
        let read = |out: &str| std::fs::read(folder.path().join(out).join(name)).unwrap();
        assert!(read("first") == read("second"), "{name}");
    }
    assert!(!folder.path().join("first/assessed.jsonl").exists(), "there are no texts to keep");
}

#[test]
fn a_store_takes_new_reports_and_keeps_decisions() {
    let (folder, lines) = made_up(700);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (store, out) = (path("force.db"), path("out"));
    std::fs::write(path("a.jsonl"), lines[..690].join("\n")).unwrap();
    std::fs::write(path("b.jsonl"), lines[689..].join("\n")).unwrap();
    run(&["link", &path("a.jsonl"), "--store", &store, "--out", &out]).expect(0);
    // One report is there already; the others join.
    let ran = run(&["link", &path("b.jsonl"), "--store", &store, "--out", &out]).expect(1);
    assert!(ran.stderr.contains("the store holds the id"), "{}", ran.stderr);
    assert!(ran.stderr.contains("10 reports joined the store"), "{}", ran.stderr);
    let links = std::fs::read_to_string(path("out/links.jsonl")).unwrap();
    for pair in links.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let sum: f64 = pair["evidence"].as_array().unwrap().iter().map(|e| e["bits"].as_f64().unwrap()).sum();
        assert!((sum - pair["bits"].as_f64().unwrap()).abs() < 1e-6, "{pair}");
    }
    let pair = format!("{},{}", id_of(&lines[0]), id_of(&lines[300]));
    let ran = run(&["link", "--store", &store, "--out", &out, "--confirm", &pair]).expect(0);
    assert!(ran.stderr.contains("is linked with"), "{}", ran.stderr);
    // Linked anew from the store, the decision stands and can be seen.
    run(&["link", &store, "--out", &path("anew")]).expect(0);
    let links = std::fs::read_to_string(path("anew/links.jsonl")).unwrap();
    let told = links.lines().find(|line| line.contains("\"confirmed\"")).expect("the pair is told");
    let told: Value = serde_json::from_str(told).unwrap();
    assert_eq!(told["linked"], true);
    for bad in ["x", "a,", "nobody,noone"] {
        run(&["link", "--store", &store, "--out", &out, "--cut", bad]).expect(2);
    }
    std::fs::write(path("no.db"), "SQLite format 3\0 and nothing else").unwrap();
    run(&["link", &path("no.db"), "--out", &out]).expect(2);
}

#[test]
fn names_that_are_words_and_reports_that_name_nobody_link_nothing() {
    let records = vec![
        report(
            "W1",
            "Caller will mark the date and hopes for grace from the council about the bins on the estate.",
        ),
        report(
            "W2",
            "Informant says the shop will mark down stock; a vase was broken, the owner showed grace about it.",
        ),
        report(
            "W3",
            "Nothing known of anyone. A gate was left open and a sheep got out onto the lane near the farm.",
        ),
    ];
    let (ran, folder) = link(&records);
    ran.expect(0);
    for pair in lines(folder.path(), "links.jsonl") {
        assert_eq!(pair["linked"], false, "{pair}");
        for part in pair["evidence"].as_array().unwrap() {
            let name = part["comparison"].as_str().unwrap();
            assert!(!["suspect_name", "victim_name", "other_name", "time"].contains(&name), "{pair}");
        }
    }
    assert!(lines(folder.path(), "courses.jsonl").is_empty());
}
