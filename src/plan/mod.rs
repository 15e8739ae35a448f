//! Plans a resolved spec: cells, and stages with their keys.
//!
//! Planning reads no files: the caller provides digests of input files.

pub mod cell;
pub mod genre;
mod graph;
pub mod inputs;
pub mod label;
mod method;
mod relevant;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use allround_core::stage::{Job, Settings, Stage};
pub use cell::{Cell, Measure};
pub use graph::{Graph, Node, NodeId};
pub use label::{StageLabel, labels};
pub use trial::{Trial, TrialModel, plan_trials};

use crate::experiment::config::Alone;
use crate::experiment::{Selected, Spec};
use allround_core::config::Dataset;
use allround_core::config::Protocol;
use allround_core::config::protocol::Candidates;
use allround_core::config::scenario::Scenario;
use allround_core::data::Part;
use allround_core::digest::Key;
use allround_core::fs::FsError;
use allround_core::models::Model;
use allround_core::stage::{
    DrawCandidates, Evaluate, GivenScores, Prepare, Ranking, SliceUsers, source_role,
};

use inputs::Inputs;
use method::{CellContext, ModelStages};
use relevant::{backbone_scenario, draw_seed, is_random, limit, training_scenario, users_of};

/// Most negatives of a list whose scores are always kept in the store.
const SHORT_LIST: usize = 50;

/// Computes the digest of an input file, given its path in the spec.
pub type Digester<'a> = dyn FnMut(&str) -> Result<Key, FsError> + 'a;

/// Why a spec cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// An input file cannot be read.
    #[error("{what} `{name}`: {source}")]
    Input {
        /// `data set`, `protocol`, `encoder`, `language model` or `model`.
        what: &'static str,
        /// Its name.
        name: String,
        /// What is wrong with the file.
        source: FsError,
    },
    /// The matrix names something that the spec does not declare. The check of a spec finds this
    /// first.
    #[error("the matrix names {what} `{name}`, which the file does not declare")]
    Unknown {
        /// `data set`, `scenario`, `model`, `encoder`, `language model` or `prompt`.
        what: &'static str,
        /// The name.
        name: String,
    },
}

/// The cells and stages of an experiment.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The cells, ordered by data set, scenario, model and seed. Those of a search that has no
    /// result yet are missing.
    pub cells: Vec<Cell>,
    /// The trials of searches.
    pub trials: Vec<Trial>,
    /// The stages of all cells.
    pub graph: Graph,
    /// The CF models and variants of each `backbone` stage. Several may have equal settings.
    pub backbones: BTreeMap<NodeId, BTreeSet<String>>,
}

impl Plan {
    /// All cells: those of the matrix, and those of trials.
    pub fn all_cells(&self) -> impl Iterator<Item = &Cell> {
        let of_trials = self.trials.iter().flat_map(|trial| &trial.cells);
        self.cells.iter().chain(of_trials)
    }

    /// Digest of everything that determines the results: each cell's name, protocols and keys.
    pub fn digest(&self) -> Key {
        let cells: Vec<_> = self
            .cells
            .iter()
            .map(|cell| cell.identity(&self.graph))
            .collect();
        allround_core::digest::of_value(&cells)
    }

    /// The stages that run while no other stage runs: those that train or evaluate a listed model
    /// or variant, even if other cells share them.
    pub fn alone(&self, alone: &Alone) -> BTreeSet<NodeId> {
        let names = match alone {
            Alone::All(true) => return (0..self.graph.nodes.len()).collect(),
            Alone::All(false) => return BTreeSet::new(),
            Alone::Of(names) => names,
        };
        let is_listed = |cell: &&Cell| names.iter().any(|name| name == cell.shown_name());
        let stages = self.all_cells().filter(is_listed);
        stages
            .flat_map(|cell| cell.stages(&self.graph))
            .filter(|&id| self.graph.nodes[id].stage.settings.kind().is_of_a_model())
            .collect()
    }
}

/// Plans the cells of `spec`. `digest` is called once for each input file.
///
/// # Errors
/// When an input file cannot be read, or the matrix has a name that is not declared.
pub fn plan(spec: &Spec, digest: &mut Digester<'_>) -> Result<Plan, PlanError> {
    plan_with_trials(spec, &[], digest)
}

