//! The output of a run: a log of JSON lines, and progress bars on a terminal. Elsewhere there are
//! plain lines, one a minute about a long stage.

mod bars;
mod line;
mod log;
mod minutes;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use crate::exec::StageEvent;
use crate::plan::{self, NodeId, Plan, StageLabel};
use allround_core::fs::FsError;
use allround_core::visible;
use bars::Bars;
use log::Log;
use minutes::Minutes;

/// How much a run prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// Stages, epochs and failures.
    Normal,
    /// Also worker notes and rule counts.
    Verbose,
}

/// Prints and logs the events of a run.
pub struct Observer {
    labels: Vec<String>,
    verbosity: Verbosity,
    bars: Option<Bars>,
    minutes: Minutes,
    log: Log,
}

impl Observer {
    /// An observer of the stages of `plan` that writes `run.jsonl` in the folder `logs`.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn new(plan: &Plan, verbosity: Verbosity, logs: &Path) -> Result<Observer, FsError> {
        let is_terminal =
            std::io::stderr().is_terminal() && !is_dumb() && verbosity != Verbosity::Quiet;
        Ok(Observer {
            labels: plan::labels(plan)
                .iter()
                .map(StageLabel::to_string)
                .collect(),
            verbosity,
            bars: is_terminal.then(|| Bars::new(plan.graph.nodes.len())),
            minutes: Minutes::default(),
            log: Log::open(&logs.join("run.jsonl"))?,
        })
    }

    /// Prints and logs what happened to a stage.
    pub fn event(&mut self, id: NodeId, event: &StageEvent) {
        let label = &self.labels[id];
        self.log.write(label, event);
        let mut line = line::of(label, event, self.verbosity);
        if self.bars.is_none() && self.verbosity != Verbosity::Quiet {
            let long = self.minutes.line(id, event, Instant::now());
            line = line.or(long.map(|text| format!("{label}: {text}")));
        }
        let line = line.map(|line| visible::lines(&line).into_owned());
        match &mut self.bars {
            Some(bars) => bars.event((id, label), event, line.as_deref()),
            None => line.iter().for_each(|line| print_message(&stamped(line))),
        }
    }

    /// Removes the bars and closes the log.
    ///
    /// # Errors
    /// When a line of the log could not be written.
    pub fn close(self) -> Result<(), FsError> {
        if let Some(bars) = self.bars {
            bars.close();
        }
        self.log.close()
    }
}

/// Prints what happened to a stage as a line with the time, for the log of a job.
pub fn print_stage(label: &str, event: &StageEvent) {
    if let Some(line) = line::of(label, event, Verbosity::Verbose) {
        print_message(&stamped(&line));
    }
}

/// Prints a line on standard error, without control characters. Errors are ignored: a run continues
/// without a reader.
pub fn print_message(line: &str) {
    print_styled(&visible::lines(line));
}

/// Prints a line on standard error as it is; its texts must be free of control characters.
pub fn print_styled(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Whether the stream is a terminal that shows colours, and `NO_COLOR` is not set.
pub fn may_style(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none() && !is_dumb()
}

/// Whether the terminal can only print lines (`TERM=dumb`).
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn stamped(line: &str) -> String {
    format!(
        "{} {line}",
        jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S")
    )
}
