//! A CSV file whose columns are looked up by name, or by number where it has no header.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::kinds;
use super::lines::{LONGEST_LINE, broken};
use crate::columns::listed;
use crate::data::DataError;
use crate::fs;

/// How the cells of a file are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// Between the cells of a row.
    pub(super) delimiter: u8,
    /// Whether the first row names the columns.
    pub(super) header: bool,
}

/// A file that is read row by row.
pub(in crate::data) struct Table {
    reader: Reader<Bounded>,
    /// Bytes read since the current record began.
    used: Arc<AtomicU64>,
    header: Vec<String>,
    path: PathBuf,
    record: ByteRecord,
    /// The first record was read to count the columns, and is still to be handed out.
    is_pending: bool,
}

impl Table {
    /// Opens a file with a header and commas.
    pub(in crate::data) fn open(path: &Path) -> Result<Self, DataError> {
        let usual = Dialect {
            delimiter: b',',
            header: true,
        };
        Self::open_as(path, usual)
    }

    pub(super) fn open_as(path: &Path, dialect: Dialect) -> Result<Self, DataError> {
        kinds::refuse_folder(path)?;
        let mut file = fs::open(path)?;
        let start = file
            .fill_buf()
            .map_err(|error| DataError::new(error.to_string()).at(path))?;
        if start.is_empty() {
            return Err(DataError::new("the file is empty")
                .at(path)
                .hint("expected a header line and rows"));
        }
        let inner: Box<dyn Read + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            let mut file = BufReader::new(flate2::bufread::MultiGzDecoder::new(file));
            let inner = file
                .fill_buf()
                .map_err(|error| broken(&error).at(path).line(1))?;
            kinds::refuse_other(inner, path)?;
            kinds::refuse_records(inner, path)?;
            Box::new(file)
        } else {
            kinds::refuse_other(start, path)?;
            kinds::refuse_records(start, path)?;
            Box::new(file)
        };
        let used = Arc::new(AtomicU64::new(0));
        let bounded = Bounded {
            inner,
            used: Arc::clone(&used),
        };
        let reader = ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .has_headers(false)
            .buffer_capacity(1 << 16)
            .from_reader(bounded);
        let mut table = Self {
            reader,
            used,
            header: Vec::new(),
            path: path.to_owned(),
            record: ByteRecord::new(),
            is_pending: false,
        };
        if table.next()?.is_none() {
            return Err(super::no_record(path));
        }
        if dialect.header {
            // A name that is not UTF-8 can be no setting; it must not stop a file that is read by other columns.
            let names = table.record.iter().map(String::from_utf8_lossy);
            table.header = names.map(|name| name.into_owned()).collect();
        } else {
            table.header = (1..=table.record.len()).map(|n| n.to_string()).collect();
            table.is_pending = true;
        }
        Ok(table)
    }

    /// Names of the columns; their numbers from 1 where the file has no header.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// The cells of the current record.
    pub(super) fn cells(&self) -> Vec<String> {
        let cells = self.record.iter().map(String::from_utf8_lossy);
        cells.map(|cell| cell.into_owned()).collect()
    }

    /// The place of column `name`; `None` for an empty name.
    pub(in crate::data) fn column(&self, name: &str) -> Result<Option<usize>, DataError> {
        if name.is_empty() {
            return Ok(None);
        }
        let mut found = (0..self.header.len()).filter(|&at| self.header[at] == name);
        let (first, second) = (found.next(), found.next());
        if second.is_some() {
            return Err(twice(name).at(&self.path).line(1));
        }
        first.map(Some).ok_or_else(|| {
            DataError::new(format!("no column `{name}`"))
                .at(&self.path)
                .line(1)
                .hint(format!("the columns are {}", listed(&self.header)))
        })
    }

    /// The next record and the line that it begins on.
    pub(in crate::data) fn next(&mut self) -> Result<Option<(u64, &ByteRecord)>, DataError> {
        if std::mem::take(&mut self.is_pending) {
            let line = self.record.position().map_or(1, ::csv::Position::line);
            return Ok(Some((line, &self.record)));
        }
        let begin = self.reader.position().line();
        self.used.store(0, Ordering::Relaxed);
        let more = self.reader.read_byte_record(&mut self.record);
        let line = self.record.position().map_or(0, ::csv::Position::line);
        // Where the stream breaks off there is no record to tell its line.
        let reached = self.reader.position().line();
        more.map_err(|error| wrong(&self.path, (begin, reached), &error))
            .map(|more| more.then_some((line, &self.record)))
    }
}

/// A fault of a header that names a column twice.
pub(super) fn twice(name: &str) -> DataError {
    DataError::new(format!("column `{name}` is in the header twice"))
        .hint("rename or remove one of the two")
}

/// A fault of the file; the record `begin`s on a line, and the file was read up to the line `reached`.
fn wrong(path: &Path, (begin, reached): (u64, u64), error: &::csv::Error) -> DataError {
    let what = match error.kind() {
        ::csv::ErrorKind::Io(error)
            if error.get_ref().is_some_and(|error| error.is::<TooLong>()) =>
        {
            return DataError::new(error.to_string()).at(path).line(begin).hint(
                "no record is that long; a quote that is not closed takes in all lines that follow",
            );
        }
        ::csv::ErrorKind::Io(error) => {
            return broken(error).at(path).line(reached);
        }
        ::csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("the row has {len} cells, the header {expected_len}"),
        _ => error.to_string(),
    };
    let fault = DataError::new(what).at(path);
    match error.position() {
        Some(position) => fault
            .line(position.line())
            .hint("every row needs as many cells as the header; a quote that is not closed takes in what follows"),
        None => fault.hint("fetch the file again if it was cut off"),
    }
}

/// A stream that ends with an error when one record takes more than [`LONGEST_LINE`] bytes of it.
struct Bounded {
    inner: Box<dyn Read + Send>,
    used: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used.load(Ordering::Relaxed) > LONGEST_LINE as u64 {
            return Err(io::Error::other(TooLong));
        }
        let n = self.inner.read(buffer)?;
        self.used.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the record is longer than {} MiB",
            LONGEST_LINE >> 20
        )
    }
}

impl std::error::Error for TooLong {}
