//! The tokenizer of a file: vocabulary, merges and the kind of pre-tokenizer, from its metadata.
//!
//! Reference: the `tokenizer.json` of the original models, and `llama-vocab.cpp` of llama.cpp.
//! When it reads a GGUF file, transformers 5.24 leaves out parts of the original tokenizer; here
//! the original counts. For `smollm` it does not separate digits, so blanks before a number
//! differ. For `qwen2` it does not normalize. For `llama-bpe` it does not look for a whole word
//! first.

mod byte_level;
mod sentence_piece;

use std::collections::HashSet;

use tokenizers::processors::template::{SpecialToken, TemplateProcessing};
use tokenizers::{AddedToken, Tokenizer};

use crate::config::SpecialTokens;
use crate::{Fault, GgufFile, Value, wrong};

/// Longest believable token, in bytes.
const LONGEST: usize = 1024;
/// Numbers of `tokenizer.ggml.token_type`.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// A file's tokenizer.
#[derive(Clone, Debug)]
pub struct GgufTokenizer {
    /// The tokenizer. Control tokens are special, and found in a text unless
    /// `set_encode_special_tokens(true)` is set. Its post-processor adds the tokens around a text
    /// that the file requires; for SmolLM2 there is none.
    pub tokenizer: Tokenizer,
    /// Tokens with a role.
    pub special: SpecialTokens,
    /// `tokenizer.ggml.model` and `tokenizer.ggml.pre`, such as `gpt2/smollm`.
    pub kind: String,
}

/// The vocabulary of a file.
struct Vocabulary<'a> {
    /// By id, each once.
    tokens: Vec<&'a str>,
    /// `tokenizer.ggml.token_type`, empty or one for each token.
    types: Vec<i64>,
    merges: Option<Vec<&'a str>>,
}

/// What a kind of tokenizer decides, before added tokens.
struct Built {
    tokenizer: Tokenizer,
    kind: String,
    /// Whether the first token is put in front when the file does not say.
    adds_bos: bool,
}

pub(crate) fn build(file: &GgufFile) -> Result<GgufTokenizer, Fault> {
    let vocabulary = Vocabulary::read(file)?;
    let special = SpecialTokens::read(file)?;
    let key = "tokenizer.ggml.model";
    let built = match file.text(key)? {
        "gpt2" => byte_level::build(file, &vocabulary)?,
        "llama" => sentence_piece::build(file, &vocabulary)?,
        other => {
            return Err(Fault::Unknown {
                kind: "tokenizer",
                name: other.escape_debug().to_string(),
                known: "gpt2, llama".to_owned(),
            });
        }
    };
    let mut tokenizer = built.tokenizer;
    add_tokens(&mut tokenizer, &vocabulary, &special);
    let flag = |name: &str, default: bool| {
        let key = format!("tokenizer.ggml.{name}");
        let Some(value) = file.value(&key) else {
            return Ok(default);
        };
        let flag = value.as_bool();
        flag.ok_or_else(|| wrong(&key, &value, "true or false".to_owned()))
    };
    let id = |add: bool, id: Option<u32>, role: &str| match (add, id) {
        (false, _) => Ok(None),
        (true, Some(id)) => Ok(Some(id)),
        (true, None) => Err(Fault::MissingKey {
            key: format!("tokenizer.ggml.{role}_token_id"),
        }),
    };
    let bos = id(flag("add_bos_token", built.adds_bos)?, special.bos, "bos")?;
    let eos = special.eos.first().copied();
    let eos = id(flag("add_eos_token", false)?, eos, "eos")?;
    if bos.is_some() || eos.is_some() {
        let around = around(&vocabulary, [bos, eos]);
        tokenizer.with_post_processor(Some(around.map_err(unusable)?));
    }
    Ok(GgufTokenizer {
        tokenizer,
        special,
        kind: built.kind,
    })
}

