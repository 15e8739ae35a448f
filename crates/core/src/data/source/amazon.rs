//! Amazon reviews and metadata as their publishers give them: the forms of 2014, 2018 and 2023, as JSON or as Python
//! literals, one record a line or in a list, plain or gzip. The form is told from the records.

use std::path::Path;

use super::ids::Ids;
use super::record::Record;
use super::reviews::{self, Fields};
use crate::config::dataset::{AmazonSource, AmazonText};
use crate::data::raw::Text;
use crate::data::{DataError, RawData};

/// The forms of reviews, and the field of their metadata that is the item's id. The item of 2023 is `parent_asin`, under
/// which colours and sizes of a product are one: so do the publisher's own splits, and the metadata have no other id.
const FORMS: [Fields<'static>; 2] = [
    Fields {
        what: "Amazon reviews of 2014 or 2018",
        user: "reviewerID",
        item: "asin",
        rating: Some("overall"),
        time: Some("unixReviewTime"),
        format: "",
    },
    Fields {
        what: "Amazon reviews of 2023",
        user: "user_id",
        item: "parent_asin",
        rating: Some("rating"),
        time: Some("timestamp"),
        format: "",
    },
];

/// What the metadata of each form are, in the plural.
const METADATA: [&str; 2] = [
    "metadata of Amazon items (2014 or 2018)",
    "metadata of Amazon items (2023)",
];

pub(super) fn read(files: &AmazonSource, base: &Path) -> Result<RawData, DataError> {
    let mut items = Ids::default();
    let path = base.join(&files.reviews);
    let (mut raw, form) = reviews::interactions(&path, &mut items, &FORMS)?;
    raw.read_as
        .push(format!("`{}` holds {}", files.reviews, FORMS[form].what));
    if !files.metadata.is_empty() {
        let path = base.join(&files.metadata);
        let id = FORMS[form].item;
        let parse = |record: &Record<'_>| of_record(record, files.text);
        let (join, without) = reviews::items(&path, &items, (METADATA[form], id), parse)?;
        join.finish(&mut raw)?;
        raw.note(
            format!("records without `{id}`, which are not used"),
            without,
        );
    }
    raw.items = items.into_names();
    Ok(raw)
}

/// The A-LLMRec code sets title and description in one attempt, description first: without the key, neither is set.
fn of_record(record: &Record<'_>, rule: AmazonText) -> Result<Text, String> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let title = given(record.text("title")?.map(Into::into));
    let descriptions = record.texts("description")?;
    let category = match record.has("category") {
        true => record.texts("category")?,
        false => record.texts("categories")?,
    };
    let categories = category.unwrap_or_default();
    Ok(match rule {
        AmazonText::Published => Text {
            title: title.filter(|_| descriptions.is_some()),
            description: descriptions.and_then(|texts| texts.into_iter().next()),
            categories,
        },
        AmazonText::Full => Text {
            title,
            description: given(descriptions.map(|texts| texts.join(" "))),
            categories,
        },
    })
}
