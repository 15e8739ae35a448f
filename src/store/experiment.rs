//! Which results folder uses which artefacts: for `list`, for `clean`, and to skip a run that has
//! nothing to do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Store;
use allround_core::digest::Key;
use allround_core::fs::{self, FsError, Stamp};

/// The last run of an experiment into one results folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The experiment's name.
    pub name: String,
    /// Its file.
    pub spec: PathBuf,
    /// Its results folder, absolute.
    pub results: PathBuf,
    /// Artefacts that its rows are computed from, as (kind, key).
    pub artefacts: Vec<(String, Key)>,
    /// The evaluations of each cell, by key.
    #[serde(default)]
    pub roots: Vec<Vec<Key>>,
    /// Digest of resolved spec, plan and program. If it is unchanged, a run has nothing to do.
    pub identity: Key,
    /// Number of cells.
    pub cells: usize,
    /// Cells that have ended, whether or not they failed.
    pub finished: usize,
    /// Cells that failed or were blocked.
    pub failed: usize,
    /// When the run ended.
    pub ended: String,
    /// Size and modification time of each results file as written, by path below `results`.
    pub files: BTreeMap<String, Stamp>,
    /// The tables that the run has printed, for a run that has nothing to do.
    pub summary: String,
}

impl Experiment {
    /// Adds artefacts that the results folder also uses.
    pub fn add_artefacts(&mut self, others: &[(String, Key)]) {
        self.artefacts.extend_from_slice(others);
        self.artefacts.sort();
        self.artefacts.dedup();
    }

    /// Whether every cell ended well.
    pub fn is_complete(&self) -> bool {
        self.finished == self.cells && self.failed == 0
    }

    /// `complete`, `failed`, `partial`, or `gone` if the results folder does not exist.
    pub fn state(&self) -> &'static str {
        match self {
            _ if !self.results.exists() => "gone",
            _ if self.is_complete() => "complete",
            _ if self.failed > 0 => "failed",
            _ => "partial",
        }
    }

    /// Whether the results files are unchanged since they were written.
    pub fn files_are_untouched(&self) -> bool {
        let same = |(name, stamp): (&String, &Stamp)| {
            fs::stamp(&self.results.join(name)).is_ok_and(|now| now == *stamp)
        };
        !self.files.is_empty() && self.files.iter().all(same)
    }
}

/// Size and modification time of each file below a results folder, except logs and hidden files.
///
/// # Errors
/// When the folder cannot be read.
pub fn stamps(results: &Path) -> Result<BTreeMap<String, Stamp>, FsError> {
    let mut files = BTreeMap::new();
    for path in fs::walk(results)? {
        let below = path.strip_prefix(results).unwrap_or(&path);
        let name = below.to_string_lossy().into_owned();
        if !name.starts_with("logs/") && !name.starts_with('.') {
            files.insert(name, fs::stamp(&path)?);
        }
    }
    Ok(files)
}

impl Store {
    fn experiment_file(&self, results: &Path) -> PathBuf {
        let id = allround_core::digest::of_bytes(results.as_os_str().as_encoded_bytes());
        let file = format!("{}.json", id.short());
        self.root().join("experiments").join(file)
    }

    /// Records an experiment, by its results folder.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn remember(&self, experiment: &Experiment) -> Result<(), FsError> {
        let text = serde_json::to_vec(experiment).expect("an experiment is plain data");
        fs::write_atomic(&self.experiment_file(&experiment.results), &text)
    }

    /// Removes the record of a results folder.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn forget(&self, results: &Path) -> Result<(), FsError> {
        fs::remove_file(&self.experiment_file(results))
    }

    /// The experiment of a results folder; `None` if there is no record or it cannot be read.
    pub fn experiment(&self, results: &Path) -> Option<Experiment> {
        read(&self.experiment_file(results)).ok()
    }

    /// All experiments, sorted by name, and the records that cannot be read.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn experiments(&self) -> Result<Experiments, FsError> {
        let mut all = Experiments::default();
        for path in fs::list(&self.root().join("experiments"))? {
            // Temporary files of a killed writer are removed by the next write.
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            match read(&path) {
                Ok(experiment) => all.found.push(experiment),
                Err(error) => all.damaged.push(error),
            }
        }
        all.found
            .sort_by(|a, b| (&a.name, &a.results).cmp(&(&b.name, &b.results)));
        Ok(all)
    }
}

/// The experiment records of a store.
#[derive(Debug, Default)]
pub struct Experiments {
    /// Readable records.
    pub found: Vec<Experiment>,
    /// Why the others cannot be read.
    pub damaged: Vec<FsError>,
}

fn read(path: &Path) -> Result<Experiment, FsError> {
    let bytes = fs::read_at_most(path, fs::MOST_TEXT)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let what = format!("not an experiment record ({error})");
        let error = io::Error::new(io::ErrorKind::InvalidData, what);
        FsError::new(path, "read", error)
    })
}
