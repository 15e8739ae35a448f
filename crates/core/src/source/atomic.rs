//! RecBole's atomic files: tab-separated, with a header of `name:type` cells; and UniSRec's
//! whole-sequence rows.

use std::collections::HashMap;
use std::path::Path;

use ::csv::ByteRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::{Header, Named, Role};
use super::read::ids::Ids;
use super::read::interactions::{Interactions, Part, Records, parts};
use super::read::join::Join;
use super::read::lines::Lines;
use super::read::no_record;
use super::read::places::{Columns, Head, Names};
use super::read::rows::RepeatedUsers;
use super::read::texts::{self, TextNames};
use super::{DataError, DataSource, Provided, RawData, SourceFile, SplitFiles, checks};
use crate::event::Counted;
use crate::problem::Problem;

/// Defaults of its settings.
pub const DEFAULTS: &str = r#"
# "auto": a column of the usual name, where there is one; see docs/SPEC.md.
[default.source.atomic]
valid = ""
test = ""
item = ""
item_index = ""
user = "user_id"
item_id = "item_id"
timestamp = "auto"
rating = "auto"
title = "auto"
description = "auto"
category = "auto"
repeated_users = "refuse"
"#;

/// RecBole's atomic files: tab-separated, with a header of `name:type` cells.
///
/// A column setting of `"auto"` uses a column with the usual name if the file has one. `""` uses no
/// column. Any other name must be in the header, without its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtomicSource {
    /// The `.inter` file. A row is one interaction or, with a column `item_id_list`, a whole
    /// sequence (UniSRec).
    pub inter: String,
    /// The validation rows of a ready-made split, such as `X.valid.inter`. Empty: none. Needs
    /// `split.given`.
    pub valid: String,
    /// The test rows of a ready-made split, such as `X.test.inter`. Empty: none. Needs
    /// `split.given`.
    pub test: String,
    /// The `.item` file, or UniSRec's `.text`. Empty: no texts.
    pub item: String,
    /// UniSRec's `.item2index`, which maps raw ids to the indices in `inter`. Empty: the ids in
    /// `inter` are used.
    pub item_index: String,
    /// Column of the user id.
    pub user: String,
    /// Column of the item id, in `inter` and in `item`. A column of the same name with `_list` at
    /// its end has the items before it.
    pub item_id: String,
    /// Column of the time, in any unit, with or without a fraction; larger is later. `"auto"`:
    /// `timestamp`. Empty: file order.
    pub timestamp: String,
    /// Column of the rating. `"auto"`: `rating`. Empty: no ratings.
    pub rating: String,
    /// Column of the title in `item`. `"auto"`: `title`, `movie_title`, `movie_name`, `item_name`
    /// or `name`.
    pub title: String,
    /// Column of the description in `item`. `"auto"`: `description`.
    pub description: String,
    /// Column of the categories in `item`. `"auto"`: `categories`, `category`, `class`, `genre` or
    /// `genres`.
    pub category: String,
    /// How several whole-sequence rows of one user are combined.
    pub repeated_users: RepeatedUsers,
}

/// The name of the only text column in UniSRec's `.text` files.
const WHOLE: &str = "text";

/// An open atomic file.
struct Atomic<'a> {
    path: &'a Path,
    lines: Lines,
    /// Names of the columns, without their types.
    header: Header,
    types: Vec<String>,
    record: ByteRecord,
}

impl<'a> Atomic<'a> {
    fn open(path: &'a Path) -> Result<Self, DataError> {
        let mut lines = Lines::open_rows(path)?;
        let header = lines.bytes()?.map(|(_, line)| line.to_vec());
        // A name that is not UTF-8 cannot be in a setting, and must not prevent reading other
        // columns.
        let header = String::from_utf8_lossy(&header.unwrap_or_default()).into_owned();
        if header.trim().is_empty() {
            return Err(no_record(path));
        }
        let cells = header
            .split('\t')
            .map(|cell| cell.split_once(':').unwrap_or((cell, "")));
        let (names, types): (Vec<String>, Vec<String>) = cells
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .unzip();
        Ok(Self {
            path,
            lines,
            header: Header::named(names),
            types,
            record: ByteRecord::new(),
        })
    }

