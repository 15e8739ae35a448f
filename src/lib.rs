//! Reproducible experiments with A-LLMRec and the recommenders it is compared with.
//!
//! A module imports only modules that are listed before it. `tests/layering.rs` checks this.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

// Errors with a hint.
pub mod advice;
// The experiment file: parsed, checked and resolved.
pub mod experiment;
// Where stages can run: the site file.
pub mod site;
// Settings that a search tries.
pub mod search;
// Finished artefacts, by key.
pub mod store;
// Stages of a resolved experiment, with their keys.
pub mod plan;
// Files of a results folder.
pub mod results;
// Means, intervals, tests and costs, computed from the rows.
pub mod analysis;
// Figures, tables and the report.
pub mod render;
// Worker processes.
pub mod exec;
// Terminal and log.
pub mod observe;
// One run: the missing stages, then the results folder.
pub mod run;
// The command line.
pub mod cli;
// Subcommands.
pub mod cmd;
