//! Training: one loop for every task, batches prepared ahead of the step, optimizers with saved state, early stopping,
//! checkpoints.

pub mod ahead;
pub mod batches;
pub mod cf;
pub mod checkpoint;
pub mod error;
pub mod losses;
pub mod microbatch;
pub mod optimizer;
pub mod task;
pub mod trainer;

pub use error::{BoxError, TrainError};
