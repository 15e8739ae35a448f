//! `[model.NAME.allmrec]` and the other kinds that ask a language model: A-LLMRec, LLM-Only, MLP-LLM and TALLRec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::train::Optimizer;

/// Whether a setting says what was done before there was a choice. Such a setting is no part of a key, so that what was made
/// before counts as made with it.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What was done before the depth of projections was a setting.
fn one() -> usize {
    1
}

/// [`is_default`] for the depth of projections.
fn is_one(layers: &usize) -> bool {
    *layers == one()
}

/// A-LLMRec (Kim et al. 2024): a frozen CF model aligned with item texts, projected into a frozen language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allmrec {
    /// Name of the CF model.
    pub backbone: String,
    /// Name of the text encoder.
    pub encoder: String,
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// Stage 1.
    pub align: Align,
    /// The vector after each title.
    pub item: ItemEmbedding,
    /// With `item = "joint"`: items with fewer training interactions than this are read with q in place of e, as with
    /// `item = "text"`; trained with e. The paper says that q is for items that lack interactions (section 4.1.4), and not
    /// how many are too few.
    #[serde(default, skip_serializing_if = "is_none")]
    pub text_below: u64,
    /// Whether the user representation stands in front of the prompt.
    pub user: bool,
    /// Stage 2.
    pub project: Project,
    /// How an answer is read.
    pub inference: Inference,
}

/// The language model alone, zero-shot, with titles and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlmOnly {
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// How an answer is read.
    pub inference: Inference,
}

/// The CF model's own vectors, projected by MLPs into a frozen language model, without stage 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlpLlm {
    /// Name of the CF model.
    pub backbone: String,
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// Training of the projections.
    pub project: Project,
    /// How an answer is read.
    pub inference: Inference,
}

/// TALLRec (Bao et al. 2023): LoRA on the language model, titles only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tallrec {
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt; the form `yes_no` takes only its numbers and words.
    pub prompt: String,
    /// What is asked: for a title (as the A-LLMRec paper does) or for yes or no (as TALLRec does).
    pub form: TallrecForm,
    /// The adapters.
    pub lora: Lora,
    /// Whether the loss counts the prompt's tokens too.
    pub train_on_inputs: bool,
    /// What becomes of users with one training item.
    #[serde(default, skip_serializing_if = "is_default")]
    pub one_item: OneItem,
    /// The candidates of a training prompt in the form `title`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub candidates: TrainingCandidates,
    /// Training of the adapters.
    pub train: Fit,
    /// How an answer is read in the form `title`.
    pub inference: Inference,
}

/// What TALLRec is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TallrecForm {
    /// For the next title among candidates.
    Title,
    /// Whether the user likes one item; ranked by the likelihood of `Yes`.
    YesNo,
}

/// Low-rank adapters (Hu et al. 2022).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Rank r of the update.
    #[schemars(range(min = 1, max = 1024))]
    pub rank: usize,
    /// The update is scaled by alpha / r.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub alpha: f64,
    /// Dropout on the adapter's input.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Modules that are adapted, by their last name, such as `q_proj`.
    pub targets: Vec<String>,
}

/// Stage 1: auto-encoders of items and texts and their losses (A-LLMRec paper, equations 2 to 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Align {
    /// Width d' of the encoders.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Weight of the matching loss (equation 2); 0 leaves it out.
    #[schemars(range(min = 0.0))]
    pub matching: f64,
    /// Weight alpha of the items' reconstruction (equation 3).
    #[schemars(range(min = 0.0))]
    pub item_recon: f64,
    /// Weight beta of the texts' reconstruction (equation 4).
    #[schemars(range(min = 0.0))]
    pub text_recon: f64,
    /// Weight of the recommendation loss (equation 5).
    #[schemars(range(min = 0.0))]
    pub rec: f64,
    /// How user and item are compared in the recommendation loss.
    pub rec_score: RecScore,
    /// Whether matching and reconstruction count negatives too, as the code does.
    pub negatives: bool,
    /// Whether the encoders end in a sigmoid, as the code's do.
    pub sigmoid: bool,
    /// Whether the text encoder is trained; a `hashed` one cannot be.
    pub train_encoder: bool,
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// What becomes of users with one training item.
    #[serde(default, skip_serializing_if = "is_default")]
    pub one_item: OneItem,
    /// The order of users in an epoch.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: UserOrder,
    /// Whether the frozen CF model keeps its dropout, as the code's does.
    pub backbone_dropout: bool,
    /// How title and description become one text.
    pub text: ItemText,
    /// Epochs, batch, optimiser.
    pub train: Fit,
}

/// How a user and an item are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecScore {
    /// The dot product (the paper).
    Dot,
    /// The mean over dimensions of the product, a dot product divided by the width (the code).
    Mean,
}

/// Which items of a training sequence are targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// The last one.
    Last,
    /// Every one but the first (the paper's A-LLMRec_all).
    All,
}

/// What becomes of users with one training item, who have no item before it. Users without any are always skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneItem {
    /// They are skipped.
    #[default]
    Skip,
    /// Their item is a target without a history.
    EmptyHistory,
    /// Padding is their target, without a history, as in the code: in stage 1 it is its own negative, in a prompt it is called
    /// `No Title`.
    Padding,
}

/// The order of users in an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserOrder {
    /// A new random one in every epoch.
    #[default]
    Shuffled,
    /// That of their numbers, the same in every epoch, as in the code's stage 1.
    Numbered,
}

/// How the candidates of a training prompt are drawn beside the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingCandidates {
    /// How often.
    pub drawn: Drawn,
    /// What is left out.
    pub exclude: Exclude,
}

