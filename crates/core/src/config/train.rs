//! `train = { ... }` and `loss.KIND = { ... }`: shared by every trained model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::protocol::Candidates;
use crate::metric::Metric;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Most epochs; exactly so many without early stopping.
    #[schemars(range(min = 1, max = 1000000))]
    pub epochs: u32,
    /// What one training example is.
    pub sequences: Sequences,
    /// Examples (sequences) of a step.
    #[schemars(range(min = 1, max = 1000000))]
    pub batch_size: usize,
    /// Learning rate.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// L2 penalty on the item embedding table as in SASRec's code (`l2_emb`), or on the output table where the model has one;
    /// 0 is none.
    #[schemars(range(min = 0.0))]
    pub l2_emb: f64,
    /// Gradient norm above which gradients are scaled down; 0 is no clipping.
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
    /// When training ends and which weights are kept.
    pub stop: Stop,
}

/// What one training example is made of, for models that read sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sequences {
    /// One example a user: the last `maxlen` items before the newest one, with a target at every position. Older items of long
    /// histories are not used.
    Whole {},
    /// One example for every item but a user's first: the `maxlen` items before it, and it alone as the target, at the last
    /// position. RecBole calls this data augmentation.
    Prefixes {},
    /// Windows of `maxlen` items, counted back from the newest item, with a target at every position. The oldest window
    /// may be shorter.
    Windows {
        /// Items from one window to the next; 0 is `maxlen`, so that every item is a target once. A smaller stride makes
        /// windows overlap, and then a target counts once in each.
        stride: usize,
    },
}

/// An optimiser with its own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015); weight decay is L2 in the gradient, as in PyTorch.
    Adam {
        /// Decay rates of the two moments.
        betas: [f64; 2],
        /// Term in the denominator.
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
        /// Term in the denominator.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        /// Decoupled decay factor.
        #[schemars(range(min = 0.0))]
        weight_decay: f64,
    },
    /// Adagrad (Duchi et al. 2011), PyTorch's form.
    Adagrad {
        /// Starting value of the squared-gradient sum.
        #[schemars(range(min = 0.0))]
        initial_accumulator: f64,
        /// Term in the denominator.
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
        /// Epochs between two validations that are only recorded; 0: none.
        validate_every: u32,
    },
    /// When `metric` on the validation targets has not risen for `patience` validations; the best weights are kept.
    Early {
        /// The metric that decides.
        metric: Metric,
        /// Validations without a rise before training ends.
        #[schemars(range(min = 1))]
        patience: u32,
        /// Epochs between two validations.
        #[schemars(range(min = 1))]
        every: u32,
        /// Candidates of the validation.
        candidates: Candidates,
    },
}

/// A training loss over (state, next item) pairs. Negatives are uniform over the items that the user has not in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Binary cross-entropy on the target and on sampled negatives.
    Bce {
        /// Negatives of a target.
        #[schemars(range(min = 1))]
        negatives: usize,
    },
    /// Bayesian personalised ranking.
    Bpr {
        /// Negatives of a target.
        #[schemars(range(min = 1))]
        negatives: usize,
    },
    /// Cross-entropy over all items.
    FullSoftmax {},
    /// Cross-entropy over the target and sampled negatives shared by the batch, uncorrected.
    SampledSoftmax {
        /// Negatives of a batch.
        #[schemars(range(min = 1))]
        negatives: usize,
    },
    /// TOP1-max (Hidasi and Karatzoglou 2018) over the other targets of the batch and, beyond them, shared samples.
    Top1Max {
        /// Shared negatives beyond the other targets of the batch.
        negatives: usize,
    },
}
