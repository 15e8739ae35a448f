//! Records with named fields, as JSON or as Python literals; the names of some publishers' files are known.

use std::path::Path;

use super::ids::Ids;
use super::record::{Record, first_names};
use super::reviews::{self, Fields};
use crate::data::raw::Text;
use crate::data::{DataError, RawData};
use crate::spec::columns::{AUTO, Role, listed};
use crate::spec::config::json::{Form, JsonSource};

pub(super) fn read(files: &JsonSource, base: &Path) -> Result<RawData, DataError> {
    let form = Form::of(files);
    let given = |name| Some(name).filter(|name: &&str| !name.is_empty());
    let fields = Fields {
        what: form.what,
        user: form.user,
        item: form.item,
        rating: given(form.rating),
        time: given(form.timestamp),
        format: form.time_format,
    };
    let mut items = Ids::default();
    let path = base.join(&files.interactions);
    let (mut raw, _) = reviews::interactions(&path, &mut items, &[fields])?;
    let unused = Unused {
        file: &files.interactions,
        names: first_names(&path)?,
    };
    if files.timestamp == AUTO && form.timestamp.is_empty() {
        unused.no_time(&path)?;
    }
    let count = raw.user.len() as u64;
    unused.note(&mut raw, ("rating", form.rating), count);
    if !files.items.is_empty() {
        let path = base.join(&files.items);
        let (join, without) = reviews::items(
            &path,
            &items,
            (form.items_what, form.items_item),
            |record| text(record, &form),
        )?;
        join.finish(&mut raw)?;
        let unused = Unused {
            file: &files.items,
            names: first_names(&path)?,
        };
        let count = raw.texts.len() as u64;
        unused.note(&mut raw, ("title", form.title[0]), count);
        raw.note(
            format!(
                "records of items without `{}`, which are not used",
                form.items_item
            ),
            without,
        );
    }
    raw.items = items.into_names();
    Ok(raw)
}

/// Fields of a file that look as if they were meant.
struct Unused<'a> {
    file: &'a str,
    names: Vec<String>,
}

impl Unused<'_> {
    /// Refuses a field that looks like a time, where nothing says whether it is one.
    fn no_time(&self, path: &Path) -> Result<(), DataError> {
        let is_time = |name: &&String| Role::Time.looks_like(name) || name.contains("created");
        let Some(name) = self.names.iter().find(is_time) else {
            return Ok(());
        };
        Err(DataError::new(format!(
            "field `{name}` looks like a time and is not used"
        ))
        .at(path)
        .hint(format!(
            "`timestamp = \"{name}\"` orders by it; `timestamp = \"\"` takes the order of the file; the fields are {}",
            listed(&self.names)
        )))
    }

    /// Notes a field that looks like what `key` means, where no field is named for it.
    fn note(&self, raw: &mut RawData, (key, named): (&str, &str), count: u64) {
        let usual: &[&str] = match key {
            "rating" => &["rating", "stars", "score", "overall"],
            _ => &["title", "name"],
        };
        let is_usual = |name: &&String| {
            let name = name.to_lowercase();
            usual.iter().any(|word| name.contains(word))
        };
        if !named.is_empty() {
            return;
        }
        if let Some(name) = self.names.iter().find(is_usual) {
            let what = format!(
                "field `{name}` of `{}` is not used: name it by `{key}`",
                self.file
            );
            raw.note(what, count);
        }
    }
}

fn text(record: &Record<'_>, form: &Form<'_>) -> Result<Text, String> {
    let mut title = None;
    for name in form.title.iter().filter(|name| !name.is_empty()) {
        if title.is_none() {
            title = record.text(name)?.filter(|text| !text.trim().is_empty());
        }
    }
    let texts = |name: &str| match name {
        "" => Ok(None),
        name => record.texts(name),
    };
    let description = texts(form.description)?.map(|texts| texts.join(" "));
    let categories = texts(form.category)?.unwrap_or_default();
    let split = |text: String| -> Vec<String> {
        match form.category_separator {
            "" => vec![text],
            separator => text
                .split(separator)
                .map(|part| part.trim().to_owned())
                .collect(),
        }
    };
    let categories = categories.into_iter().flat_map(split);
    Ok(Text {
        title: title.map(Into::into),
        description: description.filter(|text| !text.trim().is_empty()),
        categories: categories.filter(|text| !text.is_empty()).collect(),
    })
}
