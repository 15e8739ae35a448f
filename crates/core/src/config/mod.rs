//! Settings of data sets, language models, prompts, scenarios and protocols. The names of fields
//! are the keys of the TOML file. No field has a default here: defaults are in the commented TOML
//! of [`crate::defaults`]. Settings of data sources are in [`crate::source`].

pub mod dataset;
pub mod encoder;
pub mod llm;
pub mod protocol;
pub mod scenario;

pub use dataset::Dataset;
pub use encoder::Encoder;
pub use llm::{Llm, Prompt};
pub use protocol::Protocol;
pub use scenario::Scenario;
