//! Files: read, write and rename, lock; every error contains the path.
//!
//! All other modules access files through this one. An error of the operating system therefore
//! always comes with the file and the action.

// The only module that may access files.
#![allow(clippy::disallowed_methods)]

mod lock;
mod regular;
mod stamp;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use lock::{Lock, lock, try_lock, without_lock};
pub use regular::{MOST_TEXT, read_at_most};
pub use stamp::{Stamp, now_ns, stamp};

/// The path in [`FsError`]s of standard output.
pub const STANDARD_OUTPUT: &str = "standard output";

/// A failed access to a file or folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`: {}", .path.display(), reason(.source))]
pub struct FsError {
    /// The file or folder.
    pub path: PathBuf,
    /// The action: `read`, `write`, `create folder`, ...
    pub action: &'static str,
    /// The error of the operating system.
    pub source: io::Error,
}

impl FsError {
    /// An error of `source` while doing `action` to `path`.
    pub fn new(path: &Path, action: &'static str, source: io::Error) -> Self {
        FsError {
            path: path.to_owned(),
            action,
            source,
        }
    }

    /// What to do about it, where known.
    pub fn hint(&self) -> Option<&'static str> {
        match self.source.kind() {
            io::ErrorKind::StorageFull if self.path == Path::new(STANDARD_OUTPUT) => {
                Some("free some space on the disk that standard output is written to")
            }
            io::ErrorKind::StorageFull => {
                Some("free some space, or move the store with `--store DIR`")
            }
            io::ErrorKind::QuotaExceeded => Some(
                "your quota on this file system is used up: free some space, or move the store with `--store DIR`",
            ),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("check the permissions, or choose another folder")
            }
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Some("the file is damaged: fetch it again, or run again what made it")
            }
            io::ErrorKind::InvalidInput => Some("name a regular file"),
            _ => None,
        }
    }
}

/// The operating system's message without `(os error N)`, in lower case except for abbreviations.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let second = letters.clone().nth(1);
    match letters.next() {
        Some(_) if second.is_some_and(char::is_uppercase) => text.to_owned(),
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => error.kind().to_string(),
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> FsError {
    move |source| FsError::new(path, action, source)
}

/// The bytes of a file.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    let mut bytes = Vec::new();
    let mut file = regular::open(path, "read")?;
    file.read_to_end(&mut bytes).map_err(failed(path, "read"))?;
    Ok(bytes)
}

/// The bytes of a file of text or JSON, 1 GiB at most.
///
/// # Errors
/// When the file is not a regular one, cannot be read or is larger.
pub fn read_text(path: &Path) -> Result<Vec<u8>, FsError> {
    read_at_most(path, MOST_TEXT)
}

/// The first `count` bytes of a file, or all if it is shorter, and its size in bytes.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn beginning(path: &Path, count: u64) -> Result<(Vec<u8>, u64), FsError> {
    let file = regular::open(path, "open")?;
    let length = file.metadata().map_err(failed(path, "read"))?.len();
    let mut bytes = Vec::new();
    file.take(count)
        .read_to_end(&mut bytes)
        .map_err(failed(path, "read"))?;
    Ok((bytes, length))
}

/// The bytes of a file, mapped into memory: read on access, and shared with other processes that
/// map it.
#[derive(Debug)]
pub struct Mapped(memmap2::Mmap);

impl std::ops::Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Maps a file that does not change while it is mapped, such as downloaded weights. A file that is
/// replaced by a rename stays intact.
///
/// # Errors
/// When the file cannot be opened or mapped.
pub fn map(path: &Path) -> Result<Mapped, FsError> {
    let file = regular::open(path, "open")?;
    // SAFETY: the mapping is read-only, and mapped files are written once and renamed into place.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(failed(path, "map"))?;
    Ok(Mapped(map))
}

/// The text of a file.
///
/// # Errors
/// When the file cannot be read or is not UTF-8. The error then names the offset of the first wrong
/// byte.
pub fn read_to_string(path: &Path) -> Result<String, FsError> {
    String::from_utf8(read_at_most(path, MOST_TEXT)?).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[offset];
        let text = format!("not UTF-8: byte {byte:#04x} at offset {offset}");
        FsError::new(
            path,
            "read",
            io::Error::new(io::ErrorKind::InvalidData, text),
        )
    })
}

