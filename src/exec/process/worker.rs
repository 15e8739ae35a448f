//! Starts worker processes: one for each stage, or as forks of a worker that stays alive.
//!
//! Loading LibTorch takes a quarter of a second of processor time. A [`Server`] loads it once and
//! forks itself for each stage, so that a stage still has its own process. Programs that are not
//! binaries (scripts that wrap a worker) and workers that do not serve are started for each stage.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{IoSlice, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allround_core::fs::{self, FsError};
use allround_core::server::{ARGUMENT, DESCRIPTORS, REPLY, Reply};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, setsockopt,
    socketpair,
};
use nix::sys::time::TimeVal;

use super::Launch;

/// Seconds that a server may take to start a stage. Then the stage gets its own worker.
const START_LIMIT: i64 = 60;

/// Workers that stay alive, one for each thread count: OpenMP reads its thread count at start.
#[derive(Debug)]
pub struct Servers {
    worker: PathBuf,
    /// `None` where the worker cannot serve.
    started: BTreeMap<usize, Option<Arc<Server>>>,
}

impl Servers {
    /// No server is started yet.
    pub fn new(worker: &Path) -> Servers {
        Servers {
            worker: worker.to_owned(),
            started: BTreeMap::new(),
        }
    }

    /// The server whose stages have this many threads, started at the first call.
    ///
    /// Must be called from a thread that lives as long as the stages: the kernel ties the server to
    /// the thread.
    pub fn get(&mut self, threads: usize) -> Option<Arc<Server>> {
        let worker = &self.worker;
        self.started
            .entry(threads)
            .or_insert_with(|| Server::start(worker, threads).map(Arc::new))
            .clone()
    }
}

/// A worker that stays alive and forks itself for each stage.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Closed to end the server.
    socket: Option<OwnedFd>,
    /// False once it did not start a stage.
    is_usable: AtomicBool,
}

impl Server {
    fn start(worker: &Path, threads: usize) -> Option<Server> {
        let (start, _) = fs::beginning(worker, 4).ok()?;
        if start != b"\x7fELF" {
            return None;
        }
        let (socket, end) = pair()?;
        let mut command = command(worker, threads);
        command
            .arg(ARGUMENT)
            .stdin(end)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        tie_to_this_process(&mut command, None);
        Some(Server {
            process: command.spawn().ok()?,
            socket: Some(socket),
            is_usable: AtomicBool::new(true),
        })
    }

    /// A process that runs the job of `launch`; `None` when the server cannot start one.
    fn fork(&self, launch: &Launch<'_>, stdout: &PipeWriter, stderr: &File) -> Option<Forked> {
        let socket = self.socket.as_ref()?;
        if !self.is_usable.load(Ordering::SeqCst) {
            return None;
        }
        let forked = pair().and_then(|(reply, end)| {
            let descriptors: [RawFd; DESCRIPTORS] = [
                stdout.as_raw_fd(),
                stderr.as_raw_fd(),
                launch.lock,
                end.as_raw_fd(),
            ];
            let job = [IoSlice::new(launch.job.as_os_str().as_bytes())];
            let rights = [ControlMessage::ScmRights(&descriptors)];
            let flags = MsgFlags::MSG_NOSIGNAL;
            sendmsg::<()>(socket.as_raw_fd(), &job, &rights, flags, None).ok()?;
            // The server has its own copy, which closes when the server ends.
            drop(end);
            setsockopt(&reply, ReceiveTimeout, &TimeVal::new(START_LIMIT, 0)).ok()?;
            match receive(&reply, MsgFlags::empty()) {
                Ok(Some(Reply::Started(pid))) => Some(Forked {
                    pid,
                    reply,
                    has_ended: false,
                }),
                Ok(Some(Reply::Ended(_)) | None) | Err(_) => None,
            }
        });
        if forked.is_none() {
            self.is_usable.store(false, Ordering::SeqCst);
        }
        forked
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.socket.take());
        // A server that has already ended is waited for all the same.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// A stage's process that a server has forked.
#[derive(Debug)]
pub(super) struct Forked {
    pid: i32,
    /// The server releases the process id when this is closed.
    reply: OwnedFd,
    has_ended: bool,
}

impl Forked {
    fn status(&mut self, flags: MsgFlags) -> std::io::Result<Option<ExitStatus>> {
        let status = match receive(&self.reply, flags) {
            Ok(Some(Reply::Ended(status))) => status,
            // The server has ended, and the kernel has killed its stages.
            Ok(None) => libc::SIGKILL,
            Ok(Some(Reply::Started(_))) | Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.has_ended = true;
        Ok(Some(ExitStatus::from_raw(status)))
    }
}

/// The next reply; `None` when the other end was closed, or sends something else.
fn receive(socket: &OwnedFd, flags: MsgFlags) -> Result<Option<Reply>, Errno> {
    let mut bytes = [0; REPLY];
    let count = recv(socket.as_raw_fd(), &mut bytes, flags)?;
    Ok(Reply::decode(&bytes[..count]))
}

/// Two connected sockets that keep the boundaries of messages.
fn pair() -> Option<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).ok()
}

