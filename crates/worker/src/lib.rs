//! Runs one stage of an allround experiment on LibTorch: models, training and evaluation.
//!
//! Modules are listed in the order in which they may import each other; `tests/layering.rs` holds that order.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

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
