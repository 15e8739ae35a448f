//! What the families of decoders share, and what each of them does differently.
//!
//! Upstream: the configuration classes of transformers, with their defaults for missing keys.

use serde_json::Value;

use super::keys::Keys;
use super::rope::{rope, ropes};
use super::{Activation, ConfigError, Family, LmConfig, Local, Rope};
use crate::visible::either;

/// `model_type` of the supported families.
pub const MODEL_TYPES: [&str; 6] = ["opt", "llama", "mistral", "qwen2", "qwen3", "gemma3_text"];

/// The decoder that a `config.json` describes.
pub(super) fn read(keys: &Keys) -> Result<LmConfig, ConfigError> {
    match keys.text("model_type")?.as_str() {
        "opt" => opt(keys),
        "llama" => llama(keys),
        "mistral" => mistral(keys),
        "qwen2" => qwen2(keys),
        "qwen3" => qwen3(keys),
        "gemma3_text" => gemma3(keys),
        other => {
            let known = MODEL_TYPES.map(|kind| format!("`{kind}`"));
            Err(keys.wrong("model_type", other, &either(&known)))
        }
    }
}

/// The sizes of a decoder with rotary positions and a gated MLP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub vocab: i64,
    pub hidden: i64,
    pub layers: usize,
    pub heads: i64,
    pub kv_heads: i64,
    /// Width of a head.
    pub head: i64,
    pub ffn: i64,
    pub positions: i64,
}

/// What transformers takes for sizes that a file leaves out.
struct DefaultSizes {
    /// `None`: as many as query heads.
    kv_heads: Option<i64>,
    /// `None`: the hidden size by the number of heads.
    head: Option<i64>,
    positions: i64,
}

impl LmConfig {
    /// A Llama without biases: the switches that other families turn are off.
    pub(super) fn gated(sizes: Sizes, rope: Rope) -> Self {
        Self {
            family: Family::Llama,
            vocab_size: sizes.vocab,
            hidden_size: sizes.hidden,
            embedding_size: sizes.hidden,
            layers: sizes.layers,
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            head_size: sizes.head,
            ffn_size: sizes.ffn,
            positions: sizes.positions,
            norm_first: true,
            final_norm: true,
            norm_eps: 1e-6,
            norm_affine: true,
            norm_offset: false,
            head_norms: false,
            result_norms: false,
            attention_bias: false,
            output_bias: false,
            mlp_bias: false,
            activation: Activation::Silu,
            query_divisor: sizes.head as f64,
            embedding_scale: 1.0,
            tied: false,
            rope: Some(rope),
            local: None,
            init_std: 0.02,
            bos: None,
            eos: Vec::new(),
        }
    }

    /// The same with the switches of Gemma 3.
    pub(super) fn with_switches_of_gemma3(self, local: Option<Local>) -> Self {
        Self {
            norm_offset: true,
            head_norms: true,
            result_norms: true,
            embedding_scale: (self.hidden_size as f64).sqrt(),
            activation: Activation::GeluTanh,
            local,
            ..self
        }
    }
}

fn opt(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let hidden_size = keys.positive("hidden_size")?;
    let heads = keys.positive("num_attention_heads")?;
    let norm_first = keys.flag_or("do_layer_norm_before", true)?;
    let bias = keys.flag_or("enable_bias", true)?;
    let positions = keys.positive("max_position_embeddings")?;
    let layers = keys.layers()?;
    let vocab_size = keys.positive("vocab_size")?;
    Ok(LmConfig {
        embedding_size: keys.positive_or("word_embed_proj_dim", hidden_size)?,
        ffn_size: keys.positive("ffn_dim")?,
        norm_first,
        final_norm: norm_first && !keys.flag_or("_remove_final_layer_norm", false)?,
        norm_affine: keys.flag_or("layer_norm_elementwise_affine", true)?,
        attention_bias: bias,
        output_bias: bias,
        mlp_bias: bias,
        activation: keys.activation("activation_function", "relu")?,
        tied: keys.flag_or("tie_word_embeddings", true)?,
        init_std: keys.number_or("init_std", 0.02)?,
        bos: keys.tokens("bos_token_id")?.first().copied(),
        eos: keys.tokens("eos_token_id")?,
        ..LmConfig::opt(vocab_size, hidden_size, layers, heads, positions)
    })
}

/// What all families with rotary positions read alike.
fn gated(keys: &Keys, defaults: DefaultSizes, rope: Rope) -> Result<LmConfig, ConfigError> {
    let hidden = keys.positive("hidden_size")?;
    let heads = keys.positive("num_attention_heads")?;
    // Null means as many as query heads.
    let kv_heads = match keys.has("num_key_value_heads") {
        true => heads,
        false => defaults.kv_heads.unwrap_or(heads),
    };
    let sizes = Sizes {
        vocab: keys.positive("vocab_size")?,
        hidden,
        layers: keys.layers()?,
        heads,
        kv_heads: keys.positive_or("num_key_value_heads", kv_heads)?,
        head: keys.positive_or("head_dim", defaults.head.unwrap_or(hidden / heads))?,
        ffn: keys.positive("intermediate_size")?,
        positions: keys.positive_or("max_position_embeddings", defaults.positions)?,
    };
    Ok(LmConfig {
        norm_eps: keys.number_or("rms_norm_eps", 1e-6)?,
        activation: keys.activation("hidden_act", "silu")?,
        tied: keys.flag_or("tie_word_embeddings", false)?,
        init_std: keys.number_or("initializer_range", 0.02)?,
        bos: keys.tokens("bos_token_id")?.first().copied(),
        eos: keys.tokens("eos_token_id")?,
        ..LmConfig::gated(sizes, rope)
    })
}

