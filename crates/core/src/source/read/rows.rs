//! Files with a whole sequence in each row, and the combination of several rows of one user.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::raw::Given;
use crate::source::{DataError, RawData};

/// How several whole-sequence rows of one user are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedUsers {
    /// The file is refused.
    Refuse,
    /// The longest row of a user is used. Its other rows are dropped and counted.
    Longest,
    /// The rows are growing prefixes of one sequence, as in UniSRec's `train.inter`. Histories may
    /// be cut to a maximum length. The sequence is reconstructed; a row that does not continue it
    /// is refused.
    AllPrefixes,
    /// The rows are parts of one sequence, such as sessions, in file order.
    Join,
}

/// Whole sequences, row by row, in the order of the files.
pub(crate) struct Rows {
    rule: RepeatedUsers,
    /// Advice for a repeated user, if the file seems to have another form.
    pub(crate) hint: Option<String>,
    files: Vec<PathBuf>,
    rows: Vec<Row>,
    items: Vec<u32>,
    /// First row of each user.
    first: HashMap<u32, usize, foldhash::fast::FixedState>,
}

struct Row {
    user: u32,
    part: Given,
    /// Index of the file, and the line in it.
    file: usize,
    line: u64,
    items: Range<usize>,
}

/// The origin of a row.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// The line in it.
    pub(crate) line: u64,
    /// The part in a ready-made split; training without a split.
    pub(crate) part: Given,
}

impl Rows {
    pub(crate) fn new(rule: RepeatedUsers) -> Self {
        Self {
            rule,
            hint: None,
            files: Vec::new(),
            rows: Vec::new(),
            items: Vec::new(),
            first: HashMap::default(),
        }
    }

    /// Adds a row of `items`, oldest first.
    ///
    /// # Errors
    /// When the user has a row already and repeated users are refused.
    pub(crate) fn push(
        &mut self,
        user: u32,
        name: &str,
        items: impl IntoIterator<Item = u32>,
        origin: Origin<'_>,
    ) -> Result<(), DataError> {
        if self.files.last().is_none_or(|last| last != origin.path) {
            self.files.push(origin.path.to_owned());
        }
        let at = self.rows.len();
        let first = *self.first.entry(user).or_insert(at);
        if first < at && self.rule == RepeatedUsers::Refuse {
            return Err(self.repeated(name, &self.rows[first], origin));
        }
        let start = self.items.len();
        self.items.extend(items);
        self.rows.push(Row {
            user,
            part: origin.part,
            file: self.files.len() - 1,
            line: origin.line,
            items: start..self.items.len(),
        });
        Ok(())
    }

    fn repeated(&self, name: &str, first: &Row, origin: Origin<'_>) -> DataError {
        let usual = "a row is a whole sequence, one a user. If the rows are the beginnings of one sequence, set \
            `repeated_users = \"all_prefixes\"`; `\"longest\"` keeps the longest row alone; `\"join\"` puts rows one after another";
        DataError::new(format!(
            "user `{name}` has a row already, on line {}",
            first.line
        ))
        .at(origin.path)
        .line(origin.line)
        .hint(self.hint.as_deref().unwrap_or(usual))
    }

    /// Adds all users' interactions to `raw`, with parts if the rows come from a ready-made split.
    ///
    /// # Errors
    /// When the rows of a user do not fit together under the rule.
    pub(crate) fn finish(mut self, raw: &mut RawData) -> Result<(), DataError> {
        let mut rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let of_split = rows.iter().any(|row| row.part != Given::Train);
        let before = rows.len();
        match self.rule {
            RepeatedUsers::Refuse | RepeatedUsers::Join if !of_split => {}
            RepeatedUsers::Longest if !of_split => rows = self.longest(rows, &raw.users)?,
            // Only this rule can join the parts of a ready-made split.
            _ => {
                self.continued(rows, raw)?;
                if !of_split {
                    raw.part.clear();
                }
                return Ok(());
            }
        }
        let dropped = (before - rows.len()) as u64;
        raw.note("rows that are not their user's longest, left out", dropped);
        for row in rows {
            for &item in &self.items[row.items] {
                raw.user.push(row.user);
                raw.item.push(item);
            }
        }
        Ok(())
    }

