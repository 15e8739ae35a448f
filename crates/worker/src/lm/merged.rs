//! A LoRA adapter in a model's folder, merged into its weights as peft's `merge_and_unload` does.
//!
//! Upstream: peft 0.21, `LoraLayer.get_delta_weight`: W + (alpha / r) B A, or alpha / sqrt(r) with
//! `use_rslora`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use allround_core::fs::{self, FsError};
use allround_core::lm_config;
use serde_json::Value;
use tch::{Kind, Tensor};
use tokenizers::utils::SysRegex;

use super::WeightSource;
use crate::hf::checkpoint::{Checkpoint, CheckpointError};
use crate::hf::surplus::listed;

/// The file that describes an adapter.
const CONFIG: &str = "adapter_config.json";
/// Files that hold one, the preferred first.
const WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];
/// In front of every module's name in an adapter of a model with a head.
const FRONT: &str = "base_model.model.";

/// Why an adapter cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergedError {
    /// A file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Its weights cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Something in its files is not supported, or they contradict each other.
    #[error("`{path}`: {reason}")]
    Adapter {
        /// The file.
        path: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// The update of one linear layer.
#[derive(Debug)]
struct Update {
    /// [r, inputs].
    down: Tensor,
    /// [outputs, r].
    up: Tensor,
}

/// A model's weights with an adapter's updates.
#[derive(Debug)]
pub struct Merged<'a> {
    plain: &'a Checkpoint,
    path: PathBuf,
    scale: f64,
    rank: i64,
    /// By the module's full name.
    updates: BTreeMap<String, Update>,
    taken: RefCell<BTreeSet<String>>,
}

impl WeightSource for Checkpoint {
    fn contains(&self, name: &str) -> bool {
        Checkpoint::contains(self, name)
    }

    fn tensor(&self, name: &str) -> Result<Tensor, String> {
        Checkpoint::tensor(self, name).map_err(|error| error.to_string())
    }

    fn names(&self) -> Vec<&str> {
        Checkpoint::names(self).collect()
    }

    fn place(&self) -> String {
        format!("`{}`", self.folder())
    }
}

impl<'a> Merged<'a> {
    /// The adapter of `folder`, which holds the weights `plain`; `None` without one.
    ///
    /// # Errors
    /// When its files are incomplete, damaged, of a kind that is not supported, or contradict each
    /// other.
    pub fn open(folder: &Path, plain: &'a Checkpoint) -> Result<Option<Self>, MergedError> {
        let path = folder.join(CONFIG);
        let weights = WEIGHTS.map(|name| folder.join(name));
        let weights = weights.iter().find(|path| path.is_file());
        let wrong = |reason: String| MergedError::Adapter {
            path: path.display().to_string(),
            reason,
        };
        let weights = match (path.is_file(), weights) {
            (false, None) => return Ok(None),
            (true, Some(weights)) => weights,
            (true, None) => {
                return Err(wrong(format!(
                    "it describes an adapter, but `{}` is missing next to it",
                    WEIGHTS[0]
                )));
            }
            (false, Some(weights)) => {
                return Err(wrong(format!(
                    "it is missing next to `{}`; without it an adapter has no meaning, so add it or remove both",
                    weights.display()
                )));
            }
        };
        let config: Value = serde_json::from_slice(&fs::read_text(&path)?)
            .map_err(|error| wrong(format!("not JSON: {error}")))?;
        if let Some(reason) = lm_config::unsupported_adapter(&config) {
            return Err(wrong(reason));
        }
        let rank = config["r"].as_i64().unwrap_or_default();
        let alpha = config["lora_alpha"].as_f64().unwrap_or_default();
        let divisor = match config["use_rslora"].as_bool() {
            Some(true) => (rank as f64).sqrt(),
            Some(false) | None => rank as f64,
        };
        let updates = updates(&Checkpoint::of_file(weights)?, weights, rank)?;
        let targets = Targets::of(&config).map_err(wrong)?;
        targets.check(plain, &updates).map_err(wrong)?;
        Ok(Some(Self {
            plain,
            path,
            scale: alpha / divisor,
            rank,
            updates,
            taken: RefCell::default(),
        }))
    }

    /// Refuses updates of modules that the model does not have.
    ///
    /// # Errors
    /// When there are any.
    pub fn check_all_taken(&self) -> Result<(), MergedError> {
        let taken = self.taken.borrow();
        let left = self.updates.keys().filter(|name| !taken.contains(*name));
        let left: Vec<&str> = left.map(String::as_str).collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(MergedError::Adapter {
            path: self.path.display().to_string(),
            reason: format!(
                "the model has no linear layer {}; take model and adapter that belong together",
                listed(&left)
            ),
        })
    }

    /// What belongs to every number made with the merged model.
    pub fn remark(&self) -> String {
        format!(
            "a LoRA adapter of rank {} is merged into {} layers of the language model",
            self.rank,
            self.updates.len()
        )
    }

    /// The update of the weight `name`: published OPT files lack `model.` in front.
    fn update(&self, name: &str) -> Option<(&String, &Update)> {
        let module = name.strip_suffix(".weight")?;
        let known = self.updates.get_key_value(module);
        known.or_else(|| self.updates.get_key_value(&format!("model.{module}")))
    }
}

