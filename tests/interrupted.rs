//! A killed run that is repeated gives the same bytes as a run that was not killed.
//!
//! With the fake worker a run takes half a second. Its results are a function of the keys, as those
//! of a real worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use allround_core::seed::{Stream, stream};
use rand::RngExt;

const SPEC: &str = r#"
spec_version = 1
name = "killed"
question = "Does a killed run give the same results?"
seeds = [1, 2]

[dataset.toys.source.synthetic]
users = 60
items = 90

[model.gru4rec.gru4rec]
train.epochs = 8
train.stop.fixed = {}

[model.popularity.popularity]
"#;

/// A folder with a spec, its store and its results.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("spec.toml"), SPEC).unwrap();
        Folder(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Starts `allround run spec.toml` in a separate process group. Every epoch takes 10 ms.
    fn start(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allround"));
        command
            .args(["run", "spec.toml", "--quiet", "-j", "2"])
            .current_dir(self.path())
            .env("ALLROUND_WORKER", common::fake_worker())
            .env("FAKE_WORKER", "all=sleep:10")
            .env("FAKE_WORKER_LOG", self.path().join("starts"))
            .env_remove("ALLROUND_STORE")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        command.spawn().unwrap()
    }

    fn finish(&self) {
        assert!(self.start().wait().unwrap().success());
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join("results/killed").join(name)).unwrap()
    }
}

/// How a run is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// The program and its workers at once.
    Group,
    /// Only the program; its workers must not outlive it.
    Parent,
}

fn kill(child: &mut Child, how: Kill) {
    let id = i32::try_from(child.id()).unwrap();
    let target = match how {
        Kill::Group => -id,
        Kill::Parent => id,
    };
    // SAFETY: the child has not been waited for, so its process id is not reused.
    unsafe { libc::kill(target, libc::SIGKILL) };
    child.wait().unwrap();
}

/// Processes whose command line has a path below `folder`.
fn workers_of(folder: &Path) -> Vec<PathBuf> {
    let needle = folder.display().to_string();
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let is_worker = |path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("fake_worker") && line.contains(&needle)
    };
    processes.filter(is_worker).collect()
}

#[test]
fn a_run_killed_at_ten_random_moments_ends_with_the_same_bytes() {
    let whole = Folder::new();
    // The first use may build it, which is not part of the run.
    common::fake_worker();
    let start = Instant::now();
    whole.finish();
    let length = u64::try_from(start.elapsed().as_millis()).unwrap();
    let mut random = stream(length, Stream::Resample, 0);
    for round in 0..10 {
        let how = if round % 2 == 0 {
            Kill::Group
        } else {
            Kill::Parent
        };
        let mut moment = Duration::from_millis(random.random_range(0..length));
        let folder = loop {
            let folder = Folder::new();
            let mut child = folder.start();
            std::thread::sleep(moment);
            let is_running = child.try_wait().unwrap().is_none();
            kill(&mut child, how);
            if is_running {
                break folder;
            }
            // The run had ended before: the machine has become faster.
            moment /= 2;
        };
        folder.finish();
        let context = format!("{how:?} after {moment:?} of {length} ms");
        for name in ["metrics.csv", "cells.csv", "cell_stages.csv", "epochs.csv"] {
            assert_eq!(folder.file(name), whole.file(name), "{name}: {context}");
        }
    }
}

#[test]
fn epochs_that_a_killed_program_did_not_record_are_reported_again() {
    let whole = Folder::new();
    whole.finish();
    let folder = Folder::new();
    let mut child = folder.start();
    let checkpoint = loop {
        // The worker reports an epoch before it writes the checkpoint.
        let done = |path: &PathBuf| {
            let epoch = std::fs::read_to_string(path).unwrap_or_default();
            epoch.parse().is_ok_and(|epoch: u32| epoch >= 2)
        };
        if let Some(found) = checkpoints(folder.path()).into_iter().find(done) {
            break found;
        }
        assert!(child.try_wait().unwrap().is_none(), "no second epoch");
    };
    kill(&mut child, Kill::Group);
    let events = checkpoint.ancestors().nth(2).unwrap().join("events.jsonl");
    assert!(std::fs::read_to_string(&events).unwrap().contains("epoch"));
    std::fs::write(&events, "").unwrap();
    folder.finish();
    assert_eq!(folder.file("epochs.csv"), whole.file("epochs.csv"));
}

/// Checkpoints of the running stages.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let stages = std::fs::read_dir(folder.join(".allround/work"));
    let stages = stages.into_iter().flatten().flatten();
    stages
        .map(|stage| stage.path().join("checkpoint/epoch"))
        .collect()
}

#[test]
fn a_worker_does_not_outlive_the_program() {
    let folder = Folder::new();
    let mut child = folder.start();
    let start = Instant::now();
    while workers_of(folder.path()).is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "no worker was started"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(&mut child, Kill::Parent);
    let start = Instant::now();
    while !workers_of(folder.path()).is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "a worker outlived the program"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ctrl_c_leaves_a_state_that_the_same_command_continues() {
    let whole = Folder::new();
    whole.finish();
    let folder = Folder::new();
    let mut child = folder.start();
    // A worker is only started once the program handles Ctrl-C.
    while !folder.path().join("starts").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = i32::try_from(child.id()).unwrap();
    // SAFETY: the child has not been waited for, so its process id is not reused.
    unsafe { libc::kill(-id, libc::SIGINT) };
    assert_eq!(child.wait().unwrap().code(), Some(130));
    folder.finish();
    assert_eq!(folder.file("metrics.csv"), whole.file("metrics.csv"));
}

#[test]
fn two_concurrent_runs_on_one_store_make_every_stage_once() {
    let folder = Folder::new();
    let mut children = [folder.start(), folder.start()];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let starts = std::fs::read_to_string(folder.path().join("starts")).unwrap();
    let mut stages: Vec<&str> = starts.lines().collect();
    let all = stages.len();
    stages.sort_unstable();
    stages.dedup();
    assert_eq!(stages.len(), all, "a stage was started twice: {starts}");
}
