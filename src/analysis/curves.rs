//! Curves over epochs: means over seeds with a band, one curve a training.

use std::collections::BTreeMap;

use super::stats::mean;
use super::trainings::{Role, role, trainings};
use crate::results::Results;
use allround_core::models::Model;

/// A curve of one model's stage in one panel.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCurve {
    /// Data set, and the scenario that changes the training.
    pub panel: String,
    /// Name of the model or variant.
    pub model: String,
    /// Name of the model, with the stage where the model has several.
    pub name: String,
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

/// What a curve belongs to: panel, place of the model, name of the curve.
type CurveKey = (String, usize, String);

/// The curves of a quantity of `epochs.csv`, by panel and model; of one data set, or of all where `dataset` is empty.
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
    let curve = |((panel, position, name), epochs): (CurveKey, BTreeMap<u32, Vec<f64>>)| {
        let points = epochs.into_iter();
        let points = points.filter_map(|(epoch, values)| point(epoch, &values));
        ModelCurve {
            panel,
            model: results.models[position].clone(),
            name,
            points: points.collect(),
        }
    };
    seeds.into_iter().map(curve).collect()
}

/// The curve that each stage belongs to. Models that share a stage have one curve, the first's: a second one would hide it.
fn owners<'a>(results: &'a Results, dataset: &str) -> BTreeMap<(&'a str, &'a str), CurveKey> {
    let mut owners = BTreeMap::new();
    for training in trainings(results) {
        if !dataset.is_empty() && training.dataset != dataset {
            continue;
        }
        let place = training.place();
        for &(kind, key) in &training.stages {
            if let Some(name) = curve_name(results, training.name, kind) {
                let position = results.position(training.name);
                owners
                    .entry((kind, key))
                    .or_insert_with(|| (place.clone(), position, name));
            }
        }
    }
    owners
}

/// What the curve of a stage is called; `None` for one that is another model's: a CF model that a method reads has its curve
/// where it is a model itself, and a language model's own training is the data set's.
fn curve_name(results: &Results, model: &str, kind: &str) -> Option<String> {
    let method = results.spec.model_named(model).and_then(Model::llm_method);
    match role(kind) {
        Role::Data | Role::Evaluation | Role::Pretraining => None,
        Role::CfModel => method.is_none().then(|| model.to_owned()),
        Role::Training | Role::LlmTraining => Some(format!("{model}, {kind}")),
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
