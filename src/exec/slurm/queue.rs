//! Submits stages, follows their jobs, and collects how they ended.

mod submit;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::batch::{self, Folder};
use super::client::{self, SlurmError, State, Task};
use super::follow::Follower;
use super::{Slurm, advised, fate};
use crate::exec::pool::{self, Pool};
use crate::exec::{Outcome, StageEvent, Work};
use crate::plan::NodeId;
use crate::store::Presence;
use allround_core::fs;

/// The first wait between two queries of the queue; it grows while nothing changes.
const FIRST_POLL: Duration = Duration::from_millis(300);

/// How long the artefact of a completed task may take to be visible here. Clients of NFS keep
/// attributes of folders for up to a minute.
const VISIBLE: Duration = Duration::from_secs(70);

/// How long a controller that does not answer is waited for before jobs are submitted.
const PATIENCE: Duration = Duration::from_secs(600);

type Observe<'o> = &'o mut dyn FnMut(NodeId, &StageEvent);

/// How often a stage is submitted again whose job Slurm has lost.
const MOST_LOST: u32 = 2;

/// What became of a job that is no longer in the queue.
enum Settled {
    /// Not known yet: files may become visible, or what it needs is not settled.
    Unknown,
    /// Slurm has lost it, as a killed controller does with jobs that it had not saved.
    Lost,
    /// It ended.
    Ended(Outcome),
}

/// A stage in the queue.
struct Job {
    task: Task,
    folder: Folder,
    /// Whether it was submitted for this results folder.
    is_own: bool,
    is_started: bool,
    /// When it was first seen to have ended without an artefact, and how often.
    ended: Option<(Instant, u32)>,
}

/// The stages of a graph on a cluster.
pub(super) struct Queue<'a> {
    slurm: &'a Slurm,
    work: &'a Work<'a>,
    pool: Pool<'a>,
    jobs: HashMap<NodeId, Job>,
    /// Submissions for this results folder.
    own: Vec<Folder>,
    /// The submission of this run, with the number of its arrays.
    current: Option<(Folder, usize)>,
    states: HashMap<Task, State>,
    follower: Follower,
    /// How often the job of a stage was lost.
    lost: HashMap<NodeId, u32>,
    most: u32,
    poll: Duration,
    is_unreachable: bool,
}

