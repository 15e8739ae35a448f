//! Which files of a folder hold its weights: the order of transformers 5.24's `from_pretrained`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use allround_core::fs;
use serde_json::Value;

use super::CheckpointError;

/// Names of a checkpoint in one file, the preferred form first. An index follows the whole file of
/// its form.
const WHOLE: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// What a shard index adds to them.
const INDEX: &str = ".index.json";

/// The files that are read, and what is passed over.
#[derive(Debug)]
pub(super) struct Choice {
    /// One file, or the shards in the order of their names.
    pub files: Vec<PathBuf>,
    /// The shard of each tensor, where there is an index.
    pub index: Option<Index>,
    /// Sentences on files that contradict those that are read.
    pub remarks: Vec<String>,
}

/// A shard index.
#[derive(Debug)]
pub(super) struct Index {
    /// The file.
    pub path: PathBuf,
    /// The shard of each tensor.
    pub shard_of: BTreeMap<String, String>,
}

impl Choice {
    /// Chooses among the files of `folder`.
    ///
    /// # Errors
    /// When there are no weights, an index is damaged, or a shard is missing.
    pub fn of(folder: &Path) -> Result<Self, CheckpointError> {
        for (place, name) in WHOLE.iter().enumerate() {
            let whole = folder.join(name);
            if whole.is_file() {
                return Ok(Self {
                    files: vec![whole],
                    index: None,
                    remarks: passed_over(folder, place),
                });
            }
            let path = folder.join(format!("{name}{INDEX}"));
            if path.is_file() {
                let index = Index::read(path)?;
                return Ok(Self {
                    files: index.files()?,
                    index: Some(index),
                    remarks: Vec::new(),
                });
            }
        }
        Err(CheckpointError::NoWeights {
            folder: folder.display().to_string(),
        })
    }
}

/// What to say of an index next to the whole file `WHOLE[chosen]`: transformers ignores it.
fn passed_over(folder: &Path, chosen: usize) -> Vec<String> {
    let name = WHOLE[chosen];
    let index = format!("{name}{INDEX}");
    let text = format!(
        "weights read from `{name}`; `{index}` and its shards are ignored, as in transformers"
    );
    let there = folder.join(index).is_file();
    there.then_some(text).into_iter().collect()
}

impl Index {
    fn read(path: PathBuf) -> Result<Self, CheckpointError> {
        let wrong = |reason: String| CheckpointError::Index {
            path: path.display().to_string(),
            reason,
        };
        let value: Value = serde_json::from_slice(&fs::read_text(&path)?)
            .map_err(|error| wrong(error.to_string()))?;
        let map = value.get("weight_map").and_then(Value::as_object);
        let map = map.ok_or_else(|| wrong("it has no table `weight_map`".to_owned()))?;
        if map.is_empty() {
            return Err(wrong("its `weight_map` is empty".to_owned()));
        }
        let mut shard_of = BTreeMap::new();
        for (tensor, shard) in map {
            let shard = shard.as_str().filter(|shard| !shard.contains(['/', '\\']));
            let shard =
                shard.ok_or_else(|| wrong(format!("`{tensor}` is not in a file next to it")))?;
            shard_of.insert(tensor.clone(), shard.to_owned());
        }
        Ok(Self { path, shard_of })
    }

    /// The shards, each once, in order.
    fn files(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut names: Vec<&String> = self.shard_of.values().collect();
        names.sort_unstable();
        names.dedup();
        let count = names.len();
        let path = |name: &String| {
            let path = self.path.with_file_name(name);
            if path.is_file() {
                return Ok(path);
            }
            Err(CheckpointError::MissingShard {
                shard: name.clone(),
                index: self.path.display().to_string(),
                count,
            })
        };
        names.into_iter().map(path).collect()
    }

    /// Refuses an index that names a tensor which its shard does not hold; `shard_of` gives the
    /// shard that holds a tensor.
    ///
    /// # Errors
    /// When there is one.
    pub fn check<'a>(
        &self,
        shard_of: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(), CheckpointError> {
        for (tensor, named) in &self.shard_of {
            let found = shard_of(tensor);
            if found == Some(named) {
                continue;
            }
            let found = match found {
                Some(other) => format!("`{other}` holds it"),
                None => "no shard holds it".to_owned(),
            };
            return Err(CheckpointError::Index {
                path: self.path.display().to_string(),
                reason: format!(
                    "it places tensor `{tensor}` in `{named}`, but {found}; take the index and its shards from the same model"
                ),
            });
        }
        Ok(())
    }
}
