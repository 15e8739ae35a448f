//! Schedules stages: each runs after the stages it needs, within the machine's CPU threads.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::Scope;
use std::time::Duration;

use super::process::{Server, Servers};
use super::slots::{self, Driver, Grant, Slots, Wish};
use super::stage::Task;
use super::{Options, Outcome, StageEvent, Stop};
use crate::plan::{Graph, NodeId, Settings};
use crate::store::{Presence, Store};

/// Capacity of the channel from stage threads to the pool.
const WAITING_MESSAGES: usize = 1024;

/// Ends all workers when the thread that receives their events panics.
struct StopOnPanic<'a>(&'a Stop);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.kill();
        }
    }
}

/// The rule that a stage without enough memory on a shared GPU runs alone.
const ALONE_RULE: &str = "run alone on its GPU after it ran out of memory on a shared one";

/// What the thread of a stage sends to the pool.
type Message = (NodeId, StageEvent);

/// Makes every stage of `graph` that is not in the store, and returns the outcome of each stage.
pub fn execute(
    graph: &Graph,
    store: &Store,
    options: &Options,
    stop: &Stop,
    observe: &mut dyn FnMut(NodeId, &StageEvent),
) -> Vec<Outcome> {
    let mut pool = Pool::new(graph, options);
    for (id, presence) in survey(graph, store).into_iter().enumerate() {
        match presence {
            Presence::Whole => pool.end(id, Outcome::Cached, observe),
            Presence::Damaged(why) => observe(id, &StageEvent::Damaged(why)),
            Presence::Absent => {}
        }
    }
    let mut servers = Servers::new(&options.worker);
    // Bounded: a stage that sends faster than the pool receives waits.
    let (sender, messages) = mpsc::sync_channel::<Message>(WAITING_MESSAGES);
    std::thread::scope(|scope| {
        // Dropped when this thread panics, before the scope joins the stage threads: sending must
        // fail then, so that they end.
        let messages = messages;
        let _guard = StopOnPanic(stop);
        loop {
            while let Some((id, threads)) = pool.next(stop, observe) {
                pool.running.push((id, threads));
                let task = Run {
                    graph,
                    store,
                    options,
                    stop,
                    id,
                    threads,
                    server: servers.get(threads),
                    gpu: pool.gpus.get(&id).copied(),
                    rule: pool.again.contains(&id).then_some(ALONE_RULE),
                };
                task.start(scope, sender.clone());
            }
            if pool.running.is_empty() {
                break;
            }
            match messages.recv_timeout(Duration::from_millis(100)) {
                Ok((id, StageEvent::Ended(outcome))) => pool.finish(id, outcome, observe),
                Ok((id, event)) => observe(id, &event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    });
    pool.close(observe)
}

/// The state of each stage in the store. Artefacts that a worker or the results read (ranks, data
/// sets) are compared with their digests; of the others, only the events are.
pub fn survey(graph: &Graph, store: &Store) -> Vec<Presence> {
    let mut found: Vec<Presence> = graph
        .nodes
        .iter()
        .map(|node| {
            let kind = node.stage.settings.kind();
            match kind.is_read_by_command() {
                true => store.verify(kind.as_str(), &node.key),
                false => store.look_into(kind.as_str(), &node.key),
            }
        })
        .collect();
    let mut is_read = vec![false; found.len()];
    for id in (0..found.len()).rev() {
        let node = &graph.nodes[id];
        if is_read[id] && found[id] == Presence::Whole {
            found[id] = store.verify(node.stage.settings.kind().as_str(), &node.key);
        }
        if found[id] != Presence::Whole {
            node.needs.values().for_each(|&need| is_read[need] = true);
        }
    }
    found
}

/// A stage that is about to start in a thread.
struct Run<'a> {
    graph: &'a Graph,
    store: &'a Store,
    options: &'a Options,
    stop: &'a Stop,
    id: NodeId,
    threads: usize,
    server: Option<Arc<Server>>,
    gpu: Option<u32>,
    rule: Option<&'static str>,
}

impl<'a> Run<'a> {
    fn start<'scope>(self, scope: &'scope Scope<'scope, 'a>, sender: SyncSender<Message>) {
        scope.spawn(move || {
            // The pool receives until every stage has ended. After a panic there, nothing is lost
            // by a failed send.
            let report = |id, event| drop(sender.send((id, event)));
            let task = Task {
                id: self.id,
                node: &self.graph.nodes[self.id],
                needs: super::folders(self.graph, self.store, self.id),
                store: self.store,
                options: self.options,
                threads: self.threads,
                server: self.server.clone(),
                gpu: self.gpu,
                rule: self.rule,
                stop: self.stop,
                report: &report,
            };
            // The pool would wait forever for a stage without an outcome.
            let outcome = catch_unwind(AssertUnwindSafe(|| task.run())).unwrap_or_else(|panic| {
                let text = super::panic_text(panic.as_ref());
                Outcome::Failed(format!("internal error: {text}"))
            });
            report(self.id, StageEvent::Ended(outcome));
        });
    }
}

/// The stages of a graph with their outcomes so far.
pub(super) struct Pool<'a> {
    graph: &'a Graph,
    options: &'a Options,
    /// How each stage ended.
    pub(super) outcomes: Vec<Option<Outcome>>,
    running: Vec<(NodeId, usize)>,
    /// Whether a stage failed.
    pub(super) has_failed: bool,
    /// Slots of GPUs, if stages share them.
    slots: Option<Slots>,
    /// The GPU of each stage that has one.
    gpus: BTreeMap<NodeId, u32>,
    /// Stages that run once more, alone on their GPU.
    again: BTreeSet<NodeId>,
}

