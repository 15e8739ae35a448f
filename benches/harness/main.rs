//! Benchmarks of the command and of the core package: `cargo bench -p allround`.
//!
//! Divan is used since its table shows rates (items per second). Without `--bench`, as in
//! `cargo test`, each benchmark runs once.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod candidates;
mod planning;
mod preparation;
mod ranking;
mod statistics;

use std::path::Path;

use allround::experiment::{self, Spec};
use allround::plan;
use allround_core::data::{self, Prepared};
use allround_core::stage::{DrawCandidates, Prepare, Settings};

/// Seconds that one benchmark may take.
const MAX_TIME: f64 = 1.5;

fn main() {
    divan::main();
}

/// The resolved experiment of a TOML text without faults.
fn resolved(text: &str) -> Spec {
    let checked = experiment::load_text("bench.toml", text, Path::new("."), &[]);
    checked.unwrap_or_else(|faults| panic!("{faults}")).spec
}

/// The settings of the experiment's stages.
fn stages(spec: &Spec) -> Vec<Settings> {
    let plan = plan::plan(spec, &mut |path| {
        Ok(allround_core::digest::of_bytes(path.as_bytes()))
    });
    let nodes = plan.expect("the experiment can be planned").graph.nodes;
    nodes.into_iter().map(|node| node.stage.settings).collect()
}

/// The settings of the experiment's first `prepare` stage.
fn prepare_settings(text: &str) -> Prepare {
    let found = stages(&resolved(text))
        .into_iter()
        .find_map(|stage| match stage {
            Settings::Prepare(settings) => Some(settings),
            _ => None,
        });
    found.expect("every experiment prepares a data set")
}

/// The settings of the experiment's first `candidates` stage.
fn candidate_settings(text: &str) -> DrawCandidates {
    let found = stages(&resolved(text))
        .into_iter()
        .find_map(|stage| match stage {
            Settings::Candidates(settings) => Some(settings),
            _ => None,
        });
    found.expect("every experiment draws candidates")
}

/// The prepared data set of these settings.
fn prepared(settings: &Prepare) -> Prepared {
    data::prepare(settings, Path::new("."), &mut |_| {}).expect("the data can be read")
}

/// A small experiment on built-in data of 5,000 users, with one protocol whose candidates are
/// `candidates`.
fn built_in(candidates: &str) -> String {
    format!(
        r#"
spec_version = 1
name = "bench"
[dataset.synthetic.source.synthetic]
users = 5000
items = 2000
[model.popularity.popularity]
[protocol.bench]
candidates.{candidates}
metrics = ["hit@10"]
"#
    )
}
