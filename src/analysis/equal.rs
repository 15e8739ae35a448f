//! What training costs at equal samples and at equal quality, from the validations within training.

use std::collections::BTreeMap;

use super::stats::mean;
use super::trainings::{Role, Training, role, trainings};
use crate::results::{EpochRow, Results, StageRow};

/// A training's validation curve with the costs of its stages.
#[derive(Clone, Debug, PartialEq)]
struct Course<'a> {
    dataset: &'a str,
    scenario: &'a str,
    name: &'a str,
    seed: u64,
    /// Samples seen and value of each validation, in the order of training.
    points: Vec<(u64, f64)>,
    /// Samples of the whole stage that is validated, and their wall seconds.
    samples: u64,
    wall_s: f64,
    /// Floating-point operations of that stage.
    flops: Option<u64>,
    /// Wall seconds of the stages trained before it.
    earlier_s: f64,
}

/// Trainings that are compared: of one data set, scenario and seed.
type Group<'a> = (&'a str, &'a str, u64);

/// One model's costs, means over seeds. Absent values are unknown: the level was not reached, or
/// operations were not counted.
#[derive(Clone, Debug, PartialEq)]
pub struct EqualCosts {
    /// Name of the data set.
    pub dataset: String,
    /// Scenario that changes the training; empty where none does.
    pub scenario: String,
    /// Name of the model.
    pub name: String,
    /// The fewest samples that a compared model was trained on.
    pub samples: f64,
    /// Best validation value within these samples.
    pub value: Option<f64>,
    /// Wall seconds of these samples in the stage that is validated.
    pub samples_s: f64,
    /// The lowest of the models' best values.
    pub level: f64,
    /// Samples until a validation first reached the level.
    pub to_level: Option<f64>,
    /// Their wall seconds.
    pub to_level_s: Option<f64>,
    /// The same with the stages trained before.
    pub to_level_all_s: Option<f64>,
    /// Floating-point operations until the level, in the stage that is validated.
    pub to_level_flops: Option<f64>,
    /// Seeds that were compared.
    pub seeds: usize,
}

impl Course<'_> {
    fn best(&self, within: u64) -> Option<f64> {
        let seen = self.points.iter().filter(|(samples, _)| *samples <= within);
        seen.map(|&(_, value)| value).max_by(f64::total_cmp)
    }

    /// The share of the stage that `samples` are.
    fn share(&self, samples: u64) -> f64 {
        samples as f64 / self.samples as f64
    }

    fn costs(&self, samples: u64, level: f64) -> EqualCosts {
        let reached = self.points.iter().find(|(_, value)| *value >= level);
        let share = reached.map(|&(samples, _)| self.share(samples));
        let to_level_s = share.map(|share| share * self.wall_s);
        EqualCosts {
            dataset: self.dataset.to_owned(),
            scenario: self.scenario.to_owned(),
            name: self.name.to_owned(),
            samples: samples as f64,
            value: self.best(samples),
            samples_s: self.share(samples) * self.wall_s,
            level,
            to_level: reached.map(|&(samples, _)| samples as f64),
            to_level_s,
            to_level_all_s: to_level_s.map(|seconds| seconds + self.earlier_s),
            to_level_flops: share
                .zip(self.flops)
                .map(|(share, flops)| share * flops as f64),
            seeds: 1,
        }
    }
}

/// The costs of every model of `models` (empty: all) that records `metric`, in the order of tables.
/// Data sets with fewer than two such models are left out.
pub fn equal_costs(results: &Results, metric: &str, models: &[String]) -> Vec<EqualCosts> {
    let trainings = trainings(results);
    let chosen = trainings
        .iter()
        .filter(|training| models.is_empty() || models.iter().any(|name| name == training.name));
    let mut groups: BTreeMap<Group<'_>, Vec<Course<'_>>> = BTreeMap::new();
    for course in chosen.filter_map(|training| course(results, metric, training)) {
        let group = (course.dataset, course.scenario, course.seed);
        groups.entry(group).or_default().push(course);
    }
    let mut found: BTreeMap<(usize, &str, usize), Vec<EqualCosts>> = BTreeMap::new();
    for ((dataset, scenario, _), courses) in &groups {
        let samples = courses.iter().map(|course| course.samples).min();
        let levels = courses.iter().filter_map(|course| course.best(u64::MAX));
        let level = levels.min_by(f64::total_cmp);
        let (Some(samples), Some(level), true) = (samples, level, courses.len() > 1) else {
            continue;
        };
        for course in courses {
            let place = results.datasets.iter().position(|name| name == dataset);
            let key = (
                place.unwrap_or_default(),
                *scenario,
                results.position(course.name),
            );
            found
                .entry(key)
                .or_default()
                .push(course.costs(samples, level));
        }
    }
    found
        .into_values()
        .map(|seeds| over_seeds(&seeds))
        .collect()
}

