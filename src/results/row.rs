//! The rows of the results files; the fields, in order, are the columns.

use allround_core::metric::Metric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a number is there, and why not.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// There is a number.
    #[default]
    Ok,
    /// No user is measured.
    Empty,
    /// Something that the cell shares with others failed.
    Blocked,
    /// A stage of the cell failed.
    Failed,
}

impl Status {
    /// As it is written in a file.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Empty => "empty",
            Status::Blocked => "blocked",
            Status::Failed => "failed",
        }
    }

    /// Whether an error is the reason.
    pub fn is_failure(self) -> bool {
        matches!(self, Status::Failed | Status::Blocked)
    }
}

/// A row of `metrics.csv`: one number, a metric of one cell under one protocol. A measurement without a number has one row
/// with an empty metric and value; `cells.csv` says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricRow {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the cell: `dataset.scenario.name.s<seed>`.
    pub cell: String,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the model that the variant varies; of the model itself otherwise.
    pub model: String,
    /// Name of the variant; empty for the model itself.
    pub variant: String,
    /// Name of the row in tables and figures: of the variant, or of the model itself.
    pub name: String,
    /// Seed of the cell.
    pub seed: u64,
    /// `test` or `valid`.
    pub split: String,
    /// `hit`, `recall`, `precision`, `ndcg`, `map`, `mrr`. For generated answers also `exact`, `normalised`, `substring` (shares
    /// of answers that name the target by each rule), `valid` (that name a candidate), `several` (that name more than one) and
    /// `position` (mean place of the chosen candidates in their lists, from 1, over the answers that name one: `n_users` counts
    /// them). For yes-or-no answers `auc`. Empty where the measurement has no number.
    pub metric: String,
    /// Cut-off; empty for a metric without one.
    pub k: Option<u32>,
    /// Mean over users; empty where there is no number.
    pub value: Option<f64>,
    /// Users measured.
    pub n_users: Option<u64>,
    /// `NAME:FINGERPRINT` of the protocol: numbers with different ones are not comparable.
    pub protocol: String,
    /// `ok`, `empty` (no user in the slice), `blocked` (something it shares with other cells failed) or `failed`.
    #[schemars(with = "String")]
    pub status: Status,
}

/// A row of `cells.csv`: one cell, that is one model on one data set under one scenario with one seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellRow {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the cell: `dataset.scenario.name.s<seed>`.
    pub cell: String,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the model that the variant varies; of the model itself otherwise.
    pub model: String,
    /// Name of the variant; empty for the model itself.
    pub variant: String,
    /// Name of the row in tables and figures: of the variant, or of the model itself.
    pub name: String,
    /// Kind of the CF model (`sasrec`, ...); empty where an LLM is used without one.
    pub backbone: String,
    /// Seed of the cell.
    pub seed: u64,
    /// The worst status of its measurements: `ok`, `empty`, `blocked` or `failed`.
    #[schemars(with = "String")]
    pub status: Status,
    /// The error in one line; with the protocol where only some measurements failed. Empty when all succeeded.
    pub error: String,
    /// What the numbers stand in for: made-up data, a profile, fewer users, random weights, a tiny language model. Empty for
    /// numbers of the experiment itself.
    pub stand_in: String,
    /// What its stages noted: imported weights, a halved batch, rules with how often they applied.
    pub notes: String,
}

/// A row of `cell_stages.csv`: a cell uses a stage. Stages are shared, so a stage has several rows and a cell has several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellStageRow {
    /// Name of the cell.
    pub cell: String,
    /// Kind of the stage: `prepare`, `backbone`, `project`, `evaluate`, ...
    pub kind: String,
    /// The stage's key, first 12 digits.
    pub key: String,
}

/// A row of `stages.csv`: one phase of one stage, however many cells share it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageRow {
    /// Kind of the stage.
    pub kind: String,
    /// The stage's key, first 12 digits: its artefact is `KIND/KEY...` in the store.
    pub key: String,
    /// Phase within the stage.
    pub phase: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Device time in seconds: by a CUDA device's own events, on the CPU by the clock.
    pub device_s: Option<f64>,
    /// Examples processed.
    pub examples: Option<u64>,
    /// Examples per wall second.
    pub examples_per_s: Option<f64>,
    /// Tokens processed: next-item targets of CF models, tokens of texts that an encoder reads, tokens and vectors that a
    /// language model reads.
    pub tokens: Option<u64>,
    /// Tokens per wall second.
    pub tokens_per_s: Option<f64>,
    /// Peak resident memory in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Peak device memory in bytes: most that tensors held at once; empty on the CPU.
    pub peak_device_bytes: Option<u64>,
    /// Energy in joules of the whole GPU board by its own counter; empty on the CPU, on boards before 2017, and where a phase
    /// was too short to count.
    pub energy_j: Option<f64>,
    /// Parameters.
    pub params: Option<u64>,
    /// Parameters trained by the stage.
    pub trained_params: Option<u64>,
    /// Whether the stage came from the store in this run; the time is then that of the run that made it.
    pub cached: bool,
}

