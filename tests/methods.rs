//! An experiment with language models as a user types it, on the fake worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::path::Path;

use assert_cmd::Command;

const SPEC: &str = r#"
spec_version = 1
name = "methods"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 90

[scenario.overall.overall]
[scenario.cold.cold_items]

[protocol.strict]
metrics = ["hit@1"]

[encoder.hashed.hashed]
[llm.small.small]
[llm.huge.random]
shape = "opt-6.7b"
tokenizer = "tokenizer"

[model.gru4rec.gru4rec]
train.epochs = 2
train.stop.fixed = {}

[model.allmrec.allmrec]
backbone = "gru4rec"
encoder = "hashed"
llm = "small"
align.train_encoder = false
inference.generate = {}

[model.mlp.mlp_llm]
backbone = "gru4rec"
llm = "small"
inference.constrained = {}

[model.only.llm_only]
llm = "huge"

[model.tallrec.tallrec]
llm = "small"
form = "yes_no"

[variant.text]
of = "allmrec"
set = { item = "text" }
"#;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("spec.toml"), SPEC).unwrap();
        std::fs::create_dir(dir.path().join("tokenizer")).unwrap();
        std::fs::write(dir.path().join("tokenizer/vocab.json"), "{}").unwrap();
        Desk(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, line: &str, rules: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allround"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env("ALLROUND_WORKER", common::fake_worker())
            .env("FAKE_WORKER", rules)
            .env("FAKE_WORKER_LOG", self.path().join("starts"))
            .env_remove("ALLROUND_STORE");
        command
    }

    /// Runs the experiment; gives exit code and what was said.
    fn run(&self, rules: &str) -> (Option<i32>, String) {
        let output = self.command("run spec.toml", rules).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join("results/methods").join(name)).unwrap()
    }

    /// Lines of `metrics.csv` of a cell and metric.
    fn lines(&self, cell: &str, metric: &str) -> Vec<String> {
        let is_it = |line: &&str| line.contains(cell) && line.contains(&format!(",test,{metric},"));
        let text = self.file("metrics.csv");
        text.lines().filter(is_it).map(str::to_owned).collect()
    }
}

#[test]
fn an_experiment_with_language_models_ends_in_audited_and_remarked_results() {
    let desk = Desk::new();
    let (code, said) = desk.run("");
    assert_eq!(code, Some(0), "{said}");
    let starts = std::fs::read_to_string(desk.path().join("starts")).unwrap();
    let count = |kind: &str| starts.lines().filter(|line| line.starts_with(kind)).count();
    // One language model of the data set's own, one alignment and two projections (A-LLMRec's is the variant's, too).
    let made = [
        "encode-text",
        "pretrain-lm",
        "backbone",
        "align",
        "project",
        "tune",
        "evaluate",
    ]
    .map(count);
    assert_eq!(made, [1, 1, 1, 1, 2, 1, 6], "{starts}");

    for metric in ["exact", "normalised", "substring", "valid"] {
        for scenario in ["overall", "cold"] {
            assert_eq!(
                desk.lines(&format!("toys.{scenario}.allmrec.s1"), metric)
                    .len(),
                1,
                "{metric}"
            );
            assert!(
                desk.lines(&format!("toys.{scenario}.gru4rec.s1"), metric)
                    .is_empty()
            );
        }
    }
    assert!(desk.lines("toys.overall.tallrec.s1", "auc")[0].contains(",auc,,0.5,"));
    let hit = &desk.lines("toys.overall.allmrec.s1", "hit")[0];
    assert!(
        hit.ends_with(
            ",ok,,project: micro-batch 2 of 4 after out of memory; project: 3 titles cut"
        ),
        "{hit}"
    );
    assert!(desk.lines("toys.overall.only.s1", "hit")[0].ends_with(",ok,,random weights"));
    assert!(desk.lines("toys.overall.gru4rec.s1", "hit")[0].ends_with(",ok,,"));

    for cell in ["toys.overall.allmrec.s1", "toys.cold.mlp.s1"] {
        assert!(
            desk.path()
                .join(format!("results/methods/answers/{cell}.strict.csv.gz"))
                .exists()
        );
    }
    let report = desk.file("report.html");
    for words in [
        "What the language models answered",
        "random weights",
        "Pre-training of its LM",
    ] {
        assert!(report.contains(words), "{words}");
    }
    let (code, _) = desk.run("all=crash");
    assert_eq!(code, Some(0), "the second run needs no worker");
}

#[test]
fn a_failed_alignment_fails_what_is_built_on_it_and_nothing_else() {
    let desk = Desk::new();
    let (code, said) = desk.run("align=nan");
    assert_eq!(code, Some(1), "{said}");
    let failed = |cell: &str| {
        let text = desk.file("metrics.csv");
        let mut lines = text.lines().filter(|line| line.contains(cell));
        lines.all(|line| line.contains(",failed,align "))
    };
    assert!(failed("toys.overall.allmrec.s1") && failed("toys.overall.text.s1"));
    assert!(!failed("toys.overall.mlp.s1") && !failed("toys.overall.only.s1"));
}
