//! `allround list`: the experiments in the store.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Exit, output, print};
use crate::cli::{Common, List, OutputFormat};
use crate::observe::print_message;
use crate::store::{Experiment, Store};

/// A row of machine-readable output.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    experiment: String,
    state: String,
    cells: usize,
    finished: usize,
    failed: usize,
    ended: String,
    spec: String,
    results: String,
}

impl Row {
    fn of(experiment: &Experiment) -> Row {
        Row {
            experiment: experiment.name.clone(),
            state: experiment.state().to_owned(),
            cells: experiment.cells,
            finished: experiment.finished,
            failed: experiment.failed,
            ended: experiment.ended.clone(),
            spec: experiment.spec.display().to_string(),
            results: experiment.results.display().to_string(),
        }
    }
}

/// Prints experiments with their state.
pub(crate) fn run(arguments: &List, common: &Common) -> anyhow::Result<Exit> {
    let experiments = Store::at(&common.store).experiments()?;
    for error in &experiments.damaged {
        print_message(&format!("damaged, left out: {error}"));
    }
    let exit = match experiments.damaged.is_empty() {
        true => Exit::Success,
        false => Exit::Failed,
    };
    let rows: Vec<Row> = experiments.found.iter().map(Row::of).collect();
    match arguments.format {
        OutputFormat::Csv => print(&output::csv(&rows)?)?,
        OutputFormat::Json => print(&output::json(&rows)?)?,
        OutputFormat::Text if rows.is_empty() => {
            let store = common.store.display();
            print_message(&format!("no experiment in store `{store}`"));
        }
        OutputFormat::Text => print(&format!("{}\n", table(&rows)))?,
    }
    Ok(exit)
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "experiment",
        "state",
        "cells",
        "failed",
        "ended",
        "results",
    ]);
    for row in rows {
        table.add_row([
            row.experiment.clone(),
            row.state.clone(),
            format!("{}/{}", row.finished, row.cells),
            row.failed.to_string(),
            row.ended.clone(),
            row.results.clone(),
        ]);
    }
    table.trim_fmt()
}
