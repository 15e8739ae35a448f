//! Runs one stage of an allround experiment: `allround-worker JOB.json`.
//!
//! The rooms stand in the order in which they may import each other.

pub mod torch_ext;

pub mod data;
pub mod nn;

pub mod models;

pub mod eval;
pub mod train;

fn main() {}
