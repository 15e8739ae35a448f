//! RecBole's atomic files: tab-separated, with a header of `name:type` cells; and UniSRec's whole-sequence rows.

use std::collections::HashMap;
use std::path::Path;

use super::csv::{identity, number, time, twice};
use super::ids::Ids;
use super::join::Join;
use super::lines::Lines;
use crate::data::raw::Text;
use crate::data::{DataError, RawData};
use crate::spec::config::dataset::AtomicSource;

pub(super) fn read(files: &AtomicSource, base: &Path) -> Result<RawData, DataError> {
    let mut items = Ids::default();
    let index = match files.item_index.as_str() {
        "" => None,
        path => Some(item_index(&base.join(path))?),
    };
    let mut raw = interactions(&base.join(&files.inter), index.as_ref(), &mut items)?;
    if !files.item.is_empty() {
        texts(&base.join(&files.item), &items)?.finish(&mut raw)?;
    }
    raw.items = items.into_names();
    Ok(raw)
}

/// An open atomic file: its lines and the names of its columns.
struct Atomic {
    lines: Lines,
    columns: Vec<String>,
}

impl Atomic {
    fn open(path: &Path) -> Result<Self, DataError> {
        let mut lines = Lines::open_rows(path)?;
        let header = lines
            .text()?
            .map(|(_, line)| line.to_owned())
            .unwrap_or_default();
        if header.trim().is_empty() {
            return Err(super::no_record(path));
        }
        let columns = header
            .split('\t')
            .map(|cell| cell.split(':').next().unwrap_or_default().to_owned());
        let columns: Vec<String> = columns.collect();
        for (at, name) in columns.iter().enumerate() {
            if columns[..at].contains(name) {
                return Err(twice(name).at(path).line(1));
            }
        }
        Ok(Self { lines, columns })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    fn required(&self, name: &str, path: &Path) -> Result<usize, DataError> {
        self.column(name).ok_or_else(|| {
            DataError::new(format!("no column `{name}`"))
                .at(path)
                .line(1)
                .hint(format!("the header names `{}`", self.columns.join("`, `")))
        })
    }

    /// The next row's number and cells, as many as the header has.
    fn row(&mut self, path: &Path) -> Result<Option<(u64, Vec<&str>)>, DataError> {
        let wanted = self.columns.len();
        let Some((line, text)) = self.lines.text()? else {
            return Ok(None);
        };
        let cells: Vec<&str> = text.split('\t').collect();
        if cells.len() != wanted {
            return Err(
                DataError::new(format!("expected {wanted} cells, found {}", cells.len()))
                    .at(path)
                    .line(line)
                    .hint("cells are separated by one tab"),
            );
        }
        Ok(Some((line, cells)))
    }
}

fn interactions(
    path: &Path,
    index: Option<&HashMap<String, String>>,
    items: &mut Ids,
) -> Result<RawData, DataError> {
    let mut file = Atomic::open(path)?;
    let (user, item) = (
        file.required("user_id", path)?,
        file.required("item_id", path)?,
    );
    let (history, rating, timestamp) = (
        file.column("item_id_list"),
        file.column("rating"),
        file.column("timestamp"),
    );
    let (mut users, mut raw) = (Ids::default(), RawData::default());
    while let Some((line, cells)) = file.row(path)? {
        let row_user = users.number(identity(cells[user], (path, line))?);
        let target = identity(cells[item], (path, line))?;
        let before = history.map(|at| cells[at]).unwrap_or_default();
        for id in before.split_ascii_whitespace().chain([target]) {
            let id = match index {
                Some(index) => index.get(id).ok_or_else(|| {
                    DataError::new(format!("item `{id}` is not in the index"))
                        .at(path)
                        .line(line)
                        .hint("`item_index` must be the file that belongs to `inter`")
                })?,
                None => id,
            };
            raw.user.push(row_user);
            raw.item.push(items.number(id));
        }
        if let Some(at) = rating {
            raw.rating
                .push(number(cells[at].as_bytes(), (path, line), "rating")? as f32);
        }
        if let Some(at) = timestamp {
            raw.time
                .push(time(cells[at].as_bytes(), (path, line), "timestamp")?);
        }
    }
    if history.is_some() {
        // A row is a whole sequence: its own times and ratings, if any, are not those of its items.
        raw.rating.clear();
        raw.time.clear();
    }
    raw.users = users.into_names();
    super::filled(raw, path)
}

/// Index to raw id, from rows of `raw<TAB>index`.
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

/// `.item` (title, categories) or `.text` (one text, whose first sentence serves as the title).
fn texts<'a>(path: &Path, items: &'a Ids) -> Result<Join<'a>, DataError> {
    let mut file = Atomic::open(path)?;
    let id = file.required("item_id", path)?;
    let first = |names: &[&str]| names.iter().find_map(|name| file.column(name));
    let title = first(&["title", "movie_title", "item_name", "name"]);
    let description = first(&["description"]);
    let category = first(&["categories", "category", "class", "genre"]);
    let whole = first(&["text"]);
    let mut join = Join::new(items, path);
    while let Some((_, cells)) = file.row(path)? {
        let given = |at: Option<usize>| {
            at.map(|at| cells[at].trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let mut text = Text {
            title: given(title),
            description: given(description),
            categories: given(category).into_iter().collect(),
        };
        if let Some(whole) = given(whole) {
            text.title = Some(whole.split(". ").next().unwrap_or_default().to_owned());
            text.description = Some(whole);
        }
        join.add(cells[id], text);
    }
    Ok(join)
}
