//! From artefacts and outcomes to rows.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::super::planning::Planned;
use crate::exec::{Outcome, history};
use crate::experiment::Spec;
use crate::plan::{Cell, Measure, Node, NodeId, Plan, Settings};
use crate::record::{self, DataRow, EpochRow, MetricRow, TimingRow};
use crate::store::{EVENTS, Manifest, Store};
use allround_core::data::{
    Answers, DataError, Likes, Part, Prepared, Ranks, Scores, nobody, scenario,
};
use allround_core::event::{Event, Phase, Started};
use allround_core::fs::FsError;

/// Prepared data sets that are kept in memory at a time; cells of one data set mostly end together.
const KEPT: usize = 3;

/// What rows are made from.
pub(super) struct Source<'a> {
    pub(super) spec: &'a Spec,
    pub(super) plan: &'a Plan,
    pub(super) store: &'a Store,
    pub(super) results: &'a Path,
    /// Data sets read so far, the latest last.
    kept: RefCell<Vec<(NodeId, Rc<Prepared>)>>,
}

impl<'a> Source<'a> {
    /// The source of the rows of a plan.
    pub(super) fn new(planned: &'a Planned, store: &'a Store, results: &'a Path) -> Self {
        Source {
            spec: &planned.checked.spec,
            plan: &planned.plan,
            store,
            results,
            kept: RefCell::default(),
        }
    }

