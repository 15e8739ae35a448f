//! One run of an experiment: its plan, the missing stages, the results folder.

mod estimate;
mod place;
mod planned;
mod rows;
mod session;
mod tuning;
mod watch;
mod writer;

pub use estimate::{Basis, Estimate, Estimates, estimates};
pub use place::Place;
pub use planned::{Planned, absolute, plan};
pub use session::{Ended, Ending, Request, Session, default_jobs, interrupts};
pub use watch::{Counts, Progress, Running, progress};
