//! The `screen` and `returns` commands end to end: the sample, a run that is
//! killed and goes on, what differs, bad input.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::util::{Ran, project, run, sample};

const CLOSED: &str = "datasets/sample/closed.csv";
const MAP: &str = "datasets/sample/closed.toml";

/// Files of a finished run whose bytes depend on input, model and settings alone.
const FILES: [&str; 9] = [
    "assessments.jsonl",
    "rejected.jsonl",
    "ranked.csv",
    "recorded_as_stalking.csv",
    "courses.jsonl",
    "links.jsonl",
    "assessed.jsonl",
    "features.db",
    "report.html",
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn screen(files: &[&Path], out: &Path, more: &[&str]) -> Ran {
    let mut arguments = vec!["screen"];
    arguments.extend(files.iter().map(|f| text(f)));
    arguments.extend(["--out", text(out)]);
    arguments.extend(more);
    run(&arguments)
}

fn contents(out: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    FILES.iter().map(|name| (*name, std::fs::read(out.join(name)).expect(name))).collect()
}

fn lines(out: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join(name)).expect(name);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| {
        header.iter().zip(row.iter()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    };
    reader.records().map(|r| row(r.unwrap())).collect()
}

#[test]
fn the_sample_gives_every_file_and_a_second_run_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("screened");
    let closed = PathBuf::from(CLOSED);
    let ran = screen(&[&closed], &out, &["--map-file", MAP, "--per-day", "0.05"]).expect(0);
    assert!(ran.stdout.is_empty(), "data goes to files: {}", ran.stdout);
    for said in
        ["id from `Crime Ref No`", "does not read Beat Team", "to open first:", "recorded as stalking"]
    {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    let before = contents(&out);
    assert!(!out.join("work").exists());

    // One assessment a line in the order of the input, and a rank for each that
    // was not recorded as stalking.
    let ids: Vec<String> = table(&closed)
        .iter()
        .map(|row| row.iter().find(|(name, _)| name.ends_with("Crime Ref No")).unwrap().1.clone())
        .collect();
    let assessed: Vec<String> =
        lines(&out, "assessments.jsonl").iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(assessed, ids);
    let ranked = table(&out.join("ranked.csv"));
    assert_eq!(ranked.len() + table(&out.join("recorded_as_stalking.csv")).len(), ids.len());
    let p: Vec<f64> = ranked.iter().map(|row| row["p"].parse().unwrap()).collect();
    assert!(p[0] > p[p.len() - 1], "{p:?}");
    assert_eq!(ranked[0]["rank"], "1");
    assert_eq!(ranked[0]["state"], "review");
    assert!(!ranked[0]["phrase_1"].is_empty() && !ranked[0]["days"].is_empty());

    // Where the input lay and when it was read stand in the manifest alone.
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["read"]["assessed"], ids.len());
    for (name, bytes) in &before {
        assert_eq!(manifest["outputs"][name]["bytes"], bytes.len(), "{name}");
        let words = String::from_utf8_lossy(bytes);
        for place in [CLOSED, text(folder.path())] {
            assert!(!words.contains(place), "{name} holds {place}");
        }
    }
    let page = String::from_utf8(before["report.html"].clone()).unwrap();
    assert!(page.contains("<mark") && page.contains("<svg") && page.contains("A person decides"));
    for outside in ["http://", "https://", "<link", "<img", "src="] {
        assert!(!page.contains(outside), "the page needs nothing from elsewhere: {outside}");
    }

    let again = screen(&[&closed], &out, &["--map-file", MAP, "--per-day", "0.05"]).expect(0);
    assert!(again.stderr.contains("this run is finished"), "{}", again.stderr);
    assert_eq!(contents(&out), before);

    // Another setting and another input are noticed.
    let other = screen(&[&closed], &out, &["--map-file", MAP, "--per-day", "0.05", "--top", "7"]).expect(2);
    assert!(other.stderr.contains("top: was 100, is 7"), "{}", other.stderr);
    let changed = folder.path().join("changed.csv");
    let mut bytes = std::fs::read(project(CLOSED)).unwrap();
    bytes.extend(b"42/1,,,,,,,He was back outside her house.,,\r\n");
    std::fs::write(&changed, bytes).unwrap();
    let other = screen(&[&changed], &out, &["--map-file", MAP, "--per-day", "0.05"]).expect(2);
    assert!(other.stderr.contains("input 1.sha256: was"), "{}", other.stderr);
    assert_eq!(contents(&out), before);

    // A course's sheet can be drawn from the folder, and the return be made.
    let course = lines(&out, "courses.jsonl")[0]["course"].as_str().unwrap().to_owned();
    let sheet = run(&["case", &course, "--dir", text(&out)]).expect(0);
    assert!(sheet.stdout.contains(&course));
    run(&["returns", text(&out)]).expect(0);
    let told = table(&out.join("returns.csv"));
    assert!(told.iter().all(|row| row["reports"] == "*" || row["reports"] == "0"), "few reports: {told:?}");
    run(&["returns", text(&out), "--whole", "--least", "1"]).expect(0);
    let told = table(&out.join("returns.csv"));
    let total: usize = told[0]["reports"].parse().unwrap();
    let by_class = told.iter().filter(|row| row["measure"] == "recorded_as");
    assert_eq!(by_class.map(|row| row["reports"].parse::<usize>().unwrap()).sum::<usize>(), total);
    assert!(std::fs::read_to_string(out.join("returns.html")).unwrap().contains("By district"));
}

