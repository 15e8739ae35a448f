//! The settings of data, models and protocols. No field has a default here; all defaults are in `defaults.toml`, and the names of
//! fields are the keys of the TOML file.

pub mod dataset;
pub mod encoder;
pub mod json;
pub mod llm;
pub mod method;
pub mod model;
pub mod protocol;
pub mod sasrec;
pub mod scenario;

pub mod tensors;
pub mod train;

pub use dataset::Dataset;
pub use encoder::Encoder;
pub use llm::{Llm, Prompt};
pub use model::{Model, Variant};
pub use protocol::Protocol;
pub use scenario::Scenario;

/// Defaults and presets of every section, as commented TOML.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Of results that were written before there was a choice.
pub fn answer_token_budget() -> usize {
    16_384
}
