//! Trials of searches: cells of a model with other settings, measured on validation alone.

use super::{Cell, CellRequest, Digester, Plan, PlanError, Planner, find};
use crate::experiment::{Selected, Spec};
use allround_core::data::Part;
use allround_core::models::Model;

/// A trial that is to be planned: a model with other settings.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialModel {
    /// Name of the search.
    pub search: String,
    /// Name of the data set.
    pub dataset: String,
    /// Number of the trial, from 1.
    pub number: usize,
    /// The model.
    pub model: Model,
}

/// A planned trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Name of the search.
    pub search: String,
    /// Name of the data set.
    pub dataset: String,
    /// Number of the trial, from 1.
    pub number: usize,
    /// One cell for each seed, measured on validation alone.
    pub cells: Vec<Cell>,
}

/// Plans trials alone.
///
/// # Errors
/// As [`super::plan`].
pub fn plan_trials(
    spec: &Spec,
    trials: &[TrialModel],
    digest: &mut Digester<'_>,
) -> Result<Plan, PlanError> {
    Planner::new(spec, digest)?.finish(Vec::new(), trials)
}

impl Planner<'_> {
    pub(super) fn trial(&mut self, trial: &TrialModel) -> Result<Trial, PlanError> {
        let spec = self.spec;
        let search = find(&spec.search, "search", &trial.search)?;
        let protocol = find(&spec.protocol, "protocol", &search.protocol)?;
        let combination = Selected {
            dataset: trial.dataset.clone(),
            scenario: search.scenario.clone(),
            model: trial.search.clone(),
        };
        let settings = format!("{} trial {}", trial.search, trial.number);
        let mut cells = Vec::new();
        for seed in search.seeds(spec) {
            let request = CellRequest {
                combination: &combination,
                seed,
                base: self.base_of(&search.of),
                variant: trial.search.clone(),
                settings: &settings,
                config: &trial.model,
                protocols: vec![(&search.protocol, protocol, vec![Part::Valid])],
            };
            let mut cell = self.cell_of(&request)?;
            cell.name = format!(
                "{}.{}.{} trial {}.s{seed}",
                trial.dataset, search.scenario, trial.search, trial.number
            );
            cells.push(cell);
        }
        Ok(Trial {
            search: trial.search.clone(),
            dataset: trial.dataset.clone(),
            number: trial.number,
            cells,
        })
    }
}
