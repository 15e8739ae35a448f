//! Training: batches made ahead of the step, optimisers with saved state, stopping, checkpoints.

pub mod ahead;
pub mod batches;
pub mod checkpoint;
pub mod cut;
pub mod fit;
pub mod losses;
pub mod optimizer;
pub mod run;

pub use run::{Outcome, Plan, TrainError, run};

#[cfg(test)]
mod encoder_speed;