    /// The longest row of each user.
    fn longest(&self, rows: Vec<Row>, users: &[String]) -> Result<Vec<Row>, DataError> {
        let mut best: Vec<Row> = Vec::with_capacity(self.first.len());
        let mut place: HashMap<u32, usize, foldhash::fast::FixedState> = HashMap::default();
        // The first row of each user that is as long as the longest and differs from it.
        let mut rivals: HashMap<u32, Row, foldhash::fast::FixedState> = HashMap::default();
        for row in rows {
            let at = *place.entry(row.user).or_insert(best.len());
            let Some(held) = best.get_mut(at) else {
                best.push(row);
                continue;
            };
            let items = |row: &Row| &self.items[row.items.clone()];
            match held.items.len().cmp(&row.items.len()) {
                Ordering::Less => {
                    rivals.remove(&row.user);
                    *held = row;
                }
                Ordering::Equal if items(held) != items(&row) => {
                    rivals.entry(row.user).or_insert(row);
                }
                Ordering::Equal | Ordering::Greater => {}
            }
        }
        let first = rivals.into_values().min_by_key(|row| (row.file, row.line));
        first.map_or(Ok(best), |row| Err(self.rival(&row, users)))
    }

    fn rival(&self, row: &Row, users: &[String]) -> DataError {
        DataError::new(format!(
            "user `{}` has two longest rows of {} items that differ",
            name(row.user, users),
            row.items.len()
        ))
        .at(&self.files[row.file])
        .line(row.line)
        .hint("histories that are cut to a length need `repeated_users = \"all_prefixes\"`")
    }

    /// Joins each user's rows that continue each other, the shortest first within a part.
    fn continued(&self, mut rows: Vec<Row>, raw: &mut RawData) -> Result<(), DataError> {
        rows.sort_by_key(|row| (self.first[&row.user], row.part, row.items.len()));
        let mut repeats = 0;
        for rows in rows.chunk_by(|a, b| a.user == b.user) {
            let most = rows.iter().map(|row| row.items.len()).max();
            let mut sequence: Vec<u32> = Vec::new();
            for row in rows {
                let items = &self.items[row.items.clone()];
                let is_cut = Some(items.len()) == most;
                // A row of validation or test adds only its target, so that earlier files must have
                // its history.
                let new = continuation(&sequence, items, is_cut)
                    .filter(|new| row.part == Given::Train || new.len() == 1)
                    .ok_or_else(|| self.broken(row, &raw.users))?;
                repeats += u64::from(new.is_empty());
                for &item in new {
                    sequence.push(item);
                    raw.user.push(row.user);
                    raw.item.push(item);
                    raw.part.push(row.part);
                }
            }
        }
        raw.note("rows that repeat another row, left out", repeats);
        Ok(())
    }

    fn broken(&self, row: &Row, users: &[String]) -> DataError {
        DataError::new(format!(
            "the row of user `{}` does not continue its rows before it",
            name(row.user, users)
        ))
        .at(&self.files[row.file])
        .line(row.line)
        .hint("with `repeated_users = \"all_prefixes\"`, and in the files of a split, each history is the whole sequence so far or its end; without a history column, rows are single interactions")
    }
}

fn name(user: u32, users: &[String]) -> &str {
    users.get(user as usize).map_or("", String::as_str)
}

