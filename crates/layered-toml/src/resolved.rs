//! The resolved file: its values, where each comes from, and its text.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use crate::path::join;
use crate::place::{DEFAULTS, FILE, Sources};
use crate::written::{Node, Value};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The defaults.
    Default,
    /// The preset of this name.
    Preset(String),
    /// This line of the file.
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

/// The values of a file and its flags without faults, and the origin of each.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Origin of each single value, by its dotted path.
    pub origins: BTreeMap<String, Origin>,
    /// The whole as TOML, each value with its origin in a comment.
    pub toml: String,
}

impl Resolved {
    pub(crate) fn new(tree: &Node, sources: &Sources) -> Self {
        let mut origins = BTreeMap::new();
        collect_origins(tree, "", sources, &mut origins);
        let mut toml = String::new();
        print_table(tree, "", &origins, &mut toml);
        Resolved { origins, toml }
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

/// Prints single values first, then a section for each table.
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

/// The node as a value of the `toml` crate.
pub fn toml_value(node: &Node) -> toml::Value {
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

/// The node as JSON, from which types are deserialized.
pub(crate) fn to_json(node: &Node) -> Json {
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
