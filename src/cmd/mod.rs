//! One file per subcommand. This file has what they share: exit codes and the printing of errors.

mod audit;
mod cancel;
mod check;
mod clean;
mod compare;
mod completions;
mod data;
mod doctor;
mod explain;
mod export;
mod init;
mod kept;
mod list;
mod man;
mod numbers;
mod output;
mod plan;
mod report;
mod reproduce;
mod run;
mod show;
mod stage;
mod watch;
mod weights;

use std::io::Write;
use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser;

use crate::advice::Advice;
pub(crate) use crate::advice::advise;
use crate::cli::{Cli, Command, SpecArgs};
use crate::observe::{may_style, print_message, print_styled};
pub(crate) use crate::render::style::counted as count;
use crate::run::Planned;
use crate::store::Store;
use allround_core::fs::{FsError, STANDARD_OUTPUT};

/// The exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command succeeded.
    Success = 0,
    /// A cell failed, or a check found a difference.
    Failed = 1,
    /// Bad usage, an invalid experiment file, or a file that cannot be read or written.
    UsageError = 2,
    /// Stopped by Ctrl-C or SIGTERM; the same command continues.
    Interrupted = 130,
}

/// Plans the experiment of `arguments`.
pub(crate) fn planned(arguments: &SpecArgs, store: &Store) -> anyhow::Result<Planned> {
    crate::run::plan(&arguments.path, &arguments.changes.overrides(), store)
}

/// Parses the command line, runs the subcommand, and prints errors.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| print_message(&internal_error(panic))));
    let run = || {
        let cli = match Cli::try_parse() {
            Ok(cli) => cli,
            Err(error) => return usage(&error),
        };
        dispatch(&cli).unwrap_or_else(|error| {
            print_error(&error);
            Exit::UsageError
        })
    };
    // The panic hook has printed the message.
    let exit = catch_unwind(run).unwrap_or(Exit::UsageError);
    ExitCode::from(exit as u8)
}

/// Prints help or version on standard output; anything else is bad usage.
fn usage(error: &clap::Error) -> Exit {
    let text = error.render();
    let colour = may_style(&std::io::stdout());
    if error.use_stderr() {
        // A message that cannot be printed cannot be reported either.
        drop(error.print());
        return Exit::UsageError;
    }
    let text = match colour {
        true => text.ansi().to_string(),
        false => text.to_string(),
    };
    match print(&text) {
        Ok(()) => Exit::Success,
        Err(error) => {
            print_error(&error);
            Exit::UsageError
        }
    }
}

/// The message for a panic in any thread.
fn internal_error(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(String::new, |place| {
        format!(" at {}:{}", place.file(), place.line())
    });
    let text = crate::exec::panic_text(panic.payload());
    let mut message = format!(
        "error: internal error in allround{place}: {text}\n\
         hint: finished stages are in the store, and the same command resumes; please report this message and the command"
    );
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        let backtrace = std::backtrace::Backtrace::force_capture();
        message.push_str(&format!("\n{backtrace}"));
    }
    message
}

fn dispatch(cli: &Cli) -> anyhow::Result<Exit> {
    match &cli.command {
        Command::Run(arguments) => run::run(arguments, &cli.common),
        Command::Reproduce(arguments) => reproduce::run(arguments, &cli.common),
        Command::Check(arguments) => check::run(arguments, &cli.common),
        Command::Plan(arguments) => plan::run(arguments, &cli.common),
        Command::Cancel(arguments) => cancel::run(arguments, &cli.common),
        Command::Watch(arguments) => watch::run(arguments, &cli.common),
        Command::Stage(arguments) => stage::run(arguments),
        Command::List(arguments) => list::run(arguments, &cli.common),
        Command::Show(arguments) => show::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Explain(arguments) => explain::run(arguments, &cli.common),
        Command::Export(arguments) => export::run(arguments, &cli.common),
        Command::Data(arguments) => data::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments, &cli.common),
        Command::Clean(arguments) => clean::run(arguments, &cli.common),
        Command::Init(arguments) => init::run(arguments),
        Command::Completions { shell } => completions::run(*shell),
        Command::Man { out } => man::run(out.as_deref()),
    }
}

/// Prints an error and its hint on standard error.
fn print_error(error: &anyhow::Error) {
    // The faults of an experiment file are rendered as a whole.
    if let Some(faults) = error.downcast_ref::<crate::experiment::Faults>() {
        return print_styled(&faults.render(may_style(&std::io::stderr())));
    }
    print_message(&format!("error: {}", sentence(error)));
    let of_file = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<FsError>()?.hint());
    let hint = error
        .downcast_ref::<Advice>()
        .map(|advice| advice.hint.as_str());
    let of_data = error.chain().find_map(|cause| {
        cause
            .downcast_ref::<allround_core::data::DataError>()?
            .remedy()
    });
    if let Some(hint) = hint.or(of_data).or(of_file) {
        print_message(&format!("hint: {hint}"));
    }
}

/// An error and its causes, in one line. The message of a file error includes its cause.
fn sentence(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let message = cause.to_string();
        // Some messages include their cause.
        if parts.last().is_none_or(|last| !last.contains(&message)) {
            parts.push(message);
        }
        if cause.is::<FsError>() {
            break;
        }
    }
    parts.join(": ")
}

/// Writes `text` to standard output. A closed pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other.map_err(|error| FsError::new(STANDARD_OUTPUT.as_ref(), "write", error))?),
    }
}

/// A number of bytes with its unit: `12.3 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    crate::render::style::bytes(number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_counts_a_plural() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(2048), "2.00 KiB");
        assert_eq!(bytes(5 << 30), "5.00 GiB");
        assert_eq!(
            (count(1, "cell"), count(0, "cell")),
            ("1 cell".into(), "0 cells".into())
        );
    }
}
