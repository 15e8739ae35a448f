//! Stages: the settings that are hashed into a key, and the job of a worker process.

mod evaluate;
mod kind;
mod pretrain;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::allmrec::{Align, ItemText};
use super::ctrl::Contrast;
use super::llm_method::{Inference, ItemEmbedding, Project, ScoreBy, StageContext, Validation};
use super::represent::Representation;
use super::sasrec::Sasrec;
use super::{Model, Tune};
use crate::config::dataset::Dataset;
use crate::config::llm::{Llm, Prompt, SmallLlm, Words};
use crate::config::protocol::{Candidates, Rules, Ties};
use crate::config::{Encoder, Scenario};
use crate::digest::Key;

pub use evaluate::{
    Evaluate, FusionRanking, GenreRule, GivenScores, Ranking, TextRanking, VectorRanking,
    source_role,
};
pub use kind::StageKind;
pub use pretrain::{TrainPretrain, pretrained_role};

/// A unit of work with a content key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The work, with every setting that can change the result.
    pub settings: Settings,
    /// Where it runs; `None` if that cannot change the result.
    pub compute: Option<Compute>,
    /// Keys of the stages whose artefacts are read, by role (`prepared`, `candidates`, `backbone`).
    pub needs: BTreeMap<String, Key>,
    /// Digests of the input files, by path as written in the spec.
    pub inputs: BTreeMap<String, Key>,
}

impl Stage {
    /// The stage's key: BLAKE3 over kind, version, settings and needs. An input file is included by
    /// its digest, not its path.
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
    /// `cpu` or `cuda`. The index of the device does not change the result.
    pub device: String,
    /// CPU threads: another number may change the last bits of a result.
    pub threads: usize,
}

/// The settings of a stage, one variant for each kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Settings {
    /// Reads a source and makes a filtered, split, numbered data set.
    Prepare(Prepare),
    /// Makes candidate lists.
    Candidates(DrawCandidates),
    /// Trains a CF model, or imports its weights.
    Backbone(TrainBackbone),
    /// Trains CTRL's stage 1.
    Contrast(TrainContrast),
    /// Pre-trains RECFORMER.
    Pretrain(TrainPretrain),
    /// Computes the vectors of all items with a frozen text encoder.
    EncodeText(EncodeText),
    /// Trains a small language model on item texts.
    PretrainLm(PretrainLm),
    /// Trains A-LLMRec's stage 1.
    Align(TrainAlign),
    /// Trains A-LLMRec's stage 2, or MLP-LLM.
    Project(TrainProject),
    /// Trains adapters of a language model (TALLRec, LlamaRec).
    Tune(TrainTune),
    /// Trains vectors of users and items (LLM-SRec, E4SRec).
    Represent(TrainRepresent),
    /// Ranks the targets of measured users.
    Evaluate(Evaluate),
}

impl Settings {
    /// The kind of the stage.
    pub fn kind(&self) -> StageKind {
        match self {
            Settings::Prepare(_) => StageKind::Prepare,
            Settings::Candidates(_) => StageKind::Candidates,
            Settings::Backbone(_) => StageKind::Backbone,
            Settings::Contrast(_) => StageKind::Contrast,
            Settings::Pretrain(_) => StageKind::Pretrain,
            Settings::EncodeText(_) => StageKind::EncodeText,
            Settings::PretrainLm(_) => StageKind::PretrainLm,
            Settings::Align(_) => StageKind::Align,
            Settings::Project(_) => StageKind::Project,
            Settings::Tune(_) => StageKind::Tune,
            Settings::Represent(_) => StageKind::Represent,
            Settings::Evaluate(_) => StageKind::Evaluate,
        }
    }

