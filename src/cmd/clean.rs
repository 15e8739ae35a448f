//! `allround clean`: what no experiment with a results folder needs.

use std::collections::BTreeMap;

use super::{Exit, bytes, count, print};
use crate::cli::{Clean, Common};
use crate::observe::say;
use crate::store::Store;
use crate::store::clean::Waste;

/// Removes unneeded artefacts, or says what it would remove.
pub(crate) fn run(arguments: &Clean, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&common.store);
    let damaged = store.experiments()?.damaged;
    for error in &damaged {
        say(&format!("damaged: {error}"));
    }
    if !damaged.is_empty() {
        say(
            "hint: what these experiments need is unknown, so nothing is removed; run them again, or remove these files",
        );
    }
    let waste = store.waste()?;
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
        print(&format!("freed {}\n", bytes(freed)))?;
    }
    Ok(match damaged.is_empty() {
        true => Exit::Well,
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
