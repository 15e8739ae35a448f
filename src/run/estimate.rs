//! Estimates of time and disk space before a run, from stages that the store has.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;

use super::planned::Planned;
use crate::exec::history;
use crate::plan::{Node, NodeId};
use crate::store::{EVENTS, Manifest, Presence, STAGE, Store};
use allround_core::event::Event;
use allround_core::fs::{self, FsError};
use allround_core::stage::{Ranking, Settings, Stage};

/// Most artefacts of one kind that are read for an estimate.
const MOST: usize = 200;

/// What a stage is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Seconds.
    pub seconds: f64,
    /// Bytes of the artefact.
    pub bytes: f64,
    /// What it follows from.
    pub basis: Basis,
}

/// What an estimate follows from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Stages of this experiment with the same settings and data but another seed.
    Seeds,
    /// Stages of this experiment with the same data and kind of model, by their epochs.
    Model,
    /// Stages of this experiment with the same kind of model on other data, by their epochs.
    OtherData,
    /// Stages of the store with the same kind of model and language model, by their epochs.
    Alike,
    /// All stages of this kind in the store.
    Store,
}

impl Basis {
    /// The basis in words.
    pub fn words(self) -> &'static str {
        match self {
            Basis::Seeds => "other seeds",
            Basis::Model => "same kind of model",
            Basis::OtherData => "other data",
            Basis::Alike => "other experiments",
            Basis::Store => "all in the store",
        }
    }
}

/// Estimates of the stages of a plan, and what all of them take together.
#[derive(Clone, Debug, Default)]
pub struct Estimates {
    /// By stage; `None` for those that the store has, and where nothing is known.
    pub stages: BTreeMap<NodeId, Estimate>,
    /// Number of stages to run without an estimate.
    pub unknown: usize,
    /// Seconds of all stages to run.
    pub seconds: f64,
    /// Seconds of a run: stages run in parallel, but each after those that it needs.
    pub wall_seconds: f64,
    /// Bytes of all artefacts.
    pub bytes: f64,
}

/// What a finished stage took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    seconds: f64,
    bytes: f64,
    /// Epochs of its settings; 0 without epochs.
    epochs: f64,
}

/// Costs by what the stages have in common.
#[derive(Default)]
struct Known {
    of_settings: HashMap<String, Vec<Cost>>,
    of_model: HashMap<String, Vec<Cost>>,
    of_kind_of_model: HashMap<String, Vec<Cost>>,
    /// Stages of the store by kind, each with its kind of model where the artefact says it.
    of_kind: HashMap<&'static str, Vec<(Option<String>, Cost)>>,
}

/// Estimates the stages of a plan that the store does not have. `jobs` is the number of stages that
/// run at the same time.
///
/// # Errors
/// When the store cannot be listed.
pub fn estimates(planned: &Planned, store: &Store, jobs: usize) -> Result<Estimates, FsError> {
    let nodes = &planned.plan.graph.nodes;
    let look = |node: &Node| store.look(node.stage.settings.kind().as_str(), &node.key);
    let is_there: Vec<bool> = nodes
        .iter()
        .map(|node| look(node) == Presence::Whole)
        .collect();
    let mut known = Known::default();
    for (node, _) in nodes.iter().zip(&is_there).filter(|(_, there)| **there) {
        let kind = node.stage.settings.kind().as_str();
        if let Some(cost) = cost(&store.folder(kind, &node.key), Some(&node.stage)) {
            known.add(node, cost);
        }
    }
    let mut found = Estimates::default();
    // Seconds until each stage ends, if nothing else runs.
    let mut ends = vec![0.0; nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        let start = node
            .needs
            .values()
            .map(|&need| ends[need])
            .fold(0.0, f64::max);
        ends[id] = start;
        if is_there[id] {
            continue;
        }
        match known.estimate(node, store)? {
            Some(estimate) => {
                found.seconds += estimate.seconds;
                found.bytes += estimate.bytes;
                ends[id] += estimate.seconds;
                found.stages.insert(id, estimate);
            }
            None => found.unknown += 1,
        }
    }
    let longest = ends.iter().copied().fold(0.0, f64::max);
    found.wall_seconds = longest.max(found.seconds / jobs.max(1) as f64);
    Ok(found)
}

/// What the artefact in `folder` took; `None` if it is damaged. `stage` made it.
fn cost(folder: &Path, stage: Option<&Stage>) -> Option<Cost> {
    let manifest = Manifest::load(folder).ok()?;
    let events = history::read(&folder.join(EVENTS)).ok()?;
    let seconds = events.iter().map(|event| match event {
        Event::Phase(phase) => phase.wall_s,
        _ => 0.0,
    });
    Some(Cost {
        seconds: seconds.sum(),
        bytes: manifest.files.iter().map(|file| file.size as f64).sum(),
        epochs: stage
            .and_then(|stage| epochs(&settings(stage)))
            .unwrap_or(0.0),
    })
}

/// What a stage of another experiment took, with its kind of model.
fn other_cost(folder: &Path) -> Option<(Option<String>, Cost)> {
    let text = fs::read_text(&folder.join(STAGE)).ok();
    let stage: Option<Stage> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let cost = cost(folder, stage.as_ref())?;
    Some((stage.as_ref().map(kind_of_model), cost))
}

fn settings(stage: &Stage) -> Value {
    serde_json::to_value(&stage.settings).expect("settings are JSON")
}

