//! Structure: every key is known, every value has the right type and range.
//!
//! The check looks at one layer and not at whether it is complete. It drops what is wrong, so that
//! the next checks can continue.

use std::collections::BTreeMap;

use crate::elsewhere::Elsewhere;
use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
use crate::shape::{Kinds, Shape, Table, either};
use crate::suggest;
use crate::values::{found, has_form, is_valid, remedy};
use crate::written::{Entry, Node, Value};

/// Checks the structure of layers; collects faults.
pub(crate) struct Structure<'a> {
    format: &'a Format,
    faults: &'a mut Vec<Fault>,
    elsewhere: Elsewhere<'a>,
}

impl<'a> Structure<'a> {
    /// A checker without faults so far.
    pub(crate) fn new(format: &'a Format, faults: &'a mut Vec<Fault>) -> Self {
        let elsewhere = Elsewhere { layers: &[] };
        Structure {
            format,
            faults,
            elsewhere,
        }
    }

    /// The same with all layers, for hints: a flag alone does not show the kinds of the file.
    pub(crate) fn in_layers(mut self, layers: &'a [Node]) -> Self {
        self.elsewhere = Elsewhere { layers };
        self
    }

    /// The valid entries of a table.
    pub(crate) fn table(&mut self, table: &Table, node: &Node, path: &Path) -> Option<Node> {
        let Some(entries) = node.table() else {
            return self.wrong(&Shape::Table(table.clone()), node, path);
        };
        let has_presets = !self.format.defaults.presets(table).is_empty();
        let mut valid = BTreeMap::new();
        for (key, entry) in entries {
            let below = path.key(key);
            let node = match table.fields.get(key) {
                Some(field) => self.value(&field.shape, &entry.node, &below),
                None if key == "preset" && has_presets => self.preset(table, &entry.node, path),
                None => {
                    self.unknown_field(table, key, entry, path);
                    None
                }
            };
            keep(&mut valid, key, entry, node);
        }
        Some(node.with(Value::Table(valid)))
    }

    fn value(&mut self, shape: &Shape, node: &Node, path: &Path) -> Option<Node> {
        match (shape, &node.value) {
            (Shape::Table(table), _) => self.table(table, node, path),
            (Shape::Kinds(kinds), Value::Table(_)) => self.kinds(kinds, node, path),
            (Shape::Map(shape), Value::Table(entries)) => {
                let mut valid = BTreeMap::new();
                for (key, entry) in entries {
                    let node = self.value(shape, &entry.node, &path.key(key));
                    keep(&mut valid, key, entry, node);
                }
                Some(node.with(Value::Table(valid)))
            }
            (Shape::List { item, length }, Value::List(items)) => {
                if length.is_some_and(|length| length != items.len()) {
                    return self.wrong(shape, node, path);
                }
                let before = self.faults.len();
                let items: Vec<Node> = items
                    .iter()
                    .enumerate()
                    .filter_map(|(at, node)| self.value(item, node, &path.item(at)))
                    .collect();
                // A list of fixed length without one of its elements would mean something else.
                let is_whole = length.is_none() || self.faults.len() == before;
                is_whole.then(|| node.with(Value::List(items)))
            }
            (Shape::AnyOf(forms), value) => match forms.iter().find(|form| has_form(form, value)) {
                Some(form) => self.value(form, node, path),
                None => self.wrong(shape, node, path),
            },
            (shape, value) if is_valid(shape, value) => Some(node.clone()),
            _ => self.wrong(shape, node, path),
        }
    }

    fn kinds(&mut self, kinds: &Kinds, node: &Node, path: &Path) -> Option<Node> {
        let entries = node.table()?;
        let mut valid = BTreeMap::new();
        for (kind, entry) in entries {
            match kinds.kinds.get(kind) {
                Some(table) => {
                    let below = match entry.node.implied {
                        true => path.hidden(kind),
                        false => path.key(kind),
                    };
                    let node = self.table(table, &entry.node, &below);
                    keep(&mut valid, kind, entry, node);
                }
                None => self.unknown_kind(kinds, kind, entry, path),
            }
        }
        let known = |(kind, _): &(&String, &Entry)| kinds.kinds.contains_key(*kind);
        let mut written: Vec<_> = entries.iter().filter(known).collect();
        written.sort_by_key(|(_, entry)| entry.key);
        if let [(first, one), (second, two), ..] = written.as_slice() {
            let shown = path.shown();
            let message = format!("`{shown}` has two kinds: `{first}` and `{second}`");
            self.faults.push(
                Fault::at(two.key, message)
                    .of(path)
                    .label("the second kind")
                    .related(one.key, "the first kind")
                    .hint("keep one of them, or give each its own name"),
            );
            return None;
        }
        // An empty table leaves the kind to the defaults; one that had only wrong kinds does not.
        if valid.is_empty() && !entries.is_empty() {
            return None;
        }
        Some(node.with(Value::Table(valid)))
    }

