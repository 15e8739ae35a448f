//! `[search.NAME]`: settings of a model that are chosen on validation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Spec;
use allround_core::metric::Metric;
use allround_core::models::Model;

/// Defaults of searches, as TOML.
pub const DEFAULTS: &str = r#"# ---- Searches ----

# Optional.
[search]

[default.search]
method.grid = {}
scenario = "overall"
# The first seed of the experiment.
seeds = []
draw_seed = 1
at_once = 4

[default.method.grid]

# Bergstra and Bengio (2012): 60 random trials find one of the best 5 % with a probability of 0.95.
[default.method.random]
trials = 60

# Bergstra et al. (2011). Ten random trials come first, as in Optuna.
[default.method.tpe]
trials = 60
startup = 10

# Jamieson and Talwalkar (2016); a third survives each round, as in Hyperband (Li et al. 2018).
[default.method.halving]
trials = 27
factor = 3
least = 1

# No limit.
[default.budget]
cells = 0
minutes = 0.0
"#;

/// A search for the best settings of a model. Its name is on the model axis, like a variant's.
///
/// Trials are models with other settings. They are measured on validation alone, on each data set
/// of the search's cells. The best one becomes the model of these cells, and is then measured like
/// every other model. The same command resumes an interrupted search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Name of the model or variant whose settings are searched.
    pub of: String,
    /// How trials are chosen.
    pub method: Method,
    /// Dotted keys of the model's settings, and what each may be. This is a list of values, or a
    /// range such as `{ from = 1e-4, to = 1e-2, log = true }`. A range includes both ends. With
    /// `log`, equal ratios are equally likely. With `step`, only every `step` from `from` on is
    /// used. A range of a whole number gives whole numbers. In a list, names of encoders, language
    /// models or prompts are possible too.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub space: BTreeMap<String, Values>,
    /// The metric to maximize.
    pub metric: Metric,
    /// Name of the protocol of that metric. Its `splits` must include `"valid"`.
    pub protocol: String,
    /// Name of the scenario whose users count.
    pub scenario: String,
    /// Each trial is trained once for each of these seeds, and its value is the mean. Empty: the
    /// first seed of the experiment.
    pub seeds: Vec<u64>,
    /// Seed of random draws of settings.
    pub draw_seed: u64,
    /// Number of trials that `tpe` draws before it learns from their values. With `budget.minutes`,
    /// also the number of trials between two looks at the time.
    #[schemars(range(min = 1))]
    pub at_once: usize,
    /// What the search may spend on each data set.
    pub budget: Budget,
    /// The best settings by data set; written by a run, never in an experiment file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(skip)]
    pub best: BTreeMap<String, Best>,
}

/// How trials are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Every combination. Ranges need a `step`.
    Grid {},
    /// Independent random draws.
    Random {
        /// Number of trials.
        #[schemars(range(min = 1))]
        trials: usize,
    },
    /// Tree-structured Parzen estimators: each setting is drawn where earlier trials were good.
    Tpe {
        /// Number of trials.
        #[schemars(range(min = 1))]
        trials: usize,
        /// Random trials before the estimators are used.
        #[schemars(range(min = 1))]
        startup: usize,
    },
    /// Successive halving: many random trials with little training, and more for the best of them.
    /// Training starts from the beginning in each round.
    Halving {
        /// Number of trials of the first round.
        #[schemars(range(min = 2))]
        trials: usize,
        /// The setting that bounds training, such as `train.epochs`: a whole number. The last round
        /// has the model's own value.
        resource: String,
        /// Smallest value of `resource` in the first round.
        #[schemars(range(min = 1))]
        least: u64,
        /// Each round has this many times fewer trials, and this many times more of `resource`.
        #[schemars(range(min = 2))]
        factor: u64,
    },
}

impl Search {
    /// The seeds of each trial.
    pub fn seeds(&self, spec: &Spec) -> Vec<u64> {
        match self.seeds.is_empty() {
            true => spec.seeds.first().copied().into_iter().collect(),
            false => self.seeds.clone(),
        }
    }
}

impl Method {
    /// The kind's name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Method::Grid {} => "grid",
            Method::Random { .. } => "random",
            Method::Tpe { .. } => "tpe",
            Method::Halving { .. } => "halving",
        }
    }
}

/// What a search may spend on each data set. It ends before the first trials beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Most cells: trials times seeds. 0: any number.
    pub cells: usize,
    /// Minutes of training and evaluation; 0: any time. Times are those that the workers recorded,
    /// so that a resumed search ends at the same trial.
    #[schemars(range(min = 0.0))]
    pub minutes: f64,
}

/// What a setting may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// One of these.
    List(Vec<Value>),
    /// A number in a range.
    Range(Range),
}

/// Numbers from `from` to `to`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Smallest value.
    pub from: f64,
    /// Largest value.
    pub to: f64,
    /// Whether equal ratios are equally likely.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    /// Distance of neighbouring values; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
}

/// The best settings of a search on one data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Dotted keys of the model's settings and their values.
    pub set: BTreeMap<String, Value>,
    /// The resulting model.
    pub resolved: Model,
}
