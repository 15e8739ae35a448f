//! Stamps of files: whether a file is still the one that was looked at.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{FsError, failed};

/// What tells whether a file is still the one that was looked at, without reading it.
///
/// Size and time of modification alone do not tell: `cp -p`, `rsync -t`, `tar` and images set that time. Nobody can set the
/// time of the last change of the inode, and a file that replaces another has another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Time of the last modification of the contents, in nanoseconds since 1970; 0 where the file system has no such time.
    pub modified_ns: u64,
    /// Time of the last change of contents, name or permissions, in nanoseconds since 1970.
    #[serde(default)]
    pub changed_ns: u64,
    /// Number of the inode.
    #[serde(default)]
    pub inode: u64,
}

impl Stamp {
    /// Whether the file was changed for the last time long enough before `now_ns` that one more change would show: clocks of
    /// file systems tick in steps, and two changes within one step have one time.
    pub fn is_settled(&self, now_ns: u64) -> bool {
        self.changed_ns.saturating_add(SETTLING_NS) < now_ns
    }
}

/// Longest step of a file system's clock that is reckoned with: 50 ms, five ticks of a slow kernel.
const SETTLING_NS: u64 = 50_000_000;

/// Nanoseconds since 1970 by the system's clock.
pub fn now_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// The stamp of a file.
///
/// # Errors
/// When the file is not there or may not be looked at.
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
