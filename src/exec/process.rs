//! One worker process: it cannot outlive this program, is read line by line, and ends on request or
//! after a timeout.
//!
//! A worker leads its own process group, and whatever ends the worker ends the group. The program
//! may be a wrapper (`srun`, `numactl`, a shell script) around the actual worker.

mod lines;
mod worker;

use std::cell::Cell;
use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Stop;
use allround_core::fs::{self, FsError};
use lines::Output;
use worker::Worker;
pub use worker::{Server, Servers};

/// How long a worker may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How often stop requests and timeouts are checked.
const TICK: Duration = Duration::from_millis(20);

/// How long output is read after the worker has ended: another process may still hold the pipe
/// open.
const REST: Duration = Duration::from_secs(2);

/// Capacity of the channel of lines; a worker that prints faster waits.
const WAITING_LINES: usize = 256;

/// Maximum bytes of standard error kept per attempt of a stage.
pub const MOST_LOG: u64 = 16 << 20;

/// Maximum bytes of one line on standard output.
pub const MOST_LINE: usize = 1 << 20;

/// How a worker process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Exited(i32),
    /// A signal killed it that this program did not send.
    Killed(i32),
    /// It reported nothing for this long and was killed.
    Hung(Duration),
    /// It exceeded an output limit and was killed. Holds what it printed.
    Flooded(&'static str),
    /// It was ended because the run was stopped.
    Stopped,
}

/// Whether a worker may continue after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may continue.
    Continue,
    /// It has exceeded an output limit. Holds what it printed.
    Kill(&'static str),
}

/// How to start a worker.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program.
    pub worker: &'a Path,
    /// The job file.
    pub job: &'a Path,
    /// File for its standard error.
    pub log: &'a Path,
    /// The lock that it inherits.
    pub lock: RawFd,
    /// CPU threads for OpenMP and rayon in the worker.
    pub threads: usize,
    /// The worker that forks it, if one stays alive.
    pub server: Option<Arc<Server>>,
    /// How long it may report nothing.
    pub timeout: Option<Duration>,
}

/// Runs a worker until it ends and passes on every line that it prints.
///
/// Must be called from a thread that lives as long as the worker: the kernel ties the worker to the
/// thread.
///
/// # Errors
/// When the worker cannot be started or its log cannot be made.
pub fn run(
    launch: &Launch<'_>,
    stop: &Stop,
    line: &mut dyn FnMut(&str) -> Verdict,
) -> Result<End, FsError> {
    let log = Log::of(launch.log)?;
    let (mut worker, output) = Worker::start(launch)?;
    // From here on, every return path kills what is left of the group.
    let group = Group::of(&worker);
    let (sender, lines) = mpsc::sync_channel(WAITING_LINES);
    let has_ended = Arc::new(AtomicBool::new(false));
    let flag = has_ended.clone();
    let reader = std::thread::spawn(move || lines::read(output, &sender, &flag));
    let watch = Watch {
        worker: &mut worker,
        group: &group,
        lines,
        log: &log,
        timeout: launch.timeout,
        stop,
    };
    let end = watch.run(&has_ended, line);
    has_ended.store(true, Ordering::SeqCst);
    drop(group);
    worker.release();
    let failed = |error| FsError::new(launch.worker, "wait for", error);
    if reader.join().is_err() {
        return Err(failed(std::io::Error::other(
            "the thread that read its output panicked",
        )));
    }
    log.cut();
    end.map_err(failed)
}

/// The process group of a worker, killed on drop. The group id stays reserved until the worker was
/// waited for and no process of the group is left; after that, no signal is sent.
struct Group {
    id: Option<i32>,
    is_over: Cell<bool>,
}

impl Group {
    fn of(worker: &Worker) -> Group {
        Group {
            id: worker.id(),
            is_over: Cell::new(false),
        }
    }

    /// Sends a signal to every process of the group. False when there is none.
    fn signal(&self, signal: i32) -> bool {
        match self.id {
            // SAFETY: a plain system call; the group was made by this program.
            Some(id) if !self.is_over.get() => unsafe { libc::killpg(id, signal) == 0 },
            _ => false,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
    }
}

/// The log file of standard error, with its size when the worker started.
struct Log<'a> {
    path: &'a Path,
    before: u64,
}