    fn unknown_field(&mut self, table: &Table, key: &str, entry: &Entry, path: &Path) {
        let mut fields: Vec<&str> = table.fields.keys().map(String::as_str).collect();
        if !self.format.defaults.presets(table).is_empty() {
            fields.push("preset");
        }
        let place = match path.shown() {
            "" => "at the top of the file".to_owned(),
            path => format!("in `{path}`"),
        };
        let near = suggest::nearest(key, fields.iter().copied());
        let of_other_kinds = || match (near, table.name.as_slice()) {
            (None, [kinds, kind]) => Self::kinds_with(self.kinds_named(kinds)?, kind, key),
            _ => None,
        };
        let below = self.elsewhere.below(table, path, key, entry);
        let hint = below.or_else(of_other_kinds);
        self.faults.push(
            Fault::at(entry.key, format!("unknown field `{key}` {place}"))
                .of(path)
                .label("not a field of this table")
                .hint(hint.unwrap_or_else(|| suggest::hint(key, fields, "fields"))),
        );
    }

    /// The kinds of named tables, by the name of their enum.
    fn kinds_named(&self, name: &str) -> Option<&'a Kinds> {
        let root = &self.format.root;
        let mut all = root.fields.keys().filter_map(|key| root.named_kinds(key));
        all.find(|kinds| kinds.name == name)
    }

    /// A hint on the kinds that have a field which `kind` does not have.
    fn kinds_with(kinds: &Kinds, kind: &str, field: &str) -> Option<String> {
        let holders = holders(kinds, field);
        (!holders.is_empty()).then(|| {
            format!(
                "the kind `{kind}` has no `{field}`; it is a field of {}",
                suggest::list(&holders)
            )
        })
    }

    fn unknown_kind(&mut self, kinds: &Kinds, kind: &str, entry: &Entry, path: &Path) {
        let hint = self.hint_of_kind(kinds, kind, entry, path);
        let message = format!("unknown kind `{kind}` in `{}`", path.shown());
        self.faults.push(
            Fault::at(entry.key, message)
                .of(path)
                .label(format!("not a kind of {}", kinds.name))
                .hint(hint),
        );
    }

    /// What to write instead of an unknown kind: the most specific hint that applies.
    fn hint_of_kind(&self, kinds: &Kinds, kind: &str, entry: &Entry, path: &Path) -> String {
        let shown = path.shown();
        let names: Vec<&str> = kinds.kinds.keys().map(String::as_str).collect();
        let known = self.elsewhere.kind_of(kinds, path);
        let below = known
            .as_ref()
            .and_then(|known| self.elsewhere.below(known.table, &known.path, kind, entry));
        let of_rules = || (self.format.rules.kind_hint)(&kinds.name, kind);
        if let Some(hint) = below.or_else(of_rules) {
            return hint;
        }
        if suggest::nearest(kind, names.iter().copied()).is_some() {
            return suggest::hint(kind, names, "kinds");
        }
        if let Some(named) = entry.node.text().filter(|text| names.contains(text)) {
            return format!(
                "a kind is a table name: write `[{shown}.{named}]` instead of `{kind} = \"{named}\"`"
            );
        }
        let holders = holders(kinds, kind);
        match (holders.first(), known) {
            (Some(_), Some(known)) => Self::kinds_with(kinds, known.kind, kind),
            (Some(first), None) => Some(format!(
                "`{kind}` is a field of {}: put it into a table named after the kind, such as `[{shown}.{first}]`",
                suggest::list(&holders)
            )),
            (None, _) => None,
        }
        .unwrap_or_else(|| suggest::hint(kind, names, "kinds"))
    }

    fn preset(&mut self, table: &Table, node: &Node, path: &Path) -> Option<Node> {
        let presets = self.format.defaults.presets(table);
        match node.text() {
            Some(preset) if presets.contains(&preset) => Some(node.clone()),
            Some(preset) => {
                let shown = path.key("preset");
                let message = format!("unknown preset `{preset}` in `{}`", shown.shown());
                self.faults.push(
                    Fault::at(node.place, message)
                        .of(&shown)
                        .label(format!("expected {}", either(&presets)))
                        .hint(suggest::hint(preset, presets, "presets")),
                );
                None
            }
            None => self.wrong(&Shape::Text, node, &path.key("preset")),
        }
    }

    /// Reports a value of the wrong type or range.
    fn wrong(&mut self, shape: &Shape, node: &Node, path: &Path) -> Option<Node> {
        self.faults.push(wrong(shape, node, path));
        None
    }
}

/// The fault of a value of the wrong type or range.
pub(crate) fn wrong(shape: &Shape, node: &Node, path: &Path) -> Fault {
    let expected = shape.words();
    let shown = path.shown();
    let message = format!("`{shown}` must be {expected}, found {}", found(&node.value));
    Fault::at(node.place, message)
        .of(path)
        .label(format!("expected {expected}"))
        .maybe_hint(remedy(shape, &node.value, shown))
}

/// The kinds that have a field.
fn holders<'k>(kinds: &'k Kinds, field: &str) -> Vec<&'k str> {
    let all = kinds.kinds.iter();
    all.filter(|(_, table)| table.fields.contains_key(field))
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Puts a valid node in place of the one written under the key.
fn keep(valid: &mut BTreeMap<String, Entry>, key: &str, entry: &Entry, node: Option<Node>) {
    if let Some(node) = node {
        let key_place = entry.key;
        valid.insert(
            key.to_owned(),
            Entry {
                key: key_place,
                node,
            },
        );
    }
}
