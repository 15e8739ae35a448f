//! Cells: one model on one data set under one scenario with one seed, and its stages.

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
    /// Kind of the CF model that is measured or used; empty for an LLM method without one.
    pub backbone: String,
    /// The cell's seed.
    pub seed: u64,
    /// The stage that prepares the data that is measured.
    pub prepared: NodeId,
    /// The stages that train something for this cell, in graph order: the CF model, then what is
    /// built on it. Empty for an LLM used as it is. Pre-training of a small language model is not
    /// included, since it belongs to the data set.
    pub trained: Vec<NodeId>,
    /// One measurement per protocol and part of the split, in order of protocol names.
    pub measures: Vec<Measure>,
}

/// A cell under one protocol, on one part of the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Name of the protocol.
    pub name: String,
    /// The part of the split whose targets are measured.
    pub part: Part,
    /// `NAME:FINGERPRINT`: numbers with different ones are not comparable.
    pub protocol: String,
    /// The stage that draws the candidates.
    pub candidates: NodeId,
    /// The stage that computes the ranks.
    pub evaluate: NodeId,
}

impl Cell {
    /// Name of the variant, or of the model if there is no variant.
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

    /// What determines the rows of the cell: its name, and protocol and key of each measurement.
    pub fn identity(&self, graph: &Graph) -> (String, Vec<(String, Key)>) {
        let measure =
            |measure: &Measure| (measure.protocol.clone(), graph.nodes[measure.evaluate].key);
        (
            self.name.clone(),
            self.measures.iter().map(measure).collect(),
        )
    }
}
