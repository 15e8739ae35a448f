//! Models and methods. Each kind has one file with its settings, defaults, presets, checks, stages
//! and colour.
//!
//! To add a model, write its file, add it to [`Model`] and [`KINDS`], and follow the compiler. Its
//! network belongs in the worker.

pub mod allmrec;
pub mod bert4rec;
pub mod ctrl;
pub mod e4srec;
pub mod fusion;
pub mod gru4rec;
pub mod hstu;
mod hue;
mod kind;
pub mod llamarec;
pub mod llara;
pub mod llm_method;
pub mod llm_only;
pub mod llm_srec;
pub mod markov;
pub mod mlp_llm;
pub mod morec;
pub mod ncf;
pub mod nextitnet;
pub mod popularity;
pub mod problem;
pub mod project;
pub mod recformer;
pub mod repeat;
pub mod represent;
pub mod sasrec;
pub mod scores;
pub mod stage;
pub mod tallrec;
pub mod text_similarity;
pub mod train;
mod training;
pub mod tune;
pub mod weights;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Encoder;
pub use allmrec::Allmrec;
pub use bert4rec::Bert4rec;
pub use ctrl::Ctrl;
pub use e4srec::E4srec;
pub use fusion::Fusion;
pub use gru4rec::Gru4rec;
pub use hstu::Hstu;
pub use hue::Hue;
pub use kind::{Group, Kind};
pub use llamarec::Llamarec;
pub use llara::Llara;
pub use llm_method::LlmMethod;
pub use llm_only::LlmOnly;
pub use llm_srec::LlmSrec;
pub use markov::Markov;
pub use mlp_llm::MlpLlm;
pub use morec::Morec;
pub use ncf::Ncf;
pub use nextitnet::Nextitnet;
pub use popularity::Popularity;
pub use problem::Problem;
pub use recformer::Recformer;
pub use repeat::Repeat;
pub use sasrec::Sasrec;
pub use scores::Scores;
pub use tallrec::{Tallrec, Tune, TuneForm};
pub use text_similarity::TextSimilarity;
pub use train::Train;
pub use training::{ItemTexts, Training};
use weights::Weight;

/// A recommender: a collaborative-filtering model, or a method that queries a language model.
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
    /// Bidirectional attention that fills in masked items (Sun et al. 2019).
    Bert4rec(Bert4rec),
    /// Causal attention without softmax (Zhai et al. 2024).
    Hstu(Hstu),
    /// SASRec with item vectors from texts (Yuan et al. 2023).
    Morec(Morec),
    /// SASRec, aligned with texts of histories before it is trained (Li et al. 2023).
    Ctrl(Ctrl),
    /// A language model that reads histories as texts (Li et al. 2023).
    Recformer(Recformer),
    /// Items by training count: a baseline.
    Popularity(Popularity),
    /// Items of the history first, others by training count: a baseline.
    Repeat(Repeat),
    /// First-order Markov chain over items: a baseline.
    Markov(Markov),
    /// Scores or ranked lists in a file that another program wrote.
    Scores(Scores),
    /// Candidates by the similarity of their texts to those of the history: a baseline.
    TextSimilarity(TextSimilarity),
    /// Models of the same experiment, combined without training.
    Fusion(Fusion),
    /// A frozen CF model, aligned with texts and projected into a frozen language model (Kim et al.
    /// 2024).
    Allmrec(Allmrec),
    /// A language model alone, zero-shot.
    LlmOnly(LlmOnly),
    /// A CF model's vectors, projected into a frozen language model.
    MlpLlm(MlpLlm),
    /// Titles with a CF model's projected vectors, read by a tuned language model (Liao et al.
    /// 2024).
    Llara(Llara),
    /// A language model with LoRA adapters (Bao et al. 2023).
    Tallrec(Tallrec),
    /// A tuned language model that answers with the letter of a candidate (Yue et al. 2023).
    Llamarec(Llamarec),
    /// User and item vectors of a frozen language model that reads a CF model's items (Kim et al.
    /// 2025).
    LlmSrec(LlmSrec),
    /// A tuned language model that reads a CF model's items and scores all (Li et al. 2023).
    E4srec(E4srec),
}

