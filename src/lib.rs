//! Throughline reads police incident narratives, recognises stalking in them
//! and shows the words that decided it.
//!
//! Data flows one way: [`report`] to [`text`] to [`model`] to [`assess`] to
//! [`render`]. The rooms and what each may know stand in `ARCHITECTURE.md`.
#![deny(missing_docs)]

pub mod assess;
pub mod cli;
pub mod codebook;
pub mod conduct;
pub mod corpus;
pub mod digest;
pub mod engine;
pub mod entities;
pub mod error;
pub mod evaluate;
pub mod features;
pub mod link;
pub mod model;
pub mod nn;
pub mod render;
pub mod report;
pub mod rng;
pub mod screen;
pub mod store;
pub mod text;
pub mod train;
