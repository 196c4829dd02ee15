//! Running the program in a clean environment.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the program gave.
#[derive(Debug)]
pub struct Ran {
    /// Arguments, for messages.
    pub arguments: Vec<String>,
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Fails with all there is to know unless the status is as wanted.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert!(
            self.status == status,
            "throughline {:?}: status {}, wanted {status}\n--- stdout\n{}\n--- stderr\n{}",
            self.arguments,
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// The lines of standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

/// Runs the program with `stdin`, in an environment with nothing of ours.
pub fn run_with(arguments: &[&str], stdin: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_throughline"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        // The program may stop reading early; that is its right.
        let _ = pipe.write_all(&input);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    Ran {
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the program without input.
pub fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, b"")
}

/// A path inside the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The sample's records as JSON.
pub fn sample() -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(project("datasets/sample/reports.jsonl")).expect("the sample");
    text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}
