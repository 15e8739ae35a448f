//! `[model.NAME.recformer]`: RECFORMER, a language model that reads histories as texts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::allmrec::ItemText;
use super::problem::Problem;
use super::stage::TrainPretrain;
use super::train::{Loss, Sequences, Stop, Train};
use super::weights::{Size, TensorList, Weight};
use super::{CfModel, Group, Hue, ItemTexts, Kind, Training};
use crate::config::Encoder;

/// Tokens of an attribute that are read, its name included.
pub const ATTRIBUTE_TOKENS: usize = 32;
/// Rows of the table of token types: `<s>`, name of an attribute, its value, padding.
pub const TOKEN_TYPES: usize = 4;
/// Positions that Longformer leaves out: its first token has position 2.
pub const FIRST_POSITION: usize = 2;

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "recformer",
    group: Group::Trained,
    hue: Some(Hue::Pink),
    defaults: r#"
# AaronHeee/RecFormer at 26b00a5: title, brand and category, a window of 64, 50 items, and cosines
# divided by 0.05. Shape and vocabulary are only those of a network that starts from scratch.
[default.model.recformer]
attributes = ["title", "brand", "category"]
window = 64
max_items = 50
temperature = 0.05
dropout = 0.1
hidden_units = 128
num_blocks = 2
num_heads = 4
vocab_size = 4096

[default.pretrain]
enabled = true
datasets = []
mlm_weight = 0.1

# The A-LLMRec paper says no more than "Longformer" and "follow the paper". The authors' checkpoint
# was trained on the test items of Movies and TV too, so this preset starts from scratch, on training
# parts alone. Shape, epochs and rates are choices for that. Losses, input, batch of 64 pairs and
# stopping (NDCG@10 every 3 epochs, patience 5) are the code's.
[preset.paper.recformer]
start = "scratch"
max_tokens = 256
table = "epoch"

[preset.paper.recformer.pretrain]
train = { epochs = 10, batch_size = 64, lr = 5e-4, clip_norm = 1.0, decay = "linear", optimizer.adamw = { weight_decay = 0.0 } }

[preset.paper.recformer.finetune]
negatives = 0

[preset.paper.recformer.finetune.train]
epochs = 128
batch_size = 128
lr = 1e-4
warmup = 100
decay = "linear"
optimizer.adamw = { weight_decay = 0.0 }
stop.early = { metric = "ndcg@10", every = 3, patience = 5, candidates.full = {} }

# AaronHeee/RecFormer at 26b00a5: Longformer-base, 1,024 tokens. Pre-training has 64 pairs in a
# batch; its accumulation over 8 batches is left out, since a step is one batch here. Fine-tuning is
# its shell script's: 16 users times 8 accumulated batches, all items as negatives, two phases.
[preset.upstream.recformer]
start = "weights"
max_tokens = 1024
table = "fixed"

[preset.upstream.recformer.pretrain]
train = { epochs = 32, batch_size = 64, lr = 5e-5, clip_norm = 1.0, decay = "linear", optimizer.adamw = { weight_decay = 0.0 } }

[preset.upstream.recformer.finetune]
negatives = 0

[preset.upstream.recformer.finetune.train]
epochs = 128
batch_size = 128
lr = 5e-5
warmup = 100
decay = "linear"
optimizer.adamw = { weight_decay = 0.0 }
stop.early = { metric = "ndcg@10", every = 3, patience = 5, candidates.full = {} }
"#,
};

/// RECFORMER (Li et al. 2023, Text Is All You Need): a Longformer that reads the texts of a
/// history, newest item first. Items are ranked by the cosine of its first state with that of each
/// item read alone. `preset = "paper"` is a small network without the authors' weights,
/// `preset = "upstream"` is the authors' code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recformer {
    /// Where the weights start.
    pub start: StartFrom,
    /// Name of the text encoder whose folder has weights and tokenizer. It is not read with
    /// `start = "scratch"`. Its `max_length` and `pooling` are not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// What is read of an item, in this order: the name of the attribute and its value, at most 32
    /// tokens together. An empty value leaves the name alone.
    pub attributes: Vec<Attribute>,
    /// Maximum number of tokens of a history: what exceeds it is cut.
    #[schemars(range(min = 8, max = 4094))]
    pub max_tokens: usize,
    /// Maximum number of items of a history. A start from weights must have been trained with as
    /// many.
    #[schemars(range(min = 1, max = 1000))]
    pub max_items: usize,
    /// Attention window: a token sees half of it to each side, and the first token.
    #[schemars(range(min = 2, max = 4096))]
    pub window: usize,
    /// Cosines are divided by this.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub temperature: f64,
    /// Dropout probability of states and attention weights.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Width D, with `start = "scratch"`.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Number of layers, with `start = "scratch"`.
    #[schemars(range(min = 1, max = 64))]
    pub num_blocks: usize,
    /// Number of attention heads, with `start = "scratch"`; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Size of the byte-level vocabulary that is made from the texts of training items, with
    /// `start = "scratch"`.
    #[schemars(range(min = 300, max = 1000000))]
    pub vocab_size: usize,
    /// Pre-training on pairs of a history and its next item.
    pub pretrain: Pretrain,
    /// Fine-tuning against the table of all items.
    pub finetune: Finetune,
    /// When the table of items is computed.
    pub table: ItemTable,
}

