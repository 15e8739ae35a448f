//! `[model.NAME.repeat]`: a baseline that counts interactions and recommends what the user had
//! before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CfModel, Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "repeat",
    group: Group::Counting,
    hue: Some(Hue::Amber),
    defaults: r#"
[default.model.repeat]
"#,
};

/// Items of the user's history first, the most recent one before all others, then items by training
/// count. On data with repeated purchases this simple rule is a strong baseline. Where a full
/// ranking leaves out the history, it equals `popularity`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {}

impl CfModel for Repeat {}
