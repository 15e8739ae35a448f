//! From an experiment file to a plan: what `run`, `check` and `plan` begin with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::advise;
use crate::cli::SpecArgs;
use crate::digest::Key;
use crate::plan::{self, NodeId, Plan, PlanError};
use crate::spec::{self, Checked};
use crate::store::Store;
use crate::store::inputs::Inputs;

/// A checked experiment with its plan.
pub(crate) struct Planned {
    /// The experiment.
    pub(crate) checked: Checked,
    /// Its cells and stages.
    pub(crate) plan: Plan,
    /// Digests learnt on the way, to be saved once the store is open.
    pub(crate) inputs: Inputs,
}

impl Planned {
    /// Digest of everything that decides what the results folder holds: spec, plan, program.
    pub(crate) fn identity(&self) -> Key {
        let program = (env!("CARGO_PKG_VERSION"), program_stamp());
        crate::digest::of_value(&(self.checked.resolved_toml(), self.plan.digest(), program))
    }

    /// The stages that run with nothing beside them.
    pub(crate) fn alone(&self) -> BTreeSet<NodeId> {
        self.plan.alone(&self.checked.spec.run.alone)
    }
}

/// Size and time of this very program: a new build may write results anew.
fn program_stamp() -> Option<crate::fs::Stamp> {
    crate::fs::stamp(&std::env::current_exe().ok()?).ok()
}

/// Loads, checks and plans an experiment; digests of input files that `store` remembers are not computed again.
pub(crate) fn plan(arguments: &SpecArgs, store: &Store) -> anyhow::Result<Planned> {
    let checked = spec::load(&arguments.path, &arguments.overrides())?;
    let mut inputs = Inputs::load(store);
    let base = base(&checked.base)?;
    let plan = plan::plan(&checked.spec, &mut |path| inputs.digest(&base.join(path)));
    let plan = plan.map_err(|error| match &error {
        PlanError::Input { source, .. } if source.source.kind() == std::io::ErrorKind::NotFound => advise(
            error.to_string(),
            "paths are relative to the folder of the experiment file; download the file or correct its path",
        ),
        _ => error.into(),
    })?;
    Ok(Planned {
        checked,
        plan,
        inputs,
    })
}

/// A path, absolute: of a file, or of the folder that relative paths of the spec start from.
pub(crate) fn base(path: &Path) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(path);
    Ok(absolute.map_err(|error| crate::fs::FsError::new(path, "find", error))?)
}