/// Where the weights start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartFrom {
    /// At random, with a tokenizer made from the training items' texts.
    Scratch,
    /// From a BERT or DistilBERT. The maps of the first token start as copies of the others.
    Encoder,
    /// From a Longformer or RECFORMER, by its names.
    Weights,
}

/// An attribute of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Its title.
    Title,
    /// Its brand. No data source has one, so that the name has no value.
    Brand,
    /// Its categories, joined by blanks.
    Category,
}

impl Attribute {
    /// The name that is read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Brand => "brand",
            Self::Category => "category",
        }
    }
}

/// Pre-training: cross-entropy of the cosine of a history with its next item among the items of the
/// batch, plus masked language modelling of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pretrain {
    /// Whether there is pre-training.
    pub enabled: bool,
    /// Names of the data sets whose training parts are read. Empty: that of the cell.
    pub datasets: Vec<String>,
    /// Weight of each of the two losses of masked language modelling.
    #[schemars(range(min = 0.0))]
    pub mlm_weight: f64,
    /// Optimizer and epochs. An example is a user.
    pub train: Train,
}

/// Fine-tuning: cross-entropy of the cosine of a history with its next item. A user is one example
/// in each epoch, whose target is drawn from all positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finetune {
    /// Negatives of each target, drawn from all items, which may include the target; 0: all items.
    #[schemars(range(max = 1000000))]
    pub negatives: usize,
    /// Optimizer, epochs, early stopping.
    pub train: Train,
}

/// When the table of items is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemTable {
    /// At the start of every epoch.
    Epoch,
    /// The same, and when early stopping would end training, training continues from the best
    /// weights with their table. It ends after 3 validations without an improvement.
    Fixed,
}

const ALL_ITEMS: Loss = Loss::FullSoftmax {};
const ONE_EACH: Sequences = Sequences::Drawn {};

impl CfModel for Recformer {
    fn training(&self) -> Option<Training<'_>> {
        Some(Training {
            // Sampled negatives are drawn by the network.
            loss: &ALL_ITEMS,
            train: &self.finetune.train,
            sequences: Some(&ONE_EACH),
            maxlen: Some(self.max_items),
            l2_emb: 0.0,
            weights: None,
            weights_check: None,
        })
    }

    fn train_key(&self) -> &'static str {
        "finetune.train"
    }

    /// Those of a network that starts from scratch.
    fn tensors(&self) -> Vec<Weight> {
        let width = Size::of("hidden_units", self.hidden_units);
        let inner = width.times(4);
        let mut list = TensorList::default();
        let plus = |name, value, plus| Size::Setting {
            name,
            value,
            times: 1,
            plus,
        };
        let tables = [
            ("word", plus("vocab_size", self.vocab_size, 1)),
            (
                "position",
                plus("max_tokens", self.max_tokens, FIRST_POSITION),
            ),
            ("token_type", Size::Fixed(TOKEN_TYPES)),
            ("item_position", plus("max_items", self.max_items, 1)),
        ];
        for (name, rows) in tables {
            list.add(
                format!("embeddings.{name}_embeddings.weight"),
                &[rows, width],
            );
        }
        list.norm("embeddings.LayerNorm", width);
        for layer in 0..self.num_blocks {
            let name = format!("encoder.layer.{layer}");
            for part in ["query", "key", "value"] {
                for suffix in ["", "_global"] {
                    list.layer(
                        &format!("{name}.attention.self.{part}{suffix}"),
                        &[width; 2],
                    );
                }
            }
            list.layer(&format!("{name}.attention.output.dense"), &[width; 2]);
            list.norm(&format!("{name}.attention.output.LayerNorm"), width);
            list.layer(&format!("{name}.intermediate.dense"), &[inner, width]);
            list.layer(&format!("{name}.output.dense"), &[width, inner]);
            list.norm(&format!("{name}.output.LayerNorm"), width);
        }
        list.add("item_embedding.weight", &[Size::Items, width]);
        list.0
    }

    fn texts(&self) -> Option<ItemTexts<'_>> {
        let encoder = match self.start {
            StartFrom::Scratch => None,
            StartFrom::Encoder | StartFrom::Weights => self.encoder.as_deref(),
        };
        Some(ItemTexts {
            encoder,
            form: ItemText::Title,
            is_trained: true,
            lr: None,
        })
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.window % 2 == 1 {
            let message = format!("a window of {} has no two equal halves", self.window);
            found.push(
                Problem::at("window", message)
                    .label("expected an even number")
                    .hint("the published code has 64: 32 tokens to each side"),
            );
        }
        if !self.hidden_units.is_multiple_of(self.num_heads) {
            let (heads, width) = (self.num_heads, self.hidden_units);
            let message = format!("{heads} heads do not divide a width of {width}");
            found.push(
                Problem::at("num_heads", message)
                    .label("expected a divisor of `hidden_units`")
                    .hint("change `num_heads` or `hidden_units`"),
            );
        }
        found.extend(self.problems_of_attributes());
        found.extend(self.problems_of_start());
        found.extend(self.problems_of_training());
        found
    }

    fn problems_with_encoder(&self, encoder: &Encoder) -> Option<Problem> {
        match (self.start, encoder) {
            (StartFrom::Encoder | StartFrom::Weights, Encoder::Hashed(_)) => {
                let name = self.encoder.as_deref().unwrap_or_default();
                let message = format!("encoder `{name}` is `hashed`, which has no weights");
                Some(
                    Problem::at("encoder", message)
                        .label("expected a `pretrained` encoder")
                        .hint("name a `pretrained` encoder, or write `start = \"scratch\"`"),
                )
            }
            (StartFrom::Scratch, _) | (_, Encoder::Pretrained(_)) => None,
        }
    }
}

