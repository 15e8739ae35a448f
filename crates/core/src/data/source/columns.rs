//! Which column of a file of interactions holds what.

use std::path::Path;

use ::csv::ByteRecord;

use super::table::twice;
use super::times::is_date;
use crate::columns::{self, AUTO, Column, Role, listed};
use crate::data::DataError;

/// How a source names its columns.
pub(super) struct Names<'a> {
    pub(super) user: &'a str,
    pub(super) item: &'a str,
    /// The setting that names the item id: `item`, or `item_id` where `item` is a file.
    pub(super) item_key: &'static str,
    pub(super) timestamp: &'a str,
    pub(super) rating: &'a str,
    pub(super) history: &'a str,
}

impl Names<'_> {
    /// The column of the time, for messages about its cells.
    pub(super) fn time_name(&self) -> &str {
        match self.timestamp {
            AUTO => "timestamp",
            name => name,
        }
    }

    /// The column of the rating, for messages about its cells.
    pub(super) fn rating_name(&self) -> &str {
        match self.rating {
            AUTO => "rating",
            name => name,
        }
    }
}

/// The first line of a file.
pub(super) struct Head<'a> {
    pub(super) path: &'a Path,
    /// Names of the columns, or numbers from 1.
    pub(super) names: &'a [String],
    /// The cells of the first row, where the file has no header.
    pub(super) first: Option<&'a [String]>,
    /// Columns that may hold times by their values: those of numbers where the file has types, else all.
    pub(super) floats: &'a [usize],
}

/// Columns of a file of interactions.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) user: usize,
    pub(super) item: usize,
    pub(super) history: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) rating: Option<usize>,
    /// Columns that look like a time, where none is used.
    pub(super) times: Vec<usize>,
    /// Columns that look like a rating, where none is used.
    ratings: Vec<usize>,
    /// Those of `ratings` that mark what is an interaction at all.
    pub(super) labels: Vec<usize>,
    /// Columns of numbers that may turn out to be times.
    floats: Vec<usize>,
}

impl Columns {
    /// Finds the columns of `head`.
    ///
    /// # Errors
    /// When a named column is not there, or the settings leave open what the file must be read as.
    pub(super) fn find(head: &Head<'_>, names: &Names<'_>) -> Result<Self, DataError> {
        if let Some(first) = head.first
            && columns::is_header(first)
        {
            return Err(
                DataError::new("line 1 names columns, and `header` is false")
                    .at(head.path)
                    .line(1)
                    .hint(format!(
                        "remove `header = false`; line 1 holds {}",
                        listed(first)
                    )),
            );
        }
        let required = |role, key: &str, setting: &str| {
            head.optional(role, key, setting)?.ok_or_else(|| {
                DataError::new(format!("`{key}` names no column"))
                    .at(head.path)
                    .hint("name the column of the ids")
            })
        };
        let user = required(Role::User, "user", names.user)?;
        let item = required(Role::Item, names.item_key, names.item)?;
        let history = head.optional(Role::History, "history", names.history)?;
        let time = head.optional(Role::Time, "timestamp", names.timestamp)?;
        let rating = head.optional(Role::Rating, "rating", names.rating)?;
        let used: Vec<usize> = [Some(user), Some(item), history, time, rating]
            .into_iter()
            .flatten()
            .collect();
        let mut found = Self {
            user,
            item,
            history,
            // A row is a whole sequence: its own time and rating are not those of its items.
            time: time.filter(|_| history.is_none()),
            rating: rating.filter(|_| history.is_none()),
            times: Vec::new(),
            ratings: Vec::new(),
            labels: Vec::new(),
            floats: Vec::new(),
        };
        if history.is_some() {
            return Ok(found);
        }
        head.no_history(names.history, &used)?;
        if names.rating == AUTO && rating.is_none() {
            found.ratings = columns::alike(head.names, Role::Rating, &used);
            let is_label = |at: &usize| {
                let name = head.names[*at].to_lowercase();
                ["label", "click", "like"]
                    .iter()
                    .any(|word| name.contains(word))
            };
            found.labels = found.ratings.iter().copied().filter(is_label).collect();
        }
        if names.timestamp == AUTO && time.is_none() {
            head.headerless_time(&used)?;
            found.times = columns::alike(head.names, Role::Time, &used);
            let taken = |at: &&usize| {
                used.contains(at) || found.times.contains(at) || found.ratings.contains(at)
            };
            found.floats = head
                .floats
                .iter()
                .filter(|at| !taken(at))
                .copied()
                .collect();
        }
        Ok(found)
    }

    /// Takes columns for times whose first value is like seconds or milliseconds since 1970, or like a date.
    pub(super) fn learn_from(&mut self, row: &ByteRecord) {
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

    /// Columns that look as if they were meant and are not used.
    pub(super) fn unused(&self) -> impl Iterator<Item = (Role, usize)> {
        let times = self.times.iter().map(|&at| (Role::Time, at));
        times.chain(self.ratings.iter().map(|&at| (Role::Rating, at)))
    }
}

impl Head<'_> {
    /// The column that a setting means, if it means one.
    ///
    /// # Errors
    /// When it names one that is not there, or there twice.
    pub(super) fn optional(
        &self,
        role: Role,
        key: &str,
        setting: &str,
    ) -> Result<Option<usize>, DataError> {
        match columns::column(self.names, role, setting) {
            Column::At(at) => Ok(Some(at)),
            Column::None => Ok(None),
            Column::Twice(at) => Err(twice(&self.names[at]).at(self.path).line(1)),
            Column::Missing => Err(DataError::new(format!("no column `{setting}`"))
                .at(self.path)
                .line(1)
                .hint(self.missing(role, key))),
        }
    }

    /// What to do about a column that is not there.
    fn missing(&self, role: Role, key: &str) -> String {
        columns::missing(self.names, self.first, role, key)
    }

    /// A column of histories that no setting mentions.
    fn no_history(&self, setting: &str, used: &[usize]) -> Result<(), DataError> {
        let alike = columns::alike(self.names, Role::History, used);
        let (AUTO, Some(&at)) = (setting, alike.first()) else {
            return Ok(());
        };
        let name = &self.names[at];
        Err(DataError::new(format!(
            "column `{name}` looks like the items before the one of its row"
        ))
        .at(self.path)
        .line(1)
        .hint(format!(
            "`history = \"{name}\"` reads each row as a whole sequence; `history = \"\"` reads it as one interaction"
        )))
    }

    /// Without a header, nothing says whether one of the other columns is a time.
    fn headerless_time(&self, used: &[usize]) -> Result<(), DataError> {
        let Some(first) = self.first else {
            return Ok(());
        };
        if self.names.len() <= used.len() {
            return Ok(());
        }
        Err(DataError::new(format!(
            "the file has {} columns and no header, and `timestamp` does not say which is the time",
            self.names.len()
        ))
        .at(self.path)
        .line(1)
        .hint(format!(
            "write for example `timestamp = \"{}\"`, or `timestamp = \"\"` for the order of the file; line 1 holds {}",
            self.names.len(),
            listed(first)
        )))
    }
}