/// The sets of reports of the courses of a folder, in order.
fn courses(out: &Path) -> Vec<BTreeSet<String>> {
    let ids = |course: &Value| {
        course["reports"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let mut all: Vec<BTreeSet<String>> = lines(out, "courses.jsonl").iter().map(ids).collect();
    all.sort();
    all
}

#[test]
fn a_batch_is_linked_with_an_earlier_screening_and_with_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let made = std::fs::read_to_string(project("datasets/sample/reports.jsonl")).unwrap();
    // Reports of both courses in either half.
    let half =
        |odd: usize| made.lines().skip(odd).step_by(2).map(|line| format!("{line}\n")).collect::<String>();
    std::fs::write(place("one.jsonl"), half(0)).unwrap();
    std::fs::write(place("two.jsonl"), half(1)).unwrap();
    std::fs::write(place("whole.jsonl"), &made).unwrap();
    let day = ["--as-of", "2026-01-01"];
    for name in ["one", "whole"] {
        screen(&[&place(&format!("{name}.jsonl"))], &place(name), &day).expect(0);
    }
    let features = place("one/features.db");
    let store = place("store.db");
    run(&["link", text(&features), "--store", text(&store), "--out", text(&place("linked"))]).expect(0);

    let two = place("two.jsonl");
    let mine: BTreeSet<String> = half(1)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    for (beside, out) in [(&features, place("features")), (&store, place("store"))] {
        let more = [&day[..], &["--link", text(beside)]].concat();
        let ran = screen(&[&two], &out, &more).expect(0);
        assert!(ran.stderr.contains("reports beside the batch"), "{}", ran.stderr);
        let mut of_whole = courses(&place("whole"));
        of_whole.retain(|reports| !reports.is_disjoint(&mine));
        let found = courses(&out);
        assert_eq!(found, of_whole);
        assert!(found.iter().any(|reports| !reports.is_subset(&mine)), "a course reaches beyond the batch");
        for link in lines(&out, "links.jsonl") {
            assert!(["a", "b"].iter().any(|end| mine.contains(link[*end].as_str().unwrap())), "{link}");
        }
        for report in lines(&out, "assessed.jsonl") {
            assert!(mine.contains(report["report"]["id"].as_str().unwrap()));
        }
        assert_eq!(lines(&out, "assessments.jsonl").len(), mine.len());
        let quoted = lines(&out, "courses.jsonl")
            .iter()
            .any(|course| !course["spo"]["a"].as_array().unwrap().is_empty());
        assert!(quoted, "the batch's own words are quoted");
        let page = std::fs::read_to_string(out.join("report.html")).unwrap();
        assert!(page.contains("Linked with reports outside this batch: "));
        let course = lines(&out, "courses.jsonl")[0]["course"].as_str().unwrap().to_owned();
        let sheet = run(&["case", &course, "--dir", text(&out)]).expect(0);
        assert!(sheet.stderr.contains("has no narrative in this folder"), "{}", sheet.stderr);
        // The same again is the same run; without it, it is another.
        assert!(screen(&[&two], &out, &more).expect(0).stderr.contains("this run is finished"));
        let other = screen(&[&two], &out, &day).expect(2);
        assert!(other.stderr.contains("link.sha256: was"), "{}", other.stderr);
    }
    // What the batch holds itself counts once.
    let ran =
        screen(&[&place("one.jsonl")], &place("again"), &[&day[..], &["--link", text(&features)]].concat());
    assert!(ran.expect(0).stderr.contains("linked with 0 reports beside the batch; 9 more"), "again");
    let ran = screen(&[&two], &place("none"), &["--link", text(&two)]).expect(2);
    assert!(ran.stderr.contains("two.jsonl"), "{}", ran.stderr);
    assert!(!place("none").exists());
}

/// Starts a run and kills it as soon as `reached` holds; false when it ended before.
fn killed(arguments: &[&str], reached: &dyn Fn() -> bool) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_throughline"))
        .args(arguments)
        .env_clear()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    loop {
        if child.try_wait().expect("the program's state").is_some() {
            return false;
        }
        if reached() {
            child.kill().expect("the program is killed");
            child.wait().expect("the program is gone");
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("export.csv");
    let reports = project("datasets/sample/reports.jsonl");
    run(&["generate", "export", text(&reports), "--rows", "40", "--seed", "3", "--out", text(&input)])
        .expect(0);
    // Two records that are refused, one of them at a border of rounds or near one.
    let bytes = std::fs::read(&input).unwrap();
    let mut rows: Vec<u8> = bytes.clone();
    rows.extend(
        b"42/000001/21,,,,,,,A second report with the first id.,,\r\n42/9,31/12/21,,,,,,He was back.,,\r\n",
    );
    std::fs::write(&input, rows).unwrap();
    let more = ["--map-file", MAP, "--round-tokens", "500"];

    let whole = folder.path().join("whole");
    screen(&[&input], &whole, &more).expect(1);
    let wanted = contents(&whole);

    let out = folder.path().join("killed");
    let mut arguments = vec!["screen", text(&input), "--out", text(&out)];
    arguments.extend(more);
    let journal = out.join("work/journal.jsonl");
    let marked = || std::fs::read(&journal).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
    let mut kills = 0;
    // The journal begins anew with each start, so this is rounds since then. The
    // last kills come while results are gathered, when each file appears.
    for rounds in [1usize, 2, 1, 3] {
        let start = std::fs::metadata(&journal).is_ok();
        kills += usize::from(killed(&arguments, &|| marked() >= rounds + usize::from(start)));
        assert!(!out.join("manifest.json").exists());
    }
    for name in ["work/features.db", "links.jsonl", "courses.jsonl", "report.part"] {
        kills += usize::from(killed(&arguments, &|| out.join(name).exists()));
    }
    assert!(kills >= 6, "killed {kills} times only");
    let ran = run(&arguments);
    assert!(ran.status == 1 || ran.stderr.contains("this run is finished"), "{}", ran.stderr);
    let got = contents(&out);
    for (name, bytes) in &wanted {
        assert!(got[name] == *bytes, "{name} differs after {kills} kills");
    }
    assert_eq!(lines(&out, "assessments.jsonl").len(), 40);
    let refused = lines(&out, "rejected.jsonl");
    assert_eq!(refused.len(), 2);
    assert!(refused[0]["reason"].as_str().unwrap().contains("used before"), "{refused:?}");
    assert!(refused[1]["reason"].as_str().unwrap().contains("2021-12-31 or 2031-12-21"), "{refused:?}");
}

#[test]
fn a_full_disk_leaves_no_half_line_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("full"));
    let arguments = ["--map-file", MAP, "--round-tokens", "600"];
    screen(&[Path::new(CLOSED)], &whole, &arguments).expect(0);
    // A limit on the length of files fails a write as a full disk does.
    let command = format!(
        "ulimit -f 40; trap '' XFSZ; exec {} screen {CLOSED} --out {} {}",
        env!("CARGO_BIN_EXE_throughline"),
        out.display(),
        arguments.join(" ")
    );
    let ended = Command::new("bash")
        .args(["-c", &command])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("make room"), "{said}");
    let half = std::fs::read(out.join("assessments.jsonl")).unwrap();
    assert!(half.is_empty() || half.ends_with(b"\n"));
    for line in half.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        serde_json::from_slice::<Value>(line).expect("a whole line");
    }
    screen(&[Path::new(CLOSED)], &out, &arguments).expect(0);
    assert_eq!(contents(&out), contents(&whole));
}

