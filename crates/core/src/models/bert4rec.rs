//! `[model.NAME.bert4rec]`: BERT4Rec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::{Problem, divisors};
use super::train::{Loss, Sequences, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, Kind, Training};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "bert4rec",
    group: Group::Trained,
    hue: Some(Hue::Indigo),
    defaults: r#"
[default.model.bert4rec]
last_prob = 0.0
random_prob = 0.0
keep_prob = 0.0
sequences.whole = {}
l2_emb = 0.0

# Sun et al. 2019, section 4.3, for Beauty; ML-1M has `mask_prob = 0.2` and `maxlen = 200`. It names
# no number of epochs and no dropout: these are those of the A-LLMRec paper's other models and of
# RecBole. Steps are chosen by validation.
[preset.paper.bert4rec]
hidden_units = 64
num_blocks = 2
num_heads = 2
inner_units = 256
dropout = 0.2
maxlen = 50
mask_prob = 0.6
loss.full_softmax = {}
train.epochs = 200
train.batch_size = 256
train.lr = 1e-4
train.optimizer.adamw = { weight_decay = 0.01 }
train.clip_norm = 5.0
train.decay = "linear"
train.stop.early = {}

# RecBole's properties/model/BERT4Rec.yaml and properties/overall.yaml. Every prefix of a sequence is
# an example, and half of them hide their last item alone (`ft_ratio`).
[preset.upstream.bert4rec]
hidden_units = 64
num_blocks = 2
num_heads = 2
inner_units = 256
dropout = 0.2
maxlen = 50
mask_prob = 0.2
last_prob = 0.5
sequences.prefixes = {}
loss.full_softmax = {}
train.epochs = 300
train.batch_size = 2048
train.lr = 1e-3
train.optimizer.adam = {}
train.stop.early = { metric = "mrr@10", every = 1, patience = 10, candidates = { full = { seen = "keep" } } }
"#,
};

/// BERT4Rec (Sun et al. 2019): attention over the whole sequence, trained to fill in masked items.
/// `preset = "paper"` has the settings of its paper, `preset = "upstream"` those of RecBole.
///
/// A history is read with a mask after its last item, whose state is the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bert4rec {
    /// Width D of item embeddings and hidden states.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Number of blocks.
    #[schemars(range(min = 1, max = 64))]
    pub num_blocks: usize,
    /// Number of attention heads; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Inner width of the feed-forward layers.
    #[schemars(range(min = 1, max = 65536))]
    pub inner_units: usize,
    /// Dropout probability of embeddings, attention weights and hidden states.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Positions of the input: the last `maxlen` - 1 items of a history and the mask.
    #[schemars(range(min = 2, max = 4096))]
    pub maxlen: usize,
    /// Probability that an item of a training example is chosen as a target. An example with no
    /// chosen item has one of its items, at random.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub mask_prob: f64,
    /// Probability that an example has its last item as the only target, as when users are ranked.
    /// RecBole's `ft_ratio`, which chooses for a whole batch.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub last_prob: f64,
    /// Share of chosen items that a random item replaces instead of the mask. 0.1 in RecTools.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub random_prob: f64,
    /// Share of chosen items that stay in the input. 0.1 in RecTools.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub keep_prob: f64,
    /// The training loss.
    pub loss: Loss,
    /// What one training example is.
    pub sequences: Sequences,
    /// L2 penalty on the item embeddings, as `l2_emb` in SASRec's code; 0 turns it off.
    #[schemars(range(min = 0.0))]
    pub l2_emb: f64,
    /// Optimizer, epochs, early stopping.
    pub train: Train,
    /// A safetensors file of pretrained weights under the upstream names (docs/WEIGHTS.md). The
    /// model is then not trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A safetensors file with sequences and the scores of the author's own forward pass
    /// (docs/WEIGHTS.md). Imported weights that give other scores are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_check: Option<String>,
}

impl CfModel for Bert4rec {
    fn training(&self) -> Option<Training<'_>> {
        Some(Training {
            loss: &self.loss,
            train: &self.train,
            sequences: Some(&self.sequences),
            // One position is the target's.
            maxlen: Some(self.maxlen - 1),
            l2_emb: self.l2_emb,
            weights: self.weights.as_deref(),
            weights_check: self.weights_check.as_deref(),
        })
    }

    fn tensors(&self) -> Vec<Weight> {
        let mut list = TensorList::default();
        let width = Size::of("hidden_units", self.hidden_units);
        let inner = Size::of("inner_units", self.inner_units);
        let positions = Size::of("maxlen", self.maxlen);
        list.add("item_embedding.weight", &[Size::Items, width]);
        list.add("mask_embedding", &[Size::Fixed(1), width]);
        list.add("position_embedding.weight", &[positions, width]);
        list.norm("LayerNorm", width);
        for n in 0..self.num_blocks {
            list.bert_block(&format!("trm_encoder.layer.{n}"), width, inner);
        }
        list.layer("output_ffn", &[width; 2]);
        list.norm("output_ln", width);
        list.add("output_bias", &[Size::Items]);
        list.0
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let (heads, width) = (self.num_heads, self.hidden_units);
        if !width.is_multiple_of(heads) {
            let message = format!("{heads} heads do not divide `hidden_units` {width}");
            found.push(
                Problem::at("num_heads", message)
                    .label(format!("expected a divisor of {width}"))
                    .hint(format!("the divisors are {}", divisors(width))),
            );
        }
        let shares = self.random_prob + self.keep_prob;
        if shares > 1.0 {
            let message = format!("`random_prob` and `keep_prob` add up to {shares}");
            found.push(
                Problem::at("keep_prob", message)
                    .label("expected a sum of at most 1")
                    .hint("they are shares of the chosen items; the others are masked"),
            );
        }
        found
    }
}
