//! The prepared data set: filtered, split, numbered from 1, with texts. It is an artefact folder in
//! the store.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::arrays::{self, Array, Arrays};
use super::raw::RecordCounts;
use super::{DataError, Part};
use crate::seed::{Stream, stream};
use crate::{cells, fs};

const NUMBERS: &str = "sequences.safetensors";
const USERS: &str = "users.csv";
const ITEMS: &str = "items.csv";
/// Metadata of the arrays: the CSV files have an apostrophe in front of cells that a spreadsheet
/// would read as formulas.
const MARKED: &str = "marked_cells";
/// Metadata of the arrays: the [`Facts`] as JSON.
const FACTS: &str = "facts";
/// Separates categories in one CSV cell: the unit separator, which does not occur in categories.
const SEPARATOR: &str = "\u{1f}";

/// An item and its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Id in the source.
    pub id: String,
    /// Title; `None` when the source has none.
    pub title: Option<String>,
    /// Description; `None` when the source has none.
    pub description: Option<String>,
    /// Categories or genres.
    pub categories: Vec<String>,
}

/// A prepared data set with U users and V items, sequences in CSR.
///
/// The items of user u, in time order, are `items_of(u)`. The first `train_end[u]` are for
/// training, the next up to `valid_end[u]` for validation, the rest for test. The target of a part
/// is its first item, and its history is everything before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Raw user ids, U of them.
    pub users: Vec<String>,
    /// Items 1 to V; `items[i - 1]` is item i.
    pub items: Vec<Item>,
    /// Row starts, U + 1 of them.
    pub offsets: Vec<u64>,
    /// Item numbers (1 to V), user after user.
    pub sequence: Vec<u32>,
    /// Number of training items of each user.
    pub train_end: Vec<u32>,
    /// Number of training and validation items of each user.
    pub valid_end: Vec<u32>,
    /// Whether the CF model is trained on the user.
    pub trained: Vec<bool>,
    /// Whether later stages (alignment, projection, fine-tuning) are trained on the user.
    pub aligned: Vec<bool>,
    /// Whether the user's targets are measured.
    pub measured: Vec<bool>,
    /// Whether item i (at `i - 1`) may be a training negative.
    pub in_training: Vec<bool>,
    /// Whether item i (at `i - 1`) may be a candidate.
    pub in_candidates: Vec<bool>,
    /// Row of the trained tables that item i (at `i - 1`) uses. It is the item's number, except for
    /// reindexed cross-domain items.
    pub row: Vec<u32>,
    /// Facts found while the data set was made.
    pub facts: Facts,
}

/// Facts found while a data set was made, for readers of its results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// How records of items match the items, one entry for each data set with records. A
    /// cross-domain scenario has two data sets.
    pub records: Vec<Records>,
    /// Why no user is measured; `None` where some users are.
    pub nobody: Option<String>,
    /// Seed with which the histories of test targets are shuffled; `None`: they are in time order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffled: Option<u64>,
}

/// How the records of one file match the items of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Name of the file.
    pub file: String,
    /// Items of the data set.
    pub items: u64,
    /// Counts of matches and mismatches.
    pub counts: RecordCounts,
    /// Examples of ids that do not match, and the likely cause; `None` where there is no sign of a
    /// mistake.
    pub doubt: Option<String>,
}

impl Records {
    /// Notes for readers of texts, one sentence each: items without a record, and records that
    /// repeat an item.
    pub fn notes(&self) -> Vec<String> {
        let Records {
            file,
            items,
            counts,
            doubt,
        } = self;
        let mut notes = Vec::new();
        if counts.items_without > 0 {
            let why = doubt.as_ref().map(|doubt| format!(" ({doubt})"));
            let n = counts.items_without;
            notes.push(format!(
                "{n} of {items} items have no record in `{file}`{}",
                why.unwrap_or_default()
            ));
        }
        if counts.repeated > 0 {
            let mut note = format!(
                "{} records in `{file}` are of an item that has one already: they fill its gaps",
                counts.repeated
            );
            if counts.conflicting > 0 {
                let n = counts.conflicting;
                note.push_str(&format!("; {n} contradict it, and its first value stays"));
            }
            notes.push(note);
        }
        notes
    }
}

impl Facts {
    /// The counts of all files of records together; `None` without such files.
    pub fn record_counts(&self) -> Option<RecordCounts> {
        self.records
            .iter()
            .map(|records| records.counts)
            .reduce(|all, one| RecordCounts {
                records: all.records + one.records,
                items_without: all.items_without + one.items_without,
                without_item: all.without_item + one.without_item,
                repeated: all.repeated + one.repeated,
                conflicting: all.conflicting + one.conflicting,
            })
    }

    /// Notes for readers of texts, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        self.records.iter().flat_map(Records::notes).collect()
    }
}

