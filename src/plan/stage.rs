//! Stages: what is hashed into a key, and the job that a worker is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Key;
use crate::spec::config::Model;

pub use crate::data::settings::{DrawCandidates, Prepare};

/// A unit of work with a content key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What to do, with every setting that can change the outcome.
    pub settings: Settings,
    /// Keys of the stages whose artefacts are read, by role (`prepared`, `candidates`, `backbone`).
    pub needs: BTreeMap<String, Key>,
    /// Digests of the input files, by path as written in the spec.
    pub inputs: BTreeMap<String, Key>,
}

impl Stage {
    /// The stage's key: BLAKE3 over kind, version, settings and needs. An input file counts by its digest, not its path.
    pub fn key(&self) -> Key {
        let settings = super::inputs::without_paths(&self.settings, &self.inputs);
        crate::digest::of_value(&(self.settings.version(), settings, &self.needs))
    }
}

/// The settings of a stage, one variant a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a plan holds thousands at most, and a box would be in every pattern"
)]
pub enum Settings {
    /// Source to filtered, split, indexed data set.
    Prepare(Prepare),
    /// Frozen candidate lists.
    Candidates(DrawCandidates),
    /// Training of a CF model.
    Backbone(TrainBackbone),
    /// Ranks of every measured user's target.
    Evaluate(Evaluate),
}

impl Settings {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Settings::Prepare(_) => "prepare",
            Settings::Candidates(_) => "candidates",
            Settings::Backbone(_) => "backbone",
            Settings::Evaluate(_) => "evaluate",
        }
    }

    /// Raised when the code of a kind changes what it writes: old artefacts are then not found again.
    pub fn version(&self) -> u32 {
        match self {
            // 2: dropout noise is the program's own.
            Settings::Backbone(TrainBackbone {
                model: Model::Sasrec(_),
                ..
            }) => 2,
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Backbone(_)
            | Settings::Evaluate(_) => 1,
        }
    }
}

/// Settings of `backbone`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainBackbone {
    /// The model, whole.
    pub model: Model,
    /// Cell seed.
    pub seed: u64,
    /// `cpu` or `cuda` (the index does not matter to the result).
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// Settings of `evaluate`: needs `prepared`, `candidates`, `backbone`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluate {
    /// `cpu` or `cuda`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
}

/// What a worker process is given, as JSON in a file: `allround-worker JOB.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What to do.
    pub stage: Stage,
    /// The stage's key.
    pub key: Key,
    /// Folders of the artefacts in `stage.needs`, by role.
    pub needs: BTreeMap<String, PathBuf>,
    /// Empty folder to write the artefact into; the store publishes it by rename.
    pub output: PathBuf,
    /// Folder for checkpoints; survives a killed process.
    pub checkpoint: PathBuf,
    /// Folder that relative paths of the spec refer to.
    pub base: PathBuf,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// CPU threads to use.
    pub threads: usize,
    /// Epochs between two checkpoints.
    pub checkpoint_every: u32,
}
