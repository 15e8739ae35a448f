//! The command as a user types it, on the fake worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::path::Path;
use std::process::Output;

use allround::results::Machine;
use desk::{Desk, err};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn run_ends_with_a_table_on_stdout_and_messages_on_stderr() {
    let desk = Desk::new();
    let output = desk.run("run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        out(&output).contains("toys, overall, test, strict"),
        "{}",
        out(&output)
    );
    assert!(
        err(&output).contains("epoch 2 training [time: 0.25s, train loss: "),
        "{}",
        err(&output)
    );
    assert!(
        !err(&output).contains('\u{1b}'),
        "no colour and no bars where there is no terminal"
    );
    for name in [
        "metrics.csv",
        "cells.csv",
        "stages.csv",
        "cell_stages.csv",
        "epochs.csv",
        "spec.toml",
        "machine.toml",
        "logs/run.jsonl",
    ] {
        assert!(
            desk.path().join("results/small").join(name).exists(),
            "{name}"
        );
    }
    let machine = Machine::load(&desk.path().join("results/small")).unwrap();
    let [made] = &machine.stages[..] else {
        panic!("one program made all stages: {machine:?}")
    };
    assert_eq!(made.made_by, machine.program.to_string());
    let plan = desk.run("plan spec.toml");
    let counted = format!("{} in the store", made.count);
    assert!(out(&plan).contains(&counted), "{}", out(&plan));
}

