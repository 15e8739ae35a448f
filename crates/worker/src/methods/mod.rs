//! A-LLMRec's stages, and its baselines with language models.
//!
//! Letters: N examples, V items (0 is padding), D width of a CF model, J width of the joint space
//! (the paper's d'). W is the width of text vectors or of a language model's inputs.

pub mod align;
pub mod catalogue;
pub mod contrast;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod mlp;
pub mod pretrain;
pub mod project;
pub mod prompted_lm;
pub mod rank;
pub mod ranking_examples;
pub mod represent;
pub mod sequences;
pub mod tables;
pub mod tune;

#[cfg(test)]
pub(crate) mod tests;
