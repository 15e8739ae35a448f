//! `[model.NAME.llamarec]`: LlamaRec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{Inference, LlmMethod, OneItem, ProblemContext, StageContext, Validation};
use super::problem::Problem;
use super::stage::{Settings, TrainTune, ValidationRanking};
use super::tune::{LETTERS, LetterTune};
use super::{Group, Hue, Kind, Tune};
use crate::config::protocol::Candidates;

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "llamarec",
    group: Group::LlmMethod,
    hue: Some(Hue::Wine),
    defaults: r#"
[default.model.llamarec]
prompt = "default"

# Yueeeeeeee/LlamaRec at 48b288b trains on every item but the first.
[default.letter_tune]
targets = "all"
one_item = "skip"
candidates = {}
max_samples = 0
validate = {}

# Yue et al. 2023 (arXiv 2311.02089), section 4.1: one epoch, rank 8, alpha 32, dropout 0.05, 1e-4.
# Batch size (16 for ML-100K, 12 otherwise), AdamW, warm-up and decay are those of the code. It
# validates every 100 steps by NDCG@10, with a patience of 20: `tune.validate` says that for the size
# of a data set.
[preset.paper.llamarec]
tune.lora = { rank = 8, alpha = 32.0, dropout = 0.05, targets = ["q_proj", "v_proj"] }
tune.train = { epochs = 1, batch_size = 16, lr = 1e-4, warmup = 100, decay = "linear", optimizer.adamw = { betas = [0.9, 0.999], weight_decay = 0.0 } }
"#,
};

/// LlamaRec (Yue et al. 2023): a language model with LoRA adapters, whose prompt lists the
/// candidates under letters. It answers with a letter, so one pass ranks all candidates: by the
/// logits of their letters. It has its own prompt, which uses `history`, `candidates`,
/// `title_tokens` and `chat` of `prompt`. The paper has `history = 20`, `candidates = 20` and
/// `title_tokens = 32`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Llamarec {
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// The adapters and how they are trained.
    pub tune: LetterTune,
}

impl LlmMethod for Llamarec {
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

    fn letters(&self) -> Option<usize> {
        Some(LETTERS.len())
    }

    fn stages(&self, context: &StageContext<'_>) -> Vec<Settings> {
        let tuned = self.tuned().into_iter();
        let stage = |tune: Tune| {
            Settings::Tune(TrainTune {
                llm: context.llm.clone(),
                ranking: ValidationRanking::of(&tune.validate, None, context),
                tune,
                seed: context.seed,
            })
        };
        tuned.map(stage).collect()
    }

    fn validation(&self) -> Option<(&'static str, &Validation)> {
        Some(("tune.validate", &self.tune.validate))
    }

    fn tuned(&self) -> Option<Tune> {
        Some(self.tune.clone().into())
    }

    fn problems(&self, context: &ProblemContext<'_>) -> Vec<Problem> {
        let mut found = self.tune.train.problems_of_llm_stage("tune.train");
        found.extend(self.tune.lora.problems("tune.lora", &self.llm, context));
        let letters = LETTERS.len();
        if let Some(prompt) = context.prompt {
            let listed = match prompt.list {
                true if prompt.candidates <= letters => None,
                true => Some(format!(
                    "prompt `{}` has {} candidates, and there are {letters} letters",
                    self.prompt, prompt.candidates
                )),
                false => Some(format!(
                    "an answer is the letter of a candidate, and prompt `{}` lists none",
                    self.prompt
                )),
            };
            found.extend(listed.map(|message| {
                Problem::at("prompt", message)
                    .label(format!("expected a list of at most {letters} candidates"))
                    .hint("name a prompt with `list = true` and `candidates = 20`")
            }));
        }
        let validate = &self.tune.validate;
        let drawn = match &validate.candidates {
            Candidates::Uniform { n } => Some(("uniform", *n)),
            Candidates::Popularity { n, .. } => Some(("popularity", *n)),
            // Others are refused for every method.
            Candidates::Full { .. } | Candidates::File(_) | Candidates::FavouriteGenre(_) => None,
        };
        if let Some((kind, n)) = drawn.filter(|(_, n)| validate.is_on() && *n >= letters) {
            let ranked = n + 1;
            let message =
                format!("validation ranks {ranked} candidates, and there are {letters} letters");
            found.push(
                Problem::at(format!("tune.validate.candidates.{kind}.n"), message)
                    .label(format!("expected a number below {letters}"))
                    .hint("for example `candidates.uniform = { n = 19 }`"),
            );
        }
        if self.tune.one_item == OneItem::Padding {
            let message = "padding is not in the list of candidates, so it has no letter";
            found.push(
                Problem::at("tune.one_item", message)
                    .label("expected `skip` or `empty_history`")
                    .hint("write `one_item = \"skip\"`"),
            );
        }
        found
    }
}
