//! Why a file is refused.

use std::path::PathBuf;

use crate::TensorType;

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {fault}", path.display())]
pub struct GgufError {
    /// The file, by the name that the caller gave.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub fault: Fault,
}

/// What is wrong with a file. Every message ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Another format.
    #[error("not a GGUF file: it begins with {found}; expected the four letters `GGUF`")]
    NotGguf {
        /// First bytes.
        found: String,
    },
    /// A version with another layout.
    #[error("GGUF version {version} is not supported; expected 2 or 3; convert the model again")]
    Version {
        /// The file's version.
        version: u32,
    },
    /// Numbers in the order of another processor.
    #[error("its numbers are big-endian; take the little-endian file of the same model")]
    BigEndian,
    /// A part reaches past the end.
    #[error(
        "it ends within {part}, which needs {needed} bytes from byte {at} on; the file has {size}; fetch it again"
    )]
    Truncated {
        /// The part.
        part: String,
        /// Bytes that it needs at least.
        needed: u64,
        /// Where they begin.
        at: u64,
        /// The file's size.
        size: u64,
    },
    /// A byte or text that no writer produces.
    #[error("{part} is damaged: {reason}; fetch the file again")]
    Damaged {
        /// The part.
        part: String,
        /// What is wrong.
        reason: String,
    },
    /// A name that must be unique.
    #[error("{kind} `{name}` is there twice; convert the model again")]
    Twice {
        /// `tensor`, `metadata key` or `token`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A tensor type that is not read.
    #[error(
        "tensor `{tensor}` has type {found}, which is not supported; expected {}; take another file of the same model",
        TensorType::names()
    )]
    TensorType {
        /// The tensor.
        tensor: String,
        /// Name of the type, or its number.
        found: String,
    },
    /// One file of several.
    #[error(
        "it is one of {count} parts of a model; join them with `llama-gguf-split --merge` and take the result"
    )]
    Split {
        /// Number of parts.
        count: u64,
    },
    /// Metadata that must be there.
    #[error("metadata key `{key}` is missing; convert the model again with a current llama.cpp")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// Metadata with an unusable value.
    #[error(
        "metadata key `{key}` is {found}; expected {expected}; take another file of the same model"
    )]
    Key {
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// Possible values.
        expected: String,
    },
    /// A name with a list of known ones.
    #[error("{kind} `{name}` is not supported; expected {known}")]
    Unknown {
        /// What it names.
        kind: &'static str,
        /// The name.
        name: String,
        /// Known names.
        known: String,
    },
    /// Something that changes the model's result and is not built.
    #[error("{reason}, which is not supported; take another model")]
    Unsupported {
        /// What it is.
        reason: String,
    },
    /// A tensor that the model needs.
    #[error(
        "tensor `{gguf}` is missing (Hugging Face's `{name}`); convert the model again, or fetch the file again"
    )]
    MissingTensor {
        /// Hugging Face's name.
        name: String,
        /// Name in the file.
        gguf: String,
    },
    /// A tensor with another shape than the metadata give it.
    #[error(
        "tensor `{gguf}` (Hugging Face's `{name}`) has shape {found:?}; by the metadata it is {expected:?}; fetch the file again"
    )]
    Shape {
        /// Hugging Face's name.
        name: String,
        /// Name in the file.
        gguf: String,
        /// Shape in the file, rows first.
        found: Vec<usize>,
        /// Shape by the metadata.
        expected: Vec<usize>,
    },
    /// A tensor that the architecture has no place for.
    #[error(
        "tensor `{gguf}` has no place in architecture `{architecture}`; take a file of a plain `{architecture}` model"
    )]
    Surplus {
        /// Name in the file.
        gguf: String,
        /// The architecture.
        architecture: &'static str,
    },
    /// A tensor that the caller requested by a wrong name.
    #[error(
        "the model has no tensor `{name}`; expected one of its {count} names, such as `{first}`"
    )]
    NoTensor {
        /// The requested name.
        name: String,
        /// Number of tensors.
        count: usize,
        /// One of their names.
        first: String,
    },
    /// A vocabulary that no tokenizer can be built from.
    #[error("its tokenizer cannot be used: {reason}; convert the model again")]
    Tokenizer {
        /// What is wrong.
        reason: String,
    },
}
