//! The forms of a file of scores: CSV with `user,item,score` or `user,rank,item`, and lines of
//! `user item item ...`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Entries, Entry, Known};
use crate::data::DataError;
use crate::models::scores::{ScoresForm, Unknown};
use crate::source::read::lines::{Lines, text};
use crate::source::read::number;
use crate::source::read::table::Table;

/// Reads a file.
pub(super) struct Reader<'a> {
    pub(super) path: PathBuf,
    pub(super) known: &'a Known<'a>,
    pub(super) unknown: Unknown,
}

impl Reader<'_> {
    pub(super) fn read(&self, form: ScoresForm) -> Result<Entries, DataError> {
        let file = match form {
            ScoresForm::Scores => self.table("score", |score| score),
            ScoresForm::Ranks => self.table("rank", |rank| -rank),
            ScoresForm::Lists => self.lists(),
        }?;
        match file.entries.is_empty() {
            true => Err(DataError::new("the file scores no item of this data set")
                .at(&self.path)
                .hint("ids must be those of the source; `allround export RESULTS --candidates` lists them")),
            false => Ok(file),
        }
    }

    /// Reads a CSV file with columns `user`, `item` and `value`, in any order. Other columns are
    /// not read.
    fn table(&self, value: &str, score: impl Fn(f64) -> f64) -> Result<Entries, DataError> {
        let mut table = Table::open(&self.path)?;
        let column = |name: &str| -> Result<usize, DataError> {
            let found = table.column(name)?;
            found.ok_or_else(|| DataError::new(format!("no column `{name}`")).at(&self.path))
        };
        let (user, item, value_at) = (column("user")?, column("item")?, column(value)?);
        let mut file = Entries {
            entries: Vec::new(),
            unknown: 0,
        };
        while let Some((line, row)) = table.next()? {
            let id = |at: usize| text(&row[at], &self.path, line);
            let given = number(&row[value_at], &self.path, line, value)?;
            let (user, item) = (id(user)?, id(item)?);
            match self.both(user, item, line)? {
                Some((user, item)) => file.entries.push(Entry {
                    user,
                    item,
                    score: score(given),
                    line,
                }),
                None => file.unknown += 1,
            }
        }
        Ok(file)
    }

    /// Reads lines of ids, separated by blanks or tabs: a user, then items, the best first.
    fn lists(&self) -> Result<Entries, DataError> {
        let mut lines = Lines::open(&self.path)?;
        let mut file = Entries {
            entries: Vec::new(),
            unknown: 0,
        };
        let mut first: HashMap<u32, u64> = HashMap::new();
        while let Some((line, row)) = lines.text()? {
            let mut ids = row.split_whitespace();
            let Some(user) = ids.next() else { continue };
            let mut items = ids.peekable();
            if items.peek().is_none() {
                return Err(self.lonely(user, line));
            }
            if let Some(earlier) = self
                .known
                .user(user)
                .and_then(|user| first.insert(user, line))
            {
                return Err(DataError::new(format!(
                    "user `{user}` has a second list, the first is on line {earlier}"
                ))
                .at(&self.path)
                .line(line)
                .hint("write one list for each user"));
            }
            for (rank, item) in items.enumerate() {
                match self.both(user, item, line)? {
                    Some((user, item)) => file.entries.push(Entry {
                        user,
                        item,
                        score: -(rank as f64),
                        line,
                    }),
                    None => file.unknown += 1,
                }
            }
        }
        Ok(file)
    }

    fn lonely(&self, user: &str, line: u64) -> DataError {
        let error = DataError::new(format!("`{user}` has no item after it"))
            .at(&self.path)
            .line(line);
        error.hint(match user.contains(',') {
            true => "lists are ids between blanks; a CSV file is `form = \"scores\"` or `form = \"ranks\"`",
            false => "expected `user item item ...`, the best item first",
        })
    }

    /// The numbers of a user and an item; `None` where one is not in the data set and this is
    /// allowed.
    fn both(&self, user: &str, item: &str, line: u64) -> Result<Option<(u32, u32)>, DataError> {
        let found = (self.known.user(user), self.known.item(item));
        let (what, id) = match found {
            (Some(user), Some(item)) => return Ok(Some((user, item))),
            (None, _) => ("user", user),
            (_, None) => ("item", item),
        };
        match self.unknown {
            Unknown::Ignore => Ok(None),
            Unknown::Refuse => Err(DataError::new(format!("the data set has no {what} `{id}`"))
                .at(&self.path)
                .line(line)
                .hint("ids must be those of the source; `unknown = \"ignore\"` leaves such entries out and counts them")),
        }
    }
}