/// The items that `row` adds to `sequence`; `None` if it does not continue it. If the row begins
/// with the sequence, it adds its rest. If histories are cut to this row's length and the sequence
/// ends with the row's history, it adds its last item.
fn continuation<'a>(sequence: &[u32], row: &'a [u32], is_cut: bool) -> Option<&'a [u32]> {
    if let Some(rest) = row.strip_prefix(sequence) {
        return Some(rest);
    }
    let (_, history) = row.split_last()?;
    (is_cut && sequence.ends_with(history)).then(|| &row[history.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: RepeatedUsers, rows: &[(u32, Given, &[u32])]) -> Result<RawData, DataError> {
        let mut all = Rows::new(rule);
        for (at, &(user, part, items)) in rows.iter().enumerate() {
            let origin = Origin {
                path: Path::new("f"),
                line: at as u64 + 1,
                part,
            };
            all.push(user, &format!("u{user}"), items.iter().copied(), origin)?;
        }
        let mut raw = RawData {
            users: vec!["u0".into(), "u1".into()],
            ..RawData::default()
        };
        all.finish(&mut raw)?;
        Ok(raw)
    }

    use Given::{Test, Train, Valid};
    use RepeatedUsers::{AllPrefixes, Join, Longest, Refuse};

    const PREFIXES: &[(u32, Given, &[u32])] = &[
        (0, Train, &[1, 2]),
        (0, Train, &[1, 2, 3]),
        (1, Train, &[5, 6]),
        (0, Train, &[1, 2, 3, 4]),
    ];

    #[test]
    fn a_second_row_of_a_user_is_refused_with_the_ways_to_say_what_it_means() {
        let error = read(Refuse, PREFIXES).unwrap_err();
        assert_eq!(
            error.to_string(),
            "f:2: user `u0` has a row already, on line 1"
        );
        for word in ["all_prefixes", "longest", "join"] {
            assert!(error.remedy().unwrap().contains(word), "{error}");
        }
    }

    #[test]
    fn prefixes_are_one_sequence_the_longest_drops_the_others_and_joined_rows_follow_each_other() {
        let prefixes = read(AllPrefixes, PREFIXES).unwrap();
        assert_eq!(
            (&prefixes.user[..], &prefixes.item[..]),
            (&[0, 0, 0, 0, 1, 1][..], &[1, 2, 3, 4, 5, 6][..])
        );
        assert!(prefixes.part.is_empty() && prefixes.notes.is_empty());
        let longest = read(Longest, PREFIXES).unwrap();
        assert_eq!(
            (&longest.user, &longest.item),
            (&prefixes.user, &prefixes.item)
        );
        assert_eq!(longest.notes[0].count, 2);
        let joined = read(Join, PREFIXES).unwrap();
        assert_eq!(joined.item, [1, 2, 1, 2, 3, 5, 6, 1, 2, 3, 4]);
    }

    #[test]
    fn histories_that_are_cut_to_a_length_are_put_together_again() {
        let rows: &[(u32, Given, &[u32])] = &[
            (0, Train, &[1, 2]),
            (0, Train, &[1, 2, 3]),
            (0, Train, &[2, 3, 4]),
            (0, Train, &[3, 4, 5]),
        ];
        assert_eq!(read(AllPrefixes, rows).unwrap().item, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn rows_that_are_no_prefixes_are_refused_with_their_line() {
        let rows: &[(u32, Given, &[u32])] = &[(0, Train, &[1, 2]), (0, Train, &[1, 3, 4])];
        let error = read(AllPrefixes, rows).unwrap_err();
        assert_eq!(
            error.to_string(),
            "f:2: the row of user `u0` does not continue its rows before it"
        );
        // Two sessions of equal length share no item, and neither is the longest.
        let rows: &[(u32, Given, &[u32])] = &[(0, Train, &[1, 2]), (0, Train, &[7, 8])];
        assert!(read(AllPrefixes, rows).is_err());
        let error = read(Longest, rows).unwrap_err();
        assert_eq!(
            error.to_string(),
            "f:2: user `u0` has two longest rows of 2 items that differ"
        );
    }

    #[test]
    fn the_files_of_a_split_continue_each_other_and_keep_their_parts() {
        let rows: &[(u32, Given, &[u32])] = &[
            (0, Train, &[1]),
            (0, Train, &[1, 2]),
            (0, Valid, &[1, 2, 3]),
            (0, Test, &[1, 2, 3, 4]),
        ];
        let raw = read(AllPrefixes, rows).unwrap();
        assert_eq!(raw.item, [1, 2, 3, 4]);
        assert_eq!(raw.part, [Train, Train, Valid, Test]);
        // A test history without the validation item belongs to another split.
        let rows: &[(u32, Given, &[u32])] = &[
            (0, Train, &[1, 2]),
            (0, Valid, &[1, 2, 3]),
            (0, Test, &[1, 2, 4]),
        ];
        assert!(read(AllPrefixes, rows).is_err());
    }
}
