//! `[figure.NAME.KIND]`, `[table.NAME.KIND]`: what to draw.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::tables::{
    AnswersTable, CostTable, DataTable, EqualTable, ListsTable, PublishedCost, SearchTable,
};
use allround_core::config::protocol::Part;
use allround_core::metric::Metric;

/// Defaults of figures, tables and the report, as TOML.
pub const DEFAULTS: &str = r#"# An empty list is the order of the file.
[report]
figures = []
tables = []

# ---- Figures ----

[default.figure.bars]
title = ""
split = "test"
group = "scenario"
dataset = ""
scenario = ""

[default.figure.curves]
title = ""
value = "loss"
x = "epoch"
reference = ""
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
show = []
digits = 4
transposed = false
width = "auto"

[default.table.cost]
title = ""
batch = 1
published = []
protocol = ""
metrics = []

[default.table.equal]
title = ""
models = []
baseline = ""

[default.table.answers]
title = ""
split = "test"

[default.table.lists]
title = ""
split = "test"

[default.table.data]
title = ""

[default.table.search]
title = ""
"#;

/// One figure; one file in `render/figure/` each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Figure {
    /// Grouped bars with whiskers (95 % intervals). More than nine models become a dot plot with
    /// one row per model.
    Bars(BarsFigure),
    /// Curves over epochs with a band over seeds. More than nine curves become small multiples.
    Curves(CurvesFigure),
    /// Quality against cost, one point per model.
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
        /// A CF model whose level is drawn; empty: none.
        reference: &'a str,
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
                reference: &figure.reference,
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
    /// Horizontal axis.
    #[serde(default)]
    pub x: CurveAxis,
    /// A CF model whose level is drawn as a horizontal line; empty: none. The level is its metric
    /// for the users and candidates that the methods which read it are validated on.
    #[serde(default)]
    pub reference: String,
    /// Only this data set; empty: all, one panel each.
    pub dataset: String,
}

/// What training is measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CurveAxis {
    /// Epochs. Of several validations in an epoch, the last one counts.
    #[default]
    Epoch,
    /// Training sequences or prompts seen.
    Samples,
}

impl CurveAxis {
    /// The name on the axis.
    pub fn name(self) -> &'static str {
        match self {
            CurveAxis::Epoch => "epoch",
            CurveAxis::Samples => "samples",
        }
    }
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
    /// Peak device memory in bytes.
    PeakDeviceBytes,
    /// Parameters that are trained, summed over the stages.
    TrainedParams,
    /// Training tokens of the stages that pass through a language model.
    TrainTokens,
    /// Floating-point operations of all training stages.
    TrainFlops,
    /// Floating-point operations for one training sequence or prompt.
    FlopsPerSample,
    /// Floating-point operations of the evaluation for one user.
    FlopsPerUser,
    /// Joules of all stages, where a counter can be read.
    EnergyJoules,
}

/// One table, written as Markdown, LaTeX and CSV; one file in `render/table/` each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Table {
    /// Rows are models; columns are data set, scenario and metric. The best number is bold, the
    /// second underlined. Stars mark Holm-adjusted paired tests against `baseline`.
    Comparison(ComparisonTable),
    /// Time, memory and parameters of every model, and its quality next to them.
    Cost(CostTable),
    /// What training costs at equal samples, and at equal quality: until the validation metric
    /// reaches the level of the weakest model.
    Equal(EqualTable),
    /// What language models answered: exact, normalised, substring and valid shares, and how many
    /// answers named several candidates. Also the positions of the chosen candidates and the AUC of
    /// yes-or-no answers.
    Answers(AnswersTable),
    /// Counts of every data set and scenario.
    Data(DataTable),
    /// Kept lists: their share of the catalogue, how popular, new and alike their items are, and
    /// recall of several targets.
    Lists(ListsTable),
    /// The best settings that each search found, with the number and time of its trials.
    Search(SearchTable),
}

