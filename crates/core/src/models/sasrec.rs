//! `[model.NAME.sasrec]`: SASRec and the networks published under its name.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod form;

pub use form::{Activation, NetworkOrder, PaddingSide, SasrecForm};

use super::problem::{Problem, divisors};
use super::train::{Loss, Sequences, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, Kind, Training};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "sasrec",
    group: Group::Trained,
    hue: Some(Hue::Blue),
    defaults: r#"
# Every published form but gSASRec and LLaRA compares states with the input embeddings.
[default.model.sasrec]
output_table = false
output_bias = false
# One sequence for each user, as in the code of SASRec and A-LLMRec.
sequences.whole = {}
l2_emb = 0.0

# The paper's backbone: its code trains 200 epochs with one negative for each position and keeps the
# last weights (pre_train/sasrec/main.py).
[preset.paper.sasrec]
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

# pmixer/SASRec.pytorch, python/main.py as it runs without flags; `--norm_first` is `form =
# "pmixer_pre_norm"`. It validates every 20 epochs and never stops early. It also saves weights when
# a test metric rises; here only the validation metric decides.
[preset.upstream.sasrec]
hidden_units = 50
num_blocks = 2
num_heads = 1
dropout = 0.2
maxlen = 200
form = "pmixer_post_norm"
loss.bce = { negatives = 1 }
train.epochs = 1000
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = { betas = [0.9, 0.98] }
train.stop.early = { metric = "ndcg@10", every = 20, patience = 50 }

# asash/gSASRec-pytorch, config_ml1m.py. Its epoch of at most 100 batches is a whole one on ML-1M. Its
# validation ranks the whole catalogue and leaves seen items out.
[preset.gsasrec.sasrec]
hidden_units = 128
num_blocks = 2
num_heads = 1
dropout = 0.5
maxlen = 200
form = "kang"
scale_items = false
norm_eps = 1e-5
output_table = true
loss.gbce = { negatives = 256, t = 0.75 }
train.epochs = 10000
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = {}
train.stop.early = { metric = "ndcg@10", every = 1, patience = 200, candidates = { full = { seen = "exclude" } } }

# blondered/transformer_benchmark, configs/paper/loo/s3_beauty_ligr.yaml, with RecTools' defaults; the
# same for Sports and Toys. For ML-1M it is width 64, 2 blocks, dropout 0.1, length 200, 100 epochs.
[preset.esasrec.sasrec]
hidden_units = 256
num_blocks = 1
num_heads = 1
dropout = 0.2
maxlen = 50
form = "ligr"
loss.sampled_softmax = { negatives = 256, per_target = true }
train.epochs = 200
train.batch_size = 128
train.lr = 1e-3
train.optimizer.adam = { betas = [0.9, 0.98] }
train.stop.early = { metric = "hit@10", every = 1, patience = 50, candidates = { full = { seen = "exclude" } } }
"#,
};

