//! What a file may hold, read from the JSON schema that `schemars` derives from the types.

use std::collections::BTreeMap;

use serde_json::Value as Json;

pub use crate::suggest::either;

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A table with these fields.
    Table(Table),
    /// A table with one key, which names a kind.
    Kinds(Kinds),
    /// A table whose keys are names that the user chooses.
    Map(Box<Shape>),
    /// A list.
    List {
        /// What each element must be.
        item: Box<Shape>,
        /// Its length, where that is fixed.
        length: Option<usize>,
    },
    /// A whole number.
    Integer {
        /// Smallest value.
        least: i64,
        /// Largest value.
        most: i64,
    },
    /// A finite number.
    Number {
        /// Smallest value.
        least: Option<f64>,
        /// Values must be larger than this.
        above: Option<f64>,
        /// Largest value.
        most: Option<f64>,
    },
    /// Any string.
    Text,
    /// A string of a certain form.
    Pattern(TextFormat),
    /// One of some words.
    Choice(Vec<Word>),
    /// `true` or `false`.
    Boolean,
    /// A value of one of these forms, at most one of which fits any value.
    AnyOf(Vec<Shape>),
    /// Any value; the application checks it.
    Any,
}

/// A form of strings, such as dates or names of metrics.
///
/// A string of the schema has this form when its `pattern` is the same.
#[derive(Clone, Debug)]
pub struct TextFormat {
    /// Regular expression (ECMA 262) of all strings of the form.
    pub pattern: String,
    /// The form in words that follow "expected".
    pub words: String,
    /// Whether a string has the form.
    pub accepts: fn(&str) -> bool,
    /// What to write in place of a string that does not have the form, as a whole hint.
    pub remedy: fn(&str) -> Option<String>,
}

/// A word that a text may be.
#[derive(Clone, Debug)]
pub struct Word {
    /// The word.
    pub word: String,
    /// Its meaning.
    pub doc: String,
}

/// A table with fixed fields.
#[derive(Clone, Debug)]
pub struct Table {
    /// Key of its defaults below `[default]`: the type's name, or the enum's name and the kind.
    pub name: Vec<String>,
    /// Its meaning.
    pub doc: String,
    /// Its fields by name.
    pub fields: BTreeMap<String, Field>,
}

/// A field of a table.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its meaning.
    pub doc: String,
    /// What it must be.
    pub shape: Shape,
    /// Whether it may be missing from the resolved file.
    pub optional: bool,
}

/// A choice among tables.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// The enum's name in snake case.
    pub name: String,
    /// Its meaning.
    pub doc: String,
    /// The tables by kind.
    pub kinds: BTreeMap<String, Table>,
}

impl Table {
    /// The table that a type describes.
    pub(crate) fn of<T: schemars::JsonSchema>(texts: &[TextFormat]) -> Table {
        let schema = schemars::schema_for!(T);
        let reader = Reader {
            definitions: &schema.as_value()["$defs"],
            texts,
        };
        reader.table(schema.as_value(), vec![snake(&T::schema_name())])
    }

    /// The shape of named tables, `[key.NAME]`, where the field is that.
    pub(crate) fn named_tables(&self, key: &str) -> Option<&Shape> {
        match &self.fields.get(key)?.shape {
            Shape::Map(shape) => match &**shape {
                inner @ (Shape::Table(_) | Shape::Kinds(_)) => Some(inner),
                _ => None,
            },
            _ => None,
        }
    }

    /// The kinds of named tables, `[key.NAME.KIND]`, where the field is that.
    pub(crate) fn named_kinds(&self, key: &str) -> Option<&Kinds> {
        match self.named_tables(key)? {
            Shape::Kinds(kinds) => Some(kinds),
            _ => None,
        }
    }
}

struct Reader<'a> {
    definitions: &'a Json,
    texts: &'a [TextFormat],
}

