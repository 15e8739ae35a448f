//! `intervals.csv` and `tests.csv`: intervals and tests that were computed from per-user ranks.
//!
//! Ranks are large, and a published results folder may come without them. Its intervals and tests
//! then come from these two files.

use std::collections::BTreeMap;
use std::path::Path;

use allround_core::fs::{self, FsError};
use allround_core::metric::Metric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MetricRow;

/// A row of `intervals.csv`: the bootstrap interval of a mean over seeds and users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalRow {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the model or variant.
    pub name: String,
    /// `test` or `valid`.
    pub split: String,
    /// `NAME:FINGERPRINT` of the protocol.
    pub protocol: String,
    /// The metric, as in `metrics.csv`.
    pub metric: String,
    /// Cut-off; empty for a metric without one.
    pub k: Option<u32>,
    /// Mean over seeds of the mean over users.
    pub mean: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Stand-ins of the mean, as in `cells.csv`; empty for a number of the experiment itself.
    pub stand_in: String,
}

/// A row of `tests.csv`: one comparison of two models on the same users. P values are not adjusted;
/// a table adjusts them over all its tests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestRow {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the model or variant.
    pub name: String,
    /// Name of the model or variant that it is compared with.
    pub baseline: String,
    /// `test` or `valid`.
    pub split: String,
    /// `NAME:FINGERPRINT` of the protocol.
    pub protocol: String,
    /// The metric, as in `metrics.csv`.
    pub metric: String,
    /// Cut-off; empty for a metric without one.
    pub k: Option<u32>,
    /// Mean of the model minus mean of the baseline.
    pub difference: f64,
    /// Users that both measured.
    pub n_pairs: u64,
    /// P value of the two-sided randomisation test of the mean difference.
    pub randomisation_p: f64,
    /// P value of the two-sided Wilcoxon signed-rank test.
    pub wilcoxon_p: f64,
    /// Matched-pairs rank-biserial correlation, -1 to 1.
    pub rank_biserial: f64,
    /// Cohen's dz; empty where the differences do not vary.
    pub cohen_dz: Option<f64>,
    /// Seeds with which a paired t test over seeds detects this difference with power 0.8; empty
    /// with fewer than two seeds.
    pub seeds_needed: Option<u64>,
    /// Stand-ins of the model's mean, as in `cells.csv`; empty for a number of the experiment
    /// itself.
    pub stand_in: String,
}

/// What a number was measured of: the columns that identify a row of the two files, without the
/// baseline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the model or variant.
    pub name: String,
    /// `test` or `valid`.
    pub split: String,
    /// `NAME:FINGERPRINT` of the protocol.
    pub protocol: String,
    /// The metric.
    pub metric: Metric,
}

/// Intervals and tests of a results folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    intervals: BTreeMap<Subject, IntervalRow>,
    /// By subject and baseline.
    tests: BTreeMap<(Subject, String), TestRow>,
}

impl Statistics {
    /// Reads both files of a results folder. A missing file has no rows, and rows with an unknown
    /// metric are skipped.
    ///
    /// # Errors
    /// When a file is damaged or has other columns.
    pub fn read(results: &Path) -> Result<Self, FsError> {
        let mut statistics = Statistics::default();
        let [intervals, tests] = ["intervals.csv", "tests.csv"].map(|name| results.join(name));
        if intervals.exists() {
            super::read(&intervals)?
                .into_iter()
                .for_each(|row| statistics.add_interval(row));
        }
        if tests.exists() {
            super::read(&tests)?
                .into_iter()
                .for_each(|row| statistics.add_test(row));
        }
        Ok(statistics)
    }

    /// Removes both files of a results folder.
    ///
    /// # Errors
    /// When an existing file cannot be removed.
    pub fn remove(results: &Path) -> Result<(), FsError> {
        for path in ["intervals.csv", "tests.csv"].map(|name| results.join(name)) {
            if path.exists() {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Adds an interval.
    pub fn add_interval(&mut self, row: IntervalRow) {
        if let Some(metric) = Metric::of_parts(&row.metric, row.k) {
            let subject = Subject {
                dataset: row.dataset.clone(),
                scenario: row.scenario.clone(),
                name: row.name.clone(),
                split: row.split.clone(),
                protocol: row.protocol.clone(),
                metric,
            };
            self.intervals.insert(subject, row);
        }
    }

    /// Adds a test.
    pub fn add_test(&mut self, row: TestRow) {
        if let Some(metric) = Metric::of_parts(&row.metric, row.k) {
            let subject = Subject {
                dataset: row.dataset.clone(),
                scenario: row.scenario.clone(),
                name: row.name.clone(),
                split: row.split.clone(),
                protocol: row.protocol.clone(),
                metric,
            };
            self.tests.insert((subject, row.baseline.clone()), row);
        }
    }

    /// The interval of a subject; `None` where there is none, or where its mean is not `mean`.
    pub fn interval(&self, subject: &Subject, mean: f64) -> Option<&IntervalRow> {
        let row = self.intervals.get(subject)?;
        (row.mean == mean).then_some(row)
    }

    /// The test of a subject against `baseline`; `None` where there is none, or where its
    /// difference is not `difference`.
    pub fn test(&self, subject: &Subject, baseline: &str, difference: f64) -> Option<&TestRow> {
        let row = self.tests.get(&(subject.clone(), baseline.to_owned()))?;
        (row.difference == difference).then_some(row)
    }

    /// Whether the model of a row of `metrics.csv` has an interval for its metric.
    pub fn covers(&self, row: &MetricRow) -> bool {
        row.metric().is_some_and(|metric| {
            self.intervals.contains_key(&Subject {
                dataset: row.dataset.clone(),
                scenario: row.scenario.clone(),
                name: row.name.clone(),
                split: row.split.clone(),
                protocol: row.protocol.clone(),
                metric,
            })
        })
    }

    /// Sets the columns `stand_in`, given a function from a model or variant to its text.
    pub fn mark(&mut self, stand_in: impl Fn(&str) -> String) {
        for row in self.intervals.values_mut() {
            row.stand_in = stand_in(&row.name);
        }
        for row in self.tests.values_mut() {
            row.stand_in = stand_in(&row.name);
        }
    }

    /// Rows of `intervals.csv`.
    pub fn interval_rows(&self) -> Vec<&IntervalRow> {
        self.intervals.values().collect()
    }

    /// Rows of `tests.csv`.
    pub fn test_rows(&self) -> Vec<&TestRow> {
        self.tests.values().collect()
    }
}
