//! The one error type of the library.
//!
//! An [`Error`] is opaque: its wording may change, its [`ErrorKind`] is what a
//! caller decides by. Messages are in lower case without a full stop and say
//! what was given and what was needed. The next step, if there is one, is kept
//! apart as a hint, so that the command line can print it on a line of its own.
//!
//! There is no implicit conversion from [`std::io::Error`]: it does not know
//! the path, and a message without the path is of no use. See [`Error::io`].

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

/// The result of every fallible function in this library.
pub type Result<T> = std::result::Result<T, Error>;

/// What sort of thing went wrong; the command line maps it to its exit status.
#[non_exhaustive]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller asked for something that cannot be: an unknown option or name.
    Arguments,
    /// A file to be read is no such thing: empty, a directory, without the
    /// columns that are needed.
    Input,
    /// A dataset or data file was read, but breaks its own rules.
    Data,
    /// The model is absent, damaged or not of the form that is needed.
    Model,
    /// The operating system refused to read or write.
    Io,
    /// A limit that was set has been passed (size, drift, audit).
    Limit,
    /// A fault in this program.
    Internal,
}

/// Something that could not be done, why, and where known what to do next.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind; `message` is lower case and without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, message: message.into(), hint: None, source: None }))
    }

    /// The operating system refused something about `path`.
    pub fn io(path: impl AsRef<Path>, err: std::io::Error) -> Error {
        Error::new(ErrorKind::Io, format!("{}: {err}", path.as_ref().display())).with_source(err)
    }

    /// Keeps the error that caused this one.
    pub fn with_source(mut self, err: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.0.source = Some(err.into());
        self
    }

    /// Adds what the reader can do next.
    pub fn hint(mut self, text: impl Into<String>) -> Error {
        self.0.hint = Some(text.into());
        self
    }

    /// What sort of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the reader can do next, where that is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("hint", &self.0.hint)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(err) => Some(err.as_ref()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_parts() {
        let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let err = Error::io("logs/april.csv", refused).hint("ask for the right to read it");
        assert_eq!(err.kind(), ErrorKind::Io);
        assert_eq!(err.to_string(), "logs/april.csv: permission denied");
        assert_eq!(err.hint_text(), Some("ask for the right to read it"));
        assert!(err.source().is_some());
    }

    #[test]
    fn an_error_may_cross_threads_and_is_small() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
