//! Which items of a training batch are hidden, and what the network reads in their place.

use allround_core::models::bert4rec::Bert4rec as Config;
use allround_core::seed::{Stream, stream};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::data::TrainingBatch;
use crate::nn::loss::Negatives;

/// Row of the mask until its vector is put in: that of padding.
pub(super) const MASK: u32 = 0;

/// A batch with hidden items: the whole sequences, and the hidden items as targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Masked {
    /// Row starts, B + 1 of them.
    pub(super) offsets: Vec<u32>,
    /// What is read: items, and [`MASK`].
    pub(super) inputs: Vec<u32>,
    /// Tokens that are targets, ascending.
    pub(super) chosen: Vec<u32>,
    /// Their items.
    pub(super) targets: Vec<u32>,
    /// Negatives, n for each target or shared by the batch.
    pub(super) negatives: Vec<u32>,
}

/// How items are chosen and replaced.
#[derive(Debug)]
struct Draws<'a> {
    config: &'a Config,
    random: ChaCha8Rng,
    /// Rows that may replace an item: these, or 1 to V.
    classes: Option<&'a [u32]>,
    items: u32,
}

impl Draws<'_> {
    /// Whether the next example hides its last item alone, as when users are ranked.
    fn is_ranking(&mut self) -> bool {
        self.random.random::<f64>() < self.config.last_prob
    }

    /// Places of a sequence of `length` items that are targets, ascending.
    fn places(&mut self, length: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..length)
            .filter(|_| self.random.random::<f64>() < self.config.mask_prob)
            .collect();
        if places.is_empty() {
            places.push(self.random.random_range(0..length));
        }
        places
    }

    /// What is read in place of `item`.
    fn replaced(&mut self, item: u32) -> u32 {
        let (random, keep) = (self.config.random_prob, self.config.keep_prob);
        // Also without shares, so that they do not shift the other draws.
        let draw = self.random.random::<f64>();
        if draw >= random + keep {
            MASK
        } else if draw >= random {
            item
        } else {
            match self.classes {
                Some(classes) => classes[self.random.random_range(0..classes.len())],
                None => self.random.random_range(1..=self.items),
            }
        }
    }
}

