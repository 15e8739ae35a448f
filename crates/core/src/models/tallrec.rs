//! `[model.NAME.tallrec]`: TALLRec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{
    Inference, LlmMethod, Lora, OneItem, ProblemContext, StageContext, Targets, TrainingCandidates,
    Validation,
};
use super::problem::Problem;
use super::stage::{Settings, TrainTune, ValidationRanking};
use super::train::Train;
use super::tune::LetterTune;
use super::{Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "tallrec",
    group: Group::LlmMethod,
    hue: Some(Hue::Indigo),
    defaults: r#"
[default.model.tallrec]
prompt = "default"

[default.tune]
one_item = "skip"
candidates = {}
max_samples = 0
validate = {}

# The paper's batch size and maximum number of epochs. It does not give rank and targets; these are
# TALLRec's.
[preset.paper.tallrec]
tune.form = "title"
tune.lora = { rank = 8, alpha = 16.0, dropout = 0.05, targets = ["q_proj", "v_proj"] }
tune.train_on_inputs = false
tune.train = { epochs = 5, batch_size = 4, lr = 1e-4, optimizer.adam = { betas = [0.9, 0.98] } }
inference.score = {}

# SAI990323/TALLRec, shell/instruct_7B.sh and finetune_rec.py: yes or no, loss on the inputs too,
# AdamW, 20 steps of warm-up and the linear decay of transformers' trainer. Its batch is 128
# questions: a yes and a no for each of 64 users.
[preset.upstream.tallrec]
tune.form = "yes_no"
tune.lora = { rank = 8, alpha = 16.0, dropout = 0.05, targets = ["q_proj", "v_proj"] }
tune.train_on_inputs = true
tune.train = { epochs = 200, batch_size = 64, lr = 1e-4, warmup = 20, decay = "linear", optimizer.adamw = { betas = [0.9, 0.999], weight_decay = 0.0 } }
inference.score = {}
"#,
};

/// TALLRec (Bao et al. 2023): a language model with LoRA adapters, which reads only titles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tallrec {
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt. The form `yes_no` uses only its numbers and words.
    pub prompt: String,
    /// The adapters and how they are trained.
    pub tune: Tune,
    /// How an answer is read in the form `title`.
    pub inference: Inference,
}

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

impl From<LetterTune> for Tune {
    fn from(tune: LetterTune) -> Tune {
        Tune {
            form: TuneForm::Letter,
            lora: tune.lora,
            train_on_inputs: false,
            targets: tune.targets,
            one_item: tune.one_item,
            candidates: tune.candidates,
            max_samples: tune.max_samples,
            validate: tune.validate,
            train: tune.train,
        }
    }
}

impl LlmMethod for Tallrec {
    fn llm(&self) -> &str {
        &self.llm
    }

    fn prompt(&self) -> &str {
        &self.prompt
    }

    fn uses_template(&self) -> bool {
        match self.tune.form {
            TuneForm::Title => true,
            TuneForm::YesNo | TuneForm::Letter => false,
        }
    }

    fn inference(&self) -> Option<&Inference> {
        match self.tune.form {
            TuneForm::Title => Some(&self.inference),
            // Items are always ranked by the likelihood of `Yes.`.
            TuneForm::YesNo | TuneForm::Letter => None,
        }
    }

    fn stages(&self, context: &StageContext<'_>) -> Vec<Settings> {
        vec![Settings::Tune(TrainTune {
            llm: context.llm.clone(),
            ranking: ValidationRanking::of(&self.tune.validate, self.inference(), context),
            tune: self.tune.clone(),
            seed: context.seed,
        })]
    }

    fn validation(&self) -> Option<(&'static str, &Validation)> {
        Some(("tune.validate", &self.tune.validate))
    }

    fn tuned(&self) -> Option<Tune> {
        Some(self.tune.clone())
    }

    fn problems(&self, context: &ProblemContext<'_>) -> Vec<Problem> {
        let mut found = self.tune.train.problems_of_llm_stage("tune.train");
        found.extend(self.tune.lora.problems("tune.lora", &self.llm, context));
        found
    }
}
