//! The files of a model in a repository of a Hugging Face hub.
//!
//! This is the only file that knows the crate `hf-hub`, and all of it is
//! behind the feature `hub`. Endpoint, token and cache are found as the hub's
//! own tools find them: `HF_ENDPOINT`; `HF_TOKEN` or the file of a login;
//! `HF_HUB_CACHE` or `HF_HOME`. What the cache holds is not asked for again.

#[cfg(feature = "hub")]
pub(super) use fetching::read;

/// Says that this program cannot fetch.
///
/// # Errors
///
/// Always: it was built without the feature `hub`.
#[cfg(not(feature = "hub"))]
pub(super) fn read(
    repo: &str,
    revision: &str,
    _names: &[&str],
    _limits: &super::Limits,
) -> crate::error::Result<super::Files> {
    Err(super::model_error(format!(
        "hub repository {repo}@{revision} cannot be fetched: this program was built without `hub`"
    ))
    .hint("build it with `cargo build --release --features hub`, or give a wheel or a folder instead"))
}

#[cfg(feature = "hub")]
mod fetching {
    use std::error::Error as StdError;
    use std::path::{Path, PathBuf};

    use hf_hub::{HFClientBuilder, HFClientSync, HFError, HFRepositorySync, RepoTypeModel};

    use super::super::{Files, Limits, PARTS, model_error};
    use crate::digest::sha256;
    use crate::error::{Error, Result};

    /// How a hub is reached; what is not set is found in the environment.
    #[derive(Debug, Default)]
    struct Access {
        endpoint: Option<String>,
        cache: Option<PathBuf>,
        retries: Option<usize>,
    }

    /// Fetches the files `names` of a repository at a revision. Those of a
    /// base model must be there, the others may be absent.
    ///
    /// # Errors
    ///
    /// When the hub cannot be reached or refuses, when a file of a base model
    /// is absent, or when a file goes beyond its limit or arrived broken.
    pub(in super::super) fn read(
        repo: &str,
        revision: &str,
        names: &[&str],
        limits: &Limits,
    ) -> Result<Files> {
        read_through(Access::default(), repo, revision, names, limits)
    }

    fn read_through(
        access: Access,
        repo: &str,
        revision: &str,
        names: &[&str],
        limits: &Limits,
    ) -> Result<Files> {
        let origin = format!("hub repository {repo}@{revision}");
        let start = |error: HFError| {
            let text = format!("{origin}: the hub's client does not start: {error}");
            model_error(text).with_source(error)
        };
        let mut builder =
            HFClientBuilder::new().user_agent(concat!("throughline/", env!("CARGO_PKG_VERSION")));
        if let Some(endpoint) = access.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(cache) = access.cache {
            builder = builder.cache_dir(cache);
        }
        if let Some(retries) = access.retries {
            builder = builder.retry_max_attempts(retries);
        }
        let client = builder.build().map_err(start)?;
        let endpoint = client.endpoint().to_owned();
        let (owner, name) = repo.split_once('/').unwrap_or(("", repo));
        let repository = HFClientSync::from_inner(client).map_err(start)?.model(owner, name);

        let mut files = Vec::new();
        for name in names {
            let path = match fetch(&repository, revision, name) {
                Ok(path) => path,
                Err(HFError::EntryNotFound { .. }) if !PARTS.contains(name) => continue,
                Err(error) => return Err(refusal(&origin, &endpoint, name, error)),
            };
            let read = |error| Error::io(&path, error);
            let bytes = path.metadata().map_err(read)?.len();
            limits.check(&origin, name, bytes)?;
            let data = std::fs::read(&path).map_err(read)?;
            if let Some(what) = fault(&path, name, &data) {
                forget(&path);
                return Err(model_error(format!("{origin}: {name} {what}"))
                    .hint("it was taken out of the cache: try again"));
            }
            files.push(((*name).to_owned(), data));
        }
        Ok(Files::from_memory(origin, files))
    }

    /// The place of a file in the cache, which is filled where it is empty.
    fn fetch(
        repository: &HFRepositorySync<RepoTypeModel>,
        revision: &str,
        name: &str,
    ) -> std::result::Result<PathBuf, HFError> {
        let ask = |cached: bool| {
            repository.download_file().filename(name).revision(revision).local_files_only(cached).send()
        };
        match ask(true) {
            Err(HFError::LocalEntryNotFound { .. }) => ask(false),
            known => known,
        }
    }

