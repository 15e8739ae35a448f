//! `[encoder.NAME.KIND]`: encoders that turn an item's text into a vector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoder {
    /// A fixed, seeded feature map of words and letters. It has no weights and is never trained.
    Hashed(HashedEncoder),
    /// A sentence encoder (BERT or DistilBERT) in a Hugging Face folder.
    Pretrained(PretrainedEncoder),
}

/// Signed hashing of words and letter n-grams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashedEncoder {
    /// Width of the vectors.
    #[schemars(range(min = 8, max = 65536))]
    pub width: usize,
    /// Seed of the hash. It is not the cell's seed, so that all cells read the same vectors.
    pub seed: u64,
}

/// A Hugging Face folder with a sentence encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainedEncoder {
    /// Folder with `config.json`, weights and tokenizer. Empty: the folder is fetched by `hub`.
    pub folder: String,
    /// Name on the Hugging Face hub, such as `sentence-transformers/nq-distilbert-base-v1`. Used if
    /// `folder` is empty.
    pub hub: String,
    /// Maximum number of tokens that are read of a text; 0 is the encoder's own limit.
    pub max_length: usize,
    /// How the states of a text's tokens become one vector. Default: as the folder says, or `mean`.
    /// MoRec's code has `first` with plain BERT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
}

/// How the states of a text's tokens become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean, that of `[CLS]` and `[SEP]` included.
    Mean,
    /// That of the first token, `[CLS]`.
    First,
}
