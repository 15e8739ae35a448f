//! From layers to the resolved file: each field takes its value from the strongest layer that has
//! it.
//!
//! The layers are, strongest first: `--set` flags, a variant's keys, the profile, the file, the
//! preset, the defaults. A table named after its kind is made from the layers down to the first
//! that chose another kind. Choosing a kind replaces the weaker one and never mixes with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::defaults::Defaults;
use crate::fault::Fault;
use crate::path::Path;
use crate::shape::{Kinds, Shape, Table, either};
use crate::written::{Entry, Node, Value};

/// Resolves layers; collects what is missing.
pub(crate) struct Resolver<'a> {
    defaults: &'a Defaults,
    faults: &'a mut Vec<Fault>,
}

/// A resolved value; `None` when a part of it is missing, which has then been reported.
type Resolved = Option<Node>;

impl<'a> Resolver<'a> {
    /// A resolver over the defaults.
    pub(crate) fn new(defaults: &'a Defaults, faults: &'a mut Vec<Fault>) -> Self {
        Resolver { defaults, faults }
    }

    /// The whole file from its layers, strongest first. A part that lacks a field is left out.
    pub(crate) fn file(&mut self, table: &Table, layers: &[&Node]) -> Node {
        let mut layers = layers.to_vec();
        layers.push(self.defaults.root());
        let mut fields = BTreeMap::new();
        for (name, field) in &table.fields {
            let below = below(&layers, name);
            let node = self.value(&field.shape, &below, &Path::of(&[name]), true);
            if let Some(entry) = entry_of(node, &layers, name) {
                fields.insert(name.clone(), entry);
            }
        }
        Node::new(layers[0].place, Value::Table(fields))
    }

    fn value(&mut self, shape: &Shape, layers: &[&Node], path: &Path, required: bool) -> Resolved {
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
                let items = items
                    .iter()
                    .enumerate()
                    .filter_map(|(at, node)| self.value(item, &[node], &path.item(at), true));
                let items = Value::List(items.collect());
                Some(list.with(items))
            }
            Shape::Number { .. } => {
                let mut node = (*layers.first()?).clone();
                if let Value::Integer(integer) = node.value {
                    node.value = Value::Number(integer as f64);
                }
                Some(node)
            }
            Shape::Integer { .. }
            | Shape::Text
            | Shape::Pattern(_)
            | Shape::Choice(_)
            | Shape::Boolean
            | Shape::AnyOf(_)
            | Shape::Any => layers.first().map(|node| (*node).clone()),
        }
    }

    /// All fields or nothing: checks of meaning cannot use an incomplete table.
    fn table(&mut self, table: &Table, layers: &[&Node], path: &Path) -> Resolved {
        let mut fields = BTreeMap::new();
        let mut whole = true;
        for (name, field) in &table.fields {
            let below = below(layers, name);
            let before = self.faults.len();
            let path_of_field = path.key(name);
            let node = self.value(&field.shape, &below, &path_of_field, !field.optional);
            match entry_of(node, layers, name) {
                Some(entry) => {
                    fields.insert(name.clone(), entry);
                }
                None if field.optional => {}
                None => {
                    whole = false;
                    if self.faults.len() == before && !self.is_reported(&path_of_field) {
                        self.missing(layers[0], path, name, &field.doc);
                    }
                }
            }
        }
        whole.then(|| layers[0].with(Value::Table(fields)))
    }

    /// A table named after its kind, from its layers.
    pub(crate) fn kinds(&mut self, kinds: &Kinds, layers: &[&Node], path: &Path) -> Resolved {
        let choosing: Vec<(&Node, &str)> = layers
            .iter()
            .filter_map(|layer| Some((*layer, layer.only_key()?)))
            .collect();
        let Some(&(first, kind)) = choosing.first() else {
            if let Some(first) = layers.first() {
                self.no_kind(kinds, first, path);
            }
            return None;
        };
        let table = kinds.kinds.get(kind)?;
        let same = choosing.iter().take_while(|(_, other)| *other == kind);
        let mut below: Vec<&Node> = same.filter_map(|(layer, _)| layer.get(kind)).collect();
        let path = match below.first().is_some_and(|node| node.implied) {
            true => path.hidden(kind),
            false => path.key(kind),
        };
        let chosen = below.iter().find_map(|node| node.get("preset")?.text());
        if let Some(default) = self.defaults.default_preset(&kinds.name) {
            below.extend(self.defaults.preset(chosen.unwrap_or(default), kind));
        }
        below.extend(self.defaults.of(table));
        let node = self.table(table, &below, &path)?;
        let key = first.table()?.get(kind)?.key;
        let entries = BTreeMap::from([(kind.to_owned(), Entry { key, node })]);
        Some(first.with(Value::Table(entries)))
    }

    fn no_kind(&mut self, kinds: &Kinds, node: &Node, path: &Path) {
        let names: Vec<&str> = kinds.kinds.keys().map(String::as_str).collect();
        let example = path.key(names.first().copied().unwrap_or_default());
        let example = example.shown();
        self.faults.push(
            Fault::at(node.place, format!("`{}` has no kind", path.shown()))
                .of(path)
                .label(format!("expected one of {}", either(&names)))
                .hint(format!(
                    "name the table after its kind, such as `[{example}]`"
                )),
        );
    }

    fn map(&mut self, shape: &Shape, layers: &[&Node], path: &Path) -> Node {
        // Named tables of the file replace those of the defaults as a whole.
        let declares = |layer: &&Node| layer.table().is_some_and(|table| !table.is_empty());
        let file = layers.iter().rposition(|layer| layer.place.is_written());
        let declared = file.is_some_and(|at| declares(&layers[at]));
        let used: Vec<&Node> = layers
            .iter()
            .copied()
            .filter(|layer| layer.place.is_written() || !declared)
            .collect();
        let names: BTreeSet<&String> = used
            .iter()
            .filter_map(|layer| layer.table())
            .flat_map(|table| table.keys())
            .collect();
        let mut entries = BTreeMap::new();
        for name in names {
            let node = self.value(shape, &below(&used, name), &path.key(name), true);
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
    fn is_reported(&self, path: &Path) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|fault| fault.keys.starts_with(path.keys()))
    }

    fn missing(&mut self, table: &Node, path: &Path, name: &str, doc: &str) {
        let message = format!("missing field `{name}` in `{}`", path.shown());
        self.faults.push(
            Fault::at(table.place, message)
                .of(&path.key(name))
                .label(format!("`{name}` has no default"))
                .hint(format!("`{name}`: {}", doc.trim_end_matches('.'))),
        );
    }
}

fn below<'n>(layers: &[&'n Node], name: &str) -> Vec<&'n Node> {
    layers.iter().filter_map(|layer| layer.get(name)).collect()
}

/// The node under its key, at the place where the strongest layer wrote the key.
fn entry_of(node: Option<Node>, layers: &[&Node], name: &str) -> Option<Entry> {
    let node = node?;
    let written = layers.iter().find_map(|layer| layer.table()?.get(name));
    let key = written.map_or(node.place, |entry| entry.key);
    Some(Entry { key, node })
}
