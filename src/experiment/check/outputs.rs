//! Checks of figures and tables: names that they refer to must be declared and
//! measured.

use super::{Check, expected};
use crate::experiment::config::outputs::{FigureReads, PublishedCost, Shown};
use crate::experiment::config::{Figure, Table};
use crate::experiment::fault::Fault;
use crate::experiment::shape::either;
use crate::experiment::suggest;
use allround_core::config::protocol::Part;
use allround_core::metric::Metric;
use allround_core::models::Model;
use allround_core::models::train::Stop;

pub(super) fn check(check: &mut Check<'_>) {
    expected::check(check);
    let spec = check.spec;
    order(check, "figures", "figure", &spec.report.figures);
    order(check, "tables", "table", &spec.report.tables);
    for (name, figure) in &spec.figure {
        one_figure(check, name, figure);
    }
    for (name, table) in &spec.table {
        one_table(check, name, table);
    }
}

/// Checks the names in the report's order of a section.
fn order(check: &mut Check<'_>, list: &str, section: &str, names: &[String]) {
    let known = check.names(section);
    for (at, name) in names.iter().enumerate() {
        check.known(section, name, &known, &["report", list, &at.to_string()]);
    }
    check.no_repeats(names, &["report", list]);
}

/// Checks that a protocol is declared and measures the metrics.
pub(super) fn measured(
    check: &mut Check<'_>,
    protocol: &str,
    metrics: &[Metric],
    protocol_path: &[&str],
    metric_path: &[&str],
) {
    let protocols = check.names("protocol");
    if !check.known("protocol", protocol, &protocols, protocol_path) {
        return;
    }
    let Some(found) = check.spec.protocol.get(protocol) else {
        return;
    };
    for (at, metric) in metrics.iter().enumerate() {
        if !found.metrics.is_empty() && !found.metrics.contains(metric) {
            let at = at.to_string();
            let mut path = metric_path.to_vec();
            path.push(&at);
            let place = check.place(&path);
            let there: Vec<String> = found.metrics.iter().map(Metric::to_string).collect();
            let there: Vec<&str> = there.iter().map(String::as_str).collect();
            let fault = Fault::at(
                place,
                format!("protocol `{protocol}` does not measure `{metric}`"),
            )
            .label(format!("expected one of {}", either(&there)))
            .hint(format!("add `{metric}` to `protocol.{protocol}.metrics`"));
            check.push(fault);
        }
    }
}

/// Checks that a protocol measures `part`. A protocol that is not declared has been reported.
pub(super) fn on_split(check: &mut Check<'_>, protocol: &str, part: Part, path: &[&str]) {
    let Some(found) = check.spec.protocol.get(protocol) else {
        return;
    };
    if found.splits.is_empty() || found.splits.contains(&part) {
        return;
    }
    let (place, related) = (
        check.place(path),
        check.place(&["protocol", protocol, "splits"]),
    );
    let message = format!("protocol `{protocol}` does not measure the split `{part}`");
    check.push(
        Fault::at(place, message)
            .label(format!("reads numbers of `{part}`"))
            .related(related, "the measured splits")
            .hint(format!(
                "write `protocol.{protocol}.splits = [\"valid\", \"test\"]`, or name another split here"
            )),
    );
}

/// Checks a name that may be empty.
fn named_if_given(check: &mut Check<'_>, what: &str, name: &str, path: &[&str]) {
    if !name.is_empty() {
        let known = check.names(what);
        check.known(what, name, &known, path);
    }
}

fn one_figure(check: &mut Check<'_>, name: &str, figure: &Figure) {
    let kind = figure.kind();
    let path = |field: &'static str| ["figure", name, kind, field];
    match figure.reads() {
        FigureReads::Numbers(numbers) => {
            measured(
                check,
                numbers.protocol,
                &[numbers.metric],
                &path("protocol"),
                &path("metric"),
            );
            on_split(check, numbers.protocol, numbers.split, &path("split"));
            named_if_given(check, "dataset", numbers.dataset, &path("dataset"));
            named_if_given(check, "scenario", numbers.scenario, &path("scenario"));
        }
        FigureReads::Epochs {
            value,
            reference,
            dataset,
        } => {
            named_if_given(check, "dataset", dataset, &path("dataset"));
            curve(check, value, &path("value"));
            if !reference.is_empty() {
                curve_reference(check, (value, reference), &path("reference"));
            }
        }
    }
}

