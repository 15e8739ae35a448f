//! Data and models that the tests of methods share.

use allround_core::models::Model;
use allround_core::models::allmrec::UserOrder;
use allround_core::models::llm_method::{Drawn, Exclude, OneItem, Targets, TrainingCandidates};
use allround_core::text::Vectors;
use tch::Device;

use super::prompted_lm::{ContextNeeds, PromptedLm};
use super::sequences::TargetRule;
use crate::models::{self, Backbone, Sizes};
use crate::testing;

pub(crate) use super::fixtures::{data, loaded, prompt, small};

/// These targets, of users with two training items at least, in random order.
pub(crate) fn target_rule(targets: Targets) -> TargetRule {
    TargetRule {
        targets,
        one_item: OneItem::Skip,
        order: UserOrder::Shuffled,
    }
}

/// The configuration of the tests' SASRec.
pub(crate) fn sasrec() -> Model {
    Model::Sasrec(testing::sasrec())
}

/// It, with random weights, for [`data`].
pub(crate) fn backbone() -> Box<dyn Backbone> {
    tch::manual_seed(3);
    let sizes = Sizes {
        users: 4,
        items: 12,
    };
    models::build(&sasrec(), sizes, Device::Cpu).expect("SASRec is trained by gradient")
}

/// Training candidates as the defaults say.
pub(crate) fn training_candidates() -> TrainingCandidates {
    TrainingCandidates {
        drawn: Drawn::EachEpoch,
        exclude: Exclude::Training,
    }
}

/// Needs of a prompt with this number of candidates and a title as answer.
pub(crate) fn needs(candidates: usize) -> ContextNeeds {
    ContextNeeds::List {
        candidates,
        answer: 0,
    }
}

/// A language model with prompts of [`data`]'s titles, and with these vectors.
pub(crate) fn prompted_lm(vectors: Vectors) -> PromptedLm {
    PromptedLm::new(loaded(false), &data(), &prompt(), vectors, needs(4))
}
