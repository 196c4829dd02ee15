//! Measuring: metrics with intervals, and the baselines that they stand beside.

pub mod metrics;
