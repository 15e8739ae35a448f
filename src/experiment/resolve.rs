//! From layers to the resolved spec: for every field the first layer that says something, where the layers are the
//! `--set` flags, a variant's keys, the file, the model's preset and the defaults.
//!
//! A table of a kind is taken from the layers down to the first one that has chosen another kind, so that choosing a loss
//! replaces the default loss and never mixes with it.

use std::collections::BTreeMap;

use super::defaults::Defaults;
use super::fault::Fault;
use super::shape::{Kinds, Shape, Table, either};
use super::structure::join;
use super::written::{Entry, Node, Value};

/// Resolves layers; collects what is missing.
pub(super) struct Resolver<'a> {
    defaults: &'a Defaults,
    faults: &'a mut Vec<Fault>,
}

/// What the resolver gives for a value: `None` when something in it is missing, which has then been reported.
type Resolved = Option<Node>;

impl<'a> Resolver<'a> {
    /// A resolver over the defaults.
    pub(super) fn new(defaults: &'a Defaults, faults: &'a mut Vec<Fault>) -> Self {
        Resolver { defaults, faults }
    }

    /// The whole spec from the written layers, the strongest first. A part that lacks something is left out.
    pub(super) fn spec(&mut self, table: &Table, layers: &[&Node]) -> Node {
        let mut layers = layers.to_vec();
        layers.push(self.defaults.root());
        let mut fields = BTreeMap::new();
        for (name, field) in &table.fields {
            let below = below(&layers, name);
            let node = self.value(&field.shape, &below, name, true);
            if let Some(entry) = entry_of(node, &layers, name) {
                fields.insert(name.clone(), entry);
            }
        }
        Node::new(layers[0].place, Value::Table(fields))
    }

    /// The table of a kind of model from the written layers, the strongest first.
    pub(super) fn model(&mut self, kinds: &Kinds, layers: &[&Node], path: &str) -> Resolved {
        self.kinds(kinds, layers, path)
    }

    fn value(&mut self, shape: &Shape, layers: &[&Node], path: &str, required: bool) -> Resolved {
        match shape {
            Shape::Table(table) => {
                let mut layers = layers.to_vec();
                layers.extend(self.defaults.of(table));
                match layers.is_empty() {
                    true => None,
                    false => self.table(table, &layers, path),
                }
            }
            Shape::Kinds(kinds) => self.kinds(kinds, layers, path),
            Shape::Map(shape) => Some(self.map(shape, layers, path)).filter(|_| required),
            Shape::List { item, .. } => {
                let list = layers.first()?;
                let Value::List(items) = &list.value else {
                    return None;
                };
                let items = items.iter().enumerate().filter_map(|(at, node)| {
                    self.value(item, &[node], &format!("{path}[{at}]"), true)
                });
                let items = Value::List(items.collect());
                Some(Node {
                    value: items,
                    ..(*list).clone()
                })
            }
            Shape::Number { .. } => {
                let mut node = (*layers.first()?).clone();
                if let Value::Integer(integer) = node.value {
                    node.value = Value::Number(integer as f64);
                }
                Some(node)
            }
            _ => layers.first().map(|node| (*node).clone()),
        }
    }

    /// All fields or nothing: a table that lacks one is of no use to the checks of meaning.
    fn table(&mut self, table: &Table, layers: &[&Node], path: &str) -> Resolved {
        let mut fields = BTreeMap::new();
        let mut whole = true;
        for (name, field) in &table.fields {
            let below = below(layers, name);
            let before = self.faults.len();
            let node = self.value(&field.shape, &below, &join(path, name), !field.optional);
            match entry_of(node, layers, name) {
                Some(entry) => {
                    fields.insert(name.clone(), entry);
                }
                None if field.optional => {}
                None => {
                    whole = false;
                    if self.faults.len() == before && !self.reported(&join(path, name)) {
                        self.missing(layers[0], path, name, &field.doc);
                    }
                }
            }
        }
        whole.then(|| Node {
            value: Value::Table(fields),
            ..layers[0].clone()
        })
    }

