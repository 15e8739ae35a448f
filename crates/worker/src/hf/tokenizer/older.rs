//! `tokenizer.json` made from the older files: `vocab.json` with `merges.txt`, and `vocab.txt`.

use std::path::Path;

use allround_core::fs;
use serde_json::{Value, json};

use super::class::{Class, Files};
use super::{TokenizerError, object};

/// Tokens that a vocabulary may have for other purposes than text.
const KNOWN_SPECIAL: [&str; 12] = [
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "<mask>",
    "<|endoftext|>",
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "<|padding|>",
];

/// `tokenizer.json` of a byte-level BPE in OPT's and GPT-2's older files. Here `add_bos_token` and
/// `add_eos_token` of `tokenizer_config.json` count, which transformers ignores next to a
/// `tokenizer.json`.
pub(super) fn byte_level(
    vocabulary: &Path,
    merges: &Path,
    files: &Files,
    class: Class,
) -> Result<Value, TokenizerError> {
    let tokens = object(vocabulary)?;
    let wrong = |path: &Path, reason: String| TokenizerError::Format {
        path: path.display().to_string(),
        reason,
    };
    let table = tokens.as_object().ok_or_else(|| {
        wrong(
            vocabulary,
            "expected an object of tokens and their ids".to_owned(),
        )
    })?;
    let special = KNOWN_SPECIAL
        .iter()
        .filter(|token| table.contains_key(**token));
    let special: Vec<Value> = special.map(|token| added(token, &table[*token])).collect();
    let text = fs::read_to_string(merges)?;
    let mut pairs = Vec::new();
    for (place, line) in text.lines().enumerate() {
        if line.starts_with("#version") || line.is_empty() {
            continue;
        }
        match line.split(' ').collect::<Vec<_>>()[..] {
            [left, right] => pairs.push(json!([left, right])),
            _ => {
                let reason = format!("line {}: `{line}` is not two tokens", place + 1);
                return Err(wrong(merges, reason));
            }
        }
    }
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let around = around(table, files, class).map_err(|reason| wrong(vocabulary, reason))?;
    Ok(json!({
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": bytes,
        "post_processor": around,
        "decoder": bytes,
        "model": {"type": "BPE", "vocab": tokens, "merges": pairs},
    }))
}

/// The post-processor that `add_bos_token` and `add_eos_token` request.
fn around(
    table: &serde_json::Map<String, Value>,
    files: &Files,
    class: Class,
) -> Result<Value, String> {
    let default = (class == Class::Gpt2).then_some("<|endoftext|>");
    let roles = [
        ("add_bos_token", "bos_token", default),
        ("add_eos_token", "eos_token", Some("<|endoftext|>")),
    ];
    let mut single = vec![json!({"Sequence": {"id": "A", "type_id": 0}})];
    let mut special = serde_json::Map::new();
    for (flag, role, default) in roles {
        if files.config[flag].as_bool() != Some(true) {
            continue;
        }
        let Some(token) = files.token(role).unwrap_or(default) else {
            continue;
        };
        let id = table.get(token).ok_or_else(|| {
            format!(
                "it has no `{token}`, which `{flag}` of `tokenizer_config.json` adds to every text"
            )
        })?;
        special.insert(
            token.to_owned(),
            json!({"id": token, "ids": [id], "tokens": [token]}),
        );
        let piece = json!({"SpecialToken": {"id": token, "type_id": 0}});
        match role {
            "bos_token" => single.insert(0, piece),
            _ => single.push(piece),
        }
    }
    if special.is_empty() {
        return Ok(Value::Null);
    }
    let pair = vec![
        json!({"Sequence": {"id": "A", "type_id": 0}}),
        json!({"Sequence": {"id": "B", "type_id": 1}}),
    ];
    Ok(
        json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}),
    )
}

/// `tokenizer.json` of a WordPiece vocabulary, one token a line; the class gives it all other
/// parts.
pub(super) fn word_piece(vocabulary: &Path) -> Result<Value, TokenizerError> {
    let text = fs::read_to_string(vocabulary)?;
    let tokens: serde_json::Map<String, Value> = text
        .lines()
        .enumerate()
        .map(|(id, token)| (token.to_owned(), json!(id)))
        .collect();
    let special = KNOWN_SPECIAL
        .iter()
        .filter(|token| tokens.contains_key(**token));
    let special: Vec<Value> = special.map(|token| added(token, &tokens[*token])).collect();
    Ok(json!({
        "version": "1.0",
        "added_tokens": special,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": tokens},
    }))
}

fn added(token: &str, id: &Value) -> Value {
    json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
}
