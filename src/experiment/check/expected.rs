//! Checks of expected values: the names must be declared, and the numbers measured.

use std::collections::BTreeSet;

use super::Check;
use super::outputs::{measured, on_split};
use crate::experiment::config::{Expected, Published};
use crate::experiment::fault::Fault;
use crate::experiment::written::Value;
use allround_core::config::protocol::Part;
use allround_core::metric::Metric;

/// Where an expected value and its parts are written.
struct Paths<'a> {
    whole: Vec<&'a str>,
    dataset: Vec<&'a str>,
    scenario: Vec<&'a str>,
    model: Vec<&'a str>,
    protocol: Vec<&'a str>,
    metric: Vec<&'a str>,
    value: Vec<&'a str>,
}

pub(super) fn check(check: &mut Check<'_>) {
    let spec = check.spec;
    for (at, expected) in spec.expected.iter().enumerate() {
        let at = at.to_string();
        let path = |field| vec!["expected", at.as_str(), field];
        source(check, &expected.source, &path("source"));
        let paths = Paths {
            whole: vec!["expected", &at],
            dataset: path("dataset"),
            scenario: path("scenario"),
            model: path("model"),
            protocol: path("protocol"),
            metric: path("metric"),
            value: path("value"),
        };
        one(check, expected, &paths);
    }
    for (name, published) in &spec.published {
        let path = |field| vec!["published", name.as_str(), field];
        source(check, &published.source, &path("source"));
        for expected in published.expected() {
            let row = vec!["published", name, "values", &expected.model];
            let value = [&row[..], &[&expected.dataset]].concat();
            let paths = Paths {
                whole: value.clone(),
                dataset: value.clone(),
                scenario: path("scenario"),
                model: row,
                protocol: path("protocol"),
                metric: path("metric"),
                value,
            };
            one(check, &expected, &paths);
        }
        tolerance(check, name, published);
    }
    names(check);
}

/// Checks one expected value.
fn one(check: &mut Check<'_>, expected: &Expected, paths: &Paths<'_>) {
    let datasets = check.names("dataset");
    let scenarios = check.names("scenario");
    let models = check.model_names();
    let mut known = check.known("dataset", &expected.dataset, &datasets, &paths.dataset);
    known &= check.known("scenario", &expected.scenario, &scenarios, &paths.scenario);
    known &= check.known("model", &expected.model, &models, &paths.model);
    let metrics = [expected.metric];
    measured(
        check,
        &expected.protocol,
        &metrics,
        &paths.protocol,
        &paths.metric,
    );
    on_split(check, &expected.protocol, Part::Test, &paths.protocol);
    if known {
        runs(check, expected, &paths.whole);
    }
    if !(0.0..=1.0).contains(&expected.value) {
        let place = check.place(&paths.value);
        check.push(
            Fault::at(
                place,
                format!(
                    "`{}` is not a value of `{}`",
                    expected.value, expected.metric
                ),
            )
            .label("expected a number from 0 to 1")
            .hint("percentages are written as shares: 25.7 % is 0.257"),
        );
    }
}

/// Checks that the matrix runs what an expected value is about.
fn runs(check: &mut Check<'_>, expected: &Expected, path: &[&str]) {
    let spec = check.spec;
    let selected = spec.selected();
    let runs = selected.iter().any(|cell| {
        cell.dataset == expected.dataset
            && cell.scenario == expected.scenario
            && cell.model == expected.model
    });
    let resolved = spec.dataset.contains_key(&expected.dataset)
        && spec.scenario.contains_key(&expected.scenario)
        && spec.model_named(&expected.model).is_some();
    if runs || !resolved || selected.is_empty() || !matrix_is_known(check) {
        return;
    }
    let place = check.place(path);
    check.push(
        Fault::at(
            place,
            "this expected value is for a combination that the matrix does not run",
        )
        .label("never measured")
        .hint("add the combination to the matrix, or remove the expected value"),
    );
}

fn source(check: &mut Check<'_>, source: &str, path: &[&str]) {
    if source.trim().is_empty() {
        let place = check.place(path);
        check.push(
            Fault::at(place, "the expected value has no source")
                .label("expected where the value comes from, such as `Kim et al. 2024, table 1`"),
        );
    }
}

/// Checks that every value of a table has a tolerance, and that every number of users has values.
fn tolerance(check: &mut Check<'_>, name: &str, published: &Published) {
    let columns = published.values.values().flat_map(|row| row.keys());
    let columns: BTreeSet<&String> = columns.collect();
    for (dataset, &users) in &published.users {
        let path = ["published", name, "users", dataset];
        let place = check.place(&path);
        if !columns.contains(dataset) {
            let message = format!("`{dataset}` has a number of users, and no value");
            check.push(
                Fault::at(place, message)
                    .label("expected a data set of `values`")
                    .hint("remove it, or add the values"),
            );
        } else if users == 0 {
            check.push(
                Fault::at(place, "a share of no users has no tolerance")
                    .label("expected the number of users that the source measured"),
            );
        }
    }
    if !published.users.is_empty() && !matches!(published.metric, Metric::Hit(_)) {
        let place = check.place(&["published", name, "users"]);
        let message = format!(
            "the tolerance of `{}` does not follow from the number of users",
            published.metric
        );
        check.push(
            Fault::at(place, message)
                .label("only for hit@k")
                .hint("write `tolerance` instead"),
        );
    }
    let without = columns
        .iter()
        .find(|dataset| !published.users.contains_key(**dataset));
    if let Some(dataset) = without.filter(|_| published.tolerance.is_none()) {
        let place = check.place(&["published", name]);
        let message = format!("the values of `{dataset}` have no tolerance");
        check.push(
            Fault::at(place, message)
                .label("expected `users` or `tolerance`")
                .hint(format!(
                    "write `users.{dataset} = 10000`, the users that the source measured, or `tolerance = 0.01`"
                )),
        );
    }
}

/// Checks the names in expected values as written, so that those of an invalid entry, which is not
/// resolved, are reported too. Equal faults are reported once.
fn names(check: &mut Check<'_>) {
    let layers = check.layers;
    let written = layers.iter().filter_map(|layer| layer.get("expected"));
    let entries = written.filter_map(|node| match &node.value {
        Value::List(entries) => Some(entries),
        _ => None,
    });
    for entry in entries.flatten() {
        for section in ["dataset", "scenario", "model", "protocol"] {
            let Some((node, name)) = entry
                .get(section)
                .and_then(|node| Some((node, node.text()?)))
            else {
                continue;
            };
            let known = match section {
                "model" => check.model_names(),
                section => check.names(section),
            };
            check.known_at(section, name, &known, node.place);
        }
    }
}

/// Whether every name on the axes of the matrix is declared.
fn matrix_is_known(check: &Check<'_>) -> bool {
    let matrix = &check.spec.matrix;
    let all = |axis: &[String], known: &std::collections::BTreeSet<String>| {
        axis.iter().all(|name| known.contains(name))
    };
    all(&matrix.dataset, &check.names("dataset"))
        && all(&matrix.scenario, &check.names("scenario"))
        && all(&matrix.model, &check.model_names())
}
