//! `[model.NAME.KIND]`: one configuration a model, with the field's usual words.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::{Allmrec, LlmOnly, MlpLlm, Tallrec, TallrecForm};
use super::protocol::Part;
pub use super::sasrec::{Activation, NetworkOrder, PaddingSide, Sasrec, SasrecForm};
use super::train::{Loss, Train};

/// A recommender: a collaborative-filtering model, or a method that asks a language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Model {
    /// Self-attention over the history (Kang and McAuley 2018).
    Sasrec(Sasrec),
    /// A gated recurrent network over the history (Hidasi et al. 2016).
    Gru4rec(Gru4rec),
    /// Dilated causal convolutions over the history (Yuan et al. 2019).
    Nextitnet(Nextitnet),
    /// Two towers of embeddings and MLPs (after He et al. 2017).
    Ncf(Ncf),
    /// Items by training count: a floor.
    Popularity(Popularity),
    /// First-order Markov chain over items: a floor.
    Markov(Markov),
    /// Scores or ranked lists in a file, which another program has made: any outside method as a row of its own.
    Scores(Scores),
    /// A frozen CF model, aligned with texts and projected into a frozen language model (Kim et al. 2024).
    Allmrec(Allmrec),
    /// A language model alone, zero-shot.
    LlmOnly(LlmOnly),
    /// A CF model's vectors, projected into a frozen language model.
    MlpLlm(MlpLlm),
    /// A language model with LoRA adapters (Bao et al. 2023).
    Tallrec(Tallrec),
}

impl Model {
    /// The kind's name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Model::Sasrec(_) => "sasrec",
            Model::Gru4rec(_) => "gru4rec",
            Model::Nextitnet(_) => "nextitnet",
            Model::Ncf(_) => "ncf",
            Model::Popularity(_) => "popularity",
            Model::Markov(_) => "markov",
            Model::Scores(_) => "scores",
            Model::Allmrec(_) => "allmrec",
            Model::LlmOnly(_) => "llm_only",
            Model::MlpLlm(_) => "mlp_llm",
            Model::Tallrec(_) => "tallrec",
        }
    }

    /// Whether a language model is asked; the others are CF models and floors.
    pub fn asks_llm(&self) -> bool {
        matches!(
            self,
            Model::Allmrec(_) | Model::LlmOnly(_) | Model::MlpLlm(_) | Model::Tallrec(_)
        )
    }

    /// Name of the language model that the method asks.
    pub fn llm(&self) -> Option<&str> {
        match self {
            Model::Allmrec(method) => Some(&method.llm),
            Model::MlpLlm(method) => Some(&method.llm),
            Model::LlmOnly(method) => Some(&method.llm),
            Model::Tallrec(method) => Some(&method.llm),
            _ => None,
        }
    }

    /// Name of the prompt of a method that queries a language model for a title.
    pub fn prompt(&self) -> Option<&str> {
        match self {
            Model::Allmrec(method) => Some(&method.prompt),
            Model::MlpLlm(method) => Some(&method.prompt),
            Model::LlmOnly(method) => Some(&method.prompt),
            Model::Tallrec(method) => (method.form == TallrecForm::Title).then_some(&method.prompt),
            Model::Sasrec(_)
            | Model::Gru4rec(_)
            | Model::Nextitnet(_)
            | Model::Ncf(_)
            | Model::Popularity(_)
            | Model::Markov(_)
            | Model::Scores(_) => None,
        }
    }

    /// Name of the CF model that the method reads.
    pub fn backbone(&self) -> Option<&str> {
        match self {
            Model::Allmrec(method) => Some(&method.backbone),
            Model::MlpLlm(method) => Some(&method.backbone),
            _ => None,
        }
    }

    /// The file that the weights are imported from, as it is written; `None` for a model that is trained or has none.
    pub fn weights(&self) -> Option<&str> {
        match self {
            Model::Sasrec(model) => model.weights.as_deref(),
            Model::Gru4rec(model) => model.weights.as_deref(),
            Model::Nextitnet(model) => model.weights.as_deref(),
            Model::Ncf(model) => model.weights.as_deref(),
            _ => None,
        }
    }

    /// The files that the model is read from, as they are written: weights, or scores. A folder of a language model is not
    /// among them.
    pub fn files(&self) -> Vec<&str> {
        match self {
            Model::Scores(scores) => {
                let files = [scores.file.as_str(), scores.valid.as_str()];
                files.into_iter().filter(|file| !file.is_empty()).collect()
            }
            model => {
                let files = [model.weights(), model.weights_check()];
                files.into_iter().flatten().collect()
            }
        }
    }

    /// The file that imported weights are verified with, as it is written; `None` where there is none.
    pub fn weights_check(&self) -> Option<&str> {
        match self {
            Model::Sasrec(model) => model.weights_check.as_deref(),
            Model::Gru4rec(model) => model.weights_check.as_deref(),
            Model::Nextitnet(model) => model.weights_check.as_deref(),
            Model::Ncf(model) => model.weights_check.as_deref(),
            _ => None,
        }
    }

    /// The model without the paths that its weights come from: what an artefact says, wherever the files were.
    pub fn without_weights(mut self) -> Self {
        let files = match &mut self {
            Model::Sasrec(model) => [&mut model.weights, &mut model.weights_check],
            Model::Gru4rec(model) => [&mut model.weights, &mut model.weights_check],
            Model::Nextitnet(model) => [&mut model.weights, &mut model.weights_check],
            Model::Ncf(model) => [&mut model.weights, &mut model.weights_check],
            _ => return self,
        };
        files.into_iter().for_each(|file| *file = None);
        self
    }
}