/// The process of a stage.
#[derive(Debug)]
pub(super) enum Worker {
    /// It was started for this stage.
    Own(Child),
    /// It is a fork of a server.
    Forked(Forked),
}

impl Worker {
    /// Starts a process, and returns it with its standard output.
    pub(super) fn start(launch: &Launch<'_>) -> Result<(Worker, PipeReader), FsError> {
        let failed = |error| FsError::new(launch.worker, "start", error);
        let log = fs::append(launch.log)?;
        let (output, stdout) = std::io::pipe().map_err(failed)?;
        let server = launch.server.as_ref();
        if let Some(forked) = server.and_then(|server| server.fork(launch, &stdout, &log)) {
            return Ok((Worker::Forked(forked), output));
        }
        let mut command = command(launch.worker, launch.threads);
        command
            .arg(launch.job)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log);
        tie_to_this_process(&mut command, Some(launch.lock));
        let child = command.spawn().map_err(failed)?;
        Ok((Worker::Own(child), output))
    }

    /// Its process id, which is also that of its group.
    pub(super) fn id(&self) -> Option<i32> {
        match self {
            Worker::Own(child) => i32::try_from(child.id()).ok(),
            Worker::Forked(forked) => Some(forked.pid),
        }
    }

    /// Its status, when it has ended.
    pub(super) fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        match self {
            Worker::Own(child) => child.try_wait(),
            Worker::Forked(forked) => forked.status(MsgFlags::MSG_DONTWAIT),
        }
    }

    /// Waits for a process that was killed, and releases its id.
    pub(super) fn release(self) {
        match self {
            Worker::Own(mut child) => drop(child.wait()),
            Worker::Forked(mut forked) if !forked.has_ended => {
                drop(forked.status(MsgFlags::empty()));
            }
            Worker::Forked(_) => {}
        }
    }
}

/// A worker in its own process group, with its environment.
fn command(worker: &Path, threads: usize) -> Command {
    let mut command = Command::new(worker);
    command
        .env("OMP_NUM_THREADS", threads.to_string())
        .env("RAYON_NUM_THREADS", threads.to_string())
        // OpenMP threads spin at each barrier unless set to sleep. On a busy machine, a spinning
        // thread takes the time that a late thread needs, and a stage may never end.
        .env("OMP_WAIT_POLICY", wait_policy())
        .process_group(0);
    command
}

/// `OMP_WAIT_POLICY` as the user has set it, else `passive`.
fn wait_policy() -> OsString {
    std::env::var_os("OMP_WAIT_POLICY").unwrap_or_else(|| "passive".into())
}

/// The child dies with this process, ignores Ctrl-C (this process handles it), and keeps the lock
/// file open.
fn tie_to_this_process(command: &mut Command, lock: Option<RawFd>) {
    let parent = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe calls are made, and nothing is
    // allocated.
    unsafe {
        command.pre_exec(move || tie_to_parent(parent, lock));
    }
}

/// In the child. See [`tie_to_this_process`].
fn tie_to_parent(parent: u32, lock: Option<RawFd>) -> std::io::Result<()> {
    // SAFETY: plain system calls on the child's own state; `lock` is an open descriptor of the
    // parent.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        if libc::getppid().cast_unsigned() != parent {
            libc::_exit(1);
        }
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        if lock.is_some_and(|lock| libc::fcntl(lock, libc::F_SETFD, 0) != 0) {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}
