//! `--set path.to.key=value`: a layer above the file, with places in the flag itself.

use super::fault::Fault;
use super::place::Place;
use super::suggest;
use super::written::{Entry, Node, Value, parse as parse_toml};

/// Reads a flag: a TOML key, `=`, and a TOML value or a bare word that is taken as text.
pub(super) fn parse(flag: &str, source: usize) -> Result<Node, Vec<Fault>> {
    let place = |start, end| Place { source, start, end };
    let Some(equals) = flag.find('=') else {
        return Err(vec![
            Fault::at(place(0, flag.len()), format!("`{flag}` sets nothing"))
                .label("expected `path.to.key=value`")
                .hint("for example `--set run.threads=2`"),
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

/// Puts `leaf` where the only path of a parsed `key=0` ends.
fn replace_leaf(node: &mut Node, leaf: Node) {
    match &mut node.value {
        Value::Table(table) => {
            if let Some(entry) = table.values_mut().next() {
                replace_leaf(&mut entry.node, leaf);
            }
        }
        _ => *node = leaf,
    }
}

/// A flag changes what the file declares; a name that the file has not is a slip.
pub(super) fn check_names(layers: &[Node], faults: &mut Vec<Fault>) {
    let Some((file, flags)) = layers.split_last() else {
        return;
    };
    let defaults = super::defaults::Defaults::built_in().root();
    for section in [
        "dataset", "model", "variant", "scenario", "protocol", "figure", "table",
    ] {
        let declared = file
            .get(section)
            .and_then(Node::table)
            .filter(|table| !table.is_empty())
            .or_else(|| defaults.get(section)?.table());
        let names: Vec<&str> = declared
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        for flag in flags {
            let set = flag.get(section).and_then(Node::table);
            for (name, Entry { key, .. }) in set.into_iter().flatten() {
                if !names.contains(&name.as_str()) {
                    faults.push(
                        Fault::at(*key, format!("no {section} is called `{name}`"))
                            .label("not in the file")
                            .hint(suggest::hint(name, names.iter().copied(), "names")),
                    );
                }
            }
        }
    }
}
