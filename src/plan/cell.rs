//! Cells: one model on one data set under one scenario with one seed, and the stages that measure it.

use std::collections::BTreeSet;

use super::graph::{Graph, NodeId};
use allround_core::data::Part;
use allround_core::digest::Key;

/// A cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// `dataset.scenario.model.s<seed>`, where model is the variant's name for a variant.
    pub name: String,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the model, or of the model that the variant varies.
    pub model: String,
    /// Name of the variant; empty for the model itself.
    pub variant: String,
    /// Kind of the CF model that is measured or read; empty where a language model is asked without one.
    pub backbone: String,
    /// The cell's seed.
    pub seed: u64,
    /// The stage that prepares the data that is measured.
    pub prepared: NodeId,
    /// The stages that train something for this cell, in graph order: the CF model, then what is built on it. None where a
    /// language model is asked as it is; a small language model's own training is not among them, since it is the data
    /// set's.
    pub trained: Vec<NodeId>,
    /// One measurement for each protocol and part of the split, by the protocols' names.
    pub measures: Vec<Measure>,
}

/// A cell under one protocol, on one part of the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Name of the protocol.
    pub name: String,
    /// Whose targets are measured.
    pub part: Part,
    /// `NAME:FINGERPRINT`: numbers with different ones are not comparable.
    pub protocol: String,
    /// The stage that draws the candidates.
    pub candidates: NodeId,
    /// The stage that leaves the ranks.
    pub evaluate: NodeId,
}

impl Cell {
    /// Name of the variant, or of the model itself: what the spec's lists of models call it.
    pub fn shown_name(&self) -> &str {
        match self.variant.as_str() {
            "" => &self.model,
            variant => variant,
        }
    }

    /// The stages whose artefacts the cell's rows are computed from.
    pub fn roots(&self) -> impl Iterator<Item = NodeId> {
        self.measures.iter().map(|measure| measure.evaluate)
    }

    /// Every stage of the cell, in graph order.
    pub fn stages(&self, graph: &Graph) -> Vec<NodeId> {
        let mut found = BTreeSet::new();
        let mut open: Vec<NodeId> = self.roots().collect();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(graph.nodes[id].needs.values());
            }
        }
        found.into_iter().collect()
    }

    /// What decides the cell's rows: its name, and protocol and key of each measurement.
    pub fn identity(&self, graph: &Graph) -> (String, Vec<(String, Key)>) {
        let measure =
            |measure: &Measure| (measure.protocol.clone(), graph.nodes[measure.evaluate].key);
        (
            self.name.clone(),
            self.measures.iter().map(measure).collect(),
        )
    }
}
