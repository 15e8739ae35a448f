//! An experiment without faults: the resolved values and their origins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use layered_toml::Origin;
use layered_toml::written::Node;

use super::Spec;
use super::config::search::Best;
use super::load::Loaded;

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
    /// Bytes of `text` before the results of searches.
    length: usize,
    /// What was written, strongest first: models with other settings are made from it.
    pub(super) layers: Vec<Node>,
}

impl Checked {
    pub(super) fn new(loaded: Loaded, base: &Path, folder: String) -> Self {
        let Loaded {
            resolved,
            flagged,
            layers,
        } = loaded;
        let head = "# Written by allround: the whole experiment as it was run. \
                    The comment after a value is its origin.\n";
        Checked {
            folder,
            spec: flagged.spec,
            origins: resolved.origins,
            base: base.to_owned(),
            length: head.len() + resolved.toml.len(),
            text: format!("{head}{}", resolved.toml),
            layers,
        }
    }

    /// The resolved spec as TOML, each value with its origin in a comment;
    /// [`super::load_resolved`] reads it back.
    pub fn resolved_toml(&self) -> &str {
        &self.text
    }

    /// Adds the best settings that a search found on a data set.
    pub fn add_best(&mut self, search: &str, dataset: &str, best: Best) {
        if let Some(search) = self.spec.search.get_mut(search) {
            search.best.insert(dataset.to_owned(), best);
        }
        let named = |key: &str, value: toml::Value| {
            toml::Value::Table(toml::Table::from_iter([(key.to_owned(), value)]))
        };
        // The text does not depend on which search ended first.
        self.text.truncate(self.length);
        for (name, search) in &self.spec.search {
            if search.best.is_empty() {
                continue;
            }
            let best = toml::Value::try_from(&search.best).expect("settings of a model are TOML");
            let best = named("search", named(name, named("best", best)));
            let best = toml::to_string(&best).expect("a table is TOML");
            self.text
                .push_str(&format!("\n# Found by the search.\n{best}"));
        }
    }
}
