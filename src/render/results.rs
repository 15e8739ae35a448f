//! A results folder, read: everything that figures, tables and the report show comes from here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::style::{Colour, QUIET};
use super::{RenderError, colour};
use crate::experiment::{self, Spec};
use crate::record::{self, DataRow, EpochRow, MetricRow, TimingRow};
use allround_core::config::Dataset;
use allround_core::config::Llm;
use allround_core::config::dataset::Source;
use allround_core::fs;
use allround_core::models::Model;

/// The contents of a results folder. Files that a run has not written yet are empty here.
#[derive(Clone, Debug)]
pub struct Results {
    /// The folder.
    pub folder: PathBuf,
    /// The resolved experiment.
    pub spec: Spec,
    /// The same as text, with the origin of each value.
    pub spec_text: String,
    /// `metrics.csv`.
    pub metrics: Vec<MetricRow>,
    /// `timing.csv`.
    pub timing: Vec<TimingRow>,
    /// `epochs.csv`.
    pub epochs: Vec<EpochRow>,
    /// `data.csv`: counts of every data set and scenario.
    pub counts: Vec<DataRow>,
    /// `machine.toml` flattened to dotted names, in the order of the file.
    pub machine: Vec<(String, String)>,
    /// Cells by name.
    pub cells: BTreeMap<String, CellIdentity>,
    /// Models and variants in the order of the matrix where it names them, else by name, each model before its variants; then
    /// any others that have rows.
    pub models: Vec<String>,
    colours: BTreeMap<String, Colour>,
}

/// What a cell is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellIdentity {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the variant, or of the model itself.
    pub model: String,
    /// Seed.
    pub seed: u64,
}

/// One training: cells of scenarios that only select users share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Training {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario that changes what is trained on; empty for those that only select users.
    pub scenario: String,
    /// Name of the variant, or of the model itself.
    pub model: String,
    /// Seed.
    pub seed: u64,
}

/// How numbers that are not those of the experiment itself are marked in every figure and table.
pub struct StandIn {
    /// What titles and CSV files say.
    pub short: String,
    /// What notes say.
    pub sentence: String,
}

impl StandIn {
    /// A title with the mark.
    pub fn title(&self, title: &str) -> String {
        format!("{title} ({})", self.short)
    }

    /// A header and rows with the column `stand_in`.
    pub fn column(&self, header: &mut Vec<String>, rows: &mut [Vec<String>]) {
        header.push("stand_in".to_owned());
        for row in rows {
            row.push(self.short.clone());
        }
    }
}

impl Results {
    /// Reads a results folder.
    ///
    /// # Errors
    /// When `spec.toml` or `metrics.csv` is missing, any file is not what the program writes, or numbers are not those of
    /// their ranks.
    pub fn read(folder: &Path) -> Result<Self, RenderError> {
        let spec_path = folder.join("spec.toml");
        let spec_text = fs::read_to_string(&spec_path)?;
        let spec = experiment::load_resolved(&spec_path).map_err(|faults| {
            // The caller prints `error: ` too.
            let text = faults.to_string();
            RenderError::Spec(text.trim_start_matches("error: ").to_owned())
        })?;
        let metrics: Vec<MetricRow> = record::read(&folder.join("metrics.csv"))?;
        record::ranks::agree(folder, &metrics)?;
        let identity = |row: &MetricRow| CellIdentity {
            dataset: row.dataset.clone(),
            scenario: row.scenario.clone(),
            model: row.shown_name().to_owned(),
            seed: row.seed,
        };
        let cells = metrics
            .iter()
            .map(|row| (row.cell.clone(), identity(row)))
            .collect();
        let models = model_order(&spec, &metrics);
        Ok(Results {
            folder: folder.to_owned(),
            colours: colour::assign(&models),
            models,
            spec,
            spec_text,
            timing: rows_if_there(&folder.join("timing.csv"))?,
            epochs: rows_if_there(&folder.join("epochs.csv"))?,
            counts: rows_if_there(&folder.join("data.csv"))?,
            machine: machine(&folder.join("machine.toml"))?,
            metrics,
            cells,
        })
    }

    /// What a reader must know where per-user ranks are missing, in a sentence; `None` where none are.
    pub fn without_ranks(&self) -> Option<String> {
        record::ranks::coverage(&self.folder, &self.metrics).absence()
    }

    /// What the numbers stand in for, where they are not those of real data as the experiment has them: made with a profile,
    /// limited, or on made-up data.
    pub fn stand_in(&self) -> Option<StandIn> {
        let profile = &self.spec.profile;
        let (mut short, mut sentences) = (Vec::new(), Vec::new());
        if !profile.is_empty() {
            short.push(format!("profile {profile}"));
            sentences.push(format!(
                "Made with the profile {profile}, which changes data or models: these are not the numbers of the experiment itself."
            ));
        }
        if self.spec.run.limit > 0 {
            let users = format!("limited to {} users", self.spec.run.limit);
            sentences.push(format!(
                "The run was {users} of each data set: a test of the program, not a result."
            ));
            short.push(users);
        }
        let is_made_up = |dataset: &Dataset| matches!(dataset.source, Source::Synthetic(_));
        let made_up: Vec<&str> = (self.spec.dataset.iter())
            .filter(|(_, dataset)| is_made_up(dataset))
            .map(|(name, _)| name.as_str())
            .collect();
        if !made_up.is_empty() {
            let which = match made_up.len() == self.spec.dataset.len() {
                true => "made-up data".to_owned(),
                false => format!("made-up data in {}", made_up.join(", ")),
            };
            sentences.push(format!(
                "The program made the data up ({}): numbers on them show that it works, not which method is better.",
                made_up.join(", ")
            ));
            short.push(which);
        }
        (!short.is_empty()).then(|| StandIn {
            short: short.join(", "),
            sentence: sentences.join(" "),
        })
    }

