//! Data sets, scenarios and protocols, each for itself.

use std::path::Path;

use super::{Check, protocol};
use crate::experiment::fault::Fault;
use crate::experiment::written::{Node, Value};
use allround_core::columns::AUTO;
use allround_core::config::dataset::{
    Filter, MOST_GENERATED, MOVIELENS_FILES, Source, Split, SyntheticSource,
};
use allround_core::config::protocol::{Candidates, Part};
use allround_core::config::{Dataset, Scenario};
use allround_core::metric::Metric;

pub(super) fn check(check: &mut Check<'_>, base: &Path) {
    let spec = check.spec;
    for (name, dataset) in &spec.dataset {
        files(check, name, &dataset.source, base);
        split(check, name, &dataset.split);
        filters(check, name, dataset);
        super::source::check(check, name, dataset, base);
        if let Source::Synthetic(source) = &dataset.source {
            generated(check, name, source);
        }
    }
    for (name, scenario) in &spec.scenario {
        if let Scenario::CrossDomain { target, .. } = scenario {
            let known = check.names("dataset");
            check.known(
                "dataset",
                target,
                &known,
                &["scenario", name, "cross_domain", "target"],
            );
        }
    }
    for (name, protocol) in &spec.protocol {
        let path = ["protocol", name, "metrics"];
        let is_written = |layer: &Node| match layer.at(&path).map(|node| &node.value) {
            Some(Value::List(metrics)) => !metrics.is_empty(),
            _ => false,
        };
        // Metrics that are none have their faults already.
        if protocol.metrics.is_empty() && !check.layers.iter().any(is_written) {
            let place = check.place(&path);
            check.push(
                Fault::at(place, format!("protocol `{name}` measures nothing"))
                    .label("expected at least one metric")
                    .hint("write for example `metrics = [\"hit@1\", \"ndcg@10\"]`"),
            );
        }
        check.no_repeats(&protocol.metrics, &path);
        splits(check, name, &protocol.splits);
        for (at, metric) in protocol.metrics.iter().enumerate() {
            let at = at.to_string();
            cut_off(
                check,
                *metric,
                &protocol.candidates,
                &["protocol", name, "metrics", &at],
            );
        }
        let ranked_by = format!("protocol `{name}`");
        sizes(check, &ranked_by, &protocol.candidates, &["protocol", name]);
        untrained(check, name, &protocol.candidates);
        protocol::check(check, name, protocol);
    }
}

/// At least one part of the split, none twice.
fn splits(check: &mut Check<'_>, protocol: &str, splits: &[Part]) {
    let path = ["protocol", protocol, "splits"];
    let is_written = |layer: &Node| match layer.at(&path).map(|node| &node.value) {
        Some(Value::List(splits)) => !splits.is_empty(),
        _ => false,
    };
    if splits.is_empty() && !check.layers.iter().any(is_written) {
        let place = check.place(&path);
        check.push(
            Fault::at(place, format!("protocol `{protocol}` measures no split"))
                .label("expected `test`, `valid` or both")
                .hint("write `splits = [\"test\"]`, or `[\"valid\", \"test\"]` for validation numbers too"),
        );
    }
    check.no_repeats(splits, &path);
}

/// Items of another domain were never trained on: drawn by training counts, none of them is a candidate.
fn untrained(check: &mut Check<'_>, protocol: &str, candidates: &Candidates) {
    let Candidates::Popularity { .. } = candidates else {
        return;
    };
    let mut scenarios = check.spec.scenario.iter();
    let other = scenarios.find(|(_, it)| matches!(it, Scenario::CrossDomain { .. }));
    let Some((scenario, _)) = other else {
        return;
    };
    let place = check.place(&["protocol", protocol, "candidates", "popularity"]);
    let message = format!(
        "protocol `{protocol}` draws candidates by training counts, and scenario `{scenario}` measures items that were not trained on"
    );
    check.push(
        Fault::at(place, message)
            .label("nothing to draw from there")
            .hint("use `candidates.uniform`, or put the scenario into an experiment of its own"),
    );
}

