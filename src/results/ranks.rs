//! `ranks/CELL.PROTOCOL.csv.gz`: the rank of every measured user, and the metric rows computed from
//! it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::file::{read_compressed, write_compressed, wrong};
use super::row::{MetricRow, RankRow, Status};
use super::statistics::Statistics;
use allround_core::data::{Part, Prepared, Ranks};
use allround_core::fs::FsError;
use allround_core::metric::Metric;

/// Path of the ranks of a cell in a results folder. `protocol` is a name, with or without its
/// fingerprint; `split` is `test` or `valid`.
pub fn path(results: &Path, cell: &str, protocol: &str, split: &str) -> PathBuf {
    results.join("ranks").join(file_name(cell, protocol, split))
}

/// `CELL.PROTOCOL.csv.gz` for the test, `CELL.PROTOCOL.valid.csv.gz` for validation. Names of
/// protocols have no dots.
pub(super) fn file_name(cell: &str, protocol: &str, split: &str) -> String {
    let name = protocol.split(':').next().unwrap_or_default();
    match split == Part::Test.name() {
        true => format!("{cell}.{name}.csv.gz"),
        false => format!("{cell}.{name}.{split}.csv.gz"),
    }
}

/// How many measured cells have ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Cells with a value, counted under each protocol.
    pub measured: usize,
    /// Of these, cells without a file of ranks and without intervals.
    pub without: usize,
}

impl Coverage {
    /// A sentence on missing ranks, for captions; `None` where none are missing.
    pub fn absence(self) -> Option<String> {
        let Coverage { measured, without } = self;
        let (whose, of) = match without {
            0 => return None,
            _ if without == measured => ("of every cell".to_owned(), ""),
            1 => (format!("of 1 of {measured} cells"), " of it"),
            _ => (format!("of {without} of {measured} cells"), " of them"),
        };
        Some(format!(
            "The per-user ranks {whose} are missing (folder ranks), so there are no intervals and no tests{of}: run the experiment again \
             to restore them."
        ))
    }

    /// Whether there are cells and none of them has ranks.
    pub fn is_none(self) -> bool {
        self.measured > 0 && self.without == self.measured
    }
}

/// How many of the measured cells of `rows` have a rank file in a results folder, or else
/// intervals.
pub fn coverage<'a>(
    results: &Path,
    statistics: &Statistics,
    rows: impl IntoIterator<Item = &'a MetricRow>,
) -> Coverage {
    let measured = rows.into_iter().filter(|row| row.value.is_some());
    let mut cells: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for row in measured {
        let path = path(results, &row.cell, &row.protocol, &row.split);
        *cells.entry(path).or_default() |= statistics.covers(row);
    }
    let is_without = |(path, is_covered): &(&PathBuf, &bool)| !**is_covered && !path.exists();
    Coverage {
        measured: cells.len(),
        without: cells.iter().filter(is_without).count(),
    }
}

/// Writes a compressed file of ranks. Equal rows give equal bytes.
///
/// # Errors
/// When the file or its folder cannot be written.
pub fn write(path: &Path, rows: &[RankRow]) -> Result<(), FsError> {
    write_compressed(path, rows)
}

/// The ranks of a file.
///
/// # Errors
/// When the file cannot be read, is truncated or damaged, has other columns, or has a rank below 1.
pub fn read(path: &Path) -> Result<Vec<RankRow>, FsError> {
    let rows: Vec<RankRow> = read_compressed(path)?;
    match rows
        .iter()
        .position(|row| !row.rank.is_finite() || row.rank < 1.0)
    {
        Some(at) => Err(wrong(
            path,
            &format!("row {}: `{}` is not a rank", at + 1, rows[at].rank),
        )),
        None => Ok(rows),
    }
}

