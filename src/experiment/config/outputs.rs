//! `[[expected]]`, `[figure.NAME.KIND]`, `[table.NAME.KIND]`: what to compare with and what to draw.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use allround_core::config::protocol::Part;
use allround_core::metric::Metric;

/// A value that somebody has published or measured, to hold the results against.
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

/// One figure; one file in `render/figure/` each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Figure {
    /// Grouped bars with whiskers (95 % intervals).
    Bars {
        /// Caption.
        title: String,
        /// What the bars show.
        metric: Metric,
        /// Name of a protocol.
        protocol: String,
        /// Part of the split: `valid` shows the numbers that a model may be chosen by.
        #[serde(default)]
        split: Part,
        /// What makes the groups on the horizontal axis.
        group: Axis,
        /// Only this data set; empty: all.
        dataset: String,
        /// Only this scenario; empty: all.
        scenario: String,
    },
    /// Curves over epochs with a band over seeds.
    Curves {
        /// Caption.
        title: String,
        /// `loss`, or a validation metric.
        value: String,
        /// Only this data set; empty: all, one panel each.
        dataset: String,
    },
    /// Quality against cost, a point a model.
    Scatter {
        /// Caption.
        title: String,
        /// Vertical axis.
        metric: Metric,
        /// Name of a protocol.
        protocol: String,
        /// Part of the split: `valid` shows the numbers that a model may be chosen by.
        #[serde(default)]
        split: Part,
        /// Horizontal axis.
        cost: Cost,
        /// Only this data set; empty: all, one panel each.
        dataset: String,
        /// Only this scenario; empty: all.
        scenario: String,
    },
}

/// An axis of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Data sets.
    Dataset,
    /// Scenarios.
    Scenario,
    /// Models.
    Model,
}

/// A cost of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Seconds of all training stages.
    TrainSeconds,
    /// Seconds of evaluation for one user.
    EvaluateSecondsPerUser,
    /// All parameters.
    Params,
    /// Peak resident memory in bytes.
    PeakRssBytes,
}

/// What somebody has published of a model's cost.
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

/// One table, written as Markdown, LaTeX and CSV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Table {
    /// Rows are models, columns are data set, scenario and metric; best bold, second underlined, stars for Holm-adjusted
    /// paired tests against `baseline`.
    Comparison {
        /// Caption.
        title: String,
        /// Metrics to show; empty: all of the protocol.
        metrics: Vec<Metric>,
        /// Name of a protocol.
        protocol: String,
        /// Part of the split: `valid` shows the numbers that a model may be chosen by.
        #[serde(default)]
        split: Part,
        /// Data sets to show; empty: all.
        datasets: Vec<String>,
        /// Scenarios to show; empty: all.
        scenarios: Vec<String>,
        /// Model that improvements and tests refer to; empty: the second best of each column.
        baseline: String,
    },
    /// Time, memory and parameters of every model.
    Cost {
        /// Caption.
        title: String,
        /// Users of a batch for the column of evaluation times: 1 is the time of a user. Published
        /// times are those of batches.
        #[serde(default = "one_user")]
        #[schemars(range(min = 1))]
        batch: u64,
        /// Published times to show next to the measured ones. They are from other machines, so only
        /// ratios between models can be compared.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        published: Vec<PublishedCost>,
    },
    /// What language models answered: exact, normalised, substring and valid shares, and how many
    /// named several candidates. Also the positions of the chosen candidates and the AUC of
    /// yes-or-no answers.
    Answers {
        /// Caption.
        title: String,
        /// Part of the split: `valid` shows the numbers that a model may be chosen by.
        #[serde(default)]
        split: Part,
    },
    /// Counts of every data set and scenario.
    Data {
        /// Caption.
        title: String,
    },
}

/// What results say that were written before there was a choice.
fn one_user() -> u64 {
    1
}
