//! One run of an experiment: the plan, the stages that are missing, the results folder.

mod planned;
mod rows;
mod session;
mod writer;

pub use planned::{Planned, absolute, plan};
pub use session::{Ended, Ending, Request, Session};
