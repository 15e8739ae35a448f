//! The reference of a format as Markdown: every table with its fields, types, defaults and meaning.

use crate::format::Format;
use crate::resolved::toml_value;
use crate::shape::{Kinds, Shape, Table};
use crate::suggest;
use crate::written::Node;

impl Format {
    /// The reference: a section for the file as a whole, for each table and for each kind.
    pub fn markdown(&self) -> String {
        let mut page = Page {
            format: self,
            text: String::new(),
            shared: Vec::new(),
            tables: Vec::new(),
        };
        let defaults = Some(self.defaults.root());
        page.fields("## The file as a whole", &self.root, defaults);
        for (name, field) in &self.root.fields {
            page.section(name, &field.shape, &field.doc);
        }
        page.shared();
        page.text
    }
}

/// Prose in lines of at most 100 columns.
pub fn wrapped(prose: &str) -> String {
    let mut text = String::new();
    let mut columns = 0;
    for word in prose.split_whitespace() {
        let length = word.chars().count();
        if columns > 0 && columns + 1 + length > COLUMNS {
            text.push('\n');
            columns = 0;
        } else if columns > 0 {
            text.push(' ');
            columns += 1;
        }
        text.push_str(word);
        columns += length;
    }
    text
}

/// Most columns of a line of prose.
const COLUMNS: usize = 100;

/// The anchor that GitHub gives to a heading.
///
/// ```
/// assert_eq!(layered_toml::markdown::anchor("`[model.NAME]`"), "modelname");
/// ```
pub fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    let plain: String = heading.to_lowercase().chars().filter(kept).collect();
    plain.trim().replace(' ', "-")
}

struct Page<'f> {
    format: &'f Format,
    text: String,
    /// Kinds that several tables may use: described once, at the end.
    shared: Vec<Kinds>,
    tables: Vec<Table>,
}

