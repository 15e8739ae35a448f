//! `[model.NAME.morec]`: MoRec, a sequential model whose item vectors come from texts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::allmrec::ItemText;
use super::problem::Problem;
use super::sasrec::{Sasrec, SasrecForm};
use super::train::{Loss, Sequences, Train};
use super::weights::Weight;
use super::{CfModel, Group, Hue, ItemTexts, Kind, Training};
use crate::config::Encoder;

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "morec",
    group: Group::Trained,
    hue: Some(Hue::Green),
    defaults: r#"
[default.model.morec]
map_layers = 0
sequences.whole = {}

# The A-LLMRec paper says that "a pre-trained SBERT" gives "initial item embeddings that will be used
# in CF models", with SASRec as the CF model and one width for all methods. Everything else is as in
# its SASRec. `features` keeps vectors of unseen items, which its table 7 needs; `initial` is the
# literal reading. The text is the one that A-LLMRec's stage 1 reads.
[preset.paper.morec]
reading = "features"
text = "labelled"
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

# westlake-repl/IDvs.MoRec at ce372cf, bce_text/main-end2end with BERT: titles, 20 items, width 512,
# two GPUs of 32 sequences. Of its rates for all but the encoder (1e-4 and 5e-5) the higher one. It
# stops when Hit@10 among all items has not risen for more than 6 validations.
[preset.upstream.morec]
reading = "end_to_end"
text = "title"
hidden_units = 512
num_blocks = 2
num_heads = 2
dropout = 0.1
maxlen = 20
form = "morec"
encoder_lr = 5e-5
loss.bce = { negatives = 1 }
train.epochs = 150
train.batch_size = 64
train.lr = 1e-4
train.optimizer.adamw = { weight_decay = 0.01 }
train.stop.early = { metric = "hit@10", every = 1, patience = 7, candidates.full = {} }
"#,
};

/// MoRec (Yuan et al. 2023, Where to Go Next for Recommender Systems? ID- vs. Modality-based): a
/// SASRec whose item vectors come from item texts. `preset = "paper"` is the baseline of the
/// A-LLMRec paper, `preset = "upstream"` the authors' own code.
///
/// Items with the same text have the same vector, and tie in every ranking. With
/// `reading = "initial"` only the start of their vectors is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Morec {
    /// Name of the text encoder.
    pub encoder: String,
    /// How item vectors come from texts.
    pub reading: Reading,
    /// How title and description are combined into one text.
    pub text: ItemText,
    /// Further layers of the map from text vectors to item vectors, each with dropout, a matrix
    /// and GELU. The code's two-stage version has 8.
    #[schemars(range(max = 64))]
    pub map_layers: usize,
    /// Learning rate of the text encoder, with `reading = "end_to_end"`. Default: that of `train`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
    pub encoder_lr: Option<f64>,
    /// Width D of item vectors and hidden states.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Number of self-attention blocks.
    #[schemars(range(min = 1, max = 64))]
    pub num_blocks: usize,
    /// Number of attention heads; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Dropout probability of the network, as in `sasrec`, and between layers of the map.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Positions of the input: only the last `maxlen` items of a history are read.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
    /// The network, as in `sasrec`.
    pub form: SasrecForm,
    /// The training loss.
    pub loss: Loss,
    /// What one training example is.
    pub sequences: Sequences,
    /// Optimizer, epochs, early stopping.
    pub train: Train,
}

/// How item vectors come from texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// They start as the first D principal components of the text vectors, scaled to the deviation
    /// that the table starts with. They are then trained like any table, without the texts.
    Initial,
    /// GELU(W t + b) of the text vector t, in every step. W and b are trained, the encoder is not.
    Features,
    /// As `features`, with the encoder trained too.
    EndToEnd,
}

impl CfModel for Morec {
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

    /// Those of the network with its computed item table.
    fn tensors(&self) -> Vec<Weight> {
        self.network().tensors()
    }

    fn texts(&self) -> Option<ItemTexts<'_>> {
        Some(ItemTexts {
            encoder: Some(&self.encoder),
            form: self.text,
            is_trained: self.reading == Reading::EndToEnd,
            lr: self.encoder_lr,
        })
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = self.network().problems();
        if self.encoder_lr.is_some() && self.reading != Reading::EndToEnd {
            let message = "`encoder_lr` has no effect: the text encoder is not trained";
            found.push(
                Problem::at("encoder_lr", message)
                    .label("expected `reading = \"end_to_end\"` with it")
                    .hint("remove `encoder_lr`, or write `reading = \"end_to_end\"`"),
            );
        }
        if self.map_layers > 0 && self.reading == Reading::Initial {
            let message = "`map_layers` has no effect: `reading = \"initial\"` has no trained map";
            found.push(
                Problem::at("map_layers", message)
                    .label("expected 0")
                    .hint("remove `map_layers`, or write `reading = \"features\"`"),
            );
        }
        found
    }

    fn problems_with_encoder(&self, encoder: &Encoder) -> Option<Problem> {
        match (self.reading, encoder) {
            (Reading::EndToEnd, Encoder::Hashed(_)) => {
                let name = &self.encoder;
                let message = format!("encoder `{name}` is `hashed`, which has nothing to train");
                Some(
                    Problem::at("reading", message)
                        .label("trains the encoder")
                        .hint("write `reading = \"features\"`, or name a `pretrained` encoder"),
                )
            }
            (Reading::Initial | Reading::Features, _) | (_, Encoder::Pretrained(_)) => None,
        }
    }
}

impl Morec {
    /// The network, with a table in place of texts.
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
}
