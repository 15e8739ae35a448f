//! Runs on a real Slurm: `make test-cluster` starts one on this machine and calls these tests.
//!
//! `cargo test` leaves this file out (`test = false` in Cargo.toml). The worker is the fake one: a
//! stage takes milliseconds, and its results are a function of the keys.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use desk::{Desk, err};

const SPEC: &str = r#"
spec_version = 1
name = "small"
question = "Does a cluster give the same results?"
seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

[dataset.toys.source.synthetic]
users = 60
items = 90

[model.gru4rec.gru4rec]
train.epochs = 4
train.stop.fixed = {}

[model.sasrec.sasrec]
train.epochs = 2
train.stop.fixed = {}

[model.popularity.popularity]
"#;

const SITE: &str = "site_version = 1\n\
    [executor.here.slurm]\npoll_s = 0.5\ntime = \"5\"\n\
    [executor.low.slurm]\npoll_s = 0.5\npartition = \"low\"\n\
    [executor.short.slurm]\npoll_s = 0.5\npartition = \"short\"\ntime = \"1\"\n\
    [executor.wrong.slurm]\npartition = \"nope\"\n\
    [executor.few.slurm]\npoll_s = 0.2\nqueued = 12\narray = 4\n";

/// A folder with 30 cells and a site file.
fn folder() -> Desk {
    let desk = Desk::new();
    desk.put("spec.toml", SPEC);
    desk.put("allround.site.toml", SITE);
    desk
}

/// The metrics of a run on this machine alone.
fn local_metrics() -> String {
    let desk = folder();
    let output = desk.run("run spec.toml -q");
    assert!(output.status.success(), "{}", err(&output));
    desk.metrics()
}

/// A run in the background, with these rules for the fake worker.
fn start(desk: &Desk, rules: &str, line: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allround"));
    command
        .args(line.split_whitespace())
        .current_dir(desk.path())
        .env("ALLROUND_WORKER", common::fake_worker())
        .env("FAKE_WORKER", rules)
        .env_remove("ALLROUND_STORE")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), err(&output))
}

fn slurm(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A running task of this folder of this kind, once there is one.
fn running(desk: &Desk, kind: &str) -> String {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        let name = format!("--name=allround-{kind}");
        let format = "--format=%i %o";
        let text = slurm("squeue", &["-h", "-r", "-t", "R", &name, format]);
        let here = desk.path().display().to_string();
        let found = text.lines().find(|line| line.contains(&here));
        if let Some(task) = found.and_then(|line| line.split(' ').next()) {
            return task.to_owned();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no {kind} runs: {}", slurm("squeue", &[]));
}

/// Number of submissions that no run has collected.
fn submissions(desk: &Desk) -> usize {
    let folder = std::fs::read_dir(desk.path().join(".allround/slurm")).unwrap();
    folder
        .filter(|entry| entry.as_ref().unwrap().path().is_dir())
        .count()
}

#[test]
fn thirty_cells_have_the_bytes_of_a_local_run() {
    let desk = folder();
    let output = desk.run("run spec.toml --on here -q");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(desk.metrics(), local_metrics());
    assert_eq!(submissions(&desk), 0);
    assert!(
        !desk.read("results/small/stages.csv").contains(",true,"),
        "made, not found"
    );
    let logs = desk.path().join("results/small/logs/slurm");
    assert!(std::fs::read_dir(logs).unwrap().count() >= 60);
}

#[test]
fn a_short_queue_and_small_arrays_run_all_cells() {
    let desk = folder();
    let output = desk.run("run spec.toml --on few -q");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(desk.metrics(), local_metrics());
}

#[test]
fn a_detached_run_is_collected_by_a_later_one() {
    let desk = folder();
    let rules = "backbone/sasrec=nan";
    let output = desk.run_with(rules, "run spec.toml --on here --detach");
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("stages are in the queue"),
        "{}",
        err(&output)
    );
    assert_eq!(submissions(&desk), 1);
    // Its failures are collected, not tried again.
    let output = desk.run("run spec.toml --on here -q");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        desk.cells().contains("the loss is NaN at step 3"),
        "{}",
        desk.cells()
    );
    assert_eq!(submissions(&desk), 0);
    let output = desk.run("run spec.toml --on here -q");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(desk.metrics(), local_metrics());
}

#[test]
fn a_killed_job_is_a_failure_row_and_a_rerun_continues() {
    let desk = folder();
    let run = start(
        &desk,
        "backbone/gru4rec=sleep:300",
        "run spec.toml --on here",
    );
    let task = running(&desk, "backbone");
    std::thread::sleep(Duration::from_millis(700));
    slurm("scancel", &[&task]);
    let (code, text) = end(run);
    assert_eq!(code, Some(1), "{text}");
    let cells = desk.cells();
    assert!(
        cells.contains(&format!("job {task} on node localhost was cancelled")),
        "{cells}"
    );
    let output = desk.run("run spec.toml --on here");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(desk.metrics(), local_metrics());
}

