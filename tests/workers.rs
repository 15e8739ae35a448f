//! Workers that misbehave: endless output, silence, and processes that outlive them.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use desk::{Desk, err};

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| match entry.path().is_dir() {
        true => size(&entry.path()),
        false => entry.metadata().unwrap().len(),
    });
    sizes.sum()
}

#[test]
fn a_worker_that_prints_endlessly_is_killed_with_a_reason() {
    for (action, words) in [
        (
            "flood",
            "printed more than 16 MiB of text on its standard output after it started and was killed",
        ),
        (
            "line",
            "printed a line of more than 1 MiB on its standard output after it started and was killed",
        ),
        (
            "shout",
            "printed more than 16 MiB on its standard error after it started and was killed",
        ),
    ] {
        let desk = Desk::new();
        let rules = format!("backbone={action}");
        let output = desk.run_with(&rules, "run spec.toml -q -j 1 --seed 1 --set name=small");
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        assert!(desk.cells().contains(words), "{action}: {}", desk.cells());
        let written = size(desk.path());
        assert!(written < 100 << 20, "{action} left {written} bytes");
    }
}

/// A script that runs the fake worker, whose path is in `$FAKE`.
fn wrapper(desk: &Desk, script: &str) -> PathBuf {
    let path = desk.path().join("wrapper");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn run_wrapped(desk: &Desk, script: &str, rules: &str, line: &str) -> Output {
    let mut command = desk.command(line);
    command
        .env("ALLROUND_WORKER", wrapper(desk, script))
        .env("FAKE", common::fake_worker())
        .env("FAKE_WORKER", rules)
        .env("PIDS", desk.path().join("pids"))
        .output()
        .unwrap()
}

/// The processes in the file `pids` that still run.
fn living(desk: &Desk) -> Vec<i32> {
    let pids = std::fs::read_to_string(desk.path().join("pids")).unwrap();
    let pids: Vec<i32> = pids.lines().map(|pid| pid.parse().unwrap()).collect();
    assert!(!pids.is_empty());
    let lives = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A process that has ended and was not waited for by its new parent is a zombie.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    pids.into_iter().filter(lives).collect()
}

#[test]
fn a_background_process_of_a_wrapper_delays_nothing_and_is_ended() {
    let desk = Desk::new();
    let script = "sleep 600 &\necho $! >> \"$PIDS\"\n\"$FAKE\" \"$@\"";
    let output = run_wrapped(&desk, script, "", "run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(living(&desk), [0; 0]);
}

#[test]
fn a_process_of_another_session_with_pipe_and_lock_delays_nothing() {
    let desk = Desk::new();
    let script = "setsid sh -c 'echo $$ >> \"$PIDS\"; exec sleep 600' &\n\"$FAKE\" \"$@\"";
    let output = run_wrapped(&desk, script, "", "run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    // The file that it holds open does not lock out a second run.
    std::fs::remove_dir_all(desk.path().join(".allround/artefacts")).unwrap();
    let again = desk.run("run spec.toml --out again");
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert!(!err(&again).contains("waiting"), "{}", err(&again));
    for pid in living(&desk) {
        // SAFETY: a signal to a process that this test has started.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

#[test]
fn a_silent_worker_in_a_wrapper_is_killed_with_all_its_processes() {
    let desk = Desk::new();
    let script = "\"$FAKE\" \"$@\" &\necho $! >> \"$PIDS\"\nwait";
    let line = "run spec.toml -q -j 1 --timeout 1s --seed 1 --set name=small";
    let output = run_wrapped(&desk, script, "backbone=hang", line);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let metrics = desk.cells();
    assert!(
        metrics.contains("reported nothing for 1 s after it started"),
        "{metrics}"
    );
    assert_eq!(living(&desk), [0; 0]);
}

#[test]
fn stopping_a_wrapper_stops_its_worker() {
    let desk = Desk::new();
    let script = "\"$FAKE\" \"$@\" &\necho $! >> \"$PIDS\"\nwait";
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_allround"));
    command
        .args(["run", "spec.toml", "-q"])
        .current_dir(desk.path())
        .env("ALLROUND_WORKER", wrapper(&desk, script))
        .env("FAKE", common::fake_worker())
        .env("FAKE_WORKER", "backbone=hang")
        .env("PIDS", desk.path().join("pids"));
    let mut run = command.spawn().unwrap();
    let started = || {
        let pids = std::fs::read_to_string(desk.path().join("pids")).unwrap_or_default();
        // Data, candidates, and the model that hangs.
        pids.lines().count() >= 3
    };
    while !started() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // SAFETY: a signal to a run that this test has started.
    unsafe { libc::kill(i32::try_from(run.id()).unwrap(), libc::SIGTERM) };
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert_eq!(living(&desk), [0; 0]);
}

#[test]
fn doctor_ends_a_worker_that_prints_endlessly() {
    let desk = Desk::new();
    let endless = "while :; do echo allround-worker of many words; done";
    let mut command = desk.command("doctor");
    let output = command
        .env("ALLROUND_WORKER", wrapper(&desk, endless))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("wrapper` does not run"), "{text}");
    assert!(text.len() < 100_000, "{} bytes", text.len());
}

#[test]
fn doctor_distinguishes_another_protocol_from_other_sources() {
    let desk = Desk::new();
    let doctor = |version: &str| {
        let script = format!("echo 'allround-worker {version}'");
        let mut command = desk.command("doctor");
        let worker = wrapper(&desk, &script);
        let output = command.env("ALLROUND_WORKER", worker).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = doctor("0.0.1, protocol 0, LibTorch 2.11.0");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("does not use protocol"), "{text}");
    let protocol = allround_core::event::PROTOCOL;
    let (code, text) = doctor(&format!("0.0.1 (other), protocol {protocol}, LibTorch"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("built from other sources"), "{text}");
}
