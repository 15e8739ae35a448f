//! Computes the summary table from metric rows and per-user ranks.

mod places;
mod table;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use places::{opponents, places};
use rayon::prelude::*;

use super::paired::{self, ALPHA, BySeed, FLIPS, RESAMPLING, Users};
use super::seeds::OverSeeds;
use super::stats::bootstrap;
use crate::results::file::wrong;
use crate::results::ranks::{Coverage, coverage};
use crate::results::{MetricRow, Results, Statistics, Status, Subject};
use allround_core::fs::FsError;
use allround_core::metric::Metric;
pub use table::{
    Against, Column, Interval, PairedTest, Place, State, Summary, SummaryQuery, SummaryRow,
    SummaryTable,
};

/// What a summary is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Measurements<'a> {
    /// The results folder, which may contain ranks.
    pub folder: &'a Path,
    /// Rows of `metrics.csv`.
    pub metrics: &'a [MetricRow],
    /// Intervals and tests that were computed earlier.
    pub statistics: &'a Statistics,
}

impl<'a> Measurements<'a> {
    /// The measurements of a results folder.
    pub fn of(results: &'a Results) -> Self {
        Measurements {
            folder: &results.folder,
            metrics: &results.metrics,
            statistics: &results.statistics,
        }
    }
}

/// The summary that `query` describes.
///
/// Intervals and tests are computed from per-user ranks. For a model without ranks they are those
/// computed earlier. Without either there are only means and standard deviations.
///
/// # Errors
/// When a rank file is damaged, or two rows of one column were measured under different protocols.
pub fn summary(
    measurements: Measurements<'_>,
    query: &SummaryQuery,
) -> Result<SummaryTable, FsError> {
    let rows: Vec<&MetricRow> = measurements
        .metrics
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
    let shown = groups.iter().flatten().copied().filter(is_shown);
    table.coverage = coverage(measurements.folder, measurements.statistics, shown);
    for group in groups {
        let group = Group::read(measurements, group, &models)?;
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
         a user's difference averaged over seeds; also Wilcoxon's signed-rank test; Holm-adjusted over the table, \
         level {ALPHA}.",
        RESAMPLING.times
    )
}

/// The requested names, or all names if none is requested.
fn chosen(requested: &[String], all: BTreeSet<&str>) -> Vec<String> {
    if requested.is_empty() {
        return all.into_iter().map(str::to_owned).collect();
    }
    requested.to_vec()
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

/// The rows of each data set and scenario, in the order of columns. Combinations without rows are
/// left out.
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
    /// Intervals and tests of models without ranks.
    statistics: &'a Statistics,
}

impl<'a> Group<'a> {
    fn read(
        measurements: Measurements<'a>,
        rows: Vec<&'a MetricRow>,
        models: &'a [String],
    ) -> Result<Self, FsError> {
        let first = rows[0];
        if let Some(other) = rows.iter().find(|row| row.protocol != first.protocol) {
            let text = format!(
                "cells `{}` and `{}` were measured under different protocols, `{}` and `{}`\nhint: run the experiment again",
                first.cell, other.cell, first.protocol, other.protocol
            );
            return Err(wrong(&measurements.folder.join("metrics.csv"), &text));
        }
        let measured = rows.iter().filter(|row| row.value.is_some());
        let cells = measured
            .map(|row| (&*row.cell, &*row.protocol, &*row.split))
            .collect();
        let files = paired::read(measurements.folder, &cells)?;
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
            statistics: measurements.statistics,
        })
    }

    fn subject(&self, name: &str, metric: Metric) -> Subject {
        Subject {
            dataset: self.rows[0].dataset.clone(),
            scenario: self.rows[0].scenario.clone(),
            name: name.to_owned(),
            split: self.rows[0].split.clone(),
            protocol: self.rows[0].protocol.clone(),
            metric,
        }
    }

    /// The interval of an earlier computation.
    fn earlier_interval(&self, name: &str, metric: Metric, mean: f64) -> Option<Interval> {
        let row = self
            .statistics
            .interval(&self.subject(name, metric), mean)?;
        Some(Interval {
            low: row.low,
            high: row.high,
        })
    }

    /// The test of an earlier computation.
    fn earlier_test(
        &self,
        name: &str,
        baseline: &str,
        metric: Metric,
        difference: f64,
    ) -> Option<PairedTest> {
        let subject = self.subject(name, metric);
        let row = self.statistics.test(&subject, baseline, difference)?;
        Some(PairedTest {
            n_pairs: row.n_pairs as usize,
            randomisation_p: row.randomisation_p,
            randomisation_p_holm: row.randomisation_p,
            wilcoxon_p: row.wilcoxon_p,
            wilcoxon_p_holm: row.wilcoxon_p,
            rank_biserial: row.rank_biserial,
            cohen_dz: row.cohen_dz,
            seeds_needed: row.seeds_needed,
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

    /// The summaries of each model, one per metric.
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
            interval: number.as_ref().and_then(|number| {
                interval.or_else(|| self.earlier_interval(name, metric, number.mean))
            }),
            seeds: number.map(|number| number.seeds).unwrap_or_default(),
            place: Place::Other,
            against: None,
        }
    }

    /// Sets the places and comparisons of this group's columns, which begin at `first`.
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
                let (our_ranks, their_ranks) = (&self.ranks[*ours], &self.ranks[*theirs]);
                let (name, baseline) = (&table.rows[*ours].name, &table.rows[*theirs].name);
                let difference = our_mean - their_mean;
                let test = paired::paired_test(metric(*at), our_ranks, their_ranks, self.n_users);
                let earlier = || self.earlier_test(name, baseline, metric(*at), difference);
                Some(Against {
                    baseline: baseline.clone(),
                    difference,
                    improvement: (their_mean != 0.0).then(|| difference / their_mean),
                    test: test.or_else(earlier),
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
