//! Text encoders: texts to vectors.
//!
//! [`sentence::open`] opens the encoder that a specification names: a hashed bag of words, or a
//! model of the sentence-transformers library.
//!
//! Letters: N texts, T tokens, D width, H heads, V size of the vocabulary.

pub mod bert;
pub mod hashed;
pub mod sentence;
pub mod texts;
