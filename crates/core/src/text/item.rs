//! An item's text, for a sentence encoder.

use super::titles::NO_TITLE;
use crate::data::Item;
use crate::models::allmrec::ItemText;

/// Description of an item that has none. The A-LLMRec code uses it for an empty list of
/// descriptions, and `No Description` for an item without metadata. Here, it is used for both.
pub const NO_DESCRIPTION: &str = "Empty description";

/// Title and description of `item` as one text. Missing and blank parts are replaced, so that the
/// text is never empty.
pub fn item_text(form: ItemText, item: &Item) -> String {
    let title = title_of(item);
    let description = given(item.description.as_deref(), NO_DESCRIPTION);
    match form {
        ItemText::Quoted => format!("\"{title}, {description}\""),
        ItemText::Labelled => format!("Title: {title}, Description: {description}"),
        ItemText::Title => title.to_owned(),
    }
}

/// The title of `item`, or what replaces a missing one.
pub(super) fn title_of(item: &Item) -> &str {
    given(item.title.as_deref(), NO_TITLE)
}

fn given<'a>(text: Option<&'a str>, otherwise: &'a str) -> &'a str {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_text_says_what_is_missing() {
        let cases = [
            (
                Some("Heat"),
                Some("Cops."),
                "\"Heat, Cops.\"",
                "Title: Heat, Description: Cops.",
            ),
            (
                Some("Heat"),
                None,
                "\"Heat, Empty description\"",
                "Title: Heat, Description: Empty description",
            ),
            (
                None,
                Some("Cops."),
                "\"No Title, Cops.\"",
                "Title: No Title, Description: Cops.",
            ),
            (
                Some(" "),
                Some(""),
                "\"No Title, Empty description\"",
                "Title: No Title, Description: Empty description",
            ),
        ];
        for (title, description, quoted, labelled) in cases {
            let item = Item {
                title: title.map(str::to_owned),
                description: description.map(str::to_owned),
                ..Item::default()
            };
            assert_eq!(item_text(ItemText::Quoted, &item), quoted);
            assert_eq!(item_text(ItemText::Labelled, &item), labelled);
            let has_title = title.is_some_and(|title| title == "Heat");
            let alone = if has_title { "Heat" } else { "No Title" };
            assert_eq!(item_text(ItemText::Title, &item), alone);
        }
    }
}
