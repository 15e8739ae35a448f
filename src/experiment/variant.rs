//! Variants: keys of a model's configuration, checked against that model's kind where they stand, then resolved as a
//! layer above the model's own.

use std::collections::BTreeMap;

use super::defaults::Defaults;
use super::fault::Fault;
use super::resolve::Resolver;
use super::shape::models;
use super::structure::Structure;
use super::written::{Entry, Node, Value};

/// Checks every `[variant.NAME.set]` of every layer and nests its dotted keys.
pub(super) fn check_keys(layers: &mut [Node], faults: &mut Vec<Fault>) {
    let originals = layers.to_vec();
    for layer in layers {
        let Value::Table(sections) = &mut layer.value else {
            continue;
        };
        let Some(Value::Table(variants)) = sections
            .get_mut("variant")
            .map(|entry| &mut entry.node.value)
        else {
            continue;
        };
        for (name, entry) in variants {
            let of = text_of(&originals, &["variant", name, "of"]);
            let kind = of.and_then(|of| kind_of(&originals, of));
            let Value::Table(fields) = &mut entry.node.value else {
                continue;
            };
            let Some(set) = fields.get_mut("set") else {
                continue;
            };
            if let Some(set) = checked_set(&set.node, kind, name, faults) {
                fields.insert(
                    "set".to_owned(),
                    Entry {
                        node: set,
                        key: entry.key,
                    },
                );
            } else {
                fields.remove("set");
            }
        }
    }
}

fn checked_set(
    set: &Node,
    kind: Option<&str>,
    name: &str,
    faults: &mut Vec<Fault>,
) -> Option<Node> {
    let path = format!("variant.{name}.set");
    if set.table().is_none() {
        faults.push(Fault::at(
            set.place,
            format!("`{path}` must be a table of keys and their new values"),
        ));
        return None;
    }
    let nested = nested(set);
    // Without a known model there is nothing to check against; that is reported where `of` stands.
    let shape = models().kinds.get(kind?)?;
    Structure::new(Defaults::built_in(), faults).table(shape, &nested, &path)
}

/// A table whose dotted keys are tables within tables.
pub(super) fn nested(flat: &Node) -> Node {
    let mut nested = Node::new(flat.place, Value::Table(BTreeMap::new()));
    for (key, entry) in flat.table().into_iter().flatten() {
        let steps: Vec<&str> = key.split('.').collect();
        insert(&mut nested, &steps, entry);
    }
    nested
}

fn insert(node: &mut Node, steps: &[&str], entry: &Entry) {
    let Value::Table(table) = &mut node.value else {
        return;
    };
    match steps {
        [] => {}
        [last] => match (table.get_mut(*last), &entry.node.value) {
            (Some(there), Value::Table(more)) if there.node.table().is_some() => {
                for (key, entry) in more {
                    insert(&mut there.node, &[key], entry);
                }
            }
            _ => {
                table.insert((*last).to_owned(), entry.clone());
            }
        },
        [first, rest @ ..] => {
            let place = entry.key;
            let below = table.entry((*first).to_owned()).or_insert_with(|| Entry {
                key: place,
                node: Node::new(place, Value::Table(BTreeMap::new())),
            });
            insert(&mut below.node, rest, entry);
        }
    }
}

/// Adds to each variant of the resolved spec the model that results, and writes its keys dotted.
pub(super) fn resolve(tree: &mut Node, layers: &[&Node], faults: &mut Vec<Fault>) {
    let models_there = tree.get("model").cloned();
    let Value::Table(sections) = &mut tree.value else {
        return;
    };
    let Some(Value::Table(variants)) = sections
        .get_mut("variant")
        .map(|entry| &mut entry.node.value)
    else {
        return;
    };
    for (name, entry) in variants.iter_mut() {
        let of = entry.node.get("of").and_then(Node::text).map(str::to_owned);
        let whole = of.and_then(|of| {
            models_there.as_ref()?.get(&of)?;
            resolve_one(name, &of, layers, faults)
        });
        let Value::Table(fields) = &mut entry.node.value else {
            continue;
        };
        if let Some(set) = fields.get_mut("set") {
            let mut flat = BTreeMap::new();
            flatten(&set.node, "", &mut flat);
            set.node.value = Value::Table(flat);
        }
        if let Some(node) = whole {
            let key = entry.key;
            fields.insert("resolved".to_owned(), Entry { key, node });
        }
    }
}

fn resolve_one(name: &str, of: &str, layers: &[&Node], faults: &mut Vec<Fault>) -> Option<Node> {
    let kind = layers
        .iter()
        .find_map(|layer| layer.at(&["model", of])?.only_key())?;
    let sets = layers
        .iter()
        .filter_map(|layer| layer.at(&["variant", name, "set"]));
    // A set names fields of the model; as a layer it has to stand under the model's kind.
    let sets: Vec<Node> = sets
        .map(|set| {
            let entry = Entry {
                key: set.place,
                node: set.clone(),
            };
            Node::new(
                set.place,
                Value::Table(BTreeMap::from([(kind.to_owned(), entry)])),
            )
        })
        .collect();
    let below = layers.iter().filter_map(|layer| layer.at(&["model", of]));
    let layers: Vec<&Node> = sets.iter().chain(below).collect();
    Resolver::new(Defaults::built_in(), faults).model(models(), &layers, &format!("variant.{name}"))
}

fn flatten(node: &Node, path: &str, flat: &mut BTreeMap<String, Entry>) {
    for (key, entry) in node.table().into_iter().flatten() {
        let path = super::structure::join(path, key);
        match entry.node.table() {
            Some(table) if !table.is_empty() => flatten(&entry.node, &path, flat),
            _ => {
                flat.insert(path, entry.clone());
            }
        }
    }
}

/// The text that the strongest layer has at a path.
fn text_of<'n>(layers: &'n [Node], path: &[&str]) -> Option<&'n str> {
    layers.iter().find_map(|layer| layer.at(path)?.text())
}

fn kind_of<'n>(layers: &'n [Node], model: &str) -> Option<&'n str> {
    layers
        .iter()
        .find_map(|layer| layer.at(&["model", model])?.only_key())
}