/// A file opened for buffered reading.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(path: &Path) -> Result<BufReader<File>, FsError> {
    let file = regular::open(path, "open")?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Creates or truncates a file for buffered writing. Flush it, and turn its errors into
/// [`FsError`]s with [`FsError::new`].
///
/// # Errors
/// When the file cannot be created.
pub fn create(path: &Path) -> Result<BufWriter<File>, FsError> {
    let file = File::create(path).map_err(failed(path, "create"))?;
    Ok(BufWriter::with_capacity(1 << 16, file))
}

/// Opens a file for appending, and creates it if needed.
///
/// # Errors
/// When the file cannot be opened for writing.
pub fn append(path: &Path) -> Result<File, FsError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed(path, "open for writing"))
}

/// Writes a whole file, or leaves the old one unchanged. A temporary file in the same folder is
/// written, flushed to the disk, and renamed.
///
/// # Errors
/// When writing or renaming fails. The old file is then unchanged, and the temporary file is
/// removed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let temporary = temporary(path);
    let written = write_through(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        // The error of the write is the one to report; the next run removes a leftover.
        drop(std::fs::remove_file(&temporary));
        FsError::new(path, "write", error)
    })
}

/// Creates a file with these bytes. False, and nothing is written, if it exists already. Of several
/// machines that share a file system, one succeeds.
///
/// # Errors
/// When the file cannot be created or written.
pub fn create_new(path: &Path, bytes: &[u8]) -> Result<bool, FsError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    match file {
        Ok(mut file) => {
            let written = file.write_all(bytes).and_then(|()| file.sync_data());
            written.map_err(failed(path, "write")).map(|()| true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(path, "create")(error)),
    }
}

/// Writes `bytes` unless the file contains them already, so that an unchanged file keeps its time.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    write_atomic(path, bytes)
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// A path in the same folder that no other writer uses.
fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{count}.tmp", std::process::id()))
}

/// Creates a folder and its parents, if they do not exist.
///
/// # Errors
/// When a folder cannot be created.
pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    std::fs::create_dir_all(path).map_err(failed(path, "create folder"))
}

/// Truncates a file to `size` bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn cut(path: &Path, size: u64) -> Result<(), FsError> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(size))
        .map_err(failed(path, "cut"))
}

/// Removes a file, or a folder and its contents. It is not an error if nothing exists there.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_dir_all(path: &Path) -> Result<(), FsError> {
    if path.is_file() {
        return remove_file(path);
    }
    ignore_missing(std::fs::remove_dir_all(path)).map_err(failed(path, "remove folder"))
}

/// Removes a file. It is not an error if it does not exist.
///
/// # Errors
/// When the file cannot be removed.
pub fn remove_file(path: &Path) -> Result<(), FsError> {
    ignore_missing(std::fs::remove_file(path)).map_err(failed(path, "remove"))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Renames a file or folder. Both paths must be on the same file system.
///
/// # Errors
/// When the rename fails.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    std::fs::rename(from, to).map_err(failed(to, "rename into"))
}

/// The paths in a folder, sorted by name; empty if the folder does not exist.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>, FsError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed(dir, "list"))?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed(dir, "list"))?;
    paths.sort();
    Ok(paths)
}