#[test]
fn the_features_of_a_run_are_linked_as_the_run_linked_them() {
    let folder = tempfile::tempdir().unwrap();
    let (out, again) = (folder.path().join("out"), folder.path().join("again"));
    screen(&[Path::new(CLOSED)], &out, &["--map-file", MAP]).expect(0);
    let database = out.join("features.db");
    run(&["link", text(&database), "--out", text(&again)]).expect(0);
    let pair =
        |link: &Value| (link["a"].clone().to_string(), link["b"].to_string(), link["bits"].to_string());
    let of = |place: &Path| lines(place, "links.jsonl").iter().map(pair).collect::<Vec<_>>();
    assert_eq!(of(&again), of(&out));
    assert!(!of(&out).is_empty());
}

#[test]
fn bad_rows_are_refused_with_reasons_and_the_rest_is_screened() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("bad.csv");
    let mut rows: Vec<u8> = b"id,text,reported_at,weather\r\n".to_vec();
    let good = "He has followed her home from work again and she told him to stop.";
    rows.extend(format!("G1,{good},17/04/2023,1\n").bytes());
    rows.extend(format!("B1,{good},03/04/24,1\r").bytes());
    rows.extend(format!("B2,{good},04/25/2024,1\r\n").bytes());
    rows.extend(format!("G1,{good},17/04/2023,x\n").bytes());
    rows.extend(b"G2,He waited outside the caf\xe9 for her again and would not go away.,18/04/2023,2.5\n");
    rows.extend(format!("G3,\"{good}\r\nAnd again at the café.\",18/04/2023,yes\n").bytes());
    rows.extend(b"B3,,18/04/2023,\n");
    rows.extend(format!("B4,{},18/04/2023,\n", "word ".repeat(2_000_000)).bytes());
    rows.extend(format!("B5,{good}\n").bytes());
    rows.extend(b",,,\n".repeat(1_000_000));
    rows.extend(format!("G4,{good},18/04/2023,\n").bytes());
    std::fs::write(&input, &rows).unwrap();
    let out = folder.path().join("out");
    let ran = screen(&[&input], &out, &[]).expect(1);
    assert!(ran.stderr.contains("6 records were refused"), "{}", ran.stderr);
    assert!(ran.stderr.contains("only month first"), "{}", ran.stderr);
    let ids: Vec<Value> = lines(&out, "assessments.jsonl").into_iter().map(|a| a["id"].clone()).collect();
    assert_eq!(ids, ["G1", "G2", "G3", "G4"]);
    let reasons: Vec<String> = lines(&out, "rejected.jsonl")
        .iter()
        .map(|r| {
            format!("{} {} {}", r["line"], r["id"].as_str().unwrap_or("-"), r["reason"].as_str().unwrap())
        })
        .collect();
    for (reason, wanted) in reasons.iter().zip([
        "3 B1 `reported_at`: year with two digits: `03/04/24`, could be 2024-04-03 or 2024-03-04",
        "4 B2 `reported_at`: no such day, read day first",
        "5 G1 `id` was used before: line 2",
        "9 B3 `text` is blank",
        "10 B4 `text` has 10000000 characters, 600000 at most are read",
        "11 B5 row has 2 cells, the header has 4",
    ]) {
        assert!(reason.starts_with(wanted), "{reason}\nwanted {wanted}");
    }
    assert_eq!(reasons.len(), 6);
}

