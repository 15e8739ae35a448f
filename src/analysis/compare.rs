//! Comparison of two results folders. Only numbers with the same protocol fingerprint are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::paired::{self, ALPHA, BySeed, Users};
use super::seeds::{OverSeeds, Subject, by_subject};
use super::summary::PairedTest;
use crate::results::{MetricRow, RankRow, Results};
use allround_core::fs::FsError;

/// The numbers of two folders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Numbers with the same protocol fingerprint, sorted by subject.
    pub compared: Vec<Compared>,
    /// Numbers of one subject measured under different protocols, data or filters, or with no seed
    /// in common.
    pub refused: Vec<Refused>,
    /// Seeds of compared subjects that only one folder has. Their numbers are left out.
    pub lone_seeds: BTreeSet<u64>,
    /// Subjects that only the first folder has.
    pub only_before: Vec<Subject>,
    /// Subjects that only the second folder has.
    pub only_after: Vec<Subject>,
    /// Error rate of the family of tests (0.05).
    pub alpha: f64,
}

/// One subject in both folders.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// What was measured.
    pub subject: Subject,
    /// `NAME:FINGERPRINT` of both.
    pub protocol: String,
    /// The number in the first folder.
    pub before: OverSeeds,
    /// The number in the second folder.
    pub after: OverSeeds,
    /// Paired tests of `after - before` over users and seeds, Holm-adjusted over the comparison;
    /// `None` without per-user ranks.
    pub test: Option<PairedTest>,
}

/// Two numbers that must not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was measured.
    pub subject: Subject,
    /// `NAME:FINGERPRINT`s in the first folder.
    pub before: BTreeSet<String>,
    /// `NAME:FINGERPRINT`s in the second folder.
    pub after: BTreeSet<String>,
}

/// One folder: where it is and the rows of its `metrics.csv`.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The results folder.
    pub results: &'a Path,
    /// Its metric rows.
    pub rows: &'a [MetricRow],
}

impl<'a> Side<'a> {
    /// A results folder.
    pub fn of(results: &'a Results) -> Self {
        Side {
            results: &results.folder,
            rows: &results.metrics,
        }
    }
}

type BySubject<'a> = BTreeMap<Subject, Vec<&'a MetricRow>>;

/// Compares the numbers of two folders.
///
/// # Errors
/// When a rank file is damaged.
pub fn compare(before: Side, after: Side) -> Result<Comparison, FsError> {
    let (old, new) = (ranked(before.rows), ranked(after.rows));
    let only = |these: &BySubject, those: &BySubject| {
        let missing = these.keys().filter(|subject| !those.contains_key(*subject));
        missing.cloned().collect()
    };
    let mut comparison = Comparison {
        only_before: only(&old, &new),
        only_after: only(&new, &old),
        alpha: ALPHA,
        ..Comparison::default()
    };
    let mut alike = Vec::new();
    for (subject, old) in &old {
        let Some(new) = new.get(subject) else {
            continue;
        };
        let (before, after) = (fingerprints(old), fingerprints(new));
        let (shared, lone) = by_shared_seeds(old, new);
        if before.len() == 1 && before == after && !shared.0.is_empty() {
            comparison.lone_seeds.extend(lone);
            alike.push((subject, shared));
        } else {
            let subject = subject.clone();
            comparison.refused.push(Refused {
                subject,
                before,
                after,
            });
        }
    }
    let mut ranks = Pairs::default();
    for (subject, (old, new)) in alike {
        let test = ranks.test(subject, (before.results, &old), (after.results, &new))?;
        comparison.compared.push(Compared {
            subject: subject.clone(),
            protocol: old[0].protocol.clone(),
            before: over_seeds(&old),
            after: over_seeds(&new),
            test,
        });
    }
    let tests = comparison.compared.iter_mut();
    paired::adjust(
        &mut tests
            .filter_map(|compared| compared.test.as_mut())
            .collect::<Vec<_>>(),
    );
    Ok(comparison)
}

