//! How a format is made, and how a file is read: all layers and checks in their order.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::defaults::Defaults;
use crate::fault::{Fault, Faults};
use crate::format::Format;
use crate::path::Path;
use crate::place::{FILE, Place, Sources};
use crate::resolve::Resolver;
use crate::resolved::{Resolved, to_json};
use crate::rules::Rules;
use crate::shape::Table;
use crate::structure::Structure;
use crate::written::{Entry, Node, Value, parse};
use crate::{audit, flags, labels, profile, short, variant};

/// A file with its flags after the checks of structure. Its faults are collected, so that the
/// application can add its own before [`Reading::finish`] returns all of them.
#[derive(Debug)]
pub struct Reading {
    /// The resolved values with their places. A part that lacks a field is missing.
    pub tree: Node,
    /// What was written, strongest first, with kinds written in full: also what is at fault.
    pub layers: Vec<Node>,
    /// Faults so far.
    pub faults: Vec<Fault>,
    sources: Sources,
}

impl Format {
    /// The format of the type `T`, with defaults as TOML text; `name` is what messages call them.
    ///
    /// # Errors
    /// Every fault of the defaults: not TOML, or a value that has no place in the type.
    pub fn of<T: JsonSchema>(name: &str, defaults: &str, rules: Rules) -> Result<Self, Faults> {
        let format = Format {
            root: Table::of::<T>(&rules.texts),
            defaults: Defaults::parse(name, defaults)?,
            rules,
        };
        let faults = audit::faults(&format);
        match faults.is_empty() {
            true => Ok(format),
            false => Err(Faults::new(format.sources("", ""), faults)),
        }
    }

    /// Reads a file and `--set` flags; `name` is what messages call the file.
    ///
    /// # Errors
    /// Faults after which no check is possible: syntax errors and an unknown version.
    pub fn read(&self, name: &str, text: &str, flags: &[String]) -> Result<Reading, Faults> {
        let mut sources = self.sources(name, text);
        let mut faults = Vec::new();
        let mut layers = match self.layers(text, flags, &mut sources) {
            Ok(layers) => layers,
            Err(faults) => return Err(Faults::new(sources, faults)),
        };
        profile::apply(self, &mut layers, &mut faults);
        let labels = labels::take(self, &mut layers, &mut faults);
        short::expand(self, &mut layers, &mut faults);
        let mut structure = Structure::new(self, &mut faults).in_layers(&layers);
        let mut valid: Vec<Node> = layers
            .iter()
            .filter_map(|layer| structure.table(&self.root, layer, &Path::root()))
            .collect();
        flags::check_names(self, &valid, &mut faults);
        variant::check_keys(self, &mut valid, &mut faults);
        let written: Vec<&Node> = valid.iter().collect();
        let mut tree = Resolver::new(&self.defaults, &mut faults).file(&self.root, &written);
        variant::resolve(self, &mut tree, &written, &mut faults);
        if let Some(fields) = tree.table_mut() {
            self.fill_required(fields, &mut faults);
            if let Some((rule, labels)) = self.rules.labels.as_ref().zip(labels) {
                fields.insert(rule.collected.to_owned(), labels);
            }
        }
        Ok(Reading {
            tree,
            layers,
            faults,
            sources,
        })
    }

    /// The fault of a version that this program does not read, in a parsed file.
    pub fn fault_of_version(&self, file: &Node) -> Option<Fault> {
        let rule = self.rules.version.as_ref()?;
        let version = file.get(rule.field)?;
        let (field, number, program) = (rule.field, rule.number, rule.program);
        let other = match version.value {
            Value::Integer(other) if other != number => other,
            _ => return None,
        };
        let message = format!("{field} `{other}` is unknown: this program reads version {number}");
        let hint = match other > number {
            true => format!("the file was written for a newer {program}: update the program"),
            false => format!("write `{field} = {number}`"),
        };
        Some(
            Fault::at(version.place, message)
                .label(format!("expected {number}"))
                .hint(hint),
        )
    }

    /// The flags' layers, the last flag first, then the file's.
    fn layers(
        &self,
        text: &str,
        flags: &[String],
        sources: &mut Sources,
    ) -> Result<Vec<Node>, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut layers = Vec::new();
        for flag in flags {
            let source = sources.add_override(flag);
            match flags::parse(flag, source) {
                Ok(layer) => layers.insert(0, layer),
                Err(mut wrong) => faults.append(&mut wrong),
            }
        }
        if text.trim().is_empty() {
            let hint = self.rules.empty_file_hint;
            faults.push(Fault::of_file("the file is empty").hint(hint));
            return Err(faults);
        }
        match parse(text, FILE) {
            Ok(file) => layers.push(file),
            Err(mut wrong) => faults.append(&mut wrong),
        }
        faults.extend(
            layers
                .iter()
                .filter_map(|layer| self.fault_of_version(layer)),
        );
        match faults.is_empty() {
            true => Ok(layers),
            false => Err(faults),
        }
    }

    /// Reports missing fields of the whole, and adds stand-ins so that later checks can continue.
    fn fill_required(&self, fields: &mut BTreeMap<String, Entry>, faults: &mut Vec<Fault>) {
        for required in &self.rules.required {
            let field = required.field;
            if fields.contains_key(field) {
                continue;
            }
            // A value of the wrong type has its fault already.
            if !faults.iter().any(|fault| fault.keys == [field]) {
                let message = format!("missing field `{field}`");
                faults.push(Fault::at(Place::top(), message).hint(required.hint));
            }
            let key = Place::top();
            let node = Node::new(key, required.stand_in.clone());
            fields.insert(field.to_owned(), Entry { key, node });
        }
    }
}

impl Reading {
    /// The resolved values as a type, also where they have faults that do not prevent it.
    ///
    /// # Errors
    /// The faults that prevent it, with all others.
    pub fn value<T: DeserializeOwned>(&mut self) -> Result<T, Faults> {
        serde_json::from_value(to_json(&self.tree)).map_err(|error| {
            if self.faults.is_empty() {
                let message = format!("the resolved file does not fit its type: {error}");
                self.faults.push(Fault::of_file(message));
            }
            Faults::new(self.sources.clone(), std::mem::take(&mut self.faults))
        })
    }

    /// The resolved file with the origin of each value.
    ///
    /// # Errors
    /// All faults, if there are any.
    pub fn finish(self) -> Result<Resolved, Faults> {
        match self.faults.is_empty() {
            true => Ok(Resolved::new(&self.tree, &self.sources)),
            false => Err(Faults::new(self.sources, self.faults)),
        }
    }
}
