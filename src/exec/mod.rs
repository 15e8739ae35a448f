//! Runs stages in worker processes. `executor` is where: on this machine or on a cluster
//! (`slurm`). On one machine, `pool` decides which stages may start, `stage` runs one of them, and
//! `process` is its process.

pub mod executor;
pub mod history;
pub mod locate;
pub mod pool;
pub mod process;
pub mod slots;
pub mod slurm;
pub mod stage;
pub mod stop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

pub use executor::{Executor, Local, Work};
pub use pool::execute;
pub use stop::Stop;

use crate::plan::{Graph, NodeId};
use crate::site::LocalSettings;
use crate::store::Store;
use allround_core::event::Event;

/// The message of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// Folders of the artefacts that a stage reads, by role.
fn folders(graph: &Graph, store: &Store, id: NodeId) -> BTreeMap<String, PathBuf> {
    let folder = |&id: &NodeId| {
        let need = &graph.nodes[id];
        store.folder(need.stage.settings.kind().as_str(), &need.key)
    };
    let needs = graph.nodes[id].needs.iter();
    needs.map(|(role, id)| (role.clone(), folder(id))).collect()
}

/// How stages are run; nothing here changes a result.
#[derive(Clone, Debug)]
pub struct Options {
    /// The worker program.
    pub worker: PathBuf,
    /// Folder that relative paths of the spec refer to.
    pub base: PathBuf,
    /// Folder for the standard error of workers, one file per stage.
    pub logs: PathBuf,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// GPUs of this machine that stages share; empty if every stage uses `device`.
    pub gpus: Vec<u32>,
    /// How they share them.
    pub sharing: LocalSettings,
    /// CPU threads available to all stages together.
    pub cores: usize,
    /// Most stages at a time.
    pub jobs: usize,
    /// Stages that run while no other stage runs.
    pub alone: BTreeSet<NodeId>,
    /// How often a failed stage is retried.
    pub retries: u32,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// A worker that reports nothing for this long is killed; `None` waits without limit.
    pub timeout: Option<Duration>,
    /// Epochs between two checkpoints.
    pub checkpoint_every: u32,
    /// Minutes between two checkpoints within an epoch.
    pub checkpoint_minutes: f64,
}

/// What happens to a stage while a graph is executed.
#[derive(Clone, Debug)]
pub enum StageEvent {
    /// A worker was started.
    Started,
    /// Another run is making the artefact; this run waits for it.
    Waiting,
    /// The stage is in the queue of a cluster. Holds its job.
    Queued(String),
    /// The artefact in the store is damaged and will be rebuilt. Holds what is wrong with it.
    Damaged(String),
    /// The worker reported an event.
    Reported(Event),
    /// A failed stage is retried. Holds why it failed.
    Retried(String),
    /// The stage ended with this outcome.
    Ended(Outcome),
}

/// How a stage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its artefact was in the store.
    Cached,
    /// Its artefact was made by this run.
    Made,
    /// It failed. Holds the reason, in one line.
    Failed(String),
    /// It needs a stage that failed. Holds that stage.
    Blocked(NodeId),
    /// The run was stopped before the stage ended.
    Interrupted,
}

impl Outcome {
    /// Whether the artefact is in the store.
    pub fn is_good(&self) -> bool {
        matches!(self, Outcome::Cached | Outcome::Made)
    }
}
