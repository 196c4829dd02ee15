//! Throughline reads police incident narratives, recognises stalking in them
//! and shows the words that decided it.
#![deny(missing_docs)]

pub mod codebook;
pub mod corpus;
pub mod error;
pub mod evaluate;
pub mod model;
pub mod nn;
pub mod report;
pub mod rng;
pub mod text;
