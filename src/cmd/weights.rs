//! Checks that imported embedding tables have a row for every item or user of the data.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::advise;
use crate::experiment;
use crate::plan::NodeId;
use crate::run::{Planned, absolute};
use allround_core::data;
use allround_core::models::weights::Size;
use allround_core::stage::{Settings, TrainBackbone};

/// Users and items of a prepared data set.
#[derive(Clone, Copy)]
struct Counts {
    users: usize,
    items: usize,
}

/// Prepares the data of imported weights in memory, and compares the rows of their tables.
///
/// # Errors
/// When the data cannot be prepared, or a table has too many or too few rows.
pub(super) fn check_rows(planned: &Planned) -> anyhow::Result<()> {
    let base = absolute(&planned.checked.base)?;
    let nodes = &planned.plan.graph.nodes;
    let mut known: BTreeMap<NodeId, Counts> = BTreeMap::new();
    for node in nodes {
        let Settings::Backbone(TrainBackbone { model, .. }) = &node.stage.settings else {
            continue;
        };
        let (Some(file), Some(&data)) = (model.weights(), node.needs.get("prepared")) else {
            continue;
        };
        let Settings::Prepare(settings) = &nodes[data].stage.settings else {
            continue;
        };
        let counts = match known.entry(data) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let prepared = data::prepare(settings, &base, &mut |_| {})?;
                *entry.insert(Counts {
                    users: prepared.n_users(),
                    items: prepared.n_items(),
                })
            }
        };
        for table in experiment::table_rows(model, &base.join(file)) {
            let (expected, what) = match table.size {
                Size::Items => (counts.items + 1, "items"),
                Size::Users => (counts.users, "users"),
                Size::Fixed(_) | Size::Setting { .. } => continue,
            };
            if table.rows != expected {
                return Err(row_error(file, &table, expected, what));
            }
        }
    }
    Ok(())
}

fn row_error(
    file: &str,
    table: &experiment::TableRows,
    expected: usize,
    what: &str,
) -> anyhow::Error {
    let meaning = match table.size {
        Size::Items => format!(
            "row 0 is padding, the other {} rows are the items of the prepared data",
            expected - 1
        ),
        Size::Users | Size::Fixed(_) | Size::Setting { .. } => {
            "the rows are the users of the prepared data".to_owned()
        }
    };
    advise(
        format!(
            "`{file}`: tensor `{}` has {} rows, expected {expected}",
            table.name, table.rows
        ),
        format!(
            "{meaning}, in the order of {what}.csv, which `allround data prepare` writes; filters, scenarios and `--limit` decide which {what} it holds"
        ),
    )
}
