//! A-LLMRec with a real language model, SmolLM2-135M, from training to ranks.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::path::Path;
use std::process::Command;

/// In single precision, with prompts as long as those of `experiments/amazon/industrial.toml`.
const SPEC: &str = r#"
spec_version = 1
name = "real"
seeds = [1]
run.threads = 2

[dataset.toys.source.synthetic]
users = 40
items = 150

[encoder.hashed.hashed]
width = 16

[llm.smollm2.pretrained]
gguf = "ROOT/.assets/smollm2-135m/model.gguf"

[prompt.default]
list = false
history = 5
title_tokens = 16
# Titles of built-in data are short; the rest of a prompt of 190 tokens is this.
template = "{user}LONG This user has bought {history}. The next one is "

[protocol.strict]
candidates.uniform = { n = 19 }
metrics = ["hit@1"]
max_users = 2

[model.sasrec]
hidden_units = 16
maxlen = 10
train.epochs = 1
train.stop.fixed = {}

[model.allmrec]
backbone = "sasrec"
encoder = "hashed"
llm = "smollm2"
inference.score = { by = "gain" }
align = { train_encoder = false, train.epochs = 1 }
project = { start = "token_scale", max_samples = 8, train = { epochs = 1, batch_size = 4 } }
"#;

/// The columns of a CSV file that the test reads, by row.
fn columns<const N: usize>(path: &Path, names: [&str; N]) -> Vec<[String; N]> {
    let mut rows = csv::Reader::from_path(path).unwrap();
    let heads = rows.headers().unwrap().clone();
    let places = names.map(|name| heads.iter().position(|head| head == name).unwrap());
    let rows = rows.records().map(Result::unwrap);
    rows.map(|row| places.map(|place| row[place].to_owned()))
        .collect()
}

#[test]
fn stage_2_with_smollm2_at_batch_4_fits_in_4_gigabytes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join(".assets/smollm2-135m/model.gguf").is_file() {
        println!("skipped: no .assets/smollm2-135m (scripts/setup-smollm2.sh)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let long = " This is a customer who has bought many things here.".repeat(12);
    let spec = SPEC.replace("ROOT", root.to_str().unwrap());
    let spec = spec.replace("LONG", &long);
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let output = Command::new(common::program())
        .args(["run", "spec.toml", "-q", "-j", "1", "--out", "results"])
        .current_dir(folder.path())
        .env("ALLROUND_WORKER", env!("CARGO_BIN_EXE_allround-worker"))
        .env_remove("ALLROUND_STORE")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let results = folder.path().join("results/real");
    let stages = columns(
        &results.join("stages.csv"),
        ["kind", "phase", "examples", "peak_rss_bytes"],
    );
    let [.., examples, peak] = stages
        .iter()
        .find(|[kind, phase, ..]| kind == "project" && phase == "train")
        .unwrap();
    assert_eq!(examples, "8");
    let peak: f64 = peak.parse().unwrap();
    assert!(peak > 0.5e9 && peak < 4e9, "{peak} bytes");
    let measured = columns(&results.join("metrics.csv"), ["name", "n_users", "value"]);
    let allmrec = measured.iter().filter(|[name, ..]| name == "allmrec");
    assert!(allmrec.clone().count() > 0);
    for [_, users, value] in allmrec {
        assert_eq!(users, "2");
        assert!((0.0..=1.0).contains(&value.parse::<f64>().unwrap()));
    }
}
