//! `train = { ... }` and `loss.KIND = { ... }`: shared by all trained models.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::config::protocol::Candidates;
use crate::metric::Metric;

/// Defaults of training settings and losses.
pub const DEFAULTS: &str = r#"
[default.train]
clip_norm = 0.0
warmup = 0
decay = "none"
token_budget = 0
out_of_memory = "fail"
optimizer.adam = {}
stop.fixed = {}

# PyTorch's defaults.
[default.optimizer.adam]
betas = [0.9, 0.999]
eps = 1e-8
weight_decay = 0.0

[default.optimizer.adamw]
betas = [0.9, 0.999]
eps = 1e-8
weight_decay = 0.01

[default.optimizer.adagrad]
initial_accumulator = 0.0
eps = 1e-10
weight_decay = 0.0

[default.sequences.whole]

[default.sequences.prefixes]

# Windows that follow one another without overlap.
[default.sequences.windows]
stride = 0

[default.stop.fixed]
validate_every = 0

# The validation that pmixer/SASRec.pytorch prints: NDCG@10 among 100 negatives.
[default.stop.early]
metric = "ndcg@10"
patience = 5
every = 5
candidates.uniform = { n = 100 }

[default.loss.bce]
negatives = 1

[default.loss.bpr]
negatives = 1

[default.loss.full_softmax]

[default.loss.sampled_softmax]
negatives = 256

# asash/gSASRec-pytorch, config_ml1m.py.
[default.loss.gbce]
negatives = 256
t = 0.75

# GRU4Rec's later paper samples 2,048; the other targets of the batch come first.
[default.loss.top1_max]
negatives = 0
"#;

/// How a model, or a stage of a method, is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Maximum number of epochs; the exact number without early stopping.
    #[schemars(range(min = 1, max = 1000000))]
    pub epochs: u32,
    /// Examples in a step: sequences of a CF model, users of an LLM method.
    #[schemars(range(min = 1, max = 1000000))]
    pub batch_size: usize,
    /// Learning rate.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Gradient norm above which gradients are scaled down; 0 turns clipping off.
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
    /// Steps in which the learning rate rises linearly from 0.
    pub warmup: u64,
    /// How the learning rate falls after the warm-up, over all steps of all epochs.
    pub decay: Decay,
    /// Maximum number of tokens in a forward pass; 0: no limit. A step is split into micro-batches
    /// of examples of similar length, counted as padded length times examples. Their gradients are
    /// accumulated, and equal those of the whole step up to rounding. An example above the limit is
    /// a micro-batch alone. In alignment, tokens are those of a trained text encoder; with a frozen
    /// one, each target counts as 1. CF models have no micro-batches and need 0.
    pub token_budget: usize,
    /// What happens when the device runs out of memory. CF models have no micro-batches and need
    /// `fail`.
    pub out_of_memory: OutOfMemory,
    /// When training ends, and which weights are kept. LLM methods need `fixed`: they have a
    /// separate `validate`.
    pub stop: Stop,
}

/// What one training example is, for models that read sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sequences {
    /// One example for each user: the last `maxlen` items before the newest one, with a target at
    /// every position. Older items of long histories are not used.
    Whole {},
    /// One example for every item but a user's first: the `maxlen` items before it, with this item
    /// as the only target, at the last position. RecBole calls this data augmentation.
    Prefixes {},
    /// Windows of `maxlen` items, counted back from the newest item, with a target at every
    /// position. The oldest window may be shorter.
    Windows {
        /// Items from one window to the next. 0 is `maxlen`: every item is a target once. With a
        /// smaller stride windows overlap, and a target counts once in each.
        stride: usize,
    },
    /// One example for each user and epoch, with one target: a position drawn from all of the
    /// sequence, the first one included. RECFORMER alone is trained so.
    #[serde(skip)]
    #[schemars(skip)]
    Drawn {},
}

/// An optimizer with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015); weight decay is L2 in the gradient, as in PyTorch.
    Adam {
        /// Decay rates of the two moments.
        betas: [f64; 2],
        /// Term added to the denominator.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        /// L2 factor.
        #[schemars(range(min = 0.0))]
        weight_decay: f64,
    },
    /// AdamW (Loshchilov and Hutter 2019): decoupled weight decay.
    Adamw {
        /// Decay rates of the two moments.
        betas: [f64; 2],
        /// Term added to the denominator.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        /// Decoupled decay factor.
        #[schemars(range(min = 0.0))]
        weight_decay: f64,
    },
    /// Adagrad (Duchi et al. 2011), as in PyTorch.
    Adagrad {
        /// Starting value of the squared-gradient sum.
        #[schemars(range(min = 0.0))]
        initial_accumulator: f64,
        /// Term added to the denominator.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        /// L2 factor.
        #[schemars(range(min = 0.0))]
        weight_decay: f64,
    },
}

