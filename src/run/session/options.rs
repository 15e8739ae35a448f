//! How the stages of a session are run.

use std::path::{Path, PathBuf};

use super::Session;
use crate::advice::advise;
use crate::exec::slots::{self, Driver};
use crate::exec::{self, Options, locate};
use crate::experiment::config::Run;
use crate::run::absolute;
use crate::site;
use crate::store::{Presence, Store};

impl Session<'_> {
    pub(super) fn options(
        &self,
        store: &Store,
        logs: &Path,
        place: &site::Executor,
    ) -> anyhow::Result<Options> {
        let spec = &self.planned.checked.spec;
        let (is_here, sharing) = match place {
            site::Executor::Local(local) => (true, local.clone()),
            site::Executor::Slurm(_) => (false, site::LocalSettings::default()),
        };
        let gpus = gpus(&sharing, &spec.run)?;
        let slots = gpus.len() * usize::try_from(sharing.most_per_device()).unwrap_or(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let counts = [
            ("threads", spec.run.threads),
            ("cf_threads", spec.run.cf_threads),
        ];
        for (field, threads) in counts {
            if is_here && threads > cores && self.is_work_left(store) {
                return Err(advise(
                    format!("`run.{field}` is {threads}, but this machine has {cores} cores"),
                    format!(
                        "write at most {cores}, or pass `--set run.{field}={cores}`; the thread count is part of the stage keys, since it may change the last bits of a result"
                    ),
                ));
            }
        }
        Ok(Options {
            worker: self.worker(store, place)?,
            base: absolute(&self.planned.checked.base)?,
            logs: logs.to_owned(),
            device: spec.run.device.clone(),
            gpus,
            sharing,
            cores,
            jobs: self
                .request
                .jobs
                .map_or_else(|| default_jobs(&spec.run).max(slots), usize::from),
            alone: self.planned.alone(),
            retries: spec.run.retries,
            fail_fast: self.request.fail_fast,
            timeout: self.request.timeout,
            checkpoint_every: spec.run.checkpoint_every,
            checkpoint_minutes: spec.run.checkpoint_minutes,
        })
    }

    /// The worker program. It may be missing if no stage is left to run.
    fn worker(&self, store: &Store, place: &site::Executor) -> anyhow::Result<PathBuf> {
        if let site::Executor::Slurm(slurm) = place
            && let Some(worker) = &slurm.worker
        {
            return Ok(worker.into());
        }
        match locate::worker(self.request.worker) {
            Ok(path) => Ok(path),
            Err(error) if self.is_work_left(store) => Err(advise(
                error.to_string(),
                "build it with `cargo build --release`, or set its path with `--worker PATH` or ALLROUND_WORKER",
            )),
            Err(_) => Ok(PathBuf::new()),
        }
    }

    /// Whether a stage is missing in the store.
    fn is_work_left(&self, store: &Store) -> bool {
        exec::pool::survey(&self.planned.plan.graph, store)
            .iter()
            .any(|state| *state != Presence::Whole)
    }
}

/// The GPUs that stages share; empty if each uses the device of the experiment.
fn gpus(sharing: &site::LocalSettings, run: &Run) -> anyhow::Result<Vec<u32>> {
    if sharing.devices.is_empty() {
        return Ok(Vec::new());
    }
    if run.device == "cpu" {
        return Err(advise(
            "stages cannot share GPUs, since `run.device` is `cpu`",
            "pass `--device cuda:0`, or leave out `--devices` and `devices` of the site file",
        ));
    }
    let count = u32::try_from(Driver.gpus().len()).unwrap_or(0);
    slots::gpus(&sharing.devices, count).map_err(|error| {
        advise(
            error.to_string(),
            "`nvidia-smi -L` lists the GPUs of this machine",
        )
    })
}

/// Most stages that run at the same time without `--jobs`.
pub fn default_jobs(run: &Run) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Stages would compete for a GPU's memory, so `--jobs` is needed for more than one.
    match run.device.as_str() {
        // The pool never assigns more threads than there are cores.
        "cpu" => (cores / run.threads.min(run.cf_threads).max(1)).max(1),
        _ => 1,
    }
}
