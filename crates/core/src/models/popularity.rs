//! `[model.NAME.popularity]`: a baseline that counts interactions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CfModel, Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "popularity",
    group: Group::Counting,
    hue: Some(Hue::Grey),
    defaults: r#"
[default.model.popularity]
"#,
};

/// Items by training count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Popularity {}

impl CfModel for Popularity {}