/// All files below a folder, sorted. Links are not followed.
///
/// # Errors
/// When a folder cannot be read.
pub fn walk(dir: &Path) -> Result<Vec<PathBuf>, FsError> {
    let mut files = Vec::new();
    for path in list(dir)? {
        if path.is_dir() && !path.is_symlink() {
            files.extend(walk(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// The digest of a file, read in constant memory.
///
/// # Errors
/// When the file cannot be read.
pub fn digest(path: &Path) -> Result<crate::digest::Key, FsError> {
    let file = regular::open(path, "read")?;
    crate::digest::of_reader(file).map_err(failed(path, "read"))
}

/// The last `limit` bytes of a file as text. Invalid bytes become replacement characters.
///
/// # Errors
/// When the file cannot be read.
pub fn tail(path: &Path, limit: u64) -> Result<String, FsError> {
    use std::io::Seek;
    let mut file = regular::open(path, "read")?;
    let size = file.metadata().map_err(failed(path, "read"))?.len();
    file.seek(io::SeekFrom::Start(size.saturating_sub(limit)))
        .map_err(failed(path, "read"))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed(path, "read"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn every_refusal_names_the_path() {
        let dir = folder();
        let missing = dir.path().join("missing/file");
        let name = missing.display().to_string();
        let refusals = [
            read(&missing).unwrap_err(),
            read_to_string(&missing).unwrap_err(),
            open(&missing).unwrap_err(),
            map(&missing).unwrap_err(),
            create(&missing).unwrap_err(),
            append(&missing).unwrap_err(),
            write_atomic(&missing, b"x").unwrap_err(),
            rename(dir.path(), &missing).unwrap_err(),
            stamp(&missing).unwrap_err(),
            digest(&missing).unwrap_err(),
            tail(&missing, 1).unwrap_err(),
            lock(&missing).unwrap_err(),
            try_lock(&missing).unwrap_err(),
        ];
        for refusal in refusals {
            let text = refusal.to_string();
            assert!(text.contains(&name), "{text}");
            assert!(!text.contains("os error"), "{text}");
        }
    }

    #[test]
    fn a_reason_is_in_lower_case_but_for_abbreviations() {
        let told = |text: &str| reason(&io::Error::other(text));
        assert_eq!(told("No such file (os error 2)"), "no such file");
        assert_eq!(told("CSV parse error"), "CSV parse error");
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_with_its_offset() {
        let path = folder().path().join("latin1");
        create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"caf\xe9").unwrap();
        let text = read_to_string(&path).unwrap_err().to_string();
        assert!(text.ends_with("not UTF-8: byte 0xe9 at offset 3"), "{text}");
    }

    #[test]
    fn a_full_disk_is_named_with_a_hint() {
        let mut file = create(Path::new("/dev/full")).unwrap();
        file.write_all(b"x").unwrap();
        let error = FsError::new(Path::new("/dev/full"), "write", file.flush().unwrap_err());
        assert_eq!(
            error.to_string(),
            "cannot write `/dev/full`: no space left on device"
        );
        assert!(error.hint().unwrap().contains("free some space"));
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_leftover() {
        let dir = folder();
        // A file cannot replace a folder, not even for root.
        let path = dir.path().join("target");
        create_dir_all(&path.join("inside")).unwrap();
        assert!(write_atomic(&path, b"new").is_err());
        assert_eq!(list(dir.path()).unwrap(), [path]);
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let path = folder().path().join("file");
        create_dir_all(path.parent().unwrap()).unwrap();
        write_if_changed(&path, b"one").unwrap();
        let first = stamp(&path).unwrap();
        write_if_changed(&path, b"one").unwrap();
        assert_eq!(stamp(&path).unwrap(), first);
        write_if_changed(&path, b"two!").unwrap();
        assert_eq!(read(&path).unwrap(), b"two!");
    }

    #[test]
    fn a_mapped_file_outlives_its_replacement() {
        let dir = folder();
        let path = dir.path().join("weights");
        write_atomic(&path, b"old bytes").unwrap();
        let mapped = map(&path).unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(&mapped[..], b"old bytes");
    }

    #[test]
    fn a_lock_is_held_by_one_and_freed_by_drop() {
        let dir = folder();
        let path = dir.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn walking_finds_files_at_every_depth_in_order() {
        let dir = folder();
        create_dir_all(&dir.path().join("b/c")).unwrap();
        for name in ["b/c/1", "b/0", "a"] {
            write_atomic(&dir.path().join(name), b"").unwrap();
        }
        let found = walk(dir.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a", "b/0", "b/c/1"]);
    }

    #[test]
    fn removing_what_is_not_there_is_no_error_but_a_file_in_place_of_a_folder_is() {
        let dir = folder();
        remove_dir_all(&dir.path().join("nothing")).unwrap();
        remove_file(&dir.path().join("nothing")).unwrap();
        let file = dir.path().join("file");
        write_atomic(&file, b"").unwrap();
        let text = create_dir_all(&file.join("below")).unwrap_err().to_string();
        assert!(text.starts_with("cannot create folder"), "{text}");
    }
}
