//! Makes rows from artefacts and outcomes.

mod conversations;
mod notes;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::planned::Planned;
use crate::analysis;
use crate::exec::{Outcome, history};
use crate::experiment::Spec;
use crate::plan::{Cell, Measure, Node, NodeId, Plan, Settings};
use crate::results::{self, CellRow, CellStageRow, DataRow, EpochRow, MetricRow, StageRow, Status};
use crate::store::{EVENTS, Manifest, Store};
use allround_core::config::protocol::Candidates;
use allround_core::data::candidates::users;
use allround_core::data::{
    Answers, DataError, Genres, Likes, Part, Prepared, Ranks, Scores, nobody, scenario,
};
use allround_core::event::{Event, Phase, Started};
use allround_core::fs::FsError;

/// Prepared data sets that are kept in memory. Cells of one data set mostly end together.
const KEPT: usize = 3;

/// Inputs of rows.
pub(crate) struct RowSource<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) plan: &'a Plan,
    pub(crate) store: &'a Store,
    pub(crate) results: &'a Path,
    /// Data sets in memory, the latest last.
    kept: RefCell<Vec<(NodeId, Rc<Prepared>)>>,
}

impl<'a> RowSource<'a> {
    /// The source of the rows of a plan.
    pub(crate) fn new(planned: &'a Planned, store: &'a Store, results: &'a Path) -> Self {
        RowSource {
            results,
            ..RowSource::of_plan(&planned.checked.spec, &planned.plan, store)
        }
    }

    /// A source that writes no files of ranks.
    pub(crate) fn of_plan(spec: &'a Spec, plan: &'a Plan, store: &'a Store) -> Self {
        RowSource {
            spec,
            plan,
            store,
            results: Path::new(""),
            kept: RefCell::default(),
        }
    }

    /// The ranks of the users of a cell's scenario.
    pub(crate) fn validation(&self, cell: &Cell, measure: &Measure) -> Result<Vec<f64>, DataError> {
        let folder = self.folder(&self.plan.graph.nodes[measure.evaluate]);
        let ranks = Ranks::load(&folder, measure.part)?;
        let prepared = self.prepared(cell.prepared)?;
        let mask = self.counted(cell, measure, &prepared);
        let all = ranks.users.iter().zip(&ranks.ranks);
        let counted = all.filter(|(user, _)| mask[**user as usize]);
        Ok(counted.map(|(_, rank)| *rank).collect())
    }

    /// Digest of everything that determines the results.
    pub(crate) fn digest(&self) -> String {
        self.plan.digest().to_string()
    }

    fn prepared(&self, id: NodeId) -> Result<Rc<Prepared>, DataError> {
        let mut kept = self.kept.borrow_mut();
        if let Some((_, prepared)) = kept.iter().find(|(known, _)| *known == id) {
            return Ok(Rc::clone(prepared));
        }
        let prepared = Rc::new(Prepared::load(&self.folder(&self.plan.graph.nodes[id]))?);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((id, Rc::clone(&prepared)));
        Ok(prepared)
    }

    /// The counts of a cell's data under its scenario.
    pub(crate) fn counts(&self, cell: &Cell) -> Result<DataRow, DataError> {
        let prepared = self.prepared(cell.prepared)?;
        let mask = scenario::slice(&prepared, &self.spec.scenario[&cell.scenario], Part::Test);
        let folder = self.folder(&self.plan.graph.nodes[cell.prepared]);
        let blank = DataRow {
            experiment: self.spec.name.clone(),
            dataset: cell.dataset.clone(),
            scenario: cell.scenario.clone(),
            seed: cell.seed,
            notes: results::data_notes(&history::read(&folder.join(EVENTS))?),
            ..DataRow::default()
        };
        Ok(results::data_row(&blank, &prepared, &mask))
    }

    /// The rows of one cell under one protocol, given the outcome of its evaluation.
    pub(crate) fn measure(
        &self,
        cell: &Cell,
        measure: &Measure,
        outcome: &Outcome,
        outcomes: &[Option<Outcome>],
    ) -> Result<Measured, DataError> {
        match outcome {
            Outcome::Cached | Outcome::Made => self.values(cell, measure),
            Outcome::Failed(error) => Ok(self.failed(cell, measure, measure.evaluate, error)),
            Outcome::Blocked(culprit) => {
                let error = match &outcomes[*culprit] {
                    Some(Outcome::Failed(error)) => error.as_str(),
                    _ => "",
                };
                Ok(self.failed(cell, measure, *culprit, error))
            }
            Outcome::Interrupted => Ok(Measured::default()),
        }
    }