/// SASRec. `preset = "paper"` has the settings of the A-LLMRec paper, `preset = "upstream"` those
/// of pmixer/SASRec.pytorch, `preset = "gsasrec"` those of gSASRec, `preset = "esasrec"` those of
/// eSASRec.
///
/// Several published networks have this name. `form` selects one of them; docs/METHODOLOGY.md
/// compares them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasrec {
    /// Width D of item embeddings and hidden states.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Number of self-attention blocks.
    #[schemars(range(min = 1, max = 64))]
    pub num_blocks: usize,
    /// Number of attention heads; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Dropout probability of embeddings, attention weights and feed-forward layers.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Positions of the input: only the last `maxlen` items of a history are read.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
    /// The published network to compute.
    pub form: SasrecForm,
    /// Inner width of the feed-forward layers. Default: `hidden_units`; in the forms `recbole`,
    /// `ligr` and `morec` four times that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub inner_units: Option<usize>,
    /// Activation of the feed-forward layers. Default: `relu`; in the form `recbole` `gelu`, in
    /// `ligr` `swish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Epsilon of every layer norm. Default: 1e-8; in the form `recbole` 1e-12, in `ligr` 1e-5,
    /// in `morec` 1e-6. PyTorch's default, which gSASRec uses, is 1e-5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub norm_eps: Option<f64>,
    /// Whether item embeddings are multiplied by the square root of `hidden_units` at the input.
    /// Default: `true`; in the forms `recbole`, `ligr` and `morec` `false`. gSASRec does not scale
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_items: Option<bool>,
    /// Side of the padding, which decides the positions: `left` gives the newest item the last
    /// position, `right` gives the oldest item the first position. Default: `left`; in the form
    /// `recbole` `right`. S3-Rec and STOSA pad on the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<PaddingSide>,
    /// Whether scores are computed with a separate table (`output_embedding.weight`) instead of the
    /// input embeddings, as in gSASRec and LLaRA.
    pub output_table: bool,
    /// Whether the output table has a bias for each item (`output_embedding.bias`), as in LLaRA.
    pub output_bias: bool,
    /// The training loss.
    pub loss: Loss,
    /// What one training example is.
    pub sequences: Sequences,
    /// L2 penalty on the item embeddings, as `l2_emb` in SASRec's code; 0 turns it off. A model
    /// with an output table has the penalty on that table.
    #[schemars(range(min = 0.0))]
    pub l2_emb: f64,
    /// Optimizer, epochs, early stopping.
    pub train: Train,
    /// A safetensors file of pretrained weights under the upstream names (docs/WEIGHTS.md). The
    /// model is then not trained. `form` must be written next to it, since files of several forms
    /// look alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A safetensors file with sequences and the scores of the author's own forward pass
    /// (docs/WEIGHTS.md). Imported weights that give other scores are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_check: Option<String>,
}

impl CfModel for Sasrec {
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
        let positions = Size::Setting {
            name: "maxlen",
            value: self.maxlen,
            times: 1,
            plus: usize::from(self.form.padding_evolves()),
        };
        let inner = match self.inner_units {
            Some(inner) => Size::of("inner_units", inner),
            None => width.times(self.inner() / self.hidden_units),
        };
        for (name, rows) in self.form.tables().into_iter().zip([Size::Items, positions]) {
            list.add(name, &[rows, width]);
        }
        if let Some(name) = self.form.input_norm() {
            list.norm(name, width);
        }
        for n in 0..self.num_blocks {
            match self.form {
                SasrecForm::Recbole => {
                    list.bert_block(&format!("trm_encoder.layer.{n}"), width, inner);
                }
                SasrecForm::Ligr => ligr_block(&mut list, n, width, inner),
                SasrecForm::Morec => morec_block(&mut list, n, width, inner),
                SasrecForm::Allmrec
                | SasrecForm::Kang
                | SasrecForm::PmixerPreNorm
                | SasrecForm::PmixerPostNorm => self.add_block(&mut list, n, width, inner),
            }
        }
        if self.form.has_last_norm() {
            list.norm("last_layernorm", width);
        }
        if self.output_table {
            list.add("output_embedding.weight", &[Size::Items, width]);
            if self.output_bias {
                list.add("output_embedding.bias", &[Size::Items]);
            }
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
        if self.output_bias && !self.output_table {
            let message = "`output_bias` belongs to an output table, and there is none";
            found.push(
                Problem::at("output_bias", message)
                    .label("has no effect")
                    .hint("add `output_table = true`, or remove `output_bias`"),
            );
        }
        if self.form.attends_padding() && self.padding() == PaddingSide::Right {
            let form = self.form.name();
            let message = format!("the form `{form}` is defined with padding on the left");
            found.push(Problem::at("padding", message).label("expected `left`").hint(
                "remove `padding`, or choose the form `kang`, `recbole`, `ligr` or `morec`, which mask padding",
            ));
        }
        found
    }

