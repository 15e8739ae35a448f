//! Histories and candidates of measured users from the store, for scoring by an external method.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Chosen, list_cell, matches, written};
use crate::cli::{Common, DataFormat, Export};
use crate::cmd::advise;
use crate::cmd::kept::Kept;
use crate::observe::print_message;
use crate::plan::{Cell, Measure};
use allround_core::data::candidates::users;
use allround_core::data::{CandidateLists, Prepared, scores};
use allround_core::stage::Settings;

/// A user with history and candidates.
#[derive(Clone, Debug, Default, Serialize)]
struct CandidateRow {
    dataset: String,
    scenario: String,
    seed: u64,
    protocol: String,
    split: String,
    user: String,
    history: Vec<String>,
    /// `None` for full ranking: every item outside the history is a candidate.
    candidates: Option<Vec<String>>,
}

/// The same row with its lists as JSON texts, for CSV.
#[derive(Clone, Debug, Default, Serialize)]
struct CandidateLine {
    dataset: String,
    scenario: String,
    seed: u64,
    protocol: String,
    split: String,
    user: String,
    history: String,
    candidates: String,
}

impl CandidateRow {
    fn line(&self) -> CandidateLine {
        CandidateLine {
            dataset: self.dataset.clone(),
            scenario: self.scenario.clone(),
            seed: self.seed,
            protocol: self.protocol.clone(),
            split: self.split.clone(),
            user: self.user.clone(),
            history: list_cell(&self.history),
            candidates: self
                .candidates
                .as_deref()
                .map(list_cell)
                .unwrap_or_default(),
        }
    }
}

/// History and candidates of every measured user. The target is among the candidates, unmarked.
pub(super) fn text(arguments: &Export, common: &Common) -> anyhow::Result<String> {
    let kept = Kept::of(&arguments.results, common)?;
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for cell in &kept.plan.cells {
        for measure in &cell.measures {
            let is_meant = matches(arguments.dataset.as_ref(), cell.dataset.as_str())
                && matches(arguments.scenario.as_ref(), cell.scenario.as_str())
                && matches(arguments.model.as_ref(), cell.shown_name())
                && matches(arguments.protocol.as_ref(), measure.name.as_str())
                && arguments.seed.is_none_or(|seed| seed == cell.seed)
                && arguments.split.part() == measure.part;
            // Models share their candidates.
            let id = (&cell.dataset, &cell.scenario, cell.seed, &measure.name);
            if is_meant && seen.insert(id) {
                rows.extend(kept.rows(cell, measure)?);
            }
        }
    }
    if rows.is_empty() {
        return Err(advise(
            format!(
                "no user of `{}` matches these options",
                arguments.results.display()
            ),
            "`allround show RESULTS` lists data sets, scenarios, protocols and splits",
        ));
    }
    if rows.iter().any(|row| row.candidates.is_none()) {
        print_message(
            "note: full ranking needs a score for every item outside the history; `allround data prepare` lists the items",
        );
    }
    match arguments.format {
        DataFormat::Json => written(arguments.format, &rows),
        DataFormat::Csv => {
            let lines: Vec<CandidateLine> = rows.iter().map(CandidateRow::line).collect();
            written(arguments.format, &lines)
        }
    }
}

impl Kept {
    fn rows(&self, cell: &Cell, measure: &Measure) -> anyhow::Result<Vec<CandidateRow>> {
        let prepared = Prepared::load(&self.folder(cell.prepared)?)?;
        let lists = CandidateLists::load(&self.folder(measure.candidates)?, measure.part)?;
        let draw = &self.plan.graph.nodes[measure.candidates].stage.settings;
        let mask = match (self.spec.scenario.get(&cell.scenario), draw) {
            (Some(config), Settings::Candidates(draw)) => {
                users::counted(&prepared, draw, config, measure.part)
            }
            _ => vec![true; prepared.n_users()],
        };
        let item = |&item: &u32| prepared.items[item as usize - 1].id.clone();
        let users = lists.users.iter().enumerate();
        let row = |(place, &user): (usize, &u32)| {
            let candidates = lists.n.map(|_| {
                // Sorted by item, so that the position of the target reveals nothing.
                let items: BTreeSet<u32> = scores::candidates(&lists, &prepared, place)
                    .into_iter()
                    .collect();
                items.iter().map(item).collect()
            });
            let history = prepared.history(user as usize, lists.part);
            CandidateRow {
                dataset: cell.dataset.clone(),
                scenario: cell.scenario.clone(),
                seed: cell.seed,
                protocol: measure.name.clone(),
                split: measure.part.name().to_owned(),
                user: prepared.users[user as usize].clone(),
                history: history.iter().map(item).collect(),
                candidates,
            }
        };
        let sliced = users.filter(|(_, user)| mask[**user as usize]);
        Ok(sliced.map(row).collect())
    }

    /// Titles by item id, for each data set and scenario.
    pub(super) fn titles(
        &self,
        chosen: &BTreeSet<Chosen>,
    ) -> anyhow::Result<BTreeMap<(String, String), BTreeMap<String, String>>> {
        let mut titles = BTreeMap::new();
        for it in chosen {
            let key = it.dataset_and_scenario();
            let cell = self.plan.cells.iter().find(|cell| cell.name == it.cell);
            let Some(cell) = cell.filter(|_| !titles.contains_key(&key)) else {
                continue;
            };
            let prepared = Prepared::load(&self.folder(cell.prepared)?)?;
            let items = prepared.items.into_iter();
            let titled = items.filter_map(|item| Some((item.id, item.title?)));
            titles.insert(key, titled.collect());
        }
        Ok(titles)
    }
}
