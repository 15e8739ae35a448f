//! The training sequences that methods learn from: which items are targets, and what a frozen CF
//! model says before them.

use allround_core::data::Prepared;
use allround_core::event::{Counted, Event};
use allround_core::models::allmrec::UserOrder;
use allround_core::models::llm_method::OneItem;
use allround_core::models::llm_method::Targets;
use allround_core::seed::{Stream, stream};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::data::{Histories, row};
use crate::models::Backbone;
use crate::nn::embedding::indices;
use crate::train::trainer::{EpochSeed, index};

/// A target of a training sequence, or padding in place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// User number.
    pub user: u32,
    /// Its place among the user's training items; those before it are the history. `None`: padding,
    /// without a history.
    pub at: Option<u32>,
}

impl Target {
    /// The item (1 to V); 0 for padding.
    pub fn item(self, prepared: &Prepared) -> u32 {
        let item = |at: u32| prepared.train_of(self.user as usize)[at as usize];
        self.at.map_or(0, item)
    }

    /// The training items before it.
    pub fn history(self, prepared: &Prepared) -> &[u32] {
        &prepared.train_of(self.user as usize)[..self.at.unwrap_or(0) as usize]
    }
}

/// Which targets there are, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetRule {
    /// Which items of a sequence.
    pub targets: Targets,
    /// What becomes of users with one training item.
    pub one_item: OneItem,
    /// The order of users.
    pub order: UserOrder,
}

/// The users that methods are trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// Users with a target.
    users: Vec<u32>,
    rule: TargetRule,
    /// Users without a target: they have no training item, or one that is skipped.
    pub skipped: u64,
    /// Users with one training item who are not skipped.
    pub kept: u64,
}

impl Sequences {
    /// The users of `prepared` that methods are trained on.
    pub fn of(prepared: &Prepared, rule: TargetRule) -> Self {
        let (mut users, mut skipped, mut kept) = (Vec::new(), 0, 0);
        for user in (0..prepared.n_users()).filter(|&user| prepared.aligned[user]) {
            let items = prepared.train_of(user).len();
            if items == 0 || items == 1 && rule.one_item == OneItem::Skip {
                skipped += 1;
                continue;
            }
            kept += u64::from(items == 1);
            users.push(user as u32);
        }
        Self {
            users,
            rule,
            skipped,
            kept,
        }
    }

    /// Users with a target.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// Targets of an epoch.
    pub fn count(&self, prepared: &Prepared) -> u64 {
        let targets = |&user: &u32| self.targets(prepared, user).len() as u64;
        self.users.iter().map(targets).sum()
    }

    /// Reports how many users give nothing to do `what` on, and how many are kept for one item.
    pub fn report(&self, what: &str, observe: &mut dyn FnMut(Event)) {
        let too_few = match self.rule.one_item {
            OneItem::Skip => "fewer than two training items",
            OneItem::EmptyHistory | OneItem::Padding => "no training item",
        };
        observe(Event::Counted(Counted {
            what: format!("users with {too_few}, who give nothing to {what} on"),
            count: self.skipped,
        }));
        let target = match self.rule.one_item {
            OneItem::Skip => return,
            OneItem::EmptyHistory => "which is their target without a history",
            OneItem::Padding => "whose target is padding, as in the A-LLMRec code",
        };
        observe(Event::Counted(Counted {
            what: format!("users with one training item, {target}"),
            count: self.kept,
        }));
    }

    /// The steps of an epoch: users in their order, `batch_size` of them a step, each with all its
    /// targets.
    pub fn steps(
        &self,
        prepared: &Prepared,
        batch_size: usize,
        EpochSeed { seed, stage, epoch }: EpochSeed,
    ) -> Vec<Vec<Target>> {
        let mut users = self.users.clone();
        if self.rule.order == UserOrder::Shuffled {
            users.shuffle(&mut stream(seed, Stream::Shuffle, index(stage, epoch, 0)));
        }
        let steps = users.chunks(batch_size);
        let of = |&user: &u32| self.targets(prepared, user);
        steps
            .map(|users| users.iter().flat_map(of).collect())
            .collect()
    }

    /// The targets of one user, oldest first.
    fn targets(&self, prepared: &Prepared, user: u32) -> Vec<Target> {
        let end = prepared.train_of(user as usize).len() as u32;
        if end == 1 && self.rule.one_item == OneItem::Padding {
            return vec![Target { user, at: None }];
        }
        let start = match self.rule.targets {
            Targets::All if end > 1 => 1,
            Targets::All | Targets::Last => end - 1,
        };
        let target = |at| Target { user, at: Some(at) };
        (start..end).map(target).collect()
    }
}

/// Items that may be drawn as negatives.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    items: Vec<u32>,
    /// The users' ids in the source.
    users: &'a [String],
}

/// A user to whom too few items are strange.
#[derive(Debug, thiserror::Error)]
#[error(
    "user `{user}` knows all but {left} of the items that training may draw; {wanted} are needed"
)]
pub struct TooFew {
    /// The user's id in the source.
    pub user: String,
    /// Items that the user does not know.
    pub left: usize,
    /// Items needed.
    pub wanted: usize,
}

impl<'a> Pool<'a> {
    /// The items that training knows.
    pub fn of(prepared: &'a Prepared) -> Self {
        let items =
            (1..=prepared.n_items() as u32).filter(|&item| prepared.in_training[item as usize - 1]);
        Self {
            items: items.collect(),
            users: &prepared.users,
        }
    }

    /// The items, in ascending order.
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// `count` different items that are not among the items `known` of the user.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn draw(
        &self,
        user: u32,
        known: &[u32],
        count: usize,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<u32>, TooFew> {
        let mut drawn: Vec<u32> = Vec::with_capacity(count);
        // Drawing with rejection is quick but where little is left to draw.
        if self.items.len() < 4 * (known.len() + count) {
            let left = self.items.iter().filter(|item| !known.contains(item));
            let mut left: Vec<u32> = left.copied().collect();
            if left.len() < count {
                return Err(TooFew {
                    user: self.users[user as usize].clone(),
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

/// The frozen CF model's states of users with these histories (items 1 to V, oldest first): [N, D],
/// without gradient. With `dropout` the states have the model's noise, but those of empty
/// histories, which pass through no layer.
pub fn user_states(
    backbone: &dyn Backbone,
    prepared: &Prepared,
    histories: &[(u32, &[u32])],
    dropout: bool,
) -> Tensor {
    // NCF reads no history, but needs a token for each user.
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
        if dropout {
            with_dropout(backbone, &batch)
        } else {
            backbone.user_states(&batch)
        }
    })
}

/// States [N, D] of N histories with the model's dropout; empty histories have no token with a
/// state.
fn with_dropout(backbone: &dyn Backbone, batch: &Histories) -> Tensor {
    let bounds = || batch.offsets.windows(2).zip(0u32..);
    let with_items = bounds().filter(|(bounds, _)| bounds[0] < bounds[1]);
    let (ends, rows): (Vec<u32>, Vec<u32>) =
        with_items.map(|(bounds, row)| (bounds[1] - 1, row)).unzip();
    let device = backbone.device();
    let ended = |states: &Tensor| states.index_select(0, &indices(&ends, device));
    if rows.len() == batch.users.len() {
        return ended(&backbone.token_states(batch, true));
    }
    let states = backbone.user_states(batch);
    if rows.is_empty() {
        return states;
    }
    let noisy = ended(&backbone.token_states(batch, true));
    states.index_copy(0, &indices(&rows, device), &noisy)
}

#[cfg(test)]
mod tests;
