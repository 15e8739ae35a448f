//! Rows of `data.csv`: what a prepared data set holds under a scenario.

use super::DataRow;
use crate::data::{Item, Prepared};

/// Counts of `prepared`; `mask`, over its users, is the scenario's slice. `blank` has experiment, data set, scenario, seed.
pub fn data_row(blank: &DataRow, prepared: &Prepared, mask: &[bool]) -> DataRow {
    let users = 0..prepared.n_users();
    let has_target = |user: &usize| {
        prepared.measured[*user]
            && (prepared.valid_end[*user] as usize) < prepared.items_of(*user).len()
    };
    let count = |n: usize| n as u64;
    let share = |has: fn(&Item) -> bool| {
        let n = prepared.items.iter().filter(|item| has(item)).count();
        (prepared.n_items() > 0).then(|| n as f64 / prepared.n_items() as f64)
    };
    DataRow {
        users: count(prepared.n_users()),
        items: count(prepared.n_items()),
        interactions: count(prepared.sequence.len()),
        train_interactions: prepared.train_end.iter().map(|end| u64::from(*end)).sum(),
        mean_length: (prepared.n_users() > 0)
            .then(|| prepared.sequence.len() as f64 / prepared.n_users() as f64),
        longest: users
            .clone()
            .map(|user| count(prepared.items_of(user).len()))
            .max(),
        trained_users: count(prepared.trained.iter().filter(|is| **is).count()),
        measured_users: count(users.clone().filter(has_target).count()),
        slice_users: count(users.filter(|user| mask[*user] && has_target(user)).count()),
        with_title: share(|item| item.title.is_some()),
        with_description: share(|item| item.description.is_some()),
        ..blank.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_users_with_a_test_target() {
        let item = |title: Option<&str>| Item {
            title: title.map(str::to_owned),
            ..Item::default()
        };
        let prepared = Prepared {
            users: ["a", "b", "c"].map(str::to_owned).to_vec(),
            items: vec![item(Some("t")), item(None)],
            offsets: vec![0, 3, 5, 8],
            sequence: vec![1, 2, 1, 1, 2, 2, 1, 2],
            train_end: vec![1, 2, 1],
            valid_end: vec![2, 2, 2],
            trained: vec![true, true, false],
            aligned: vec![true; 3],
            measured: vec![true; 3],
            in_training: vec![true; 2],
            in_candidates: vec![true; 2],
            row: vec![1, 2],
        };
        let row = data_row(&DataRow::default(), &prepared, &[false, true, true]);
        assert_eq!(
            (
                row.users,
                row.items,
                row.interactions,
                row.train_interactions
            ),
            (3, 2, 8, 4)
        );
        // User b has nothing but training items.
        assert_eq!(
            (row.measured_users, row.slice_users, row.trained_users),
            (2, 1, 2)
        );
        assert_eq!(
            (row.longest, row.with_title, row.with_description),
            (Some(3), Some(0.5), Some(0.0))
        );
    }
}
