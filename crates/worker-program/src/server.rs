//! Serves several stages, each in a fork of this process.
//!
//! Loading LibTorch takes a quarter of a second of processor time. A fork inherits it loaded, and
//! shares no other state with earlier stages: memory, random generators and threads are those of a
//! new process. This process has one thread and computes nothing, so that forking is safe.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allround_core::server::{DESCRIPTORS, MOST_PATH, Reply};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, send};
use nix::sys::stat::Mode;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{
    ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, getppid, setpgid,
};

/// A stage that a fork runs, until the requesting process closes its end of `reply`.
struct Stage {
    pid: Pid,
    reply: OwnedFd,
    is_reported: bool,
}

/// A stage to run.
struct Request {
    job: PathBuf,
    stdout: OwnedFd,
    stderr: OwnedFd,
    lock: OwnedFd,
    reply: OwnedFd,
}

/// What became of a request.
enum Forked {
    /// This is the server.
    Server(Stage),
    /// This is the new process. Its standard output and error are those of the request.
    Child {
        job: PathBuf,
        /// Held until the process ends.
        _lock: OwnedFd,
    },
}

/// Serves stages until the socket on standard input is closed. `run` runs the job of a file, in a
/// separate process, and ends that process.
///
/// # Errors
/// When a system call fails.
pub fn serve(run: fn(&Path) -> !) -> Result<ExitCode, Errno> {
    let socket = std::io::stdin();
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    let ended = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut stages: Vec<Stage> = Vec::new();
    loop {
        let ready = wait_for_news(socket.as_fd(), ended.as_fd(), &stages)?;
        if ready.has_ended {
            while ended.read_signal()?.is_some() {}
            report_ended(&mut stages)?;
        }
        for index in ready.closed.into_iter().rev() {
            // The requesting process has read the status, so that the process id may be released.
            let stage = stages.swap_remove(index);
            _ = kill(stage.pid, Signal::SIGKILL);
            waitpid(stage.pid, None)?;
        }
        if ready.has_request {
            let Some(request) = receive(socket.as_raw_fd())? else {
                return Ok(ExitCode::SUCCESS);
            };
            match start(request)? {
                Forked::Server(stage) => stages.push(stage),
                Forked::Child { job, _lock } => {
                    drop((stages, ended));
                    mask.thread_unblock()?;
                    run(&job)
                }
            }
        }
    }
}

/// What happened since the last call.
struct Ready {
    has_request: bool,
    has_ended: bool,
    /// Stages whose reply socket was closed, in ascending order.
    closed: Vec<usize>,
}

fn wait_for_news(
    socket: BorrowedFd<'_>,
    ended: BorrowedFd<'_>,
    stages: &[Stage],
) -> Result<Ready, Errno> {
    let mut polled = vec![
        PollFd::new(socket, PollFlags::POLLIN),
        PollFd::new(ended, PollFlags::POLLIN),
    ];
    let replies = stages.iter().map(|stage| stage.reply.as_fd());
    polled.extend(replies.map(|reply| PollFd::new(reply, PollFlags::empty())));
    while let Err(error) = poll(&mut polled, PollTimeout::NONE) {
        if error != Errno::EINTR {
            return Err(error);
        }
    }
    let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
    let closed = polled[2..].iter().enumerate();
    Ok(Ready {
        has_request: is_ready(&polled[0]),
        has_ended: is_ready(&polled[1]),
        closed: closed
            .filter(|(_, fd)| is_ready(fd))
            .map(|(index, _)| index)
            .collect(),
    })
}

/// Reports the stages that have ended. They are waited for later: until then, no other process
/// group can get the same id.
fn report_ended(stages: &mut [Stage]) -> Result<(), Errno> {
    for stage in stages.iter_mut().filter(|stage| !stage.is_reported) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = match waitid(Id::Pid(stage.pid), flags)? {
            WaitStatus::Exited(_, code) => code << 8,
            WaitStatus::Signaled(_, signal, _) => signal as i32,
            WaitStatus::Stopped(..)
            | WaitStatus::PtraceEvent(..)
            | WaitStatus::PtraceSyscall(_)
            | WaitStatus::Continued(_)
            | WaitStatus::StillAlive => continue,
        };
        stage.is_reported = true;
        answer(&stage.reply, Reply::Ended(status));
    }
    Ok(())
}

/// Sends a reply. A process that has gone needs none.
fn answer(to: &OwnedFd, reply: Reply) {
    _ = send(to.as_raw_fd(), &reply.encode(), MsgFlags::MSG_NOSIGNAL);
}

/// The next request; `None` when the other end of the socket was closed, or sends something else.
fn receive(socket: RawFd) -> Result<Option<Request>, Errno> {
    let mut path = [0; MOST_PATH];
    let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(&mut path)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket, &mut parts, Some(&mut space), flags)?;
    let mut received: Vec<OwnedFd> = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            // SAFETY: the kernel made these descriptors for this message; nothing else owns them.
            received.extend(
                descriptors
                    .into_iter()
                    .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
            );
        }
    }
    let length = message.bytes;
    let Ok([stdout, stderr, lock, reply]) = <[OwnedFd; DESCRIPTORS]>::try_from(received) else {
        return Ok(None);
    };
    let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&path[..length]);
    Ok(Some(Request {
        job: PathBuf::from(path),
        stdout,
        stderr,
        lock,
        reply,
    }))
}

fn start(request: Request) -> Result<Forked, Errno> {
    let server = getpid();
    // SAFETY: this process has one thread, so that no lock is held in the child.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            // Both sides make the group, so that it exists before either continues.
            _ = setpgid(child, child);
            answer(&request.reply, Reply::Started(child.as_raw()));
            Ok(Forked::Server(Stage {
                pid: child,
                reply: request.reply,
                is_reported: false,
            }))
        }
        ForkResult::Child => {
            setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            set_pdeathsig(Signal::SIGKILL)?;
            if getppid() != server {
                std::process::exit(1);
            }
            dup2_stdout(&request.stdout)?;
            dup2_stderr(&request.stderr)?;
            // Standard input is the server's socket, which must close when the server ends.
            dup2_stdin(open("/dev/null", OFlag::O_RDONLY, Mode::empty())?)?;
            Ok(Forked::Child {
                job: request.job,
                _lock: request.lock,
            })
        }
    }
}
