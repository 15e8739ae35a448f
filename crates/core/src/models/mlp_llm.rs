//! `[model.NAME.mlp_llm]`: MLP-LLM.

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
    name: "mlp_llm",
    group: Group::LlmMethod,
    hue: Some(Hue::Sky),
    defaults: r#"
[default.model.mlp_llm]
prompt = "default"

[preset.paper.mlp_llm]
inference.score = {}

[preset.paper.mlp_llm.project]
targets = "last"
backbone_dropout = false
train = { epochs = 5, batch_size = 4, lr = 1e-4, optimizer.adam = { betas = [0.9, 0.98] } }
"#,
};

/// A CF model's own vectors, projected by MLPs into a frozen language model, without stage 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MlpLlm {
    /// Name of the CF model.
    pub backbone: String,
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// How the projections are trained.
    pub project: Project,
    /// How an answer is read.
    pub inference: Inference,
}

impl LlmMethod for MlpLlm {
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
            user: true,
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
