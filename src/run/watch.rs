//! How far a run is, from the store and the queue alone: the run may be on another machine, or
//! detached.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use crate::advice::advise;
use crate::exec::history;
use crate::exec::slurm::batch::Folder;
use crate::exec::slurm::client::{self, State, Task};
use crate::exec::slurm::own_submissions;
use crate::store::{EVENTS, Experiment, Store};
use allround_core::digest::Key;
use allround_core::event::Event;
use allround_core::fs;

/// Stages that ended within this many seconds give the rate.
const RECENT_S: f64 = 600.0;

/// Most running stages whose events are read.
const MOST_RUNNING: usize = 12;

/// How far a run is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Name of the experiment.
    pub name: String,
    /// Cells with all their ranks, and all cells.
    pub cells: (usize, usize),
    /// Stages by kind, in the order of stage kinds.
    pub kinds: Vec<(String, Counts)>,
    /// Stages that run, with what they last reported.
    pub running: Vec<Running>,
    /// Stages of a minute, from those that ended lately; `None` if none did.
    pub rate: Option<f64>,
    /// Why tasks wait in the queue, with their numbers.
    pub reasons: BTreeMap<String, usize>,
    /// Why tasks failed, as they recorded it.
    pub failures: Vec<String>,
    /// Why the queue is not known, where it should be.
    pub queue_error: Option<String>,
}

/// Stages of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub all: usize,
    /// In the store.
    pub done: usize,
    /// Running.
    pub running: usize,
    /// In the queue of a cluster.
    pub queued: usize,
}

/// A running stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Its kind and the first digits of its key.
    pub label: String,
    /// Its node; empty on this machine.
    pub node: String,
    /// Its last event, in words.
    pub last: String,
    /// Seconds since that event.
    pub age_s: f64,
}

impl Progress {
    /// Stages that are not in the store.
    pub fn left(&self) -> usize {
        self.kinds.iter().map(|(_, it)| it.all - it.done).sum()
    }

    /// Whether something runs or waits in the queue.
    pub fn is_active(&self) -> bool {
        let mut kinds = self.kinds.iter();
        kinds.any(|(_, it)| it.running + it.queued > 0)
    }

    /// Seconds that the rest takes at the rate of the last minutes.
    pub fn seconds_left(&self) -> Option<f64> {
        let rate = self.rate.filter(|rate| *rate > 0.0)?;
        Some(self.left() as f64 / rate * 60.0)
    }
}

/// How far the last run into a results folder is.
///
/// # Errors
/// When the store has no run into this folder.
pub fn progress(store: &Store, results: &Path) -> anyhow::Result<Progress> {
    let Some(experiment) = store.experiment(results) else {
        return Err(advise(
            format!(
                "no run into `{}` is recorded in the store `{}`",
                results.display(),
                store.root().display()
            ),
            "name the results folder of a run, and its store with `--store DIR`",
        ));
    };
    let mut looked = Look {
        store,
        found: Progress {
            name: experiment.name.clone(),
            ..Progress::default()
        },
        tasks: HashMap::new(),
        states: HashMap::new(),
        done: HashSet::new(),
    };
    looked.queue(results)?;
    looked.stages(&experiment)?;
    let is_done = |keys: &&Vec<Key>| keys.iter().all(|key| looked.done.contains(key));
    let done = experiment.roots.iter().filter(is_done).count();
    looked.found.cells = (done, experiment.roots.len());
    Ok(looked.found)
}

struct Look<'a> {
    store: &'a Store,
    found: Progress,
    tasks: HashMap<Key, Task>,
    states: HashMap<Task, State>,
    done: HashSet<Key>,
}

