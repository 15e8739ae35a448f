//! Reads a results folder: all that analysis, figures, tables and the report need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    CellRow, CellStageRow, DataRow, EpochRow, MetricRow, StageRow, Statistics, TrialRow, ranks,
};
use crate::experiment::config::outputs::Axis;
use crate::experiment::{self, Spec};
use allround_core::fs::{self, FsError};

/// Why a results folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read or is damaged.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// `spec.toml` is not a resolved spec.
    #[error("{0}")]
    Spec(String),
    /// `machine.toml` is not TOML.
    #[error("cannot read `{}`: {reason}", .path.display())]
    Machine {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The contents of a results folder. A file that a run has not written yet has no rows here.
#[derive(Clone, Debug)]
pub struct Results {
    /// The folder.
    pub folder: PathBuf,
    /// The resolved experiment.
    pub spec: Spec,
    /// `spec.toml` as text, with the origin of each value.
    pub spec_text: String,
    /// `metrics.csv`.
    pub metrics: Vec<MetricRow>,
    /// `cells.csv`, by cell.
    pub cells: BTreeMap<String, CellRow>,
    /// `cell_stages.csv`.
    pub cell_stages: Vec<CellStageRow>,
    /// `stages.csv`.
    pub stages: Vec<StageRow>,
    /// `epochs.csv`.
    pub epochs: Vec<EpochRow>,
    /// `data.csv`: counts of every data set and scenario.
    pub counts: Vec<DataRow>,
    /// `trials.csv`: the trials of searches.
    pub trials: Vec<TrialRow>,
    /// `intervals.csv` and `tests.csv`: used for cells without ranks.
    pub statistics: Statistics,
    /// `machine.toml` flattened to dotted names, in the order of the file.
    pub machine: Vec<(String, String)>,
    /// Models and variants in declared order, which is that of the matrix. Others that have rows
    /// follow.
    pub models: Vec<String>,
    /// Data sets in declared order: that of the matrix.
    pub datasets: Vec<String>,
    /// Scenarios in declared order: that of the matrix.
    pub scenarios: Vec<String>,
}

impl Results {
    /// Reads a results folder.
    ///
    /// # Errors
    /// When `spec.toml` or `metrics.csv` is missing, when a file is malformed, or when a number
    /// does not follow from the ranks.
    pub fn read(folder: &Path) -> Result<Self, ReadError> {
        let spec_path = folder.join("spec.toml");
        let spec_text = fs::read_to_string(&spec_path)?;
        let spec = experiment::load_resolved(&spec_path).map_err(|faults| {
            // The caller prints `error: ` too.
            let text = faults.to_string();
            ReadError::Spec(text.trim_start_matches("error: ").to_owned())
        })?;
        let metrics: Vec<MetricRow> = super::read(&folder.join("metrics.csv"))?;
        ranks::verify(folder, &metrics)?;
        let cells: Vec<CellRow> = rows_if_there(&folder.join("cells.csv"))?;
        Ok(Results {
            folder: folder.to_owned(),
            models: models(&spec, &cells),
            datasets: datasets(&spec, &cells),
            scenarios: scenarios(&spec, &cells),
            spec,
            spec_text,
            cell_stages: rows_if_there(&folder.join("cell_stages.csv"))?,
            stages: rows_if_there(&folder.join("stages.csv"))?,
            epochs: rows_if_there(&folder.join("epochs.csv"))?,
            counts: rows_if_there(&folder.join("data.csv"))?,
            trials: rows_if_there(&folder.join("trials.csv"))?,
            statistics: Statistics::read(folder)?,
            machine: machine(&folder.join("machine.toml"))?,
            metrics,
            cells: cells
                .into_iter()
                .map(|row| (row.cell.clone(), row))
                .collect(),
        })
    }

    /// A sentence on cells that have neither per-user ranks nor intervals; `None` where there are
    /// none.
    pub fn without_ranks(&self) -> Option<String> {
        ranks::coverage(&self.folder, &self.statistics, &self.metrics).absence()
    }

    /// Position of a model in `models`.
    pub fn position(&self, model: &str) -> usize {
        self.place(Axis::Model, model)
    }

    /// Position of a data set, scenario or model in declared order. Unknown names come last.
    pub fn place(&self, axis: Axis, name: &str) -> usize {
        let names = match axis {
            Axis::Dataset => &self.datasets,
            Axis::Scenario => &self.scenarios,
            Axis::Model => &self.models,
        };
        let place = names.iter().position(|known| known == name);
        place.unwrap_or(names.len())
    }

    /// Cells without some of their numbers because something failed.
    pub fn failed(&self) -> impl Iterator<Item = &CellRow> {
        self.cells.values().filter(|cell| cell.status.is_failure())
    }
}

fn models(spec: &Spec, cells: &[CellRow]) -> Vec<String> {
    let included = spec.matrix.include.iter();
    order(
        &spec.matrix.model,
        declared_models(spec),
        included.filter_map(|entry| entry.model.as_ref()),
        cells.iter().map(|row| &row.name),
    )
}

fn datasets(spec: &Spec, cells: &[CellRow]) -> Vec<String> {
    let included = spec.matrix.include.iter();
    order(
        &spec.matrix.dataset,
        spec.dataset.keys().cloned().collect(),
        included.filter_map(|entry| entry.dataset.as_ref()),
        cells.iter().map(|row| &row.dataset),
    )
}

fn scenarios(spec: &Spec, cells: &[CellRow]) -> Vec<String> {
    let included = spec.matrix.include.iter();
    let mut declared: Vec<String> = spec.scenario.keys().cloned().collect();
    declared.sort_by_key(|name| name != "overall");
    order(
        &spec.matrix.scenario,
        declared,
        included.filter_map(|entry| entry.scenario.as_ref()),
        cells.iter().map(|row| &row.scenario),
    )
}

/// The names on an axis of the matrix, or all declared ones, then those included, then those that
/// have rows; each once.
fn order<'a>(
    axis: &[String],
    declared: Vec<String>,
    included: impl Iterator<Item = &'a String>,
    measured: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let mut names = if axis.is_empty() {
        declared
    } else {
        axis.to_vec()
    };
    names.extend(included.chain(measured).cloned());
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn declared_models(spec: &Spec) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: &String| {
        names.push(name.clone());
        let searches = spec.search.iter().filter(|(_, search)| &search.of == name);
        names.extend(searches.map(|(name, _)| name.clone()));
    };
    for model in spec.model.keys() {
        add(model);
        let variants = spec
            .variant
            .iter()
            .filter(|(_, variant)| &variant.of == model);
        variants.for_each(|(name, _)| add(name));
    }
    names
}

fn rows_if_there<R: Serialize + Default + DeserializeOwned>(
    path: &Path,
) -> Result<Vec<R>, ReadError> {
    if path.exists() {
        Ok(super::read(path)?)
    } else {
        Ok(Vec::new())
    }
}

fn machine(path: &Path) -> Result<Vec<(String, String)>, ReadError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let table: toml::Table =
        fs::read_to_string(path)?
            .parse()
            .map_err(|error: toml::de::Error| ReadError::Machine {
                path: path.to_owned(),
                reason: error.message().to_owned(),
            })?;
    let mut flat = Vec::new();
    flatten("", &toml::Value::Table(table), &mut flat);
    Ok(flat)
}

fn flatten(name: &str, value: &toml::Value, flat: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let name = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                flatten(&name, value, flat);
            }
        }
        toml::Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(plain).collect();
            flat.push((name.to_owned(), texts.join(", ")));
        }
        value => flat.push((name.to_owned(), plain(value))),
    }
}

fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
