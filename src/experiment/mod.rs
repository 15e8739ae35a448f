//! The experiment file: TOML as written, checked like a compiler checks code, resolved against every default.
//!
//! Three shapes: as written (`written`, values with their places), as checked (`structure`, then `check`, every fault in
//! one pass), as resolved ([`Spec`]). The config types are the only description of structure; the checker, the editors'
//! JSON schema and the reference in `docs/SPEC.md` are all derived from them, and every default stands in
//! `defaults.toml`. Only syntax errors end the pass early, since nothing after them can be trusted.

pub mod config;

mod check;
mod checked;
mod defaults;
mod elsewhere;
mod fault;
mod folder;
mod load;
mod lone_blanks;
mod markdown;
mod overrides;
mod place;
mod resolve;
mod schema;
mod select;
mod shape;
mod structure;
mod suggest;
mod variant;
mod written;

#[cfg(test)]
mod tests;

pub use allround_core::defaults::DEFAULTS;
pub use check::weights::{TableRows, table_rows};
pub use checked::{Checked, Origin};
pub use config::Spec;
pub use fault::{FaultLine, Faults};
pub use load::{load, load_resolved, load_text};
pub use lone_blanks::lone_blanks;
pub use markdown::format_markdown;
pub use schema::schema_json;
pub use select::Selected;
