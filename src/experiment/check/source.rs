//! What the files of a source provide, and what its settings name: as far as headers tell.

use std::path::Path;

use super::Check;
use super::header::{atomic_header, csv_header, csv_row};
use crate::experiment::fault::Fault;
use allround_core::columns::{self, AUTO, Column, Role, listed};
use allround_core::config::Dataset;
use allround_core::config::dataset::{
    AtomicSource, CsvSource, Filter, RepeatedUsers, SequenceForm, Source, Split,
};
use allround_core::config::json::Form;

/// Whether a source has what a setting needs.
enum Provided {
    Yes,
    /// It does not; what to do.
    No(String),
    /// Only its files can say, and they cannot be read here: they have their own faults.
    Unknown,
}

/// Checks the settings of a data set against what its source provides.
pub(super) fn check(check: &mut Check<'_>, name: &str, dataset: &Dataset, base: &Path) {
    match &dataset.source {
        Source::Csv(csv) => of_csv(check, name, csv, base),
        Source::Atomic(atomic) => of_atomic(check, name, atomic, base),
        // The fields of JSON records are known only when these are read.
        Source::Amazon(_) | Source::Movielens(_) | Source::Json(_) | Source::Synthetic(_) => {}
        Source::Sequences(files) => match files.form {
            SequenceForm::Rows => {}
            SequenceForm::Pairs | SequenceForm::Times | SequenceForm::Ratings => {
                without_rows(check, name, ("sequences", files.repeated_users));
            }
        },
    }
    ratings(check, name, dataset, base);
    split(check, name, dataset, base);
}

fn ratings(check: &mut Check<'_>, name: &str, dataset: &Dataset, base: &Path) {
    for (at, filter) in dataset.filter.iter().enumerate() {
        let by_rating = match filter {
            Filter::Rating { .. } => true,
            Filter::Published { count_rating, .. } => *count_rating > 0.0,
            Filter::KCore { .. } | Filter::Duplicates { .. } | Filter::Length { .. } => false,
        };
        if !by_rating {
            continue;
        }
        if let Provided::No(hint) = provides(&dataset.source, Role::Rating, base) {
            let place = check.place(&["dataset", name, "filter", &at.to_string()]);
            check.push(
                Fault::at(
                    place,
                    format!("data set `{name}` has no ratings to filter by"),
                )
                .label("needs ratings")
                .hint(hint),
            );
        }
    }
}

/// A split that needs times or parts, and files of a split that no split uses.
fn split(check: &mut Check<'_>, name: &str, dataset: &Dataset, base: &Path) {
    let files = files_of_split(&dataset.source);
    let place = |check: &Check<'_>, kind: &str| check.place(&["dataset", name, "split", kind]);
    match (&dataset.split, files) {
        (Split::Given {}, None | Some(["", _] | [_, ""])) => {
            let place = place(check, "given");
            let hint = match files {
                None => "CSV and atomic sources have files of a split; use another split",
                Some(["", ""]) => "name `valid` and `test` in the source",
                Some(["", _]) => "name `valid` in the source: validation chooses when to stop",
                Some(_) => "name `test` in the source: without it nobody is measured",
            };
            check.push(
                Fault::at(
                    place,
                    format!("data set `{name}` does not have the files of a split"),
                )
                .label("needs `valid` and `test`")
                .hint(hint),
            );
        }
        (Split::Given {}, Some(_)) => {}
        (Split::LeaveOneOut {} | Split::GlobalTime { .. }, Some([valid, test]))
            if !(valid.is_empty() && test.is_empty()) =>
        {
            let place = check.place(&["dataset", name, "source"]);
            check.push(
                Fault::at(
                    place,
                    format!("data set `{name}` has the files of a split, and splits otherwise"),
                )
                .label("`valid` and `test` are files of a split")
                .hint("write `split.given = {}`, or name all interactions in one file"),
            );
        }
        (Split::GlobalTime { .. }, _) => {
            if let Provided::No(hint) = provides(&dataset.source, Role::Time, base) {
                let place = place(check, "global_time");
                check.push(
                    Fault::at(place, format!("data set `{name}` has no times to split by"))
                        .label("needs times")
                        .hint(hint),
                );
            }
        }
        (Split::LeaveOneOut {}, _) => {}
    }
}

