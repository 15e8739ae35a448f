//! Training of projections into a language model, which several methods share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{
    Inference, Lora, OneItem, ProblemContext, ScoreBy, Targets, TrainingCandidates, Validation,
};
use super::problem::Problem;
use super::train::Train;

/// Stage 2: projections of user and items into the language model (equations 7 and 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// How users with one training item are treated.
    pub one_item: OneItem,
    /// The candidates of a training prompt.
    pub candidates: TrainingCandidates,
    /// Number of hidden layers (linear, layer norm, activation) in each projection. The authors'
    /// code has 1; 0 is a single linear layer.
    #[schemars(range(min = 0, max = 16))]
    pub hidden_layers: usize,
    /// Whether hidden layers are normalised, as in the authors' code.
    #[serde(default = "normalised", skip_serializing_if = "is_normalised")]
    pub layer_norm: bool,
    /// The size of the projections' outputs before training.
    pub start: ProjectionStart,
    /// Whether the frozen CF model keeps its dropout, as in the authors' code.
    pub backbone_dropout: bool,
    /// Maximum number of prompts to train on, over all epochs; 0: no limit. Training may then end
    /// within an epoch. A decaying learning rate reaches its end there. Stage 1 is not limited.
    pub max_samples: u64,
    /// Validation while the projections are trained.
    pub validate: Validation,
    /// Trains the rank of the target among drawn items, in place of the likelihood of its title.
    /// Needs a prompt without a list of candidates, and an inference by `gain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking_loss: Option<RankingLoss>,
    /// Adapters of the language model, trained together with the projections; without them it is
    /// frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapters: Option<Adapters>,
    /// Epochs, batch size, optimizer.
    pub train: Train,
}

fn normalised() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_normalised(layer_norm: &bool) -> bool {
    *layer_norm
}

/// Adapters of the language model that are trained together with projections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adapters {
    /// The adapters.
    pub lora: Lora,
    /// When a training step reads vectors.
    pub curriculum: Curriculum,
}

/// When a training step reads vectors. In the other steps a word is in their place, and the
/// projections are not trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Curriculum {
    /// Always.
    None,
    /// Step s of S with probability s / S, drawn for each step, as in LLaRA's code. S is the number
    /// of steps of all epochs.
    Linear,
}

/// Softmax cross-entropy of the target among drawn items. The logit of an item is its gain: the
/// log-likelihood of its title after the prompt, minus that after the prompt without history and
/// vectors. The likelihood of a title has no negatives: it also rises when all titles of a shop
/// become likelier. Our own addition; the paper trains the likelihood alone (equation 9).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RankingLoss {
    /// Items drawn for each target by the rules of `candidates`.
    #[schemars(range(min = 1, max = 255))]
    pub negatives: usize,
    /// Logits are divided by this number of nats. Gains of a title are sums over its tokens, so
    /// differences of ten are common.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub temperature: f64,
}

impl Project {
    /// Training settings without an effect, adapters that the language model `llm` cannot have, and
    /// a ranking loss that does not train what `inference` ranks by.
    pub fn problems(
        &self,
        llm: &str,
        inference: &Inference,
        context: &ProblemContext<'_>,
    ) -> Vec<Problem> {
        let mut found = self.train.problems_of_llm_stage("project.train");
        if let Some(adapters) = &self.adapters {
            let key = "project.adapters.lora";
            found.extend(adapters.lora.problems(key, llm, context));
        }
        if self.ranking_loss.is_none() {
            return found;
        }
        let key = "project.ranking_loss";
        if self.adapters.is_some() {
            let message = "the ranking loss compares with titles that a frozen language model has \
                           read, and `adapters` train it";
            found.push(
                Problem::at(key, message)
                    .label("expected no adapters with it")
                    .hint("remove `ranking_loss`, or `project.adapters`"),
            );
        }
        if context.prompt.is_some_and(|prompt| prompt.list) {
            let message = "the ranking loss compares titles after one prompt, and the prompt lists \
                           the candidates";
            found.push(
                Problem::at(key, message)
                    .label("expected a prompt without a list")
                    .hint("write `list = false` in the prompt, or remove `ranking_loss`"),
            );
        }
        let by_gain = matches!(
            inference,
            Inference::Score {
                by: ScoreBy::Gain,
                ..
            }
        );
        if !by_gain {
            let message = "the ranking loss trains gains, and `inference` ranks by something else";
            found.push(
                Problem::at(key, message)
                    .label("expected an inference by `gain`")
                    .hint("write `inference.score = { by = \"gain\" }`, or remove `ranking_loss`"),
            );
        }
        found
    }
}

/// The size of the projections' outputs before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionStart {
    /// Xavier-normal matrices, as in the authors' code: outputs have a root mean square of about
    /// 0.65.
    Xavier,
    /// The last layer starts smaller, by the root mean square of the language model's token
    /// embeddings. Vectors are then about as long as those of words, which are some five times
    /// shorter than with `xavier` in a small model.
    TokenScale,
}
