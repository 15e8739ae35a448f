//! CSV files of interactions and items, with or without a header.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::{Header, Named, Role, TableKeys};
use super::read::ids::Ids;
use super::read::interactions::{Interactions, Part, parts};
use super::read::join::Join;
use super::read::places::{Columns, Head, Names};
use super::read::rows::RepeatedUsers;
use super::read::table::{Dialect, Table};
use super::read::texts::{self, TextNames};
use super::{DataError, DataSource, Provided, RawData, SourceFile, SplitFiles, checks};
use crate::event::Counted;
use crate::problem::Problem;

/// Defaults of its settings.
pub const DEFAULTS: &str = r#"
[default.source.csv]
valid = ""
test = ""
items = ""
delimiter = ","
header = true
items_delimiter = ""
items_header = true
user = "user"
item = "item"
items_item = ""
timestamp = "auto"
rating = "auto"
history = "auto"
repeated_users = "refuse"
title = "auto"
description = "auto"
category = "auto"
"#;

/// CSV files of interactions and items.
///
/// A column setting of `"auto"` uses a column with the usual name if the file has one. `""` uses no
/// column. Any other name must be in the header. Without a header, columns are numbers from 1,
/// written as strings: `user = "1"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvSource {
    /// The interactions, or the training part of a ready-made split. `.gz` or plain.
    pub interactions: String,
    /// The validation rows of a ready-made split. Empty: none. Needs `split.given`.
    pub valid: String,
    /// The test rows of a ready-made split. Empty: none. Needs `split.given`.
    pub test: String,
    /// The items with their texts. Empty: no texts.
    pub items: String,
    /// What separates the cells of a row: one ASCII character such as `","`, `";"` or `"\t"`.
    pub delimiter: String,
    /// Whether the first line of the interactions names the columns.
    pub header: bool,
    /// As `delimiter`, in `items`. Empty: the same.
    pub items_delimiter: String,
    /// As `header`, in `items`.
    pub items_header: bool,
    /// Column of the user id.
    pub user: String,
    /// Column of the item id.
    pub item: String,
    /// Column of the item id in `items`. Empty: as `item`.
    pub items_item: String,
    /// Column of the time, in any unit, with or without a fraction; larger is later. `"auto"`:
    /// `timestamp`. Empty: file order.
    pub timestamp: String,
    /// Column of the rating. `"auto"`: `rating`. Empty: no ratings.
    pub rating: String,
    /// Column with the user's earlier items, oldest first, separated by blanks (Amazon Reviews
    /// 2023). A row is then a whole sequence, and ratings and times of its last item are not used.
    /// `"auto"`: refuse a file that seems to have such a column. Empty: rows are single
    /// interactions.
    pub history: String,
    /// How several whole-sequence rows of one user are combined.
    pub repeated_users: RepeatedUsers,
    /// Column of the title in `items`. `"auto"`: `title`, `movie_title`, `movie_name`, `item_name`
    /// or `name`.
    pub title: String,
    /// Column of the description in `items`. `"auto"`: `description`.
    pub description: String,
    /// Column of the categories in `items`. `"auto"`: `categories`, `category`, `class`, `genre` or
    /// `genres`.
    pub category: String,
}

/// The form of a file's cells, from the settings.
struct Written<'a> {
    delimiter: &'a str,
    has_header: bool,
    keys: TableKeys,
}

