//! Scores or ranked lists of other programs: from a file to the ranks of a data set's targets.
//!
//! Ids are those of the source. CSV files of this program may have an apostrophe in front of an id;
//! such an id is found with and without it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::scores::{Scored, Scores, bound, candidates, rank};
use super::{CandidateLists, DataError, Prepared, Ranks};
use crate::cells;
use crate::event::Counted;
use crate::models::scores::{Missing, ScoresForm, Unknown};

mod forms;

/// How a file of scores is read.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Its form.
    pub form: ScoresForm,
    /// What happens to candidates without a score.
    pub missing: Missing,
    /// What happens to users and items that are not in the data set.
    pub unknown: Unknown,
    /// Whether the scores of the candidates are returned.
    pub keep_scores: bool,
}

/// Results of a file of scores.
#[derive(Debug)]
pub struct Measured {
    /// Ranks of the targets.
    pub ranks: Ranks,
    /// Scores of the candidates, if `keep_scores` is set.
    pub scores: Option<Scores>,
    /// Counts of what was dropped or replaced.
    pub counted: Vec<Counted>,
}

/// A score in the file.
#[derive(Clone, Copy, Debug)]
struct Entry {
    user: u32,
    item: u32,
    score: f64,
    line: u64,
}

/// User and item numbers by id.
struct Known<'a> {
    users: HashMap<&'a str, u32>,
    items: HashMap<&'a str, u32>,
}

impl<'a> Known<'a> {
    fn of(prepared: &'a Prepared) -> Self {
        let users = prepared.users.iter().map(String::as_str);
        let items = prepared.items.iter().map(|item| item.id.as_str());
        Self {
            users: users.zip(0..).collect(),
            items: items.zip(1..).collect(),
        }
    }

    fn user(&self, id: &str) -> Option<u32> {
        find(&self.users, id)
    }

    fn item(&self, id: &str) -> Option<u32> {
        find(&self.items, id)
    }
}

fn find(ids: &HashMap<&str, u32>, id: &str) -> Option<u32> {
    ids.get(id)
        .or_else(|| ids.get(cells::unmarked(id)))
        .copied()
}

/// The entries of a file, and the number of those left out.
struct Entries {
    entries: Vec<Entry>,
    /// Rows, or entries of lists, whose user or item is not in the data set.
    unknown: u64,
}

/// Ranks the targets of `lists` by the scores in the file `path`.
///
/// # Errors
/// When the file does not have its form, has an unknown user or item or an invalid score, repeats
/// an entry, or lacks candidates. The error names line, value and remedy.
pub fn measure(
    path: &Path,
    settings: Settings,
    prepared: &Prepared,
    lists: &CandidateLists,
) -> Result<Measured, DataError> {
    let known = Known::of(prepared);
    let reader = forms::Reader {
        path: path.to_owned(),
        known: &known,
        unknown: settings.unknown,
    };
    let mut file = reader.read(settings.form)?;
    // A stable sort: of two entries for one item, the first in the file comes first.
    file.entries.sort_by_key(|entry| (entry.user, entry.item));
    once(path, &file.entries, prepared)?;
    Ranking {
        path: path.to_owned(),
        settings,
        prepared,
        lists,
        entries: &file.entries,
    }
    .measured(file.unknown)
}

/// Checks that no item appears twice for one user.
fn once(path: &Path, entries: &[Entry], prepared: &Prepared) -> Result<(), DataError> {
    let same = |pair: &&[Entry]| (pair[0].user, pair[0].item) == (pair[1].user, pair[1].item);
    match entries.windows(2).find(same) {
        Some(pair) => Err(DataError::new(format!(
            "item `{}` is given for user `{}` a second time, first on line {}",
            prepared.items[pair[0].item as usize - 1].id,
            prepared.users[pair[0].user as usize],
            pair[0].line
        ))
        .at(path)
        .line(pair[1].line)
        .hint("remove one of the two")),
        None => Ok(()),
    }
}

