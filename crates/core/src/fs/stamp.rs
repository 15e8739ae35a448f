//! Stamps of files, to detect whether a file has changed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{FsError, failed};

/// A stamp that changes whenever a file changes. It is read without reading the file.
///
/// Size and modification time are not enough: `cp -p`, `rsync -t`, `tar` and images set that time.
/// The change time of the inode cannot be set, and a file that replaces another has another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the contents, in nanoseconds since 1970; 0 where the file system
    /// has no such time.
    pub modified_ns: u64,
    /// Time of the last change of contents, name or permissions, in nanoseconds since 1970.
    #[serde(default)]
    pub changed_ns: u64,
    /// Inode number.
    #[serde(default)]
    pub inode: u64,
}

impl Stamp {
    /// Whether one more change at `now_ns` would have another change time. File systems have coarse
    /// clocks, and two changes within one tick have the same time.
    pub fn is_settled(&self, now_ns: u64) -> bool {
        self.changed_ns.saturating_add(SETTLING_NS) < now_ns
    }
}

/// Assumed maximum tick of a file system's clock: 50 ms, five ticks of a slow kernel.
const SETTLING_NS: u64 = 50_000_000;

/// Current time in nanoseconds since 1970.
pub fn now_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// The stamp of a file.
///
/// # Errors
/// When the file does not exist or its metadata cannot be read.
pub fn stamp(path: &Path) -> Result<Stamp, FsError> {
    let metadata = std::fs::metadata(path).map_err(failed(path, "read"))?;
    let modified = metadata.modified().ok();
    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let changed = metadata
        .ctime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.ctime_nsec());
    Ok(Stamp {
        size: metadata.len(),
        modified_ns: since.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        changed_ns: u64::try_from(changed).unwrap_or(0),
        inode: metadata.ino(),
    })
}
