//! Training batches of an epoch: shuffled users, cut sequences, sampled negatives, each made when
//! it is taken.

use std::ops::Range;

use allround_core::models::Training;
use allround_core::models::train::Sequences;
use allround_core::seed::{Stream, stream};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use crate::data::{TrainingBatch, TrainingSet};
use crate::nn::loss::Negatives;

/// What decides an epoch's batches, besides the data.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Cell seed.
    pub seed: u64,
    /// Examples of a batch.
    pub batch_size: usize,
    /// A sequence's last `maxlen` inputs count.
    pub maxlen: usize,
    /// Negatives of a batch.
    pub negatives: Negatives,
    /// What one example is.
    pub examples: Examples,
}

/// What one example is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examples {
    /// The end of a user's sequence.
    Whole,
    /// Every prefix of a user's sequence, with the next item as its only target.
    Prefixes,
    /// Windows this many items apart, counted back from the newest item.
    Windows(usize),
    /// A prefix of a user's sequence, drawn in every epoch, with the next item as its only target.
    /// The prefix may be empty.
    Drawn,
}

impl Examples {
    /// As the setting says, for a model that reads `maxlen` items.
    pub fn of(sequences: &Sequences, maxlen: usize) -> Self {
        match *sequences {
            Sequences::Whole {} => Self::Whole,
            Sequences::Prefixes {} => Self::Prefixes,
            Sequences::Windows { stride: 0 } => Self::Windows(maxlen),
            Sequences::Drawn {} => Self::Drawn,
            // The check refuses a wider stride, which would skip items.
            Sequences::Windows { stride } => Self::Windows(stride.min(maxlen)),
        }
    }

    /// The parts of a sequence of `length` items that are examples: each is read but for its last
    /// item.
    fn parts(self, length: usize, maxlen: usize) -> Vec<Range<usize>> {
        let ending = |end: usize| end.saturating_sub(maxlen.saturating_add(1))..end;
        match self {
            Self::Whole => vec![ending(length)],
            // The end is drawn later.
            Self::Drawn => std::iter::once(0..length).collect(),
            Self::Prefixes => (2..=length).map(ending).collect(),
            Self::Windows(stride) => {
                let mut parts = vec![ending(length)];
                // Another window is needed while there are older items that are not input yet.
                while let Some(part) = parts.last().filter(|part| part.start > 0) {
                    let end = part.end - stride;
                    parts.push(ending(end));
                }
                parts
            }
        }
    }
}

/// One training example: a part of a user's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Example {
    /// Place of the user in the set.
    place: u32,
    /// First item that is read.
    from: u32,
    /// One past the last target.
    to: u32,
}

impl Recipe {
    /// The recipe for a model that is trained so.
    pub fn new(seed: u64, training: &Training<'_>) -> Self {
        // A user's own row is all that a model without sequences reads, so every training item is a
        // target.
        let maxlen = training.maxlen.unwrap_or(usize::MAX);
        Self {
            seed,
            batch_size: training.train.batch_size,
            maxlen,
            negatives: Negatives::of(training.loss),
            examples: training
                .sequences
                .map_or(Examples::Whole, |sequences| Examples::of(sequences, maxlen)),
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
    /// The examples of an epoch, user after user.
    examples: Vec<Example>,
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
            if matches!(recipe.negatives, Negatives::Unseen(1..)) && row.len() >= pool.len() {
                let mut own = row.to_vec();
                own.dedup();
                if own.iter().filter(|item| pool.contains(item)).count() >= pool.len() {
                    let user = set.users[place];
                    return Err(NoNegative { user });
                }
            }
        }
        let examples = examples(set, &recipe);
        Ok(Self {
            set,
            recipe,
            sorted,
            examples,
        })
    }

    /// Examples of an epoch.
    pub fn sequences(&self) -> usize {
        self.examples.len()
    }

    /// What the examples are, in words, where they are not one a user.
    pub fn described(&self) -> Option<&'static str> {
        match self.recipe.examples {
            Examples::Whole | Examples::Drawn => None,
            Examples::Prefixes => Some(
                "training examples an epoch: every prefix of a sequence, its next item the only target",
            ),
            Examples::Windows(_) => Some("training examples an epoch: windows of the sequences"),
        }
    }

    /// Batches of an epoch; the last one may be smaller.
    pub fn batches(&self) -> usize {
        self.sequences().div_ceil(self.recipe.batch_size)
    }

    /// The batches of `epoch`, in order, each made when it is taken.
    pub fn epoch(&self, epoch: u32) -> impl Iterator<Item = TrainingBatch> + Send + '_ {
        let draws = |name| stream(self.recipe.seed, name, u64::from(epoch));
        let (mut negatives, mut noise) = (draws(Stream::Negatives), draws(Stream::Dropout));
        let order = self.order(epoch);
        let size = self.recipe.batch_size;
        (0..self.batches()).map(move |number| {
            let places = &order[number * size..order.len().min((number + 1) * size)];
            let mut batch = self.batch(places, &mut negatives);
            batch.noise = noise.next_u64();
            batch
        })
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
        let is_drawn = self.recipe.examples == Examples::Drawn;
        batch.last_only = is_drawn || self.recipe.examples == Examples::Prefixes;
        for &number in places {
            let Example { place, from, to } = self.examples[number as usize];
            let to = match is_drawn {
                true => random.random_range(from + 1..=to),
                false => to,
            };
            let row = &self.set.row(place as usize)[from as usize..to as usize];
            let first_target = if batch.last_only { row.len() - 1 } else { 1 };
            let kept = row
                .len()
                .saturating_sub(self.recipe.maxlen.saturating_add(1));
            let (inputs, targets) = (&row[kept..row.len() - 1], &row[first_target..]);
            batch.users.push(self.set.users[place as usize]);
            batch.inputs.extend_from_slice(inputs);
            batch.targets.extend_from_slice(targets);
            batch.offsets.push(batch.inputs.len() as u32);
            match self.recipe.negatives {
                Negatives::Shared(_) => {}
                Negatives::Unseen(count) => {
                    let count = count * targets.len();
                    self.draw_unseen(place as usize, count, random, &mut batch.negatives);
                }
                Negatives::PerTarget(count) => {
                    self.draw(count * targets.len(), random, &mut batch.negatives);
                }
            }
        }
        if let Negatives::Shared(count) = self.recipe.negatives {
            self.draw(count, random, &mut batch.negatives);
        }
        batch
    }

    /// `count` items of the pool.
    fn draw(&self, count: usize, random: &mut ChaCha8Rng, negatives: &mut Vec<u32>) {
        let pool = &self.set.pool;
        negatives.extend((0..count).map(|_| pool[random.random_range(0..pool.len())]));
    }

    /// `count` items of the pool that the user at `place` has not in training.
    fn draw_unseen(
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

/// The examples of every user of `set`.
fn examples(set: &TrainingSet, recipe: &Recipe) -> Vec<Example> {
    let places = 0..set.users.len();
    let of_user = |place: usize| {
        let parts = recipe.examples.parts(set.row(place).len(), recipe.maxlen);
        parts.into_iter().map(move |part| Example {
            place: place as u32,
            from: part.start as u32,
            to: part.end as u32,
        })
    };
    places.flat_map(of_user).collect()
}

#[cfg(test)]
mod tests;
