//! Lines of a file, plain or gzip, in bounded memory. Gzip is detected from the first bytes.

use std::io::{BufRead, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::open::{self, Reader};
use crate::source::DataError;

/// Maximum length of a line in bytes. A longer one is not a record: the file is broken.
pub const LONGEST_LINE: usize = 64 << 20;

/// Some programs write these bytes at the start of a UTF-8 file. They do not belong to the text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A file that is read line by line, without a byte-order mark at its start.
pub(crate) struct Lines {
    reader: Reader,
    path: PathBuf,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    /// Opens `path`.
    ///
    /// # Errors
    /// When the file is missing or empty.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let reader = open::open(path, "at least one record")?;
        Ok(Self::over(reader, path))
    }

    fn over(reader: Reader, path: &Path) -> Self {
        Self {
            reader,
            path: path.to_owned(),
            number: 0,
            line: Vec::new(),
        }
    }

    /// Opens a file of rows, as opposed to JSON records.
    ///
    /// # Errors
    /// As [`Lines::open`]; also when the file contains records.
    pub fn open_rows(path: &Path) -> Result<Self, DataError> {
        let reader = open::open_rows(path, "at least one record")?;
        Ok(Self::over(reader, path))
    }

    /// The first bytes of the file, without a byte-order mark. Call this before anything is read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn start(&mut self) -> Result<&[u8], DataError> {
        let wrong = |error: std::io::Error| broken(&error).at(&self.path).line(1);
        let is_marked = (self.reader.fill_buf())
            .map_err(wrong)?
            .starts_with(BYTE_ORDER_MARK);
        if is_marked {
            self.reader.consume(BYTE_ORDER_MARK.len());
        }
        self.reader
            .fill_buf()
            .map_err(|error| broken(&error).at(&self.path).line(1))
    }

    /// The unread rest of the file.
    pub fn into_reader(self) -> Reader {
        self.reader
    }

    /// The next line, without its end, and its number from 1; `None` at the end of the file.
    ///
    /// # Errors
    /// When the file is truncated or the line is longer than [`LONGEST_LINE`].
    pub fn bytes(&mut self) -> Result<Option<(u64, &[u8])>, DataError> {
        self.line.clear();
        self.number += 1;
        let bound = LONGEST_LINE as u64 + 1;
        let read = (&mut self.reader)
            .take(bound)
            .read_until(b'\n', &mut self.line);
        let n = read.map_err(|error| self.broken(&error))?;
        if n > LONGEST_LINE {
            return Err(self
                .wrong(format!(
                    "the line is longer than {} MiB",
                    LONGEST_LINE >> 20
                ))
                .hint("no record is that long; look at the file around this line"));
        }
        if n == 0 {
            return Ok(None);
        }
        if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        while self
            .line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            self.line.pop();
        }
        Ok(Some((self.number, &self.line)))
    }

    /// As [`Lines::bytes`], but as text.
    ///
    /// # Errors
    /// Also when the line is not UTF-8 or holds a NUL byte.
    pub fn text(&mut self) -> Result<Option<(u64, &str)>, DataError> {
        let (path, number) = (self.path.clone(), self.number + 1);
        match self.bytes()? {
            None => Ok(None),
            Some((number, bytes)) => Ok(Some((number, text(bytes, &path, number)?))),
        }
        .map_err(|error: DataError| error.at(&path).line(number))
    }

    /// Reads a block of whole lines, about `size` bytes long, and the number of its first line;
    /// `None` at the end of the file.
    ///
    /// # Errors
    /// As [`Lines::bytes`].
    pub fn block(&mut self, size: usize) -> Result<Option<(u64, Vec<u8>)>, DataError> {
        let first = self.number + 1;
        let mut block = Vec::with_capacity(size + (1 << 16));
        while block.len() < size {
            let from = block.len();
            let bound = LONGEST_LINE as u64 + 1;
            let read = (&mut self.reader).take(bound).read_until(b'\n', &mut block);
            self.number += 1;
            let n = read.map_err(|error| self.broken(&error))?;
            if n > LONGEST_LINE {
                return Err(self
                    .wrong(format!(
                        "the line is longer than {} MiB",
                        LONGEST_LINE >> 20
                    ))
                    .hint("no record is that long; look at the file around this line"));
            }
            if n == 0 {
                block.truncate(from);
                break;
            }
        }
        if first == 1 && block.starts_with(BYTE_ORDER_MARK) {
            block.drain(..BYTE_ORDER_MARK.len());
        }
        Ok((!block.is_empty()).then_some((first, block)))
    }

    /// An error at the current line.
    pub fn wrong(&self, what: impl Into<String>) -> DataError {
        DataError::new(what).at(&self.path).line(self.number)
    }

    fn broken(&self, error: &std::io::Error) -> DataError {
        broken(error).at(&self.path).line(self.number)
    }
}

/// An error of a stream that cannot be read any further.
pub(crate) fn broken(error: &std::io::Error) -> DataError {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            DataError::new(format!("the gzip stream is cut off or damaged: {error}"))
                .hint("fetch the file again, and compare its size with the publisher's")
        }
        _ => DataError::new(error.to_string()),
    }
}

/// `bytes` as text without NUL bytes.
///
/// # Errors
/// When they are not UTF-8 or contain NUL. The error has the position in the line.
pub fn text<'a>(bytes: &'a [u8], path: &Path, number: u64) -> Result<&'a str, DataError> {
    let wrong = |what: String| DataError::new(what).at(path).line(number);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        wrong(format!(
            "byte {} of the line is not UTF-8",
            error.valid_up_to() + 1
        ))
        .hint("convert the file to UTF-8, for example with `iconv -t UTF-8`")
    })?;
    match memchr::memchr(0, bytes) {
        Some(at) => Err(wrong(format!("byte {} of the line is NUL", at + 1))
            .hint("the file is binary or damaged; fetch it again")),
        None => Ok(text),
    }
}