struct Ranking<'a> {
    path: PathBuf,
    settings: Settings,
    prepared: &'a Prepared,
    lists: &'a CandidateLists,
    /// Sorted by user and item.
    entries: &'a [Entry],
}

impl Ranking<'_> {
    fn measured(&self, unknown: u64) -> Result<Measured, DataError> {
        let lists = self.lists;
        let most = bound(lists, self.prepared.n_items());
        let mut scores = self
            .settings
            .keep_scores
            .then(|| Scores::nothing(lists.part));
        let mut ranks = Vec::with_capacity(lists.users.len());
        let (mut last, mut silent, mut used) = (0, 0, 0);
        for (place, &user) in lists.users.iter().enumerate() {
            let own = self.of(user);
            let row = self.row(place, own)?;
            let without = row
                .iter()
                .filter(|it| it.score == f64::NEG_INFINITY)
                .count();
            match own.is_empty() {
                true => silent += 1,
                false => last += without as u64,
            }
            let wanted: HashSet<u32> = row.iter().map(|it| it.item).collect();
            used += own
                .iter()
                .filter(|entry| wanted.contains(&entry.item))
                .count() as u64;
            ranks.push(rank(&row, lists.ties));
            if let Some(scores) = &mut scores {
                scores.push(user, lists.targets[place], row, most);
            }
        }
        let count = |what: &str, count: u64| Counted {
            what: what.to_owned(),
            count,
        };
        Ok(Measured {
            ranks: Ranks {
                part: lists.part,
                users: lists.users.clone(),
                targets: lists.targets.clone(),
                ranks,
            },
            scores,
            counted: vec![
                count("candidates without a score, which rank last", last),
                count("users without any score, whose candidates all tie", silent),
                count(
                    "entries of users or items that the data set does not have, ignored",
                    unknown,
                ),
                count(
                    "entries that no candidate of a measured user needs",
                    self.entries.len() as u64 - used,
                ),
            ],
        })
    }

    /// The entries of a user.
    fn of(&self, user: u32) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.user < user);
        let own = &self.entries[start..];
        &own[..own.partition_point(|entry| entry.user == user)]
    }

    /// The candidates of the user with index `place` and their scores, the target first. A
    /// candidate without a score has minus infinity.
    fn row(&self, place: usize, own: &[Entry]) -> Result<Vec<Scored>, DataError> {
        let items = candidates(self.lists, self.prepared, place);
        let score = |item: u32| {
            let at = own.binary_search_by_key(&item, |entry| entry.item);
            at.map_or(f64::NEG_INFINITY, |at| own[at].score)
        };
        let row: Vec<Scored> = items
            .into_iter()
            .map(|item| Scored {
                item,
                score: score(item),
            })
            .collect();
        let may_end = match self.settings.form {
            ScoresForm::Scores => false,
            // A ranked list may leave candidates out, but a user without any list is an error.
            ScoresForm::Ranks | ScoresForm::Lists => !own.is_empty(),
        };
        if self.settings.missing == Missing::Last || may_end {
            return Ok(row);
        }
        let mut missing = row.iter().filter(|it| it.score == f64::NEG_INFINITY);
        match missing.next() {
            Some(first) => Err(self.lacks(place, first.item, missing.count(), own.is_empty())),
            None => Ok(row),
        }
    }

    fn lacks(&self, place: usize, item: u32, others: usize, is_silent: bool) -> DataError {
        let user = &self.prepared.users[self.lists.users[place] as usize];
        let item = &self.prepared.items[item as usize - 1].id;
        let what = match (is_silent, others) {
            (true, _) => format!("user `{user}` is measured and not in the file"),
            (_, 0) => format!("user `{user}` has no score of the candidate `{item}`"),
            (_, others) => {
                format!("user `{user}` has no score of the candidate `{item}` and of {others} more")
            }
        };
        DataError::new(what).at(&self.path).hint(
            "`allround export RESULTS --candidates` lists all candidates; `missing = \"last\"` ranks those without a score last",
        )
    }
}

#[cfg(test)]
mod tests;
