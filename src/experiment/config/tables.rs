//! Settings of all tables but the comparison.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use allround_core::config::protocol::Part;
use allround_core::metric::Metric;

/// What language models answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersTable {
    /// Caption.
    pub title: String,
    /// Part of the split: `valid` shows the numbers that a model may be chosen by.
    pub split: Part,
}

/// Costs of training at equal samples and at equal quality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EqualTable {
    /// Caption.
    pub title: String,
    /// The validation metric that models reach while they train.
    pub metric: Metric,
    /// Models to compare; empty: all that record the metric.
    pub models: Vec<String>,
    /// Model that times are divided by; empty: none.
    pub baseline: String,
}

/// Metrics of kept lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListsTable {
    /// Caption.
    pub title: String,
    /// Part of the split: `valid` shows the numbers that a model may be chosen by.
    pub split: Part,
}

/// Counts of every data set and scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataTable {
    /// Caption.
    pub title: String,
}

/// The best settings of every search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchTable {
    /// Caption.
    pub title: String,
}

/// Published costs of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedCost {
    /// Name of a model or variant.
    pub model: String,
    /// Seconds of training.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub train_seconds: f64,
    /// Seconds of evaluation for one batch.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub evaluate_seconds: f64,
    /// Where the values come from, and on what machine.
    pub source: String,
}

/// Time, memory and parameters of every model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostTable {
    /// Caption.
    pub title: String,
    /// Users of a batch for the column of evaluation times: 1 is the time of a user. Published
    /// times are those of batches.
    #[schemars(range(min = 1))]
    pub batch: u64,
    /// Published times to show next to the measured ones. They are from other machines, so only
    /// ratios between models can be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedCost>,
    /// Name of the protocol whose test numbers are next to the costs; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Metrics of that protocol, a column each, in the first scenario of each training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
}
