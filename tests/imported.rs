//! Commands for an experiment with imported weights, with the fake worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::path::Path;
use std::process::Output;

use allround_core::models::weights::Weight;
use assert_cmd::Command;
use safetensors::tensor::{Dtype, TensorView};

// 78 of the generated items have interactions.
const SPEC: &str = r#"
spec_version = 1
name = "imported"
seeds = [1, 2]

[dataset.toys.source.synthetic]
users = 60
items = 90

[protocol.strict]
metrics = ["hit@1"]

[llm.small.small]

[model.gru4rec.gru4rec]
train.epochs = 2
train.stop.fixed = {}

[model.mlp.mlp_llm]
backbone = "got"
llm = "small"

[variant.got]
of = "gru4rec"
set = { weights = "given/w.safetensors" }
"#;

/// The model whose weights are imported.
const UNTRAINED: &str = r#"
spec_version = 1
name = "untrained"
[dataset.toys.source.synthetic]
[model.gru4rec.gru4rec]
"#;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("spec.toml"), SPEC).unwrap();
        std::fs::create_dir(dir.path().join("given")).unwrap();
        let desk = Desk(dir);
        desk.put("given/w.safetensors", 79, 0.0);
        desk
    }

    /// Writes a file for the model with `rows` rows of items, in which every number is `number`.
    fn put(&self, name: &str, rows: usize, number: f32) {
        let spec = allround::experiment::load_text("spec.toml", UNTRAINED, self.path(), &[]);
        let spec = spec.unwrap_or_else(|faults| panic!("{faults}")).spec;
        let weights = spec.model["gru4rec"].cf().unwrap().tensors();
        let sizes = |weight: &Weight| -> Vec<usize> {
            let sizes = weight.shape.iter();
            sizes.map(|size| size.known().unwrap_or(rows)).collect()
        };
        let shapes: Vec<Vec<usize>> = weights.iter().map(sizes).collect();
        let bytes: Vec<Vec<u8>> = shapes
            .iter()
            .map(|shape| number.to_le_bytes().repeat(shape.iter().product()))
            .collect();
        let views = weights.iter().zip(&shapes).zip(&bytes);
        let views = views.map(|((weight, shape), bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
            (weight.name.clone(), view)
        });
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(self.path().join(name), file).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allround"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env("ALLROUND_WORKER", common::fake_worker())
            .env_remove("ALLROUND_STORE");
        command.output().unwrap()
    }

    /// Lines of a results file that contain a text.
    fn lines(&self, file: &str, text: &str) -> Vec<String> {
        let path = self.path().join("results/imported").join(file);
        let content = std::fs::read_to_string(path).unwrap();
        let lines = content.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }
}

fn printed(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn cells_of_imported_weights_have_a_note_and_no_epochs() {
    let desk = Desk::new();
    let output = desk.run("run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let note = "backbone: weights imported from given/w.safetensors, not trained here";
    for cell in [
        "toys.overall.got.s1",
        "toys.overall.got.s2",
        "toys.overall.mlp.s1",
    ] {
        let lines = desk.lines("cells.csv", &format!(",{cell},"));
        assert!(!lines.is_empty());
        assert!(lines.iter().all(|line| line.contains(note)), "{lines:#?}");
    }
    let trained = desk.lines("cells.csv", ",toys.overall.gru4rec.s1,");
    assert!(trained[0].ends_with(",ok,,made-up data,"), "{trained:?}");
    let key = |cell: &str| {
        let used = desk.lines("cell_stages.csv", &format!("{cell},backbone,"));
        used[0].rsplit(',').next().unwrap().to_owned()
    };
    let (trained, imported) = (key("toys.overall.gru4rec.s1"), key("toys.overall.got.s1"));
    assert_eq!(desk.lines("epochs.csv", &trained).len(), 2);
    assert!(desk.lines("epochs.csv", &imported).is_empty());
    let phases = desk.lines("stages.csv", &imported);
    assert_eq!(phases.len(), 1);
    assert!(phases[0].starts_with(&format!("backbone,{imported},import,cpu,")));
    assert!(phases[0].ends_with(",1000,,false"), "{phases:?}");
    assert!(!desk.lines("report.html", "not trained here").is_empty());
}

#[test]
fn a_moved_file_keeps_its_key_and_a_changed_one_does_not() {
    let desk = Desk::new();
    let plan = || printed(&desk.run("plan spec.toml"));
    let first = plan();
    assert_eq!(printed(&desk.run("run -n spec.toml")), first);
    desk.put("moved.safetensors", 79, 0.0);
    let moved = "plan spec.toml --set variant.got.set={weights=\"moved.safetensors\"}";
    assert_eq!(printed(&desk.run(moved)), first);
    desk.put("given/w.safetensors", 79, 1.0);
    assert_ne!(plan(), first);
}

#[test]
fn a_missing_file_is_a_fault_of_the_experiment() {
    let desk = Desk::new();
    std::fs::remove_file(desk.path().join("given/w.safetensors")).unwrap();
    for line in ["check", "plan", "run", "run -n"] {
        let output = desk.run(&format!("{line} spec.toml"));
        assert_eq!(output.status.code(), Some(2), "{line}");
        let printed = printed(&output);
        assert!(
            printed.contains("`given/w.safetensors` does not exist")
                && printed.contains("spec.toml:25"),
            "{printed}"
        );
    }
    assert!(!desk.path().join(".allround").exists() && !desk.path().join("results").exists());
}

#[test]
fn a_table_with_too_few_rows_is_found_by_check_in_the_prepared_data() {
    let desk = Desk::new();
    assert_eq!(desk.run("check spec.toml").status.code(), Some(0));
    desk.put("given/w.safetensors", 78, 0.0);
    let output = desk.run("check spec.toml");
    assert_eq!(output.status.code(), Some(2));
    let printed = printed(&output);
    for words in [
        "`given/w.safetensors`: tensor `look_up.weight` has 78 rows, expected 79",
        "row 0 is padding, the other 78 rows are the items of the prepared data",
    ] {
        assert!(printed.contains(words), "{printed}");
    }
    assert!(!desk.path().join(".allround").exists());
}