impl<'a> Pool<'a> {
    /// Stages without outcomes.
    pub(super) fn new(graph: &'a Graph, options: &'a Options) -> Pool<'a> {
        Pool {
            graph,
            options,
            outcomes: vec![None; graph.nodes.len()],
            running: Vec::new(),
            has_failed: false,
            slots: (!options.gpus.is_empty()).then(|| {
                let memory = Box::new(Driver);
                Slots::new(options.sharing.clone(), &options.gpus, memory)
            }),
            gpus: BTreeMap::new(),
            again: BTreeSet::new(),
        }
    }

    /// Records how a stage ended, or lets it run once more, alone on its GPU.
    fn finish(
        &mut self,
        id: NodeId,
        outcome: Outcome,
        observe: &mut dyn FnMut(NodeId, &StageEvent),
    ) {
        let was_shared = self.slots.as_mut().is_some_and(|slots| slots.release(id));
        self.gpus.remove(&id);
        match outcome {
            Outcome::Failed(error)
                if was_shared
                    && self.options.sharing.retry_alone
                    && slots::is_out_of_memory(&error)
                    && self.again.insert(id) =>
            {
                self.running.retain(|&(running, _)| running != id);
                observe(id, &StageEvent::Retried(error));
            }
            outcome => self.end(id, outcome, observe),
        }
    }

    /// Whether a stage takes a slot of a GPU.
    fn takes_gpu(&self, id: NodeId) -> bool {
        let compute = self.graph.nodes[id].stage.compute.as_ref();
        self.slots.is_some() && compute.is_some_and(|compute| compute.device != "cpu")
    }

    /// Takes a slot of a GPU, if the stage needs one.
    fn slot(&mut self, id: NodeId) -> Grant {
        let takes_gpu = self.takes_gpu(id);
        let wish = Wish {
            id,
            kind: self.graph.nodes[id].stage.settings.kind(),
            alone: self.options.alone.contains(&id) || self.again.contains(&id),
        };
        match self.slots.as_mut().filter(|_| takes_gpu) {
            Some(slots) => slots.take(wish),
            None => Grant::Unneeded,
        }
    }

    /// Records and reports how a stage ended.
    pub(super) fn end(
        &mut self,
        id: NodeId,
        outcome: Outcome,
        observe: &mut dyn FnMut(NodeId, &StageEvent),
    ) {
        self.running.retain(|&(running, _)| running != id);
        self.has_failed |= matches!(outcome, Outcome::Failed(_));
        observe(id, &StageEvent::Ended(outcome.clone()));
        self.outcomes[id] = Some(outcome);
    }

    /// The next stage that may start now, with its thread count. Stages that can no longer run, or
    /// need not, get their outcome first.
    ///
    /// Stages start in graph order. A later stage may start before an earlier one for which there
    /// are too few threads. A stage that runs alone is not overtaken: once it is ready, no later
    /// stage starts until it has run.
    fn next(
        &mut self,
        stop: &Stop,
        observe: &mut dyn FnMut(NodeId, &StageEvent),
    ) -> Option<(NodeId, usize)> {
        self.block(observe);
        let is_ending = stop.is_requested() || (self.options.fail_fast && self.has_failed);
        let mut is_held = is_ending || self.running.iter().any(|&(id, _)| self.is_alone(id));
        let mut awaits_gpu = false;
        for id in 0..self.graph.nodes.len() {
            if self.outcomes[id].is_some() || self.running.iter().any(|&(running, _)| running == id)
            {
                continue;
            }
            if !is_held && self.is_ready(id) {
                let threads = self.threads(id);
                if self.has_room(id, threads) {
                    // A stage that waits for a GPU is overtaken by none that needs one.
                    let grant = match awaits_gpu && self.takes_gpu(id) {
                        true => Grant::Wait,
                        false => self.slot(id),
                    };
                    match grant {
                        Grant::Unneeded => return Some((id, threads)),
                        Grant::Start(gpu) => {
                            self.gpus.insert(id, gpu);
                            return Some((id, threads));
                        }
                        Grant::Refuse(why) => self.end(id, Outcome::Failed(why), observe),
                        Grant::Wait => awaits_gpu = true,
                    }
                    continue;
                }
                is_held = self.is_alone(id);
            }
        }
        None
    }

    /// Blocks the stages that can no longer run. Stages whose only users lack candidate lists are
    /// blocked too: where no user can be measured, nothing is trained.
    pub(super) fn block(&mut self, observe: &mut dyn FnMut(NodeId, &StageEvent)) {
        let n = self.graph.nodes.len();
        let is_open = |pool: &Self, id: NodeId| {
            pool.outcomes[id].is_none() && !pool.running.iter().any(|&(running, _)| running == id)
        };
        for id in 0..n {
            if let Some(culprit) = self.culprit(id).filter(|_| is_open(self, id)) {
                self.end(id, Outcome::Blocked(culprit), observe);
            }
        }
        if !self.has_failed {
            return;
        }
        for id in (0..n).rev() {
            if let Some(culprit) = self.futile(id).filter(|_| is_open(self, id)) {
                self.end(id, Outcome::Blocked(culprit), observe);
            }
        }
    }

    /// The failed candidates stage that blocks every stage that needs `id`.
    fn futile(&self, id: NodeId) -> Option<NodeId> {
        let mut users = self.graph.nodes.iter().zip(&self.outcomes);
        let mut found = None;
        let all_blocked = users.all(|(node, outcome)| match outcome {
            _ if !node.needs.values().any(|&need| need == id) => true,
            Some(Outcome::Blocked(culprit)) => {
                found = Some(*culprit);
                true
            }
            _ => false,
        });
        let is_draw = |culprit: &NodeId| {
            let settings = &self.graph.nodes[*culprit].stage.settings;
            matches!(settings, Settings::Candidates(_))
        };
        found.filter(|culprit| all_blocked && is_draw(culprit))
    }

    /// The failed stage that `id` needs.
    fn culprit(&self, id: NodeId) -> Option<NodeId> {
        let mut needs = self.graph.nodes[id].needs.values();
        needs.find_map(|&need| match &self.outcomes[need] {
            Some(Outcome::Failed(_)) => Some(need),
            Some(Outcome::Blocked(culprit)) => Some(*culprit),
            _ => None,
        })
    }

    fn is_ready(&self, id: NodeId) -> bool {
        let is_good = |need: &NodeId| self.outcomes[*need].as_ref().is_some_and(Outcome::is_good);
        self.graph.nodes[id].needs.values().all(is_good)
    }

    fn threads(&self, id: NodeId) -> usize {
        // For stages whose result does not depend on the thread count.
        let share = (self.options.cores / self.options.jobs.max(1)).max(1);
        let stage = &self.graph.nodes[id].stage;
        stage
            .compute
            .as_ref()
            .map_or(share, |compute| compute.threads)
    }

    fn is_alone(&self, id: NodeId) -> bool {
        // Alone on its GPU, a stage runs next to those of other GPUs.
        self.options.alone.contains(&id) && !self.takes_gpu(id)
    }

    /// Whether enough threads are free for this stage. A stage that needs more threads than there
    /// are runs when no other stage runs.
    fn has_room(&self, id: NodeId, threads: usize) -> bool {
        let used: usize = self.running.iter().map(|&(_, threads)| threads).sum();
        match self.running.len() {
            0 => true,
            _ if self.is_alone(id) => false,
            running => running < self.options.jobs && used + threads <= self.options.cores,
        }
    }

    /// The outcomes. Stages without one were interrupted.
    pub(super) fn close(mut self, observe: &mut dyn FnMut(NodeId, &StageEvent)) -> Vec<Outcome> {
        for id in 0..self.outcomes.len() {
            if self.outcomes[id].is_none() {
                self.end(id, Outcome::Interrupted, observe);
            }
        }
        self.outcomes.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
