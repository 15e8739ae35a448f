//! Records with named fields, as JSON or as Python literals. The names in files of some publishers
//! are known.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::{self, AUTO, Role, listed};
use super::raw::Text;
use super::read::ids::Ids;
use super::read::is_like_a_time;
use super::read::record::{Record, first_fields};
use super::read::reviews::{self, Fields};
use super::{DataError, DataSource, Provided, RawData, SourceFile};
use crate::problem::Problem;

/// Defaults of its settings.
pub const DEFAULTS: &str = r#"
# Empty fields are those of the form.
[default.source.json]
items = ""
form = "named"
user = ""
item = ""
items_item = ""
timestamp = "auto"
time_format = ""
rating = ""
title = ""
description = ""
category = ""
"#;

/// Files of records with named fields, as JSON or Python literals, plain or gzip. Records are one
/// per line, over several lines, or in one list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonSource {
    /// The interactions or reviews.
    pub interactions: String,
    /// The items with their texts. Empty: no texts.
    pub items: String,
    /// The publisher of the files, which gives names to the fields that are empty below.
    pub form: JsonForm,
    /// Field of the user id.
    pub user: String,
    /// Field of the item id in `interactions`.
    pub item: String,
    /// Field of the item id in `items`. Empty: as `item`.
    pub items_item: String,
    /// Field of the time: a date, or a number (seconds or milliseconds, with or without a
    /// fraction). `auto`: the field of `form`; without a `form`, file order, unless a field looks
    /// like a time. Empty: file order.
    pub timestamp: String,
    /// Format of dates, as in `strftime`, such as `%a %b %d %H:%M:%S %z %Y`. Empty: numbers, or
    /// dates such as `2018-07-07` and `2018-07-07 22:09:11`. Dates without an offset are in UTC.
    pub time_format: String,
    /// Field of the rating. Empty, without `form`: no ratings.
    pub rating: String,
    /// Field of the title in `items`. Empty, without `form`: no titles.
    pub title: String,
    /// Field of the description in `items`, a text or a list. Empty, without `form`: no
    /// descriptions.
    pub description: String,
    /// Field of the categories in `items`, a text or a list. Empty, without `form`: no categories.
    pub category: String,
}

/// The publisher of a `json` source's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JsonForm {
    /// No publisher: `user` and `item` must be set.
    Named,
    /// The Yelp Open Dataset: `review.json` and `business.json`.
    Yelp,
    /// UCSD Book Graph: `goodreads_interactions*.json` or `goodreads_reviews*.json`, and
    /// `goodreads_books*.json`. The time is `date_added`. A rating of 0 is a missing rating;
    /// `filter = [{ rating = { minimum = 1 } }]` drops these.
    Goodreads,
    /// McAuley's Steam files: `steam_reviews.json` and `steam_games.json`, as Python literals. The
    /// user is `username`; there are no ratings.
    Steam,
}

