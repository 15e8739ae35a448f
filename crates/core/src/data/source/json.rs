//! Records with named fields, as JSON or as Python literals; the names of some publishers' files are known.

use std::path::Path;

use super::ids::Ids;
use super::record::{Record, first_fields};
use super::reviews::{self, Fields};
use crate::columns::{self, AUTO, Role, listed};
use crate::config::json::{Form, JsonSource};
use crate::data::raw::Text;
use crate::data::{DataError, RawData};

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
    let read = [form.user, form.item, form.timestamp, form.rating];
    let names = Names::new(&path, &files.interactions, &read)?;
    if files.timestamp == AUTO && form.timestamp.is_empty() {
        names.no_time(&path)?;
    }
    names.note(&mut raw, Role::Rating, form.rating);
    if !files.items.is_empty() {
        let path = base.join(&files.items);
        let (join, without) = reviews::items(
            &path,
            &items,
            (form.items_what, form.items_item),
            |record| text(record, &form),
        )?;
        join.finish(&mut raw)?;
        let read = [form.items_item, form.description, form.category];
        let names = Names::new(&path, &files.items, &read)?;
        names.note(&mut raw, Role::Title, form.title[0]);
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

/// Names of a file's fields.
struct Names<'a> {
    file: &'a str,
    all: Vec<String>,
    /// Numbers of the first record.
    values: Vec<Option<f64>>,
    /// Places of those that are read.
    used: Vec<usize>,
}

impl<'a> Names<'a> {
    fn new(path: &Path, file: &'a str, used: &[&str]) -> Result<Self, DataError> {
        let (all, values): (Vec<String>, Vec<Option<f64>>) =
            first_fields(path)?.into_iter().unzip();
        let is_used = |at: &usize| used.contains(&all[*at].as_str());
        let used = (0..all.len()).filter(is_used).collect();
        Ok(Self {
            file,
            all,
            values,
            used,
        })
    }

    /// A field that looks like `role` and is not read.
    fn alike(&self, role: Role) -> Option<&str> {
        let alike = columns::alike(&self.all, role, &self.used);
        alike.first().map(|&at| self.all[at].as_str())
    }

    /// Refuses a field that looks like a time, where nothing says whether it is one.
    fn no_time(&self, path: &Path) -> Result<(), DataError> {
        let is_time = |at: &usize| {
            !self.used.contains(at) && self.values[*at].is_some_and(super::is_like_a_time)
        };
        let by_value = (0..self.all.len()).find(is_time);
        let by_value = by_value.map(|at| self.all[at].as_str());
        let Some(name) = self.alike(Role::Time).or(by_value) else {
            return Ok(());
        };
        Err(DataError::new(format!(
            "field `{name}` looks like a time and is not used"
        ))
        .at(path)
        .hint(format!(
            "`timestamp = \"{name}\"` orders by it; `timestamp = \"\"` takes the order of the file; the fields are {}",
            listed(&self.all)
        )))
    }

    /// Notes a field that looks like `role`, where no field is `named` for it.
    fn note(&self, raw: &mut RawData, role: Role, named: &str) {
        if let (Some(name), "") = (self.alike(role), named) {
            let what = format!(
                "fields that look like a {} and are not used (`{name}` of {})",
                role.word(),
                self.file
            );
            raw.note(what, 1);
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
