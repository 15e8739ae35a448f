//! From interactions to time-ordered sequences with a split. Users and items are numbered in the
//! order of first appearance.

use super::prepared::{Facts, Records};
use super::raw::{Given, Joined, RecordCounts, Text};
use super::{DataError, Item, Prepared, RawData};
use crate::config::dataset::Split;

/// Splits `raw`. Ties in time keep the order of the file.
///
/// # Errors
/// When a split by time has a source without times, or a given split a source without parts.
pub fn split(raw: RawData, rule: &Split) -> Result<Prepared, DataError> {
    let users = Numbering::new(&raw.user, raw.users.len());
    let items = Numbering::new(&raw.item, raw.items.len());
    let mut rows: Vec<Vec<Placed>> = vec![Vec::new(); users.order.len()];
    for at in 0..raw.user.len() {
        let placed = Placed {
            part: raw.part.get(at).copied().unwrap_or(Given::Train),
            time: raw.time.get(at).copied().unwrap_or_default(),
            item: items.number[raw.item[at] as usize] + 1,
        };
        rows[users.number[raw.user[at] as usize] as usize].push(placed);
    }
    for row in &mut rows {
        row.sort_by_key(|placed| (placed.part, placed.time));
    }
    let ends = ends(&raw, &rows, rule)?;
    Ok(assemble(raw, &users, &items, &rows, ends))
}

/// An interaction of a user.
#[derive(Clone, Copy)]
struct Placed {
    /// Training where the source does not give parts.
    part: Given,
    time: i64,
    item: u32,
}

/// Maps old numbers to new ones, in the order of first appearance.
struct Numbering {
    number: Vec<u32>,
    order: Vec<u32>,
}

impl Numbering {
    fn new(ids: &[u32], n: usize) -> Self {
        let mut number = vec![u32::MAX; n];
        let mut order = Vec::new();
        for &id in ids {
            let slot = &mut number[id as usize];
            if *slot == u32::MAX {
                *slot = u32::try_from(order.len()).expect("fewer items than 32 bits hold");
                order.push(id);
            }
        }
        Self { number, order }
    }
}

/// `(train_end, valid_end)` of every user.
fn ends(
    raw: &RawData,
    rows: &[Vec<Placed>],
    rule: &Split,
) -> Result<Vec<(usize, usize)>, DataError> {
    match *rule {
        Split::LeaveOneOut {} => Ok(rows
            .iter()
            .map(|row| match row.len() {
                n if n < 3 => (n, n),
                n => (n - 2, n - 1),
            })
            .collect()),
        Split::GlobalTime {
            train_share,
            valid_share,
        } => {
            if raw.time.is_empty() {
                return Err(DataError::new(
                    "`split.global_time` needs times, and this source has none",
                )
                .hint("name the column of the time, or use `split.leave_one_out`"));
            }
            let mut times = raw.time.clone();
            times.sort_unstable();
            let moment = |share: f64| {
                let at = (share * times.len() as f64) as usize;
                times.get(at).copied().unwrap_or(i64::MAX)
            };
            let (valid, test) = (moment(train_share), moment(train_share + valid_share));
            let before =
                |row: &[Placed], moment| row.partition_point(|placed| placed.time < moment);
            Ok(rows
                .iter()
                .map(|row| (before(row, valid), before(row, test)))
                .collect())
        }
        Split::Given {} => {
            if raw.part.is_empty() {
                return Err(DataError::new(
                    "`split.given` needs a source with files of a split, and this one has none",
                )
                .hint("name `valid` and `test` in the source, or use another split"));
            }
            let up_to = |row: &[Placed], part| row.partition_point(|placed| placed.part <= part);
            Ok(rows
                .iter()
                .map(|row| (up_to(row, Given::Train), up_to(row, Given::Valid)))
                .collect())
        }
    }
}