#[test]
fn packed_files_are_read_and_one_that_was_cut_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let lines_of: String = sample().iter().take(6).map(|r| format!("{r}\n")).collect();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(lines_of.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let whole = folder.path().join("a.jsonl.gz");
    std::fs::write(&whole, &packed).unwrap();
    let out = folder.path().join("whole");
    screen(&[&whole], &out, &[]).expect(0);
    assert_eq!(lines(&out, "assessments.jsonl").len(), 6);

    let zstandard = folder.path().join("a.jsonl.zst");
    let frame =
        ruzstd::encoding::compress_to_vec(lines_of.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    std::fs::write(&zstandard, frame).unwrap();
    let other = folder.path().join("zstandard");
    screen(&[&zstandard], &other, &[]).expect(0);
    let same = contents(&other)["assessments.jsonl"] == contents(&out)["assessments.jsonl"];
    assert!(same, "the packing changes nothing");

    let cut = folder.path().join("cut.jsonl.gz");
    std::fs::write(&cut, &packed[..packed.len() - packed.len() / 3]).unwrap();
    let out = folder.path().join("cut");
    let ran = screen(&[&cut], &out, &[]).expect(1);
    assert!(ran.stderr.contains("reading ended early"), "{}", ran.stderr);
    let read = lines(&out, "assessments.jsonl").len();
    assert!((1..6).contains(&read), "{read}");
    assert!(lines(&out, "rejected.jsonl")[0]["reason"].as_str().unwrap().contains("reading failed"));
}

#[test]
fn runs_that_cannot_begin_say_why_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let input = folder.path().join("header.csv");
    std::fs::write(&input, "id,text,closed_at\r\n").unwrap();
    let ran = screen(&[&input], &out, &[]).expect(2);
    assert!(ran.stderr.contains("a header and no records"), "{}", ran.stderr);
    assert!(!out.exists());

    let other = folder.path().join("other.csv");
    std::fs::write(&other, "ref,narrative\n1,He came back.\n").unwrap();
    let ran = screen(&[&other], &out, &[]).expect(2);
    assert!(ran.stderr.contains("no column `id`") && ran.stderr.contains("--map"), "{}", ran.stderr);
    assert!(!out.exists());

    // The input would be written over.
    let inside = folder.path().join("assessments.jsonl");
    std::fs::write(&inside, "{\"id\":\"R1\",\"text\":\"He came back.\"}\n").unwrap();
    let ran = screen(&[&inside], folder.path(), &[]).expect(2);
    assert!(ran.stderr.contains("the folder of the results"), "{}", ran.stderr);
    assert!(!folder.path().join("work").exists());

    // A file stands where the folder would be made.
    let ran = screen(&[&inside], &input.join("out"), &[]).expect(2);
    assert!(ran.stderr.contains("header.csv"), "{}", ran.stderr);

    let ran = screen(&[&inside], &out, &["--since", "03/04/24"]).expect(2);
    assert!(ran.stderr.contains("2024-04-03 or 2024-03-04"), "{}", ran.stderr);
    let ran = screen(&[&inside], &out, &["--per-day", "0"]).expect(2);
    assert!(ran.stderr.contains("--per-day"), "{}", ran.stderr);
    let ran = screen(&[folder.path()], &out, &[]).expect(2);
    assert!(ran.stderr.contains("directory") || ran.stderr.contains("Is a"), "{}", ran.stderr);
    let ran = screen(&[&inside], &out, &["--closed-only"]).expect(2);
    assert!(ran.stderr.contains("1 were not chosen"), "{}", ran.stderr);
    let ran = run(&["returns", text(folder.path())]).expect(2);
    assert!(ran.stderr.contains("features.db"), "{}", ran.stderr);
}

