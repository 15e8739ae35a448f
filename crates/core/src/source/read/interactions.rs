//! Interactions from rows of named columns: code that CSV and atomic files share.

use std::collections::HashMap;
use std::path::Path;

use ::csv::ByteRecord;

use super::ids::Ids;
use super::lines::text;
use super::places::{Columns, Names};
use super::rows::{Origin, RepeatedUsers, Rows};
use super::table::Table;
use super::times::{Times, iso, seconds};
use super::{identity, number};
use crate::source::columns::listed;

use crate::source::raw::Given;
use crate::source::{DataError, RawData};

/// A file that is read row by row.
pub(crate) trait Records {
    /// The next row, and the line on which it begins.
    fn next_row(&mut self) -> Result<Option<(u64, &ByteRecord)>, DataError>;
}

/// Interactions that are being read, from one file or from the files of a split.
pub(crate) struct Interactions<'a> {
    names: &'a Names<'a>,
    /// Maps indices in the file to raw ids, if the file has indices.
    index: Option<&'a HashMap<String, String>>,
    users: Ids,
    items: &'a mut Ids,
    raw: RawData,
    times: Times,
    rows: Rows,
    /// Whether the source has the files of a split.
    of_split: bool,
    /// Whether the first file has history, rating and time.
    has: Option<[bool; 3]>,
}

/// A file of interactions, and its part of a split.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) path: &'a Path,
    pub(crate) part: Given,
}

/// The files of a source with their parts of a split, as written. `valid` and `test` may be empty.
pub(crate) fn parts<'a>(train: &'a str, valid: &'a str, test: &'a str) -> Vec<(&'a str, Given)> {
    [
        (train, Given::Train),
        (valid, Given::Valid),
        (test, Given::Test),
    ]
    .into_iter()
    .filter(|(path, part)| *part == Given::Train || !path.is_empty())
    .collect()
}

impl Records for Table {
    fn next_row(&mut self) -> Result<Option<(u64, &ByteRecord)>, DataError> {
        self.next()
    }
}

impl<'a> Interactions<'a> {
    pub(crate) fn new(
        names: &'a Names<'a>,
        rule: RepeatedUsers,
        of_split: bool,
        items: &'a mut Ids,
    ) -> Self {
        // In the files of a split, rows of a user always continue each other.
        let rule = if of_split {
            RepeatedUsers::AllPrefixes
        } else {
            rule
        };
        Self {
            names,
            index: None,
            users: Ids::default(),
            items,
            raw: RawData::default(),
            times: Times::default(),
            rows: Rows::new(rule),
            of_split,
            has: None,
        }
    }

    pub(crate) fn with_index(mut self, index: Option<&'a HashMap<String, String>>) -> Self {
        self.index = index;
        self
    }

    /// Reads all rows of one file.
    ///
    /// # Errors
    /// When the content of a cell does not fit its column, or an unused column seems to be needed.
    pub(crate) fn read(
        &mut self,
        file: Part<'_>,
        header: &[String],
        mut columns: Columns,
        records: &mut dyn Records,
    ) -> Result<(), DataError> {
        self.alike_files(&columns, file)?;
        let mut watch = Watch::default();
        let mut is_first = true;
        while let Some((line, row)) = records.next_row()? {
            if std::mem::take(&mut is_first) {
                columns.learn_from(row);
            }
            self.row(&columns, file, line, row)?;
            let user = self.raw.user.last().copied();
            watch.row(&columns, header, file.path, line, row, user)?;
        }
        for (role, at) in columns.unused() {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            self.raw.note(
                format!(
                    "columns that look like a {} and are not used (`{}` of {name})",
                    role.word(),
                    header[at]
                ),
                1,
            );
        }
        Ok(())
    }

    /// Checks that the files of a split have the same kinds of columns.
    fn alike_files(&mut self, columns: &Columns, file: Part<'_>) -> Result<(), DataError> {
        let has = [columns.history, columns.rating, columns.time].map(|at| at.is_some());
        let first = *self.has.get_or_insert(has);
        let differs = ["history", "rating", "time"]
            .iter()
            .zip(first.iter().zip(has))
            .find(|(_, (first, has))| *first != has);
        match differs {
            None => Ok(()),
            Some((what, (first, _))) => {
                let (with, without) = if *first {
                    ("have", "does not")
                } else {
                    ("do not have", "does")
                };
                Err(DataError::new(format!(
                    "the files before it {with} a column for the {what}, this one {without}"
                ))
                .at(file.path)
                .hint("the files of a split need the same columns"))
            }
        }
    }

