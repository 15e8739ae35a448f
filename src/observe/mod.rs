//! What a run says while it works: bars on a terminal, plain lines elsewhere, a log of JSON lines always.

mod bars;
mod line;
mod log;

use std::io::{IsTerminal, Write};
use std::path::Path;

use crate::exec::Happening;
use crate::plan::{NodeId, Plan};
use allround_core::fs::FsError;
use allround_core::visible;
use bars::Bars;
use log::Log;

/// How much is said on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// Nothing but failures.
    Quiet,
    /// Epochs, stages, failures.
    Usual,
    /// Notes and counts, too.
    Verbose,
}

/// Listens to a run.
pub struct Observer {
    labels: Vec<String>,
    volume: Volume,
    bars: Option<Bars>,
    log: Log,
}

impl Observer {
    /// An observer of the stages of `plan` that logs into the folder `logs`.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn new(plan: &Plan, volume: Volume, logs: &Path) -> Result<Observer, FsError> {
        let is_terminal = std::io::stderr().is_terminal() && !is_dumb() && volume != Volume::Quiet;
        Ok(Observer {
            labels: labels(plan),
            volume,
            bars: is_terminal.then(|| Bars::new(plan.graph.nodes.len())),
            log: Log::open(&logs.join("run.jsonl"))?,
        })
    }

    /// Takes in what happened to a stage.
    pub fn listen(&mut self, id: NodeId, happening: &Happening) {
        let label = &self.labels[id];
        self.log.write(label, happening);
        let line = line::of(label, happening, self.volume);
        let line = line.map(|line| visible::lines(&line).into_owned());
        match &mut self.bars {
            Some(bars) => bars.listen((id, label), happening, line.as_deref()),
            None => line.iter().for_each(|line| say(&stamped(line))),
        }
    }

    /// Ends the bars; what was not written to the log is an error now.
    ///
    /// # Errors
    /// When the log could not be written.
    pub fn close(self) -> Result<(), FsError> {
        if let Some(bars) = self.bars {
            bars.close();
        }
        self.log.close()
    }
}

/// A line on standard error, with nothing in it that a terminal obeys. That nobody can read it is no reason to stop.
pub fn say(line: &str) {
    say_styled(&visible::lines(line));
}

/// A line that is made of harmless texts and styles.
pub fn say_styled(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Whether what is written there may have colours: a terminal that knows them, and nobody who objects.
pub fn may_style(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none() && !is_dumb()
}

/// Whether the terminal can do nothing but print one line after another (`TERM=dumb`).
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn stamped(line: &str) -> String {
    format!(
        "{} {line}",
        jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S")
    )
}

/// Names of stages for people: the kind and the first cell that needs it.
pub fn labels(plan: &Plan) -> Vec<String> {
    let mut users: Vec<Vec<&str>> = vec![Vec::new(); plan.graph.nodes.len()];
    for cell in &plan.cells {
        for id in cell.stages(&plan.graph) {
            users[id].push(&cell.name);
        }
    }
    let label = |(node, cells): (&crate::plan::Node, &Vec<&str>)| {
        let kind = node.stage.settings.kind();
        match cells.as_slice() {
            [] => kind.to_owned(),
            [cell] => format!("{kind} {cell}"),
            [first, others @ ..] => format!("{kind} {first} (+{})", others.len()),
        }
    };
    plan.graph.nodes.iter().zip(&users).map(label).collect()
}