#[test]
fn a_suggested_mapping_reads_the_sample() {
    let ran = run(&["screen", "--suggest-mapping", CLOSED]).expect(0);
    let committed = std::fs::read_to_string(project(MAP)).unwrap();
    for line in committed.lines().filter(|line| !line.starts_with('#')) {
        assert!(ran.stdout.lines().any(|l| l == line), "{line}\n{}", ran.stdout);
    }
    assert!(ran.stdout.contains("#   Beat Team"), "{}", ran.stdout);
}

#[test]
fn only_what_is_chosen_is_screened() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let more =
        ["--map-file", MAP, "--closed-only", "--recorded-as", "civil dispute", "--since", "2021-08-22"];
    let ran = screen(&[Path::new(CLOSED)], &out, &more).expect(0);
    assert!(ran.stderr.contains("recorded as another class"), "{}", ran.stderr);
    let ranked = table(&out.join("ranked.csv"));
    assert!(!ranked.is_empty() && ranked.len() < 4);
    assert!(ranked.iter().all(|row| row["recorded_as"] == "civil dispute" && *row["date"] >= *"2021-08-22"));
}

/// The reviewer's first ten rows on authors that the model never met.
#[test]
#[ignore = "assesses 713 reports, about a minute"]
fn the_first_ten_rows_of_the_test_split_hold_at_least_nine_hidden_reports() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let files: Vec<PathBuf> = ["A03", "A10", "A16", "A35", "A38", "A39", "A40"]
        .iter()
        .map(|author| project("datasets/throughline-1").join(format!("{author}.jsonl")))
        .collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    screen(&paths, &out, &[]).expect(0);
    let mut likely = BTreeMap::new();
    for path in &files {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            likely
                .insert(record["id"].as_str().unwrap().to_owned(), record["labels"]["stalking"] == "likely");
        }
    }
    let ranked = table(&out.join("ranked.csv"));
    let hidden =
        |row: &&BTreeMap<String, String>| likely[&row["id"]] && !row["recorded_as"].contains("stalk");
    let hits = ranked.iter().take(10).filter(hidden).count();
    assert!(hits >= 9, "{hits} of 10");
}

#[test]
fn an_export_of_marked_up_reports_holds_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let (marked, export) = (folder.path().join("marked.jsonl"), folder.path().join("export.csv"));
    let text_of = |words: &str| format!("{{\"id\": \"R1\", \"text\": \"{words}\"}}\n");
    std::fs::write(
        &marked,
        text_of("Her ex [[@person.suspect:Dan]] [[loitering:sat outside in the Golf]] again."),
    )
    .unwrap();
    run(&["generate", "export", text(&marked), "--seed", "1", "--out", text(&export)]).expect(0);
    let rows = table(&export);
    assert_eq!(rows[0]["MO Text"], "Her ex Dan sat outside in the Golf again.");
}
