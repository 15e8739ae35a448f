//! Runs one stage of an allround experiment on LibTorch: models, training and evaluation.
//!
//! # Start here
//!
//! [`stages::run`] runs one job: it reads artefacts of earlier stages, reports events, and leaves
//! an artefact. Each kind of stage is one file of [`stages`], except `pretrain-lm`, which is in the
//! package `allround-small-lm`. It puts together:
//!
//! - [`models`]: one file per CF model, built by [`models::fresh`];
//! - [`methods`]: the tasks of LLM recommenders, such as [`methods::align::AlignTask`], and
//!   [`methods::rank::LlmRanker`], which ranks candidates with a language model;
//! - [`train::trainer::train`]: the one training loop, for every [`train::task::Task`];
//! - [`eval`]: scores to ranks;
//! - [`lm`], [`encoder`] and [`hf`]: language models, text encoders, and their files;
//! - [`nn`] and [`torch_ext`]: layers, and what tch lacks of LibTorch.
//!
//! # Letters for shapes
//!
//! - B batch, C candidates, N rows, T tokens of a packed batch;
//! - U users, V items (row 0 of an item table is padding) or size of the vocabulary;
//! - D width of a CF model, J width of A-LLMRec's joint space;
//! - W width of a language model's inputs or of text vectors.
//!
//! # Example
//!
//! ```no_run
//! use allround_core::stage::Job;
//!
//! let text = std::fs::read("job.json")?;
//! let job: Job = serde_json::from_slice(&text)?;
//! let pretrain: allround_worker::stages::Pretrain = |_, _, _, _| Ok(());
//! allround_worker::stages::run(&job, pretrain, &mut |event| println!("{event:?}"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! Modules are listed in import order, which `tests/layering.rs` checks.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

#[cfg(test)]
mod testing;

pub mod torch_ext;

pub mod data;
pub mod nn;

pub mod models;

pub mod hf;

pub mod encoder;
pub mod lm;

pub mod eval;
pub mod train;

pub mod methods;

pub mod stages;
