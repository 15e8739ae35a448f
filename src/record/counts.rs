//! Rows of `data.csv`: what a prepared data set holds under a scenario.

use super::DataRow;
use crate::data::{Prepared, stats};

/// Counts of `prepared`; `mask`, over its users, is the scenario's slice. `blank` has experiment, data set, scenario, seed.
pub fn data_row(blank: &DataRow, prepared: &Prepared, mask: &[bool]) -> DataRow {
    let counts = stats::counts(prepared);
    let sliced =
        (0..prepared.n_users()).filter(|&user| mask[user] && stats::is_measured(prepared, user));
    DataRow {
        users: counts.users,
        items: counts.items,
        interactions: counts.interactions,
        train_interactions: counts.train_interactions,
        mean_length: counts.mean_length,
        longest: (counts.users > 0).then_some(counts.longest),
        trained_users: counts.trained_users,
        measured_users: counts.measured_users,
        slice_users: sliced.count() as u64,
        with_title: counts.with_title,
        with_description: counts.with_description,
        ..blank.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Item;

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
            (3, 2, 8, 3)
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
