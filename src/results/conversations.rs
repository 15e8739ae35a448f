//! `conversations/CELL.PROTOCOL.csv.gz`: questions about genres with their answers, of a few users.

use std::path::{Path, PathBuf};

use super::file::{read_compressed, write_compressed};
use super::row::ConversationRow;
use allround_core::fs::FsError;

/// Path of the conversations of a cell in a results folder. `protocol` is a name, with or without
/// its fingerprint; `split` is `test` or `valid`.
pub fn path(results: &Path, cell: &str, protocol: &str, split: &str) -> PathBuf {
    let name = super::ranks::file_name(cell, protocol, split);
    results.join("conversations").join(name)
}

/// Writes a compressed file of conversations. Equal rows give equal bytes.
///
/// # Errors
/// When the file or its folder cannot be written.
pub fn write(path: &Path, rows: &[ConversationRow]) -> Result<(), FsError> {
    write_compressed(path, rows)
}

/// The conversations of a file; none where it does not exist.
///
/// # Errors
/// When the file cannot be read, is truncated or damaged, or has other columns.
pub fn read(path: &Path) -> Result<Vec<ConversationRow>, FsError> {
    match path.exists() {
        true => read_compressed(path),
        false => Ok(Vec::new()),
    }
}
