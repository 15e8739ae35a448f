//! `answers/CELL.PROTOCOL.csv.gz`: the generated answer for each measured user.

use std::path::{Path, PathBuf};

use super::file::{read_compressed, write_compressed};
use super::row::TextRow;
use allround_core::data::{Answers, Prepared};
use allround_core::fs::FsError;

/// Path of the answers of a cell in a results folder. `protocol` is a name, with or without its
/// fingerprint; `split` is `test` or `valid`.
pub fn path(results: &Path, cell: &str, protocol: &str, split: &str) -> PathBuf {
    let name = super::ranks::file_name(cell, protocol, split);
    results.join("answers").join(name)
}

/// Writes a compressed file of answers. Equal rows give equal bytes.
///
/// # Errors
/// When the file or its folder cannot be written.
pub fn write(path: &Path, rows: &[TextRow]) -> Result<(), FsError> {
    write_compressed(path, rows)
}

/// The answers of a file.
///
/// # Errors
/// When the file cannot be read, is truncated or damaged, or has other columns.
pub fn read(path: &Path) -> Result<Vec<TextRow>, FsError> {
    read_compressed(path)
}

/// The rows of the users in a slice. `mask` has one value per user of `prepared`.
///
/// # Panics
/// When a user or a target is not in `prepared`.
pub fn rows(answers: &Answers, prepared: &Prepared, mask: &[bool]) -> Vec<TextRow> {
    let sliced = answers.rows.iter().filter(|row| mask[row.user as usize]);
    let row = |row: &allround_core::data::Answer| TextRow {
        user: prepared.users[row.user as usize].clone(),
        target: prepared.items[row.target as usize - 1].id.clone(),
        answer: row.raw.clone(),
        extracted: row.extracted.clone(),
        exact: row.exact,
        normalised: row.normalised,
        substring: row.substring,
        valid: row.valid,
        position: row.position,
        named: row.named,
    };
    sliced.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(exact: bool, valid: bool) -> TextRow {
        TextRow {
            answer: "=1\n".to_owned(),
            exact,
            valid,
            ..TextRow::default()
        }
    }

    #[test]
    fn answers_are_read_back_from_a_file_without_formulas() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), "d.overall.m.s1", "paper:0123456789ab", "test");
        assert!(path.ends_with("answers/d.overall.m.s1.paper.csv.gz"));
        let rows = [text(true, true), text(false, false)];
        write(&path, &rows).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
    }
}
