//! Names of stages for people.

use std::fmt;

use super::{Node, Plan, Settings};
use allround_core::stage::{TrainBackbone, TrainContrast, TrainPretrain};

/// What a stage is, and which cells use it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageLabel {
    /// Kind of the stage.
    pub kind: &'static str,
    /// For `backbone`: the model or variant that it trains; several names have equal settings.
    pub model: Option<String>,
    /// For `backbone`: the seed; `None` if the model draws nothing at random.
    pub seed: Option<u64>,
    /// Names of the cells that use the stage.
    pub cells: Vec<String>,
}

impl StageLabel {
    /// `sasrec, seed 1`, or nothing for a stage that trains no CF model.
    pub fn trained_model(&self) -> String {
        match (&self.model, self.seed) {
            (None, _) => String::new(),
            (Some(model), None) => model.clone(),
            (Some(model), Some(seed)) => format!("{model}, seed {seed}"),
        }
    }

    /// The first cell and the number of others: `toys.overall.sasrec.s1 (+2)`.
    pub fn users(&self) -> String {
        match self.cells.as_slice() {
            [] => String::new(),
            [cell] => cell.clone(),
            [first, others @ ..] => format!("{first} (+{})", others.len()),
        }
    }
}

/// `backbone sasrec, seed 1: toys.overall.sasrec.s1 (+2)`.
impl fmt::Display for StageLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind)?;
        if self.model.is_some() {
            write!(formatter, " {}:", self.trained_model())?;
        }
        if !self.cells.is_empty() {
            write!(formatter, " {}", self.users())?;
        }
        Ok(())
    }
}

/// The labels of all stages of a plan, in graph order.
pub fn labels(plan: &Plan) -> Vec<StageLabel> {
    let mut labels: Vec<StageLabel> = plan.graph.nodes.iter().map(label).collect();
    for (&id, names) in &plan.backbones {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        labels[id].model = Some(names.join(" = "));
    }
    for cell in plan.all_cells() {
        for id in cell.stages(&plan.graph) {
            labels[id].cells.push(cell.name.clone());
        }
    }
    labels
}

fn label(node: &Node) -> StageLabel {
    let seed = match &node.stage.settings {
        // Seed 0: nothing is drawn.
        Settings::Backbone(TrainBackbone { seed, .. })
        | Settings::Contrast(TrainContrast { seed, .. })
        | Settings::Pretrain(TrainPretrain { seed, .. }) => Some(*seed).filter(|&seed| seed > 0),
        Settings::Prepare(_)
        | Settings::Candidates(_)
        | Settings::EncodeText(_)
        | Settings::PretrainLm(_)
        | Settings::Align(_)
        | Settings::Project(_)
        | Settings::Tune(_)
        | Settings::Represent(_)
        | Settings::Evaluate(_) => None,
    };
    StageLabel {
        kind: node.stage.settings.kind().as_str(),
        seed,
        ..StageLabel::default()
    }
}