/// Checks that a model records the value of a curve.
fn curve(check: &mut Check<'_>, value: &str, path: &[&str]) {
    let spec = check.spec;
    let place = check.place(path);
    if value != "loss" && value.parse::<Metric>().is_err() {
        let hint = suggest::nearest(value, ["loss"]).map(|name| format!("did you mean `{name}`?"));
        check.push(
            Fault::at(place, format!("`{value}` is neither `loss` nor a metric"))
                .label(format!(
                    "expected `loss`, {}",
                    allround_core::metric::words()
                ))
                .maybe_hint(hint),
        );
        return;
    }
    let models: Vec<&Model> = spec
        .selected()
        .iter()
        .filter_map(|cell| spec.model_named(&cell.model))
        .collect();
    let broken = check.names("model").len() != spec.model.len();
    if broken || models.is_empty() {
        return;
    }
    if !models.iter().any(|model| records(model, value)) {
        let hint = match value {
            "loss" => "add a model that is trained".to_owned(),
            value => format!(
                "give a model `train.stop.early = {{ metric = \"{value}\" }}`, or draw `loss`"
            ),
        };
        check.push(
            Fault::at(
                place,
                format!("no model of the matrix records `{value}` while it trains"),
            )
            .label("nothing to draw")
            .hint(hint),
        );
    }
}

/// Whether a model records the value of a curve while it trains. The worker chooses the metrics of
/// a fixed-epoch validation, so that any metric is accepted there.
fn records(model: &Model, value: &str) -> bool {
    let train = model.training().map(|training| training.train);
    let is_it = |metric: &Metric| metric.to_string() == value;
    let trains = train.is_some_and(|train| match &train.stop {
        _ if value == "loss" => true,
        Stop::Early { metric, .. } => is_it(metric),
        Stop::Fixed { validate_every } => *validate_every > 0,
    });
    let validation = model.llm_method().and_then(|method| method.validation());
    let validated = validation.is_some_and(|(_, it)| it.is_on() && it.metrics().iter().any(is_it));
    trains || validated
}

/// Checks the models whose training is compared: two or more, each validated by the metric.
fn compared(
    check: &mut Check<'_>,
    (names, baseline): (&[String], &str),
    metric: &str,
    path: &[&str],
) {
    let known = check.model_names();
    check.no_repeats(names, path);
    for (at, name) in names.iter().enumerate() {
        let at = at.to_string();
        let path: Vec<&str> = path.iter().copied().chain([at.as_str()]).collect();
        if !check.known("model", name, &known, &path) {
            continue;
        }
        let model = check.spec.model_named(name);
        if model.is_none_or(|model| records(model, metric)) {
            continue;
        }
        let place = check.place(&path);
        check.push(
            Fault::at(
                place,
                format!("`{name}` does not record `{metric}` while it trains"),
            )
            .label("has no curve to compare")
            .hint(format!(
                "validate it by `{metric}` (`train.stop.early`, or `project.validate` and `tune.validate` of LLM methods)"
            )),
        );
    }
    if names.len() == 1 {
        let place = check.place(path);
        check.push(
            Fault::at(place, "the table compares a model with itself alone")
                .label("expected two models or more")
                .hint("add a model, or leave `models` out for all that are validated"),
        );
    }
    if !names.is_empty() && !baseline.is_empty() && !names.iter().any(|name| name == baseline) {
        let place = check.place(path);
        check.push(
            Fault::at(
                place,
                format!("the baseline `{baseline}` is not among the models of the table"),
            )
            .label(format!("add `{baseline}`")),
        );
    }
}