    fn kinds(&mut self, kinds: &Kinds, layers: &[&Node], path: &str) -> Resolved {
        let speaking = layers.iter().filter(|layer| layer.only_key().is_some());
        let Some(kind) = speaking.clone().find_map(|layer| layer.only_key()) else {
            if let Some(first) = layers.first() {
                let names: Vec<&str> = kinds.kinds.keys().map(String::as_str).collect();
                self.faults.push(
                    Fault::at(first.place, format!("`{path}` has no kind"))
                        .label(format!("expected one of {}", either(&names)))
                        .hint(format!(
                            "name the table after its kind, such as `[{path}.{}]`",
                            names[0]
                        )),
                );
            }
            return None;
        };
        let table = &kinds.kinds[kind];
        let same = speaking
            .clone()
            .take_while(|layer| layer.only_key() == Some(kind));
        let mut below: Vec<&Node> = same.filter_map(|layer| layer.get(kind)).collect();
        let first = speaking.clone().next()?;
        if kinds.name == "model" {
            let chosen = below.iter().find_map(|node| node.get("preset")?.text());
            let preset = chosen.unwrap_or(self.defaults.default_preset());
            below.extend(self.defaults.preset(preset, kind));
        }
        below.extend(self.defaults.of(table));
        let node = self.table(table, &below, &join(path, kind))?;
        let key = first.table()?.get(kind)?.key;
        let entries = BTreeMap::from([(kind.to_owned(), Entry { key, node })]);
        Some(Node {
            value: Value::Table(entries),
            ..(*first).clone()
        })
    }

    fn map(&mut self, shape: &Shape, layers: &[&Node], path: &str) -> Node {
        // What the file declares stands for itself; the defaults speak only where it declares nothing.
        let declares = |layer: &&Node| layer.table().is_some_and(|table| !table.is_empty());
        let strongest_file = layers.iter().rposition(|layer| layer.place.is_written());
        let declared = strongest_file.is_some_and(|at| declares(&layers[at]));
        let used: Vec<&Node> = layers
            .iter()
            .copied()
            .filter(|layer| layer.place.is_written() || !declared)
            .collect();
        let names: std::collections::BTreeSet<&String> = used
            .iter()
            .filter_map(|layer| layer.table())
            .flat_map(|table| table.keys())
            .collect();
        let mut entries = BTreeMap::new();
        for name in names {
            let node = self.value(shape, &below(&used, name), &join(path, name), true);
            if let Some(entry) = entry_of(node, &used, name) {
                entries.insert(name.clone(), entry);
            }
        }
        let place = layers
            .first()
            .map_or(self.defaults.root().place, |layer| layer.place);
        Node::new(place, Value::Table(entries))
    }

    /// Whether a value was written there, found wrong, and left out.
    fn reported(&self, path: &str) -> bool {
        let says = |fault: &Fault| {
            let message = &fault.message;
            ["`", ".", "["]
                .iter()
                .any(|next| message.contains(&format!("`{path}{next}")))
        };
        self.faults.iter().any(says)
    }

    fn missing(&mut self, table: &Node, path: &str, name: &str, doc: &str) {
        self.faults.push(
            Fault::at(table.place, format!("missing field `{name}` in `{path}`"))
                .label(format!("`{name}` has no default"))
                .hint(format!("`{name}`: {}", doc.trim_end_matches('.'))),
        );
    }
}

fn below<'n>(layers: &[&'n Node], name: &str) -> Vec<&'n Node> {
    layers.iter().filter_map(|layer| layer.get(name)).collect()
}

/// The node under its key: where the strongest layer that has the key wrote it.
fn entry_of(node: Option<Node>, layers: &[&Node], name: &str) -> Option<Entry> {
    let node = node?;
    let written = layers.iter().find_map(|layer| layer.table()?.get(name));
    let key = written.map_or(node.place, |entry| entry.key);
    Some(Entry { key, node })
}