fn llama(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let defaults = DefaultSizes {
        kv_heads: None,
        head: None,
        positions: 2048,
    };
    let bias = keys.flag_or("attention_bias", false)?;
    Ok(LmConfig {
        attention_bias: bias,
        output_bias: bias,
        mlp_bias: keys.flag_or("mlp_bias", false)?,
        ..gated(keys, defaults, rope(keys)?)?
    })
}

fn mistral(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let defaults = DefaultSizes {
        kv_heads: Some(8),
        head: None,
        positions: 131_072,
    };
    let config = gated(keys, defaults, rope(keys)?)?;
    let window = match keys.has("sliding_window") {
        true => keys.get("sliding_window").is_some(),
        false => true,
    };
    let layers = vec![window; config.layers];
    let local = local(keys, layers, rope(keys)?)?;
    Ok(LmConfig { local, ..config })
}

fn qwen2(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let defaults = DefaultSizes {
        kv_heads: Some(32),
        head: None,
        positions: 32_768,
    };
    let config = gated(keys, defaults, rope(keys)?)?;
    let local = local_of_qwen(keys, &config)?;
    // None in the output layer, and no setting for it.
    Ok(LmConfig {
        attention_bias: true,
        local,
        ..config
    })
}

fn qwen3(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let defaults = DefaultSizes {
        kv_heads: Some(32),
        head: Some(128),
        positions: 32_768,
    };
    let config = gated(keys, defaults, rope(keys)?)?;
    let bias = keys.flag_or("attention_bias", false)?;
    Ok(LmConfig {
        head_norms: true,
        attention_bias: bias,
        output_bias: bias,
        local: local_of_qwen(keys, &config)?,
        ..config
    })
}

fn gemma3(keys: &Keys) -> Result<LmConfig, ConfigError> {
    let defaults = DefaultSizes {
        kv_heads: Some(4),
        head: Some(256),
        positions: 131_072,
    };
    let [full, nearby] = ropes(keys)?;
    let config = gated(keys, defaults, full)?;
    let every = keys.positive_or("sliding_window_pattern", 6)? as usize;
    let by_pattern = || {
        (1..=config.layers)
            .map(|layer| layer % every != 0)
            .collect()
    };
    let layers = layer_types(keys, config.layers)?.unwrap_or_else(by_pattern);
    let local = local(keys, layers, nearby)?;
    let bias = keys.flag_or("attention_bias", false)?;
    Ok(LmConfig {
        attention_bias: bias,
        output_bias: bias,
        query_divisor: keys.number_or("query_pre_attn_scalar", 256.0)?,
        activation: keys.activation("hidden_activation", "gelu_pytorch_tanh")?,
        tied: keys.flag_or("tie_word_embeddings", true)?,
        ..config.with_switches_of_gemma3(local)
    })
}

/// The last layers of Qwen 2 and 3, where the file says that they have a window.
fn local_of_qwen(keys: &Keys, config: &LmConfig) -> Result<Option<Local>, ConfigError> {
    let used = keys.flag_or("use_sliding_window", false)?;
    let used = used && (keys.get("sliding_window").is_some() || !keys.has("sliding_window"));
    let first = keys.count_or("max_window_layers", 28)?;
    let by_number = || (0..config.layers).map(|layer| used && layer >= first);
    let layers = layer_types(keys, config.layers)?.unwrap_or_else(|| by_number().collect());
    if !used && layers.contains(&true) {
        let found = "a list with `sliding_attention`, but no window is used";
        return Err(keys.wrong("layer_types", found, "`full_attention` alone"));
    }
    local(keys, layers, rope(keys)?)
}

/// The layers with a window, if there are any.
fn local(keys: &Keys, layers: Vec<bool>, rope: Rope) -> Result<Option<Local>, ConfigError> {
    if !layers.contains(&true) {
        return Ok(None);
    }
    let window = match keys.has("sliding_window") {
        true => keys.positive("sliding_window")?,
        false => 4096,
    };
    Ok(Some(Local {
        window: window as usize,
        layers,
        rope,
    }))
}

/// Which layers have a window, where `layer_types` lists them.
fn layer_types(keys: &Keys, layers: usize) -> Result<Option<Vec<bool>>, ConfigError> {
    let key = "layer_types";
    let Some(value) = keys.get(key) else {
        return Ok(None);
    };
    let expected = format!("`full_attention` or `sliding_attention` for each of {layers} layers");
    let list: &[Value] = value.as_array().map_or(&[], Vec::as_slice);
    if list.len() != layers {
        let found = format!("a list of {}", list.len());
        return Err(keys.wrong(key, &found, &expected));
    }
    let one = |kind: &Value| match kind.as_str() {
        Some("full_attention") => Ok(false),
        Some("sliding_attention") => Ok(true),
        _ => Err(keys.wrong(key, &format!("a list with {kind}"), &expected)),
    };
    list.iter().map(one).collect::<Result<_, _>>().map(Some)
}
