//! Finds the columns of a file of interactions.

use std::path::Path;

use ::csv::ByteRecord;

use super::table::twice;
use super::times::is_date;
use crate::source::DataError;
use crate::source::columns::{self, AUTO, Column, Header, Named, Role, listed};

/// The column settings of a source.
pub(crate) struct Names<'a> {
    pub(crate) user: &'a str,
    pub(crate) item: &'a str,
    /// The setting of the item id: `item`, or `item_id` where `item` is a file.
    pub(crate) item_key: &'static str,
    pub(crate) timestamp: &'a str,
    pub(crate) rating: &'a str,
    pub(crate) history: &'a str,
}

impl<'a> Names<'a> {
    /// All settings with a column, ids first.
    pub(crate) fn named(&self) -> [Named<'a>; 5] {
        [
            Named::new("user", Role::User, self.user),
            Named::new(self.item_key, Role::Item, self.item),
            Named::new("timestamp", Role::Time, self.timestamp),
            Named::new("rating", Role::Rating, self.rating),
            Named::new("history", Role::History, self.history),
        ]
    }

    /// Name of the time column, for messages about its cells.
    pub(crate) fn time_name(&self) -> &str {
        match self.timestamp {
            AUTO => "timestamp",
            name => name,
        }
    }

    /// Name of the rating column, for messages about its cells.
    pub(crate) fn rating_name(&self) -> &str {
        match self.rating {
            AUTO => "rating",
            name => name,
        }
    }
}

/// The columns of the file that is read.
pub(crate) struct Head<'a> {
    pub(crate) path: &'a Path,
    pub(crate) header: &'a Header,
    /// Columns whose type fits a role without a setting: times in interactions, titles of items.
    /// All columns if the file has no types.
    pub(crate) by_type: &'a [usize],
}

/// Columns of a file of interactions.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) user: usize,
    pub(crate) item: usize,
    pub(crate) history: Option<usize>,
    pub(crate) time: Option<usize>,
    pub(crate) rating: Option<usize>,
    /// Columns that look like a time, if none is used.
    pub(crate) times: Vec<usize>,
    /// Columns that look like a rating, if none is used.
    ratings: Vec<usize>,
    /// Columns in `ratings` that mark whether a row is an interaction at all.
    pub(crate) labels: Vec<usize>,
    /// Columns of numbers that may be times.
    floats: Vec<usize>,
}

impl Columns {
    /// Finds the columns of `head`.
    ///
    /// # Errors
    /// When the column of a setting does not exist, or the settings are ambiguous for this file.
    pub(crate) fn find(head: &Head<'_>, names: &Names<'_>) -> Result<Self, DataError> {
        head.no_header_in_line_1()?;
        let user = head.required(Role::User, "user", names.user)?;
        let item = head.required(Role::Item, names.item_key, names.item)?;
        let history = head.optional(Role::History, "history", names.history)?;
        let time = head.optional(Role::Time, "timestamp", names.timestamp)?;
        let rating = head.optional(Role::Rating, "rating", names.rating)?;
        let mut found = Self {
            user,
            item,
            history,
            // A row is a whole sequence: its time and rating are not those of all its items.
            time: time.filter(|_| history.is_none()),
            rating: rating.filter(|_| history.is_none()),
            times: Vec::new(),
            ratings: Vec::new(),
            labels: Vec::new(),
            floats: Vec::new(),
        };
        if history.is_none() {
            found.unnamed(head, names)?;
        }
        Ok(found)
    }

    /// Finds columns without a setting that may be needed.
    fn unnamed(&mut self, head: &Head<'_>, names: &Names<'_>) -> Result<(), DataError> {
        let used: Vec<usize> = [Some(self.user), Some(self.item), self.time, self.rating]
            .into_iter()
            .flatten()
            .collect();
        head.no_history(names.history, &used)?;
        let columns = &head.header.names;
        if names.rating == AUTO && self.rating.is_none() {
            self.ratings = columns::alike(columns, Role::Rating, &used);
            let is_label = |at: &usize| {
                let name = columns[*at].to_lowercase();
                ["label", "click", "like"]
                    .iter()
                    .any(|word| name.contains(word))
            };
            self.labels = self.ratings.iter().copied().filter(is_label).collect();
        }
        if names.timestamp == AUTO && self.time.is_none() {
            head.headerless_time(&used)?;
            self.times = columns::alike(columns, Role::Time, &used);
            let taken = [&used[..], &self.times, &self.ratings].concat();
            let is_open = |at: &usize| !taken.contains(at);
            self.floats = head.by_type.iter().copied().filter(is_open).collect();
        }
        Ok(())
    }

