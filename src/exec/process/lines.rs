//! The lines of a worker's standard output, of bounded length, until the worker has ended.

use std::io::{PipeReader, Read};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use super::MOST_LINE;

/// How long to wait for output before checking whether the worker has ended, in milliseconds.
const WAIT_MS: i32 = 50;

/// A part of a worker's output.
pub(super) enum Output {
    /// A line without its end.
    Line(String),
    /// A line of more than [`MOST_LINE`] bytes; nothing after it is read.
    TooLong,
}

/// Reads lines until the pipe is closed, or is empty after the worker has ended: another process
/// may hold it open.
pub(super) fn read(mut output: PipeReader, sender: &SyncSender<Output>, has_ended: &AtomicBool) {
    let mut buffer = [0; 1 << 16];
    let mut line = Vec::new();
    loop {
        if !is_ready(&output) {
            if has_ended.load(Ordering::SeqCst) {
                break;
            }
            continue;
        }
        let Ok(n @ 1..) = output.read(&mut buffer) else {
            break;
        };
        for part in buffer[..n].split_inclusive(|&byte| byte == b'\n') {
            line.extend_from_slice(part);
            if line.len() > MOST_LINE {
                drop(sender.send(Output::TooLong));
                return;
            }
            if part.ends_with(b"\n") && !send(&mut line, sender) {
                return;
            }
        }
    }
    if !line.is_empty() {
        send(&mut line, sender);
    }
}

/// Sends a line and empties it. False when the receiver is gone.
fn send(line: &mut Vec<u8>, sender: &SyncSender<Output>) -> bool {
    let text = String::from_utf8_lossy(line).trim_end().to_owned();
    line.clear();
    sender.send(Output::Line(text)).is_ok()
}

/// Whether there is output to read, or the end of it, within [`WAIT_MS`].
fn is_ready(output: &PipeReader) -> bool {
    let mut poll = libc::pollfd {
        fd: output.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry, which lives as long as the call.
    unsafe { libc::poll(&raw mut poll, 1, WAIT_MS) > 0 }
}
