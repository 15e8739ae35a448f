//! `scores/CELL.PROTOCOL.csv.gz`: scores of each measured user's candidates, if the protocol keeps
//! them.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::file::{read_compressed, write_compressed};
use super::row::ScoreRow;
use allround_core::data::{Prepared, Scores};
use allround_core::fs::FsError;

/// Path of the scores of a cell in a results folder. `protocol` is a name, with or without its
/// fingerprint; `split` is `test` or `valid`.
pub fn path(results: &Path, cell: &str, protocol: &str, split: &str) -> PathBuf {
    let name = super::ranks::file_name(cell, protocol, split);
    results.join("scores").join(name)
}

/// A [`ScoreRow`] that borrows its ids from the data set: a cell has many rows.
#[derive(Default, Serialize)]
struct Line<'a> {
    user: &'a str,
    item: &'a str,
    #[serde(serialize_with = "shortest")]
    score: f64,
    target: bool,
}

/// Writes a single-precision score with the digits of single precision.
fn shortest<S: Serializer>(score: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let narrow = *score as f32;
    match f64::from(narrow) == *score {
        true => serializer.serialize_f32(narrow),
        false => serializer.serialize_f64(*score),
    }
}

/// Writes the scores of the users in a slice to a compressed file. `mask` has one value per user of
/// `prepared`.
///
/// # Errors
/// When the file or its folder cannot be written.
///
/// # Panics
/// When a user or an item is not in `prepared`.
pub fn write(
    path: &Path,
    scores: &Scores,
    prepared: &Prepared,
    mask: &[bool],
) -> Result<(), FsError> {
    let both = scores.users.iter().zip(&scores.targets).enumerate();
    let sliced = both.filter(|(_, (user, _))| mask[**user as usize]);
    let lines = sliced.flat_map(|(place, (user, target))| {
        scores.row(place).map(move |scored| Line {
            user: &prepared.users[*user as usize],
            item: &prepared.items[scored.item as usize - 1].id,
            score: scored.score,
            target: scored.item == *target,
        })
    });
    write_compressed(path, &lines.collect::<Vec<_>>())
}

/// The scores of a file.
///
/// # Errors
/// When the file cannot be read, is truncated or damaged, or has other columns.
pub fn read(path: &Path) -> Result<Vec<ScoreRow>, FsError> {
    read_compressed(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::file::columns;
    use allround_core::data::scores::Scored;
    use allround_core::data::{Item, Part};

    #[test]
    fn scores_round_trip_with_raw_ids_and_short_digits() {
        assert_eq!(columns::<Line>(), columns::<ScoreRow>());
        let item = |id: &str| Item {
            id: id.to_owned(),
            ..Item::default()
        };
        let prepared = Prepared {
            users: ["u0", "=u1"].map(str::to_owned).to_vec(),
            items: ["a", "b"].map(item).to_vec(),
            offsets: vec![0; 3],
            sequence: Vec::new(),
            train_end: vec![0; 2],
            valid_end: vec![0; 2],
            trained: vec![true; 2],
            aligned: vec![true; 2],
            measured: vec![true; 2],
            in_training: vec![true; 2],
            in_candidates: vec![true; 2],
            row: vec![1, 2],
            facts: allround_core::data::Facts::default(),
        };
        let mut scores = Scores::nothing(Part::Valid);
        let row = |first: f64, second: f64| {
            vec![
                Scored {
                    item: 1,
                    score: first,
                },
                Scored {
                    item: 2,
                    score: second,
                },
            ]
        };
        scores.push(0, 2, row(1.0, 2.0), None);
        scores.push(1, 2, row(f64::from(0.1_f32), 1.0 / 3.0), None);
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), "d.overall.m.s1", "strict:1", "valid");
        assert!(path.ends_with("scores/d.overall.m.s1.strict.valid.csv.gz"));
        write(&path, &scores, &prepared, &[false, true]).unwrap();
        let rows = read(&path).unwrap();
        let found: Vec<(&str, &str, f64, bool)> = rows
            .iter()
            .map(|row| (&*row.user, &*row.item, row.score, row.target))
            .collect();
        assert_eq!(
            found,
            [("=u1", "b", 1.0 / 3.0, true), ("=u1", "a", 0.1, false)]
        );
    }
}