/// The validation and test files of a source that can have them.
fn files_of_split(source: &Source) -> Option<[&str; 2]> {
    match source {
        Source::Csv(files) => Some([&files.valid, &files.test]),
        Source::Atomic(files) => Some([&files.valid, &files.test]),
        Source::Amazon(_)
        | Source::Movielens(_)
        | Source::Json(_)
        | Source::Sequences(_)
        | Source::Synthetic(_) => None,
    }
}

/// Whether every interaction of the source has a rating, or a time.
fn provides(source: &Source, role: Role, base: &Path) -> Provided {
    let is_rating = role == Role::Rating;
    match source {
        Source::Amazon(_) | Source::Movielens(_) => Provided::Yes,
        Source::Json(files) => {
            let form = Form::of(files);
            match (is_rating, form.rating, form.timestamp) {
                (true, "", _) => Provided::No(
                    "name the field: `rating = \"...\"` in the source, or remove the filter".to_owned(),
                ),
                (false, _, "") => Provided::No(
                    "name the field: `timestamp = \"...\"` in the source, or use another split".to_owned(),
                ),
                _ => Provided::Yes,
            }
        }
        Source::Csv(files) => {
            let setting = if is_rating { &files.rating } else { &files.timestamp };
            let header = csv_header(&base.join(&files.interactions), &files.delimiter, files.header);
            let history = header.as_ref().map(|header| {
                columns::column(header, Role::History, &files.history) != Column::None
            });
            column(header.as_deref(), (role, setting), history)
        }
        Source::Atomic(files) => {
            let setting = if is_rating { &files.rating } else { &files.timestamp };
            let header = atomic_header(&base.join(&files.inter));
            let list = format!("{}_list", files.item_id);
            let history = header.as_ref().map(|header| header.contains(&list));
            column(header.as_deref(), (role, setting), history)
        }
        Source::Sequences(files) => match (files.form, is_rating) {
            (SequenceForm::Ratings, _) | (SequenceForm::Times, false) => Provided::Yes,
            (SequenceForm::Pairs | SequenceForm::Rows | SequenceForm::Times, true) => Provided::No(
                "remove the filter; lines of `user item rating time` are read by `form = \"ratings\"`".to_owned(),
            ),
            (SequenceForm::Pairs | SequenceForm::Rows, false) => Provided::No(
                "use `split.leave_one_out`; lines with times are read by `form = \"times\"` or `\"ratings\"`".to_owned(),
            ),
        },
        Source::Synthetic(_) if is_rating => Provided::No("remove the filter".to_owned()),
        Source::Synthetic(_) => Provided::Yes,
    }
}

/// Whether a table provides a column that every interaction has.
fn column(
    header: Option<&[String]>,
    (role, setting): (Role, &str),
    has_history: Option<bool>,
) -> Provided {
    let key = match role {
        Role::Rating => "rating",
        _ => "timestamp",
    };
    let Some(header) = header else {
        return match setting {
            "" => Provided::No(format!("name the column: `{key} = \"...\"` in the source")),
            _ => Provided::Unknown,
        };
    };
    if has_history == Some(true) {
        return Provided::No(format!(
            "a row is a whole sequence, whose items have no {} of their own",
            role.word()
        ));
    }
    match columns::column(header, role, setting) {
        Column::At(_) => Provided::Yes,
        // The setting that names it has its fault already.
        Column::Missing | Column::Twice(_) => Provided::Unknown,
        Column::None => {
            let alike = columns::alike(header, role, &[]);
            let name = alike.first().map_or("...", |&at| header[at].as_str());
            Provided::No(format!(
                "name the column: `{key} = \"{name}\"` in the source; the columns are {}",
                listed(header)
            ))
        }
    }
}

