//! The shape of a decoder, read from a Hugging Face folder's `config.json`.
//!
//! One structure describes all families: what they differ in are its switches. Upstream: the
//! configurations of transformers, with their defaults for missing keys. Both forms of the rotary
//! settings are read: `rope_theta` with `rope_scaling` (transformers 4) and `rope_parameters`
//! (transformers 5).

mod families;
mod keys;
mod named;
mod rope;
mod unsupported;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use families::MODEL_TYPES;
use keys::Keys;
pub use unsupported::{unsupported, unsupported_adapter};

/// Layout and names of a model's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// OPT (Zhang et al. 2022): learned positions, LayerNorm, biases.
    Opt,
    /// Llama (Touvron et al. 2023), Mistral, Qwen 2 and 3, Gemma 3: rotary positions, RMSNorm,
    /// gated MLP.
    Llama,
}

impl Family {
    /// Modules of a block that can have LoRA adapters, by the last part of their name.
    pub fn modules(self) -> &'static [&'static str] {
        match self {
            Family::Opt => &["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
            Family::Llama => &[
                "q_proj",
                "k_proj",
                "v_proj",
                "o_proj",
                "gate_proj",
                "up_proj",
                "down_proj",
            ],
        }
    }
}

/// The activation between the two layers of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x Phi(x).
    Gelu,
    /// The same with an approximation of Phi by tanh.
    GeluTanh,
    /// x sigmoid(x).
    Silu,
}

/// A change of the rotary frequencies theta^(-2i/d).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// All frequencies are divided by the factor.
    Linear(f64),
    /// Llama 3: frequencies of long waves are divided, those of short waves stay, with a smooth
    /// transition in between.
    Llama3 {
        /// Divisor of the frequencies of long waves.
        factor: f64,
        /// Waves longer than the original context divided by this are long.
        low_freq_factor: f64,
        /// Waves shorter than the original context divided by this are short.
        high_freq_factor: f64,
        /// Number of positions in the first training of the model.
        original_positions: f64,
    },
}

/// Rotary position embeddings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base theta of the frequencies.
    pub theta: f64,
    /// Scaling of the frequencies, if any.
    pub scaling: Option<RopeScaling>,
}

/// Layers whose tokens see only the tokens shortly before them.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    /// Most tokens that a token sees, itself included.
    pub window: usize,
    /// Whether a layer is one of them, for each layer.
    pub layers: Vec<bool>,
    /// Their rotary position embeddings.
    pub rope: Rope,
}

/// The shape of a decoder-only language model.
#[derive(Clone, Debug, PartialEq)]
pub struct LmConfig {
    /// The architecture.
    pub family: Family,
    /// Number of rows V of the embedding table.
    pub vocab_size: i64,
    /// Width D of the hidden states.
    pub hidden_size: i64,
    /// Width W of token embeddings. It differs from D in OPT-350m, which has projections at input
    /// and output.
    pub embedding_size: i64,
    /// Number of blocks.
    pub layers: usize,
    /// Number of query heads.
    pub heads: i64,
    /// Number of key and value heads; each is shared by `heads / kv_heads` query heads.
    pub kv_heads: i64,
    /// Width of a head.
    pub head_size: i64,
    /// Inner width of the MLP.
    pub ffn_size: i64,
    /// Maximum number of input tokens.
    pub positions: i64,
    /// Whether norms come before attention and MLP (all but OPT-350m).
    pub norm_first: bool,
    /// Whether there is a norm after the last block.
    pub final_norm: bool,
    /// Epsilon of the norms.
    pub norm_eps: f64,
    /// Whether norms have weights (and, in OPT, biases).
    pub norm_affine: bool,
    /// Whether norms multiply by 1 plus their weight (Gemma 3).
    pub norm_offset: bool,
    /// Whether each head's queries and keys are normalised before they are rotated (Qwen 3, Gemma
    /// 3).
    pub head_norms: bool,
    /// Whether the results of attention and MLP are normalised too (Gemma 3).
    pub result_norms: bool,
    /// Whether the linear layers of queries, keys and values have biases.
    pub attention_bias: bool,
    /// Whether the attention's output layer has a bias.
    pub output_bias: bool,
    /// Whether the MLP's linear layers have biases.
    pub mlp_bias: bool,
    /// The activation of the MLP.
    pub activation: Activation,
    /// Products of queries and keys are divided by the root of this: the width of a head, but in
    /// Gemma 3 a separate setting.
    pub query_divisor: f64,
    /// What token embeddings are multiplied by: 1, but the root of D in Gemma 3. Other input
    /// vectors are not scaled.
    pub embedding_scale: f64,
    /// Whether the output layer shares the embedding table; otherwise `lm_head.weight` is read.
    pub tied: bool,
    /// Rotary position embeddings; none in OPT.
    pub rope: Option<Rope>,
    /// Layers with a window, if any.
    pub local: Option<Local>,
    /// Standard deviation of random weights.
    pub init_std: f64,
    /// Token that begins a text.
    pub bos: Option<u32>,
    /// Tokens that end a text. All of them end an answer; training uses the first.
    pub eos: Vec<u32>,
}

