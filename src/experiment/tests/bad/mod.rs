//! Messages of refusals: each case changes the good file in one place and lists all its faults.

mod data;
mod kind;
mod measure;
mod model;
mod name;
mod outputs;
mod protocol;
mod syntax;
mod value;

use super::*;

/// A file without faults; the cases replace a part of it.
const GOOD: &str = r#"spec_version = 1
name = "bad"
seeds = [1, 2]

[dataset.small]
filter = [{ k_core = { users = 5, items = 5 } }]

[dataset.small.source.synthetic]
users = 100
items = 60

[dataset.other.source.synthetic]
domain = 2

[model.tiny.sasrec]
hidden_units = 8
num_heads = 2
dropout = 0.2
loss.bce = { negatives = 1 }
train.epochs = 4

[model.naive.popularity]

[variant.flat]
of = "tiny"
set = { num_blocks = 1 }

[scenario.overall.overall]

[scenario.cold.cold_items]
share = 0.35

[protocol.strict]
candidates.uniform = { n = 19 }
metrics = ["hit@1", "ndcg@10"]

[matrix]
dataset = ["small"]
exclude = [{ model = "naive", scenario = "cold" }]

[[expected]]
dataset = "small"
model = "tiny"
protocol = "strict"
metric = "hit@1"
value = 0.5
tolerance = 0.1
source = "a guess"

[figure.quality.bars]
metric = "hit@1"
protocol = "strict"

[figure.loss.curves]
value = "loss"

[table.main.comparison]
protocol = "strict"
baseline = "naive"
"#;

#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) old: &'static str,
    pub(super) new: &'static str,
    /// Per fault: `line:column: message`, then the label and the hint if it has them.
    pub(super) faults: &'static [&'static str],
}

pub(super) fn faults_of(text: &str, overrides: &[String]) -> Vec<String> {
    faults_in(root(), text, overrides)
}

/// The faults of a file in `folder`, whose path is replaced by `DIR`.
pub(super) fn faults_in(folder: &Path, text: &str, overrides: &[String]) -> Vec<String> {
    let faults = match load_text("bad.toml", text, folder, overrides) {
        Ok(_) => return Vec::new(),
        Err(faults) => faults,
    };
    let line = |fault: FaultLine| {
        let text = fault.to_string();
        let text = text.strip_prefix("bad.toml:").unwrap_or(&text).to_owned();
        let hint = fault.hint.unwrap_or_default();
        let parts = [text, fault.expected, hint]
            .map(|part| part.replace(env!("CARGO_MANIFEST_DIR"), "ROOT"))
            .map(|part| part.replace(&folder.display().to_string(), "DIR"));
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" | ")
    };
    faults.iter().map(line).collect()
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(faults_of(GOOD, &[]), Vec::<String>::new());
}

#[test]
fn a_generator_of_more_than_a_hundred_million_interactions_is_accepted() {
    let large = "users = 10_000_000\nitems = 1_000_000\nmean_length = 20\n";
    let text = GOOD.replacen("users = 100\nitems = 60\n", large, 1);
    assert!(text.contains(large));
    assert_eq!(faults_of(&text, &[]), Vec::<String>::new());
}

#[test]
fn every_bad_file_is_refused_with_these_messages() {
    let all = [
        kind::CASES,
        value::CASES,
        name::CASES,
        model::CASES,
        measure::CASES,
        protocol::CASES,
        outputs::CASES,
        data::CASES,
        syntax::CASES,
    ];
    refused(GOOD, &all.concat());
}

/// Fails with all cases whose faults are not the expected ones.
pub(super) fn refused(good: &str, cases: &[Case]) {
    refused_in(root(), good, cases);
}

pub(super) fn refused_in(folder: &Path, good: &str, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        assert!(good.contains(case.old), "{}", case.what);
        let faults = faults_in(folder, &good.replacen(case.old, case.new, 1), &[]);
        if faults != case.faults {
            wrong.push(format!(
                "{}\n{faults:#?}\nexpected {:#?}",
                case.what, case.faults
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
