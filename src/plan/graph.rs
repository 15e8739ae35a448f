//! The graph of stages: each key once, with the stages that it needs.

use std::collections::{BTreeMap, HashMap};

use allround_core::digest::Key;
use allround_core::stage::{Compute, Settings, Stage};

/// Number of a stage in [`Graph::nodes`].
pub type NodeId = usize;

/// One stage of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// What to do.
    pub stage: Stage,
    /// The stage's key.
    pub key: Key,
    /// The stages whose artefacts it reads, by role; each is before it in the graph.
    pub needs: BTreeMap<String, NodeId>,
}

impl Node {
    /// A name for people: the kind and the first digits of the key.
    pub fn label(&self) -> String {
        format!("{} {}", self.stage.settings.kind(), self.key.short())
    }
}

/// Stages in an order in which each comes after what it needs; equal stages are one.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The stages.
    pub nodes: Vec<Node>,
    by_key: HashMap<Key, NodeId>,
}

impl Graph {
    /// The node of a stage, added unless it is there already.
    pub fn add(
        &mut self,
        settings: Settings,
        compute: Option<Compute>,
        needs: BTreeMap<String, NodeId>,
        inputs: BTreeMap<String, Key>,
    ) -> NodeId {
        let keys = needs
            .iter()
            .map(|(role, &id)| (role.clone(), self.nodes[id].key));
        let stage = Stage {
            settings,
            compute,
            needs: keys.collect(),
            inputs,
        };
        let key = stage.key();
        if let Some(&id) = self.by_key.get(&key) {
            return id;
        }
        let id = self.nodes.len();
        self.by_key.insert(key, id);
        self.nodes.push(Node { stage, key, needs });
        id
    }

    /// A stage and everything below it, in graph order.
    pub fn closure(&self, roots: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut wanted = vec![false; self.nodes.len()];
        for root in roots {
            wanted[root] = true;
        }
        for id in (0..self.nodes.len())
            .rev()
            .filter(|&id| self.nodes[id].needs.values().len() > 0)
        {
            if wanted[id] {
                for &need in self.nodes[id].needs.values() {
                    wanted[need] = true;
                }
            }
        }
        (0..self.nodes.len()).filter(|&id| wanted[id]).collect()
    }
}
