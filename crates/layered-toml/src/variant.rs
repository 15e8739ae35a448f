//! Variants: named tables with changed keys of another named table, resolved as a layer above it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
use crate::resolve::Resolver;
use crate::resolved::to_json;
use crate::rules::VariantRule;
use crate::structure::Structure;
use crate::written::{Entry, Node, Value, flat};

pub use crate::written::nested;

/// Checks the changed keys of every variant of every layer, and nests them.
pub(crate) fn check_keys(format: &Format, layers: &mut [Node], faults: &mut Vec<Fault>) {
    let Some(rule) = &format.rules.variants else {
        return;
    };
    let Some(kinds) = format.root.named_kinds(rule.base) else {
        return;
    };
    let originals = layers.to_vec();
    let lookup = Lookup {
        rule,
        layers: originals.iter().collect(),
    };
    for layer in layers {
        let variants = layer.table_mut().and_then(|top| top.get_mut(rule.section));
        let variants = variants.and_then(|entry| entry.node.table_mut());
        for (name, entry) in variants.into_iter().flatten() {
            let kind = lookup.base_of(name).and_then(|of| lookup.kind_of(of));
            let Some(fields) = entry.node.table_mut() else {
                continue;
            };
            let Some(set) = fields.remove(rule.set) else {
                continue;
            };
            let path = Path::of(&[rule.section, name, rule.set]);
            if set.node.table().is_none() {
                let message = format!(
                    "`{}` must be a table of keys and their new values",
                    path.shown()
                );
                faults.push(Fault::at(set.node.place, message).of(&path));
                continue;
            }
            // An unknown base is reported where it is named.
            let table = kind.and_then(|kind| kinds.kinds.get(kind));
            let node = table.and_then(|table| {
                Structure::new(format, faults).table(table, &nested(&set.node), &path)
            });
            if let Some(node) = node {
                let key = entry.key;
                fields.insert(rule.set.to_owned(), Entry { key, node });
            }
        }
    }
}

/// Adds to each variant the table that results, and writes its keys dotted.
pub(crate) fn resolve(format: &Format, tree: &mut Node, layers: &[&Node], faults: &mut Vec<Fault>) {
    let Some(rule) = &format.rules.variants else {
        return;
    };
    let Some(kinds) = format.root.named_kinds(rule.base) else {
        return;
    };
    let bases = tree.get(rule.base).cloned();
    let lookup = Lookup {
        rule,
        layers: layers.to_vec(),
    };
    let variants = tree.table_mut().and_then(|top| top.get_mut(rule.section));
    let variants = variants.and_then(|entry| entry.node.table_mut());
    for (name, entry) in variants.into_iter().flatten() {
        let of = entry.node.get(rule.of).and_then(Node::text);
        let of = of.map(str::to_owned);
        let whole = of.and_then(|of| {
            bases.as_ref()?.get(&of)?;
            let layers = lookup.layers_of(name, &of)?;
            let layers: Vec<&Node> = layers.iter().collect();
            let path = Path::of(&[rule.section, name]);
            Resolver::new(&format.defaults, faults).kinds(kinds, &layers, &path)
        });
        let key = entry.key;
        let Some(fields) = entry.node.table_mut() else {
            continue;
        };
        if let Some(set) = fields.get_mut(rule.set) {
            set.node.value = Value::Table(flat(&set.node));
        }
        if let Some(node) = whole {
            fields.insert(rule.resolved.to_owned(), Entry { key, node });
        }
    }
}

impl Format {
    /// The table of the variants' base, or the variant, that is called `of`, with the dotted keys
    /// of `set` changed. `layers` are those of a reading, and `path` is where messages find `set`.
    /// `None` if there is no such table.
    ///
    /// # Errors
    /// Every key that is unknown, and every value of the wrong type or range.
    pub fn varied(
        &self,
        layers: &[Node],
        of: &str,
        set: &Node,
        path: &[&str],
    ) -> Result<Option<Json>, Vec<Fault>> {
        let rule = self.rules.variants.as_ref();
        let named = rule.and_then(|rule| Some((rule, self.root.named_kinds(rule.base)?)));
        let Some((rule, kinds)) = named else {
            return Ok(None);
        };
        let lookup = Lookup {
            rule,
            layers: layers.iter().collect(),
        };
        let base = lookup.base_of(of).unwrap_or(of);
        let kind = lookup.kind_of(base);
        let Some((kind, table)) = kind.and_then(|kind| kinds.kinds.get_key_value(kind)) else {
            return Ok(None);
        };
        let mut faults = Vec::new();
        let path = Path::of(path);
        let set = Structure::new(self, &mut faults).table(table, &nested(set), &path);
        let (Some(set), true) = (set, faults.is_empty()) else {
            return Err(faults);
        };
        let own = layers
            .iter()
            .filter_map(|layer| layer.at(&[rule.section, of, rule.set]));
        let own: Vec<Node> = own.map(|set| of_kind(kind, nested(set))).collect();
        let mut all = vec![of_kind(kind, set)];
        all.extend(own);
        let tables = layers
            .iter()
            .filter_map(|layer| layer.at(&[rule.base, base]));
        all.extend(tables.cloned());
        let all: Vec<&Node> = all.iter().collect();
        let node = Resolver::new(&self.defaults, &mut faults).kinds(kinds, &all, &path);
        match faults.is_empty() {
            true => Ok(node.as_ref().map(to_json)),
            false => Err(faults),
        }
    }
}

/// The fields of a kind as a table with that kind.
fn of_kind(kind: &str, node: Node) -> Node {
    let place = node.place;
    let entry = Entry { key: place, node };
    Node::new(
        place,
        Value::Table(BTreeMap::from([(kind.to_owned(), entry)])),
    )
}

/// Finds parts of variants in layers, strongest first.
struct Lookup<'a> {
    rule: &'a VariantRule,
    layers: Vec<&'a Node>,
}

impl Lookup<'_> {
    /// Name of the table that a variant varies.
    fn base_of(&self, variant: &str) -> Option<&str> {
        let path = [self.rule.section, variant, self.rule.of];
        self.layers.iter().find_map(|layer| layer.at(&path)?.text())
    }

    /// Kind of a table of the base.
    fn kind_of(&self, name: &str) -> Option<&str> {
        let path = [self.rule.base, name];
        let mut layers = self.layers.iter();
        layers.find_map(|layer| layer.at(&path)?.only_key())
    }

    /// The layers of a variant of the table `of`: the changed keys, then the table's own layers.
    fn layers_of(&self, variant: &str, of: &str) -> Option<Vec<Node>> {
        let kind = self.kind_of(of)?;
        let path = [self.rule.section, variant, self.rule.set];
        let sets = self.layers.iter().filter_map(|layer| layer.at(&path));
        // The keys are fields of the kind's table.
        let sets = sets.map(|set| of_kind(kind, set.clone()));
        let path = [self.rule.base, of];
        let base = self.layers.iter().filter_map(|layer| layer.at(&path));
        Some(sets.chain(base.cloned()).collect())
    }
}
