//! What transformers 5.24's `AutoTokenizer` makes of a tokenizer's files.
//!
//! `tokenizer_class` decides. Most classes take `tokenizer.json` as it is. Some build normalizer,
//! pre-tokenizer and model settings again and keep only the vocabulary, the merges, the added
//! tokens and the post-processor of the file.

use serde_json::{Value, json};
use tokenizers::Tokenizer as Inner;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::PostProcessorWrapper;

/// Classes of transformers that build their parts again in a way that is not built here.
const OTHERS: &[&str] = &[
    "AlbertTokenizer",
    "BartTokenizer",
    "BarthezTokenizer",
    "BigBirdTokenizer",
    "BlenderbotTokenizer",
    "CLIPTokenizer",
    "CamembertTokenizer",
    "CodeLlamaTokenizer",
    "CohereTokenizer",
    "DebertaTokenizer",
    "DebertaV2Tokenizer",
    "EsmcTokenizer",
    "FNetTokenizer",
    "FunnelTokenizer",
    "GPTNeoXTokenizer",
    "HerbertTokenizer",
    "LEDTokenizer",
    "LasrTokenizer",
    "LayoutLMv2Tokenizer",
    "LayoutLMv3Tokenizer",
    "LayoutXLMTokenizer",
    "LukeTokenizer",
    "MBart50Tokenizer",
    "MBartTokenizer",
    "MPNetTokenizer",
    "MarkupLMTokenizer",
    "MvpTokenizer",
    "NllbTokenizer",
    "NougatTokenizer",
    "OpenAIGPTTokenizer",
    "PegasusTokenizer",
    "Qwen3_5Tokenizer",
    "ReformerTokenizer",
    "RemBertTokenizer",
    "RoFormerTokenizer",
    "RobertaTokenizer",
    "SeamlessM4TTokenizer",
    "SplinterTokenizer",
    "T5Tokenizer",
    "WhisperTokenizer",
    "XGLMTokenizer",
    "XLNetTokenizer",
];

/// The regular expression of Qwen 2.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The kind of tokenizer that transformers builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `tokenizer.json` as it is.
    Backend,
    /// Byte-level BPE with GPT-2's words.
    Gpt2,
    /// Byte-level BPE with Qwen 2's words.
    Qwen2,
    /// BPE of SentencePiece tokens with bytes for unknown letters.
    Llama,
    /// The same without a blank in front of a text.
    Gemma,
    /// WordPiece.
    Bert,
}

/// The JSON files of a folder that decide on its tokenizer; null where there is no file.
#[derive(Debug)]
pub(super) struct Files {
    /// `tokenizer_config.json`.
    pub config: Value,
    /// `special_tokens_map.json`.
    pub map: Value,
    /// `config.json`.
    pub model: Value,
}

impl Files {
    /// A token of `tokenizer_config.json` by its role; `special_tokens_map.json` overrides it where
    /// the configuration has no `added_tokens_decoder`, as in transformers. `None`: not written;
    /// `Some(None)`: null.
    pub fn token(&self, role: &str) -> Option<Option<&str>> {
        let mapped = if self.config["added_tokens_decoder"].is_object() {
            None
        } else {
            self.map.get(role)
        };
        let value = mapped.or_else(|| self.config.get(role))?;
        Some(value.as_str().or_else(|| value["content"].as_str()))
    }

