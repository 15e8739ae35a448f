//! Vectors for texts: sentence encoders in the folders of sentence-transformers, and hashed
//! features.

mod modules;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use allround_core::config::Encoder;
use allround_core::config::encoder::Pooling;
use allround_core::fs::{self, FsError};
use allround_core::lm_config;
use serde_json::Value;
use tch::{Device, Tensor};

use super::bert::{Bert, BertConfig, BertError};
use super::hashed::Hashed;
use crate::hf::checkpoint::{Checkpoint, CheckpointError};
use crate::hf::hub::{self, HubError};
use crate::hf::tokenizer::{Tokenizer, TokenizerError};
use crate::nn::embedding;
use crate::nn::packed_texts::PackedTexts;
use modules::Modules;

/// Tokens that are encoded at once where no gradient is kept.
const TOKENS_AT_ONCE: usize = 8192;

/// Why a text encoder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SentenceError {
    /// A file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The weights cannot.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer cannot, or does not fit.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The encoder cannot.
    #[error(transparent)]
    Bert(#[from] BertError),
    /// It cannot be fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file says what cannot be followed.
    #[error("`{path}`: {reason}")]
    Folder {
        /// The file.
        path: String,
        /// What is wrong and what was expected.
        reason: String,
    },
}

/// Turns texts into vectors.
pub trait TextEncoder {
    /// Width W of a vector.
    fn width(&self) -> i64;

    /// Vectors [N, W] in single precision, in the order of the texts. `train` turns dropout and
    /// gradient on; equal texts of one call then share their draws.
    fn encode(&self, texts: &[&str], train: bool) -> Tensor;

    /// The weights that training moves, by upstream name; none for a fixed map.
    fn weights(&self) -> Vec<(String, Tensor)>;

    /// How many of the texts are longer than what is read of them.
    fn cut(&self, texts: &[&str]) -> usize;

    /// Number of texts with a part that the encoder has no token for.
    fn lossy(&self, texts: &[&str]) -> usize;

    /// What belongs to every vector: files of the encoder that do not count, a prompt in front of
    /// every text.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Token counts of the texts, as the encoder reads them. Tokens are cached for the encoding.
    fn lengths(&self, texts: &[&str]) -> Vec<usize>;
}

/// The encoder that a specification names; relative folders start at `base`.
///
/// # Errors
/// When files are missing, damaged, or describe what is not supported.
pub fn open(
    config: &Encoder,
    base: &Path,
    device: Device,
) -> Result<Box<dyn TextEncoder>, SentenceError> {
    match config {
        Encoder::Hashed(config) => Ok(Box::new(HashedTexts {
            map: Hashed {
                width: config.width,
                seed: config.seed,
            },
            device,
        })),
        Encoder::Pretrained(config) => {
            let folder = match config.folder.as_str() {
                "" => hub::folder(&config.hub)?,
                folder => base.join(folder),
            };
            let mut encoder = SentenceEncoder::open(&folder, config.max_length, device)?;
            if let Some(pooling) = config.pooling {
                encoder.pooling = pooling;
            }
            Ok(Box::new(encoder))
        }
    }
}

/// Hashed features on a device.
#[derive(Debug)]
pub struct HashedTexts {
    map: Hashed,
    device: Device,
}

impl TextEncoder for HashedTexts {
    fn width(&self) -> i64 {
        self.map.width as i64
    }

