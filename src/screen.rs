//! Screening an export in one batch: which of these closed reports should a
//! person open first, and why?
//!
//! [`Start`] says what a run reads and how; [`work`] keeps its place on disk, so
//! that a run that was killed goes on; [`pipeline`] reads, assesses and writes
//! in bounded memory; [`gather`] links the batch and ranks it; [`manifest`]
//! closes it. Views are drawn by `render`, which the caller calls in between.
//!
//! Nothing here depends on the clock, the machine or where files lie; only the
//! manifest holds such things.

pub mod features_db;
pub mod gather;
pub mod linking;
pub mod manifest;
pub mod pipeline;
pub mod rank;
pub mod returns;
pub mod row;
pub mod select;
pub mod settings;
pub mod work;

pub use gather::Found;
pub use row::Row;
pub use select::Selection;
pub use settings::{InputFile, ModelUsed, Settings, Start};
