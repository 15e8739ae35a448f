//! From a training to its exported file to another experiment that imports it, with the real worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

/// Three models that are trained, each for a moment.
const SPEC: &str = r#"
spec_version = 1
name = "trained"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 60

[protocol.strict]
metrics = ["hit@1", "ndcg@10"]

[model.sasrec.sasrec]
form = "allmrec"
hidden_units = 16
train.epochs = 2
train.stop.fixed = {}
[model.nextitnet.nextitnet]
hidden_units = 16
train.epochs = 2
train.stop.fixed = {}
[model.ncf.ncf]
hidden_units = 16
train.epochs = 2
train.stop.fixed = {}
"#;

/// The models of [`SPEC`].
const MODELS: [&str; 3] = ["sasrec", "nextitnet", "ncf"];

struct Desk(tempfile::TempDir);

impl Desk {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, spec: &str) -> Output {
        let mut command = Command::new(common::program());
        command
            .args(["run", spec, "-j", "1"])
            .current_dir(self.0.path())
            .env("ALLROUND_WORKER", env!("CARGO_BIN_EXE_allround-worker"))
            .env_remove("ALLROUND_STORE");
        command.output().unwrap()
    }

    /// A results file of an experiment.
    fn bytes(&self, experiment: &str, file: &str) -> Vec<u8> {
        std::fs::read(self.path("results").join(experiment).join(file)).unwrap()
    }

    /// Copies the exported weights of every model to `MODEL.safetensors`.
    fn export(&self) {
        let exported = std::fs::read_dir(self.path(".allround/artefacts/backbone")).unwrap();
        let folders: Vec<PathBuf> = exported.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(folders.len(), MODELS.len());
        for folder in folders {
            let description = std::fs::read_to_string(folder.join("model.json")).unwrap();
            let is_it = |model: &&str| description.contains(&format!("\"{model}\""));
            let model = MODELS.into_iter().find(is_it).unwrap();
            let file = self.path(&format!("{model}.safetensors"));
            std::fs::copy(folder.join("weights.safetensors"), file).unwrap();
        }
    }
}

/// [`SPEC`] in which every model is imported from its file.
fn importing() -> String {
    let mut text = SPEC.replace("name = \"trained\"", "name = \"imported\"");
    let training = "train.epochs = 2\ntrain.stop.fixed = {}";
    for model in MODELS {
        text = text.replacen(training, &format!("weights = \"{model}.safetensors\""), 1);
    }
    text
}

#[test]
fn exported_weights_that_another_experiment_imports_give_the_same_ranks() {
    let desk = Desk(tempfile::tempdir().unwrap());
    std::fs::write(desk.path("trained.toml"), SPEC).unwrap();
    let output = desk.run("trained.toml");
    assert!(output.status.success(), "{output:?}");
    desk.export();
    std::fs::write(desk.path("imported.toml"), importing()).unwrap();
    let output = desk.run("imported.toml");
    assert!(output.status.success(), "{output:?}");
    for model in MODELS {
        let ranks = format!("ranks/toys.overall.{model}.s1.strict.csv.gz");
        let [trained, imported] = ["trained", "imported"].map(|name| desk.bytes(name, &ranks));
        assert!(trained == imported, "{model}");
    }
    let cells = String::from_utf8(desk.bytes("imported", "cells.csv")).unwrap();
    for model in MODELS {
        let cell = format!(",toys.overall.{model}.s1,");
        let mut rows = cells.lines().filter(|row| row.contains(&cell));
        let remark = format!("weights imported from {model}.safetensors, not trained here");
        assert!(
            rows.clone().count() > 0 && rows.all(|row| row.contains(&remark)),
            "{cells}"
        );
    }
    let epochs = String::from_utf8(desk.bytes("imported", "epochs.csv")).unwrap();
    assert_eq!(epochs.lines().count(), 1, "{epochs}");
    refuses_swapped_weights(&desk);
    refuses_another_forward_pass(&desk);
}

/// Weights of another model are refused before anything runs.
fn refuses_swapped_weights(desk: &Desk) {
    let swapped = importing()
        .replace("\"ncf.safetensors\"", "\"sasrec.safetensors\"")
        .replace("name = \"imported\"", "name = \"swapped\"");
    std::fs::write(desk.path("swapped.toml"), swapped).unwrap();
    let output = desk.run("swapped.toml");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for words in [
        "`sasrec.safetensors` lacks `user_embedding.weight`, `item_embedding.weight`",
        "docs/WEIGHTS.md lists every name",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!desk.path("results/swapped").exists());
}

/// A forward pass of two sequences, with these states.
fn forward(states: &[f32]) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView};
    let sequences: Vec<u8> = [0i64, 3, 1, 2, 5, 4].map(i64::to_le_bytes).concat();
    let width = states.len() / 2;
    let states: Vec<u8> = states
        .iter()
        .flat_map(|state| state.to_le_bytes())
        .collect();
    let views = [
        (
            "sequences",
            TensorView::new(Dtype::I64, vec![2, 3], &sequences).unwrap(),
        ),
        (
            "states",
            TensorView::new(Dtype::F32, vec![2, width], &states).unwrap(),
        ),
    ];
    safetensors::serialize(views, None).unwrap()
}

/// A forward pass that gives other numbers fails the cell of its model alone, and says by how much they differ.
fn refuses_another_forward_pass(desk: &Desk) {
    std::fs::write(desk.path("forward.safetensors"), forward(&[0.25; 32])).unwrap();
    let verified = importing()
        .replace(
            "\"sasrec.safetensors\"",
            "\"sasrec.safetensors\"\nweights_check = \"forward.safetensors\"",
        )
        .replace("name = \"imported\"", "name = \"verified\"");
    std::fs::write(desk.path("verified.toml"), verified).unwrap();
    let output = desk.run("verified.toml");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for words in [
        "the imported weights give other numbers than the forward pass in",
        "the largest difference is",
        "these are the weights of another network, or its settings differ",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let metrics = String::from_utf8(desk.bytes("verified", "metrics.csv")).unwrap();
    let failed = metrics.lines().filter(|row| row.ends_with(",failed"));
    assert_eq!(failed.count(), 1, "{metrics}");
}
