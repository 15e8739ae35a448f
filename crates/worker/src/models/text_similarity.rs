//! Text similarity: the cosine between a candidate's text and the mean of the history's texts. A
//! baseline that trains nothing.
//!
//! The mean vector of the history is compared by its direction, so the sum serves as well. A vector
//! of zeros has cosine 0 with every other. It is the sum over an empty history or over vectors that
//! cancel, or what the encoder gives for a text.
//!
//! Letters: B batch, C candidates, H items of all histories, V items (0 is padding), W width of the
//! vectors.

use tch::{Device, Kind, Tensor};

use super::Scorer;
use crate::data::Histories;
use crate::nn::embedding;

/// Vectors of item texts.
#[derive(Debug)]
pub struct TextSimilarity {
    /// Vectors of the encoder, [V + 1, W].
    vectors: Tensor,
    /// They, at unit length or zero, [V + 1, W].
    directions: Tensor,
    /// Number of last items of a history that count.
    last: usize,
}

impl TextSimilarity {
    /// By `vectors` [V + 1, W] of all items. The `last` items of a history count; 0 is all items.
    pub fn new(vectors: Tensor, last: usize) -> Self {
        Self {
            directions: directions(&vectors),
            vectors,
            last: if last == 0 { usize::MAX } else { last },
        }
    }

    /// Directions [B, W] of the histories' mean vectors.
    fn profiles(&self, histories: &Histories) -> Tensor {
        let rows = histories.len();
        let owners: Vec<u32> = (0..rows)
            .flat_map(|row| vec![row as u32; histories.row(row).len()])
            .collect();
        let items = embedding::indices(&histories.items, self.device());
        let owners = embedding::indices(&owners, self.device());
        let read = self.vectors.index_select(0, &items); // [H, W]
        let sums = Tensor::zeros([rows as i64, read.size()[1]], (Kind::Float, self.device()));
        directions(&sums.index_add(0, &owners, &read))
    }
}

/// Rows of `vectors` at unit length; rows of zeros stay zeros.
fn directions(vectors: &Tensor) -> Tensor {
    let norms = vectors
        .square()
        .sum_dim_intlist(1, true, Kind::Float)
        .sqrt();
    // The bound only keeps 0 / 0 away.
    vectors / norms.clamp_min(1e-12)
}

impl Scorer for TextSimilarity {
    fn maxlen(&self) -> usize {
        self.last
    }

    fn device(&self) -> Device {
        self.vectors.device()
    }

    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        let profiles = self.profiles(histories);
        embedding::scores(&profiles, &self.directions, None, candidates)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        embedding::scores_all(&self.profiles(histories), &self.directions, None)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        vec![("embeddings".to_owned(), self.vectors.shallow_clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items 1 to 4: east, twice north, north-east, and zeros.
    fn model(last: usize) -> TextSimilarity {
        let vectors = [0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.6, 0.8, 0.0, 0.0_f32];
        TextSimilarity::new(Tensor::from_slice(&vectors).view([5, 2]), last)
    }

    /// Cosines of items 1 to 4 with a history.
    fn cosines(last: usize, history: &[u32]) -> Vec<f32> {
        let candidates = embedding::indices(&[1, 2, 3, 4], Device::Cpu).view([1, 4]);
        let model = model(last);
        let kept = &history[history.len().saturating_sub(model.maxlen())..];
        let scores = model.score(&Histories::from_rows(&[kept]), &candidates);
        Vec::try_from(scores.view([-1])).unwrap()
    }

    fn is_close(found: &[f32], expected: [f32; 4]) -> bool {
        let mut pairs = found.iter().zip(expected);
        found.len() == 4 && pairs.all(|(one, other)| (one - other).abs() < 1e-6)
    }

    #[test]
    fn scores_are_cosines_with_the_mean_vector_of_the_history_by_hand() {
        // (1, 0) and (0, 2) have the mean (0.5, 1), whose length is the root of 1.25.
        let length = 1.25_f32.sqrt();
        let expected = [0.5 / length, 1.0 / length, 1.1 / length, 0.0];
        let found = cosines(0, &[1, 2]);
        assert!(is_close(&found, expected), "{found:?}");
    }

    #[test]
    fn only_the_last_items_count() {
        assert_eq!(cosines(1, &[2, 1]), cosines(0, &[1]));
        let found = cosines(1, &[2, 1]);
        assert!(is_close(&found, [1.0, 0.0, 0.6, 0.0]), "{found:?}");
        assert_eq!(cosines(3, &[2, 1]), cosines(0, &[2, 1]));
    }

    #[test]
    fn an_empty_history_and_zero_vectors_have_cosine_0() {
        assert_eq!(cosines(3, &[]), [0.0; 4]);
        assert_eq!(cosines(3, &[4, 4]), [0.0; 4]);
    }

    #[test]
    fn all_scores_are_the_candidates_scores() {
        let histories = Histories::from_rows(&[&[1, 3], &[], &[2]]);
        let every = embedding::indices(&[0, 1, 2, 3, 4].repeat(3), Device::Cpu).view([3, 5]);
        let model = model(0);
        let (all, some) = (model.score_all(&histories), model.score(&histories, &every));
        assert!(all.allclose(&some, 1e-6, 1e-6, false));
    }
}