impl<'a> Log<'a> {
    fn of(path: &'a Path) -> Result<Log<'a>, FsError> {
        let size = || fs::stamp(path).map_or(0, |stamp| stamp.size);
        // Several attempts write to the same log.
        if size() > MOST_LOG {
            fs::remove_file(path)?;
        }
        Ok(Log {
            path,
            before: size(),
        })
    }

    fn is_too_long(&self) -> bool {
        fs::stamp(self.path).is_ok_and(|stamp| stamp.size > self.before + MOST_LOG)
    }

    /// Truncates what was written beyond the limit before the worker was killed.
    fn cut(&self) {
        if self.is_too_long() {
            // A log that is too long does no harm.
            drop(fs::cut(self.path, self.before + MOST_LOG));
        }
    }
}

/// A running worker.
struct Watch<'a> {
    worker: &'a mut Worker,
    group: &'a Group,
    lines: Receiver<Output>,
    log: &'a Log<'a>,
    timeout: Option<Duration>,
    stop: &'a Stop,
}

impl Watch<'_> {
    /// Passes on lines until the worker has ended and its output is read.
    fn run(
        self,
        has_ended: &AtomicBool,
        line: &mut dyn FnMut(&str) -> Verdict,
    ) -> std::io::Result<End> {
        let mut last_line = Instant::now();
        let mut last_check = Instant::now();
        let mut stop_sent: Option<Instant> = None;
        loop {
            let is_open = match self.lines.recv_timeout(TICK) {
                Ok(Output::Line(text)) => {
                    last_line = Instant::now();
                    if let Verdict::Kill(what) = line(&text) {
                        return Ok(self.kill(End::Flooded(what)));
                    }
                    true
                }
                Ok(Output::TooLong) => {
                    let what = "a line of more than 1 MiB on its standard output";
                    return Ok(self.kill(End::Flooded(what)));
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if is_open && last_check.elapsed() < TICK {
                continue;
            }
            last_check = Instant::now();
            if let Some(status) = self.worker.try_wait()? {
                self.take_rest(stop_sent, has_ended, line);
                return Ok(ending(status, stop_sent.is_some()));
            }
            if !is_open {
                std::thread::sleep(Duration::from_millis(1));
            }
            if self
                .timeout
                .is_some_and(|limit| last_line.elapsed() > limit)
            {
                return Ok(self.kill(End::Hung(last_line.elapsed())));
            }
            if self.log.is_too_long() {
                let what = "more than 16 MiB on its standard error";
                return Ok(self.kill(End::Flooded(what)));
            }
            if self.stop.is_requested() && stop_sent.is_none() {
                stop_sent = Some(Instant::now());
                self.group.signal(libc::SIGTERM);
            }
            if self.stop.is_urgent() || stop_sent.is_some_and(|since| since.elapsed() > GRACE) {
                self.group.signal(libc::SIGKILL);
            }
        }
    }

    fn kill(self, end: End) -> End {
        self.group.signal(libc::SIGKILL);
        end
    }

    /// Ends the rest of the group after the worker has ended. After a stop it waits for the grace
    /// period, since a wrapper ends before the program inside it. Then it reads the remaining
    /// output, even if another process holds the pipe open.
    fn take_rest(
        &self,
        stop_sent: Option<Instant>,
        has_ended: &AtomicBool,
        line: &mut dyn FnMut(&str) -> Verdict,
    ) {
        while stop_sent.is_some_and(|since| since.elapsed() < GRACE)
            && !self.stop.is_urgent()
            && self.group.signal(0)
        {
            if let Ok(Output::Line(text)) = self.lines.recv_timeout(TICK) {
                line(&text);
            }
        }
        self.group.signal(libc::SIGKILL);
        self.group.is_over.set(true);
        has_ended.store(true, Ordering::SeqCst);
        let start = Instant::now();
        while start.elapsed() < REST {
            match self.lines.recv_timeout(TICK) {
                Ok(Output::Line(text)) => _ = line(&text),
                Ok(Output::TooLong) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

fn ending(status: ExitStatus, stop_sent: bool) -> End {
    match (status.code(), status.signal()) {
        (Some(0), _) => End::Exited(0),
        _ if stop_sent => End::Stopped,
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Killed(signal.unwrap_or_default()),
    }
}

/// A signal's number with its name, such as `9 (SIGKILL)`.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        _ => return signal.to_string(),
    };
    format!("{signal} ({name})")
}
