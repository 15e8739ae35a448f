//! Rows of item tables: one gather for everything that a batch reads of a table, so that backward
//! fills one buffer.

use allround_core::models::train::Loss;
use tch::{Device, Tensor};

use super::loss;
use crate::data::TrainingBatch;
use crate::torch_ext::lazy_adam;
use crate::torch_ext::product;
use crate::torch_ext::transfer::to_device_async;

/// Table rows as an index tensor on `device`.
pub fn indices(rows: &[u32], device: Device) -> Tensor {
    let rows: Vec<i64> = rows.iter().map(|&row| i64::from(row)).collect();
    to_device_async(&Tensor::from_slice(&rows), device)
}

/// Rows [N, D] of `table` [V + 1, D].
pub fn rows(table: &Tensor, indices: &Tensor) -> Tensor {
    Tensor::embedding(table, indices, -1, false, false)
}

/// Rows [N, D] of a trained `table`, whose gradient is then sparse: it names the rows read and no
/// others.
///
/// The optimizer may move the other rows later ([`lazy_adam`]). So a training step that reads a
/// table this way reads it in no other way, except for rows that never have a gradient.
pub fn table_rows(table: &Tensor, indices: &Tensor) -> Tensor {
    lazy_adam::catch_up(table, indices);
    Tensor::embedding(table, indices, -1, false, true)
}

/// What a training batch reads of one table.
#[derive(Debug)]
pub struct BatchRows {
    /// Rows of the input items, [T, D].
    pub inputs: Tensor,
    /// Rows of the targets, [T, D].
    pub targets: Tensor,
    /// Rows of the negatives, [N, D] in the order of the batch's list.
    pub negatives: Tensor,
}

impl BatchRows {
    /// Inputs, targets and negatives of `batch` in one gather; inputs alone for a loss that reads
    /// the table.
    pub fn gather(table: &Tensor, batch: &TrainingBatch, loss: &Loss) -> Self {
        let reads_table = loss::reads_table(loss);
        let [targets, negatives]: [&[u32]; 2] = if reads_table {
            [&[], &[]]
        } else {
            [&batch.targets, &batch.negatives]
        };
        let all = [&batch.inputs[..], targets, negatives].concat();
        let all_rows = indices(&all, table.device());
        let gathered = if reads_table {
            // Its gradient is dense anyhow.
            rows(table, &all_rows)
        } else {
            table_rows(table, &all_rows)
        };
        let (inputs, targets) = (batch.inputs.len() as i64, targets.len() as i64);
        let negatives = negatives.len() as i64;
        let parts = gathered.split_with_sizes([inputs, targets, negatives], 0);
        let [inputs, targets, negatives]: [Tensor; 3] =
            parts.try_into().expect("three sizes give three parts");
        Self {
            inputs,
            targets,
            negatives,
        }
    }
}

/// Scores [B, C] of `candidates` [B, C] by dot product of `states` [B, D] with rows of `table`, and
/// the items' own scores.
pub fn scores(
    states: &Tensor,
    table: &Tensor,
    bias: Option<&Tensor>,
    candidates: &Tensor,
) -> Tensor {
    let (batch, count) = candidates.size2().expect("candidates are [B, C]");
    let flat = candidates.reshape([-1]);
    let candidate_rows = table.index_select(0, &flat).view([batch, count, -1]);
    let scores = product::bmm(&candidate_rows, &states.unsqueeze(-1)).squeeze_dim(-1); // [B, C]
    match bias {
        Some(bias) => scores + bias.index_select(0, &flat).view([batch, count]),
        None => scores,
    }
}

/// Scores [B, V + 1] of all items.
pub fn scores_all(states: &Tensor, table: &Tensor, bias: Option<&Tensor>) -> Tensor {
    match bias {
        Some(bias) => product::addmm(bias, states, &table.tr()),
        None => product::mm(states, &table.tr()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn one_gather_splits_into_inputs_targets_and_negatives() {
        let table = Tensor::arange(8, (Kind::Float, Device::Cpu)).view([4, 2]);
        let batch = TrainingBatch {
            users: vec![0],
            offsets: vec![0, 2],
            inputs: vec![1, 2],
            targets: vec![2, 3],
            negatives: vec![1],
            ..TrainingBatch::default()
        };
        let gathered = BatchRows::gather(&table, &batch, &Loss::Bce { negatives: 1 });
        assert_eq!(gathered.inputs, table.narrow(0, 1, 2));
        assert_eq!(gathered.targets, table.narrow(0, 2, 2));
        assert_eq!(gathered.negatives, table.narrow(0, 1, 1));
    }

    #[test]
    fn candidate_scores_are_columns_of_all_scores() {
        tch::manual_seed(1);
        let (states, table) = (
            Tensor::randn([2, 3], (Kind::Float, Device::Cpu)),
            Tensor::randn([5, 3], (Kind::Float, Device::Cpu)),
        );
        let bias = Tensor::randn([5], (Kind::Float, Device::Cpu));
        let candidates = Tensor::from_slice(&[1i64, 4, 2, 2]).view([2, 2]);
        let all = scores_all(&states, &table, Some(&bias));
        let some = scores(&states, &table, Some(&bias), &candidates);
        assert!(
            all.gather(1, &candidates, false)
                .allclose(&some, 1e-6, 1e-6, false)
        );
    }
}
