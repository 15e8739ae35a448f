//! CSV files with a header line and one row type per file, replaced as a whole.
//!
//! Numbers have the shortest digits that read back to the same number. Unknown values are empty
//! cells. Spreadsheets read no cell as a formula ([`allround_core::cells`]).

use std::io::{self, Read, Write};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, StringRecord, Writer, WriterBuilder};
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use allround_core::cells;
use allround_core::fs::{self, FsError};

/// Writes a header line and rows, unless the file has the same contents. The old file is kept if
/// writing fails.
///
/// # Errors
/// When the file cannot be written.
pub fn write<R: Serialize + Default>(path: &Path, rows: &[&R]) -> Result<(), FsError> {
    fs::write_if_changed(path, &to_bytes(path, rows)?)
}

/// Writes a compressed file, and its folder. Equal rows give equal bytes.
///
/// # Errors
/// When the file or its folder cannot be written.
pub(super) fn write_compressed<R: Serialize + Default>(
    path: &Path,
    rows: &[R],
) -> Result<(), FsError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let rows: Vec<&R> = rows.iter().collect();
    let text = to_bytes(path, &rows)?;
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::default());
    let bytes = encoder
        .write_all(&text)
        .and_then(|()| encoder.finish())
        .map_err(|error| FsError::new(path, "compress", error))?;
    fs::write_if_changed(path, &bytes)
}

/// The rows of a compressed file.
///
/// # Errors
/// As [`read`], and when the file is cut short or damaged.
pub(super) fn read_compressed<R: Serialize + Default + DeserializeOwned>(
    path: &Path,
) -> Result<Vec<R>, FsError> {
    let mut text = Vec::new();
    MultiGzDecoder::new(fs::open(path)?)
        .read_to_end(&mut text)
        .map_err(|error| wrong(path, &format!("damaged gzip: {error}")))?;
    from_bytes(path, &text)
}

/// The rows of a file.
///
/// # Errors
/// When the file cannot be read, when its columns are not those of `R`, or when a row is malformed.
/// The error names the columns, or the line.
pub fn read<R: Serialize + Default + DeserializeOwned>(path: &Path) -> Result<Vec<R>, FsError> {
    from_bytes(path, &fs::read_text(path)?)
}

/// The columns of a row type, in order.
pub fn columns<R: Serialize + Default>() -> Vec<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer
        .serialize(R::default())
        .expect("a row is a flat struct");
    let bytes = writer.into_inner().expect("memory takes every write");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().expect("a header was written");
    header.iter().map(str::to_owned).collect()
}

/// The text of a file of these rows; `path` is for errors only.
///
/// # Errors
/// When a row cannot be serialized.
pub fn to_bytes<R: Serialize + Default>(path: &Path, rows: &[&R]) -> Result<Vec<u8>, FsError> {
    let wrong = |error: csv::Error| FsError::new(path, "write", io::Error::other(error));
    let mut plain = WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    for row in rows {
        plain.serialize(row).map_err(wrong)?;
    }
    let plain = plain.into_inner().expect("memory takes every write");
    let mut writer = Writer::from_writer(Vec::with_capacity(plain.len() + 256));
    writer.write_record(columns::<R>()).map_err(wrong)?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .from_reader(plain.as_slice());
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(wrong)? {
        for cell in &record {
            writer.write_field(cells::marked(cell)).map_err(wrong)?;
        }
        writer.write_record(None::<&[u8]>).map_err(wrong)?;
    }
    Ok(writer.into_inner().expect("memory takes every write"))
}

/// The rows of a file's bytes; `path` is for errors only.
pub(super) fn from_bytes<R: Serialize + Default + DeserializeOwned>(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<R>, FsError> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader
        .headers()
        .map_err(|error| wrong(path, &error.to_string()))?
        .clone();
    check_columns(path, &header, &columns::<R>())?;
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| wrong(path, &error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = unmarked(&record).deserialize(Some(&header));
        rows.push(row.map_err(|error| wrong(path, &format!("line {line}: {}", reason(&error))))?);
    }
    Ok(rows)
}

fn unmarked(record: &StringRecord) -> StringRecord {
    record.iter().map(cells::unmarked).collect()
}

/// Why a row could not be read, with the column. The position in csv's own message is left out: it
/// counts from the start of the record.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    }
}

