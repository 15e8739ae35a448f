//! Batches: CSR on the way from the prepared data set to tensors.

use std::sync::Arc;

use allround_core::data::{Part, Prepared};

/// B histories in CSR, oldest item first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histories {
    /// User numbers of the prepared data set, B of them (NCF needs them).
    pub users: Vec<u32>,
    /// Row starts, B + 1 of them, starting at 0.
    pub offsets: Vec<u32>,
    /// Table rows of items (1 to V), row after row; already cut to the model's `maxlen`.
    pub items: Vec<u32>,
}

impl Histories {
    /// What the model may read of `users`: everything before their first item of `part`, cut to the
    /// last `maxlen`.
    pub fn of(prepared: &Prepared, users: &[u32], part: Part, maxlen: usize) -> Self {
        let mut histories = Self {
            users: users.to_vec(),
            offsets: vec![0],
            items: Vec::new(),
        };
        for &user in users {
            let history = prepared.history(user as usize, part);
            let kept = &history[history.len().saturating_sub(maxlen)..];
            let rows = kept.iter().map(|&item| row(prepared, item));
            histories.items.extend(rows);
            histories.offsets.push(histories.items.len() as u32);
        }
        histories
    }

    /// Histories from plain rows of items, for users 0, 1, ...
    pub fn from_rows(rows: &[&[u32]]) -> Self {
        let mut histories = Self {
            users: (0..rows.len() as u32).collect(),
            offsets: vec![0],
            items: rows.concat(),
        };
        let mut end = 0;
        for row in rows {
            end += row.len() as u32;
            histories.offsets.push(end);
        }
        histories
    }

    /// Number of rows B.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Items of row `row`.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.items[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }
}

/// Row of the trained tables that item `item` reads.
pub fn row(prepared: &Prepared, item: u32) -> u32 {
    prepared.row[item as usize - 1]
}

/// B training sequences: after token t the model has read the inputs of its row up to t, and the
/// target is the next item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainingBatch {
    /// User numbers, B of them.
    pub users: Vec<u32>,
    /// Row starts, B + 1 of them, starting at 0; T = the last one.
    pub offsets: Vec<u32>,
    /// Input items, T of them.
    pub inputs: Vec<u32>,
    /// Next items: of every token, T of them; with `last_only` of each row's last token, B of them.
    pub targets: Vec<u32>,
    /// Whether only the last token of each row has a target.
    pub last_only: bool,
    /// Negatives of each target, n in a row for each, or n shared by the batch, as the loss needs
    /// them.
    pub negatives: Vec<u32>,
    /// Rows that a full softmax compares with, ascending; `None` for all but padding.
    pub classes: Option<Arc<[u32]>>,
    /// Seed of the batch's dropout noise.
    pub noise: u64,
}

/// The training sequences of a data set, as table rows in CSR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainingSet {
    /// Users with at least one (input, target) pair.
    pub users: Vec<u32>,
    /// Row starts, one more than users.
    pub offsets: Vec<u64>,
    /// Table rows, each user's in time order: all of them, not yet cut to a `maxlen`.
    pub items: Vec<u32>,
    /// Rows that may be drawn as negatives.
    pub pool: Vec<u32>,
    /// They, ascending, where the tables have others: another domain's, which training does not
    /// touch.
    pub classes: Option<Arc<[u32]>>,
    /// Users to train on that have fewer than two training items, and so no pair.
    pub skipped: u64,
}

impl TrainingSet {
    /// The training part of `prepared`, for the users that the CF model is trained on.
    pub fn of(prepared: &Prepared) -> Self {
        let mut set = Self {
            offsets: vec![0],
            ..Self::default()
        };
        for user in (0..prepared.n_users()).filter(|&user| prepared.trained[user]) {
            let items = prepared.train_of(user);
            if items.len() < 2 {
                set.skipped += 1;
                continue;
            }
            set.users.push(user as u32);
            set.items
                .extend(items.iter().map(|&item| row(prepared, item)));
            set.offsets.push(set.items.len() as u64);
        }
        set.pool = (1..=prepared.n_items() as u32)
            .filter(|&item| prepared.in_training[item as usize - 1])
            .map(|item| row(prepared, item))
            .collect();
        if set.pool.len() < prepared.n_items() {
            let mut classes = set.pool.clone();
            classes.sort_unstable();
            classes.dedup();
            set.classes = Some(classes.into());
        }
        set
    }

    /// Items of the set's `place`-th user.
    pub fn row(&self, place: usize) -> &[u32] {
        &self.items[self.offsets[place] as usize..self.offsets[place + 1] as usize]
    }
}
