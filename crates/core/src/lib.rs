//! Code that `allround` and `allround-worker` share: settings, data, texts, stages and the events
//! between the two programs.
//!
//! Modules are listed in the order in which they may import each other; `tests/layering.rs` checks
//! it.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

pub mod cells;
pub mod digest;
pub mod fs;
pub mod metric;
pub mod problem;
pub mod program;
pub mod seed;
pub mod server;
pub mod visible;

#[cfg(test)]
#[path = "../../../tests/common/test_data.rs"]
mod test_data;

pub mod event;
pub mod lm_config;
pub mod source;

pub mod config;

pub mod models;
pub use models::stage;

pub mod defaults;

pub mod data;
pub mod text;
