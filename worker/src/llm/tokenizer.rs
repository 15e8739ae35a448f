//! Texts to pieces and back: the tokenizers of Hugging Face folders, and a byte-level BPE trained on one's own texts.

use std::path::Path;

use allround::fs::{self, FsError};
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Inner};

/// Special pieces of OPT in the order of their ids: `</s>` both begins and ends a text.
const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
/// Pieces that a vocabulary may have for other purposes than text.
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
/// Bytes, each of which is a piece of a byte-level vocabulary.
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
    #[error("`{path}` is no tokenizer: {reason}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A vocabulary for bytes must have room for them.
    #[error("a vocabulary of {size} pieces is too small; {least} are bytes and special pieces")]
    TooSmall {
        /// Size asked for.
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
    /// A piece has no row in the model's table.
    #[error(
        "`{folder}`: the tokenizer's piece `{piece}` has id {id}, but the model's embedding has {rows} rows by its `vocab_size`; take tokenizer, `config.json` and weights from the same model"
    )]
    Exceeds {
        /// The tokenizer's folder.
        folder: String,
        /// The piece.
        piece: String,
        /// Its id.
        id: u32,
        /// Rows of the embedding.
        rows: i64,
    },
}

/// A tokenizer with the pieces that begin, end and pad a text.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Inner,
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    unknown: Option<u32>,
}

impl Tokenizer {
    /// The tokenizer of a Hugging Face folder: `tokenizer.json`, or `vocab.json` with `merges.txt` (OPT, GPT-2), or
    /// `vocab.txt` (BERT's WordPiece).
    ///
    /// # Errors
    /// When there is none, or a file is damaged.
    pub fn open(folder: &Path) -> Result<Self, TokenizerError> {
        let (path, description) = if folder.join("tokenizer.json").is_file() {
            let path = folder.join("tokenizer.json");
            let bytes = fs::read(&path)?;
            (path, bytes)
        } else if folder.join("vocab.json").is_file() && folder.join("merges.txt").is_file() {
            let path = folder.join("vocab.json");
            let description = byte_level(&path, &folder.join("merges.txt"))?;
            (path, description.to_string().into_bytes())
        } else if folder.join("vocab.txt").is_file() {
            let path = folder.join("vocab.txt");
            let description = word_piece(&path, lower_cased(folder)?)?;
            (path, description.to_string().into_bytes())
        } else {
            let hint = if folder.join("tokenizer.model").is_file() {
                "; a SentencePiece `tokenizer.model` becomes `tokenizer.json` with transformers' `AutoTokenizer.from_pretrained(..).save_pretrained(..)`"
            } else {
                ""
            };
            let folder = folder.display().to_string();
            return Err(TokenizerError::Nothing { folder, hint });
        };
        let wrong = |reason: String| TokenizerError::Format {
            path: path.display().to_string(),
            reason,
        };
        let mut inner = Inner::from_bytes(description).map_err(|error| wrong(error.to_string()))?;
        plain(&mut inner);
        // A vocabulary without a piece for the unknown fails here rather than on a user's title.
        let probe = inner.encode_fast("\u{e000}", false);
        probe.map_err(|error| wrong(format!("it cannot spell a strange letter: {error}")))?;
        Self::with_ends(inner, folder)
    }

    /// A byte-level BPE of `vocab_size` pieces (fewer if the texts have no more) with OPT's special pieces: `<s>` 0,
    /// `<pad>` 1, `</s>` 2 (which begins and ends a text), `<unk>` 3. The same texts give the same tokenizer.
    ///
    /// # Errors
    /// When `vocab_size` has no room for the bytes.
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
        let mut trainer = TrainerWrapper::BpeTrainer(trainer);
        inner
            .train(&mut trainer, texts.iter().map(String::as_str))
            .map_err(failed)?;
        // Through its own file form, so that a tokenizer just trained is the one that is read later.
        let description = inner.to_string(false).map_err(failed)?;
        let mut inner = Inner::from_bytes(description).map_err(failed)?;
        plain(&mut inner);
        let id = |piece: &str| inner.token_to_id(piece);
        let (end, pad) = (id("</s>"), id("<pad>"));
        Ok(Self {
            inner,
            bos: end,
            eos: end,
            pad,
            unknown: None,
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

    /// The pieces of a text, without special ones: a special piece's name in a text is spelled like any other words.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, false);
        let encoding = encoding.expect("a tokenizer that was opened can spell any text");
        encoding.get_ids().to_vec()
    }

    /// The pieces of many texts, as [`Tokenizer::encode`] gives them, on all threads.
    pub fn encode_all(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        let encodings = self.inner.encode_batch_fast(texts.to_vec(), false);
        let encodings = encodings.expect("a tokenizer that was opened can spell any text");
        let ids = encodings.iter().map(|encoding| encoding.get_ids().to_vec());
        ids.collect()
    }

    /// How many of the texts have a piece that stands for what is unknown, or where the vocabulary has none, lose a letter or
    /// digit.
    pub fn misspelled(&self, texts: &[&str]) -> usize {
        let letters = |text: &str| text.chars().filter(|it| it.is_alphanumeric()).count();
        let lost = |(ids, text): &(Vec<u32>, &&str)| match self.unknown {
            Some(unknown) => ids.contains(&unknown),
            None => letters(&self.decode(ids)) < letters(text),
        };
        let spelled = self.encode_all(texts).into_iter();
        spelled.zip(texts).filter(lost).count()
    }

    /// The text of pieces; special ones are left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let text = self.inner.decode(ids, true);
        text.expect("decoding joins pieces, which cannot fail")
    }

