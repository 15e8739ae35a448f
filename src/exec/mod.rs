//! Runs stages in worker processes: which may start (`pool`), one of them (`stage`), its process (`process`).

pub mod history;
pub mod locate;
pub mod pool;
pub mod process;
pub mod stage;
pub mod stop;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

pub use pool::execute;
pub use stop::Stop;

use crate::plan::NodeId;
use allround_core::event::Event;

/// What a panic says.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

/// How stages are run; nothing here changes a result.
#[derive(Clone, Debug)]
pub struct Options {
    /// The worker program.
    pub worker: PathBuf,
    /// Folder that relative paths of the spec refer to.
    pub base: PathBuf,
    /// Where workers' standard error is kept, a file a stage.
    pub logs: PathBuf,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// CPU threads to share out.
    pub cores: usize,
    /// Most stages at a time.
    pub jobs: usize,
    /// Stages that run with nothing beside them.
    pub alone: BTreeSet<NodeId>,
    /// How often a failed stage is tried again.
    pub retries: u32,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// Longest silence of a worker before it is taken for hung; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// Epochs between two checkpoints.
    pub checkpoint_every: u32,
}

/// What happens to a stage, for whoever listens.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A worker was started.
    Begun,
    /// Another run is making the artefact; this one waits for it.
    Waiting,
    /// The artefact in the store is damaged and is made anew; what is wrong with it.
    Damaged(String),
    /// The worker reported something.
    Reported(Event),
    /// A failed stage is tried again; why it failed.
    Retried(String),
    /// The stage has its outcome.
    Ended(Outcome),
}

/// How a stage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its artefact was in the store.
    Cached,
    /// Its artefact was made by this run.
    Made,
    /// It failed; why, in one line.
    Failed(String),
    /// Something that it needs failed; which stage.
    Blocked(NodeId),
    /// The run was stopped before it ended.
    Interrupted,
}

impl Outcome {
    /// Whether the artefact is in the store.
    pub fn is_good(&self) -> bool {
        matches!(self, Outcome::Cached | Outcome::Made)
    }
}
