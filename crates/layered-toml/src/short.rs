//! The short form of a table that is named after its kind: `[model.sasrec]` with settings of the
//! kind `sasrec` means `[model.sasrec.sasrec]`.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
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
    let is_field = |key: &str| own.table.fields.contains_key(key) || key == "preset";
    if let Some(kind_table) = entries.get(own.kind).map(|entry| entry.key) {
        // Settings next to the kind's own table: one of the two forms, not both.
        let beside = |key: &str| is_field(key) && !kinds.kinds.contains_key(key);
        for (key, setting) in entries.extract_if(.., |key, _| beside(key)) {
            let shown = path.shown();
            let kind = own.kind;
            let message = format!("`{key}` is next to the table `{shown}.{kind}`, not in it");
            faults.push(
                Fault::at(setting.key, message)
                    .of(&path.key(&key))
                    .label(format!("a setting of the kind `{kind}`"))
                    .related(kind_table, "the table of the kind")
                    .hint(format!("write `{shown}.{kind}.{key}`")),
            );
        }
        return;
    }
    let both = |key: &String| kinds.kinds.contains_key(key) && is_field(key);
    if let Some((key, setting)) = entries.extract_if(.., |key, _| both(key)).next() {
        let shown = path.shown();
        let kind = own.kind;
        faults.push(
            Fault::at(
                setting.key,
                format!("`{key}` in `{shown}` can be a kind or a field of the kind `{kind}`"),
            )
            .of(&path.key(&key))
            .label("ambiguous")
            .hint(format!(
                "write `{shown}.{kind}.{key}` for the field; for the kind, give the table another name than `{kind}`"
            )),
        );
    }
    if entries.keys().any(|key| kinds.kinds.contains_key(key)) {
        return;
    }
    let mut inner = entry.node.clone();
    inner.implied = true;
    let key = key_of_table;
    let kind = BTreeMap::from([(own.kind.to_owned(), Entry { key, node: inner })]);
    entry.node.value = Value::Table(kind);
}
