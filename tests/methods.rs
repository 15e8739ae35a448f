//! Commands for an experiment with language models, with the fake worker.

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
llm = "huge"
tune.form = "yes_no"

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

    /// Runs the experiment. Returns the exit code and the standard error.
    fn run(&self, rules: &str) -> (Option<i32>, String) {
        let output = self.command("run spec.toml", rules).output().unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), printed)
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

/// Kinds of stages.
const KINDS: [&str; 7] = [
    "encode-text",
    "pretrain-lm",
    "backbone",
    "align",
    "project",
    "tune",
    "evaluate",
];

#[test]
fn an_experiment_with_language_models_ends_in_audited_and_annotated_results() {
    let desk = Desk::new();
    let (code, printed) = desk.run("");
    assert_eq!(code, Some(0), "{printed}");
    let starts = std::fs::read_to_string(desk.path().join("starts")).unwrap();
    let count = |kind: &str| starts.lines().filter(|line| line.starts_with(kind)).count();
    // One language model for the data set, one alignment and two projections. The variant shares
    // that of A-LLMRec.
    let made = KINDS.map(count);
    assert_eq!(made, [1, 1, 1, 1, 2, 1, 6], "{starts}");

    for metric in ["exact", "normalised", "substring", "valid"] {
        let mut show = desk.command(&format!("show results/methods --metric {metric}"), "");
        let shown = String::from_utf8(show.output().unwrap().stdout).unwrap();
        assert!(shown.contains("allmrec"), "{metric}: {shown}");
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
    let cells = desk.file("cells.csv");
    let ends = |cell: &str, end: &str| {
        let line = cells
            .lines()
            .find(|line| line.contains(&format!(",{cell},")));
        assert!(line.unwrap().ends_with(end), "{cell}: {cells}");
    };
    let notes = "project: micro-batch 2 of 4 after out of memory; project: 3 titles cut";
    let tiny = "\"made-up data, tiny language model\"";
    ends("toys.overall.allmrec.s1", &format!(",ok,,{tiny},{notes}"));
    let random = "\"made-up data, random weights\"";
    ends("toys.overall.only.s1", &format!(",ok,,{random},"));
    ends("toys.overall.gru4rec.s1", ",ok,,made-up data,");
    // A stage has its rows once, also if several cells use it.
    let used = desk.file("cell_stages.csv");
    let users = used.lines().filter(|line| line.contains(",pretrain-lm,"));
    assert!(users.count() > 2, "{used}");
    let stages = desk.file("stages.csv");
    let trained = stages
        .lines()
        .filter(|line| line.contains("pretrain-lm,") && line.contains(",train,"));
    assert_eq!(trained.count(), 1, "{stages}");

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
fn a_fusion_is_measured_by_the_scores_of_its_models_and_marked_like_them() {
    let desk = Desk::new();
    let added = "[scenario.new.new_targets]\n\
        [model.similar.text_similarity]\nencoder = \"hashed\"\n\
        [model.gate.fusion]\nmodels = [\"gru4rec\", \"only\"]\nby = \"popularity_gate\"\n\
        [matrix]\nmodel = [\"gate\", \"similar\", \"gru4rec\"]\n";
    std::fs::write(desk.path().join("spec.toml"), format!("{SPEC}{added}")).unwrap();
    let (code, printed) = desk.run("");
    assert_eq!(code, Some(0), "{printed}");
    let starts = std::fs::read_to_string(desk.path().join("starts")).unwrap();
    let count = |kind: &str| starts.lines().filter(|line| line.starts_with(kind)).count();
    // The language model of the fusion is not in the matrix. It is evaluated all the same.
    assert_eq!(
        ["encode-text", "backbone", "evaluate"].map(count),
        [1, 1, 4],
        "{starts}"
    );
    for cell in [
        "toys.overall.gate.s1",
        "toys.new.gate.s1",
        "toys.new.similar.s1",
    ] {
        assert_eq!(desk.lines(cell, "hit,1").len(), 1, "{cell}");
    }
    let cells = desk.file("cells.csv");
    let gate = cells
        .lines()
        .find(|line| line.contains("toys.overall.gate.s1"));
    let random = ",gru4rec,1,ok,,\"made-up data, random weights\",";
    assert!(gate.unwrap().ends_with(random), "{cells}");
    // Scores are kept in the store, and in the results only where the protocol says so.
    assert!(!desk.path().join("results/methods/scores").exists());
    let (code, _) = desk.run("evaluate/llm=crash");
    assert_eq!(code, Some(0), "the second run needs no worker");
}

#[test]
fn a_failed_alignment_fails_only_the_models_that_need_it() {
    let desk = Desk::new();
    let (code, printed) = desk.run("align=nan");
    assert_eq!(code, Some(1), "{printed}");
    let failed = |cell: &str| {
        let text = desk.file("cells.csv");
        let line = text.lines().find(|line| line.contains(cell));
        line.unwrap_or_else(|| panic!("no row of {cell}: {text}"))
            .contains(",failed,align ")
    };
    assert!(failed("toys.overall.allmrec.s1") && failed("toys.overall.text.s1"));
    assert!(!failed("toys.overall.mlp.s1") && !failed("toys.overall.only.s1"));
}

/// Starts and ends of stages in the log of a run: label, and whether it is a start.
fn log(desk: &Desk) -> Vec<(String, bool)> {
    let text = desk.file("logs/run.jsonl");
    let lines = text.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let event = line["event"].as_str()?;
        Some((line["stage"].as_str()?.to_owned(), event == "started"))
    });
    lines.collect()
}