/// A column that a setting names.
struct Named<'a> {
    /// The setting.
    field: &'static str,
    role: Role,
    value: &'a str,
}

fn of_csv(check: &mut Check<'_>, name: &str, csv: &CsvSource, base: &Path) {
    let place =
        |check: &Check<'_>, field: &str| check.place(&["dataset", name, "source", "csv", field]);
    for (field, delimiter) in [
        ("delimiter", &csv.delimiter),
        ("items_delimiter", &csv.items_delimiter),
    ] {
        let is_default = field == "items_delimiter" && delimiter.is_empty();
        if !is_default && !is_delimiter(delimiter) {
            let place = place(check, field);
            let hint = match delimiter.as_str() {
                "::" => "read the file as `source.sequences` with `delimiter = \"::\"`",
                _ => "write for example `delimiter = \";\"` or `delimiter = \"\\t\"`",
            };
            check.push(
                Fault::at(
                    place,
                    format!(
                        "`{}` cannot separate the cells of a CSV file",
                        delimiter.escape_debug()
                    ),
                )
                .label("expected one ASCII character, no quote and no line break")
                .hint(hint),
            );
            return;
        }
    }
    repeated(
        check,
        name,
        ("csv", csv.repeated_users),
        [&csv.valid, &csv.test],
    );
    let own = [
        Named {
            field: "user",
            role: Role::User,
            value: &csv.user,
        },
        Named {
            field: "item",
            role: Role::Item,
            value: &csv.item,
        },
        Named {
            field: "timestamp",
            role: Role::Time,
            value: &csv.timestamp,
        },
        Named {
            field: "rating",
            role: Role::Rating,
            value: &csv.rating,
        },
        Named {
            field: "history",
            role: Role::History,
            value: &csv.history,
        },
    ];
    let interactions = base.join(&csv.interactions);
    let header = csv_header(&interactions, &csv.delimiter, csv.header);
    let has_history =
        |header: &Vec<String>| columns::column(header, Role::History, &csv.history) != Column::None;
    if header.as_ref().is_some_and(|header| !has_history(header)) {
        without_rows(check, name, ("csv", csv.repeated_users));
    }
    let first = (!csv.header)
        .then(|| csv_row(&interactions, &csv.delimiter))
        .flatten();
    named(
        check,
        (name, "csv"),
        (&csv.interactions, header, first),
        &own,
    );
    if csv.items.is_empty() {
        return;
    }
    let (item_field, item) = match csv.items_item.as_str() {
        "" => ("item", &csv.item),
        _ => ("items_item", &csv.items_item),
    };
    let delimiter = match csv.items_delimiter.as_str() {
        "" => &csv.delimiter,
        own => own,
    };
    let texts = [
        Named {
            field: item_field,
            role: Role::Item,
            value: item,
        },
        Named {
            field: "title",
            role: Role::Title,
            value: &csv.title,
        },
        Named {
            field: "description",
            role: Role::Description,
            value: &csv.description,
        },
        Named {
            field: "category",
            role: Role::Category,
            value: &csv.category,
        },
    ];
    let items = base.join(&csv.items);
    let header = csv_header(&items, delimiter, csv.items_header);
    let first = (!csv.items_header)
        .then(|| csv_row(&items, delimiter))
        .flatten();
    named(check, (name, "csv"), (&csv.items, header, first), &texts);
}

