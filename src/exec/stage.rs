//! One stage: claim its key, run a worker, publish what it made.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::process::{self, End, Launch, Server, Verdict};
use super::{Options, Outcome, StageEvent, Stop, history};
use crate::plan::{Job, Node, NodeId};
use crate::store::{Claim, EVENTS, Presence, STAGE, Store};
use allround_core::event::{Counted, Event, Failure, PROTOCOL, Started};
use allround_core::fs::{self, FsError};
use allround_core::program::Program;

/// Maximum bytes of notes and plain text from a worker that the log of a run keeps.
const MOST_NOTES: usize = 16 << 20;

/// Bytes that the log adds to a line: time, stage and JSON.
const LINE_OVERHEAD: usize = 200;

/// Maximum bytes of events of one attempt.
const MOST_EVENTS: usize = 1 << 30;

/// Maximum characters of an error.
const MOST_ERROR: usize = 4096;

/// A stage to run, and how to run it.
pub struct Task<'a> {
    /// Number of the stage in the graph, for reports.
    pub id: NodeId,
    /// The stage.
    pub node: &'a Node,
    /// Folders of the artefacts that it reads, by role.
    pub needs: BTreeMap<String, PathBuf>,
    /// Where artefacts are stored.
    pub store: &'a Store,
    /// How to run it.
    pub options: &'a Options,
    /// CPU threads it may use.
    pub threads: usize,
    /// The worker that forks its process, if one stays alive.
    pub server: Option<Arc<Server>>,
    /// The GPU that it shares with other stages.
    pub gpu: Option<u32>,
    /// A rule that was applied to it before it starts.
    pub rule: Option<&'static str>,
    /// Whether a stop was requested.
    pub stop: &'a Stop,
    /// Receives what happens.
    pub report: &'a dyn Fn(NodeId, StageEvent),
}

