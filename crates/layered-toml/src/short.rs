//! The short form of a table that is named after its kind: `[model.sasrec]` with settings of the
//! kind `sasrec` means `[model.sasrec.sasrec]`.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
use crate::place::Place;
use crate::shape::{Kinds, Table};
use crate::written::{Entry, Node, Value};

/// Writes every short form of the layers (strongest first) in full. The kind table is marked as
/// implied, so that messages show the path that the file has.
///
/// A table is short when its name is a kind, none of its keys is a kind, and no weaker layer gives
/// it another kind.
pub(crate) fn expand(format: &Format, layers: &mut [Node], faults: &mut Vec<Fault>) {
    for section in format.root.fields.keys() {
        let Some(kinds) = format.root.named_kinds(section) else {
            continue;
        };
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for layer in layers.iter_mut().rev() {
            let tables = layer.table_mut().and_then(|top| top.get_mut(section));
            let tables = tables.and_then(|entry| entry.node.table_mut());
            for (name, entry) in tables.into_iter().flatten() {
                let path = Path::of(&[section, name]);
                let weaker = known.get(name).map(String::as_str);
                if let Some(own) = own_kind(kinds, name, weaker) {
                    expand_one(kinds, own, entry, &path, faults);
                }
                let mut keys = entry.node.table().into_iter().flat_map(BTreeMap::keys);
                if let Some(kind) = keys.find(|key| kinds.kinds.contains_key(*key)) {
                    known.insert(name.clone(), kind.clone());
                }
            }
        }
    }
}

/// A kind that has the name of a table.
#[derive(Clone, Copy)]
struct Own<'k> {
    kind: &'k str,
    table: &'k Table,
}

impl Own<'_> {
    /// A setting next to the kind's own table: the file has both forms.
    fn both_forms(&self, key: &str, setting: &Entry, table: Place, path: &Path) -> Fault {
        let (shown, kind) = (path.shown(), self.kind);
        let message = format!("`{key}` is next to the table `{shown}.{kind}`, not in it");
        Fault::at(setting.key, message)
            .label(format!("a setting of the kind `{kind}`"))
            .related(table, "the table of the kind")
            .hint(format!("write `{shown}.{kind}.{key}`"))
    }

    /// A key that is a kind and a field of the kind of the table's name.
    fn ambiguous(&self, key: &str, setting: &Entry, path: &Path) -> Fault {
        let (shown, kind) = (path.shown(), self.kind);
        let message = format!("`{key}` in `{shown}` can be a kind or a field of the kind `{kind}`");
        Fault::at(setting.key, message)
            .label("ambiguous")
            .hint(format!(
                "write `{shown}.{kind}.{key}` for the field; \
             for the kind, give the table another name than `{kind}`"
            ))
    }
}

/// The kind of a table's name, unless a weaker layer gives the table another kind.
fn own_kind<'k>(kinds: &'k Kinds, name: &str, weaker: Option<&str>) -> Option<Own<'k>> {
    let (kind, table) = kinds.kinds.get_key_value(name)?;
    weaker
        .is_none_or(|weaker| weaker == kind)
        .then_some(Own { kind, table })
}

fn expand_one(
    kinds: &Kinds,
    own: Own<'_>,
    entry: &mut Entry,
    path: &Path,
    faults: &mut Vec<Fault>,
) {
    let key_of_table = entry.key;
    let Some(entries) = entry.node.table_mut() else {
        return;
    };
    let kind_table = entries.get(own.kind).map(|entry| entry.key);
    entries.retain(|key, setting| {
        let is_field = own.table.fields.contains_key(key) || key == "preset";
        let is_kind = kinds.kinds.contains_key(key);
        let fault = match kind_table {
            Some(table) if is_field && !is_kind => own.both_forms(key, setting, table, path),
            None if is_field && is_kind => own.ambiguous(key, setting, path),
            _ => return true,
        };
        faults.push(fault.of(&path.key(key)));
        false
    });
    if entries.keys().any(|key| kinds.kinds.contains_key(key)) {
        return;
    }
    let mut inner = entry.node.clone();
    inner.implied = true;
    let key = key_of_table;
    let kind = BTreeMap::from([(own.kind.to_owned(), Entry { key, node: inner })]);
    entry.node.value = Value::Table(kind);
}