impl Prepared {
    /// Number of users U.
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Number of items V; items are 1 to V.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// The data set with a row of the tables for each item, also where items shared rows.
    #[must_use]
    pub fn with_a_row_for_each_item(self) -> Self {
        let items = u32::try_from(self.n_items()).expect("fewer items than 32 bits hold");
        Self {
            row: (1..=items).collect(),
            ..self
        }
    }

    /// The whole sequence of user `user` in time order.
    pub fn items_of(&self, user: usize) -> &[u32] {
        let start = usize::try_from(self.offsets[user]).expect("offsets index memory");
        let end = usize::try_from(self.offsets[user + 1]).expect("offsets index memory");
        &self.sequence[start..end]
    }

    /// The training items of user `user`.
    pub fn train_of(&self, user: usize) -> &[u32] {
        &self.items_of(user)[..self.train_end[user] as usize]
    }

    /// The items that a model may read of `user` before it ranks the target of `part`, oldest
    /// first unless a scenario shuffles them.
    pub fn history(&self, user: usize, part: Part) -> Cow<'_, [u32]> {
        let end = match part {
            Part::Valid => self.train_end[user],
            Part::Test => self.valid_end[user],
        };
        let items = &self.items_of(user)[..end as usize];
        match (self.facts.shuffled, part) {
            // The validation item is at their end. The training items alone are shuffled already.
            (Some(seed), Part::Test) => {
                let mut shuffled = items.to_vec();
                let number = (self.n_users() + user) as u64;
                shuffled.shuffle(&mut stream(seed, Stream::Histories, number));
                Cow::Owned(shuffled)
            }
            (Some(_), Part::Valid) | (None, _) => Cow::Borrowed(items),
        }
    }

    /// Training interactions of item i (at `i - 1`), over users that the CF model is trained on.
    pub fn train_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.n_items()];
        for user in (0..self.n_users()).filter(|&user| self.trained[user]) {
            for &item in self.train_of(user) {
                counts[item as usize - 1] += 1;
            }
        }
        counts
    }

    /// Writes the data set into folder `dir`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), DataError> {
        let titled: Vec<bool> = self.items.iter().map(|item| item.title.is_some()).collect();
        let described: Vec<bool> = self
            .items
            .iter()
            .map(|item| item.description.is_some())
            .collect();
        let arrays = [
            ("offsets", Array::U64(&self.offsets)),
            ("sequence", Array::U32(&self.sequence)),
            ("train_end", Array::U32(&self.train_end)),
            ("valid_end", Array::U32(&self.valid_end)),
            ("trained", Array::Bool(&self.trained)),
            ("aligned", Array::Bool(&self.aligned)),
            ("measured", Array::Bool(&self.measured)),
            ("in_training", Array::Bool(&self.in_training)),
            ("in_candidates", Array::Bool(&self.in_candidates)),
            ("row", Array::U32(&self.row)),
            ("titled", Array::Bool(&titled)),
            ("described", Array::Bool(&described)),
        ];
        let facts = serde_json::to_string(&self.facts).expect("facts are plain data");
        let notes = HashMap::from([
            (MARKED.to_owned(), "true".to_owned()),
            (FACTS.to_owned(), facts),
        ]);
        arrays::save(&dir.join(NUMBERS), &arrays, notes)?;
        write_csv(
            &dir.join(USERS),
            &["user"],
            self.users.iter().map(|user| [user.as_str()]),
        )?;
        let items = self.items.iter().map(|item| {
            [
                item.id.clone(),
                item.title.clone().unwrap_or_default(),
                item.description.clone().unwrap_or_default(),
                item.categories.join(SEPARATOR),
            ]
        });
        write_csv(
            &dir.join(ITEMS),
            &["item", "title", "description", "categories"],
            items,
        )
    }

    /// Reads the data set in folder `dir`.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn load(dir: &Path) -> Result<Self, DataError> {
        let arrays = Arrays::load(&dir.join(NUMBERS))?;
        let (titled, described) = (arrays.bools("titled")?, arrays.bools("described")?);
        let text: fn(&str) -> String = match arrays.note(MARKED)? {
            Some(_) => |cell: &str| cells::unmarked(cell).to_owned(),
            None => str::to_owned,
        };
        let users = read_csv(&dir.join(USERS), |row| text(&row[0]))?;
        let texts = read_csv(&dir.join(ITEMS), |row| {
            [&row[0], &row[1], &row[2], &row[3]].map(text)
        })?;
        let item = |(at, [id, title, description, categories]): (usize, [String; 4])| Item {
            id,
            title: titled[at].then_some(title),
            description: described[at].then_some(description),
            categories: categories
                .split(SEPARATOR)
                .filter(|c| !c.is_empty())
                .map(str::to_owned)
                .collect(),
        };
        if texts.len() != titled.len() || texts.len() != described.len() {
            return Err(
                DataError::new("the number of items differs from that in the arrays")
                    .at(&dir.join(ITEMS)),
            );
        }
        Ok(Self {
            users,
            items: texts.into_iter().enumerate().map(item).collect(),
            offsets: arrays.u64("offsets")?,
            sequence: arrays.u32("sequence")?,
            train_end: arrays.u32("train_end")?,
            valid_end: arrays.u32("valid_end")?,
            trained: arrays.bools("trained")?,
            aligned: arrays.bools("aligned")?,
            measured: arrays.bools("measured")?,
            in_training: arrays.bools("in_training")?,
            in_candidates: arrays.bools("in_candidates")?,
            row: arrays.u32("row")?,
            facts: match arrays.note(FACTS)? {
                Some(text) => serde_json::from_str(&text).map_err(|error| {
                    DataError::new(format!("the file is damaged: {error}")).at(&dir.join(NUMBERS))
                })?,
                None => Facts::default(),
            },
        })
    }
}

