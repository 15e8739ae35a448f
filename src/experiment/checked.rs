//! An experiment without faults: the resolved values, and where each of them comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use layered_toml::{Origin, Resolved};

use super::Spec;

/// A spec that has passed every check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The resolved spec.
    pub spec: Spec,
    /// Origin of each single value, by its dotted path.
    pub origins: BTreeMap<String, Origin>,
    /// Folder that the paths of the spec start from.
    pub base: PathBuf,
    /// The results folder below the folder of results: the place of the file below a folder `experiments`, or the
    /// experiment's name; with what flags, profile and limit change.
    pub folder: String,
    text: String,
}

impl Checked {
    pub(super) fn new(spec: Spec, resolved: Resolved, base: &Path, folder: String) -> Self {
        let head = "# Written by allround: the whole experiment as it was run. \
                    The comment after a value is its origin.\n";
        Checked {
            folder,
            spec,
            origins: resolved.origins,
            base: base.to_owned(),
            text: format!("{head}{}", resolved.toml),
        }
    }

    /// The resolved spec as TOML, each value with its origin in a comment;
    /// [`super::load_resolved`] reads it back.
    pub fn resolved_toml(&self) -> &str {
        &self.text
    }
}
