//! The defaults: one TOML text, whose values are found by the name of a table.

use crate::fault::Faults;
use crate::place::{DEFAULTS, SourceText, Sources};
use crate::shape::Table;
use crate::written::{Node, parse};

/// Parsed defaults.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub(crate) source: SourceText,
    root: Node,
}

impl Defaults {
    /// Parses the defaults; `name` is what messages call them.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Faults> {
        let source = SourceText {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let mut root = parse(text, DEFAULTS)
            .map_err(|faults| Faults::new(Sources::new(source.clone(), name, text), faults))?;
        let presets = root.table_mut().and_then(|root| root.get_mut("preset"));
        let presets = presets.and_then(|entry| entry.node.table_mut());
        for (name, entry) in presets.into_iter().flatten() {
            entry.node.mark_preset(name);
        }
        Ok(Defaults { source, root })
    }

    /// Defaults of the file as a whole.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Defaults of a table, by its name.
    pub(crate) fn of(&self, table: &Table) -> Option<&Node> {
        let name = table.name.iter().map(String::as_str);
        let path: Vec<&str> = std::iter::once("default").chain(name).collect();
        self.root.at(&path)
    }

    /// Names of the presets of a table: kinds have some where `[default.ENUM]` has a `preset`.
    pub(crate) fn presets(&self, table: &Table) -> Vec<&str> {
        let [kinds, kind] = table.name.as_slice() else {
            return Vec::new();
        };
        if self.default_preset(kinds).is_none() {
            return Vec::new();
        }
        let presets = self.root.get("preset").and_then(Node::table);
        presets
            .into_iter()
            .flatten()
            .filter(|(_, entry)| entry.node.get(kind).is_some())
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The values of a preset for a kind.
    pub(crate) fn preset(&self, name: &str, kind: &str) -> Option<&Node> {
        self.root.at(&["preset", name, kind])
    }

    /// The preset of a table that names none.
    pub(crate) fn default_preset(&self, kinds: &str) -> Option<&str> {
        self.root.at(&["default", kinds, "preset"])?.text()
    }
}