#[test]
fn a_requeued_job_continues_from_its_checkpoint() {
    let desk = folder();
    let run = start(
        &desk,
        "backbone/gru4rec=sleep:400",
        "run spec.toml --on low",
    );
    let task = running(&desk, "backbone");
    std::thread::sleep(Duration::from_millis(1000));
    slurm("scontrol", &["requeue", &task]);
    // Slurm lets a requeued job wait for two minutes, unless its start is set.
    std::thread::sleep(Duration::from_millis(1500));
    let job = format!("JobId={task}");
    slurm("scontrol", &["update", &job, "StartTime=now"]);
    let (code, text) = end(run);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("continues after epoch"), "{text}");
    assert_eq!(desk.metrics(), local_metrics());
}

#[test]
fn a_killed_controller_is_waited_for() {
    let folder_of_slurm = PathBuf::from(std::env::var_os("SLURM_CONF").unwrap());
    let here = folder_of_slurm.parent().unwrap().display().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/slurm-here.sh");
    let desk = folder();
    let rules = "backbone/gru4rec=sleep:1500";
    let run = start(&desk, rules, "run spec.toml --on here --seed 1 --seed 2");
    running(&desk, "backbone");
    // A controller saves its state after some seconds. Killed earlier, it reuses job ids, and its
    // node refuses them.
    std::thread::sleep(Duration::from_secs(6));
    slurm(script, &["kill", &here]);
    // `squeue` itself tries for some seconds.
    std::thread::sleep(Duration::from_secs(20));
    slurm(script, &["revive", &here]);
    let (code, text) = end(run);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("controller does not answer"), "{text}");
    assert!(text.contains("controller answers again"), "{text}");
    let local = folder();
    let output = local.run("run spec.toml -q --seed 1 --seed 2");
    assert!(output.status.success(), "{}", err(&output));
    let metrics = "results/small-seeds-1-2/metrics.csv";
    assert_eq!(desk.read(metrics), local.read(metrics));
}

#[test]
fn a_job_over_its_time_limit_is_a_failure_row_with_the_remedy() {
    let desk = folder();
    let run = start(
        &desk,
        "backbone/gru4rec=hang",
        "run spec.toml --on short --seed 1",
    );
    let (code, text) = end(run);
    assert_eq!(code, Some(1), "{text}");
    let cells = desk.read("results/small-seeds-1/cells.csv");
    assert!(
        cells.contains("reached its time limit of 1:00 (TIMEOUT)"),
        "{cells}"
    );
    assert!(
        cells.contains("raise `time` of `stage.backbone` in the site file"),
        "{cells}"
    );
}

#[test]
fn two_submitters_at_once_share_jobs() {
    let desk = folder();
    let rules = "all=sleep:20";
    let one = start(&desk, rules, "run spec.toml --on here --out one");
    let two = start(&desk, rules, "run spec.toml --on here --out two");
    for (code, text) in [end(one), end(two)] {
        assert_eq!(code, Some(0), "{text}");
    }
    assert_eq!(desk.read("one/small/metrics.csv"), local_metrics());
    assert_eq!(desk.read("two/small/metrics.csv"), local_metrics());
    let logs = ["one", "two"].map(|out| {
        let logs = desk.path().join(out).join("small/logs/slurm");
        std::fs::read_dir(logs).map_or(0, Iterator::count)
    });
    // 1 data set, 10 lists of candidates, 21 trainings, 30 evaluations.
    assert_eq!(logs[0] + logs[1], 62, "each stage had one job: {logs:?}");
    assert_eq!(submissions(&desk), 0);
}

#[test]
fn an_interrupted_run_and_the_command_cancel_its_jobs() {
    let desk = folder();
    let of_folder = || {
        let here = desk.path().display().to_string();
        let text = slurm("squeue", &["-h", "-r", "-t", "PD,R", "--format=%o"]);
        text.lines().filter(|line| line.contains(&here)).count()
    };
    let run = start(&desk, "backbone=sleep:5000", "run spec.toml --on here");
    running(&desk, "backbone");
    // SAFETY: the child has not been waited for.
    unsafe { libc::kill(i32::try_from(run.id()).unwrap(), libc::SIGINT) };
    let (code, text) = end(run);
    assert_eq!(code, Some(130), "{text}");
    assert_eq!((of_folder(), submissions(&desk)), (0, 0), "{text}");
    let output = desk.run_with("backbone=sleep:5000", "run spec.toml --on here --detach");
    assert!(output.status.success(), "{}", err(&output));
    assert!(of_folder() > 0);
    let output = desk.run("cancel results/small");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!((of_folder(), submissions(&desk)), (0, 0));
}

#[test]
fn a_partition_that_does_not_exist_is_refused_with_the_remedy() {
    let desk = folder();
    let output = desk.run("run spec.toml --on wrong");
    assert_eq!(output.status.code(), Some(2));
    let text = err(&output);
    assert!(text.contains("invalid partition specified: nope"), "{text}");
    assert!(
        text.contains("hint: correct `partition` in the site file"),
        "{text}"
    );
}

#[test]
fn doctor_checks_a_cluster_from_a_node() {
    let desk = folder();
    let output = desk.run("doctor --on here");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in [
        "ok    slurm: version",
        "ok    partition of Slurm's choice",
        "sees the store",
        "runs allround",
        "clocks",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let output = desk.run("doctor --on wrong");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("wrong partition `nope` does not exist"),
        "{text}"
    );
}
