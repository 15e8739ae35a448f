//! `[[expected]]`: what to compare with.

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
