//! Reads and writes the files of a results folder. No other module knows their formats.

pub mod conversations;
pub mod counts;
pub mod epochs;
pub mod file;
pub mod folder;
pub mod format;
pub mod machine;
pub mod ranks;
pub mod row;
pub mod scores;
pub mod statistics;
pub mod texts;

pub use counts::{data_notes, data_row, notes, without_history};
pub use epochs::{epoch_rows, reference_quantity};
pub use file::{read, write};
pub use folder::{ReadError, Results};
pub use format::format_markdown;
pub use machine::Machine;
pub use row::{
    CellRow, CellStageRow, ConversationRow, DataRow, EpochRow, MetricRow, RankRow, ScoreRow,
    StageRow, Status, TextRow, TrialRow,
};
pub use statistics::{IntervalRow, Statistics, Subject, TestRow};
