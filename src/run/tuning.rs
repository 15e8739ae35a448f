//! The searches of an experiment: they propose trials, and get the values that are in the store.
//!
//! The store is the only memory of a search. A replay with its values proposes the same trials, so
//! that an interrupted search continues where it was.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::RowSource;
use crate::analysis::stats;
use crate::exec::Outcome;
use crate::experiment::Checked;
use crate::experiment::config::Search;
use crate::experiment::config::search::{Best, Method, Values};
use crate::experiment::{Spec, whole_at};
use crate::plan::{self, Cell, Digester, Plan, PlanError, Trial, TrialModel};
use crate::render::style::counted;
use crate::results::{Status, TrialRow};
use crate::search::{Driver, Parameter, Proposed, Tried};
use crate::store::{Presence, Store};
use allround_core::data::DataError;
use allround_core::digest::Key;

/// Why a search cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TuningError {
    #[error("{0}")]
    Plan(#[from] PlanError),
    #[error("{0}")]
    Data(#[from] DataError),
}

/// All searches of an experiment.
#[derive(Debug, Default)]
pub(crate) struct Tuning {
    searches: Vec<Running>,
    /// Why stages failed in this run, by key. Another run tries them again.
    failures: BTreeMap<Key, String>,
}

/// One search on one data set.
#[derive(Debug)]
struct Running {
    name: String,
    dataset: String,
    driver: Driver,
    /// Proposed trials that have no value yet.
    open: Vec<OpenTrial>,
    is_over: bool,
    /// Trials with a value, and those that failed.
    rows: Vec<TrialRow>,
    models: Vec<TrialModel>,
    /// Stages that were paid for.
    paid: BTreeSet<Key>,
}

#[derive(Clone, Debug)]
struct OpenTrial {
    proposed: Proposed,
    /// The model, or why there is none.
    model: Result<TrialModel, String>,
}

/// What is known of a trial.
enum Known {
    /// A stage is missing.
    Open,
    Ended(Box<TrialRow>),
}

/// How far a search is.
pub(crate) struct Progress<'a> {
    pub(crate) search: &'a str,
    pub(crate) dataset: &'a str,
    pub(crate) ended: usize,
    pub(crate) is_over: bool,
    /// Value and settings of the best trial so far.
    pub(crate) best: Option<&'a Tried>,
}

/// What a step of all searches reads.
pub(crate) struct Sources<'a> {
    pub(crate) checked: &'a Checked,
    pub(crate) store: &'a Store,
    pub(crate) digest: &'a mut Digester<'a>,
}

impl Tuning {
    /// The searches of an experiment, before their first trials.
    pub(crate) fn new(checked: &Checked) -> Tuning {
        let spec = &checked.spec;
        let mut searches = Vec::new();
        for (name, search) in &spec.search {
            for dataset in spec.datasets_of(name) {
                searches.push(Running::new(checked, (name, search), dataset));
            }
        }
        Tuning {
            searches,
            failures: BTreeMap::new(),
        }
    }

    /// Gives every search the values that the store has, until one is missing.
    ///
    /// # Errors
    /// When an input file or an artefact cannot be read.
    pub(crate) fn advance(&mut self, sources: &mut Sources<'_>) -> Result<(), TuningError> {
        for running in &mut self.searches {
            running.advance(sources, &self.failures)?;
        }
        Ok(())
    }

    /// Trials whose values are missing.
    pub(crate) fn open(&self) -> Vec<TrialModel> {
        let open = self.searches.iter().flat_map(|running| &running.open);
        open.filter_map(|trial| trial.model.clone().ok()).collect()
    }

    /// All trials with a model, for the plan.
    pub(crate) fn trials(&self) -> Vec<TrialModel> {
        let ended = self.searches.iter().flat_map(|running| &running.models);
        ended.cloned().chain(self.open()).collect()
    }

    /// Records which trials cannot get a value, after their stages were run.
    pub(crate) fn add_failures(&mut self, plan: &Plan, outcomes: &[Outcome]) {
        for cell in plan.trials.iter().flat_map(|trial| &trial.cells) {
            for id in cell.roots().chain([cell.prepared]) {
                let error = match &outcomes[id] {
                    Outcome::Failed(error) => format!("{}: {error}", plan.graph.nodes[id].label()),
                    Outcome::Blocked(culprit) => match &outcomes[*culprit] {
                        Outcome::Failed(error) => {
                            format!("{}: {error}", plan.graph.nodes[*culprit].label())
                        }
                        _ => String::new(),
                    },
                    Outcome::Cached | Outcome::Made | Outcome::Interrupted => continue,
                };
                self.failures.insert(plan.graph.nodes[id].key, error);
            }
        }
    }