/// Names of fields, all resolved; empty for a missing field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form<'a> {
    /// Name of the interaction records, in the plural.
    what: &'a str,
    /// Name of the item records, in the plural.
    items_what: &'a str,
    /// Field of the user id.
    user: &'a str,
    /// Field of the item id in the interactions.
    item: &'a str,
    /// Field of the item id in the items.
    items_item: &'a str,
    /// Field of the time.
    timestamp: &'a str,
    /// Format of dates.
    time_format: &'a str,
    /// Field of the rating.
    rating: &'a str,
    /// Fields of the title; the first that a record has is used.
    title: [&'a str; 2],
    /// Field of the description.
    description: &'a str,
    /// Field of the categories.
    category: &'a str,
    /// What separates categories in one text.
    category_separator: &'a str,
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
    /// The names in `source`, and those of its form for the others.
    fn of(source: &'a JsonSource) -> Self {
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

impl DataSource for JsonSource {
    fn kind(&self) -> &'static str {
        "json"
    }

    fn files(&self) -> Vec<SourceFile<'_>> {
        vec![
            SourceFile::required("interactions", &self.interactions),
            SourceFile::optional("items", &self.items),
        ]
    }

    fn missing_titles(&self) -> Option<&'static str> {
        let has_none = self.items.is_empty() || Form::of(self).title[0].is_empty();
        has_none.then_some(
            "name the file of titles and its field: `items = \"...\"`, `title = \"...\"`",
        )
    }

    fn ratings(&self, _base: &Path) -> Provided {
        match Form::of(self).rating {
            "" => Provided::No(
                "name the field: `rating = \"...\"` in the source, or remove the filter".to_owned(),
            ),
            _ => Provided::Yes,
        }
    }

    fn times(&self, _base: &Path) -> Provided {
        match Form::of(self).timestamp {
            "" => Provided::No(
                "name the field: `timestamp = \"...\"` in the source, or use another split"
                    .to_owned(),
            ),
            _ => Provided::Yes,
        }
    }

    fn problems(&self, _base: &Path) -> Vec<Problem> {
        let form = Form::of(self);
        let mut found = unnamed(&form);
        if self.items.is_empty() {
            found.extend(self.without_items());
        }
        if form.timestamp.is_empty() && !self.time_format.is_empty() {
            found.push(
                Problem::at(
                    "time_format",
                    "`time_format` is given, and no field of times",
                )
                .label("needs `timestamp`")
                .hint("name the field: `timestamp = \"...\"`"),
            );
        }
        if !form.time_format.is_empty() && !is_form_of_dates(form.time_format) {
            let message = format!("`{}` is not a date format", form.time_format);
            found.push(
                Problem::at("time_format", message)
                    .label("expected the letters of `strftime`")
                    .hint("for example `%Y-%m-%d` or `%a %b %d %H:%M:%S %z %Y`"),
            );
        }
        found
    }

    fn read(&self, base: &Path) -> Result<RawData, DataError> {
        read(self, base)
    }
}

impl JsonSource {
    /// Problems of item fields that are set without the file of items.
    fn without_items(&self) -> Vec<Problem> {
        let of_items = [
            ("items_item", &self.items_item),
            ("title", &self.title),
            ("description", &self.description),
            ("category", &self.category),
        ];
        let named = of_items.into_iter().filter(|(_, field)| !field.is_empty());
        let problem = |(key, field): (&str, &String)| {
            let message = format!("field `{field}` is read from `items`, which is not given");
            Problem::at(key, message)
                .label("needs `items`")
                .hint("add `items = \"...\"`, the file with one record an item")
        };
        named.map(problem).collect()
    }
}

/// Problems of id fields that are empty.
fn unnamed(form: &Form<'_>) -> Vec<Problem> {
    let ids = [("user", form.user), ("item", form.item)];
    let empty = ids.into_iter().filter(|(_, field)| field.is_empty());
    let problem = |(key, _): (&str, &str)| {
        Problem::at(key, format!("field `{key}` has no name"))
            .label("expected the name of a field of the records")
            .hint("name it, or say whose files these are: `form = \"yelp\"`, `\"goodreads\"` or `\"steam\"`")
    };
    empty.map(problem).collect()
}

/// Whether a format has a part that depends on the date.
fn is_form_of_dates(form: &str) -> bool {
    let utc = jiff::tz::TimeZone::UTC;
    let example = jiff::civil::date(2017, 9, 1).at(0, 0, 0, 0).to_zoned(utc);
    let written = example.map(|example| jiff::fmt::strtime::format(form, &example));
    matches!(written, Ok(Ok(written)) if written != form)
}

fn read(files: &JsonSource, base: &Path) -> Result<RawData, DataError> {
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
        let (join, without) =
            reviews::items(&path, &items, form.items_what, form.items_item, |record| {
                text(record, &form)
            })?;
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

/// Names of fields in a file.
struct Names<'a> {
    file: &'a str,
    all: Vec<String>,
    /// Numeric values in the first record.
    values: Vec<Option<f64>>,
    /// Indices of fields that are read.
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

    /// Refuses a field that looks like a time, if no setting says whether it is one.
    fn no_time(&self, path: &Path) -> Result<(), DataError> {
        let is_time =
            |at: &usize| !self.used.contains(at) && self.values[*at].is_some_and(is_like_a_time);
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

    /// Adds a note about a field that looks like `role`, if no field is `named` for it.
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
