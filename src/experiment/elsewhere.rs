//! Where a field belongs that was written into the wrong table: `model.sasrec.lr` is `model.sasrec.sasrec.train.lr`.

use super::shape::{Kinds, Shape, Table, either};
use super::structure::join;
use super::written::{Entry, Node};

/// Tables between the wrong place and the right one, at most.
const DEEPEST: usize = 4;

/// More places than these say nothing.
const MOST_PLACES: usize = 4;

/// Finds places in a spec as it is written in these layers, which say of what kind each table is.
#[derive(Clone, Copy)]
pub(super) struct Elsewhere<'a> {
    pub(super) layers: &'a [Node],
}

impl Elsewhere<'_> {
    /// The kind of the table at `path`, where a layer says it.
    pub(super) fn kind_of<'k>(&self, kinds: &'k Kinds, path: &str) -> Option<(&'k str, &'k Table)> {
        let steps: Vec<&str> = path.split('.').collect();
        let tables = self
            .layers
            .iter()
            .filter_map(|layer| layer.at(&steps)?.table());
        tables
            .flat_map(|table| table.keys())
            .find_map(|key| kinds.kinds.get_key_value(key))
            .map(|(kind, table)| (kind.as_str(), table))
    }

    /// What to write instead of `key` in the table at `path`, where the field is below it: the nearest places.
    pub(super) fn below(
        &self,
        table: &Table,
        path: &str,
        key: &str,
        entry: &Entry,
    ) -> Option<String> {
        let mut level: Vec<(&Shape, String)> = fields(table, path).collect();
        for _ in 0..DEEPEST {
            let found: Vec<String> = level
                .iter()
                .filter(|(_, path)| path.rsplit('.').next() == Some(key))
                .map(|(_, path)| format!("{path}{}", rest(&entry.node)))
                .collect();
            if !found.is_empty() {
                let found: Vec<&str> = found.iter().map(String::as_str).collect();
                return (found.len() <= MOST_PLACES).then(|| format!("write {}", either(&found)));
            }
            level = level
                .into_iter()
                .flat_map(|(shape, path)| self.inside(shape, &path))
                .collect();
        }
        None
    }

    fn inside<'s>(&self, shape: &'s Shape, path: &str) -> Vec<(&'s Shape, String)> {
        match shape {
            Shape::Table(table) => fields(table, path).collect(),
            Shape::Kinds(kinds) => match self.kind_of(kinds, path) {
                Some((kind, table)) => fields(table, &join(path, kind)).collect(),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

fn fields<'s>(table: &'s Table, path: &str) -> impl Iterator<Item = (&'s Shape, String)> {
    let path = path.to_owned();
    table
        .fields
        .iter()
        .map(move |(name, field)| (&field.shape, join(&path, name)))
}

/// The keys below a value, as far as each table has one alone: `.lr` of `train.lr = 0.1`.
fn rest(node: &Node) -> String {
    match (node.table(), node.only_key()) {
        (Some(table), Some(key)) => format!(".{key}{}", rest(&table[key].node)),
        _ => String::new(),
    }
}
