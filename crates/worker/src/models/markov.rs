//! A first-order Markov chain: what followed the last item in training, or popularity. A baseline.
//!
//! P(j | i) = (n(i, j) + s p(j)) / (n(i) + s). Here n counts transitions in training, and p is the
//! share of training interactions. s is the weight of the back-off in pseudo-counts. An empty or
//! unseen last item leaves p alone.
//!
//! Letters: B batch, C candidates, V items (0 is padding), K different transitions.

use tch::{Device, Tensor};

use super::{Scorer, popularity};
use crate::data::{Histories, TrainingSet};

/// Transition counts in CSR over the item before.
#[derive(Debug)]
pub struct Markov {
    device: Device,
    smoothing: f64,
    /// Row starts by item before, V + 2 of them.
    offsets: Vec<i64>,
    /// Item after, ascending in a row, K of them.
    next: Vec<i64>,
    /// How often, K of them.
    counts: Vec<f32>,
    /// Share of training interactions, V + 1 of them.
    share: Vec<f32>,
}

impl Markov {
    /// Counts the transitions of `set`, for V = `items`.
    pub fn count(set: &TrainingSet, items: u64, smoothing: f64, device: Device) -> Self {
        let mut pairs = Vec::with_capacity(set.items.len());
        for place in 0..set.users.len() {
            pairs.extend(set.row(place).windows(2).map(|pair| (pair[0], pair[1])));
        }
        pairs.sort_unstable();
        let mut offsets = vec![0; items as usize + 2];
        let (mut next, mut counts) = (Vec::new(), Vec::<f32>::new());
        let mut previous = None;
        for pair in pairs {
            if previous == Some(pair) {
                *counts.last_mut().expect("a repeat follows its first") += 1.0;
                continue;
            }
            previous = Some(pair);
            offsets[pair.0 as usize + 1] += 1;
            next.push(i64::from(pair.1));
            counts.push(1.0);
        }
        for row in 1..offsets.len() {
            offsets[row] += offsets[row - 1];
        }
        let popular = popularity::counts(&set.items, items);
        let total = popular.iter().sum::<f32>().max(1.0);
        Self {
            device,
            smoothing,
            offsets,
            next,
            counts,
            share: popular.iter().map(|count| count / total).collect(),
        }
    }

    /// From the tensors of an artefact; `None` when one is missing or of another type.
    pub fn from_tensors(
        tensors: &std::collections::BTreeMap<String, Tensor>,
        smoothing: f64,
        device: Device,
    ) -> Option<Self> {
        Some(Self {
            device,
            smoothing,
            offsets: Vec::try_from(tensors.get("offsets")?).ok()?,
            next: Vec::try_from(tensors.get("next")?).ok()?,
            counts: Vec::try_from(tensors.get("counts")?).ok()?,
            share: Vec::try_from(tensors.get("share")?).ok()?,
        })
    }

    /// Items that followed `item` in training, and how often.
    fn followers(&self, item: u32) -> (&[i64], &[f32]) {
        let start = self.offsets[item as usize] as usize;
        let end = self.offsets[item as usize + 1] as usize;
        (&self.next[start..end], &self.counts[start..end])
    }

    fn denominator(&self, counts: &[f32]) -> f32 {
        // Without back-off an unseen item has no followers: every score is then 0, not 0 / 0.
        (counts.iter().sum::<f32>() + self.smoothing as f32).max(f32::MIN_POSITIVE)
    }

    fn last(histories: &Histories, row: usize) -> u32 {
        histories.row(row).last().copied().unwrap_or(0)
    }
}

impl Scorer for Markov {
    fn maxlen(&self) -> usize {
        1
    }

    fn device(&self) -> Device {
        self.device
    }

    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        let items = Vec::<i64>::try_from(candidates.reshape([-1])).expect("candidates are whole");
        let width = items.len() / histories.len().max(1);
        let mut scores = Vec::with_capacity(items.len());
        for (row, items) in items.chunks(width.max(1)).enumerate() {
            let (next, counts) = self.followers(Self::last(histories, row));
            let denominator = self.denominator(counts);
            scores.extend(items.iter().map(|item| {
                let seen = next.binary_search(item).map_or(0.0, |place| counts[place]);
                (seen + self.smoothing as f32 * self.share[*item as usize]) / denominator
            }));
        }
        Tensor::from_slice(&scores)
            .view_as(candidates)
            .to_device(self.device)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        let mut scores = Vec::with_capacity(histories.len() * self.share.len());
        for row in 0..histories.len() {
            let (next, counts) = self.followers(Self::last(histories, row));
            let denominator = self.denominator(counts);
            let start = scores.len();
            let backoff = self.smoothing as f32 / denominator;
            scores.extend(self.share.iter().map(|share| share * backoff));
            for (item, count) in next.iter().zip(counts) {
                scores[start + *item as usize] += count / denominator;
            }
        }
        Tensor::from_slice(&scores)
            .view([histories.len() as i64, -1])
            .to_device(self.device)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        vec![
            ("offsets".to_owned(), Tensor::from_slice(&self.offsets)),
            ("next".to_owned(), Tensor::from_slice(&self.next)),
            ("counts".to_owned(), Tensor::from_slice(&self.counts)),
            ("share".to_owned(), Tensor::from_slice(&self.share)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::embedding;

    fn model() -> Markov {
        let set = TrainingSet {
            users: vec![0, 1],
            offsets: vec![0, 3, 5],
            items: vec![1, 2, 3, 1, 2],
            pool: vec![1, 2, 3],
            classes: None,
            skipped: 0,
        };
        Markov::count(&set, 3, 1.0, Device::Cpu)
    }

    fn scores(history: &[u32], candidates: &[u32]) -> Vec<f32> {
        let candidates = embedding::indices(candidates, Device::Cpu).view([1, -1]);
        let scores = model().score(&Histories::from_rows(&[history]), &candidates);
        Vec::try_from(scores.view([-1])).unwrap()
    }

    #[test]
    fn followers_and_back_off_add_up_by_hand() {
        // After 1 came 2, twice; shares are 0.4, 0.4, 0.2.
        let expected = [(0.0 + 0.4) / 3.0, (2.0 + 0.4) / 3.0, (0.0 + 0.2) / 3.0];
        for (score, expected) in scores(&[3, 1], &[1, 2, 3]).iter().zip(expected) {
            assert!((score - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn an_empty_history_leaves_popularity() {
        for (score, expected) in scores(&[], &[1, 2, 3]).iter().zip([0.4, 0.4, 0.2]) {
            assert!((score - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn all_scores_are_the_candidates_scores() {
        let histories = Histories::from_rows(&[&[1], &[], &[2]]);
        let every = embedding::indices(&[0, 1, 2, 3].repeat(3), Device::Cpu).view([3, 4]);
        let model = model();
        let (all, some) = (model.score_all(&histories), model.score(&histories, &every));
        assert!(all.allclose(&some, 1e-6, 1e-6, false));
    }
}
