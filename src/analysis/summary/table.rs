//! The summary table: rows are models, columns are combinations of data set, scenario and metric.
//!
//! Terminal, tables and report all show the one table that `summary` computes.

use super::super::paired::FEWEST_STARRED;
pub use super::super::stats::Interval;
use crate::results::ranks::Coverage;
use crate::results::{IntervalRow, Statistics, TestRow};
use allround_core::data::Part;
use allround_core::metric::Metric;

/// What a summary table contains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryQuery {
    /// Name of the protocol, without its fingerprint.
    pub protocol: String,
    /// Part of the split whose targets were measured.
    pub part: Part,
    /// Metrics to show, in this order; empty: all that were recorded.
    pub metrics: Vec<Metric>,
    /// Data sets to show, in this order; empty: all, by name.
    pub datasets: Vec<String>,
    /// Scenarios to show, in this order; empty: all, `overall` first, then by name.
    pub scenarios: Vec<String>,
    /// Models and variants to show, in this order; empty: all, each model before its variants.
    pub models: Vec<String>,
    /// Models that are not ranked and not tested, since their weights are random.
    pub unranked: Vec<String>,
    /// Model that the others are tested against; empty: the best of each column is tested against
    /// the second best.
    pub baseline: String,
}

/// Rows are models, columns are (data set, scenario, metric).
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryTable {
    /// Name of the protocol, without fingerprint.
    pub protocol: String,
    /// Part of the split whose targets were measured.
    pub part: Part,
    /// What each column measures.
    pub columns: Vec<Column>,
    /// One per model or variant; its `summaries` are in the order of `columns`.
    pub rows: Vec<SummaryRow>,
    /// Confidence of the intervals (0.95).
    pub confidence: f64,
    /// Error rate of the family of tests in this table (0.05).
    pub alpha: f64,
    /// Tests in the table, which Holm's adjustment counts.
    pub n_tests: usize,
    /// How intervals and tests were computed, in full sentences, for captions.
    pub method: String,
    /// Number of the table's cells without per-user ranks and without earlier intervals.
    pub coverage: Coverage,
}

impl SummaryTable {
    /// Adds the intervals and tests of this table to `statistics`.
    pub fn add_to(&self, statistics: &mut Statistics) {
        for (row, at) in self
            .rows
            .iter()
            .flat_map(|row| (0..self.columns.len()).map(move |at| (row, at)))
        {
            let (column, summary) = (&self.columns[at], &row.summaries[at]);
            if let (Some(mean), Some(interval)) = (summary.mean, summary.interval) {
                statistics.add_interval(IntervalRow {
                    mean,
                    low: interval.low,
                    high: interval.high,
                    ..self.interval_row(row, column)
                });
            }
            if let Some(against) = &summary.against
                && let Some(test) = &against.test
            {
                statistics.add_test(self.test_row(row, column, against, test));
            }
        }
    }

    fn interval_row(&self, row: &SummaryRow, column: &Column) -> IntervalRow {
        IntervalRow {
            dataset: column.dataset.clone(),
            scenario: column.scenario.clone(),
            name: row.name.clone(),
            split: self.part.name().to_owned(),
            protocol: column.protocol.clone(),
            metric: column.metric.family().to_owned(),
            k: column.metric.k(),
            ..IntervalRow::default()
        }
    }

    fn test_row(
        &self,
        row: &SummaryRow,
        column: &Column,
        against: &Against,
        test: &PairedTest,
    ) -> TestRow {
        TestRow {
            dataset: column.dataset.clone(),
            scenario: column.scenario.clone(),
            name: row.name.clone(),
            baseline: against.baseline.clone(),
            split: self.part.name().to_owned(),
            protocol: column.protocol.clone(),
            metric: column.metric.family().to_owned(),
            k: column.metric.k(),
            difference: against.difference,
            n_pairs: test.n_pairs as u64,
            randomisation_p: test.randomisation_p,
            wilcoxon_p: test.wilcoxon_p,
            rank_biserial: test.rank_biserial,
            cohen_dz: test.cohen_dz,
            seeds_needed: test.seeds_needed,
            ..TestRow::default()
        }
    }
}