/// A cut-off that every rank reaches says nothing about a model.
pub(super) fn cut_off(
    check: &mut Check<'_>,
    metric: Metric,
    candidates: &Candidates,
    path: &[&str],
) {
    let Some(n) = protocol::n(check, candidates) else {
        return;
    };
    let length = n as u64 + 1;
    if let Some(why) = metric.says_nothing_in(length) {
        let place = check.place(path);
        check.push(
            Fault::at(place, why)
                .label(format!("expected a cut-off below {length}"))
                .hint("lower k, or draw more candidates"),
        );
    }
}

/// More candidates than items, where the number of items is known before the data are.
pub(super) fn sizes(
    check: &mut Check<'_>,
    ranked_by: &str,
    candidates: &Candidates,
    path: &[&str],
) {
    let (kind, n) = match candidates {
        Candidates::Full { .. } | Candidates::File(_) => return,
        Candidates::Uniform { n } => ("uniform", *n),
        Candidates::Popularity { n } => ("popularity", *n),
    };
    for (name, dataset) in &check.spec.dataset {
        let Source::Synthetic(source) = &dataset.source else {
            continue;
        };
        if n as u64 + 1 > source.items {
            let place = check.place(&[path, &["candidates", kind, "n"]].concat());
            let message = format!(
                "{ranked_by} ranks {} candidates, data set `{name}` has {} items",
                n + 1,
                source.items
            );
            check.push(
                Fault::at(place, message)
                    .label(format!("expected fewer than {}", source.items))
                    .hint(match path {
                        ["protocol", _] => "lower `n`, or use `candidates.full = {}`".to_owned(),
                        // A default is not there to be lowered.
                        _ => format!(
                            "write fewer, for example `train.stop.early.candidates.{kind}.n = {}`",
                            source.items / 2
                        ),
                    }),
            );
        }
    }
}

fn split(check: &mut Check<'_>, name: &str, split: &Split) {
    if let Split::GlobalTime {
        train_share,
        valid_share,
    } = split
    {
        let sum = train_share + valid_share;
        if sum >= 1.0 {
            let place = check.place(&["dataset", name, "split", "global_time", "train_share"]);
            check.push(
                Fault::at(
                    place,
                    format!(
                        "`train_share` and `valid_share` sum to {sum}, which leaves no test period"
                    ),
                )
                .label("expected a sum below 1")
                .hint("for example `train_share = 0.8` and `valid_share = 0.1`"),
            );
        }
    }
}

fn filters(check: &mut Check<'_>, name: &str, dataset: &Dataset) {
    for (at, filter) in dataset.filter.iter().enumerate() {
        let at = at.to_string();
        if let Filter::Length { minimum, maximum } = filter
            && *maximum > 0
            && minimum > maximum
        {
            let place = check.place(&["dataset", name, "filter", &at]);
            check.push(
                Fault::at(
                    place,
                    format!("no user has at least {minimum} and at most {maximum} interactions"),
                )
                .label("this filter drops everybody")
                .hint("`maximum = 0` is no bound"),
            );
        }
    }
}

/// A generator makes its data in memory: what could not be held is refused before it is begun.
fn generated(check: &mut Check<'_>, name: &str, source: &SyntheticSource) {
    let (length, expected) = (source.length(), source.interactions());
    if expected <= MOST_GENERATED {
        return;
    }
    let field = |field: &str| check.place(&["dataset", name, "source", "synthetic", field]);
    let (users, mean_length) = (field("users"), field("mean_length"));
    let message = format!(
        "data set `{name}` would have about {expected:.0} interactions: {} users of {length:.1} on average",
        source.users
    );
    check.push(
        Fault::at(users, message)
            .label(format!("expected at most {MOST_GENERATED} interactions"))
            .related(mean_length, "so many of each user")
            .hint(format!(
                "lower `mean_length`, or generate at most {:.0} users of this length",
                (MOST_GENERATED / length).floor()
            )),
    );
}

