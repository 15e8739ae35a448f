//! Stages: what is hashed into a key, and the job that a worker is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::llm::{Llm, SmallLlm, Words};
use crate::config::method::is_default;
use crate::config::method::{
    Align, Fit, Inference, ItemEmbedding, ItemText, Lora, OneItem, Project, TallrecForm,
    TrainingCandidates, is_none,
};
use crate::config::model::{Missing, ScoresForm, Unknown};
use crate::config::{Encoder, Model, answer_token_budget};
use crate::data::Part;
use crate::digest::Key;

pub use crate::data::settings::{DrawCandidates, Prepare};
pub use crate::text::Asked;

/// A unit of work with a content key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What to do, with every setting that can change the outcome.
    pub settings: Settings,
    /// Keys of the stages whose artefacts are read, by role (`prepared`, `candidates`, `backbone`).
    pub needs: BTreeMap<String, Key>,
    /// Digests of the input files, by path as written in the spec.
    pub inputs: BTreeMap<String, Key>,
}

impl Stage {
    /// The stage's key: BLAKE3 over kind, version, settings and needs. An input file counts by its digest, not its path.
    pub fn key(&self) -> Key {
        let settings = without_paths(&self.settings, &self.inputs);
        crate::digest::of_value(&(self.settings.version(), settings, &self.needs))
    }
}

/// The settings of a stage, one variant a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
// A plan holds thousands of these, not millions: a box in each place that reads `Prepare` is not worth it.
#[expect(clippy::large_enum_variant)]
pub enum Settings {
    /// Source to filtered, split, indexed data set.
    Prepare(Prepare),
    /// Frozen candidate lists.
    Candidates(DrawCandidates),
    /// Training of a CF model, or the import of its weights.
    Backbone(TrainBackbone),
    /// A frozen text encoder's vector of every item.
    EncodeText(EncodeText),
    /// Training of a small language model on item texts.
    PretrainLm(PretrainLm),
    /// A-LLMRec's stage 1.
    Align(TrainAlign),
    /// A-LLMRec's stage 2, and the training of MLP-LLM.
    Project(TrainProject),
    /// TALLRec: adapters of a language model.
    Tune(TrainTune),
    /// Ranks of every measured user's target.
    Evaluate(Evaluate),
}

impl Settings {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Settings::Prepare(_) => "prepare",
            Settings::Candidates(_) => "candidates",
            Settings::Backbone(_) => "backbone",
            Settings::EncodeText(_) => "encode-text",
            Settings::PretrainLm(_) => "pretrain-lm",
            Settings::Align(_) => "align",
            Settings::Project(_) => "project",
            Settings::Tune(_) => "tune",
            Settings::Evaluate(_) => "evaluate",
        }
    }

    /// Whether the stage is a model's own work, which its cost is of and its failure is blamed on; preparing data and drawing
    /// candidates is done for every model.
    pub fn is_of_a_model(&self) -> bool {
        !matches!(self, Settings::Prepare(_) | Settings::Candidates(_))
    }

    /// Whether the stage asks a language model of random weights, so that only its cost means something.
    pub fn has_random_weights(&self) -> bool {
        let reader = match self {
            Settings::Project(project) => Some(&project.reader),
            Settings::Tune(tune) => Some(&tune.reader),
            Settings::Evaluate(evaluate) => evaluate.answering.as_ref().map(|by| &by.reader),
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_) => None,
        };
        reader.is_some_and(|reader| matches!(reader.llm, Llm::Random(_)))
    }

    /// Raised when the code of a kind changes what it writes: old artefacts are then not found again.
    pub fn version(&self) -> u32 {
        match self {
            // 2: dropout noise is the program's own.
            Settings::Backbone(TrainBackbone {
                model: Model::Sasrec(_),
                ..
            }) => 2,
            // 2: the projection of items starts as it does next to that of the user. 3: what a tokenizer puts in front, text
            // around vectors as one text, adapters and weights as transformers takes them.
            Settings::Project(_) => 3,
            // 2: titles in the file's own encoding, Python's escapes, joined records, facts for the results.
            Settings::Prepare(_) => 2,
            // 2: the same rules of tokenizers and weights.
            Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_)
            | Settings::Tune(_) => 2,
            // 2: the same rules. 3: one part of the split, where a CF model's evaluation left both.
            Settings::Evaluate(_) => 3,
            Settings::Candidates(_) | Settings::Backbone(_) => 1,
        }
    }
}

/// Settings of `backbone`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainBackbone {
    /// The model, whole.
    pub model: Model,
    /// Cell seed.
    pub seed: u64,
    /// `cpu` or `cuda` (the index does not matter to the result).
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// Settings of `encode-text`: needs `prepared`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncodeText {
    /// The encoder, whole; it stays as it is.
    pub encoder: Encoder,
    /// How title and description become one text.
    pub text: ItemText,
    /// `cpu` or `cuda`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// Settings of `pretrain-lm`: needs `prepared`, whose item texts are all that it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainLm {
    /// Shape and training.
    pub llm: SmallLlm,
    /// The words of the data set, for instructions in the prompt's own form.
    pub words: Words,
    /// `cpu` or `cuda`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// Settings of `align`: needs `prepared`, `backbone`, and `encoded` where the encoder is frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainAlign {
    /// Losses and training.
    pub align: Align,
    /// The encoder, whole.
    pub encoder: Encoder,
    /// Cell seed.
    pub seed: u64,
    /// `cpu` or `cuda`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// A language model with what it is asked: needs `llm` (the artefact of `pretrain-lm`) where the model is a small one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// The language model, whole.
    pub llm: Llm,
    /// What it is asked.
    pub asked: Asked,
    /// Whether the user representation stands in front.
    pub user: bool,
    /// The vector after each title.
    pub item: ItemEmbedding,
    /// Items with fewer training interactions than this have their text's vector in its place.
    #[serde(default, skip_serializing_if = "is_none")]
    pub text_below: u64,
}

