//! Fine-tuning of a language model with adapters, which several methods share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{Lora, OneItem, ProblemContext, Targets, TrainingCandidates, Validation};
use super::problem::Problem;
use super::train::Train;

/// The letters that name candidates, in the order of their list.
pub const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Fine-tuning with adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tune {
    /// The question: for a title, as in the A-LLMRec paper, or for yes or no, as in TALLRec.
    pub form: TuneForm,
    /// The adapters.
    pub lora: Lora,
    /// Whether the loss includes the prompt's tokens.
    pub train_on_inputs: bool,
    /// Which items of a sequence are targets.
    #[serde(default, skip_serializing_if = "Targets::is_last")]
    pub targets: Targets,
    /// How users with one training item are treated.
    pub one_item: OneItem,
    /// The candidates of a training prompt that lists them.
    pub candidates: TrainingCandidates,
    /// Maximum number of prompts to train on, over all epochs; 0: no limit. Training may then end
    /// within an epoch. A decaying learning rate reaches its end there.
    pub max_samples: u64,
    /// Validation while the adapters are trained.
    pub validate: Validation,
    /// Epochs, batch size, optimizer.
    pub train: Train,
}

/// The question in a prompt of a tuned language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TuneForm {
    /// Which of the candidates' titles comes next.
    Title,
    /// Whether the user likes one item. Candidates are ranked by the likelihood of `Yes`.
    YesNo,
    /// Which letter the next item has in the list of candidates. This is the form of LlamaRec, a
    /// separate kind of model.
    #[schemars(skip)]
    Letter,
}

impl Lora {
    /// Adapters of no module, or of modules that the language model `llm` lacks; `key` is the
    /// dotted key of these settings.
    pub fn problems(&self, key: &str, llm: &str, context: &ProblemContext<'_>) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.targets.is_empty() {
            let message = "`lora.targets` is empty, so nothing would be trained";
            found.push(
                Problem::at(format!("{key}.targets"), message)
                    .label("expected at least one module")
                    .hint("for example `targets = [\"q_proj\", \"v_proj\"]`"),
            );
        }
        let modules = context.modules.unwrap_or_default();
        for (at, target) in self.targets.iter().enumerate() {
            if !modules.is_empty() && !modules.contains(&target.as_str()) {
                let message = format!("language model `{llm}` has no module `{target}`");
                found.push(
                    Problem::at(format!("{key}.targets.{at}"), message)
                        .label("expected a module of its blocks")
                        .hint(format!("the modules are `{}`", modules.join("`, `"))),
                );
            }
        }
        found
    }
}
