//! `[model.NAME.markov]`: a baseline that counts interactions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CfModel, Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "markov",
    group: Group::Counting,
    hue: Some(Hue::Indigo),
    defaults: r#"
# Pseudo-counts of the popularity back-off: one observed transition outweighs it.
[default.model.markov]
smoothing = 1.0
"#,
};

/// First-order Markov chain with popularity as back-off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Markov {
    /// Weight of the popularity back-off, in pseudo-counts.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub smoothing: f64,
}

impl CfModel for Markov {}
