//! `[model.NAME.text_similarity]`: candidates by the similarity of their texts to the history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::allmrec::ItemText;
use super::{Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "text_similarity",
    group: Group::Untrained,
    hue: Some(Hue::Green),
    defaults: r#"
[default.model.text_similarity]
text = "labelled"
last = 0
"#,
};

/// Candidates ranked by the cosine between their text's vector and the mean vector of the last
/// items of the history. The vectors are those of a frozen text encoder; nothing is trained. A
/// vector of zeros, such as the mean of an empty history, has cosine 0 with every vector: all
/// candidates then tie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextSimilarity {
    /// Name of the text encoder.
    pub encoder: String,
    /// How title and description are combined into one text.
    pub text: ItemText,
    /// Number of last items of the history whose vectors are averaged; 0 is all items.
    pub last: usize,
}
