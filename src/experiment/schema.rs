//! The JSON schema of the experiment file as it is written, for editors: the derived schema of the resolved spec with
//! every default filled in and no longer required, and with presets.

use serde_json::{Map, Value as Json, json};

use super::checked::to_json;
use super::defaults::Defaults;
use super::shape::{Kinds, SPEC, Shape, Table};
use super::written::Node;

/// The schema as text, the content of `docs/spec.schema.json`.
pub fn schema_json() -> String {
    let mut schema = table(&SPEC, Some(Defaults::built_in().root()), false);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["properties"]["spec_version"]["const"] = json!(1);
    schema["title"] = json!("An allround experiment");
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    text.push('\n');
    text
}

/// `defaults` are what the table starts from, where every writer of it starts from the same. Below a table with presets
/// (`preset`) nothing is required: a preset may fill it.
fn table(table: &Table, defaults: Option<&Node>, preset: bool) -> Json {
    let defaults = defaults.or_else(|| Defaults::built_in().of(table));
    let presets = presets(table);
    let preset = preset || !presets.is_empty();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, field) in &table.fields {
        let default = defaults.and_then(|node| node.get(name));
        let mut schema = shape(&field.shape, default, preset);
        schema["description"] = json!(field.doc);
        if let Some(default) = default
            && !matches!(
                field.shape,
                Shape::Map(_) | Shape::Table(_) | Shape::Kinds(_)
            )
        {
            schema["default"] = to_json(default);
        }
        let filled =
            matches!(&field.shape, Shape::Table(inner) if Defaults::built_in().of(inner).is_some());
        if default.is_none() && !field.optional && !filled && !preset {
            required.push(name.clone());
        }
        properties.insert(name.clone(), schema);
    }
    if !presets.is_empty() {
        let default = Defaults::built_in().default_preset();
        properties.insert(
            "preset".to_owned(),
            json!({
                "description": "Whose settings the model starts from.",
                "enum": presets,
                "default": default,
            }),
        );
    }
    let mut schema = json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Names of the presets of a model's table.
pub(super) fn presets(table: &Table) -> Vec<&'static str> {
    match table.name.as_slice() {
        [kinds, kind] if kinds == "model" => Defaults::built_in().presets(kind),
        _ => Vec::new(),
    }
}

fn shape(shape: &Shape, default: Option<&Node>, preset: bool) -> Json {
    match shape {
        Shape::Table(inner) => table(inner, default, preset),
        Shape::Kinds(inner) => kinds(inner, preset),
        Shape::Map(inner) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]*$" },
            "additionalProperties": self::shape(inner, None, preset),
        }),
        Shape::List { item, length } => {
            let mut list = json!({ "type": "array", "items": self::shape(item, None, preset) });
            if let Some(length) = length {
                list["minItems"] = json!(length);
                list["maxItems"] = json!(length);
            }
            list
        }
        Shape::Integer { least, most } => {
            let mut integer = json!({ "type": "integer", "minimum": least });
            if *most != i64::MAX {
                integer["maximum"] = json!(most);
            }
            integer
        }
        Shape::Number { least, above, most } => {
            let mut number = json!({ "type": "number" });
            for (key, bound) in [
                ("minimum", least),
                ("exclusiveMinimum", above),
                ("maximum", most),
            ] {
                if let Some(bound) = bound {
                    number[key] = json!(bound);
                }
            }
            number
        }
        Shape::Text => json!({ "type": "string" }),
        Shape::Metric => json!({ "type": "string", "pattern": allround_core::metric::pattern() }),
        Shape::Device => json!({ "type": "string", "pattern": "^(cpu|cuda:[0-9]+)$" }),
        Shape::Choice(words) => {
            let words = words
                .iter()
                .map(|word| json!({ "const": word.word, "description": word.doc }));
            json!({ "oneOf": words.collect::<Vec<_>>() })
        }
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::AnyOf(forms) => {
            let forms = forms.iter().map(|form| self::shape(form, None, preset));
            json!({ "anyOf": forms.collect::<Vec<_>>() })
        }
        Shape::Any => json!({}),
    }
}

/// One key at most: an empty table leaves the kind to the defaults.
fn kinds(kinds: &Kinds, preset: bool) -> Json {
    let properties: Map<String, Json> = kinds
        .kinds
        .iter()
        .map(|(kind, inner)| (kind.clone(), table(inner, None, preset)))
        .collect();
    json!({
        "type": "object",
        "description": kinds.doc,
        "properties": properties,
        "maxProperties": 1,
        "additionalProperties": false,
    })
}
