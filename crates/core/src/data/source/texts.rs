//! Texts of items from rows of named columns: what CSV and atomic files have in common.

use super::columns::Head;
use super::interactions::Records;
use super::lines::text;
use crate::columns::{self, AUTO, Role, listed};
use crate::data::DataError;
use crate::data::raw::Text;
use crate::event::Counted;

/// How a source names the columns of its items.
pub(super) struct TextNames<'a> {
    pub(super) id: &'a str,
    /// The setting that names the item id.
    pub(super) id_key: &'static str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) category: &'a str,
    /// Column of UniSRec's whole texts, the first sentence of which serves as the title.
    pub(super) whole: Option<&'static str>,
    /// Columns that their type says hold texts.
    pub(super) words: &'a [usize],
}

/// Columns of a file of items.
struct Columns {
    id: usize,
    title: Option<usize>,
    description: Option<usize>,
    category: Option<usize>,
    whole: Option<usize>,
    /// Columns of texts that are not used, where no title is.
    unused: Vec<usize>,
}

/// Gives every row's id and text to `add`, and returns what is not used.
///
/// # Errors
/// When a named column is not there, or the file seems to have titles under another name.
pub(super) fn read(
    head: &Head<'_>,
    names: &TextNames<'_>,
    records: &mut dyn Records,
    mut add: impl FnMut(&str, Text),
) -> Result<Vec<Counted>, DataError> {
    let columns = find(head, names)?;
    let is_trimmed = names.whole.is_some();
    while let Some((line, row)) = records.next_row()? {
        let cell = |at: usize| text(&row[at], head.path, line);
        let given = |at: Option<usize>| -> Result<Option<String>, DataError> {
            let cell = at.map(cell).transpose()?;
            let cell = cell.map(|cell| if is_trimmed { cell.trim() } else { cell });
            Ok(cell.filter(|cell| !cell.is_empty()).map(str::to_owned))
        };
        let mut text = Text {
            title: given(columns.title)?,
            description: given(columns.description)?,
            categories: given(columns.category)?.into_iter().collect(),
        };
        if let Some(whole) = given(columns.whole)? {
            text.title = Some(whole.split(". ").next().unwrap_or_default().to_owned());
            text.description = Some(whole);
        }
        add(cell(columns.id)?, text);
    }
    let name = head.path.file_name().unwrap_or_default().to_string_lossy();
    let note = |&at: &usize| Counted {
        what: format!(
            "columns of texts that are not used, where no title is (`{}` of {name})",
            head.names[at]
        ),
        count: 1,
    };
    Ok(columns.unused.iter().map(note).collect())
}

fn find(head: &Head<'_>, names: &TextNames<'_>) -> Result<Columns, DataError> {
    let id = head.optional(Role::Item, names.id_key, names.id)?;
    let id = id.ok_or_else(|| {
        DataError::new(format!("`{}` names no column", names.id_key))
            .at(head.path)
            .hint("name the column of the ids")
    })?;
    let whole = names
        .whole
        .and_then(|whole| head.names.iter().position(|name| name == whole));
    let title = head.optional(Role::Title, "title", names.title)?;
    let description = head.optional(Role::Description, "description", names.description)?;
    let category = head.optional(Role::Category, "category", names.category)?;
    let is_open = names.title == AUTO && title.is_none() && whole.is_none();
    let used: Vec<usize> = [Some(id), description, category]
        .into_iter()
        .flatten()
        .collect();
    // A single column next to the id is the title, whatever its name.
    let alike = match head.names.len() {
        2 => (0..2).filter(|at| !used.contains(at)).collect(),
        _ => columns::alike(head.names, Role::Title, &used),
    };
    match alike.first() {
        Some(&at) if is_open => {
            let name = &head.names[at];
            Err(DataError::new(format!(
                "column `{name}` looks like a title and is not used, so that no item has one"
            ))
            .at(head.path)
            .line(1)
            .hint(format!(
                "`title = \"{name}\"` uses it; `title = \"\"` leaves items without titles; the columns are {}",
                listed(head.names)
            )))
        }
        Some(_) | None => Ok(Columns {
            id,
            title,
            description,
            category,
            whole,
            unused: (names.words.iter().copied())
                .filter(|at| is_open && !used.contains(at))
                .collect(),
        }),
    }
}
