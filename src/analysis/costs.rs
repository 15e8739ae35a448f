//! Costs of training and evaluation, from the rows of `stages.csv`.

use std::collections::BTreeMap;

use super::stats;
use super::trainings::{Role, role, trainings};
use crate::experiment::config::outputs::Cost;
use crate::results::{Results, StageRow};

/// Costs of one model on one data set, means over seeds. Absent values are unknown, never 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Wall seconds in training epochs, summed over its stages. Reading, validation, saving and the
    /// training of a small language model are excluded.
    pub train_s: Option<f64>,
    /// Wall seconds in which its small language model was trained.
    pub pretrain_s: Option<f64>,
    /// Training sequences per second, over all its stages.
    pub examples_per_s: Option<f64>,
    /// Training tokens per second, over its stages that pass through a language model.
    pub tokens_per_s: Option<f64>,
    /// Wall seconds of evaluation per user, with the share of what is computed once for all users.
    pub evaluate_s_per_user: Option<f64>,
    /// Parameters of the largest model among its stages: the language model, where there is one.
    pub params: Option<f64>,
    /// Parameters that its stages train, summed.
    pub trained_params: Option<f64>,
    /// Peak resident memory of a training or evaluating process, in bytes.
    pub peak_rss_bytes: Option<f64>,
    /// Peak device memory, in bytes.
    pub peak_device_bytes: Option<f64>,
    /// Energy of all its stages, in joules.
    pub energy_j: Option<f64>,
    /// Training tokens, summed over its stages that pass through a language model.
    pub train_tokens: Option<f64>,
    /// Floating-point operations of its training, summed over its stages.
    pub train_flops: Option<f64>,
    /// Floating-point operations for a training sample of its stages that pass through a language
    /// model; of all its stages where none does.
    pub flops_per_sample: Option<f64>,
    /// Floating-point operations of the evaluation for a user: of one recommendation.
    pub flops_per_user: Option<f64>,
    /// Seeds that were timed.
    pub seeds: usize,
}

/// What was trained.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CostKey {
    /// Name of the data set.
    pub dataset: String,
    /// Scenario that changes the training; empty where none does.
    pub scenario: String,
    /// Name of the variant, or of the model itself.
    pub name: String,
}

impl Costs {
    /// One of the costs.
    pub fn get(&self, cost: Cost) -> Option<f64> {
        match cost {
            Cost::TrainSeconds => self.train_s,
            Cost::EvaluateSecondsPerUser => self.evaluate_s_per_user,
            Cost::Params => self.params,
            Cost::PeakRssBytes => self.peak_rss_bytes,
            Cost::PeakDeviceBytes => self.peak_device_bytes,
            Cost::TrainedParams => self.trained_params,
            Cost::TrainTokens => self.train_tokens,
            Cost::TrainFlops => self.train_flops,
            Cost::FlopsPerSample => self.flops_per_sample,
            Cost::FlopsPerUser => self.flops_per_user,
            Cost::EnergyJoules => self.energy_j,
        }
    }
}

/// The costs of every training, means over its seeds.
pub fn costs(results: &Results) -> BTreeMap<CostKey, Costs> {
    let mut by_key: BTreeMap<(&str, &str), Vec<&StageRow>> = BTreeMap::new();
    for row in &results.stages {
        by_key.entry((&row.kind, &row.key)).or_default().push(row);
    }
    let mut groups: BTreeMap<CostKey, Vec<Costs>> = BTreeMap::new();
    for training in trainings(results) {
        let rows = training.stages.iter().filter_map(|stage| by_key.get(stage));
        let rows: Vec<&StageRow> = rows.flatten().copied().collect();
        if !rows.is_empty() {
            let key = CostKey {
                dataset: training.dataset.to_owned(),
                scenario: training.scenario,
                name: training.name.to_owned(),
            };
            groups.entry(key).or_default().push(of_stages(&rows));
        }
    }
    groups
        .into_iter()
        .map(|(key, seeds)| (key, mean(&seeds)))
        .collect()
}

/// The costs of one training, from the phases of all its stages.
fn of_stages(rows: &[&StageRow]) -> Costs {
    let in_phase = |name: &'static str| rows.iter().filter(move |row| row.phase == name);
    let trained = |roles: &'static [Role]| {
        in_phase("train")
            .filter(move |row| role(&row.kind).is_some_and(|role| roles.contains(&role)))
    };
    const OWN: &[Role] = &[Role::CfModel, Role::Training, Role::LlmTraining];
    let wall = |row: &&StageRow| Some(row.wall_s);
    let train_s = sum(trained(OWN).map(wall));
    // A fusion costs what its models cost, for each user that it measures. Vectors of items are
    // computed once, and then serve all users.
    let evaluations = in_phase("evaluate").chain(in_phase("fuse"));
    let evaluations = evaluations.chain(in_phase("encode_items"));
    let evaluate_s = sum(evaluations.clone().map(wall));
    // A combination of other models' scores has no matrix products.
    let own_evaluations = in_phase("evaluate").chain(in_phase("encode_items"));
    let evaluate_flops = sum(own_evaluations.map(|row| real(row.flops)));
    let train_flops = sum(trained(OWN).map(|row| real(row.flops)));
    let samples = sum(trained(OWN).map(|row| real(row.examples)));
    const LLM: &[Role] = &[Role::LlmTraining];
    let last = if trained(LLM).next().is_some() {
        LLM
    } else {
        OWN
    };
    let train_tokens = sum(trained(&[Role::LlmTraining]).map(|row| real(row.tokens)));
    let users = |phase: &'static str| sum(in_phase(phase).map(|row| real(row.examples)));
    let measured = users("fuse").or_else(|| users("evaluate"));
    let read_s = sum(trained(&[Role::LlmTraining]).map(wall));
    // Preparing data and drawing candidates is not the model's cost.
    let own = || {
        rows.iter()
            .filter(|row| role(&row.kind) != Some(Role::Data))
    };
    Costs {
        train_s,
        pretrain_s: sum(trained(&[Role::Pretraining]).map(wall)),
        examples_per_s: ratio(samples, train_s),
        tokens_per_s: ratio(train_tokens, read_s),
        train_tokens,
        train_flops,
        flops_per_sample: ratio(
            sum(trained(last).map(|row| real(row.flops))),
            sum(trained(last).map(|row| real(row.examples))),
        ),
        flops_per_user: ratio(evaluate_flops, measured),
        trained_params: sum(trained(OWN).map(|row| real(row.trained_params))),
        evaluate_s_per_user: ratio(evaluate_s, measured),
        params: real(own().filter_map(|row| row.params).max()),
        peak_rss_bytes: real(own().filter_map(|row| row.peak_rss_bytes).max()),
        peak_device_bytes: real(own().filter_map(|row| row.peak_device_bytes).max()),
        energy_j: sum(own().map(|row| row.energy_j).filter(Option::is_some)),
        seeds: 1,
    }
}