/// The error of a `config.json` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] crate::fs::FsError),
    /// The file is not JSON.
    #[error("{}: not JSON: {error}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        error: serde_json::Error,
    },
    /// A key is missing or has a value that is not supported.
    #[error("{}: `{key}` is {found}; expected {expected}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value, or `absent`.
        found: String,
        /// The values that are supported.
        expected: String,
    },
    /// The folder's `config.json` has a setting that changes the model and is not supported.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The setting, and what to do.
        reason: String,
    },
    /// The name of a shape is unknown.
    #[error("`{name}` is not a known shape of a language model; expected one of {known}")]
    Name {
        /// The name.
        name: String,
        /// The known names.
        known: String,
    },
}

impl LmConfig {
    /// Reads `folder/config.json`. Like transformers, it also reads end tokens of
    /// `generation_config.json` where that file exists.
    ///
    /// # Errors
    /// When `config.json` is missing or the value of a key is not supported. The error names file
    /// and key.
    pub fn open(folder: &Path) -> Result<Self, ConfigError> {
        let path = folder.join("config.json");
        let mut config = Self::read(&path, &json(&path)?)?;
        let path = folder.join("generation_config.json");
        if path.exists() {
            config.end_also(&path, &json(&path)?)?;
        }
        Ok(config)
    }

    /// Adds the end tokens of a `generation_config.json`.
    fn end_also(&mut self, path: &Path, value: &Value) -> Result<(), ConfigError> {
        let nothing = Map::new();
        let keys = Keys::new(path, value, &nothing);
        for end in keys.tokens("eos_token_id")? {
            if !self.eos.contains(&end) {
                self.eos.push(end);
            }
        }
        self.check_tokens(&keys)
    }

    /// Reads the value of a `config.json`; `path` is for errors.
    ///
    /// # Errors
    /// As `open`.
    pub fn read(path: &Path, value: &Value) -> Result<Self, ConfigError> {
        let nothing = Map::new();
        let keys = Keys::new(path, value, &nothing);
        if let Some(reason) = unsupported(value) {
            return Err(ConfigError::Unsupported {
                path: path.to_owned(),
                reason,
            });
        }
        let config = families::read(&keys)?;
        config.check(&keys)?;
        Ok(config)
    }

    /// Whether a layer has a window.
    pub fn is_local(&self, layer: usize) -> bool {
        let local = self.local.as_ref();
        local.is_some_and(|local| local.layers[layer])
    }

    fn check(&self, keys: &Keys) -> Result<(), ConfigError> {
        self.check_tokens(keys)?;
        let heads = if self.family == Family::Opt {
            "hidden_size"
        } else {
            "num_key_value_heads"
        };
        let fits = match self.family {
            Family::Opt => self.head_size * self.heads == self.hidden_size,
            Family::Llama => {
                let pairs = self.head_size > 0 && self.head_size % 2 == 0;
                self.heads % self.kv_heads == 0 && pairs
            }
        };
        if fits {
            return Ok(());
        }
        let found = format!("{} with {} heads", keys.shown(heads), self.heads);
        Err(keys.wrong(heads, &found, "numbers that divide one another"))
    }

    /// Checks that tokens that begin and end a text have a row in the embedding table.
    fn check_tokens(&self, keys: &Keys) -> Result<(), ConfigError> {
        for (key, tokens) in [
            ("bos_token_id", self.bos.as_slice()),
            ("eos_token_id", &self.eos),
        ] {
            if tokens.iter().any(|&id| i64::from(id) >= self.vocab_size) {
                let expected = format!(
                    "token numbers below `vocab_size`, which is {}; take the file from the model of the weights",
                    self.vocab_size
                );
                return Err(keys.wrong(key, &keys.shown(key), &expected));
            }
        }
        Ok(())
    }
}

/// The value of a JSON file.
fn json(path: &Path) -> Result<Value, ConfigError> {
    let bytes = crate::fs::read_text(path)?;
    serde_json::from_slice(&bytes).map_err(|error| ConfigError::Json {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests;
