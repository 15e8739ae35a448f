//! `allround cancel`: cancels the jobs of a run on a cluster.

use super::{Exit, count};
use crate::cli::{Cancel, Common};
use crate::exec::slurm;
use crate::observe::print_message;
use crate::run::absolute;
use crate::store::Store;

/// Cancels the jobs that were submitted for a results folder.
pub(crate) fn run(arguments: &Cancel, common: &Common) -> anyhow::Result<Exit> {
    let results = absolute(&arguments.results)?;
    let store = Store::at(&absolute(&common.store)?);
    match slurm::cancel(&store, &results)? {
        0 => print_message(&format!(
            "no jobs were submitted for {} with the store {}",
            results.display(),
            store.root().display()
        )),
        arrays => print_message(&format!(
            "cancelled {}; finished stages stay in the store",
            count(arrays, "job array")
        )),
    }
    Ok(Exit::Success)
}
