//! `[llm.NAME.KIND]` and `[prompt.NAME]`: language models and their prompts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Llm {
    /// Weights of an OPT, Llama, Mistral, Qwen 2, Qwen 3 or Gemma 3.
    Pretrained(PretrainedLlm),
    /// Random weights in a published shape, for measurements of cost. Results made with them are
    /// marked.
    Random(RandomLlm),
    /// A small OPT, trained from scratch on the item texts of the data set, never on interactions.
    Small(SmallLlm),
}

/// A Hugging Face folder, or a GGUF file, with a language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainedLlm {
    /// Folder with `config.json`, weights and tokenizer. A LoRA adapter of peft in it is merged.
    /// Empty: `gguf` or `hub`.
    pub folder: String,
    /// GGUF file with configuration, weights and tokenizer, such as those of llama.cpp. Quantised
    /// weights are read to `dtype`.
    pub gguf: String,
    /// Name on the Hugging Face hub, such as `facebook/opt-6.7b`. Used if `folder` and `gguf` are
    /// empty.
    pub hub: String,
    /// Number type of the weights.
    pub dtype: Dtype,
    /// Whether linear weights are stored in eight bits, for small devices.
    pub int8: bool,
}

/// Names in braces that a prompt's template may contain.
pub const TEMPLATE_PLACES: [&str; 7] = [
    "user",
    "history",
    "candidates",
    "past",
    "verb",
    "noun",
    "article",
];

/// A published shape with random weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomLlm {
    /// The shape: `opt-125m`, `opt-1.3b`, `opt-6.7b`, `llama-3.2-3b`, `vicuna-7b`, `mistral-7b`,
    /// `qwen2.5-0.5b`, `qwen3-0.6b`, `gemma3-270m`, `gemma3-1b`, ...
    pub shape: String,
    /// Folder with the tokenizer's files.
    pub tokenizer: String,
    /// Number type of the weights.
    pub dtype: Dtype,
    /// Whether linear weights are stored in eight bits.
    pub int8: bool,
    /// Seed of the weights; not the cell's seed.
    pub seed: u64,
}

/// A number type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// Single precision.
    Fp32,
    /// Eight bits of exponent, seven of fraction.
    Bf16,
    /// Five bits of exponent, ten of fraction.
    Fp16,
}

/// The shape of a small OPT and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmallLlm {
    /// Width of states and embeddings.
    #[schemars(range(min = 8, max = 8192))]
    pub hidden_units: usize,
    /// Decoder blocks.
    #[schemars(range(min = 1, max = 96))]
    pub num_blocks: usize,
    /// Attention heads; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 128))]
    pub num_heads: usize,
    /// Maximum input length in tokens.
    #[schemars(range(min = 32, max = 8192))]
    pub positions: usize,
    /// Vocabulary size of the byte-level BPE that is trained on the texts.
    #[schemars(range(min = 260, max = 65536))]
    pub vocab_size: usize,
    /// Number of titles in the lists of an instruction.
    #[schemars(range(min = 2, max = 100))]
    pub list: usize,
    /// Maximum number of tokens in a title of an instruction; longer ones are cut, as
    /// `title_tokens` of a prompt cuts them. 0: no limit.
    pub title_tokens: usize,
    /// Number of training steps.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Number of texts in a step.
    #[schemars(range(min = 1, max = 4096))]
    pub batch_size: usize,
    /// Learning rate after the warm-up. It then falls along a cosine to a tenth.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// Steps in which the learning rate rises linearly from 0.
    pub warmup: u64,
    /// Tokens of an answer at which an auxiliary loss trains attention.
    pub look: Look,
    /// Share of lists in which every second title begins like the one before it, if the data have
    /// such a title. Random lists have few such pairs, which models then confuse.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alike: f64,
    /// Number type of the saved weights.
    pub dtype: Dtype,
    /// Seed of weights and texts. It is not the cell's seed, so that all cells read the same model.
    pub seed: u64,
}

/// Tokens of an answer at which an auxiliary loss trains the attention of a small model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// The first token at which candidates differ, and those before it.
    #[default]
    First,
    /// Later tokens too, at which candidates with the same beginning as the answer differ.
    Every,
}