fn assemble(
    mut raw: RawData,
    users: &Numbering,
    items: &Numbering,
    rows: &[Vec<Placed>],
    ends: Vec<(usize, usize)>,
) -> Prepared {
    let mut offsets = vec![0];
    let mut sequence = Vec::with_capacity(raw.user.len());
    for row in rows {
        sequence.extend(row.iter().map(|placed| placed.item));
        offsets.push(sequence.len() as u64);
    }
    let measured = rows
        .iter()
        .zip(&ends)
        .map(|(row, &(_, valid_end))| valid_end < row.len());
    let word = |n: usize| u32::try_from(n).expect("a sequence is shorter than 2^32");
    let n_items = items.order.len();
    let records = raw
        .joined
        .take()
        .map(|joined| records(joined, &items.order));
    let texts = &mut raw.texts;
    let item = |&old: &u32| {
        let text: Text = texts
            .get_mut(old as usize)
            .map(std::mem::take)
            .unwrap_or_default();
        Item {
            id: std::mem::take(&mut raw.items[old as usize]),
            title: text.title,
            description: text.description,
            categories: text.categories,
        }
    };
    Prepared {
        measured: measured.collect(),
        items: items.order.iter().map(item).collect(),
        users: users
            .order
            .iter()
            .map(|&old| std::mem::take(&mut raw.users[old as usize]))
            .collect(),
        offsets,
        sequence,
        train_end: ends.iter().map(|&(train, _)| word(train)).collect(),
        valid_end: ends.iter().map(|&(_, valid)| word(valid)).collect(),
        trained: vec![true; rows.len()],
        aligned: vec![true; rows.len()],
        in_training: vec![true; n_items],
        in_candidates: vec![true; n_items],
        row: (1..=word(n_items)).collect(),
        facts: Facts {
            records: records.into_iter().collect(),
            nobody: None,
            shuffled: None,
        },
    }
}

/// How the records match the items that are left.
fn records(joined: Joined, items: &[u32]) -> Records {
    let without = items
        .iter()
        .filter(|&&old| !joined.has_record[old as usize]);
    Records {
        file: joined.file,
        items: items.len() as u64,
        counts: RecordCounts {
            items_without: without.count() as u64,
            ..joined.counts
        },
        doubt: joined.doubt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> RawData {
        RawData {
            users: vec!["a".into(), "b".into()],
            items: vec!["x".into(), "y".into(), "z".into(), "unused".into()],
            user: vec![1, 0, 1, 1, 0],
            item: vec![2, 0, 0, 1, 1],
            time: vec![5, 1, 5, 1, 2],
            ..RawData::default()
        }
    }

    #[test]
    fn leave_one_out_is_ordered_by_time_with_ties_as_in_the_file() {
        let data = split(raw(), &Split::LeaveOneOut {}).unwrap();
        assert_eq!(data.users, ["b", "a"]);
        let ids: Vec<&str> = data.items.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids, ["z", "x", "y"]);
        assert_eq!(data.items_of(0), [3, 1, 2]);
        assert_eq!((data.train_end[0], data.valid_end[0]), (1, 2));
        // Two items only: all training, no target.
        assert_eq!(
            (data.train_end[1], data.valid_end[1], data.measured[1]),
            (2, 2, false)
        );
    }

    #[test]
    fn a_split_by_time_has_one_moment_for_everybody() {
        let rule = Split::GlobalTime {
            train_share: 0.4,
            valid_share: 0.2,
        };
        let data = split(raw(), &rule).unwrap();
        // Times 1 1 2 5 5: validation from 2, test from 5.
        assert_eq!((data.train_end[0], data.valid_end[0]), (1, 1));
        assert_eq!((data.train_end[1], data.valid_end[1]), (1, 2));
        assert_eq!(data.measured, [true, false]);
        let untimed = RawData {
            time: Vec::new(),
            ..raw()
        };
        let error = split(untimed, &rule).unwrap_err();
        assert!(error.to_string().contains("needs times"), "{error}");
    }

    #[test]
    fn a_given_split_takes_parts_from_the_source_whatever_the_times() {
        use Given::{Test, Train, Valid};
        let given = RawData {
            part: vec![Train, Train, Valid, Test, Test],
            ..raw()
        };
        let data = split(given, &Split::Given {}).unwrap();
        // User b's test item has the earliest time, and is the test target nevertheless.
        assert_eq!(data.items_of(0), [1, 2, 3]);
        assert_eq!((data.train_end[0], data.valid_end[0]), (1, 2));
        assert_eq!((data.train_end[1], data.valid_end[1]), (1, 1));
        assert_eq!(data.measured, [true, true]);
        let error = split(raw(), &Split::Given {}).unwrap_err();
        assert!(error.to_string().contains("this one has none"), "{error}");
    }
}