fn files(check: &mut Check<'_>, name: &str, source: &Source, base: &Path) {
    let (kind, fields): (&str, Vec<(&str, &String, bool)>) = match source {
        Source::Amazon(s) => (
            "amazon",
            vec![
                ("reviews", &s.reviews, true),
                ("metadata", &s.metadata, false),
            ],
        ),
        Source::Movielens(s) => ("movielens", vec![("folder", &s.folder, true)]),
        Source::Atomic(s) => (
            "atomic",
            vec![
                ("inter", &s.inter, true),
                ("valid", &s.valid, false),
                ("test", &s.test, false),
                ("item", &s.item, false),
                ("item_index", &s.item_index, false),
            ],
        ),
        Source::Json(s) => {
            super::json::check(check, name, s);
            (
                "json",
                vec![
                    ("interactions", &s.interactions, true),
                    ("items", &s.items, false),
                ],
            )
        }
        Source::Sequences(s) => ("sequences", vec![("path", &s.path, true)]),
        Source::Csv(s) => {
            csv_columns(check, name, s);
            (
                "csv",
                vec![
                    ("interactions", &s.interactions, true),
                    ("valid", &s.valid, false),
                    ("test", &s.test, false),
                    ("items", &s.items, false),
                ],
            )
        }
        Source::Synthetic(_) => return,
    };
    for (field, path, required) in fields {
        if path.is_empty() && !required {
            continue;
        }
        let place = ["dataset", name, "source", kind, field];
        is_there(check, path, (base, field == "folder"), &place);
        if field == "folder" {
            movielens(check, path, base, &place);
        }
    }
}

/// A folder that is there must hold one of the forms.
fn movielens(check: &mut Check<'_>, path: &str, base: &Path, place: &[&str]) {
    let full = base.join(path);
    let is_form = |[ratings, _]: &[&str; 2]| full.join(ratings).is_file();
    if path.is_empty() || !full.is_dir() || MOVIELENS_FILES.iter().any(is_form) {
        return;
    }
    let place = check.place(place);
    check.push(
        Fault::at(place, format!("`{path}` holds no MovieLens ratings"))
            .label(
                "expected `u.data` (100K), `ratings.dat` (1M, 10M) or `ratings.csv` (latest) in it",
            )
            .hint(format!("looked into `{}`", full.display())),
    );
}

/// Reports a path, written at `place`, that leads to no file, or to no folder where one `is_folder`; returns whether it does lead
/// there.
pub(super) fn is_there(
    check: &mut Check<'_>,
    path: &str,
    (base, is_folder): (&Path, bool),
    place: &[&str],
) -> bool {
    let full = base.join(path);
    let (wrong, expected) = match (full.exists(), full.is_dir()) {
        _ if path.is_empty() => ("is empty", "expected a path"),
        (false, _) => ("does not exist", "not found"),
        (true, true) if !is_folder => ("is a folder", "expected a file"),
        (true, false) if is_folder => ("is a file", "expected a folder"),
        _ => return true,
    };
    let place = check.place(place);
    check.push(
        Fault::at(place, format!("`{path}` {wrong}"))
            .label(expected)
            .hint(format!(
                "paths are relative to the spec's folder; looked for `{}`",
                full.display()
            )),
    );
    false
}

fn csv_columns(check: &mut Check<'_>, name: &str, csv: &allround_core::config::dataset::CsvSource) {
    for (field, column) in [("user", &csv.user), ("item", &csv.item)] {
        if column.is_empty() {
            let place = check.place(&["dataset", name, "source", "csv", field]);
            check.push(
                Fault::at(place, format!("column `{field}` has no name"))
                    .label("expected the name of a column"),
            );
        }
    }
    for (field, column) in [
        ("title", &csv.title),
        ("description", &csv.description),
        ("category", &csv.category),
    ] {
        if csv.items.is_empty() && !column.is_empty() && column != AUTO {
            let place = check.place(&["dataset", name, "source", "csv", field]);
            check.push(
                Fault::at(
                    place,
                    format!("column `{column}` is read from `items`, which is not given"),
                )
                .label("needs `items`")
                .hint("add `items = \"...\"`, the file with one line an item"),
            );
        }
    }
}
