//! Events of a stage: the worker writes them as JSON lines to standard output, and the command
//! reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metric::Metric;
use crate::program::Program;

/// Version of the protocol with the worker: the form of jobs, events and artefacts. It is raised
/// when an older worker would read a job or write an artefact differently. A worker with another
/// version is refused.
pub const PROTOCOL: u32 = 2;

/// One line from a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The stage has begun.
    Started(Started),
    /// The time of a phase.
    Phase(Phase),
    /// A training epoch ended.
    Epoch(Epoch),
    /// Validation within training, after a number of samples.
    Validation(Validation),
    /// Validation metrics of the frozen CF model that a method reads: the level to reach. Users and
    /// candidates are those of the method's validation.
    Reference {
        /// The metrics.
        metrics: BTreeMap<Metric, f64>,
    },
    /// Progress of the current phase; never recorded.
    Progress(Progress),
    /// A rule changed or dropped something, with a count.
    Counted(Counted),
    /// A note for readers of the log.
    Note {
        /// The sentence.
        text: String,
    },
    /// A note that belongs to every result made with this artefact, such as a batch that was halved
    /// when memory ran out.
    Remark {
        /// A phrase without a full stop.
        text: String,
    },
    /// The stage failed. The process then exits with a non-zero code.
    Failed(Failure),
    /// The artefact is complete in the output folder.
    Finished,
}

/// Facts known at the start of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Model name of the CPU or GPU.
    pub device_name: String,
    /// LibTorch's version; `None` in a stage without tensors.
    pub libtorch: Option<String>,
    /// CPU threads used.
    pub threads: usize,
    /// Epoch of the checkpoint that training resumes from; 0 for a fresh start. The events of the
    /// epochs up to it are sent again after this one, since a killed program may not have recorded
    /// them.
    pub resumed_epoch: u32,
    /// Steps of the next epoch that the checkpoint has, too.
    #[serde(default)]
    pub resumed_step: u64,
    /// The worker's [`PROTOCOL`]; 0 for a worker that does not report one.
    #[serde(default)]
    pub protocol: u32,
    /// Version and commit of the worker.
    #[serde(default)]
    pub program: Program,
}

/// Time and counts of one phase of a stage. Missing values are unknown, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `read`, `filter`, `draw`, `titles`, `train`, `import`, `validate`, `evaluate`, `save`.
    pub phase: String,
    /// Wall time in seconds, without warm-up.
    pub wall_s: f64,
    /// Device time in seconds: from events around the phase on a CUDA device, from the clock on the
    /// CPU. `None` where the phase does not use the device.
    pub device_s: Option<f64>,
    /// Examples processed: interactions, training sequences, or users.
    pub examples: Option<u64>,
    /// Tokens processed: next-item targets of CF models, tokens that an encoder reads, tokens and
    /// vectors that a language model reads.
    pub tokens: Option<u64>,
    /// Peak resident memory of the process so far, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Maximum bytes of tensors on the device so far in this process; `None` on the CPU.
    pub peak_device_bytes: Option<u64>,
    /// Energy in joules, if the device reports it.
    pub energy_j: Option<f64>,
    /// Floating-point operations of matrix products, counted from shapes. `None` where the phase
    /// does not use the device, and from workers that do not count.
    #[serde(default)]
    pub flops: Option<u64>,
    /// Parameters of the model, trainable or not.
    pub params: Option<u64>,
    /// Parameters that this stage trains.
    pub trained_params: Option<u64>,
}

/// Results of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// Mean training loss.
    pub loss: f64,
    /// Unweighted means of the terms of the training loss, by name; empty if it has only one term.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<String, f64>,
    /// Validation metrics; empty if this epoch was not validated.
    pub validation: BTreeMap<Metric, f64>,
    /// Wall time of training in seconds, without validation.
    pub wall_s: f64,
    /// Number of training sequences.
    pub examples: u64,
}

/// Results of a validation within training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Number of the epoch that is under way; 0 before training.
    pub epoch: u32,
    /// Samples trained on so far, over all epochs.
    pub samples: u64,
    /// The metrics.
    pub metrics: BTreeMap<Metric, f64>,
    /// Wall time in seconds.
    pub wall_s: f64,
}

/// Progress of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The phase.
    pub phase: String,
    /// Units done.
    pub done: u64,
    /// Total units, where known.
    pub total: Option<u64>,
    /// The unit: `samples`, `steps`, `users`, `reviews`.
    pub unit: String,
    /// Short additional text, such as the latest loss.
    pub remark: String,
}

/// A rule that was applied, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The rule, in words.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// Why a stage failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The error chain in one line: what is wrong and where.
    pub error: String,
    /// What to do, where known.
    pub hint: Option<String>,
}
