//! Texts to tokens and back: the tokenizers of Hugging Face folders, and a byte-level BPE trained
//! on one's own texts.
//!
//! Reference: transformers 5.24's `AutoTokenizer`. `class` reproduces what it makes of a folder's
//! files. `around` reproduces what it puts in front of a text, and texts after an added token.
//! Special tokens written in a text are words here.

mod around;
mod class;
mod gguf;
mod older;
mod special;

use std::path::{Path, PathBuf};

use allround_core::fs::{self, FsError};
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::{AddedToken, Tokenizer as Inner};

use around::Later;
use class::{Class, Files};

/// Special tokens of OPT in the order of their ids: `</s>` both begins and ends a text.
const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
/// Bytes, each of which is a token of a byte-level vocabulary.
const BYTES: usize = 256;

/// Why a tokenizer cannot be read, trained or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The folder has no tokenizer in a known form.
    #[error(
        "`{folder}` holds no tokenizer; expected `tokenizer.json`, `vocab.json` with `merges.txt`, or `vocab.txt`{hint}"
    )]
    Nothing {
        /// The folder.
        folder: String,
        /// What to do, where that is known.
        hint: &'static str,
    },
    /// A file is not what its name says.
    #[error("`{path}` is not a usable tokenizer: {reason}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A vocabulary for bytes must have space for them.
    #[error("a vocabulary of {size} tokens is too small; {least} are bytes and special tokens")]
    TooSmall {
        /// Requested size.
        size: usize,
        /// Least size.
        least: usize,
    },
    /// Training failed.
    #[error("cannot train a tokenizer: {reason}")]
    Training {
        /// What the trainer says.
        reason: String,
    },
    /// A token has no row in the model's table.
    #[error(
        "`{folder}`: the tokenizer's token `{piece}` has id {id}, but the model's embedding has {rows} rows by its `vocab_size`; take tokenizer, `config.json` and weights from the same model"
    )]
    Exceeds {
        /// The tokenizer's folder.
        folder: String,
        /// The token.
        piece: String,
        /// Its id.
        id: u32,
        /// Rows of the embedding.
        rows: i64,
    },
}

/// A tokenizer with the tokens that it adds around a text.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Inner,
    later: Later,
    /// Tokens in front of every text and at its end.
    around: [Vec<u32>; 2],
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    unknown: Option<u32>,
    remarks: Vec<String>,
}

impl Tokenizer {
    /// The tokenizer of a Hugging Face folder: `tokenizer.json`, or `vocab.json` with `merges.txt`
    /// (OPT, GPT-2), or `vocab.txt` (BERT's WordPiece).
    ///
    /// # Errors
    /// When there is none, a file is damaged, or its class is not supported.
    pub fn open(folder: &Path) -> Result<Self, TokenizerError> {
        let files = files(folder)?;
        let (path, class, description) = described(folder, &files)?;
        let wrong = |reason: String| TokenizerError::Format {
            path: path.display().to_string(),
            reason,
        };
        let mut inner = Inner::from_bytes(description).map_err(|error| wrong(error.to_string()))?;
        let class = match class {
            Some(class) => class,
            None => files.class(is_byte_level(&inner)).map_err(wrong)?,
        };
        let changed = class::rebuild(&mut inner, class, &files).map_err(wrong)?;
        plain(&mut inner);
        // A vocabulary without a token for the unknown fails here rather than on a user's title.
        let probe = inner.encode_fast("\u{e000}", false);
        probe.map_err(|error| wrong(format!("it cannot tokenize an unusual letter: {error}")))?;
        let around = around::around(&inner).map_err(wrong)?;
        let of_json = path.ends_with("tokenizer.json");
        let remarks = remarks(&files, &around, of_json.then_some(&changed[..]));
        Ok(Self {
            remarks,
            ..Self::with_ends(inner, around, &files)
        })
    }

