//! Loads and plans an experiment: the first step of `run`, `check` and `plan`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::tuning::{self, Sources, Tuning, TuningError};
use crate::advice::advise;
use crate::exec::Outcome;
use crate::experiment::{self, Checked};
use crate::plan::{self, Cell, NodeId, Plan, PlanError};
use crate::render::style::counted;
use crate::results::TrialRow;
use crate::store::Store;
use crate::store::inputs::Inputs;
use allround_core::config::Scenario;
use allround_core::digest::Key;
use allround_core::fs::FsError;

/// From this number of scenarios on, only their number is printed.
const MANY_SCENARIOS: usize = 6;

/// A checked experiment with its plan.
pub struct Planned {
    /// The experiment, with the results of its searches as far as they are known.
    pub checked: Checked,
    /// Its cells and stages, and the trials of its searches.
    pub plan: Plan,
    /// Digests computed while planning, to be saved once the store is open.
    pub inputs: Inputs,
    /// The searches.
    tuning: Tuning,
}

/// The folder that paths of an experiment are relative to, and digests of its files.
struct Digests<'a> {
    base: PathBuf,
    inputs: &'a mut Inputs,
}

impl Digests<'_> {
    fn of(&mut self, path: &str) -> Result<Key, FsError> {
        self.inputs.digest(&self.base.join(path))
    }
}

impl Planned {
    /// Digest of everything that determines the contents of the results folder: spec, plan,
    /// program.
    pub fn identity(&self) -> Key {
        let program = (env!("CARGO_PKG_VERSION"), program_stamp());
        allround_core::digest::of_value(&(
            self.checked.resolved_toml(),
            self.plan.digest(),
            program,
        ))
    }

    /// One line with the axes of the matrix and the number of cells and stages, such as
    /// `2 seeds x 3 models x cold, warm x 1 data set = 12 cells, 30 stages`.
    pub fn description(&self) -> String {
        let cells = &self.plan.cells;
        let names = |of: fn(&Cell) -> &str| -> BTreeSet<&str> { cells.iter().map(of).collect() };
        let scenarios = names(|cell| &cell.scenario);
        let (models, datasets) = (names(Cell::shown_name), names(|cell| &cell.dataset));
        let seeds: BTreeSet<u64> = cells.iter().map(|cell| cell.seed).collect();
        let product = seeds.len() * models.len() * scenarios.len() * datasets.len();
        let axes = [
            counted(seeds.len(), "seed"),
            counted(models.len(), "model"),
            match scenarios.len() {
                0 | MANY_SCENARIOS.. => counted(scenarios.len(), "scenario"),
                _ => Vec::from_iter(scenarios).join(", "),
            },
            counted(datasets.len(), "data set"),
        ];
        let all = counted(cells.len(), "cell");
        format!(
            "{} {} {all}, {}",
            axes.join(" x "),
            match product == cells.len() {
                true => "=",
                false => "limited by the matrix to",
            },
            counted(self.plan.graph.nodes.len(), "stage")
        )
    }

    /// A line on each search: how far it is.
    pub fn searches(&self) -> Vec<String> {
        tuning::lines(&self.tuning)
    }

    /// Whether a search is not over.
    pub fn is_searching(&self) -> bool {
        self.tuning.progress().any(|it| !it.is_over)
    }

    /// Rows of the trials that have ended.
    pub fn trials(&self) -> Vec<TrialRow> {
        self.tuning.rows()
    }

    /// The trials that searches wait for; `None` if every search is over.
    ///
    /// # Errors
    /// When an input file cannot be read.
    pub(super) fn round(&mut self) -> anyhow::Result<Option<Plan>> {
        let open = self.tuning.open();
        if open.is_empty() {
            return Ok(None);
        }
        let mut digests = Digests {
            base: absolute(&self.checked.base)?,
            inputs: &mut self.inputs,
        };
        let spec = &self.checked.spec;
        let plan = plan::plan_trials(spec, &open, &mut |path| digests.of(path))?;
        Ok(Some(plan))
    }

    /// Continues the searches after a round of trials, and plans again.
    ///
    /// # Errors
    /// When an input file or an artefact cannot be read.
    pub(super) fn advance(
        &mut self,
        store: &Store,
        round: &Plan,
        outcomes: &[Outcome],
    ) -> anyhow::Result<()> {
        self.tuning.add_failures(round, outcomes);
        self.replan(store)
    }

