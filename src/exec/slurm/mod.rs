//! Stages as jobs of Slurm.
//!
//! Every stage is a task of a job array. A task runs `allround stage`, which makes the artefact and
//! publishes it in the store. The program that submits therefore need not wait: a later run reads
//! the store, the queue and the records of submissions (`batch`).

pub mod arrays;
pub mod batch;
pub mod check;
pub mod client;
mod fate;
mod follow;
mod queue;
pub mod script;
pub mod task;

use std::path::{Path, PathBuf};

use super::{Executor, Outcome, StageEvent, Work};
use crate::advice::advise;
use crate::plan::NodeId;
use crate::site::SlurmSettings;
use crate::store::Store;
use client::SlurmError;
use queue::Queue;

/// A cluster with Slurm.
#[derive(Clone, Debug)]
pub struct Slurm {
    /// Its name in the site file.
    pub name: String,
    /// Its settings.
    pub settings: SlurmSettings,
    /// The results folder, absolute.
    pub results: PathBuf,
    /// Whether to return once all stages are submitted.
    pub detach: bool,
}

impl Executor for Slurm {
    fn execute(
        &self,
        work: &Work<'_>,
        observe: &mut dyn FnMut(NodeId, &StageEvent),
    ) -> anyhow::Result<Vec<Outcome>> {
        Queue::new(self, work)?.run(observe)
    }
}

/// An error of Slurm with its remedy.
pub fn advised(error: SlurmError) -> anyhow::Error {
    let hint = error.hint();
    advise(error.to_string(), hint)
}

/// Cancels the jobs that were submitted for a results folder, and removes their records. Returns
/// the number of arrays.
///
/// # Errors
/// When Slurm does not answer or a record cannot be removed.
pub fn cancel(store: &Store, results: &Path) -> anyhow::Result<usize> {
    let own = own_submissions(store, results)?;
    let jobs = own.iter().flat_map(batch::Folder::arrays);
    let jobs: Vec<String> = jobs.map(|array| array.job.to_string()).collect();
    if !jobs.is_empty() {
        client::cancel(&jobs).map_err(advised)?;
    }
    for folder in own {
        folder.remove()?;
    }
    Ok(jobs.len())
}

/// Submissions for a results folder that no run has collected.
pub fn own_submissions(store: &Store, results: &Path) -> anyhow::Result<Vec<batch::Folder>> {
    let all = batch::Folder::all(store)?.into_iter();
    let is_own = |folder: &batch::Folder| {
        let submission = folder.submission();
        submission.is_some_and(|submission| submission.results == results)
    };
    Ok(all.filter(is_own).collect())
}
