//! `allround run`: runs the missing stages and prints the results.

use std::path::Path;

use super::{Exit, plan as plan_command, planned, print, show};
use crate::cli::{Common, Execution, Run};
use crate::observe::{Verbosity, print_message};
use crate::results;
use crate::run::{Ended, Ending, Place, Request, Session, absolute};
use crate::store::Store;

/// Runs an experiment.
pub(crate) fn run(arguments: &Run, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&absolute(&common.store)?);
    let planned = planned(&arguments.spec, &store)?;
    if arguments.dry_run {
        print(&plan_command::text(&planned, &store))?;
        return Ok(Exit::Success);
    }
    let execution = &arguments.execution;
    let results = absolute(&execution.out)?.join(&planned.checked.folder);
    let limit = planned.checked.spec.run.limit;
    let mut session = Session {
        planned,
        results: &results,
        request: request(&arguments.spec.path, execution, common),
    };
    let ended = session.run(&store)?;
    report(&ended, limit, &results)?;
    Ok(match ended.ending {
        Ending::Success | Ending::Detached => Exit::Success,
        Ending::Failed => Exit::Failed,
        Ending::Interrupted => Exit::Interrupted,
    })
}

/// How the experiment in the file `spec` is run.
pub(crate) fn request<'a>(
    spec: &'a Path,
    execution: &'a Execution,
    common: &'a Common,
) -> Request<'a> {
    Request {
        spec,
        store: &common.store,
        worker: common.worker.as_deref(),
        verbosity: verbosity(common),
        jobs: execution.jobs,
        fail_fast: execution.fail_fast,
        timeout: execution.timeout,
        place: Place {
            on: execution.on.as_deref(),
            site: common.site.as_deref(),
            devices: &execution.devices,
            detach: execution.detach,
        },
        summarize: &show::summary,
    }
}

fn verbosity(common: &Common) -> Verbosity {
    match (common.quiet, common.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}

/// Prints the summary on standard output, and the folder of the results.
fn report(ended: &Ended, limit: u64, results: &Path) -> anyhow::Result<()> {
    let Some(summary) = &ended.summary else {
        return Ok(());
    };
    print(summary)?;
    for note in results::notes(results)? {
        print_message(&format!("note: {note}"));
    }
    if limit > 0 {
        print_message(&format!(
            "limited to {limit} users: a trial run, not a result"
        ));
    }
    print_message(&match ended.ending {
        Ending::Interrupted => "interrupted; the same command resumes".to_owned(),
        Ending::Success | Ending::Failed | Ending::Detached => format!(
            "results are in {}; open report.html there",
            results.display()
        ),
    });
    Ok(())
}
