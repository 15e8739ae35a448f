//! Hints for a field in the wrong table: the tables further down that have a field of this name.

use crate::path::Path;
use crate::shape::{Kinds, Shape, Table, either};
use crate::written::{Entry, Node};

/// Most tables between the wrong place and the right one.
const DEEPEST: usize = 4;

/// With more places than these there is no hint.
const MOST_PLACES: usize = 4;

/// Finds fields by name; the layers give the kind of each table.
#[derive(Clone, Copy)]
pub(crate) struct Elsewhere<'a> {
    pub(crate) layers: &'a [Node],
}

/// The kind of a table.
pub(crate) struct KindOf<'k> {
    /// Its name.
    pub(crate) kind: &'k str,
    /// Its fields.
    pub(crate) table: &'k Table,
    /// Path of the kind's table.
    pub(crate) path: Path,
}

impl Elsewhere<'_> {
    /// The kind of the table at `path`, where a layer gives it.
    pub(crate) fn kind_of<'k>(&self, kinds: &'k Kinds, path: &Path) -> Option<KindOf<'k>> {
        let steps: Vec<&str> = path.keys().iter().map(String::as_str).collect();
        let tables = self
            .layers
            .iter()
            .filter_map(|layer| layer.at(&steps)?.table());
        tables.flatten().find_map(|(key, entry)| {
            let (kind, table) = kinds.kinds.get_key_value(key)?;
            let path = match entry.node.implied {
                true => path.hidden(kind),
                false => path.key(kind),
            };
            Some(KindOf { kind, table, path })
        })
    }

    /// What to write instead of `key` in the table at `path` if the field is below it: the nearest
    /// places.
    pub(crate) fn below(
        &self,
        table: &Table,
        path: &Path,
        key: &str,
        entry: &Entry,
    ) -> Option<String> {
        let mut level: Vec<(&Shape, Path)> = fields(table, path).collect();
        for _ in 0..DEEPEST {
            let found: Vec<String> = level
                .iter()
                .filter(|(_, path)| path.keys().last().is_some_and(|last| last == key))
                .map(|(_, path)| format!("{}{}", path.shown(), rest(&entry.node)))
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

    fn inside<'s>(&self, shape: &'s Shape, path: &Path) -> Vec<(&'s Shape, Path)> {
        match shape {
            Shape::Table(table) => fields(table, path).collect(),
            Shape::Kinds(kinds) => match self.kind_of(kinds, path) {
                Some(known) => fields(known.table, &known.path).collect(),
                None => Vec::new(),
            },
            Shape::Map(_)
            | Shape::List { .. }
            | Shape::Integer { .. }
            | Shape::Number { .. }
            | Shape::Text
            | Shape::Pattern(_)
            | Shape::Choice(_)
            | Shape::Boolean
            | Shape::AnyOf(_)
            | Shape::Any => Vec::new(),
        }
    }
}

fn fields<'s>(table: &'s Table, path: &Path) -> impl Iterator<Item = (&'s Shape, Path)> {
    let path = path.clone();
    table
        .fields
        .iter()
        .map(move |(name, field)| (&field.shape, path.key(name)))
}

/// The keys below a value while each table has a single key: `.lr` of `train.lr = 0.1`.
fn rest(node: &Node) -> String {
    match (node.table(), node.only_key()) {
        (Some(table), Some(key)) => format!(".{key}{}", rest(&table[key].node)),
        _ => String::new(),
    }
}
