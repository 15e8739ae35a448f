//! Checks of meaning, after those of structure. One file per part of the spec.

mod chat;
mod data;
mod expected;
mod folder;
mod form;
mod fusion;
mod genre;
mod gguf;
mod llm;
mod matrix;
mod method;
mod model;
mod name;
mod outputs;
mod protocol;
mod run;
pub mod search;
mod source;
pub mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) use name::fault as fault_of_name;

use super::Spec;
use super::fault::Fault;
use super::place::Place;
use super::suggest;
use super::written::{Node, Value};
use allround_core::models::Model;
use allround_core::problem::Problem;

/// Collects every fault of meaning.
///
/// `tree` is the resolved spec with places. `layers` are the values as written, with those that
/// could not be resolved: their names count as declared.
pub(super) fn meaning(
    spec: &Spec,
    tree: &Node,
    layers: &[Node],
    base: &Path,
    faults: &mut Vec<Fault>,
) {
    let mut check = Check {
        spec,
        tree,
        layers,
        base,
        faults,
    };
    name::check(&mut check);
    data::check(&mut check, base);
    llm::check(&mut check, base);
    model::check(&mut check, base);
    method::check(&mut check);
    fusion::check(&mut check);
    matrix::check(&mut check);
    run::check(&mut check);
    search::check(&mut check);
    outputs::check(&mut check);
}

/// Reports names in a resolved spec that cannot be names of files. It may have been changed since
/// it was written.
pub(super) fn names(spec: &Spec, tree: &Node, faults: &mut Vec<Fault>) {
    let layers = std::slice::from_ref(tree);
    name::all(&mut Check {
        spec,
        tree,
        layers,
        base: Path::new(""),
        faults,
    });
}

/// Settings of a search's trial that contradict each other, or that its files do not fit.
pub(super) fn of_trial(spec: &Spec, layers: &[Node], base: &Path, model: &Model) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tree = Node::new(Place::top(), Value::Table(BTreeMap::new()));
    let mut check = Check {
        spec,
        tree: &tree,
        layers,
        base,
        faults: &mut faults,
    };
    model::one(&mut check, model, &["search"]);
    faults
}

/// Sections with a default entry. A file has it unless it declares entries itself.
const BUILT_IN: [(&str, &str); 3] = [
    ("prompt", "default"),
    ("scenario", "overall"),
    ("protocol", "strict"),
];

/// What an entry of a section is called in messages.
fn words(section: &str) -> &str {
    match section {
        "dataset" => "data set",
        "encoder" => "text encoder",
        "llm" => "language model",
        section => section,
    }
}

struct Check<'a> {
    spec: &'a Spec,
    tree: &'a Node,
    layers: &'a [Node],
    /// Folder that relative paths refer to.
    base: &'a Path,
    faults: &'a mut Vec<Fault>,
}

impl Check<'_> {
    /// Where the value at a path was written. For a default it is the nearest table around it.
    fn place(&self, path: &[&str]) -> Place {
        (0..=path.len())
            .rev()
            .filter_map(|length| self.tree.at(&path[..length]))
            .map(|node| node.place)
            .find(|place| place.is_written())
            .unwrap_or(Place::top())
    }

    /// Whether a default replaces an invalid value of the file. That value has been reported.
    fn is_stand_in(&self, path: &[&str]) -> bool {
        let written = |layer: &Node| layer.at(path).is_some_and(|node| node.place.is_written());
        let resolved = self.tree.at(path);
        let is_default = resolved.is_none_or(|node| !node.place.is_written());
        is_default && self.layers.iter().any(written)
    }

    /// Where the name of an entry of a section is written as a key.
    fn key_place(&self, section: &str, name: &str) -> Place {
        let written = |layer: &Node| Some(layer.get(section)?.table()?.get(name)?.key);
        let place = self.layers.iter().rev().find_map(written);
        place.unwrap_or_else(|| self.place(&[section, name]))
    }

    /// Names that a section declares, including those of invalid entries.
    fn names(&self, section: &str) -> BTreeSet<String> {
        let resolved = self.tree.get(section).into_iter();
        let all = self.layers.iter().filter_map(|layer| layer.get(section));
        let tables = all.chain(resolved).filter_map(Node::table);
        tables.flat_map(|table| table.keys().cloned()).collect()
    }

    /// Names of models, variants and searches.
    fn model_names(&self) -> BTreeSet<String> {
        let mut names = self.names("model");
        names.extend(self.names("variant"));
        names.extend(self.names("search"));
        names
    }

    fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Reports a problem of the model or source whose settings are at `path`.
    fn problem(&mut self, path: &[&str], problem: Problem) {
        let place = |key: &str| {
            let keys: Vec<&str> = path.iter().copied().chain(key.split('.')).collect();
            self.place(&keys)
        };
        let mut fault = Fault::at(place(&problem.key), problem.message)
            .label(problem.label)
            .maybe_hint(problem.hint);
        if let Some(related) = problem.related {
            fault = fault.related(place(&related.key), related.label);
        }
        self.push(fault);
    }

    /// Reports an unknown name in the value at a path. Returns whether it is known.
    fn known(&mut self, what: &str, name: &str, known: &BTreeSet<String>, path: &[&str]) -> bool {
        let place = self.place(path);
        self.known_at(what, name, known, place)
    }

    /// Reports an unknown name at a place. Returns whether it is known.
    fn known_at(&mut self, what: &str, name: &str, known: &BTreeSet<String>, place: Place) -> bool {
        if known.contains(name) {
            return true;
        }
        let is_built_in = BUILT_IN.contains(&(what, name));
        let what = words(what);
        let names = known.iter().map(String::as_str);
        let hint = match is_built_in {
            true => format!(
                "the default `{name}` is missing in a file that declares a {what}: declare `{name}` too, or name another {what}"
            ),
            false => suggest::hint(name, names, &format!("{what}s")),
        };
        self.push(
            Fault::at(place, format!("no {what} is called `{name}`"))
                .label(format!("expected the name of a {what}"))
                .hint(hint),
        );
        false
    }

    /// Reports repeated items of a list.
    fn no_repeats<T: ToString>(&mut self, items: &[T], path: &[&str]) {
        let mut seen: Vec<String> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let item = item.to_string();
            if let Some(first) = seen.iter().position(|earlier| *earlier == item) {
                let place = |at: usize| {
                    let at = at.to_string();
                    let mut path = path.to_vec();
                    path.push(&at);
                    self.place(&path)
                };
                let fault = Fault::at(
                    place(at),
                    format!("`{item}` is in `{}` twice", path.join(".")),
                )
                .label("again here")
                .related(place(first), "first here")
                .hint("remove one of the two");
                self.push(fault);
            }
            seen.push(item);
        }
    }
}
