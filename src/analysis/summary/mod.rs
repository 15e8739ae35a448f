//! From rows and per-user ranks to the summary table.

mod places;
mod table;

use std::collections::BTreeSet;
use std::path::Path;

use places::{opponents, places};
use rayon::prelude::*;

use super::paired::{self, ALPHA, BySeed, FLIPS, RESAMPLING, Users};
use super::seeds::OverSeeds;
use super::stats::bootstrap;
use crate::results::file::wrong;
use crate::results::ranks::{Coverage, coverage};
use crate::results::{MetricRow, Status};
use allround_core::fs::FsError;
use allround_core::metric::Metric;
pub use table::{
    Against, Column, Interval, PairedTest, Place, State, Summary, SummaryQuery, SummaryRow,
    SummaryTable,
};

/// The summary to `query` from the rows of `metrics.csv` in folder `results` and the rank files beside it. Without rank
/// files there are means and spreads, but no intervals and no tests.
///
/// # Errors
/// When a rank file is damaged, or two rows of one column were measured under different protocols.
pub fn summary(
    results: &Path,
    rows: &[MetricRow],
    query: &SummaryQuery,
) -> Result<SummaryTable, FsError> {
    let rows: Vec<&MetricRow> = rows
        .iter()
        .filter(|row| row.split == query.part.name() && row.protocol_name() == query.protocol)
        .collect();
    let metrics = metrics(&rows, query);
    let models = models(&rows, query);
    let mut table = SummaryTable {
        protocol: query.protocol.clone(),
        part: query.part,
        columns: Vec::new(),
        rows: models.iter().map(|name| blank(name, query)).collect(),
        confidence: RESAMPLING.confidence,
        alpha: ALPHA,
        n_tests: 0,
        method: method(&query.baseline),
        coverage: Coverage::default(),
    };
    let groups = groups(&rows, query);
    let is_shown = |row: &&MetricRow| models.contains(&row.name);
    table.coverage = coverage(results, groups.iter().flatten().copied().filter(is_shown));
    for group in groups {
        let group = Group::read(results, group, &models)?;
        for (row, summaries) in table.rows.iter_mut().zip(group.summaries(&metrics)) {
            row.summaries.extend(summaries);
        }
        let first = table.columns.len();
        table
            .columns
            .extend(metrics.iter().map(|metric| group.column(*metric)));
        group.compare(&mut table, first, &query.baseline);
    }
    adjust(&mut table);
    Ok(table)
}

fn method(baseline: &str) -> String {
    let against = match baseline {
        "" => "the best of each column against the second best".to_owned(),
        name => format!("each model against `{name}`"),
    };
    format!(
        "Mean and standard deviation over seeds. Intervals: 95 % percentile bootstrap over seeds and users, {} resamples. \
         Tests: {against}, two-sided randomisation test of the mean difference over paired users ({FLIPS} sign flips, \
         small p by saddlepoint, exact up to 32 differences), \
         a user's difference averaged over seeds; Wilcoxon's signed-rank test beside it; Holm-adjusted over the table, \
         level {ALPHA}.",
        RESAMPLING.times
    )
}

/// What was asked for, or everything there is.
fn chosen(asked: &[String], there: BTreeSet<&str>) -> Vec<String> {
    if asked.is_empty() {
        return there.into_iter().map(str::to_owned).collect();
    }
    asked.to_vec()
}

fn metrics(rows: &[&MetricRow], query: &SummaryQuery) -> Vec<Metric> {
    if !query.metrics.is_empty() {
        return query.metrics.clone();
    }
    let found: BTreeSet<Metric> = rows.iter().filter_map(|row| row.metric()).collect();
    found.into_iter().collect()
}

fn models(rows: &[&MetricRow], query: &SummaryQuery) -> Vec<String> {
    if !query.models.is_empty() {
        return query.models.clone();
    }
    // Each model before its variants.
    let found: BTreeSet<(&str, &str, &str)> = rows
        .iter()
        .map(|row| (&*row.model, &*row.variant, &*row.name))
        .collect();
    let names = found.into_iter();
    names.map(|(_, _, name)| name.to_owned()).collect()
}

fn blank(name: &str, query: &SummaryQuery) -> SummaryRow {
    SummaryRow {
        is_ranked: query.unranked.iter().all(|unranked| unranked != name),
        name: name.to_owned(),
        summaries: Vec::new(),
    }
}

