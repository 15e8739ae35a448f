//! The architectures that are read, and what llama.cpp's converter does to their tensors.
//!
//! Reference: `convert_hf_to_gguf.py` of llama.cpp, and `tensor_mapping.py` of the `gguf` package.

/// A model architecture, by the name that GGUF files have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `llama`: Llama, SmolLM2, TinyLlama, and Mistral, which has the same tensors.
    Llama,
    /// `qwen2`: Qwen2 and Qwen2.5, with biases in the attention.
    Qwen2,
    /// `qwen3`: norms of the queries and keys of every head.
    Qwen3,
    /// `gemma3`: Gemma 3 without its image encoder; four norms in a block.
    Gemma3,
}

/// A norm of a block or a head: Hugging Face's name, and the name in the file.
pub(crate) type Norm = (&'static str, &'static str);

impl Architecture {
    /// All of them.
    pub const ALL: [Architecture; 4] = [
        Architecture::Llama,
        Architecture::Qwen2,
        Architecture::Qwen3,
        Architecture::Gemma3,
    ];

    /// The value of `general.architecture`, which is also the prefix of metadata keys.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Llama => "llama",
            Architecture::Qwen2 => "qwen2",
            Architecture::Qwen3 => "qwen3",
            Architecture::Gemma3 => "gemma3",
        }
    }

    /// `model_type` of a `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Architecture::Llama => "llama",
            Architecture::Qwen2 => "qwen2",
            Architecture::Qwen3 => "qwen3",
            Architecture::Gemma3 => "gemma3_text",
        }
    }

    /// Class in transformers.
    pub fn class(self) -> &'static str {
        match self {
            Architecture::Llama => "LlamaForCausalLM",
            Architecture::Qwen2 => "Qwen2ForCausalLM",
            Architecture::Qwen3 => "Qwen3ForCausalLM",
            Architecture::Gemma3 => "Gemma3ForCausalLM",
        }
    }

    /// Activation of the MLP, as transformers names it.
    pub(crate) fn activation(self) -> &'static str {
        match self {
            Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 => "silu",
            Architecture::Gemma3 => "gelu_pytorch_tanh",
        }
    }

    /// Whether the converter reorders the rows of queries and keys. It pairs the two numbers that a
    /// rotation turns; Hugging Face has them half a head apart.
    pub(crate) fn reorders_heads(self) -> bool {
        match self {
            Architecture::Llama => true,
            Architecture::Qwen2 | Architecture::Qwen3 | Architecture::Gemma3 => false,
        }
    }

    /// Whether the converter adds 1 to the weights of norms; Gemma keeps them as a difference to 1.
    pub(crate) fn adds_one_to_norms(self) -> bool {
        match self {
            Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 => false,
            Architecture::Gemma3 => true,
        }
    }

    /// Norms of a block.
    pub(crate) fn block_norms(self) -> &'static [Norm] {
        match self {
            Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 => &[
                ("input_layernorm", "attn_norm"),
                ("post_attention_layernorm", "ffn_norm"),
            ],
            Architecture::Gemma3 => &[
                ("input_layernorm", "attn_norm"),
                ("post_attention_layernorm", "post_attention_norm"),
                ("pre_feedforward_layernorm", "ffn_norm"),
                ("post_feedforward_layernorm", "post_ffw_norm"),
            ],
        }
    }

    /// Norms of a head.
    pub(crate) fn head_norms(self) -> &'static [Norm] {
        match self {
            Architecture::Llama | Architecture::Qwen2 => &[],
            Architecture::Qwen3 | Architecture::Gemma3 => &[
                ("self_attn.q_norm", "attn_q_norm"),
                ("self_attn.k_norm", "attn_k_norm"),
            ],
        }
    }
}
