//! `[model.NAME.allmrec]`: A-LLMRec.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{
    Inference, ItemEmbedding, LlmMethod, OneItem, ProblemContext, Project, StageContext, Targets,
    Validation, Vectors,
};
use super::problem::Problem;
use super::stage::{PromptedLlm, Settings, TrainAlign, TrainProject, ValidationRanking};
use super::train::Train;
use super::{Group, Hue, Kind};
use crate::config::Encoder;

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "allmrec",
    group: Group::LlmMethod,
    hue: Some(Hue::Red),
    defaults: r#"
# What the paper leaves open. Users with one training item are skipped, since a target without a
# history is not what is measured. A prompt lists the target once. Projections are as deep as in the
# authors' code.
[default.align]
one_item = "skip"
order = "shuffled"

[default.model.allmrec]
prompt = "default"
text_below = 0

# The paper's section 5.1 and table 3 (beta of Movies and Games; Beauty and Toys have 0.2),
# equations 2 to 8. It does not say how generated answers were scored; `score` ranks the same
# candidates and gives no invalid answers.
[preset.paper.allmrec]
item = "joint"
user = true
inference.score = {}

[preset.paper.allmrec.align]
hidden_units = 128
matching = 1.0
item_recon = 0.5
text_recon = 0.5
rec = 1.0
rec_score = "dot"
negatives = false
sigmoid = false
train_encoder = true
targets = "last"
backbone_dropout = false
text = "labelled"
train = { epochs = 10, batch_size = 32, lr = 1e-4, optimizer.adam = { betas = [0.9, 0.98] } }

[preset.paper.allmrec.project]
targets = "last"
backbone_dropout = false
train = { epochs = 5, batch_size = 4, lr = 1e-4, optimizer.adam = { betas = [0.9, 0.98] } }

# ghdtjr/A-LLMRec at e216bbc, which departs from its paper in batch (2 for 4 in stage 2), beta, the
# mean over dimensions, losses on negatives, the sigmoid and the dropout that its frozen SASRec
# keeps. Where the paper says nothing, it trains users with one item on padding, reads users in the
# order of their numbers in stage 1, and may draw the target again. It trains 10 epochs of stage 2,
# and its inference reads the weights of epoch 5: without a schedule these equal a training of 5
# epochs. Its `max_length = 512` includes the one token with which transformers begins an answer.
[preset.published_code.allmrec]
item = "joint"
user = true
inference.generate = { max_new_tokens = 511, repetition_penalty = 1.5, penalise_eos = true, stop_at_quote = false, accept = "substring" }

[preset.published_code.allmrec.align]
hidden_units = 128
matching = 1.0
item_recon = 0.5
text_recon = 0.2
rec = 1.0
rec_score = "mean"
negatives = true
sigmoid = true
train_encoder = true
targets = "last"
one_item = "padding"
order = "numbered"
backbone_dropout = true
text = "quoted"
train = { epochs = 10, batch_size = 32, lr = 1e-4, optimizer.adam = { betas = [0.9, 0.98] } }

[preset.published_code.allmrec.project]
targets = "last"
one_item = "padding"
candidates.exclude = "history"
backbone_dropout = true
train = { epochs = 5, batch_size = 2, lr = 1e-4, optimizer.adam = { betas = [0.9, 0.98] } }
"#,
};

/// A-LLMRec (Kim et al. 2024): a frozen CF model aligned with item texts, projected into a frozen
/// language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allmrec {
    /// Name of the CF model.
    pub backbone: String,
    /// Name of the text encoder.
    pub encoder: String,
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// Stage 1.
    pub align: Align,
    /// The vector after each title.
    pub item: ItemEmbedding,
    /// With `item = "joint"`: items with fewer training interactions than this have q in the prompt
    /// instead of e, as all items have with `item = "text"`. Training uses e. The paper uses q for
    /// items that lack interactions (section 4.1.4) and gives no threshold.
    pub text_below: u64,
    /// Whether the prompt begins with the user representation.
    pub user: bool,
    /// Stage 2.
    pub project: Project,
    /// How an answer is read.
    pub inference: Inference,
}

