//! Metrics of a results folder, averaged over seeds, for `show` and `compare`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::advise;
use crate::record::{self, MetricRow};

/// What a mean over seeds belongs to, in the order of the tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    /// Name of the data set.
    pub(crate) dataset: String,
    /// Name of the scenario.
    pub(crate) scenario: String,
    /// `valid` or `test`.
    pub(crate) split: String,
    /// Name of the protocol, without its fingerprint.
    pub(crate) protocol: String,
    /// `hit`, `ndcg`, `mrr`.
    pub(crate) metric: String,
    /// Cut-off.
    pub(crate) k: Option<u32>,
    /// Name of the variant, or of the model.
    pub(crate) model: String,
}

impl Subject {
    /// `ndcg@10`, or `mrr`.
    pub(crate) fn metric(&self) -> String {
        match self.k {
            Some(k) => format!("{}@{k}", self.metric),
            None => self.metric.clone(),
        }
    }
}

/// The values of all seeds, with the protocol fingerprint that they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values {
    /// One value per seed.
    pub(crate) values: Vec<f64>,
    /// `NAME:FINGERPRINT`.
    pub(crate) protocol: String,
    /// The smallest number of users of a value.
    pub(crate) n_users: Option<u64>,
}

impl Values {
    /// The mean. There is at least one value.
    pub(crate) fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// `0.1234 ± 0.0012`, or only the mean for a single seed.
    pub(crate) fn text(&self) -> String {
        let (n, mean) = (self.values.len() as f64, self.mean());
        if self.values.len() < 2 {
            return format!("{mean:.4}");
        }
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        format!("{mean:.4} ± {:.4}", (squares / (n - 1.0)).sqrt())
    }
}

/// Checks that this is a results folder.
pub(crate) fn of_a_run(results: &Path) -> anyhow::Result<()> {
    for name in ["spec.toml", "metrics.csv"] {
        if !results.join(name).exists() {
            return Err(advise(
                format!(
                    "`{}` is not a results folder: it has no `{name}`",
                    results.display()
                ),
                "pass a folder that `allround run` has written, such as `results/quickstart`",
            ));
        }
    }
    Ok(())
}

/// The rows of `metrics.csv` in a results folder.
pub(crate) fn read(results: &Path) -> anyhow::Result<Vec<MetricRow>> {
    of_a_run(results)?;
    Ok(record::read(&results.join("metrics.csv"))?)
}

/// Rows grouped over seeds, without failed and empty rows.
pub(crate) fn by_subject(rows: &[MetricRow]) -> BTreeMap<Subject, Values> {
    let mut found: BTreeMap<Subject, Values> = BTreeMap::new();
    for row in rows {
        let Some(value) = row.value else { continue };
        let name = if row.variant.is_empty() {
            &row.model
        } else {
            &row.variant
        };
        let subject = Subject {
            dataset: row.dataset.clone(),
            scenario: row.scenario.clone(),
            split: row.split.clone(),
            protocol: row
                .protocol
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned(),
            metric: row.metric.clone(),
            k: row.k,
            model: name.clone(),
        };
        let values = found.entry(subject).or_default();
        values.values.push(value);
        values.protocol.clone_from(&row.protocol);
        values.n_users = values.n_users.into_iter().chain(row.n_users).min();
    }
    found
}

/// Models and variants that use a language model with random weights.
pub(super) fn random(rows: &[MetricRow]) -> BTreeSet<&str> {
    let random = rows.iter().filter(|row| row.is_random());
    random.map(MetricRow::shown_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_results_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |what: &str| {
            let error = read(folder.path()).unwrap_err().to_string();
            let expected = format!("is not a results folder: it has no `{what}`");
            assert!(error.contains(&expected), "{error}");
        };
        refused("spec.toml");
        allround_core::fs::write_atomic(&folder.path().join("spec.toml"), b"").unwrap();
        refused("metrics.csv");
    }
}
