//! Variants: named tables with changed keys of another named table, resolved as a layer above it.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
use crate::resolve::Resolver;
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
        let sets = sets.map(|set| {
            let key = set.place;
            let node = set.clone();
            let kinds = BTreeMap::from([(kind.to_owned(), Entry { key, node })]);
            Node::new(set.place, Value::Table(kinds))
        });
        let path = [self.rule.base, of];
        let base = self.layers.iter().filter_map(|layer| layer.at(&path));
        Some(sets.chain(base.cloned()).collect())
    }
}
