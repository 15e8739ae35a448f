//! One stage: claim its key, run a worker, publish what it made.

use std::path::PathBuf;
use std::time::Duration;

use super::process::{self, End, Heard, Launch};
use super::{Happening, Options, Outcome, Stop, history};
use crate::plan::{Graph, Job, NodeId};
use crate::store::{Claim, EVENTS, Presence, Store};
use allround_core::event::{Event, Failure, PROTOCOL, Started};
use allround_core::fs::{self, FsError};
use allround_core::program::Program;

/// Most bytes that the log of a run keeps of what a worker prints beside events of training.
const MOST_TALK: usize = 16 << 20;

/// What the log adds to a line: time, stage and JSON.
const OF_A_LINE: usize = 200;

/// Most bytes of events of one attempt.
const MOST_EVENTS: usize = 1 << 30;

/// Most letters of an error.
const MOST_ERROR: usize = 4096;

/// Everything that a stage is run with.
pub struct Task<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Which stage.
    pub id: NodeId,
    /// Where artefacts are.
    pub store: &'a Store,
    /// How to run it.
    pub options: &'a Options,
    /// CPU threads that it may use.
    pub threads: usize,
    /// The wish to stop.
    pub stop: &'a Stop,
    /// Who listens.
    pub tell: &'a dyn Fn(NodeId, Happening),
}

impl Task<'_> {
    /// Runs the stage, again as often as the options say; every failure is an outcome, never a panic.
    pub fn run(&self) -> Outcome {
        let mut left = self.options.retries;
        loop {
            match self
                .attempt()
                .unwrap_or_else(|error| Outcome::Failed(one_line(&error)))
            {
                Outcome::Failed(error) if left > 0 && !self.stop.is_asked() => {
                    left -= 1;
                    (self.tell)(self.id, Happening::Retried(error));
                }
                outcome => return outcome,
            }
        }
    }

    fn attempt(&self) -> Result<Outcome, FsError> {
        let node = &self.graph.nodes[self.id];
        let Some(claim) = self.claim()? else {
            return Ok(Outcome::Interrupted);
        };
        // Another run may have made it while this one waited for the lock.
        if self.store.verify(node.stage.settings.kind(), &node.key) == Presence::Whole {
            return Ok(Outcome::Cached);
        }
        claim.begin()?;
        (self.tell)(self.id, Happening::Begun);
        let log = self.log();
        let mut heard = Said::default();
        let job = self.write_job(&claim)?;
        let launch = Launch {
            worker: &self.options.worker,
            job: &job,
            log: &log,
            lock: claim.descriptor(),
            threads: self.threads,
            timeout: self.options.timeout,
        };
        let stop = self.stop.of_one();
        let end = process::run(&launch, &stop, &mut |line| {
            let verdict = self.hear(line, &claim, &mut heard);
            if heard.refusal.is_some() {
                // Nothing that it still does is of use: it is ended at once.
                stop.ask();
                stop.ask();
            }
            verdict
        })?;
        self.conclude(end, claim, heard)
    }

    /// Waits for the key's lock; `None` when the run is stopped meanwhile.
    fn claim(&self) -> Result<Option<Claim>, FsError> {
        let key = &self.graph.nodes[self.id].key;
        let mut has_told = false;
        while !self.stop.is_asked() {
            if let Some(claim) = self.store.try_claim(key)? {
                return Ok(Some(claim));
            }
            if !has_told {
                (self.tell)(self.id, Happening::Waiting);
                has_told = true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(None)
    }

    fn log(&self) -> PathBuf {
        let node = &self.graph.nodes[self.id];
        let name = format!("{}-{}.log", node.stage.settings.kind(), node.key.short());
        self.options.logs.join(name)
    }

    fn write_job(&self, claim: &Claim) -> Result<PathBuf, FsError> {
        let node = &self.graph.nodes[self.id];
        let folder = |&id: &NodeId| {
            let need = &self.graph.nodes[id];
            self.store.folder(need.stage.settings.kind(), &need.key)
        };
        let job = Job {
            stage: node.stage.clone(),
            key: node.key,
            needs: node
                .needs
                .iter()
                .map(|(role, id)| (role.clone(), folder(id)))
                .collect(),
            output: claim.output(),
            checkpoint: claim.checkpoint(),
            base: self.options.base.clone(),
            device: self.options.device.clone(),
            threads: self.threads,
            checkpoint_every: self.options.checkpoint_every,
        };
        let path = claim.work().join("job.json");
        let text = serde_json::to_vec_pretty(&job).expect("a job is plain data");
        fs::write_atomic(&path, &text)?;
        Ok(path)
    }

    fn hear(&self, line: &str, claim: &Claim, heard: &mut Said) -> Heard {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            // A library may print on stdout; that is no event and no failure, but nothing is lost.
            let text = format!("the worker printed: {line}");
            (self.tell)(self.id, Happening::Reported(Event::Note { text }));
            return heard.count(line, None);
        };
        if let Err(error) = history::append(&claim.events(), &event) {
            heard.trouble.get_or_insert(error);
        }
        heard.note(&event);
        let verdict = heard.count(line, Some(&event));
        (self.tell)(self.id, Happening::Reported(event));
        verdict
    }

    fn conclude(&self, end: End, claim: Claim, heard: Said) -> Result<Outcome, FsError> {
        let node = &self.graph.nodes[self.id];
        if let Some(trouble) = heard.trouble {
            return Err(trouble);
        }
        if let Some(refusal) = heard.refusal {
            return Ok(Outcome::Failed(refusal));
        }
        match (end, heard.failure) {
            (End::Stopped, _) => Ok(Outcome::Interrupted),
            (End::Exited(0), None) if heard.is_finished => {
                let events = history::whole(&history::read(&claim.events())?);
                for event in &events {
                    history::append(&claim.output().join(EVENTS), event)?;
                }
                let made_by = heard.program.unwrap_or_default();
                let stage = (node.stage.settings.kind(), &node.key);
                claim.publish(self.store, stage, &made_by)?;
                self.drop_empty_log();
                Ok(Outcome::Made)
            }
            (_, Some(failure)) => Ok(Outcome::Failed(failure_line(&failure))),
            (end, None) => Ok(Outcome::Failed(self.describe(&end, &heard.last))),
        }
    }

    /// Why a worker that did not say so itself has failed: how it ended, the last event, the end of its log.
    fn describe(&self, end: &End, last: &str) -> String {
        let last = if last.is_empty() { "its start" } else { last };
        let how = match end {
            End::Exited(0) => format!("the worker ended without finishing after {last}"),
            End::Exited(code) => format!("the worker ended with exit code {code} after {last}"),
            End::Killed(signal) if *signal == libc::SIGKILL => format!(
                "the worker was killed by signal {} after {last}; perhaps memory ran out",
                process::signal_name(*signal)
            ),
            End::Killed(signal) => format!(
                "the worker was killed by signal {} after {last}",
                process::signal_name(*signal)
            ),
            End::Hung(silence) => format!(
                "the worker was silent for {:.0} s after {last} and was killed (`--timeout`)",
                silence.as_secs_f64()
            ),
            End::Flooded(what) => {
                format!("the worker printed {what} after {last} and was killed")
            }
            End::Stopped => "the run was stopped".to_owned(),
        };
        match quote(&fs::tail(&self.log(), 4096).unwrap_or_default()) {
            Some(said) => format!("{how}; it said: {said}"),
            None => how,
        }
    }

    fn drop_empty_log(&self) {
        let log = self.log();
        if fs::stamp(&log).is_ok_and(|stamp| stamp.size == 0) {
            // An empty log that stays does no harm.
            drop(fs::remove_file(&log));
        }
    }
}