/// Every kind of model.
pub const KINDS: [Kind; 23] = [
    sasrec::KIND,
    gru4rec::KIND,
    nextitnet::KIND,
    ncf::KIND,
    bert4rec::KIND,
    hstu::KIND,
    morec::KIND,
    ctrl::KIND,
    recformer::KIND,
    popularity::KIND,
    repeat::KIND,
    markov::KIND,
    scores::KIND,
    text_similarity::KIND,
    fusion::KIND,
    allmrec::KIND,
    llm_only::KIND,
    mlp_llm::KIND,
    llara::KIND,
    tallrec::KIND,
    llamarec::KIND,
    llm_srec::KIND,
    e4srec::KIND,
];

/// The CF models. The worker implements each of them.
#[derive(Clone, Copy, Debug)]
pub enum CfKind<'a> {
    /// SASRec.
    Sasrec(&'a Sasrec),
    /// GRU4Rec.
    Gru4rec(&'a Gru4rec),
    /// NextItNet.
    Nextitnet(&'a Nextitnet),
    /// NCF.
    Ncf(&'a Ncf),
    /// BERT4Rec.
    Bert4rec(&'a Bert4rec),
    /// HSTU.
    Hstu(&'a Hstu),
    /// MoRec.
    Morec(&'a Morec),
    /// CTRL.
    Ctrl(&'a Ctrl),
    /// RECFORMER.
    Recformer(&'a Recformer),
    /// Items by training count.
    Popularity(&'a Popularity),
    /// Items of the history first, others by training count.
    Repeat(&'a Repeat),
    /// A first-order Markov chain.
    Markov(&'a Markov),
}

/// A collaborative-filtering model. The default methods describe a model that only counts
/// interactions.
pub trait CfModel {
    /// How it is trained, or which weights are imported; `None` for a model that only counts. A
    /// trained model has a vector for each user and item, which LLM methods can read.
    fn training(&self) -> Option<Training<'_>> {
        None
    }

    /// File of imported weights, as written in the experiment file.
    fn weights(&self) -> Option<&str> {
        self.training()?.weights
    }

    /// File that imported weights are verified with, as written in the experiment file.
    fn weights_check(&self) -> Option<&str> {
        self.training()?.weights_check
    }

    /// Names and shapes of its tensors, in any order.
    fn tensors(&self) -> Vec<Weight> {
        Vec::new()
    }

    /// The texts that its item vectors come from; `None` for a model of ids. A model that reads
    /// texts has a row for every item, also for those of another domain.
    fn texts(&self) -> Option<ItemTexts<'_>> {
        None
    }

    /// Dotted key of the settings that [`CfModel::training`] reads.
    fn train_key(&self) -> &'static str {
        "train"
    }

    /// Settings that contradict each other.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// A setting that contradicts the text encoder that the model refers to.
    fn problems_with_encoder(&self, _encoder: &Encoder) -> Option<Problem> {
        None
    }

    /// Reports a setting that must be written next to `weights` and is not. Weights of networks
    /// that differ in it look alike.
    fn written_with_weights(&self) -> Option<Problem> {
        None
    }

    /// Settings with which the tensors of the model have `names`; `None` when there are none.
    fn settings_for_names(&self, _names: &BTreeSet<&str>) -> Option<String> {
        None
    }

    /// Advice for a tensor whose size follows from `setting` and is `found` in the file; `None`
    /// when the setting's value says enough.
    fn settings_for_size(&self, _setting: &str, _found: usize) -> Option<String> {
        None
    }
}

impl Model {
    /// The kind's name in the experiment file.
    pub fn kind(&self) -> &'static str {
        match self {
            Model::Sasrec(_) => sasrec::KIND.name,
            Model::Gru4rec(_) => gru4rec::KIND.name,
            Model::Nextitnet(_) => nextitnet::KIND.name,
            Model::Ncf(_) => ncf::KIND.name,
            Model::Bert4rec(_) => bert4rec::KIND.name,
            Model::Hstu(_) => hstu::KIND.name,
            Model::Morec(_) => morec::KIND.name,
            Model::Ctrl(_) => ctrl::KIND.name,
            Model::Recformer(_) => recformer::KIND.name,
            Model::Popularity(_) => popularity::KIND.name,
            Model::Repeat(_) => repeat::KIND.name,
            Model::Markov(_) => markov::KIND.name,
            Model::Scores(_) => scores::KIND.name,
            Model::TextSimilarity(_) => text_similarity::KIND.name,
            Model::Fusion(_) => fusion::KIND.name,
            Model::Allmrec(_) => allmrec::KIND.name,
            Model::LlmOnly(_) => llm_only::KIND.name,
            Model::MlpLlm(_) => mlp_llm::KIND.name,
            Model::Llara(_) => llara::KIND.name,
            Model::Tallrec(_) => tallrec::KIND.name,
            Model::Llamarec(_) => llamarec::KIND.name,
            Model::LlmSrec(_) => llm_srec::KIND.name,
            Model::E4srec(_) => e4srec::KIND.name,
        }
    }

    /// The model as one of the CF models.
    pub fn cf_kind(&self) -> Option<CfKind<'_>> {
        match self {
            Model::Sasrec(model) => Some(CfKind::Sasrec(model)),
            Model::Gru4rec(model) => Some(CfKind::Gru4rec(model)),
            Model::Nextitnet(model) => Some(CfKind::Nextitnet(model)),
            Model::Ncf(model) => Some(CfKind::Ncf(model)),
            Model::Bert4rec(model) => Some(CfKind::Bert4rec(model)),
            Model::Hstu(model) => Some(CfKind::Hstu(model)),
            Model::Morec(model) => Some(CfKind::Morec(model)),
            Model::Ctrl(model) => Some(CfKind::Ctrl(model)),
            Model::Recformer(model) => Some(CfKind::Recformer(model)),
            Model::Popularity(model) => Some(CfKind::Popularity(model)),
            Model::Repeat(model) => Some(CfKind::Repeat(model)),
            Model::Markov(model) => Some(CfKind::Markov(model)),
            Model::Scores(_)
            | Model::TextSimilarity(_)
            | Model::Fusion(_)
            | Model::Allmrec(_)
            | Model::LlmOnly(_)
            | Model::MlpLlm(_)
            | Model::Llara(_)
            | Model::Tallrec(_)
            | Model::Llamarec(_)
            | Model::LlmSrec(_)
            | Model::E4srec(_) => None,
        }
    }

    /// The model as a CF model.
    pub fn cf(&self) -> Option<&dyn CfModel> {
        Some(match self.cf_kind()? {
            CfKind::Sasrec(model) => model,
            CfKind::Gru4rec(model) => model,
            CfKind::Nextitnet(model) => model,
            CfKind::Ncf(model) => model,
            CfKind::Bert4rec(model) => model,
            CfKind::Hstu(model) => model,
            CfKind::Morec(model) => model,
            CfKind::Ctrl(model) => model,
            CfKind::Recformer(model) => model,
            CfKind::Popularity(model) => model,
            CfKind::Repeat(model) => model,
            CfKind::Markov(model) => model,
        })
    }

    /// The model as a method that queries a language model.
    pub fn llm_method(&self) -> Option<&dyn LlmMethod> {
        match self {
            Model::Allmrec(method) => Some(method),
            Model::LlmOnly(method) => Some(method),
            Model::MlpLlm(method) => Some(method),
            Model::Llara(method) => Some(method),
            Model::Tallrec(method) => Some(method),
            Model::Llamarec(method) => Some(method),
            Model::LlmSrec(method) => Some(method),
            Model::E4srec(method) => Some(method),
            Model::Sasrec(_)
            | Model::Gru4rec(_)
            | Model::Nextitnet(_)
            | Model::Ncf(_)
            | Model::Bert4rec(_)
            | Model::Hstu(_)
            | Model::Morec(_)
            | Model::Ctrl(_)
            | Model::Recformer(_)
            | Model::Popularity(_)
            | Model::Repeat(_)
            | Model::Markov(_)
            | Model::Scores(_)
            | Model::TextSimilarity(_)
            | Model::Fusion(_) => None,
        }
    }

    /// Name of the text encoder that the model reads vectors of.
    pub fn encoder(&self) -> Option<&str> {
        if let Model::TextSimilarity(model) = self {
            return Some(&model.encoder);
        }
        if let Some(texts) = self.texts() {
            return texts.encoder;
        }
        if let Some(model) = self.contrasted() {
            return Some(&model.encoder);
        }
        self.llm_method()?.encoder()
    }

    /// The model as one that is aligned with texts before it is trained.
    pub fn contrasted(&self) -> Option<&Ctrl> {
        match self.cf_kind()? {
            CfKind::Ctrl(model) => Some(model),
            CfKind::Sasrec(_)
            | CfKind::Gru4rec(_)
            | CfKind::Nextitnet(_)
            | CfKind::Ncf(_)
            | CfKind::Bert4rec(_)
            | CfKind::Hstu(_)
            | CfKind::Morec(_)
            | CfKind::Recformer(_)
            | CfKind::Popularity(_)
            | CfKind::Repeat(_)
            | CfKind::Markov(_) => None,
        }
    }

    /// The texts that a CF model has its item vectors from.
    pub fn texts(&self) -> Option<ItemTexts<'_>> {
        self.cf()?.texts()
    }

    /// Names of the models that the model combines; empty for all but a fusion.
    pub fn sources(&self) -> &[String] {
        if let Model::Fusion(fusion) = self {
            return &fusion.models;
        }
        &[]
    }

    /// Whether the model is a CF model with a vector for each user and item, which LLM methods can
    /// read.
    pub fn is_backbone(&self) -> bool {
        self.cf().is_some_and(|model| model.training().is_some())
    }

    /// How the model is trained as a CF model. `None` for imported weights, and for kinds that are
    /// not trained or that train in stages of their methods.
    pub fn training(&self) -> Option<Training<'_>> {
        let model = self.cf().filter(|model| model.weights().is_none());
        model.and_then(CfModel::training)
    }

    /// Whether the model gives the same result for every seed and thread count, because it counts
    /// interactions or reads a file.
    pub fn is_deterministic(&self) -> bool {
        self.training().is_none()
    }

    /// File of imported weights, as written in the experiment file.
    pub fn weights(&self) -> Option<&str> {
        self.cf().and_then(CfModel::weights)
    }

    /// The model without the paths of its weights, so that an artefact does not depend on where the
    /// files were.
    pub fn without_weights(mut self) -> Self {
        let files = match &mut self {
            Model::Sasrec(model) => [&mut model.weights, &mut model.weights_check],
            Model::Gru4rec(model) => [&mut model.weights, &mut model.weights_check],
            Model::Nextitnet(model) => [&mut model.weights, &mut model.weights_check],
            Model::Ncf(model) => [&mut model.weights, &mut model.weights_check],
            Model::Bert4rec(model) => [&mut model.weights, &mut model.weights_check],
            Model::Hstu(model) => [&mut model.weights, &mut model.weights_check],
            Model::Morec(_)
            | Model::Ctrl(_)
            | Model::Recformer(_)
            | Model::Popularity(_)
            | Model::Repeat(_)
            | Model::Markov(_)
            | Model::Scores(_)
            | Model::TextSimilarity(_)
            | Model::Fusion(_)
            | Model::Allmrec(_)
            | Model::LlmOnly(_)
            | Model::MlpLlm(_)
            | Model::Llara(_)
            | Model::Tallrec(_)
            | Model::Llamarec(_)
            | Model::LlmSrec(_)
            | Model::E4srec(_) => return self,
        };
        files.into_iter().for_each(|file| *file = None);
        self
    }

    /// Files that the model reads, as written in the experiment file: weights or scores. Folders of
    /// language models are not included.
    pub fn files(&self) -> Vec<&str> {
        if let Model::Scores(scores) = self {
            return scores.files();
        }
        let Some(model) = self.cf() else {
            return Vec::new();
        };
        [model.weights(), model.weights_check()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// A model with some keys changed: `[variant.NAME]` with `of = "MODEL"` and `[variant.NAME.set]`.
///
/// In the resolved spec, a variant also contains the complete resulting model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Name of the model that is varied.
    pub of: String,
    /// Dotted keys of that model's configuration and their new values.
    pub set: BTreeMap<String, serde_json::Value>,
    /// The resulting model; written by the resolver, never in an experiment file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub resolved: Option<Model>,
}
