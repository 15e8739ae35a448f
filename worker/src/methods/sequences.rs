//! The training sequences that methods learn from: which items are targets, and what a frozen CF model says before them.

use allround::data::Prepared;
use allround::seed::{Stream, stream};
use allround::spec::config::method::Targets;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::data::{Histories, row};
use crate::models::Backbone;
use crate::nn::embedding::indices;
use crate::train::fit::index;

/// A target of a training sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// User number.
    pub user: u32,
    /// Its place among the user's training items; those before it are the history.
    pub at: u32,
}

impl Target {
    /// The item (1 to V).
    pub fn item(self, prepared: &Prepared) -> u32 {
        prepared.train_of(self.user as usize)[self.at as usize]
    }

    /// The training items before it.
    pub fn history(self, prepared: &Prepared) -> &[u32] {
        &prepared.train_of(self.user as usize)[..self.at as usize]
    }
}

/// The users that methods are trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// Users with a target.
    users: Vec<u32>,
    targets: Targets,
    /// Users with one training item or none: their item would be a target without a history.
    pub skipped: u64,
}

impl Sequences {
    /// The users of `prepared` that methods are trained on.
    pub fn of(prepared: &Prepared, targets: Targets) -> Self {
        let (mut users, mut skipped) = (Vec::new(), 0);
        for user in (0..prepared.n_users()).filter(|&user| prepared.aligned[user]) {
            if prepared.train_of(user).len() < 2 {
                skipped += 1;
            } else {
                users.push(user as u32);
            }
        }
        Self {
            users,
            targets,
            skipped,
        }
    }

    /// Users with a target.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// The steps of an epoch: users in random order, `batch_size` of them a step, each with all its targets.
    pub fn steps(
        &self,
        prepared: &Prepared,
        batch_size: usize,
        (seed, stage, epoch): (u64, u64, u32),
    ) -> Vec<Vec<Target>> {
        let mut users = self.users.clone();
        users.shuffle(&mut stream(seed, Stream::Shuffle, index(stage, epoch, 0)));
        let of = |&user: &u32| {
            let end = prepared.train_of(user as usize).len() as u32;
            let start = match self.targets {
                Targets::Last => end - 1,
                Targets::All => 1,
            };
            (start..end).map(move |at| Target { user, at })
        };
        let steps = users.chunks(batch_size);
        steps
            .map(|users| users.iter().flat_map(of).collect())
            .collect()
    }
}

/// Items that may be drawn as negatives.
#[derive(Clone, Debug)]
pub struct Pool {
    items: Vec<u32>,
}

/// A user to whom too few items are strange.
#[derive(Debug, thiserror::Error)]
#[error(
    "user number {user} knows all but {left} of the items that training may draw; {wanted} are asked for"
)]
pub struct TooFew {
    /// Number of the user in the prepared data set.
    pub user: u32,
    /// Items that the user does not know.
    pub left: usize,
    /// Items asked for.
    pub wanted: usize,
}

impl Pool {
    /// The items that training knows.
    pub fn of(prepared: &Prepared) -> Self {
        let items =
            (1..=prepared.n_items() as u32).filter(|&item| prepared.in_training[item as usize - 1]);
        Self {
            items: items.collect(),
        }
    }

    /// `count` different items that are not among the user's training items.
    ///
    /// # Errors
    /// When there are not so many.
    pub fn draw(
        &self,
        prepared: &Prepared,
        user: u32,
        count: usize,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<u32>, TooFew> {
        let known = prepared.train_of(user as usize);
        let mut drawn: Vec<u32> = Vec::with_capacity(count);
        // Drawing with rejection is quick but where little is left to draw.
        if self.items.len() < 4 * (known.len() + count) {
            let left = self.items.iter().filter(|item| !known.contains(item));
            let mut left: Vec<u32> = left.copied().collect();
            if left.len() < count {
                return Err(TooFew {
                    user,
                    left: left.len(),
                    wanted: count,
                });
            }
            let (chosen, _) = left.partial_shuffle(random, count);
            return Ok(chosen.to_vec());
        }
        while drawn.len() < count {
            let item = self.items[random.random_range(0..self.items.len())];
            if !known.contains(&item) && !drawn.contains(&item) {
                drawn.push(item);
            }
        }
        Ok(drawn)
    }
}

/// What the frozen CF model says of users with these histories (items 1 to V, oldest first): [N, D], without gradient.
pub fn user_states(
    backbone: &dyn Backbone,
    prepared: &Prepared,
    histories: &[(u32, &[u32])],
    dropout: bool,
) -> Tensor {
    // NCF reads no history, but each has a token that asks for its user.
    let maxlen = match backbone.maxlen() {
        0 => 1,
        maxlen => maxlen,
    };
    let mut batch = Histories {
        offsets: vec![0],
        ..Histories::default()
    };
    for (user, history) in histories {
        let kept = &history[history.len().saturating_sub(maxlen)..];
        batch.users.push(*user);
        batch
            .items
            .extend(kept.iter().map(|&item| row(prepared, item)));
        batch.offsets.push(batch.items.len() as u32);
    }
    tch::no_grad(|| {
        if !dropout {
            return backbone.user_states(&batch);
        }
        let ends: Vec<u32> = batch.offsets[1..].iter().map(|end| end - 1).collect();
        let states = backbone.token_states(&batch, true);
        states.index_select(0, &indices(&ends, backbone.device()))
    })
}