impl Written<'_> {
    /// The form for the reader; `None` if the delimiter is not one ASCII character.
    fn dialect(&self) -> Option<Dialect> {
        match *self.delimiter.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(Dialect {
                delimiter: byte,
                header: self.has_header,
                keys: Some(self.keys),
            }),
            _ => None,
        }
    }

    fn no_delimiter(&self) -> Problem {
        let key = self.keys.delimiter;
        let hint = match self.delimiter {
            "::" => "read the file as `source.sequences` with `delimiter = \"::\"`".to_owned(),
            _ => format!("write for example `{key} = \";\"` or `{key} = \"\\t\"`"),
        };
        let message = format!(
            "`{}` cannot separate the cells of a CSV file",
            self.delimiter.escape_debug()
        );
        Problem::at(key, message)
            .label("expected one ASCII character, no quote and no line break")
            .hint(hint)
    }

    fn open(&self, path: &Path) -> Result<Table, DataError> {
        let dialect = self.dialect().ok_or_else(|| {
            let problem = self.no_delimiter();
            DataError::new(problem.message).hint(problem.hint.unwrap_or_default())
        })?;
        Table::open_as(path, dialect)
    }

    /// The columns of the file; `None` if it cannot be read. Its reader or the check of paths then
    /// reports the error.
    fn header(&self, path: &Path) -> Option<Header> {
        let table = path.is_file().then(|| self.open(path).ok())??;
        Some(table.header().clone())
    }
}

impl CsvSource {
    fn names(&self) -> Names<'_> {
        Names {
            user: &self.user,
            item: &self.item,
            item_key: "item",
            timestamp: &self.timestamp,
            rating: &self.rating,
            history: &self.history,
        }
    }

    fn text_names(&self) -> TextNames<'_> {
        let (id, id_key) = match &self.items_item[..] {
            "" => (&self.item[..], "item"),
            own => (own, "items_item"),
        };
        TextNames {
            id,
            id_key,
            title: &self.title,
            description: &self.description,
            category: &self.category,
            whole: None,
        }
    }

    /// The form of `interactions`, `valid` and `test`.
    fn written(&self) -> Written<'_> {
        Written {
            delimiter: &self.delimiter,
            has_header: self.header,
            keys: TableKeys {
                delimiter: "delimiter",
                header: "header",
            },
        }
    }

    /// The form of `items`.
    fn items_written(&self) -> Written<'_> {
        Written {
            delimiter: match &self.items_delimiter[..] {
                "" => &self.delimiter,
                own => own,
            },
            has_header: self.items_header,
            keys: TableKeys {
                delimiter: "items_delimiter",
                header: "items_header",
            },
        }
    }

    /// Whether every interaction has a value in a column.
    fn provided(&self, named: Named<'_>, base: &Path) -> Provided {
        let header = self.written().header(&base.join(&self.interactions));
        let is_sequence = header
            .as_ref()
            .is_some_and(|header| checks::is_sequence(header, &self.history));
        checks::provided(header.as_ref(), named, is_sequence)
    }

    /// Problems of settings for `items` without that file.
    fn without_items(&self) -> Vec<Problem> {
        let mut found = checks::without_items("items", &self.text_names().texts());
        let settings = [
            ("items_delimiter", !self.items_delimiter.is_empty()),
            ("items_item", !self.items_item.is_empty()),
            ("items_header", !self.items_header),
        ];
        let set = settings.into_iter().filter(|(_, is_set)| *is_set);
        found.extend(set.map(|(key, _)| {
            Problem::at(key, format!("`{key}` is about `items`, which is not given"))
                .label("has no effect")
                .hint(format!("add `items = \"...\"`, or remove `{key}`"))
        }));
        found
    }

    /// Problems of interactions: missing columns, and a rule for whole-sequence rows without such
    /// rows.
    fn problems_of_interactions(&self, base: &Path) -> Vec<Problem> {
        let Some(header) = self.written().header(&base.join(&self.interactions)) else {
            return Vec::new();
        };
        let mut found = checks::not_in(&self.interactions, &header, &self.names().named());
        if !checks::is_sequence(&header, &self.history) {
            found.extend(checks::repeated_without_rows(self.repeated_users));
        }
        found
    }

    /// Problems of items: missing columns.
    fn problems_of_items(&self, base: &Path) -> Vec<Problem> {
        let Some(header) = self.items_written().header(&base.join(&self.items)) else {
            return Vec::new();
        };
        let names = self.text_names();
        let mut found = checks::not_in(&self.items, &header, &[names.id()]);
        found.extend(checks::not_in(&self.items, &header, &names.texts()));
        found
    }

    fn read_interactions(&self, base: &Path, items: &mut Ids) -> Result<RawData, DataError> {
        let names = self.names();
        let parts = parts(&self.interactions, &self.valid, &self.test);
        let mut all = Interactions::new(&names, self.repeated_users, parts.len() > 1, items);
        for (path, part) in parts {
            let path = &base.join(path);
            let mut table = self.written().open(path)?;
            let header = table.header().clone();
            let every: Vec<usize> = (0..header.names.len()).collect();
            let head = Head {
                path,
                header: &header,
                by_type: &every,
            };
            let columns = Columns::find(&head, &names)?;
            all.read(Part { path, part }, &header.names, columns, &mut table)?;
        }
        all.finish(&base.join(&self.interactions))
    }

    /// Reads texts of items, and reports columns that are not used.
    fn read_items<'i>(
        &self,
        path: &Path,
        items: &'i Ids,
    ) -> Result<(Join<'i>, Vec<Counted>), DataError> {
        let mut table = self.items_written().open(path)?;
        let header = table.header().clone();
        let every: Vec<usize> = (0..header.names.len()).collect();
        let head = Head {
            path,
            header: &header,
            by_type: &every,
        };
        let mut join = Join::new(items, path);
        let notes = texts::read(&head, &self.text_names(), &mut table, |id, text| {
            join.add(id, text)
        })?;
        Ok((join, notes))
    }
}