/// Stage 1: auto-encoders of items and texts and their losses (A-LLMRec paper, equations 2 to 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Align {
    /// Width d' of the encoders.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Weight of the matching loss (equation 2); 0 leaves it out.
    #[schemars(range(min = 0.0))]
    pub matching: f64,
    /// Weight alpha of the items' reconstruction (equation 3).
    #[schemars(range(min = 0.0))]
    pub item_recon: f64,
    /// Weight beta of the texts' reconstruction (equation 4).
    #[schemars(range(min = 0.0))]
    pub text_recon: f64,
    /// Weight of the recommendation loss (equation 5).
    #[schemars(range(min = 0.0))]
    pub rec: f64,
    /// How user and item are compared in the recommendation loss.
    pub rec_score: RecScore,
    /// Whether matching and reconstruction losses also include negatives, as in the authors' code.
    pub negatives: bool,
    /// Whether the encoders end in a sigmoid, as in the authors' code.
    pub sigmoid: bool,
    /// Whether the text encoder is trained. A `hashed` encoder cannot be trained.
    pub train_encoder: bool,
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// How users with one training item are treated.
    pub one_item: OneItem,
    /// The order of users in an epoch.
    pub order: UserOrder,
    /// Whether the frozen CF model keeps its dropout, as in the authors' code.
    pub backbone_dropout: bool,
    /// How title and description are combined into one text.
    pub text: ItemText,
    /// Epochs, batch size, optimizer.
    pub train: Train,
}

/// How a user and an item are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecScore {
    /// The dot product, as in the paper.
    Dot,
    /// The mean of the products over dimensions, as in the authors' code: the dot product divided
    /// by the width.
    Mean,
}

/// The order of users in an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserOrder {
    /// A new random order in every epoch.
    #[default]
    Shuffled,
    /// The order of user numbers, the same in every epoch, as in stage 1 of the authors' code.
    Numbered,
}

/// The form of an item's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemText {
    /// Title and description in quotes, separated by a comma, as in the authors' code.
    Quoted,
    /// `Title: ..., Description: ...`, as in the paper.
    Labelled,
    /// The title alone, as in MoRec's code.
    Title,
}

impl LlmMethod for Allmrec {
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

    fn encoder(&self) -> Option<&str> {
        Some(&self.encoder)
    }

    fn vectors(&self) -> Vectors {
        Vectors {
            user: self.user,
            item: self.item,
            text_below: self.text_below,
        }
    }

    fn stages(&self, context: &StageContext<'_>) -> Vec<Settings> {
        let mut stages = Vec::new();
        if let Some(encoder) = context.encoder {
            stages.push(Settings::Align(TrainAlign {
                align: self.align.clone(),
                encoder: encoder.clone(),
                seed: context.seed,
            }));
        }
        stages.push(Settings::Project(TrainProject {
            llm: PromptedLlm {
                // q replaces e at inference only, so both variants share one training.
                item: match self.item {
                    ItemEmbedding::Text => ItemEmbedding::Joint,
                    item => item,
                },
                text_below: 0,
                ..context.llm.clone()
            },
            ranking: ValidationRanking::of(&self.project.validate, self.inference(), context),
            project: self.project.clone(),
            seed: context.seed,
        }));
        stages
    }

    fn validation(&self) -> Option<(&'static str, &Validation)> {
        Some(("project.validate", &self.project.validate))
    }

    fn problems(&self, context: &ProblemContext<'_>) -> Vec<Problem> {
        let mut found = self.align.train.problems_of_llm_stage("align.train");
        found.extend(self.project.problems(&self.llm, &self.inference, context));
        if self.align.train_encoder && matches!(context.encoder, Some(Encoder::Hashed(_))) {
            let message = format!(
                "encoder `{}` is `hashed`, which has nothing to train",
                self.encoder
            );
            found.push(
                Problem::at("align.train_encoder", message)
                    .label("expected `align.train_encoder = false`")
                    .hint("write `align.train_encoder = false`, or name a `pretrained` encoder"),
            );
        }
        if !self.user && self.item == ItemEmbedding::None {
            let message = "without a user vector and item vectors, stage 2 has nothing to train";
            found.push(
                Problem::at("item", message)
                    .label("expected vectors here, or `user = true`")
                    .hint("to measure prompts of titles alone, use `llm_only`"),
            );
        }
        if self.text_below > 0 && self.item != ItemEmbedding::Joint {
            let message = "`text_below` has no effect: it replaces joint item vectors, and `item` is not \"joint\"";
            found.push(
                Problem::at("text_below", message)
                    .label("expected 0, or `item = \"joint\"`")
                    .hint("`item = \"text\"` uses the text vector of every item already"),
            );
        }
        let align = &self.align;
        let weights = [
            align.matching,
            align.item_recon,
            align.text_recon,
            align.rec,
        ];
        if weights.iter().all(|&weight| weight == 0.0) {
            let message = "every loss of stage 1 has weight 0, so it has nothing to train";
            found.push(
                Problem::at("align", message)
                    .label("expected a weight above 0")
                    .hint("raise `matching`, `item_recon`, `text_recon` or `rec`; MLP-LLM is A-LLMRec without stage 1"),
            );
        }
        found
    }
}
