//! Stages: what is hashed into a key, and the job that a worker is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Model;
use super::allmrec::{Align, ItemText};
use super::llm_method::{Inference, ItemEmbedding, Project};
use super::scores::{Missing, ScoresForm, Unknown};
use super::tallrec::Tune;
use crate::config::dataset::Dataset;
use crate::config::llm::{Llm, Prompt, SmallLlm, Words};
use crate::config::protocol::{Candidates, Part, Rules, Ties};
use crate::config::{Encoder, Scenario};
use crate::digest::Key;

/// A unit of work with a content key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What to do, with every setting that can change the outcome.
    pub settings: Settings,
    /// Where it runs; `None` where that cannot change the outcome.
    pub compute: Option<Compute>,
    /// Keys of the stages whose artefacts are read, by role (`prepared`, `candidates`, `backbone`).
    pub needs: BTreeMap<String, Key>,
    /// Digests of the input files, by path as written in the spec.
    pub inputs: BTreeMap<String, Key>,
}

impl Stage {
    /// The stage's key: BLAKE3 over kind, version, settings and needs. An input file counts by its digest, not its path.
    pub fn key(&self) -> Key {
        let settings = without_paths(&self.settings, &self.inputs);
        crate::digest::of_value(&(
            self.settings.version(),
            settings,
            &self.compute,
            &self.needs,
        ))
    }
}

/// Where a stage runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compute {
    /// `cpu` or `cuda`: the index does not change the result.
    pub device: String,
    /// CPU threads: another count may change the last bits of a result.
    pub threads: usize,
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

    /// Roles of the artefacts that a method's stage reads besides the prepared data; those that the method lacks are left out.
    pub fn reads(&self) -> &'static [&'static str] {
        match self {
            Settings::Align(_) => &["backbone", "encoded"],
            Settings::Project(_) => &["backbone", "align", "llm"],
            Settings::Tune(_) => &["llm"],
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Evaluate(_) => &[],
        }
    }

    /// The language model that the stage queries.
    pub fn llm(&self) -> Option<&Llm> {
        match self {
            Settings::Project(project) => Some(&project.llm.llm),
            Settings::Tune(tune) => Some(&tune.llm.llm),
            Settings::Evaluate(evaluate) => evaluate.ranking.as_ref().map(|by| &by.llm.llm),
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_) => None,
        }
    }

    /// Whether the stage queries a language model of random weights, so that only its cost means something.
    pub fn has_random_weights(&self) -> bool {
        matches!(self.llm(), Some(Llm::Random(_)))
    }

    /// Raised when the code of a kind changes what it writes: earlier artefacts are then not found.
    pub fn version(&self) -> u32 {
        match self {
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_)
            | Settings::Project(_)
            | Settings::Tune(_)
            | Settings::Evaluate(_) => 4,
        }
    }
}

/// Settings of `prepare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// The data set that is trained on.
    pub dataset: Dataset,
    /// A scenario that changes training; `None` for those that only select test users.
    pub scenario: Option<Scenario>,
    /// The data set that a cross-domain scenario measures.
    pub target: Option<Dataset>,
    /// Cell seed, where the scenario samples users; `None` where nothing is drawn.
    pub seed: Option<u64>,
    /// `--limit N`: only the first N users, for smoke runs.
    pub limit: Option<u64>,
}

/// Settings of `candidates`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawCandidates {
    /// What the target is ranked against.
    pub candidates: Candidates,
    /// Which rules decide what may be drawn.
    pub rules: Rules,
    /// How equal scores count in ranks among the lists.
    pub ties: Ties,
    /// A slice whose candidates are of its own class of items; `None` where all items are drawn from.
    pub class: Option<Scenario>,
    /// Most users evaluated; 0 is all.
    pub max_users: u64,
    /// Seed of the draw.
    pub seed: u64,
}

/// Settings of `backbone`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainBackbone {
    /// The model, whole.
    pub model: Model,
    /// Cell seed.
    pub seed: u64,
}

/// Settings of `encode-text`: needs `prepared`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncodeText {
    /// The encoder, whole; it stays as it is.
    pub encoder: Encoder,
    /// How title and description become one text.
    pub text: ItemText,
}

/// Settings of `pretrain-lm`: needs `prepared`, whose item texts are all that it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainLm {
    /// Shape and training.
    pub llm: SmallLlm,
    /// The words of the data set, for instructions in the prompt's own form.
    pub words: Words,
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
}

/// A language model with its prompt. Needs `llm` (the artefact of `pretrain-lm`) where the model is a small one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptedLlm {
    /// The language model, whole.
    pub llm: Llm,
    /// The prompt, in the words of the data set.
    pub prompt: Prompt,
    /// Whether the user representation begins the prompt.
    pub user: bool,
    /// The vector after each title.
    pub item: ItemEmbedding,
    /// Items with fewer training interactions than this have their text's vector instead.
    pub text_below: u64,
}

/// Settings of `project`: needs `prepared`, `backbone`, `align` (not for MLP-LLM, whose items are the CF model's own
/// rows) and what the language model needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainProject {
    /// The language model and its prompt. `item = "text"` and `text_below` train as `joint` does: only inference differs.
    pub llm: PromptedLlm,
    /// Targets and training.
    pub project: Project,
    /// Cell seed.
    pub seed: u64,
}

/// Settings of `tune`: needs `prepared` and what the language model needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainTune {
    /// The language model and its prompt, without user and item vectors.
    pub llm: PromptedLlm,
    /// Question, adapters and training.
    pub tune: Tune,
    /// Cell seed.
    pub seed: u64,
}

/// How a language model ranks: needs `backbone`, `align`, `project`, `tune`, `llm` as far as the method has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LlmRanking {
    /// The language model and its prompt.
    pub llm: PromptedLlm,
    /// How an answer is read; `None` where candidates are ranked by a yes.
    pub inference: Option<Inference>,
    /// Adapters; `None` for a frozen language model.
    pub tuned: Option<Tune>,
    /// Cell seed, for the order of candidates.
    pub seed: u64,
    /// Prompt tokens of one forward pass, unless one prompt alone has more.
    pub token_budget: usize,
}

/// Settings of `evaluate`: needs `prepared`, `candidates`, and `backbone` for a CF model or what [`LlmRanking`] needs; given
/// scores need no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluate {
    /// Whose targets are ranked.
    pub part: Part,
    /// Whether the scores of the candidates are left beside the ranks.
    pub keep_scores: bool,
    /// How a language model ranks; `None` for a CF model.
    pub ranking: Option<LlmRanking>,
    /// Scores that another program has made; `None` for everything that is computed here.
    pub given: Option<GivenScores>,
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
