//! Settings of the stage `represent`, which several methods share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{Lora, OneItem, Targets, Validation};
use super::train::Train;

/// Training of user and item vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Represent {
    /// Width of the vectors.
    #[schemars(range(min = 1, max = 8192))]
    pub width: usize,
    /// Width of the hidden layer between a state of the language model and a vector.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden_units: usize,
    /// Items that a target is compared with, drawn uniformly from those that the user does not
    /// know. Each different item of a batch is one forward pass.
    #[schemars(range(min = 1, max = 255))]
    pub negatives: usize,
    /// Weight of the distance between the vector of a user and the CF model's state, both projected
    /// to unit length; 0 leaves it out.
    #[schemars(range(min = 0.0))]
    pub distillation: f64,
    /// Weight of the uniformity of these unit vectors; 0 leaves it out. It is the mean of
    /// exp(-2 d²) over the pairs of a batch, with d their distance, for both kinds of vectors.
    #[schemars(range(min = 0.0))]
    pub uniformity: f64,
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// How users with one training item are treated.
    pub one_item: OneItem,
    /// Maximum number of targets to train on, over all epochs; 0: no limit. Training may then end
    /// within an epoch. A decaying learning rate reaches its end there.
    pub max_samples: u64,
    /// Validation while the vectors are trained.
    pub validate: Validation,
    /// Epochs, batch size, optimizer. A step is not split: its users are compared with one another.
    pub train: Train,
}

/// Training of adapters with a projection of items and a head over the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdaptedRepresent {
    /// The adapters.
    pub lora: Lora,
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// How users with one training item are treated.
    pub one_item: OneItem,
    /// Maximum number of targets to train on, over all epochs; 0: no limit. Training may then end
    /// within an epoch. A decaying learning rate reaches its end there.
    pub max_samples: u64,
    /// Validation while the adapters are trained.
    pub validate: Validation,
    /// Epochs, batch size, optimizer.
    pub train: Train,
}

/// What the stage trains. Fields decide the form, so that each is stored as its settings alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Representation {
    /// Networks around a frozen language model.
    Frozen(Represent),
    /// Adapters in it, a projection of items and a head over the catalogue.
    Adapted(AdaptedRepresent),
}

/// What both forms have.
#[derive(Clone, Copy, Debug)]
pub struct RepresentTraining<'a> {
    /// Which items of a sequence are targets.
    pub targets: Targets,
    /// How users with one training item are treated.
    pub one_item: OneItem,
    /// Validation while the stage trains.
    pub validate: &'a Validation,
    /// Epochs, batch size, optimizer.
    pub train: &'a Train,
}

impl Representation {
    /// Targets, validation and training.
    pub fn training(&self) -> RepresentTraining<'_> {
        match self {
            Representation::Frozen(it) => RepresentTraining {
                targets: it.targets,
                one_item: it.one_item,
                validate: &it.validate,
                train: &it.train,
            },
            Representation::Adapted(it) => RepresentTraining {
                targets: it.targets,
                one_item: it.one_item,
                validate: &it.validate,
                train: &it.train,
            },
        }
    }

    /// The adapters; `None` where the language model is frozen.
    pub fn lora(&self) -> Option<&Lora> {
        match self {
            Representation::Frozen(_) => None,
            Representation::Adapted(it) => Some(&it.lora),
        }
    }
}