impl Page<'_> {
    fn section(&mut self, name: &str, shape: &Shape, doc: &str) {
        match shape {
            Shape::Table(table) => {
                let defaults = self.format.defaults.root().get(name);
                self.fields(&format!("## `[{name}]`"), table, defaults);
            }
            Shape::Map(inner) => match &**inner {
                Shape::Table(table) => {
                    self.fields(&format!("## `[{name}.NAME]`"), table, None);
                    if let Some(label) = self.label(name) {
                        self.prose(&label);
                    }
                }
                Shape::Kinds(kinds) => self.named_kinds(name, kinds, doc),
                _ => {}
            },
            Shape::List { item, .. } => {
                if let Shape::Table(table) = &**item {
                    self.fields(&format!("## `[[{name}]]`"), table, None);
                }
            }
            _ => {}
        }
    }

    /// The kinds of named tables, each with a section.
    fn named_kinds(&mut self, name: &str, kinds: &Kinds, doc: &str) {
        let headings = kinds.kinds.keys().map(|kind| heading(name, kind));
        let links: Vec<String> = headings.map(|heading| link(&heading)).collect();
        self.text.push_str(&format!("## `[{name}.NAME]`\n\n"));
        self.prose(doc);
        self.prose(&format!("Kinds: {}.", links.join(", ")));
        if let Some(kind) = kinds.kinds.keys().next() {
            self.prose(&format!(
                "If NAME is a kind, its fields may be written directly into the table: \
                 `[{name}.{kind}]` is short for `[{name}.{kind}.{kind}]`."
            ));
        }
        if let Some(label) = self.label(name) {
            self.prose(&label);
        }
        for (kind, table) in &kinds.kinds {
            self.fields(&format!("## {}", heading(name, kind)), table, None);
        }
    }

    /// A paragraph.
    fn prose(&mut self, text: &str) {
        self.text.push_str(&wrapped(text));
        self.text.push_str("\n\n");
    }

    /// A sentence on labels, for a section whose tables have one.
    fn label(&self, section: &str) -> Option<String> {
        let rule = self.format.rules.labels.as_ref()?;
        let (key, doc) = (rule.key, rule.doc);
        rule.sections
            .contains(&section)
            .then(|| format!("`[{section}.NAME] {key} = \"...\"`: {doc}"))
    }

    fn fields(&mut self, heading: &str, table: &Table, defaults: Option<&Node>) {
        self.text.push_str(&format!("{heading}\n\n"));
        self.prose(&table.doc);
        if table.fields.is_empty() {
            self.text.push_str("No fields.\n\n");
            return;
        }
        let format = self.format;
        let presets = format.defaults.presets(table);
        let columns: Vec<String> = match presets.as_slice() {
            [] => vec!["Default".to_owned()],
            presets => presets.iter().map(|name| format!("`{name}`")).collect(),
        };
        let rule = " --- |".repeat(columns.len());
        self.text.push_str(&format!(
            "| Field | Value | {} | Meaning |\n| --- | --- |{rule} --- |\n",
            columns.join(" | ")
        ));
        let own = defaults.or_else(|| format.defaults.of(table));
        for (name, field) in &table.fields {
            let cells: Vec<Option<String>> = match presets.as_slice() {
                [] => vec![default(own, name)],
                presets => presets
                    .iter()
                    .map(|preset| self.of_preset(table, preset, own, name))
                    .collect(),
            };
            let absent = if field.optional { "none" } else { "required" };
            let cells: Vec<String> = cells
                .into_iter()
                .map(|cell| cell.unwrap_or_else(|| absent.to_owned()))
                .collect();
            let value = self.value(name, &field.shape);
            let doc = field.doc.replace('|', "\\|");
            self.text.push_str(&format!(
                "| `{name}` | {value} | {} | {doc} |\n",
                cells.join(" | ")
            ));
        }
        self.text.push('\n');
    }

    /// What a value must be; tables and kinds get their own section.
    fn value(&mut self, field: &str, shape: &Shape) -> String {
        match shape {
            Shape::Kinds(kinds) => {
                if !self.shared.iter().any(|other| other.name == kinds.name) {
                    self.shared.push(kinds.clone());
                }
                format!("one of [`{0}`](#{0})", kinds.name)
            }
            Shape::Table(table) => {
                let name = table.name.join(".");
                let top = self.format.root.fields.contains_key(&name);
                if !top && !self.tables.iter().any(|other| other.name == table.name) {
                    self.tables.push(table.clone());
                }
                format!("a table [`{name}`](#{name})")
            }
            Shape::List { item, length: None } => format!("list, each {}", self.value(field, item)),
            Shape::AnyOf(forms) => {
                let forms: Vec<String> = forms.iter().map(|form| self.value(field, form)).collect();
                forms.join(", or ")
            }
            Shape::Map(_) if self.format.root.named_tables(field).is_some() => {
                format!("named tables {}", link(&format!("`[{field}.NAME]`")))
            }
            Shape::Map(_) => "table of names and values".to_owned(),
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
            let names: Vec<&str> = kinds.kinds.keys().map(String::as_str).collect();
            self.text.push_str(&format!("## {}\n\n", kinds.name));
            self.prose(&kinds.doc);
            self.prose(&format!("Kinds: {}.", suggest::list(&names)));
            for (kind, table) in &kinds.kinds {
                self.fields(&format!("### `{}.{kind}`", kinds.name), table, None);
            }
        }
    }

    /// The default of a field under a preset.
    fn of_preset(
        &self,
        table: &Table,
        preset: &str,
        own: Option<&Node>,
        name: &str,
    ) -> Option<String> {
        let kind = table.name.last().map(String::as_str).unwrap_or_default();
        let node = self.format.defaults.preset(preset, kind);
        match node.is_some_and(|node| node.get(name).is_some()) {
            true => default(node, name),
            false => default(own, name),
        }
    }
}

fn heading(section: &str, kind: &str) -> String {
    format!("`[{section}.NAME.{kind}]`")
}

fn link(heading: &str) -> String {
    format!("[{heading}](#{})", anchor(heading))
}

fn default(node: Option<&Node>, name: &str) -> Option<String> {
    let node = node?.get(name)?;
    let value = toml_value(node).to_string().replace('|', "\\|");
    Some(format!("`{value}`"))
}