impl Look<'_> {
    /// Reads submissions and the queue.
    fn queue(&mut self, results: &Path) -> anyhow::Result<()> {
        let own = own_submissions(self.store, results)?;
        for folder in &own {
            self.submission(folder);
        }
        if own.is_empty() {
            return Ok(());
        }
        match client::states() {
            Ok(states) => self.states = states,
            Err(error) => self.found.queue_error = Some(error.to_string()),
        }
        Ok(())
    }

    fn submission(&mut self, folder: &Folder) {
        for array in folder.arrays() {
            for (index, kind, key) in array.tasks {
                let task = Task {
                    job: array.job,
                    index,
                };
                self.tasks.insert(key, task);
                if let Some(ended) = folder.read_failure(&key) {
                    let text = format!("{kind} {}: {} (job {task})", key.short(), ended.error);
                    self.found.failures.push(text);
                }
            }
        }
    }

    fn stages(&mut self, experiment: &Experiment) -> anyhow::Result<()> {
        let mut kinds: BTreeMap<usize, (String, Counts)> = BTreeMap::new();
        let order = allround_core::stage::StageKind::ALL.map(|kind| kind.as_str());
        let now = fs::now_ns();
        let mut recent: Vec<f64> = Vec::new();
        for (kind, key) in &experiment.artefacts {
            let at = order.iter().position(|name| name == kind);
            let entry = kinds.entry(at.unwrap_or(order.len()));
            let (_, counts) = entry.or_insert_with(|| (kind.clone(), Counts::default()));
            counts.all += 1;
            let stamp = fs::stamp(&self.store.folder(kind, key)).ok();
            if let Some(stamp) = stamp {
                counts.done += 1;
                self.done.insert(*key);
                recent.push(now.saturating_sub(stamp.changed_ns) as f64 / 1e9);
                continue;
            }
            let (running, queued) = self.open(kind, key, now);
            counts.running += usize::from(running);
            counts.queued += usize::from(queued);
        }
        self.found.kinds = kinds.into_values().collect();
        self.found.rate = rate(&recent);
        Ok(())
    }

    /// Whether a stage that is not in the store runs, and whether it is in the queue.
    fn open(&mut self, kind: &str, key: &Key, now: u64) -> (bool, bool) {
        let state = self.tasks.get(key).and_then(|task| self.states.get(task));
        let work = self.store.root().join("work").join(key.to_string());
        let events = work.join(EVENTS);
        let node = match state {
            Some(state) if state.is_running() => state.node.clone(),
            Some(state) if state.is_alive() => {
                *self.found.reasons.entry(state.reason.clone()).or_default() += 1;
                return (false, true);
            }
            Some(_) => return (false, false),
            // A run on this machine: a worker writes into this folder.
            None if work.join("output").exists() => String::new(),
            None => return (false, false),
        };
        if self.found.running.len() < MOST_RUNNING {
            let modified = fs::stamp(&events).map_or(now, |stamp| stamp.modified_ns);
            let events = history::read(&events).unwrap_or_default();
            self.found.running.push(Running {
                label: format!("{kind} {}", key.short()),
                node,
                last: events.iter().rev().find_map(words).unwrap_or_default(),
                age_s: now.saturating_sub(modified) as f64 / 1e9,
            });
        }
        (true, false)
    }
}

/// Stages of a minute, from the ages in seconds of those that have ended.
fn rate(ages: &[f64]) -> Option<f64> {
    let recent = ages.iter().filter(|age| **age < RECENT_S);
    let oldest = recent
        .clone()
        .fold(0.0, |oldest: f64, age| oldest.max(*age));
    let count = recent.count();
    (count > 1 && oldest > 0.0).then(|| count as f64 / oldest * 60.0)
}

/// An event in words; `None` for events that say nothing of progress.
fn words(event: &Event) -> Option<String> {
    match event {
        Event::Epoch(epoch) => Some(format!("epoch {}, loss {:.4}", epoch.epoch, epoch.loss)),
        Event::Validation(it) => Some(format!("validation after {} samples", it.samples)),
        Event::Phase(phase) => Some(format!("phase {} in {:.1} s", phase.phase, phase.wall_s)),
        Event::Started(started) => Some(format!("started on {}", started.device_name)),
        Event::Failed(failure) => Some(format!("failed: {}", failure.error)),
        Event::Reference { .. }
        | Event::Progress(_)
        | Event::Counted(_)
        | Event::Note { .. }
        | Event::Remark { .. }
        | Event::Finished => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_minutes() {
        assert_eq!(rate(&[30.0, 60.0, 20_000.0]), Some(2.0));
        assert_eq!(rate(&[30.0]), None);
        let progress = Progress {
            rate: Some(2.0),
            kinds: vec![(
                "backbone".to_owned(),
                Counts {
                    all: 10,
                    done: 4,
                    ..Counts::default()
                },
            )],
            ..Progress::default()
        };
        assert_eq!((progress.left(), progress.seconds_left()), (6, Some(180.0)));
        assert!(!progress.is_active());
    }
}
