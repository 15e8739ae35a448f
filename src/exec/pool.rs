//! Which stages run when: what is not in the store, after what it needs, within the machine's threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::Scope;
use std::time::Duration;

use super::stage::Task;
use super::{Happening, Options, Outcome, Stop};
use crate::plan::{Graph, NodeId, Settings};
use crate::store::{Presence, Store};

/// Messages that wait to be taken in.
const WAITING_MESSAGES: usize = 1024;

/// Ends all workers when the thread that listens to them panics.
struct StopOnPanic<'a>(&'a Stop);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.ask();
            self.0.ask();
        }
    }
}

/// What a stage's thread tells the pool.
type Message = (NodeId, Happening);

/// Brings every stage of `graph` into the store, as far as that is possible, and says how each ended.
pub fn execute(
    graph: &Graph,
    store: &Store,
    (options, stop): (&Options, &Stop),
    listen: &mut dyn FnMut(NodeId, &Happening),
) -> Vec<Outcome> {
    let mut pool = Pool {
        graph,
        options,
        outcomes: vec![None; graph.nodes.len()],
        running: Vec::new(),
        has_failed: false,
    };
    for (id, presence) in survey(graph, store).into_iter().enumerate() {
        match presence {
            Presence::Whole => pool.settle(id, Outcome::Cached, listen),
            Presence::Damaged(why) => listen(id, &Happening::Damaged(why)),
            Presence::Absent => {}
        }
    }
    // Bounded: a stage that says more than can be taken in waits.
    let (sender, messages) = mpsc::sync_channel::<Message>(WAITING_MESSAGES);
    std::thread::scope(|scope| {
        // Dropped when this thread panics, before the stages are waited for: they must end then, and talk to nobody.
        let messages = messages;
        let _guard = StopOnPanic(stop);
        loop {
            while let Some((id, threads)) = pool.next(stop, listen) {
                pool.running.push((id, threads));
                let task = Run {
                    graph,
                    store,
                    options,
                    stop,
                    id,
                    threads,
                };
                task.start(scope, sender.clone());
            }
            if pool.running.is_empty() {
                break;
            }
            match messages.recv_timeout(Duration::from_millis(100)) {
                Ok((id, Happening::Ended(outcome))) => pool.settle(id, outcome, listen),
                Ok((id, happening)) => listen(id, &happening),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    });
    pool.close(listen)
}

/// What is in the store. What a worker or the results read (ranks, data sets) is read through; of the rest, the
/// events are, which the results tell.
pub fn survey(graph: &Graph, store: &Store) -> Vec<Presence> {
    let mut found: Vec<Presence> = graph
        .nodes
        .iter()
        .map(|node| match node.stage.settings {
            Settings::Evaluate(_) | Settings::Prepare(_) => {
                store.verify(node.stage.settings.kind(), &node.key)
            }
            _ => store.look_into(node.stage.settings.kind(), &node.key),
        })
        .collect();
    let mut is_read = vec![false; found.len()];
    for id in (0..found.len()).rev() {
        let node = &graph.nodes[id];
        if is_read[id] && found[id] == Presence::Whole {
            found[id] = store.verify(node.stage.settings.kind(), &node.key);
        }
        if found[id] != Presence::Whole {
            node.needs.values().for_each(|&need| is_read[need] = true);
        }
    }
    found
}

/// One stage on its way to a thread of its own.
struct Run<'a> {
    graph: &'a Graph,
    store: &'a Store,
    options: &'a Options,
    stop: &'a Stop,
    id: NodeId,
    threads: usize,
}

impl<'a> Run<'a> {
    fn start<'scope>(self, scope: &'scope Scope<'scope, 'a>, sender: SyncSender<Message>) {
        scope.spawn(move || {
            // The pool listens until every stage has ended, so that sending cannot fail.
            let tell = |id, happening| drop(sender.send((id, happening)));
            let task = Task {
                graph: self.graph,
                id: self.id,
                store: self.store,
                options: self.options,
                threads: self.threads,
                stop: self.stop,
                tell: &tell,
            };
            // A stage without an outcome would be waited for without end.
            let outcome = catch_unwind(AssertUnwindSafe(|| task.run())).unwrap_or_else(|panic| {
                let text = super::panic_text(panic.as_ref());
                Outcome::Failed(format!("a fault of allround itself: {text}"))
            });
            tell(self.id, Happening::Ended(outcome));
        });
    }
}

