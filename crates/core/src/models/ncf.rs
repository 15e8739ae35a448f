//! `[model.NAME.ncf]`: NCF with two towers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::{Problem, widths};
use super::train::{Loss, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, Kind, Training};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "ncf",
    group: Group::Trained,
    hue: Some(Hue::Amber),
    defaults: r#"
[default.model.ncf]
l2_emb = 0.0

# "A two-tower model comprised of separate components for the user and item embedding matrix" (the
# paper's appendix A); the towers' depth is not published. BCE with one negative as in the paper's
# other backbone.
[preset.paper.ncf]
hidden_units = 50
layers = [100]
dropout = 0.2
loss.bce = { negatives = 1 }
train.epochs = 200
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = { betas = [0.9, 0.98] }
train.stop.early = {}

# hexiangnan/neural_collaborative_filtering, MLP.py: layers of 64, 32, 16 and 8, four negatives,
# batch 256, Adam 1e-3, 100 epochs. It has one MLP for the user and the item; here each has a tower.
[preset.upstream.ncf]
hidden_units = 8
layers = [64, 32, 16]
dropout = 0.0
loss.bce = { negatives = 4 }
train.epochs = 100
train.batch_size = 256
train.lr = 1e-3
train.optimizer.adam = {}
train.stop.fixed = {}
"#,
};

/// NCF with two towers: an embedding and an MLP for users, the same for items, and a dot product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ncf {
    /// Width of embeddings and of the towers' outputs.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Widths of each tower's hidden layers.
    pub layers: Vec<usize>,
    /// Dropout between layers.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// The training loss.
    pub loss: Loss,
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

impl CfModel for Ncf {
    fn training(&self) -> Option<Training<'_>> {
        Some(Training {
            loss: &self.loss,
            train: &self.train,
            sequences: None,
            maxlen: None,
            l2_emb: self.l2_emb,
            weights: self.weights.as_deref(),
            weights_check: self.weights_check.as_deref(),
        })
    }

    fn tensors(&self) -> Vec<Weight> {
        let mut list = TensorList::default();
        let width = Size::of("hidden_units", self.hidden_units);
        list.add("user_embedding.weight", &[Size::Users, width]);
        list.add("item_embedding.weight", &[Size::Items, width]);
        let inner = self.layers.iter().map(|&layer| Size::of("layers", layer));
        let widths: Vec<Size> = std::iter::once(width).chain(inner).chain([width]).collect();
        for tower in ["user_tower", "item_tower"] {
            for (n, pair) in widths.windows(2).enumerate() {
                list.layer(&format!("{tower}.{n}"), &[pair[1], pair[0]]);
            }
        }
        list.0
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = widths("layers", &self.layers);
        if matches!(self.loss, Loss::Top1Max { .. }) {
            let message = "`ncf` cannot use the loss `top1_max`, which is defined over sessions";
            found.push(
                Problem::at("loss", message)
                    .label("not for `ncf`")
                    .hint("use `bce`, `bpr`, `full_softmax` or `sampled_softmax`"),
            );
        }
        found
    }
}