fn real(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

fn ratio(above: Option<f64>, below: Option<f64>) -> Option<f64> {
    Some(above? / below.filter(|&below| below > 0.0)?)
}

/// The sum; `None` when there is nothing to sum or a part is unknown.
fn sum(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum())
}

fn mean(seeds: &[Costs]) -> Costs {
    let over = |get: fn(&Costs) -> Option<f64>| {
        stats::mean(&seeds.iter().filter_map(get).collect::<Vec<f64>>())
    };
    Costs {
        train_s: over(|costs| costs.train_s),
        pretrain_s: over(|costs| costs.pretrain_s),
        examples_per_s: over(|costs| costs.examples_per_s),
        tokens_per_s: over(|costs| costs.tokens_per_s),
        trained_params: over(|costs| costs.trained_params),
        evaluate_s_per_user: over(|costs| costs.evaluate_s_per_user),
        params: over(|costs| costs.params),
        peak_rss_bytes: over(|costs| costs.peak_rss_bytes),
        peak_device_bytes: over(|costs| costs.peak_device_bytes),
        energy_j: over(|costs| costs.energy_j),
        train_tokens: over(|costs| costs.train_tokens),
        train_flops: over(|costs| costs.train_flops),
        flops_per_sample: over(|costs| costs.flops_per_sample),
        flops_per_user: over(|costs| costs.flops_per_user),
        seeds: seeds.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stage: &str, phase: &str, wall_s: f64, tokens: Option<u64>) -> StageRow {
        StageRow {
            kind: stage.to_owned(),
            phase: phase.to_owned(),
            wall_s,
            examples: Some(10),
            tokens,
            params: Some(1000),
            trained_params: (phase == "train").then_some(100),
            flops: Some((wall_s * 1000.0) as u64),
            ..StageRow::default()
        }
    }

    #[test]
    fn training_is_summed_over_stages_without_pretraining_of_the_language_model() {
        let rows = [
            row("prepare", "read", 99.0, None),
            row("pretrain-lm", "train", 50.0, Some(9999)),
            row("backbone", "train", 1.0, Some(7)),
            row("align", "train", 2.0, None),
            row("project", "train", 4.0, Some(400)),
            row("project", "save", 99.0, None),
            row("evaluate", "evaluate", 5.0, Some(5)),
        ];
        let costs = of_stages(&rows.iter().collect::<Vec<_>>());
        assert_eq!((costs.train_s, costs.pretrain_s), (Some(7.0), Some(50.0)));
        assert_eq!(costs.tokens_per_s, Some(100.0));
        assert_eq!(costs.evaluate_s_per_user, Some(0.5));
        assert_eq!(costs.trained_params, Some(300.0));
        assert_eq!(costs.train_tokens, Some(400.0));
        assert_eq!(costs.train_flops, Some(7000.0));
        assert_eq!(costs.flops_per_sample, Some(400.0));
        assert_eq!(costs.flops_per_user, Some(500.0));
    }

    #[test]
    fn a_fusion_costs_what_the_evaluations_of_its_models_cost() {
        let rows = [
            row("evaluate", "evaluate", 5.0, None),
            row("evaluate", "evaluate", 3.0, None),
            row("evaluate", "fuse", 1.0, None),
        ];
        let costs = of_stages(&rows.iter().collect::<Vec<_>>());
        assert_eq!(costs.evaluate_s_per_user, Some(0.9));
    }

    #[test]
    fn operations_of_one_unknown_stage_leave_the_sum_unknown() {
        let mut rows = [
            row("backbone", "train", 1.0, Some(7)),
            row("project", "train", 4.0, Some(400)),
        ];
        rows[0].flops = None;
        let costs = of_stages(&rows.iter().collect::<Vec<_>>());
        assert_eq!(costs.train_flops, None);
        assert_eq!(costs.flops_per_sample, Some(400.0));
    }

    #[test]
    fn a_language_model_that_is_not_trained_has_no_training_costs() {
        let rows = [row("evaluate", "evaluate", 5.0, Some(5))];
        let costs = of_stages(&rows.iter().collect::<Vec<_>>());
        assert_eq!((costs.train_s, costs.trained_params), (None, None));
        assert_eq!((costs.tokens_per_s, costs.pretrain_s), (None, None));
    }
}