/// What a worker has said so far.
#[derive(Default)]
struct Said {
    last: String,
    failure: Option<Failure>,
    is_finished: bool,
    trouble: Option<FsError>,
    /// The build that the worker is of.
    program: Option<Program>,
    /// Why the worker must not make artefacts for this program.
    refusal: Option<String>,
    /// Bytes that are no event, or notes.
    talk: usize,
    /// Bytes of events that are kept.
    kept: usize,
}

impl Said {
    /// Counts what is kept of a line: logs and events grow with it.
    fn count(&mut self, line: &str, event: Option<&Event>) -> Heard {
        match event {
            Some(Event::Progress(_)) => {}
            Some(Event::Note { .. } | Event::Remark { .. } | Event::Counted(_)) | None => {
                self.talk += line.len() + OF_A_LINE;
            }
            Some(Event::Started(_) | Event::Phase(_) | Event::Epoch(_))
            | Some(Event::Failed(_) | Event::Finished) => self.kept += line.len() + 1,
        }
        match () {
            () if self.talk > MOST_TALK => {
                Heard::TooMuch("more text on its standard output than a log keeps (16 MiB)")
            }
            () if self.kept > MOST_EVENTS => Heard::TooMuch("more than 1 GiB of events"),
            () => Heard::Well,
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
            Event::Failed(failure) => self.failure = Some(failure.clone()),
            Event::Finished => self.is_finished = true,
            Event::Progress(_) | Event::Counted(_) | Event::Note { .. } | Event::Remark { .. } => {}
        }
    }
}

/// Why a worker is refused: it reads jobs and writes artefacts in another form.
fn refusal(started: &Started) -> Option<String> {
    (started.protocol != PROTOCOL).then(|| {
        format!(
            "the worker is allround-worker {} with protocol {}, and this program is allround {} with protocol {PROTOCOL}; hint: \
             build both from the same commit, or name the right worker with `--worker PATH`",
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

/// The last lines of a log that say something, in one: those of a panic without its backtrace, else the last three.
fn quote(log: &str) -> Option<String> {
    let end = log.find("stack backtrace:").unwrap_or(log.len());
    let lines: Vec<&str> = log[..end]
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("note:"))
        .collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    (!last.is_empty()).then(|| last.join(" | "))
}
