//! `[[expected]]` and `[published.NAME]`: what to compare with.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use allround_core::metric::Metric;

/// A published or earlier value to compare the results with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Name of a data set.
    pub dataset: String,
    /// Name of a scenario.
    pub scenario: String,
    /// Name of a model or variant.
    pub model: String,
    /// Name of a protocol.
    pub protocol: String,
    /// The metric.
    pub metric: Metric,
    /// The expected mean over seeds.
    pub value: f64,
    /// Largest difference that counts as `within`.
    #[schemars(range(min = 0.0))]
    pub tolerance: f64,
    /// Where the value comes from.
    pub source: String,
    /// Why the value is not comparable (other data, another LLM); empty when it is.
    pub not_comparable: String,
}

/// A table of published values: models in rows, data sets in columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where the values come from.
    pub source: String,
    /// Name of a protocol.
    pub protocol: String,
    /// Name of a scenario.
    pub scenario: String,
    /// The metric.
    pub metric: Metric,
    /// Users that the source measured, by data set. A value is then `within` if the difference is
    /// at most half of the 95 % interval of a share of that many users. Only for hit@k.
    pub users: BTreeMap<String, u64>,
    /// Largest difference that counts as `within`, for data sets without `users`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub tolerance: Option<f64>,
    /// Why the values are not comparable (other data, another LLM); empty when they are.
    pub not_comparable: String,
    /// Values by model or variant, and by data set: `values.sasrec = { movies = 0.6154 }`.
    pub values: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Published {
    /// Each value with its tolerance. One without users and tolerance, which `check` refuses, has
    /// the tolerance 0.
    pub fn expected(&self) -> impl Iterator<Item = Expected> + '_ {
        self.values.iter().flat_map(move |(model, columns)| {
            columns.iter().map(move |(dataset, &value)| Expected {
                dataset: dataset.clone(),
                scenario: self.scenario.clone(),
                model: model.clone(),
                protocol: self.protocol.clone(),
                metric: self.metric,
                value,
                tolerance: self.tolerance_of(dataset, value).unwrap_or_default(),
                source: self.source.clone(),
                not_comparable: self.not_comparable.clone(),
            })
        })
    }

    /// The tolerance of a value; `None` without users and tolerance.
    pub fn tolerance_of(&self, dataset: &str, value: f64) -> Option<f64> {
        let users = self.users.get(dataset);
        users
            .map(|&users| half_width(value, users))
            .or(self.tolerance)
    }
}

/// Half of the width of the 95 % interval of a share of users, by the normal approximation.
pub fn half_width(share: f64, users: u64) -> f64 {
    const NORMAL_975: f64 = 1.959_963_984_540_054;
    let variance = share * (1.0 - share) / users.max(1) as f64;
    NORMAL_975 * variance.max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::half_width;

    #[test]
    fn the_half_width_of_a_share_shrinks_with_the_users() {
        assert!((half_width(0.5, 100) - 0.098).abs() < 1e-4);
        assert!((half_width(0.5298, 9912) - 0.009_826).abs() < 1e-5);
        assert_eq!(half_width(0.0, 100), 0.0);
    }
}
