//! Events of running tasks, read from the store while their workers write them.

use std::collections::HashMap;

use crate::plan::{Node, NodeId};
use crate::store::{EVENTS, Store};
use allround_core::event::Event;
use allround_core::fs;

/// Most tasks whose events are read; of the others, only start and end are reported.
const MOST: usize = 32;

/// How far the events of each running stage were read.
#[derive(Default)]
pub struct Follower(HashMap<NodeId, Position>);

#[derive(Default)]
struct Position {
    size: u64,
    events: usize,
}

impl Follower {
    /// Events of a running stage since the last call.
    pub fn events(&mut self, id: NodeId, node: &Node, store: &Store) -> Vec<Event> {
        let is_known = self.0.contains_key(&id);
        if !is_known && self.0.len() >= MOST {
            return Vec::new();
        }
        let work = store.root().join("work").join(node.key.to_string());
        let path = work.join(EVENTS);
        let size = fs::stamp(&path).map_or(0, |stamp| stamp.size);
        let position = self.0.entry(id).or_default();
        if size <= position.size {
            return Vec::new();
        }
        position.size = size;
        // A file that vanishes belongs to a stage that has ended.
        let all = crate::exec::history::read(&path).unwrap_or_default();
        let start = match is_known {
            true => position.events,
            // Earlier attempts have been reported.
            false => {
                let start = all
                    .iter()
                    .rposition(|event| matches!(event, Event::Started(_)));
                start.unwrap_or(0)
            }
        };
        position.events = all.len();
        all.into_iter().skip(start).collect()
    }

    /// Forgets a stage that has ended.
    pub fn end(&mut self, id: NodeId) {
        self.0.remove(&id);
    }
}
