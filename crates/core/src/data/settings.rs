//! Settings of the two stages that this room serves; `plan` hashes them into keys.

use serde::{Deserialize, Serialize};

use crate::config::Scenario;
use crate::config::dataset::Dataset;
use crate::config::protocol::{Candidates, Rules, Ties};

/// Settings of `prepare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// The data set that is trained on.
    pub dataset: Dataset,
    /// A scenario that changes training; `None` for those that only select test users.
    pub scenario: Option<Scenario>,
    /// The data set that a cross-domain scenario measures.
    pub target: Option<Dataset>,
    /// Cell seed, where the scenario samples users; `None` where nothing is drawn.
    pub seed: Option<u64>,
    /// `--limit N`: only the first N users, for smoke runs.
    pub limit: Option<u64>,
}

/// Settings of `candidates`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawCandidates {
    /// What the target is ranked against.
    pub candidates: Candidates,
    /// Which rules decide what may be drawn.
    pub rules: Rules,
    /// How equal scores count in ranks among the lists.
    pub ties: Ties,
    /// A slice whose candidates are of its own class of items; `None` where all items are drawn from.
    pub class: Option<Scenario>,
    /// Most users evaluated; 0 is all.
    pub max_users: u64,
    /// Seed of the draw.
    pub seed: u64,
}
