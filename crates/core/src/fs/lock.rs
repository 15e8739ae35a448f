//! Locks on files.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::{FsError, append, failed};

/// A lock on a file. It is held until it is dropped or the process ends, for whatever reason.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough if a child process has passed its copy of the descriptor
        // on.
        drop(self.file.unlock());
    }
}

impl Lock {
    /// The file descriptor. A child process that inherits it also holds the lock.
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.file)
    }
}

/// Waits for the lock of `path`. The file is created if needed.
///
/// # Errors
/// When the file cannot be created or locked.
pub fn lock(path: &Path) -> Result<Lock, FsError> {
    let file = append(path)?;
    file.lock().map_err(failed(path, "lock"))?;
    Ok(Lock { file })
}

/// Takes the lock of `path`; `None` if another process, or another part of this one, holds it.
///
/// # Errors
/// When the file cannot be created or locked.
pub fn try_lock(path: &Path) -> Result<Option<Lock>, FsError> {
    let file = append(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FsError::new(path, "lock", error)),
    }
}

/// The file of a lock on a file system without locks. Nothing is locked.
///
/// # Errors
/// When the file cannot be created.
pub fn without_lock(path: &Path) -> Result<Lock, FsError> {
    Ok(Lock {
        file: append(path)?,
    })
}
