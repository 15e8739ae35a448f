//! Records with named fields, as JSON or as Python literals; the names of some publishers' files are known.

use std::path::Path;

use super::ids::Ids;
use super::record::Record;
use super::reviews::{self, Fields};
use crate::data::raw::Text;
use crate::data::{DataError, RawData};
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
    if !files.items.is_empty() {
        let path = base.join(&files.items);
        let (join, without) =
            reviews::items(&path, &items, form.items_item, |record| text(record, &form))?;
        join.finish(&mut raw)?;
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
