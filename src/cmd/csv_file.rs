//! Rows to a CSV file and back.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fs::{self, FsError};

/// Writes rows with a header line, unless the file holds them already.
pub(crate) fn write<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), FsError> {
    let wrong = |error: csv::Error| FsError::new(path, "write", std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(wrong)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| FsError::new(path, "write", error.into_error()))?;
    fs::write_if_changed(path, &bytes)
}

/// Reads the rows of a CSV file; an error names the record.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FsError> {
    let bytes = fs::read(path)?;
    let rows = csv::Reader::from_reader(bytes.as_slice())
        .deserialize()
        .collect::<Result<_, _>>();
    rows.map_err(|error| FsError::new(path, "read", std::io::Error::other(error)))
}
