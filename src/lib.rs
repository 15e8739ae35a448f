//! Reproducible experiments with A-LLMRec and the recommenders it is compared with.
//!
//! The rooms stand in the order in which they may import each other: a room uses only rooms above it.
//! `tests/layering.rs` fails, naming file and import, when one does not.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

// The experiment file, as written, as checked, as resolved.
pub mod experiment;
// Statistics and finished artefacts.
pub mod stats;
pub mod store;
// Planning: resolved spec to stages with keys.
pub mod plan;
// Answers.
pub mod record;
pub mod render;
// Doing.
pub mod exec;
pub mod observe;
// Door.
pub mod cli;
pub mod cmd;
