//! Language models and text encoders, their weights and tokenizers, as Hugging Face folders hold them.
//!
//! Letters: N texts or rows, T tokens, D width, H heads, V pieces of the vocabulary.

pub mod bert;
pub mod checkpoint;
pub mod hashed;
pub mod hub;
pub mod lm;
pub mod packed_texts;
pub mod sentence;
pub mod surplus;
pub mod tokenizer;
