//! Machine-readable output: rows as CSV or as a JSON array of objects.

use std::path::Path;

use serde::Serialize;

use crate::results::file::to_bytes;
use allround_core::fs::STANDARD_OUTPUT;

/// Rows as CSV with a header line. A cell that a spreadsheet would read as a formula is marked, as
/// in results files.
pub(crate) fn csv<R: Serialize + Default>(rows: &[R]) -> anyhow::Result<String> {
    let rows: Vec<&R> = rows.iter().collect();
    let bytes = to_bytes(Path::new(STANDARD_OUTPUT), &rows)?;
    Ok(String::from_utf8(bytes)?)
}

/// Rows as a JSON array of objects. Unknown values are `null`.
pub(crate) fn json<R: Serialize>(rows: &[R]) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(rows)?))
}
