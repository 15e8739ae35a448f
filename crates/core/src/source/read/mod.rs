//! Code that readers of sources share. Every reader yields [`RawData`], and its errors name file
//! and line.

pub(crate) mod encoding;
pub(crate) mod ids;
pub(crate) mod interactions;
pub(crate) mod join;
pub(crate) mod kinds;
pub(crate) mod lines;
pub(crate) mod open;
pub(crate) mod places;
pub(crate) mod record;
pub(crate) mod reviews;
pub(crate) mod rows;
pub(crate) mod table;
pub(crate) mod texts;
pub(crate) mod times;

use std::path::Path;

use super::{DataError, RawData};
use lines::text;

/// Refuses `raw`, read from `path`, if it is empty.
pub(crate) fn filled(raw: RawData, path: &Path) -> Result<RawData, DataError> {
    match raw.user.is_empty() {
        true => Err(no_record(path)),
        false => Ok(raw),
    }
}

pub(crate) fn no_record(path: &Path) -> DataError {
    DataError::new("the file holds no record")
        .at(path)
        .hint("fetch or make it again, or name another file; expected at least one interaction")
}

/// Whether a number may be seconds or milliseconds since 1970: it is after March 1973.
pub(crate) fn is_like_a_time(value: f64) -> bool {
    times::unit(value).is_some()
}

/// Checks that an id is not empty.
pub(crate) fn identity<'a>(id: &'a str, path: &Path, line: u64) -> Result<&'a str, DataError> {
    match id {
        "" => Err(DataError::new("an id is empty")
            .at(path)
            .line(line)
            .hint("remove the row, or give it an id")),
        id => Ok(id),
    }
}

/// Parses a cell that must be a finite number.
pub(crate) fn number(cell: &[u8], path: &Path, line: u64, column: &str) -> Result<f64, DataError> {
    let cell = text(cell, path, line)?;
    cell.trim()
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .ok_or_else(|| {
            DataError::new(format!("`{cell}` in column `{column}` is not a number"))
                .at(path)
                .line(line)
                .hint("correct the row, or name another column")
        })
}