    /// Gives the searches what the store knows, and plans cells and trials.
    fn replan(&mut self, store: &Store) -> anyhow::Result<()> {
        let mut digests = Digests {
            base: absolute(&self.checked.base)?,
            inputs: &mut self.inputs,
        };
        let mut sources = Sources {
            checked: &self.checked,
            store,
            digest: &mut |path| digests.of(path),
        };
        self.tuning.advance(&mut sources)?;
        for (search, dataset, best) in self.tuning.best(&self.checked) {
            if !self.checked.spec.search[&search]
                .best
                .contains_key(&dataset)
            {
                self.checked.add_best(&search, &dataset, best);
            }
        }
        let (spec, trials) = (&self.checked.spec, self.tuning.trials());
        self.plan = plan::plan_with_trials(spec, &trials, &mut |path| digests.of(path))?;
        Ok(())
    }

    /// Searches that are over and have no result, since every trial failed.
    pub(super) fn without_result(&self) -> Vec<String> {
        let failed = self.tuning.progress();
        let failed = failed.filter(|it| it.is_over && it.best.is_none());
        failed
            .map(|it| {
                format!(
                    "search {} on {}: no trial has a value (see trials.csv)",
                    it.search, it.dataset
                )
            })
            .collect()
    }

    /// Notes about what the plan does not include.
    pub fn notes(&self) -> Vec<String> {
        let spec = &self.checked.spec;
        let is_overall = |name: &str| matches!(spec.scenario[name], Scenario::Overall {});
        if self.plan.cells.is_empty()
            || self
                .plan
                .cells
                .iter()
                .any(|cell| is_overall(&cell.scenario))
        {
            return Vec::new();
        }
        let what = "no scenario of the matrix is `overall`: no metric over all users is computed";
        let declared = spec.scenario.keys().find(|name| is_overall(name));
        let remedy = match declared {
            Some(name) => format!("let `[matrix]` include the scenario `{name}`"),
            None => {
                "add `[scenario.overall.overall]`, also to `matrix.scenario` if the file sets it"
                    .to_owned()
            }
        };
        vec![format!("{what}; to get one, {remedy}")]
    }

    /// The stages that run while no other stage runs.
    pub fn alone(&self) -> BTreeSet<NodeId> {
        self.plan.alone(&self.checked.spec.run.alone)
    }
}

/// Size and modification time of this program: a new build may write other results.
fn program_stamp() -> Option<allround_core::fs::Stamp> {
    allround_core::fs::stamp(&std::env::current_exe().ok()?).ok()
}

/// Loads, checks and plans an experiment. Digests of input files that `store` knows are reused.
pub fn plan(path: &Path, overrides: &[String], store: &Store) -> anyhow::Result<Planned> {
    let checked = experiment::load(path, overrides)?;
    planned(checked, store).map_err(|error| match error.downcast_ref() {
        Some(PlanError::Input { source, .. })
            if source.source.kind() == std::io::ErrorKind::NotFound =>
        {
            advise(
                error.to_string(),
                "paths are relative to the folder of the experiment file; download the file or correct its path",
            )
        }
        _ => error,
    })
}

/// Plans a checked experiment, and its searches as far as the store has their trials.
pub(super) fn planned(checked: Checked, store: &Store) -> anyhow::Result<Planned> {
    let mut planned = Planned {
        tuning: Tuning::new(&checked),
        checked,
        plan: Plan::default(),
        inputs: Inputs::load(store),
    };
    planned.replan(store).map_err(|error| {
        // The caller looks for the error of the plan.
        match error.downcast::<TuningError>() {
            Ok(TuningError::Plan(error)) => error.into(),
            Ok(error) => error.into(),
            Err(error) => error,
        }
    })?;
    Ok(planned)
}

/// The absolute form of a path.
pub fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(path)
        .map_err(|error| allround_core::fs::FsError::new(path, "find", error))?;
    // Jobs and records are JSON, which is Unicode.
    match absolute.to_str() {
        Some(_) => Ok(absolute),
        None => Err(advise(
            format!("the path `{}` is not UTF-8", absolute.display()),
            "rename that folder or file",
        )),
    }
}
