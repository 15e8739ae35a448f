//! Language models: decoders, text encoders, their tokenizers and their weights.

pub mod lm;
