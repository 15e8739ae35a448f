//! `allround reproduce`: the experiments of a suite over one store, and one report about them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use comfy_table::{Table, presets};

use super::run::request;
use super::{Exit, count, print};
use crate::advice::advise;
use crate::cli::{Common, Reproduce};
use crate::experiment::{Suite, suite_file};
use crate::observe::print_message;
use crate::render::{style, suite as report};
use crate::run::{self, Ending, Planned, Session, absolute, default_jobs, estimates};
use crate::store::{Presence, Store};
use allround_core::digest::Key;

/// Plans all experiments, runs what is missing, and writes the report of the suite.
pub(crate) fn run(arguments: &Reproduce, common: &Common) -> anyhow::Result<Exit> {
    let file = suite_file(&arguments.suite);
    let suite = Suite::read(&file)?;
    let store = Store::at(&absolute(&common.store)?);
    let changes = arguments.changes.overrides();
    let planned = suite.experiments.iter().map(|path| {
        let planned = run::plan(path, &changes, &store)?;
        Ok((path.clone(), planned))
    });
    let planned: Vec<(PathBuf, Planned)> = planned.collect::<anyhow::Result<_>>()?;
    no_clash(&planned)?;
    print(&overview(&planned, &store, arguments.execution.jobs)?)?;
    if arguments.dry_run {
        return Ok(Exit::Success);
    }
    let out = absolute(&arguments.execution.out)?;
    let mut exit = Exit::Success;
    let mut folders = Vec::new();
    let folder = out.join(suite_folder(&suite, &planned[0].1));
    for (number, (path, planned)) in planned.into_iter().enumerate() {
        let results = out.join(&planned.checked.folder);
        print_message(&format!(
            "experiment {} of {}: {}",
            number + 1,
            suite.experiments.len(),
            planned.checked.folder
        ));
        let mut session = Session {
            planned,
            results: &results,
            request: request(&path, &arguments.execution, common),
        };
        let ended = session.run(&store)?;
        match ended.ending {
            Ending::Success | Ending::Detached => {}
            Ending::Failed => exit = Exit::Failed,
            Ending::Interrupted => {
                print_message("interrupted; the same command resumes");
                return Ok(Exit::Interrupted);
            }
        }
        // An experiment without any number has no results folder to report.
        if ended.summary.is_some() {
            folders.push(results);
        }
        if exit == Exit::Failed && arguments.execution.fail_fast {
            break;
        }
    }
    let counts = report::write(&folder, &suite, &folders)?;
    print_message(&format!(
        "{counts}; open {}",
        folder.join("report.html").display()
    ));
    Ok(exit)
}

/// The folder of the suite's report. It ends as those of its experiments do: `-offline` with that
/// profile, for example.
fn suite_folder(suite: &Suite, first: &Planned) -> String {
    let own = suite.experiments[0]
        .file_stem()
        .and_then(|stem| stem.to_str());
    let folder = first.checked.folder.rsplit('/').next().unwrap_or_default();
    let ending = own
        .and_then(|own| folder.strip_prefix(own))
        .unwrap_or_default();
    format!("{}{ending}", suite.folder)
}

/// Refuses experiments that would write to the same results folder.
fn no_clash(planned: &[(PathBuf, Planned)]) -> anyhow::Result<()> {
    let mut folders: BTreeMap<&str, &PathBuf> = BTreeMap::new();
    for (path, planned) in planned {
        let folder = &planned.checked.folder;
        if let Some(other) = folders.insert(folder, path) {
            return Err(advise(
                format!(
                    "`{}` and `{}` both have the results folder `{folder}`",
                    other.display(),
                    path.display()
                ),
                "give one of them another `name`, or put it below a folder `experiments`",
            ));
        }
    }
    Ok(())
}

/// What the experiments of a suite run, and about how long.
#[derive(Default)]
struct Totals {
    cells: usize,
    cached: usize,
    to_run: usize,
    seconds: f64,
    bytes: f64,
    /// Stages to run without an estimate.
    unknown: usize,
}

/// The experiments with their stages: a stage that an earlier experiment runs is shared.
fn overview(
    planned: &[(PathBuf, Planned)],
    store: &Store,
    jobs: Option<u16>,
) -> anyhow::Result<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "experiment",
        "cells",
        "stages",
        "in the store",
        "shared",
        "to run",
        "time",
    ]);
    let mut seen: BTreeSet<Key> = BTreeSet::new();
    let mut totals = Totals::default();
    for (_, planned) in planned {
        let jobs = jobs.map_or_else(|| default_jobs(&planned.checked.spec.run), usize::from);
        let estimates = estimates(planned, store, jobs)?;
        let nodes = &planned.plan.graph.nodes;
        let (mut here, mut shared, mut missing, mut seconds) = (0, 0, 0, 0.0);
        for (id, node) in nodes.iter().enumerate() {
            let kind = node.stage.settings.kind().as_str();
            match store.look(kind, &node.key) {
                _ if !seen.insert(node.key) => shared += 1,
                Presence::Whole => here += 1,
                Presence::Absent | Presence::Damaged(_) => {
                    missing += 1;
                    match estimates.stages.get(&id) {
                        Some(estimate) => {
                            seconds += estimate.seconds;
                            totals.bytes += estimate.bytes;
                        }
                        None => totals.unknown += 1,
                    }
                }
            }
        }
        table.add_row([
            planned.checked.folder.clone(),
            planned.plan.cells.len().to_string(),
            nodes.len().to_string(),
            here.to_string(),
            shared.to_string(),
            missing.to_string(),
            match seconds > 0.0 {
                true => style::seconds(seconds),
                false => String::new(),
            },
        ]);
        totals.cells += planned.plan.cells.len();
        totals.cached += here;
        totals.to_run += missing;
        totals.seconds += seconds;
    }
    let experiments = count(planned.len(), "experiment");
    Ok(format!(
        "{}\n\n{experiments}, {}, {}: {} in the store, {} to run\n{}",
        table.trim_fmt(),
        count(totals.cells, "cell"),
        count(seen.len(), "different stage"),
        totals.cached,
        totals.to_run,
        estimate(&totals)
    ))
}

/// The sum of the estimates; empty where nothing is to run.
fn estimate(totals: &Totals) -> String {
    if totals.to_run == 0 {
        return String::new();
    }
    let unknown = match totals.unknown {
        0 => String::new(),
        unknown => format!(
            "; no estimate for {}, of whose kind the store has none",
            count(unknown, "stage")
        ),
    };
    format!(
        "estimate: {} of stages, one after the other, and {} of disk space{unknown}\n",
        style::seconds(totals.seconds),
        style::bytes(totals.bytes)
    )
}
