//! `[model.NAME.llm_srec]`: LLM-SRec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{
    Inference, ItemEmbedding, LlmMethod, OneItem, ProblemContext, StageContext, Validation, Vectors,
};
use super::problem::Problem;
use super::represent::{Represent, Representation};
use super::stage::{Settings, TrainRepresent, ValidationRanking};
use super::train::OutOfMemory;
use super::{Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "llm_srec",
    group: Group::LlmMethod,
    hue: Some(Hue::Green),
    defaults: r#"
[default.model.llm_srec]
prompt = "default"

# Sein-Kim/LLM-SRec at b81019c. Users with one training item are skipped, since a target without a
# history is not what is measured.
[default.represent]
width = 128
hidden_units = 2048
negatives = 3
distillation = 1.0
uniformity = 1.0
targets = "last"
one_item = "skip"
max_samples = 0
validate = {}

# Kim et al. 2025 (arXiv 2502.13909), appendix, and the authors' code. They stop after five
# validations without a better HR@10, ten validations an epoch: `represent.validate` says that for
# the size of a data set.
[preset.paper.llm_srec]
represent.train = { epochs = 10, batch_size = 20, lr = 1e-4, decay = "stepwise", optimizer.adam = { betas = [0.9, 0.98] } }
"#,
};

/// LLM-SRec (Kim et al. 2025): a frozen language model reads titles and projected items of a frozen
/// CF model. Its states become vectors of users and items, whose dot products rank. So the whole
/// catalogue costs one pass for each item and one for each user. It has its own prompts, which use
/// `history`, `title_tokens` and `chat` of `prompt`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlmSrec {
    /// Name of the CF model.
    pub backbone: String,
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// How the vectors are trained.
    pub represent: Represent,
}

impl LlmMethod for LlmSrec {
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
            user: true,
            item: ItemEmbedding::Joint,
            text_below: 0,
        }
    }

    fn stages(&self, context: &StageContext<'_>) -> Vec<Settings> {
        vec![Settings::Represent(TrainRepresent {
            llm: context.llm.clone(),
            ranking: ValidationRanking::of(&self.represent.validate, None, context),
            represent: Representation::Frozen(self.represent.clone()),
            token_budget: context.token_budget,
            seed: context.seed,
        })]
    }

    fn validation(&self) -> Option<(&'static str, &Validation)> {
        Some(("represent.validate", &self.represent.validate))
    }

    fn problems(&self, _context: &ProblemContext<'_>) -> Vec<Problem> {
        let Represent {
            train,
            uniformity,
            one_item,
            ..
        } = &self.represent;
        let mut found = train.problems_of_llm_stage("represent.train");
        let splits = match (train.token_budget, train.out_of_memory) {
            (0, OutOfMemory::Fail) => None,
            (0, OutOfMemory::Halve) => Some("out_of_memory"),
            _ => Some("token_budget"),
        };
        if let Some(field) = splits {
            let message = format!(
                "`{field}` splits steps, and the users of a step are compared with one another"
            );
            found.push(
                Problem::at(format!("represent.train.{field}"), message)
                    .label("has no effect")
                    .hint(format!("remove `{field}`, or lower `batch_size`")),
            );
        }
        if *uniformity > 0.0 && train.batch_size == 1 {
            let message = "`uniformity` compares the users of a batch, and `batch_size` is 1";
            found.push(
                Problem::at("represent.uniformity", message)
                    .label("has no effect")
                    .hint("raise `train.batch_size`, or write `uniformity = 0`"),
            );
        }
        if *one_item == OneItem::Padding {
            let message = "padding has no title, so it has no vector to be a target with";
            found.push(
                Problem::at("represent.one_item", message)
                    .label("expected `skip` or `empty_history`")
                    .hint("write `one_item = \"skip\"`"),
            );
        }
        found
    }
}
