//! Settings that LLM methods share, and the trait of a method.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tune;
use super::problem::Problem;
pub use super::project::{Adapters, Curriculum, Project, ProjectionStart, RankingLoss};
use super::stage::{PromptedLlm, Settings};
use crate::config::Encoder;
use crate::config::llm::Prompt;
pub use crate::config::llm::ScoreBy;
use crate::config::protocol::Candidates;
use crate::metric::Metric;

/// Defaults of the settings that LLM methods share.
pub const DEFAULTS: &str = r#"
[default.project]
one_item = "skip"
candidates = {}
hidden_layers = 1
start = "xavier"
max_samples = 0
validate = {}

# MRR among 20 candidates: less noisy than Hit@1 on the same users.
[default.validation]
every = 0
users = 500
metric = "mrr"
patience = 0
candidates.uniform = { n = 19 }

[default.training_candidates]
drawn = "each_epoch"
exclude = "training"

[default.inference.score]
by = "sum"
orders = 1

[default.inference.generate]
max_new_tokens = 64
repetition_penalty = 1.0
penalise_eos = false
stop_at_quote = true
accept = "exact"

[default.inference.constrained]
"#;

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
    /// Dropout on the adapters' input.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Modules that get adapters, by the last part of their name, such as `q_proj`.
    pub targets: Vec<String>,
}

/// A method that queries a language model.
pub trait LlmMethod {
    /// Name of the language model.
    fn llm(&self) -> &str;

    /// Name of the prompt.
    fn prompt(&self) -> &str;

    /// Whether the prompt's template is used. A method with its own question uses only the prompt's
    /// words and numbers.
    fn uses_template(&self) -> bool {
        true
    }

    /// How an answer is read; `None` where candidates are always ranked by the likelihood of a yes
    /// or of a letter, or by vectors.
    fn inference(&self) -> Option<&Inference>;

    /// Whether users and items have vectors, whose dot products rank. Such a method answers no
    /// prompt, and can rank all items.
    fn ranks_by_vectors(&self) -> bool {
        false
    }

    /// Number of letters that can name the candidates of a prompt; `None` where none has a letter.
    fn letters(&self) -> Option<usize> {
        None
    }

    /// Name of the CF model that the method reads.
    fn backbone(&self) -> Option<&str> {
        None
    }

    /// Name of the text encoder.
    fn encoder(&self) -> Option<&str> {
        None
    }

    /// Which vectors the prompt contains.
    fn vectors(&self) -> Vectors {
        Vectors {
            user: false,
            item: ItemEmbedding::None,
            text_below: 0,
        }
    }

    /// The training stages, in order. Each stage reads the artefacts of earlier ones.
    fn stages(&self, _context: &StageContext<'_>) -> Vec<Settings> {
        Vec::new()
    }

    /// Validation while the method is trained, with the dotted key of its settings; `None` where
    /// nothing is trained by answers.
    fn validation(&self) -> Option<(&'static str, &Validation)> {
        None
    }

    /// Adapters of the language model; `None` where it is frozen.
    fn tuned(&self) -> Option<Tune> {
        None
    }

    /// Settings that contradict each other, or what the method refers to.
    fn problems(&self, _context: &ProblemContext<'_>) -> Vec<Problem> {
        Vec::new()
    }
}

/// Which vectors a prompt contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors {
    /// Whether the user representation begins the prompt.
    pub user: bool,
    /// The vector after each title.
    pub item: ItemEmbedding,
    /// Items with fewer training interactions than this have their text's vector instead.
    pub text_below: u64,
}

/// Context from which a method builds its stages.
#[derive(Clone, Copy, Debug)]
pub struct StageContext<'a> {
    /// The language model with its prompt and vectors.
    pub llm: &'a PromptedLlm,
    /// The text encoder, where the method has one.
    pub encoder: Option<&'a Encoder>,
    /// The cell's seed.
    pub seed: u64,
    /// Maximum number of prompt tokens in a forward pass of validation.
    pub token_budget: usize,
}

/// Context in which a method's settings are checked.
#[derive(Clone, Copy, Debug)]
pub struct ProblemContext<'a> {
    /// The text encoder that the method refers to, where it is declared.
    pub encoder: Option<&'a Encoder>,
    /// Modules of the language model that can have adapters; `None` where its files are not
    /// available.
    pub modules: Option<&'a [&'a str]>,
    /// The prompt that the method refers to, where it is declared.
    pub prompt: Option<&'a Prompt>,
}

/// The vector after a title in the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemEmbedding {
    /// e, from the CF model's item embedding.
    Joint,
    /// q, from the item's text: the paper's "(SBERT)". Training uses e, inference q.
    Text,
    /// No vector: titles only.
    None,
    /// Random vectors that are not trained (table 9, row 4).
    Random,
    /// Random vectors that are trained with the projections. The paper does not say whether its
    /// random vectors are.
    RandomTrained,
}