    fn written_with_weights(&self) -> Option<Problem> {
        let forms = SasrecForm::ALL.map(|form| format!("`form = \"{}\"`", form.name()));
        let problem = Problem::at("form", "`weights` of a `sasrec` need `form` next to them")
            .label("which network were they trained in?")
            .hint(format!(
                "several networks have these names and shapes and give other scores: write {}; docs/WEIGHTS.md says which code \
                 computes which, and `weights_check` verifies it",
                crate::visible::either(&forms)
            ));
        Some(problem)
    }

    fn settings_for_names(&self, names: &BTreeSet<&str>) -> Option<String> {
        let fits = |other: &Sasrec| {
            let expected = other.tensors();
            expected.len() == names.len()
                && expected
                    .iter()
                    .all(|weight| names.contains(weight.name.as_str()))
        };
        let mut depths = (1..=64).map(|num_blocks| Sasrec {
            num_blocks,
            ..self.clone()
        });
        if let Some(other) = depths.find(fits) {
            let blocks = other.num_blocks;
            return Some(format!(
                "these are the names of {blocks} blocks: write `num_blocks = {blocks}`"
            ));
        }
        let mut forms = Vec::new();
        for form in SasrecForm::ALL {
            for (output_table, output_bias) in [(false, false), (true, false), (true, true)] {
                let other = Sasrec {
                    form,
                    output_table,
                    output_bias,
                    ..self.clone()
                };
                if fits(&other) {
                    let table = if output_table {
                        ", `output_table = true`"
                    } else {
                        ""
                    };
                    let bias = if output_bias {
                        ", `output_bias = true`"
                    } else {
                        ""
                    };
                    forms.push(format!("`form = \"{}\"`{table}{bias}", form.name()));
                }
            }
        }
        (!forms.is_empty()).then(|| {
            let forms = forms.join(" or ");
            format!("these are the names of {forms}; write the network that they were trained in")
        })
    }

    fn settings_for_size(&self, setting: &str, found: usize) -> Option<String> {
        (setting == "maxlen").then(|| self.settings_for_positions(found))
    }
}

/// A LiGR layer as in RecTools.
fn ligr_block(list: &mut TensorList, n: usize, width: Size, inner: Size) {
    let block = format!("transformer_layers.transformer_blocks.{n}");
    let attention = format!("{block}.multi_head_attn");
    list.add(
        format!("{attention}.in_proj_weight"),
        &[width.times(3), width],
    );
    list.add(format!("{attention}.in_proj_bias"), &[width.times(3)]);
    list.layer(&format!("{attention}.out_proj"), &[width; 2]);
    for part in [1, 2] {
        list.norm(&format!("{block}.layer_norm_{part}"), width);
        list.layer(&format!("{block}.gating_linear_{part}"), &[width; 2]);
    }
    let layer = |part| format!("{block}.feed_forward.ff_linear_{part}.weight");
    list.add(layer(1), &[inner, width]);
    list.add(layer(2), &[width, inner]);
    list.add(layer(3), &[inner, width]);
}

/// A block of the form `morec`.
fn morec_block(list: &mut TensorList, n: usize, width: Size, inner: Size) {
    let block = format!("user_encoder.transformer_encoder.transformer_blocks.{n}");
    for part in ["w_Q", "w_K", "w_V", "fc"] {
        let name = format!("{block}.multi_head_attention.{part}.weight");
        list.add(name, &[width; 2]);
    }
    list.norm(&format!("{block}.multi_head_attention.layer_norm"), width);
    list.layer(&format!("{block}.feed_forward.w_1"), &[inner, width]);
    list.layer(&format!("{block}.feed_forward.w_2"), &[width, inner]);
    list.norm(&format!("{block}.feed_forward.layer_norm"), width);
}

