//! `--set path.to.key=value`: layers above the file, with places in the flags.

use crate::fault::Fault;
use crate::format::Format;
use crate::place::Place;
use crate::shape::Table;
use crate::suggest;
use crate::written::{Node, Value, parse as parse_toml};

/// Parses a flag, the text of source number `source`: a TOML key, `=`, and a TOML value or a bare
/// word, which is a string.
///
/// # Errors
/// When the flag has no `=` or is not TOML.
pub fn parse(flag: &str, source: usize) -> Result<Node, Vec<Fault>> {
    let place = |start, end| Place { source, start, end };
    let Some(equals) = flag.find('=') else {
        return Err(vec![
            Fault::at(place(0, flag.len()), format!("`{flag}` has no value"))
                .label("expected `path.to.key=value`")
                .hint(format!("for example `--set {flag}=1`")),
        ]);
    };
    let (key, value) = (&flag[..equals], flag[equals + 1..].trim());
    let wrong = match parse_toml(flag, source) {
        Ok(layer) => return Ok(layer),
        Err(wrong) => wrong,
    };
    let bare = !value.is_empty() && !value.starts_with(['"', '\'', '[', '{']);
    match parse_toml(&format!("{key}=0"), source) {
        Ok(mut layer) if bare => {
            let text = Node::new(place(equals + 1, flag.len()), Value::Text(value.to_owned()));
            replace_leaf(&mut layer, text);
            Ok(layer)
        }
        _ => Err(wrong),
    }
}

/// Puts `leaf` at the end of the only path of a parsed `key=0`.
fn replace_leaf(node: &mut Node, leaf: Node) {
    match node.table_mut() {
        Some(table) => {
            if let Some(entry) = table.values_mut().next() {
                replace_leaf(&mut entry.node, leaf);
            }
        }
        None => *node = leaf,
    }
}

/// A flag changes named tables of the file and adds none: an unknown name is a mistake.
pub(crate) fn check_names(format: &Format, layers: &[Node], faults: &mut Vec<Fault>) {
    let Some((file, flags)) = layers.split_last() else {
        return;
    };
    for section in sections(&format.root) {
        let declared = file
            .get(section)
            .and_then(Node::table)
            .filter(|table| !table.is_empty())
            .or_else(|| format.defaults.root().get(section)?.table());
        let names: Vec<&str> = declared
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        for flag in flags {
            let set = flag.get(section).and_then(Node::table);
            for (name, entry) in set.into_iter().flatten() {
                if !names.contains(&name.as_str()) {
                    faults.push(
                        Fault::at(entry.key, format!("no {section} is called `{name}`"))
                            .label("not in the file")
                            .hint(suggest::hint(name, names.iter().copied(), "names")),
                    );
                }
            }
        }
    }
}

/// The fields that hold named tables.
fn sections(root: &Table) -> impl Iterator<Item = &str> {
    let names = root.fields.keys().map(String::as_str);
    names.filter(|name| root.named_tables(name).is_some())
}
