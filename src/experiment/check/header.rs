//! Headers of tabular files.

use std::io::{BufRead, Read};
use std::path::Path;

use allround_core::fs;

/// Bytes of a file in which its header is looked for.
const HEADER: u64 = 1 << 20;

/// The first bytes of a file, out of gzip; `None` where it cannot be read, which is reported where it is.
fn start(path: &Path) -> Option<Vec<u8>> {
    if !path.is_file() {
        return None;
    }
    let mut file = fs::open(path).ok()?;
    let is_gzip = file.fill_buf().ok()?.starts_with(&[0x1f, 0x8b]);
    let mut bytes = Vec::new();
    // What was read before an error is enough for the header.
    let _ = match is_gzip {
        true => flate2::bufread::MultiGzDecoder::new(file)
            .take(HEADER)
            .read_to_end(&mut bytes),
        false => file.take(HEADER).read_to_end(&mut bytes),
    };
    // Archives and UTF-16 have no header to look at; the reader names what they are.
    let is_text = !bytes.iter().take(512).any(|&byte| byte == 0);
    (is_text && !bytes.is_empty()).then_some(bytes)
}

/// The cells of the first record of a CSV file.
pub(super) fn csv_row(path: &Path, delimiter: &str) -> Option<Vec<String>> {
    let &[delimiter] = delimiter.as_bytes() else {
        return None;
    };
    let bytes = start(path)?;
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .from_reader(&bytes[..]);
    let mut record = ::csv::ByteRecord::new();
    let is_there = reader.read_byte_record(&mut record).ok()?;
    let cells = record
        .iter()
        .map(|cell| String::from_utf8_lossy(cell).into_owned());
    is_there.then(|| cells.collect())
}

/// The names of a CSV file's columns; their numbers where it has no header.
pub(super) fn csv_header(path: &Path, delimiter: &str, has_header: bool) -> Option<Vec<String>> {
    let row = csv_row(path, delimiter)?;
    Some(match has_header {
        true => row,
        false => (1..=row.len()).map(|n| n.to_string()).collect(),
    })
}

/// The names of an atomic file's columns, without their types.
pub(super) fn atomic_header(path: &Path) -> Option<Vec<String>> {
    let bytes = start(path)?;
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_start_matches('\u{feff}').trim_end_matches('\r');
    if line.trim().is_empty() {
        return None;
    }
    let names = line
        .split('\t')
        .map(|cell| cell.split(':').next().unwrap_or_default());
    Some(names.map(str::to_owned).collect())
}