    fn encode(&self, texts: &[&str], _train: bool) -> Tensor {
        let features = self.map.all(texts);
        let width = self.width();
        Tensor::from_slice(&features)
            .view([-1, width])
            .to_device(self.device)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    fn cut(&self, _texts: &[&str]) -> usize {
        0
    }

    fn lossy(&self, _texts: &[&str]) -> usize {
        0
    }

    /// 1 each: a text becomes its vector without tokens.
    fn lengths(&self, texts: &[&str]) -> Vec<usize> {
        vec![1; texts.len()]
    }
}

/// A sentence encoder: BERT or DistilBERT, pooling, and perhaps normalisation.
#[derive(Debug)]
pub struct SentenceEncoder {
    tokenizer: Tokenizer,
    bert: Bert,
    pooling: Pooling,
    normalised: bool,
    /// Whether texts are made small before the tokenizer sees them.
    lower: bool,
    /// In front of every text; sentence-transformers' default prompt.
    prompt: String,
    /// Tokens of a text that are read, with those that begin and end it.
    max_length: usize,
    remarks: Vec<String>,
    /// Tokens of texts seen so far: items come again in every epoch.
    seen: RefCell<HashMap<String, Rc<[u32]>>>,
}

impl SentenceEncoder {
    /// Opens a folder of sentence-transformers, or a plain Hugging Face folder, which then has mean
    /// pooling.
    ///
    /// `max_length` bounds the tokens that are read of a text; 0 is the folder's own bound.
    ///
    /// # Errors
    /// When files are missing, damaged, or describe what is not supported.
    pub fn open(folder: &Path, max_length: usize, device: Device) -> Result<Self, SentenceError> {
        let modules = Modules::read(folder)?;
        let folder = &modules.transformer;
        let wrong = |file: &str, reason: String| SentenceError::Folder {
            path: folder.join(file).display().to_string(),
            reason,
        };
        if let Some(file) = adapter_in(folder) {
            let reason = "adapters of text encoders are not applied; merge it into the weights (peft's `merge_and_unload`) and remove it";
            return Err(wrong(file, reason.to_owned()));
        }
        if let Some(reason) = lm_config::unsupported(&json(&folder.join("config.json"))?) {
            return Err(wrong("config.json", reason));
        }
        let config = BertConfig::open(folder)?;
        let tokenizer = Tokenizer::open(folder)?;
        tokenizer.check_fits(config.vocab_size, folder)?;
        let (own, lower) = limits(folder, config.positions as usize)?;
        let max_length = match max_length {
            0 => own,
            asked if asked as i64 > config.positions => {
                let reason = format!(
                    "the encoder has {} positions; `max_length` is {asked}",
                    config.positions
                );
                return Err(wrong("config.json", reason));
            }
            asked => asked,
        };
        let ends = tokenizer.front().len() + tokenizer.back().len();
        if max_length <= ends {
            let reason = format!("{max_length} tokens leave no space for the words of a text");
            return Err(wrong("sentence_bert_config.json", reason));
        }
        let checkpoint = Checkpoint::open(folder)?;
        let mut remarks = [tokenizer.remarks(), checkpoint.remarks()].concat();
        if !modules.prompt.is_empty() {
            remarks.push(format!(
                "the text encoder's default prompt `{}` precedes every text",
                modules.prompt.trim()
            ));
        }
        Ok(Self {
            bert: Bert::new(config, &checkpoint, device)?,
            tokenizer,
            pooling: modules.pooling,
            normalised: modules.normalised,
            lower,
            prompt: modules.prompt,
            max_length,
            remarks,
            seen: RefCell::default(),
        })
    }

    /// Tokens of a text's words that are read.
    fn room(&self) -> usize {
        self.max_length - self.tokenizer.front().len() - self.tokenizer.back().len()
    }

    /// The tokens of texts with those that begin and end them, cut to what is read.
    fn pieces(&self, texts: &[&str]) -> Vec<Rc<[u32]>> {
        let mut seen = self.seen.borrow_mut();
        let mut strange: Vec<&str> = texts
            .iter()
            .copied()
            .filter(|text| !seen.contains_key(*text))
            .collect();
        strange.sort_unstable();
        strange.dedup();
        for (text, mut ids) in strange.iter().zip(self.spelled(&strange)) {
            ids.truncate(self.room());
            let whole = [self.tokenizer.front(), &ids, self.tokenizer.back()].concat();
            seen.insert((*text).to_owned(), whole.into());
        }
        texts.iter().map(|text| Rc::clone(&seen[*text])).collect()
    }

    fn spelled(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        self.read(texts, Tokenizer::encode_all)
    }

    /// What `by` says of the texts as the tokenizer sees them.
    fn read<T>(&self, texts: &[&str], by: impl Fn(&Tokenizer, &[&str]) -> T) -> T {
        if !self.lower && self.prompt.is_empty() {
            return by(&self.tokenizer, texts);
        }
        let whole = |text: &&str| {
            let whole = format!("{}{text}", self.prompt);
            if self.lower {
                whole.to_lowercase()
            } else {
                whole
            }
        };
        let whole: Vec<String> = texts.iter().map(whole).collect();
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        by(&self.tokenizer, &whole)
    }

    /// Vectors [N, W] of texts given by their tokens; with dropout if `train` says so.
    fn vectors(&self, texts: &[&[u32]], train: bool) -> Tensor {
        self.pooled(&PackedTexts::new(texts, self.bert.device()), train)
    }