    /// What is wrong with a file of the cache. The client does not look at
    /// the status of the answer that brings a file, so that the page of an
    /// error may lie here under the name of a model.
    fn fault(path: &Path, name: &str, data: &[u8]) -> Option<String> {
        if name.ends_with(".json") {
            let json = serde_json::from_slice::<serde::de::IgnoredAny>(data);
            if let Err(error) = json {
                return Some(format!("arrived broken: {error}"));
            }
        }
        // A large file lies under the SHA-256 that the hub gave for it.
        let blob = path.canonicalize().ok()?;
        let expected = blob.file_name()?.to_str()?;
        let is_sum = expected.len() == 64 && expected.bytes().all(|b| b.is_ascii_hexdigit());
        let got = if is_sum { sha256(data) } else { return None };
        (got != expected.to_ascii_lowercase())
            .then(|| format!("arrived broken: its SHA-256 is {got}, the hub says {expected}"))
    }

    /// Takes a file out of the cache.
    fn forget(path: &Path) {
        // What cannot be removed is found broken again the next time.
        if let Ok(blob) = path.canonicalize() {
            let _ = std::fs::remove_file(blob);
        }
        let _ = std::fs::remove_file(path);
    }

    /// A failure of the client in our words.
    fn refusal(origin: &str, endpoint: &str, name: &str, error: HFError) -> Error {
        let (message, hint) = match &error {
            HFError::EntryNotFound { .. }
            | HFError::RepoNotFound { .. }
            | HFError::RevisionNotFound { .. } => (
                format!("{endpoint} has no {name} in {origin}"),
                "look whether the repository, the revision and the file are spelt as there",
            ),
            HFError::AuthRequired { .. } | HFError::Forbidden { .. } => (
                format!("{endpoint} does not give out {origin}: it is private, or not there"),
                "a private repository needs a token: set HF_TOKEN",
            ),
            HFError::RateLimited { .. } => {
                (format!("{endpoint} has had too many requests and gives no {name}"), "try again later")
            }
            HFError::Request { source, .. } => (
                format!("{endpoint} cannot be reached: {}", deepest(source)),
                "without a network give a wheel or a folder; HF_ENDPOINT names another hub",
            ),
            _ => (
                format!("{origin}: {name} cannot be fetched: {error}"),
                "without the hub give a wheel or a folder",
            ),
        };
        model_error(message).hint(hint).with_source(error)
    }

