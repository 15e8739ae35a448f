//! Analysis of a results folder: means over seeds, intervals, tests, costs and curves.

pub mod answers;
pub mod compare;
pub mod costs;
pub mod curves;
pub mod equal;
pub mod expected;
pub mod headline;
pub mod lists;
mod paired;
pub mod seeds;
pub mod stand_ins;
pub mod stats;
pub mod summary;
pub mod trainings;

pub use compare::compare;
pub use paired::FEWEST_STARRED;
pub use seeds::{OverSeeds, Subject, by_subject};
pub use stand_ins::StandIns;
pub use summary::summary;
