//! Loads experiment files: reads, checks, and resolves them against all defaults.
//!
//! The crate `layered_toml` parses the file, checks its structure and resolves it. `format` gives
//! it the types of [`config`], the defaults and the rules of this program. `check` then checks the
//! meaning. The result is a [`Spec`]. The JSON schema for editors and the reference in
//! `docs/SPEC.md` are generated from the same types.

pub mod config;

mod check;
mod checked;
mod declared;
mod folder;
mod format;
mod labels;
mod load;
mod reference;
mod search;
mod select;
mod suite;

#[cfg(test)]
mod tests;

use layered_toml::{fault, place, shape, suggest, variant, written};

pub use check::search::whole_at;
pub use check::weights::{TableRows, table_rows};
pub use checked::Checked;
pub use config::Spec;
pub use format::DEFAULTS;
pub use layered_toml::{FaultLine, Faults, Origin};
pub use load::{load, load_resolved, load_text};
pub use reference::{format_markdown, schema_json};
pub use select::Selected;
pub use suite::{Suite, suite_file};
