//! The matrix of a spec: which combinations of data set, scenario and model are run, in which order.

use crate::spec::Spec;
use crate::spec::config::MatrixEntry;

/// One combination of the matrix; every seed makes a cell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combination {
    /// Name of a data set.
    pub dataset: String,
    /// Name of a scenario.
    pub scenario: String,
    /// Name of a model or of a variant.
    pub model: String,
}

impl Combination {
    fn matches(&self, entry: &MatrixEntry) -> bool {
        let same =
            |pattern: &Option<String>, name: &str| pattern.as_deref().is_none_or(|p| p == name);
        same(&entry.dataset, &self.dataset)
            && same(&entry.scenario, &self.scenario)
            && same(&entry.model, &self.model)
    }
}

/// The combinations of `spec`: data sets outermost, then scenarios, then models, each axis in the order written (in the
/// order of names where the axis is empty); what is excluded is left out, what is included comes last.
pub fn combinations(spec: &Spec) -> Vec<Combination> {
    let datasets = axis(&spec.matrix.dataset, spec.dataset.keys());
    let scenarios = axis(&spec.matrix.scenario, spec.scenario.keys());
    let models = axis(
        &spec.matrix.model,
        spec.model.keys().chain(spec.variant.keys()),
    );
    let mut found = Vec::new();
    for dataset in &datasets {
        for scenario in &scenarios {
            for model in &models {
                found.push(Combination {
                    dataset: dataset.clone(),
                    scenario: scenario.clone(),
                    model: model.clone(),
                });
            }
        }
    }
    found.retain(|combination| {
        !spec
            .matrix
            .exclude
            .iter()
            .any(|entry| combination.matches(entry))
    });
    for combination in spec.matrix.include.iter().filter_map(whole) {
        if !found.contains(&combination) {
            found.push(combination);
        }
    }
    found
}

fn axis<'a>(written: &[String], declared: impl Iterator<Item = &'a String>) -> Vec<String> {
    if written.is_empty() {
        declared.cloned().collect()
    } else {
        written.to_vec()
    }
}

/// An entry that names all three axes, as the check of the spec asks of every `include`.
fn whole(entry: &MatrixEntry) -> Option<Combination> {
    Some(Combination {
        dataset: entry.dataset.clone()?,
        scenario: entry.scenario.clone()?,
        model: entry.model.clone()?,
    })
}