/// The rows of metrics that are computed from ranks. Audits of generated answers have no test.
fn ranked(rows: &[MetricRow]) -> BySubject<'_> {
    let mut found = by_subject(rows);
    found.retain(|subject, _| subject.metric().is_some());
    found
}

/// Rows of the first folder and of the second.
type Rows<'a> = (Vec<&'a MetricRow>, Vec<&'a MetricRow>);

/// The rows of seeds that both folders have, and the seeds that only one has.
fn by_shared_seeds<'a>(old: &[&'a MetricRow], new: &[&'a MetricRow]) -> (Rows<'a>, BTreeSet<u64>) {
    let seeds = |rows: &[&MetricRow]| rows.iter().map(|row| row.seed).collect::<BTreeSet<_>>();
    let (before, after) = (seeds(old), seeds(new));
    let of_shared = |rows: &[&'a MetricRow]| {
        let shared = rows
            .iter()
            .filter(|row| before.contains(&row.seed) && after.contains(&row.seed));
        shared.copied().collect()
    };
    let lone = before.symmetric_difference(&after).copied().collect();
    ((of_shared(old), of_shared(new)), lone)
}

fn fingerprints(rows: &[&MetricRow]) -> BTreeSet<String> {
    rows.iter().map(|row| row.protocol.clone()).collect()
}

fn over_seeds(rows: &[&MetricRow]) -> OverSeeds {
    OverSeeds::of(rows.iter().copied()).expect("rows with a value make a subject")
}

/// The ranks of the last model. Metrics of one model follow one another, so each file is read once.
#[derive(Default)]
struct Pairs {
    cells: Vec<String>,
    before: BySeed,
    after: BySeed,
    n_users: usize,
}

impl Pairs {
    fn test(
        &mut self,
        subject: &Subject,
        before: (&Path, &[&MetricRow]),
        after: (&Path, &[&MetricRow]),
    ) -> Result<Option<PairedTest>, FsError> {
        let rows = before.1.iter().chain(after.1);
        let cells = rows
            .map(|row| format!("{} {} {}", row.cell, row.protocol, row.split))
            .collect();
        if self.cells != cells {
            self.read(before, after)?;
            self.cells = cells;
        }
        let Some(metric) = subject.metric() else {
            return Ok(None);
        };
        Ok(paired::paired_test(
            metric,
            &self.after,
            &self.before,
            self.n_users,
        ))
    }

    fn read(
        &mut self,
        (before, old): (&Path, &[&MetricRow]),
        (after, new): (&Path, &[&MetricRow]),
    ) -> Result<(), FsError> {
        let files = |results, rows: &[&MetricRow]| {
            let named = rows
                .iter()
                .map(|row| (&*row.cell, &*row.protocol, &*row.split));
            paired::read(results, &named.collect())
        };
        let (old_files, new_files) = (files(before, old)?, files(after, new)?);
        let users = Users::of(old_files.values().chain(new_files.values()));
        let number = |rows: &[&MetricRow], files: &BTreeMap<String, Vec<RankRow>>| -> BySeed {
            let numbered = |row: &&MetricRow| Some((row.seed, users.number(files.get(&row.cell)?)));
            rows.iter().filter_map(numbered).collect()
        };
        self.before = number(old, &old_files);
        self.after = number(new, &new_files);
        self.n_users = users.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::ranks;
    use allround_core::metric::Metric;

    fn folder(protocol: &str, model: &str, hits: u32) -> (tempfile::TempDir, Vec<MetricRow>) {
        let dir = tempfile::tempdir().unwrap();
        let blank = MetricRow {
            cell: format!("d.overall.{model}.s1"),
            dataset: "d".to_owned(),
            scenario: "overall".to_owned(),
            name: model.to_owned(),
            seed: 1,
            split: "test".to_owned(),
            protocol: protocol.to_owned(),
            ..MetricRow::default()
        };
        let file: Vec<RankRow> = (0..40)
            .map(|user| RankRow {
                user: format!("u{user}"),
                target: "i".to_owned(),
                rank: if user < hits { 1.0 } else { 4.0 },
            })
            .collect();
        ranks::write(
            &ranks::path(dir.path(), &blank.cell, protocol, "test"),
            &file,
        )
        .unwrap();
        let rows = ranks::metric_rows(&blank, &[Metric::Hit(1), Metric::Mrr], &file);
        (dir, rows)
    }

    fn of(
        a: &(tempfile::TempDir, Vec<MetricRow>),
        b: &(tempfile::TempDir, Vec<MetricRow>),
    ) -> Comparison {
        let side = |folder: &'_ (tempfile::TempDir, Vec<MetricRow>)| {
            (folder.0.path().to_owned(), folder.1.clone())
        };
        let ((a, a_rows), (b, b_rows)) = (side(a), side(b));
        compare(
            Side {
                results: &a,
                rows: &a_rows,
            },
            Side {
                results: &b,
                rows: &b_rows,
            },
        )
        .unwrap()
    }

