//! Published shapes by name, for random weights.
//!
//! From the models' `config.json` on the Hugging Face hub: facebook/opt-*,
//! TinyLlama/TinyLlama-1.1B-Chat-v1.0, lmsys/vicuna-7b-v1.5, meta-llama/Llama-3.2-1B and -3B,
//! meta-llama/Meta-Llama-3-8B, HuggingFaceTB/SmolLM2-135M-Instruct.

use super::{Activation, ConfigError, Family, LmConfig, Rope, RopeScaling};

/// Name, hidden size, blocks, heads.
const OPT: [(&str, i64, usize, i64); 9] = [
    ("opt-125m", 768, 12, 12),
    ("opt-350m", 1024, 24, 16),
    ("opt-1.3b", 2048, 24, 32),
    ("opt-2.7b", 2560, 32, 32),
    ("opt-6.7b", 4096, 32, 32),
    ("opt-13b", 5120, 40, 40),
    ("opt-30b", 7168, 48, 56),
    ("opt-66b", 9216, 64, 72),
    ("opt-175b", 12288, 96, 96),
];

/// Name, hidden size, blocks, heads, key heads, MLP, vocabulary, positions.
#[rustfmt::skip]
const LLAMA: [(&str, [i64; 7]); 6] = [
    ("smollm2-135m", [576, 30, 9, 3, 1536, 49152, 8192]),
    ("tinyllama-1.1b", [2048, 22, 32, 4, 5632, 32000, 2048]),
    ("vicuna-7b", [4096, 32, 32, 32, 11008, 32000, 4096]),
    ("llama-3-8b", [4096, 32, 32, 8, 14336, 128_256, 8192]),
    ("llama-3.2-1b", [2048, 16, 32, 8, 8192, 128_256, 131_072]),
    ("llama-3.2-3b", [3072, 28, 24, 8, 8192, 128_256, 131_072]),
];

impl LmConfig {
    /// The names of published shapes.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        let llama = LLAMA.iter().map(|entry| entry.0);
        OPT.iter().map(|entry| entry.0).chain(llama)
    }

    /// A published shape.
    ///
    /// # Errors
    /// When `name` is unknown; the error lists the known names.
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        if let Some(&(_, hidden, layers, heads)) = OPT.iter().find(|entry| entry.0 == name) {
            let mut config = Self::opt(50272, hidden, layers, heads, 2048);
            if name == "opt-350m" {
                config.embedding_size = 512;
                config.norm_first = false;
                config.final_norm = false;
            }
            return Ok(config);
        }
        let llama = LLAMA.iter().find(|entry| entry.0 == name);
        llama
            .map(|&(name, numbers)| llama_shape(name, numbers))
            .ok_or_else(|| ConfigError::Name {
                name: name.to_owned(),
                known: Self::names().collect::<Vec<_>>().join(", "),
            })
    }

    /// An OPT of any size. As in all OPT models but 350m, norms come first, the MLP is four times
    /// as wide, and `</s>` (2) is at both ends.
    pub fn opt(
        vocab_size: i64,
        hidden_size: i64,
        layers: usize,
        heads: i64,
        positions: i64,
    ) -> Self {
        Self {
            family: Family::Opt,
            vocab_size,
            hidden_size,
            embedding_size: hidden_size,
            layers,
            heads,
            kv_heads: heads,
            head_size: hidden_size / heads,
            ffn_size: 4 * hidden_size,
            positions,
            norm_first: true,
            final_norm: true,
            norm_eps: 1e-5,
            norm_affine: true,
            attention_bias: true,
            mlp_bias: true,
            activation: Activation::Relu,
            tied: true,
            rope: None,
            init_std: 0.02,
            bos: Some(2),
            eos: vec![2],
        }
    }
}

fn llama_shape(name: &str, numbers: [i64; 7]) -> LmConfig {
    let [
        hidden_size,
        layers,
        heads,
        kv_heads,
        ffn_size,
        vocab_size,
        positions,
    ] = numbers;
    let third = name.starts_with("llama-3");
    let small = name.starts_with("smollm2");
    let scaling = name
        .starts_with("llama-3.2")
        .then_some(RopeScaling::Llama3 {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_positions: 8192.0,
        });
    LmConfig {
        family: Family::Llama,
        vocab_size,
        hidden_size,
        embedding_size: hidden_size,
        layers: layers as usize,
        heads,
        kv_heads,
        head_size: hidden_size / heads,
        ffn_size,
        positions,
        norm_first: true,
        final_norm: true,
        norm_eps: 1e-5,
        norm_affine: true,
        attention_bias: false,
        mlp_bias: false,
        activation: Activation::Silu,
        tied: scaling.is_some() || small,
        rope: Some(Rope {
            theta: match (third, small) {
                (true, _) => 500_000.0,
                (_, true) => 100_000.0,
                _ => 10_000.0,
            },
            scaling,
        }),
        init_std: 0.02,
        bos: Some(if third { 128_000 } else { 1 }),
        eos: vec![if third { 128_001 } else { 2 }],
    }
}
