//! Rows to CSV and back: the only writer of results. And the answers that follow from the rows.

pub mod answer;
pub mod file;
pub mod ranks;
pub mod row;
pub mod summary;
mod users;

pub use answer::answer;
pub use file::{read, write};
pub use row::{DataRow, EpochRow, MetricRow, RankRow, TimingRow};