    /// Roles of the artefacts that a method's stage reads, apart from prepared data and encoded
    /// texts. Those that the method lacks are left out.
    pub fn reads(&self) -> &'static [&'static str] {
        match self {
            Settings::Align(_) => &["backbone"],
            Settings::Project(_) => &["backbone", "align", "llm"],
            Settings::Tune(_) => &["llm"],
            Settings::Represent(_) => &["backbone", "llm"],
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Contrast(_)
            | Settings::Pretrain(_)
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
            Settings::Represent(represent) => Some(&represent.llm.llm),
            Settings::Evaluate(evaluate) => evaluate.ranking.prompted_llm().map(|by| &by.llm),
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Contrast(_)
            | Settings::Pretrain(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_) => None,
        }
    }

    /// The text encoder that the stage runs or reads vectors of.
    pub fn encoder(&self) -> Option<&Encoder> {
        match self {
            Settings::EncodeText(encode) => Some(&encode.encoder),
            Settings::Align(align) => Some(&align.encoder),
            Settings::Backbone(backbone) => backbone.encoder.as_ref(),
            Settings::Contrast(contrast) => Some(&contrast.encoder),
            Settings::Pretrain(pretrain) => pretrain.encoder.as_ref(),
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::PretrainLm(_)
            | Settings::Project(_)
            | Settings::Tune(_)
            | Settings::Represent(_)
            | Settings::Evaluate(_) => None,
        }
    }

    /// The stage that encodes the texts of all items, where this one reads its vectors.
    pub fn encoded_texts(&self) -> Option<EncodeText> {
        match self {
            Settings::Align(align) => align.encoded_texts(),
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Contrast(_)
            | Settings::Pretrain(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Project(_)
            | Settings::Tune(_)
            | Settings::Represent(_)
            | Settings::Evaluate(_) => None,
        }
    }

    /// Whether the stage queries a language model with random weights, so that only its cost is
    /// meaningful.
    pub fn has_random_weights(&self) -> bool {
        matches!(self.llm(), Some(Llm::Random(_)))
    }

    /// Version of the artefacts. It is raised when the code of a kind writes something else, so
    /// that earlier artefacts are not used.
    pub fn version(&self) -> u32 {
        match self {
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Contrast(_)
            | Settings::Pretrain(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_)
            | Settings::Project(_)
            | Settings::Tune(_)
            | Settings::Represent(_)
            | Settings::Evaluate(_) => 4,
        }
    }
}

/// Settings of `prepare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// The data set for training.
    pub dataset: Dataset,
    /// A scenario that changes training; `None` for scenarios that only select test users.
    pub scenario: Option<Scenario>,
    /// The data set that a cross-domain scenario measures.
    pub target: Option<Dataset>,
    /// The cell's seed, if the scenario samples users; `None` if it does not.
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
    /// How candidates with the same score as the target count in its rank.
    pub ties: Ties,
    /// A scenario whose targets are ranked against its class of items; `None` if all items can be
    /// drawn.
    pub class: Option<Scenario>,
    /// Maximum number of users evaluated; 0 is all.
    pub max_users: u64,
    /// Further users, for slices with too few of these.
    pub slices: SliceUsers,
    /// Seed of the draw.
    pub seed: u64,
}

/// Users that are drawn for slices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SliceUsers {
    /// Least number of users of a slice, where it has as many; 0: those of the common draw.
    pub least: u64,
    /// The slices that are measured.
    pub scenarios: Vec<Scenario>,
}

/// Settings of `backbone`: needs `prepared`, and `encoded` for a model that reads the vectors of a
/// frozen text encoder. CTRL needs `contrast`, and a pre-trained RECFORMER `pretrain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainBackbone {
    /// The whole model.
    pub model: Model,
    /// The text encoder, where it is trained with the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Encoder>,
    /// The cell's seed.
    pub seed: u64,
}

/// Settings of `contrast`: needs `prepared`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainContrast {
    /// The network.
    pub network: Sasrec,
    /// Loss, texts and training.
    pub contrast: Contrast,
    /// The whole encoder.
    pub encoder: Encoder,
    /// The words of the data set.
    pub words: Words,
    /// The cell's seed.
    pub seed: u64,
}

/// Settings of `encode-text`: needs `prepared`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncodeText {
    /// The whole encoder. It is not trained.
    pub encoder: Encoder,
    /// How title and description become one text.
    pub text: ItemText,
}

/// Settings of `pretrain-lm`: needs `prepared`, from which it reads only item texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainLm {
    /// Shape and training.
    pub llm: SmallLlm,
    /// The words of the data set, for instructions in the form of the prompt.
    pub words: Words,
}

/// Settings of `align`: needs `prepared`, `backbone`, and `encoded` where the encoder is frozen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainAlign {
    /// Losses and training.
    pub align: Align,
    /// The whole encoder.
    pub encoder: Encoder,
    /// The cell's seed.
    pub seed: u64,
}

impl TrainAlign {
    /// The stage that encodes the texts; `None` where the encoder is trained. A hashed encoder is
    /// always frozen.
    pub fn encoded_texts(&self) -> Option<EncodeText> {
        let is_trained = match self.encoder {
            Encoder::Hashed(_) => false,
            Encoder::Pretrained(_) => self.align.train_encoder,
        };
        (!is_trained).then(|| EncodeText {
            encoder: self.encoder.clone(),
            text: self.align.text,
        })
    }
}

