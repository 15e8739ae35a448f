//! `allround completions`: shell completions.

use clap::CommandFactory;

use super::{Exit, print};
use crate::cli::Cli;

/// Prints the completion script of a shell.
pub(crate) fn run(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "allround", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