impl Recformer {
    /// Settings of the stage that pre-trains. They do not depend on fine-tuning.
    pub fn pretrain_stage(&self, encoder: Option<Encoder>, seed: u64) -> TrainPretrain {
        let train = self.pretrain.train.clone();
        TrainPretrain {
            model: Self {
                encoder: None,
                pretrain: Pretrain {
                    datasets: Vec::new(),
                    ..self.pretrain.clone()
                },
                finetune: Finetune {
                    negatives: 0,
                    train,
                },
                table: ItemTable::Epoch,
                ..self.clone()
            },
            encoder,
            seed,
        }
    }

    fn problems_of_attributes(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let distinct: std::collections::HashSet<_> = self.attributes.iter().collect();
        if distinct.len() < self.attributes.len() {
            found.push(
                Problem::at("attributes", "an attribute is read twice")
                    .label("expected different attributes")
                    .hint("`title`, `brand` and `category` are known"),
            );
        }
        if self.attributes.is_empty() {
            found.push(
                Problem::at("attributes", "no attribute of an item is read")
                    .label("expected at least one")
                    .hint("`title`, `brand` and `category` are known"),
            );
        }
        let item = 1 + ATTRIBUTE_TOKENS * self.attributes.len();
        if self.max_tokens < item {
            let message = format!(
                "an item may have {item} tokens with `<s>`, and `max_tokens` is {}",
                self.max_tokens
            );
            found.push(
                Problem::at("max_tokens", message)
                    .label(format!("expected at least {item}"))
                    .hint("raise `max_tokens`, or read fewer `attributes`"),
            );
        }
        found
    }

    fn problems_of_start(&self) -> Option<Problem> {
        match (self.start, &self.encoder) {
            (StartFrom::Encoder | StartFrom::Weights, None) => Some(
                Problem::at("start", "there is no `encoder` to start from")
                    .label("needs the name of an encoder")
                    .hint("write `encoder = \"NAME\"`, or `start = \"scratch\"`"),
            ),
            (StartFrom::Scratch, _) | (_, Some(_)) => None,
        }
    }

    fn problems_of_training(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.pretrain.enabled {
            let train = &self.pretrain.train;
            found.extend(train.problems_of_llm_stage("pretrain.train"));
            if train.token_budget > 0 {
                let message = "`token_budget` splits steps, and pairs of a step are compared";
                found.push(
                    Problem::at("pretrain.train.token_budget", message)
                        .label("has no effect")
                        .hint("remove `token_budget`, or lower `batch_size`"),
                );
            }
            if train.batch_size == 1 {
                let message = "a batch of one pair has no other items to compare with";
                found.push(
                    Problem::at("pretrain.train.batch_size", message)
                        .label("expected at least 2")
                        .hint("the published code has 64"),
                );
            }
        }
        if self.table == ItemTable::Fixed && matches!(self.finetune.train.stop, Stop::Fixed { .. })
        {
            let message = "`table = \"fixed\"` has no effect: training never stops early";
            found.push(
                Problem::at("table", message)
                    .label("a second phase follows early stopping")
                    .hint("write `table = \"epoch\"`, or `finetune.train.stop.early = {}`"),
            );
        }
        found
    }
}
