//! Reproducible experiments with A-LLMRec and the recommenders it is compared with.
//!
//! Modules are listed in the order in which they may import each other: a module uses only modules above it.
//! `tests/layering.rs` fails, naming file and import, when one does not.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

// Errors with a hint.
pub mod advice;
// The experiment file: as written, as checked, as resolved.
pub mod experiment;
// Finished artefacts, by key.
pub mod store;
// From a resolved experiment to stages with keys.
pub mod plan;
// Files of a results folder.
pub mod results;
// Numbers from their rows: means, intervals, tests, costs.
pub mod analysis;
// Pictures of the numbers: figures, tables, the report.
pub mod render;
// Worker processes.
pub mod exec;
// Terminal and log.
pub mod observe;
// One run: what is missing, then the results folder.
pub mod run;
// The command line.
pub mod cli;
// Subcommands.
pub mod cmd;
