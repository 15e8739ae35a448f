//! CF models that read texts, from an experiment to its results, with the real worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::process::Command;

const SPEC: &str = r#"
spec_version = 1
name = "texts"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 60
[dataset.others.source.synthetic]
users = 60
items = 60
domain = 1

[matrix]
exclude = [{ dataset = "others" }]

[scenario.overall.overall]
[scenario.cross.cross_domain]
target = "others"

[protocol.strict]
metrics = ["hit@1", "ndcg@10"]

[encoder.hashed.hashed]
width = 64
[encoder.bert.pretrained]
folder = "FIXTURES/morec/bert"
[encoder.letters.pretrained]
folder = "FIXTURES/recformer/bert"

[encoder.longformer.pretrained]
folder = "FIXTURES/recformer/longformer"

[model.features.morec]
encoder = "hashed"
train.epochs = 2
[model.initial.morec]
encoder = "hashed"
reading = "initial"
train.epochs = 2
[model.trained.morec]
preset = "upstream"
encoder = "bert"
hidden_units = 16
train.epochs = 2
[model.ctrl.ctrl]
encoder = "hashed"
contrast.train_encoder = false
contrast.train.epochs = 1
train.epochs = 2
[model.published.ctrl]
preset = "published_code"
encoder = "bert"
contrast.train.epochs = 1
train.epochs = 2
[model.recformer.recformer]
hidden_units = 8
num_heads = 2
num_blocks = 1
vocab_size = 400
max_tokens = 100
pretrain.train.epochs = 1
finetune.train.epochs = 2
finetune.train.stop.early = { every = 1 }
[model.from_encoder.recformer]
start = "encoder"
encoder = "letters"
attributes = ["title"]
max_tokens = 40
pretrain.train.epochs = 1
finetune.train.epochs = 1
finetune.train.stop.fixed = {}
[model.from_weights.recformer]
start = "weights"
encoder = "longformer"
max_tokens = 100
pretrain.datasets = ["others"]
finetune.negatives = 4
pretrain.train.epochs = 1
finetune.train.epochs = 1
finetune.train.stop.fixed = {}
"#;

#[test]
fn models_of_texts_are_trained_and_measured_on_their_own_and_on_another_domain() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/tests/fixtures");
    let spec = SPEC.replace("FIXTURES", fixtures);
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let mut command = Command::new(common::program());
    let output = command
        .args(["run", "spec.toml", "-j", "1"])
        .current_dir(folder.path())
        .env("ALLROUND_WORKER", env!("CARGO_BIN_EXE_allround-worker"))
        .env_remove("ALLROUND_STORE")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| {
        let path = folder.path().join("results/texts").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let (metrics, cells) = (read("metrics.csv"), read("cells.csv"));
    for model in [
        "features",
        "initial",
        "trained",
        "ctrl",
        "published",
        "recformer",
        "from_encoder",
        "from_weights",
    ] {
        for scenario in ["overall", "cross"] {
            let cell = format!("toys.{scenario}.{model}.s1");
            let is_it = |line: &&str| line.contains(&cell) && line.contains(",test,ndcg,10,");
            assert_eq!(
                metrics.lines().filter(is_it).count(),
                1,
                "{cell}\n{metrics}"
            );
            assert!(cells.contains(&cell));
        }
    }
}
