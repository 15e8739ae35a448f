//! Training batches of an epoch: shuffled users, cut sequences, sampled negatives, made in a thread ahead of the step.

use std::thread::Scope;

use allround::seed::{Stream, stream};
use allround::spec::config::train::Loss;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::ahead::Ahead;
use crate::data::{TrainingBatch, TrainingSet};
use crate::nn::loss;

/// Batches that may wait for the step.
const AHEAD: usize = 8;

/// What decides an epoch's batches, beside the data.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Cell seed.
    pub seed: u64,
    /// Users of a batch.
    pub batch_size: usize,
    /// A sequence's last `maxlen` inputs count.
    pub maxlen: usize,
    /// Negatives, and whether each target has its own.
    pub negatives: (usize, bool),
}

impl Recipe {
    /// The recipe for a model with this loss.
    pub fn new(seed: u64, batch_size: usize, maxlen: usize, loss: &Loss) -> Self {
        Self {
            seed,
            batch_size,
            maxlen,
            negatives: loss::negatives_of(loss),
        }
    }
}

/// Draws training batches from a data set.
#[derive(Debug)]
pub struct Sampler<'a> {
    set: &'a TrainingSet,
    recipe: Recipe,
    /// Each user's training rows, sorted, laid out like the set's.
    sorted: Vec<u32>,
}

/// A user to whom no negative can be given.
#[derive(Debug)]
pub struct NoNegative {
    /// Number of the user in the prepared data set.
    pub user: u32,
}

impl<'a> Sampler<'a> {
    /// Gets ready to draw.
    ///
    /// # Errors
    /// When a user needs own negatives and has every item of the pool in training.
    pub fn new(set: &'a TrainingSet, recipe: Recipe) -> Result<Self, NoNegative> {
        let mut sorted = set.items.clone();
        let pool: std::collections::HashSet<u32> = set.pool.iter().copied().collect();
        for (place, bounds) in set.offsets.windows(2).enumerate() {
            let row = &mut sorted[bounds[0] as usize..bounds[1] as usize];
            row.sort_unstable();
            if matches!(recipe.negatives, (1.., true)) && row.len() >= pool.len() {
                let mut own = row.to_vec();
                own.dedup();
                if own.iter().filter(|item| pool.contains(item)).count() >= pool.len() {
                    let user = set.users[place];
                    return Err(NoNegative { user });
                }
            }
        }
        Ok(Self {
            set,
            recipe,
            sorted,
        })
    }

    /// Sequences of an epoch.
    pub fn sequences(&self) -> usize {
        self.set.users.len()
    }

    /// Batches of an epoch; the last one may be smaller.
    pub fn batches(&self) -> usize {
        self.sequences().div_ceil(self.recipe.batch_size)
    }