fn of_atomic(check: &mut Check<'_>, name: &str, atomic: &AtomicSource, base: &Path) {
    repeated(
        check,
        name,
        ("atomic", atomic.repeated_users),
        [&atomic.valid, &atomic.test],
    );
    let own = [
        Named {
            field: "user",
            role: Role::User,
            value: &atomic.user,
        },
        Named {
            field: "item_id",
            role: Role::Item,
            value: &atomic.item_id,
        },
        Named {
            field: "timestamp",
            role: Role::Time,
            value: &atomic.timestamp,
        },
        Named {
            field: "rating",
            role: Role::Rating,
            value: &atomic.rating,
        },
    ];
    for field in &own[..2] {
        if field.value.is_empty() {
            let place = check.place(&["dataset", name, "source", "atomic", field.field]);
            check.push(
                Fault::at(place, format!("column `{}` has no name", field.field))
                    .label("expected the name of a column"),
            );
        }
    }
    let header = atomic_header(&base.join(&atomic.inter));
    named(check, (name, "atomic"), (&atomic.inter, header, None), &own);
    let texts = [
        Named {
            field: "item_id",
            role: Role::Item,
            value: &atomic.item_id,
        },
        Named {
            field: "title",
            role: Role::Title,
            value: &atomic.title,
        },
        Named {
            field: "description",
            role: Role::Description,
            value: &atomic.description,
        },
        Named {
            field: "category",
            role: Role::Category,
            value: &atomic.category,
        },
    ];
    if atomic.item.is_empty() {
        for Named { field, value, .. } in &texts[1..] {
            if !value.is_empty() && *value != AUTO {
                let place = check.place(&["dataset", name, "source", "atomic", field]);
                check.push(
                    Fault::at(
                        place,
                        format!("column `{value}` is read from `item`, which is not given"),
                    )
                    .label("needs `item`")
                    .hint("add `item = \"...\"`, the file with one line an item"),
                );
            }
        }
        return;
    }
    let header = atomic_header(&base.join(&atomic.item));
    named(
        check,
        (name, "atomic"),
        (&atomic.item, header, None),
        &texts,
    );
}

fn is_delimiter(text: &str) -> bool {
    matches!(text.as_bytes(), [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r'))
}

/// What repeated users mean is fixed in the files of a split.
fn repeated(
    check: &mut Check<'_>,
    name: &str,
    (kind, rule): (&str, RepeatedUsers),
    files: [&String; 2],
) {
    let is_split = files.iter().any(|path| !path.is_empty());
    if is_split && matches!(rule, RepeatedUsers::Longest | RepeatedUsers::Join) {
        let place = check.place(&["dataset", name, "source", kind, "repeated_users"]);
        check.push(
            Fault::at(
                place,
                "the rows of a user in the files of a split continue each other",
            )
            .label("expected `all_prefixes`, or nothing")
            .hint("leave `repeated_users` out"),
        );
    }
}

/// Reports a rule for repeated users where a row is one interaction, not a whole sequence.
fn without_rows(check: &mut Check<'_>, name: &str, (kind, rule): (&str, RepeatedUsers)) {
    if rule == RepeatedUsers::Refuse {
        return;
    }
    let place = check.place(&["dataset", name, "source", kind, "repeated_users"]);
    check.push(
        Fault::at(
            place,
            "`repeated_users` is about whole-sequence rows, and here a row is one interaction",
        )
        .label("has no effect")
        .hint("remove it"),
    );
}

/// Reports settings that name columns which `file` does not have; `first` has the cells of line 1 where it has no header.
fn named(
    check: &mut Check<'_>,
    (name, kind): (&str, &str),
    (file, header, first): (&str, Option<Vec<String>>, Option<Vec<String>>),
    columns: &[Named<'_>],
) {
    let Some(header) = header else { return };
    for column in columns {
        let (fault, hint) = match columns::column(&header, column.role, column.value) {
            Column::Missing => (
                format!("`{file}` has no column `{}`", column.value),
                columns::missing(&header, first.as_deref(), column.role, column.field),
            ),
            Column::Twice(at) => (
                format!("`{file}` has column `{}` twice", header[at]),
                "rename or remove one of the two".to_owned(),
            ),
            Column::At(_) | Column::None => continue,
        };
        let place = check.place(&["dataset", name, "source", kind, column.field]);
        check.push(
            Fault::at(place, fault)
                .label(format!("the column of the {}", column.role.word()))
                .hint(hint),
        );
    }
}
