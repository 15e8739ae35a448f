//! Summaries of a generated folder.

use std::sync::LazyLock;

use super::*;
use crate::results::file::to_bytes;
use crate::results::{RankRow, ranks};
use allround_core::fs;

/// A folder with three models, two seeds and sixty users. `good` is better than `plain`, and
/// `broken` fails with seed 2.
struct Folder {
    dir: tempfile::TempDir,
    rows: Vec<MetricRow>,
}

fn row(model: &str, seed: u64) -> MetricRow {
    MetricRow {
        cell: format!("d.overall.{model}.s{seed}"),
        dataset: "d".to_owned(),
        scenario: "overall".to_owned(),
        name: model.to_owned(),
        seed,
        split: "test".to_owned(),
        protocol: "p:0123456789ab".to_owned(),
        ..MetricRow::default()
    }
}

fn folder() -> Folder {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    for (model, share) in [("good", 4), ("plain", 2), ("broken", 1)] {
        for seed in [1, 2] {
            if (model, seed) == ("broken", 2) {
                rows.push(MetricRow {
                    status: Status::Failed,
                    ..row(model, seed)
                });
                continue;
            }
            let rank = |user: u64| {
                if (user * 7 + seed) % 5 < share {
                    1.0
                } else {
                    9.0
                }
            };
            let file: Vec<RankRow> = (0..60)
                .map(|user| RankRow {
                    user: format!("u{user}"),
                    target: "i".to_owned(),
                    rank: rank(user),
                })
                .collect();
            let blank = row(model, seed);
            ranks::write(&ranks::path(dir.path(), &blank.cell, "p", "test"), &file).unwrap();
            rows.extend(ranks::metric_rows(
                &blank,
                &[Metric::Hit(1), Metric::Mrr],
                &file,
            ));
        }
    }
    Folder { dir, rows }
}

/// The table of the made-up folder.
pub fn table(baseline: &str) -> SummaryTable {
    let Folder { dir, rows } = folder();
    summary(of(dir.path(), &rows), &query(baseline)).unwrap()
}

fn of<'a>(folder: &'a Path, metrics: &'a [MetricRow]) -> Measurements<'a> {
    static NONE: LazyLock<Statistics> = LazyLock::new(Statistics::default);
    Measurements {
        folder,
        metrics,
        statistics: &NONE,
    }
}

fn query(baseline: &str) -> SummaryQuery {
    SummaryQuery {
        protocol: "p".to_owned(),
        baseline: baseline.to_owned(),
        ..SummaryQuery::default()
    }
}

#[test]
fn a_table_has_means_places_intervals_and_states() {
    let Folder { dir, rows } = folder();
    let table = summary(of(dir.path(), &rows), &query("")).unwrap();
    let names: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        (names, table.columns.len()),
        (vec!["broken", "good", "plain"], 2)
    );
    let [broken, good, plain] = [0, 1, 2].map(|row: usize| &table.rows[row].summaries[0]);
    assert_eq!(
        (good.mean, good.sd, good.n_users),
        (Some(0.8), Some(0.0), Some(60))
    );
    assert_eq!((good.place, plain.place), (Place::Best, Place::Second));
    let interval = good.interval.unwrap();
    assert!(interval.low < 0.8 && interval.high > 0.8 && interval.low > 0.6);
    assert_eq!(
        (broken.state, plain.state),
        (State::Partial, State::Measured)
    );
    assert_eq!(broken.sd, None);
}

#[test]
fn the_best_is_tested_against_the_second_and_adjusted_over_the_table() {
    let Folder { dir, rows } = folder();
    let table = summary(of(dir.path(), &rows), &query("")).unwrap();
    assert_eq!(table.n_tests, 2);
    let against = table.rows[1].summaries[0].against.as_ref().unwrap();
    assert_eq!(against.baseline, "plain");
    assert!((against.difference - 0.4).abs() < 1e-12);
    assert!((against.improvement.unwrap() - 1.0).abs() < 1e-12);
    let test = against.test.as_ref().unwrap();
    assert_eq!(test.n_pairs, 60);
    assert_eq!(test.randomisation_p_holm, 2.0 * test.randomisation_p);
    assert!(test.is_significant(table.alpha) && test.rank_biserial > 0.9);
    assert!(table.rows[2].summaries[0].against.is_none());
}