    /// The class that transformers takes.
    ///
    /// # Errors
    /// A message, when it is not supported or has its own code.
    pub fn class(&self, byte_level: bool) -> Result<Class, String> {
        if !self.config["auto_map"].is_null() {
            return Err(
                "`auto_map` in `tokenizer_config.json` names the model's own code, which is never run here"
                    .to_owned(),
            );
        }
        let family = self.model["model_type"].as_str();
        match family {
            // The model decides, whatever class is written.
            Some("mistral") => return Ok(Class::Backend),
            Some("qwen2") => return Ok(Class::Qwen2),
            Some(_) | None => {}
        }
        let written = [&self.config, &self.model];
        let written = written
            .into_iter()
            .find_map(|file| file["tokenizer_class"].as_str());
        let Some(written) = written else {
            return Ok(match family {
                Some("opt") => Class::Gpt2,
                Some("qwen3") => Class::Qwen2,
                Some("gemma3_text") => Class::Gemma,
                Some("bert" | "distilbert") => Class::Bert,
                _ => Class::Backend,
            });
        };
        match written.strip_suffix("Fast").unwrap_or(written) {
            "LlamaTokenizer" if byte_level => Ok(Class::Backend),
            "LlamaTokenizer" => Ok(Class::Llama),
            "GemmaTokenizer" => Ok(Class::Gemma),
            "GPT2Tokenizer" => Ok(Class::Gpt2),
            "Qwen2Tokenizer" => Ok(Class::Qwen2),
            "BertTokenizer" | "DistilBertTokenizer" => Ok(Class::Bert),
            other if OTHERS.contains(&other) => Err(format!(
                "`tokenizer_class` is `{written}`, for which transformers builds parts that are not in the file; \
                 save it as `PreTrainedTokenizerFast` (`PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, \
                 bos_token=..., eos_token=...).save_pretrained(...)`)"
            )),
            _ => Ok(Class::Backend),
        }
    }
}

/// Gives `inner`, as read from `tokenizer.json`, the parts that its class has in transformers.
/// Returns the parts of the file that do not count, for a note.
///
/// # Errors
/// In words, when the file's model is of another kind than the class has.
pub(super) fn rebuild(
    inner: &mut Inner,
    class: Class,
    files: &Files,
) -> Result<Vec<&'static str>, String> {
    let parts = match class {
        Class::Backend => return Ok(Vec::new()),
        Class::Gpt2 => gpt2(files),
        Class::Qwen2 => qwen2(files),
        Class::Llama => llama(files),
        Class::Gemma => gemma(),
        Class::Bert => bert(inner, files)?,
    };
    let mut changed = Vec::new();
    let before = shown(inner.get_normalizer());
    let normalizer: Option<NormalizerWrapper> = part(parts.normalizer)?;
    inner.with_normalizer(normalizer);
    if before != shown(inner.get_normalizer()) {
        changed.push("normalizer");
    }
    let before = shown(inner.get_pre_tokenizer());
    let pre_tokenizer: Option<PreTokenizerWrapper> = part(parts.pre_tokenizer)?;
    inner.with_pre_tokenizer(pre_tokenizer);
    if before != shown(inner.get_pre_tokenizer()) {
        changed.push("pre_tokenizer");
    }
    let decoder: Option<DecoderWrapper> = part(parts.decoder)?;
    inner.with_decoder(decoder);
    if let Some(post_processor) = parts.post_processor {
        let post_processor: Option<PostProcessorWrapper> = part(post_processor)?;
        inner.with_post_processor(post_processor);
    }
    model(inner, class, files)?;
    Ok(changed)
}

/// A part in the form of its file; null where there is none.
fn shown<T: serde::Serialize>(part: Option<&T>) -> Value {
    serde_json::to_value(part).unwrap_or(Value::Null)
}

/// The parts of a tokenizer in the form of its file.
struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    /// `None`: the file's.
    post_processor: Option<Value>,
}

fn part<T: serde::de::DeserializeOwned>(value: Value) -> Result<Option<T>, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn byte_level(add_prefix_space: bool, use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true, "use_regex": use_regex})
}

fn gpt2(files: &Files) -> Parts {
    let prefix = files.config["add_prefix_space"].as_bool().unwrap_or(false);
    Parts {
        normalizer: Value::Null,
        pre_tokenizer: byte_level(prefix, true),
        decoder: byte_level(true, true),
        post_processor: None,
    }
}

fn qwen2(files: &Files) -> Parts {
    let prefix = files.config["add_prefix_space"].as_bool().unwrap_or(false);
    let split = json!({"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false});
    Parts {
        normalizer: json!({"type": "NFC"}),
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [split, byte_level(prefix, false)]}),
        decoder: byte_level(true, true),
        post_processor: None,
    }
}