impl WeightSource for Merged<'_> {
    fn contains(&self, name: &str) -> bool {
        self.plain.contains(name)
    }

    fn tensor(&self, name: &str) -> Result<Tensor, String> {
        let plain = WeightSource::tensor(self.plain, name)?;
        let Some((module, Update { down, up })) = self.update(name) else {
            return Ok(plain);
        };
        let expected = [up.size()[0], down.size()[1]];
        if plain.size() != expected {
            return Err(format!(
                "`{}`: the adapter's update of `{module}` is {expected:?}, the weight {:?}; take model and adapter that belong together",
                self.path.display(),
                plain.size()
            ));
        }
        self.taken.borrow_mut().insert(module.clone());
        Ok(plain.to_kind(Kind::Float) + up.matmul(down) * self.scale)
    }

    fn names(&self) -> Vec<&str> {
        WeightSource::names(self.plain)
    }

    fn place(&self) -> String {
        WeightSource::place(self.plain)
    }
}

/// The updates in an adapter's weights, by module.
fn updates(
    adapter: &Checkpoint,
    path: &Path,
    rank: i64,
) -> Result<BTreeMap<String, Update>, MergedError> {
    let wrong = |reason: String| MergedError::Adapter {
        path: path.display().to_string(),
        reason,
    };
    let mut parts: BTreeMap<&str, [Option<Tensor>; 2]> = BTreeMap::new();
    for name in adapter.names() {
        let module = name.strip_prefix(FRONT);
        let found = module.and_then(|module| {
            let ends = [".lora_A.weight", ".lora_B.weight"];
            let mut ends = ends.iter().enumerate();
            ends.find_map(|(part, end)| Some((module.strip_suffix(end)?, part)))
        });
        let Some((module, part)) = found else {
            return Err(wrong(format!(
                "tensor `{name}` is not supported; expected `{FRONT}MODULE.lora_A.weight` and `lora_B`"
            )));
        };
        let tensor = adapter.tensor(name)?.to_kind(Kind::Float);
        if tensor.dim() != 2 || tensor.size()[part] != rank {
            return Err(wrong(format!(
                "tensor `{name}` has shape {:?}; expected rank {rank} by `{CONFIG}`",
                tensor.size()
            )));
        }
        parts.entry(module).or_default()[part] = Some(tensor);
    }
    let whole = parts.into_iter().map(|(module, parts)| match parts {
        [Some(down), Some(up)] => Ok((module.to_owned(), Update { down, up })),
        _ => Err(wrong(format!("`{module}` lacks `lora_A` or `lora_B`"))),
    });
    whole.collect()
}

/// Which modules an adapter's configuration names.
#[derive(Debug)]
enum Targets {
    /// Those with one of these last names.
    Names(Vec<String>),
    /// Those whose whole name matches.
    Pattern(Box<SysRegex>),
    /// All linear layers but the head.
    All,
}

impl Targets {
    fn of(config: &Value) -> Result<Self, String> {
        let expected = || {
            format!(
                "`target_modules` is {}; expected names of modules, or a regular expression",
                config["target_modules"]
            )
        };
        match &config["target_modules"] {
            Value::String(all) if all == "all-linear" => Ok(Self::All),
            Value::String(pattern) => {
                let whole = format!(r"\A(?:{pattern})\z");
                let regex =
                    SysRegex::new(&whole).map_err(|error| format!("{}: {error}", expected()))?;
                Ok(Self::Pattern(Box::new(regex)))
            }
            Value::Array(names) if !names.is_empty() => {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                names
                    .collect::<Option<_>>()
                    .map(Self::Names)
                    .ok_or_else(expected)
            }
            _ => Err(expected()),
        }
    }

    fn matches(&self, module: &str) -> bool {
        match self {
            Self::Names(names) => names.iter().any(|name| {
                module == name
                    || module
                        .strip_suffix(name.as_str())
                        .is_some_and(|front| front.ends_with('.'))
            }),
            Self::Pattern(pattern) => pattern.find_iter(module).next().is_some(),
            Self::All => module.rsplit('.').next() != Some("lm_head"),
        }
    }

    /// Checks that the modules named and those with an update are the same.
    fn check(&self, plain: &Checkpoint, updates: &BTreeMap<String, Update>) -> Result<(), String> {
        for module in updates.keys() {
            if !self.matches(module) {
                return Err(format!(
                    "`target_modules` does not name `{module}`, of which the adapter has weights"
                ));
            }
        }
        let short = !plain.names().any(|name| name.starts_with("model."));
        let front = if short { "model." } else { "" };
        let linear = plain.names().filter(|name| name.contains(".layers."));
        for name in linear.filter_map(|name| name.strip_suffix(".weight")) {
            let module = format!("{front}{name}");
            let is_norm = name.ends_with("norm") || name.ends_with("layernorm");
            if !is_norm && self.matches(&module) && !updates.contains_key(&module) {
                return Err(format!(
                    "`target_modules` names `{module}`, but the adapter has no weights of it"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
