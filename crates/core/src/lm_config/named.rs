//! Published shapes by name, for random weights.
//!
//! They are those of `config.json` on the Hugging Face hub:
//! - facebook/opt-*
//! - TinyLlama/TinyLlama-1.1B-Chat-v1.0, lmsys/vicuna-7b-v1.5
//! - HuggingFaceTB/SmolLM2-135M-Instruct
//! - meta-llama/Llama-3.2-1B and -3B, meta-llama/Meta-Llama-3-8B
//! - mistralai/Mistral-7B-v0.3
//! - Qwen/Qwen2.5-0.5B, -1.5B and -3B, Qwen/Qwen3-0.6B, -1.7B and -4B
//! - google/gemma-3-270m and -1b-pt

use super::families::Sizes;
use super::{Activation, ConfigError, Family, LmConfig, Local, Rope, RopeScaling};

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

/// Name, vocabulary, hidden size, blocks, heads, key heads, head, MLP, positions.
#[rustfmt::skip]
const GATED: [(&str, [i64; 8]); 15] = [
    ("smollm2-135m", [49152, 576, 30, 9, 3, 64, 1536, 8192]),
    ("tinyllama-1.1b", [32000, 2048, 22, 32, 4, 64, 5632, 2048]),
    ("vicuna-7b", [32000, 4096, 32, 32, 32, 128, 11008, 4096]),
    ("llama-3-8b", [128_256, 4096, 32, 32, 8, 128, 14336, 8192]),
    ("llama-3.2-1b", [128_256, 2048, 16, 32, 8, 64, 8192, 131_072]),
    ("llama-3.2-3b", [128_256, 3072, 28, 24, 8, 128, 8192, 131_072]),
    ("mistral-7b", [32768, 4096, 32, 32, 8, 128, 14336, 32768]),
    ("qwen2.5-0.5b", [151_936, 896, 24, 14, 2, 64, 4864, 32768]),
    ("qwen2.5-1.5b", [151_936, 1536, 28, 12, 2, 128, 8960, 131_072]),
    ("qwen2.5-3b", [151_936, 2048, 36, 16, 2, 128, 11008, 32768]),
    ("qwen3-0.6b", [151_936, 1024, 28, 16, 8, 128, 3072, 40960]),
    ("qwen3-1.7b", [151_936, 2048, 28, 16, 8, 128, 6144, 40960]),
    ("qwen3-4b", [151_936, 2560, 36, 32, 8, 128, 9728, 40960]),
    ("gemma3-270m", [262_144, 640, 18, 4, 1, 256, 2048, 32768]),
    ("gemma3-1b", [262_144, 1152, 26, 4, 1, 256, 6912, 32768]),
];

/// What the shapes of a family have in common.
struct Common {
    /// Beginning of their names.
    prefix: &'static str,
    /// Base of the rotary frequencies.
    theta: f64,
    /// Epsilon of the norms.
    eps: f64,
    tied: bool,
    /// Tokens that begin and end a text.
    ends: [u32; 2],
}

/// A longer prefix comes before a shorter one.
#[rustfmt::skip]
const FAMILIES: [Common; 9] = [
    Common { prefix: "smollm2", theta: 1e5, eps: 1e-5, tied: true, ends: [1, 2] },
    Common { prefix: "tinyllama", theta: 1e4, eps: 1e-5, tied: false, ends: [1, 2] },
    Common { prefix: "vicuna", theta: 1e4, eps: 1e-5, tied: false, ends: [1, 2] },
    Common { prefix: "llama-3.2", theta: 5e5, eps: 1e-5, tied: true, ends: [128_000, 128_001] },
    Common { prefix: "llama-3", theta: 5e5, eps: 1e-5, tied: false, ends: [128_000, 128_001] },
    Common { prefix: "mistral", theta: 1e6, eps: 1e-5, tied: false, ends: [1, 2] },
    Common { prefix: "qwen2.5", theta: 1e6, eps: 1e-6, tied: true, ends: [151_643, 151_643] },
    // Ends a turn: these are chat models.
    Common { prefix: "qwen3", theta: 1e6, eps: 1e-6, tied: true, ends: [151_643, 151_645] },
    Common { prefix: "gemma3", theta: 1e6, eps: 1e-6, tied: true, ends: [2, 1] },
];

impl LmConfig {
    /// The names of published shapes.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        let gated = GATED.iter().map(|entry| entry.0);
        OPT.iter().map(|entry| entry.0).chain(gated)
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
        let gated = GATED.iter().find(|entry| entry.0 == name);
        gated
            .map(|&(name, numbers)| gated_shape(name, numbers))
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
            norm_offset: false,
            head_norms: false,
            result_norms: false,
            attention_bias: true,
            output_bias: true,
            mlp_bias: true,
            activation: Activation::Relu,
            query_divisor: (hidden_size / heads) as f64,
            embedding_scale: 1.0,
            tied: true,
            rope: None,
            local: None,
            init_std: 0.02,
            bos: Some(2),
            eos: vec![2],
        }
    }
}

fn gated_shape(name: &str, numbers: [i64; 8]) -> LmConfig {
    let is = |family: &str| name.starts_with(family);
    let family = FAMILIES.iter().find(|family| is(family.prefix));
    let family = family.expect("every name begins with a family's");
    let [vocab, hidden, layers, heads, kv_heads, head, ffn, positions] = numbers;
    let sizes = Sizes {
        vocab,
        hidden,
        layers: layers as usize,
        heads,
        kv_heads,
        head,
        ffn,
        positions,
    };
    let scaling = is("llama-3.2").then_some(RopeScaling::Llama3 {
        factor: 32.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_positions: 8192.0,
    });
    let rope = |theta, scaling| Rope { theta, scaling };
    let config = LmConfig {
        norm_eps: family.eps,
        head_norms: is("qwen3"),
        attention_bias: is("qwen2.5"),
        tied: family.tied,
        bos: Some(family.ends[0]),
        eos: vec![family.ends[1]],
        ..LmConfig::gated(sizes, rope(family.theta, scaling))
    };
    match is("gemma3") {
        true => config.with_switches_of_gemma3(Some(Local {
            window: 512,
            layers: (1..=layers).map(|layer| layer % 6 != 0).collect(),
            rope: rope(10_000.0, None),
        })),
        false => config,
    }
}
