//! Two CSV files with named columns.

use std::io::BufRead;
use std::path::Path;

use ::csv::{ByteRecord, Reader};

use super::ids::Ids;
use super::join::Join;
use super::kinds;
use super::lines::{broken, text};
use crate::data::raw::Text;
use crate::data::{DataError, RawData};
use crate::fs;
use crate::spec::config::dataset::CsvSource;

pub(super) fn read(files: &CsvSource, base: &Path) -> Result<RawData, DataError> {
    let mut items = Ids::default();
    let mut raw = interactions(&base.join(&files.interactions), files, &mut items)?;
    if !files.items.is_empty() {
        texts(&base.join(&files.items), files, &items)?.finish(&mut raw)?;
    }
    raw.items = items.into_names();
    Ok(raw)
}

/// A CSV file whose columns are looked up by name.
pub(in crate::data) struct Table {
    reader: Reader<Box<dyn BufRead + Send>>,
    header: Vec<String>,
    path: std::path::PathBuf,
    record: ByteRecord,
}

impl Table {
    pub(in crate::data) fn open(path: &Path) -> Result<Self, DataError> {
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
        let file: Box<dyn BufRead + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            let mut file = std::io::BufReader::new(flate2::bufread::MultiGzDecoder::new(file));
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
        let mut reader = Reader::from_reader(file);
        let header = reader
            .byte_headers()
            .map_err(|error| wrong(path, 1, &error))?;
        if header.is_empty() {
            return Err(super::no_record(path));
        }
        let header = header
            .iter()
            .map(|name| text(name, path, 1).map(str::to_owned));
        Ok(Self {
            header: header.collect::<Result<_, _>>()?,
            reader,
            path: path.to_owned(),
            record: ByteRecord::new(),
        })
    }

    /// The place of column `name`; `None` for an empty name.
    pub(in crate::data) fn column(&self, name: &str) -> Result<Option<usize>, DataError> {
        if name.is_empty() {
            return Ok(None);
        }
        let mut found = self
            .header
            .iter()
            .enumerate()
            .filter(|(_, column)| *column == name);
        let (first, second) = (found.next(), found.next());
        if second.is_some() {
            return Err(twice(name).at(&self.path).line(1));
        }
        first.map(|(at, _)| Some(at)).ok_or_else(|| {
            DataError::new(format!("no column `{name}`"))
                .at(&self.path)
                .line(1)
                .hint(format!("the columns are `{}`", self.header.join("`, `")))
        })
    }

    pub(in crate::data) fn next(&mut self) -> Result<Option<(u64, &ByteRecord)>, DataError> {
        let more = self.reader.read_byte_record(&mut self.record);
        let line = self.record.position().map_or(0, ::csv::Position::line);
        // Where the stream breaks off there is no record to tell its line.
        let reached = self.reader.position().line();
        more.map_err(|error| wrong(&self.path, reached, &error))
            .map(|more| more.then_some((line, &self.record)))
    }
}

/// A fault of a header that names a column twice.
pub(super) fn twice(name: &str) -> DataError {
    DataError::new(format!("column `{name}` is in the header twice"))
        .hint("rename or remove one of the two")
}

/// A fault of the file; `reached` is the line up to which it was read.
fn wrong(path: &Path, reached: u64, error: &::csv::Error) -> DataError {
    let what = match error.kind() {
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

fn interactions(path: &Path, files: &CsvSource, items: &mut Ids) -> Result<RawData, DataError> {
    let mut table = Table::open(path)?;
    let required = |column: Option<usize>, key: &str| {
        column.ok_or_else(|| {
            DataError::new(format!("`source.csv.{key}` is empty"))
                .hint("name the column of the ids")
        })
    };
    let user = required(table.column(&files.user)?, "user")?;
    let item = required(table.column(&files.item)?, "item")?;
    let (timestamp, rating) = (
        table.column(&files.timestamp)?,
        table.column(&files.rating)?,
    );
    let mut users = Ids::default();
    let mut raw = RawData::default();
    while let Some((line, row)) = table.next()? {
        let id = |at: usize| identity(text(&row[at], path, line)?, (path, line));
        raw.user.push(users.number(id(user)?));
        raw.item.push(items.number(id(item)?));
        if let Some(at) = timestamp {
            raw.time
                .push(time(&row[at], (path, line), &files.timestamp)?);
        }
        if let Some(at) = rating {
            raw.rating
                .push(number(&row[at], (path, line), &files.rating)? as f32);
        }
    }
    raw.users = users.into_names();
    super::filled(raw, path)
}

/// An id, which must not be empty.
pub(super) fn identity<'a>(id: &'a str, (path, line): (&Path, u64)) -> Result<&'a str, DataError> {
    match id {
        "" => Err(DataError::new("an id is empty")
            .at(path)
            .line(line)
            .hint("remove the row, or give it an id")),
        id => Ok(id),
    }
}

/// A cell that must be a whole number; `9.0` and `9e3` are some, too.
pub(super) fn time(
    cell: &[u8],
    (path, line): (&Path, u64),
    column: &str,
) -> Result<i64, DataError> {
    let value = number(cell, (path, line), column)?;
    let cell = text(cell, path, line)?.trim();
    if let Ok(whole) = cell.parse() {
        return Ok(whole);
    }
    // Both bounds are whole powers of two, so that the comparison is exact.
    let is_whole = value.fract() == 0.0 && (i64::MIN as f64..-(i64::MIN as f64)).contains(&value);
    is_whole.then_some(value as i64).ok_or_else(|| {
        DataError::new(format!(
            "`{cell}` in column `{column}` is not a whole number of 64 bits"
        ))
        .at(path)
        .line(line)
        .hint("expected a time such as seconds or milliseconds since 1970, without a fraction")
    })
}

/// A cell that must be a finite number.
pub(in crate::data) fn number(
    cell: &[u8],
    (path, line): (&Path, u64),
    column: &str,
) -> Result<f64, DataError> {
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

fn texts<'a>(path: &Path, files: &CsvSource, items: &'a Ids) -> Result<Join<'a>, DataError> {
    let mut table = Table::open(path)?;
    let missing =
        || DataError::new("`source.csv.item` is empty").hint("name the column of the ids");
    let item = table.column(&files.item)?.ok_or_else(missing)?;
    let title = table.column(&files.title)?;
    let description = table.column(&files.description)?;
    let category = table.column(&files.category)?;
    let mut join = Join::new(items, path);
    while let Some((line, row)) = table.next()? {
        let cell = |at: usize| text(&row[at], path, line);
        let given = |at: Option<usize>| -> Result<Option<String>, DataError> {
            let given = at.map(cell).transpose()?;
            Ok(given.filter(|text| !text.is_empty()).map(str::to_owned))
        };
        let found = Text {
            title: given(title)?,
            description: given(description)?,
            categories: given(category)?.into_iter().collect(),
        };
        join.add(cell(item)?, found);
    }
    Ok(join)
}
