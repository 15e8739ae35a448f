//! Labels: the names that tables and figures display.

use std::collections::BTreeMap;

use layered_toml::written::{Entry, Node};
use layered_toml::{Fault, Reading};

use super::Spec;

impl Spec {
    /// The display name of a data set, model, variant or scenario: its label, or its name if it has
    /// none. `section` is `dataset`, `model`, `variant` or `scenario`; `model` finds variants
    /// and searches too.
    pub fn label<'a>(&'a self, section: &str, name: &'a str) -> &'a str {
        let of = |section: &str| self.labels.get(section)?.get(name);
        let is_model = section == "model";
        let other = || of("variant").or_else(|| of("search")).filter(|_| is_model);
        of(section).or_else(other).map_or(name, String::as_str)
    }
}

/// Sections that tables and figures display together. Labels and names of a group must differ.
const GROUPS: [&[&str]; 3] = [&["dataset"], &["model", "variant", "search"], &["scenario"]];

/// Reports labels that two tables share, and labels that are the name of another table.
pub(super) fn check(reading: &mut Reading) {
    let mut faults = Vec::new();
    for group in GROUPS {
        let mut displayed: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut labels = Vec::new();
        for section in group {
            for (name, table) in entries(reading.tree.get(section)) {
                match label(&reading.tree, section, name) {
                    Some(label) => labels.push(label),
                    None => {
                        displayed.insert(name, table);
                    }
                }
            }
        }
        for label in labels {
            let text = label.node.text().unwrap_or_default();
            match displayed.get(text) {
                Some(other) => faults.push(
                    Fault::at(
                        label.node.place,
                        format!("the label `{text}` is used twice"),
                    )
                    .label("the second use")
                    .related(other.key, "the first use")
                    .hint("give each its own label"),
                ),
                None => {
                    displayed.insert(text, label);
                }
            }
        }
    }
    reading.faults.append(&mut faults);
}

fn label<'t>(tree: &'t Node, section: &str, name: &str) -> Option<&'t Entry> {
    tree.at(&["labels", section])?.table()?.get(name)
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&str, &Entry)> {
    let table = node.and_then(Node::table).into_iter().flatten();
    table.map(|(name, entry)| (name.as_str(), entry))
}
