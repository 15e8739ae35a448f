//! `allround man`: manual pages from the command-line definition.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{Exit, print};
use crate::cli::Cli;
use crate::observe::print_message;
use allround_core::fs;

/// Prints `allround.1`, or writes it and a page per subcommand to a folder.
pub(crate) fn run(out: Option<&Path>) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = out else {
        print(&String::from_utf8(page(command)?)?)?;
        return Ok(Exit::Success);
    };
    fs::create_dir_all(folder)?;
    let pages = pages(&command)?;
    for (name, page) in &pages {
        fs::write_atomic(&folder.join(name), page)?;
    }
    let pages = super::count(pages.len(), "page");
    print_message(&format!("{pages} in {}", folder.display()));
    Ok(Exit::Success)
}

/// The pages of a command and of all its subcommands, by file name.
fn pages(command: &Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let mut all = vec![(format!("{name}.1"), page(command.clone())?)];
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() != "help" {
            all.extend(pages(subcommand)?);
        }
    }
    Ok(all)
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}