fn check_columns(path: &Path, found: &StringRecord, expected: &[String]) -> Result<(), FsError> {
    let quoted = |names: Vec<&str>| names.join("`, `");
    let missing: Vec<&str> = expected
        .iter()
        .map(String::as_str)
        .filter(|name| !found.iter().any(|other| other == *name))
        .collect();
    let unknown: Vec<&str> = found
        .iter()
        .filter(|name| !expected.iter().any(|other| other == name))
        .collect();
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("column `{}` is missing", quoted(missing)));
    }
    if !unknown.is_empty() {
        faults.push(format!("column `{}` is unknown", quoted(unknown)));
    }
    let unique: std::collections::BTreeSet<&str> = found.iter().collect();
    if faults.is_empty() && found.len() != unique.len() {
        faults.push("a column is repeated".to_owned());
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(wrong(
        path,
        &format!(
            "line 1: {}: expected `{}`\nhint: another version of the program wrote it; run the experiment again",
            faults.join(", "),
            expected.join(",")
        ),
    ))
}

/// An error about the contents of the file at `path`.
pub(crate) fn wrong(path: &Path, what: &str) -> FsError {
    let error = io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    FsError::new(path, "read", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{MetricRow, RankRow};
    use proptest::prelude::*;

    fn rank(user: &str, rank: f64) -> RankRow {
        RankRow {
            user: user.to_owned(),
            target: "t".to_owned(),
            rank,
        }
    }

    fn text(rows: &[&RankRow]) -> String {
        String::from_utf8(to_bytes(Path::new("x"), rows).unwrap()).unwrap()
    }

    fn back(bytes: &[u8]) -> Result<Vec<RankRow>, String> {
        from_bytes(Path::new("x.csv"), bytes).map_err(|error| error.to_string())
    }

    proptest! {
        #[test]
        fn every_text_and_number_is_read_back(
            user in "(\\PC|[=+@'\"\n\r\t, \0-])*",
            target in "[=+@'\"\n\r\t,0-9.eE-]{0,4}",
            value in any::<f64>().prop_filter("no NaN", |value| !value.is_nan()),
        ) {
            let row = RankRow { user, target, rank: value };
            let bytes = to_bytes(Path::new("x"), &[&row, &row]).unwrap();
            prop_assert_eq!(back(&bytes).unwrap(), vec![row.clone(), row]);
        }

        #[test]
        fn no_cell_of_a_file_begins_like_a_formula(user in "[=+@\t\r\n-]\\PC{0,9}") {
            let bytes = to_bytes(Path::new("x"), &[&rank(&user, 1.0)]).unwrap();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert!(record[0].starts_with('\'') || cells::is_number(user.as_bytes()), "{}", &record[0]);
        }
    }

    #[test]
    fn numbers_stay_plain_and_formulas_are_marked() {
        assert_eq!(
            text(&[&rank("=1+1", -0.1), &rank("-5", 1e-9), &rank("'a,b", 2.0)]),
            "user,target,rank\n'=1+1,t,-0.1\n-5,t,1e-9\n\"''a,b\",t,2.0\n"
        );
    }

    #[test]
    fn a_file_without_rows_has_its_header() {
        assert_eq!(text(&[]), "user,target,rank\n");
        assert_eq!(back(b"user,target,rank\n").unwrap(), []);
    }

    #[test]
    fn an_unknown_value_is_an_empty_cell() {
        let row = MetricRow::default();
        let bytes = to_bytes(Path::new("x"), &[&row]).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.ends_with("\n,,,,,,,0,,,,,,,ok\n"), "{text}");
        assert_eq!(
            from_bytes::<MetricRow>(Path::new("x"), &bytes).unwrap(),
            [row]
        );
    }

    #[test]
    fn other_columns_are_refused_by_name() {
        let text = back(b"user,rank,score\na,1,2\n").unwrap_err();
        assert!(
            text.contains("`x.csv`: line 1: column `target` is missing, column `score` is unknown")
                && text.contains("expected `user,target,rank`\nhint: "),
            "{text}"
        );
        assert!(back(b"user,target,rank,rank\n").is_err());
        assert!(back(b"").is_err());
    }

    #[test]
    fn a_wrong_row_is_refused_with_its_line() {
        let text = back(b"user,target,rank\na,b,1\na,b,x\n").unwrap_err();
        assert!(
            text.contains("line 3: ") && text.contains("invalid float"),
            "{text}"
        );
        assert!(back(b"user,target,rank\na,b\n").is_err());
    }

    #[test]
    fn a_failed_write_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing/ranks.csv");
        let error = write(&path, &[&rank("a", 1.0)]).unwrap_err();
        assert!(error.to_string().contains("missing/ranks.csv"), "{error}");
    }
}