/// The rows of each data set and scenario, in the order of columns; combinations that were never run are left out.
fn groups<'a>(rows: &[&'a MetricRow], query: &SummaryQuery) -> Vec<Vec<&'a MetricRow>> {
    let datasets = rows.iter().map(|row| row.dataset.as_str()).collect();
    let scenarios = rows.iter().map(|row| row.scenario.as_str()).collect();
    let mut scenarios = chosen(&query.scenarios, scenarios);
    if query.scenarios.is_empty() {
        scenarios.sort_by_key(|name| name != "overall");
    }
    let mut groups = Vec::new();
    for dataset in chosen(&query.datasets, datasets) {
        for scenario in &scenarios {
            let of = |row: &&&MetricRow| row.dataset == dataset && row.scenario == *scenario;
            groups.push(rows.iter().filter(of).copied().collect::<Vec<_>>());
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// The rows of one data set and scenario with the ranks of their users.
struct Group<'a> {
    rows: Vec<&'a MetricRow>,
    models: &'a [String],
    /// Ranks of each of `models`.
    ranks: Vec<BySeed>,
    n_users: usize,
}

impl<'a> Group<'a> {
    fn read(
        results: &Path,
        rows: Vec<&'a MetricRow>,
        models: &'a [String],
    ) -> Result<Self, FsError> {
        let first = rows[0];
        if let Some(other) = rows.iter().find(|row| row.protocol != first.protocol) {
            let text = format!(
                "cells `{}` and `{}` were measured under different protocols, `{}` and `{}`\nhint: run the experiment again",
                first.cell, other.cell, first.protocol, other.protocol
            );
            return Err(wrong(&results.join("metrics.csv"), &text));
        }
        let measured = rows.iter().filter(|row| row.value.is_some());
        let cells = measured
            .map(|row| (&*row.cell, &*row.protocol, &*row.split))
            .collect();
        let files = paired::read(results, &cells)?;
        let users = Users::of(files.values());
        let mut ranks = vec![BySeed::new(); models.len()];
        for row in &rows {
            let at = models.iter().position(|name| *name == row.name);
            if let (Some(at), Some(file)) = (at, files.get(&row.cell)) {
                ranks[at]
                    .entry(row.seed)
                    .or_insert_with(|| users.number(file));
            }
        }
        Ok(Group {
            n_users: users.len(),
            rows,
            models,
            ranks,
        })
    }

    fn column(&self, metric: Metric) -> Column {
        Column {
            dataset: self.rows[0].dataset.clone(),
            scenario: self.rows[0].scenario.clone(),
            metric,
            protocol: self.rows[0].protocol.clone(),
        }
    }

    /// The summaries of each model, along the metrics.
    fn summaries(&self, metrics: &[Metric]) -> Vec<Vec<Summary>> {
        let panels: Vec<_> = self
            .ranks
            .iter()
            .flat_map(|ranks| metrics.iter().map(|metric| paired::panel(*metric, ranks)))
            .collect();
        let intervals = bootstrap::intervals(&panels, self.n_users, RESAMPLING);
        let mut intervals = intervals.into_iter();
        let mut summaries = Vec::new();
        for name in self.models {
            let of = |metric: &Metric| self.summary(name, *metric, intervals.next().flatten());
            summaries.push(metrics.iter().map(of).collect());
        }
        summaries
    }

    fn summary(&self, name: &str, metric: Metric, interval: Option<Interval>) -> Summary {
        let own: Vec<&&MetricRow> = self.rows.iter().filter(|row| row.name == name).collect();
        let of_metric = own.iter().filter(|row| row.metric() == Some(metric));
        let number = OverSeeds::of(of_metric.map(|row| **row));
        let seeds: BTreeSet<u64> = self.rows.iter().map(|row| row.seed).collect();
        let n_seeds = number.as_ref().map_or(0, |number| number.seeds.len());
        let state = match (n_seeds, own.as_slice()) {
            (0, []) => State::Missing,
            (0, own) if own.iter().any(|row| row.status == Status::Empty) => State::Empty,
            (0, own) if own.iter().any(|row| row.status.is_failure()) => State::Failed,
            (0, _) => State::Missing,
            (n, _) if n < seeds.len() => State::Partial,
            _ => State::Measured,
        };
        Summary {
            state,
            mean: number.as_ref().map(|number| number.mean),
            sd: number.as_ref().and_then(|number| number.sd),
            n_users: number.as_ref().and_then(|number| number.n_users),
            interval: interval.filter(|_| number.is_some()),
            seeds: number.map(|number| number.seeds).unwrap_or_default(),
            place: Place::Other,
            against: None,
        }
    }

    /// Gives the places and comparisons of the columns from `first` on, which are this group's.
    fn compare(&self, table: &mut SummaryTable, first: usize, baseline: &str) {
        let columns = first..table.columns.len();
        let mut pairs = Vec::new();
        for at in columns {
            let places = places(table, at);
            for (row, place) in table.rows.iter_mut().zip(&places) {
                row.summaries[at].place = *place;
            }
            pairs.extend(
                opponents(table, at, &places, baseline)
                    .into_iter()
                    .map(|(ours, theirs)| (at, ours, theirs)),
            );
        }
        let metric = |at: usize| table.columns[at].metric;
        let found: Vec<Option<Against>> = pairs
            .par_iter()
            .map(|(at, ours, theirs)| {
                let mean = |row: usize| table.rows[row].summaries[*at].mean;
                let (our_mean, their_mean) = (mean(*ours)?, mean(*theirs)?);
                let ranks = (&self.ranks[*ours], &self.ranks[*theirs]);
                Some(Against {
                    baseline: table.rows[*theirs].name.clone(),
                    difference: our_mean - their_mean,
                    improvement: (their_mean != 0.0).then(|| (our_mean - their_mean) / their_mean),
                    test: paired::paired_test(metric(*at), ranks.0, ranks.1, self.n_users),
                })
            })
            .collect();
        for ((at, ours, _), against) in pairs.into_iter().zip(found) {
            table.rows[ours].summaries[at].against = against;
        }
    }
}

/// Holm's adjustment over all tests of the table.
fn adjust(table: &mut SummaryTable) {
    let summaries = table.rows.iter_mut().flat_map(|row| &mut row.summaries);
    let mut tests: Vec<_> = summaries
        .filter_map(|summary| summary.against.as_mut()?.test.as_mut())
        .collect();
    paired::adjust(&mut tests);
    table.n_tests = tests.len();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{RankRow, ranks};

    /// A folder with three models, two seeds and sixty users; `good` is better than `plain`, `broken` fails with seed 2.
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
        let table = summary(dir.path(), &rows, &query("")).unwrap();
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
        let table = summary(dir.path(), &rows, &query("")).unwrap();
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
        let table = summary(dir.path(), &rows, &query("plain")).unwrap();
        assert_eq!(table.n_tests, 600);
        for summary in table.rows[..2].iter().flat_map(|row| &row.summaries) {
            let against = summary.against.as_ref().unwrap();
            assert!((against.improvement.unwrap() - 1.0).abs() < 1e-9);
            assert!(against.test.as_ref().unwrap().is_significant(table.alpha));
        }
    }

    #[test]
    fn a_named_baseline_is_compared_with_everyone_else() {
        let Folder { dir, rows } = folder();
        let table = summary(dir.path(), &rows, &query("good")).unwrap();
        let against = |row: usize| table.rows[row].summaries[0].against.is_some();
        assert_eq!([0, 1, 2].map(against), [true, false, true]);
        assert_eq!(table.n_tests, 4);
        let unknown = summary(dir.path(), &rows, &query("nobody")).unwrap();
        assert_eq!(unknown.n_tests, 0);
    }

    #[test]
    fn without_rank_files_there_are_means_but_no_tests() {
        let Folder { rows, .. } = folder();
        let elsewhere = tempfile::tempdir().unwrap();
        let table = summary(elsewhere.path(), &rows, &query("")).unwrap();
        let good = &table.rows[1].summaries[0];
        assert_eq!((good.mean, good.interval), (Some(0.8), None));
        assert_eq!(good.against.as_ref().unwrap().test, None);
        assert_eq!(table.n_tests, 0);
    }

    #[test]
    fn what_was_not_run_is_missing_and_what_had_no_user_is_empty() {
        let rows = ranks::metric_rows(&row("m", 1), &[Metric::Mrr], &[]);
        let query = SummaryQuery {
            models: vec!["m".to_owned(), "n".to_owned()],
            metrics: vec![Metric::Mrr],
            ..query("")
        };
        let table = summary(Path::new("nowhere"), &rows, &query).unwrap();
        let states = [0, 1].map(|at: usize| table.rows[at].summaries[0].state);
        assert_eq!(states, [State::Empty, State::Missing]);
    }

    #[test]
    fn two_fingerprints_in_one_column_are_refused_by_name() {
        let Folder { dir, mut rows } = folder();
        rows[0].protocol = "p:ffffffffffff".to_owned();
        let text = summary(dir.path(), &rows, &query(""))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("`p:ffffffffffff` and `p:0123456789ab`"),
            "{text}"
        );
    }
}
