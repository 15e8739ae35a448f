//! One run of an experiment: its plan, the missing stages, the results folder.

mod estimate;
mod planned;
mod rows;
mod session;
mod tuning;
mod writer;

pub use estimate::{Basis, Estimate, Estimates, estimates};
pub use planned::{Planned, absolute, plan};
pub use session::{Ended, Ending, Request, Session, default_jobs};
