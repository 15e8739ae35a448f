//! `allround check`: every fault of a file, or how much it would run.

use super::{Exit, count, planning, print};
use crate::cli::{Check, Common, FaultFormat};
use crate::observe::say;
use crate::spec::{self, Faults};
use crate::store::Store;

/// Checks an experiment file.
pub(crate) fn run(arguments: &Check, common: &Common) -> anyhow::Result<Exit> {
    // The store is only read: a check leaves no trace.
    let store = Store::at(&common.store);
    let planned = match planning::plan(&arguments.spec, &store) {
        Ok(planned) => planned,
        Err(error) if arguments.format == FaultFormat::Lines => return lines(error),
        Err(error) => return Err(error),
    };
    let checked = &planned.checked;
    for note in spec::model_folder::lone_blanks(&checked.spec, &checked.base) {
        say(&format!("warning: {note}"));
    }
    let cells = count(planned.plan.cells.len(), "cell");
    let stages = count(planned.plan.graph.nodes.len(), "stage");
    print(&format!("ok: {cells}, {stages}\n"))?;
    Ok(Exit::Well)
}

fn lines(error: anyhow::Error) -> anyhow::Result<Exit> {
    let faults = error.downcast::<Faults>()?;
    say(faults.lines().trim_end());
    Ok(Exit::Bad)
}
