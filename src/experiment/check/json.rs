//! What a `json` source must name.

use super::Check;
use crate::experiment::fault::Fault;
use allround_core::config::json::{Form, JsonSource};

/// Reports ids without a field, fields of items without a file of items, and a form of dates that reads no date.
pub(super) fn check(check: &mut Check<'_>, name: &str, source: &JsonSource) {
    let form = Form::of(source);
    let place =
        |check: &Check<'_>, field: &str| check.place(&["dataset", name, "source", "json", field]);
    for (field, value) in [("user", form.user), ("item", form.item)] {
        if value.is_empty() {
            let place = place(check, field);
            check.push(
                Fault::at(place, format!("field `{field}` has no name"))
                    .label("expected the name of a field of the records")
                    .hint("name it, or say whose files these are: `form = \"yelp\"`, `\"goodreads\"` or `\"steam\"`"),
            );
        }
    }
    let of_items = [
        ("items_item", &source.items_item),
        ("title", &source.title),
        ("description", &source.description),
        ("category", &source.category),
    ];
    for (field, value) in of_items {
        if source.items.is_empty() && !value.is_empty() {
            let place = place(check, field);
            check.push(
                Fault::at(
                    place,
                    format!("field `{value}` is read from `items`, which is not given"),
                )
                .label("needs `items`")
                .hint("add `items = \"...\"`, the file with one record an item"),
            );
        }
    }
    if form.timestamp.is_empty() && !source.time_format.is_empty() {
        let place = place(check, "time_format");
        check.push(
            Fault::at(place, "`time_format` is given, and no field of times")
                .label("needs `timestamp`")
                .hint("name the field: `timestamp = \"...\"`"),
        );
    }
    let example = jiff::civil::date(2017, 9, 1)
        .at(0, 0, 0, 0)
        .to_zoned(jiff::tz::TimeZone::UTC);
    let writes = example
        .ok()
        .and_then(|example| jiff::fmt::strtime::format(form.time_format, &example).ok());
    let is_readable = writes.is_some_and(|it| it != form.time_format);
    if !form.time_format.is_empty() && !is_readable {
        let place = place(check, "time_format");
        check.push(
            Fault::at(
                place,
                format!("`{}` is no form of a date", form.time_format),
            )
            .label("expected the letters of `strftime`")
            .hint("for example `%Y-%m-%d` or `%a %b %d %H:%M:%S %z %Y`"),
        );
    }
}
