//! The protocol between `allround` and a worker that serves several stages.
//!
//! `allround-worker --serve` loads LibTorch once and forks itself for each stage. Its standard
//! input is a socket that keeps the boundaries of messages. A request is the path of a job file,
//! together with the four descriptors of [`DESCRIPTORS`]. The worker answers through the last of
//! them: first a [`Reply::Started`], later a [`Reply::Ended`].

/// The argument that makes a worker serve stages.
pub const ARGUMENT: &str = "--serve";

/// Descriptors that a request carries, in this order: standard output, standard error, the lock of
/// the stage, and the socket for replies.
pub const DESCRIPTORS: usize = 4;

/// Maximum bytes of a job file's path; longer paths do not exist on Linux.
pub const MOST_PATH: usize = 4096;

/// Bytes of an encoded reply.
pub const REPLY: usize = 5;

/// What a worker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The process with this id runs the stage and leads a process group.
    Started(i32),
    /// It has ended. Holds its status, in the form that `waitpid` returns.
    Ended(i32),
}

impl Reply {
    /// A tag, and the number in little-endian order.
    pub fn encode(self) -> [u8; REPLY] {
        let (tag, number) = match self {
            Reply::Started(pid) => (1, pid),
            Reply::Ended(status) => (2, status),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [tag, a, b, c, d]
    }

    /// `None` for bytes that are not a reply.
    pub fn decode(bytes: &[u8]) -> Option<Reply> {
        let (&tag, number) = bytes.split_first()?;
        let number = i32::from_le_bytes(number.try_into().ok()?);
        match tag {
            1 => Some(Reply::Started(number)),
            2 => Some(Reply::Ended(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_survives_encoding_and_other_bytes_are_none() {
        for reply in [Reply::Started(1), Reply::Ended(9), Reply::Ended(-1)] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
        for bytes in [&[][..], &[1, 0, 0, 0], &[3, 0, 0, 0, 0]] {
            assert_eq!(Reply::decode(bytes), None);
        }
    }
}
