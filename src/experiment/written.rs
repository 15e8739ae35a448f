//! The spec as written: TOML values, each with its place.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::place::Place;

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) place: Place,
    /// Name of the preset that it comes from, for a value of the embedded defaults.
    pub(super) preset: Option<String>,
    /// What it is.
    pub(super) value: Value,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(BTreeMap<String, Entry>),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    /// What no setting can be, as it is written: a date, or an integer beyond 64 bits.
    Foreign(String),
}

/// A key of a table with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where the key stands.
    pub(super) key: Place,
    /// The value.
    pub(super) node: Node,
}

impl Node {
    /// A node made by the program, at the place of what it was made from.
    pub(super) fn new(place: Place, value: Value) -> Self {
        Node {
            place,
            preset: None,
            value,
        }
    }

    /// The table, if it is one.
    pub(super) fn table(&self) -> Option<&BTreeMap<String, Entry>> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The value of a key, if this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.get(key).map(|entry| &entry.node)
    }

    /// The value at the end of a path of keys and list positions.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.value {
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.get(step),
        })
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The only key of a table with one key.
    pub(super) fn only_key(&self) -> Option<&str> {
        let table = self.table()?;
        match table.len() {
            1 => table.keys().next().map(String::as_str),
            _ => None,
        }
    }

    /// Says of the value and all below it that a preset gave it.
    pub(super) fn mark_preset(&mut self, preset: &str) {
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

/// Reads TOML text, the text of source number `source`; every syntax error is a fault.
pub(super) fn parse(text: &str, source: usize) -> Result<Node, Vec<Fault>> {
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
    // An open list or inline table swallows the rest of the file; what is said of that rest means nothing.
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
    // The library says "WHAT, expected THIS"; the second half belongs under the place.
    let (what, expected) = match error.message().split_once(", expected ") {
        Some((what, expected)) => (what, format!("expected {expected}")),
        None => (error.message(), String::new()),
    };
    let found = text.get(span).unwrap_or_default();
    let hint = match what {
        "duplicate key" => Some(format!(
            "`{found}` is already there above; keep one of the two"
        )),
        what if what.starts_with("string values must be quoted") && found.is_empty() => {
            Some("write a value after the `=`".to_owned())
        }
        what if what.starts_with("string values must be quoted") => {
            Some(format!("write `\"{found}\"` if it is meant as text"))
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

fn place_of(span: std::ops::Range<usize>, source: usize) -> Place {
    Place {
        source,
        start: span.start,
        end: span.end,
    }
}
