//! The embedded defaults: `defaults.toml`, found by what a table is.

use std::sync::LazyLock;

use super::place::DEFAULTS;
use super::shape::Table;
use super::written::{Node, Value, parse};

use allround_core::defaults::DEFAULTS as TEXT;

/// The embedded defaults, parsed.
#[derive(Debug)]
pub(super) struct Defaults {
    root: Node,
}

static BUILT_IN: LazyLock<Defaults> = LazyLock::new(|| {
    let mut root = parse(&TEXT, DEFAULTS).expect("the tests parse the embedded defaults");
    mark_presets(&mut root);
    Defaults { root }
});

fn mark_presets(root: &mut Node) {
    let Value::Table(sections) = &mut root.value else {
        return;
    };
    let presets = sections
        .get_mut("preset")
        .map(|entry| &mut entry.node.value);
    if let Some(Value::Table(presets)) = presets {
        for (name, entry) in presets {
            entry.node.mark_preset(name);
        }
    }
}

impl Defaults {
    /// The ones of this program.
    pub(super) fn built_in() -> &'static Defaults {
        &BUILT_IN
    }

    /// Defaults of the file as a whole.
    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    /// Defaults of a table, by what it is.
    pub(super) fn of(&self, table: &Table) -> Option<&Node> {
        let name = table.name.iter().map(String::as_str);
        let path: Vec<&str> = std::iter::once("default").chain(name).collect();
        self.root.at(&path)
    }

    /// Names of the presets that a kind of model has.
    pub(super) fn presets(&self, kind: &str) -> Vec<&str> {
        let presets = self.root.get("preset").and_then(Node::table);
        presets
            .into_iter()
            .flatten()
            .filter(|(_, entry)| entry.node.get(kind).is_some())
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The settings of a preset for a kind of model.
    pub(super) fn preset(&self, name: &str, kind: &str) -> Option<&Node> {
        self.root.at(&["preset", name, kind])
    }

    /// The preset of a model that names none.
    pub(super) fn default_preset(&self) -> &str {
        let preset = self.root.at(&["default", "model", "preset"]);
        preset
            .and_then(Node::text)
            .expect("the tests find the default preset")
    }
}
