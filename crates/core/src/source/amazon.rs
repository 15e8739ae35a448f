//! Amazon reviews and metadata in the forms of 2014, 2018 and 2023. Files contain JSON or Python
//! literals, one record per line or in a list, plain or gzip. The form is detected from the
//! records.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw::Text;
use super::read::ids::Ids;
use super::read::record::Record;
use super::read::reviews::{self, Fields};
use super::{DataError, DataSource, RawData, SourceFile};

/// Defaults of its settings.
pub const DEFAULTS: &str = r#"
# `full` reads what is there; `published` drops titles as the A-LLMRec code does.
[default.source.amazon]
metadata = ""
text = "full"
"#;

/// Files of an Amazon category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmazonSource {
    /// Reviews as JSON or Python literals, one per line or in a list, `.gz` or plain.
    pub reviews: String,
    /// Metadata of the same form and in the same notations. Empty: no texts.
    pub metadata: String,
    /// `published`: as in the A-LLMRec code. An item without the `description` key has no title
    /// either, and only the first description is used. `full`: title and all descriptions.
    pub text: AmazonText,
}

/// How an Amazon item's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmazonText {
    /// The A-LLMRec code's rule.
    Published,
    /// Title and all descriptions.
    Full,
}

/// The forms of reviews, and the field of their metadata with the item's id. In the form of 2023,
/// an item is `parent_asin`, which covers all colours and sizes of a product. The publisher's
/// splits use it too, and the metadata have no other id.
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

/// Names of the metadata of each form, in the plural.
const METADATA: [&str; 2] = [
    "metadata of Amazon items (2014 or 2018)",
    "metadata of Amazon items (2023)",
];

impl DataSource for AmazonSource {
    fn kind(&self) -> &'static str {
        "amazon"
    }

    fn files(&self) -> Vec<SourceFile<'_>> {
        vec![
            SourceFile::required("reviews", &self.reviews),
            SourceFile::optional("metadata", &self.metadata),
        ]
    }

    fn missing_titles(&self) -> Option<&'static str> {
        (self.metadata.is_empty()).then_some("name the file of titles: `metadata = \"...\"`")
    }

    fn read(&self, base: &Path) -> Result<RawData, DataError> {
        let mut items = Ids::default();
        let path = base.join(&self.reviews);
        let (mut raw, form) = reviews::interactions(&path, &mut items, &FORMS)?;
        raw.read_as
            .push(format!("`{}` holds {}", self.reviews, FORMS[form].what));
        if !self.metadata.is_empty() {
            let path = base.join(&self.metadata);
            let id = FORMS[form].item;
            let parse = |record: &Record<'_>| of_record(record, self.text);
            let (join, without) = reviews::items(&path, &items, METADATA[form], id, parse)?;
            join.finish(&mut raw)?;
            raw.note(
                format!("records without `{id}`, which are not used"),
                without,
            );
        }
        raw.items = items.into_names();
        Ok(raw)
    }
}

/// The A-LLMRec code sets title and description in one `try` block, description first. Without the
/// key, neither is set.
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
