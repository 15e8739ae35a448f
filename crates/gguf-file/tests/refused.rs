//! What is refused, with the whole message.

#![allow(clippy::disallowed_methods)]

mod common;

use std::path::Path;

use common::{Meta, Parts, texts};
use gguf_file::{GgufFile, Model};

/// The message of reading everything.
fn message(bytes: &[u8]) -> String {
    let read = || {
        let file = GgufFile::read(Path::new("m.gguf"), bytes)?;
        Model::new(&file)?;
        file.tokenizer().map(|_| ())
    };
    read().unwrap_err().to_string()
}

fn check<const COUNT: usize>(cases: [(Parts, &str); COUNT]) {
    for (parts, expected) in cases {
        assert_eq!(message(&parts.bytes()), format!("`m.gguf`: {expected}"));
    }
}

#[test]
fn the_small_model_of_these_tests_is_read() {
    let bytes = Parts::llama().bytes();
    let file = GgufFile::read(Path::new("m.gguf"), &bytes).unwrap();
    let model = Model::new(&file).unwrap();
    assert_eq!(model.names().count(), 11);
    let tokenizer = file.tokenizer().unwrap();
    assert_eq!(tokenizer.kind, "gpt2/smollm");
    assert_eq!(
        tokenizer.tokenizer.encode("ab<s>", true).unwrap().get_ids(),
        [3, 0]
    );
    let error = model.tensor("model.x").unwrap_err().to_string();
    assert_eq!(
        error,
        "`m.gguf`: the model has no tensor `model.x`; expected one of its 11 names, such as `model.embed_tokens.weight`"
    );
}

#[test]
fn another_format_or_version_is_refused() {
    let other = "not a GGUF file: it begins with";
    let expected = "expected the four letters `GGUF`";
    let whole = Parts::llama().bytes();
    let with = |at: usize, new: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        message(&bytes)
    };
    assert_eq!(
        message(b"PK\x03\x04..."),
        format!("`m.gguf`: {other} `PK\\x03\\x04`; {expected}")
    );
    assert_eq!(
        message(b"GG"),
        format!("`m.gguf`: {other} nothing more than 2 bytes; {expected}")
    );
    assert_eq!(
        with(4, &[1]),
        "`m.gguf`: GGUF version 1 is not supported; expected 2 or 3; convert the model again"
    );
    assert_eq!(
        with(4, &[0, 0, 0, 3]),
        "`m.gguf`: its numbers are big-endian; take the little-endian file of the same model"
    );
}

#[test]
fn a_truncated_file_is_refused_with_the_place() {
    let whole = Parts::llama().bytes();
    let size = whole.len();
    let cut = |to: usize| message(&whole[..to]);
    let ends = |part: &str, needed: u64, at: usize, size: usize| {
        format!(
            "`m.gguf`: it ends within {part}, which needs {needed} bytes from byte {at} on; the file has {size}; fetch it again"
        )
    };
    assert_eq!(cut(6), ends("its header", 4, 4, 6));
    assert_eq!(cut(30), ends("its header", 352, 16, 30));
    // A cut two bytes into what follows a name.
    let after = |name: &str, skipped: usize| {
        let at = whole
            .windows(name.len())
            .position(|found| found == name.as_bytes());
        let at = at.unwrap() + name.len() + skipped;
        (cut(at + 2), at)
    };
    let (message, at) = after("llama.block_count", 4);
    assert_eq!(
        message,
        ends("metadata key `llama.block_count`", 4, at, at + 2)
    );
    let (message, at) = after("blk.0.attn_v.weight", 4);
    assert_eq!(
        message,
        ends("the entry of tensor `blk.0.attn_v.weight`", 8, at, at + 2)
    );
    let part = "tensor `blk.0.ffn_down.weight`";
    assert_eq!(cut(size - 1), ends(part, 384, size - 384, size - 1));
}

#[test]
fn a_count_or_length_beyond_the_file_is_refused_before_anything_is_allocated() {
    let with = |at: usize, new: u64| {
        let mut bytes = Parts::llama().bytes();
        bytes[at..at + 8].copy_from_slice(&new.to_le_bytes());
        (message(&bytes), bytes.len())
    };
    for (at, count, part, needed) in [
        (8, u64::MAX, "its header", u64::MAX),
        (8, 1 << 40, "its header", 32 << 40),
        (16, 1 << 40, "its header", 13 << 40),
        (24, 1 << 50, "entry 1 of 14 of the metadata", 1 << 50),
    ] {
        let (message, size) = with(at, count);
        let expected = format!(
            "`m.gguf`: it ends within {part}, which needs {needed} bytes from byte {} on; the file has {size}; fetch it again",
            at + 8
        );
        assert_eq!(message, expected);
    }
}

