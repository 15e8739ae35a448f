//! What a training and its evaluation cost, from the rows of `timing.csv`.

use std::collections::BTreeMap;

use super::results::{Results, Training};
use crate::experiment::config::answer::Cost;
use crate::record::TimingRow;

/// Costs of one model on one data set, means over seeds. Absent values are unknown, never 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Wall seconds in training epochs of all its stages: without reading, validation and saving, and without a small language
    /// model's own training.
    pub train_s: Option<f64>,
    /// Wall seconds in which the small language model was trained that it asks.
    pub pretrain_s: Option<f64>,
    /// Training sequences of a second, over all its stages.
    pub examples_per_s: Option<f64>,
    /// Tokens of a second in the training of its stages that pass through a language model.
    pub tokens_per_s: Option<f64>,
    /// Wall seconds of evaluation for one user.
    pub evaluate_s_per_user: Option<f64>,
    /// Parameters of the largest model among its stages: of the language model, where one is asked.
    pub params: Option<f64>,
    /// Parameters that its stages train, summed.
    pub trained_params: Option<f64>,
    /// Peak resident memory of a training or evaluating process, in bytes.
    pub peak_rss_bytes: Option<f64>,
    /// Peak device memory, in bytes.
    pub peak_device_bytes: Option<f64>,
    /// Energy of all its stages, in joules.
    pub energy_j: Option<f64>,
    /// Seeds that were timed.
    pub seeds: usize,
}

/// What costs belong to: data set, scenario that changes the training (or nothing), model.
pub type CostKey = (String, String, String);

impl Costs {
    /// One of the costs.
    pub fn get(&self, cost: Cost) -> Option<f64> {
        match cost {
            Cost::TrainSeconds => self.train_s,
            Cost::EvaluateSecondsPerUser => self.evaluate_s_per_user,
            Cost::Params => self.params,
            Cost::PeakRssBytes => self.peak_rss_bytes,
        }
    }
}

/// The costs of every training, means over its seeds.
pub fn costs(results: &Results) -> BTreeMap<CostKey, Costs> {
    let mut by_cell: BTreeMap<&str, Vec<&TimingRow>> = BTreeMap::new();
    for row in &results.timing {
        by_cell.entry(&row.cell).or_default().push(row);
    }
    let mut groups: BTreeMap<CostKey, Vec<Costs>> = BTreeMap::new();
    for (training, cells) in results.trainings() {
        // A slice that was evaluated together with another may have no rows of its own.
        let rows = cells.iter().find_map(|cell| by_cell.get(cell));
        if let Some(rows) = rows {
            let Training {
                dataset,
                scenario,
                model,
                ..
            } = training;
            groups
                .entry((dataset, scenario, model))
                .or_default()
                .push(of_cell(rows));
        }
    }
    groups
        .into_iter()
        .map(|(key, seeds)| (key, mean(&seeds)))
        .collect()
}

fn of_cell(rows: &[&TimingRow]) -> Costs {
    let is_pretraining = |row: &&&TimingRow| row.stage == "pretrain-lm";
    let trains = rows.iter().filter(|row| row.phase == "train");
    let (pretraining, training): (Vec<&&TimingRow>, Vec<_>) = trains.partition(is_pretraining);
    let reads_tokens = |row: &&&&TimingRow| matches!(row.stage.as_str(), "project" | "tune");
    let phase = |name: &'static str| rows.iter().filter(move |row| row.phase == name);
    let train_s = sum(training.iter().map(|row| Some(row.wall_s)));
    let trained = sum(training
        .iter()
        .map(|row| row.examples.map(|examples| examples as f64)));
    let read = training.iter().filter(reads_tokens);
    let tokens = sum(read
        .clone()
        .map(|row| row.tokens.map(|tokens| tokens as f64)));
    let read_s = sum(read.map(|row| Some(row.wall_s)));
    let evaluate_s = sum(phase("evaluate").map(|row| Some(row.wall_s)));
    let users = sum(phase("evaluate").map(|row| row.examples.map(|users| users as f64)));
    let ratio =
        |above: Option<f64>, below: Option<f64>| Some(above? / below.filter(|&below| below > 0.0)?);
    // Preparing data and drawing candidates is not the model's cost.
    let own = || {
        rows.iter()
            .filter(|row| !matches!(row.stage.as_str(), "prepare" | "candidates"))
    };
    let highest = |values: &mut dyn Iterator<Item = Option<u64>>| {
        values.flatten().max().map(|value| value as f64)
    };
    Costs {
        train_s,
        pretrain_s: sum(pretraining.iter().map(|row| Some(row.wall_s))),
        examples_per_s: ratio(trained, train_s),
        tokens_per_s: ratio(tokens, read_s),
        trained_params: sum(training
            .iter()
            .map(|row| row.trained_params.map(|n| n as f64))),
        evaluate_s_per_user: ratio(evaluate_s, users),
        params: highest(&mut own().map(|row| row.params)),
        peak_rss_bytes: highest(&mut own().map(|row| row.peak_rss_bytes)),
        peak_device_bytes: highest(&mut own().map(|row| row.peak_device_bytes)),
        energy_j: sum(own().map(|row| row.energy_j).filter(Option::is_some)),
        seeds: 1,
    }
}

/// The sum; `None` when there is nothing to sum or a part is unknown.
fn sum(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum())
}

fn mean(seeds: &[Costs]) -> Costs {
    let over = |get: fn(&Costs) -> Option<f64>| {
        let known: Vec<f64> = seeds.iter().filter_map(get).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
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
        seeds: seeds.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stage: &str, phase: &str, wall_s: f64, tokens: Option<u64>) -> TimingRow {
        TimingRow {
            stage: stage.to_owned(),
            phase: phase.to_owned(),
            wall_s,
            examples: Some(10),
            tokens,
            params: Some(1000),
            trained_params: (phase == "train").then_some(100),
            ..TimingRow::default()
        }
    }

    #[test]
    fn training_is_the_sum_of_a_methods_stages_without_its_language_models_own() {
        let rows = [
            row("prepare", "read", 99.0, None),
            row("pretrain-lm", "train", 50.0, Some(9999)),
            row("backbone", "train", 1.0, Some(7)),
            row("align", "train", 2.0, None),
            row("project", "train", 4.0, Some(400)),
            row("project", "save", 99.0, None),
            row("evaluate", "evaluate", 5.0, Some(5)),
        ];
        let costs = of_cell(&rows.iter().collect::<Vec<_>>());
        assert_eq!((costs.train_s, costs.pretrain_s), (Some(7.0), Some(50.0)));
        assert_eq!(costs.tokens_per_s, Some(100.0));
        assert_eq!(costs.evaluate_s_per_user, Some(0.5));
        assert_eq!(costs.trained_params, Some(300.0));
    }

    #[test]
    fn a_language_model_that_is_asked_as_it_is_has_no_training() {
        let rows = [row("evaluate", "evaluate", 5.0, Some(5))];
        let costs = of_cell(&rows.iter().collect::<Vec<_>>());
        assert_eq!((costs.train_s, costs.trained_params), (None, None));
        assert_eq!((costs.tokens_per_s, costs.pretrain_s), (None, None));
    }
}
