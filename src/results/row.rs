//! The rows of the results files. Their fields are the columns, in this order.

use allround_core::metric::Metric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether there is a number, and if not, why.
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
    /// A stage that the cell shares with others failed.
    Blocked,
    /// A stage of the cell failed.
    Failed,
}

impl Status {
    /// The value in a file.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Empty => "empty",
            Status::Blocked => "blocked",
            Status::Failed => "failed",
        }
    }

    /// Whether an error is the reason for a missing number.
    pub fn is_failure(self) -> bool {
        matches!(self, Status::Failed | Status::Blocked)
    }
}

/// A row of `metrics.csv`: one metric of one cell under one protocol. A measurement without a
/// number has one row with an empty metric and value; `cells.csv` has the reason.
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
    /// `hit`, `recall`, `precision`, `ndcg`, `map` or `mrr`. Generated answers also have `exact`,
    /// `normalised` and `substring`: the shares of answers that name the target by each rule. For
    /// them, `valid` is the share that names a candidate, and `several` the share that names more
    /// than one. `position` is the mean position of the chosen candidates in their prompts, from 1;
    /// its `n_users` counts answers that name one. Yes-or-no answers have `auc`. Kept lists have
    /// `coverage`, `gini`, `popularity`, `novelty` and `diversity`, and with several targets
    /// `recall_all` and `map_all`; METHODOLOGY defines them. Empty where the measurement has no
    /// number.
    pub metric: String,
    /// Cut-off; empty for a metric without one.
    pub k: Option<u32>,
    /// Mean over users; empty where there is no number.
    pub value: Option<f64>,
    /// Users measured.
    pub n_users: Option<u64>,
    /// `NAME:FINGERPRINT` of the protocol. Numbers with different ones are not comparable.
    pub protocol: String,
    /// `ok`, `empty` (no user in the slice), `blocked` (a stage that it shares with other cells
    /// failed) or `failed`.
    #[schemars(with = "String")]
    pub status: Status,
}

/// A row of `cells.csv`: one cell. A cell is one model on one data set under one scenario with one
/// seed.
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
    /// The error in one line, with the protocol where only some measurements failed. Empty when all
    /// succeeded.
    pub error: String,
    /// The stand-ins that the numbers depend on: made-up data, a profile, fewer users, random
    /// weights, a tiny language model. Empty for numbers of the experiment itself.
    pub stand_in: String,
    /// Notes of its stages: imported weights, a halved batch, and how often each rule applied.
    pub notes: String,
}

/// A row of `cell_stages.csv`: one stage that a cell uses. Stages are shared between cells, so a
/// stage may have several rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellStageRow {
    /// Name of the cell.
    pub cell: String,
    /// Kind of the stage: `prepare`, `backbone`, `project`, `evaluate`, ...
    pub kind: String,
    /// The stage's key, first 12 digits.
    pub key: String,
}

/// A row of `stages.csv`: one phase of one stage. It is written once, for all cells that share the
/// stage.
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
    /// Device time in seconds, from CUDA events on a GPU and from the clock on the CPU.
    pub device_s: Option<f64>,
    /// Examples processed.
    pub examples: Option<u64>,
    /// Examples per wall second.
    pub examples_per_s: Option<f64>,
    /// Tokens processed. A CF model counts next-item targets, an encoder the tokens of its texts,
    /// and a language model the tokens and item vectors of its prompts.
    pub tokens: Option<u64>,
    /// Tokens per wall second.
    pub tokens_per_s: Option<f64>,
    /// Peak resident memory in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Peak device memory of tensors in bytes; empty on the CPU.
    pub peak_device_bytes: Option<u64>,
    /// Energy in joules, from the counter of the whole GPU board. On the CPU, that of all
    /// processors and their memory, other programs included. Empty where no counter can be read,
    /// and for a phase that was too short to measure.
    pub energy_j: Option<f64>,
    /// Floating-point operations of the matrix products, counted from their shapes. A pass back
    /// counts for each operand that needs a gradient. Empty where the phase does not use the
    /// device.
    #[serde(default)]
    pub flops: Option<u64>,
    /// Parameters.
    pub params: Option<u64>,
    /// Parameters trained by the stage.
    pub trained_params: Option<u64>,
    /// Whether the stage came from the store in this run. Its times are then those of the run that
    /// made it.
    pub cached: bool,
}

/// A row of `epochs.csv`: one quantity of one epoch of one stage. It is the loss, a part of the
/// loss, or a validation metric. A method that is validated by samples has several rows of a metric
/// in an epoch, and others before training (epoch 0).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpochRow {
    /// Kind of the stage.
    pub kind: String,
    /// The stage's key, first 12 digits.
    pub key: String,
    /// 1 for the first.
    pub epoch: u32,
    /// `loss`, a part of it such as `loss_matching`, or a validation metric such as `ndcg@10`.
    /// `cf_hit@1` is that metric of the frozen CF model that a method reads, for the same users and
    /// candidates.
    pub quantity: String,
    /// Its value.
    pub value: f64,
    /// Wall time of the epoch's training in seconds, or of the validation.
    pub wall_s: f64,
    /// Training sequences seen in the epoch; 0 for a validation by samples.
    pub examples: u64,
    /// Training sequences or prompts seen since the start of training.
    #[serde(default)]
    pub samples: u64,
}

