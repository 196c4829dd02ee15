//! The integration tests, one binary. Contents:
//!
//! - [`imports`]: which room may import which
//! - [`score`]: the `score` command end to end, on good input
//! - [`bad_input`]: what each kind of bad input gets
//! - [`corpus`]: `corpus check`, and the datasets in the repository
//! - [`corpus_tools`]: `generate`, and the other `corpus` commands
//! - [`engine`]: the engine beside the reference, with the shipped model
//! - [`golden`]: the shipped encoder against Hugging Face's implementation
//! - [`evaluate`]: the `evaluate` command, a damaged model, bad input
//! - [`link`]: the `link` command, its files, order, bad input
//! - [`screen`]: the `screen` and `returns` commands, killed and resumed, bad input
//! - [`shipped`]: the model in `models/default` and what must hold of it
//! - [`training`]: the `train` command, twice and resumed

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop where it stands"
)]

mod bad_input;
mod corpus;
mod corpus_tools;
mod engine;
mod evaluate;
mod golden;
mod imports;
mod link;
mod score;
mod screen;
mod shipped;
mod training;
mod util;