/// A model with some keys changed: `[variant.NAME]` with `of = "MODEL"` and `[variant.NAME.set]`.
///
/// In the resolved spec a variant also carries the whole model that results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Name of the model that is varied.
    pub of: String,
    /// Dotted keys of that model's configuration and their new values.
    pub set: BTreeMap<String, serde_json::Value>,
    /// The model that results; written by the resolver, never in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub resolved: Option<Model>,
}

/// GRU4Rec. Upstream: hungpthanh/GRU4REC-pytorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gru4rec {
    /// Width of item embeddings and, through a linear layer where it differs from `hidden_units`, of states.
    #[schemars(range(min = 1, max = 8192))]
    pub embedding_dim: usize,
    /// Width of the recurrent state.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Recurrent layers.
    #[schemars(range(min = 1, max = 16))]
    pub num_layers: usize,
    /// Dropout on embeddings.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub embedding_dropout: f64,
    /// Dropout between recurrent layers.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// The last `maxlen` items of a history count.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
    /// The training loss.
    pub loss: Loss,
    /// Optimiser, epochs, stopping.
    pub train: Train,
    /// A safetensors file with weights from elsewhere, under the upstream names (docs/WEIGHTS.md): the model is then not trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A safetensors file with sequences and what the author's own forward pass gives for them (docs/WEIGHTS.md):
    /// imported weights that give other numbers are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_check: Option<String>,
}

/// NextItNet. Upstream: syiswell/NextItNet-Pytorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nextitnet {
    /// Width of embeddings and channels.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Dilations, one residual block each; a block convolves with d, then with 2d.
    pub dilations: Vec<usize>,
    /// Kernel size of the causal convolutions.
    #[schemars(range(min = 1, max = 64))]
    pub kernel_size: usize,
    /// Dropout on embeddings (upstream has none: 0).
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// The last `maxlen` items of a history count.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
    /// The training loss.
    pub loss: Loss,
    /// Optimiser, epochs, stopping.
    pub train: Train,
    /// A safetensors file with weights from elsewhere, under the upstream names (docs/WEIGHTS.md): the model is then not trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A safetensors file with sequences and what the author's own forward pass gives for them (docs/WEIGHTS.md):
    /// imported weights that give other numbers are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_check: Option<String>,
}

/// NCF as two towers: an embedding and an MLP for users, the same for items, and a dot product.
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
    /// Optimiser, epochs, stopping.
    pub train: Train,
    /// A safetensors file with weights from elsewhere, under the upstream names (docs/WEIGHTS.md): the model is then not trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A safetensors file with sequences and what the author's own forward pass gives for them (docs/WEIGHTS.md):
    /// imported weights that give other numbers are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_check: Option<String>,
}

/// Items by training count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Popularity {}

/// First-order Markov chain with popularity as back-off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Markov {
    /// Weight of the popularity back-off, in pseudo-counts.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub smoothing: f64,
}

/// Scores or ranked lists that another program has made of this data set. Nothing is trained; every seed reads the same file,
/// which holds the candidates of every protocol and seed (`allround export RESULTS --candidates` lists them). Ids are those of
/// the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// The file for the test targets, plain or gzip.
    pub file: String,
    /// The file for the validation targets; empty: none, and no protocol may measure validation.
    pub valid: String,
    /// How the files are written.
    pub form: ScoresForm,
    /// What becomes of a candidate without a score. Ranked lists end somewhere: in `ranks` and `lists` this is asked of users
    /// without any entry alone, and what a list does not hold ranks last.
    pub missing: Missing,
    /// What becomes of users and items that the data set does not have.
    pub unknown: Unknown,
}

impl Scores {
    /// The file for the targets of `part`; empty where there is none.
    pub fn of(&self, part: Part) -> &str {
        match part {
            Part::Test => &self.file,
            Part::Valid => &self.valid,
        }
    }
}

/// How a file of scores or ranked lists is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoresForm {
    /// CSV with the columns `user`, `item`, `score`: higher is better.
    Scores,
    /// CSV with the columns `user`, `rank`, `item`: lower is better, equal ranks tie.
    Ranks,
    /// Lines of `user item item ...` between blanks or tabs, the best item first.
    Lists,
}

/// What becomes of a candidate without a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The cell fails, naming user and candidate.
    Refuse,
    /// It ranks behind all that have one, tied with the others that have none; counted in `remark`.
    Last,
}

/// What becomes of users and items that the data set does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The cell fails, naming line and id.
    Refuse,
    /// The entry is left out; counted in `remark`.
    Ignore,
}
