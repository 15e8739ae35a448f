//! Locks on files.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::{FsError, append, failed};

/// A lock on a file, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough where a child process has left its copy of it to another.
        drop(self.file.unlock());
    }
}

impl Lock {
    /// The open file's number. A child process that inherits it holds the lock, too.
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.file)
    }
}

/// Waits for the lock of `path`, which is made if need be.
///
/// # Errors
/// When the file cannot be made or locked.
pub fn lock(path: &Path) -> Result<Lock, FsError> {
    let file = append(path)?;
    file.lock().map_err(failed(path, "lock"))?;
    Ok(Lock { file })
}

/// The lock of `path`, or `None` while another process (or another part of this one) holds it.
///
/// # Errors
/// When the file cannot be made or locked.
pub fn try_lock(path: &Path) -> Result<Option<Lock>, FsError> {
    let file = append(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FsError::new(path, "lock", error)),
    }
}
