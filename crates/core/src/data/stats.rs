//! Counts of a data set.

use serde::Serialize;

use super::Prepared;

/// Counts, for tables and for comparison with published counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Items.
    pub items: u64,
    /// Interactions of all users.
    pub interactions: u64,
    /// Training interactions of the users that the CF model is trained on.
    pub train_interactions: u64,
    /// Minimum number of interactions of a user.
    pub shortest: u64,
    /// Median number of interactions of a user (the lower of two).
    pub median_length: u64,
    /// Mean number of interactions of a user; `None` without users.
    pub mean_length: Option<f64>,
    /// Maximum number of interactions of a user.
    pub longest: u64,
    /// Users that the CF model is trained on.
    pub trained_users: u64,
    /// Users with a measured test target.
    pub measured_users: u64,
    /// Measured users without any item before the test target.
    pub without_history: u64,
    /// Share of items with a title; `None` without items.
    pub with_title: Option<f64>,
    /// Share of items with a description; `None` without items.
    pub with_description: Option<f64>,
}

/// Whether the user is to be measured and has a test target.
pub fn is_measured(data: &Prepared, user: usize) -> bool {
    data.measured[user] && (data.valid_end[user] as usize) < data.items_of(user).len()
}

/// Whether the user has items before the test target.
pub fn has_history(data: &Prepared, user: usize) -> bool {
    data.valid_end[user] > 0
}

/// Counts `data`.
pub fn counts(data: &Prepared) -> Counts {
    let mut lengths: Vec<u64> = (0..data.n_users())
        .map(|user| data.items_of(user).len() as u64)
        .collect();
    lengths.sort_unstable();
    let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
    let truths = |mask: &[bool]| mask.iter().filter(|&&truth| truth).count() as u64;
    let titled = data
        .items
        .iter()
        .filter(|item| item.title.is_some())
        .count();
    let described = data
        .items
        .iter()
        .filter(|item| item.description.is_some())
        .count();
    Counts {
        users: data.n_users() as u64,
        items: data.n_items() as u64,
        interactions: data.sequence.len() as u64,
        train_interactions: (data.train_end.iter().zip(&data.trained))
            .filter(|(_, is_trained)| **is_trained)
            .map(|(&end, _)| u64::from(end))
            .sum(),
        shortest: lengths.first().copied().unwrap_or_default(),
        median_length: lengths
            .get(lengths.len().saturating_sub(1) / 2)
            .copied()
            .unwrap_or_default(),
        mean_length: share(data.sequence.len(), data.n_users()),
        longest: lengths.last().copied().unwrap_or_default(),
        trained_users: truths(&data.trained),
        measured_users: (0..data.n_users())
            .filter(|&user| is_measured(data, user))
            .count() as u64,
        without_history: (0..data.n_users())
            .filter(|&user| is_measured(data, user) && !has_history(data, user))
            .count() as u64,
        with_title: share(titled, data.n_items()),
        with_description: share(described, data.n_items()),
    }
}