#[test]
fn stages_of_a_listed_model_run_alone_and_others_in_parallel() {
    let desk = Desk::new();
    let flags = "spec.toml --set run.alone=[\"allmrec\"]";
    let planned = desk.command(&format!("plan {flags}"), "").output().unwrap();
    let planned = String::from_utf8(planned.stdout).unwrap();
    // Language model, texts, CF model, alignment, projection and evaluation.
    assert!(
        planned.contains("0 in the store, 15 to run, 6 of them alone"),
        "{planned}"
    );
    let run = format!("run {flags} -j 4");
    let output = desk.command(&run, "all=sleep:30").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // A label names the first cell that needs the stage; the listed model's cells come first.
    let is_alone = |label: &str| {
        let is_data = label.starts_with("prepare") || label.starts_with("candidates");
        label.contains(".allmrec.") && !is_data
    };
    let mut running: Vec<String> = Vec::new();
    let (mut alone, mut most) = (0, 0);
    for (label, has_begun) in log(&desk) {
        if !has_begun {
            running.retain(|other| *other != label);
            continue;
        }
        running.push(label);
        most = most.max(running.len());
        if running.iter().any(|label| is_alone(label)) {
            assert_eq!(running.len(), 1, "{running:?}");
            alone += 1;
        }
    }
    assert_eq!(alone, 6);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(most > 1 || cores == 1, "nothing ran side by side");
    let planned = desk.command(&format!("plan {flags}"), "").output().unwrap();
    let planned = String::from_utf8(planned.stdout).unwrap();
    assert!(planned.contains("15 in the store, 0 to run\n"), "{planned}");
}

#[test]
fn missing_ranks_are_reported_and_restored_by_the_next_run() {
    let desk = Desk::new();
    assert_eq!(desk.run("").0, Some(0));
    let report = || {
        let output = desk.command("report results/methods", "").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let words = "The per-user ranks of every cell are missing (folder ranks), so there are no intervals and no tests: run the experiment again";
    assert!(!report().contains(words) && !desk.file("report.html").contains(words));
    let results = desk.path().join("results/methods");
    std::fs::remove_dir_all(results.join("ranks")).unwrap();
    assert!(!report().contains("per-user ranks"), "intervals are kept");
    for file in ["intervals.csv", "tests.csv"] {
        std::fs::remove_file(results.join(file)).unwrap();
    }
    assert!(report().contains(words));
    assert!(desk.file("report.html").contains(words));
    let (code, printed) = desk.run("all=crash");
    assert_eq!(code, Some(0), "{printed}");
    assert!(!desk.file("report.html").contains(words) && !report().contains(words));
}

#[test]
fn a_figure_shows_validation_against_samples_with_the_level_of_the_cf_model() {
    let desk = Desk::new();
    let figure =
        "\n[figure.samples.curves]\nvalue = \"mrr\"\nx = \"samples\"\nreference = \"gru4rec\"\n";
    let model = "[model.mlp.mlp_llm]\n";
    let trained = "project.validate.every = 10\nproject.train.epochs = 2\n";
    let spec = SPEC.replace(model, &format!("{model}{trained}"));
    std::fs::write(desk.path().join("spec.toml"), format!("{spec}{figure}")).unwrap();
    let (code, printed) = desk.run("");
    assert_eq!(code, Some(0), "{printed}");
    let line = "epoch 1 evaluating [time: 0.50s, samples: 10] valid mrr: 0.3750";
    assert!(printed.contains(line), "{printed}");
    let csv = desk.file("figures/samples.csv");
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    let expected = [
        ",0,0.25,0.25,0.25,1,made-up data",
        ",10,0.375,0.375,0.375,1,made-up data",
        ",20,0.5,0.5,0.5,1,made-up data",
        ",,0.5,,,,made-up data",
    ];
    assert_eq!(rows.len(), expected.len(), "{csv}");
    for (row, end) in rows.iter().zip(expected) {
        assert!(row.ends_with(end), "{csv}");
    }
    assert!(
        rows[0].contains("mlp") && rows[3].contains("gru4rec"),
        "{csv}"
    );
}
