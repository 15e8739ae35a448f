//! `[model.NAME.hstu]`: HSTU.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::{Problem, divisors};
use super::train::{Loss, Sequences, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, Kind, Training};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "hstu",
    group: Group::Trained,
    hue: Some(Hue::Wine),
    defaults: r#"
# As in its authors' code and in RecTools.
[default.model.hstu]
scale_items = true
similarity = "cosine"
temperature = 1.0
sequences.whole = {}
l2_emb = 0.0

# facebookresearch/generative-recommenders, configs/ml-1m/hstu-sampled-softmax-n128-final.gin. It
# uses the times of interactions, too, which are not read here.
[preset.paper.hstu]
hidden_units = 50
num_blocks = 2
num_heads = 1
dropout = 0.2
maxlen = 200
temperature = 0.05
loss.sampled_softmax = { negatives = 128, per_target = true }
train.epochs = 101
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adamw = { betas = [0.9, 0.98], weight_decay = 0.0 }
train.stop.fixed = {}

# MobileTeleSystems/RecTools, the defaults of HSTUModel without times.
[preset.upstream.hstu]
hidden_units = 256
num_blocks = 2
num_heads = 4
dropout = 0.2
maxlen = 100
loss.full_softmax = {}
train.epochs = 3
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = { betas = [0.9, 0.98] }
train.stop.fixed = {}
"#,
};

/// HSTU (Zhai et al. 2024): attention whose weights are not normalised. `preset = "paper"` has the
/// settings of its authors' code for ML-1M, `preset = "upstream"` those of RecTools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hstu {
    /// Width D of item embeddings and hidden states.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Number of blocks.
    #[schemars(range(min = 1, max = 64))]
    pub num_blocks: usize,
    /// Number of attention heads; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Dropout probability of embeddings and of what a block adds.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Positions of the input: only the last `maxlen` items of a history are read. Attention
    /// weights are divided by it.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
    /// Whether item embeddings are multiplied by the square root of `hidden_units` at the input.
    pub scale_items: bool,
    /// How states and items are compared.
    pub similarity: Similarity,
    /// What scores are divided by.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
    pub temperature: f64,
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

/// How states and items are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Similarity {
    /// By dot product.
    Dot,
    /// By the cosine of their angle. Vectors that LLM methods read have length 1, states divided
    /// by the temperature.
    Cosine,
}

impl CfModel for Hstu {
    fn training(&self) -> Option<Training<'_>> {
        Some(Training {
            loss: &self.loss,
            train: &self.train,
            sequences: Some(&self.sequences),
            maxlen: Some(self.maxlen),
            l2_emb: self.l2_emb,
            weights: self.weights.as_deref(),
            weights_check: self.weights_check.as_deref(),
        })
    }

    fn tensors(&self) -> Vec<Weight> {
        let mut list = TensorList::default();
        let width = Size::of("hidden_units", self.hidden_units);
        let slots = Size::of("maxlen", self.maxlen);
        list.add(
            "item_model.item_net_blocks.0.ids_emb.weight",
            &[Size::Items, width],
        );
        list.add("pos_encoding_layer.pos_emb.weight", &[slots, width]);
        for n in 0..self.num_blocks {
            let block = format!("transformer_layers.stu_blocks.{n}");
            list.add(format!("{block}.rel_attn.pos_weights"), &[slots]);
            list.add(format!("{block}.uvqk_proj"), &[width, width.times(4)]);
            list.layer(&format!("{block}.output_mlp"), &[width; 2]);
            list.norm(&format!("{block}.norm_input"), width);
            list.norm(&format!("{block}.norm_attn_output"), width);
        }
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
        if self.l2_emb > 0.0 && self.similarity == Similarity::Cosine {
            let message = "`l2_emb` penalises the length of item vectors, which is 1 here";
            found.push(
                Problem::at("l2_emb", message)
                    .label("has no effect")
                    .hint("remove `l2_emb`, or write `similarity = \"dot\"`"),
            );
        }
        found
    }
}
