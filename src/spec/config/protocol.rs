//! `[protocol.NAME]`: the candidates and metrics that make a number comparable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// How models are measured. Two numbers are comparable only when this and the data set are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// What the target is ranked against.
    pub candidates: Candidates,
    /// Which rules decide what may be a candidate.
    pub rules: Rules,
    /// Metrics to report.
    pub metrics: Vec<Metric>,
    /// Most users evaluated, drawn at random from the seed; 0 is all of them. The A-LLMRec code uses 10,000.
    pub max_users: u64,
    /// Seed of the candidate lists; 0 takes each cell's own seed.
    pub candidates_seed: u64,
}

/// What a target is ranked against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Candidates {
    /// All items, except those of the user's history.
    Full {},
    /// `n` items drawn uniformly.
    Uniform {
        /// Negatives beside the target.
        #[schemars(range(min = 1, max = 10000000))]
        n: usize,
    },
    /// `n` items drawn in proportion to their training counts.
    Popularity {
        /// Negatives beside the target.
        #[schemars(range(min = 1, max = 10000000))]
        n: usize,
    },
}

/// Rules of candidate lists and inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// The target once, no duplicates, nothing that the user has in training, validation or test.
    Strict,
    /// The A-LLMRec code's: only training items are excluded; the validation item, the target and repeats may be drawn.
    Published,
}