#[test]
fn a_second_run_starts_no_worker_and_changes_no_file() {
    let desk = Desk::new();
    let first = desk.run("run spec.toml");
    let before = desk.metrics();
    let starts = desk.path().join("starts");
    let second = desk
        .command("run spec.toml")
        .env("FAKE_WORKER_LOG", &starts)
        .output()
        .unwrap();
    assert_eq!(out(&second), out(&first));
    assert!(!starts.exists() && desk.metrics() == before);
    // It does not need a worker program.
    let third = desk
        .command("run spec.toml")
        .env("ALLROUND_WORKER", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(third.status.code(), Some(0), "{}", err(&third));
}

#[test]
fn removed_results_are_restored_from_the_store() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    let before = desk.metrics();
    std::fs::remove_dir_all(desk.path().join("results")).unwrap();
    let again = desk
        .command("run spec.toml")
        .env("ALLROUND_WORKER", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert_eq!(desk.metrics(), before);
    let stages = desk.read("results/small/stages.csv");
    assert!(
        stages.lines().skip(1).all(|line| line.ends_with(",true")),
        "{stages}"
    );
}

#[test]
fn a_failed_cell_is_a_row_and_the_others_continue() {
    let desk = Desk::new();
    let output = desk.run_with("backbone/gru4rec=kill", "run spec.toml");
    assert_eq!(output.status.code(), Some(1));
    let metrics = desk.metrics();
    let failed: Vec<&str> = metrics
        .lines()
        .filter(|line| line.ends_with(",failed"))
        .collect();
    assert_eq!(failed.len(), 2, "{metrics}");
    let cells = std::fs::read_to_string(desk.path().join("results/small/cells.csv")).unwrap();
    assert!(cells.contains("killed by signal 9"), "{cells}");
    assert!(metrics.contains(",popularity,1,test,hit,1,0."), "{metrics}");
    // Without the failure, the same command completes the run.
    assert_eq!(desk.run("run spec.toml").status.code(), Some(0));
    assert!(!desk.metrics().contains("failed"));
}

#[test]
fn cells_whose_data_cannot_be_made_are_blocked() {
    let desk = Desk::new();
    let output = desk.run_with("prepare=nan", "run spec.toml --quiet");
    assert_eq!(output.status.code(), Some(1));
    let metrics = desk.metrics();
    assert_eq!(metrics.matches(",blocked\n").count(), 4, "{metrics}");
    assert!(
        err(&output).contains("the loss is NaN at step 3"),
        "{}",
        err(&output)
    );
}

#[test]
fn data_stats_counts_users_of_every_scenario() {
    let desk = Desk::new();
    let scenarios = r#"
spec_version = 1
name = "counted"
[dataset.a.source.synthetic]
users = 60
items = 60
[dataset.b.source.synthetic]
users = 60
items = 60
domain = 1
[model.m.popularity]
[scenario.overall.overall]
[scenario.few.few_shot]
users = 16
[scenario.cross.cross_domain]
target = "b"
[matrix]
exclude = [{ dataset = "b", scenario = "cross" }]
"#;
    std::fs::write(desk.path().join("counted.toml"), scenarios).unwrap();
    let printed = desk.command("data stats counted.toml").output().unwrap();
    let printed = out(&printed);
    let [a, b] = [0, 1].map(|part| printed.split("\nb\n").nth(part).unwrap_or_default());
    for line in [
        "users in slice `overall`",
        "users trained on in `few`",
        "users measured in `cross`",
    ] {
        assert!(a.contains(line), "{printed}");
    }
    assert!(
        b.contains("users measured in `few`") && !b.contains("`cross`"),
        "{printed}"
    );
}

#[test]
fn data_stats_report_how_titles_were_read_and_what_was_skipped() {
    let desk = Desk::new();
    let spec = r#"
spec_version = 1
name = "read"
[dataset.films.source.movielens]
folder = "films"
[dataset.games.source.json]
form = "steam"
interactions = "reviews.json"
items = "games.json"
[model.m.popularity]
"#;
    let write = |name: &str, text: &str| std::fs::write(desk.path().join(name), text).unwrap();
    write("read.toml", spec);
    std::fs::create_dir(desk.path().join("films")).unwrap();
    write("films/ratings.dat", "1::2::4.5::9\n");
    write("films/movies.dat", "2::Am\u{e9}lie (2001)::Drama\n");
    write(
        "reviews.json",
        "{'username': 'a', 'product_id': '10', 'date': '2017-12-17'}\n",
    );
    write(
        "games.json",
        "[{'id': '10', 'app_name': 'One'},\n{'app_name': 'Two'}]",
    );
    let printed = desk.command("data stats read.toml").output().unwrap();
    let printed = out(&printed);
    for line in [
        "MovieLens in the form of 10M (`ratings.dat` with half stars); `movies.dat` is read as UTF-8",
        "records of items without `id`, which are not used",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    assert!(!desk.path().join(".allround").exists());
}

#[test]
fn a_damaged_result_is_reported_once_with_a_hint() {
    let desk = Desk::new();
    assert!(desk.run("run spec.toml").status.success());
    let file = desk.path().join("results/small/metrics.csv");
    std::fs::write(&file, format!("{}a,b\n", desk.metrics())).unwrap();
    let refused = desk.run("show results/small");
    assert_eq!(refused.status.code(), Some(2));
    let printed = err(&refused);
    assert_eq!(
        printed.matches("found record with 2 fields").count(),
        1,
        "{printed}"
    );
    assert!(
        printed.contains("CSV error") && printed.contains("hint: the file is damaged"),
        "{printed}"
    );
    std::fs::remove_file(&file).unwrap();
    let printed = err(&desk.run("show results/small"));
    assert!(
        printed.contains("is not a results folder: it has no `metrics.csv`"),
        "{printed}"
    );
}

#[test]
fn clean_removes_nothing_while_a_record_is_damaged() {
    let desk = Desk::new();
    assert!(desk.run("run spec.toml").status.success());
    let folder = desk.path().join(".allround/experiments");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    std::fs::write(file.path(), "{").unwrap();
    assert_eq!(desk.run("clean").status.code(), Some(1));
    // A run of the same experiment writes the record again. Nothing was removed.
    let starts = desk.metrics();
    assert!(desk.run("run spec.toml").status.success());
    assert_eq!(desk.metrics(), starts);
    assert!(desk.run("clean").status.success());
}

#[test]
fn check_prints_what_would_run_and_writes_nothing() {
    let desk = Desk::new();
    let output = desk.run("check spec.toml");
    let axes = "2 seeds x 2 models x overall x 1 data set";
    assert_eq!(out(&output), format!("ok: {axes} = 4 cells, 10 stages\n"));
    assert!(!desk.path().join(".allround").exists());
}

#[test]
fn plan_and_dry_run_show_what_is_cached_and_run_nothing() {
    let desk = Desk::new();
    let output = desk.run("plan spec.toml");
    assert!(
        out(&output).contains("4 cells, 10 stages: 0 in the store, 10 to run"),
        "{}",
        out(&output)
    );
    assert_eq!(out(&desk.run("run -n spec.toml")), out(&output));
    assert!(!desk.path().join(".allround").exists());
    desk.run("run spec.toml");
    assert!(out(&desk.run("plan spec.toml")).contains("10 in the store, 0 to run"));
    let json: serde_json::Value =
        serde_json::from_slice(&desk.run("plan spec.toml --format json").stdout).unwrap();
    assert_eq!(json["cells"].as_array().unwrap().len(), 4);
    assert_eq!(json["stages"][0]["state"], "cached");
}

#[test]
fn a_device_or_a_limit_changes_the_stages() {
    let desk = Desk::new();
    let plan = |flags: &str| out(&desk.run(&format!("plan spec.toml {flags}")));
    assert_ne!(plan(""), plan("--limit 50"));
    assert_ne!(plan(""), plan("--device cuda:0"));
    assert_eq!(plan("--device cuda:0"), plan("--device cuda:1"));
    assert_eq!(plan("--set run.checkpoint_every=3"), plan(""));
    let output = desk.run("run spec.toml --limit 50 --quiet");
    assert!(err(&output).contains("limited to 50 users: a trial run, not a result"));
    assert!(desk.path().join("results/small-limit-50").exists());
    assert!(!desk.path().join("results/small").exists());
}

#[test]
fn list_clean_and_show_follow_the_results_folders() {
    let desk = Desk::new();
    assert!(err(&desk.run("list")).contains("no experiment"));
    desk.run("run spec.toml");
    let listed = out(&desk.run("list"));
    assert!(
        listed.contains("small") && listed.contains("complete") && listed.contains("4/4"),
        "{listed}"
    );
    assert_eq!(out(&desk.run("clean -n")), "would free 0 B\n");
    assert_eq!(
        out(&desk.run("show results/small")),
        out(&desk.run("run spec.toml"))
    );
    std::fs::remove_dir_all(desk.path().join("results")).unwrap();
    assert!(out(&desk.run("list")).contains("gone"));
    assert!(out(&desk.run("clean -n")).contains("evaluate: 4 folders"));
    assert!(out(&desk.run("clean")).contains("freed "));
    assert!(out(&desk.run("plan spec.toml")).contains("0 in the store"));
}

#[test]
fn compare_refuses_numbers_of_different_protocols() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    desk.run("run spec.toml --out other");
    let same = desk.run("compare results/small other/small");
    assert_eq!(same.status.code(), Some(0), "{}", err(&same));
    assert!(out(&same).contains("+0.0000"));
    desk.run("run spec.toml --out limited --limit 50");
    let other = desk.run("compare results/small limited/small-limit-50");
    assert_eq!(other.status.code(), Some(1));
    assert!(
        out(&other).is_empty() && err(&other).contains("not compared"),
        "{}",
        err(&other)
    );
}

/// The CSV files of a results folder, without the columns that differ between runs: times, memory,
/// and `cached`.
fn numbers(desk: &Desk, out: &str) -> Vec<String> {
    let read = |file: &str| {
        let path = desk.path().join(out).join("small").join(file);
        let mut rows = csv::Reader::from_path(path).unwrap();
        let kept: Vec<usize> = (0..)
            .zip(rows.headers().unwrap())
            .filter(|(_, name)| {
                let differs = ["wall_s", "device_s", "per_s", "bytes", "cached"];
                !differs.iter().any(|end| name.ends_with(end))
            })
            .map(|(at, _)| at)
            .collect();
        let row = |row: Result<csv::StringRecord, csv::Error>| {
            let row = row.unwrap();
            let cells: Vec<&str> = kept.iter().map(|&at| &row[at]).collect();
            cells.join(",")
        };
        rows.records().map(row).collect::<Vec<String>>().join("\n")
    };
    [
        "metrics.csv",
        "cells.csv",
        "stages.csv",
        "cell_stages.csv",
        "epochs.csv",
        "data.csv",
    ]
    .map(read)
    .into()
}

/// Damages the first artefact of a kind: removes it, truncates or changes one of its files, or
/// changes its events.
fn damage(desk: &Desk, kind: &str, how: &str) {
    let folder = desk.path().join(".allround/artefacts").join(kind);
    let first = |folder: &Path| {
        std::fs::read_dir(folder)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
    };
    let artefact = first(&folder);
    let is_content = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        path.is_file()
            && !name.starts_with("artefact")
            && !name.starts_with("stage")
            && !name.starts_with("events")
    };
    let files = std::fs::read_dir(&artefact).unwrap();
    let mut files: Vec<_> = files
        .map(|it| it.unwrap().path())
        .filter(is_content)
        .collect();
    files.sort();
    let bytes = std::fs::read(&files[0]).unwrap();
    let events = artefact.join("events.jsonl");
    match how {
        "events" => {
            let text = std::fs::read_to_string(&events).unwrap();
            std::fs::write(&events, text.replacen("phase", "phbse", 1)).unwrap();
        }
        "gone" => std::fs::remove_dir_all(&artefact).unwrap(),
        "cut" => std::fs::write(&files[0], &bytes[..bytes.len() / 2]).unwrap(),
        _ => {
            let turned: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
            std::fs::write(&files[0], turned).unwrap();
        }
    }
}

