//! Where stages run.

use super::{Options, Outcome, StageEvent, Stop, pool};
use crate::plan::{Graph, NodeId};
use crate::store::Store;

/// What an executor has to do.
pub struct Work<'a> {
    /// The stages.
    pub graph: &'a Graph,
    /// Where artefacts are stored.
    pub store: &'a Store,
    /// How stages are run.
    pub options: &'a Options,
    /// A request to cancel what was started.
    pub stop: &'a Stop,
    /// Receives notes about the executor itself, such as a controller that does not answer.
    pub note: &'a dyn Fn(&str),
}

/// A place where stages run: this machine, or a cluster.
pub trait Executor {
    /// Starts every stage that is not in the store, after the stages that it needs. Reports what
    /// happens to each stage, and returns how each ended. A requested stop cancels all of them.
    ///
    /// A stage that still runs when an executor returns has the outcome [`Outcome::Interrupted`].
    ///
    /// # Errors
    /// When stages cannot be started at all. The failure of one stage is its outcome.
    fn execute(
        &self,
        work: &Work<'_>,
        observe: &mut dyn FnMut(NodeId, &StageEvent),
    ) -> anyhow::Result<Vec<Outcome>>;
}

/// Worker processes on this machine.
pub struct Local;

impl Executor for Local {
    fn execute(
        &self,
        work: &Work<'_>,
        observe: &mut dyn FnMut(NodeId, &StageEvent),
    ) -> anyhow::Result<Vec<Outcome>> {
        let Work {
            graph,
            store,
            options,
            stop,
            note: _,
        } = work;
        Ok(pool::execute(graph, store, options, stop, observe))
    }
}
