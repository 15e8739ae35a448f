//! `allround report`: figures, tables and the report of a results folder.

use super::{Exit, count, numbers, print};
use crate::cli::Report;
use crate::observe::print_message;
use crate::render;

/// Draws all files, or lists those that do not match the results.
pub(crate) fn run(arguments: &Report) -> anyhow::Result<Exit> {
    let results = &arguments.results;
    if let Some(absence) = numbers::read(results)?.without_ranks() {
        print_message(&absence);
    }
    if arguments.check {
        let stale = render::stale(results)?;
        for path in &stale {
            print(&format!("stale: {}\n", path.display()))?;
        }
        return Ok(if stale.is_empty() {
            Exit::Success
        } else {
            Exit::Failed
        });
    }
    let files = render::all(results)?;
    print(&format!("{}\n", results.join("report.html").display()))?;
    print_message(&format!("{} up to date", count(files.len(), "file")));
    Ok(Exit::Success)
}