    #[test]
    fn numbers_measured_alike_are_compared_user_by_user() {
        let found = of(&folder("p:1", "m", 8), &folder("p:1", "m", 32));
        assert_eq!((found.compared.len(), found.refused.len()), (2, 0));
        let first = &found.compared[0];
        assert_eq!((first.before.mean, first.after.mean), (0.2, 0.8));
        let test = first.test.as_ref().unwrap();
        assert_eq!((test.n_pairs, test.rank_biserial), (40, 1.0));
        assert!(test.is_significant(found.alpha));
        assert_eq!(test.randomisation_p_holm, 2.0 * test.randomisation_p);
    }

    #[test]
    fn the_same_numbers_do_not_differ() {
        let found = of(&folder("p:1", "m", 4), &folder("p:1", "m", 4));
        let test = found.compared[0].test.as_ref().unwrap();
        assert_eq!(
            (test.randomisation_p, test.wilcoxon_p, test.cohen_dz),
            (1.0, 1.0, None)
        );
    }

    /// The same folder with a copy of its rows for each of these seeds.
    fn of_seeds(
        folder: (tempfile::TempDir, Vec<MetricRow>),
        seeds: &[u64],
    ) -> (tempfile::TempDir, Vec<MetricRow>) {
        let (dir, rows) = folder;
        let of_seed = |&seed: &u64| {
            let rows = rows.iter().cloned();
            rows.map(move |row| MetricRow {
                seed,
                value: row.value.map(|value| value + seed as f64),
                ..row
            })
        };
        (dir, seeds.iter().flat_map(of_seed).collect())
    }

    #[test]
    fn means_are_over_shared_seeds_and_without_any_nothing_is_compared() {
        let found = of(
            &of_seeds(folder("p:1", "m", 4), &[1, 2]),
            &of_seeds(folder("p:1", "m", 4), &[2, 3]),
        );
        let first = &found.compared[0];
        assert_eq!((first.before.mean, first.after.mean), (2.1, 2.1));
        assert_eq!((first.before.seeds.len(), first.before.sd), (1, None));
        assert_eq!(found.lone_seeds, BTreeSet::from([1, 3]));

        let found = of(
            &of_seeds(folder("p:1", "m", 4), &[1]),
            &of_seeds(folder("p:1", "m", 4), &[2]),
        );
        assert_eq!((found.compared.len(), found.refused.len()), (0, 2));
    }

    #[test]
    fn other_fingerprints_are_refused_by_name() {
        let found = of(&folder("p:1", "m", 4), &folder("p:2", "m", 4));
        assert!(found.compared.is_empty());
        assert_eq!(found.refused.len(), 2);
        assert!(found.refused[0].before.contains("p:1") && found.refused[0].after.contains("p:2"));
    }

    #[test]
    fn what_one_folder_lacks_is_listed() {
        let found = of(&folder("p:1", "m", 4), &folder("p:1", "n", 4));
        let models = |subjects: &[Subject]| {
            subjects
                .iter()
                .map(|s| s.name.clone())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(models(&found.only_before), BTreeSet::from(["m".to_owned()]));
        assert_eq!(models(&found.only_after), BTreeSet::from(["n".to_owned()]));
    }
}
