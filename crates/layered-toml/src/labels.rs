//! Labels: a display name next to the settings of a named table.
//!
//! The file writes `[model.NAME] label = "..."`. The resolved file collects all labels in one
//! table, `[labels.model]`, so that the types of the settings do not hold them.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
use crate::shape::Shape;
use crate::structure::wrong;
use crate::written::{Entry, Node, Value};

/// Most characters of a label.
const MOST: usize = 80;

/// Takes the labels out of the layers, strongest first; the result is the table of labels by
/// section and name, if there are any.
pub(crate) fn take(format: &Format, layers: &mut [Node], faults: &mut Vec<Fault>) -> Option<Entry> {
    let rule = format.rules.labels.as_ref()?;
    let mut sections: BTreeMap<String, Entry> = BTreeMap::new();
    for layer in layers {
        let Some(top) = layer.table_mut() else {
            continue;
        };
        for section in rule.sections {
            let tables = top
                .get_mut(*section)
                .and_then(|entry| entry.node.table_mut());
            for (name, entry) in tables.into_iter().flatten() {
                let label = entry
                    .node
                    .table_mut()
                    .and_then(|table| table.remove(rule.key));
                let Some(label) = label else {
                    continue;
                };
                let path = Path::of(&[section, name, rule.key]);
                if let Some(fault) = fault(&label.node, &path) {
                    faults.push(fault);
                    continue;
                }
                let of_section = sections
                    .entry((*section).to_owned())
                    .or_insert_with(|| table_at(&label));
                if let Some(labels) = of_section.node.table_mut() {
                    labels.entry(name.clone()).or_insert(label);
                }
            }
        }
    }
    let first = sections.values().next()?.clone();
    let mut all = table_at(&first);
    all.node.value = Value::Table(sections);
    Some(all)
}

/// An empty table at the place of an entry.
fn table_at(entry: &Entry) -> Entry {
    Entry {
        key: entry.key,
        node: Node::new(entry.node.place, Value::Table(BTreeMap::new())),
    }
}

fn fault(label: &Node, path: &Path) -> Option<Fault> {
    let Some(text) = label.text() else {
        return Some(wrong(&Shape::Text, label, path));
    };
    let words = match text {
        text if text.trim().is_empty() => "is blank",
        text if text.chars().any(char::is_control) => "contains a control character",
        text if text.chars().count() > MOST => "is too long",
        _ => return None,
    };
    let message = format!("`{}` {words}", path.shown());
    Some(
        Fault::at(label.place, message)
            .of(path)
            .label(format!("expected one line of 1 to {MOST} characters"))
            .hint("a label is a display name; remove the line to display the name of the table"),
    )
}
