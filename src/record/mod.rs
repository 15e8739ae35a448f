//! Rows to CSV and back: the only writer of results. And the answers that follow from the rows.

pub mod answer;
pub mod compare;
pub mod counts;
pub mod expected;
pub mod file;
pub mod format;
pub mod machine;
pub mod ranks;
pub mod row;
pub mod scores;
pub mod summary;
pub mod texts;
mod users;

pub use answer::answer;
pub use compare::compare;
pub use counts::{HAVE_COLUMNS, data_remark, data_row, notes, without_history};
pub use file::{read, write};
pub use format::format_markdown;
pub use machine::Machine;
pub use row::{
    DataRow, EpochRow, MetricRow, RANDOM_WEIGHTS, RankRow, ScoreRow, TextRow, TimingRow,
};
pub use users::FEWEST_STARRED;
