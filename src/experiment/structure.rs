//! Structure: every key known, every value of the right type and range. Works on one layer (the file, or a flag) without
//! asking whether it is complete, and leaves out what is wrong so that the other checks can go on.

use std::collections::BTreeMap;

use super::defaults::Defaults;
use super::elsewhere::Elsewhere;
use super::fault::Fault;
use super::shape::{Kinds, Shape, Table, either};
use super::suggest;
use super::written::{Entry, Node, Value};
use allround_core::metric;

/// Checks the structure of a layer; collects faults.
pub(super) struct Structure<'a> {
    defaults: &'a Defaults,
    faults: &'a mut Vec<Fault>,
    elsewhere: Elsewhere<'a>,
}

impl<'a> Structure<'a> {
    /// A checker that knows the presets of `defaults`.
    pub(super) fn new(defaults: &'a Defaults, faults: &'a mut Vec<Fault>) -> Self {
        let elsewhere = Elsewhere { layers: &[] };
        Structure {
            defaults,
            faults,
            elsewhere,
        }
    }

    /// The same with all layers at hand, for hints: a flag says nothing of the kinds that the file gives.
    pub(super) fn in_layers(mut self, layers: &'a [Node]) -> Self {
        self.elsewhere = Elsewhere { layers };
        self
    }

    /// The entries of a table that are right; `path` is the table's place in the spec.
    pub(super) fn table(&mut self, table: &Table, node: &Node, path: &str) -> Option<Node> {
        let Some(entries) = node.table() else {
            return self.wrong(&Shape::Table(table.clone()), node, path);
        };
        let mut right = BTreeMap::new();
        for (key, entry) in entries {
            let below = join(path, key);
            let node = match table.fields.get(key) {
                Some(field) => self.value(&field.shape, &entry.node, &below),
                None if key == "preset" && self.presets(table).is_some() => {
                    self.preset(table, &entry.node, &below)
                }
                None => {
                    self.unknown_field(table, key, entry, path);
                    None
                }
            };
            if let Some(node) = node {
                right.insert(
                    key.clone(),
                    Entry {
                        node,
                        ..entry.clone()
                    },
                );
            }
        }
        Some(Node {
            value: Value::Table(right),
            ..node.clone()
        })
    }

    fn value(&mut self, shape: &Shape, node: &Node, path: &str) -> Option<Node> {
        match (shape, &node.value) {
            (Shape::Table(table), _) => self.table(table, node, path),
            (Shape::Kinds(kinds), Value::Table(_)) => self.kinds(kinds, node, path),
            (Shape::Map(shape), Value::Table(entries)) => {
                let mut right = BTreeMap::new();
                for (key, entry) in entries {
                    if let Some(node) = self.value(shape, &entry.node, &join(path, key)) {
                        right.insert(
                            key.clone(),
                            Entry {
                                node,
                                ..entry.clone()
                            },
                        );
                    }
                }
                Some(Node {
                    value: Value::Table(right),
                    ..node.clone()
                })
            }
            (Shape::List { item, length }, Value::List(items)) => {
                if length.is_some_and(|length| length != items.len()) {
                    return self.wrong(shape, node, path);
                }
                let before = self.faults.len();
                let items: Vec<Node> = items
                    .iter()
                    .enumerate()
                    .filter_map(|(at, node)| self.value(item, node, &format!("{path}[{at}]")))
                    .collect();
                // A list that lost an element of fixed meaning says something else than was written.
                let whole = length.is_none() || self.faults.len() == before;
                whole.then(|| Node {
                    value: Value::List(items),
                    ..node.clone()
                })
            }
            (Shape::AnyOf(forms), value) => match forms.iter().find(|form| has_form(form, value)) {
                Some(form) => self.value(form, node, path),
                None => self.wrong(shape, node, path),
            },
            (shape, _) => match leaf(shape, &node.value) {
                true => Some(node.clone()),
                false => self.wrong(shape, node, path),
            },
        }
    }

    fn kinds(&mut self, kinds: &Kinds, node: &Node, path: &str) -> Option<Node> {
        let entries = node.table()?;
        let mut right = BTreeMap::new();
        for (kind, entry) in entries {
            match kinds.kinds.get(kind) {
                Some(table) => {
                    if let Some(node) = self.table(table, &entry.node, &join(path, kind)) {
                        right.insert(
                            kind.clone(),
                            Entry {
                                node,
                                ..entry.clone()
                            },
                        );
                    }
                }
                None => self.unknown_kind(kinds, kind, entry, path),
            }
        }
        let mut written = entries
            .iter()
            .filter(|(kind, _)| kinds.kinds.contains_key(*kind));
        if let (Some((first, one)), Some((second, two))) = (written.next(), written.next()) {
            let (first, one, second, two) = match one.key < two.key {
                true => (first, one, second, two),
                false => (second, two, first, one),
            };
            self.faults.push(
                Fault::at(
                    two.key,
                    format!("`{path}` has two kinds: `{first}` and `{second}`"),
                )
                .label("the second kind")
                .related(one.key, "the first kind")
                .hint("keep one of them, or give each a name of its own"),
            );
            return None;
        }
        // Wrong kinds were reported; an empty table says nothing and lets the defaults speak.
        if right.is_empty() && !entries.is_empty() {
            return None;
        }
        Some(Node {
            value: Value::Table(right),
            ..node.clone()
        })
    }

