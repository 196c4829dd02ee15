//! The `train` command: twice with one seed, and killed and resumed, it gives
//! the same files. A tiny base model is made here, so nothing is downloaded.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::util::{Ran, project, run};

/// Writes a base model of random weights with the shipped tokeniser's
/// vocabulary and a very small encoder.
fn base(folder: &Path) -> PathBuf {
    use std::collections::BTreeMap;

    use throughline::model::folder::{Precision, to_safetensors};
    use throughline::model::{Network, heads_config};
    use throughline::nn::encoder::EncoderConfig;
    use throughline::text::Tokeniser;

    let json = std::fs::read(project("models/default/tokenizer.json")).unwrap();
    let tokeniser = Tokeniser::from_json(&json).unwrap();
    let mut encoder = EncoderConfig::tiny(tokeniser.vocabulary());
    encoder.max_position_embeddings = 128;
    let network = Network::new(tokeniser, encoder.clone(), heads_config(), BTreeMap::new(), 1).unwrap();
    let mut weights = network.params.to_arrays().unwrap();
    weights.retain(|name, _| !name.starts_with("heads."));
    let path = folder.join("base");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("config.json"), serde_json::to_string(&encoder).unwrap()).unwrap();
    std::fs::write(path.join("tokenizer.json"), json).unwrap();
    let weights = to_safetensors(&weights, Precision::Float32).unwrap();
    std::fs::write(path.join("model.safetensors"), weights).unwrap();
    path
}

fn settings(folder: &Path) -> PathBuf {
    let base = base(folder);
    let toml = format!(
        "[data]\ncorpus = [{:?}]\nvalidation_authors = [\"A06\"]\ntest_authors = [\"A03\", \"A10\", \"A16\"]\n\
         [model]\nbase = {base:?}\nname = \"tiny\"\nversion = \"0\"\n\
         [training]\nseed = 7\nmax_steps = 20\nbatch_texts = 4\ncheckpoint_steps = 5\n\
         mask_tokens = 0.1\naverage_decay = 0.9\n[lexical]\nbuckets = 512\n\
         [augment]\ngazetteer = {:?}\n[augment.shares]\nnames = 0.5\njoined = 0.3\ncut = 0.3\n",
        project("datasets/throughline-1"),
        project("datasets/gazetteer.toml"),
    );
    let path = folder.join("settings.toml");
    std::fs::write(&path, toml).unwrap();
    path
}

fn train(settings: &Path, out: &Path) -> Ran {
    run(&["train", settings.to_str().unwrap(), "--out", out.to_str().unwrap()])
}

/// Every file under a folder with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(folder: &Path, root: &Path, files: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, files);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut result = Vec::new();
    walk(folder, folder, &mut result);
    result.sort();
    result
}

#[track_caller]
fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (a, b) in a.iter().zip(&b) {
        assert!(a.1 == b.1, "{} differs", a.0);
    }
}

#[test]
fn one_seed_gives_one_model_also_when_killed_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let at = |name: &str| folder.path().join(name);

    train(&settings, &at("a")).expect(0);
    assert!(at("a").join("model/manifest.json").exists());
    let log = std::fs::read_to_string(at("a").join("log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 20);

    train(&settings, &at("b")).expect(0);
    assert_same(&at("a"), &at("b"));

    // Killed as soon as a checkpoint stands, then asked again.
    let mut child = Command::new(env!("CARGO_BIN_EXE_throughline"))
        .args(["train", settings.to_str().unwrap(), "--out", at("c").to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = at("c").join("checkpoint.bin");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    child.wait().unwrap();
    train(&settings, &at("c")).expect(0);
    assert_same(&at("a"), &at("c"));

    // The model that came out loads and answers.
    let model = at("a").join("model");
    run(&["score", "--text", "He has followed her home again.", "--model", model.to_str().unwrap()])
        .expect(0);
    run(&["model", "verify", model.to_str().unwrap()]).expect(0);
}

#[test]
fn a_checkpoint_is_never_ahead_of_the_log() {
    use throughline::train::Trainer;
    use throughline::train::settings::TrainSettings;

    let folder = tempfile::tempdir().unwrap();
    let toml = std::fs::read_to_string(settings(folder.path())).unwrap();
    let mut settings = TrainSettings::from_toml(&toml).unwrap();
    settings.training.checkpoint_steps = 1;
    let out = folder.path().join("run");

    // Killed before the caller could write down the third step: it is taken again.
    let mut trainer = Trainer::new(settings.clone(), &out).unwrap();
    for _ in 0..3 {
        trainer.next().unwrap().unwrap();
    }
    drop(trainer);
    assert_eq!(Trainer::new(settings, &out).unwrap().resumed_at(), 2);
}

#[test]
fn other_settings_in_the_same_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = settings(folder.path());
    let out = folder.path().join("run");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("settings.toml"), "# another run\n").unwrap();
    let ran = train(&path, &out).expect(2);
    assert!(ran.stderr.contains("other settings"), "{}", ran.stderr);
}

#[test]
fn settings_are_strict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    std::fs::write(&path, "[data]\ncorpus = []\nvalidation_author = ['x']\n").unwrap();
    let ran = train(&path, &folder.path().join("run")).expect(2);
    assert!(ran.stderr.contains("validation_author"), "{}", ran.stderr);
}
