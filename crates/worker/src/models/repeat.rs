//! Repeat: items of the history first, the most recent one before all others; the remaining items
//! by training count. A baseline.
//!
//! An item of the history scores 1 + the position of its last occurrence. Any other item scores
//! its count divided by (greatest count + 1), which is below 1. An empty history leaves popularity.
//!
//! Recency orders the history, not frequency: what was consumed last is most likely consumed again
//! (Anderson et al. 2014, The Dynamics of Repeat Consumption).
//!
//! Letters: B batch, C candidates, V items (0 is padding).

use std::collections::HashMap;

use tch::{Device, Tensor};

use super::{Scorer, popularity};
use crate::data::Histories;

/// Training counts of items.
#[derive(Debug)]
pub struct Repeat {
    device: Device,
    /// `counts`, V + 1 of them.
    counts: Vec<f32>,
    /// Scores below 1 in the order of the counts, V + 1 of them.
    popular: Vec<f32>,
}

impl Repeat {
    /// Counts `rows`, the table rows of all training interactions, for V = `items`.
    pub fn count(rows: &[u32], items: u64, device: Device) -> Self {
        Self::from_counts(popularity::counts(rows, items), device)
    }

    /// From the V + 1 counts of an artefact.
    pub fn from_counts(counts: Vec<f32>, device: Device) -> Self {
        let greatest = counts.iter().copied().fold(0.0, f32::max);
        Self {
            device,
            popular: counts
                .iter()
                .map(|count| count / (greatest + 1.0))
                .collect(),
            counts,
        }
    }

    /// Scores of the items of a history, whose last occurrence counts.
    fn repeated(history: &[u32]) -> HashMap<u32, f32> {
        let scores = (1_u32..).map(|position| position as f32);
        history.iter().copied().zip(scores).collect()
    }
}

impl Scorer for Repeat {
    fn maxlen(&self) -> usize {
        usize::MAX
    }

    fn device(&self) -> Device {
        self.device
    }

    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        let items = Vec::<i64>::try_from(candidates.reshape([-1])).expect("candidates are whole");
        let width = items.len() / histories.len().max(1);
        let mut scores = Vec::with_capacity(items.len());
        for (row, items) in items.chunks(width.max(1)).enumerate() {
            let repeated = Self::repeated(histories.row(row));
            scores.extend(items.iter().map(|&item| {
                let known = repeated.get(&(item as u32)).copied();
                known.unwrap_or(self.popular[item as usize])
            }));
        }
        Tensor::from_slice(&scores)
            .view_as(candidates)
            .to_device(self.device)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        let mut scores = Vec::with_capacity(histories.len() * self.popular.len());
        for row in 0..histories.len() {
            let start = scores.len();
            scores.extend_from_slice(&self.popular);
            for (item, score) in Self::repeated(histories.row(row)) {
                scores[start + item as usize] = score;
            }
        }
        Tensor::from_slice(&scores)
            .view([histories.len() as i64, -1])
            .to_device(self.device)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        vec![("counts".to_owned(), Tensor::from_slice(&self.counts))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::embedding;

    /// Items 1 to 4 with 1, 0, 3 and 2 training interactions.
    fn model() -> Repeat {
        Repeat::count(&[1, 3, 3, 3, 4, 4], 4, Device::Cpu)
    }

    /// The candidates, the best first.
    fn order(history: &[u32], candidates: &[u32]) -> Vec<u32> {
        let rows = embedding::indices(candidates, Device::Cpu).view([1, -1]);
        let scores = model().score(&Histories::from_rows(&[history]), &rows);
        let scores = Vec::<f32>::try_from(scores.view([-1])).unwrap();
        let mut both: Vec<(f32, u32)> = scores.into_iter().zip(candidates.to_vec()).collect();
        both.sort_by(|one, other| other.0.total_cmp(&one.0));
        both.into_iter().map(|(_, item)| item).collect()
    }

    #[test]
    fn items_of_the_history_rank_by_recency_before_the_others_by_count() {
        assert_eq!(order(&[2, 1], &[1, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(order(&[1, 2], &[1, 2, 3, 4]), [2, 1, 3, 4]);
        assert_eq!(order(&[2, 1, 2], &[1, 2, 3, 4]), [2, 1, 3, 4]);
    }

    #[test]
    fn an_empty_history_leaves_popularity() {
        assert_eq!(order(&[], &[1, 2, 3, 4]), [3, 4, 1, 2]);
    }

    #[test]
    fn all_scores_are_the_candidates_scores() {
        let histories = Histories::from_rows(&[&[1, 4], &[], &[2]]);
        let every = embedding::indices(&[0, 1, 2, 3, 4].repeat(3), Device::Cpu).view([3, 5]);
        let model = model();
        assert_eq!(model.score_all(&histories), model.score(&histories, &every));
    }
}