impl Task<'_> {
    /// Runs the stage, with the retries of the options. Every failure is an outcome, never a panic.
    pub fn run(&self) -> Outcome {
        let mut left = self.options.retries;
        loop {
            match self
                .attempt()
                .unwrap_or_else(|error| Outcome::Failed(one_line(&error)))
            {
                Outcome::Failed(error) if left > 0 && !self.stop.is_requested() => {
                    left -= 1;
                    (self.report)(self.id, StageEvent::Retried(error));
                }
                outcome => return outcome,
            }
        }
    }

    fn attempt(&self) -> Result<Outcome, FsError> {
        let node = self.node;
        let Some(claim) = self.claim()? else {
            return Ok(Outcome::Interrupted);
        };
        // Another run may have made the artefact while this one waited for the lock.
        if self
            .store
            .verify(node.stage.settings.kind().as_str(), &node.key)
            == Presence::Whole
        {
            return Ok(Outcome::Cached);
        }
        claim.begin()?;
        (self.report)(self.id, StageEvent::Started);
        let log = self.log();
        let mut output = Output::default();
        let job = self.write_job(&claim)?;
        let launch = Launch {
            worker: &self.options.worker,
            job: &job,
            log: &log,
            lock: claim.descriptor(),
            threads: self.threads,
            server: self.server.clone(),
            timeout: self.options.timeout,
        };
        let stop = self.stop.child();
        let end = process::run(&launch, &stop, &mut |line| {
            let verdict = self.receive(line, &claim, &mut output);
            if output.refusal.is_some() {
                stop.kill();
            }
            verdict
        })?;
        self.outcome(end, claim, output)
    }

    /// Waits for the lock of the key; `None` when the run was stopped.
    fn claim(&self) -> Result<Option<Claim>, FsError> {
        let key = &self.node.key;
        let mut is_waiting = false;
        while !self.stop.is_requested() {
            if let Some(claim) = self.store.try_claim(key)? {
                return Ok(Some(claim));
            }
            if !is_waiting {
                (self.report)(self.id, StageEvent::Waiting);
                is_waiting = true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(None)
    }

    fn log(&self) -> PathBuf {
        let node = self.node;
        let name = format!("{}-{}.log", node.stage.settings.kind(), node.key.short());
        self.options.logs.join(name)
    }

    fn write_job(&self, claim: &Claim) -> Result<PathBuf, FsError> {
        let node = self.node;
        let job = Job {
            stage: node.stage.clone(),
            key: node.key,
            needs: self.needs.clone(),
            output: claim.output(),
            checkpoint: claim.checkpoint(),
            base: self.options.base.clone(),
            device: match self.gpu {
                Some(gpu) => format!("cuda:{gpu}"),
                None => self.options.device.clone(),
            },
            threads: self.threads,
            checkpoint_every: self.options.checkpoint_every,
            checkpoint_minutes: self.options.checkpoint_minutes,
        };
        let path = claim.work().join("job.json");
        let text = serde_json::to_vec_pretty(&job).expect("a job is plain data");
        fs::write_atomic(&path, &text)?;
        Ok(path)
    }

    fn receive(&self, line: &str, claim: &Claim, output: &mut Output) -> Verdict {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            // A library may print on stdout. That is neither an event nor a failure; it is logged.
            let text = format!("the worker printed: {line}");
            (self.report)(self.id, StageEvent::Reported(Event::Note { text }));
            return output.count(line, None);
        };
        let rule = self.rule.filter(|_| matches!(event, Event::Started(_)));
        let rule = rule.map(|rule| {
            Event::Counted(Counted {
                what: rule.to_owned(),
                count: 1,
            })
        });
        for event in [&event].into_iter().chain(&rule) {
            if let Err(error) = history::append(&claim.events(), event) {
                output.write_error.get_or_insert(error);
            }
        }
        output.note(&event);
        let verdict = output.count(line, Some(&event));
        (self.report)(self.id, StageEvent::Reported(event));
        verdict
    }

    fn outcome(&self, end: End, claim: Claim, output: Output) -> Result<Outcome, FsError> {
        let node = self.node;
        if let Some(error) = output.write_error {
            return Err(error);
        }
        if let Some(refusal) = output.refusal {
            return Ok(Outcome::Failed(refusal));
        }
        match (end, output.failure) {
            (End::Stopped, _) => Ok(Outcome::Interrupted),
            (End::Exited(0), None) if output.is_finished => {
                let events = history::whole(&history::read(&claim.events())?);
                for event in &events {
                    history::append(&claim.output().join(EVENTS), event)?;
                }
                let stage = serde_json::to_vec_pretty(&node.stage).expect("a stage is plain data");
                fs::write_atomic(&claim.output().join(STAGE), &stage)?;
                let made_by = output.program.unwrap_or_default();
                let kind = node.stage.settings.kind().as_str();
                claim.publish(self.store, kind, &node.key, &made_by)?;
                self.drop_empty_log();
                Ok(Outcome::Made)
            }
            (_, Some(failure)) => Ok(Outcome::Failed(failure_line(&failure))),
            (end, None) => Ok(Outcome::Failed(self.describe(&end, &output.last))),
        }
    }

    /// Why a worker failed that reported no failure: how it ended, its last event, the end of its
    /// log.
    fn describe(&self, end: &End, last: &str) -> String {
        let last = if last.is_empty() { "its start" } else { last };
        let how = match end {
            End::Exited(0) => format!("the worker ended without finishing after {last}"),
            End::Exited(code) => format!("the worker ended with exit code {code} after {last}"),
            End::Killed(signal) if *signal == libc::SIGKILL => format!(
                "the worker was killed by signal {} after {last}; the system may have run out of memory",
                process::signal_name(*signal)
            ),
            End::Killed(signal) => format!(
                "the worker was killed by signal {} after {last}",
                process::signal_name(*signal)
            ),
            End::Hung(silence) => format!(
                "the worker reported nothing for {:.0} s after {last} and was killed (`--timeout`)",
                silence.as_secs_f64()
            ),
            End::Flooded(what) => {
                format!("the worker printed {what} after {last} and was killed")
            }
            End::Stopped => "the run was stopped".to_owned(),
        };
        match quote(&fs::tail(&self.log(), 4096).unwrap_or_default()) {
            Some(text) => format!("{how}; its log ends with: {text}"),
            None => how,
        }
    }

    fn drop_empty_log(&self) {
        let log = self.log();
        if fs::stamp(&log).is_ok_and(|stamp| stamp.size == 0) {
            // An empty log that remains does no harm.
            drop(fs::remove_file(&log));
        }
    }
}