/// A column of a summary table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// The metric.
    pub metric: Metric,
    /// `NAME:FINGERPRINT`, the same for every number of the column.
    pub protocol: String,
}

/// A row of a summary table.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRow {
    /// Whether it has a place and is tested.
    pub is_ranked: bool,
    /// Name of the variant, or of the model itself.
    pub name: String,
    /// One per column.
    pub summaries: Vec<Summary>,
}

/// One number of a summary table. A missing value is unknown, never 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Whether there is a number, and if not, why.
    pub state: State,
    /// Mean over seeds of the mean over users.
    pub mean: Option<f64>,
    /// Standard deviation over seeds (n - 1); `None` for one seed.
    pub sd: Option<f64>,
    /// Seeds with a value, ascending.
    pub seeds: Vec<u64>,
    /// Users measured; the smallest over seeds where they differ.
    pub n_users: Option<u64>,
    /// Bootstrap interval over users and seeds; `None` without per-user ranks.
    pub interval: Option<Interval>,
    /// Whether its mean is the best or second best of the column; equal means share a place.
    pub place: Place,
    /// The comparison with the baseline; `None` for the baseline and for rows that are not
    /// compared.
    pub against: Option<Against>,
}

/// Whether there is a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Every seed of the row has a value.
    Measured,
    /// Some seeds failed or are missing. The number is the mean of the others.
    Partial,
    /// No user is in the slice.
    Empty,
    /// Every seed failed or was blocked.
    Failed,
    /// The combination was not run.
    #[default]
    Missing,
}

/// Place in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The largest mean.
    Best,
    /// The second largest mean.
    Second,
    /// Neither.
    #[default]
    Other,
}

/// Comparison of a number with that of the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Against {
    /// Name of the baseline.
    pub baseline: String,
    /// This mean minus the baseline's.
    pub difference: f64,
    /// `difference` as a share of the baseline's mean; `None` when that is 0.
    pub improvement: Option<f64>,
    /// Paired tests over the users that both measured; `None` without per-user ranks, or with fewer
    /// than two such users.
    pub test: Option<PairedTest>,
}

/// Paired tests over users. A user's difference is its mean over the seeds that both models have.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedTest {
    /// Users in the test.
    pub n_pairs: usize,
    /// Randomisation (sign-flip) test of the mean difference, two-sided.
    pub randomisation_p: f64,
    /// The same, Holm-adjusted over the table. [`PairedTest::is_significant`] uses this one.
    pub randomisation_p_holm: f64,
    /// Wilcoxon signed-rank test, two-sided.
    pub wilcoxon_p: f64,
    /// The same, Holm-adjusted over the table.
    pub wilcoxon_p_holm: f64,
    /// Matched-pairs rank-biserial correlation, -1 to 1.
    pub rank_biserial: f64,
    /// Cohen's dz: mean difference divided by its standard deviation over users; `None` when that
    /// is 0.
    pub cohen_dz: Option<f64>,
    /// Seeds with which a paired t test over seeds detects this difference with power 0.8; `None`
    /// with fewer than two seeds.
    pub seeds_needed: Option<u64>,
}

impl PairedTest {
    /// Whether the adjusted randomisation test rejects at `alpha` over enough users. A star in a
    /// table marks this.
    pub fn is_significant(&self, alpha: f64) -> bool {
        self.n_pairs >= FEWEST_STARRED && self.randomisation_p_holm < alpha
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_over_few_users_has_no_star_even_if_its_p_is_small() {
        let of = |n_pairs| PairedTest {
            n_pairs,
            randomisation_p: 0.0,
            randomisation_p_holm: 0.0,
            wilcoxon_p: 0.0,
            wilcoxon_p_holm: 0.0,
            rank_biserial: 1.0,
            cohen_dz: None,
            seeds_needed: None,
        };
        assert!(!of(29).is_significant(0.05) && of(30).is_significant(0.05));
    }
}