    /// The colour of a model, which it has everywhere.
    pub fn colour(&self, model: &str) -> Colour {
        self.colours.get(model).copied().unwrap_or(QUIET)
    }

    /// Whether a model asks a language model of random weights, so that only its cost means something.
    pub fn is_random(&self, model: &str) -> bool {
        let method = self.spec.model_named(model).and_then(Model::llm_method);
        matches!(
            method.and_then(|method| self.spec.llm.get(method.llm())),
            Some(Llm::Random(_))
        )
    }

    /// Place of a model among all.
    pub fn position(&self, model: &str) -> usize {
        let place = self.models.iter().position(|name| name == model);
        place.unwrap_or(self.models.len())
    }

    /// Data sets that were measured, by name.
    pub fn datasets(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.metrics.iter().map(|row| &row.dataset).collect();
        names.into_iter().cloned().collect()
    }

    /// Scenarios that were measured: those of all users first, then by name.
    pub fn scenarios(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.metrics.iter().map(|row| &row.scenario).collect();
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort_by_key(|name| {
            !matches!(
                self.spec.scenario.get(name),
                Some(allround_core::config::Scenario::Overall {})
            )
        });
        names
    }

    /// The training that a cell uses; `None` for a cell without a row in `metrics.csv`.
    pub fn training(&self, cell: &str) -> Option<Training> {
        let cell = self.cells.get(cell)?;
        let is_slice = |name: &String| {
            self.spec
                .scenario
                .get(name)
                .is_some_and(allround_core::config::Scenario::is_slice)
        };
        Some(Training {
            dataset: cell.dataset.clone(),
            scenario: if is_slice(&cell.scenario) {
                String::new()
            } else {
                cell.scenario.clone()
            },
            model: cell.model.clone(),
            seed: cell.seed,
        })
    }

    /// The cells of each training, by name.
    pub fn trainings(&self) -> BTreeMap<Training, Vec<&str>> {
        let mut trainings: BTreeMap<Training, Vec<&str>> = BTreeMap::new();
        for cell in self.cells.keys() {
            if let Some(training) = self.training(cell) {
                trainings.entry(training).or_default().push(cell);
            }
        }
        trainings
    }
}

fn model_order(spec: &Spec, metrics: &[MetricRow]) -> Vec<String> {
    let mut names = match spec.matrix.model.is_empty() {
        false => spec.matrix.model.clone(),
        true => declared_models(spec),
    };
    names.extend(
        spec.matrix
            .include
            .iter()
            .filter_map(|entry| entry.model.clone()),
    );
    names.extend(metrics.iter().map(|row| row.shown_name().to_owned()));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn declared_models(spec: &Spec) -> Vec<String> {
    let mut names = Vec::new();
    for model in spec.model.keys() {
        names.push(model.clone());
        let variants = spec
            .variant
            .iter()
            .filter(|(_, variant)| &variant.of == model);
        names.extend(variants.map(|(name, _)| name.clone()));
    }
    names
}

fn rows_if_there<R: Serialize + Default + DeserializeOwned>(
    path: &Path,
) -> Result<Vec<R>, RenderError> {
    if path.exists() {
        Ok(record::read(path)?)
    } else {
        Ok(Vec::new())
    }
}

fn machine(path: &Path) -> Result<Vec<(String, String)>, RenderError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let table: toml::Table =
        fs::read_to_string(path)?
            .parse()
            .map_err(|error: toml::de::Error| RenderError::Machine {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{all, fixture};

    #[test]
    fn every_figure_and_table_says_in_every_format_what_its_numbers_stand_in_for() {
        let folder = fixture::results();
        fs::remove_dir_all(&folder.path().join("ranks")).unwrap();
        let path = folder.path().join("spec.toml");
        let spec = fs::read_to_string(&path).unwrap();
        let mut changed = spec;
        for (old, new) in [
            ("limit = 0", "limit = 50"),
            ("profile = \"\"", "profile = \"offline\""),
        ] {
            assert!(changed.contains(old));
            changed = changed.replacen(old, new, 1);
        }
        fs::write_atomic(&path, changed.as_bytes()).unwrap();
        let paths = all(folder.path()).unwrap();
        let is_text = |path: &&PathBuf| path.extension().is_some_and(|end| end != "png");
        for path in paths.iter().filter(is_text) {
            // LaTeX writes a plain hyphen so.
            let text = fs::read_to_string(path).unwrap().replace("{-}", "-");
            let words = "(profile offline, limited to 50 users, made-up data)";
            let words = match path.extension().and_then(|end| end.to_str()) {
                Some("csv") => &words[1..words.len() - 1],
                _ => words,
            };
            assert!(text.contains(words), "{}", path.display());
        }
        for file in ["tables/main.md", "tables/main.tex", "report.html"] {
            let text = fs::read_to_string(&folder.path().join(file)).unwrap();
            for words in [
                "Made with the profile offline",
                "The program made the data up",
            ] {
                assert!(text.contains(words), "{file}: {words}");
            }
        }
    }
}