    /// A byte-level BPE of `vocab_size` tokens, fewer if the texts have no more. The same texts
    /// give the same tokenizer.
    ///
    /// Special tokens are OPT's: `<s>` 0, `<pad>` 1, `</s>` 2 (which begins and ends a text),
    /// `<unk>` 3.
    ///
    /// # Errors
    /// When `vocab_size` has no space for the bytes.
    pub fn train_byte_level(texts: &[String], vocab_size: usize) -> Result<Self, TokenizerError> {
        let least = BYTES + SPECIAL.len();
        if vocab_size < least {
            return Err(TokenizerError::TooSmall {
                size: vocab_size,
                least,
            });
        }
        let failed = |error: tokenizers::Error| TokenizerError::Training {
            reason: error.to_string(),
        };
        let special = SPECIAL.map(|piece| AddedToken::from(piece, true)).to_vec();
        let trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(special)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let mut inner = Inner::new(BPE::default());
        inner.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        inner.with_decoder(Some(ByteLevel::new(false, true, true)));
        inner.with_post_processor(Some(begun_by_end()));
        let mut trainer = TrainerWrapper::BpeTrainer(trainer);
        inner
            .train(&mut trainer, texts.iter().map(String::as_str))
            .map_err(failed)?;
        // Through its own file form, so that a tokenizer just trained is the one that is read
        // later.
        let description = inner.to_string(false).map_err(failed)?;
        let mut inner = Inner::from_bytes(description).map_err(failed)?;
        plain(&mut inner);
        let id = |piece: &str| inner.token_to_id(piece);
        let (end, pad) = (id("</s>"), id("<pad>"));
        Ok(Self {
            later: Later::new(&inner),
            inner,
            around: [end.into_iter().collect(), Vec::new()],
            bos: end,
            eos: end,
            pad,
            unknown: None,
            remarks: Vec::new(),
        })
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json`, the same bytes for the same tokenizer.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), TokenizerError> {
        let wrong = |error: tokenizers::Error| TokenizerError::Format {
            path: folder.join("tokenizer.json").display().to_string(),
            reason: error.to_string(),
        };
        let text = self.inner.to_string(false).map_err(wrong)?;
        // Inside, the vocabulary is a hash map; the file form has it in the order of ids.
        fs::write_atomic(&folder.join("tokenizer.json"), text.as_bytes())?;
        let piece = |id: Option<u32>| id.and_then(|id| self.inner.id_to_token(id));
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": piece(self.bos),
            "eos_token": piece(self.eos),
            "pad_token": piece(self.pad),
        });
        fs::write_atomic(
            &folder.join("tokenizer_config.json"),
            format!("{config:#}\n").as_bytes(),
        )?;
        Ok(())
    }

    /// The tokens of a text, without special ones: a special token's name in a text is tokenized
    /// like any other words.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, false);
        let encoding = encoding.expect("a tokenizer that was opened tokenizes any text");
        encoding.get_ids().to_vec()
    }

    /// The tokens of a text after a vector or another place that is an added token, as in one text
    /// with it.
    pub fn encode_later(&self, text: &str) -> Vec<u32> {
        let tokens = self.later.encode(text, &self.inner);
        tokens.expect("a tokenizer that was opened tokenizes any text")
    }

    /// The tokens of many texts, as [`Tokenizer::encode`] gives them, on all threads.
    pub fn encode_all(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        let encodings = self.inner.encode_batch_fast(texts.to_vec(), false);
        let encodings = encodings.expect("a tokenizer that was opened tokenizes any text");
        let ids = encodings.iter().map(|encoding| encoding.get_ids().to_vec());
        ids.collect()
    }

    /// How many of the texts have a token that represents what is unknown, or where the vocabulary
    /// has none, lose a letter or digit.
    pub fn lossy(&self, texts: &[&str]) -> usize {
        let letters = |text: &str| text.chars().filter(|it| it.is_alphanumeric()).count();
        let lost = |(ids, text): &(Vec<u32>, &&str)| match self.unknown {
            Some(unknown) => ids.contains(&unknown),
            None => letters(&self.decode(ids)) < letters(text),
        };
        let spelled = self.encode_all(texts).into_iter();
        spelled.zip(texts).filter(lost).count()
    }

    /// The text of tokens; special ones are left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let text = self.inner.decode(ids, true);
        text.expect("decoding joins tokens, which cannot fail")
    }

    /// The text of tokens, special ones too.
    pub fn decode_whole(&self, ids: &[u32]) -> String {
        let text = self.inner.decode(ids, false);
        text.expect("decoding joins tokens, which cannot fail")
    }

    /// How many tokens there are, special ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Whether a token continues the word of the token before it.
    pub fn continues(&self, id: u32) -> bool {
        let token = self.inner.id_to_token(id).unwrap_or_default();
        match self.inner.get_model() {
            ModelWrapper::WordPiece(_) => token.starts_with("##"),
            ModelWrapper::BPE(_) | ModelWrapper::WordLevel(_) | ModelWrapper::Unigram(_) => {
                !token.starts_with(['\u{120}', '\u{2581}'])
            }
        }
    }

    /// The tokens in front of every text: none, or such as BERT's `[CLS]`.
    pub fn front(&self) -> &[u32] {
        &self.around[0]
    }

    /// The tokens at the end of every text: none, or such as BERT's `[SEP]`.
    pub fn back(&self) -> &[u32] {
        &self.around[1]
    }

    /// What belongs to every number made with this tokenizer: what of its files does not count.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The token that the files call the end of a text.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The token that fills up a row.
    pub fn pad(&self) -> Option<u32> {
        self.pad
    }

    /// Checks that every token has a row in an embedding of `rows` rows.
    ///
    /// # Errors
    /// When one has none; it is named.
    pub fn check_fits(&self, rows: i64, folder: &Path) -> Result<(), TokenizerError> {
        let vocabulary = self.inner.get_vocab(true);
        match vocabulary.into_iter().max_by_key(|(_, id)| *id) {
            Some((piece, id)) if i64::from(id) >= rows => {
                let folder = folder.display().to_string();
                Err(TokenizerError::Exceeds {
                    folder,
                    piece,
                    id,
                    rows,
                })
            }
            _ => Ok(()),
        }
    }

    /// Finds the named tokens: from the folder's files, else from the names of tokens.
    fn with_ends(inner: Inner, around: [Vec<u32>; 2], files: &Files) -> Self {
        let find = |roles: &[&str], names: &[&str]| {
            let written = roles.iter().filter_map(|role| files.token(role).flatten());
            let by_file = written.filter_map(|token| inner.token_to_id(token)).next();
            let by_model = || {
                let id = files.model[format!("{}_id", roles[0])].as_u64()?;
                let id = u32::try_from(id).ok()?;
                inner.id_to_token(id).map(|_| id)
            };
            let by_name = || names.iter().find_map(|name| inner.token_to_id(name));
            by_file.or_else(by_model).or_else(by_name)
        };
        let ends = ["</s>", "<|endoftext|>", "<|end_of_text|>"];
        let bos = find(&["bos_token", "cls_token"], &[]);
        let eos = find(
            &["eos_token", "sep_token"],
            &["[SEP]", ends[0], ends[1], ends[2]],
        );
        let pad = find(&["pad_token"], &["[PAD]", "<pad>"]);
        let unknown = unknown(&inner);
        Self {
            later: Later::new(&inner),
            inner,
            around,
            bos,
            eos,
            pad,
            unknown,
            remarks: Vec::new(),
        }
    }
}

/// The JSON files that decide on a folder's tokenizer.
fn files(folder: &Path) -> Result<Files, TokenizerError> {
    Ok(Files {
        config: object(&folder.join("tokenizer_config.json"))?,
        map: object(&folder.join("special_tokens_map.json"))?,
        model: object(&folder.join("config.json"))?,
    })
}

/// The file that counts, its class where that does not depend on what is in it, and its
/// `tokenizer.json` form.
fn described(
    folder: &Path,
    files: &Files,
) -> Result<(PathBuf, Option<Class>, Vec<u8>), TokenizerError> {
    let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    if let Some(path) = there("tokenizer.json") {
        let bytes = fs::read_text(&path)?;
        return Ok((path, None, bytes));
    }
    if let (Some(path), Some(merges)) = (there("vocab.json"), there("merges.txt")) {
        let class = files.class(true).map_err(|reason| TokenizerError::Format {
            path: path.display().to_string(),
            reason,
        })?;
        let class = match class {
            Class::Qwen2 => Class::Qwen2,
            Class::Gpt2 | Class::Backend | Class::Llama | Class::Gemma | Class::Bert => Class::Gpt2,
        };
        let description = older::byte_level(&path, &merges, files, class)?;
        return Ok((path, Some(class), description.to_string().into_bytes()));
    }
    if let Some(path) = there("vocab.txt") {
        let description = older::word_piece(&path)?;
        return Ok((
            path,
            Some(Class::Bert),
            description.to_string().into_bytes(),
        ));
    }
    let hint = match there("tokenizer.model") {
        Some(_) => {
            "; a SentencePiece `tokenizer.model` becomes `tokenizer.json` with transformers' `AutoTokenizer.from_pretrained(..).save_pretrained(..)`"
        }
        None => "",
    };
    let folder = folder.display().to_string();
    Err(TokenizerError::Nothing { folder, hint })
}

/// What to say of files that contradict what counts; `changed` are the parts of a `tokenizer.json`
/// that do not count.
fn remarks(files: &Files, around: &[Vec<u32>; 2], changed: Option<&[&str]>) -> Vec<String> {
    let mut remarks = Vec::new();
    let Some(changed) = changed else {
        return remarks;
    };
    if !changed.is_empty() {
        remarks.push(format!(
            "tokenizer: transformers 5 builds `{}` without the file's {}, and so is it done here",
            files.config["tokenizer_class"]
                .as_str()
                .or(files.model["tokenizer_class"].as_str())
                .unwrap_or("the class of this model type"),
            changed.join(" and ")
        ));
    }
    for (flag, tokens) in ["add_bos_token", "add_eos_token"].iter().zip(around) {
        if let Some(asked) = files.config[*flag].as_bool()
            && asked == tokens.is_empty()
        {
            remarks.push(format!(
                "tokenizer: `{flag} = {asked}` is ignored, as in transformers 5, since `tokenizer.json` {}",
                if asked { "adds no such token" } else { "adds one" }
            ));
        }
    }
    remarks
}

/// Whether a tokenizer has byte-level parts: transformers then takes the file of a `LlamaTokenizer`
/// as it is.
fn is_byte_level(inner: &Inner) -> bool {
    let parts = [
        serde_json::to_string(&inner.get_pre_tokenizer()),
        serde_json::to_string(&inner.get_decoder()),
    ];
    parts
        .iter()
        .flatten()
        .any(|part| part.contains("\"ByteLevel\""))
}

/// The post-processor of OPT's tokenizers, which begin a text with `</s>`.
fn begun_by_end() -> PostProcessorWrapper {
    let description = json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
    });
    serde_json::from_value(description).expect("the form is that of a tokenizer's file")
}

/// The token that represents what the vocabulary does not have.
fn unknown(inner: &Inner) -> Option<u32> {
    let id = |piece: &str| inner.token_to_id(piece);
    match inner.get_model() {
        ModelWrapper::BPE(model) => id(model.unk_token.as_deref()?),
        ModelWrapper::WordPiece(model) => id(&model.unk_token),
        ModelWrapper::WordLevel(model) => id(&model.unk_token),
        ModelWrapper::Unigram(_) => id("<unk>").or_else(|| id("[UNK]")),
    }
}

/// No padding, no cutting, no special tokens from within a text: callers do that.
fn plain(inner: &mut Inner) {
    inner.with_padding(None);
    let kept = inner.with_truncation(None);
    kept.expect("no truncation has no wrong settings");
    inner.set_encode_special_tokens(true);
}

/// The object in a JSON file; null where there is no file.
fn object(path: &Path) -> Result<Value, TokenizerError> {
    if !path.is_file() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&fs::read_text(path)?).map_err(|error| TokenizerError::Format {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
