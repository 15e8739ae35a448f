//! `[model.NAME.ctrl]`: CTRL, a sequential model that is first aligned with texts of histories.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::sasrec::{Sasrec, SasrecForm};
use super::stage::TrainContrast;
use super::train::{Loss, Sequences, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, Kind, Training};
use crate::config::Encoder;
use crate::config::llm::Words;

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "ctrl",
    group: Group::Trained,
    hue: Some(Hue::Amber),
    defaults: r#"
[default.model.ctrl]
prompt = "default"
sequences.whole = {}

[default.contrast]
own_negatives = true

# The network is the paper's SASRec. The A-LLMRec paper tells nothing else, so that stage 1 is CTRL's
# own (arXiv 2306.02841): InfoNCE at a temperature of 0.7 over the whole batch, width 128, AdamW to
# 5e-4. CTRL does not say how many sub-spaces there are; 3 is what the A-LLMRec authors' code has.
# Epochs of stage 1 are a choice.
[preset.paper.ctrl]
hidden_units = 50
num_blocks = 2
num_heads = 1
dropout = 0.5
maxlen = 50
form = "allmrec"
loss.bce = { negatives = 1 }
train.epochs = 200
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = {}
train.stop.fixed = {}

[preset.paper.ctrl.contrast]
loss.info_nce = { temperature = 0.7 }
width = 128
subspaces = 3
chunk = 0
text = "history_and_target"
descriptions = false
train_encoder = true
train = { epochs = 10, batch_size = 128, lr = 5e-4, warmup = 100, optimizer.adamw = {} }

# ghdtjr/A-LLMRec at e216bbc, pre_train/ctrl/model_ctrl.py: one file without a training script, so
# that rates and epochs are those of its SASRec, and epochs of stage 1 a choice. Pairs are cut into
# chunks of 32, and the text names the history twice and no target.
[preset.published_code.ctrl]
hidden_units = 50
num_blocks = 2
num_heads = 1
dropout = 0.5
maxlen = 50
form = "allmrec"
loss.bce = { negatives = 1 }
train.epochs = 200
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = { betas = [0.9, 0.98] }
train.stop.fixed = {}

[preset.published_code.ctrl.contrast]
loss.bce = {}
width = 50
subspaces = 3
chunk = 32
text = "history_twice"
descriptions = false
train_encoder = true
train = { epochs = 10, batch_size = 128, lr = 1e-3, optimizer.adam = { betas = [0.9, 0.98] } }

[default.contrast_loss.bce]

[default.contrast_loss.info_nce]
temperature = 0.7
"#,
};

/// CTRL (Li et al. 2023): stage 1 aligns the states of a SASRec with texts of the same histories.
/// Stage 2 trains it to recommend, with a linear layer on its states. No text is read after
/// stage 1. `preset = "paper"` is CTRL's own stage 1 on the network of the A-LLMRec paper;
/// `preset = "published_code"` is the code of the A-LLMRec authors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ctrl {
    /// Name of the text encoder.
    pub encoder: String,
    /// Name of the prompt, whose words for a data set (`past`, `verb`, `noun`) texts contain.
    pub prompt: String,
    /// Stage 1.
    pub contrast: Contrast,
    /// Width D of item embeddings and hidden states.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Number of self-attention blocks.
    #[schemars(range(min = 1, max = 64))]
    pub num_blocks: usize,
    /// Number of attention heads; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Dropout probability of the network, in both stages.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Positions of the input: only the last `maxlen` items of a history are read.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
    /// The network, as in `sasrec`.
    pub form: SasrecForm,
    /// The loss of stage 2.
    pub loss: Loss,
    /// What one example of stage 2 is. Stage 1 reads whole sequences.
    pub sequences: Sequences,
    /// Optimizer, epochs, early stopping of stage 2.
    pub train: Train,
}

/// Stage 1: contrastive learning of states and texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contrast {
    /// The loss.
    pub loss: ContrastLoss,
    /// Width of the space in which states and texts are compared.
    #[schemars(range(min = 1, max = 8192))]
    pub width: usize,
    /// Number M of sub-spaces, each a linear map of that width. A state and a text are compared by
    /// the largest dot product of each of the state's sub-spaces with one of the text's. These are
    /// added up. In the other direction there is one for each of the text's.
    #[schemars(range(min = 1, max = 64))]
    pub subspaces: usize,
    /// Number of pairs that are compared with each other, in the order of the batch; 0 is the whole
    /// batch. Losses of chunks are added up.
    pub chunk: usize,
    /// Whether pairs of the same user are negatives of each other.
    pub own_negatives: bool,
    /// What a text says.
    pub text: PairText,
    /// Whether titles are followed by descriptions.
    pub descriptions: bool,
    /// Whether the text encoder is trained. A `hashed` encoder cannot be trained. Texts of a frozen
    /// encoder are encoded once, before training.
    pub train_encoder: bool,
    /// Optimizer and epochs. Examples are sequences, with a pair for every item before the last.
    pub train: Train,
}