/// The rows of the users in a slice. `mask` has one value per user of `prepared`.
///
/// # Panics
/// When a user or a target is not in `prepared`.
pub fn rows(ranks: &Ranks, prepared: &Prepared, mask: &[bool]) -> Vec<RankRow> {
    let all = ranks.users.iter().zip(&ranks.targets).zip(&ranks.ranks);
    all.filter(|((user, _), _)| mask[**user as usize])
        .map(|((user, target), rank)| RankRow {
            user: prepared.users[*user as usize].clone(),
            target: prepared.items[*target as usize - 1].id.clone(),
            rank: *rank,
        })
        .collect()
}

/// One row per metric, from the ranks of a slice's users. `blank` has the cell, the split and the
/// protocol. A slice without users has one row with status `empty` and no metric.
pub fn metric_rows(blank: &MetricRow, metrics: &[Metric], ranks: &[RankRow]) -> Vec<MetricRow> {
    if ranks.is_empty() {
        return vec![MetricRow {
            n_users: Some(0),
            status: Status::Empty,
            ..blank.clone()
        }];
    }
    let ranks: Vec<f64> = ranks.iter().map(|row| row.rank).collect();
    let row = |metric: &Metric| MetricRow {
        metric: metric.family().to_owned(),
        k: metric.k(),
        value: metric.mean(&ranks),
        n_users: Some(ranks.len() as u64),
        status: Status::Ok,
        ..blank.clone()
    };
    metrics.iter().map(row).collect()
}

