//! `--set path.to.key=value`: a layer above the file, with places in the flag itself. And profiles: tables of such values in
//! the file, of which `profile` chooses one.

use std::collections::BTreeMap;

use super::defaults::Defaults;
use super::fault::Fault;
use super::place::Place;
use super::shape::SPEC;
use super::structure::Structure;
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

/// Takes the profiles out of the file's layer (the last one) and puts the chosen one, as a layer of its own, above it.
///
/// A profile that is not chosen is still checked, so that it does not rot.
pub(super) fn apply_profile(layers: &mut Vec<Node>, faults: &mut Vec<Fault>) {
    let chosen = layers
        .iter()
        .find_map(|layer| layer.get("profile"))
        .cloned();
    let Some(file) = layers.last_mut() else {
        return;
    };
    let Value::Table(top) = &mut file.value else {
        return;
    };
    let profiles = top.remove("profiles");
    let profiles = profiles.as_ref().and_then(|entry| entry.node.table());
    let mut nested: BTreeMap<&String, Node> = BTreeMap::new();
    for (name, entry) in profiles.into_iter().flatten() {
        faults.extend(name_fault(name, entry.key));
        nested.insert(name, super::variant::nested(&entry.node));
    }
    let wanted = chosen.as_ref().and_then(Node::text).unwrap_or_default();
    let place = chosen.as_ref().map_or_else(Place::top, |node| node.place);
    for (name, layer) in nested.iter().filter(|(name, _)| name.as_str() != wanted) {
        let path = format!("profiles.{name}");
        Structure::new(Defaults::built_in(), faults).table(&SPEC, layer, &path);
    }
    if wanted.is_empty() {
        return;
    }
    match nested.remove(&wanted.to_owned()) {
        Some(layer) => layers.insert(layers.len() - 1, layer),
        None => faults.push(
            Fault::at(place, format!("no profile is called `{wanted}`"))
                .label("expected the name of a profile")
                .hint(suggest::hint(
                    wanted,
                    nested.keys().map(|name| name.as_str()),
                    "profiles",
                )),
        ),
    }
}

/// A profile's name becomes part of the name of a folder.
fn name_fault(name: &str, place: Place) -> Option<Fault> {
    let fault = match super::check::fault_of_name(name) {
        Some(fault) => fault,
        None if super::folder::is_reserved(name) => {
            "is what the folder of a run with other flags ends in"
        }
        None => return None,
    };
    let message = format!("the profile name `{}` {fault}", name.escape_debug());
    Some(
        Fault::at(place, message)
            .label("expected letters, digits, `-` and `_`: results go to the folder NAME-PROFILE")
            .hint("for example `offline`"),
    )
}

/// Says of every expected value of the resolved spec that a profile's results are not comparable with it, unless the file
/// gives a reason of its own.
pub(super) fn mark_expected(tree: &mut Node) {
    let profile = tree.get("profile").and_then(Node::text).unwrap_or_default();
    if profile.is_empty() {
        return;
    }
    let reason = format!("run with profile `{profile}`, which changes data or models");
    let Value::Table(fields) = &mut tree.value else {
        return;
    };
    let Some(Value::List(expected)) = fields
        .get_mut("expected")
        .map(|entry| &mut entry.node.value)
    else {
        return;
    };
    for item in expected {
        let Value::Table(fields) = &mut item.value else {
            continue;
        };
        if let Some(entry) = fields.get_mut("not_comparable")
            && entry.node.text() == Some("")
        {
            entry.node.value = Value::Text(reason.clone());
        }
    }
}

/// A flag changes what the file declares; a name that the file has not is a slip.
pub(super) fn check_names(layers: &[Node], faults: &mut Vec<Fault>) {
    let Some((file, flags)) = layers.split_last() else {
        return;
    };
    let defaults = super::defaults::Defaults::built_in().root();
    for section in [
        "dataset", "encoder", "llm", "prompt", "model", "variant", "scenario", "protocol",
        "figure", "table",
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