    fn unknown_field(&mut self, table: &Table, key: &str, entry: &Entry, path: &str) {
        let mut fields: Vec<&str> = table.fields.keys().map(String::as_str).collect();
        if self.presets(table).is_some() {
            fields.push("preset");
        }
        let place = match path {
            "" => "at the top of the file".to_owned(),
            path => format!("in `{path}`"),
        };
        let hint = self.elsewhere.below(table, path, key, entry);
        self.faults.push(
            Fault::at(entry.key, format!("unknown field `{key}` {place}"))
                .label("not a field of this table")
                .hint(hint.unwrap_or_else(|| suggest::hint(key, fields, "fields"))),
        );
    }

    fn unknown_kind(&mut self, kinds: &Kinds, kind: &str, entry: &Entry, path: &str) {
        let names: Vec<&str> = kinds.kinds.keys().map(String::as_str).collect();
        let known = self.elsewhere.kind_of(kinds, path);
        let below = known.and_then(|(known, table)| {
            let path = join(path, known);
            self.elsewhere.below(table, &path, kind, entry)
        });
        let holders: Vec<&str> = kinds
            .kinds
            .iter()
            .filter(|(_, table)| table.fields.contains_key(kind))
            .map(|(name, _)| name.as_str())
            .collect();
        let named = entry
            .node
            .text()
            .filter(|text| kinds.kinds.contains_key(*text));
        let known_source = Some(kind)
            .filter(|_| kinds.name == "source")
            .and_then(suggest::source);
        let hint = match (suggest::nearest(kind, names.iter().copied()), named) {
            _ if below.is_some() => below.unwrap_or_default(),
            _ if known_source.is_some() => known_source.unwrap_or_default(),
            (None, Some(named)) => {
                format!(
                    "kinds are table names: write `[{path}.{named}]` instead of `{kind} = \"{named}\"`"
                )
            }
            (None, None) if known.is_some() && !holders.is_empty() => format!(
                "`{path}` is of the kind `{}`, which has no `{kind}`; it is a field of {}",
                known.map(|(known, _)| known).unwrap_or_default(),
                suggest::list(&holders),
            ),
            (None, None) if !holders.is_empty() => format!(
                "`{kind}` is a field of {}: put it into a table named after the kind, such as `[{path}.{}]`",
                suggest::list(&holders),
                holders[0],
            ),
            _ => suggest::hint(kind, names, "kinds"),
        };
        self.faults.push(
            Fault::at(entry.key, format!("unknown kind `{kind}` in `{path}`"))
                .label(format!("not a kind of {}", kinds.name))
                .hint(hint),
        );
    }

    fn presets(&self, table: &Table) -> Option<Vec<&'a str>> {
        match table.name.as_slice() {
            [kinds, kind] if kinds == "model" => {
                Some(self.defaults.presets(kind)).filter(|presets| !presets.is_empty())
            }
            _ => None,
        }
    }

    fn preset(&mut self, table: &Table, node: &Node, path: &str) -> Option<Node> {
        let presets = self.presets(table).unwrap_or_default();
        match node.text() {
            Some(preset) if presets.contains(&preset) => Some(node.clone()),
            Some(preset) => {
                let message = format!("unknown preset `{preset}` in `{path}`");
                self.faults.push(
                    Fault::at(node.place, message)
                        .label(format!("expected {}", either(&presets)))
                        .hint(suggest::hint(preset, presets, "presets")),
                );
                None
            }
            None => self.wrong(&Shape::Text, node, path),
        }
    }

    /// Reports a value of the wrong type or range.
    fn wrong(&mut self, shape: &Shape, node: &Node, path: &str) -> Option<Node> {
        let expected = shape.words();
        let message = format!("`{path}` must be {expected}, found {}", found(&node.value));
        self.faults.push(
            Fault::at(node.place, message)
                .label(format!("expected {expected}"))
                .maybe_hint(remedy(shape, &node.value, path)),
        );
        None
    }
}

