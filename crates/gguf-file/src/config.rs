//! Metadata of a file as the fields of a `config.json`.

use serde_json::{Value as Json, json};

use crate::rope::{self, RopeScaling};
use crate::{Architecture, Fault, GgufFile, Value, wrong};

/// Largest believable size of a dimension, so that products of two fit in any integer.
const MOST: usize = 1 << 24;

/// The shape of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Its architecture.
    pub architecture: Architecture,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the states between blocks.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_size: usize,
    /// Longest input in training, in tokens.
    pub positions: usize,
    /// Term in the square root of norms.
    pub norm_eps: f64,
    /// Base of rotary frequencies.
    pub rope_theta: f64,
    /// What is done to these frequencies.
    pub rope_scaling: Option<RopeScaling>,
    /// Tokens that local layers attend to (Gemma 3); the others attend to all.
    pub sliding_window: Option<usize>,
    /// Whether the attention has biases. Qwen2 always has them in queries, keys and values.
    pub attention_bias: bool,
    /// Whether the MLP has biases.
    pub mlp_bias: bool,
    /// Whether the embedding table is also the output layer.
    pub tied: bool,
    /// Tokens with a role.
    pub special: SpecialTokens,
}

/// Ids of tokens with a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<u32>,
    /// End a text or an answer: the end of text first, then the end of a turn.
    pub eos: Vec<u32>,
    /// Fills a row.
    pub pad: Option<u32>,
    /// What is not in the vocabulary.
    pub unknown: Option<u32>,
}

impl Config {
    pub(crate) fn read(file: &GgufFile) -> Result<Self, Fault> {
        let architecture = architecture(file)?;
        let keys = Keys {
            file,
            prefix: architecture.name(),
        };
        keys.check_supported()?;
        let heads = keys.size("attention.head_count")?;
        let kv_heads = keys.size_or("attention.head_count_kv", heads)?;
        let hidden_size = keys.size("embedding_length")?;
        let head_size = keys.size_or("attention.key_length", hidden_size / heads)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(keys.wrong("attention.head_count_kv", &format!("a divisor of {heads}")));
        }
        if head_size == 0 || !head_size.is_multiple_of(2) {
            let key = "attention.head_count";
            return Err(keys.wrong(key, &format!("heads of even width in {hidden_size}")));
        }
        for key in ["attention.value_length", "rope.dimension_count"] {
            if keys.size_or(key, head_size)? != head_size {
                return Err(keys.wrong(key, &format!("the width of a head, {head_size}")));
            }
        }
        let rope_theta = keys.number_or("rope.freq_base", 10_000.0)?;
        let bias = |name: &str| file.tensor(&format!("blk.0.{name}.bias")).is_some();
        Ok(Self {
            architecture,
            vocab_size: vocab_size(&keys)?,
            hidden_size,
            intermediate_size: keys.size("feed_forward_length")?,
            layers: keys.size("block_count")?,
            heads,
            kv_heads,
            head_size,
            positions: keys.size("context_length")?,
            norm_eps: keys.number("attention.layer_norm_rms_epsilon")?,
            rope_theta,
            rope_scaling: rope::scaling(file, keys.prefix, rope_theta, head_size)?,
            sliding_window: keys.window()?,
            attention_bias: bias("attn_q"),
            mlp_bias: bias("ffn_up"),
            tied: file.tensor("output.weight").is_none(),
            special: SpecialTokens::read(file)?,
        })
    }

    /// The same as a `config.json`, with the keys of transformers 4: `rope_theta` and
    /// `rope_scaling` are at the top.
    pub fn to_json(&self) -> Json {
        let mut json = json!({
            "model_type": self.architecture.model_type(),
            "architectures": [self.architecture.class()],
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_size,
            "max_position_embeddings": self.positions,
            "rms_norm_eps": self.norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": self.rope_scaling.map(RopeScaling::to_json),
            "tie_word_embeddings": self.tied,
            "hidden_act": self.architecture.activation(),
            "bos_token_id": self.special.bos,
            "eos_token_id": self.special.eos,
            "pad_token_id": self.special.pad,
        });
        match self.architecture {
            Architecture::Llama => {
                json["attention_bias"] = self.attention_bias.into();
                json["mlp_bias"] = self.mlp_bias.into();
            }
            Architecture::Qwen2 => {}
            Architecture::Qwen3 => json["attention_bias"] = self.attention_bias.into(),
            Architecture::Gemma3 => {
                // llama.cpp has these three as constants of the architecture.
                json["hidden_activation"] = self.architecture.activation().into();
                json["rope_local_base_freq"] = 10_000.0.into();
                json["sliding_window_pattern"] = 6.into();
                json["sliding_window"] = self.sliding_window.into();
                json["query_pre_attn_scalar"] = self.query_scale().into();
            }
        }
        json
    }

    /// Gemma 3 divides queries by the root of this. It is the width of a head, except in the model
    /// of 27 billion, which alone has 62 blocks.
    fn query_scale(&self) -> usize {
        match self.layers {
            62 => self.hidden_size / self.heads,
            _ => self.head_size,
        }
    }
}

