//! Runs a stage of an allround experiment: `allround-worker JOB.json`. With `--serve` it runs
//! several, each in a fork of this process ([`server`]).
//!
//! Events are JSON lines on standard output; messages for people go to standard error. Exit codes:
//! 0 the artefact is complete; 1 the stage failed, and the last event says why; 2 the job file
//! cannot be read.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use allround_core::event::{Event, Failure, PROTOCOL};
use allround_core::program::Program;
use allround_core::server::ARGUMENT as SERVE;
use allround_core::stage::Job;
use allround_worker::stages::{self, StageError};
use allround_worker::torch_ext;

mod server;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--version") => version(),
        Some(SERVE) => server::serve(run_and_end).unwrap_or(ExitCode::FAILURE),
        path => run_and_end(Path::new(path.unwrap_or_default())),
    }
}

/// Runs the job of a file and ends this process. The destructors of LibTorch are left out: they
/// take its thousands of operators apart one by one, which lasts as long as a small stage. Events
/// and files are written by then.
fn run_and_end(path: &Path) -> ! {
    let code = run(path);
    // SAFETY: a plain system call.
    unsafe { nix::libc::_exit(code) }
}

/// Runs the job of a file, and returns the exit code.
fn run(path: &Path) -> i32 {
    let job = match read_job(path) {
        Ok(job) => job,
        Err(error) => {
            send(&Event::Failed(Failure {
                error,
                hint: Some("the first argument is a job file that `allround run` wrote".to_owned()),
            }));
            return 2;
        }
    };
    torch_ext::keep_memory();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        stages::run(&job, allround_small_lm::run, &mut |event| send(&event))
    }));
    let failure = match done {
        Ok(Ok(())) => {
            send(&Event::Finished);
            return 0;
        }
        Ok(Err(error)) => error.failure(),
        Err(panic) => match torch_ext::memory::ran_out(panic.as_ref()) {
            Some(message) => {
                let when = "outside of what is computed in parts";
                let remedy = "let the stage hold less: shorter texts, smaller models";
                StageError::memory(when, &message, remedy).failure()
            }
            None => Failure {
                error: panic_message(panic.as_ref()),
                hint: None,
            },
        },
    };
    send(&Event::Failed(failure));
    1
}

/// Prints what `allround doctor` shows: this program, LibTorch, and the CUDA devices that it sees.
fn version() -> ExitCode {
    let cuda = match torch_ext::device::cuda_devices() {
        Ok(count) => format!("{count} CUDA devices"),
        Err(error) => format!("no CUDA device ({error})"),
    };
    let text = format!(
        "allround-worker {}, protocol {PROTOCOL}, LibTorch {}, {cuda}\n",
        Program::this(),
        torch_ext::device::LIBTORCH
    );
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read_job(path: &Path) -> Result<Job, String> {
    if path.as_os_str().is_empty() {
        return Err("no job file is named".to_owned());
    }
    let bytes = allround_core::fs::read_text(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("{}: not a job: {error}", path.display()))
}

/// The message of a panic. LibTorch's own errors arrive as panics; their place is on standard
/// error.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    // LibTorch's message continues with a backtrace, after a line break that tch has escaped.
    let line = text.split("\\n").next().unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    format!("the worker panicked: {line}")
}

/// Writes one event as a line. A parent that has gone needs no more of them.
fn send(event: &Event) {
    let mut line = serde_json::to_string(event).expect("an event is plain data");
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    if stdout
        .write_all(line.as_bytes())
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(1);
    }
}
