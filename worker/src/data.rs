//! Batches: CSR on the way from the prepared data set to tensors.

/// B histories in CSR, oldest item first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histories {
    /// User numbers of the prepared data set, B of them (NCF needs them).
    pub users: Vec<u32>,
    /// Row starts, B + 1 of them, starting at 0.
    pub offsets: Vec<u32>,
    /// Table rows of items (1 to V), row after row; already cut to the model's `maxlen`.
    pub items: Vec<u32>,
}

/// B training sequences: at token t the model has read `inputs[..=t]` of its row and is asked for `targets[t]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainingBatch {
    /// User numbers, B of them.
    pub users: Vec<u32>,
    /// Row starts, B + 1 of them, starting at 0; T = the last one.
    pub offsets: Vec<u32>,
    /// Input items, T of them.
    pub inputs: Vec<u32>,
    /// Next items, T of them.
    pub targets: Vec<u32>,
    /// Negatives of each target, T x n (row-major), or n shared by the batch, as the loss asks.
    pub negatives: Vec<u32>,
}
