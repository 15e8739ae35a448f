//! What a folder of sentence-transformers puts together: transformer, pooling, normalisation, and
//! the default prompt.

use std::path::{Path, PathBuf};

use allround_core::config::encoder::Pooling;
use serde_json::Value;

use super::{SentenceError, json};

/// What `modules.json` puts together.
#[derive(Debug)]
pub(super) struct Modules {
    /// The folder of the transformer.
    pub transformer: PathBuf,
    /// How its states become a vector.
    pub pooling: Pooling,
    /// Whether vectors are given length 1.
    pub normalised: bool,
    /// What sentence-transformers puts in front of every text.
    pub prompt: String,
}

impl Modules {
    /// Reads `modules.json` and what it names; a folder without it is a transformer with mean
    /// pooling.
    ///
    /// # Errors
    /// When a file is damaged or describes what is not supported.
    pub fn read(folder: &Path) -> Result<Self, SentenceError> {
        let path = folder.join("modules.json");
        let mut found = Self {
            transformer: folder.to_owned(),
            pooling: Pooling::Mean,
            normalised: false,
            prompt: prompt(folder)?,
        };
        let mut include_prompt = true;
        if !path.is_file() {
            return Ok(found);
        }
        let list = json(&path)?;
        let wrong = |reason: String| SentenceError::Folder {
            path: path.display().to_string(),
            reason,
        };
        let list = list
            .as_array()
            .ok_or_else(|| wrong("expected a list of modules".to_owned()))?;
        for module in list {
            let (kind, place) = (text(module, "type"), text(module, "path"));
            match kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => found.transformer = folder.join(place),
                "Pooling" => {
                    let path = folder.join(place).join("config.json");
                    found.pooling = pooling(&path)?;
                    include_prompt = json(&path)?["include_prompt"].as_bool().unwrap_or(true);
                }
                "Normalize" => found.normalised = true,
                // Dropout before training's end; nothing once a vector is wanted.
                "Dropout" => {}
                _ => {
                    return Err(wrong(format!(
                        "module `{kind}` is not supported; expected `Transformer`, `Pooling` or `Normalize`"
                    )));
                }
            }
        }
        if !include_prompt && !found.prompt.is_empty() {
            return Err(wrong(
                "its pooling leaves out the default prompt (`include_prompt` is false), which is not supported; remove `default_prompt_name` from `config_sentence_transformers.json`"
                    .to_owned(),
            ));
        }
        Ok(found)
    }
}

/// The prompt that `default_prompt_name` of `config_sentence_transformers.json` names; empty
/// without one.
fn prompt(folder: &Path) -> Result<String, SentenceError> {
    let path = folder.join("config_sentence_transformers.json");
    if !path.is_file() {
        return Ok(String::new());
    }
    let config = json(&path)?;
    let Some(name) = config["default_prompt_name"].as_str() else {
        return Ok(String::new());
    };
    let prompt = config["prompts"][name].as_str();
    prompt
        .map(str::to_owned)
        .ok_or_else(|| SentenceError::Folder {
            path: path.display().to_string(),
            reason: format!("`default_prompt_name` is `{name}`, but `prompts` has no such text"),
        })
}

/// The pooling that a module's `config.json` names: one word in newer files, a switch for each kind
/// in older ones.
fn pooling(path: &Path) -> Result<Pooling, SentenceError> {
    let config = json(path)?;
    let mut modes: Vec<&str> = match &config["pooling_mode"] {
        Value::String(mode) => vec![mode.as_str()],
        Value::Array(modes) => modes.iter().filter_map(Value::as_str).collect(),
        _ => {
            let switches = config.as_object().into_iter().flatten();
            let on = switches.filter(|(_, value)| value.as_bool() == Some(true));
            on.filter_map(|(name, _)| name.strip_prefix("pooling_mode_"))
                .collect()
        }
    };
    for mode in &mut modes {
        *mode = match *mode {
            "mean_tokens" => "mean",
            "cls_token" => "cls",
            other => other,
        };
    }
    match modes[..] {
        ["mean"] => Ok(Pooling::Mean),
        ["cls"] => Ok(Pooling::First),
        _ => Err(SentenceError::Folder {
            path: path.display().to_string(),
            reason: format!(
                "pooling is `{}`; expected `mean` or `cls`",
                modes.join("` and `")
            ),
        }),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
