//! `[model.NAME.e4srec]`: E4SRec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{
    Inference, ItemEmbedding, LlmMethod, OneItem, ProblemContext, StageContext, Validation, Vectors,
};
use super::problem::Problem;
use super::represent::{AdaptedRepresent, Representation};
use super::stage::{Settings, TrainRepresent, ValidationRanking};
use super::{Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "e4srec",
    group: Group::LlmMethod,
    hue: Some(Hue::Pink),
    defaults: r#"
[default.model.e4srec]
prompt = "default"

# HestiaSky/E4SRec at 4756e5f trains on the last 50 training items of a user, also on a first one,
# which has no history.
[default.adapted_represent]
targets = "all"
one_item = "skip"
max_samples = 0
validate = {}

# Li et al. 2023 (arXiv 2312.02443), with the values of the code for sequential data (README.md and
# finetune.py at 4756e5f): rank and alpha 16, dropout 0.05, adapters on the three MLP matrices of
# Llama; 3 epochs of 16 targets a step, AdamW without weight decay, 3e-4 after 100 steps of warm-up,
# then along a cosine to 0. It does not validate. One loss for each target, over the catalogue.
[preset.paper.e4srec]
represent.lora = { rank = 16, alpha = 16.0, dropout = 0.05, targets = ["gate_proj", "up_proj", "down_proj"] }
represent.train = { epochs = 3, batch_size = 16, lr = 3e-4, warmup = 100, decay = "cosine", optimizer.adamw = { betas = [0.9, 0.999], weight_decay = 0.0 } }
"#,
};

/// E4SRec (Li et al. 2023): a language model with LoRA adapters reads one vector for each item of
/// the history, and no title. A linear layer makes it of the item's vector in a frozen CF model.
/// Another one scores all items at the last position of the prompt, so that one pass for each user
/// ranks the whole catalogue. It has its own prompt, which uses `history` and `chat` of `prompt`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct E4srec {
    /// Name of the CF model.
    pub backbone: String,
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// The adapters and how they are trained, with the two linear layers.
    pub represent: AdaptedRepresent,
}

impl LlmMethod for E4srec {
    fn llm(&self) -> &str {
        &self.llm
    }

    fn prompt(&self) -> &str {
        &self.prompt
    }

    fn uses_template(&self) -> bool {
        false
    }

    fn inference(&self) -> Option<&Inference> {
        None
    }

    fn ranks_by_vectors(&self) -> bool {
        true
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
        vec![Settings::Represent(TrainRepresent {
            llm: context.llm.clone(),
            ranking: ValidationRanking::of(&self.represent.validate, None, context),
            represent: Representation::Adapted(self.represent.clone()),
            token_budget: context.token_budget,
            seed: context.seed,
        })]
    }

    fn validation(&self) -> Option<(&'static str, &Validation)> {
        Some(("represent.validate", &self.represent.validate))
    }

    fn problems(&self, context: &ProblemContext<'_>) -> Vec<Problem> {
        let represent = &self.represent;
        let mut found = represent.train.problems_of_llm_stage("represent.train");
        found.extend(
            represent
                .lora
                .problems("represent.lora", &self.llm, context),
        );
        if represent.one_item == OneItem::Padding {
            let message = "padding is not in the catalogue, so it has no score to be a target with";
            found.push(
                Problem::at("represent.one_item", message)
                    .label("expected `skip` or `empty_history`")
                    .hint("write `one_item = \"skip\"`"),
            );
        }
        found
    }
}
