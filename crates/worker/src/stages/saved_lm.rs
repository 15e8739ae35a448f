//! A small language model as a Hugging Face folder, which later stages read.

use std::path::Path;

use allround_core::config::llm::Dtype;
use allround_core::fs;

use super::report::StageError;
use crate::lm::LmConfig;
use crate::methods::prompted_lm::{LoadedLm, kind_of};
use crate::models::weights;

/// Leaves `loaded`, an OPT, in `folder`: `config.json`, weights in the number type `dtype`, and the
/// tokenizer.
///
/// # Errors
/// When a file cannot be written.
pub fn save_opt(folder: &Path, loaded: &LoadedLm, dtype: Dtype) -> Result<(), StageError> {
    let kind = kind_of(dtype);
    let named = loaded.lm.weights().into_iter();
    let named: Vec<_> = named
        .map(|(name, weight)| (name, weight.to_kind(kind)))
        .collect();
    weights::write(&folder.join("model.safetensors"), &named)?;
    loaded.tokenizer.save(folder)?;
    let text = config_json(loaded.lm.config(), loaded.tokenizer.vocab_size(), dtype);
    let path = folder.join("config.json");
    Ok(fs::write_atomic(&path, text.as_bytes())?)
}

/// The model's shape in the words of transformers' `OPTConfig`.
fn config_json(config: &LmConfig, vocab_size: usize, dtype: Dtype) -> String {
    let dtype = match dtype {
        Dtype::Fp32 => "float32",
        Dtype::Bf16 => "bfloat16",
        Dtype::Fp16 => "float16",
    };
    let value = serde_json::json!({
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "vocab_size": vocab_size,
        "hidden_size": config.hidden_size,
        "word_embed_proj_dim": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "ffn_dim": config.ffn_size,
        "max_position_embeddings": config.positions,
        "do_layer_norm_before": true,
        "activation_function": "relu",
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "bos_token_id": 2,
        "eos_token_id": 2,
        "pad_token_id": 1,
        "tie_word_embeddings": true,
        "torch_dtype": dtype,
    });
    serde_json::to_string_pretty(&value).expect("a value is plain data")
}
