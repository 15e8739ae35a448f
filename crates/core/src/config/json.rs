//! `source.json`: records with named fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::columns::AUTO;

/// Files of records with named fields: JSON or Python literals, one a line, over several lines, or in one list; plain or
/// gzip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonSource {
    /// The interactions or reviews.
    pub interactions: String,
    /// The items with their texts. Empty: no texts.
    pub items: String,
    /// Whose files these are, which gives the names of the fields that are empty below.
    pub form: JsonForm,
    /// Field of the user id.
    pub user: String,
    /// Field of the item id in `interactions`.
    pub item: String,
    /// Field of the item id in `items`. Empty: as `item`.
    pub items_item: String,
    /// Field of the time: a number (seconds, milliseconds, with or without a fraction; larger is later), or a date. `auto`:
    /// that of `form`; without a `form` file order, unless a field looks like a time. Empty: file order.
    pub timestamp: String,
    /// How dates are written, in the letters of `strftime`, such as `%a %b %d %H:%M:%S %z %Y`. Empty: numbers, or dates
    /// such as `2018-07-07` and `2018-07-07 22:09:11`. Dates without an offset are in UTC.
    pub time_format: String,
    /// Field of the rating. Empty, and no `form`: no ratings.
    pub rating: String,
    /// Field of the title in `items`. Empty, and no `form`: no titles.
    pub title: String,
    /// Field of the description in `items`, a text or a list. Empty, and no `form`: no descriptions.
    pub description: String,
    /// Field of the categories in `items`, a text or a list. Empty, and no `form`: none.
    pub category: String,
}

/// Whose files a `json` source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JsonForm {
    /// Nobody's in particular: `user` and `item` must be named.
    Named,
    /// The Yelp Open Dataset: `review.json` and `business.json`.
    Yelp,
    /// UCSD Book Graph: `goodreads_interactions*.json` or `goodreads_reviews*.json`, and `goodreads_books*.json`. The time
    /// is `date_added`. A rating of 0 means that there is none; `filter = [{ rating = { minimum = 1 } }]` drops these.
    Goodreads,
    /// McAuley's Steam files: `steam_reviews.json` and `steam_games.json`, which hold Python literals. The user is
    /// `username`; there are no ratings.
    Steam,
}

/// Names of fields, all resolved; empty where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    /// Whose records these are, in the plural.
    pub what: &'a str,
    /// Whose records the items are, in the plural.
    pub items_what: &'a str,
    /// Field of the user id.
    pub user: &'a str,
    /// Field of the item id in the interactions.
    pub item: &'a str,
    /// Field of the item id in the items.
    pub items_item: &'a str,
    /// Field of the time.
    pub timestamp: &'a str,
    /// Form of dates.
    pub time_format: &'a str,
    /// Field of the rating.
    pub rating: &'a str,
    /// Fields of the title, the first that is there counts.
    pub title: [&'a str; 2],
    /// Field of the description.
    pub description: &'a str,
    /// Field of the categories.
    pub category: &'a str,
    /// What separates categories in one text.
    pub category_separator: &'a str,
}

const NAMED: Form<'static> = Form {
    what: "interactions",
    items_what: "items",
    user: "",
    item: "",
    items_item: "",
    timestamp: "",
    time_format: "",
    rating: "",
    title: ["", ""],
    description: "",
    category: "",
    category_separator: "",
};

const YELP: Form<'static> = Form {
    what: "Yelp reviews",
    items_what: "Yelp businesses",
    user: "user_id",
    item: "business_id",
    items_item: "business_id",
    timestamp: "date",
    rating: "stars",
    title: ["name", ""],
    category: "categories",
    category_separator: ",",
    ..NAMED
};

const GOODREADS: Form<'static> = Form {
    what: "Goodreads interactions",
    items_what: "Goodreads books",
    user: "user_id",
    item: "book_id",
    items_item: "book_id",
    timestamp: "date_added",
    time_format: "%a %b %d %H:%M:%S %z %Y",
    rating: "rating",
    title: ["title", ""],
    description: "description",
    ..NAMED
};

const STEAM: Form<'static> = Form {
    what: "Steam reviews",
    items_what: "Steam games",
    user: "username",
    item: "product_id",
    items_item: "id",
    timestamp: "date",
    title: ["app_name", "title"],
    category: "genres",
    ..NAMED
};

impl<'a> Form<'a> {
    /// The names that `source` writes, and those of its form for the others.
    pub fn of(source: &'a JsonSource) -> Self {
        let form = match source.form {
            JsonForm::Named => NAMED,
            JsonForm::Yelp => YELP,
            JsonForm::Goodreads => GOODREADS,
            JsonForm::Steam => STEAM,
        };
        fn or<'s>(own: &'s str, known: &'s str) -> &'s str {
            if own.is_empty() { known } else { own }
        }
        let item = or(&source.item, form.item);
        Form {
            user: or(&source.user, form.user),
            item,
            items_item: match (&source.items_item[..], form.items_item) {
                ("", "") => item,
                (own, known) => or(own, known),
            },
            timestamp: match &source.timestamp[..] {
                AUTO => form.timestamp,
                own => own,
            },
            time_format: or(&source.time_format, form.time_format),
            rating: or(&source.rating, form.rating),
            title: match &source.title[..] {
                "" => form.title,
                own => [own, ""],
            },
            description: or(&source.description, form.description),
            category: or(&source.category, form.category),
            ..form
        }
    }
}