    /// The best settings of searches that are over.
    pub(crate) fn best(&self, checked: &Checked) -> Vec<(String, String, Best)> {
        let over = self.searches.iter().filter(|running| running.is_over);
        let best = over.filter_map(|running| {
            let set = running.driver.best()?.proposed.set.clone();
            let resolved = checked.trial(&running.name, &set).ok()?;
            let best = Best { set, resolved };
            Some((running.name.clone(), running.dataset.clone(), best))
        });
        best.collect()
    }

    /// How far each search is.
    pub(crate) fn progress(&self) -> impl Iterator<Item = Progress<'_>> {
        self.searches.iter().map(|running| Progress {
            search: &running.name,
            dataset: &running.dataset,
            ended: running.rows.len(),
            is_over: running.is_over,
            best: running.driver.best(),
        })
    }

    /// Rows of `trials.csv`.
    pub(crate) fn rows(&self) -> Vec<TrialRow> {
        let mut rows = Vec::new();
        for running in &self.searches {
            let best = running.driver.best().map(|it| it.proposed.number as u64);
            let best = best.filter(|_| running.is_over);
            rows.extend(running.rows.iter().map(|row| TrialRow {
                best: Some(row.trial) == best,
                ..row.clone()
            }));
        }
        rows
    }
}

impl Running {
    fn new(checked: &Checked, (name, search): (&String, &Search), dataset: String) -> Running {
        let spec = &checked.spec;
        let parameters = search.space.iter().map(|(key, values)| Parameter {
            key: key.clone(),
            values: values.clone(),
            is_whole: match values {
                Values::List(_) => false,
                Values::Range(range) => checked.is_whole(name, key, range),
            },
        });
        let full = match &search.method {
            Method::Halving { resource, .. } => whole_at(spec.model_named(&search.of), resource),
            Method::Grid {} | Method::Random { .. } | Method::Tpe { .. } => None,
        };
        let cells = search.seeds(spec).len();
        Running {
            name: name.clone(),
            dataset,
            driver: Driver::new(search, parameters.collect(), full.unwrap_or(1), cells),
            open: Vec::new(),
            is_over: false,
            rows: Vec::new(),
            models: Vec::new(),
            paid: BTreeSet::new(),
        }
    }

    fn advance(
        &mut self,
        sources: &mut Sources<'_>,
        failures: &BTreeMap<Key, String>,
    ) -> Result<(), TuningError> {
        while !self.is_over {
            if self.open.is_empty() {
                self.propose(sources.checked);
            }
            let models = self.open.iter().filter_map(|it| it.model.clone().ok());
            let models: Vec<TrialModel> = models.collect();
            let spec = &sources.checked.spec;
            let plan = plan::plan_trials(spec, &models, sources.digest)?;
            let reader = Reader {
                spec,
                plan: &plan,
                store: sources.store,
                rows: RowSource::of_plan(spec, &plan, sources.store),
            };
            let paid = self.paid.clone();
            let mut ended = Vec::new();
            for trial in &self.open {
                match reader.known(self, trial, failures)? {
                    Known::Open => {
                        // Times are counted in order: the trials of a round end together.
                        self.paid = paid;
                        return Ok(());
                    }
                    Known::Ended(mut row) => {
                        row.seconds = reader.seconds(trial, &mut self.paid)?;
                        ended.push(*row);
                    }
                }
            }
            for (trial, row) in std::mem::take(&mut self.open).into_iter().zip(ended) {
                let tried = Tried {
                    proposed: trial.proposed,
                    value: row.value,
                };
                self.driver.record(tried, row.seconds);
                self.rows.push(row);
                self.models.extend(trial.model);
            }
        }
        Ok(())
    }

    /// Takes the next trials, unless the search is over.
    fn propose(&mut self, checked: &Checked) {
        let proposed = self.driver.propose();
        self.is_over = proposed.is_empty();
        let open = proposed.into_iter().map(|proposed| {
            let model = checked.trial(&self.name, &proposed.whole_set());
            let model = model.map(|model| TrialModel {
                search: self.name.clone(),
                dataset: self.dataset.clone(),
                number: proposed.number,
                model,
            });
            OpenTrial { proposed, model }
        });
        self.open = open.collect();
    }
}

/// Reads what the store knows of planned trials.
struct Reader<'a> {
    spec: &'a Spec,
    plan: &'a Plan,
    store: &'a Store,
    rows: RowSource<'a>,
}

