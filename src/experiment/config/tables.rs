//! Settings of the tables that have few of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use allround_core::config::protocol::Part;

/// What language models answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersTable {
    /// Caption.
    pub title: String,
    /// Part of the split: `valid` shows the numbers that a model may be chosen by.
    pub split: Part,
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
