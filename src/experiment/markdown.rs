//! The reference of the experiment file, generated: every table with its fields, types, defaults and meaning.

use super::checked::toml_value;
use super::defaults::Defaults;
use super::schema::presets;
use super::shape::{Kinds, SPEC, Shape, Table};
use super::written::Node;

/// The reference as Markdown, the generated part of `docs/SPEC.md`.
pub fn format_markdown() -> String {
    let root = Some(Defaults::built_in().root());
    let mut page = Page::default();
    page.fields("## The file as a whole", &SPEC, root);
    for (name, field) in &SPEC.fields {
        page.section(name, &field.shape);
    }
    page.shared();
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    /// Choices among tables that several tables use: described once, at the end.
    shared: Vec<Kinds>,
    tables: Vec<Table>,
}

impl Page {
    fn section(&mut self, name: &str, shape: &Shape) {
        match shape {
            Shape::Table(table) => {
                let defaults = Defaults::built_in().root().get(name);
                self.fields(&format!("## `[{name}]`"), table, defaults);
            }
            Shape::Map(inner) => self.entry(&format!("[{name}.NAME"), "]", inner),
            Shape::List { item, .. } => self.entry(&format!("[[{name}"), "]]", item),
            _ => {}
        }
    }

    fn entry(&mut self, open: &str, close: &str, shape: &Shape) {
        match shape {
            Shape::Table(table) => self.fields(&format!("## `{open}{close}`"), table, None),
            Shape::Kinds(kinds) => {
                for (kind, table) in &kinds.kinds {
                    self.fields(&format!("## `{open}.{kind}{close}`"), table, None);
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, heading: &str, table: &Table, defaults: Option<&Node>) {
        self.text
            .push_str(&format!("{heading}\n\n{}\n\n", table.doc));
        let presets = presets(table);
        if table.fields.is_empty() {
            self.text.push_str("It has no fields.\n\n");
            return;
        }
        let columns: Vec<String> = match presets.as_slice() {
            [] => vec!["Default".to_owned()],
            presets => presets.iter().map(|name| format!("`{name}`")).collect(),
        };
        let rule = " --- |".repeat(columns.len());
        self.text.push_str(&format!(
            "| Field | Value | {} | Meaning |\n| --- | --- |{rule} --- |\n",
            columns.join(" | ")
        ));
        let own = defaults.or_else(|| Defaults::built_in().of(table));
        for (name, field) in &table.fields {
            let cells: Vec<Option<String>> = match presets.as_slice() {
                [] => vec![default(own, name)],
                presets => presets
                    .iter()
                    .map(|preset| of_preset(table, preset, own, name))
                    .collect(),
            };
            let absent = if field.optional { "none" } else { "required" };
            let cells: Vec<String> = cells
                .into_iter()
                .map(|cell| cell.unwrap_or_else(|| absent.to_owned()))
                .collect();
            let value = self.value(&field.shape);
            let doc = field.doc.replace('|', "\\|");
            self.text.push_str(&format!(
                "| `{name}` | {value} | {} | {doc} |\n",
                cells.join(" | ")
            ));
        }
        self.text.push('\n');
    }

    /// What a value must be; tables and choices among tables get a section of their own.
    fn value(&mut self, shape: &Shape) -> String {
        match shape {
            Shape::Kinds(kinds) => {
                if !self.shared.iter().any(|other| other.name == kinds.name) {
                    self.shared.push(kinds.clone());
                }
                format!("a kind of [{0}](#{0})", kinds.name)
            }
            Shape::Table(table) => {
                let name = table.name.join(".");
                let top = SPEC.fields.contains_key(&name);
                if !top && !self.tables.iter().any(|other| other.name == table.name) {
                    self.tables.push(table.clone());
                }
                match top {
                    true => format!("table, see `[{name}]`"),
                    false => format!("a table, [{name}](#{name})"),
                }
            }
            Shape::List { item, length: None } => format!("list: {}", self.value(item)),
            Shape::AnyOf(forms) => {
                let forms: Vec<String> = forms.iter().map(|form| self.value(form)).collect();
                forms.join(", or ")
            }
            Shape::Map(_) => "named tables, see below".to_owned(),
            other => other.words(),
        }
    }

    fn shared(&mut self) {
        let mut described = 0;
        let mut tables = 0;
        while described < self.shared.len() || tables < self.tables.len() {
            if let Some(table) = self.tables.get(tables).cloned() {
                tables += 1;
                self.fields(&format!("## {}", table.name.join(".")), &table, None);
                continue;
            }
            let kinds = self.shared[described].clone();
            described += 1;
            self.text
                .push_str(&format!("## {}\n\n{}\n\n", kinds.name, kinds.doc));
            for (kind, table) in &kinds.kinds {
                self.fields(&format!("### `{}.{kind}`", kinds.name), table, None);
            }
        }
    }
}

fn default(node: Option<&Node>, name: &str) -> Option<String> {
    let node = node?.get(name)?;
    Some(format!(
        "`{}`",
        toml_value(node).to_string().replace('|', "\\|")
    ))
}

fn of_preset(table: &Table, preset: &str, own: Option<&Node>, name: &str) -> Option<String> {
    let kind = table.name.last().map(String::as_str).unwrap_or_default();
    let node = Defaults::built_in().preset(preset, kind);
    match node.is_some_and(|node| node.get(name).is_some()) {
        true => default(node, name),
        false => default(own, name),
    }
}
