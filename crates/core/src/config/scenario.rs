//! `[scenario.NAME.KIND]`: which users and items are used for training, and which are measured
//! (A-LLMRec paper, section 5.2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scenario {
    /// All users with a test target.
    Overall {},
    /// Users whose target is among the least popular items. Nothing is trained again.
    ColdItems(ItemShare),
    /// Users whose target is among the most popular items. Nothing is trained again.
    WarmItems(ItemShare),
    /// Users whose target is in their history: repeated consumption. Nothing is trained again.
    RepeatTargets {},
    /// Users whose target is not in their history. Nothing is trained again.
    NewTargets {},
    /// Users with few interactions, left out of training, then measured.
    ColdUsers {
        /// Exact number of interactions of such a user (paper: 3).
        #[schemars(range(min = 2))]
        length: u64,
        /// Number of users sampled; 0 takes all of them.
        users: u64,
    },
    /// Users with a test target, whose histories are read in random order: whether a method uses
    /// order at all. Targets and candidates are those of `overall`.
    ShuffledHistories {
        /// Whether models are also trained on sequences in random order. Otherwise they are those
        /// of `overall`, which are not trained again.
        training: bool,
    },
    /// Training is limited to K users.
    FewShot {
        /// Number K of training users (paper: 256 and 128).
        #[schemars(range(min = 1))]
        users: u64,
        /// Which users are measured.
        evaluate: FewShotUsers,
        /// Whether the CF model, too, is trained on the K users only. The paper does not say.
        backbone: bool,
    },
    /// Training on the cell's data set, measurement on another.
    CrossDomain {
        /// Name of the data set that is measured.
        target: String,
        /// How unseen items of the target get an embedding row.
        unseen: UnseenItems,
    },
}

/// Which items are cold or warm. The paper does not define `by` and `counted_on`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemShare {
    /// Share of the least or most popular items (paper: 0.35).
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub share: f64,
    /// The quantity that `share` is a share of.
    pub by: ShareOf,
    /// The interactions that popularity is counted on.
    pub counted_on: CountedOn,
    /// Which items a target is ranked against.
    pub candidates: CandidatesOf,
}

/// Which items the targets of an item scenario are ranked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CandidatesOf {
    /// All items: the scenario is a slice of the evaluation of `overall`.
    All,
    /// Items of the scenario's class: cold targets against cold items, warm targets against warm
    /// items.
    Class,
}

/// The quantity that a share of items is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// The number of items, sorted by count.
    Items,
    /// The number of interactions.
    Interactions,
}

/// The interactions that popularity is counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedOn {
    /// Training interactions.
    Train,
    /// All interactions.
    All,
}

/// Which users a few-shot scenario measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FewShotUsers {
    /// All users with a test target.
    All,
    /// The K training users.
    Training,
    /// All users but the K training users.
    Others,
}

/// How items that do not occur in training get an embedding row in a cross-domain scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnseenItems {
    /// One table for both catalogues. Unseen rows keep their initial values.
    Untrained,
    /// Item i of the target uses the source's row ((i - 1) mod n) + 1.
    Reindexed,
}

impl Scenario {
    /// Name of the data set that a cross-domain scenario measures.
    pub fn target(&self) -> Option<&str> {
        match self {
            Scenario::CrossDomain { target, .. } => Some(target),
            Scenario::Overall {}
            | Scenario::ColdItems(_)
            | Scenario::WarmItems(_)
            | Scenario::RepeatTargets {}
            | Scenario::NewTargets {}
            | Scenario::ColdUsers { .. }
            | Scenario::ShuffledHistories { .. }
            | Scenario::FewShot { .. } => None,
        }
    }

    /// Whether targets are ranked only against items of the scenario's class.
    pub fn ranks_within_class(&self) -> bool {
        matches!(
            self,
            Scenario::ColdItems(share) | Scenario::WarmItems(share)
                if share.candidates == CandidatesOf::Class
        )
    }

    /// Whether the scenario is a slice of some of the users that `overall` measures.
    pub fn is_part(&self) -> bool {
        self.is_slice() && *self != Scenario::Overall {}
    }

    /// Whether the scenario only selects test users, so that it uses models trained for `overall`.
    pub fn is_slice(&self) -> bool {
        matches!(
            self,
            Scenario::Overall {}
                | Scenario::ColdItems(_)
                | Scenario::WarmItems(_)
                | Scenario::RepeatTargets {}
                | Scenario::NewTargets {}
        )
    }
}