/// Plans the cells of `spec`, and these trials of its searches.
///
/// # Errors
/// As [`plan`].
pub fn plan_with_trials(
    spec: &Spec,
    trials: &[TrialModel],
    digest: &mut Digester<'_>,
) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(spec, digest)?;
    let mut cells = Vec::new();
    for combination in spec.selected() {
        if planner.is_open(&combination) {
            continue;
        }
        for &seed in &spec.seeds {
            cells.push(planner.cell(&combination, seed)?);
        }
    }
    planner.finish(cells, trials)
}

/// Builds the graph. The maps avoid hashing a shared stage once per cell.
struct Planner<'a> {
    spec: &'a Spec,
    inputs: Inputs,
    graph: Graph,
    prepared: HashMap<(String, String, Option<u64>), NodeId>,
    candidates: HashMap<(NodeId, String, u64, Option<String>), NodeId>,
    trained: HashMap<(NodeId, String, u64), NodeId>,
    backbones: BTreeMap<NodeId, BTreeSet<String>>,
    fingerprints: HashMap<(String, String, String), String>,
    /// Names of the models whose scores a fusion reads.
    fused: BTreeSet<String>,
}

/// A cell that is to be planned.
struct CellRequest<'a> {
    combination: &'a Selected,
    seed: u64,
    /// Name of the model, or of the model that the variant varies.
    base: String,
    /// Name of the variant or search; empty for the model itself.
    variant: String,
    /// Name of the settings; those of trials differ under one `variant`.
    settings: &'a str,
    config: &'a Model,
    /// The protocols, and the parts of the split under each.
    protocols: Vec<(&'a String, &'a Protocol, Vec<Part>)>,
}

impl<'a> Planner<'a> {
    fn new(spec: &'a Spec, digest: &mut Digester<'_>) -> Result<Self, PlanError> {
        Ok(Planner {
            spec,
            inputs: inputs::digests(spec, digest)?,
            graph: Graph::default(),
            prepared: HashMap::new(),
            candidates: HashMap::new(),
            trained: HashMap::new(),
            backbones: BTreeMap::new(),
            fingerprints: HashMap::new(),
            fused: spec.fused(),
        })
    }

    fn finish(mut self, cells: Vec<Cell>, trials: &[TrialModel]) -> Result<Plan, PlanError> {
        let planned = trials.iter().map(|trial| self.trial(trial));
        let planned: Result<Vec<Trial>, PlanError> = planned.collect();
        Ok(Plan {
            cells,
            trials: planned?,
            graph: self.graph,
            backbones: self.backbones,
        })
    }

    /// Whether a combination waits for the result of a search.
    fn is_open(&self, combination: &Selected) -> bool {
        let Selected { dataset, model, .. } = combination;
        let is_missing = |search: &str| self.spec.model_on(search, dataset).is_none();
        self.spec.searches_of(model).into_iter().any(is_missing)
    }

    fn cell(&mut self, combination: &Selected, seed: u64) -> Result<Cell, PlanError> {
        let (base, variant, config) = self.model(&combination.model, &combination.dataset)?;
        let protocols = self.spec.protocol.iter();
        self.cell_of(&CellRequest {
            combination,
            seed,
            base,
            variant,
            settings: &combination.model,
            config: &config,
            protocols: protocols
                .map(|(name, protocol)| (name, protocol, protocol.splits.clone()))
                .collect(),
        })
    }

    fn cell_of(&mut self, request: &CellRequest<'_>) -> Result<Cell, PlanError> {
        let combination = request.combination;
        let Selected {
            dataset,
            scenario,
            model,
        } = combination;
        let seed = request.seed;
        let axis = find(&self.spec.scenario, "scenario", scenario)?;
        let context = CellContext {
            dataset,
            changes_items: matches!(axis, Scenario::CrossDomain { .. }),
            prepared: self.prepare(dataset, scenario, training_scenario(axis), seed)?,
            backbone_data: self.prepare(dataset, scenario, backbone_scenario(axis), seed)?,
            seed,
        };
        let measured = self.prepare(dataset, scenario, axis, seed)?;
        // Candidates come before training in the graph: without measured users, nothing is trained.
        for (name, protocol, _) in &request.protocols {
            self.draw(measured, name, protocol, combination, axis, seed);
        }
        let stages = self.model_stages(&context, request.settings, request.config)?;
        let mut measures = Vec::with_capacity(request.protocols.len());
        for (name, protocol, parts) in &request.protocols {
            let candidates = self.draw(measured, name, protocol, combination, axis, seed);
            let fingerprint = self.fingerprint(dataset, scenario, name, protocol)?;
            let question = genre::question(&protocol.candidates, request.config, &stages);
            let stages = question.as_ref().unwrap_or(&stages);
            for &part in parts {
                let data = roles([("prepared", measured), ("candidates", candidates)]);
                let keeps = self.keeps_scores(protocol, model, stages);
                let evaluate = self.evaluate(part, keeps, &data, stages);
                measures.push(Measure {
                    name: (*name).clone(),
                    part,
                    protocol: fingerprint.clone(),
                    candidates,
                    evaluate,
                });
            }
        }
        Ok(Cell {
            name: format!("{dataset}.{scenario}.{model}.s{seed}"),
            dataset: dataset.clone(),
            scenario: scenario.clone(),
            model: request.base.clone(),
            variant: request.variant.clone(),
            backbone: stages.backbone,
            seed,
            prepared: measured,
            trained: stages.trained,
            measures,
        })
    }

