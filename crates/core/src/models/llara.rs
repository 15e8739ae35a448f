//! `[model.NAME.llara]`: LLaRA.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{
    Inference, ItemEmbedding, LlmMethod, ProblemContext, Project, StageContext, Validation, Vectors,
};
use super::problem::Problem;
use super::stage::{Settings, TrainProject, ValidationRanking};
use super::{Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "llara",
    group: Group::LlmMethod,
    hue: Some(Hue::Amber),
    defaults: r#"
[default.model.llara]
prompt = "default"

# ljy0ustc/LLaRA at 9733f73: a projector of two layers without a norm, LoRA on all projections of
# Llama's blocks, a batch of 8 accumulated 16 times, and a cosine to a hundredth of the rate. Its
# warm-up is a twentieth of all steps: `project.train.warmup` says that for the size of a data set.
# Its prompts list 20 candidates and 10 items of history.
[preset.paper.llara]
inference.score = {}

[preset.paper.llara.project]
targets = "last"
backbone_dropout = false
hidden_layers = 1
layer_norm = false
adapters.lora = { rank = 8, alpha = 32.0, dropout = 0.1, targets = ["q_proj", "v_proj", "k_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] }
adapters.curriculum = "linear"
train = { epochs = 5, batch_size = 128, lr = 8e-4, decay = "cosine_to_hundredth", optimizer.adam = { betas = [0.9, 0.999] } }
"#,
};

/// LLaRA (Liao et al. 2024, arXiv 2312.02445). Each title in the prompt is followed by a projected
/// item vector of a CF model. The projection and adapters of the language model are trained
/// together, at first with titles alone. There is no user vector. The authors' own metric is the
/// share of right answers among the valid ones: `inference.generate` measures both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Llara {
    /// Name of the CF model.
    pub backbone: String,
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// How projection and adapters are trained. Every preset has `adapters`.
    pub project: Project,
    /// How an answer is read.
    pub inference: Inference,
}

impl LlmMethod for Llara {
    fn llm(&self) -> &str {
        &self.llm
    }

    fn prompt(&self) -> &str {
        &self.prompt
    }

    fn inference(&self) -> Option<&Inference> {
        Some(&self.inference)
    }

    fn backbone(&self) -> Option<&str> {
        Some(&self.backbone)
    }

    fn vectors(&self) -> Vectors {
        Vectors {
            user: false,
            item: ItemEmbedding::Joint,
            text_below: 0,
        }
    }

    fn stages(&self, context: &StageContext<'_>) -> Vec<Settings> {
        vec![Settings::Project(TrainProject {
            llm: context.llm.clone(),
            ranking: ValidationRanking::of(&self.project.validate, self.inference(), context),
            project: self.project.clone(),
            seed: context.seed,
        })]
    }

    fn validation(&self) -> Option<(&'static str, &Validation)> {
        Some(("project.validate", &self.project.validate))
    }

    fn problems(&self, context: &ProblemContext<'_>) -> Vec<Problem> {
        self.project.problems(&self.llm, &self.inference, context)
    }
}
