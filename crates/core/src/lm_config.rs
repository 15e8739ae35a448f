//! The shape of a decoder, read from a Hugging Face folder's `config.json`.
//!
//! Upstream: transformers' `OPTConfig` and `LlamaConfig`, with their defaults for missing keys.
//! Both forms of the rotary settings are read: `rope_theta` with `rope_scaling` (transformers 4)
//! and `rope_parameters` (transformers 5).

mod named;
mod rope;
mod unsupported;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use rope::rope;
pub use unsupported::{unsupported, unsupported_adapter};

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// OPT (Zhang et al. 2022): learned positions, LayerNorm, biases.
    Opt,
    /// Llama (Touvron et al. 2023) and models like it: rotary positions, RMSNorm, gated MLP.
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
    /// Whether the attention's linear layers have biases.
    pub attention_bias: bool,
    /// Whether the MLP's linear layers have biases.
    pub mlp_bias: bool,
    /// The activation of the MLP.
    pub activation: Activation,
    /// Whether the output layer shares the embedding table; otherwise `lm_head.weight` is read.
    pub tied: bool,
    /// Rotary position embeddings of Llama.
    pub rope: Option<Rope>,
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
        let config = match keys.text("model_type")?.as_str() {
            "opt" => opt(&keys)?,
            "llama" => llama(&keys)?,
            other => return Err(keys.wrong("model_type", other, "`opt` or `llama`")),
        };
        config.check(&keys)?;
        Ok(config)
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
            Family::Llama => self.heads % self.kv_heads == 0 && self.head_size % 2 == 0,
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

/// The keys of a `config.json` or of an object in it.
struct Keys<'a> {
    path: &'a Path,
    prefix: &'static str,
    map: &'a Map<String, Value>,
}

/// The value of a JSON file.
fn json(path: &Path) -> Result<Value, ConfigError> {
    let bytes = crate::fs::read_text(path)?;
    serde_json::from_slice(&bytes).map_err(|error| ConfigError::Json {
        path: path.to_owned(),
        error,
    })
}

impl<'a> Keys<'a> {
    /// The keys of a file's value, or of `nothing` if it is not an object.
    fn new(path: &'a Path, value: &'a Value, nothing: &'a Map<String, Value>) -> Self {
        Self {
            path,
            prefix: "",
            map: value.as_object().unwrap_or(nothing),
        }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn shown(&self, key: &str) -> String {
        self.get(key).map_or("absent".to_owned(), Value::to_string)
    }

    fn wrong(&self, key: &str, found: &str, expected: &str) -> ConfigError {
        ConfigError::Key {
            path: self.path.to_owned(),
            key: format!("{}{key}", self.prefix),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn text(&self, key: &str) -> Result<String, ConfigError> {
        let value = self.get(key).and_then(Value::as_str);
        let wrong = || self.wrong(key, &self.shown(key), "a text");
        value.map(str::to_owned).ok_or_else(wrong)
    }

    fn positive(&self, key: &str) -> Result<i64, ConfigError> {
        let value = self.get(key).and_then(Value::as_i64);
        let value = value.filter(|&number| number > 0);
        value.ok_or_else(|| self.wrong(key, &self.shown(key), "a whole number above 0"))
    }

    fn positive_or(&self, key: &str, default: i64) -> Result<i64, ConfigError> {
        self.get(key).map_or(Ok(default), |_| self.positive(key))
    }

    fn number(&self, key: &str) -> Result<f64, ConfigError> {
        let value = self.get(key).and_then(Value::as_f64);
        let value = value.filter(|&number| number > 0.0);
        value.ok_or_else(|| self.wrong(key, &self.shown(key), "a number above 0"))
    }

    fn number_or(&self, key: &str, default: f64) -> Result<f64, ConfigError> {
        self.get(key).map_or(Ok(default), |_| self.number(key))
    }

    fn flag_or(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        let wrong = || self.wrong(key, &value.to_string(), "true or false");
        value.as_bool().ok_or_else(wrong)
    }

    /// A token, or a list of tokens, as for Llama 3's end of text.
    fn tokens(&self, key: &str) -> Result<Vec<u32>, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids: Option<Vec<u32>> = match value {
            Value::Array(list) => list.iter().map(one).collect(),
            single => one(single).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.wrong(key, &value.to_string(), "a token number or a list of them"))
    }

    fn activation(&self, key: &str, default: &str) -> Result<Activation, ConfigError> {
        let name = self
            .get(key)
            .map_or(Ok(default.to_owned()), |_| self.text(key))?;
        match name.as_str() {
            "relu" => Ok(Activation::Relu),
            "gelu" => Ok(Activation::Gelu),
            "silu" => Ok(Activation::Silu),
            other => Err(self.wrong(key, other, "`relu`, `gelu` or `silu`")),
        }
    }
}

fn opt(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let hidden_size = keys.positive("hidden_size")?;
    let heads = keys.positive("num_attention_heads")?;
    let norm_first = keys.flag_or("do_layer_norm_before", true)?;
    let bias = keys.flag_or("enable_bias", true)?;
    Ok(LmConfig {
        family: Family::Opt,
        vocab_size: keys.positive("vocab_size")?,
        hidden_size,
        embedding_size: keys.positive_or("word_embed_proj_dim", hidden_size)?,
        layers: keys.positive("num_hidden_layers")? as usize,
        heads,
        kv_heads: heads,
        head_size: hidden_size / heads,
        ffn_size: keys.positive("ffn_dim")?,
        positions: keys.positive("max_position_embeddings")?,
        norm_first,
        final_norm: norm_first && !keys.flag_or("_remove_final_layer_norm", false)?,
        norm_eps: 1e-5,
        norm_affine: keys.flag_or("layer_norm_elementwise_affine", true)?,
        attention_bias: bias,
        mlp_bias: bias,
        activation: keys.activation("activation_function", "relu")?,
        tied: keys.flag_or("tie_word_embeddings", true)?,
        rope: None,
        init_std: keys.number_or("init_std", 0.02)?,
        bos: keys.tokens("bos_token_id")?.first().copied(),
        eos: keys.tokens("eos_token_id")?,
    })
}

fn llama(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let hidden_size = keys.positive("hidden_size")?;
    let heads = keys.positive("num_attention_heads")?;
    Ok(LmConfig {
        family: Family::Llama,
        vocab_size: keys.positive("vocab_size")?,
        hidden_size,
        embedding_size: hidden_size,
        layers: keys.positive("num_hidden_layers")? as usize,
        heads,
        kv_heads: keys.positive_or("num_key_value_heads", heads)?,
        head_size: keys.positive_or("head_dim", hidden_size / heads)?,
        ffn_size: keys.positive("intermediate_size")?,
        positions: keys.positive_or("max_position_embeddings", 2048)?,
        norm_first: true,
        final_norm: true,
        norm_eps: keys.number_or("rms_norm_eps", 1e-6)?,
        norm_affine: true,
        attention_bias: keys.flag_or("attention_bias", false)?,
        mlp_bias: keys.flag_or("mlp_bias", false)?,
        activation: keys.activation("hidden_act", "silu")?,
        tied: keys.flag_or("tie_word_embeddings", false)?,
        rope: Some(rope(keys)?),
        init_std: keys.number_or("initializer_range", 0.02)?,
        bos: keys.tokens("bos_token_id")?.first().copied(),
        eos: keys.tokens("eos_token_id")?,
    })
}

#[cfg(test)]
mod tests;
