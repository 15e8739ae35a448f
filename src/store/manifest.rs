//! The manifest of an artefact: every file with its size and digest.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{EVENTS, MANIFEST};
use allround_core::digest::Key;
use allround_core::fs::{self, FsError};
use allround_core::program::Program;

/// The contents of an artefact folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub version: u32,
    /// Kind of the stage.
    pub kind: String,
    /// The stage's key.
    pub key: Key,
    /// [`Program`] of the worker that made it, in one line.
    pub made_by: String,
    /// Every other file of the folder, in sorted order.
    pub files: Vec<FileEntry>,
}

/// One file of an artefact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path below the artefact folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the contents.
    pub digest: Key,
}

impl FileEntry {
    /// Checks the contents.
    fn check(&self, folder: &Path) -> Result<(), String> {
        let digest = fs::digest(&folder.join(&self.path)).map_err(|error| error.to_string())?;
        match digest == self.digest {
            true => Ok(()),
            false => Err(format!("the contents of `{}` have changed", self.path)),
        }
    }
}

impl Manifest {
    /// The manifest of the files in `folder`, made by the worker `made_by`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of_folder(
        kind: &str,
        key: &Key,
        made_by: &Program,
        folder: &Path,
    ) -> Result<Manifest, FsError> {
        let mut files = Vec::new();
        for path in fs::walk(folder)? {
            let below = path.strip_prefix(folder).unwrap_or(&path);
            let name = below.to_string_lossy().into_owned();
            if name != MANIFEST {
                files.push(FileEntry {
                    path: name,
                    size: fs::stamp(&path)?.size,
                    digest: fs::digest(&path)?,
                });
            }
        }
        Ok(Manifest {
            version: 1,
            kind: kind.to_owned(),
            key: *key,
            made_by: made_by.to_string(),
            files,
        })
    }

    /// Writes the manifest into `folder`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), FsError> {
        let text = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        fs::write_atomic(&folder.join(MANIFEST), &text)
    }

    /// The manifest of `folder`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(folder: &Path) -> Result<Manifest, String> {
        let bytes = fs::read_at_most(&folder.join(MANIFEST), fs::MOST_TEXT)
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| format!("the manifest is damaged: {error}"))
    }

    /// Checks that the manifest belongs to `key`, then its files with `check`.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(
        &self,
        key: &Key,
        folder: &Path,
        check: fn(&Manifest, &Path) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.key != *key {
            return Err(format!("the manifest belongs to key {}", self.key.short()));
        }
        check(self, folder)
    }

    /// Checks that every file exists with its size.
    ///
    /// # Errors
    /// Which file is missing or has another size.
    pub fn check_sizes(&self, folder: &Path) -> Result<(), String> {
        for file in &self.files {
            let stamp = fs::stamp(&folder.join(&file.path)).map_err(|error| error.to_string())?;
            if stamp.size != file.size {
                return Err(format!(
                    "`{}` has {} bytes, not {}",
                    file.path, stamp.size, file.size
                ));
            }
        }
        Ok(())
    }

    /// Checks the digest of every file.
    ///
    /// # Errors
    /// Which file is missing or has changed.
    pub fn check_digests(&self, folder: &Path) -> Result<(), String> {
        self.check_sizes(folder)?;
        self.files.iter().try_for_each(|file| file.check(folder))
    }

    /// Checks sizes, and the digest of the events, which the results read from every stage.
    ///
    /// # Errors
    /// Which file is missing or has changed.
    pub fn check_events(&self, folder: &Path) -> Result<(), String> {
        self.check_sizes(folder)?;
        let mut events = self.files.iter().filter(|file| file.path == EVENTS);
        events.try_for_each(|file| file.check(folder))
    }

    /// Total bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}
