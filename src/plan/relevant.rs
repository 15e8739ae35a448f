//! Which settings of scenarios and protocols matter for which stages.

use serde_json::{Value, json};

use crate::experiment::Spec;
use allround_core::config::Protocol;
use allround_core::config::protocol::Candidates;
use allround_core::config::scenario::Scenario;

pub(super) fn limit(spec: &Spec) -> Option<u64> {
    (spec.run.limit > 0).then_some(spec.run.limit)
}

/// The scenario that models are trained under.
pub(super) fn training_scenario(scenario: &Scenario) -> &Scenario {
    match scenario {
        Scenario::ShuffledHistories { training: false } => &Scenario::Overall {},
        other => other,
    }
}

/// The scenario that the CF model is trained under. With few-shot training it may keep its full
/// data.
pub(super) fn backbone_scenario(scenario: &Scenario) -> &Scenario {
    match training_scenario(scenario) {
        Scenario::FewShot {
            backbone: false, ..
        } => &Scenario::Overall {},
        other => other,
    }
}

/// Whether the scenario draws users or orders at random. Each seed then has its own data.
pub(super) fn is_random(scenario: &Scenario) -> bool {
    match scenario {
        Scenario::ColdUsers { users, .. } => *users > 0,
        Scenario::FewShot { .. } | Scenario::ShuffledHistories { .. } => true,
        Scenario::Overall {}
        | Scenario::ColdItems(_)
        | Scenario::WarmItems(_)
        | Scenario::RepeatTargets {}
        | Scenario::NewTargets {}
        | Scenario::CrossDomain { .. } => false,
    }
}

/// How many users a protocol draws for a scenario. Numbers of all users do not depend on how many
/// are drawn for slices.
pub(super) fn users_of(protocol: &Protocol, axis: &Scenario) -> Value {
    match protocol.users_per_slice {
        least if least > 0 && protocol.max_users > 0 && axis.is_part() => {
            json!([protocol.max_users, least])
        }
        _ => json!(protocol.max_users),
    }
}

/// The seed of a protocol's draw. It is 0 if nothing is drawn: all seeds then share one artefact.
pub(super) fn draw_seed(protocol: &Protocol, cell_seed: u64) -> u64 {
    let is_given = match protocol.candidates {
        Candidates::Full { .. } | Candidates::File(_) | Candidates::FavouriteGenre(_) => true,
        Candidates::Uniform { .. } | Candidates::Popularity { .. } => false,
    };
    let nothing = is_given && protocol.max_users == 0;
    match protocol.candidates_seed {
        _ if nothing => 0,
        0 => cell_seed,
        seed => seed,
    }
}
