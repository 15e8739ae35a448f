//! CSV files of interactions and items, with or without a header.

use std::path::Path;

use ::csv::ByteRecord;

use super::columns::{Columns, Head, Names};
use super::ids::Ids;
use super::interactions::{Interactions, Part, Records};
use super::join::Join;
use super::lines::text;
use super::table::Dialect;
pub(in crate::data) use super::table::Table;
use super::texts::{self, TextNames};
use crate::config::dataset::CsvSource;
use crate::data::raw::Given;
use crate::data::{DataError, RawData};
use crate::event::Counted;

pub(super) fn read(files: &CsvSource, base: &Path) -> Result<RawData, DataError> {
    let mut items = Ids::default();
    let mut raw = interactions(files, base, &mut items)?;
    if !files.items.is_empty() {
        let (join, notes) = texts(&base.join(&files.items), files, &items)?;
        join.finish(&mut raw)?;
        raw.notes.extend(notes);
    }
    raw.items = items.into_names();
    Ok(raw)
}

impl Records for Table {
    fn next_row(&mut self) -> Result<Option<(u64, &ByteRecord)>, DataError> {
        self.next()
    }
}

/// The files of a source with their parts of a split.
pub(super) fn parts<'a>(train: &'a str, valid: &'a str, test: &'a str) -> Vec<(&'a str, Given)> {
    [
        (train, Given::Train),
        (valid, Given::Valid),
        (test, Given::Test),
    ]
    .into_iter()
    .filter(|(path, part)| *part == Given::Train || !path.is_empty())
    .collect()
}

fn dialect(delimiter: &str, header: bool) -> Result<Dialect, DataError> {
    match delimiter.as_bytes() {
        &[delimiter] => Ok(Dialect { delimiter, header }),
        _ => Err(
            DataError::new(format!("`delimiter` is `{delimiter}`, not one character"))
                .hint("lines with other delimiters are read by `source.sequences`"),
        ),
    }
}

fn interactions(files: &CsvSource, base: &Path, items: &mut Ids) -> Result<RawData, DataError> {
    let names = Names {
        user: &files.user,
        item: &files.item,
        item_key: "item",
        timestamp: &files.timestamp,
        rating: &files.rating,
        history: &files.history,
    };
    let parts = parts(&files.interactions, &files.valid, &files.test);
    let dialect = dialect(&files.delimiter, files.header)?;
    let mut all = Interactions::new(&names, files.repeated_users, parts.len() > 1, items);
    for (path, part) in parts {
        let path = &base.join(path);
        let mut table = Table::open_as(path, dialect)?;
        let (header, first) = (table.header().to_vec(), table.cells());
        let every: Vec<usize> = (0..header.len()).collect();
        let head = Head {
            path,
            names: &header,
            first: (!dialect.header).then_some(&first[..]),
            floats: &every,
        };
        let columns = Columns::find(&head, &names)?;
        all.read(Part { path, part }, &header, columns, &mut table)?;
    }
    all.finish(&base.join(&files.interactions))
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

/// Texts of items, and what is not used.
fn texts<'i>(
    path: &Path,
    files: &CsvSource,
    items: &'i Ids,
) -> Result<(Join<'i>, Vec<Counted>), DataError> {
    let delimiter = match &files.items_delimiter[..] {
        "" => &files.delimiter,
        own => own,
    };
    let (id, id_key) = match &files.items_item[..] {
        "" => (&files.item[..], "item"),
        own => (own, "items_item"),
    };
    let dialect = dialect(delimiter, files.items_header)?;
    let mut table = Table::open_as(path, dialect)?;
    let (header, first) = (table.header().to_vec(), table.cells());
    let every: Vec<usize> = (0..header.len()).collect();
    let head = Head {
        path,
        names: &header,
        first: (!dialect.header).then_some(&first[..]),
        floats: &[],
    };
    let names = TextNames {
        id,
        id_key,
        title: &files.title,
        description: &files.description,
        category: &files.category,
        whole: None,
        words: &every,
    };
    let mut join = Join::new(items, path);
    let notes = texts::read(&head, &names, &mut table, |id, text| join.add(id, text))?;
    Ok((join, notes))
}