fn llama(files: &Files) -> Parts {
    let prefix = files.config["add_prefix_space"].as_bool().unwrap_or(true);
    let legacy = files.config["legacy"].as_bool().unwrap_or(false);
    let scheme = match (prefix, legacy) {
        (false, _) => "never",
        (true, true) => "always",
        (true, false) => "first",
    };
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    Parts {
        normalizer: Value::Null,
        pre_tokenizer: json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": false}),
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        post_processor: None,
    }
}

fn gemma() -> Parts {
    let blank = json!({"String": "\u{2581}"});
    Parts {
        normalizer: json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}),
        pre_tokenizer: json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false}),
        decoder: json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": blank, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        ]}),
        post_processor: None,
    }
}

fn bert(inner: &Inner, files: &Files) -> Result<Parts, String> {
    let config = &files.config;
    let flag = |key: &str| config[key].as_bool();
    let id = |role: &str, default: &str| {
        let token = files.token(role).flatten().unwrap_or(default).to_owned();
        let id = inner.token_to_id(&token);
        id.map(|id| (token.clone(), id)).ok_or_else(|| {
            format!("its vocabulary has no `{token}`, which `{role}` of a BERT tokenizer names")
        })
    };
    let [(begin, begin_id), (end, end_id)] = [id("cls_token", "[CLS]")?, id("sep_token", "[SEP]")?];
    let special =
        |token: &str, segment: u32| json!({"SpecialToken": {"id": token, "type_id": segment}});
    let sequence = |name: &str, segment: u32| json!({"Sequence": {"id": name, "type_id": segment}});
    let single = vec![special(&begin, 0), sequence("A", 0), special(&end, 0)];
    let mut pair = single.clone();
    pair.extend([sequence("B", 1), special(&end, 1)]);
    let named = |token: &str, id: u32| json!({"id": token, "ids": [id], "tokens": [token]});
    let mut tokens = serde_json::Map::new();
    tokens.insert(begin.clone(), named(&begin, begin_id));
    tokens.insert(end.clone(), named(&end, end_id));
    Ok(Parts {
        normalizer: json!({
            "type": "BertNormalizer", "clean_text": true,
            "handle_chinese_chars": flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": flag("strip_accents"),
            "lowercase": flag("do_lower_case").unwrap_or(true),
        }),
        pre_tokenizer: json!({"type": "BertPreTokenizer"}),
        decoder: json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
        post_processor: Some(
            json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}),
        ),
    })
}

/// Sets what a class sets of its model.
fn model(inner: &mut Inner, class: Class, files: &Files) -> Result<(), String> {
    let mut model = inner.get_model().clone();
    match (class, &mut model) {
        (Class::Gpt2 | Class::Qwen2, ModelWrapper::BPE(bpe)) => {
            bpe.dropout = None;
            bpe.unk_token = None;
            bpe.fuse_unk = false;
            bpe.byte_fallback = false;
            bpe.ignore_merges = false;
        }
        (Class::Llama, ModelWrapper::BPE(bpe)) => {
            bpe.dropout = None;
            bpe.unk_token = None;
            bpe.fuse_unk = true;
            bpe.byte_fallback = true;
            bpe.ignore_merges = false;
        }
        (Class::Gemma, ModelWrapper::BPE(bpe)) => {
            bpe.dropout = None;
            let unknown = files.token("unk_token").flatten().unwrap_or("<unk>");
            bpe.unk_token = Some(unknown.to_owned());
            bpe.fuse_unk = true;
            bpe.byte_fallback = true;
            bpe.ignore_merges = false;
        }
        (Class::Bert, ModelWrapper::WordPiece(pieces)) => {
            pieces.continuing_subword_prefix = "##".to_owned();
            pieces.max_input_chars_per_word = 100;
        }
        (Class::Backend, _) => return Ok(()),
        (class, _) => {
            return Err(format!(
                "its model is of another kind than the tokenizer class ({class:?}) has; take all files from the same model"
            ));
        }
    }
    inner.with_model(model);
    Ok(())
}
