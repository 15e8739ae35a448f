//! `allround report`: figures, tables and the report of a results folder.

use super::{Exit, count, numbers, print};
use crate::cli::Report;
use crate::observe::say;
use crate::render;

/// Draws again, or says which files are not what the results give.
pub(crate) fn run(arguments: &Report) -> anyhow::Result<Exit> {
    let results = &arguments.results;
    numbers::of_a_run(results)?;
    if let Some(absence) = render::without_ranks(results)? {
        say(&absence);
    }
    if arguments.check {
        let stale = render::stale(results)?;
        for path in &stale {
            print(&format!("stale: {}\n", path.display()))?;
        }
        return Ok(if stale.is_empty() {
            Exit::Well
        } else {
            Exit::Failed
        });
    }
    let files = render::all(results)?;
    print(&format!("{}\n", results.join("report.html").display()))?;
    say(&format!("{} up to date", count(files.len(), "file")));
    Ok(Exit::Well)
}
