//! An experiment without faults: the resolved values and their origins.

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
    /// Folder that the paths of the spec are relative to.
    pub base: PathBuf,
    /// The run's folder, relative to the folder of all results. It is the path of the file below a
    /// folder `experiments`, or the experiment's name, with suffixes for flags, profile and limit.
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
