//! A worker that serves stages: each in its own process, which may die without harm to the next.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::fs::File;
use std::io::{IoSlice, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use allround_core::event::Event;
use allround_core::server::{ARGUMENT, REPLY, Reply};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, socketpair,
};
use nix::unistd::Pid;

/// The status of a process that ended with exit code 2: its job file cannot be read.
const NO_JOB: i32 = 2 << 8;

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap()
}

struct Server {
    process: Child,
    socket: OwnedFd,
}

impl Server {
    fn start() -> Server {
        let (socket, end) = pair();
        let mut command = Command::new(env!("CARGO_BIN_EXE_allround-worker"));
        command.arg(ARGUMENT).stdin(end);
        let process = command.stdout(Stdio::null()).spawn().unwrap();
        Server { process, socket }
    }

    /// Asks for a stage: its replies, and its standard output.
    fn request(&self, job: &str) -> (OwnedFd, PipeReader) {
        let (output, stdout) = std::io::pipe().unwrap();
        (self.send(job, &stdout), output)
    }

    /// Asks for a stage that waits forever, since its standard output is full.
    fn request_without_end(&self) -> (OwnedFd, PipeReader) {
        let (output, mut stdout) = std::io::pipe().unwrap();
        let size = fcntl(&stdout, FcntlArg::F_GETPIPE_SZ).unwrap();
        let filling = vec![b' '; usize::try_from(size).unwrap()];
        stdout.write_all(&filling).unwrap();
        (self.send("/nowhere/job.json", &stdout), output)
    }

    fn send(&self, job: &str, stdout: &PipeWriter) -> OwnedFd {
        let (reply, end) = pair();
        let null = File::open("/dev/null").unwrap();
        let descriptors = [
            stdout.as_raw_fd(),
            null.as_raw_fd(),
            null.as_raw_fd(),
            end.as_raw_fd(),
        ];
        sendmsg::<()>(
            self.socket.as_raw_fd(),
            &[IoSlice::new(job.as_bytes())],
            &[ControlMessage::ScmRights(&descriptors)],
            MsgFlags::empty(),
            None,
        )
        .unwrap();
        reply
    }
}

fn receive(reply: &OwnedFd) -> Option<Reply> {
    let mut bytes = [0; REPLY];
    let count = recv(reply.as_raw_fd(), &mut bytes, MsgFlags::empty()).unwrap();
    Reply::decode(&bytes[..count])
}

fn started(reply: &OwnedFd) -> i32 {
    match receive(reply) {
        Some(Reply::Started(pid)) => pid,
        other => panic!("{other:?} is not the start of a stage"),
    }
}

/// The parent and the group of a process, also of one that has ended but was not waited for.
fn parent_and_group(pid: i32) -> Option<(i32, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[test]
fn each_stage_is_a_fork_of_the_server_with_its_own_output_status_and_group() {
    let mut server = Server::start();
    let mut pids = Vec::new();
    for job in ["/nowhere/first.json", "/nowhere/second.json"] {
        let (reply, mut output) = server.request(job);
        let pid = started(&reply);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        let event: Event = serde_json::from_str(text.trim()).unwrap();
        let Event::Failed(failure) = event else {
            panic!("{event:?} is not a failure");
        };
        assert!(failure.error.contains(job), "{}", failure.error);
        assert_eq!(receive(&reply), Some(Reply::Ended(NO_JOB)));
        let parent = server.process.id().cast_signed();
        assert_eq!(parent_and_group(pid), Some((parent, pid)));
        drop(reply);
        // Only now may another process get this id.
        while parent_and_group(pid).is_some_and(|(parent_now, _)| parent_now == parent) {
            std::thread::sleep(Duration::from_millis(5));
        }
        pids.push(pid);
    }
    assert_ne!(pids[0], pids[1]);
    drop(server.socket);
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn a_stage_that_is_killed_does_not_end_the_server_and_a_server_that_is_killed_ends_its_stages() {
    let mut server = Server::start();
    let (reply, _full) = server.request_without_end();
    kill(Pid::from_raw(started(&reply)), Signal::SIGKILL).unwrap();
    assert_eq!(receive(&reply), Some(Reply::Ended(libc::SIGKILL)));

    let (reply, _full) = server.request_without_end();
    let pid = started(&reply);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    // The last process that held the other end has gone.
    assert_eq!(receive(&reply), None);
    while parent_and_group(pid).is_some_and(|(_, group)| group == pid) {
        std::thread::sleep(Duration::from_millis(5));
    }
}