/// The curve of a training; `None` where it was not validated by `metric` or not timed.
fn course<'a>(
    results: &'a Results,
    metric: &str,
    training: &'a Training<'a>,
) -> Option<Course<'a>> {
    // The last stage that is validated: those before it are its preparation.
    let validated = |kind: &str, key: &str| {
        let is_it = |row: &&EpochRow| row.kind == kind && row.key == key && row.quantity == metric;
        results.epochs.iter().filter(is_it).collect::<Vec<_>>()
    };
    let order = |kind: &str| match role(kind) {
        Some(Role::LlmTraining) => 3,
        Some(Role::Training) => 2,
        Some(Role::CfModel) => 1,
        Some(Role::Data | Role::Pretraining | Role::Evaluation) | None => 0,
    };
    let trained = training.stages.iter().filter(|(kind, _)| order(kind) > 0);
    let last = trained.clone().max_by_key(|(kind, _)| order(kind))?;
    let rows = validated(last.0, last.1);
    let mut points: Vec<(u64, f64)> = rows
        .iter()
        .filter(|row| row.value.is_finite())
        .map(|row| (row.samples, row.value))
        .collect();
    points.sort_by_key(|&(samples, _)| samples);
    let phase = |kind: &str, key: &str| {
        let is_it = |row: &&StageRow| row.kind == kind && row.key == key && row.phase == "train";
        results.stages.iter().find(is_it)
    };
    let own = phase(last.0, last.1)?;
    let earlier = trained.filter(|stage| *stage != last);
    let earlier = earlier.filter_map(|(kind, key)| phase(kind, key));
    let samples = own.examples.filter(|&samples| samples > 0)?;
    (!points.is_empty()).then(|| Course {
        dataset: training.dataset,
        scenario: &training.scenario,
        name: training.name,
        seed: training.seed,
        points,
        samples,
        wall_s: own.wall_s,
        flops: own.flops,
        earlier_s: earlier.map(|row| row.wall_s).sum(),
    })
}

fn over_seeds(seeds: &[EqualCosts]) -> EqualCosts {
    let all = |get: fn(&EqualCosts) -> Option<f64>| {
        // A seed that did not reach the level leaves the mean unknown.
        let values: Option<Vec<f64>> = seeds.iter().map(get).collect();
        values.and_then(|values| mean(&values))
    };
    let known = |get: fn(&EqualCosts) -> Option<f64>| all(get).unwrap_or_default();
    EqualCosts {
        samples: known(|costs| Some(costs.samples)),
        value: all(|costs| costs.value),
        samples_s: known(|costs| Some(costs.samples_s)),
        level: known(|costs| Some(costs.level)),
        to_level: all(|costs| costs.to_level),
        to_level_s: all(|costs| costs.to_level_s),
        to_level_all_s: all(|costs| costs.to_level_all_s),
        to_level_flops: all(|costs| costs.to_level_flops),
        seeds: seeds.len(),
        ..seeds[0].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(name: &'static str, points: &[(u64, f64)], wall_s: f64) -> Course<'static> {
        Course {
            dataset: "toys",
            scenario: "",
            name,
            seed: 1,
            points: points.to_vec(),
            samples: points.last().map_or(1, |&(samples, _)| samples),
            wall_s,
            flops: Some(1000),
            earlier_s: 5.0,
        }
    }

    #[test]
    fn the_level_of_the_weaker_model_is_reached_after_a_part_of_the_samples() {
        let strong = course("a", &[(0, 0.1), (100, 0.3), (200, 0.5)], 40.0);
        let costs = strong.costs(150, 0.3);
        assert_eq!((costs.value, costs.samples_s), (Some(0.3), 30.0));
        assert_eq!(
            (costs.to_level, costs.to_level_s),
            (Some(100.0), Some(20.0))
        );
        assert_eq!(costs.to_level_all_s, Some(25.0));
        assert_eq!(costs.to_level_flops, Some(500.0));
        assert_eq!(strong.costs(150, 0.6).to_level_s, None);
    }

    #[test]
    fn a_seed_below_the_level_leaves_the_mean_unknown() {
        let strong = course("a", &[(100, 0.3), (200, 0.5)], 40.0);
        let weak = course("a", &[(100, 0.2)], 10.0);
        let seeds = [strong.costs(100, 0.3), weak.costs(100, 0.3)];
        let costs = over_seeds(&seeds);
        assert_eq!((costs.to_level_s, costs.seeds), (None, 2));
        assert_eq!(costs.samples_s, 15.0);
    }
}
