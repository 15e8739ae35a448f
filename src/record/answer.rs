//! From rows and per-user ranks to the answer table.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use places::{opponents, places};
use rayon::prelude::*;

use super::MetricRow;
use super::file::wrong;
use super::ranks::{Coverage, coverage};
use super::summary::{Against, Answer, AnswerRow, AnswerTable, Column, Place, Question, State};
use super::users::{self, ALPHA, BySeed, FLIPS, RESAMPLING, Users};
use crate::stats::{Interval, bootstrap, mean, standard_deviation};
use allround_core::fs::FsError;
use allround_core::metric::Metric;

/// The answer to `question` from the rows of `metrics.csv` in folder `results` and the rank files beside it. Without rank
/// files there are means and spreads, but no intervals and no tests.
///
/// # Errors
/// When a rank file is damaged, or two rows of one column were measured under different protocols.
pub fn answer(
    results: &Path,
    rows: &[MetricRow],
    question: &Question,
) -> Result<AnswerTable, FsError> {
    let rows: Vec<&MetricRow> = rows
        .iter()
        .filter(|row| row.split == question.part.name() && row.protocol_name() == question.protocol)
        .collect();
    let metrics = metrics(&rows, question);
    let models = models(&rows, question);
    let mut table = AnswerTable {
        protocol: question.protocol.clone(),
        part: question.part,
        columns: Vec::new(),
        rows: models.iter().map(|name| blank(name, &rows)).collect(),
        confidence: RESAMPLING.confidence,
        alpha: ALPHA,
        n_tests: 0,
        method: method(&question.baseline),
        coverage: Coverage::default(),
    };
    let groups = groups(&rows, question);
    let is_shown = |row: &&MetricRow| models.iter().any(|name| name == row.shown_name());
    table.coverage = coverage(results, groups.iter().flatten().copied().filter(is_shown));
    for group in groups {
        let group = Group::read(results, group, &models)?;
        for (row, answers) in table.rows.iter_mut().zip(group.answers(&metrics)) {
            row.answers.extend(answers);
        }
        let first = table.columns.len();
        table
            .columns
            .extend(metrics.iter().map(|metric| group.column(*metric)));
        group.compare(&mut table, first, &question.baseline);
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

fn metrics(rows: &[&MetricRow], question: &Question) -> Vec<Metric> {
    if !question.metrics.is_empty() {
        return question.metrics.clone();
    }
    let found: BTreeSet<Metric> = rows.iter().filter_map(|row| row.metric()).collect();
    found.into_iter().collect()
}

fn models(rows: &[&MetricRow], question: &Question) -> Vec<String> {
    if !question.models.is_empty() {
        return question.models.clone();
    }
    let found: BTreeSet<(&str, &str)> = rows
        .iter()
        .map(|row| (row.model.as_str(), row.variant.as_str()))
        .collect();
    let name = |(model, variant): (&str, &str)| {
        if variant.is_empty() { model } else { variant }.to_owned()
    };
    found.into_iter().map(name).collect()
}

fn blank(name: &str, rows: &[&MetricRow]) -> AnswerRow {
    let known = rows.iter().find(|row| row.shown_name() == name);
    AnswerRow {
        random: known.is_some_and(|row| row.is_random()),
        name: name.to_owned(),
        model: known.map_or(name, |row| &row.model).to_owned(),
        backbone: known.map_or("", |row| &row.backbone).to_owned(),
        answers: Vec::new(),
    }
}

/// The rows of each data set and scenario, in the order of columns; combinations that were never run are left out.
fn groups<'a>(rows: &[&'a MetricRow], question: &Question) -> Vec<Vec<&'a MetricRow>> {
    let datasets = rows.iter().map(|row| row.dataset.as_str()).collect();
    let scenarios = rows.iter().map(|row| row.scenario.as_str()).collect();
    let mut scenarios = chosen(&question.scenarios, scenarios);
    if question.scenarios.is_empty() {
        scenarios.sort_by_key(|name| name != "overall");
    }
    let mut groups = Vec::new();
    for dataset in chosen(&question.datasets, datasets) {
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
        let files = users::read(results, &cells)?;
        let users = Users::of(files.values());
        let mut ranks = vec![BySeed::new(); models.len()];
        for row in &rows {
            let at = models.iter().position(|name| name == row.shown_name());
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

    /// The answers of each model, along the metrics.
    fn answers(&self, metrics: &[Metric]) -> Vec<Vec<Answer>> {
        let panels: Vec<_> = self
            .ranks
            .iter()
            .flat_map(|ranks| metrics.iter().map(|metric| users::panel(*metric, ranks)))
            .collect();
        let intervals = bootstrap::intervals(&panels, self.n_users, RESAMPLING);
        let mut intervals = intervals.into_iter();
        let mut answers = Vec::new();
        for name in self.models {
            let of = |metric: &Metric| self.answer(name, *metric, intervals.next().flatten());
            answers.push(metrics.iter().map(of).collect());
        }
        answers
    }

    fn answer(&self, name: &str, metric: Metric, interval: Option<Interval>) -> Answer {
        let own: Vec<&&MetricRow> = self
            .rows
            .iter()
            .filter(|row| row.shown_name() == name)
            .collect();
        let measured: BTreeMap<u64, &MetricRow> = own
            .iter()
            .filter(|row| row.metric() == Some(metric) && row.value.is_some())
            .map(|row| (row.seed, **row))
            .collect();
        let values: Vec<f64> = measured.values().filter_map(|row| row.value).collect();
        let errors = own.iter().filter(|row| !row.error.is_empty());
        let seeds: BTreeSet<u64> = self.rows.iter().map(|row| row.seed).collect();
        let state = match (values.len(), own.as_slice()) {
            (0, []) => State::Missing,
            (0, own) if own.iter().any(|row| row.status == "empty") => State::Empty,
            (0, own) if own.iter().all(|row| row.error.is_empty()) => State::Missing,
            (0, _) => State::Failed,
            (n, _) if n < seeds.len() => State::Partial,
            _ => State::Measured,
        };
        Answer {
            state,
            mean: mean(&values),
            sd: standard_deviation(&values),
            seeds: measured.keys().copied().collect(),
            n_users: measured.values().filter_map(|row| row.n_users).min(),
            interval: interval.filter(|_| !values.is_empty()),
            place: Place::Other,
            against: None,
            errors: errors
                .map(|row| format!("seed {}: {}", row.seed, row.error))
                .collect(),
        }
    }

    /// Gives the places and comparisons of the columns from `first` on, which are this group's.
    fn compare(&self, table: &mut AnswerTable, first: usize, baseline: &str) {
        let columns = first..table.columns.len();
        let mut pairs = Vec::new();
        for at in columns {
            let places = places(table, at);
            for (row, place) in table.rows.iter_mut().zip(&places) {
                row.answers[at].place = *place;
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
                let mean = |row: usize| table.rows[row].answers[*at].mean;
                let (our_mean, their_mean) = (mean(*ours)?, mean(*theirs)?);
                let ranks = (&self.ranks[*ours], &self.ranks[*theirs]);
                Some(Against {
                    baseline: table.rows[*theirs].name.clone(),
                    difference: our_mean - their_mean,
                    improvement: (their_mean != 0.0).then(|| (our_mean - their_mean) / their_mean),
                    test: users::paired_test(metric(*at), ranks.0, ranks.1, self.n_users),
                })
            })
            .collect();
        for ((at, ours, _), against) in pairs.into_iter().zip(found) {
            table.rows[ours].answers[at].against = against;
        }
    }
}

/// Holm's adjustment over all tests of the table.
fn adjust(table: &mut AnswerTable) {
    let answers = table.rows.iter_mut().flat_map(|row| &mut row.answers);
    let mut tests: Vec<_> = answers
        .filter_map(|answer| answer.against.as_mut()?.test.as_mut())
        .collect();
    users::adjust(&mut tests);
    table.n_tests = tests.len();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{RankRow, ranks};

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
            model: model.to_owned(),
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
                        status: "failed".to_owned(),
                        error: "loss is NaN".to_owned(),
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

    fn question(baseline: &str) -> Question {
        Question {
            protocol: "p".to_owned(),
            baseline: baseline.to_owned(),
            ..Question::default()
        }
    }

    #[test]
    fn a_table_has_means_places_intervals_and_states() {
        let Folder { dir, rows } = folder();
        let table = answer(dir.path(), &rows, &question("")).unwrap();
        let names: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            (names, table.columns.len()),
            (vec!["broken", "good", "plain"], 2)
        );
        let [broken, good, plain] = [0, 1, 2].map(|row: usize| &table.rows[row].answers[0]);
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
        assert_eq!(broken.errors, ["seed 2: loss is NaN"]);
        assert_eq!(broken.sd, None);
    }

    #[test]
    fn the_best_is_tested_against_the_second_and_adjusted_over_the_table() {
        let Folder { dir, rows } = folder();
        let table = answer(dir.path(), &rows, &question("")).unwrap();
        assert_eq!(table.n_tests, 2);
        let against = table.rows[1].answers[0].against.as_ref().unwrap();
        assert_eq!(against.baseline, "plain");
        assert!((against.difference - 0.4).abs() < 1e-12);
        assert!((against.improvement.unwrap() - 1.0).abs() < 1e-12);
        let test = against.test.as_ref().unwrap();
        assert_eq!(test.n_pairs, 60);
        assert_eq!(test.randomisation_p_holm, 2.0 * test.randomisation_p);
        assert!(test.is_significant(table.alpha) && test.rank_biserial > 0.9);
        assert!(table.rows[2].answers[0].against.is_none());
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
        let table = answer(dir.path(), &rows, &question("plain")).unwrap();
        assert_eq!(table.n_tests, 600);
        for answer in table.rows[..2].iter().flat_map(|row| &row.answers) {
            let against = answer.against.as_ref().unwrap();
            assert!((against.improvement.unwrap() - 1.0).abs() < 1e-9);
            assert!(against.test.as_ref().unwrap().is_significant(table.alpha));
        }
    }

    #[test]
    fn a_named_baseline_is_compared_with_everyone_else() {
        let Folder { dir, rows } = folder();
        let table = answer(dir.path(), &rows, &question("good")).unwrap();
        let against = |row: usize| table.rows[row].answers[0].against.is_some();
        assert_eq!([0, 1, 2].map(against), [true, false, true]);
        assert_eq!(table.n_tests, 4);
        let unknown = answer(dir.path(), &rows, &question("nobody")).unwrap();
        assert_eq!(unknown.n_tests, 0);
    }

    #[test]
    fn without_rank_files_there_are_means_but_no_tests() {
        let Folder { rows, .. } = folder();
        let elsewhere = tempfile::tempdir().unwrap();
        let table = answer(elsewhere.path(), &rows, &question("")).unwrap();
        let good = &table.rows[1].answers[0];
        assert_eq!((good.mean, good.interval), (Some(0.8), None));
        assert_eq!(good.against.as_ref().unwrap().test, None);
        assert_eq!(table.n_tests, 0);
    }

    #[test]
    fn what_was_not_run_is_missing_and_what_had_no_user_is_empty() {
        let rows = ranks::metric_rows(&row("m", 1), &[Metric::Mrr], &[]);
        let question = Question {
            models: vec!["m".to_owned(), "n".to_owned()],
            ..question("")
        };
        let table = answer(Path::new("nowhere"), &rows, &question).unwrap();
        let states = [0, 1].map(|at: usize| table.rows[at].answers[0].state);
        assert_eq!(states, [State::Empty, State::Missing]);
    }

    #[test]
    fn two_fingerprints_in_one_column_are_refused_by_name() {
        let Folder { dir, mut rows } = folder();
        rows[0].protocol = "p:ffffffffffff".to_owned();
        let text = answer(dir.path(), &rows, &question(""))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("`p:ffffffffffff` and `p:0123456789ab`"),
            "{text}"
        );
    }
}