/// How often candidates are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// Anew in every epoch.
    #[default]
    EachEpoch,
    /// Once for every user's targets: a prompt is the same in all epochs.
    Once,
}

/// Which items are no candidates beside the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exclude {
    /// All of the user's training items: the target is told once.
    #[default]
    Training,
    /// Those of the history alone, as in the code: the target may be drawn again beside itself.
    History,
}

/// An item's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemText {
    /// Title and description in quotes, separated by a comma (the code).
    Quoted,
    /// `Title: ..., Description: ...` (the paper).
    Labelled,
}

/// The vector after a title in the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemEmbedding {
    /// e, from the CF model's item embedding.
    Joint,
    /// q, from the item's text: the paper's "(SBERT)". Trained with e, read with q.
    Text,
    /// No vector: titles only.
    None,
    /// Random vectors that stay as they are (table 9, row 4).
    Random,
    /// The same random vectors, trained with the projections: the paper does not say whether they are.
    RandomTrained,
}

/// Stage 2: projections of user and items into the language model (equations 7 and 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// What becomes of users with one training item.
    #[serde(default, skip_serializing_if = "is_default")]
    pub one_item: OneItem,
    /// The candidates of a training prompt.
    #[serde(default, skip_serializing_if = "is_default")]
    pub candidates: TrainingCandidates,
    /// Hidden layers of each projection, every one a linear map, a norm and a bend; the code's have one, 0 is a linear map
    /// alone.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 0, max = 16))]
    pub hidden_layers: usize,
    /// Whether the frozen CF model keeps its dropout, as the code's does.
    pub backbone_dropout: bool,
    /// Epochs, batch, optimiser.
    pub train: Fit,
}

/// How a stage of a language-model method is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// Passes over the users.
    #[schemars(range(min = 1, max = 1000000))]
    pub epochs: u32,
    /// Users of a step.
    #[schemars(range(min = 1, max = 1000000))]
    pub batch_size: usize,
    /// Learning rate.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Gradient norm above which gradients are scaled down; 0 is no clipping.
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
    /// Steps in which the learning rate rises from 0.
    pub warmup: u64,
    /// How the learning rate falls after the warm-up, over all steps of all epochs.
    pub decay: Decay,
    /// Most tokens that are computed together; 0 is no bound. A step is cut into parts of examples of like length, counted
    /// as if each were as long as the part's longest, and the gradients are added up: up to rounding they are the whole
    /// step's. An example that is longer is computed alone. In alignment, tokens are the pieces that a trained text
    /// encoder reads, and 1 a target with a frozen one.
    #[serde(default, skip_serializing_if = "is_unbounded")]
    pub token_budget: usize,
    /// What happens when the device's memory runs out.
    pub out_of_memory: OutOfMemory,
}

/// How the learning rate falls after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Not at all, as in A-LLMRec's code.
    None,
    /// Along a line to 0, as in the trainer of transformers, which TALLRec uses.
    Linear,
    /// Along half a cosine to a tenth.
    Cosine,
}

/// Left out then, so that keys of stages and specs of results are those from before any item could be read so.
pub(crate) fn is_none(text_below: &u64) -> bool {
    *text_below == 0
}

/// Left out then, so that keys of stages and specs of results are those from before there was a budget.
fn is_unbounded(token_budget: &usize) -> bool {
    *token_budget == 0
}

/// What happens when the device's memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutOfMemory {
    /// The stage fails and says which batch size was tried.
    Fail,
    /// The batch is halved into parts whose gradients are added up; the result says so.
    Halve,
}

/// How an answer is read from the language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Inference {
    /// Candidates are ranked by the likelihood of their titles.
    Score {
        /// What of a title's tokens ranks it.
        by: ScoreBy,
        /// How often a user is asked, each time with the candidates in another order; a candidate's scores are averaged. Hou et
        /// al. 2024 (Large Language Models are Zero-Shot Rankers) call it bootstrapping. Costs as many times the inference.
        #[schemars(range(min = 1, max = 64))]
        #[serde(default = "once", skip_serializing_if = "is_once")]
        orders: usize,
    },
    /// A title is generated token by token, the likeliest first; only `hit@1` can be measured.
    Generate {
        /// Most tokens of an answer.
        #[schemars(range(min = 1, max = 4096))]
        max_new_tokens: usize,
        /// Penalty on tokens that were generated before; 1 is none (the code: 1.5).
        #[schemars(range(min = 1.0, max = 10.0))]
        repetition_penalty: f64,
        /// Whether the end-of-text token is penalised from the first step on, as transformers 4.32 does for OPT.
        penalise_eos: bool,
        /// Whether generation ends with the title's closing quote.
        stop_at_quote: bool,
        /// Which answers count as a hit.
        accept: Accept,
    },
    /// A candidate's title is generated: greedy along the tokens of the candidates' titles; only `hit@1` can be measured.
    Constrained {},
}

fn once() -> usize {
    1
}

/// Once is left unsaid, so that artefacts from before there was a choice keep their keys.
#[allow(clippy::trivially_copy_pass_by_ref)] // The form that serde wants.
fn is_once(orders: &usize) -> bool {
    *orders == once()
}

/// What of a title's tokens ranks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreBy {
    /// The sum of log-likelihoods.
    Sum,
    /// Their mean, so that a long title is not worse for its length.
    Mean,
}

/// Which generated answers count as a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// The title, letter by letter, without surrounding blanks.
    Exact,
    /// The title after lower-casing and dropping punctuation and double blanks.
    Normalised,
    /// The title anywhere in the answer: the code's rule.
    Substring,
}
