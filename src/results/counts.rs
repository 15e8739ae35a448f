//! Rows of `data.csv`: counts of a prepared data set under a scenario.

use std::path::Path;

use super::DataRow;
use allround_core::data::{Prepared, stats};
use allround_core::event::Event;
use allround_core::fs::FsError;

/// Counts of `prepared`. `mask` marks the users in the scenario's slice. `blank` has experiment,
/// data set, scenario and seed.
pub fn data_row(blank: &DataRow, prepared: &Prepared, mask: &[bool]) -> DataRow {
    let counts = stats::counts(prepared);
    let sliced: Vec<usize> = (0..prepared.n_users())
        .filter(|&user| mask[user] && stats::is_measured(prepared, user))
        .collect();
    let unknown = sliced.iter();
    let unknown = unknown.filter(|&&user| !stats::has_history(prepared, user));
    let records = prepared.facts.record_counts();
    DataRow {
        users: counts.users,
        items: counts.items,
        interactions: counts.interactions,
        train_interactions: counts.train_interactions,
        mean_length: counts.mean_length,
        longest: (counts.users > 0).then_some(counts.longest),
        trained_users: counts.trained_users,
        measured_users: counts.measured_users,
        slice_users: sliced.len() as u64,
        without_history: unknown.count() as u64,
        with_title: counts.with_title,
        with_description: counts.with_description,
        items_without_record: records.map(|records| records.items_without),
        records_without_item: records.map(|records| records.without_item),
        repeated_records: records.map(|records| records.repeated),
        conflicting_records: records.map(|records| records.conflicting),
        ..blank.clone()
    }
}

/// Note that `unknown` of the `measured` users with a test target have no history. A protocol may
/// measure fewer of them.
pub fn without_history(unknown: u64, measured: u64) -> String {
    format!(
        "{unknown} of the {measured} users with a test target have no history: no interaction before the test target"
    )
}

/// Counts of data preparation that have no column in `data.csv`, in one text.
pub fn data_notes(events: &[Event]) -> String {
    let text = |event: &Event| match event {
        Event::Counted(it) if it.count > 0 => Some(format!("{} {}", it.count, it.what)),
        _ => None,
    };
    let texts: Vec<String> = events.iter().filter_map(text).collect();
    texts.join("; ")
}

/// Notes on the data of a results folder, one sentence each.
///
/// They report users without a history, items without a record, and records that repeat or
/// contradict others. Without `data.csv` there are none.
///
/// # Errors
/// When `data.csv` exists and cannot be read.
pub fn notes(results: &Path) -> Result<Vec<String>, FsError> {
    let path = results.join("data.csv");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let rows: Vec<DataRow> = super::read(&path)?;
    let mut notes = Vec::new();
    for row in &rows {
        let DataRow {
            dataset, scenario, ..
        } = row;
        if let Some(unknown) = Some(row.without_history).filter(|&unknown| unknown > 0) {
            let what = without_history(unknown, row.slice_users);
            push_new(&mut notes, format!("{dataset}, {scenario}: {what}"));
        }
        if let Some(without) = row.items_without_record.filter(|&n| n > 0) {
            let items = row.items;
            push_new(
                &mut notes,
                format!(
                    "{dataset}: {without} of {items} items have no record in the file of items"
                ),
            );
        }
        if let Some(repeated) = row.repeated_records.filter(|&n| n > 0) {
            let contradict = row.conflicting_records.unwrap_or_default();
            push_new(
                &mut notes,
                format!(
                    "{dataset}: {repeated} records repeat the item of an earlier record and fill its gaps; {contradict} of them contradict it, and the first value is kept"
                ),
            );
        }
        if !row.notes.is_empty() {
            push_new(&mut notes, format!("{dataset}: {}", row.notes));
        }
    }
    Ok(notes)
}

fn push_new(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allround_core::data::{Facts, Item, RecordCounts, Records};

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
            train_end: vec![1, 2, 0],
            valid_end: vec![2, 2, 0],
            trained: vec![true, true, false],
            aligned: vec![true; 3],
            measured: vec![true; 3],
            in_training: vec![true; 2],
            in_candidates: vec![true; 2],
            row: vec![1, 2],
            facts: Facts {
                records: vec![Records {
                    counts: RecordCounts {
                        records: 9,
                        items_without: 1,
                        without_item: 5,
                        repeated: 3,
                        conflicting: 2,
                    },
                    ..Records::default()
                }],
                nobody: None,
                shuffled: None,
            },
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
        // User b has only training items.
        assert_eq!(
            (row.measured_users, row.slice_users, row.trained_users),
            (2, 1, 2)
        );
        assert_eq!(row.without_history, 1, "user c");
        assert_eq!(
            [
                row.items_without_record,
                row.records_without_item,
                row.repeated_records,
                row.conflicting_records
            ],
            [Some(1), Some(5), Some(3), Some(2)]
        );
        assert_eq!(
            (row.longest, row.with_title, row.with_description),
            (Some(3), Some(0.5), Some(0.0))
        );
    }
}
