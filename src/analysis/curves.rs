//! Curves over epochs: means over seeds with a band, one curve per training.

use std::collections::BTreeMap;

use super::stats::mean;
use super::trainings::{Role, role, trainings};
use crate::results::Results;
use allround_core::models::Model;

/// A curve of one model's stage in one panel.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCurve {
    /// Name of the data set.
    pub dataset: String,
    /// Scenarios that change the training; `None` where the scenarios only select users.
    pub scenario: Option<String>,
    /// Name of the model or variant.
    pub model: String,
    /// Kind of the stage if the model has several; otherwise empty.
    pub stage: String,
    /// Points by epoch.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// 1 for the first.
    pub epoch: u32,
    /// Mean over seeds.
    pub mean: f64,
    /// Smallest value of a seed.
    pub low: f64,
    /// Largest value of a seed.
    pub high: f64,
    /// Seeds with a value.
    pub seeds: usize,
}

/// What a curve was measured of, in the order of panels and curves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CurveKey {
    /// Position of the data set.
    dataset: usize,
    scenario: String,
    /// Position of the model.
    model: usize,
    stage: String,
}

/// The curves of a quantity of `epochs.csv`, by panel and model. An empty `dataset` means all data
/// sets.
pub fn curves(results: &Results, quantity: &str, dataset: &str) -> Vec<ModelCurve> {
    let owners = owners(results, dataset);
    let mut seeds: BTreeMap<CurveKey, BTreeMap<u32, Vec<f64>>> = BTreeMap::new();
    let rows = results.epochs.iter();
    for row in rows.filter(|row| row.quantity == quantity && row.value.is_finite()) {
        if let Some(owner) = owners.get(&(&*row.kind, &*row.key)) {
            let epochs = seeds.entry(owner.clone()).or_default();
            epochs.entry(row.epoch).or_default().push(row.value);
        }
    }
    let curve = |(key, epochs): (CurveKey, BTreeMap<u32, Vec<f64>>)| {
        let points = epochs.into_iter();
        let points = points.filter_map(|(epoch, values)| point(epoch, &values));
        ModelCurve {
            dataset: results.datasets[key.dataset].clone(),
            scenario: Some(key.scenario).filter(|scenario| !scenario.is_empty()),
            model: results.models[key.model].clone(),
            stage: key.stage,
            points: points.collect(),
        }
    };
    seeds.into_iter().map(curve).collect()
}

/// The curve of each stage. A stage that several models share has one curve, under the first model:
/// a second one would cover it.
fn owners<'a>(results: &'a Results, dataset: &str) -> BTreeMap<(&'a str, &'a str), CurveKey> {
    let mut owners = BTreeMap::new();
    for training in trainings(results) {
        if !dataset.is_empty() && training.dataset != dataset {
            continue;
        }
        let Some(place) = place(&results.datasets, training.dataset) else {
            continue;
        };
        for &(kind, key) in &training.stages {
            if let Some(stage) = curve_stage(results, training.name, kind) {
                owners.entry((kind, key)).or_insert_with(|| CurveKey {
                    dataset: place,
                    scenario: training.scenario.clone(),
                    model: results.position(training.name),
                    stage: stage.to_owned(),
                });
            }
        }
    }
    owners
}

fn place(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|known| known == name)
}

/// The stage that a curve is named after; empty where the model has one curve. `None` if the stage
/// has no curve under this model.
///
/// The CF model that a method reads has its curve where it is listed as a model. The pretraining of
/// a small language model belongs to the data set.
fn curve_stage<'a>(results: &Results, model: &str, kind: &'a str) -> Option<&'a str> {
    let method = results.spec.model_named(model).and_then(Model::llm_method);
    match role(kind)? {
        Role::Data | Role::Evaluation | Role::Pretraining => None,
        Role::CfModel => method.is_none().then_some(""),
        Role::Training | Role::LlmTraining => Some(kind),
    }
}

fn point(epoch: u32, values: &[f64]) -> Option<CurvePoint> {
    Some(CurvePoint {
        epoch,
        mean: mean(values)?,
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        seeds: values.len(),
    })
}
