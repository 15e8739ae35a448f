//! Rows to CSV and back: the only writer of results.

pub mod file;
pub mod ranks;
pub mod row;
pub mod summary;

pub use file::{read, write};
pub use row::{DataRow, EpochRow, MetricRow, RankRow, TimingRow};
