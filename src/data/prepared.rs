//! The prepared data set: filtered, split, indexed from 1, with texts. An artefact folder in the store.

/// One item with its texts as the rest of the program sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Id in the source.
    pub id: String,
    /// Title; `None` when the source has none.
    pub title: Option<String>,
    /// Description; `None` when the source has none.
    pub description: Option<String>,
    /// Categories or genres.
    pub categories: Vec<String>,
}

/// A prepared data set with U users and V items, sequences in CSR.
///
/// User u's items, in time order, are `items_of(u)`; the first `train_end[u]` are training, then up to `valid_end[u]`
/// validation, the rest test. A part's target is its first item, and the history of a target is everything before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Raw user ids, U of them.
    pub users: Vec<String>,
    /// Items 1 to V; `items[i - 1]` is item i.
    pub items: Vec<Item>,
    /// Row starts, U + 1 of them.
    pub offsets: Vec<u64>,
    /// Item numbers (1 to V), user after user.
    pub sequence: Vec<u32>,
    /// Number of training items of each user.
    pub train_end: Vec<u32>,
    /// Number of training and validation items of each user.
    pub valid_end: Vec<u32>,
    /// Whether the CF model is trained on the user.
    pub trained: Vec<bool>,
    /// Whether later stages (alignment, projection, tuning) are trained on the user.
    pub aligned: Vec<bool>,
    /// Whether the user's targets are measured.
    pub measured: Vec<bool>,
    /// Whether item i (at `i - 1`) may be a training negative.
    pub in_training: Vec<bool>,
    /// Whether item i (at `i - 1`) may be a candidate.
    pub in_candidates: Vec<bool>,
    /// Row of the trained tables that item i (at `i - 1`) reads; the item itself but for reindexed cross-domain items.
    pub row: Vec<u32>,
}

impl Prepared {
    /// Number of users U.
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Number of items V; items are 1 to V.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// The whole sequence of user `user` in time order.
    pub fn items_of(&self, user: usize) -> &[u32] {
        let start = usize::try_from(self.offsets[user]).expect("offsets index memory");
        let end = usize::try_from(self.offsets[user + 1]).expect("offsets index memory");
        &self.sequence[start..end]
    }

    /// The training items of user `user`.
    pub fn train_of(&self, user: usize) -> &[u32] {
        &self.items_of(user)[..self.train_end[user] as usize]
    }
}
