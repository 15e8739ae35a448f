//! Where the stages of a run are run.

use std::path::Path;

use crate::advice::advise;
use crate::exec::slurm::Slurm;
use crate::exec::{Executor, Local};
use crate::site::{self, LOCAL, Site};

/// Where stages run, as the command line says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// Name of an executor; `None` for that of the experiment.
    pub on: Option<&'a str>,
    /// The site file; `None` searches for it.
    pub site: Option<&'a Path>,
    /// GPUs of this machine; empty for those of the site file.
    pub devices: &'a [String],
    /// Whether to return once all stages are submitted.
    pub detach: bool,
}

impl Place<'_> {
    /// The executor for an experiment in the folder `base` that names `on`, with its settings.
    ///
    /// # Errors
    /// When the site file is faulty or has no such executor, or if a local run is to be detached.
    pub fn settings(&self, on: Option<&str>, base: &Path) -> anyhow::Result<site::Executor> {
        let name = self.name(on);
        let file = self.site.map(Path::to_owned).or_else(|| match name {
            // The experiment may run where a site file is of no use.
            LOCAL if self.on.is_none() && on.is_none() => None,
            _ => site::find(base),
        });
        let site = match &file {
            Some(file) => site::load(file)?,
            None => Site::default(),
        };
        let mut executor = site.executor(name, file.as_deref())?;
        match &mut executor {
            site::Executor::Local(local) if !self.devices.is_empty() => {
                local.devices = self.devices.to_vec();
            }
            site::Executor::Slurm(_) if !self.devices.is_empty() => {
                return Err(advise(
                    format!("`--devices` names GPUs of this machine, and `{name}` is a cluster"),
                    "set `gres` in the site file, or pass `--on local`",
                ));
            }
            site::Executor::Local(_) | site::Executor::Slurm(_) => {}
        }
        if self.detach && matches!(executor, site::Executor::Local(_)) {
            return Err(advise(
                format!("`--detach` needs a cluster, and `{name}` is this machine"),
                "pass `--on NAME` with an executor of the site file, or leave out `--detach`",
            ));
        }
        Ok(executor)
    }

    /// Name of the executor.
    pub fn name<'n>(&'n self, on: Option<&'n str>) -> &'n str {
        self.on.or(on).unwrap_or(LOCAL)
    }

    /// The executor with these settings, for a results folder.
    pub fn executor(
        &self,
        on: Option<&str>,
        settings: &site::Executor,
        results: &Path,
    ) -> Box<dyn Executor> {
        match settings {
            site::Executor::Local(_) => Box::new(Local),
            site::Executor::Slurm(settings) => Box::new(Slurm {
                name: self.name(on).to_owned(),
                settings: settings.as_ref().clone(),
                results: results.to_owned(),
                detach: self.detach,
            }),
        }
    }
}