    fn pooled(&self, packed: &PackedTexts, train: bool) -> Tensor {
        let states = self.bert.forward(packed, train);
        let parts = states.split_with_sizes(packed.sizes(), 0);
        let pairs = packed.groups.iter().zip(&parts);
        let pooled = pairs.map(|(group, states)| match self.pooling {
            Pooling::Mean => group.means(states),
            Pooling::First => group.table(states).select(1, 0),
        });
        let mut vectors = Tensor::cat(&pooled.collect::<Vec<_>>(), 0);
        if self.normalised {
            let norms = vectors.norm_scalaropt_dim(2.0, [1], true);
            // Not in place: the norms' gradient needs what they were made of.
            vectors = &vectors / norms.clamp_min(1e-12);
        }
        embedding::rows(
            &vectors,
            &embedding::indices(&packed.row_of, self.bert.device()),
        )
    }

    /// Vectors of any number of texts without gradient, a budget of tokens at a time.
    fn frozen(&self, texts: &[&[u32]]) -> Tensor {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(texts[text].len()));
        let mut parts = Vec::new();
        let (mut start, mut tokens) = (0, 0);
        for (place, &text) in order.iter().enumerate() {
            tokens += texts[text].len();
            let last = place + 1 == order.len();
            if tokens >= TOKENS_AT_ONCE || last {
                let chunk: Vec<&[u32]> = order[start..=place]
                    .iter()
                    .map(|&text| texts[text])
                    .collect();
                parts.push(self.vectors(&chunk, false));
                (start, tokens) = (place + 1, 0);
            }
        }
        let mut back = vec![0; texts.len()];
        for (place, &text) in order.iter().enumerate() {
            back[text] = place as u32;
        }
        Tensor::cat(&parts, 0).index_select(0, &embedding::indices(&back, self.bert.device()))
    }
}

impl TextEncoder for SentenceEncoder {
    fn width(&self) -> i64 {
        self.bert.config().width
    }

    fn encode(&self, texts: &[&str], train: bool) -> Tensor {
        let pieces = self.pieces(texts);
        if pieces.is_empty() {
            return Tensor::zeros([0, self.width()], (tch::Kind::Float, self.bert.device()));
        }
        // Each different text is computed once.
        let mut places = HashMap::new();
        let mut different: Vec<&[u32]> = Vec::new();
        let mut rows = Vec::with_capacity(pieces.len());
        for text in &pieces {
            let row = *places.entry(Rc::as_ptr(text)).or_insert_with(|| {
                different.push(text);
                different.len() as u32 - 1
            });
            rows.push(row);
        }
        let vectors = if train {
            self.vectors(&different, true)
        } else {
            tch::no_grad(|| self.frozen(&different))
        };
        if different.len() == pieces.len() {
            return vectors;
        }
        embedding::rows(&vectors, &embedding::indices(&rows, self.bert.device()))
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.bert.weights()
    }

    fn lossy(&self, texts: &[&str]) -> usize {
        self.read(texts, Tokenizer::lossy)
    }

    fn cut(&self, texts: &[&str]) -> usize {
        let room = self.room();
        let long = |ids: &&Vec<u32>| ids.len() > room;
        self.spelled(texts).iter().filter(long).count()
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn lengths(&self, texts: &[&str]) -> Vec<usize> {
        self.pieces(texts).iter().map(|ids| ids.len()).collect()
    }
}

/// A file of a LoRA adapter in `folder`, which transformers would apply.
fn adapter_in(folder: &Path) -> Option<&'static str> {
    let files = [
        "adapter_config.json",
        "adapter_model.safetensors",
        "adapter_model.bin",
    ];
    files.into_iter().find(|file| folder.join(file).is_file())
}

/// The bound on a text's tokens, and whether texts are made small first.
fn limits(folder: &Path, positions: usize) -> Result<(usize, bool), SentenceError> {
    let optional = |name: &str| {
        let path = folder.join(name);
        if path.is_file() {
            json(&path)
        } else {
            Ok(Value::Null)
        }
    };
    let sentence = optional("sentence_bert_config.json")?;
    let tokenizer = optional("tokenizer_config.json")?;
    let bound = sentence["max_seq_length"]
        .as_u64()
        .or(tokenizer["model_max_length"].as_u64());
    let bound = bound
        .and_then(|bound| usize::try_from(bound).ok())
        .unwrap_or(positions);
    let lower = sentence["do_lower_case"].as_bool().unwrap_or(false);
    Ok((bound.min(positions), lower))
}

fn json(path: &Path) -> Result<Value, SentenceError> {
    serde_json::from_slice(&fs::read_text(path)?).map_err(|error| SentenceError::Folder {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