    /// Name of the model that a name in the matrix is, or that it varies.
    fn base_of(&self, name: &str) -> String {
        let variant = self.spec.variant.get(name);
        variant.map_or_else(|| name.to_owned(), |variant| variant.of.clone())
    }

    /// Name of the model, name of the variant or search (empty for none) and configuration, for a
    /// name in the matrix.
    fn model(&self, name: &str, dataset: &str) -> Result<(String, String, Model), PlanError> {
        if let Some(search) = self.spec.search.get(name) {
            let model = self.spec.model_on(name, dataset).cloned();
            let model = model.ok_or_else(|| unknown("model", name))?;
            return Ok((self.base_of(&search.of), name.to_owned(), model));
        }
        if let Some(variant) = self.spec.variant.get(name) {
            let model = variant.resolved.clone();
            let model = model.ok_or_else(|| unknown("model", name))?;
            return Ok((variant.of.clone(), name.to_owned(), model));
        }
        let model = find(&self.spec.model, "model", name)?;
        Ok((name.to_owned(), String::new(), model.clone()))
    }

    fn prepare(
        &mut self,
        name: &str,
        scenario_name: &str,
        scenario: &Scenario,
        seed: u64,
    ) -> Result<NodeId, PlanError> {
        let seed = is_random(scenario).then_some(seed);
        let changes = !scenario.is_slice();
        let scenario_name = if changes { scenario_name } else { "" };
        let id = (name.to_owned(), scenario_name.to_owned(), seed);
        if let Some(&node) = self.prepared.get(&id) {
            return Ok(node);
        }
        let target = scenario.target();
        let mut inputs = self.inputs.of_dataset[name].clone();
        inputs.extend(
            target
                .iter()
                .flat_map(|&target| self.inputs.of_dataset[target].clone()),
        );
        let find_dataset = |name: &str| find(&self.spec.dataset, "data set", name).cloned();
        let settings = Prepare {
            dataset: find_dataset(name)?,
            scenario: changes.then(|| scenario.clone()),
            target: target.map(find_dataset).transpose()?,
            seed,
            limit: limit(self.spec),
        };
        let node = self.add(Settings::Prepare(settings), BTreeMap::new(), inputs);
        self.prepared.insert(id, node);
        Ok(node)
    }

    /// The stage that makes a protocol's candidate lists. Slices share it, unless candidates are
    /// drawn from the class of the slice.
    fn draw(
        &mut self,
        prepared: NodeId,
        name: &str,
        protocol: &Protocol,
        combination: &Selected,
        axis: &Scenario,
        cell_seed: u64,
    ) -> NodeId {
        let seed = draw_seed(protocol, cell_seed);
        let class = axis.ranks_within_class();
        let id = (
            prepared,
            name.to_owned(),
            seed,
            class.then(|| combination.scenario.clone()),
        );
        if let Some(&node) = self.candidates.get(&id) {
            return node;
        }
        let settings = Settings::Candidates(DrawCandidates {
            candidates: protocol.candidates.clone(),
            rules: protocol.rules,
            ties: protocol.ties,
            class: class.then(|| axis.clone()),
            max_users: protocol.max_users,
            slices: self.slice_users(&combination.dataset, protocol, axis),
            seed,
        });
        let inputs = self.inputs.of_protocol[name].clone();
        let node = self.add(settings, roles([("prepared", prepared)]), inputs);
        self.candidates.insert(id, node);
        node
    }

