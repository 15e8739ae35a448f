//! `allround stage`: runs one stage of a job array, on a node of a cluster.

use super::Exit;
use crate::cli::StageTask;
use crate::exec::slurm::task::{self, TaskEnd};
use crate::observe::{print_message, print_stage};
use crate::run::interrupts;
use crate::store::Holder;

/// Runs the stage and publishes its artefact.
pub(crate) fn run(arguments: &StageTask) -> anyhow::Result<Exit> {
    let Holder { host, job, .. } = Holder::this();
    print_message(&format!("job {job} on node {host}"));
    let stop = interrupts()?;
    let end = task::run(&arguments.batch, arguments.index, &stop, &print_stage)?;
    Ok(match end {
        TaskEnd::Done => Exit::Success,
        TaskEnd::Failed(error) => {
            print_message(&format!("failed: {error}"));
            Exit::Failed
        }
        TaskEnd::Interrupted => {
            print_message("ended by a signal; a rerun continues from the checkpoint");
            Exit::Interrupted
        }
    })
}
