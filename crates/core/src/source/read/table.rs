//! A CSV file. Its columns are found by name, or by number if it has no header.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::lines::{LONGEST_LINE, broken};
use super::open::{Reader as Opened, open_rows};
use crate::source::DataError;
use crate::source::columns::{Header, TableKeys, listed};

/// The form of a file's cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// Delimiter of the cells of a row.
    pub(crate) delimiter: u8,
    /// Whether the first row names the columns.
    pub(crate) header: bool,
    /// The settings with this form, if there are any.
    pub(crate) keys: Option<TableKeys>,
}

/// A file that is read row by row.
pub(crate) struct Table {
    reader: Reader<Bounded>,
    /// Number of bytes read since the beginning of the current record.
    used: Arc<AtomicU64>,
    header: Header,
    path: PathBuf,
    record: ByteRecord,
    /// Whether the first record was read to count the columns, and must still be returned.
    is_pending: bool,
}

impl Table {
    /// Opens a file with a header and commas.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let usual = Dialect {
            delimiter: b',',
            header: true,
            keys: None,
        };
        Self::open_as(path, usual)
    }

    pub(crate) fn open_as(path: &Path, dialect: Dialect) -> Result<Self, DataError> {
        let inner = open_rows(path, "rows of cells")?;
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
            header: Header::default(),
            path: path.to_owned(),
            record: ByteRecord::new(),
            is_pending: false,
        };
        if table.next()?.is_none() {
            return Err(super::no_record(path));
        }
        // A name that is not UTF-8 cannot be in a setting, and must not prevent reading other
        // columns.
        let cells = table.record.iter().map(String::from_utf8_lossy);
        let cells = cells.map(|cell| cell.into_owned()).collect();
        table.is_pending = !dialect.header;
        table.header = match dialect.header {
            true => Header::named(cells),
            false => Header::numbered(cells),
        };
        table.header.keys = dialect.keys;
        Ok(table)
    }

    /// The columns.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The index of column `name`; `None` for an empty name.
    pub(crate) fn column(&self, name: &str) -> Result<Option<usize>, DataError> {
        if name.is_empty() {
            return Ok(None);
        }
        let names = &self.header.names;
        let mut found = (0..names.len()).filter(|&at| names[at] == name);
        let (first, second) = (found.next(), found.next());
        if second.is_some() {
            return Err(twice(name).at(&self.path).line(1));
        }
        first.map(Some).ok_or_else(|| {
            DataError::new(format!("no column `{name}`"))
                .at(&self.path)
                .line(1)
                .hint(format!("the columns are {}", listed(names)))
        })
    }

    /// The next record, and the line on which it begins.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &ByteRecord)>, DataError> {
        if std::mem::take(&mut self.is_pending) {
            let line = self.record.position().map_or(1, ::csv::Position::line);
            return Ok(Some((line, &self.record)));
        }
        let begin = self.reader.position().line();
        self.used.store(0, Ordering::Relaxed);
        let more = self.reader.read_byte_record(&mut self.record);
        let line = self.record.position().map_or(0, ::csv::Position::line);
        // Without a record, the line is that at which the stream ended.
        let reached = self.reader.position().line();
        more.map_err(|error| wrong(&self.path, begin, reached, &error))
            .map(|more| more.then_some((line, &self.record)))
    }
}

/// The error of a header with two columns of the same name.
pub(crate) fn twice(name: &str) -> DataError {
    DataError::new(format!("column `{name}` is in the header twice"))
        .hint("rename or remove one of the two")
}

/// An error of the file: the record begins on line `begin`, and the file was read up to line
/// `reached`.
fn wrong(path: &Path, begin: u64, reached: u64, error: &::csv::Error) -> DataError {
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

/// A stream that fails when one record takes more than [`LONGEST_LINE`] bytes.
struct Bounded {
    inner: Opened,
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