impl DataSource for CsvSource {
    fn kind(&self) -> &'static str {
        "csv"
    }

    fn files(&self) -> Vec<SourceFile<'_>> {
        vec![
            SourceFile::required("interactions", &self.interactions),
            SourceFile::optional("valid", &self.valid),
            SourceFile::optional("test", &self.test),
            SourceFile::optional("items", &self.items),
        ]
    }

    fn split_files(&self) -> Option<SplitFiles<'_>> {
        Some(SplitFiles {
            valid: &self.valid,
            test: &self.test,
        })
    }

    fn missing_titles(&self) -> Option<&'static str> {
        (self.items.is_empty() || self.title.is_empty()).then_some(
            "name the file of titles and its column: `items = \"...\"`, `title = \"...\"`",
        )
    }

    fn ratings(&self, base: &Path) -> Provided {
        self.provided(Named::new("rating", Role::Rating, &self.rating), base)
    }

    fn times(&self, base: &Path) -> Provided {
        self.provided(Named::new("timestamp", Role::Time, &self.timestamp), base)
    }

    fn problems(&self, base: &Path) -> Vec<Problem> {
        let mut found = checks::unnamed(&self.names().named()[..2]);
        let files = SplitFiles {
            valid: &self.valid,
            test: &self.test,
        };
        found.extend(checks::repeated_in_split(self.repeated_users, files));
        if self.items.is_empty() {
            found.extend(self.without_items());
        }
        if self.written().dialect().is_none() {
            found.push(self.written().no_delimiter());
            return found;
        }
        found.extend(self.problems_of_interactions(base));
        if self.items.is_empty() {
            return found;
        }
        match self.items_written().dialect() {
            Some(_) => found.extend(self.problems_of_items(base)),
            None => found.push(self.items_written().no_delimiter()),
        }
        found
    }

    fn read(&self, base: &Path) -> Result<RawData, DataError> {
        let mut items = Ids::default();
        let mut raw = self.read_interactions(base, &mut items)?;
        if !self.items.is_empty() {
            let (join, notes) = self.read_items(&base.join(&self.items), &items)?;
            join.finish(&mut raw)?;
            raw.notes.extend(notes);
        }
        raw.items = items.into_names();
        Ok(raw)
    }
}
