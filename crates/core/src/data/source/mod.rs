//! One file a source. Every reader yields [`RawData`] and names file and line in its errors.

mod amazon;
mod atomic;
mod columns;
pub(super) mod csv;
mod encoding;
pub mod ids;
mod interactions;
mod join;
mod json;
mod kinds;
pub mod lines;
pub mod make;
mod movielens;
pub mod preview;
mod record;
mod reviews;
mod rows;
mod sequences;
mod synthetic;
mod table;
#[cfg(test)]
mod tests;
mod texts;
mod times;

use std::path::Path;

use super::{DataError, RawData};
use crate::config::dataset::Source;

/// What was read from `path`, if it is anything.
fn filled(raw: RawData, path: &Path) -> Result<RawData, DataError> {
    match raw.user.is_empty() {
        true => Err(no_record(path)),
        false => Ok(raw),
    }
}

fn no_record(path: &Path) -> DataError {
    DataError::new("the file holds no record")
        .at(path)
        .hint("fetch or make it again, or name another file; expected at least one interaction")
}

/// Whether a number may be seconds or milliseconds since 1970: it is beyond March 1973.
fn is_like_a_time(value: f64) -> bool {
    times::unit(value).is_some()
}

/// Reads a source; relative paths start at `base`.
///
/// # Errors
/// When a file is missing, empty, truncated, not UTF-8, or a line is not what the source's form asks for.
pub fn read(source: &Source, base: &Path) -> Result<RawData, DataError> {
    match source {
        Source::Amazon(files) => amazon::read(files, base),
        Source::Movielens(files) => movielens::read(&base.join(&files.folder)),
        Source::Atomic(files) => atomic::read(files, base),
        Source::Json(files) => json::read(files, base),
        Source::Sequences(files) => sequences::read(files, base),
        Source::Csv(files) => csv::read(files, base),
        Source::Synthetic(settings) => Ok(synthetic::generate(settings)),
    }
}
