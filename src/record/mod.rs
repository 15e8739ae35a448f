//! Rows to CSV and back: the only writer of results.

pub mod row;
pub mod summary;

pub use row::{EpochRow, MetricRow, RankRow, TimingRow};