    /// How many pieces there are, special ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a piece.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The piece that begins a text (BERT's `[CLS]`).
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The piece that ends a text (BERT's `[SEP]`).
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The piece that fills up a row.
    pub fn pad(&self) -> Option<u32> {
        self.pad
    }

    /// Checks that every piece has a row in an embedding of `rows` rows.
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

    /// Finds the ends of a text: what the folder's files say, else what the names of pieces tell.
    fn with_ends(inner: Inner, folder: &Path) -> Result<Self, TokenizerError> {
        let files = ["tokenizer_config.json", "special_tokens_map.json"];
        let files = files.map(|name| object(&folder.join(name)));
        let [config, map] = files;
        let (config, map) = (config?, map?);
        let model = object(&folder.join("config.json"))?;
        let find = |roles: &[&str], names: &[&str]| {
            let written = roles.iter().flat_map(|role| [&config[*role], &map[*role]]);
            let written = written.filter_map(|value| value.as_str().or(value["content"].as_str()));
            let by_file = written.filter_map(|piece| inner.token_to_id(piece)).next();
            let by_model = || {
                let id = model[format!("{}_id", roles[0])].as_u64()?;
                let id = u32::try_from(id).ok()?;
                inner.id_to_token(id).map(|_| id)
            };
            let by_name = || names.iter().find_map(|name| inner.token_to_id(name));
            by_file.or_else(by_model).or_else(by_name)
        };
        let ends = ["</s>", "<|endoftext|>", "<|end_of_text|>"];
        // OPT begins a text with `</s>`; a model that begins one otherwise says so in its files.
        let bos = find(
            &["bos_token", "cls_token"],
            &["[CLS]", "<|begin_of_text|>", "</s>", "<|endoftext|>"],
        );
        let eos = find(
            &["eos_token", "sep_token"],
            &["[SEP]", ends[0], ends[1], ends[2]],
        );
        let pad = find(&["pad_token"], &["[PAD]", "<pad>"]);
        let unknown = unknown(&inner);
        Ok(Self {
            inner,
            bos,
            eos,
            pad,
            unknown,
        })
    }
}

/// The piece that stands for what the vocabulary does not have.
fn unknown(inner: &Inner) -> Option<u32> {
    let id = |piece: &str| inner.token_to_id(piece);
    match inner.get_model() {
        ModelWrapper::BPE(model) => id(model.unk_token.as_deref()?),
        ModelWrapper::WordPiece(model) => id(&model.unk_token),
        ModelWrapper::WordLevel(model) => id(&model.unk_token),
        ModelWrapper::Unigram(_) => id("<unk>").or_else(|| id("[UNK]")),
    }
}

/// No padding, no cutting, no special pieces from within a text: callers see to that.
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
    serde_json::from_slice(&fs::read(path)?).map_err(|error| TokenizerError::Format {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// `tokenizer.json` of a byte-level BPE in OPT's and GPT-2's older files.
fn byte_level(vocabulary: &Path, merges: &Path) -> Result<Value, TokenizerError> {
    let pieces = object(vocabulary)?;
    let wrong = |path: &Path, reason: String| TokenizerError::Format {
        path: path.display().to_string(),
        reason,
    };
    let table = pieces.as_object().ok_or_else(|| {
        wrong(
            vocabulary,
            "expected an object of pieces and their ids".to_owned(),
        )
    })?;
    let special = KNOWN_SPECIAL
        .iter()
        .filter(|piece| table.contains_key(**piece));
    let special: Vec<Value> = special.map(|piece| added(piece, &table[*piece])).collect();
    let text = fs::read_to_string(merges)?;
    let mut pairs = Vec::new();
    for (place, line) in text.lines().enumerate() {
        if line.starts_with("#version") || line.is_empty() {
            continue;
        }
        match line.split(' ').collect::<Vec<_>>()[..] {
            [left, right] => pairs.push(json!([left, right])),
            _ => {
                let reason = format!("line {}: `{line}` is not two pieces", place + 1);
                return Err(wrong(merges, reason));
            }
        }
    }
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    Ok(json!({
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": bytes,
        "decoder": bytes,
        "model": {"type": "BPE", "vocab": pieces, "merges": pairs},
    }))
}

/// `tokenizer.json` of a WordPiece vocabulary, one piece a line.
fn word_piece(vocabulary: &Path, lower: bool) -> Result<Value, TokenizerError> {
    let text = fs::read_to_string(vocabulary)?;
    let pieces: serde_json::Map<String, Value> = text
        .lines()
        .enumerate()
        .map(|(id, piece)| (piece.to_owned(), json!(id)))
        .collect();
    let special = KNOWN_SPECIAL
        .iter()
        .filter(|piece| pieces.contains_key(**piece));
    let special: Vec<Value> = special.map(|piece| added(piece, &pieces[*piece])).collect();
    Ok(json!({
        "version": "1.0",
        "added_tokens": special,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": lower},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": pieces},
    }))
}

fn added(piece: &str, id: &Value) -> Value {
    json!({"id": id, "content": piece, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
}

/// Whether `tokenizer_config.json` lets letters become small; BERT's own default is yes.
fn lower_cased(folder: &Path) -> Result<bool, TokenizerError> {
    let config = object(&folder.join("tokenizer_config.json"))?;
    Ok(config["do_lower_case"].as_bool().unwrap_or(true))
}

#[cfg(test)]
mod tests;
