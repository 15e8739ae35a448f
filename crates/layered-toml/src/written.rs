//! The values of a TOML text, each with its place.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::fault::Fault;
use crate::place::Place;

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is written.
    pub place: Place,
    /// Name of the preset that it comes from, for a value of the defaults.
    pub preset: Option<String>,
    /// Whether the file writes the fields of this kind table directly into the table around it.
    pub(crate) implied: bool,
    /// The value.
    pub value: Value,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A table.
    Table(BTreeMap<String, Entry>),
    /// An array.
    List(Vec<Node>),
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A float.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date, or an integer of more than 64 bits, as written. No field takes one.
    Foreign(String),
}

/// A key of a table with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key is written.
    pub key: Place,
    /// The value.
    pub node: Node,
}

impl Node {
    /// A node at the place of the value that it was made from.
    pub fn new(place: Place, value: Value) -> Self {
        Node {
            place,
            preset: None,
            implied: false,
            value,
        }
    }

    /// The table, if it is one.
    pub fn table(&self) -> Option<&BTreeMap<String, Entry>> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The value of a key, if this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.get(key).map(|entry| &entry.node)
    }

    /// The value at a path of keys and list positions.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.value {
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.get(step),
        })
    }

    /// The table for changes, if it is one.
    pub(crate) fn table_mut(&mut self) -> Option<&mut BTreeMap<String, Entry>> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The same node with another value.
    pub(crate) fn with(&self, value: Value) -> Node {
        Node {
            place: self.place,
            preset: self.preset.clone(),
            implied: self.implied,
            value,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The only key of a table with one key.
    pub fn only_key(&self) -> Option<&str> {
        let table = self.table()?;
        match table.len() {
            1 => table.keys().next().map(String::as_str),
            _ => None,
        }
    }

    /// Marks the value and everything in it as given by a preset.
    pub(crate) fn mark_preset(&mut self, preset: &str) {
        self.preset = Some(preset.to_owned());
        match &mut self.value {
            Value::Table(table) => {
                for entry in table.values_mut() {
                    entry.node.mark_preset(preset);
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| item.mark_preset(preset)),
            _ => {}
        }
    }
}

/// Parses TOML, the text of source number `source`; every syntax error is a fault.
pub fn parse(text: &str, source: usize) -> Result<Node, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let place = Place {
            source,
            start: 0,
            end: 0,
        };
        let table = read_table(table.get_ref(), source);
        return Ok(Node::new(place, table));
    }
    // An unclosed array or inline table swallows the rest of the file: later errors mean nothing.
    let swallows = |message: &str| message.contains("array") || message.contains("inline table");
    let open = errors.iter().position(|error| swallows(error.message()));
    let kept = open.map_or(errors.len(), |at| at + 1);
    Err(errors[..kept]
        .iter()
        .map(|error| syntax_fault(error, text, source))
        .collect())
}

fn syntax_fault(error: &toml::de::Error, text: &str, source: usize) -> Fault {
    let span = error.span().unwrap_or(text.len()..text.len());
    let place = Place {
        source,
        start: span.start,
        end: span.end,
    };
    // The parser writes "WHAT, expected THIS"; the second half becomes the label.
    let (what, expected) = match error.message().split_once(", expected ") {
        Some((what, expected)) => (what, format!("expected {expected}")),
        None => (error.message(), String::new()),
    };
    let found = text.get(span).unwrap_or_default();
    let hint = match what {
        "duplicate key" => Some(format!(
            "`{found}` is already set above; keep one of the two"
        )),
        what if what.starts_with("string values must be quoted") && found.is_empty() => {
            Some("write a value after the `=`".to_owned())
        }
        what if what.starts_with("string values must be quoted") => {
            Some(format!("write `\"{found}\"` if it is a string"))
        }
        what if what.contains("array") => Some("is the list before it closed with `]`?".to_owned()),
        what if what.contains("inline table") => {
            Some("is the inline table before it closed with `}` on its line?".to_owned())
        }
        _ => None,
    };
    Fault::at(place, format!("not TOML: {what}"))
        .label(expected)
        .maybe_hint(hint)
}

fn read_table(table: &DeTable<'_>, source: usize) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let entry = Entry {
            key: place_of(key.span(), source),
            node: read_value(value, source),
        };
        (key.get_ref().to_string(), entry)
    });
    Value::Table(entries.collect())
}

fn read_value(value: &toml::Spanned<DeValue<'_>>, source: usize) -> Node {
    let read = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Foreign(integer.to_string()),
        },
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(float) => Value::Number(float),
            Err(_) => Value::Foreign(float.to_string()),
        },
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(date) => Value::Foreign(date.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| read_value(item, source)).collect())
        }
        DeValue::Table(table) => read_table(table, source),
    };
    Node::new(place_of(value.span(), source), read)
}

/// A table whose dotted keys are tables within tables: `"a.b" = 1` is `a = { b = 1 }`.
pub fn nested(flat: &Node) -> Node {
    let mut nested = Node::new(flat.place, Value::Table(BTreeMap::new()));
    for (key, entry) in flat.table().into_iter().flatten() {
        let steps: Vec<&str> = key.split('.').collect();
        insert(&mut nested, &steps, entry);
    }
    nested
}

fn insert(node: &mut Node, steps: &[&str], entry: &Entry) {
    let Some(table) = node.table_mut() else {
        return;
    };
    match steps {
        [] => {}
        [last] => match (table.get_mut(*last), &entry.node.value) {
            (Some(there), Value::Table(more)) if there.node.table().is_some() => {
                for (key, entry) in more {
                    insert(&mut there.node, &[key], entry);
                }
            }
            _ => {
                table.insert((*last).to_owned(), entry.clone());
            }
        },
        [first, rest @ ..] => {
            let place = entry.key;
            let below = table.entry((*first).to_owned()).or_insert_with(|| Entry {
                key: place,
                node: Node::new(place, Value::Table(BTreeMap::new())),
            });
            insert(&mut below.node, rest, entry);
        }
    }
}

/// The opposite of [`nested`]: every value under its dotted key.
pub(crate) fn flat(node: &Node) -> BTreeMap<String, Entry> {
    let mut flat = BTreeMap::new();
    flatten(node, "", &mut flat);
    flat
}

fn flatten(node: &Node, path: &str, flat: &mut BTreeMap<String, Entry>) {
    for (key, entry) in node.table().into_iter().flatten() {
        let path = crate::path::join(path, key);
        match entry.node.table() {
            Some(table) if !table.is_empty() => flatten(&entry.node, &path, flat),
            _ => {
                flat.insert(path, entry.clone());
            }
        }
    }
}

fn place_of(span: std::ops::Range<usize>, source: usize) -> Place {
    Place {
        source,
        start: span.start,
        end: span.end,
    }
}
