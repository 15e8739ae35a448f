//! Opens a file of records, plain or gzip.

use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::kinds;
use super::lines::broken;
use crate::fs;
use crate::source::DataError;

/// A file as it is read on.
pub(crate) type Reader = Box<dyn BufRead + Send>;

/// Opens `path` and unpacks gzip; `expected` says what the file should hold.
///
/// # Errors
/// When it is missing, empty, a folder, damaged at its start, or begins like another kind of file.
pub(crate) fn open(path: &Path, expected: &str) -> Result<Reader, DataError> {
    kinds::refuse_folder(path)?;
    let mut file = fs::open(path)?;
    let start = file
        .fill_buf()
        .map_err(|error| DataError::new(error.to_string()).at(path))?;
    if start.is_empty() {
        return Err(DataError::new("the file is empty")
            .at(path)
            .hint(format!("fetch or make it again; expected {expected}")));
    }
    let is_gzip = start.starts_with(&[0x1f, 0x8b]);
    let mut reader: Reader = match is_gzip {
        true => Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(file))),
        false => Box::new(file),
    };
    let start = reader
        .fill_buf()
        .map_err(|error| broken(&error).at(path).line(1))?;
    kinds::refuse_other(start, path)?;
    Ok(reader)
}

/// As [`open`], for a file of rows.
///
/// # Errors
/// As [`open`]; also when the file holds JSON records.
pub(crate) fn open_rows(path: &Path, expected: &str) -> Result<Reader, DataError> {
    let mut reader = open(path, expected)?;
    let start = reader
        .fill_buf()
        .map_err(|error| broken(&error).at(path).line(1))?;
    kinds::refuse_records(start, path)?;
    Ok(reader)
}
