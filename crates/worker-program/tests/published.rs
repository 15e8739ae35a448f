//! A-LLMRec in both published forms, whole and small: a trained text encoder, free answers, and a CF model that is trained here
//! or imported; with the real worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Only sizes and epochs are not those of the presets, and the bound of answers, which the small language model's positions
/// could not hold.
const SPEC: &str = r#"
spec_version = 1
name = "published"
seeds = [1]

[dataset.toys.source.synthetic]
users = 40
items = 150

[encoder.tiny.pretrained]
folder = "ROOT/crates/worker/tests/fixtures/encoders/bert"

[llm.small.pretrained]
folder = "ROOT/assets/small-lm"

[protocol.strict]
candidates.uniform = { n = 9 }
metrics = ["hit@1"]

[model.sasrec.sasrec]
form = "allmrec"
hidden_units = 16
maxlen = 10
train.epochs = 2
train.stop.fixed = {}

[model.code.allmrec]
preset = "published_code"
backbone = "sasrec"
encoder = "tiny"
llm = "small"
align.train.epochs = 1
project.train.epochs = 1
inference.generate.max_new_tokens = 12

[model.paper.allmrec]
preset = "paper"
backbone = "sasrec"
encoder = "tiny"
llm = "small"
align.train.epochs = 1
project.train.epochs = 1
"#;

fn run(folder: &Path, spec: &str) -> Output {
    let mut command = Command::new(common::program());
    command
        .args(["run", spec, "-j", "1"])
        .current_dir(folder)
        .env("ALLROUND_WORKER", env!("CARGO_BIN_EXE_allround-worker"))
        .env_remove("ALLROUND_STORE");
    command.output().unwrap()
}

fn text(folder: &Path, file: &str) -> String {
    let path = folder.join("results").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The exported weights of the only CF model in the store.
fn exported(folder: &Path) -> PathBuf {
    let mut found = std::fs::read_dir(folder.join(".allround/artefacts/backbone")).unwrap();
    let artefact = found.next().unwrap().unwrap().path();
    artefact.join("weights.safetensors")
}

#[test]
fn both_forms_run_whole_and_read_an_imported_cf_model_as_one_that_is_trained_here() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let spec = SPEC.replace("ROOT", &root.display().to_string());
    std::fs::write(folder.path().join("spec.toml"), &spec).unwrap();
    let output = run(folder.path(), "spec.toml");
    assert!(output.status.success(), "{output:?}");

    let metrics = text(folder.path(), "published/metrics.csv");
    // Free answers have their audit; likelihoods have none. Users with one item are trained on padding by the code alone.
    for metric in ["hit,1", "exact", "normalised", "substring", "valid"] {
        let row = format!(",code,,code,1,test,{metric},");
        assert!(metrics.contains(&row), "{metric}: {metrics}");
    }
    assert!(
        !metrics.contains(",paper,,paper,1,test,exact,"),
        "{metrics}"
    );
    let answers = folder.path().join("results/published/answers");
    assert_eq!(std::fs::read_dir(answers).unwrap().count(), 1);
    let used = text(folder.path(), "published/cell_stages.csv");
    for stage in ["align", "project"] {
        for model in ["code", "paper"] {
            let row = format!("toys.overall.{model}.s1,{stage},");
            assert!(used.contains(&row), "{row}\n{used}");
        }
    }

    std::fs::copy(
        exported(folder.path()),
        folder.path().join("own.safetensors"),
    )
    .unwrap();
    let training = "train.epochs = 2\ntrain.stop.fixed = {}";
    let importing = spec
        .replace(training, "weights = \"own.safetensors\"")
        .replace("\"published\"", "\"imported\"");
    std::fs::write(folder.path().join("imported.toml"), importing).unwrap();
    let output = run(folder.path(), "imported.toml");
    assert!(output.status.success(), "{output:?}");
    for model in ["code", "paper"] {
        let ranks = format!("ranks/toys.overall.{model}.s1.strict.csv.gz");
        let [trained, imported] = ["published", "imported"].map(|name| {
            std::fs::read(folder.path().join("results").join(name).join(&ranks)).unwrap()
        });
        assert!(trained == imported, "{model}");
    }
    let cells = text(folder.path(), "imported/cells.csv");
    let marked = cells
        .lines()
        .filter(|row| row.contains("weights imported from own.safetensors"));
    assert_eq!(marked.count(), cells.lines().count() - 1, "{cells}");
}
