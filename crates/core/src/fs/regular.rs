//! Only regular files are read. A pipe may block or never end, and a device such as `/dev/zero` is
//! endless.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::{FsError, failed};

/// Maximum size in bytes of a file that is read as text or JSON.
pub const MOST_TEXT: u64 = 1 << 30;

/// Opens a regular file for reading.
pub(super) fn open(path: &Path, action: &'static str) -> Result<File, FsError> {
    // The type is checked first, since opening a pipe waits for its writer.
    let kind = std::fs::metadata(path)
        .map_err(failed(path, action))?
        .file_type();
    if !kind.is_file() {
        let text = format!("it is {}, not a regular file", words(kind));
        let error = io::Error::new(io::ErrorKind::InvalidInput, text);
        return Err(FsError::new(path, action, error));
    }
    File::open(path).map_err(failed(path, action))
}

/// The type of a file that is not regular.
fn words(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "of an unknown kind"
    }
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// When the file is not regular, cannot be read or is larger.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, FsError> {
    let mut bytes = Vec::new();
    open(path, "read")?
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(failed(path, "read"))?;
    if bytes.len() as u64 > most {
        let text = format!(
            "it has more than {}, the most that is read here",
            size(most)
        );
        let error = io::Error::new(io::ErrorKind::FileTooLarge, text);
        return Err(FsError::new(path, "read", error));
    }
    Ok(bytes)
}

/// A size, such as `16 MiB` or `1 GiB`.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 30 => format!("{} GiB", bytes >> 30),
        bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{digest, map, open as open_buffered, read, read_to_string, tail};
    use super::*;

    /// A pipe without a writer.
    fn pipe(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("pipe");
        let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: `name` is a NUL-terminated path.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        path
    }

    #[test]
    fn what_is_no_regular_file_is_refused_by_name_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(folder.path());
        for (path, what) in [
            (Path::new("/dev/zero"), "a device"),
            (folder.path(), "a folder"),
            (&pipe, "a pipe"),
        ] {
            let refusals = [
                read(path).unwrap_err(),
                read_to_string(path).unwrap_err(),
                open_buffered(path).unwrap_err(),
                map(path).unwrap_err(),
                digest(path).unwrap_err(),
                tail(path, 5).unwrap_err(),
                read_at_most(path, 5).unwrap_err(),
            ];
            for refusal in refusals {
                let text = refusal.to_string();
                let words = format!("`{}`: it is {what}, not a regular file", path.display());
                assert!(text.ends_with(&words), "{text}");
            }
        }
    }

    #[test]
    fn a_file_of_more_bytes_than_allowed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        super::super::write_atomic(&path, &[b' '; 20]).unwrap();
        assert_eq!(read_at_most(&path, 20).unwrap().len(), 20);
        let text = read_at_most(&path, 19).unwrap_err().to_string();
        assert!(
            text.ends_with("it has more than 19 bytes, the most that is read here"),
            "{text}"
        );
    }
}