/// What a table refers to, by the setting that names it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableReads<'a> {
    /// `protocol`: whose numbers it shows; `None`: those of every protocol.
    pub protocol: Option<&'a str>,
    /// `split`.
    pub split: Option<Part>,
    /// `metrics`.
    pub metrics: &'a [Metric],
    /// `datasets`.
    pub datasets: &'a [String],
    /// `scenarios`.
    pub scenarios: &'a [String],
    /// `baseline`; empty for none.
    pub baseline: &'a str,
    /// `show`.
    pub show: &'a [Shown],
    /// `published`.
    pub published: &'a [PublishedCost],
    /// `models`.
    pub models: &'a [String],
    /// `metric`, of validations within training.
    pub validated: Option<Metric>,
}

impl Table {
    /// The kind's name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Table::Comparison(_) => "comparison",
            Table::Cost(_) => "cost",
            Table::Equal(_) => "equal",
            Table::Answers(_) => "answers",
            Table::Data(_) => "data",
            Table::Search(_) => "search",
            Table::Lists(_) => "lists",
        }
    }

    /// What the table refers to.
    pub fn reads(&self) -> TableReads<'_> {
        match self {
            Table::Comparison(table) => TableReads {
                protocol: Some(&table.protocol),
                split: Some(table.split),
                metrics: &table.metrics,
                datasets: &table.datasets,
                scenarios: &table.scenarios,
                baseline: &table.baseline,
                show: &table.show,
                ..TableReads::default()
            },
            Table::Cost(table) => TableReads {
                protocol: Some(&*table.protocol)
                    .filter(|name| !name.is_empty() || !table.metrics.is_empty()),
                metrics: &table.metrics,
                published: &table.published,
                ..TableReads::default()
            },
            Table::Equal(table) => TableReads {
                models: &table.models,
                baseline: &table.baseline,
                validated: Some(table.metric),
                ..TableReads::default()
            },
            Table::Answers(table) => TableReads {
                split: Some(table.split),
                ..TableReads::default()
            },
            Table::Lists(table) => TableReads {
                split: Some(table.split),
                ..TableReads::default()
            },
            Table::Data(_) | Table::Search(_) => TableReads::default(),
        }
    }
}

/// Models against data sets, scenarios and metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparisonTable {
    /// Caption.
    pub title: String,
    /// Metrics to show; empty: all of the protocol.
    pub metrics: Vec<Metric>,
    /// Name of a protocol.
    pub protocol: String,
    /// Part of the split: `valid` shows the numbers that a model may be chosen by.
    pub split: Part,
    /// Data sets to show; empty: all.
    pub datasets: Vec<String>,
    /// Scenarios to show; empty: all.
    pub scenarios: Vec<String>,
    /// Model that changes and tests refer to; empty: the second best of each column.
    pub baseline: String,
    /// What to show of each number. Empty: everything. LaTeX then leaves out the changes, and next
    /// the deviations, if the table is wider than a page.
    #[serde(default)]
    pub show: Vec<Shown>,
    /// Decimals of means and deviations.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 6))]
    pub digits: u8,
    /// Whether models are columns, and data sets, scenarios and metrics are rows.
    #[serde(default)]
    pub transposed: bool,
    /// Width of the LaTeX table in a paper of two columns.
    #[serde(default)]
    pub width: TableWidth,
}

/// Decimals in most papers of the field.
fn four() -> u8 {
    4
}

/// A part of a number in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Mean over seeds.
    Mean,
    /// Standard deviation over seeds.
    Deviation,
    /// Relative change against the baseline, in percent. Without a baseline: a row with the change
    /// from the second best to the best.
    Change,
    /// A star where the difference from the baseline is significant.
    Star,
}

impl Shown {
    /// Every part.
    pub const ALL: [Shown; 4] = [Shown::Mean, Shown::Deviation, Shown::Change, Shown::Star];
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Shown::Mean => "mean",
            Shown::Deviation => "deviation",
            Shown::Change => "change",
            Shown::Star => "star",
        })
    }
}

/// Width of a LaTeX table in a paper of two columns. A table that is wider is cut into parts, one
/// below the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableWidth {
    /// A column if the table fits into it, else the page.
    #[default]
    Auto,
    /// A column (`table`).
    Column,
    /// The page (`table*`).
    Page,
}