/// When training ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stop {
    /// After `epochs`; the last weights are kept, as the A-LLMRec code does.
    Fixed {
        /// Epochs between two validations, which are only recorded; 0: no validation.
        validate_every: u32,
    },
    /// When `metric` on the validation targets has not improved for `patience` validations. The
    /// best weights are kept.
    Early {
        /// The metric that is monitored.
        metric: Metric,
        /// Validations without an improvement before training ends.
        #[schemars(range(min = 1))]
        patience: u32,
        /// Epochs between two validations.
        #[schemars(range(min = 1))]
        every: u32,
        /// Candidates in validation.
        candidates: Candidates,
    },
}

/// A training loss over pairs of a state and the next item. Negatives of `bce` and `bpr` are drawn
/// uniformly from items that are not in the user's training sequence, all others from all items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Binary cross-entropy on the target and on sampled negatives.
    Bce {
        /// Negatives for each target.
        #[schemars(range(min = 1))]
        negatives: usize,
    },
    /// Bayesian personalised ranking (BPR).
    Bpr {
        /// Negatives for each target.
        #[schemars(range(min = 1))]
        negatives: usize,
    },
    /// Cross-entropy over all items.
    FullSoftmax {},
    /// Generalised binary cross-entropy (Petrov and Macdonald 2023, gSASRec): the logit of the
    /// target is calibrated for the rate of sampling. Each target has its own negatives; the
    /// user's items and the target itself may be drawn, as in asash/gSASRec-pytorch.
    Gbce {
        /// Negatives for each target.
        #[schemars(range(min = 1))]
        negatives: usize,
        /// Calibration: 0 is binary cross-entropy, 1 gives calibrated probabilities.
        #[schemars(range(min = 0.0, max = 1.0))]
        t: f64,
    },
    /// Cross-entropy over the target and sampled negatives, without correction for the sampling.
    SampledSoftmax {
        /// Negatives for each batch, or for each target with `per_target`.
        #[schemars(range(min = 1))]
        negatives: usize,
        /// Whether each target has its own negatives, as in RecTools. The target itself may then
        /// be drawn and counts as a negative. Otherwise a batch shares its negatives, and one that
        /// is the target does not count.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        per_target: bool,
    },
    /// TOP1-max (Hidasi and Karatzoglou 2018) over the other targets of the batch and additional
    /// shared samples.
    Top1Max {
        /// Shared negatives in addition to the other targets of the batch.
        negatives: usize,
    },
}

/// How the learning rate falls after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It does not fall, as in A-LLMRec's code.
    None,
    /// Linearly to 0, as in the trainer of transformers, which TALLRec uses.
    Linear,
    /// Along half a cosine to a tenth of the peak.
    Cosine,
    /// Along half a cosine to a hundredth of the peak, as in LLaRA's code.
    CosineToHundredth,
    /// By 5 % after every tenth of an epoch, as in LLM-SRec's code.
    Stepwise,
}

/// What happens when the device runs out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutOfMemory {
    /// The stage fails, and the error names the batch size.
    Fail,
    /// The batch is halved into micro-batches whose gradients are accumulated. The result says so.
    Halve,
}

impl Train {
    /// Settings that a stage of an LLM method does not support; `key` is the dotted key of these
    /// settings.
    pub fn problems_of_llm_stage(&self, key: &str) -> Vec<Problem> {
        let mut found = self.problems(key);
        if self.stop != (Stop::Fixed { validate_every: 0 }) {
            let message = "`stop` counts epochs of CF models, and this is a stage of an LLM method";
            found.push(
                Problem::at(format!("{key}.stop"), message)
                    .label("expected `stop.fixed = {}`")
                    .hint(
                        "remove `stop`; `project.validate` and `tune.validate` validate by samples",
                    ),
            );
        }
        found
    }

    /// Settings that a CF model does not support; `key` is the dotted key of these settings.
    pub fn problems_of_cf_model(&self, key: &str) -> Vec<Problem> {
        let mut found = self.problems(key);
        let (field, hint) = match (self.token_budget, self.out_of_memory) {
            (0, OutOfMemory::Fail) => return found,
            (0, OutOfMemory::Halve) => (
                "out_of_memory",
                "remove `out_of_memory`, or lower `batch_size`",
            ),
            _ => (
                "token_budget",
                "remove `token_budget`, or lower `batch_size`",
            ),
        };
        let message =
            format!("`{field}` splits steps into micro-batches, which CF models do not have");
        found.push(
            Problem::at(format!("{key}.{field}"), message)
                .label("has no effect")
                .hint(hint),
        );
        found
    }

    fn problems(&self, key: &str) -> Vec<Problem> {
        let (kind, betas) = match &self.optimizer {
            Optimizer::Adam { betas, .. } => ("adam", betas.as_slice()),
            Optimizer::Adamw { betas, .. } => ("adamw", betas.as_slice()),
            Optimizer::Adagrad { .. } => ("adagrad", [].as_slice()),
        };
        let wrong = betas
            .iter()
            .enumerate()
            .filter(|(_, beta)| !(0.0..1.0).contains(*beta));
        let problem = |(at, beta): (usize, &f64)| {
            let key = format!("{key}.optimizer.{kind}.betas.{at}");
            Problem::at(key, format!("`{beta}` is not a decay rate"))
                .label("expected a number of at least 0 and below 1")
        };
        wrong.map(problem).collect()
    }
}
