//! Reproducible experiments with A-LLMRec and the recommenders it is compared with.
//!
//! The rooms stand in the order in which they may import each other: a room uses only rooms above it.
//! `tests/layering.rs` fails, naming file and import, when one does not.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

// Words.
pub mod cells;
pub mod digest;
pub mod fs;
pub mod metric;
pub mod program;
pub mod seed;
pub mod visible;
// Asking: the experiment file, as written, as checked, as resolved.
pub mod spec;
// The protocol with the worker.
pub mod event;
// Values.
pub mod data;
pub mod stats;
pub mod store;
pub mod text;
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