impl Sasrec {
    /// A block of the forms that follow SASRec's code.
    fn add_block(&self, list: &mut TensorList, n: usize, width: Size, inner: Size) {
        list.norm(&format!("attention_layernorms.{n}"), width);
        let attention = format!("attention_layers.{n}");
        list.add(
            format!("{attention}.in_proj_weight"),
            &[width.times(3), width],
        );
        list.add(format!("{attention}.in_proj_bias"), &[width.times(3)]);
        if self.form != SasrecForm::Kang {
            list.layer(&format!("{attention}.out_proj"), &[width; 2]);
        }
        list.norm(&format!("forward_layernorms.{n}"), width);
        let one = Size::Fixed(1);
        list.layer(&format!("forward_layers.{n}.conv1"), &[inner, width, one]);
        list.layer(&format!("forward_layers.{n}.conv2"), &[width, inner, one]);
    }

    /// Inner width of the feed-forward layers.
    pub fn inner(&self) -> usize {
        let own = match self.form {
            SasrecForm::Recbole | SasrecForm::Ligr | SasrecForm::Morec => 4 * self.hidden_units,
            SasrecForm::Allmrec
            | SasrecForm::Kang
            | SasrecForm::PmixerPreNorm
            | SasrecForm::PmixerPostNorm => self.hidden_units,
        };
        self.inner_units.unwrap_or(own)
    }

    /// Activation of the feed-forward layers.
    pub fn activation(&self) -> Activation {
        let own = match self.form {
            SasrecForm::Recbole => Activation::Gelu,
            SasrecForm::Ligr => Activation::Swish,
            SasrecForm::Allmrec
            | SasrecForm::Kang
            | SasrecForm::PmixerPreNorm
            | SasrecForm::PmixerPostNorm
            | SasrecForm::Morec => Activation::Relu,
        };
        self.activation.unwrap_or(own)
    }

    /// Epsilon of the layer norms.
    pub fn norm_eps(&self) -> f64 {
        let own = match self.form {
            SasrecForm::Recbole => 1e-12,
            SasrecForm::Ligr => 1e-5,
            SasrecForm::Morec => 1e-6,
            SasrecForm::Allmrec
            | SasrecForm::Kang
            | SasrecForm::PmixerPreNorm
            | SasrecForm::PmixerPostNorm => 1e-8,
        };
        self.norm_eps.unwrap_or(own)
    }

    /// Whether item embeddings are scaled at the input.
    pub fn scales_items(&self) -> bool {
        self.scale_items.unwrap_or(self.form.has_last_norm())
    }

    /// Side of the padding.
    pub fn padding(&self) -> PaddingSide {
        let own = match self.form {
            SasrecForm::Recbole => PaddingSide::Right,
            SasrecForm::Ligr
            | SasrecForm::Morec
            | SasrecForm::Allmrec
            | SasrecForm::Kang
            | SasrecForm::PmixerPreNorm
            | SasrecForm::PmixerPostNorm => PaddingSide::Left,
        };
        self.padding.unwrap_or(own)
    }

    /// Rows of the position table.
    pub fn position_rows(&self) -> usize {
        self.maxlen + usize::from(self.form.padding_evolves())
    }

    /// Advice for a position table of `found` rows: some networks have an extra row for padding.
    fn settings_for_positions(&self, found: usize) -> String {
        let evolves = self.form.padding_evolves();
        let own = if evolves {
            "row 0 is padding's and `maxlen` rows follow"
        } else {
            "there is a row for each of `maxlen` slots and none for padding"
        };
        let fitting = found.saturating_sub(usize::from(evolves));
        let others: Vec<String> = SasrecForm::ALL
            .into_iter()
            .filter(|form| self.maxlen + usize::from(form.padding_evolves()) == found)
            .filter(|form| form.tables() == self.form.tables())
            .map(|form| format!("`{}`", form.name()))
            .collect();
        let other = if others.is_empty() {
            String::new()
        } else {
            format!(
                "; with `maxlen = {}` a file of the form {} has {found} rows",
                self.maxlen,
                others.join(" or ")
            )
        };
        format!(
            "in the form `{}` {own}: {found} rows belong to `maxlen = {fitting}`{other}",
            self.form.name()
        )
    }
}
