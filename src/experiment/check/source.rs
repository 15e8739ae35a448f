//! Checks of sources: their files, their settings, and what filters and splits need.

use std::path::Path;

use super::Check;
use super::data::is_there;
use crate::experiment::fault::Fault;
use allround_core::config::Dataset;
use allround_core::config::dataset::{Filter, Split};
use allround_core::source::{DataSource, Provided};

/// Checks the source of a data set, and that it has what filters and split need.
pub(super) fn check(check: &mut Check<'_>, name: &str, dataset: &Dataset, base: &Path) {
    let source = dataset.source.as_source();
    let path = ["dataset", name, "source", source.kind()];
    let files = source.files().into_iter();
    for file in files.filter(|file| file.is_required || !file.path.is_empty()) {
        let place = [&path[..], &[file.key]].concat();
        is_there(check, file.path, (base, file.is_folder), &place);
    }
    for problem in source.problems(base) {
        check.problem(&path, problem);
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
        if let Provided::No(hint) = dataset.source.as_source().ratings(base) {
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

/// Reports a split that needs times or files of a split, and files of a split that are not used.
fn split(check: &mut Check<'_>, name: &str, dataset: &Dataset, base: &Path) {
    let source = dataset.source.as_source();
    let has_parts = source.split_files().is_some_and(|files| !files.is_empty());
    match &dataset.split {
        Split::Given {} => given(check, name, source),
        Split::LeaveOneOut {} | Split::GlobalTime { .. } if has_parts => {
            let place = check.place(&["dataset", name, "source"]);
            let message =
                format!("data set `{name}` has the files of a split, and splits otherwise");
            check.push(
                Fault::at(place, message)
                    .label("`valid` and `test` are files of a split")
                    .hint("write `split.given = {}`, or name all interactions in one file"),
            );
        }
        Split::GlobalTime { .. } => {
            if let Provided::No(hint) = source.times(base) {
                let place = check.place(&["dataset", name, "split", "global_time"]);
                check.push(
                    Fault::at(place, format!("data set `{name}` has no times to split by"))
                        .label("needs times")
                        .hint(hint),
                );
            }
        }
        Split::LeaveOneOut {} => {}
    }
}

/// Reports a given split without its two files.
fn given(check: &mut Check<'_>, name: &str, source: &dyn DataSource) {
    let files = source.split_files();
    let hint = match files.map(|files| (files.valid.is_empty(), files.test.is_empty())) {
        Some((false, false)) => return,
        None => "CSV and atomic sources have files of a split; use another split",
        Some((true, true)) => "name `valid` and `test` in the source",
        Some((true, false)) => "name `valid` in the source: validation chooses when to stop",
        Some((false, true)) => "name `test` in the source: without it no user is measured",
    };
    let place = check.place(&["dataset", name, "split", "given"]);
    let message = format!("data set `{name}` does not have the files of a split");
    check.push(
        Fault::at(place, message)
            .label("needs `valid` and `test`")
            .hint(hint),
    );
}