/// The language model that a stage reads: how long it takes depends on it most of all.
fn language_model(settings: &Value) -> Option<&Value> {
    match settings {
        Value::Object(fields) => {
            let own = fields.get("llm");
            own.or_else(|| fields.values().find_map(language_model))
        }
        Value::Array(items) => items.iter().find_map(language_model),
        _ => None,
    }
}

/// The epochs of a stage that trains.
fn epochs(settings: &Value) -> Option<f64> {
    match settings {
        Value::Object(fields) => {
            let own = fields.get("epochs").and_then(Value::as_f64);
            own.or_else(|| fields.values().find_map(epochs))
        }
        Value::Array(items) => items.iter().find_map(epochs),
        _ => None,
    }
}

/// Removes all seeds.
fn without_seeds(settings: &mut Value) {
    match settings {
        Value::Object(fields) => {
            fields.remove("seed");
            fields.values_mut().for_each(without_seeds);
        }
        Value::Array(items) => items.iter_mut().for_each(without_seeds),
        _ => {}
    }
}

/// The kind of a stage with the kind of its model or ranking, and its language model.
fn kind_of_model(stage: &Stage) -> String {
    let kind = stage.settings.kind();
    let of = match &stage.settings {
        Settings::Backbone(training) => training.model.kind(),
        Settings::Evaluate(evaluate) => match evaluate.ranking {
            Ranking::Cf => "cf",
            Ranking::Llm(_) => "llm",
            Ranking::Vectors(_) => "vectors",
            Ranking::Given(_) => "given",
            Ranking::Texts(_) => "texts",
            Ranking::Fusion(_) => "fusion",
            Ranking::Genres(_) => "genres",
        },
        Settings::Prepare(_)
        | Settings::Candidates(_)
        | Settings::Contrast(_)
        | Settings::Pretrain(_)
        | Settings::EncodeText(_)
        | Settings::PretrainLm(_)
        | Settings::Align(_)
        | Settings::Project(_)
        | Settings::Tune(_)
        | Settings::Represent(_) => "",
    };
    let settings = settings(stage);
    let llm = language_model(&settings).unwrap_or(&Value::Null);
    format!("{kind} {of} {llm} {:?}", stage.compute)
}

/// The data that a stage reads.
fn data(node: &Node) -> String {
    let prepared = node.stage.needs.get("prepared");
    prepared.map(ToString::to_string).unwrap_or_default()
}

fn settings_key(node: &Node) -> String {
    let mut settings = settings(&node.stage);
    without_seeds(&mut settings);
    format!("{settings} {:?} {}", node.stage.compute, data(node))
}

impl Known {
    fn add(&mut self, node: &Node, cost: Cost) {
        let model = kind_of_model(&node.stage);
        let of_data = format!("{model} {}", data(node));
        self.of_settings
            .entry(settings_key(node))
            .or_default()
            .push(cost);
        self.of_model.entry(of_data).or_default().push(cost);
        self.of_kind_of_model.entry(model).or_default().push(cost);
    }

    fn estimate(&mut self, node: &Node, store: &Store) -> Result<Option<Estimate>, FsError> {
        let model = kind_of_model(&node.stage);
        let of_data = format!("{model} {}", data(node));
        let epochs = epochs(&settings(&node.stage)).unwrap_or(0.0);
        let near = [
            (Basis::Seeds, self.of_settings.get(&settings_key(node))),
            (Basis::Model, self.of_model.get(&of_data)),
            (Basis::OtherData, self.of_kind_of_model.get(&model)),
        ];
        for (basis, costs) in near {
            if let Some(costs) = costs {
                return Ok(Some(mean(costs, epochs, basis)));
            }
        }
        let kind = node.stage.settings.kind().as_str();
        if !self.of_kind.contains_key(kind) {
            let folder = store.root().join("artefacts").join(kind);
            let all = fs::list(&folder)?;
            let costs = all.iter().take(MOST).filter_map(|it| other_cost(it));
            self.of_kind.insert(kind, costs.collect());
        }
        let all = &self.of_kind[kind];
        let is_alike = |other: &Option<String>| other.as_ref() == Some(&model);
        let alike = all.iter().filter(|(other, _)| is_alike(other));
        let alike: Vec<Cost> = alike.map(|(_, cost)| *cost).collect();
        if !alike.is_empty() {
            return Ok(Some(mean(&alike, epochs, Basis::Alike)));
        }
        // Language models differ by a factor of a thousand.
        if language_model(&settings(&node.stage)).is_some() {
            return Ok(None);
        }
        let all: Vec<Cost> = all.iter().map(|(_, cost)| *cost).collect();
        let estimate = mean(&all, 0.0, Basis::Store);
        Ok((!all.is_empty()).then_some(estimate))
    }
}

/// The mean of costs; those of other numbers of epochs are scaled.
fn mean(costs: &[Cost], epochs: f64, basis: Basis) -> Estimate {
    let n = costs.len().max(1) as f64;
    let scaled = |cost: &Cost| match epochs > 0.0 && cost.epochs > 0.0 {
        true => cost.seconds * epochs / cost.epochs,
        false => cost.seconds,
    };
    Estimate {
        seconds: costs.iter().map(scaled).sum::<f64>() / n,
        bytes: costs.iter().map(|cost| cost.bytes).sum::<f64>() / n,
        basis,
    }
}
