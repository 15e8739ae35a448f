//! The JSON schema of files as users write them, for editors.
//!
//! The schema that `schemars` derives describes the resolved file. This one differs: a field with a
//! default is optional, kinds have presets, tables have a short form and labels.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::format::Format;
use crate::resolved::to_json;
use crate::shape::{Kinds, Shape, Table, Word};
use crate::written::Node;

/// Names of tables: they become parts of paths.
const NAMES: &str = "^[A-Za-z0-9_][A-Za-z0-9_-]*$";

impl Format {
    /// The JSON schema (draft 2020-12) of files as users write them.
    pub fn json_schema(&self) -> Json {
        let mut writer = Writer {
            format: self,
            definitions: BTreeMap::new(),
        };
        let mut schema = writer.body(&self.root, Some(self.defaults.root()), false);
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["title"] = json!(self.rules.title);
        if let Some(version) = &self.rules.version {
            schema["properties"][version.field]["const"] = json!(version.number);
        }
        schema["$defs"] = json!(writer.definitions);
        schema
    }
}

struct Writer<'a> {
    format: &'a Format,
    /// Tables by name, each written once.
    definitions: BTreeMap<String, Json>,
}

impl Writer<'_> {
    /// A reference to the definition of a table. Nothing is required in a `partial` table, which is
    /// below a table with presets: the preset may have the field.
    fn table(&mut self, table: &Table, partial: bool) -> Json {
        let mut body = self.body(table, None, partial);
        let mut name = table.name.join(".");
        let is_same = !partial || body == self.body(table, None, false);
        if !is_same {
            name.push_str(".partial");
        }
        body["description"] = json!(table.doc);
        self.definitions.insert(name.clone(), body);
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// The schema of a table; `defaults` are its own where they are the same for every such table.
    fn body(&mut self, table: &Table, defaults: Option<&Node>, partial: bool) -> Json {
        let format = self.format;
        let defaults = defaults.or_else(|| format.defaults.of(table));
        let presets = format.defaults.presets(table);
        let partial = partial || !presets.is_empty();
        let is_root = table.name == format.root.name;
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, field) in &table.fields {
            let default = defaults.and_then(|node| node.get(name));
            let mut schema = match &field.shape {
                Shape::Map(inner) if is_root => self.section(name, inner),
                Shape::Table(inner) if is_root => self.body(inner, default, partial),
                shape => self.shape(shape, partial),
            };
            schema["description"] = json!(field.doc);
            let is_table = matches!(
                field.shape,
                Shape::Map(_) | Shape::Table(_) | Shape::Kinds(_)
            );
            if let Some(default) = default.filter(|_| !is_table) {
                schema["default"] = to_json(default);
            }
            let filled = matches!(
                &field.shape,
                Shape::Table(inner) if format.defaults.of(inner).is_some()
            );
            if default.is_none() && !field.optional && !filled && !partial {
                required.push(name.clone());
            }
            properties.insert(name.clone(), schema);
        }
        if let [kinds, _] = table.name.as_slice()
            && !presets.is_empty()
        {
            let preset = json!({
                "description": "The preset that the settings start from.",
                "enum": presets,
                "default": format.defaults.default_preset(kinds),
            });
            properties.insert("preset".to_owned(), preset);
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

    /// Named tables of the file: each may have a label, and the short form if its name is a kind.
    fn section(&mut self, section: &str, inner: &Shape) -> Json {
        let mut map = json!({ "type": "object", "propertyNames": { "pattern": NAMES } });
        match inner {
            Shape::Kinds(kinds) => {
                let name = format!("{section}.NAME");
                let mut long = self.kinds(kinds, false);
                self.add_label(section, &mut long);
                if self.label(section).is_some() {
                    long["maxProperties"] = json!(2);
                }
                self.definitions.insert(name.clone(), long);
                let long = json!({ "$ref": format!("#/$defs/{name}") });
                let short = kinds.kinds.iter().map(|(kind, table)| {
                    let mut short = self.body(table, None, false);
                    self.add_label(section, &mut short);
                    (kind.clone(), json!({ "anyOf": [long, short] }))
                });
                let short: Map<String, Json> = short.collect();
                map["properties"] = Json::Object(short);
                map["additionalProperties"] = long;
            }
            Shape::Table(table) => {
                let mut body = self.body(table, None, false);
                self.add_label(section, &mut body);
                map["additionalProperties"] = body;
            }
            other => {
                map = json!({ "type": "object" });
                map["additionalProperties"] = self.shape(other, false);
            }
        }
        map
    }

    /// What a label is, in a section whose tables have one.
    fn label(&self, section: &str) -> Option<Json> {
        let rule = self.format.rules.labels.as_ref()?;
        rule.sections
            .contains(&section)
            .then(|| json!({ "type": "string", "minLength": 1, "description": rule.doc }))
    }

    fn add_label(&self, section: &str, table: &mut Json) {
        if let Some((rule, label)) = self.format.rules.labels.as_ref().zip(self.label(section)) {
            table["properties"][rule.key] = label;
        }
    }

    /// One key at most: an empty table leaves the kind to the defaults.
    fn kinds(&mut self, kinds: &Kinds, partial: bool) -> Json {
        let properties: Map<String, Json> = kinds
            .kinds
            .iter()
            .map(|(kind, inner)| (kind.clone(), self.table(inner, partial)))
            .collect();
        json!({
            "type": "object",
            "description": kinds.doc,
            "properties": properties,
            "maxProperties": 1,
            "additionalProperties": false,
        })
    }

    fn shape(&mut self, shape: &Shape, partial: bool) -> Json {
        match shape {
            Shape::Table(inner) => self.table(inner, partial),
            Shape::Kinds(inner) => self.kinds(inner, partial),
            Shape::Map(inner) => json!({
                "type": "object",
                "additionalProperties": self.shape(inner, partial),
            }),
            Shape::List { item, length } => {
                let mut list = json!({ "type": "array", "items": self.shape(item, partial) });
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
            Shape::Pattern(text) => json!({ "type": "string", "pattern": text.pattern }),
            Shape::Choice(words) => json!({ "oneOf": words.iter().map(word).collect::<Vec<_>>() }),
            Shape::Boolean => json!({ "type": "boolean" }),
            Shape::AnyOf(forms) => {
                let forms: Vec<Json> = forms.iter().map(|form| self.shape(form, partial)).collect();
                json!({ "anyOf": forms })
            }
            Shape::Any => json!({}),
        }
    }
}

fn word(word: &Word) -> Json {
    json!({ "const": word.word, "description": word.doc })
}
