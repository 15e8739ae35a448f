//! Popularity: every user is shown the items with the most training interactions. A baseline.
//!
//! Letters: B batch, C candidates, V items (0 is padding).

use tch::{Device, Tensor};

use super::Scorer;
use crate::data::Histories;

/// Training counts of items.
#[derive(Debug)]
pub struct Popularity {
    /// `counts`, [V + 1].
    counts: Tensor,
}

impl Popularity {
    /// Counts `rows`, the table rows of all training interactions, for V = `items`.
    pub fn count(rows: &[u32], items: u64, device: Device) -> Self {
        Self::from_counts(Tensor::from_slice(&counts(rows, items)).to_device(device))
    }

    /// From the counts [V + 1] of an artefact.
    pub fn from_counts(counts: Tensor) -> Self {
        Self { counts }
    }
}

/// How often each of rows 0 to `items` occurs.
pub fn counts(rows: &[u32], items: u64) -> Vec<f32> {
    let mut counts = vec![0.0; items as usize + 1];
    for &row in rows {
        counts[row as usize] += 1.0;
    }
    counts
}

impl Scorer for Popularity {
    fn maxlen(&self) -> usize {
        0
    }

    fn device(&self) -> Device {
        self.counts.device()
    }

    fn score(&self, _: &Histories, candidates: &Tensor) -> Tensor {
        let flat = candidates.reshape([-1]);
        self.counts.index_select(0, &flat).view_as(candidates)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        let rows = histories.len() as i64;
        self.counts.unsqueeze(0).expand([rows, -1], false)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        vec![("counts".to_owned(), self.counts.shallow_clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::embedding;

    #[test]
    fn items_score_their_training_count() {
        let model = Popularity::count(&[1, 3, 3], 3, Device::Cpu);
        let candidates = embedding::indices(&[3, 2, 1], Device::Cpu).view([1, 3]);
        let histories = Histories::from_rows(&[&[2]]);
        let scores = Vec::<f32>::try_from(model.score(&histories, &candidates).view([-1])).unwrap();
        assert_eq!(scores, [2.0, 0.0, 1.0]);
    }
}
