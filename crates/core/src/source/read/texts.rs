//! Texts of items from rows of named columns: code that CSV and atomic files share.

use super::interactions::Records;
use super::lines::text;
use super::places::Head;
use crate::event::Counted;
use crate::source::DataError;
use crate::source::columns::{self, AUTO, Named, Role, listed};
use crate::source::raw::Text;

/// The column settings of a source's items.
pub(crate) struct TextNames<'a> {
    pub(crate) id: &'a str,
    /// The setting of the item id.
    pub(crate) id_key: &'static str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    pub(crate) category: &'a str,
    /// Column of UniSRec's whole texts, whose first sentence is used as the title.
    pub(crate) whole: Option<&'static str>,
}

impl<'a> TextNames<'a> {
    /// The setting of the item id.
    pub(crate) fn id(&self) -> Named<'a> {
        Named::new(self.id_key, Role::Item, self.id)
    }

    /// The settings of text columns.
    pub(crate) fn texts(&self) -> [Named<'a>; 3] {
        [
            Named::new("title", Role::Title, self.title),
            Named::new("description", Role::Description, self.description),
            Named::new("category", Role::Category, self.category),
        ]
    }
}

/// Columns of a file of items.
struct Columns {
    id: usize,
    title: Option<usize>,
    description: Option<usize>,
    category: Option<usize>,
    whole: Option<usize>,
    /// Text columns that are not used, if no title column is.
    unused: Vec<usize>,
}

/// Passes every row's id and text to `add`, and returns notes on unused columns.
///
/// # Errors
/// When the column of a setting does not exist, or titles seem to have another name.
pub(crate) fn read(
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
            head.header.names[at]
        ),
        count: 1,
    };
    Ok(columns.unused.iter().map(note).collect())
}

fn find(head: &Head<'_>, names: &TextNames<'_>) -> Result<Columns, DataError> {
    let id = head.required(Role::Item, names.id_key, names.id)?;
    let columns = &head.header.names;
    let whole = names
        .whole
        .and_then(|whole| columns.iter().position(|name| name == whole));
    let title = head.optional(Role::Title, "title", names.title)?;
    let description = head.optional(Role::Description, "description", names.description)?;
    let category = head.optional(Role::Category, "category", names.category)?;
    let is_open = names.title == AUTO && title.is_none() && whole.is_none();
    let used: Vec<usize> = [Some(id), description, category]
        .into_iter()
        .flatten()
        .collect();
    // A single column next to the id is a title, under any name.
    let alike = match columns.len() {
        2 => (0..2).filter(|at| !used.contains(at)).collect(),
        _ => columns::alike(columns, Role::Title, &used),
    };
    match alike.first() {
        Some(&at) if is_open => {
            let name = &columns[at];
            Err(DataError::new(format!(
                "column `{name}` looks like a title and is not used, so that no item has one"
            ))
            .at(head.path)
            .line(1)
            .hint(format!(
                "`title = \"{name}\"` uses it; `title = \"\"` leaves items without titles; the columns are {}",
                listed(columns)
            )))
        }
        Some(_) | None => Ok(Columns {
            id,
            title,
            description,
            category,
            whole,
            unused: (head.by_type.iter().copied())
                .filter(|at| is_open && !used.contains(at))
                .collect(),
        }),
    }
}
