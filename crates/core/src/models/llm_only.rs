//! `[model.NAME.llm_only]`: a language model alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm_method::{Inference, LlmMethod};
use super::{Group, Hue, Kind};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "llm_only",
    group: Group::LlmMethod,
    hue: Some(Hue::Wine),
    defaults: r#"
[default.model.llm_only]
prompt = "default"

[preset.paper.llm_only]
inference.score = {}
"#,
};

/// A language model alone, zero-shot. Its prompts contain only titles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlmOnly {
    /// Name of the language model.
    pub llm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// How an answer is read.
    pub inference: Inference,
}

impl LlmMethod for LlmOnly {
    fn llm(&self) -> &str {
        &self.llm
    }

    fn prompt(&self) -> &str {
        &self.prompt
    }

    fn inference(&self) -> Option<&Inference> {
        Some(&self.inference)
    }
}