#[test]
fn names_that_are_there_twice_are_refused() {
    let mut keys = Parts::llama();
    keys.metadata.push(keys.metadata[0].clone());
    let mut tensors = Parts::llama();
    tensors.tensors.push(tensors.tensors[0].clone());
    check([
        (
            keys,
            "metadata key `general.architecture` is there twice; convert the model again",
        ),
        (
            tensors,
            "tensor `token_embd.weight` is there twice; convert the model again",
        ),
        (
            Parts::llama().with("tokenizer.ggml.tokens", texts(&["<s>", "a", "b", "a"])),
            "token `a` is there twice; convert the model again",
        ),
    ]);
}

#[test]
fn tensors_that_the_model_cannot_use_are_refused() {
    let types = "expected F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16; take another file of the same model";
    let without = |name: &str| {
        let mut parts = Parts::llama();
        parts.tensors.retain(|(known, ..)| known != name);
        parts
    };
    check([
        (
            Parts::llama().with_tensor("blk.0.ffn_up.weight", &[12, 8], 20),
            &format!(
                "tensor `blk.0.ffn_up.weight` has type IQ4_NL, which is not supported; {types}"
            ),
        ),
        (
            Parts::llama().with_tensor("blk.0.ffn_up.weight", &[12, 8], 99),
            &format!("tensor `blk.0.ffn_up.weight` has type 99, which is not supported; {types}"),
        ),
        (
            Parts::llama().with_tensor("blk.0.ffn_up.weight", &[12, 8], 8),
            "the entry of tensor `blk.0.ffn_up.weight` is damaged: its rows have 8 values, which are not whole blocks of 32 as Q8_0 has them; fetch the file again",
        ),
        (
            without("blk.0.attn_q.weight"),
            "tensor `blk.0.attn_q.weight` is missing (Hugging Face's `model.layers.0.self_attn.q_proj.weight`); convert the model again, or fetch the file again",
        ),
        (
            Parts::llama().with_tensor("blk.0.attn_k.weight", &[8, 8], 0),
            "tensor `blk.0.attn_k.weight` (Hugging Face's `model.layers.0.self_attn.k_proj.weight`) has shape [8, 8]; by the metadata it is [4, 8]; fetch the file again",
        ),
        (
            Parts::llama().with_tensor("blk.1.attn_norm.weight", &[8], 0),
            "tensor `blk.1.attn_norm.weight` has no place in architecture `llama`; take a file of a plain `llama` model",
        ),
        (
            Parts::llama().with_tensor("x", &[1, 1, 1, 1, 1], 0),
            "the entry of tensor `x` is damaged: it has 5 dimensions; expected 1 to 4; fetch the file again",
        ),
        (
            Parts::llama().with_tensor("rope_freqs.weight", &[2], 0),
            "tensor `rope_freqs.weight` changes rotary positions in another way than Llama 3, which is not supported; take another model",
        ),
    ]);
}

#[test]
fn metadata_that_the_model_cannot_use_is_refused() {
    let size = "expected a whole number from 1 to 16777216; take another file of the same model";
    check([
        (
            Parts::llama().with("general.architecture", Meta::Text("gptneox".to_owned())),
            "architecture `gptneox` is not supported; expected llama, qwen2, qwen3, gemma3",
        ),
        (
            Parts::llama().without("general.architecture"),
            "metadata key `general.architecture` is missing; convert the model again with a current llama.cpp",
        ),
        (
            Parts::llama().without("llama.block_count"),
            "metadata key `llama.block_count` is missing; convert the model again with a current llama.cpp",
        ),
        (
            Parts::llama().with("llama.block_count", Meta::U32(0)),
            &format!("metadata key `llama.block_count` is 0; {size}"),
        ),
        (
            Parts::llama().with("llama.attention.head_count_kv", Meta::I32s(vec![1, 2])),
            &format!("metadata key `llama.attention.head_count_kv` is a list of 2 values; {size}"),
        ),
        (
            Parts::llama().with("llama.attention.head_count_kv", Meta::U32(3)),
            "metadata key `llama.attention.head_count_kv` is 3; expected a divisor of 2; take another file of the same model",
        ),
        (
            Parts::llama().with("llama.rope.dimension_count", Meta::U32(2)),
            "metadata key `llama.rope.dimension_count` is 2; expected the width of a head, 4; take another file of the same model",
        ),
    ]);
}

