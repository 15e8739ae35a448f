//! Loads and plans an experiment: the first step of `run`, `check` and `plan`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::advice::advise;
use crate::experiment::{self, Checked};
use crate::plan::{self, Cell, NodeId, Plan, PlanError};
use crate::render::style::counted;
use crate::store::Store;
use crate::store::inputs::Inputs;
use allround_core::config::Scenario;
use allround_core::digest::Key;

/// From this number of scenarios on, only their number is printed.
const MANY_SCENARIOS: usize = 6;

/// A checked experiment with its plan.
pub struct Planned {
    /// The experiment.
    pub checked: Checked,
    /// Its cells and stages.
    pub plan: Plan,
    /// Digests computed while planning, to be saved once the store is open.
    pub inputs: Inputs,
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
    let mut inputs = Inputs::load(store);
    let base = absolute(&checked.base)?;
    let plan = plan::plan(&checked.spec, &mut |path| inputs.digest(&base.join(path)));
    let plan = plan.map_err(|error| match &error {
        PlanError::Input { source, .. } if source.source.kind() == std::io::ErrorKind::NotFound => advise(
            error.to_string(),
            "paths are relative to the folder of the experiment file; download the file or correct its path",
        ),
        _ => error.into(),
    })?;
    Ok(Planned {
        checked,
        plan,
        inputs,
    })
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