struct Pool<'a> {
    graph: &'a Graph,
    options: &'a Options,
    outcomes: Vec<Option<Outcome>>,
    running: Vec<(NodeId, usize)>,
    has_failed: bool,
}

impl Pool<'_> {
    fn settle(&mut self, id: NodeId, outcome: Outcome, listen: &mut dyn FnMut(NodeId, &Happening)) {
        self.running.retain(|&(running, _)| running != id);
        self.has_failed |= matches!(outcome, Outcome::Failed(_));
        listen(id, &Happening::Ended(outcome.clone()));
        self.outcomes[id] = Some(outcome);
    }

    /// The next stage that may start now, with its threads; stages that cannot run any more, or need not, are settled before.
    ///
    /// Stages start in the order of the graph, and a later one may overtake an earlier one that has no room yet. One that runs
    /// alone is not overtaken: once it is ready and nothing before it can start, nothing starts until it has run.
    fn next(
        &mut self,
        stop: &Stop,
        listen: &mut dyn FnMut(NodeId, &Happening),
    ) -> Option<(NodeId, usize)> {
        self.block(listen);
        let is_ending = stop.is_asked() || (self.options.fail_fast && self.has_failed);
        let mut is_held = is_ending || self.running.iter().any(|&(id, _)| self.is_alone(id));
        for id in 0..self.graph.nodes.len() {
            if self.outcomes[id].is_some() || self.running.iter().any(|&(running, _)| running == id)
            {
                continue;
            }
            if !is_held && self.is_ready(id) {
                let threads = self.threads(id);
                if self.has_room(id, threads) {
                    return Some((id, threads));
                }
                is_held = self.is_alone(id);
            }
        }
        None
    }

    /// Settles the stages that cannot run any more, and those that are of no use without candidate lists that cannot be drawn:
    /// where no user is measured, nothing is trained.
    fn block(&mut self, listen: &mut dyn FnMut(NodeId, &Happening)) {
        let n = self.graph.nodes.len();
        let is_open = |pool: &Self, id: NodeId| {
            pool.outcomes[id].is_none() && !pool.running.iter().any(|&(running, _)| running == id)
        };
        for id in 0..n {
            if let Some(culprit) = self.culprit(id).filter(|_| is_open(self, id)) {
                self.settle(id, Outcome::Blocked(culprit), listen);
            }
        }
        if !self.has_failed {
            return;
        }
        for id in (0..n).rev() {
            if let Some(culprit) = self.futile(id).filter(|_| is_open(self, id)) {
                self.settle(id, Outcome::Blocked(culprit), listen);
            }
        }
    }

    /// The failed draw of candidates by which everything that needs `id` is blocked.
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

    /// The failed stage that `id` cannot do without.
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
        // Of stages whose result does not depend on the number of threads.
        let share = (self.options.cores / self.options.jobs.max(1)).max(1);
        let stage = &self.graph.nodes[id].stage;
        stage
            .compute
            .as_ref()
            .map_or(share, |compute| compute.threads)
    }

    fn is_alone(&self, id: NodeId) -> bool {
        self.options.alone.contains(&id)
    }

    /// Whether a stage of so many threads fits beside those that run; one that asks for too many runs alone.
    fn has_room(&self, id: NodeId, threads: usize) -> bool {
        let used: usize = self.running.iter().map(|&(_, threads)| threads).sum();
        match self.running.len() {
            0 => true,
            _ if self.is_alone(id) => false,
            running => running < self.options.jobs && used + threads <= self.options.cores,
        }
    }

    fn close(mut self, listen: &mut dyn FnMut(NodeId, &Happening)) -> Vec<Outcome> {
        for id in 0..self.outcomes.len() {
            if self.outcomes[id].is_none() {
                self.settle(id, Outcome::Interrupted, listen);
            }
        }
        self.outcomes.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