    /// Reads the ranks of an evaluation, writes those of the scenario's users to a file, and
    /// computes the metrics.
    fn values(&self, cell: &Cell, measure: &Measure) -> Result<Measured, DataError> {
        let folder = self.folder(&self.plan.graph.nodes[measure.evaluate]);
        let (part, split) = (measure.part, measure.part.name());
        let ranks = Ranks::load(&folder, part)?;
        let prepared = self.prepared(cell.prepared)?;
        let mask = self.counted(cell, measure, &prepared);
        let question = self.question(measure);
        let prepared = match question {
            Some(_) => Rc::new(Genres::of(&prepared).after_items(&prepared)),
            None => prepared,
        };
        let rows = results::ranks::rows(&ranks, &prepared, &mask);
        let path = results::ranks::path(self.results, &cell.name, &measure.protocol, split);
        results::ranks::write(&path, &rows)?;
        let metrics = &self.spec.protocol[&measure.name].metrics;
        let blank = self.blank(cell, measure);
        let mut found = results::ranks::metric_rows(&blank, metrics, &rows);
        if rows.is_empty() {
            let why = nobody::of_slice(
                &self.spec.scenario[&cell.scenario],
                ranks.users.len() as u64,
            );
            return Ok(Measured {
                rows: found,
                status: Status::Empty,
                error: format!("no user is measured: {why}"),
            });
        }
        if let Some(answers) = Answers::load(&folder, part)? {
            let texts = results::texts::rows(&answers, &prepared, &mask);
            let path = results::texts::path(self.results, &cell.name, &measure.protocol, split);
            results::texts::write(&path, &texts)?;
            found.extend(analysis::answers::metric_rows(&blank, &texts));
        }
        if let Some(question) = question {
            let texts = self.conversations(measure, (&prepared, &mask), question.conversations)?;
            let name = &measure.protocol;
            let path = results::conversations::path(self.results, &cell.name, name, split);
            results::conversations::write(&path, &texts)?;
        }
        // Scores of short lists are in the store in any case.
        let scores = match self.spec.protocol[&measure.name].keep_scores {
            true => Scores::load(&folder, part)?,
            false => None,
        };
        if let Some(scores) = scores {
            let path = results::scores::path(self.results, &cell.name, &measure.protocol, split);
            results::scores::write(&path, &scores, &prepared, &mask)?;
            let lists = analysis::lists::Lists {
                scores: &scores,
                prepared: &prepared,
                mask: &mask,
                is_full: self.is_full(measure),
            };
            let cut_offs: BTreeSet<u32> = metrics.iter().filter_map(|metric| metric.k()).collect();
            let cut_offs: Vec<u32> = cut_offs.into_iter().collect();
            found.extend(analysis::lists::metric_rows(&blank, &lists, &cut_offs));
        }
        if let Some(likes) = Likes::load(&folder, part)? {
            found.push(analysis::answers::auc_row(&blank, &likes, &mask));
        }
        Ok(Measured {
            rows: found,
            ..Measured::default()
        })
    }

    /// Whether a protocol ranks every item.
    fn is_full(&self, measure: &Measure) -> bool {
        matches!(
            self.spec.protocol[&measure.name].candidates,
            Candidates::Full { .. }
        )
    }

    /// Whether each user counts in the numbers of a cell.
    fn counted(&self, cell: &Cell, measure: &Measure, prepared: &Prepared) -> Vec<bool> {
        let scenario = &self.spec.scenario[&cell.scenario];
        match &self.plan.graph.nodes[measure.candidates].stage.settings {
            Settings::Candidates(draw) => users::counted(prepared, draw, scenario, measure.part),
            _ => scenario::slice(prepared, scenario, measure.part),
        }
    }

    /// A row without a number: `failed` if a stage of the model failed, `blocked` if the data could
    /// not be made.
    fn failed(&self, cell: &Cell, measure: &Measure, culprit: NodeId, error: &str) -> Measured {
        let node = &self.plan.graph.nodes[culprit];
        let status = match node.stage.settings.kind().is_of_a_model() {
            true => Status::Failed,
            false => Status::Blocked,
        };
        Measured {
            rows: vec![MetricRow {
                status,
                ..self.blank(cell, measure)
            }],
            status,
            error: format!("{}: {error}", node.label()),
        }
    }

    fn blank(&self, cell: &Cell, measure: &Measure) -> MetricRow {
        MetricRow {
            experiment: self.spec.name.clone(),
            cell: cell.name.clone(),
            dataset: cell.dataset.clone(),
            scenario: cell.scenario.clone(),
            model: cell.model.clone(),
            variant: cell.variant.clone(),
            name: cell.shown_name().to_owned(),
            seed: cell.seed,
            split: measure.part.name().to_owned(),
            protocol: measure.protocol.clone(),
            ..MetricRow::default()
        }
    }

    /// The row of a cell, given its measurements. `stand_in` is set when the file is written.
    pub(crate) fn cell(
        &self,
        cell: &Cell,
        measured: &[Measured],
        outcomes: &[Option<Outcome>],
    ) -> Result<CellRow, DataError> {
        let status = measured.iter().map(|it| it.status).max();
        Ok(CellRow {
            experiment: self.spec.name.clone(),
            cell: cell.name.clone(),
            dataset: cell.dataset.clone(),
            scenario: cell.scenario.clone(),
            model: cell.model.clone(),
            variant: cell.variant.clone(),
            name: cell.shown_name().to_owned(),
            backbone: cell.backbone.clone(),
            seed: cell.seed,
            status: status.unwrap_or_default(),
            error: error_of(cell, measured),
            stand_in: String::new(),
            notes: self.notes(cell, outcomes)?,
        })
    }