/// A language model with its prompt. Needs `llm` (the artefact of `pretrain-lm`) for a small model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptedLlm {
    /// The whole language model.
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

/// Settings of `project`: needs `prepared`, `backbone`, `align` and the needs of the language
/// model. MLP-LLM does not need `align`: it uses the CF model's own vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainProject {
    /// The language model and its prompt. `item = "text"` and `text_below` train like `joint`: only
    /// inference differs.
    pub llm: PromptedLlm,
    /// Targets and training.
    pub project: Project,
    /// How validation ranks; `None` without validation.
    pub ranking: Option<ValidationRanking>,
    /// The cell's seed.
    pub seed: u64,
}

/// Settings of `tune`: needs `prepared` and the needs of the language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainTune {
    /// The language model and its prompt, without user and item vectors.
    pub llm: PromptedLlm,
    /// Question, adapters and training.
    pub tune: Tune,
    /// How validation ranks; `None` without validation.
    pub ranking: Option<ValidationRanking>,
    /// The cell's seed.
    pub seed: u64,
}

/// Settings of `represent`: needs `prepared`, `backbone` and the needs of the language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainRepresent {
    /// The language model, and the numbers of its prompt.
    pub llm: PromptedLlm,
    /// What is trained, and how.
    pub represent: Representation,
    /// How validation ranks; `None` without validation.
    pub ranking: Option<ValidationRanking>,
    /// Maximum number of prompt tokens in a forward pass without gradients.
    pub token_budget: usize,
    /// The cell's seed.
    pub seed: u64,
}

/// How validation ranks while a method is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationRanking {
    /// By likelihoods of titles; `None` where candidates are ranked by the likelihood of a yes or
    /// a letter, or by vectors.
    pub inference: Option<Inference>,
    /// Maximum number of prompt tokens in a forward pass. A longer prompt is a forward pass alone.
    pub token_budget: usize,
}

impl ValidationRanking {
    /// As in the method's `inference`. Where titles are generated, candidates are ranked by the sum
    /// of log-likelihoods: one hit or miss for each user says too little.
    pub fn of(
        validation: &Validation,
        inference: Option<&Inference>,
        context: &StageContext<'_>,
    ) -> Option<Self> {
        let scores = |inference: &Inference| match inference {
            Inference::Score { .. } => inference.clone(),
            Inference::Generate { .. } | Inference::Constrained {} => Inference::Score {
                by: ScoreBy::Sum,
                orders: 1,
            },
        };
        validation.is_on().then(|| Self {
            inference: inference.map(scores),
            token_budget: context.token_budget,
        })
    }
}

/// How a language model ranks: needs `backbone`, `align`, `project`, `tune` and `llm`, if the
/// method has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LlmRanking {
    /// The language model and its prompt.
    pub llm: PromptedLlm,
    /// How an answer is read; `None` where they are ranked by the likelihood of a yes or a letter.
    pub inference: Option<Inference>,
    /// Adapters; `None` for a frozen language model.
    pub tuned: Option<Tune>,
    /// The cell's seed, for the order of candidates.
    pub seed: u64,
    /// Maximum number of prompt tokens in a forward pass. A longer prompt is a forward pass alone.
    pub token_budget: usize,
    /// Whether the candidates are genres, which follow the items of the data set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub genres: bool,
}

/// The job of a worker process, as JSON in a file: `allround-worker JOB.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The stage to run.
    pub stage: Stage,
    /// The stage's key.
    pub key: Key,
    /// Folders of the artefacts in `stage.needs`, by role.
    pub needs: BTreeMap<String, PathBuf>,
    /// Empty folder for the artefact; the store publishes it by a rename.
    pub output: PathBuf,
    /// Folder for checkpoints, which is kept when the process is killed.
    pub checkpoint: PathBuf,
    /// Folder that relative paths of the spec refer to.
    pub base: PathBuf,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// CPU threads to use.
    pub threads: usize,
    /// Number of epochs between two checkpoints.
    pub checkpoint_every: u32,
    /// Minutes between two checkpoints within an epoch.
    pub checkpoint_minutes: f64,
}

/// `settings` as JSON. The path of an input file is replaced by its digest, and that of a folder by
/// the names and digests of its files. The result depends on contents, not on where files are.
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
