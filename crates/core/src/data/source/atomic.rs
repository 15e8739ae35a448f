//! RecBole's atomic files: tab-separated, with a header of `name:type` cells; and UniSRec's whole-sequence rows.

use std::collections::HashMap;
use std::path::Path;

use ::csv::ByteRecord;

use super::columns::{Columns, Head, Names};
use super::csv::parts;
use super::ids::Ids;
use super::interactions::{Interactions, Part, Records};
use super::join::Join;
use super::lines::Lines;
use super::texts::{self, TextNames};
use crate::config::dataset::AtomicSource;
use crate::data::{DataError, RawData};
use crate::event::Counted;

/// What UniSRec's `.text` files call their only column of texts.
const WHOLE: &str = "text";

pub(super) fn read(files: &AtomicSource, base: &Path) -> Result<RawData, DataError> {
    let mut items = Ids::default();
    let index = match files.item_index.as_str() {
        "" => None,
        path => Some(item_index(&base.join(path))?),
    };
    let mut raw = interactions(files, base, index.as_ref(), &mut items)?;
    if !files.item.is_empty() {
        let (join, notes) = texts(&base.join(&files.item), files, &items)?;
        join.finish(&mut raw)?;
        raw.notes.extend(notes);
    }
    raw.items = items.into_names();
    Ok(raw)
}

/// An open atomic file.
struct Atomic<'a> {
    path: &'a Path,
    lines: Lines,
    /// Names of the columns, without their types.
    names: Vec<String>,
    types: Vec<String>,
    record: ByteRecord,
}

impl<'a> Atomic<'a> {
    fn open(path: &'a Path) -> Result<Self, DataError> {
        let mut lines = Lines::open_rows(path)?;
        let header = lines.bytes()?.map(|(_, line)| line.to_vec());
        // A name that is not UTF-8 can be no setting; it must not stop a file that is read by other columns.
        let header = String::from_utf8_lossy(&header.unwrap_or_default()).into_owned();
        if header.trim().is_empty() {
            return Err(super::no_record(path));
        }
        let cells = header
            .split('\t')
            .map(|cell| cell.split_once(':').unwrap_or((cell, "")));
        let (names, types) = cells
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .unzip();
        Ok(Self {
            path,
            lines,
            names,
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
        let (wanted, found) = (self.names.len(), self.record.len());
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

fn interactions(
    files: &AtomicSource,
    base: &Path,
    index: Option<&HashMap<String, String>>,
    items: &mut Ids,
) -> Result<RawData, DataError> {
    // RecBole's own rule: the list of earlier items is named after the item's column.
    let list = format!("{}_list", files.item_id);
    let parts = parts(&files.inter, &files.valid, &files.test);
    let (mut heads, mut has_list) = (Vec::new(), false);
    for &(path, part) in &parts {
        let path = base.join(path);
        has_list |= Atomic::open(&path)?.names.contains(&list);
        heads.push((path, part));
    }
    let names = Names {
        user: &files.user,
        item: &files.item_id,
        item_key: "item_id",
        timestamp: &files.timestamp,
        rating: &files.rating,
        history: if has_list { &list } else { "" },
    };
    let mut all =
        Interactions::new(&names, files.repeated_users, parts.len() > 1, items).with_index(index);
    for (path, part) in &heads {
        let mut file = Atomic::open(path)?;
        let (header, floats) = (file.names.clone(), file.of_type("float"));
        let head = Head {
            path,
            names: &header,
            first: None,
            floats: &floats,
        };
        let columns = Columns::find(&head, &names)?;
        all.read(Part { path, part: *part }, &header, columns, &mut file)?;
    }
    all.finish(&base.join(&files.inter))
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

/// Texts of items, and what is not used, of an `.item` file (title, categories) or a `.text` file (one text, whose
/// first sentence serves as the title).
fn texts<'i>(
    path: &Path,
    files: &AtomicSource,
    items: &'i Ids,
) -> Result<(Join<'i>, Vec<Counted>), DataError> {
    let mut file = Atomic::open(path)?;
    let (header, words) = (file.names.clone(), file.of_type("token_seq"));
    let head = Head {
        path,
        names: &header,
        first: None,
        floats: &[],
    };
    let names = TextNames {
        id: &files.item_id,
        id_key: "item_id",
        title: &files.title,
        description: &files.description,
        category: &files.category,
        whole: Some(WHOLE),
        words: &words,
    };
    let mut join = Join::new(items, path);
    let notes = texts::read(&head, &names, &mut file, |id, text| join.add(id, text))?;
    Ok((join, notes))
}
