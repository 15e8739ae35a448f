//! Training: one loop for every task, batches prepared ahead of the step, optimizers with saved
//! state, early stopping, checkpoints.

pub mod batches;
pub mod cf;
pub mod checkpoint;
pub mod error;
mod gradients;
pub mod limit;
pub mod loss_meter;
pub mod microbatch;
pub mod optimizer;
pub mod prefetch;
mod running;
mod schedule;
pub mod task;
pub mod trainer;

pub use error::{BoxError, TrainError};
