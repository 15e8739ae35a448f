//! A results folder whose artefacts are still in the store.

use std::path::{Path, PathBuf};

use super::advise;
use crate::cli::Common;
use crate::experiment::Spec;
use crate::plan::{self, NodeId, Plan};
use crate::run::absolute;
use crate::store::inputs::Inputs;
use crate::store::{Presence, Store};

/// A results folder and its artefacts in the store.
pub(crate) struct Kept {
    results: PathBuf,
    /// The experiment as it was run.
    pub(crate) spec: Spec,
    /// Its cells and stages.
    pub(crate) plan: Plan,
    store: Store,
}

impl Kept {
    /// Plans the experiment of a results folder as it was run.
    pub(crate) fn of(results: &Path, common: &Common) -> anyhow::Result<Self> {
        let store = Store::at(&common.store);
        let spec = crate::experiment::load_resolved(&results.join("spec.toml"))?;
        // Without a trailing slash.
        let folder: PathBuf = absolute(results)?.components().collect();
        let Some(experiment) = store.experiment(&folder) else {
            return Err(advise(
                format!(
                    "the store `{}` has no record of `{}`",
                    common.store.display(),
                    results.display()
                ),
                "pass the store of that run with `--store DIR`, or rerun the experiment",
            ));
        };
        let file = absolute(&experiment.spec)?;
        let base = file.parent().unwrap_or(Path::new("/")).to_owned();
        let mut inputs = Inputs::load(&store);
        let plan = plan::plan(&spec, &mut |path| inputs.digest(&base.join(path)))?;
        Ok(Self {
            results: results.to_owned(),
            spec,
            plan,
            store,
        })
    }

    /// The folder of a stage's artefact.
    pub(crate) fn folder(&self, id: NodeId) -> anyhow::Result<PathBuf> {
        let node = &self.plan.graph.nodes[id];
        let kind = node.stage.settings.kind().as_str();
        match self.store.look(kind, &node.key) {
            Presence::Whole => Ok(self.store.folder(kind, &node.key)),
            Presence::Absent | Presence::Damaged(_) => Err(advise(
                format!(
                    "stage `{kind}` of `{}` is not in the store or damaged",
                    self.results.display()
                ),
                "the data have changed or the store was cleaned: rerun the experiment",
            )),
        }
    }
}