    /// Makes the batches of `epoch`, in order, in a thread of `scope`.
    pub fn spawn<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        epoch: u32,
    ) -> Ahead<'scope, TrainingBatch> {
        let draws = |name| stream(self.recipe.seed, name, u64::from(epoch));
        let (mut negatives, mut noise) = (draws(Stream::Negatives), draws(Stream::Dropout));
        let order = self.order(epoch);
        let size = self.recipe.batch_size;
        let batches = (0..self.batches()).map(move |number| {
            let places = &order[number * size..order.len().min((number + 1) * size)];
            let mut batch = self.batch(places, &mut negatives);
            batch.noise = noise.next_u64();
            batch
        });
        Ahead::new(scope, batches, AHEAD)
    }

    fn order(&self, epoch: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.sequences() as u32).collect();
        order.shuffle(&mut stream(
            self.recipe.seed,
            Stream::Shuffle,
            u64::from(epoch),
        ));
        order
    }

    fn batch(&self, places: &[u32], random: &mut ChaCha8Rng) -> TrainingBatch {
        let mut batch = TrainingBatch {
            offsets: vec![0],
            classes: self.set.classes.clone(),
            ..TrainingBatch::default()
        };
        for &place in places {
            let row = self.set.row(place as usize);
            let kept = row.len().min(self.recipe.maxlen.saturating_add(1));
            let row = &row[row.len() - kept..];
            batch.users.push(self.set.users[place as usize]);
            batch.inputs.extend_from_slice(&row[..kept - 1]);
            batch.targets.extend_from_slice(&row[1..]);
            batch.offsets.push(batch.inputs.len() as u32);
            if let (count, true) = self.recipe.negatives {
                self.draw_own(
                    place as usize,
                    count * (kept - 1),
                    random,
                    &mut batch.negatives,
                );
            }
        }
        if let (count, false) = self.recipe.negatives {
            let pool = &self.set.pool;
            batch.negatives = (0..count)
                .map(|_| pool[random.random_range(0..pool.len())])
                .collect();
        }
        batch
    }

    /// `count` items of the pool that the user at `place` has not in training.
    fn draw_own(
        &self,
        place: usize,
        count: usize,
        random: &mut ChaCha8Rng,
        negatives: &mut Vec<u32>,
    ) {
        let (start, end) = (self.set.offsets[place], self.set.offsets[place + 1]);
        let own = &self.sorted[start as usize..end as usize];
        let pool = &self.set.pool;
        for _ in 0..count {
            let item = loop {
                let item = pool[random.random_range(0..pool.len())];
                if own.binary_search(&item).is_err() {
                    break item;
                }
            };
            negatives.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> TrainingSet {
        TrainingSet {
            users: vec![4, 7, 9],
            offsets: vec![0, 3, 5, 10],
            items: vec![1, 2, 3, 2, 4, 5, 6, 1, 2, 3],
            pool: vec![1, 2, 3, 4, 5, 6, 8],
            classes: Some([1, 2, 3, 4, 5, 6, 8].into()),
            skipped: 0,
        }
    }

    fn epoch(loss: &Loss, number: u32) -> Vec<TrainingBatch> {
        let set = set();
        let sampler = Sampler::new(&set, Recipe::new(1, 2, 3, loss)).unwrap();
        std::thread::scope(|scope| sampler.spawn(scope, number).collect())
    }

    #[test]
    fn an_epoch_holds_every_user_once_with_its_last_items() {
        let batches = epoch(&Loss::Bce { negatives: 2 }, 1);
        assert_eq!(batches.len(), 2);
        let mut users: Vec<u32> = batches
            .iter()
            .flat_map(|batch| batch.users.clone())
            .collect();
        users.sort_unstable();
        assert_eq!(users, [4, 7, 9]);
        for batch in &batches {
            assert_eq!(batch.classes, set().classes);
            assert_eq!(batch.negatives.len(), 2 * batch.targets.len());
            let place = batch.users.iter().position(|&user| user == 9);
            if let Some(row) = place {
                let (from, to) = (batch.offsets[row] as usize, batch.offsets[row + 1] as usize);
                assert_eq!(batch.inputs[from..to], [6, 1, 2]);
                assert_eq!(batch.targets[from..to], [1, 2, 3]);
            }
        }
    }

    #[test]
    fn own_negatives_are_never_the_users_training_items() {
        for number in 0..20 {
            for batch in epoch(&Loss::Bce { negatives: 3 }, number) {
                for (row, bounds) in batch.offsets.windows(2).enumerate() {
                    let set = set();
                    let place = set.users.iter().position(|&user| user == batch.users[row]);
                    let own = set.row(place.unwrap());
                    let drawn = &batch.negatives[3 * bounds[0] as usize..3 * bounds[1] as usize];
                    assert!(drawn.iter().all(|item| !own.contains(item) && *item != 7));
                }
            }
        }
    }

    #[test]
    fn an_epoch_is_drawn_again_the_same_and_another_epoch_is_not() {
        let loss = Loss::Bce { negatives: 1 };
        assert_eq!(epoch(&loss, 3), epoch(&loss, 3));
        assert_ne!(epoch(&loss, 3), epoch(&loss, 4));
    }

    #[test]
    fn shared_negatives_are_as_many_as_asked_in_every_batch() {
        for batch in epoch(&Loss::SampledSoftmax { negatives: 4 }, 1) {
            assert_eq!(batch.negatives.len(), 4);
        }
    }

    #[test]
    fn a_user_with_every_item_is_refused() {
        let mut set = set();
        set.pool = vec![2, 4];
        let recipe = Recipe::new(1, 2, 3, &Loss::Bce { negatives: 1 });
        let error = Sampler::new(&set, recipe).unwrap_err();
        assert_eq!(error.user, 7);
        assert!(Sampler::new(&set, Recipe::new(1, 2, 3, &Loss::FullSoftmax {})).is_ok());
    }
}
