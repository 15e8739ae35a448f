//! What happens in a stage, as values: the worker writes them as JSON lines on stdout, everything else listens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metric::Metric;
use crate::program::Program;

/// Version of the protocol with the worker: the form of jobs, events and artefacts. Raised when an older worker would read a job
/// or write an artefact in another way. A worker of another version is refused.
pub const PROTOCOL: u32 = 1;

/// One line from a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The stage has begun.
    Started(Started),
    /// A region of work was timed.
    Phase(Phase),
    /// A training epoch ended.
    Epoch(Epoch),
    /// How far the current phase is; never recorded.
    Progress(Progress),
    /// A rule changed or dropped something and counted it.
    Counted(Counted),
    /// Something a reader of the log should know.
    Note {
        /// The sentence.
        text: String,
    },
    /// Something that belongs to every number that was made with this artefact, such as a batch halved for want of memory.
    Remark {
        /// A few words, without a stop.
        text: String,
    },
    /// The stage failed; the process exits with a non-zero code after it.
    Failed(Failure),
    /// The artefact is complete in the output folder.
    Finished,
}

/// Facts known when a stage starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Name of the device for people (CPU or GPU model).
    pub device_name: String,
    /// LibTorch's version; `None` in a stage without tensors.
    pub libtorch: Option<String>,
    /// CPU threads used.
    pub threads: usize,
    /// Epoch from which a checkpoint continues; 0 for a fresh start. The epochs up to it are told again behind this event: a
    /// program that was killed may not have written down what its worker had already counted as done.
    pub resumed_epoch: u32,
    /// The worker's [`PROTOCOL`]; 0 for a worker that does not report one.
    #[serde(default)]
    pub protocol: u32,
    /// Version and commit that the worker is built from.
    #[serde(default)]
    pub program: Program,
}

/// A timed region of a stage. Absent values are unknown, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `read`, `filter`, `draw`, `train`, `import`, `validate`, `evaluate`, `save`.
    pub phase: String,
    /// Wall time in seconds, without warm-up.
    pub wall_s: f64,
    /// Device time in seconds: on a CUDA device by its own events around the phase, on the CPU by the clock. `None` where no
    /// device computes the phase.
    pub device_s: Option<f64>,
    /// Examples worked on: interactions, training sequences, or users.
    pub examples: Option<u64>,
    /// Tokens worked on: next-item targets of CF models, pieces of texts that an encoder reads, tokens and vectors that a language
    /// model reads.
    pub tokens: Option<u64>,
    /// Peak resident memory of the process so far, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Most bytes that tensors held on the device at once, so far in this process; `None` on the CPU.
    pub peak_device_bytes: Option<u64>,
    /// Energy in joules where the device reports it.
    pub energy_j: Option<f64>,
    /// Parameters of the model, trained or not.
    pub params: Option<u64>,
    /// Parameters that this stage trains.
    pub trained_params: Option<u64>,
}

/// An epoch's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// 1 for the first.
    pub epoch: u32,
    /// Mean training loss.
    pub loss: f64,
    /// Means of the losses that the training loss is made of, unweighted, by name; none where it has no parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<String, f64>,
    /// Validation metrics, where this epoch was validated.
    pub validation: BTreeMap<Metric, f64>,
    /// Wall time of training in seconds, without validation.
    pub wall_s: f64,
    /// Training sequences seen.
    pub examples: u64,
}

/// How far a phase is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The phase.
    pub phase: String,
    /// Units done.
    pub done: u64,
    /// Units in all, where known.
    pub total: Option<u64>,
    /// What is counted: `epochs`, `users`, `reviews`.
    pub unit: String,
    /// A short remark, such as the latest loss.
    pub remark: String,
}

/// A stated rule that was applied, with how often.
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
