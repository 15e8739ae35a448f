//! Names in declared order: the axes of the matrix, and the figures and tables of the report.

use std::collections::BTreeSet;

use layered_toml::place::Place;
use layered_toml::written::{Node, Value};

/// A list of names that is everything declared, where the file leaves it empty.
struct List {
    path: [&'static str; 2],
    /// The sections that declare the names.
    sections: &'static [&'static str],
}

const LISTS: [List; 5] = [
    List::new("matrix", "dataset", &["dataset"]),
    List::new("matrix", "model", &["model", "variant", "search"]),
    List::new("matrix", "scenario", &["scenario"]),
    List::new("report", "figures", &["figure"]),
    List::new("report", "tables", &["table"]),
];

impl List {
    const fn new(
        table: &'static str,
        key: &'static str,
        sections: &'static [&'static str],
    ) -> List {
        List {
            path: [table, key],
            sections,
        }
    }
}

/// Fills each empty list with every declared name, in the order of the file, which tables, figures
/// and the report keep. `file` is the file without flags, profile and defaults.
pub(super) fn fill(tree: &mut Node, file: Option<&Node>) {
    for List { path, sections } in LISTS {
        let mut names = declared(tree, file, sections);
        names.sort();
        // A name of both a model and a variant is a fault that `check` reports.
        let mut seen = BTreeSet::new();
        names.retain(|(_, name)| seen.insert(name.clone()));
        if let Some(node) = empty_list(tree, path) {
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

/// The list at a path, if it is empty.
fn empty_list<'t>(tree: &'t mut Node, path: [&str; 2]) -> Option<&'t mut Node> {
    let mut node = tree;
    for key in path {
        let Value::Table(table) = &mut node.value else {
            return None;
        };
        node = &mut table.get_mut(key)?.node;
    }
    matches!(&node.value, Value::List(names) if names.is_empty()).then_some(node)
}
