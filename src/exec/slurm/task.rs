//! A task on its node: runs one stage and publishes its artefact.

use std::path::Path;
use std::time::Duration;

use super::batch::{self, Ended, Folder, Header, Line};
use crate::exec::stage::Task as StageTask;
use crate::exec::{Options, Outcome, StageEvent, Stop};
use crate::store::{Holder, Presence, Store};
use allround_core::fs::FsError;
use allround_core::program::Program;

/// How much later than its worker this program may receive a signal.
const SIGNAL_DELAY: Duration = Duration::from_millis(300);

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// The artefact is in the store.
    Done,
    /// The stage failed, or lacks what it needs. Holds the reason.
    Failed(String),
    /// It was ended by a signal; a new job continues from the checkpoint.
    Interrupted,
}

/// Runs the stage `index` of an array.
///
/// # Errors
/// When files of the submission cannot be read or written.
pub fn run(
    batch: &Path,
    index: u32,
    stop: &Stop,
    report: &dyn Fn(&str, &StageEvent),
) -> anyhow::Result<TaskEnd> {
    let (header, line) = batch::read(batch, index).map_err(anyhow::Error::msg)?;
    let folder = Folder::of_batch(batch);
    folder.forget_failure(&line.key)?;
    let store = Store::open(&header.store)?;
    let outcome = match unfit(&header).or_else(|| lacking(&line, &store)) {
        Some(error) => Outcome::Failed(error),
        None => stage(&header, &line, &store, stop, report)?,
    };
    if matches!(outcome, Outcome::Failed(_)) {
        // Slurm ends the worker and this program at once: the worker's end may be seen first.
        std::thread::sleep(SIGNAL_DELAY);
        if stop.is_requested() {
            return Ok(TaskEnd::Interrupted);
        }
    }
    let error = match outcome {
        Outcome::Made | Outcome::Cached => return Ok(TaskEnd::Done),
        Outcome::Interrupted => return Ok(TaskEnd::Interrupted),
        Outcome::Failed(error) => error,
        Outcome::Blocked(_) => "a stage that it needs failed".to_owned(),
    };
    let Holder { host, job, .. } = Holder::this();
    let ended = Ended { job, host, error };
    folder.write_failure(&line.key, &ended)?;
    Ok(TaskEnd::Failed(ended.error))
}

/// Why this program must not run what another has submitted.
fn unfit(header: &Header) -> Option<String> {
    let own = Program::this().to_string();
    (header.program != own).then(|| {
        format!(
            "node {} has allround {own}, but allround {} submitted this job; hint: install the same build on all nodes, or set `program` in the site file",
            Holder::this().host,
            header.program
        )
    })
}

/// Why a stage cannot start: something that it needs is not in the store.
fn lacking(line: &Line, store: &Store) -> Option<String> {
    line.needs().find_map(|(kind, key, _)| {
        let what = format!("{kind} {}", key.short());
        match store.look_into(kind, key) {
            Presence::Whole => None,
            Presence::Absent => Some(format!("{what}, which it needs, is not in the store")),
            Presence::Damaged(why) => Some(format!(
                "{what}, which it needs, is damaged: {why}; hint: rerun, which rebuilds it"
            )),
        }
    })
}

fn stage(
    header: &Header,
    line: &Line,
    store: &Store,
    stop: &Stop,
    report: &dyn Fn(&str, &StageEvent),
) -> Result<Outcome, FsError> {
    allround_core::fs::create_dir_all(&header.logs)?;
    let node = line.node();
    let label = node.label();
    let options = Options {
        worker: header.worker.clone(),
        base: header.base.clone(),
        logs: header.logs.clone(),
        device: header.device.clone(),
        gpus: Vec::new(),
        sharing: crate::site::LocalSettings::default(),
        cores: line.threads,
        jobs: 1,
        alone: std::collections::BTreeSet::new(),
        retries: header.retries,
        fail_fast: false,
        timeout: header.timeout_s.map(Duration::from_secs_f64),
        checkpoint_every: header.checkpoint_every,
        checkpoint_minutes: header.checkpoint_minutes,
    };
    let needs = line.needs();
    let needs = needs.map(|(kind, key, role)| (role.clone(), store.folder(kind, key)));
    let task = StageTask {
        id: 0,
        node: &node,
        needs: needs.collect(),
        store,
        options: &options,
        threads: line.threads,
        server: None,
        gpu: None,
        rule: None,
        stop,
        report: &|_, event| report(&label, &event),
    };
    Ok(task.run())
}
