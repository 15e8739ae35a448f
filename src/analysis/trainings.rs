//! Trainings that cells share, from the stages that they use.

use std::collections::{BTreeMap, BTreeSet};

use crate::results::Results;
use allround_core::config::Scenario;
use allround_core::stage::StageKind;

/// One training: the cells of one model on one data set with one seed that use the same trained
/// stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Training<'a> {
    /// Name of the data set.
    pub dataset: &'a str,
    /// Scenarios that change the training data; empty if the cells' scenarios only select users.
    pub scenario: String,
    /// Name of the variant, or of the model itself.
    pub name: &'a str,
    /// Seed.
    pub seed: u64,
    /// Kind and key of every stage that its cells use.
    pub stages: BTreeSet<(&'a str, &'a str)>,
}

/// The role of a stage for the models that use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Data and candidates, for all models.
    Data,
    /// The training of a small language model, once per data set.
    Pretraining,
    /// The training of a CF model.
    CfModel,
    /// Other training of a method, without a language model.
    Training,
    /// Training that passes through a language model.
    LlmTraining,
    /// Evaluation.
    Evaluation,
}

/// The role of a stage kind, as `stages.csv` names it; `None` for an unknown name.
pub fn role(kind: &str) -> Option<Role> {
    Some(match StageKind::named(kind)? {
        StageKind::Prepare | StageKind::Candidates => Role::Data,
        StageKind::PretrainLm => Role::Pretraining,
        StageKind::Contrast | StageKind::Pretrain | StageKind::Backbone => Role::CfModel,
        StageKind::EncodeText | StageKind::Align => Role::Training,
        StageKind::Project | StageKind::Tune | StageKind::Represent => Role::LlmTraining,
        StageKind::Evaluate => Role::Evaluation,
    })
}

/// Cells that share what they train.
#[derive(Default)]
struct Group<'a> {
    scenarios: BTreeSet<&'a str>,
    /// Kind and key of every stage.
    stages: BTreeSet<(&'a str, &'a str)>,
}

/// The trainings of a results folder, sorted by model in the order of tables, then by data set,
/// scenario and seed.
pub fn trainings(results: &Results) -> Vec<Training<'_>> {
    let mut stages: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for row in &results.cell_stages {
        let used = stages.entry(&row.cell).or_default();
        used.insert((&row.kind, &row.key));
    }
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    for (name, cell) in &results.cells {
        let used = stages.remove(name.as_str()).unwrap_or_default();
        let trained: BTreeSet<(&str, &str)> = used
            .iter()
            .filter(|(kind, _)| !matches!(role(kind), None | Some(Role::Data | Role::Evaluation)))
            .copied()
            .collect();
        let at = results.position(&cell.name);
        let key = (at, &*cell.dataset, &*cell.name, cell.seed, trained);
        let group = groups.entry(key).or_default();
        group.scenarios.insert(&cell.scenario);
        group.stages.extend(used);
    }
    let mut found: Vec<(usize, Training<'_>)> = groups
        .into_iter()
        .map(|((at, dataset, name, seed, _), group)| {
            let training = Training {
                dataset,
                scenario: scenario(results, &group.scenarios),
                name,
                seed,
                stages: group.stages,
            };
            (at, training)
        })
        .collect();
    found.sort_by(|(a, one), (b, other)| {
        (a, one.dataset, &one.scenario, one.seed).cmp(&(
            b,
            other.dataset,
            &other.scenario,
            other.seed,
        ))
    });
    found.into_iter().map(|(_, training)| training).collect()
}

fn scenario(results: &Results, scenarios: &BTreeSet<&str>) -> String {
    let is_slice = |name: &&str| {
        let scenario = results.spec.scenario.get(*name);
        scenario.is_some_and(Scenario::is_slice)
    };
    match scenarios.iter().any(is_slice) {
        true => String::new(),
        false => Vec::from_iter(scenarios.iter().copied()).join(", "),
    }
}
