//! `allround clean`: removes cached artefacts that no results folder uses.

use std::collections::BTreeMap;

use super::{Exit, bytes, count, print};
use crate::cli::{Clean, Common};
use crate::observe::print_message;
use crate::store::Store;
use crate::store::clean::Waste;
use allround_core::fs;

/// Removes unused artefacts, or lists them.
pub(crate) fn run(arguments: &Clean, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&common.store);
    let damaged = store.experiments()?.damaged;
    for error in &damaged {
        print_message(&format!("damaged: {error}"));
    }
    let skip = arguments.skip_damaged;
    if !damaged.is_empty() && !skip {
        print_message(
            "hint: which artefacts these experiments use is unknown, so nothing is removed; run them again, or add \
             `--skip-damaged` to remove these records and the artefacts that no other experiment uses",
        );
    }
    let waste = store.waste(skip)?;
    for (kind, (number, size)) in by_kind(&waste) {
        print(&format!(
            "{kind}: {}, {}\n",
            count(number, "folder"),
            bytes(size)
        ))?;
    }
    if arguments.dry_run {
        let all: u64 = waste.iter().map(|piece| piece.size).sum();
        print(&format!("would free {}\n", bytes(all)))?;
    } else {
        let freed = if waste.is_empty() {
            0
        } else {
            store.remove(&waste)?
        };
        for error in damaged.iter().filter(|_| skip) {
            fs::remove_file(&error.path)?;
        }
        print(&format!("freed {}\n", bytes(freed)))?;
    }
    Ok(match damaged.is_empty() || skip {
        true => Exit::Success,
        false => Exit::Failed,
    })
}

fn by_kind(waste: &[Waste]) -> BTreeMap<&str, (usize, u64)> {
    let mut kinds = BTreeMap::new();
    for piece in waste {
        let (number, size) = kinds.entry(piece.kind.as_str()).or_insert((0, 0));
        *number += 1;
        *size += piece.size;
    }
    kinds
}
