//! The resolved experiment, which all other modules read.
//!
//! Names of fields are keys of the TOML file. All defaults are in `defaults.toml`.

mod expected;
pub mod outputs;
pub mod search;
mod tables;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use allround_core::config::Dataset;
use allround_core::config::Encoder;
use allround_core::config::Llm;
use allround_core::config::Prompt;
use allround_core::config::Protocol;
use allround_core::config::Scenario;
use allround_core::models::Model;
use allround_core::models::Variant;
pub use expected::{Expected, Published, half_width};
pub use outputs::{Figure, Table};
pub use search::Search;

/// One experiment: what to run on what, how to measure it, and what to draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Version of the file format; this program reads 1.
    pub spec_version: u32,
    /// Name of the experiment and of its results folder: letters, digits, `-` and `_`.
    pub name: String,
    /// The question that the experiment answers.
    pub question: String,
    /// The expected outcome, written before the run.
    pub expectation: String,
    /// The findings, for the report: Markdown with lists, bold, italics, code and web links. The
    /// report begins with its first sentence. Empty until written.
    pub analysis: String,
    /// Name of the profile that is applied; empty for none. Usually chosen with
    /// `--set profile=NAME`. Results go to the folder `NAME-PROFILE`, and every table and figure
    /// says so.
    #[serde(default)]
    pub profile: String,
    /// Named sets of changes to the file: dotted keys and values, as in `--set`. The resolved spec
    /// has the changes of the chosen profile only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// One run of every cell for each seed.
    pub seeds: Vec<u64>,
    /// How stages are run.
    pub run: Run,
    /// Data sets by name.
    pub dataset: BTreeMap<String, Dataset>,
    /// Text encoders by name, each a table named after its kind.
    pub encoder: BTreeMap<String, Encoder>,
    /// Language models by name, each a table named after its kind.
    pub llm: BTreeMap<String, Llm>,
    /// Prompts by name. A file that declares one has no `default` but its own.
    pub prompt: BTreeMap<String, Prompt>,
    /// Models by name, each a table named after its kind.
    pub model: BTreeMap<String, Model>,
    /// Variants (ablations): a model with some keys changed.
    pub variant: BTreeMap<String, Variant>,
    /// Searches: a model whose settings are chosen on validation. A name on the model axis, like a
    /// variant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(required)]
    pub search: BTreeMap<String, Search>,
    /// Scenarios by name, each a table named after its kind. A file that declares one has no
    /// `overall` but its own.
    pub scenario: BTreeMap<String, Scenario>,
    /// Evaluation protocols by name. Every cell is measured under each of them. A file that
    /// declares one has no `strict` but its own.
    pub protocol: BTreeMap<String, Protocol>,
    /// Which combinations are run.
    pub matrix: Matrix,
    /// Published or earlier values to compare the results with.
    pub expected: Vec<Expected>,
    /// Tables of published values to compare the results with, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, Published>,
    /// Figures by name, each a table named after its kind.
    pub figure: BTreeMap<String, Figure>,
    /// Tables by name, each a table named after its kind.
    pub table: BTreeMap<String, Table>,
    /// What the report shows first.
    pub report: Report,
    /// Labels by section and name. A file writes each as `label` in the table that it belongs to;
    /// only the resolved file collects them here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(skip)]
    pub labels: BTreeMap<String, BTreeMap<String, String>>,
}

/// How stages are run. Everything here but `alone` is part of a stage's key where it can change a
/// result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `cpu` or `cuda:N`. `--device` overrides it.
    #[schemars(regex(pattern = r"^(cpu|cuda:[0-9]+)$"))]
    pub device: String,
    /// CPU threads of a stage that runs a text encoder or a language model. Part of the key of
    /// these stages, since another count may change the last bits of their results.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: usize,
    /// CPU threads of a stage that trains or evaluates a CF model. Their operations are too small
    /// for a second thread: two stages of one thread each finish sooner than one stage of two. Part
    /// of the key of these stages.
    #[schemars(range(min = 1, max = 1024))]
    pub cf_threads: usize,
    /// What runs alone, so that no other stage disturbs its times. `true`: every stage. A list of
    /// models and variants: every stage of their cells except preparing data and drawing
    /// candidates, also where other cells share it. All other stages run in parallel.
    pub alone: Alone,
    /// How often a failed stage is tried again within one run.
    #[schemars(range(max = 10))]
    pub retries: u32,
    /// Most tokens of a batch of prompts when a language model ranks; a batch has at most 64
    /// prompts. Lower it if the device runs out of memory. Part of the key: another number may
    /// change the last bits.
    #[schemars(range(min = 1))]
    pub answer_token_budget: usize,
    /// Most epochs between two checkpoints of a training stage. At 1, a killed program loses only
    /// the running epoch. Above 1, there is also a checkpoint after any epoch that ends at least
    /// two seconds after the last one.
    #[schemars(range(min = 1))]
    pub checkpoint_every: u32,
    /// Minutes between two checkpoints within an epoch of a training stage: what a killed program
    /// loses at most. 0 writes one after every step.
    #[schemars(range(min = 0.0))]
    pub checkpoint_minutes: f64,
    /// Where stages run: an executor of the site file `allround.site.toml`, or `local`. `--on`
    /// overrides it. Without it, stages run on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Most users of each data set that are kept, for a smoke run; 0 keeps all. `--limit` overrides
    /// it. Results of a limited run go to the folder `NAME-limit-N`; they show only that the
    /// program runs.
    pub limit: u64,
}

/// Stages that run while no other stage runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Alone {
    /// Every stage, or none.
    All(bool),
    /// The stages of these models and variants.
    Of(Vec<String>),
}

/// The order of figures and tables in the report. An empty list means the order of the file. What a
/// list does not name follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Names of figures. The report begins with the first bar chart of test numbers among them.
    pub figures: Vec<String>,
    /// Names of tables.
    pub tables: Vec<String>,
}

impl Report {
    /// The entries of a section, those in `first` before the others.
    fn ordered<'s, T>(
        first: &'s [String],
        section: &'s BTreeMap<String, T>,
    ) -> impl Iterator<Item = (&'s String, &'s T)> {
        let named = first.iter().filter_map(|name| section.get_key_value(name));
        let others = section.iter().filter(|(name, _)| !first.contains(name));
        named.chain(others)
    }
}

impl Spec {
    /// The figures in the report's order.
    pub fn figures(&self) -> impl Iterator<Item = (&String, &Figure)> {
        Report::ordered(&self.report.figures, &self.figure)
    }

    /// The tables in the report's order.
    pub fn tables(&self) -> impl Iterator<Item = (&String, &Table)> {
        Report::ordered(&self.report.tables, &self.table)
    }
}

/// The axes of the matrix. An empty axis means everything that the file declares on it. Tables and
/// figures keep the order of an axis, or that of the file if the axis is empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// Names of data sets.
    pub dataset: Vec<String>,
    /// Names of models, variants and searches.
    pub model: Vec<String>,
    /// Names of scenarios.
    pub scenario: Vec<String>,
    /// Combinations to leave out: a cell is excluded when it matches every given key of an entry.
    pub exclude: Vec<MatrixEntry>,
    /// Combinations to add; each must name a data set, a model and a scenario.
    pub include: Vec<MatrixEntry>,
}

/// A pattern over cells: keys that are absent match everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatrixEntry {
    /// Name of a data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Name of a model or variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name of a scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
}