/// Checks that a model is validated against the reference of a curve.
fn curve_reference(check: &mut Check<'_>, (value, reference): (&str, &str), path: &[&str]) {
    let known = check.model_names();
    if !check.known("model", reference, &known, path) {
        return;
    }
    let spec = check.spec;
    let selected = spec.selected();
    let models = selected
        .iter()
        .filter_map(|cell| spec.model_named(&cell.model));
    let mut methods = models.filter_map(|model| model.llm_method());
    let is_read = methods.any(|method| {
        let records = |metric: &Metric| metric.to_string() == value;
        let validation = method.validation().map(|(_, validation)| validation);
        method.backbone() == Some(reference)
            && validation.is_some_and(|it| it.is_on() && it.metrics().iter().any(records))
    });
    if !is_read {
        let place = check.place(path);
        let message = format!(
            "no model of the matrix reads `{reference}` and is validated by `{value}` while it trains"
        );
        check.push(
            Fault::at(place, message).label("nothing to draw").hint(
                "set `project.validate` of a model with this `backbone`, or remove `reference`",
            ),
        );
    }
}

/// Checks the published costs of table `name`: their models and their sources.
fn published(check: &mut Check<'_>, name: &str, costs: &[PublishedCost]) {
    let known = check.model_names();
    let models: Vec<&String> = costs.iter().map(|cost| &cost.model).collect();
    check.no_repeats(&models, &["table", name, "cost", "published"]);
    for (at, cost) in costs.iter().enumerate() {
        let at = at.to_string();
        let path = |field: &'static str| ["table", name, "cost", "published", at.as_str(), field];
        check.known("model", &cost.model, &known, &path("model"));
        if cost.source.trim().is_empty() {
            let place = check.place(&path("source"));
            check.push(Fault::at(place, "the published cost has no source").label(
                "expected where it comes from, such as `Kim et al. 2024, table 10, 4 A6000`",
            ));
        }
    }
}

fn one_table(check: &mut Check<'_>, name: &str, table: &Table) {
    let kind = table.kind();
    let reads = table.reads();
    let path = |field: &'static str| ["table", name, kind, field];
    if let Some(protocol) = reads.protocol {
        let (of_protocol, of_metrics) = (path("protocol"), path("metrics"));
        measured(check, protocol, reads.metrics, &of_protocol, &of_metrics);
    }
    if let Some(split) = reads.split {
        let all = check.spec.protocol.keys().map(String::as_str);
        let protocols: Vec<&str> = match reads.protocol {
            Some(protocol) => vec![protocol],
            None => all.collect(),
        };
        for protocol in protocols {
            on_split(check, protocol, split, &path("split"));
        }
    }
    check.no_repeats(reads.metrics, &path("metrics"));
    for (section, field, names) in [
        ("dataset", "datasets", reads.datasets),
        ("scenario", "scenarios", reads.scenarios),
    ] {
        let known = check.names(section);
        for (at, one) in names.iter().enumerate() {
            let at = at.to_string();
            check.known(section, one, &known, &["table", name, kind, field, &at]);
        }
        check.no_repeats(names, &path(field));
    }
    if !reads.baseline.is_empty() {
        let known = check.model_names();
        check.known("model", reads.baseline, &known, &path("baseline"));
    }
    if let Some(metric) = reads.validated {
        let metric = metric.to_string();
        curve(check, &metric, &path("metric"));
        compared(
            check,
            (reads.models, reads.baseline),
            &metric,
            &path("models"),
        );
    }
    shown(check, reads.show, &path("show"));
    published(check, name, reads.published);
}

/// What a table shows of each number: a value, and no deviation from a mean that is left out.
fn shown(check: &mut Check<'_>, show: &[Shown], path: &[&str]) {
    check.no_repeats(show, path);
    let has = |part: Shown| show.is_empty() || show.contains(&part);
    let fault = match (has(Shown::Mean), has(Shown::Change), has(Shown::Deviation)) {
        (false, false, _) => "the table shows neither means nor changes",
        (false, true, true) => "the table shows deviations without means",
        (true, _, _) | (false, true, false) => return,
    };
    let place = check.place(path);
    check.push(
        Fault::at(place, fault)
            .label("add `\"mean\"`")
            .hint("for example `show = [\"mean\", \"star\"]`"),
    );
}