#[test]
fn metadata_of_what_is_not_built_is_refused() {
    check([
        (
            Parts::llama().with("llama.rope.scaling.type", Meta::Text("yarn".to_owned())),
            "scaling of rotary positions `yarn` is not supported; expected none, linear or Llama 3's",
        ),
        (
            Parts::llama().with("llama.expert_count", Meta::U32(8)),
            "metadata key `llama.expert_count` means a mixture of experts, which is not supported; take another model",
        ),
        (
            Parts::llama().with("llama.attention.sliding_window", Meta::U32(4)),
            "metadata key `llama.attention.sliding_window` is 4; expected 16, the longest input, or no such key; take another file of the same model",
        ),
        (
            Parts::llama().with("split.count", Meta::U32(3)),
            "it is one of 3 parts of a model; join them with `llama-gguf-split --merge` and take the result",
        ),
        (
            Parts::llama().with("general.type", Meta::Text("adapter".to_owned())),
            "metadata key `general.type` is `adapter`; expected `model`; take another file of the same model",
        ),
        (
            Parts::llama().with("general.alignment", Meta::U32(0)),
            "metadata key `general.alignment` is 0; expected a power of two up to 1048576; take another file of the same model",
        ),
        (
            Parts::llama().with("tokenizer.ggml.eos_token_id", Meta::U32(4)),
            "metadata key `tokenizer.ggml.eos_token_id` is 4; expected a token number below 4; take another file of the same model",
        ),
    ]);
}

#[test]
fn a_vocabulary_without_a_tokenizer_is_refused() {
    let missing = |key: &str| {
        format!("metadata key `{key}` is missing; convert the model again with a current llama.cpp")
    };
    let [tokens, merges, pre, scores] = ["tokens", "merges", "pre", "scores"]
        .map(|name| missing(&format!("tokenizer.ggml.{name}")));
    let model =
        |name: &str| Parts::llama().with("tokenizer.ggml.model", Meta::Text(name.to_owned()));
    check([
        (
            Parts::llama()
                .without("tokenizer.ggml.tokens")
                .with("llama.vocab_size", Meta::U32(4)),
            &tokens,
        ),
        (Parts::llama().without("tokenizer.ggml.merges"), &merges),
        (Parts::llama().without("tokenizer.ggml.pre"), &pre),
        (model("llama"), &scores),
        (
            model("llama").with("tokenizer.ggml.scores", Meta::F32s(vec![0.0])),
            "metadata key `tokenizer.ggml.scores` is a list of 1 values; expected a list of 4 numbers, one a token; take another file of the same model",
        ),
        (
            model("bert"),
            "tokenizer `bert` is not supported; expected gpt2, llama",
        ),
        (
            Parts::llama().with("tokenizer.ggml.pre", Meta::Text("tekken".to_owned())),
            "pre-tokenizer `tekken` is not supported; expected smollm, qwen2, llama-bpe, llama3, llama-v3, gpt-2, default",
        ),
        (
            Parts::llama().with("tokenizer.ggml.merges", texts(&["a b", "ab"])),
            "its tokenizer cannot be used: merge `ab` has no two parts; convert the model again",
        ),
        (
            Parts::llama().with(
                "tokenizer.ggml.tokens",
                texts(&["<s>", "a", "b", &"a".repeat(1025)]),
            ),
            "its tokenizer cannot be used: a token has 1025 bytes; expected 1024; convert the model again",
        ),
        (
            Parts::llama().with("tokenizer.ggml.merges", texts(&["a x"])),
            "its tokenizer cannot be used: Token `x` out of vocabulary; convert the model again",
        ),
        (
            Parts::llama()
                .without("tokenizer.ggml.bos_token_id")
                .with("tokenizer.ggml.add_bos_token", Meta::Bool(true)),
            "metadata key `tokenizer.ggml.bos_token_id` is missing; convert the model again with a current llama.cpp",
        ),
    ]);
}

#[test]
fn a_vocabulary_that_has_a_merge_for_every_cut_of_its_tokens_is_refused() {
    let tokens: Vec<String> = (1..=64).map(|length| "a".repeat(length)).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    check([(
        Parts::llama()
            .with("tokenizer.ggml.model", Meta::Text("llama".to_owned()))
            .with("tokenizer.ggml.tokens", texts(&tokens))
            .with("tokenizer.ggml.token_type", Meta::I32s(vec![1; 64]))
            .with("tokenizer.ggml.scores", Meta::F32s(vec![0.0; 64]))
            .with_tensor("token_embd.weight", &[64, 8], 0),
        "its tokenizer cannot be used: each token has more than 16 pairs of parts; convert the model again",
    )]);
}