impl<'a> Vocabulary<'a> {
    fn read(file: &GgufFile<'a>) -> Result<Self, Fault> {
        let texts = |key: &str| {
            let value = file.required(key)?;
            let texts = value.as_list().and_then(|list| list.texts());
            texts.ok_or_else(|| wrong(key, &value, "a list of texts".to_owned()))
        };
        let key = "tokenizer.ggml.tokens";
        let tokens: Vec<&str> = texts(key)?.collect();
        if tokens.is_empty() {
            return Err(wrong(key, &file.required(key)?, "at least one".to_owned()));
        }
        let mut known = HashSet::new();
        for token in &tokens {
            if token.len() > LONGEST {
                let reason = format!("a token has {} bytes; expected {LONGEST}", token.len());
                return Err(Fault::Tokenizer { reason });
            }
            if !known.insert(*token) {
                return Err(Fault::Twice {
                    kind: "token",
                    name: token.escape_debug().to_string(),
                });
            }
        }
        let key = "tokenizer.ggml.merges";
        let merges = match file.value(key) {
            Some(_) => Some(texts(key)?.collect()),
            None => None,
        };
        let types = numbers(file, "tokenizer.ggml.token_type", tokens.len())?;
        let types = types.into_iter().map(|value| match value {
            Value::Signed(number) => number,
            Value::Unsigned(number) => i64::try_from(number).unwrap_or(0),
            Value::F32(_) | Value::F64(_) | Value::Bool(_) | Value::Text(_) | Value::List(_) => 0,
        });
        Ok(Self {
            tokens,
            types: types.collect(),
            merges,
        })
    }
}

/// A list with a number for each token; empty where there is none.
fn numbers<'a>(file: &GgufFile<'a>, key: &str, count: usize) -> Result<Vec<Value<'a>>, Fault> {
    let Some(value) = file.value(key) else {
        return Ok(Vec::new());
    };
    let list = value.as_list().filter(|list| list.len() == count);
    let list = list.and_then(|list| list.scalars());
    let wrong = || {
        wrong(
            key,
            &value,
            format!("a list of {count} numbers, one a token"),
        )
    };
    Ok(list.ok_or_else(wrong)?.collect())
}

/// Makes tokens findable in a text: control tokens and those with a role as special ones, tokens
/// that a user has defined as words.
fn add_tokens(tokenizer: &mut Tokenizer, vocabulary: &Vocabulary, special: &SpecialTokens) {
    let roles = [special.bos, special.pad, special.unknown];
    let roles: HashSet<usize> = roles
        .into_iter()
        .flatten()
        .chain(special.eos.iter().copied())
        .map(|id| id as usize)
        .collect();
    let mut added = Vec::new();
    for (id, token) in vocabulary.tokens.iter().enumerate() {
        let kind = vocabulary.types.get(id).copied().unwrap_or(0);
        if tokenizer.token_to_id(token) != u32::try_from(id).ok() {
            // Gemma's blanks, which the model has in another form; they are merged like words.
            continue;
        }
        if roles.contains(&id) || [UNKNOWN, CONTROL].contains(&kind) {
            added.push(AddedToken::from(*token, true).normalized(false));
        } else if kind == USER_DEFINED {
            added.push(AddedToken::from(*token, false).normalized(false));
        }
    }
    tokenizer.add_tokens(&added);
}

/// Tokens in front of a text and at its end.
fn around(
    vocabulary: &Vocabulary,
    [bos, eos]: [Option<u32>; 2],
) -> tokenizers::Result<TemplateProcessing> {
    let mut special = Vec::new();
    // The template's own names, since a token may hold what separates the parts of a template.
    for (id, name) in [(bos, "bos"), (eos, "eos")] {
        if let Some(id) = id {
            let token = vocabulary.tokens[id as usize].to_owned();
            special.push(SpecialToken::new(name.to_owned(), vec![id], vec![token])?);
        }
    }
    let parts = |text: &str| {
        let parts = [bos.map(|_| "bos"), Some(text), eos.map(|_| "eos")];
        parts.into_iter().flatten().map(str::to_owned).collect()
    };
    let single: Vec<String> = parts("$A");
    let pair = [parts("$A"), parts("$B")].concat();
    let processing = TemplateProcessing::builder()
        .try_single(single)?
        .try_pair(pair)?
        .special_tokens(special)
        .build()?;
    Ok(processing)
}

fn unusable(error: impl ToString) -> Fault {
    Fault::Tokenizer {
        reason: error.to_string(),
    }
}