/// The prompt of a language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// The published wording to use.
    pub wording: Wording,
    /// Your own wording; empty: `wording`. Places for text are `{history}`, `{candidates}`,
    /// `{past}`, `{verb}`, `{noun}` and `{article}` (`a` or `an`, to fit the noun). `{user}` is the
    /// user's vector and the sentence about it.
    pub template: String,
    /// Whether the prompt lists the candidates. Without the list, the language model sees the
    /// history alone, training teaches it the next title, and `inference.score` ranks the
    /// candidates' titles. A `template` must agree: `{candidates}` in it is the list.
    pub list: bool,
    /// Whether the prompt is a user's turn in the chat template of the language model's folder, as
    /// an instruct model has been trained on. The answer is then the next turn.
    pub chat: bool,
    /// System text of the chat; empty: none, or what the template has in its place.
    pub system: String,
    /// Where the blank between prompt and answer is tokenized.
    pub final_blank: FinalBlank,
    /// The verb's past form, such as `bought`. This and the two settings below apply to data sets
    /// that `words` does not list.
    pub past: String,
    /// The verb's plain form, such as `buy`.
    pub verb: String,
    /// The noun for an item, such as `item`.
    pub noun: String,
    /// Words by data set.
    pub words: BTreeMap<String, Words>,
    /// Number of last history items in the prompt.
    #[schemars(range(min = 1, max = 1000))]
    pub history: usize,
    /// Number of candidates in a training prompt, including the target. At inference the protocol
    /// sets it. Has no effect without `list`.
    #[schemars(range(min = 2, max = 1000))]
    pub candidates: usize,
    /// Maximum number of tokens in a title; longer ones are cut and counted. 0: only the language
    /// model's positions are a limit. Where a prompt with the longest titles and its answer does
    /// not fit, titles are cut no further than necessary.
    pub title_tokens: usize,
}

impl PretrainedLlm {
    /// The folder or file that the model is read from; empty for a name on the hub.
    pub fn path(&self) -> &str {
        match self.folder.as_str() {
            "" => &self.gguf,
            folder => folder,
        }
    }
}

impl Prompt {
    /// The prompt with the words of `dataset`: `words` is empty, and `past`, `verb` and `noun` are
    /// those of the data set.
    pub fn of_dataset(&self, dataset: &str) -> Prompt {
        let mut prompt = Prompt {
            words: BTreeMap::new(),
            ..self.clone()
        };
        if let Some(words) = self.words.get(dataset).cloned() {
            prompt.past = words.past;
            prompt.verb = words.verb;
            prompt.noun = words.noun;
        }
        prompt
    }

    /// Candidates of a training prompt, the target among them: only the target without a list.
    pub fn training_candidates(&self) -> usize {
        match self.list {
            true => self.candidates,
            false => 1,
        }
    }

    /// The prompt's own words.
    pub fn own_words(&self) -> Words {
        Words {
            past: self.past.clone(),
            verb: self.verb.clone(),
            noun: self.noun.clone(),
        }
    }
}

/// Where the blank between a prompt and its answer is tokenized. Byte-level tokenizers make a blank
/// at the end of a text a separate token. Few words follow such a token in the texts that a model
/// was trained on, since words there begin with their blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinalBlank {
    /// With the answer where it would be a separate token, except for OPT with a published wording.
    Auto,
    /// At the end of the prompt, as in the A-LLMRec code.
    Prompt,
    /// At the beginning of the answer.
    Answer,
}

/// Words in the prompts of one data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The verb's past form, such as `watched`.
    pub past: String,
    /// The verb's plain form, such as `watch`.
    pub verb: String,
    /// The noun for an item, such as `movie`.
    pub noun: String,
}

/// The published wordings of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wording {
    /// The wording of the A-LLMRec code.
    PublishedCode,
    /// The wording of the paper's figure 3.
    Paper,
}

/// How the log-likelihoods of a title's tokens are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreBy {
    /// The sum of log-likelihoods.
    Sum,
    /// Their mean, so that long titles are not at a disadvantage.
    Mean,
    /// The sum minus the same sum after the prompt without history and vectors: what the history
    /// adds to the likelihood of the title. A title is then not better for being common or short.
    Gain,
}
