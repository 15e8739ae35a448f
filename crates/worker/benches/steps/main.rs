//! Benchmarks of the worker: `cargo bench -p allround-worker`. One CPU thread, as CF models are trained by default.
//!
//! Without `--bench`, as in `cargo test`, each benchmark runs once.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod batches;
mod cf;
mod lm;

use std::path::Path;

use allround::experiment;
use allround_core::data::{self, Prepared};
use allround_core::models::Model;
use allround_core::stage::{DrawCandidates, Settings};

/// Seconds that one benchmark may take.
const MAX_TIME: f64 = 2.0;

/// Every CF model that is trained, with the settings of the defaults, on built-in data.
const MODELS: &str = r#"
spec_version = 1
name = "bench"
[dataset.synthetic.source.synthetic]
users = 2000
items = 2000
[model.sasrec.sasrec]
[model.gru4rec.gru4rec]
[model.nextitnet.nextitnet]
[model.ncf.ncf]
[model.bert4rec.bert4rec]
[model.hstu.hstu]
[protocol.bench]
candidates.uniform = { n = 100 }
metrics = ["hit@10"]
"#;

fn main() {
    tch::set_num_threads(1);
    divan::main();
}

/// What the benchmarks of CF models share.
struct Fixture {
    prepared: Prepared,
    candidates: DrawCandidates,
    model: Model,
}

impl Fixture {
    /// The prepared data, and the model called `name` in [`MODELS`].
    fn of(name: &str) -> Self {
        let checked = experiment::load_text("bench.toml", MODELS, Path::new("."), &[]);
        let spec = checked.unwrap_or_else(|faults| panic!("{faults}")).spec;
        let plan = allround::plan::plan(&spec, &mut |_| unreachable!("built-in data has no files"));
        let (mut prepare, mut candidates) = (None, None);
        for node in plan.expect("the experiment can be planned").graph.nodes {
            match node.stage.settings {
                Settings::Prepare(settings) => prepare = Some(settings),
                Settings::Candidates(settings) => candidates = Some(settings),
                _ => {}
            }
        }
        let prepare = prepare.expect("every experiment prepares a data set");
        let prepared = data::prepare(&prepare, Path::new("."), &mut |_| {});
        Self {
            prepared: prepared.expect("built-in data can be prepared"),
            candidates: candidates.expect("every experiment draws candidates"),
            model: spec.model[name].clone(),
        }
    }
}