impl Reader<'_> {
    fn planned(&self, trial: &OpenTrial) -> Option<&Trial> {
        let model = trial.model.as_ref().ok()?;
        let mut trials = self.plan.trials.iter();
        trials.find(|planned| planned.number == model.number)
    }

    /// The row of a trial, without its times.
    fn known(
        &self,
        running: &Running,
        trial: &OpenTrial,
        failures: &BTreeMap<Key, String>,
    ) -> Result<Known, TuningError> {
        let search = &self.spec.search[&running.name];
        let set = trial.proposed.whole_set();
        let mut row = TrialRow {
            experiment: self.spec.name.clone(),
            search: running.name.clone(),
            of: search.of.clone(),
            dataset: running.dataset.clone(),
            scenario: search.scenario.clone(),
            protocol: search.protocol.clone(),
            method: search.method.kind().to_owned(),
            trial: trial.proposed.number as u64,
            settings: serde_json::to_string(&set).expect("settings are JSON"),
            resource: trial.proposed.resource.as_ref().map(|(_, value)| *value),
            metric: search.metric.to_string(),
            ..TrialRow::default()
        };
        if let Err(error) = &trial.model {
            row.status = Status::Failed;
            row.error.clone_from(error);
            return Ok(Known::Ended(Box::new(row)));
        }
        let cells = self.planned(trial).map(|trial| trial.cells.as_slice());
        let mut values = Vec::new();
        for cell in cells.unwrap_or_default() {
            if let Some(error) = self.failure(cell, failures) {
                row.status = Status::Failed;
                row.error = error;
                return Ok(Known::Ended(Box::new(row)));
            }
            if !self.is_whole(cell) {
                return Ok(Known::Open);
            }
            for measure in &cell.measures {
                row.protocol.clone_from(&measure.protocol);
                let ranks = self.rows.validation(cell, measure)?;
                row.n_users = Some(ranks.len() as u64);
                values.extend(search.metric.mean(&ranks));
            }
        }
        row.seeds = values.len() as u64;
        row.value = stats::mean(&values);
        row.sd = stats::standard_deviation(&values);
        if row.value.is_none() {
            row.status = Status::Empty;
            row.error = "no user is measured".to_owned();
        }
        Ok(Known::Ended(Box::new(row)))
    }

    fn failure(&self, cell: &Cell, failures: &BTreeMap<Key, String>) -> Option<String> {
        let mut ids = cell.roots().chain([cell.prepared]);
        ids.find_map(|id| failures.get(&self.plan.graph.nodes[id].key).cloned())
    }

    /// Whether the store has the ranks of a cell, and their data.
    fn is_whole(&self, cell: &Cell) -> bool {
        cell.roots().chain([cell.prepared]).all(|id| {
            let node = &self.plan.graph.nodes[id];
            let kind = node.stage.settings.kind().as_str();
            self.store.look(kind, &node.key) == Presence::Whole
        })
    }

    /// Recorded seconds of the stages that no earlier trial has paid for.
    fn seconds(&self, trial: &OpenTrial, paid: &mut BTreeSet<Key>) -> Result<f64, TuningError> {
        let cells = self.planned(trial).map(|trial| trial.cells.as_slice());
        let mut seconds = 0.0;
        for cell in cells.unwrap_or_default() {
            for id in cell.stages(&self.plan.graph) {
                let node = &self.plan.graph.nodes[id];
                let kind = node.stage.settings.kind();
                let is_there = || self.store.look(kind.as_str(), &node.key) == Presence::Whole;
                if kind.is_of_a_model() && is_there() && paid.insert(node.key) {
                    let rows = self.rows.stage(id, true).map_err(DataError::from)?;
                    seconds += rows.phases.iter().map(|phase| phase.wall_s).sum::<f64>();
                }
            }
        }
        Ok(seconds)
    }
}

/// A line on each search: how far it is.
pub(crate) fn lines(tuning: &Tuning) -> Vec<String> {
    let line = |it: Progress<'_>| {
        let state = if it.is_over { "finished" } else { "running" };
        let best = match it.best {
            Some(Tried {
                proposed,
                value: Some(value),
            }) => format!(
                ", best {value:.4} in trial {} ({})",
                proposed.number,
                words(&proposed.set)
            ),
            _ => String::new(),
        };
        let trials = counted(it.ended, "trial");
        format!(
            "search {} on {}: {state}, {trials}{best}",
            it.search, it.dataset
        )
    };
    tuning.progress().map(line).collect()
}

fn words(set: &crate::search::Settings) -> String {
    let settings = set.iter().map(|(key, value)| format!("{key} = {value}"));
    settings.collect::<Vec<_>>().join(", ")
}