/// A row of `trials.csv`: one trial of a search on one data set. The file is written where the
/// experiment has searches. Trials are measured on validation alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialRow {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the search.
    pub search: String,
    /// Name of the model or variant whose settings are searched.
    pub of: String,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// `NAME:FINGERPRINT` of the protocol.
    pub protocol: String,
    /// `grid`, `random`, `tpe` or `halving`.
    pub method: String,
    /// Number of the trial, from 1.
    pub trial: u64,
    /// The settings as a JSON object: dotted keys and values.
    pub settings: String,
    /// In successive halving, the value of the setting that bounds training; empty otherwise.
    pub resource: Option<u64>,
    /// The metric that is maximized.
    pub metric: String,
    /// Its mean over seeds; empty where the trial failed.
    pub value: Option<f64>,
    /// Standard deviation over seeds; empty for one seed.
    pub sd: Option<f64>,
    /// Seeds measured.
    pub seeds: u64,
    /// Users measured for each seed.
    pub n_users: Option<u64>,
    /// `ok`; `failed` if a stage failed or settings contradict each other; `empty` if no user is
    /// measured.
    #[schemars(with = "String")]
    pub status: Status,
    /// The error in one line; empty for a trial with a value.
    pub error: String,
    /// Recorded seconds of its training and evaluation, without stages that an earlier trial has
    /// paid for.
    pub seconds: f64,
    /// Whether it is the best trial, whose settings the cells of the search have.
    pub best: bool,
}

/// A row of `ranks/CELL.PROTOCOL.csv.gz`: one measured user. Ranks, answers and scores of
/// validation are in files `CELL.PROTOCOL.valid.csv.gz`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RankRow {
    /// The user's id in the source.
    pub user: String,
    /// The target item's id in the source.
    pub target: String,
    /// 1 + the number of greater scores + half the number of equal ones.
    pub rank: f64,
}

/// A row of `scores/CELL.PROTOCOL.csv.gz`: one candidate of one measured user. The file is written
/// where `protocol.NAME.keep_scores` is set. The rows of a user are consecutive, by descending
/// score. Equal scores are in the data set's order of items. Full ranking of more than 1,000 items
/// keeps each user's best 100 and the target. Every other protocol keeps all candidates, with
/// repetitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreRow {
    /// The user's id in the source.
    pub user: String,
    /// The candidate's id in the source.
    pub item: String,
    /// The model's score; higher is better. A CF model gives logits, an LLM the log-likelihoods of
    /// titles or the margins of yes over no. A file of scores gives its values, or `-inf` where one
    /// is missing. Scores of different models have no common scale.
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
    /// The generated text.
    pub answer: String,
    /// The title that was read from it: the text in its first pair of quotes.
    pub extracted: String,
    /// Whether `extracted` is the target's title, character by character.
    pub exact: bool,
    /// Whether `extracted` is the target's title, ignoring case, punctuation and repeated blanks.
    pub normalised: bool,
    /// Whether the target's title is anywhere between the first and the last quote: the rule of the
    /// published A-LLMRec code.
    pub substring: bool,
    /// Whether `extracted` is the title of a candidate.
    pub valid: bool,
    /// Position in the prompt, from 1, of the candidate that the answer names; empty if it names
    /// none.
    pub position: Option<u32>,
    /// Number of different titles of candidates in the text.
    pub named: u32,
}

/// A row of `conversations/CELL.PROTOCOL.csv.gz`: one of the first measured users of a question
/// about genres.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationRow {
    /// The user's id in the source.
    pub user: String,
    /// The prompt, with places of vectors in brackets.
    pub prompt: String,
    /// The generated text, or the genre of the highest likelihood.
    pub answer: String,
    /// The user's favourite genre.
    pub favourite: String,
    /// Whether the answer is valid: it names exactly one genre.
    pub valid: bool,
    /// Whether that is the favourite.
    pub correct: bool,
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
    /// Seed of the cell; scenarios that sample users differ by seed.
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
    /// Of these, users without a history: they have no interaction before the test target.
    pub without_history: u64,
    /// Share of items with a title; empty without items.
    pub with_title: Option<f64>,
    /// Share of items with a description; empty without items.
    pub with_description: Option<f64>,
    /// Items without a record in the file of items; empty where the source has no such file.
    pub items_without_record: Option<u64>,
    /// Records in the file of items whose id no interaction has; empty where there is no such file.
    pub records_without_item: Option<u64>,
    /// Records of an item after its first one; they fill its gaps. Empty where there is no such
    /// file.
    pub repeated_records: Option<u64>,
    /// Of these, records that contradict an earlier one, whose value is kept. Empty where there is
    /// no such file.
    pub conflicting_records: Option<u64>,
    /// Other counts of data preparation: interactions that filters dropped, rows and lines that
    /// were left out, and columns that were not used. Empty where there are none.
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