#[test]
fn damaged_artefacts_are_rebuilt_and_no_row_is_lost() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    let before = numbers(&desk, "results");
    assert!(before.iter().all(|file| !file.is_empty()));
    for kind in ["prepare", "candidates", "backbone", "evaluate"] {
        for how in ["gone", "cut", "changed", "events"] {
            // Artefacts that no stage reads are not verified.
            if how == "changed" && ["candidates", "backbone"].contains(&kind) {
                continue;
            }
            damage(&desk, kind, how);
            let out = format!("again-{kind}-{how}");
            let rebuilt = desk.run(&format!("run spec.toml --out {out}"));
            let printed = err(&rebuilt);
            assert_eq!(rebuilt.status.code(), Some(0), "{kind}, {how}: {printed}");
            assert_eq!(
                printed.contains("damaged, rebuilding"),
                how != "gone",
                "{kind}, {how}: {printed}"
            );
            assert_eq!(numbers(&desk, &out), before, "{kind}, {how}");
        }
    }
    damage(&desk, "prepare", "cut");
    let doctor = desk.run("doctor --full");
    assert!(out(&doctor).contains("`scripts/setup-smollm2.sh` fetches it"));
    assert!(out(&doctor).contains("prepare"), "{}", out(&doctor));
}

#[test]
fn ranks_without_their_data_are_a_failure_with_a_reason() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    damage(&desk, "prepare", "gone");
    let output = desk.run_with("prepare=nan", "run spec.toml --out again");
    assert_eq!(output.status.code(), Some(1));
    let files = numbers(&desk, "again");
    assert_eq!(
        files[1].matches(",blocked,prepare").count(),
        4,
        "{}",
        files[1]
    );
    // Without the failure, the same command restores all numbers.
    assert_eq!(desk.run("run spec.toml --out again").status.code(), Some(0));
    assert_eq!(numbers(&desk, "again"), numbers(&desk, "results"));
}

#[test]
fn a_failed_rebuild_removes_no_number() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    let before = numbers(&desk, "results");
    damage(&desk, "backbone", "gone");
    let output = desk.run_with("backbone=kill", "run spec.toml");
    assert_eq!(output.status.code(), Some(1));
    let after = numbers(&desk, "results");
    assert_eq!(after[0], before[0], "existing ranks keep their numbers");
    assert!(after[2].lines().count() < before[2].lines().count());
    assert_eq!(desk.run("run spec.toml").status.code(), Some(0));
    assert_eq!(numbers(&desk, "results"), before);
}

#[test]
fn the_command_links_no_libtorch() {
    let Ok(output) = std::process::Command::new("ldd")
        .arg(env!("CARGO_BIN_EXE_allround"))
        .output()
    else {
        println!("skipped: this machine has no ldd");
        return;
    };
    let libraries = String::from_utf8_lossy(&output.stdout);
    assert!(
        libraries.contains("libc.so") && !libraries.contains("torch"),
        "{libraries}"
    );
}

#[test]
fn completions_contain_the_subcommands() {
    assert!(out(&Desk::new().run("completions bash")).contains("compare"));
}