/// Settings of `project`: needs `prepared`, `backbone`, `align` (not for MLP-LLM, whose items are the CF model's own
/// rows) and what the reader needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainProject {
    /// The language model and its prompt. `item = "text"` and `text_below` train as `joint` does: only reading differs.
    pub reader: Reader,
    /// Targets and training.
    pub project: Project,
    /// Cell seed.
    pub seed: u64,
    /// `cpu` or `cuda`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// Settings of `tune`: needs `prepared` and what the reader needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainTune {
    /// The language model and its prompt, without user and item vectors.
    pub reader: Reader,
    /// What is asked.
    pub form: TallrecForm,
    /// The adapters.
    pub lora: Lora,
    /// Whether the loss counts the prompt's tokens too.
    pub train_on_inputs: bool,
    /// What becomes of users with one training item.
    #[serde(default, skip_serializing_if = "is_default")]
    pub one_item: OneItem,
    /// The candidates of a training prompt in the form `title`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub candidates: TrainingCandidates,
    /// Training.
    pub train: Fit,
    /// Cell seed.
    pub seed: u64,
    /// `cpu` or `cuda`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// How a language model ranks: needs `backbone`, `align`, `project`, `tune`, `llm` as far as the method has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answering {
    /// The language model and its prompt.
    pub reader: Reader,
    /// How an answer is read.
    pub inference: Inference,
    /// TALLRec's form and adapters; `None` for a frozen language model.
    pub tuned: Option<(TallrecForm, Lora)>,
    /// Cell seed, for the order of candidates.
    pub seed: u64,
    /// Prompt tokens at which a pass is full.
    #[serde(
        default = "answer_token_budget",
        skip_serializing_if = "is_answer_token_budget"
    )]
    pub token_budget: usize,
}

/// Keys leave out the default of `run.answer_token_budget`.
fn is_answer_token_budget(token_budget: &usize) -> bool {
    *token_budget == answer_token_budget()
}

/// Settings of `evaluate`: needs `prepared`, `candidates`, and `backbone` for a CF model or what [`Answering`] needs; given
/// scores need no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluate {
    /// Whose targets are ranked.
    pub part: Part,
    /// Whether the scores of the candidates are left beside the ranks.
    pub keep_scores: bool,
    /// How a language model ranks; absent for a CF model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answering: Option<Answering>,
    /// Scores that another program has made; absent for everything that is computed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenScores>,
    /// `cpu` or `cuda`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// A file of scores of one part of the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GivenScores {
    /// The file, as written in the spec; a file of the stage's inputs.
    pub file: String,
    /// How it is written.
    pub form: ScoresForm,
    /// What becomes of candidates without a score.
    pub missing: Missing,
    /// What becomes of users and items that the data set does not have.
    pub unknown: Unknown,
}

/// What a worker process is given, as JSON in a file: `allround-worker JOB.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What to do.
    pub stage: Stage,
    /// The stage's key.
    pub key: Key,
    /// Folders of the artefacts in `stage.needs`, by role.
    pub needs: BTreeMap<String, PathBuf>,
    /// Empty folder to write the artefact into; the store publishes it by rename.
    pub output: PathBuf,
    /// Folder for checkpoints; survives a killed process.
    pub checkpoint: PathBuf,
    /// Folder that relative paths of the spec refer to.
    pub base: PathBuf,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// CPU threads to use.
    pub threads: usize,
    /// Epochs between two checkpoints.
    pub checkpoint_every: u32,
}

/// `settings` as JSON in which the path of an input file is replaced by its digest, and a folder of input files by the
/// names and digests of those in it: a file that moves changes nothing, a file whose contents change does.
pub fn without_paths(settings: &impl Serialize, inputs: &BTreeMap<String, Key>) -> Value {
    let mut value = serde_json::to_value(settings).expect("settings are plain data");
    if !inputs.is_empty() {
        replace(&mut value, inputs);
    }
    value
}

fn replace(value: &mut Value, inputs: &BTreeMap<String, Key>) {
    match value {
        Value::String(text) => {
            if let Some(known) = digest_of(text, inputs) {
                *value = known;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, inputs)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, inputs)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn digest_of(text: &str, inputs: &BTreeMap<String, Key>) -> Option<Value> {
    if let Some(key) = inputs.get(text) {
        return Some(Value::String(key.to_string()));
    }
    let folder = format!("{}/", text.trim_end_matches('/'));
    let inside = inputs.iter().filter_map(|(path, key)| {
        let name = path.strip_prefix(&folder)?;
        Some((name.to_owned(), Value::String(key.to_string())))
    });
    let inside: serde_json::Map<String, Value> = inside.collect();
    (!text.is_empty() && !inside.is_empty()).then_some(Value::Object(inside))
}
