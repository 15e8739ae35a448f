//! `[model.NAME.nextitnet]`: NextItNet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::{Problem, widths};
use super::train::{Loss, Sequences, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, Kind, Training};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "nextitnet",
    group: Group::Trained,
    hue: Some(Hue::Pink),
    defaults: r#"
[default.model.nextitnet]
sequences.whole = {}
l2_emb = 0.0

# Width 50 and batch 128 from the paper; blocks, kernel and loss from the model's own repository.
[preset.paper.nextitnet]
hidden_units = 50
dilations = [1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4]
kernel_size = 3
dropout = 0.0
maxlen = 50
loss.full_softmax = {}
train.epochs = 200
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = { betas = [0.9, 0.98] }
train.stop.early = {}

# syiswell/NextItNet-Pytorch: 256 channels, dilations 1 and 4 six times, kernel 3, full softmax.
[preset.upstream.nextitnet]
hidden_units = 256
dilations = [1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4]
kernel_size = 3
dropout = 0.0
maxlen = 50
loss.full_softmax = {}
train.epochs = 200
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = {}
train.stop.fixed = {}
"#,
};

/// NextItNet. Upstream: syiswell/NextItNet-Pytorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nextitnet {
    /// Width of embeddings and channels.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Dilations, one for each residual block. A block convolves with dilation d, then with 2d.
    pub dilations: Vec<usize>,
    /// Kernel size of the causal convolutions.
    #[schemars(range(min = 1, max = 64))]
    pub kernel_size: usize,
    /// Dropout on embeddings. Upstream has none: 0.
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

impl CfModel for Nextitnet {
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
        let kernel = Size::of("kernel_size", self.kernel_size);
        list.add("embeding.weight", &[Size::Items, width]);
        for n in 0..self.dilations.len() {
            for part in [1, 2] {
                let block = format!("residual_blocks.{n}");
                let shape = [width, width, Size::Fixed(1), kernel];
                list.layer(&format!("{block}.conv{part}"), &shape);
                list.norm(&format!("{block}.ln{part}"), width);
            }
        }
        list.layer("final_layer", &[Size::Items, width]);
        list.0
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = widths("dilations", &self.dilations);
        if self.dilations.is_empty() {
            let message = "`dilations` is empty, so the network has no block";
            found.push(
                Problem::at("dilations", message)
                    .label("expected one dilation a block")
                    .hint("for example `dilations = [1, 4]`"),
            );
        }
        found
    }
}
