//! Bad input: a message that says what was given and what was needed, the
//! right status, and the other records assessed all the same.

use std::path::PathBuf;

use crate::util::{project, run, run_with};

const GOOD: &str =
    r#"{"id": "good", "text": "He has followed her home from work again and she is frightened."}"#;

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Scores JSON Lines in which one record is bad: it is refused by a message
/// with `why`, the good one is answered.
#[track_caller]
fn one_bad_record(bad: &[u8], why: &str) {
    let mut input = bad.to_vec();
    input.extend(format!("\n{GOOD}\n").as_bytes());
    let ran = run_with(&["score", "-", "--input", "jsonl", "--format", "json"], &input).expect(1);
    assert!(ran.stderr.contains(why), "wanted `{why}` in: {}", ran.stderr);
    assert!(ran.stderr.contains("1 of 2 records were refused"), "{}", ran.stderr);
    let answers = ran.json();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["id"], "good");
}

#[track_caller]
fn state_of(text: &str) -> serde_json::Value {
    let line = serde_json::json!({"id": "a", "text": text}).to_string();
    let ran = run_with(&["score", "-", "--format", "json"], line.as_bytes()).expect(0);
    ran.json().remove(0)
}

#[test]
fn an_empty_file() {
    let folder = temporary();
    for name in ["empty.jsonl", "empty.csv", "empty.txt"] {
        let path: PathBuf = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        let ran = run(&["score", path.to_str().unwrap()]).expect(2);
        assert!(ran.stderr.contains("empty"), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
}

#[test]
fn a_missing_file_and_a_directory() {
    let ran = run(&["score", "no/such/file.jsonl"]).expect(2);
    assert!(ran.stderr.contains("no/such/file.jsonl"), "{}", ran.stderr);
    let ran = run(&["score", "datasets"]).expect(2);
    assert!(ran.stderr.contains("directory"), "{}", ran.stderr);
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let ran =
        run(&["score", "no/such/file.jsonl", "datasets/sample/reports.jsonl", "--format", "json"]).expect(1);
    assert!(ran.stdout.lines().count() >= 12);
}

#[test]
fn empty_blank_and_missing_text() {
    one_bad_record(br#"{"id": "a", "text": ""}"#, "text");
    one_bad_record(br#"{"id": "a", "text": " \n "}"#, "text");
    one_bad_record(br#"{"id": "a"}"#, "text");
    one_bad_record(br#"{"id": "a", "text": null}"#, "text");
    one_bad_record(br#"{"text": "He followed her home again last night."}"#, "id");
    run(&["score", "--text", " "]).expect(2);
}

#[test]
fn broken_lines() {
    one_bad_record(b"{\"id\": \"a\", \"text\": \"cut off", "line 1");
    one_bad_record(b"\"no object\"", "line 1");
    one_bad_record(b"{\"id\": \"a\", \"text\": \"caf\xe9 \xff\xfe\"}", "UTF-8");
    one_bad_record(br#"{"id": "a", "text": [7]}"#, "text");
}

#[test]
fn ids_that_come_twice() {
    let line = r#"{"id": "good", "text": "Bike taken from outside the library, lock cut, no suspects."}"#;
    let input = format!("{GOOD}\n{line}\n");
    let ran = run_with(&["score", "-", "--format", "json"], input.as_bytes()).expect(1);
    assert!(ran.stderr.contains("line 1"), "{}", ran.stderr);
    assert_eq!(ran.json().len(), 1);
}

#[test]
fn unknown_fields_are_counted_and_no_error() {
    let line = r#"{"id": "a", "text": "He followed her home again last night.", "shoe_size": 44}"#;
    let ran = run_with(&["score", "-", "--format", "json"], line.as_bytes()).expect(0);
    assert!(ran.stderr.contains("shoe_size (1)"), "{}", ran.stderr);
}

#[test]
fn a_csv_without_the_text_column() {
    let ran = run_with(&["score", "-", "--input", "csv"], b"id,narrative\n1,He came back\n").expect(2);
    assert!(ran.stderr.contains("narrative") && ran.stderr.contains("--map"), "{}", ran.stderr);
}

#[test]
fn invalid_utf8_in_plain_text() {
    let ran =
        run_with(&["score", "-"], b"He came to the caf\xe9 again and would not leave me alone").expect(0);
    assert!(ran.stdout.contains("caf") || !ran.stdout.is_empty());
}

#[test]
fn a_nul_keeps_offsets_true() {
    let text = "He\u{0}followed her home from work again and she told him to stop";
    let answer = state_of(text);
    for indicator in answer["indicators"].as_array().unwrap() {
        for span in indicator["evidence"].as_array().unwrap() {
            let (start, end) =
                (span["start"].as_u64().unwrap() as usize, span["end"].as_u64().unwrap() as usize);
            let want: String = text.chars().skip(start).take(end - start).collect();
            assert_eq!(span["text"].as_str().unwrap(), want);
        }
    }
}

#[test]
fn what_cannot_be_judged_is_said_to_be_so() {
    let texts = [
        "help me please",
        "Mon ancien mari attend devant la boulangerie tous les matins, il fait beau et il achète du pain",
        "😡 😡 😡",
        "زوجي السابق يشتري الخبز كل صباح من المخبز القريب من البيت ثم يذهب إلى العمل",
        "milk, eggs, bread, 2 tins beans, washing powder, onions, carrots, tea bags, toilet roll, cat food",
    ];
    let mut cannot_tell = 0;
    for text in texts {
        let answer = state_of(text);
        // `cannot_tell` never replaces `review`, so a text whose letters the
        // model does not know may come out as that.
        match answer["state"].as_str() {
            Some("cannot_tell") => cannot_tell += 1,
            Some("review") => assert!(answer["stalking"]["p"].as_f64().unwrap() > 0.5),
            other => panic!("{text}: {other:?}"),
        }
        assert_eq!(answer["indicators"].as_array().unwrap().len(), 29);
    }
    assert!(cannot_tell >= 3, "{cannot_tell}");
}

#[test]
fn emoji_and_right_to_left_text_within_english_keep_offsets() {
    let text = "😡😡 he keeps following me home from work, \u{202e}عمر\u{202c} won't stop, i told him to leave me alone 😭";
    let answer = state_of(text);
    for indicator in answer["indicators"].as_array().unwrap() {
        for span in indicator["evidence"].as_array().unwrap() {
            let (start, end) =
                (span["start"].as_u64().unwrap() as usize, span["end"].as_u64().unwrap() as usize);
            let want: String = text.chars().skip(start).take(end - start).collect();
            assert_eq!(span["text"].as_str().unwrap(), want);
        }
    }
}

#[test]
fn a_hundred_thousand_words_are_read_whole() {
    // The one sentence that matters stands at the very end.
    let mut text = "The council van was parked by the shop and the driver went in for milk. ".repeat(7200);
    text += "My ex has followed me home every night this week and I have told him to leave me alone. \
             His number is 07700 900123.";
    assert!(text.split_whitespace().count() > 100_000);
    let line = serde_json::json!({"id": "long", "text": text}).to_string();
    let ran = run_with(&["score", "-", "--format", "json"], line.as_bytes()).expect(0);
    let answer = ran.json().remove(0);
    assert!(answer["windows"].as_u64().unwrap() > 100, "{}", answer["windows"]);
    // The number in the last sentence is found, so the end was read. (That the
    // text is flagged cannot be asked: so little in so much may be lost.)
    let entities = answer["entities"].as_array().unwrap();
    let last = entities.iter().map(|entity| entity["start"].as_u64().unwrap()).max().unwrap();
    assert!(last > 400_000, "{last}");
}

/// A copy of the shipped model in a temporary folder.
fn model_copy() -> tempfile::TempDir {
    let folder = temporary();
    for entry in std::fs::read_dir(project("models/default")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn score_with(model: &str) -> crate::util::Ran {
    run_with(&["score", "-", "--format", "json", "--model", model], GOOD.as_bytes())
}

#[test]
fn a_missing_model() {
    let ran = score_with("no/such/model").expect(3);
    assert!(ran.stderr.contains("no/such/model") && ran.stdout.is_empty(), "{}", ran.stderr);
    let folder = model_copy();
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let ran = score_with(folder.path().to_str().unwrap()).expect(3);
    assert!(ran.stderr.contains("model.safetensors") && ran.stdout.is_empty(), "{}", ran.stderr);
}

#[test]
fn a_truncated_or_altered_model() {
    for file in ["model.safetensors", "thresholds.json", "tokenizer.json"] {
        let folder = model_copy();
        let path = folder.path().join(file);
        let mut data = std::fs::read(&path).unwrap();
        data.truncate(data.len() / 2);
        std::fs::write(&path, &data).unwrap();
        let ran = score_with(folder.path().to_str().unwrap()).expect(3);
        assert!(ran.stderr.contains(file) && ran.stderr.contains("SHA-256"), "{}", ran.stderr);
        assert!(ran.stdout.is_empty(), "never a low score instead");
    }
    let folder = model_copy();
    let path = folder.path().join("model.safetensors");
    let mut data = std::fs::read(&path).unwrap();
    let middle = data.len() / 2;
    data[middle] ^= 1;
    std::fs::write(&path, &data).unwrap();
    score_with(folder.path().to_str().unwrap()).expect(3);
    // The copy as it is, is well.
    score_with(model_copy().path().to_str().unwrap()).expect(0);
}