/// A row of `epochs.csv`: the loss, one of its parts, or one validation metric, of one epoch of one stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpochRow {
    /// Kind of the stage.
    pub kind: String,
    /// The stage's key, first 12 digits.
    pub key: String,
    /// 1 for the first.
    pub epoch: u32,
    /// `loss`, a part of it such as `loss_matching`, or a validation metric such as `ndcg@10`.
    pub quantity: String,
    /// Its value.
    pub value: f64,
    /// Wall time of the epoch's training in seconds.
    pub wall_s: f64,
    /// Training sequences seen.
    pub examples: u64,
}

/// A row of `ranks/CELL.PROTOCOL.csv.gz`: one measured user. Files of validation are `CELL.PROTOCOL.valid.csv.gz`, of ranks, answers
/// and scores alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RankRow {
    /// The user's id in the source.
    pub user: String,
    /// The target item's id in the source.
    pub target: String,
    /// 1 + greater scores + half of the equal ones.
    pub rank: f64,
}

/// A row of `scores/CELL.PROTOCOL.csv.gz`, where `protocol.NAME.keep_scores` is set: one candidate of one measured user. A
/// user's rows follow one another, the highest score first, equal ones in the data set's order of items. Full ranking of more
/// than 1,000 items has each user's best 100, and the target wherever it stands; every other protocol has all candidates, repeats
/// included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreRow {
    /// The user's id in the source.
    pub user: String,
    /// The candidate's id in the source.
    pub item: String,
    /// The model's score, higher is better: logits of CF models, log-likelihoods of titles, margins of yes over no, or what a file of
    /// scores says (`-inf` where it says nothing). Scores of different models have no common scale.
    pub score: f64,
    /// Whether the candidate is the user's target.
    pub target: bool,
}

/// A row of `answers/CELL.PROTOCOL.csv.gz`: what a language model generated for one measured user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextRow {
    /// The user's id in the source.
    pub user: String,
    /// The target item's id in the source.
    pub target: String,
    /// The text as it was generated.
    pub answer: String,
    /// The title that was read from it: what stands in its first quotes.
    pub extracted: String,
    /// Whether that is the target's title, letter by letter.
    pub exact: bool,
    /// Whether it is the target's title without case, punctuation and repeated blanks.
    pub normalised: bool,
    /// Whether the target's title is found by the A-LLMRec code's rule: anywhere between the first and the last quote.
    pub substring: bool,
    /// Whether it is the title of a candidate.
    pub valid: bool,
    /// Place in the prompt, from 1, of the candidate that was named; empty when it names none.
    pub position: Option<u32>,
    /// Different titles of candidates that the text names.
    pub named: u32,
}

/// A row of `data.csv`: counts of one data set under one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataRow {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Seed of the cell that was counted; scenarios that sample users differ by seed.
    pub seed: u64,
    /// Users.
    pub users: u64,
    /// Items.
    pub items: u64,
    /// Interactions of all users.
    pub interactions: u64,
    /// Interactions that the CF model is trained on.
    pub train_interactions: u64,
    /// Mean interactions of a user; empty without users.
    pub mean_length: Option<f64>,
    /// Most interactions of a user; empty without users.
    pub longest: Option<u64>,
    /// Users that the CF model is trained on.
    pub trained_users: u64,
    /// Users with a test target that are measured.
    pub measured_users: u64,
    /// Measured users in the scenario's slice; 0 makes every metric's status `empty`.
    pub slice_users: u64,
    /// Those of them without a history: no interaction of theirs comes before the test target, so that a model knows nothing
    /// about them.
    pub without_history: u64,
    /// Share of items with a title; empty without items.
    pub with_title: Option<f64>,
    /// Share of items with a description; empty without items.
    pub with_description: Option<f64>,
    /// Items without a record in the file of items; empty where the source has no such file.
    pub items_without_record: Option<u64>,
    /// Records in the file of items whose id no interaction has; empty where there is no such file.
    pub records_without_item: Option<u64>,
    /// Records after the first one of an item: they fill its gaps. Empty where there is no such file.
    pub repeated_records: Option<u64>,
    /// Those of them that contradict an earlier record, whose value stays. Empty where there is no such file.
    pub conflicting_records: Option<u64>,
    /// What else was counted while the data were prepared: interactions that filters dropped, rows and lines that were
    /// left out, columns that were not used. Empty where nothing was.
    pub notes: String,
}

impl MetricRow {
    /// The protocol's name, without its fingerprint.
    pub fn protocol_name(&self) -> &str {
        self.protocol.split(':').next().unwrap_or_default()
    }

    /// The metric; `None` for audits of generated answers and where there is no number.
    pub fn metric(&self) -> Option<Metric> {
        Metric::of_parts(&self.metric, self.k)
    }
}