    /// Columns of this type.
    fn of_type(&self, kind: &str) -> Vec<usize> {
        (0..self.types.len())
            .filter(|&at| self.types[at] == kind)
            .collect()
    }
}

impl Records for Atomic<'_> {
    fn next_row(&mut self) -> Result<Option<(u64, &ByteRecord)>, DataError> {
        let Some((line, bytes)) = self.lines.bytes()? else {
            return Ok(None);
        };
        self.record.clear();
        for cell in bytes.split(|&byte| byte == b'\t') {
            self.record.push_field(cell);
        }
        let (wanted, found) = (self.header.names.len(), self.record.len());
        if found != wanted {
            return Err(
                DataError::new(format!("expected {wanted} cells, found {found}"))
                    .at(self.path)
                    .line(line)
                    .hint("cells are separated by one tab"),
            );
        }
        Ok(Some((line, &self.record)))
    }
}

/// Maps indices to raw ids, from rows of `raw<TAB>index`.
fn item_index(path: &Path) -> Result<HashMap<String, String>, DataError> {
    let mut lines = Lines::open(path)?;
    let mut index = HashMap::new();
    while let Some((line, text)) = lines.text()? {
        let (raw, at) = text.split_once('\t').ok_or_else(|| {
            DataError::new("expected `item<TAB>index`")
                .at(path)
                .line(line)
                .hint("`item_index` is UniSRec's `.item2index`")
        })?;
        index.insert(at.to_owned(), raw.to_owned());
    }
    Ok(index)
}

impl AtomicSource {
    /// RecBole's rule for the name of the list of earlier items: that of the item's column with a
    /// suffix.
    fn list(&self) -> String {
        format!("{}_list", self.item_id)
    }

    /// The names of columns. `history` is the column of earlier items, empty if there is none.
    fn names<'a>(&'a self, history: &'a str) -> Names<'a> {
        Names {
            user: &self.user,
            item: &self.item_id,
            item_key: "item_id",
            timestamp: &self.timestamp,
            rating: &self.rating,
            history,
        }
    }

    fn text_names(&self) -> TextNames<'_> {
        TextNames {
            id: &self.item_id,
            id_key: "item_id",
            title: &self.title,
            description: &self.description,
            category: &self.category,
            whole: Some(WHOLE),
        }
    }

    /// Whether every interaction has a value in a column.
    fn provided(&self, named: Named<'_>, base: &Path) -> Provided {
        let header = header(&base.join(&self.inter));
        let is_sequence = header
            .as_ref()
            .is_some_and(|header| header.names.contains(&self.list()));
        checks::provided(header.as_ref(), named, is_sequence)
    }

    /// Problems of interactions: missing columns, and a rule for whole-sequence rows without such
    /// rows.
    fn problems_of_interactions(&self, base: &Path) -> Vec<Problem> {
        let Some(header) = header(&base.join(&self.inter)) else {
            return Vec::new();
        };
        let mut found = checks::not_in(&self.inter, &header, &self.names("").named());
        if !header.names.contains(&self.list()) {
            found.extend(checks::repeated_without_rows(self.repeated_users));
        }
        found
    }

    /// Problems of items: missing columns.
    fn problems_of_items(&self, base: &Path) -> Vec<Problem> {
        let Some(header) = header(&base.join(&self.item)) else {
            return Vec::new();
        };
        let names = self.text_names();
        let mut found = checks::not_in(&self.item, &header, &[names.id()]);
        found.extend(checks::not_in(&self.item, &header, &names.texts()));
        found
    }

    fn read_interactions(
        &self,
        base: &Path,
        index: Option<&HashMap<String, String>>,
        items: &mut Ids,
    ) -> Result<RawData, DataError> {
        let list = self.list();
        let parts = parts(&self.inter, &self.valid, &self.test);
        let (mut files, mut has_list) = (Vec::new(), false);
        for &(path, part) in &parts {
            let path = base.join(path);
            has_list |= Atomic::open(&path)?.header.names.contains(&list);
            files.push((path, part));
        }
        let names = self.names(if has_list { &list } else { "" });
        let mut all = Interactions::new(&names, self.repeated_users, parts.len() > 1, items)
            .with_index(index);
        for (path, part) in &files {
            let mut file = Atomic::open(path)?;
            let (header, floats) = (file.header.clone(), file.of_type("float"));
            let head = Head {
                path,
                header: &header,
                by_type: &floats,
            };
            let columns = Columns::find(&head, &names)?;
            let part = Part { path, part: *part };
            all.read(part, &header.names, columns, &mut file)?;
        }
        all.finish(&base.join(&self.inter))
    }

    /// Reads texts of items, and reports columns that are not used. An `.item` file has titles and
    /// categories. A `.text` file has one text per item, whose first sentence is used as the title.
    fn read_items<'i>(
        &self,
        path: &Path,
        items: &'i Ids,
    ) -> Result<(Join<'i>, Vec<Counted>), DataError> {
        let mut file = Atomic::open(path)?;
        let (header, words) = (file.header.clone(), file.of_type("token_seq"));
        let head = Head {
            path,
            header: &header,
            by_type: &words,
        };
        let mut join = Join::new(items, path);
        let notes = texts::read(&head, &self.text_names(), &mut file, |id, text| {
            join.add(id, text)
        })?;
        Ok((join, notes))
    }
}