impl<'a> Queue<'a> {
    pub(super) fn new(slurm: &'a Slurm, work: &'a Work<'a>) -> anyhow::Result<Queue<'a>> {
        Ok(Queue {
            slurm,
            work,
            pool: Pool::new(work.graph, work.options),
            jobs: HashMap::new(),
            own: super::own_submissions(work.store, &slurm.results)?,
            current: None,
            states: HashMap::new(),
            follower: Follower::default(),
            lost: HashMap::new(),
            most: 0,
            poll: FIRST_POLL,
            is_unreachable: false,
        })
    }

    pub(super) fn run(mut self, observe: Observe<'_>) -> anyhow::Result<Vec<Outcome>> {
        self.begin(observe)?;
        loop {
            let is_ending = self.work.options.fail_fast && self.pool.has_failed;
            if self.work.stop.is_requested() || is_ending {
                self.cancel();
                break;
            }
            if self.open().next().is_none() || self.slurm.detach {
                break;
            }
            self.wait(self.poll);
            self.poll(observe)?;
            self.pool.block(observe);
            self.drop_blocked();
            if self.jobs.len() * 2 <= self.capacity() {
                self.submit(observe)?;
            }
        }
        self.close(observe)
    }

    /// Stages without an outcome.
    fn open(&self) -> impl Iterator<Item = NodeId> {
        let outcomes = self.pool.outcomes.iter().enumerate();
        outcomes
            .filter(|(_, outcome)| outcome.is_none())
            .map(|(id, _)| id)
    }

    /// Looks into the store and the queue, and submits what neither has. Another run that submits
    /// into the same store waits meanwhile, and then finds these jobs.
    fn begin(&mut self, observe: Observe<'_>) -> anyhow::Result<()> {
        let root = batch::root(self.work.store);
        fs::create_dir_all(&root)?;
        self.work.store.share()?;
        // Without locks on this file system, two runs may submit the same stage. Its second job
        // then finds the artefact.
        let _lock = fs::lock(&root.join(".lock")).ok();
        let submitted = self.submitted()?;
        self.survey(&submitted, observe);
        if self.open().next().is_none() {
            return Ok(());
        }
        if !submitted.is_empty() {
            self.states = self.patiently(client::states)?;
        }
        // A stage may have been submitted several times: its last job counts.
        let mut ended = BTreeMap::new();
        for (id, job) in submitted {
            if self.pool.outcomes[id].is_some() {
                continue;
            }
            if self.states.get(&job.task).is_some_and(State::is_alive) {
                observe(id, &StageEvent::Queued(job.task.to_string()));
                self.jobs.insert(id, job);
            } else if job.is_own {
                ended.insert(id, job);
            }
        }
        for (id, job) in ended {
            if !self.jobs.contains_key(&id) {
                // It failed after an earlier run had left.
                let outcome = self.fate(id, &job);
                self.pool.end(id, outcome, observe);
            }
        }
        self.pool.block(observe);
        self.submit(observe)
    }

    /// The stages of this graph in all submissions to this store.
    fn submitted(&self) -> anyhow::Result<Vec<(NodeId, Job)>> {
        let nodes = self.work.graph.nodes.iter().enumerate();
        let ids: HashMap<_, NodeId> = nodes.map(|(id, node)| (node.key, id)).collect();
        let mut found = Vec::new();
        for folder in Folder::all(self.work.store)? {
            let submission = folder.submission();
            let is_own = submission.is_some_and(|it| it.results == self.slurm.results);
            for array in folder.arrays() {
                for (index, _, key) in array.tasks {
                    let Some(&id) = ids.get(&key) else { continue };
                    let job = Job {
                        task: Task {
                            job: array.job,
                            index,
                        },
                        folder: folder.clone(),
                        is_own,
                        is_started: false,
                        ended: None,
                    };
                    found.push((id, job));
                }
            }
        }
        Ok(found)
    }

    /// Outcomes of the stages in the store. Those that jobs of this run have made are not reported
    /// as found.
    fn survey(&mut self, submitted: &[(NodeId, Job)], observe: Observe<'_>) {
        let own: HashSet<NodeId> = submitted
            .iter()
            .filter_map(|(id, job)| job.is_own.then_some(*id))
            .collect();
        let found = pool::survey(self.work.graph, self.work.store);
        for (id, presence) in found.into_iter().enumerate() {
            match presence {
                Presence::Whole if own.contains(&id) => self.pool.end(id, Outcome::Made, observe),
                Presence::Whole => self.pool.end(id, Outcome::Cached, observe),
                Presence::Damaged(why) => observe(id, &StageEvent::Damaged(why)),
                Presence::Absent => {}
            }
        }
    }

    /// Calls Slurm until it answers, for some minutes.
    fn patiently<T>(&self, call: impl Fn() -> Result<T, SlurmError>) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            match call() {
                Err(error @ SlurmError::Unreachable(_))
                    if start.elapsed() < PATIENCE && !self.work.stop.is_requested() =>
                {
                    (self.work.note)(&format!("{error}; trying again"));
                    self.wait(Duration::from_secs(5));
                }
                Err(error) => return Err(advised(error)),
                Ok(value) => return Ok(value),
            }
        }
    }

    /// Sleeps, unless a stop is requested.
    fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.work.stop.is_requested() {
            std::thread::sleep(Duration::from_millis(50).min(time));
        }
    }

    /// Reads the state of all jobs, and reports what has changed.
    fn poll(&mut self, observe: Observe<'_>) -> anyhow::Result<()> {
        match client::states() {
            Ok(states) => self.states = states,
            Err(SlurmError::Unreachable(why)) => {
                if !self.is_unreachable {
                    self.is_unreachable = true;
                    (self.work.note)(&format!(
                        "Slurm's controller does not answer ({why}); jobs continue, and this run waits for it"
                    ));
                }
                return Ok(());
            }
            Err(error) => return Err(advised(error)),
        }
        if std::mem::take(&mut self.is_unreachable) {
            (self.work.note)("Slurm's controller answers again");
        }
        let mut ids: Vec<NodeId> = self.jobs.keys().copied().collect();
        ids.sort_unstable();
        let mut has_changed = false;
        let lost = |queue: &Self| queue.lost.values().sum::<u32>();
        let before = lost(self);
        for id in ids {
            has_changed |= self.look(id, observe);
        }
        match lost(self) - before {
            0 => {}
            jobs => (self.work.note)(&format!(
                "Slurm has lost {jobs} jobs; they are submitted again"
            )),
        }
        let most = Duration::from_secs_f64(self.slurm.settings.poll_s);
        self.poll = match has_changed {
            true => FIRST_POLL.min(most),
            false => (self.poll * 3 / 2).min(most),
        };
        Ok(())
    }

    /// Reports what has happened to a stage in the queue. Returns whether anything has.
    fn look(&mut self, id: NodeId, observe: Observe<'_>) -> bool {
        let Some(job) = self.jobs.get_mut(&id) else {
            return false;
        };
        let state = self.states.get(&job.task).filter(|state| state.is_alive());
        if let Some(state) = state {
            job.ended = None;
            let starts = state.is_running() && !job.is_started;
            job.is_started = state.is_running();
            if starts {
                observe(id, &StageEvent::Started);
            }
            if job.is_started {
                let node = &self.work.graph.nodes[id];
                for event in self.follower.events(id, node, self.work.store) {
                    observe(id, &StageEvent::Reported(event));
                }
            }
            return starts;
        }
        let settled = self.settle(id);
        if matches!(settled, Settled::Unknown) {
            return true;
        }
        self.jobs.remove(&id);
        self.follower.end(id);
        match settled {
            Settled::Ended(outcome) => self.pool.end(id, outcome, observe),
            // It is open again, and the next submission has it.
            Settled::Lost => *self.lost.entry(id).or_default() += 1,
            Settled::Unknown => {}
        }
        true
    }

    /// What became of a stage whose job is no longer in the queue.
    fn settle(&mut self, id: NodeId) -> Settled {
        if self.is_whole(id) {
            return Settled::Ended(Outcome::Made);
        }
        let node = &self.work.graph.nodes[id];
        let is_settled = |need: &NodeId| self.jobs.get(need).is_none_or(|job| job.ended.is_none());
        let needs_are_settled = node.needs.values().all(is_settled);
        let Some(job) = self.jobs.get_mut(&id) else {
            return Settled::Unknown;
        };
        let (since, times) = job.ended.get_or_insert((Instant::now(), 0));
        *times += 1;
        let state = self.states.get(&job.task);
        // A controller that has just started does not know its jobs at once.
        let forgotten = Duration::from_secs_f64((20.0 * self.slurm.settings.poll_s).min(30.0));
        let is_completed = state.is_some_and(|it| it.name == "COMPLETED");
        let has_reported = job.folder.read_failure(&node.key).is_some();
        let is_due = match state {
            _ if has_reported => true,
            Some(_) if is_completed => since.elapsed() > VISIBLE,
            Some(_) => *times > 2,
            None => since.elapsed() > forgotten,
        };
        if !is_due {
            return Settled::Unknown;
        }
        // The needs of a stage that is not blocked have not failed.
        let is_cut_off = state.is_some_and(|it| it.reason == "DependencyNeverSatisfied");
        if is_cut_off && !needs_are_settled {
            return Settled::Unknown;
        }
        let is_forgotten = state.is_none() && client::accounted(job.task).is_none();
        let may_repeat = self.lost.get(&id).is_none_or(|times| *times < MOST_LOST);
        match !has_reported && (is_forgotten || is_cut_off) && may_repeat {
            true => Settled::Lost,
            false => Settled::Ended(self.fate(id, &self.jobs[&id])),
        }
    }

    fn is_whole(&self, id: NodeId) -> bool {
        let node = &self.work.graph.nodes[id];
        let kind = batch::kind(&node.stage);
        self.work.store.look_into(kind.as_str(), &node.key) == Presence::Whole
    }

    /// Why a stage failed: what its task has recorded, else what Slurm knows.
    fn fate(&self, id: NodeId, job: &Job) -> Outcome {
        let node = &self.work.graph.nodes[id];
        if let Some(ended) = job.folder.read_failure(&node.key) {
            return Outcome::Failed(format!(
                "{} (job {} on {})",
                ended.error, ended.job, ended.host
            ));
        }
        let kind = batch::kind(&node.stage).to_string();
        let state = self.states.get(&job.task).cloned();
        let state = state.or_else(|| client::accounted(job.task));
        let label = format!("{kind}-{}", node.key.short());
        let logs = &self.work.options.logs;
        Outcome::Failed(fate::reason(job.task, state.as_ref(), &kind, logs, &label))
    }

    /// Cancels the jobs of this results folder; those of other runs continue.
    fn cancel(&mut self) {
        let own = self.jobs.values().filter(|job| job.is_own);
        let mut jobs: Vec<String> = own.map(|job| job.task.job.to_string()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        if jobs.is_empty() {
            return;
        }
        match client::cancel(&jobs) {
            Ok(()) => {
                (self.work.note)(&format!("cancelled {} job arrays", jobs.len()));
                // A later run submits these stages again.
                self.jobs.retain(|_, job| !job.is_own);
                self.states.clear();
            }
            Err(error) => (self.work.note)(&format!(
                "jobs could not be cancelled: {error}; `allround cancel` tries again"
            )),
        }
    }

    /// Cancels the tasks of blocked stages.
    fn drop_blocked(&mut self) {
        let is_over = |id: &NodeId| self.pool.outcomes[*id].is_some();
        let blocked: Vec<NodeId> = self.jobs.keys().copied().filter(is_over).collect();
        let mut tasks = Vec::new();
        for id in blocked {
            tasks.extend(self.jobs.remove(&id).filter(|job| job.is_own));
        }
        let tasks: Vec<String> = tasks.iter().map(|job| job.task.to_string()).collect();
        if !tasks.is_empty() && client::cancel(&tasks).is_err() {
            (self.work.note)(
                "jobs of blocked stages could not be cancelled; they end by themselves",
            );
        }
    }

    fn close(self, observe: Observe<'_>) -> anyhow::Result<Vec<Outcome>> {
        let waiting = self.open().filter(|id| !self.jobs.contains_key(id)).count();
        if self.slurm.detach && waiting > 0 && !self.work.stop.is_requested() {
            (self.work.note)(&format!(
                "{waiting} stages are not submitted: `queued` of the site file is {}; run the same command again when the queue is shorter",
                self.slurm.settings.queued
            ));
        }
        let live: HashSet<u64> = self
            .open()
            .filter_map(|id| Some(self.jobs.get(&id)?.task.job))
            .chain(self.alive_elsewhere())
            .collect();
        for folder in &self.own {
            if folder
                .arrays()
                .iter()
                .all(|array| !live.contains(&array.job))
            {
                folder.remove()?;
            }
        }
        Ok(self.pool.close(&mut |id, event| observe(id, event)))
    }

    /// Jobs in the queue of stages that the graph does not have, such as those of an earlier form
    /// of the experiment.
    fn alive_elsewhere(&self) -> impl Iterator<Item = u64> {
        let known: HashSet<u64> = self.jobs.values().map(|job| job.task.job).collect();
        let alive = self.states.iter().filter(|(_, state)| state.is_alive());
        alive
            .map(|(task, _)| task.job)
            .filter(move |job| !known.contains(job))
    }
}