    /// Users that are drawn for the slices of the matrix. Candidates of a class are drawn for one
    /// slice alone; a scenario that changes training has no slices.
    fn slice_users(&self, dataset: &str, protocol: &Protocol, axis: &Scenario) -> SliceUsers {
        let least = protocol.users_per_slice;
        if least == 0 || protocol.max_users == 0 || !axis.is_slice() {
            return SliceUsers::default();
        }
        let selected = self.spec.selected().into_iter();
        let names: BTreeSet<String> = selected
            .filter(|cell| cell.dataset == dataset)
            .map(|cell| cell.scenario)
            .collect();
        let scenarios = names.iter().filter_map(|name| self.spec.scenario.get(name));
        let has_list = |scenario: &&Scenario| {
            scenario.is_part() && !scenario.ranks_within_class() && !axis.ranks_within_class()
        };
        SliceUsers {
            least,
            scenarios: scenarios.filter(has_list).cloned().collect(),
        }
    }

    /// Whether an evaluation of the model `name` keeps the scores of the candidates. Those of short
    /// lists are small, so that a fusion which is added later evaluates nothing again.
    fn keeps_scores(&self, protocol: &Protocol, name: &str, stages: &ModelStages) -> bool {
        let is_short = protocol.candidates.n().is_some_and(|n| n <= SHORT_LIST);
        let is_question = matches!(protocol.candidates, Candidates::FavouriteGenre(_));
        let is_useful = is_short || is_question || self.fused.contains(name);
        protocol.keep_scores || is_useful && stages.ranking.has_scores()
    }

    /// The evaluation of `part`. It reads the stages `data` and those of the model.
    fn evaluate(
        &mut self,
        part: Part,
        keep_scores: bool,
        data: &BTreeMap<String, NodeId>,
        stages: &ModelStages,
    ) -> NodeId {
        let mut needs = data.clone();
        needs.extend(stages.reads.clone());
        for (at, source) in stages.sources.iter().enumerate() {
            needs.insert(source_role(at), self.evaluate(part, true, data, source));
        }
        let given = stages.given.as_ref().map(|scores| GivenScores {
            file: scores.of(part).to_owned(),
            form: scores.form,
            missing: scores.missing,
            unknown: scores.unknown,
        });
        let inputs = match &given {
            // The file of the other part has no effect.
            Some(given) => self.inputs.of_model(Some(&given.file)),
            None => stages.inputs.clone(),
        };
        let settings = Settings::Evaluate(Evaluate {
            part,
            keep_scores,
            ranking: given.map_or_else(|| stages.ranking.clone(), Ranking::Given),
        });
        self.add(settings, needs, inputs)
    }

    /// `NAME:DIGITS`: a digest of everything that must be equal for two numbers to be comparable.
    /// Metrics and the cell's seed are not included.
    fn fingerprint(
        &mut self,
        dataset: &str,
        scenario: &str,
        name: &str,
        protocol: &Protocol,
    ) -> Result<String, PlanError> {
        let id = (dataset.to_owned(), scenario.to_owned(), name.to_owned());
        if let Some(known) = self.fingerprints.get(&id) {
            return Ok(known.clone());
        }
        let config = find(&self.spec.dataset, "data set", dataset)?;
        let axis = find(&self.spec.scenario, "scenario", scenario)?;
        let data = |name: &str, config: &Dataset| {
            allround_core::stage::without_paths(config, &self.inputs.of_dataset[name])
        };
        let target = match axis.target() {
            Some(target) => Some(data(target, find(&self.spec.dataset, "data set", target)?)),
            None => None,
        };
        let digest = allround_core::digest::of_value(&(
            allround_core::stage::without_paths(
                &protocol.candidates,
                &self.inputs.of_protocol[name],
            ),
            (protocol.rules, protocol.ties),
            (users_of(protocol, axis), protocol.candidates_seed),
            data(dataset, config),
            (axis, target, limit(self.spec)),
        ));
        let text = format!("{name}:{}", digest.short());
        self.fingerprints.insert(id, text.clone());
        Ok(text)
    }
}

fn find<'a, T>(
    declared: &'a BTreeMap<String, T>,
    what: &'static str,
    name: &str,
) -> Result<&'a T, PlanError> {
    declared.get(name).ok_or_else(|| unknown(what, name))
}

fn unknown(what: &'static str, name: &str) -> PlanError {
    PlanError::Unknown {
        what,
        name: name.to_owned(),
    }
}

fn roles<const N: usize>(needs: [(&str, NodeId); N]) -> BTreeMap<String, NodeId> {
    needs
        .into_iter()
        .map(|(role, id)| (role.to_owned(), id))
        .collect()
}
