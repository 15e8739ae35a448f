//! `[model.NAME.gru4rec]`: GRU4Rec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::train::{Loss, Sequences, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, Kind, Training};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "gru4rec",
    group: Group::Trained,
    hue: Some(Hue::Green),
    defaults: r#"
[default.model.gru4rec]
sequences.whole = {}
l2_emb = 0.0

# The paper fixes width and batch. Its other settings for this model are not published: one layer,
# 50 slots and the epochs are those of its SASRec. The loss is full softmax, which is feasible for a
# catalogue of this size and needs no sampling choice.
[preset.paper.gru4rec]
embedding_dim = 50
hidden_units = 50
num_layers = 1
embedding_dropout = 0.5
dropout = 0.0
maxlen = 50
loss.full_softmax = {}
train.epochs = 200
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = { betas = [0.9, 0.98] }
train.stop.early = {}

# hungpthanh/GRU4REC-pytorch, main.py. Its one-hot input equals an embedding as wide as the state.
# Its sessions have no bound; here the last 200 items are read. The later paper's TOP1-max replaces
# its tanh on the scores and its TOP1.
[preset.upstream.gru4rec]
embedding_dim = 100
hidden_units = 100
num_layers = 3
embedding_dropout = 0.0
dropout = 0.5
maxlen = 200
loss.top1_max = {}
train.epochs = 5
train.batch_size = 50
train.lr = 0.01
train.optimizer.adagrad = { eps = 1e-6 }
train.stop.fixed = {}
"#,
};

/// GRU4Rec. Upstream: hungpthanh/GRU4REC-pytorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gru4rec {
    /// Width of item embeddings. Where it differs from `hidden_units`, a linear layer projects
    /// states to it.
    #[schemars(range(min = 1, max = 8192))]
    pub embedding_dim: usize,
    /// Width of the recurrent state.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Number of recurrent layers.
    #[schemars(range(min = 1, max = 16))]
    pub num_layers: usize,
    /// Dropout on embeddings.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub embedding_dropout: f64,
    /// Dropout between recurrent layers.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Only the last `maxlen` items of a history are read.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
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

impl CfModel for Gru4rec {
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
        let width = Size::of("embedding_dim", self.embedding_dim);
        let hidden = Size::of("hidden_units", self.hidden_units);
        list.add("look_up.weight", &[Size::Items, width]);
        for n in 0..self.num_layers {
            let inputs = if n == 0 { width } else { hidden };
            list.add(format!("gru.weight_ih_l{n}"), &[hidden.times(3), inputs]);
            list.add(format!("gru.weight_hh_l{n}"), &[hidden.times(3), hidden]);
            list.add(format!("gru.bias_ih_l{n}"), &[hidden.times(3)]);
            list.add(format!("gru.bias_hh_l{n}"), &[hidden.times(3)]);
        }
        if self.embedding_dim != self.hidden_units {
            list.layer("dense", &[width, hidden]);
        }
        list.0
    }
}