#[test]
fn doubled_hits_are_significant_in_a_table_of_six_hundred_tests() {
    let dir = tempfile::tempdir().unwrap();
    let metrics: Vec<Metric> = (1..=300).map(Metric::Hit).collect();
    let mut rows = Vec::new();
    for (model, share) in [("good", 8), ("better", 8), ("plain", 4)] {
        let rank = |user: u64| RankRow {
            user: format!("u{user}"),
            target: "i".to_owned(),
            rank: if user * 7 % 10 < share { 1.0 } else { 1000.0 },
        };
        let file: Vec<RankRow> = (0..200).map(rank).collect();
        let blank = row(model, 1);
        ranks::write(&ranks::path(dir.path(), &blank.cell, "p", "test"), &file).unwrap();
        rows.extend(ranks::metric_rows(&blank, &metrics, &file));
    }
    let table = summary(of(dir.path(), &rows), &query("plain")).unwrap();
    assert_eq!(table.n_tests, 600);
    for summary in table.rows[..2].iter().flat_map(|row| &row.summaries) {
        let against = summary.against.as_ref().unwrap();
        assert!((against.improvement.unwrap() - 1.0).abs() < 1e-9);
        assert!(against.test.as_ref().unwrap().is_significant(table.alpha));
    }
}

#[test]
fn a_named_baseline_is_compared_with_all_other_models() {
    let Folder { dir, rows } = folder();
    let table = summary(of(dir.path(), &rows), &query("good")).unwrap();
    let against = |row: usize| table.rows[row].summaries[0].against.is_some();
    assert_eq!([0, 1, 2].map(against), [true, false, true]);
    assert_eq!(table.n_tests, 4);
    let unknown = summary(of(dir.path(), &rows), &query("unknown")).unwrap();
    assert_eq!(unknown.n_tests, 0);
}

#[test]
fn without_rank_files_there_are_means_but_no_tests() {
    let Folder { rows, .. } = folder();
    let elsewhere = tempfile::tempdir().unwrap();
    let table = summary(of(elsewhere.path(), &rows), &query("")).unwrap();
    let good = &table.rows[1].summaries[0];
    assert_eq!((good.mean, good.interval), (Some(0.8), None));
    assert_eq!(good.against.as_ref().unwrap().test, None);
    assert_eq!(table.n_tests, 0);
}

#[test]
fn a_model_that_did_not_run_is_missing_and_a_slice_without_users_is_empty() {
    let rows = ranks::metric_rows(&row("m", 1), &[Metric::Mrr], &[]);
    let query = SummaryQuery {
        models: vec!["m".to_owned(), "n".to_owned()],
        metrics: vec![Metric::Mrr],
        ..query("")
    };
    let table = summary(of(Path::new("nowhere"), &rows), &query).unwrap();
    let states = [0, 1].map(|at: usize| table.rows[at].summaries[0].state);
    assert_eq!(states, [State::Empty, State::Missing]);
}

#[test]
fn two_fingerprints_in_one_column_are_refused_by_name() {
    let Folder { dir, mut rows } = folder();
    rows[0].protocol = "p:ffffffffffff".to_owned();
    let text = summary(of(dir.path(), &rows), &query(""))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("`p:ffffffffffff` and `p:0123456789ab`"),
        "{text}"
    );
}

#[test]
fn a_folder_without_ranks_keeps_the_intervals_and_tests_that_were_written() {
    let Folder { dir, mut rows } = folder();
    let whole = summary(of(dir.path(), &rows), &query("plain")).unwrap();
    let mut computed = Statistics::default();
    whole.add_to(&mut computed);
    let results = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        (
            "intervals.csv",
            to_bytes(Path::new(""), &computed.interval_rows()),
        ),
        ("tests.csv", to_bytes(Path::new(""), &computed.test_rows())),
    ] {
        fs::write_atomic(&results.path().join(name), &bytes.unwrap()).unwrap();
    }
    let statistics = Statistics::read(results.path()).unwrap();
    let again = |rows: &[MetricRow], baseline: &str| {
        let measurements = Measurements {
            folder: results.path(),
            metrics: rows,
            statistics: &statistics,
        };
        summary(measurements, &query(baseline)).unwrap()
    };
    assert!(whole.n_tests > 0 && whole.rows[1].summaries[0].interval.is_some());
    assert_eq!(again(&rows, "plain"), whole);
    // Tests against another model were not written.
    assert_eq!(again(&rows, "broken").n_tests, 0);
    // Numbers that have changed since have neither.
    let at = rows.iter().position(|row| row.name == "good").unwrap();
    rows[at].value = Some(0.75);
    let changed = again(&rows, "plain");
    let good = &changed.rows[1].summaries[0];
    assert_eq!(
        (good.interval, &good.against.as_ref().unwrap().test),
        (None, &None)
    );
    assert_eq!(
        changed.rows[2].summaries[0].interval,
        whole.rows[2].summaries[0].interval
    );
}
