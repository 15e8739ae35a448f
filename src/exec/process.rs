//! One worker process: started so that it cannot outlive this one, read line by line, ended by wish or by time.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::fd::RawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Stop;
use crate::fs::FsError;

/// How long a worker that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How often wishes and clocks are looked at.
const TICK: Duration = Duration::from_millis(20);

/// How a worker process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal that this program did not send.
    Killed(i32),
    /// It was silent for too long and was killed.
    Hung(Duration),
    /// It was ended because the run is stopping.
    Stopped,
}

/// What a worker is started with.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program.
    pub worker: &'a Path,
    /// The job file.
    pub job: &'a Path,
    /// Where its standard error goes.
    pub log: &'a Path,
    /// The lock that it inherits.
    pub lock: RawFd,
    /// CPU threads of the worker, of OpenMP and of rayon.
    pub threads: usize,
    /// Longest silence.
    pub timeout: Option<Duration>,
}

/// Runs a worker to its end and hands on every line that it prints.
///
/// Must be called from a thread that lives as long as the worker: the kernel ties the worker to the thread.
///
/// # Errors
/// When the worker cannot be started or its log cannot be made.
pub fn run(launch: &Launch<'_>, stop: &Stop, line: &mut dyn FnMut(&str)) -> Result<End, FsError> {
    let mut child = spawn(launch)?;
    let output = child.stdout.take().expect("stdout is piped");
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || read_lines(output, &sender));
    let end = watch(&mut child, &lines, (launch.timeout, stop), line);
    // The reader ends with the worker's output; what it has left has been handed on by `watch`.
    drop(reader.join());
    end.map_err(|error| FsError::new(launch.worker, "wait for", error))
}

fn spawn(launch: &Launch<'_>) -> Result<Child, FsError> {
    let log = crate::fs::append(launch.log)?;
    let parent = std::process::id();
    let lock = launch.lock;
    let mut command = Command::new(launch.worker);
    command
        .arg(launch.job)
        .env("OMP_NUM_THREADS", launch.threads.to_string())
        .env("RAYON_NUM_THREADS", launch.threads.to_string())
        // OpenMP threads spin at each barrier unless they are made to sleep. With a busy neighbour on the machine, a
        // spinning thread takes the time that the late one needs, and a stage never ends (METHODOLOGY, "Threads").
        .env("OMP_WAIT_POLICY", wait_policy())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    // SAFETY: between fork and exec only async-signal-safe calls are made, and nothing is allocated.
    unsafe {
        command.pre_exec(move || tie_to_parent(parent, lock));
    }
    command
        .spawn()
        .map_err(|error| FsError::new(launch.worker, "start", error))
}

/// How OpenMP threads wait: the user's own choice where there is one, else asleep.
fn wait_policy() -> OsString {
    std::env::var_os("OMP_WAIT_POLICY").unwrap_or_else(|| "passive".into())
}

/// In the child: die with the parent, leave Ctrl-C to the parent, keep the lock's file open.
fn tie_to_parent(parent: u32, lock: RawFd) -> std::io::Result<()> {
    // SAFETY: plain system calls on the child's own state; `lock` is an open descriptor of the parent.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        if libc::getppid().cast_unsigned() != parent {
            libc::_exit(1);
        }
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        if libc::fcntl(lock, libc::F_SETFD, 0) != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

fn read_lines(output: ChildStdout, sender: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(output);
    let mut bytes = Vec::new();
    while reader
        .read_until(b'\n', &mut bytes)
        .is_ok_and(|read| read > 0)
    {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if sender.send(line).is_err() {
            break;
        }
        bytes.clear();
    }
}

fn watch(
    child: &mut Child,
    lines: &Receiver<String>,
    (timeout, stop): (Option<Duration>, &Stop),
    line: &mut dyn FnMut(&str),
) -> std::io::Result<End> {
    let mut heard = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut is_open = true;
    loop {
        if is_open {
            match lines.recv_timeout(TICK) {
                Ok(text) => {
                    heard = Instant::now();
                    line(&text);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => is_open = false,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        if !is_open {
            if let Some(status) = child.try_wait()? {
                return Ok(ending(status, asked.is_some()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if timeout.is_some_and(|limit| heard.elapsed() > limit) {
            child.kill()?;
            child.wait()?;
            return Ok(End::Hung(heard.elapsed()));
        }
        if stop.is_asked() && asked.is_none() {
            asked = Some(Instant::now());
            terminate(child);
        }
        if stop.is_urgent() || asked.is_some_and(|since| since.elapsed() > GRACE) {
            child.kill()?;
        }
    }
}

fn terminate(child: &Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        // SAFETY: the child has not been waited for, so its number is still its own.
        unsafe {
            libc::kill(id, libc::SIGTERM);
        }
    }
}

fn ending(status: ExitStatus, asked: bool) -> End {
    match (status.code(), status.signal()) {
        (Some(0), _) => End::Exited(0),
        _ if asked => End::Stopped,
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Killed(signal.unwrap_or_default()),
    }
}

/// A signal's number with its name, for people.
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