    /// Marks columns as times whose first value looks like seconds or milliseconds since 1970, or
    /// like a date.
    pub(crate) fn learn_from(&mut self, row: &ByteRecord) {
        let is_time = |at: &usize| {
            let Some(cell) = row.get(*at).and_then(|cell| std::str::from_utf8(cell).ok()) else {
                return false;
            };
            match cell.trim().parse::<f64>() {
                Ok(value) => super::is_like_a_time(value),
                Err(_) => is_date(cell.trim()),
            }
        };
        let times = std::mem::take(&mut self.floats).into_iter().filter(is_time);
        self.times.extend(times);
    }

    /// Columns that look meaningful and are not used.
    pub(crate) fn unused(&self) -> impl Iterator<Item = (Role, usize)> {
        let times = self.times.iter().map(|&at| (Role::Time, at));
        times.chain(self.ratings.iter().map(|&at| (Role::Rating, at)))
    }
}

impl Head<'_> {
    /// The column of a required setting.
    ///
    /// # Errors
    /// When the setting is empty, or its column is missing or appears twice.
    pub(crate) fn required(
        &self,
        role: Role,
        key: &str,
        setting: &str,
    ) -> Result<usize, DataError> {
        self.optional(role, key, setting)?.ok_or_else(|| {
            DataError::new(format!("`{key}` names no column"))
                .at(self.path)
                .hint("name the column of the ids")
        })
    }

    /// Refuses a header in a file that should have none.
    fn no_header_in_line_1(&self) -> Result<(), DataError> {
        let first = self.header.first.as_deref();
        let Some(first) = first.filter(|first| columns::is_header(first)) else {
            return Ok(());
        };
        Err(
            DataError::new("line 1 names columns, and `header` is false")
                .at(self.path)
                .line(1)
                .hint(format!(
                    "remove `header = false`; line 1 holds {}",
                    listed(first)
                )),
        )
    }

    /// The column of an optional setting.
    ///
    /// # Errors
    /// When its column is missing or appears twice.
    pub(crate) fn optional(
        &self,
        role: Role,
        key: &str,
        setting: &str,
    ) -> Result<Option<usize>, DataError> {
        match self.header.column(role, setting) {
            Column::At(at) => Ok(Some(at)),
            Column::None => Ok(None),
            Column::Twice(at) => Err(twice(&self.header.names[at]).at(self.path).line(1)),
            Column::Missing => Err(DataError::new(format!("no column `{setting}`"))
                .at(self.path)
                .line(1)
                .hint(self.header.missing(role, key))),
        }
    }

    /// Refuses a column of histories without a setting.
    fn no_history(&self, setting: &str, used: &[usize]) -> Result<(), DataError> {
        let alike = columns::alike(&self.header.names, Role::History, used);
        let (AUTO, Some(&at)) = (setting, alike.first()) else {
            return Ok(());
        };
        let name = &self.header.names[at];
        Err(DataError::new(format!(
            "column `{name}` looks like the items before the one of its row"
        ))
        .at(self.path)
        .line(1)
        .hint(format!(
            "`history = \"{name}\"` reads each row as a whole sequence; `history = \"\"` reads it as one interaction"
        )))
    }

    /// Refuses a file without a header that may have a time in another column.
    fn headerless_time(&self, used: &[usize]) -> Result<(), DataError> {
        let (names, Some(first)) = (&self.header.names, &self.header.first) else {
            return Ok(());
        };
        if names.len() <= used.len() {
            return Ok(());
        }
        Err(DataError::new(format!(
            "the file has {} columns and no header, and `timestamp` does not say which is the time",
            names.len()
        ))
        .at(self.path)
        .line(1)
        .hint(format!(
            "write for example `timestamp = \"{}\"`, or `timestamp = \"\"` for the order of the file; line 1 holds {}",
            names.len(),
            listed(first)
        )))
    }
}