/// Checks that the numbers of `rows` follow from their ranks. Numbers without ranks are not
/// checked.
///
/// # Errors
/// When a rank file is damaged, or when it gives another number or another count of users.
pub fn verify(results: &Path, rows: &[MetricRow]) -> Result<(), FsError> {
    let mut files: BTreeMap<PathBuf, Vec<(&MetricRow, Metric)>> = BTreeMap::new();
    for row in rows {
        if let (Some(metric), Some(_)) = (row.metric(), row.value) {
            let path = path(results, &row.cell, &row.protocol, &row.split);
            files.entry(path).or_default().push((row, metric));
        }
    }
    files
        .into_par_iter()
        .filter(|(path, _)| path.exists())
        .try_for_each(|(path, reported)| {
            let ranks: Vec<f64> = read(&path)?.iter().map(|row| row.rank).collect();
            for (row, metric) in reported {
                let value = metric.mean(&ranks).unwrap_or(f64::NAN);
                let same = row.value.is_some_and(|other| (other - value).abs() < 1e-9);
                if !same || row.n_users != Some(ranks.len() as u64) {
                    let message = format!(
                        "these ranks give {metric} {value} of {} users, metrics.csv has {} of {}: run the experiment again",
                        ranks.len(),
                        row.value.unwrap_or(f64::NAN),
                        row.n_users.unwrap_or(0),
                    );
                    return Err(wrong(&path, &message));
                }
            }
            Ok(())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use allround_core::fs;

    fn row(user: &str, rank: f64) -> RankRow {
        RankRow {
            user: user.to_owned(),
            target: "i".to_owned(),
            rank,
        }
    }

    #[test]
    fn ranks_are_read_back_and_their_bytes_do_not_depend_on_the_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), "d.overall.m.s1", "sampled:0123456789ab", "test");
        assert!(path.ends_with("ranks/d.overall.m.s1.sampled.csv.gz"));
        let rows = [row("a\n\"", 1.5), row("=b", 20.0)];
        write(&path, &rows).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[4..8], [0; 4]);
        assert_eq!(read(&path).unwrap(), rows);
    }

    #[test]
    fn a_truncated_file_and_an_impossible_rank_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.csv.gz");
        write(&path, &[row("a", 0.5)]).unwrap();
        let text = read(&path).unwrap_err().to_string();
        assert!(text.contains("row 1: `0.5` is not a rank"), "{text}");
        let bytes = fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        let text = read(&path).unwrap_err().to_string();
        assert!(text.contains("damaged gzip"), "{text}");
    }

    #[test]
    fn numbers_that_do_not_follow_from_the_ranks_are_refused_with_both_values() {
        let dir = tempfile::tempdir().unwrap();
        let blank = MetricRow {
            cell: "d.overall.m.s1".to_owned(),
            split: "test".to_owned(),
            protocol: "strict:1".to_owned(),
            ..MetricRow::default()
        };
        let ranks = [row("a", 1.0), row("b", 4.0)];
        let file = path(dir.path(), &blank.cell, &blank.protocol, "test");
        let rows = metric_rows(&blank, &[Metric::Hit(1), Metric::Mrr], &ranks);
        assert!(verify(dir.path(), &rows).is_ok(), "there are no ranks");
        write(&file, &ranks).unwrap();
        assert!(verify(dir.path(), &rows).is_ok());
        let mut changed = rows.clone();
        changed[0].value = Some(7.5);
        let text = verify(dir.path(), &changed).unwrap_err().to_string();
        let both = "these ranks give hit@1 0.5 of 2 users, metrics.csv has 7.5 of 2";
        assert!(text.contains(both), "{text}");
        write(&file, &ranks[..1]).unwrap();
        let text = verify(dir.path(), &rows).unwrap_err().to_string();
        assert!(text.contains("of 1 users"), "{text}");
    }

    #[test]
    fn an_empty_slice_is_a_status_and_not_a_zero() {
        let rows = metric_rows(&MetricRow::default(), &[Metric::Hit(1), Metric::Mrr], &[]);
        let [empty] = rows.as_slice() else {
            panic!("{rows:?}");
        };
        assert_eq!((empty.status, empty.value), (Status::Empty, None));
        let rows = metric_rows(
            &MetricRow::default(),
            &[Metric::Mrr],
            &[row("a", 1.0), row("b", 2.0)],
        );
        assert_eq!((rows[0].value, rows[0].n_users), (Some(0.75), Some(2)));
    }

    #[test]
    fn missing_ranks_are_reported_with_the_number_of_cells() {
        let dir = tempfile::tempdir().unwrap();
        let measured = |cell: &str| MetricRow {
            cell: cell.to_owned(),
            split: "test".to_owned(),
            protocol: "p:0123456789ab".to_owned(),
            value: Some(0.5),
            ..MetricRow::default()
        };
        // A failed cell has no ranks.
        let failed = MetricRow {
            value: None,
            ..measured("failed")
        };
        let mut rows = vec![failed];
        let absence =
            |rows: &[MetricRow]| coverage(dir.path(), &Statistics::default(), rows).absence();
        assert_eq!(absence(&rows), None);
        assert!(!coverage(dir.path(), &Statistics::default(), &rows).is_none());
        rows.extend([measured("a"), measured("a"), measured("b"), measured("c")]);
        assert!(coverage(dir.path(), &Statistics::default(), &rows).is_none());
        let end = ": run the experiment again to restore them.";
        let missing = "are missing (folder ranks), so there are no intervals and no tests";
        for (cell, expected) in [
            (
                "a",
                format!("The per-user ranks of every cell {missing}{end}"),
            ),
            (
                "b",
                format!("The per-user ranks of 2 of 3 cells {missing} of them{end}"),
            ),
            (
                "c",
                format!("The per-user ranks of 1 of 3 cells {missing} of it{end}"),
            ),
        ] {
            assert_eq!(absence(&rows), Some(expected));
            write(&path(dir.path(), cell, "p", "test"), &[row("u", 1.0)]).unwrap();
        }
        assert_eq!(absence(&rows), None);
        // Validation has a separate file.
        rows.push(MetricRow {
            split: "valid".to_owned(),
            ..measured("a")
        });
        let without = coverage(dir.path(), &Statistics::default(), &rows);
        assert_eq!((without.measured, without.without), (4, 1));
        write(&path(dir.path(), "a", "p", "valid"), &[row("u", 1.0)]).unwrap();
        assert_eq!(absence(&rows), None);
    }
}
