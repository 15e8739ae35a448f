//! Checks of single data sets, scenarios and protocols.

use std::path::Path;

use super::{Check, protocol};
use crate::experiment::fault::Fault;
use crate::experiment::written::{Node, Value};
use allround_core::config::dataset::{Filter, Split};
use allround_core::config::protocol::{Candidates, Part};
use allround_core::config::{Dataset, Scenario};
use allround_core::metric::Metric;

pub(super) fn check(check: &mut Check<'_>, base: &Path) {
    let spec = check.spec;
    for (name, dataset) in &spec.dataset {
        split(check, name, &dataset.split);
        filters(check, name, dataset);
        super::source::check(check, name, dataset, base);
    }
    for (name, scenario) in &spec.scenario {
        if let Some(target) = scenario.target() {
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
        // Values that are not metrics have been reported.
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

/// Reports a protocol without a part of the split, and parts that are repeated.
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

/// Reports candidates by training counts in a cross-domain scenario: items of the other domain have
/// no training counts, so they would never be drawn.
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
            .hint("use `candidates.uniform`, or put the scenario into a separate experiment"),
    );
}

/// Reports a cut-off that every rank is below.
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

/// Reports more candidates than items, if the number of items is known before data are prepared.
pub(super) fn sizes(
    check: &mut Check<'_>,
    ranked_by: &str,
    candidates: &Candidates,
    path: &[&str],
) {
    let (kind, n) = match candidates {
        Candidates::Full { .. } | Candidates::File(_) | Candidates::FavouriteGenre(_) => return,
        Candidates::Uniform { n } => ("uniform", *n),
        Candidates::Popularity { n } => ("popularity", *n),
    };
    for (name, dataset) in &check.spec.dataset {
        let Some(generated) = dataset.source.generated() else {
            continue;
        };
        if n as u64 + 1 > generated.items {
            let place = check.place(&[path, &["candidates", kind, "n"]].concat());
            let message = format!(
                "{ranked_by} ranks {} candidates, data set `{name}` has {} items",
                n + 1,
                generated.items
            );
            check.push(
                Fault::at(place, message)
                    .label(format!("expected fewer than {}", generated.items))
                    .hint(match path {
                        ["protocol", _] => "lower `n`, or use `candidates.full = {}`".to_owned(),
                        // The file has no value to lower where the default is used.
                        ["variant", _, "resolved", _, key @ ..] | [_, _, _, key @ ..] => format!(
                            "write fewer, for example `{}.candidates.{kind}.n = {}`",
                            key.join("."),
                            generated.items / 2
                        ),
                        _ => "lower `n`".to_owned(),
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
                .label("this filter drops all users")
                .hint("`maximum = 0` means no maximum"),
            );
        }
    }
}

/// Reports a path at `place` that is not a file, or not a folder if `is_folder`. Returns whether it
/// is.
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