impl Reader<'_> {
    fn shape(&self, schema: &Json, name: &str) -> Shape {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or(reference);
            return self.shape(&self.definitions[name], name);
        }
        if let Some(members) = schema["oneOf"].as_array() {
            return self.one_of(schema, members, name);
        }
        if let Some(members) = schema["anyOf"].as_array() {
            let values = members.iter().filter(|member| member["type"] != "null");
            let mut forms: Vec<Shape> = values.map(|member| self.shape(member, name)).collect();
            // `null` is an optional value that is missing: TOML has no null.
            if forms.len() == 1 {
                return forms.remove(0);
            }
            return Shape::AnyOf(forms);
        }
        match type_name(schema) {
            "object" => match &schema["additionalProperties"] {
                Json::Object(_) | Json::Bool(true) => {
                    Shape::Map(Box::new(self.shape(&schema["additionalProperties"], name)))
                }
                _ => Shape::Table(self.table(schema, vec![snake(name)])),
            },
            "array" => Shape::List {
                item: Box::new(self.shape(&schema["items"], name)),
                length: schema["minItems"]
                    .as_u64()
                    .and_then(|n| usize::try_from(n).ok()),
            },
            "integer" => integer(schema),
            "number" => Shape::Number {
                least: schema["minimum"].as_f64(),
                above: schema["exclusiveMinimum"].as_f64(),
                most: schema["maximum"].as_f64(),
            },
            "string" => {
                let mut texts = self.texts.iter();
                match texts.find(|text| schema["pattern"] == text.pattern) {
                    Some(text) => Shape::Pattern(text.clone()),
                    None => Shape::Text,
                }
            }
            "boolean" => Shape::Boolean,
            _ => Shape::Any,
        }
    }

    fn one_of(&self, schema: &Json, members: &[Json], name: &str) -> Shape {
        if members.iter().all(|member| member["const"].is_string()) {
            let word = |member: &Json| Word {
                word: text(&member["const"]),
                doc: doc(member),
            };
            return Shape::Choice(members.iter().map(word).collect());
        }
        let mut kinds = BTreeMap::new();
        for member in members {
            for (kind, content) in member["properties"].as_object().into_iter().flatten() {
                let content = match content["$ref"].as_str() {
                    Some(reference) => {
                        &self.definitions[reference.rsplit('/').next().unwrap_or(reference)]
                    }
                    None => content,
                };
                let mut table = self.table(content, vec![snake(name), kind.clone()]);
                table.doc = doc(member);
                kinds.insert(kind.clone(), table);
            }
        }
        Shape::Kinds(Kinds {
            name: snake(name),
            doc: doc(schema),
            kinds,
        })
    }

    fn table(&self, schema: &Json, name: Vec<String>) -> Table {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        let field = |(key, content): (&String, &Json)| {
            let field = Field {
                doc: doc(content),
                shape: self.shape(content, key),
                optional: !required.contains(&key.as_str()),
            };
            (key.clone(), field)
        };
        Table {
            name,
            doc: doc(schema),
            fields: schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(field)
                .collect(),
        }
    }
}

/// A type; for an optional one the type that is not `null`.
fn type_name(schema: &Json) -> &str {
    match &schema["type"] {
        Json::Array(types) => types
            .iter()
            .filter_map(Json::as_str)
            .find(|name| *name != "null")
            .unwrap_or_default(),
        other => other.as_str().unwrap_or_default(),
    }
}

fn integer(schema: &Json) -> Shape {
    // TOML integers have 64 signed bits.
    let most = match schema["format"].as_str() {
        Some("uint32") => i64::from(u32::MAX),
        _ => i64::MAX,
    };
    Shape::Integer {
        least: schema["minimum"].as_i64().unwrap_or(i64::MIN),
        most: schema["maximum"].as_i64().unwrap_or(most).min(most),
    }
}

fn doc(schema: &Json) -> String {
    text(&schema["description"]).replace('\n', " ")
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A type's name in snake case.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

impl Shape {
    /// What a value must be, in words that follow "expected".
    pub fn words(&self) -> String {
        match self {
            Shape::Table(_) => "a table".to_owned(),
            Shape::Kinds(kinds) => {
                let names: Vec<&str> = kinds.kinds.keys().map(String::as_str).collect();
                format!("a table named after its kind: {}", either(&names))
            }
            Shape::Map(_) => "a table of named entries".to_owned(),
            Shape::List { item, length } => match length {
                Some(length) => format!("a list of {length}, each {}", item.words()),
                None => format!("a list, each element {}", item.words()),
            },
            Shape::Integer { least, most } => integer_words(*least, *most),
            Shape::Number { least, above, most } => number_words(*least, *above, *most),
            Shape::Text => "a string in quotes".to_owned(),
            Shape::Pattern(text) => text.words.clone(),
            Shape::Choice(words) => {
                let words: Vec<&str> = words.iter().map(|word| word.word.as_str()).collect();
                either(&words)
            }
            Shape::Boolean => "`true` or `false`".to_owned(),
            Shape::AnyOf(forms) => {
                let forms: Vec<String> = forms.iter().map(Shape::words).collect();
                forms.join(", or ")
            }
            Shape::Any => "a value".to_owned(),
        }
    }
}

fn integer_words(least: i64, most: i64) -> String {
    match (least, most) {
        (least, i64::MAX) => format!("a whole number of at least {least}"),
        (least, most) => format!("a whole number from {least} to {most}"),
    }
}

fn number_words(least: Option<f64>, above: Option<f64>, most: Option<f64>) -> String {
    match (least, above, most) {
        (Some(least), _, Some(most)) => format!("a number from {least} to {most}"),
        (Some(least), _, None) => format!("a number of at least {least}"),
        (None, Some(above), Some(most)) => format!("a number above {above} and at most {most}"),
        (None, Some(above), None) => format!("a number above {above}"),
        (None, None, Some(most)) => format!("a number of at most {most}"),
        (None, None, None) => "a number".to_owned(),
    }
}
