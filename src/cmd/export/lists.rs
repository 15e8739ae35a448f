//! Top lists and ranks from the files of a results folder.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Chosen, existing, written};
use crate::cli::{Common, Export};
use crate::cmd::advise;
use crate::cmd::kept::Kept;
use crate::experiment::Spec;
use crate::results::{self, DataRow};
use allround_core::config::protocol::Candidates;
use allround_core::data::scores::{ALL_OF_ITEMS, BEST};

/// A row of top lists.
#[derive(Clone, Debug, Default, Serialize)]
struct ListRow {
    dataset: String,
    scenario: String,
    model: String,
    seed: u64,
    protocol: String,
    split: String,
    user: String,
    rank: usize,
    item: String,
    score: f64,
    target: bool,
    title: String,
}

/// A row of ranks.
#[derive(Clone, Debug, Default, Serialize)]
struct RankRow {
    dataset: String,
    scenario: String,
    model: String,
    seed: u64,
    protocol: String,
    split: String,
    user: String,
    target: String,
    rank: f64,
}

/// The rank of every measured user's target.
pub(super) fn ranks(arguments: &Export, chosen: &BTreeSet<Chosen>) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for it in chosen {
        let path = results::ranks::path(&arguments.results, &it.cell, &it.protocol, &it.split);
        let what = format!("the ranks of `{}` are missing (folder ranks)", it.cell);
        let path = existing(&path, &what, "rerun the experiment to restore them")?;
        let found = results::ranks::read(path)?.into_iter();
        rows.extend(found.map(|row| RankRow {
            dataset: it.dataset.clone(),
            scenario: it.scenario.clone(),
            model: it.model.clone(),
            seed: it.seed,
            protocol: it.protocol.clone(),
            split: it.split.clone(),
            user: row.user,
            target: row.target,
            rank: row.rank,
        }));
    }
    written(arguments.format, &rows)
}

/// The best candidates of every measured user.
pub(super) fn top(
    arguments: &Export,
    common: &Common,
    chosen: &BTreeSet<Chosen>,
) -> anyhow::Result<String> {
    let spec = crate::experiment::load_resolved(&arguments.results.join("spec.toml"))?;
    let top = usize::from(arguments.top);
    bounded(arguments, &spec, chosen)?;
    let titles = match arguments.titles {
        true => Kept::of(&arguments.results, common)?.titles(chosen)?,
        false => BTreeMap::new(),
    };
    let mut rows = Vec::new();
    for it in chosen {
        let path = results::scores::path(&arguments.results, &it.cell, &it.protocol, &it.split);
        let what = format!(
            "the scores of `{}` under protocol `{}` were not kept",
            it.cell, it.protocol
        );
        let hint = without_scores(arguments, chosen, &it.protocol);
        let titles = titles.get(&it.dataset_and_scenario());
        let (mut user, mut rank) = (String::new(), 0);
        for row in results::scores::read(existing(&path, &what, &hint)?)? {
            rank = if row.user == user { rank + 1 } else { 1 };
            user.clone_from(&row.user);
            if rank > top {
                continue;
            }
            let title = titles.and_then(|titles| titles.get(&row.item));
            rows.push(ListRow {
                dataset: it.dataset.clone(),
                scenario: it.scenario.clone(),
                model: it.model.clone(),
                seed: it.seed,
                protocol: it.protocol.clone(),
                split: it.split.clone(),
                user: row.user,
                rank,
                title: title.cloned().unwrap_or_default(),
                item: row.item,
                score: row.score,
                target: row.target,
            });
        }
    }
    written(arguments.format, &rows)
}

/// The hint for a protocol whose scores were not kept: another protocol that has them, or the
/// setting that keeps them.
fn without_scores(arguments: &Export, chosen: &BTreeSet<Chosen>, protocol: &str) -> String {
    let has_scores = |it: &&Chosen| {
        results::scores::path(&arguments.results, &it.cell, &it.protocol, &it.split).exists()
    };
    let kept: BTreeSet<&str> = chosen
        .iter()
        .filter(has_scores)
        .map(|it| it.protocol.as_str())
        .collect();
    let keep = format!("set `protocol.{protocol}.keep_scores = true` and rerun the experiment");
    match kept.first() {
        Some(other) if *other != protocol => {
            format!("`--protocol {other}` has scores; for this protocol, {keep}")
        }
        _ => format!("{keep}; `--ranks` needs no scores"),
    }
}

/// Refuses lists longer than what is kept of a full ranking.
fn bounded(arguments: &Export, spec: &Spec, chosen: &BTreeSet<Chosen>) -> anyhow::Result<()> {
    if usize::from(arguments.top) <= BEST {
        return Ok(());
    }
    let counts: Vec<DataRow> = results::read(&arguments.results.join("data.csv"))?;
    for it in chosen {
        let is_full = spec
            .protocol
            .get(&it.protocol)
            .is_some_and(|protocol| matches!(protocol.candidates, Candidates::Full { .. }));
        let is_large = counts.iter().any(|row| {
            (&row.dataset, &row.scenario) == (&it.dataset, &it.scenario)
                && row.items > ALL_OF_ITEMS as u64
        });
        if is_full && is_large {
            return Err(advise(
                format!(
                    "protocol `{}` ranks more than {ALL_OF_ITEMS} items of `{}` and keeps the best {BEST} per user, fewer than `--top {}`",
                    it.protocol, it.dataset, arguments.top
                ),
                format!("pass at most `--top {BEST}`"),
            ));
        }
    }
    Ok(())
}

impl Chosen {
    pub(super) fn dataset_and_scenario(&self) -> (String, String) {
        (self.dataset.clone(), self.scenario.clone())
    }
}
