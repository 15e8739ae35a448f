//! Files of Hugging Face: folders of weights and tokenizers, and their download from the hub.

pub mod checkpoint;
pub mod hub;
pub mod surplus;
pub mod tokenizer;
