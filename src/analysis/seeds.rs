//! Means over seeds from rows of `metrics.csv`. They are computed nowhere else.

use std::collections::BTreeMap;

use super::stats::{mean, standard_deviation};
use crate::results::MetricRow;
use allround_core::metric::Metric;

/// What a mean over seeds was measured of. The order of fields is the order of tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// `test` or `valid`.
    pub split: String,
    /// Name of the protocol, without its fingerprint.
    pub protocol: String,
    /// Name of the variant, or of the model itself.
    pub name: String,
    /// `hit`, `ndcg`, `mrr`, ...
    pub metric: String,
    /// Cut-off.
    pub k: Option<u32>,
}

impl Subject {
    /// The subject of a row.
    pub fn of(row: &MetricRow) -> Subject {
        Subject {
            dataset: row.dataset.clone(),
            scenario: row.scenario.clone(),
            split: row.split.clone(),
            protocol: row.protocol_name().to_owned(),
            name: row.name.clone(),
            metric: row.metric.clone(),
            k: row.k,
        }
    }

    /// `ndcg@10`, or `mrr`.
    pub fn metric_text(&self) -> String {
        match self.k {
            Some(k) => format!("{}@{k}", self.metric),
            None => self.metric.clone(),
        }
    }

    /// The metric; `None` for audits of generated answers, which are not computed from ranks.
    pub fn metric(&self) -> Option<Metric> {
        Metric::of_parts(&self.metric, self.k)
    }
}

/// A number over its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct OverSeeds {
    /// Mean over seeds of the mean over users.
    pub mean: f64,
    /// Standard deviation over seeds (n - 1); `None` for one seed.
    pub sd: Option<f64>,
    /// Seeds with a value, ascending.
    pub seeds: Vec<u64>,
    /// Users measured; the smallest number over seeds where they differ.
    pub n_users: Option<u64>,
}

impl OverSeeds {
    /// The mean over the rows that have a value; `None` without any.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a MetricRow>) -> Option<OverSeeds> {
        let mut rows: Vec<&MetricRow> =
            rows.into_iter().filter(|row| row.value.is_some()).collect();
        rows.sort_by_key(|row| row.seed);
        let values: Vec<f64> = rows.iter().filter_map(|row| row.value).collect();
        Some(OverSeeds {
            mean: mean(&values)?,
            sd: standard_deviation(&values),
            seeds: rows.iter().map(|row| row.seed).collect(),
            n_users: rows.iter().filter_map(|row| row.n_users).min(),
        })
    }
}

/// The rows with a value, by subject: one row per seed.
pub fn by_subject(rows: &[MetricRow]) -> BTreeMap<Subject, Vec<&MetricRow>> {
    let mut found: BTreeMap<Subject, Vec<&MetricRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.value.is_some()) {
        found.entry(Subject::of(row)).or_default().push(row);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_seeds_with_a_value() {
        let row = |seed, value, n_users| MetricRow {
            seed,
            value,
            n_users,
            ..MetricRow::default()
        };
        let rows = [
            row(2, Some(0.5), Some(9)),
            row(1, Some(0.25), Some(7)),
            row(3, None, None),
        ];
        let found = OverSeeds::of(&rows).unwrap();
        assert_eq!((found.mean, found.n_users), (0.375, Some(7)));
        assert_eq!(found.seeds, [1, 2]);
        assert_eq!(OverSeeds::of(&rows[2..]), None);
    }
}
