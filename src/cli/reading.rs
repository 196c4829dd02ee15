//! Options of every command that reads texts: the model, what reads with it,
//! and how many threads it takes.

use clap::{Args, ValueEnum};

use crate::assess::{AssessOptions, Assessor};
use crate::error::{Error, ErrorKind, Result};
use crate::model::EngineKind;

/// What reads the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// Products in int8: the quickest
    Int8,
    /// Products in float32
    Float32,
    /// The trainable reference, in float32: the slowest
    Reference,
}

impl From<Engine> for EngineKind {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Int8 => Self::Int8,
            Engine::Float32 => Self::Float32,
            Engine::Reference => Self::Reference,
        }
    }
}

impl From<EngineKind> for Engine {
    fn from(kind: EngineKind) -> Self {
        match kind {
            EngineKind::Int8 => Self::Int8,
            EngineKind::Float32 => Self::Float32,
            EngineKind::Reference => Self::Reference,
        }
    }
}

/// How texts are read.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// A model folder, or hub:org/name@revision; without it the model inside the program
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// What reads the texts
    #[arg(long, value_enum, default_value_t = EngineKind::default().into())]
    pub(super) engine: Engine,
    /// Threads to read with; without it one for each processor
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
}

impl Reading {
    /// Opens the model, and the threads that it reads with.
    ///
    /// # Errors
    ///
    /// When there is no such model, or the number of threads cannot be.
    pub(super) fn open(&self, options: AssessOptions) -> Result<Assessor> {
        self.start_threads()?;
        super::open_model(self.model.as_deref(), AssessOptions { engine: self.engine.into(), ..options })
    }

    fn start_threads(&self) -> Result<()> {
        let Some(threads) = self.threads else { return Ok(()) };
        if !(1..=1024).contains(&threads) {
            return Err(Error::new(
                ErrorKind::Arguments,
                format!("--threads: a number from 1 to 1024 is needed, not {threads}"),
            ));
        }
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|error| {
            Error::new(ErrorKind::Internal, format!("cannot start {threads} threads: {error}"))
        })
    }
}
