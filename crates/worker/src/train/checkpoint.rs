//! Checkpoints: everything that a killed training stage needs to continue as if nothing had
//! happened, in one file.
//!
//! Weights, best weights and optimiser state are tensors of a safetensors file. The rest is JSON in
//! its header, so one rename makes all of it current.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use allround_core::event::Event;
use allround_core::fs;
use allround_core::stage::Job;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::models::weights::{self, WeightsError};
use crate::torch_ext::timer::Elapsed;

/// Where and when checkpoints are written. None of it changes a result.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointPlan<'a> {
    /// Their folder.
    pub folder: &'a Path,
    /// Most epochs between two of them.
    pub every: u32,
    /// Time between two of them within an epoch.
    pub within: Duration,
}

impl<'a> CheckpointPlan<'a> {
    /// As the run says.
    pub fn of(job: &'a Job) -> Self {
        Self {
            folder: &job.checkpoint,
            every: job.checkpoint_every,
            within: Duration::try_from_secs_f64(60.0 * job.checkpoint_minutes)
                .unwrap_or(Duration::MAX),
        }
    }
}

/// Checkpoints in `folder` after this many epochs, and none within an epoch.
#[cfg(test)]
pub(crate) fn checkpoints(folder: &Path, every: u32) -> CheckpointPlan<'_> {
    CheckpointPlan {
        folder,
        every,
        within: Duration::from_secs(3600),
    }
}

/// State of training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// The epoch that is under way; `None` between two epochs.
    #[serde(default)]
    pub within: Option<Within>,
    /// Epochs and validations as they were reported, first to last: reported again on resuming, so
    /// that none is missing from the results.
    pub history: Vec<Event>,
    /// Best value of the metric that decides so far.
    pub best: Option<Exact>,
    /// Examples seen at the best value.
    pub best_samples: u64,
    /// Examples seen at the last validation by samples; `None` before the first one.
    #[serde(default)]
    pub validated: Option<u64>,
    /// Validations since the best value.
    pub stale: u32,
    /// Whether training has ended.
    pub ended: bool,
    /// Whether training continues from the best weights of a first phase.
    #[serde(default)]
    pub is_second_phase: bool,
    /// What training has taken so far, in all processes.
    #[serde(default)]
    pub train: Elapsed,
    /// What validation has taken so far.
    #[serde(default)]
    pub validate: Elapsed,
    /// Targets trained on so far.
    pub tokens: u64,
    /// Examples trained on so far.
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

/// What an epoch that is under way has so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Within {
    /// Steps done.
    pub steps: usize,
    /// Sum of the losses, weighted.
    pub loss: Exact,
    /// Sum of the weights.
    pub weight: u64,
    /// Weighted sums of the parts of the loss.
    pub parts: BTreeMap<String, Exact>,
    /// Examples.
    pub examples: u64,
    /// Time of training.
    pub elapsed: Elapsed,
}

/// A number that is read back bit by bit: JSON parsers may round the last digit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Exact(pub f64);

impl From<u64> for Exact {
    fn from(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
}

impl From<Exact> for u64 {
    fn from(number: Exact) -> Self {
        number.0.to_bits()
    }
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
    within: Duration,
    last: Instant,
}

impl Pace {
    /// Checkpoints as `plan` says, counted from now.
    pub fn new(plan: &CheckpointPlan<'_>) -> Self {
        Self {
            every: plan.every.max(1),
            within: plan.within,
            last: Instant::now(),
        }
    }

    /// Whether a checkpoint is to be written within an epoch; the caller then writes it.
    pub fn due_within(&mut self) -> bool {
        let due = self.last.elapsed() >= self.within;
        if due {
            self.last = Instant::now();
        }
        due
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
        // A parser of JSON that is not exact reads back another number.
        checkpoint.progress.best = Some(Exact(2.029_841_290_334_765_5));
        checkpoint.progress.within = Some(Within {
            loss: Exact(f64::MIN_POSITIVE),
            ..Within::default()
        });
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
        let mut pace = Pace::new(&CheckpointPlan {
            folder: Path::new("/nowhere"),
            every: 10,
            within: Duration::from_secs(3600),
        });
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
        assert!(!pace.due_within());
        pace.last -= Duration::from_secs(3600);
        assert!(pace.due_within() && !pace.due_within());
    }
}
