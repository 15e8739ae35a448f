//! Searches and estimates from end to end, on the fake worker: its numbers follow from the keys of
//! stages.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use desk::{Desk, err};

const SPEC: &str = r#"
spec_version = 1
name = "small"
seeds = [1, 2]

[dataset.toys.source.synthetic]
users = 60
items = 90

[model.gru4rec]
train.epochs = 2
train.stop.fixed = {}

[search.tuned]
of = "gru4rec"
space.dropout = [0.1, 0.2, 0.3]
space.train.lr = [0.001, 0.01]
metric = "ndcg@10"
protocol = "strict"

[protocol.strict]
metrics = ["hit@1", "ndcg@10"]
splits = ["valid", "test"]
"#;

fn desk(spec: &str) -> Desk {
    let desk = Desk::new();
    desk.put("spec.toml", spec);
    desk
}

/// The rows of a file of results, by column.
fn rows(desk: &Desk, file: &str) -> Vec<BTreeMap<String, String>> {
    let path = desk.path().join("results/small").join(file);
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// Kinds of the stages that were started.
fn started(desk: &Desk, line: &str) -> (Output, Vec<String>) {
    let log = desk.path().join("starts");
    drop(std::fs::remove_file(&log));
    let output = desk
        .command(line)
        .env("FAKE_WORKER_LOG", &log)
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let kinds = text.lines().filter_map(|line| line.split(' ').next());
    (output, kinds.map(str::to_owned).collect())
}

fn count(kinds: &[String], kind: &str) -> usize {
    kinds.iter().filter(|it| *it == kind).count()
}

#[test]
fn the_best_trial_on_validation_is_measured_like_any_model() {
    let desk = desk(SPEC);
    let (output, kinds) = started(&desk, "run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let trials = rows(&desk, "trials.csv");
    assert_eq!(trials.len(), 6);
    let value = |row: &BTreeMap<String, String>| row["value"].parse::<f64>().unwrap();
    let best: Vec<_> = trials.iter().filter(|row| row["best"] == "true").collect();
    let [best] = best[..] else {
        panic!("one trial is the best: {trials:?}");
    };
    assert!(trials.iter().all(|row| value(row) <= value(best)));
    let metrics = rows(&desk, "metrics.csv");
    let of = |split: &str, seed: &str| -> Vec<f64> {
        let rows = metrics.iter().filter(|row| {
            row["name"] == "tuned"
                && row["split"] == split
                && row["seed"] == seed
                && row["metric"] == "ndcg"
        });
        rows.map(value).collect()
    };
    assert_eq!(of("valid", "1"), [value(best)]);
    assert_eq!((of("test", "1").len(), of("test", "2").len()), (1, 1));
    // Six trials, of which one is the model itself or not, and the winner with the second seed.
    let trained = count(&kinds, "backbone");
    assert!((9..=10).contains(&trained), "{kinds:?}");
    // Two seeds of two models on two parts, and five trials on validation alone.
    assert_eq!(count(&kinds, "evaluate"), 2 * 2 * 2 + trained - 4);
    let spec = desk.read("results/small/spec.toml");
    assert!(spec.contains("[search.tuned.best.toys.set]"), "{spec}");
    let report = desk.read("results/small/report.html");
    assert!(report.contains("Best settings of every search"));
    assert!(report.contains("tuned on toys: 6 trials"), "{report}");
    // Of the two tables, only that of validation is biased.
    let bias = "Validation chose the settings of tuned";
    assert_eq!(report.matches(bias).count(), 1, "{report}");
    let check = desk.run("report --check results/small");
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    let (again, kinds) = started(&desk, "run spec.toml");
    assert_eq!(again.stdout, output.stdout);
    assert_eq!(kinds, Vec::<String>::new());
}

/// A method whose CF model is the result of a search, and a fusion of both.
const READERS: &str = r#"
[matrix]
model = ["both", "mlp"]

[llm.reader.small]

[model.mlp.mlp_llm]
backbone = "tuned"
llm = "reader"

[model.both.fusion]
models = ["tuned", "gru4rec"]
by = "mean_rank"
"#;

#[test]
fn methods_and_fusions_read_the_best_settings_of_a_search() {
    let desk = desk(&format!("{SPEC}{READERS}"));
    let (output, _) = started(&desk, "run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(rows(&desk, "trials.csv").len(), 6);
    let names: BTreeSet<String> = rows(&desk, "metrics.csv")
        .into_iter()
        .map(|row| row["name"].clone())
        .collect();
    assert_eq!(names, BTreeSet::from(["both".to_owned(), "mlp".to_owned()]));
    let trials = rows(&desk, "trials.csv");
    let best = trials.iter().find(|row| row["best"] == "true").unwrap();
    // The CF model that both read is that of the best trial.
    let plan = desk.run("plan spec.toml").stdout;
    let plan = String::from_utf8_lossy(&plan);
    let model = format!("tuned = tuned trial {}, seed 1", best["trial"]);
    let line = plan.lines().find(|line| line.contains(&model));
    let line = line.unwrap_or_else(|| panic!("no stage of {model}: {plan}"));
    assert!(
        line.contains(" backbone ") && line.contains("toys.overall.both.s1 (+2)"),
        "{line}"
    );
    let (again, kinds) = started(&desk, "run spec.toml");
    assert_eq!(again.stdout, output.stdout);
    assert_eq!(kinds, Vec::<String>::new());
}

#[test]
fn a_search_continues_with_the_trials_of_the_store() {
    let method =
        "method.tpe = { trials = 10, startup = 4 }\nspace.hidden_units = { from = 8, to = 64 }\n";
    let spec = SPEC.replace("space.dropout", &format!("{method}space.dropout"));
    let desk = desk(&spec);
    let (_, first) = started(&desk, "run spec.toml --set search.tuned.budget.cells=7");
    let (_, others) = started(&desk, "run spec.toml");
    let whole = rows(&desk, "trials.csv");
    assert_eq!(whole.len(), 10);
    let trained = count(&others, "backbone");
    assert!((3..=4).contains(&trained), "{first:?} {others:?}");
    // Without the store, the trials are the same.
    std::fs::remove_dir_all(desk.path().join(".allround")).unwrap();
    std::fs::remove_dir_all(desk.path().join("results")).unwrap();
    let (output, _) = started(&desk, "run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let again = rows(&desk, "trials.csv");
    for (one, other) in whole.iter().zip(&again) {
        assert_eq!(
            (&one["settings"], &one["value"]),
            (&other["settings"], &other["value"])
        );
    }
}

#[test]
fn failed_trials_are_rows_and_the_next_run_tries_them_again() {
    let desk = desk(SPEC);
    let output = desk.run_with("backbone=once", "run spec.toml");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        err(&output).contains("search tuned on toys: no trial has a value"),
        "{}",
        err(&output)
    );
    let output = desk.run("run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let trials = rows(&desk, "trials.csv");
    assert!(trials.iter().all(|row| row["status"] == "ok"), "{trials:?}");
}

#[test]
fn settings_that_contradict_each_other_are_a_failed_trial() {
    let spec = SPEC
        .replace(
            "[model.gru4rec]",
            "[model.gru4rec.sasrec]\nhidden_units = 8",
        )
        .replace("space.train.lr = [0.001, 0.01]", "space.num_heads = [2, 3]");
    let desk = desk(&spec);
    let output = desk.run("run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let trials = rows(&desk, "trials.csv");
    let failed: Vec<_> = trials
        .iter()
        .filter(|row| row["status"] == "failed")
        .collect();
    assert_eq!((trials.len(), failed.len()), (6, 3));
    assert!(failed[0]["error"].contains("3 heads"), "{failed:?}");
}

#[test]
fn a_plan_estimates_time_and_disk_space_from_stages_in_the_store() {
    let desk = desk(SPEC);
    let text = |line: &str| String::from_utf8(desk.run(line).stdout).unwrap();
    let line = "plan spec.toml --estimate";
    let before = text(line);
    assert!(before.contains("no estimate for "), "{before}");
    assert!(before.contains("searches will add trials"), "{before}");
    desk.run("run spec.toml -q --seed 1");
    let after = text(line);
    assert!(after.contains("other seeds"), "{after}");
    assert!(after.contains("\nestimate: "), "{after}");
    assert!(!after.contains("searches will"), "{after}");
    let csv = text(&format!("{line} --format csv"));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let is_open = |row: &&BTreeMap<String, String>| row["state"] == "to run";
    let open: Vec<_> = rows.iter().filter(is_open).collect();
    assert!(!open.is_empty() && rows.len() > open.len());
    for row in open {
        let seconds: f64 = row["seconds"].parse().unwrap();
        assert!(seconds > 0.0 || row["kind"] != "backbone", "{row:?}");
        assert!(row["bytes"].parse::<f64>().unwrap() > 0.0, "{row:?}");
    }
    let mut done = rows.iter().filter(|row| row["state"] == "cached");
    assert!(done.all(|row| row["seconds"].is_empty()));
    assert!(!text("plan spec.toml").contains("estimate"));
}

#[test]
fn an_estimate_follows_stages_of_other_experiments_with_the_same_kind_of_model() {
    let desk = desk(SPEC);
    desk.run("run spec.toml -q --seed 1");
    // Ten times the epochs of another experiment on other data.
    let other = SPEC
        .replace("users = 60", "users = 70")
        .replace("epochs = 2", "epochs = 20");
    desk.put("other.toml", &other.replace("\"small\"", "\"other\""));
    let csv = |line: &str| {
        let text = String::from_utf8(desk.run(line).stdout).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<BTreeMap<String, String>> =
            reader.deserialize().map(Result::unwrap).collect();
        rows.into_iter()
            .find(|row| row["kind"] == "backbone")
            .unwrap()
    };
    let near = csv("plan spec.toml --estimate --format csv --seed 2");
    let far = csv("plan other.toml --estimate --format csv --seed 2");
    assert_eq!(far["basis"], "other experiments", "{far:?}");
    let seconds = |row: &BTreeMap<String, String>| row["seconds"].parse::<f64>().unwrap();
    assert!(seconds(&far) > 5.0 * seconds(&near), "{near:?} {far:?}");
    // An artefact without its stage, as earlier versions made them, says only its kind.
    let kinds = desk.path().join(".allround/artefacts/backbone");
    for artefact in std::fs::read_dir(kinds).unwrap() {
        std::fs::remove_file(artefact.unwrap().path().join("stage.json")).unwrap();
    }
    let far = csv("plan other.toml --estimate --format csv --seed 2");
    assert_eq!(far["basis"], "all in the store", "{far:?}");
}
