//! Checks of the matrix: names, excludes, includes, and impossible combinations.

use super::Check;
use crate::experiment::config::MatrixEntry;
use crate::experiment::fault::Fault;
use crate::experiment::select::Selected;
use allround_core::config::Scenario;
use allround_core::config::dataset::Filter;

pub(super) fn check(check: &mut Check<'_>) {
    let spec = check.spec;
    axis(check, "dataset", &spec.matrix.dataset);
    axis(check, "model", &spec.matrix.model);
    axis(check, "scenario", &spec.matrix.scenario);
    let product = spec.product();
    for (at, entry) in spec.matrix.exclude.iter().enumerate() {
        let at = at.to_string();
        let path = ["matrix", "exclude", &at];
        let known = entry_names(check, entry, &path);
        if known && whole(check) && !product.iter().any(|cell| entry.matches(cell)) {
            let place = check.place(&path);
            check.push(
                Fault::at(place, "this `exclude` matches nothing")
                    .label("no combination of the matrix has these names")
                    .hint("remove it, or correct its names"),
            );
        }
    }
    for (at, entry) in spec.matrix.include.iter().enumerate() {
        let at = at.to_string();
        let path = ["matrix", "include", &at];
        entry_names(check, entry, &path);
        include(check, entry, &path, &product);
    }
    let selected = spec.selected();
    let complete = ["dataset", "model", "scenario"]
        .iter()
        .all(|section| !check.names(section).is_empty());
    if selected.is_empty() && complete && whole(check) {
        let place = check.place(&["matrix"]);
        check.push(
            Fault::at(place, "the matrix is empty, so nothing would run")
                .hint("exclude less, or include a combination"),
        );
    }
    for cell in &selected {
        possible(check, cell);
    }
}

/// Whether every written entry was resolved. Otherwise combinations that the file declares are
/// missing.
fn whole(check: &Check<'_>) -> bool {
    let spec = check.spec;
    check.names("dataset").len() == spec.dataset.len()
        && check.names("model").len() == spec.model.len()
        && check.names("variant").len() == spec.variant.len()
        && check.names("search").len() == spec.search.len()
        && check.names("scenario").len() == spec.scenario.len()
}

fn names_of(check: &Check<'_>, section: &str) -> std::collections::BTreeSet<String> {
    match section {
        "model" => check.model_names(),
        section => check.names(section),
    }
}

fn axis(check: &mut Check<'_>, section: &str, axis: &[String]) {
    let known = names_of(check, section);
    for (at, name) in axis.iter().enumerate() {
        check.known(section, name, &known, &["matrix", section, &at.to_string()]);
    }
    check.no_repeats(axis, &["matrix", section]);
}

fn parts(entry: &MatrixEntry) -> [(&'static str, &Option<String>); 3] {
    [
        ("dataset", &entry.dataset),
        ("scenario", &entry.scenario),
        ("model", &entry.model),
    ]
}

fn entry_names(check: &mut Check<'_>, entry: &MatrixEntry, path: &[&str]) -> bool {
    let mut all_known = true;
    for (section, name) in parts(entry) {
        if let Some(name) = name {
            let known = names_of(check, section);
            let mut path = path.to_vec();
            path.push(section);
            all_known &= check.known(section, name, &known, &path);
        }
    }
    all_known
}

fn include(check: &mut Check<'_>, entry: &MatrixEntry, path: &[&str], product: &[Selected]) {
    let absent: Vec<&str> = parts(entry)
        .into_iter()
        .filter(|(_, name)| name.is_none())
        .map(|(section, _)| section)
        .collect();
    let place = check.place(path);
    if !absent.is_empty() {
        let message = format!("this `include` names no {}", absent.join(" and no "));
        check.push(
            Fault::at(place, message)
                .label("expected a data set, a scenario and a model")
                .hint("an `include` adds one combination; leave names out only in `exclude`"),
        );
        return;
    }
    let excluded = |cell: &Selected| {
        check
            .spec
            .matrix
            .exclude
            .iter()
            .any(|entry| entry.matches(cell))
    };
    if product
        .iter()
        .any(|cell| entry.matches(cell) && !excluded(cell))
    {
        check.push(
            Fault::at(place, "this `include` adds what the matrix already has")
                .label("already there")
                .hint("remove it"),
        );
    }
}

/// Reports a combination that has no data.
fn possible(check: &mut Check<'_>, cell: &Selected) {
    let spec = check.spec;
    let (Some(dataset), Some(scenario)) = (
        spec.dataset.get(&cell.dataset),
        spec.scenario.get(&cell.scenario),
    ) else {
        return;
    };
    match scenario {
        Scenario::CrossDomain { target, .. } if *target == cell.dataset => {
            let place = check.place(&["scenario", &cell.scenario, "cross_domain", "target"]);
            let message = format!(
                "scenario `{}` measures `{target}` on models trained on `{target}`",
                cell.scenario
            );
            check.push(
                Fault::at(place, message)
                    .label("expected another data set than the one that is trained on")
                    .hint(format!(
                        "leave it out: `[matrix] exclude = [{{ dataset = \"{target}\", scenario = \"{}\" }}]`",
                        cell.scenario
                    )),
            );
        }
        Scenario::ColdUsers { length, .. } => cold_users(check, cell, &dataset.filter, *length),
        Scenario::FewShot { users, .. } => {
            let source = &dataset.source;
            if let Some(generated) = source.generated()
                && *users > generated.users
                && !check.is_stand_in(&["scenario", &cell.scenario, "few_shot", "users"])
                && !check.is_stand_in(&["dataset", &cell.dataset, "source", source.kind(), "users"])
            {
                let place = check.place(&["scenario", &cell.scenario, "few_shot", "users"]);
                let message = format!(
                    "{users} training users, data set `{}` has {} users",
                    cell.dataset, generated.users
                );
                check.push(
                    Fault::at(place, message)
                        .label(format!("expected at most {}", generated.users)),
                );
            }
        }
        Scenario::Overall {}
        | Scenario::ColdItems(_)
        | Scenario::WarmItems(_)
        | Scenario::RepeatTargets {}
        | Scenario::NewTargets {}
        | Scenario::ShuffledHistories { .. }
        | Scenario::CrossDomain { .. } => {}
    }
}

/// Reports a scenario of users with `length` interactions if the filters drop all of them.
fn cold_users(check: &mut Check<'_>, cell: &Selected, filters: &[Filter], length: u64) {
    let shortest = filters.iter().filter_map(|filter| match filter {
        Filter::KCore { users, .. } => Some(*users),
        Filter::Length { minimum, .. } => Some(*minimum),
        Filter::Published { .. } | Filter::Rating { .. } | Filter::Duplicates { .. } => None,
    });
    if let Some(shortest) = shortest.max()
        && shortest > length
    {
        let place = check.place(&["scenario", &cell.scenario, "cold_users", "length"]);
        let message = format!(
            "scenario `{}` measures users of {length} interactions, the filters of data set `{}` keep only users of at least {shortest}",
            cell.scenario, cell.dataset
        );
        check.push(
            Fault::at(place, message)
                .label("no such user is left")
                .hint("raise `length`, or filter less"),
        );
    }
}
