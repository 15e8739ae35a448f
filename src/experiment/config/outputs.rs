//! `[[expected]]`, `[figure.NAME.KIND]`, `[table.NAME.KIND]`: what to compare with and what to draw.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use allround_core::config::protocol::Part;
use allround_core::metric::Metric;

/// Defaults of figures and tables, as TOML.
pub const DEFAULTS: &str = r#"# ---- Figures ----

[default.figure.bars]
title = ""
split = "test"
group = "scenario"
dataset = ""
scenario = ""

[default.figure.curves]
title = ""
value = "loss"
dataset = ""

[default.figure.scatter]
title = ""
split = "test"
cost = "train_seconds"
dataset = ""
scenario = ""

# ---- Tables ----

[default.table.comparison]
title = ""
split = "test"
metrics = []
datasets = []
scenarios = []
baseline = ""

[default.table.cost]
title = ""
batch = 1
published = []

[default.table.answers]
title = ""
split = "test"

[default.table.data]
title = ""
"#;

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
    /// Grouped bars with whiskers (95 % intervals). More than nine models become a dot plot with one
    /// row a model.
    Bars(BarsFigure),
    /// Curves over epochs with a band over seeds. More than nine curves become small multiples.
    Curves(CurvesFigure),
    /// Quality against cost, a point a model.
    Scatter(ScatterFigure),
}

/// Numbers of a protocol that a figure shows.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The metric.
    pub metric: Metric,
    /// Name of the protocol.
    pub protocol: &'a str,
    /// Part of the split.
    pub split: Part,
    /// Only this data set; empty: all.
    pub dataset: &'a str,
    /// Only this scenario; empty: all.
    pub scenario: &'a str,
}

/// What a figure reads.
#[derive(Clone, Copy, Debug)]
pub enum FigureReads<'a> {
    /// Numbers of a protocol.
    Numbers(Measured<'a>),
    /// A value of each epoch.
    Epochs {
        /// `loss`, or a validation metric.
        value: &'a str,
        /// Only this data set; empty: all.
        dataset: &'a str,
    },
}

impl Figure {
    /// The kind's name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Figure::Bars(_) => "bars",
            Figure::Curves(_) => "curves",
            Figure::Scatter(_) => "scatter",
        }
    }

    /// The caption.
    pub fn title_mut(&mut self) -> &mut String {
        match self {
            Figure::Bars(figure) => &mut figure.title,
            Figure::Curves(figure) => &mut figure.title,
            Figure::Scatter(figure) => &mut figure.title,
        }
    }

    /// What the figure reads.
    pub fn reads(&self) -> FigureReads<'_> {
        match self {
            Figure::Bars(figure) => FigureReads::Numbers(figure.measured()),
            Figure::Curves(figure) => FigureReads::Epochs {
                value: &figure.value,
                dataset: &figure.dataset,
            },
            Figure::Scatter(figure) => FigureReads::Numbers(figure.measured()),
        }
    }
}

/// Grouped bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BarsFigure {
    /// Caption.
    pub title: String,
    /// What the bars show.
    pub metric: Metric,
    /// Name of a protocol.
    pub protocol: String,
    /// Part of the split: `valid` shows the numbers that a model may be chosen by.
    pub split: Part,
    /// What makes the groups on the horizontal axis.
    pub group: Axis,
    /// Only this data set; empty: all.
    pub dataset: String,
    /// Only this scenario; empty: all.
    pub scenario: String,
}

impl BarsFigure {
    /// The numbers that it shows.
    pub fn measured(&self) -> Measured<'_> {
        Measured {
            metric: self.metric,
            protocol: &self.protocol,
            split: self.split,
            dataset: &self.dataset,
            scenario: &self.scenario,
        }
    }
}

/// Curves over epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurvesFigure {
    /// Caption.
    pub title: String,
    /// `loss`, or a validation metric.
    pub value: String,
    /// Only this data set; empty: all, one panel each.
    pub dataset: String,
}

/// Quality against cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScatterFigure {
    /// Caption.
    pub title: String,
    /// Vertical axis.
    pub metric: Metric,
    /// Name of a protocol.
    pub protocol: String,
    /// Part of the split: `valid` shows the numbers that a model may be chosen by.
    pub split: Part,
    /// Horizontal axis.
    pub cost: Cost,
    /// Only this data set; empty: all, one panel each.
    pub dataset: String,
    /// Only this scenario; empty: all.
    pub scenario: String,
}

impl ScatterFigure {
    /// The numbers that it shows.
    pub fn measured(&self) -> Measured<'_> {
        Measured {
            metric: self.metric,
            protocol: &self.protocol,
            split: self.split,
            dataset: &self.dataset,
            scenario: &self.scenario,
        }
    }
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
        split: Part,
    },
    /// Counts of every data set and scenario.
    Data {
        /// Caption.
        title: String,
    },
}