    /// Digest of everything that decides the results.
    pub(super) fn digest(&self) -> String {
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
    pub(super) fn counts(&self, cell: &Cell) -> Result<DataRow, DataError> {
        let prepared = self.prepared(cell.prepared)?;
        let mask = scenario::slice(&prepared, &self.spec.scenario[&cell.scenario], Part::Test);
        let folder = self.folder(&self.plan.graph.nodes[cell.prepared]);
        let blank = DataRow {
            experiment: self.spec.name.clone(),
            dataset: cell.dataset.clone(),
            scenario: cell.scenario.clone(),
            seed: cell.seed,
            remark: record::data_remark(&history::read(&folder.join(EVENTS))?),
            ..DataRow::default()
        };
        Ok(record::data_row(&blank, &prepared, &mask))
    }
    /// The rows of one cell under one protocol, given the outcome of its evaluation.
    pub(super) fn measure(
        &self,
        (cell, measure): (&Cell, &Measure),
        outcome: &Outcome,
        outcomes: &[Option<Outcome>],
    ) -> Result<Vec<MetricRow>, DataError> {
        match outcome {
            Outcome::Cached | Outcome::Made => self.values(cell, measure, outcomes),
            Outcome::Failed(error) => {
                Ok(vec![self.failed(cell, measure, (measure.evaluate, error))])
            }
            Outcome::Blocked(culprit) => {
                let error = match &outcomes[*culprit] {
                    Some(Outcome::Failed(error)) => error.as_str(),
                    _ => "",
                };
                Ok(vec![self.failed(cell, measure, (*culprit, error))])
            }
            Outcome::Interrupted => Ok(Vec::new()),
        }
    }

    /// Reads the ranks of an evaluation, keeps those of the scenario's users as a file, and averages them.
    fn values(
        &self,
        cell: &Cell,
        measure: &Measure,
        outcomes: &[Option<Outcome>],
    ) -> Result<Vec<MetricRow>, DataError> {
        let folder = self.folder(&self.plan.graph.nodes[measure.evaluate]);
        let (part, split) = (measure.part, measure.part.name());
        let ranks = Ranks::load(&folder, part)?;
        let prepared = self.prepared(cell.prepared)?;
        let mask = scenario::slice(&prepared, &self.spec.scenario[&cell.scenario], part);
        let rows = record::ranks::rows(&ranks, &prepared, &mask);
        let path = record::ranks::path(self.results, &cell.name, &measure.protocol, split);
        record::ranks::write(&path, &rows)?;
        let metrics = &self.spec.protocol[&measure.name].metrics;
        let blank = MetricRow {
            remark: self.remark(cell, measure, outcomes)?,
            error: match rows.is_empty() {
                true => self.nobody(cell, ranks.users.len() as u64),
                false => String::new(),
            },
            ..self.blank(cell, measure)
        };
        let mut found = record::ranks::metric_rows(&blank, metrics, &rows);
        if let Some(answers) = Answers::load(&folder, part)? {
            let texts = record::texts::rows(&answers, &prepared, &mask);
            let path = record::texts::path(self.results, &cell.name, &measure.protocol, split);
            record::texts::write(&path, &texts)?;
            found.extend(record::texts::metric_rows(&blank, &texts));
        }
        if let Some(scores) = Scores::load(&folder, part)? {
            let path = record::scores::path(self.results, &cell.name, &measure.protocol, split);
            record::scores::write(&path, &scores, &prepared, &mask)?;
        }
        if let Some(likes) = Likes::load(&folder, part)? {
            found.push(record::texts::auc_row(&blank, &likes, &mask));
        }
        Ok(found)
    }

    /// Why a cell measures nobody, although its data have `ranked` users with ranks.
    fn nobody(&self, cell: &Cell, ranked: u64) -> String {
        let why = nobody::of_slice(&self.spec.scenario[&cell.scenario], ranked);
        format!("no user is measured: {why}")
    }

    /// What belongs to every number of a measurement: random weights, and what its stages remarked or counted. A stage that was
    /// lost and could not be made anew says nothing.
    fn remark(
        &self,
        cell: &Cell,
        measure: &Measure,
        outcomes: &[Option<Outcome>],
    ) -> Result<String, DataError> {
        let nodes = &self.plan.graph.nodes;
        let speaks = match &nodes[measure.evaluate].stage.settings {
            Settings::Evaluate(evaluate) => evaluate.ranking.is_some() || evaluate.given.is_some(),
            _ => false,
        };
        // What several stages say alike is said once, with all their names.
        let mut said: Vec<(String, Vec<&str>)> = Vec::new();
        let mut note = |text: String, kind| match said.iter_mut().find(|(other, _)| *other == text)
        {
            Some((_, kinds)) => kinds.push(kind),
            None => said.push((text, vec![kind])),
        };
        let others: Vec<NodeId> = cell.measures.iter().map(|other| other.evaluate).collect();
        for id in cell.stages(&self.plan.graph) {
            let kind = nodes[id].stage.settings.kind();
            let is_elsewhere = others.contains(&id) && id != measure.evaluate;
            let has_nothing_to_say = match &nodes[id].stage.settings {
                // What it counted is in data.csv, and `data_notes` has what belongs to a number.
                Settings::Prepare(_) => true,
                Settings::Candidates(_) | Settings::Backbone(_) => false,
                _ => !speaks,
            };
            let is_there = outcomes[id].as_ref().is_some_and(Outcome::is_good);
            if is_elsewhere || has_nothing_to_say || !is_there {
                continue;
            }
            for event in history::read(&self.folder(&nodes[id]).join(EVENTS))? {
                match event {
                    Event::Remark { text } => note(text, kind),
                    Event::Counted(counted) if counted.count > 0 => {
                        note(format!("{} {}", counted.count, counted.what), kind);
                    }
                    _ => {}
                }
            }
        }
        for text in self.data_notes(cell, measure)? {
            note(text, nodes[cell.prepared].stage.settings.kind());
        }
        let random = Some(mark(&nodes[measure.evaluate].stage.settings));
        let said = said
            .into_iter()
            .map(|(text, kinds)| format!("{}: {text}", kinds.join(", ")));
        Ok(random
            .into_iter()
            .filter(|mark| !mark.is_empty())
            .chain(said)
            .collect::<Vec<_>>()
            .join("; "))
    }

    /// What of the cell's data belongs to its numbers: users without a history, and where texts are read, items without a record.
    fn data_notes(&self, cell: &Cell, measure: &Measure) -> Result<Vec<String>, DataError> {
        let prepared = self.prepared(cell.prepared)?;
        let reads_texts = match &self.plan.graph.nodes[measure.evaluate].stage.settings {
            Settings::Evaluate(evaluate) => evaluate.ranking.is_some(),
            _ => false,
        };
        let mut notes = match reads_texts {
            true => prepared.facts.notes(),
            false => Vec::new(),
        };
        if measure.part != Part::Test {
            return Ok(notes);
        }
        let counts = self.counts(cell)?;
        if let Some(unknown) = counts.without_history.filter(|&unknown| unknown > 0) {
            notes.push(record::without_history(unknown, counts.slice_users));
        }
        Ok(notes)
    }

    /// `failed` where the cell's own stage failed, `blocked` where data that it shares could not be made.
    fn failed(
        &self,
        cell: &Cell,
        measure: &Measure,
        (culprit, error): (NodeId, &str),
    ) -> MetricRow {
        let node = &self.plan.graph.nodes[culprit];
        let status = if node.stage.settings.is_of_a_model() {
            "failed"
        } else {
            "blocked"
        };
        MetricRow {
            status: status.to_owned(),
            error: format!("{}: {error}", node.label()),
            ..self.blank(cell, measure)
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
            backbone: cell.backbone.clone(),
            seed: cell.seed,
            split: measure.part.name().to_owned(),
            metric: String::new(),
            k: None,
            value: None,
            n_users: None,
            protocol: measure.protocol.clone(),
            status: String::new(),
            error: String::new(),
            remark: String::new(),
        }
    }

    /// Timing and epochs of one stage of a cell, from the events that its artefact keeps.
    pub(super) fn stage(
        &self,
        cell: &Cell,
        id: NodeId,
        cached: bool,
    ) -> Result<(Vec<TimingRow>, Vec<EpochRow>), FsError> {
        let node = &self.plan.graph.nodes[id];
        let events = history::read(&self.folder(node).join(EVENTS))?;
        let device = events.iter().find_map(|event| match event {
            Event::Started(started) => Some(started.device.clone()),
            _ => None,
        });
        let device = device.unwrap_or_default();
        let settings = &node.stage.settings;
        let (mut timing, mut epochs) = (Vec::new(), Vec::new());
        for event in &events {
            match event {
                Event::Phase(phase) => {
                    timing.push(self.timing((cell, settings), &device, (phase, cached)))
                }
                Event::Epoch(epoch) => epochs.extend(self.epoch((cell, settings), epoch)),
                _ => {}
            }
        }
        Ok((timing, epochs))
    }

    /// What a stage's worker said of its machine.
    pub(super) fn start(&self, id: NodeId) -> Result<Option<Started>, FsError> {
        let events = history::read(&self.folder(&self.plan.graph.nodes[id]).join(EVENTS))?;
        Ok(events.into_iter().find_map(|event| match event {
            Event::Started(started) => Some(started),
            _ => None,
        }))
    }

    /// The program that made a stage, where its manifest can be read.
    pub(super) fn made_by(&self, id: NodeId) -> Option<String> {
        let manifest = Manifest::load(&self.folder(&self.plan.graph.nodes[id]));
        manifest.ok().map(|manifest| manifest.made_by)
    }

    fn timing(
        &self,
        (cell, settings): (&Cell, &Settings),
        device: &str,
        (phase, cached): (&Phase, bool),
    ) -> TimingRow {
        let speed = |examples: u64| (phase.wall_s > 0.0).then(|| examples as f64 / phase.wall_s);
        TimingRow {
            experiment: self.spec.name.clone(),
            cell: cell.name.clone(),
            stage: settings.kind().to_owned(),
            phase: phase.phase.clone(),
            device: device.to_owned(),
            wall_s: phase.wall_s,
            device_s: phase.device_s,
            examples: phase.examples,
            examples_per_s: phase.examples.and_then(speed),
            tokens_per_s: phase.tokens.and_then(speed),
            tokens: phase.tokens,
            peak_rss_bytes: phase.peak_rss_bytes,
            peak_device_bytes: phase.peak_device_bytes,
            energy_j: phase.energy_j,
            params: phase.params,
            trained_params: phase.trained_params,
            cached,
            remark: mark(settings),
        }
    }

    fn epoch(
        &self,
        (cell, settings): (&Cell, &Settings),
        epoch: &allround_core::event::Epoch,
    ) -> Vec<EpochRow> {
        let row = |quantity: String, value: f64| EpochRow {
            experiment: self.spec.name.clone(),
            cell: cell.name.clone(),
            stage: settings.kind().to_owned(),
            epoch: epoch.epoch,
            quantity,
            value,
            wall_s: epoch.wall_s,
            examples: epoch.examples,
            remark: mark(settings),
        };
        let validation = epoch
            .validation
            .iter()
            .map(|(metric, value)| row(metric.to_string(), *value));
        let parts = epoch
            .losses
            .iter()
            .map(|(name, value)| row(format!("loss_{name}"), *value));
        std::iter::once(row("loss".to_owned(), epoch.loss))
            .chain(parts)
            .chain(validation)
            .collect()
    }

    fn folder(&self, node: &Node) -> std::path::PathBuf {
        let folder: &Path = &self.store.folder(node.stage.settings.kind(), &node.key);
        folder.to_owned()
    }
}

/// What belongs to every number of a stage.
fn mark(settings: &Settings) -> String {
    match settings.has_random_weights() {
        true => record::RANDOM_WEIGHTS.to_owned(),
        false => String::new(),
    }
}
