//! Fine-tuning of a language model with adapters, which several methods share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{Lora, OneItem, ProblemContext, Targets, TrainingCandidates, Validation};
use super::problem::Problem;
use super::train::Train;

/// The letters that name candidates, in the order of their list.
pub const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Fine-tuning with adapters on the letter of the next item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LetterTune {
    /// The adapters.
    pub lora: Lora,
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// How users with one training item are treated.
    pub one_item: OneItem,
    /// The candidates of a training prompt.
    pub candidates: TrainingCandidates,
    /// Maximum number of prompts to train on, over all epochs; 0: no limit. Training may then end
    /// within an epoch. A decaying learning rate reaches its end there.
    pub max_samples: u64,
    /// Validation while the adapters are trained.
    pub validate: Validation,
    /// Epochs, batch size, optimizer.
    pub train: Train,
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
