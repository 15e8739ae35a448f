//! The axes of the matrix in declared order.

use std::collections::BTreeSet;

use layered_toml::place::Place;
use layered_toml::written::{Node, Value};

/// Axes, and the sections that declare their names.
const AXES: [(&str, &[&str]); 3] = [
    ("dataset", &["dataset"]),
    ("model", &["model", "variant"]),
    ("scenario", &["scenario"]),
];

/// Fills each empty axis of the matrix with every declared name, in the order of the file, which
/// tables and figures keep. `file` is the file without flags, profile and defaults.
pub(super) fn fill(tree: &mut Node, file: Option<&Node>) {
    for (axis, sections) in AXES {
        let mut names = declared(tree, file, sections);
        names.sort();
        // A name of both a model and a variant is a fault that `check` reports.
        let mut seen = BTreeSet::new();
        names.retain(|(_, name)| seen.insert(name.clone()));
        if let Some(node) = empty_axis(tree, axis) {
            let text = |(place, name)| Node::new(place, Value::Text(name));
            node.value = Value::List(names.into_iter().map(text).collect());
        }
    }
}

/// The declared names with their places: those in the file, where it has them.
fn declared(tree: &Node, file: Option<&Node>, sections: &[&str]) -> Vec<(Place, String)> {
    let mut names = Vec::new();
    for section in sections {
        let in_file = file.and_then(|file| file.get(section)?.table());
        let all = tree.get(section).and_then(Node::table);
        for (name, entry) in all.into_iter().flatten() {
            let written = in_file.and_then(|table| table.get(name)).unwrap_or(entry);
            names.push((written.key, name.clone()));
        }
    }
    names
}

/// The list of an axis, if it is empty.
fn empty_axis<'t>(tree: &'t mut Node, axis: &str) -> Option<&'t mut Node> {
    let Value::Table(root) = &mut tree.value else {
        return None;
    };
    let Value::Table(matrix) = &mut root.get_mut("matrix")?.node.value else {
        return None;
    };
    let node = &mut matrix.get_mut(axis)?.node;
    matches!(&node.value, Value::List(names) if names.is_empty()).then_some(node)
}