/// Validation of an LLM method while it is trained: the same users are ranked after every number
/// of samples, and the best weights are kept. Prompts are those of the model, and candidates are
/// ranked as in its `inference`; by the sum of log-likelihoods where it generates titles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Number of prompts trained on between two validations; 0: no validation, and the last weights
    /// are kept. The first validation is before training, the last after it.
    pub every: u64,
    /// Number of users, drawn at random by the seed; 0 takes all. They are users of the training
    /// with a validation target.
    pub users: u64,
    /// The metric that decides which weights are kept.
    pub metric: Metric,
    /// Validations without an improvement before training ends; 0: it does not end early.
    pub patience: u32,
    /// Candidates in validation.
    pub candidates: Candidates,
}

impl Validation {
    /// Whether there is any.
    pub fn is_on(&self) -> bool {
        self.every > 0
    }

    /// The metrics that are recorded: Hit@1, MRR and the one that decides.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut metrics = vec![Metric::Hit(1), Metric::Mrr];
        if !metrics.contains(&self.metric) {
            metrics.push(self.metric);
        }
        metrics
    }

    /// Settings without an effect, and candidates that a prompt cannot have; `key` is the dotted
    /// key of these settings.
    pub fn problems(&self, key: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.patience > 0 && !self.is_on() {
            let message = "`patience` has no effect: training is not validated";
            found.push(
                Problem::at(format!("{key}.patience"), message)
                    .label("expected `every` above 0 with it")
                    .hint("write for example `every = 1000`, the prompts between two validations"),
            );
        }
        let (kind, message) = match &self.candidates {
            Candidates::Uniform { .. } | Candidates::Popularity { .. } => return found,
            Candidates::Full { .. } => ("full", "a language model ranks lists of candidates"),
            Candidates::File(_) => (
                "file",
                "candidates from a file belong to a protocol, and validation in training draws its own",
            ),
            Candidates::FavouriteGenre(_) => (
                "favourite_genre",
                "the question about genres belongs to a protocol: nothing is trained for it",
            ),
        };
        found.push(
            Problem::at(format!("{key}.candidates.{kind}"), message)
                .label("expected `uniform` or `popularity`")
                .hint("for example `candidates.uniform = { n = 19 }`"),
        );
        found
    }
}

/// Which items of a training sequence are targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// The last one.
    #[default]
    Last,
    /// All but the first (the paper's A-LLMRec_all).
    All,
}

impl Targets {
    /// Whether only the last item is a target.
    pub fn is_last(&self) -> bool {
        *self == Targets::Last
    }
}

/// What happens to users with one training item, who have no item before it. Users without training
/// items are always skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OneItem {
    /// They are skipped.
    Skip,
    /// Their item is a target without a history.
    EmptyHistory,
    /// Padding is their target, without a history, as in the authors' code. In stage 1 it is its
    /// own negative; in a prompt it is called `No Title`.
    Padding,
}

/// How the candidates of a training prompt, other than the target, are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingCandidates {
    /// How often they are drawn.
    pub drawn: Drawn,
    /// Which items are left out.
    pub exclude: Exclude,
}

/// How often candidates are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// Again in every epoch.
    EachEpoch,
    /// Once for each target: its prompt is the same in all epochs.
    Once,
}

/// Items that cannot be drawn as candidates next to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exclude {
    /// All of the user's training items, so that the target is listed once.
    Training,
    /// Only the items of the history, as in the authors' code. The target may be drawn again and
    /// then appears twice.
    History,
}

/// How an answer is read from the language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Inference {
    /// Candidates are ranked by the likelihood of their titles.
    Score {
        /// How the log-likelihoods of a title's tokens are combined.
        by: ScoreBy,
        /// Prompts for each user, each with the candidates in another order; a candidate's scores
        /// are averaged. Hou et al. 2024 (Large Language Models are Zero-Shot Rankers) call it
        /// bootstrapping. The cost of inference grows with this number.
        #[schemars(range(min = 1, max = 64))]
        orders: usize,
    },
    /// A title is generated by greedy decoding. Only `hit@1` can be measured.
    Generate {
        /// Maximum number of tokens in an answer.
        #[schemars(range(min = 1, max = 4096))]
        max_new_tokens: usize,
        /// Penalty on tokens that were generated before; 1 turns it off. The authors' code has 1.5.
        #[schemars(range(min = 1.0, max = 10.0))]
        repetition_penalty: f64,
        /// Whether the end-of-text token is penalised from the first step on, as transformers 4.32
        /// does for OPT.
        penalise_eos: bool,
        /// Whether generation ends with the title's closing quote.
        stop_at_quote: bool,
        /// Which answers count as a hit.
        accept: Accept,
    },
    /// The title of a candidate is generated: greedy decoding, restricted to the tokens of
    /// candidates' titles. Only `hit@1` can be measured.
    Constrained {},
}

impl Inference {
    /// The kind of an inference that answers with one title, so that candidates have no scores;
    /// `None` for likelihoods.
    pub fn one_title(&self) -> Option<&'static str> {
        match self {
            Inference::Generate { .. } => Some("generate"),
            Inference::Constrained {} => Some("constrained"),
            Inference::Score { .. } => None,
        }
    }
}

/// Which generated answers count as a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// The exact title, without surrounding white space.
    Exact,
    /// The title in lower case, without punctuation and repeated white space.
    Normalised,
    /// The title anywhere in the answer, as in the authors' code.
    Substring,
    /// The title, as whole words and without the title of another candidate. Answers that name
    /// exactly one candidate are valid.
    Alone,
}
