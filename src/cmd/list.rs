//! `allround list`: the experiments that the store knows.

use comfy_table::{Table, presets};

use super::{Exit, print};
use crate::cli::Common;
use crate::observe::print_message;
use crate::store::Store;

/// Prints a table of experiments with their state.
pub(crate) fn run(common: &Common) -> anyhow::Result<Exit> {
    let experiments = Store::at(&common.store).experiments()?;
    for error in &experiments.damaged {
        print_message(&format!("damaged, left out: {error}"));
    }
    let exit = match experiments.damaged.is_empty() {
        true => Exit::Success,
        false => Exit::Failed,
    };
    if experiments.found.is_empty() {
        print_message(&format!(
            "no experiment in store `{}`",
            common.store.display()
        ));
        return Ok(exit);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "experiment",
        "state",
        "cells",
        "failed",
        "ended",
        "results",
    ]);
    for experiment in experiments.found {
        table.add_row([
            experiment.name.clone(),
            experiment.state().to_owned(),
            format!("{}/{}", experiment.finished, experiment.cells),
            experiment.failed.to_string(),
            experiment.ended.clone(),
            experiment.results.display().to_string(),
        ]);
    }
    print(&format!("{}\n", table.trim_fmt()))?;
    Ok(exit)
}