    /// The cause behind the causes, which is the one that says something.
    fn deepest<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
        let mut error = error;
        while let Some(source) = error.source() {
            error = source;
        }
        error
    }

    #[cfg(test)]
    mod tests {
        use std::collections::BTreeMap;
        use std::io::{BufRead, BufReader, Write};
        use std::net::{TcpListener, TcpStream};
        use std::sync::{Arc, Mutex};

        use super::super::super::tests::tiny_members;
        use super::super::super::{BaseModel, Source, import};
        use super::*;
        use crate::error::ErrorKind;
        use crate::model::folder::WEIGHTS;

        const REPO: &str = "example/tiny-bert";
        const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

        /// How the server of a test behaves.
        #[derive(Clone, Copy, PartialEq)]
        enum Manner {
            Honest,
            /// Asks everyone for a token.
            Locked,
            /// Announces the weights and sends an error page in their place.
            Failing,
        }

        /// A hub on this machine with one repository at one commit.
        struct Hub {
            endpoint: String,
            requests: Arc<Mutex<Vec<String>>>,
        }

        impl Hub {
            fn new(files: BTreeMap<String, Vec<u8>>, manner: Manner) -> Self {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let endpoint = format!("http://{}", listener.local_addr().unwrap());
                let requests = Arc::new(Mutex::new(Vec::new()));
                let log = Arc::clone(&requests);
                // The thread ends with the process of the tests.
                std::thread::spawn(move || {
                    for stream in listener.incoming().flatten() {
                        let _ = answer(stream, &files, manner, &log);
                    }
                });
                Self { endpoint, requests }
            }

            fn requests(&self) -> Vec<String> {
                self.requests.lock().unwrap().clone()
            }
        }

        fn answer(
            mut stream: TcpStream,
            files: &BTreeMap<String, Vec<u8>>,
            manner: Manner,
            log: &Mutex<Vec<String>>,
        ) -> std::io::Result<()> {
            let mut lines = BufReader::new(stream.try_clone()?).lines();
            let request = lines.next().transpose()?.unwrap_or_default();
            let mut token = String::new();
            while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
                if let Some(value) = line.strip_prefix("authorization: ") {
                    token = format!(" with {value}");
                }
            }
            let mut words = request.split(' ');
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            log.lock().unwrap().push(format!("{method} {path}{token}"));
            let file =
                path.strip_prefix(&format!("/{REPO}/resolve/{COMMIT}/")).and_then(|name| files.get(name));
            let head = method == "HEAD";
            let (status, body) = match file {
                _ if manner == Manner::Locked => ("401 Unauthorized", b"who?".to_vec()),
                None => ("404 Not Found", b"nothing here".to_vec()),
                Some(_) if manner == Manner::Failing && !head => {
                    ("403 Forbidden", b"<html>no</html>".to_vec())
                }
                Some(data) => ("200 OK", data.clone()),
            };
            let sum = file.map(|data| sha256(data)).unwrap_or_default();
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"{sum}\"\r\n\
                 x-repo-commit: {COMMIT}\r\nconnection: close\r\n\r\n",
                body.len()
            )?;
            if !head {
                stream.write_all(&body)?;
            }
            stream.flush()
        }

        fn access(endpoint: &str, cache: &Path) -> Access {
            Access { endpoint: Some(endpoint.to_owned()), cache: Some(cache.to_owned()), retries: Some(1) }
        }

        #[test]
        fn a_repository_is_read_at_its_revision_and_then_from_the_cache() {
            let cache = tempfile::tempdir().unwrap();
            let members = tiny_members();
            let hub = Hub::new(members.clone(), Manner::Honest);
            let read = |endpoint: &str| {
                let limits = Limits::default();
                let names: Vec<&str> = PARTS.into_iter().chain(["CARD.md"]).collect();
                read_through(access(endpoint, cache.path()), REPO, COMMIT, &names, &limits)
            };
            let files = read(&hub.endpoint).unwrap();
            for (name, data) in &members {
                assert_eq!(files.get(name).unwrap(), data);
            }
            assert!(files.find("CARD.md").is_none());
            let asked = hub.requests();
            let wanted = format!("GET /{REPO}/resolve/{COMMIT}/{WEIGHTS}");
            assert!(asked.iter().any(|a| a.starts_with(&wanted)), "{asked:?}");
            // Nothing listens there: all of it, the absent file too, is known.
            let files = read("http://127.0.0.1:9").unwrap();
            assert_eq!(files.get(WEIGHTS).unwrap(), members[WEIGHTS]);
            assert_eq!(hub.requests(), asked);
            // What was read is a base model.
            assert_eq!(BaseModel::check(&files).unwrap().dropped.len(), 3);
        }

        #[test]
        fn refusals_say_what_the_hub_said() {
            struct Case {
                manner: Manner,
                repo: &'static str,
                message: &'static str,
                hint: &'static str,
            }
            for case in [
                Case {
                    manner: Manner::Honest,
                    repo: "example/other",
                    message: "HUB has no config.json in hub repository example/other@COMMIT",
                    hint: "look whether the repository, the revision and the file are spelt as \
                           there",
                },
                Case {
                    manner: Manner::Locked,
                    repo: REPO,
                    message: "HUB does not give out hub repository example/tiny-bert@COMMIT: it \
                              is private, or not there",
                    hint: "a private repository needs a token: set HF_TOKEN",
                },
                Case {
                    manner: Manner::Failing,
                    repo: REPO,
                    message: "hub repository example/tiny-bert@COMMIT: config.json arrived \
                              broken: expected value at line 1 column 1",
                    hint: "it was taken out of the cache: try again",
                },
            ] {
                let cache = tempfile::tempdir().unwrap();
                let hub = Hub::new(tiny_members(), case.manner);
                let error = read_through(
                    access(&hub.endpoint, cache.path()),
                    case.repo,
                    COMMIT,
                    &PARTS,
                    &Limits::default(),
                )
                .unwrap_err();
                let message = error.to_string().replace(&hub.endpoint, "HUB");
                assert_eq!(message.replace(COMMIT, "COMMIT"), case.message);
                assert_eq!(error.hint_text(), Some(case.hint));
                assert_eq!(error.kind(), ErrorKind::Model);
            }
        }

        #[test]
        fn a_broken_file_is_not_kept() {
            let cache = tempfile::tempdir().unwrap();
            let limits = Limits::default();
            let names = [WEIGHTS];
            let read = |hub: &Hub| {
                let access = access(&hub.endpoint, cache.path());
                read_through(access, REPO, COMMIT, &names, &limits)
            };
            let failing = Hub::new(tiny_members(), Manner::Failing);
            let error = read(&failing).unwrap_err().to_string();
            assert!(error.contains("model.safetensors arrived broken: its SHA-256 is "), "{error}");
            let honest = Hub::new(tiny_members(), Manner::Honest);
            let files = read(&honest).unwrap();
            assert_eq!(files.get(WEIGHTS).unwrap(), tiny_members()[WEIGHTS]);
        }

        #[test]
        fn a_file_beyond_the_limit_is_refused() {
            let cache = tempfile::tempdir().unwrap();
            let hub = Hub::new(tiny_members(), Manner::Honest);
            let limits = Limits { weights: 100, ..Limits::default() };
            let error =
                read_through(access(&hub.endpoint, cache.path()), REPO, COMMIT, &PARTS, &limits).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit);
        }

        #[test]
        fn a_hub_that_is_not_there_is_named() {
            // A port that was free a moment ago.
            let address = {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                listener.local_addr().unwrap()
            };
            let cache = tempfile::tempdir().unwrap();
            let endpoint = format!("http://{address}");
            let error =
                read_through(access(&endpoint, cache.path()), REPO, COMMIT, &PARTS, &Limits::default())
                    .unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with(&format!("{endpoint} cannot be reached: ")), "{message}");
            assert_eq!(
                error.hint_text(),
                Some("without a network give a wheel or a folder; HF_ENDPOINT names another hub")
            );
            let error = read_through(
                access("not an address", cache.path()),
                REPO,
                COMMIT,
                &PARTS,
                &Limits::default(),
            )
            .unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "hub repository {REPO}@{COMMIT}: the hub's client does not start: relative \
                     URL without a base"
                )
            );
        }

        /// The other half of the next test, in a process of its own: only there
        /// can the environment be set.
        #[test]
        #[ignore = "run by `the_environment_names_hub_token_and_cache`"]
        fn import_as_the_environment_says() {
            let Some(out) = std::env::var_os("THROUGHLINE_TEST_OUT") else {
                return;
            };
            let source = Source::parse(&format!("hub:{REPO}@{COMMIT}")).unwrap();
            let done = import(&source, Path::new(&out), false).unwrap();
            assert_eq!(done.base.source.kind, "hub");
            assert_eq!(done.base.source.name, format!("{REPO}@{COMMIT}"));
            // The same for a model to be used, whose other files are absent.
            let files = Files::from_hub(REPO, COMMIT).unwrap();
            assert_eq!(files.get(WEIGHTS).unwrap(), tiny_members()[WEIGHTS]);
            assert!(files.find("manifest.json").is_none());
        }

        #[test]
        fn the_environment_names_hub_token_and_cache() {
            let dir = tempfile::tempdir().unwrap();
            let hub = Hub::new(tiny_members(), Manner::Honest);
            let cache = dir.path().join("cache");
            let half = concat!(module_path!(), "::import_as_the_environment_says");
            // Names of tests begin after the name of the crate.
            let (_, half) = half.split_once("::").unwrap();
            let run = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", half, "--ignored"])
                .env("THROUGHLINE_TEST_OUT", dir.path().join("base"))
                .env("HF_ENDPOINT", &hub.endpoint)
                .env("HF_HUB_CACHE", &cache)
                .env("HF_TOKEN", "a-token")
                .env_remove("HF_HUB_DISABLE_IMPLICIT_TOKEN")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&run.stdout);
            assert!(
                run.status.success() && said.contains("1 passed"),
                "{said}{}",
                String::from_utf8_lossy(&run.stderr)
            );
            assert!(dir.path().join("base/base.json").is_file());
            assert!(cache.is_dir());
            let asked = hub.requests();
            let bearer = " with Bearer a-token";
            assert!(asked.iter().all(|a| a.ends_with(bearer)), "{asked:?}");
        }
    }
}