fn write_csv<T: AsRef<[u8]>, const N: usize>(
    path: &Path,
    header: &[&str; N],
    rows: impl Iterator<Item = [T; N]>,
) -> Result<(), DataError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |error: csv::Error| DataError::new(error.to_string()).at(path);
    writer.write_record(header).map_err(wrong)?;
    for row in rows {
        let cells = row.iter().map(|cell| cells::marked(cell.as_ref()));
        writer.write_record(cells).map_err(wrong)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| DataError::new(error.to_string()).at(path))?;
    Ok(fs::write_atomic(path, &bytes)?)
}

fn read_csv<T>(path: &Path, row: impl Fn(&csv::StringRecord) -> T) -> Result<Vec<T>, DataError> {
    let mut reader = csv::Reader::from_reader(fs::open(path)?);
    let wrong =
        |error: csv::Error| DataError::new(format!("the file is damaged: {error}")).at(path);
    reader
        .records()
        .map(|record| record.map(|record| row(&record)).map_err(wrong))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed::{Stream, stream};

    /// `users` users with 1 to 9 of `items` items each, split leave-one-out.
    pub(crate) fn sample_data(users: u32, items: u32) -> Prepared {
        let mut rng = stream(users.into(), Stream::Synthetic, items.into());
        let mut raw = crate::data::RawData {
            users: (0..users)
                .map(|user| format!("=user, \"{user}\""))
                .collect(),
            items: (0..items).map(|item| format!("'item\n{item}")).collect(),
            ..Default::default()
        };
        for item in 0..items {
            raw.texts.push(crate::data::raw::Text {
                title: (item % 3 > 0).then(|| format!("<b>{item}</b>")),
                description: (item % 2 > 0).then(String::new),
                categories: vec!["a".to_owned(); (item % 3) as usize],
            });
            // Every item appears once, so that numbers and counts are known.
            raw.user.push(item % users);
            raw.item.push(item);
        }
        for user in 0..users {
            for _ in 0..rng.random_range(1..=8) {
                raw.user.push(user);
                raw.item.push(rng.random_range(0..items));
            }
        }
        crate::data::split::split(raw, &crate::config::dataset::Split::LeaveOneOut {}).unwrap()
    }

    #[test]
    fn a_data_set_is_read_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let data = sample_data(20, 9);
        data.save(dir.path()).unwrap();
        assert_eq!(Prepared::load(dir.path()).unwrap(), data);
    }

    #[test]
    fn no_cell_of_a_data_set_is_a_formula_and_unmarked_cells_of_older_files_are_read_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let data = sample_data(20, 9);
        data.save(dir.path()).unwrap();
        let path = dir.path().join(USERS);
        let users = fs::read_to_string(&path).unwrap();
        assert!(users.starts_with("user\n\"'=user, "), "{users}");

        let numbers = dir.path().join(NUMBERS);
        let bytes = fs::read(&numbers).unwrap();
        let from = MARKED.as_bytes();
        let at = bytes
            .windows(from.len())
            .position(|part| part == from)
            .unwrap();
        let mut older = bytes.clone();
        older[at] = b'x';
        fs::write_atomic(&numbers, &older).unwrap();
        let read = Prepared::load(dir.path()).unwrap();
        assert!(read.users[0].starts_with("'=user"), "{:?}", read.users[0]);
    }

    #[test]
    fn a_truncated_data_set_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        sample_data(20, 9).save(dir.path()).unwrap();
        let path = dir.path().join(NUMBERS);
        let bytes = fs::read(&path).unwrap();
        fs::write_atomic(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = Prepared::load(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains(NUMBERS) && error.contains("damaged"),
            "{error}"
        );
    }
}
