//! Checks local Hugging Face folders for what the worker would refuse after preparing the data.

use std::path::Path;

use serde_json::Value;

use super::Check;
use crate::experiment::fault::Fault;
use crate::experiment::shape::either;
use allround_core::fs;
use allround_core::lm_config::{LmConfig, MODEL_TYPES, unsupported, unsupported_adapter};

/// What a folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A language model.
    Llm,
    /// A text encoder.
    Encoder,
    /// What RECFORMER's `start = "weights"` reads.
    Longformer,
}

impl Kind {
    fn model_types(self) -> &'static [&'static str] {
        match self {
            Kind::Llm => &MODEL_TYPES,
            Kind::Encoder => &["bert", "distilbert"],
            Kind::Longformer => &["longformer", "recformer"],
        }
    }
}

/// The folder of an encoder's transformer, if `modules.json` refers to a subfolder.
const TRANSFORMER: &str = "0_Transformer";
/// Files of a LoRA adapter.
const ADAPTER: [&str; 3] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
];

/// Checks the folder `dir`, which is written at `path`. An empty `dir` means no folder.
pub(super) fn check(check: &mut Check<'_>, (dir, base): (&str, &Path), path: &[&str], kind: Kind) {
    let folder = base.join(dir);
    if dir.is_empty() || !folder.is_dir() {
        return;
    }
    let folder = match folder.join(TRANSFORMER).is_dir() {
        true if kind == Kind::Encoder => folder.join(TRANSFORMER),
        _ => folder,
    };
    let found = config(&folder, kind).or_else(|| adapter(&folder, kind));
    if let Some(Found { file, reason, hint }) = found {
        let mut path = path.to_vec();
        path.push("folder");
        let place = check.place(&path);
        check.push(
            Fault::at(place, format!("`{dir}`: {reason}"))
                .label("expected a model that is supported")
                .hint(format!(
                    "{hint}; the file is `{}`",
                    folder.join(file).display()
                )),
        );
    }
}

/// A fault in a file of the folder.
struct Found {
    file: &'static str,
    reason: String,
    hint: String,
}

/// The JSON of a file; `None` if there is no such file.
fn json(folder: &Path, file: &'static str) -> Option<Result<Value, Found>> {
    let path = folder.join(file);
    if !path.is_file() {
        return None;
    }
    let wrong = |reason: String| Found {
        file,
        reason: format!("`{file}` cannot be read: {reason}"),
        hint: "fetch it again".to_owned(),
    };
    let bytes = match fs::read_text(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Some(Err(wrong(error.to_string()))),
    };
    Some(serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string())))
}

fn config(folder: &Path, kind: Kind) -> Option<Found> {
    let file = "config.json";
    let value = match json(folder, file)? {
        Ok(value) => value,
        Err(found) => return Some(found),
    };
    let types = kind.model_types();
    let found = value["model_type"].as_str();
    if !found.is_some_and(|found| types.contains(&found)) {
        return Some(Found {
            file,
            reason: format!(
                "its `model_type` is {}; expected {}",
                found.map_or("absent".to_owned(), |found| format!("`{found}`")),
                either(types)
            ),
            hint: "take a model of one of these kinds".to_owned(),
        });
    }
    let hint = "take another model, or one that was saved in a plain form".to_owned();
    match kind {
        Kind::Encoder | Kind::Longformer => {
            unsupported(&value).map(|reason| Found { file, reason, hint })
        }
        Kind::Llm => {
            let message = LmConfig::open(folder).err()?.to_string();
            let of = |file: &'static str| {
                let front = format!("{}: ", folder.join(file).display());
                let reason = message.strip_prefix(&front)?.to_owned();
                Some((file, reason))
            };
            let found = of(file).or_else(|| of("generation_config.json"));
            let (file, reason) = found.unwrap_or((file, message.clone()));
            Some(Found { file, reason, hint })
        }
    }
}

/// Reports an adapter that is incomplete or cannot be merged.
fn adapter(folder: &Path, kind: Kind) -> Option<Found> {
    let there = |file: &str| folder.join(file).is_file();
    let first = ADAPTER.into_iter().find(|file| there(file))?;
    if kind != Kind::Llm {
        return Some(Found {
            file: first,
            reason: format!("it holds `{first}`; adapters of text encoders are not applied"),
            hint: "merge it with peft's `merge_and_unload` and save the model, or remove it"
                .to_owned(),
        });
    }
    if !there("config.json") {
        return Some(alone(folder, first));
    }
    if !there(ADAPTER[0]) || !ADAPTER[1..].iter().any(|file| there(file)) {
        return Some(Found {
            file: first,
            reason: format!("it holds `{first}`, but not all of an adapter"),
            hint: format!(
                "put `{}` and `{}` into it, or remove `{first}`",
                ADAPTER[0], ADAPTER[1]
            ),
        });
    }
    let value = match json(folder, ADAPTER[0])? {
        Ok(value) => value,
        Err(found) => return Some(found),
    };
    unsupported_adapter(&value).map(|reason| Found {
        file: ADAPTER[0],
        reason: format!("its LoRA adapter cannot be merged: {reason}"),
        hint: "merge it with peft's `merge_and_unload` and save the model".to_owned(),
    })
}

/// Reports an adapter without the model that it adapts.
fn alone(folder: &Path, file: &'static str) -> Found {
    let value = json(folder, ADAPTER[0]).and_then(Result::ok);
    let base = value
        .as_ref()
        .and_then(|value| value["base_model_name_or_path"].as_str());
    Found {
        file,
        reason: "it holds a LoRA adapter without the model that it adapts".to_owned(),
        hint: format!(
            "copy the files of {} into the same folder, where the adapter is then merged into its weights",
            base.map_or("that model".to_owned(), |base| format!("`{base}`"))
        ),
    }
}
