//! Profiles: tables of values in the file, of which one is chosen and put above the file.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::format::Format;
use crate::path::Path;
use crate::place::Place;
use crate::rules::ProfileRule;
use crate::structure::Structure;
use crate::written::{Node, nested};
use crate::{labels, short, suggest};

/// Takes the profiles out of the file's layer (the last) and puts the chosen one above it.
///
/// A profile that is not chosen is checked too.
pub(crate) fn apply(format: &Format, layers: &mut Vec<Node>, faults: &mut Vec<Fault>) {
    let Some(rule) = &format.rules.profiles else {
        return;
    };
    let chosen = layers
        .iter()
        .find_map(|layer| layer.get(rule.chosen))
        .cloned();
    let Some(file) = layers.last_mut() else {
        return;
    };
    let profiles = file.table_mut().and_then(|top| top.remove(rule.all));
    let profiles = profiles.as_ref().and_then(|entry| entry.node.table());
    let mut unchosen: BTreeMap<&str, Node> = BTreeMap::new();
    for (name, entry) in profiles.into_iter().flatten() {
        faults.extend(name_fault(rule, name, entry.key));
        unchosen.insert(name, nested(&entry.node));
    }
    let wanted = chosen.as_ref().and_then(Node::text).unwrap_or_default();
    let place = chosen.as_ref().map_or_else(Place::top, |node| node.place);
    match unchosen.remove(wanted) {
        Some(layer) => layers.insert(layers.len() - 1, layer),
        None if wanted.is_empty() => {}
        None => faults.push(
            Fault::at(place, format!("no profile is called `{wanted}`"))
                .label("expected the name of a profile")
                .hint(suggest::hint(wanted, unchosen.keys().copied(), "profiles")),
        ),
    }
    for (name, layer) in unchosen {
        check(format, layers.last(), layer, &[rule.all, name], faults);
    }
}

/// Checks the structure of a profile above the file.
fn check(
    format: &Format,
    file: Option<&Node>,
    profile: Node,
    path: &[&str],
    faults: &mut Vec<Fault>,
) {
    let mut layers = vec![profile];
    layers.extend(file.cloned());
    labels::take(format, &mut layers, faults);
    short::expand(format, &mut layers, faults);
    Structure::new(format, faults).table(&format.root, &layers[0], &Path::of(path));
}

fn name_fault(rule: &ProfileRule, name: &str, place: Place) -> Option<Fault> {
    let fault = (rule.fault_of_name)(name)?;
    let message = format!("the profile name `{}` {}", name.escape_debug(), fault.words);
    Some(
        Fault::at(place, message)
            .label(format!("expected {}", fault.expected))
            .hint(fault.hint),
    )
}
