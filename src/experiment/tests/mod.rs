//! Tests of the module as a whole.

mod bad;
mod bad_folder;
mod bad_fusion;
mod bad_method;
mod bad_scores;
mod bad_search;
mod bad_texts;
mod bad_weights;
mod experiments;
mod folder;
mod generated;
mod labels;
mod load;
mod profile;
mod short;
mod sources;

use std::path::Path;

use super::load::resolved_from_text;
use super::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn quickstart_with(overrides: &[&str]) -> Result<Checked, Faults> {
    let overrides: Vec<String> = overrides.iter().map(|&flag| flag.to_owned()).collect();
    load(&root().join("experiments/quickstart.toml"), &overrides)
}
