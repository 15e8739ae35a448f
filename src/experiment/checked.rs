//! A spec without faults: the resolved values, and where each of them comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Spec;
use super::place::{DEFAULTS, FILE, Sources};
use super::structure::join;
use super::written::{Node, Value};

/// Where a value of the resolved spec comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded defaults.
    Default,
    /// The preset of this name.
    Preset(String),
    /// This line of the experiment file.
    Line(usize),
    /// The `--set` flag of this number, from 1.
    Override(usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => formatter.write_str("default"),
            Origin::Preset(name) => write!(formatter, "preset {name}"),
            Origin::Line(line) => write!(formatter, "line {line}"),
            Origin::Override(number) => write!(formatter, "--set {number}"),
        }
    }
}

/// A spec that has passed every check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The resolved spec.
    pub spec: Spec,
    /// Where each single value comes from, by its dotted path.
    pub origins: BTreeMap<String, Origin>,
    /// Folder that the paths of the spec start from.
    pub base: PathBuf,
    /// Name of the results folder: the experiment's, with what flags, profile and limit change.
    pub folder: String,
    text: String,
}

impl Checked {
    pub(super) fn new(spec: Spec, tree: Node, sources: &Sources, base: &Path) -> Self {
        let mut origins = BTreeMap::new();
        collect_origins(&tree, "", sources, &mut origins);
        let mut text = String::from(
            "# Written by allround: the whole experiment as it was run. Behind each value stands where it comes from.\n",
        );
        print_table(&tree, "", &origins, &mut text);
        let base = base.to_owned();
        Checked {
            folder: spec.name.clone(),
            spec,
            origins,
            base,
            text,
        }
    }

    /// The resolved spec as TOML, each value with its origin in a comment; [`super::load_resolved`] reads it back.
    pub fn resolved_toml(&self) -> &str {
        &self.text
    }
}

fn collect_origins(
    node: &Node,
    path: &str,
    sources: &Sources,
    origins: &mut BTreeMap<String, Origin>,
) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                collect_origins(&entry.node, &join(path, &bare(key)), sources, origins);
            }
        }
        Value::List(items) if is_list_of_tables(items) => {
            for (at, item) in items.iter().enumerate() {
                collect_origins(item, &format!("{path}[{at}]"), sources, origins);
            }
            origins.insert(path.to_owned(), origin(node, sources));
        }
        _ => {
            origins.insert(path.to_owned(), origin(node, sources));
        }
    }
}

fn origin(node: &Node, sources: &Sources) -> Origin {
    match (node.place.source, &node.preset) {
        (DEFAULTS, Some(preset)) => Origin::Preset(preset.clone()),
        (DEFAULTS, None) => Origin::Default,
        (FILE, _) => Origin::Line(sources.line_column(node.place).0),
        (flag, _) => Origin::Override(flag - FILE),
    }
}

fn is_list_of_tables(items: &[Node]) -> bool {
    items.iter().any(|item| item.table().is_some())
}

/// Single values first, then a section for each table.
fn print_table(node: &Node, path: &str, origins: &BTreeMap<String, Origin>, text: &mut String) {
    let entries = || node.table().into_iter().flatten();
    for (key, entry) in entries() {
        let key = bare(key);
        let below = join(path, &key);
        let sections = matches!(&entry.node.value, Value::List(items) if path.is_empty() && is_list_of_tables(items));
        if entry.node.table().is_none() && !sections {
            let value = toml_value(&entry.node);
            let origin = origins
                .get(&below)
                .map(Origin::to_string)
                .unwrap_or_default();
            text.push_str(&format!("{key} = {value} # {origin}\n"));
        }
    }
    for (key, entry) in entries() {
        let below = join(path, &bare(key));
        match &entry.node.value {
            Value::Table(table) => {
                let only_tables =
                    !table.is_empty() && table.values().all(|entry| entry.node.table().is_some());
                if !only_tables {
                    text.push_str(&format!("\n[{below}]\n"));
                }
                print_table(&entry.node, &below, origins, text);
            }
            Value::List(items) if path.is_empty() && is_list_of_tables(items) => {
                for (at, item) in items.iter().enumerate() {
                    text.push_str(&format!("\n[[{below}]]\n"));
                    print_item(item, &format!("{below}[{at}]"), origins, text);
                }
            }
            _ => {}
        }
    }
}

fn print_item(item: &Node, path: &str, origins: &BTreeMap<String, Origin>, text: &mut String) {
    for (key, entry) in item.table().into_iter().flatten() {
        let key = bare(key);
        let origin = origins
            .get(&join(path, &key))
            .map(Origin::to_string)
            .unwrap_or_default();
        text.push_str(&format!("{key} = {} # {origin}\n", toml_value(&entry.node)));
    }
}

/// A key as TOML writes it: bare where it can be.
fn bare(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !key.is_empty() && key.bytes().all(plain) {
        true => key.to_owned(),
        false => toml::Value::String(key.to_owned()).to_string(),
    }
}

pub(super) fn toml_value(node: &Node) -> toml::Value {
    match &node.value {
        Value::Table(table) => toml::Value::Table(
            table
                .iter()
                .map(|(key, entry)| (key.clone(), toml_value(&entry.node)))
                .collect(),
        ),
        Value::List(items) => toml::Value::Array(items.iter().map(toml_value).collect()),
        Value::Text(text) | Value::Foreign(text) => toml::Value::String(text.clone()),
        Value::Integer(integer) => toml::Value::Integer(*integer),
        Value::Number(number) => toml::Value::Float(*number),
        Value::Boolean(boolean) => toml::Value::Boolean(*boolean),
    }
}

/// The tree as JSON, for the config types to be read from.
pub(super) fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Table(table) => Json::Object(
            table
                .iter()
                .map(|(key, entry)| (key.clone(), to_json(&entry.node)))
                .collect(),
        ),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Text(text) | Value::Foreign(text) => Json::from(text.as_str()),
        Value::Integer(integer) => Json::from(*integer),
        Value::Number(number) => Json::from(*number),
        Value::Boolean(boolean) => Json::from(*boolean),
    }
}