    /// The stages that a cell uses.
    pub(crate) fn cell_stages(&self, cell: &Cell) -> Vec<CellStageRow> {
        let row = |id: NodeId| {
            let node = &self.plan.graph.nodes[id];
            CellStageRow {
                cell: cell.name.clone(),
                kind: node.stage.settings.kind().as_str().to_owned(),
                key: node.key.short(),
            }
        };
        cell.stages(&self.plan.graph).into_iter().map(row).collect()
    }

    /// Phases and epochs of one stage, from the events in its artefact.
    pub(crate) fn stage(&self, id: NodeId, cached: bool) -> Result<StageRows, FsError> {
        let node = &self.plan.graph.nodes[id];
        let events = history::read(&self.folder(node).join(EVENTS))?;
        let device = events.iter().find_map(|event| match event {
            Event::Started(started) => Some(started.device.clone()),
            _ => None,
        });
        let blank = StageRow {
            kind: node.stage.settings.kind().as_str().to_owned(),
            key: node.key.short(),
            device: device.unwrap_or_default(),
            cached,
            ..StageRow::default()
        };
        let phases = events.iter().filter_map(|event| match event {
            Event::Phase(phase) => Some(phase_row(&blank, phase)),
            _ => None,
        });
        let mut rows = StageRows {
            phases: phases.collect(),
            epochs: results::epoch_rows(&blank, &events),
        };
        if rows.phases.is_empty() {
            rows.phases.push(blank);
        }
        Ok(rows)
    }

    /// The machine of a stage, as its worker reported it.
    pub(crate) fn start(&self, id: NodeId) -> Result<Option<Started>, FsError> {
        let events = history::read(&self.folder(&self.plan.graph.nodes[id]).join(EVENTS))?;
        Ok(events.into_iter().find_map(|event| match event {
            Event::Started(started) => Some(started),
            _ => None,
        }))
    }

    /// The program that made a stage; `None` if the manifest cannot be read.
    pub(crate) fn made_by(&self, id: NodeId) -> Option<String> {
        let manifest = Manifest::load(&self.folder(&self.plan.graph.nodes[id]));
        manifest.ok().map(|manifest| manifest.made_by)
    }

    fn folder(&self, node: &Node) -> PathBuf {
        self.store
            .folder(node.stage.settings.kind().as_str(), &node.key)
    }
}

/// One measurement of a cell.
#[derive(Default)]
pub(crate) struct Measured {
    /// Rows of `metrics.csv`.
    pub(crate) rows: Vec<MetricRow>,
    /// Whether there are numbers.
    pub(crate) status: Status,
    /// Why there are no numbers; empty where there are.
    pub(crate) error: String,
}

/// Rows of one stage.
#[derive(Default)]
pub(crate) struct StageRows {
    /// Rows of `stages.csv`.
    pub(crate) phases: Vec<StageRow>,
    /// Rows of `epochs.csv`.
    pub(crate) epochs: Vec<EpochRow>,
}

/// The distinct errors of a cell's measurements. An error that only some measurements have follows
/// their protocols and splits.
fn error_of(cell: &Cell, measured: &[Measured]) -> String {
    let mut errors: Vec<(&str, Vec<String>)> = Vec::new();
    for (measure, it) in cell.measures.iter().zip(measured) {
        if it.error.is_empty() {
            continue;
        }
        let place = format!("{} {}", measure.name, measure.part.name());
        match errors.iter_mut().find(|(error, _)| *error == it.error) {
            Some((_, places)) => places.push(place),
            None => errors.push((&it.error, vec![place])),
        }
    }
    let text = |(error, places): (&str, Vec<String>)| match places.len() == measured.len() {
        true => error.to_owned(),
        false => format!("{}: {error}", places.join(", ")),
    };
    errors.into_iter().map(text).collect::<Vec<_>>().join("; ")
}

fn phase_row(blank: &StageRow, phase: &Phase) -> StageRow {
    let speed = |n: u64| (phase.wall_s > 0.0).then(|| n as f64 / phase.wall_s);
    StageRow {
        phase: phase.phase.clone(),
        wall_s: phase.wall_s,
        device_s: phase.device_s,
        examples: phase.examples,
        examples_per_s: phase.examples.and_then(speed),
        tokens: phase.tokens,
        tokens_per_s: phase.tokens.and_then(speed),
        peak_rss_bytes: phase.peak_rss_bytes,
        peak_device_bytes: phase.peak_device_bytes,
        energy_j: phase.energy_j,
        flops: phase.flops,
        params: phase.params,
        trained_params: phase.trained_params,
        ..blank.clone()
    }
}
