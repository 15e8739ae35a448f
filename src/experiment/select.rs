//! The matrix, multiplied out.

use crate::experiment::config::{MatrixEntry, Spec};
use allround_core::models::Model;

/// A combination that is run, once for each seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selected {
    /// Name of a data set.
    pub dataset: String,
    /// Name of a scenario.
    pub scenario: String,
    /// Name of a model or variant.
    pub model: String,
}

impl Spec {
    /// The combinations of the matrix: its axes multiplied, without what `exclude` matches, then with what `include`
    /// adds; each once, sorted.
    pub fn selected(&self) -> Vec<Selected> {
        let mut selected = self.product();
        selected.retain(|cell| !self.matrix.exclude.iter().any(|entry| entry.matches(cell)));
        let include = self.matrix.include.iter().filter_map(|entry| {
            Some(Selected {
                dataset: entry.dataset.clone()?,
                scenario: entry.scenario.clone()?,
                model: entry.model.clone()?,
            })
        });
        selected.extend(include);
        selected.sort();
        selected.dedup();
        selected
    }

    /// The axes multiplied; an empty axis is everything declared.
    pub(super) fn product(&self) -> Vec<Selected> {
        let all = |axis: &[String], declared: Vec<&String>| match axis {
            [] => declared.into_iter().cloned().collect(),
            axis => axis.to_vec(),
        };
        let datasets = all(&self.matrix.dataset, self.dataset.keys().collect());
        let scenarios = all(&self.matrix.scenario, self.scenario.keys().collect());
        let models = all(
            &self.matrix.model,
            self.model.keys().chain(self.variant.keys()).collect(),
        );
        let mut product = Vec::new();
        for dataset in &datasets {
            for scenario in &scenarios {
                for model in &models {
                    product.push(Selected {
                        dataset: dataset.clone(),
                        scenario: scenario.clone(),
                        model: model.clone(),
                    });
                }
            }
        }
        product
    }

    /// The whole configuration of a model or variant by its name; `None` for a name that is neither.
    pub fn model_named(&self, name: &str) -> Option<&Model> {
        let variant = || self.variant.get(name)?.resolved.as_ref();
        self.model.get(name).or_else(variant)
    }
}

impl MatrixEntry {
    /// Whether a combination has every name that the entry gives.
    pub fn matches(&self, cell: &Selected) -> bool {
        let same = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == name)
        };
        same(&self.dataset, &cell.dataset)
            && same(&self.scenario, &cell.scenario)
            && same(&self.model, &cell.model)
    }
}