    fn row(
        &mut self,
        columns: &Columns,
        file: Part<'_>,
        line: u64,
        row: &ByteRecord,
    ) -> Result<(), DataError> {
        let path = file.path;
        let cell = |at: usize| text(&row[at], path, line);
        let user_name = identity(cell(columns.user)?, path, line)?;
        let target = identity(cell(columns.item)?, path, line)?;
        let user = self.users.number(user_name);
        if let Some(at) = columns.history {
            let mut ids = Vec::new();
            for id in cell(at)?.split_ascii_whitespace().chain([target]) {
                let id = self.raw_id(id, path, line)?;
                ids.push(self.items.number(id));
            }
            let origin = Origin {
                path: file.path,
                line,
                part: file.part,
            };
            return self.rows.push(user, user_name, ids, origin);
        }
        let id = self.raw_id(target, path, line)?;
        let item = self.items.number(id);
        self.raw.user.push(user);
        self.raw.item.push(item);
        if self.of_split {
            self.raw.part.push(file.part);
        }
        if let Some(at) = columns.time {
            self.times
                .push(&row[at], path, line, self.names.time_name())?;
        }
        if let Some(at) = columns.rating {
            let rating = number(&row[at], path, line, self.names.rating_name())?;
            self.raw.rating.push(rating as f32);
        }
        Ok(())
    }

    fn raw_id<'b>(&self, id: &'b str, path: &Path, line: u64) -> Result<&'b str, DataError>
    where
        'a: 'b,
    {
        let Some(index) = self.index else {
            return Ok(id);
        };
        index.get(id).map(String::as_str).ok_or_else(|| {
            DataError::new(format!("item `{id}` is not in the index"))
                .at(path)
                .line(line)
                .hint("`item_index` must be the file that belongs to `inter`")
        })
    }

    /// Returns all interactions. `path` is the file for the error when there are none.
    ///
    /// # Errors
    /// When there are none, or the rows of a user contradict each other.
    pub(crate) fn finish(self, path: &Path) -> Result<RawData, DataError> {
        let Self {
            users,
            mut raw,
            times,
            rows,
            ..
        } = self;
        raw.users = users.into_names();
        raw.time = times.into_values();
        rows.finish(&mut raw)?;
        super::filled(raw, path)
    }
}

/// Observations in columns that look meaningful and are not used.
#[derive(Default)]
struct Watch {
    /// Latest value of each user in each watched time column.
    latest: HashMap<(u32, usize), f64>,
}

impl Watch {
    /// Refuses a row which shows that an unused column affects the result.
    fn row(
        &mut self,
        columns: &Columns,
        header: &[String],
        path: &Path,
        line: u64,
        row: &ByteRecord,
        user: Option<u32>,
    ) -> Result<(), DataError> {
        let value = |at: usize| {
            let cell = std::str::from_utf8(&row[at]).ok()?;
            cell.trim()
                .parse::<f64>()
                .ok()
                .filter(|value| value.is_finite())
        };
        let all = || format!("the columns are {}", listed(header));
        for &at in &columns.labels {
            if value(at) == Some(0.0) {
                let name = &header[at];
                return Err(DataError::new(format!(
                    "column `{name}` is 0 here and is not used: the row would count like those with 1"
                ))
                .at(path)
                .line(line)
                .hint(format!(
                    "`rating = \"{name}\"` with `filter = [{{ rating = {{ minimum = 1.0 }} }}]` leaves such rows out; `rating = \"\"` counts every row; {}",
                    all()
                )));
            }
        }
        let Some(user) = user else { return Ok(()) };
        let date = |at: usize| {
            let cell = std::str::from_utf8(&row[at]).ok()?;
            seconds(iso(cell.trim())?).parse().ok()
        };
        for &at in &columns.times {
            let now = value(at).or_else(|| date(at));
            let before = now.and_then(|now| self.latest.insert((user, at), now));
            let is_in_order = now.is_some_and(|now| before.is_none_or(|before| before <= now));
            if !is_in_order {
                let name = &header[at];
                let (what, hint) = match now {
                    Some(_) => (
                        "the rows of a user are not in its order",
                        format!("`timestamp = \"{name}\"` orders by it"),
                    ),
                    None => (
                        "its order is not known, since it holds no number and no date of ISO 8601 here",
                        "write it in numbers, such as seconds since 1970".to_owned(),
                    ),
                };
                return Err(DataError::new(format!(
                    "column `{name}` looks like a time and is not used, and {what}"
                ))
                .at(path)
                .line(line)
                .hint(format!(
                    "{hint}; `timestamp = \"\"` takes the order of the file; {}",
                    all()
                )));
            }
        }
        Ok(())
    }
}
