//! Which room may import which (ARCHITECTURE.md). A single crate does not
//! enforce directions; this does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::util::project;

/// Each room and the rooms that it may name. `error`, `rng` and `digest` are open to all.
const ALLOWED: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("rng", &[]),
    ("digest", &[]),
    ("codebook", &[]),
    ("report", &["codebook"]),
    ("text", &[]),
    ("nn", &[]),
    ("engine", &["nn"]),
    ("model", &["codebook", "engine", "nn", "text"]),
    ("entities", &["codebook", "text"]),
    ("assess", &["codebook", "engine", "entities", "model", "report", "text"]),
    ("corpus", &["codebook", "report", "text"]),
    ("features", &["assess", "codebook", "entities", "report"]),
    ("link", &["codebook", "entities", "features"]),
    ("store", &["codebook", "entities", "features", "link"]),
    ("conduct", &["assess", "codebook", "entities", "features", "link", "report"]),
    ("evaluate", &["assess", "codebook", "corpus", "entities", "link", "model", "report", "text", "nn"]),
    ("train", &["assess", "codebook", "corpus", "entities", "evaluate", "model", "nn", "text"]),
    ("screen", &["assess", "codebook", "conduct", "entities", "features", "link", "model", "report"]),
    (
        "render",
        &[
            "assess", "codebook", "conduct", "evaluate", "features", "link", "model", "report", "screen",
            "text",
        ],
    ),
    (
        "cli",
        &[
            "assess", "codebook", "conduct", "corpus", "entities", "evaluate", "features", "link", "model",
            "render", "report", "screen", "store", "text", "train",
        ],
    ),
];

/// Crates that only some rooms may name.
const CRATES: &[(&str, &[&str])] = &[
    ("candle_core", &["nn", "model", "train"]),
    ("candle_nn", &["nn"]),
    ("gemm", &["nn"]),
    ("clap", &["cli"]),
    ("hf_hub", &["model"]),
    ("parquet::", &["report"]),
    ("rusqlite", &["screen", "store"]),
    ("tokenizers", &["text"]),
    ("println!", &[]),
    ("eprintln!", &[]),
];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The room that a file belongs to: the first part of its path under src.
fn room(path: &Path) -> String {
    let relative = path.strip_prefix(project("src")).expect("a source file");
    let first = relative.components().next().expect("a part");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Code without comments, strings of documentation and test modules.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap_or("");
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Rooms named after `crate::` in a piece of code, groups included.
fn named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            // `use crate::{a::…, b::…};`
            let group = rest.split('}').next().unwrap_or("");
            rooms.extend(
                group.split(['{', ',']).map(|part| {
                    part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
                }),
            );
        } else {
            rooms.push(name);
        }
    }
    rooms.retain(|r| !r.is_empty());
    rooms
}

#[test]
fn rooms_import_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut files = Vec::new();
    rust_files(&project("src"), &mut files);
    let mut faults = Vec::new();
    for file in files {
        let room = room(&file);
        // A module of tests alone may print and import what it likes.
        let is_test = file.file_name().is_some_and(|name| name == "tests.rs");
        if room == "lib" || room == "main" || is_test {
            continue;
        }
        let Some(allowed) = allowed.get(room.as_str()) else {
            faults.push(format!("{}: room `{room}` is not listed in tests/imports.rs", file.display()));
            continue;
        };
        let code = code(&std::fs::read_to_string(&file).expect("a source file"));
        for other in named(&code) {
            let known = ALLOWED.iter().any(|(name, _)| *name == other);
            let open = other == room || ["error", "rng", "digest"].contains(&other.as_str());
            if known && !open && !allowed.contains(&other.as_str()) {
                faults.push(format!("{}: `{room}` may not import `{other}`", file.display()));
            }
        }
        for (name, rooms) in CRATES {
            if code.contains(name) && !rooms.contains(&room.as_str()) {
                faults.push(format!("{}: `{room}` may not name `{name}`", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_import_test_sees_what_it_should() {
    assert_eq!(named("use crate::nn::ops;\ncrate::{text::X, model};"), ["nn", "text", "model"]);
    assert!(
        code("let a = 1;\n// crate::cli\n#[cfg(test)]\nmod tests { use crate::cli; }").lines().count() == 1
    );
}