impl SpecialTokens {
    pub(crate) fn read(file: &GgufFile) -> Result<Self, Fault> {
        let id = |name: &str| -> Result<Option<u32>, Fault> {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let Some(value) = file.value(&key) else {
                return Ok(None);
            };
            let count = file
                .value("tokenizer.ggml.tokens")
                .and_then(|tokens| Some(tokens.as_list()?.len()))
                .unwrap_or(MOST);
            let id = value.as_u64().filter(|&id| id < count as u64);
            let id = id.and_then(|id| u32::try_from(id).ok());
            id.map(Some)
                .ok_or_else(|| wrong(&key, &value, format!("a token number below {count}")))
        };
        let mut eos = Vec::new();
        for name in ["eos", "eot"] {
            eos.extend(id(name)?.filter(|id| !eos.contains(id)));
        }
        Ok(Self {
            bos: id("bos")?,
            eos,
            pad: id("padding")?,
            unknown: id("unknown")?,
        })
    }
}

pub(crate) fn architecture(file: &GgufFile) -> Result<Architecture, Fault> {
    let name = file.text("general.architecture")?;
    let known = Architecture::ALL.map(Architecture::name);
    let found = Architecture::ALL
        .into_iter()
        .find(|known| known.name() == name);
    found.ok_or_else(|| Fault::Unknown {
        kind: "architecture",
        name: name.escape_debug().to_string(),
        known: known.join(", "),
    })
}

/// Written as such, or the number of tokens.
fn vocab_size(keys: &Keys) -> Result<usize, Fault> {
    let key = "tokenizer.ggml.tokens";
    let tokens = keys.file.value(key).and_then(|value| value.as_list());
    match tokens.filter(|tokens| (1..=MOST).contains(&tokens.len())) {
        Some(tokens) => keys.size_or("vocab_size", tokens.len()),
        None => keys.size("vocab_size"),
    }
}

/// Metadata of the architecture.
struct Keys<'f, 'a> {
    file: &'f GgufFile<'a>,
    prefix: &'static str,
}

impl Keys<'_, '_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn wrong(&self, name: &str, expected: &str) -> Fault {
        let key = self.key(name);
        match self.file.value(&key) {
            Some(value) => wrong(&key, &value, expected.to_owned()),
            None => Fault::MissingKey { key },
        }
    }

    /// A size; some models have one for each block, which must be equal.
    fn size(&self, name: &str) -> Result<usize, Fault> {
        let value = self.file.required(&self.key(name))?;
        let one = |value: Value| {
            let size = usize::try_from(value.as_u64()?).ok()?;
            (1..=MOST).contains(&size).then_some(size)
        };
        let size = match value.as_list().and_then(|list| list.scalars()) {
            Some(mut list) => {
                let first = list.next();
                first.filter(|first| list.all(|other| other == *first))
            }
            None => Some(value),
        };
        size.and_then(one)
            .ok_or_else(|| self.wrong(name, &format!("a whole number from 1 to {MOST}")))
    }

    fn size_or(&self, name: &str, default: usize) -> Result<usize, Fault> {
        match self.file.value(&self.key(name)) {
            Some(_) => self.size(name),
            None => Ok(default),
        }
    }

    fn number(&self, name: &str) -> Result<f64, Fault> {
        let value = self.file.required(&self.key(name))?;
        let number = value.as_f64();
        let number = number.filter(|number| number.is_finite() && *number > 0.0);
        number.ok_or_else(|| self.wrong(name, "a number above 0"))
    }

    fn number_or(&self, name: &str, default: f64) -> Result<f64, Fault> {
        match self.file.value(&self.key(name)) {
            Some(_) => self.number(name),
            None => Ok(default),
        }
    }

    /// Tokens that local layers attend to: only Gemma 3 has such layers.
    fn window(&self) -> Result<Option<usize>, Fault> {
        let key = "attention.sliding_window";
        if self.prefix == Architecture::Gemma3.name() {
            return self.size(key).map(Some);
        }
        let positions = self.size("context_length")?;
        if self.size_or(key, positions)? < positions {
            return Err(self.wrong(
                key,
                &format!("{positions}, the longest input, or no such key"),
            ));
        }
        Ok(None)
    }

    /// Refuses what changes the model's result and is not in [`Config`].
    fn check_supported(&self) -> Result<(), Fault> {
        let count = |key: &str| self.file.value(key).and_then(|value| value.as_u64());
        if let Some(parts) = count("split.count").filter(|&parts| parts > 1) {
            return Err(Fault::Split { count: parts });
        }
        if let Some(kind) = self.file.value("general.type")
            && kind.as_text() != Some("model")
        {
            return Err(wrong("general.type", &kind, "`model`".to_owned()));
        }
        for (name, what) in [
            ("expert_count", "a mixture of experts"),
            ("final_logit_softcapping", "a bound of the logits"),
            ("attn_logit_softcapping", "a bound of the attention"),
        ] {
            let value = self.file.value(&self.key(name));
            if value.is_some_and(|value| value.as_f64() != Some(0.0)) {
                return Err(Fault::Unsupported {
                    reason: format!("metadata key `{}` means {what}", self.key(name)),
                });
            }
        }
        Ok(())
    }
}