impl Masked {
    /// Hides items of `batch`, as its noise decides; `items` is V.
    pub(super) fn new(batch: &TrainingBatch, config: &Config, items: u32) -> Self {
        let mut draws = Draws {
            config,
            random: stream(batch.noise, Stream::Masks, 0),
            classes: batch.classes.as_deref(),
            items,
        };
        let each = Negatives::of(&config.loss).each();
        let mut masked = Self {
            offsets: vec![0],
            ..Self::default()
        };
        for (row, ends) in batch.offsets.windows(2).enumerate() {
            let (from, to) = (ends[0] as usize, ends[1] as usize);
            let last = if batch.last_only { row } else { to - 1 };
            let start = masked.inputs.len();
            masked.inputs.extend_from_slice(&batch.inputs[from..to]);
            masked.inputs.push(batch.targets[last]);
            let length = masked.inputs.len() - start;
            let ranking = draws.is_ranking();
            let places = if ranking {
                vec![length - 1]
            } else {
                draws.places(length)
            };
            for place in places {
                let read = &mut masked.inputs[start + place];
                masked.targets.push(*read);
                *read = if ranking { MASK } else { draws.replaced(*read) };
                masked.chosen.push((start + place) as u32);
                if let Some(count) = each {
                    // The first item is not a target in the batch and has those of the second.
                    // Where only last items are targets, all have theirs.
                    let target = if batch.last_only {
                        row
                    } else {
                        from + place.saturating_sub(1)
                    };
                    let drawn = &batch.negatives[target * count..(target + 1) * count];
                    masked.negatives.extend_from_slice(drawn);
                }
            }
            masked.offsets.push(masked.inputs.len() as u32);
        }
        if each.is_none() {
            masked.negatives.clone_from(&batch.negatives);
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use allround_core::models::Model;
    use allround_core::models::train::Loss;

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let Model::Bert4rec(mut config) = testing::model("bert4rec") else {
            panic!("the model is a bert4rec");
        };
        config.loss = Loss::Bce { negatives: 2 };
        change(&mut config);
        config
    }

    /// Rows [1, 2, 3] and [4, 5], two negatives for each target.
    fn batch(noise: u64) -> TrainingBatch {
        TrainingBatch {
            users: vec![0, 1],
            offsets: vec![0, 2, 3],
            inputs: vec![1, 2, 4],
            targets: vec![2, 3, 5],
            negatives: vec![6, 7, 8, 9, 10, 11],
            noise,
            ..TrainingBatch::default()
        }
    }

    #[test]
    fn chosen_items_are_targets_with_negatives_of_their_user() {
        for noise in 0..50 {
            let masked = Masked::new(&batch(noise), &config(|_| {}), 12);
            assert_eq!(masked.offsets, [0, 3, 5]);
            assert!(masked.chosen.iter().any(|&token| token < 3));
            assert!(masked.chosen.iter().any(|&token| token >= 3));
            let mut whole = masked.inputs.clone();
            for (number, &token) in masked.chosen.iter().enumerate() {
                assert_eq!(whole[token as usize], MASK);
                whole[token as usize] = masked.targets[number];
                let negatives: &[u32] = match token {
                    0 | 1 => &[6, 7],
                    2 => &[8, 9],
                    _ => &[10, 11],
                };
                assert_eq!(&masked.negatives[2 * number..][..2], negatives);
            }
            assert_eq!(whole, [1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn draws_follow_the_noise_and_the_probabilities() {
        let shares = |mask, random, keep| {
            let config = config(|config| {
                config.mask_prob = mask;
                (config.random_prob, config.keep_prob) = (random, keep);
            });
            let (mut chosen, mut hidden, mut kept) = (0, 0, 0);
            for noise in 0..2000 {
                let masked = Masked::new(&batch(noise), &config, 12);
                chosen += masked.chosen.len();
                for (&token, &target) in masked.chosen.iter().zip(&masked.targets) {
                    let read = masked.inputs[token as usize];
                    hidden += usize::from(read == MASK);
                    kept += usize::from(read == target);
                }
            }
            [chosen, hidden, kept].map(|count| count as f64 / 10000.0)
        };
        let [chosen, hidden, kept] = shares(0.5, 0.0, 0.0);
        // Half of the items, and one where none was drawn: 1/8 and 1/4 of the rows.
        assert!(
            (chosen - (0.5 + 0.2 / 8.0 + 0.2 / 4.0)).abs() < 0.02,
            "{chosen}"
        );
        assert_eq!((hidden, kept), (chosen, 0.0));
        let [chosen, hidden, kept] = shares(1.0, 0.0, 0.25);
        assert_eq!(chosen, 1.0);
        assert!((hidden - 0.75).abs() < 0.02 && (kept - 0.25).abs() < 0.02);
        let [_, hidden, kept] = shares(1.0, 0.5, 0.0);
        // A random item is the item itself once in twelve.
        assert!((hidden - 0.5).abs() < 0.02 && (kept - 0.5 / 12.0).abs() < 0.02);
        assert_eq!(
            Masked::new(&batch(3), &config(|_| {}), 12),
            Masked::new(&batch(3), &config(|_| {}), 12)
        );
    }

    #[test]
    fn an_example_for_ranking_hides_its_last_item_alone() {
        let last = config(|config| (config.last_prob, config.keep_prob) = (1.0, 1.0));
        let expected = [1, 2, MASK, 4, MASK];
        let masked = Masked::new(&batch(1), &last, 12);
        assert_eq!(
            (masked.inputs, masked.targets),
            (expected.to_vec(), vec![3, 5])
        );
        assert_eq!(masked.negatives, [8, 9, 10, 11]);
        let prefixes = TrainingBatch {
            targets: vec![3, 5],
            negatives: vec![6, 7, 8, 9],
            last_only: true,
            ..batch(1)
        };
        let masked = Masked::new(&prefixes, &last, 12);
        assert_eq!(
            (masked.inputs, masked.targets),
            (expected.to_vec(), vec![3, 5])
        );
        assert_eq!(masked.negatives, [6, 7, 8, 9]);
        // Other examples of prefixes hide items anywhere, with the negatives of their last ones.
        let all = config(|config| config.mask_prob = 1.0);
        let masked = Masked::new(&prefixes, &all, 12);
        assert_eq!(masked.targets, [1, 2, 3, 4, 5]);
        assert_eq!(masked.negatives, [6, 7, 6, 7, 6, 7, 8, 9, 8, 9]);
    }
}
