//! Artefacts that no experiment with a results folder uses.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Experiment, Manifest, Store};
use allround_core::digest::Key;
use allround_core::fs::{self, FsError};

/// A folder that may be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waste {
    /// The folder.
    pub path: PathBuf,
    /// Kind of the stage, or `work` for the files of an unfinished stage.
    pub kind: String,
    /// The stage's key.
    pub key: Key,
    /// Bytes.
    pub size: u64,
}

impl Store {
    /// Artefacts and unfinished work that no experiment with a results folder uses. Empty if the
    /// record of an experiment is damaged, since what it uses is unknown; `skip_damaged` ignores
    /// damaged records.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn waste(&self, skip_damaged: bool) -> Result<Vec<Waste>, FsError> {
        let experiments = self.experiments()?;
        if !experiments.damaged.is_empty() && !skip_damaged {
            return Ok(Vec::new());
        }
        let needed = needed(experiments.found);
        let mut waste = Vec::new();
        for kind in fs::list(&self.root().join("artefacts"))? {
            let name = kind
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            collect(&kind, &name, &needed, &mut waste)?;
        }
        collect(&self.root().join("work"), "work", &needed, &mut waste)?;
        Ok(waste)
    }

    /// Removes the folders found by [`Store::waste`], except those a run is using. Returns bytes
    /// freed.
    ///
    /// # Errors
    /// When a folder cannot be removed.
    pub fn remove(&self, waste: &[Waste]) -> Result<u64, FsError> {
        let mut freed = 0;
        for piece in waste {
            if let Some(claim) = self.try_claim(&piece.key)? {
                fs::remove_dir_all(&piece.path)?;
                freed += piece.size;
                // The lock file stays: another run may already be waiting for it.
                drop(claim);
            }
        }
        for experiment in self.experiments()?.found {
            if !experiment.results.exists() {
                self.forget(&experiment.results)?;
            }
        }
        Ok(freed)
    }
}

fn needed(experiments: Vec<Experiment>) -> HashSet<Key> {
    let kept = experiments.into_iter();
    kept.filter(|experiment| experiment.results.exists())
        .flat_map(|experiment| experiment.artefacts)
        .map(|(_, key)| key)
        .collect()
}

fn collect(
    folder: &std::path::Path,
    kind: &str,
    needed: &HashSet<Key>,
    waste: &mut Vec<Waste>,
) -> Result<(), FsError> {
    // A file in place of a folder holds no artefact.
    if !folder.is_dir() {
        return Ok(());
    }
    for path in fs::list(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Ok(key) = name.parse::<Key>() else {
            continue;
        };
        if !needed.contains(&key) {
            waste.push(Waste {
                kind: kind.to_owned(),
                key,
                size: size(&path)?,
                path,
            });
        }
    }
    Ok(())
}

fn size(folder: &std::path::Path) -> Result<u64, FsError> {
    if let Ok(manifest) = Manifest::load(folder) {
        return Ok(manifest.size());
    }
    let files = fs::walk(folder)?;
    Ok(files
        .iter()
        .filter_map(|file| fs::stamp(file).ok())
        .map(|stamp| stamp.size)
        .sum())
}
