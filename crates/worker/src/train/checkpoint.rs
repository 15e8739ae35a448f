//! Checkpoints: everything that a killed training stage needs to continue as if nothing had
//! happened, in one file.
//!
//! Weights, best weights and optimiser state are tensors of a safetensors file. The rest is JSON in
//! its header, so one rename makes all of it current.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use allround_core::event::Epoch;
use allround_core::fs;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::models::weights::{self, WeightsError};
use crate::torch_ext::timer::Elapsed;

/// State of training after an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// What was reported of each, first to last: reported again on resuming, so that no epoch is
    /// missing from the results.
    pub history: Vec<Epoch>,
    /// Best value of the stopping metric so far.
    pub best: Option<f64>,
    /// Epoch of the best value.
    pub best_epoch: u32,
    /// Validations since the best value.
    pub stale: u32,
    /// Whether training has ended.
    pub ended: bool,
    /// What training has taken so far, in all processes.
    #[serde(default)]
    pub train: Elapsed,
    /// What validation has taken so far.
    #[serde(default)]
    pub validate: Elapsed,
    /// Targets trained on so far.
    pub tokens: u64,
    /// Examples trained on so far, where an epoch's number is not that of the data set.
    #[serde(default)]
    pub examples: u64,
    /// Steps done, where the learning rate follows them.
    #[serde(default)]
    pub steps: u64,
    /// Examples that are computed together, where memory ran out and a step is cut into parts.
    #[serde(default)]
    pub part: Option<usize>,
    /// Steps that were cut into parts so far.
    #[serde(default)]
    pub cut: u64,
    /// How often a rule has changed what is read so far.
    #[serde(default)]
    pub changed: u64,
}

/// A checkpoint: progress and tensors by role (`weights/...`, `best/...`, `optimizer/...`).
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// State of training.
    pub progress: Progress,
    /// Tensors by role and name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// What is lost at most where epochs, or passes of an evaluation, are shorter; a longer one has its
/// own checkpoint.
pub const AT_MOST: Duration = Duration::from_secs(2);

/// Decides when a checkpoint is written: after a number of epochs, or as soon as much would be lost
/// without one.
#[derive(Debug)]
pub struct Pace {
    every: u32,
    last: Instant,
}

impl Pace {
    /// A checkpoint every `every` epochs at least, counted from now.
    pub fn new(every: u32) -> Self {
        Self {
            every: every.max(1),
            last: Instant::now(),
        }
    }

    /// Whether a checkpoint is to be written now; the caller then writes it.
    pub fn due(&mut self, progress: &Progress) -> bool {
        let due = progress.ended
            || progress.epoch.is_multiple_of(self.every)
            || self.last.elapsed() >= AT_MOST;
        if due {
            self.last = Instant::now();
        }
        due
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

impl Checkpoint {
    /// Adds `named` tensors under `role`.
    pub fn put(&mut self, role: &str, named: Vec<(String, Tensor)>) {
        for (name, tensor) in named {
            self.tensors.insert(format!("{role}/{name}"), tensor);
        }
    }

    /// The tensors under `role`, by name.
    pub fn get(&self, role: &str) -> BTreeMap<String, Tensor> {
        let prefix = format!("{role}/");
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| {
                let name = name.strip_prefix(&prefix)?;
                Some((name.to_owned(), tensor.shallow_clone()))
            })
            .collect()
    }

    /// Replaces the checkpoint in `folder`, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), WeightsError> {
        fs::create_dir_all(folder)?;
        let progress = serde_json::to_string(&self.progress).expect("progress is plain data");
        let notes = HashMap::from([("progress".to_owned(), progress)]);
        let tensors: Vec<(String, Tensor)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect();
        let bytes = weights::to_bytes(&tensors, Some(notes));
        Ok(fs::write_atomic(&file(folder), &bytes)?)
    }

    /// The checkpoint in `folder`; `None` when there is none or it is not whole, which costs time
    /// and nothing else.
    pub fn load(folder: &Path) -> Option<Self> {
        let (tensors, notes) = weights::read(&file(folder)).ok()?;
        let progress = serde_json::from_str(notes.get("progress")?).ok()?;
        Some(Self { progress, tensors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_back_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Checkpoint::load(folder.path()).is_none());
        let mut checkpoint = Checkpoint::default();
        checkpoint.progress.epoch = 3;
        checkpoint.progress.best = Some(0.1 + 0.2);
        let named = vec![("a.weight".to_owned(), Tensor::from_slice(&[1.0f32, 2.5]))];
        checkpoint.put("weights", named);
        checkpoint.save(folder.path()).unwrap();
        let read = Checkpoint::load(folder.path()).unwrap();
        assert_eq!(read.progress, checkpoint.progress);
        assert_eq!(
            read.get("weights")["a.weight"],
            checkpoint.get("weights")["a.weight"]
        );
        let bytes = fs::read(&file(folder.path())).unwrap();
        fs::write_atomic(&file(folder.path()), &bytes[..bytes.len() - 3]).unwrap();
        assert!(Checkpoint::load(folder.path()).is_none());
    }

    #[test]
    fn a_long_epoch_has_a_checkpoint_of_its_own() {
        let at = |epoch| Progress {
            epoch,
            ..Progress::default()
        };
        let mut pace = Pace::new(10);
        assert!(!pace.due(&at(9)));
        assert!(pace.due(&at(10)));
        assert!(!pace.due(&at(11)));
        pace.last -= AT_MOST;
        assert!(pace.due(&at(12)));
        assert!(!pace.due(&at(13)), "the time counts from the last one");
        let ended = Progress {
            ended: true,
            ..at(14)
        };
        assert!(pace.due(&ended));
    }
}
