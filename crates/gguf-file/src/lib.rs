//! Language models in GGUF files, in Hugging Face's terms. The configuration has the keys of
//! `config.json`. Tensors have the names, shapes and row order of transformers. The tokenizer is
//! one of the crate `tokenizers`.
//!
//! # Use
//!
//! [`GgufFile::read`] takes the bytes of a file, memory-mapped for example, and checks its whole
//! layout. It reads no tensor. [`Model::new`] compares the tensors with the metadata: a file that
//! it accepts has every weight of the model in its shape. [`Model::tensor`] then gives single
//! tensors in single precision. `GgufFile::tokenizer` builds the tokenizer.
//!
//! ```
//! use std::path::Path;
//! use gguf_file::{GgufFile, Model};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama.gguf");
//! let bytes = std::fs::read(&path)?;
//! let file = GgufFile::read(&path, &bytes)?;
//!
//! let model = Model::new(&file)?;
//! assert_eq!(model.config().hidden_size, 32);
//! assert_eq!(model.config().to_json()["model_type"], "llama");
//! let query = model.tensor("model.layers.0.self_attn.q_proj.weight")?;
//! assert_eq!(query.shape, [32, 32]);
//! assert_eq!(query.values.len(), 32 * 32);
//!
//! # #[cfg(feature = "tokenizer")] {
//! let tokenizer = file.tokenizer()?.tokenizer;
//! let text = tokenizer.encode("3 bars of soap", false)?;
//! assert_eq!(text.get_tokens()[0], "3");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # What is read
//!
//! - GGUF versions 2 and 3, little-endian, in one file.
//! - Architectures `llama` (Llama, SmolLM2, Mistral), `qwen2`, `qwen3` and `gemma3` (its text
//!   model); see [`Architecture`].
//! - The types of [`TensorType`]. Values are equal, bit by bit, to those of the `gguf` Python
//!   package.
//! - Tokenizers of the kinds `gpt2` (byte-level BPE) and `llama` (SentencePiece).
//!
//! Anything else is refused with its name: see [`Fault`]. That includes whatever would change the
//! model's result and is not built, such as experts or other rotary positions.
//!
//! # Damaged files
//!
//! A truncated or altered file gives an error, never a panic. Before memory is allocated, a length
//! is compared with the bytes that are left. Memory is therefore bounded by the file's size.
//!
//! # Features
//!
//! `tokenizer` (default): the crate `tokenizers`, which compiles C code. Without it a file can
//! still be checked and its tensors read.

#![warn(missing_docs)]

// Modules in import order: a module uses only modules above it.
mod quant;
mod value;

mod error;

mod reader;

mod architecture;
mod rope;

mod config;

mod model;
#[cfg(feature = "tokenizer")]
mod tokenizer;

use std::path::{Path, PathBuf};

pub use architecture::Architecture;
pub use config::{Config, SpecialTokens};
pub use error::{Fault, GgufError};
pub use model::{Model, Tensor};
pub use quant::TensorType;
pub use reader::TensorInfo;
pub use rope::RopeScaling;
#[cfg(feature = "tokenizer")]
pub use tokenizer::GgufTokenizer;
pub use value::{List, Value};

/// A file whose layout was read and checked.
#[derive(Debug)]
pub struct GgufFile<'a> {
    path: PathBuf,
    bytes: &'a [u8],
    contents: reader::Contents<'a>,
}

impl<'a> GgufFile<'a> {
    /// Reads header, metadata and the list of tensors from the bytes of a whole file. `path` is its
    /// name in messages; the disk is not read.
    ///
    /// # Errors
    /// When the bytes are not a whole GGUF file of version 2 or 3, or a tensor has a type that
    /// [`TensorType`] lacks.
    pub fn read(path: &Path, bytes: &'a [u8]) -> Result<Self, GgufError> {
        let contents = reader::read(bytes).map_err(|fault| GgufError {
            path: path.to_owned(),
            fault,
        })?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            contents,
        })
    }

    /// Version of the format.
    pub fn version(&self) -> u32 {
        self.contents.version
    }

    /// A value of the metadata.
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        self.contents.metadata.get(key).copied()
    }

    /// The metadata by key.
    pub fn metadata(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let entries = self.contents.metadata.iter();
        entries.map(|(key, value)| (*key, *value))
    }

    /// The tensors by their names in the file.
    pub fn tensors(&self) -> impl Iterator<Item = (&'a str, &TensorInfo)> {
        let entries = self.contents.tensors.iter();
        entries.map(|(name, info)| (*name, info))
    }

    /// Type and shape of a tensor by its name in the file.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.contents.tensors.get(name)
    }

    /// The values of a tensor of this file, in the file's order. Some rows of `llama` files are not
    /// in Hugging Face's order, which [`Model::tensor`] has.
    ///
    /// # Panics
    /// When `info` is from another file and its bytes are not in this one.
    pub fn values(&self, info: &TensorInfo) -> Vec<f32> {
        let mut values = vec![0.0; info.shape.iter().product()];
        info.kind
            .dequantize(&self.bytes[info.bytes.clone()], &mut values);
        values
    }

    /// The Jinja template of a chat, where the file has one.
    pub fn chat_template(&self) -> Option<&'a str> {
        self.value("tokenizer.chat_template")?.as_text()
    }

    /// The text of a token of the file's vocabulary.
    pub fn token(&self, id: u32) -> Option<&'a str> {
        let tokens = self.value("tokenizer.ggml.tokens")?.as_list()?;
        tokens.texts()?.nth(usize::try_from(id).ok()?)
    }

    /// The tokenizer of the file's vocabulary.
    ///
    /// # Errors
    /// When the file has no vocabulary, or one of a kind that is not supported.
    #[cfg(feature = "tokenizer")]
    pub fn tokenizer(&self) -> Result<GgufTokenizer, GgufError> {
        tokenizer::build(self).map_err(|fault| self.error(fault))
    }

    fn error(&self, fault: Fault) -> GgufError {
        GgufError {
            path: self.path.clone(),
            fault,
        }
    }

    fn required(&self, key: &str) -> Result<Value<'a>, Fault> {
        self.value(key).ok_or_else(|| Fault::MissingKey {
            key: key.to_owned(),
        })
    }

    /// The text of a key.
    fn text(&self, key: &str) -> Result<&'a str, Fault> {
        let value = self.required(key)?;
        value
            .as_text()
            .ok_or_else(|| wrong(key, &value, "a text".to_owned()))
    }
}

/// The fault of a key with an unusable value.
fn wrong(key: &str, found: &Value, expected: String) -> Fault {
    Fault::Key {
        key: key.to_owned(),
        found: found.shown(),
        expected,
    }
}
