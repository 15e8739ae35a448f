//! Checks that tabular sources share.

use super::columns::{self, Column, Header, Named, Role, listed};
use super::read::rows::RepeatedUsers;
use super::{Provided, SplitFiles};
use crate::problem::Problem;

/// Problems of id settings that are empty.
pub(super) fn unnamed(ids: &[Named<'_>]) -> Vec<Problem> {
    let problem = |named: &Named<'_>| {
        Problem::at(named.key, format!("column `{}` has no name", named.key))
            .label("expected the name of a column")
    };
    let empty = ids.iter().filter(|named| named.value.is_empty());
    empty.map(problem).collect()
}

/// Problems of settings with a column that `file` does not have, or has twice.
pub(super) fn not_in(file: &str, header: &Header, columns: &[Named<'_>]) -> Vec<Problem> {
    let problem = |named: &Named<'_>| {
        let (what, hint) = match header.column(named.role, named.value) {
            Column::Missing => (
                format!("`{file}` has no column `{}`", named.value),
                header.missing(named.role, named.key),
            ),
            Column::Twice(at) => (
                format!("`{file}` has column `{}` twice", header.names[at]),
                "rename or remove one of the two".to_owned(),
            ),
            Column::At(_) | Column::None => return None,
        };
        let label = format!("the column of the {}", named.role.word());
        Some(Problem::at(named.key, what).label(label).hint(hint))
    };
    columns.iter().filter_map(problem).collect()
}

/// Problems of settings for text columns, when the file of items is not given. `key` is its
/// setting.
pub(super) fn without_items(key: &str, columns: &[Named<'_>]) -> Vec<Problem> {
    let problem = |named: &Named<'_>| {
        let what = format!(
            "column `{}` is read from `{key}`, which is not given",
            named.value
        );
        Problem::at(named.key, what)
            .label(format!("needs `{key}`"))
            .hint(format!(
                "add `{key} = \"...\"`, the file with one line an item"
            ))
    };
    let named = columns.iter().filter(|named| named.is_certain());
    named.map(problem).collect()
}

/// A problem of a rule for repeated users that the files of a split do not allow.
pub(super) fn repeated_in_split(rule: RepeatedUsers, files: SplitFiles<'_>) -> Option<Problem> {
    let is_other = matches!(rule, RepeatedUsers::Longest | RepeatedUsers::Join);
    (is_other && !files.is_empty()).then(|| {
        Problem::at(
            "repeated_users",
            "the rows of a user in the files of a split continue each other",
        )
        .label("expected `all_prefixes`, or nothing")
        .hint("leave `repeated_users` out")
    })
}

/// A problem of a rule for repeated users when a row is one interaction, not a whole sequence.
pub(super) fn repeated_without_rows(rule: RepeatedUsers) -> Option<Problem> {
    (rule != RepeatedUsers::Refuse).then(|| {
        Problem::at(
            "repeated_users",
            "`repeated_users` is about whole-sequence rows, and here a row is one interaction",
        )
        .label("has no effect")
        .hint("remove it")
    })
}

/// Whether every interaction has a value in the column of the setting `named`. `header` is `None`
/// if the file cannot be read; `is_sequence` is whether a row is a whole sequence.
pub(super) fn provided(header: Option<&Header>, named: Named<'_>, is_sequence: bool) -> Provided {
    let key = named.key;
    let Some(header) = header else {
        return match named.value {
            "" => Provided::No(format!("name the column: `{key} = \"...\"` in the source")),
            _ => Provided::Unknown,
        };
    };
    if is_sequence {
        return Provided::No(format!(
            "a row is a whole sequence, whose items have no separate {}",
            named.role.word()
        ));
    }
    match header.column(named.role, named.value) {
        Column::At(_) => Provided::Yes,
        // The setting with this column has a problem already.
        Column::Missing | Column::Twice(_) => Provided::Unknown,
        Column::None => {
            let alike = columns::alike(&header.names, named.role, &[]);
            let name = alike.first().map_or("...", |&at| &header.names[at]);
            Provided::No(format!(
                "name the column: `{key} = \"{name}\"` in the source; the columns are {}",
                listed(&header.names)
            ))
        }
    }
}

/// Whether the rows of a file are whole sequences: it has the history column of `setting`.
pub(super) fn is_sequence(header: &Header, setting: &str) -> bool {
    header.column(Role::History, setting) != Column::None
}