/// What to do about a value of the wrong type or range, where that is known.
fn remedy(shape: &Shape, value: &Value, path: &str) -> Option<String> {
    match (shape, value) {
        (Shape::Choice(words), Value::Text(text)) => {
            let words = words.iter().map(|word| word.word.as_str());
            suggest::nearest(text, words).map(|word| format!("did you mean `{word}`?"))
        }
        (Shape::Metric, Value::Text(text)) => nearest_metric(text),
        (Shape::Kinds(kinds), Value::Text(text)) if kinds.kinds.contains_key(text) => Some(
            format!("kinds are table names: write `{path}.{text} = {{}}`"),
        ),
        (Shape::Integer { .. } | Shape::Number { .. }, Value::Text(text)) => number(shape, text),
        (Shape::Boolean, Value::Text(text)) => match text.to_lowercase().as_str() {
            text @ ("true" | "false") => Some(bare(text)),
            _ => None,
        },
        (Shape::List { item, .. }, value) if leaf(item, value) => {
            Some("a list stands in brackets, also when it has one element".to_owned())
        }
        (Shape::AnyOf(forms), value) => {
            let mut forms = forms.iter();
            forms.find_map(|form| remedy(form, value, path))
        }
        _ => None,
    }
}

/// How a number is written that stands in quotes, or that TOML does not know in this form: `.3`, `3.`, `0,3`, `1e3`.
fn number(shape: &Shape, text: &str) -> Option<String> {
    let plain = text.trim().replacen(',', ".", 1);
    let number: f64 = plain.parse().ok()?;
    let is_right = |written: &str| {
        let right = match written.parse::<i64>() {
            Ok(integer) => leaf(shape, &Value::Integer(integer)),
            Err(_) => leaf(shape, &Value::Number(number)),
        };
        right.then(|| written.to_owned())
    };
    // As it is written where that is TOML, else as this program writes it.
    let as_written = super::written::parse(&format!("x={text}"), 0).is_ok();
    if let Some(text) = is_right(text).filter(|_| as_written) {
        return Some(bare(&text));
    }
    // Display writes a whole number without a fraction, and any other with a zero in front of the point.
    is_right(&number.to_string()).map(|number| format!("write `{number}`"))
}

fn bare(text: &str) -> String {
    format!("write it without quotes: `{text}`")
}

/// Whether a value has the outward form of a shape; what a list holds is another question.
fn has_form(shape: &Shape, value: &Value) -> bool {
    matches!((shape, value), (Shape::List { .. }, Value::List(_))) || leaf(shape, value)
}

/// Whether a single value is what its shape says.
fn leaf(shape: &Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Integer { least, most }, Value::Integer(integer)) => {
            (least..=most).contains(&integer)
        }
        (Shape::Number { .. }, Value::Integer(integer)) => in_range(shape, *integer as f64),
        (Shape::Number { .. }, Value::Number(number)) => {
            number.is_finite() && in_range(shape, *number)
        }
        (Shape::Metric, Value::Text(text)) => text.parse::<metric::Metric>().is_ok(),
        (Shape::Device, Value::Text(text)) => is_device(text),
        (Shape::Choice(words), Value::Text(text)) => words.iter().any(|word| word.word == *text),
        (Shape::Text, Value::Text(text)) => !text.contains('\0'),
        (Shape::Boolean, Value::Boolean(_)) | (Shape::Any, _) => true,
        _ => false,
    }
}

fn in_range(shape: &Shape, number: f64) -> bool {
    let Shape::Number { least, above, most } = shape else {
        return false;
    };
    least.is_none_or(|least| number >= least)
        && above.is_none_or(|above| number > above)
        && most.is_none_or(|most| number <= most)
}

fn is_device(text: &str) -> bool {
    match text.strip_prefix("cuda:") {
        Some(index) => !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()),
        None => text == "cpu",
    }
}

/// A value in words that follow "found".
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::List(items) => match items.len() {
            0 => "an empty list".to_owned(),
            1 => "a list of one element".to_owned(),
            n => format!("a list of {n} elements"),
        },
        Value::Text(text) if text.contains('\0') => {
            format!("the text `{}`, which holds a NUL", text.escape_debug())
        }
        Value::Text(text) => format!("the text `{}`", text.escape_debug()),
        Value::Integer(integer) => format!("`{integer}`"),
        Value::Number(number) => format!("`{number:?}`"),
        Value::Boolean(boolean) => format!("`{boolean}`"),
        Value::Foreign(text) => format!("`{text}`"),
    }
}

/// `hr@10`, `NDCG@10`, `hit@ 3`, `recall` and the like.
fn nearest_metric(text: &str) -> Option<String> {
    let (family, k) = match text.split_once('@') {
        Some((family, k)) => (family, format!("@{}", k.trim())),
        None => (text, "@10".to_owned()),
    };
    let family = family.trim().to_lowercase();
    let family = metric::family_of_alias(&family)
        .or_else(|| suggest::nearest(&family, metric::families()))?;
    let meant = format!("{family}{k}");
    meant
        .parse::<metric::Metric>()
        .ok()
        .map(|_| format!("did you mean `{meant}`?"))
}

/// A path one key longer.
pub(super) fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}