/// Losses of stage 1, over the similarities of all states and texts of a chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ContrastLoss {
    /// Binary cross-entropy: the mean over pairs plus the mean over all other combinations. A chunk
    /// of one pair has no others.
    Bce {},
    /// Cross-entropy of the own text among all texts, and of the own state among all states.
    InfoNce {
        /// Similarities are divided by this.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        temperature: f64,
    },
}

/// What the text of a history says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairText {
    /// The history, and the next item as that of interest.
    HistoryAndTarget,
    /// The history, and the history again in place of the next item, as in the A-LLMRec code.
    HistoryTwice,
}

impl CfModel for Ctrl {
    fn training(&self) -> Option<Training<'_>> {
        Some(Training {
            loss: &self.loss,
            train: &self.train,
            sequences: Some(&self.sequences),
            maxlen: Some(self.maxlen),
            l2_emb: 0.0,
            weights: None,
            weights_check: None,
        })
    }

    fn tensors(&self) -> Vec<Weight> {
        let mut list = TensorList(self.network().tensors());
        let width = Size::of("hidden_units", self.hidden_units);
        list.layer("final_layer", &[width; 2]);
        list.0
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = self.network().problems();
        let stage = &self.contrast;
        found.extend(stage.train.problems_of_llm_stage("contrast.train"));
        if stage.train.token_budget > 0 {
            let message = "`token_budget` splits steps, and pairs of a step are compared";
            found.push(
                Problem::at("contrast.train.token_budget", message)
                    .label("has no effect")
                    .hint("remove `token_budget`, or lower `batch_size`"),
            );
        }
        if stage.chunk == 1 {
            let message = "a chunk of one pair has nothing to compare it with";
            found.push(
                Problem::at("contrast.chunk", message)
                    .label("expected at least 2, or 0 for the whole batch")
                    .hint("the published code has 32"),
            );
        }
        if !stage.own_negatives && stage.train.batch_size == 1 {
            let message = "a batch of one sequence has no pair of another user";
            found.push(
                Problem::at("contrast.own_negatives", message)
                    .label("leaves nothing to compare")
                    .hint("raise `contrast.train.batch_size`, or write `own_negatives = true`"),
            );
        }
        found
    }

    fn problems_with_encoder(&self, encoder: &Encoder) -> Option<Problem> {
        match (self.contrast.train_encoder, encoder) {
            (true, Encoder::Hashed(_)) => {
                let name = &self.encoder;
                let message = format!("encoder `{name}` is `hashed`, which has nothing to train");
                Some(
                    Problem::at("contrast.train_encoder", message)
                        .label("expected `contrast.train_encoder = false`")
                        .hint("write `contrast.train_encoder = false`, or name a `pretrained` encoder"),
                )
            }
            (false, _) | (true, Encoder::Pretrained(_)) => None,
        }
    }
}

impl Ctrl {
    /// The network without the linear layer on its states.
    pub fn network(&self) -> Sasrec {
        Sasrec {
            hidden_units: self.hidden_units,
            num_blocks: self.num_blocks,
            num_heads: self.num_heads,
            dropout: self.dropout,
            maxlen: self.maxlen,
            form: self.form,
            inner_units: None,
            activation: None,
            norm_eps: None,
            scale_items: None,
            padding: None,
            output_table: false,
            output_bias: false,
            loss: self.loss.clone(),
            sequences: self.sequences.clone(),
            l2_emb: 0.0,
            train: self.train.clone(),
            weights: None,
            weights_check: None,
        }
    }

    /// Settings of stage 1. They do not depend on those of stage 2.
    pub fn contrast_stage(&self, encoder: Encoder, words: Words, seed: u64) -> TrainContrast {
        TrainContrast {
            network: Sasrec {
                // It draws no negatives.
                loss: Loss::FullSoftmax {},
                sequences: Sequences::Whole {},
                train: self.contrast.train.clone(),
                ..self.network()
            },
            contrast: self.contrast.clone(),
            encoder,
            words,
            seed,
        }
    }
}
