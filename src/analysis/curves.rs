//! Curves over epochs or samples: means over seeds with a band, one curve per training.

use std::collections::BTreeMap;

use super::stats::mean;
use super::trainings::{Role, role, trainings};
use crate::experiment::config::outputs::CurveAxis;
use crate::results::{EpochRow, Results, reference_quantity};
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
    /// Points in the order of training.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// Epoch, 1 for the first, or samples seen.
    pub at: u64,
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

/// The last value at each place of an axis, with the samples that were seen.
type LastValues = BTreeMap<u64, (u64, f64)>;

/// The curves of a quantity of `epochs.csv`, by panel and model. An empty `dataset` means all data
/// sets.
pub fn curves(
    results: &Results,
    quantity: &str,
    axis: CurveAxis,
    dataset: &str,
) -> Vec<ModelCurve> {
    let owners = owners(results, dataset);
    // By stage, so that the last validation of an epoch replaces earlier ones of this seed.
    let mut seeds: BTreeMap<(&str, &str), LastValues> = BTreeMap::new();
    for row in rows(results, quantity) {
        let at = match axis {
            CurveAxis::Epoch => u64::from(row.epoch),
            CurveAxis::Samples => row.samples,
        };
        let points = seeds.entry((&row.kind, &row.key)).or_default();
        let last = points.entry(at).or_insert((row.samples, row.value));
        if row.samples >= last.0 {
            *last = (row.samples, row.value);
        }
    }
    let mut curves: BTreeMap<&CurveKey, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for (stage, points) in seeds {
        if let Some(owner) = owners.get(&stage) {
            let curve = curves.entry(owner).or_default();
            for (at, (_, value)) in points {
                curve.entry(at).or_default().push(value);
            }
        }
    }
    let curve = |(key, points): (&CurveKey, BTreeMap<u64, Vec<f64>>)| {
        let points = points.into_iter();
        let points = points.filter_map(|(at, values)| point(at, &values));
        ModelCurve {
            dataset: results.datasets[key.dataset].clone(),
            scenario: Some(key.scenario.clone()).filter(|scenario| !scenario.is_empty()),
            model: results.models[key.model].clone(),
            stage: key.stage.clone(),
            points: points.collect(),
        }
    };
    curves.into_iter().map(curve).collect()
}

/// The level of CF model `backbone` in a metric, in the panel of a data set and scenario. It is the
/// mean over the stages of methods that read the model, for the users they are validated on.
pub fn reference(
    results: &Results,
    metric: &str,
    backbone: &str,
    panel: (&str, Option<&str>),
) -> Option<f64> {
    let reads = |name: &str| {
        let method = results.spec.model_named(name).and_then(Model::llm_method);
        method.is_some_and(|method| method.backbone() == Some(backbone))
    };
    let owners = owners(results, panel.0);
    let is_its = |key: &&CurveKey| {
        panel.1.unwrap_or_default() == key.scenario && reads(&results.models[key.model])
    };
    let quantity = reference_quantity(metric);
    let levels = rows(results, &quantity).filter_map(|row| {
        owners
            .get(&(row.kind.as_str(), row.key.as_str()))
            .filter(is_its)
            .map(|_| row.value)
    });
    mean(&levels.collect::<Vec<_>>())
}

/// The rows of a quantity that have a number.
fn rows<'a>(results: &'a Results, quantity: &str) -> impl Iterator<Item = &'a EpochRow> {
    let rows = results.epochs.iter();
    rows.filter(move |row| row.quantity == quantity && row.value.is_finite())
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
    let model = results.spec.model_named(model);
    // The models that a fusion combines have their curves where they are listed.
    if matches!(model, Some(Model::Fusion(_))) {
        return None;
    }
    let method = model.and_then(Model::llm_method);
    match role(kind)? {
        Role::Data | Role::Evaluation | Role::Pretraining => None,
        Role::CfModel => method.is_none().then_some(""),
        Role::Training | Role::LlmTraining => Some(kind),
    }
}

fn point(at: u64, values: &[f64]) -> Option<CurvePoint> {
    Some(CurvePoint {
        at,
        mean: mean(values)?,
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        seeds: values.len(),
    })
}