/// The columns of an atomic file; `None` if it cannot be read. Its reader or the check of paths
/// then reports the error.
fn header(path: &Path) -> Option<Header> {
    let file = path.is_file().then(|| Atomic::open(path).ok())??;
    Some(file.header)
}

impl DataSource for AtomicSource {
    fn kind(&self) -> &'static str {
        "atomic"
    }

    fn files(&self) -> Vec<SourceFile<'_>> {
        vec![
            SourceFile::required("inter", &self.inter),
            SourceFile::optional("valid", &self.valid),
            SourceFile::optional("test", &self.test),
            SourceFile::optional("item", &self.item),
            SourceFile::optional("item_index", &self.item_index),
        ]
    }

    fn split_files(&self) -> Option<SplitFiles<'_>> {
        Some(SplitFiles {
            valid: &self.valid,
            test: &self.test,
        })
    }

    fn missing_titles(&self) -> Option<&'static str> {
        (self.item.is_empty()).then_some("name the file of titles: `item = \"...\"`")
    }

    fn ratings(&self, base: &Path) -> Provided {
        self.provided(Named::new("rating", Role::Rating, &self.rating), base)
    }

    fn times(&self, base: &Path) -> Provided {
        self.provided(Named::new("timestamp", Role::Time, &self.timestamp), base)
    }

    fn problems(&self, base: &Path) -> Vec<Problem> {
        let mut found = checks::unnamed(&self.names("").named()[..2]);
        let files = SplitFiles {
            valid: &self.valid,
            test: &self.test,
        };
        found.extend(checks::repeated_in_split(self.repeated_users, files));
        found.extend(self.problems_of_interactions(base));
        found.extend(match self.item.is_empty() {
            true => checks::without_items("item", &self.text_names().texts()),
            false => self.problems_of_items(base),
        });
        found
    }

    fn read(&self, base: &Path) -> Result<RawData, DataError> {
        let mut items = Ids::default();
        let index = match self.item_index.as_str() {
            "" => None,
            path => Some(item_index(&base.join(path))?),
        };
        let mut raw = self.read_interactions(base, index.as_ref(), &mut items)?;
        if !self.item.is_empty() {
            let (join, notes) = self.read_items(&base.join(&self.item), &items)?;
            join.finish(&mut raw)?;
            raw.notes.extend(notes);
        }
        raw.items = items.into_names();
        Ok(raw)
    }
}
