//! A busy neighbour on the machine: stages of several threads must not spend their time waiting for each other.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// A CF model and a stage with a language model. On two threads, their steps are thousands of parallel regions, at whose ends
/// OpenMP threads wait for each other.
const SPEC: &str = r#"
spec_version = 1
name = "busy"
seeds = [1]

[dataset.toys.source.synthetic]
users = 300
items = 100

[protocol.strict]
metrics = ["hit@1"]

[llm.small.small]
hidden_units = 64
num_blocks = 2
num_heads = 2
positions = 400
vocab_size = 400
steps = 20
batch_size = 4

[model.sasrec.sasrec]
train.epochs = 8

[model.only.llm_only]
llm = "small"
"#;

/// Processor seconds of all children that have ended.
fn processor_seconds() -> f64 {
    // SAFETY: the structure is plain numbers, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage), 0);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Processor seconds of a run from an empty store, its stages on so many threads.
fn run(program: &std::path::Path, threads: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spec.toml"), SPEC).unwrap();
    let before = processor_seconds();
    let status = Command::new(program)
        .args(["run", "spec.toml", "-q", "-j", "1"])
        .args(["--set", &format!("run.threads={threads}")])
        .args(["--set", &format!("run.cf_threads={threads}")])
        .args(["--out", "results"])
        .current_dir(folder.path())
        .env("ALLROUND_WORKER", env!("CARGO_BIN_EXE_allround-worker"))
        .env_remove("ALLROUND_STORE")
        .env_remove("OMP_WAIT_POLICY")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    processor_seconds() - before
}

// Processor time and not wall time: a spinning thread burns it, whatever else the machine does. One thread never waits, so
// its processor time is the reference on any machine.
#[test]
fn a_busy_neighbour_costs_two_threads_at_most_three_times_the_processor_time_of_one() {
    let cores = std::thread::available_parallelism().unwrap().get();
    if cores < 2 {
        println!("skipped: stages of two threads need two cores");
        return;
    }
    let program = common::program();
    let alone = run(program, 1);
    let is_over = AtomicBool::new(false);
    let busy = std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let busy = run(program, 2);
        is_over.store(true, Ordering::Relaxed);
        busy
    });
    assert!(
        busy < 3.0 * alone,
        "{alone:.1} s on one thread, {busy:.1} s on two with busy neighbours"
    );
}
