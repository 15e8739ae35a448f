//! Searches: what their settings may be, and the models that trials try.

use std::collections::BTreeMap;

use layered_toml::place::Place;
use layered_toml::written::{Entry, Node, Value};
use layered_toml::{Fault, Reading};
use serde_json::Value as Json;

use super::check;
use super::checked::Checked;
use super::config::search::{Range, Search};
use super::format::FORMAT;
use allround_core::models::Model;

/// Keys of a range.
const RANGE: [&str; 4] = ["from", "to", "log", "step"];

/// Writes the keys of every search space dotted. Values that are neither a list nor a range are
/// reported and left out.
pub(super) fn read_spaces(reading: &mut Reading) {
    let Value::Table(top) = &mut reading.tree.value else {
        return;
    };
    let Some(Value::Table(searches)) = top.get_mut("search").map(|section| &mut section.node.value)
    else {
        return;
    };
    if searches.is_empty() {
        // A file without searches has no such section.
        top.remove("search");
        return;
    }
    for (name, search) in searches {
        let Value::Table(fields) = &mut search.node.value else {
            continue;
        };
        if let Some(space) = fields.get_mut("space") {
            let mut flat = BTreeMap::new();
            let path = format!("search.{name}.space");
            flatten(&space.node, "", &path, &mut flat, &mut reading.faults);
            space.node.value = Value::Table(flat);
        }
    }
}

fn flatten(
    node: &Node,
    key: &str,
    path: &str,
    flat: &mut BTreeMap<String, Entry>,
    faults: &mut Vec<Fault>,
) {
    for (below, entry) in node.table().into_iter().flatten() {
        let key = match key {
            "" => below.clone(),
            key => format!("{key}.{below}"),
        };
        match &entry.node.value {
            Value::Table(table) if !RANGE.iter().any(|key| table.contains_key(*key)) => {
                flatten(&entry.node, &key, path, flat, faults);
            }
            _ => match fault_of_values(&entry.node, &format!("{path}.{key}")) {
                Some(fault) => faults.push(fault),
                None => {
                    flat.insert(key, entry.clone());
                }
            },
        }
    }
}

/// What is wrong with the values that a setting may have.
fn fault_of_values(node: &Node, path: &str) -> Option<Fault> {
    let table = match &node.value {
        Value::List(items) if items.is_empty() => {
            let fault = Fault::at(node.place, format!("`{path}` is an empty list"));
            return Some(fault.label("expected at least one value"));
        }
        Value::List(_) => return None,
        Value::Table(table) => table,
        _ => {
            let message = format!("`{path}` must be a list of values or a range");
            return Some(Fault::at(node.place, message).hint(
                "write for example `[0.1, 0.2]`, or `{ from = 1e-4, to = 1e-2, log = true }`",
            ));
        }
    };
    if let Some((key, entry)) = table.iter().find(|(key, _)| !RANGE.contains(&key.as_str())) {
        let message = format!("unknown field `{key}` in `{path}`");
        return Some(Fault::at(entry.key, message).label("expected `from`, `to`, `log` or `step`"));
    }
    let number = |key: &str| match &table.get(key)?.node.value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    };
    let wrong = |message: String| Some(Fault::at(node.place, message));
    let (Some(from), Some(to)) = (number("from"), number("to")) else {
        return wrong(format!("`{path}` needs the numbers `from` and `to`"));
    };
    if from >= to {
        return wrong(format!("`{path}` is empty: `from` is not below `to`"));
    }
    let log = table.get("log").map(|entry| &entry.node.value);
    if log.is_some_and(|value| !matches!(value, Value::Boolean(_))) {
        return wrong(format!("`{path}.log` must be `true` or `false`"));
    }
    if matches!(log, Some(Value::Boolean(true))) && (from <= 0.0 || table.contains_key("step")) {
        return wrong(format!(
            "`{path}` with `log` needs a `from` above 0 and no `step`"
        ));
    }
    if table.contains_key("step") && number("step").is_none_or(|step| step <= 0.0) {
        return wrong(format!("`{path}.step` must be a number above 0"));
    }
    None
}

/// A node of a JSON value. JSON's null, which TOML lacks, becomes an empty text.
pub(super) fn node(value: &Json, place: Place) -> Node {
    let value = match value {
        Json::Null => Value::Text(String::new()),
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(|item| node(item, place)).collect()),
        Json::Object(fields) => Value::Table(
            fields
                .iter()
                .map(|(key, value)| {
                    let node = node(value, place);
                    (key.clone(), Entry { key: place, node })
                })
                .collect(),
        ),
    };
    Node::new(place, value)
}

/// A model with some dotted keys changed, as JSON; `None` for an unknown model.
///
/// # Errors
/// Keys and values that the model does not have.
pub(super) fn varied(
    layers: &[Node],
    search: (&str, &Search),
    set: &Node,
) -> Result<Option<Model>, Vec<Fault>> {
    let (name, search) = search;
    let json = FORMAT.varied(layers, &search.of, set, &["search", name, "space"])?;
    // The value fits the schema of the type.
    Ok(json.and_then(|json| serde_json::from_value(json).ok()))
}

impl Checked {
    /// The model that a search tries with dotted keys set to these values.
    ///
    /// # Errors
    /// Why there is no such model: settings that contradict each other, in one line.
    pub fn trial(&self, search: &str, set: &BTreeMap<String, Json>) -> Result<Model, String> {
        let settings = &self.spec.search[search];
        let entries = set.iter().map(|(key, value)| {
            let node = node(value, Place::top());
            let place = Place::top();
            (key.clone(), Entry { key: place, node })
        });
        let set = Node::new(Place::top(), Value::Table(entries.collect()));
        let messages = |faults: Vec<Fault>| {
            let texts: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
            texts.join("; ")
        };
        let model = varied(&self.layers, (search, settings), &set).map_err(messages)?;
        let model = model.ok_or_else(|| format!("there is no model `{}`", settings.of))?;
        let faults = check::of_trial(&self.spec, &self.layers, &self.base, &model);
        match faults.is_empty() {
            true => Ok(model),
            false => Err(messages(faults)),
        }
    }

    /// Whether a setting of a search's range is a whole number.
    pub fn is_whole(&self, search: &str, key: &str, range: &Range) -> bool {
        let whole = |number: f64| number.fract() == 0.0;
        let has_whole_ends = whole(range.from) && whole(range.to);
        let settings = &self.spec.search[search];
        has_whole_ends && takes_whole_alone(&self.layers, (search, settings), (key, range.to))
    }
}

/// Whether a key takes whole numbers and no others.
fn takes_whole_alone(layers: &[Node], search: (&str, &Search), (key, value): (&str, f64)) -> bool {
    let node = Node::new(Place::top(), Value::Number(value - 0.5));
    let place = Place::top();
    let entry = Entry { key: place, node };
    let set = Node::new(
        place,
        Value::Table(BTreeMap::from([(key.to_owned(), entry)])),
    );
    varied(layers, search, &set).is_err()
}