/// What was received from a worker so far.
#[derive(Default)]
struct Output {
    last: String,
    failure: Option<Failure>,
    is_finished: bool,
    /// The first error of writing events to disk.
    write_error: Option<FsError>,
    /// The worker's version and commit.
    program: Option<Program>,
    /// Why the worker is refused.
    refusal: Option<String>,
    /// Bytes of notes and of lines that are not events.
    notes: usize,
    /// Bytes of other events, but for progress.
    events: usize,
}

impl Output {
    /// Counts the bytes of a line that logs and event files keep.
    fn count(&mut self, line: &str, event: Option<&Event>) -> Verdict {
        match event {
            Some(Event::Progress(_)) => {}
            Some(Event::Note { .. } | Event::Remark { .. } | Event::Counted(_)) | None => {
                self.notes += line.len() + LINE_OVERHEAD;
            }
            Some(Event::Started(_) | Event::Phase(_) | Event::Epoch(_))
            | Some(Event::Validation(_) | Event::Reference { .. })
            | Some(Event::Failed(_) | Event::Finished) => self.events += line.len() + 1,
        }
        match () {
            () if self.notes > MOST_NOTES => {
                Verdict::Kill("more than 16 MiB of text on its standard output")
            }
            () if self.events > MOST_EVENTS => Verdict::Kill("more than 1 GiB of events"),
            () => Verdict::Continue,
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Started(started) => {
                self.last = "it started".to_owned();
                self.refusal = refusal(started);
                self.program = Some(started.program.clone());
            }
            Event::Phase(phase) => self.last = format!("phase `{}`", phase.phase),
            Event::Epoch(epoch) => self.last = format!("epoch {}", epoch.epoch),
            Event::Validation(validation) => {
                self.last = format!("validation after {} samples", validation.samples);
            }
            Event::Failed(failure) => self.failure = Some(failure.clone()),
            Event::Finished => self.is_finished = true,
            Event::Progress(_) | Event::Counted(_) | Event::Note { .. } | Event::Remark { .. } => {}
            Event::Reference { .. } => {}
        }
    }
}

/// Why a worker is refused, or `None`: another protocol means other jobs and artefacts.
fn refusal(started: &Started) -> Option<String> {
    (started.protocol != PROTOCOL).then(|| {
        format!(
            "the worker is allround-worker {} with protocol {}, but this program is allround {} with protocol {PROTOCOL}; hint: \
             build both from the same commit, or select the right worker with `--worker PATH`",
            started.program,
            started.protocol,
            Program::this(),
        )
    })
}

fn failure_line(failure: &Failure) -> String {
    let text = match &failure.hint {
        Some(hint) => format!("{}; hint: {hint}", failure.error),
        None => failure.error.clone(),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(MOST_ERROR).collect()
}

fn one_line(error: &FsError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; hint: {hint}"),
        None => error.to_string(),
    }
}

/// The last three lines of a log that are not empty, in one line. The backtrace of a panic is left
/// out.
pub(super) fn quote(log: &str) -> Option<String> {
    let end = log.find("stack backtrace:").unwrap_or(log.len());
    let lines: Vec<&str> = log[..end]
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("note:"))
        .collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    (!last.is_empty()).then(|| last.join(" | "))
}
