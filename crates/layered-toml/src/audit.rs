//! Checks a format itself: its defaults have a place in the types, and its rules agree with them.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
use crate::shape::{Kinds, Shape, Table};
use crate::structure::Structure;
use crate::written::{Entry, Node};

/// What is wrong with a format.
pub(crate) fn faults(format: &Format) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tables = tables(&format.root);
    let mut root = format.defaults.root().clone();
    let mut take = |key: &str| Some(root.table_mut()?.remove(key)?.node);
    let (by_table, presets) = (take("default"), take("preset"));
    let mut structure = Structure::new(format, &mut faults);
    structure.table(&format.root, &root, &Path::root());
    for table in &tables {
        if let Some(node) = format.defaults.of(table) {
            let name: Vec<&str> = table.name.iter().map(String::as_str).collect();
            structure.table(table, node, &Path::of(&name));
        }
    }
    let is_table = |name: &[&str]| tables.iter().any(|table| table.name == name);
    for (name, entry) in entries(by_table.as_ref()) {
        if is_table(&[name]) {
            continue;
        }
        for (kind, entry) in entries(Some(&entry.node)) {
            let is_default_preset = kind == "preset" && entry.node.text().is_some();
            if !is_table(&[name, kind]) && !is_default_preset {
                faults.push(unused(entry, &format!("default.{name}.{kind}")));
            }
        }
    }
    for (preset, entry) in entries(presets.as_ref()) {
        for (kind, entry) in entries(Some(&entry.node)) {
            let with_presets = |table: &&Table| {
                let is_kind = table.name.get(1).is_some_and(|name| name == kind);
                is_kind && !format.defaults.presets(table).is_empty()
            };
            match tables.iter().find(with_presets) {
                Some(table) => {
                    let path = Path::of(&["preset", preset, kind]);
                    Structure::new(format, &mut faults).table(table, &entry.node, &path);
                }
                None => faults.push(unused(entry, &format!("preset.{preset}.{kind}"))),
            }
        }
    }
    faults.extend(labels(format));
    faults
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&str, &Entry)> {
    let table = node.and_then(Node::table).into_iter().flatten();
    table.map(|(key, entry)| (key.as_str(), entry))
}

fn unused(entry: &Entry, path: &str) -> Fault {
    Fault::at(entry.key, format!("`{path}` is the default of no table"))
        .label("not a table of the types")
}

/// Labels need a key that no table uses.
fn labels(format: &Format) -> Vec<Fault> {
    let Some(rule) = &format.rules.labels else {
        return Vec::new();
    };
    let has_key = |section: &str| match format.root.named_tables(section) {
        Some(Shape::Table(table)) => table.fields.contains_key(rule.key),
        Some(Shape::Kinds(Kinds { kinds, .. })) => {
            let mut tables = kinds.values();
            kinds.contains_key(rule.key) || tables.any(|table| table.fields.contains_key(rule.key))
        }
        _ => true,
    };
    let sections = rule.sections.iter().filter(|section| has_key(section));
    sections
        .map(|section| {
            let key = rule.key;
            let words = "is not a section of named tables, or has a field or kind of this name";
            Fault::of_file(format!("no label `{key}` in `{section}`: it {words}"))
        })
        .collect()
}

/// Every table of a format, each once.
fn tables(root: &Table) -> Vec<Table> {
    let mut seen: BTreeMap<Vec<String>, Table> = BTreeMap::new();
    add(root, &mut seen);
    seen.into_values().collect()
}

fn add(table: &Table, seen: &mut BTreeMap<Vec<String>, Table>) {
    if seen.contains_key(&table.name) {
        return;
    }
    seen.insert(table.name.clone(), table.clone());
    for field in table.fields.values() {
        add_shape(&field.shape, seen);
    }
}

fn add_shape(shape: &Shape, seen: &mut BTreeMap<Vec<String>, Table>) {
    match shape {
        Shape::Table(table) => add(table, seen),
        Shape::Kinds(kinds) => kinds.kinds.values().for_each(|table| add(table, seen)),
        Shape::Map(shape) => add_shape(shape, seen),
        Shape::List { item, .. } => add_shape(item, seen),
        Shape::AnyOf(forms) => forms.iter().for_each(|form| add_shape(form, seen)),
        Shape::Integer { .. }
        | Shape::Number { .. }
        | Shape::Text
        | Shape::Pattern(_)
        | Shape::Choice(_)
        | Shape::Boolean
        | Shape::Any => {}
    }
}
