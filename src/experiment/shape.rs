//! The structure of a spec as the checker walks it, read from the JSON schema that is derived from the config types:
//! those types are the only description of structure that there is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value as Json;

/// What a value must be.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A table with these fields.
    Table(Table),
    /// A table with one key, which names a kind.
    Kinds(Kinds),
    /// A table whose keys are names that the user chooses.
    Map(Box<Shape>),
    /// A list.
    List {
        item: Box<Shape>,
        length: Option<usize>,
    },
    /// A whole number.
    Integer { least: i64, most: i64 },
    /// A finite number.
    Number {
        least: Option<f64>,
        above: Option<f64>,
        most: Option<f64>,
    },
    /// Any text.
    Text,
    /// A metric's name.
    Metric,
    /// `cpu` or `cuda:N`.
    Device,
    /// One of some words.
    Choice(Vec<Word>),
    /// `true` or `false`.
    Boolean,
    /// A value of one of these forms, no two of which a value can have.
    AnyOf(Vec<Shape>),
    /// Whatever another check will look at.
    Any,
}

/// A word that a text may be.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) word: String,
    pub(super) doc: String,
}

/// A table with fixed fields.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Where its defaults stand: the type's name, or the enum's name and the kind.
    pub(super) name: Vec<String>,
    /// What it is.
    pub(super) doc: String,
    /// Its fields by name.
    pub(super) fields: BTreeMap<String, Field>,
}

/// A field of a table.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// What it is.
    pub(super) doc: String,
    /// What it must be.
    pub(super) shape: Shape,
    /// Whether it may be absent even from the resolved spec.
    pub(super) optional: bool,
}

/// A choice among tables.
#[derive(Clone, Debug)]
pub(super) struct Kinds {
    /// The enum's name in the words of the file: `model`, `loss`, ...
    pub(super) name: String,
    /// What it is.
    pub(super) doc: String,
    /// The tables by kind.
    pub(super) kinds: BTreeMap<String, Table>,
}

/// The shape of a whole spec.
pub(super) static SPEC: LazyLock<Table> = LazyLock::new(|| {
    let schema = schemars::schema_for!(super::Spec);
    let reader = Reader {
        definitions: &schema.as_value()["$defs"],
    };
    reader.table(schema.as_value(), vec!["spec".to_owned()])
});

/// The kinds of models.
pub(super) fn models() -> &'static Kinds {
    match SPEC.fields.get("model").map(|field| &field.shape) {
        Some(Shape::Map(shape)) => match &**shape {
            Shape::Kinds(kinds) => kinds,
            _ => unreachable!("a model is an enum"),
        },
        _ => unreachable!("`model` is a map"),
    }
}

struct Reader<'a> {
    definitions: &'a Json,
}

impl Reader<'_> {
    fn shape(&self, schema: &Json, name: &str) -> Shape {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or(reference);
            return match name {
                "Metric" => Shape::Metric,
                name => self.shape(&self.definitions[name], name),
            };
        }
        if let Some(members) = schema["oneOf"].as_array() {
            return self.one_of(schema, members, name);
        }
        if let Some(members) = schema["anyOf"].as_array() {
            let values = members.iter().filter(|member| member["type"] != "null");
            let mut forms: Vec<Shape> = values.map(|member| self.shape(member, name)).collect();
            // An optional value is its one form beside `null`, which TOML cannot write.
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
            "string" if schema["pattern"].is_string() => Shape::Device,
            "string" => Shape::Text,
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

/// A type, or the type beside `null` of an optional one.
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
    // TOML promises 64 signed bits, so larger unsigned numbers are out of reach.
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

/// A type's name in the words of the file: `AmazonSource` is `amazon_source`.
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
    pub(super) fn words(&self) -> String {
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
            Shape::Text => "a text in quotes".to_owned(),
            Shape::Metric => allround_core::metric::words(),
            Shape::Device => "`cpu` or `cuda:N`".to_owned(),
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

/// Words in backticks: "`a`, `b` or `c`".
pub(super) fn either(names: &[&str]) -> String {
    super::suggest::list(names).replace("` and `", "` or `")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_types_are_read_as_shapes() {
        assert!(matches!(SPEC.fields["name"].shape, Shape::Text));
        assert!(matches!(SPEC.fields["seeds"].shape, Shape::List { .. }));
        let sasrec = &models().kinds["sasrec"];
        assert_eq!(sasrec.name, ["model", "sasrec"]);
        assert_eq!(
            sasrec.fields["dropout"].shape.words(),
            "a number from 0 to 0.99"
        );
        assert_eq!(
            sasrec.fields["form"].shape.words(),
            "`allmrec`, `kang`, `pmixer_pre_norm`, `pmixer_post_norm` or `recbole`"
        );
        assert!(
            matches!(&sasrec.fields["loss"].shape, Shape::Kinds(kinds) if kinds.name == "loss")
        );
    }
}
