//! One file a CF model, and the two traits that the rest of the worker sees them through.
//!
//! Letters: B batch, T tokens of a packed batch, D width, V items (row 0 of a table is padding), C candidates.

use tch::Tensor;

use crate::data::{Histories, TrainingBatch};

/// Anything that scores items for histories.
pub trait Scorer {
    /// Scores [B, C] of `candidates` [B, C] (item numbers) for B histories.
    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor;

    /// Scores [B, V + 1] of all items for B histories; column 0 is padding and means nothing.
    fn score_all(&self, histories: &Histories) -> Tensor;
}

/// A trained CF model: user states and an item table, which A-LLMRec reads.
pub trait Backbone: Scorer {
    /// Width D of states and of table rows.
    fn width(&self) -> i64;

    /// States [B, D] of B histories, without dropout. An empty history has a state too.
    fn user_states(&self, histories: &Histories) -> Tensor;

    /// The table [V + 1, D] that states are compared with by dot product; row 0 is padding.
    fn item_table(&self) -> Tensor;

    /// A score that belongs to the item alone, [V + 1]; `None` for a model without one.
    fn item_bias(&self) -> Option<Tensor>;

    /// The training loss (a scalar with gradient) of a batch, dropout on.
    fn loss(&self, batch: &TrainingBatch) -> Tensor;

    /// Every weight by its upstream name, in a stable order.
    fn weights(&self) -> Vec<(String, Tensor)>;
}
