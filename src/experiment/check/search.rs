//! Checks of `[search.NAME]`: names, the settings that are searched, and validation.

use std::collections::BTreeMap;

use allround_core::config::dataset::Split;
use allround_core::config::protocol::Part;
use allround_core::models::Model;

use super::outputs::{measured, on_split};
use super::{Check, method};
use crate::experiment::config::Search;
use crate::experiment::config::search::{Method, Values};
use crate::experiment::fault::Fault;
use crate::experiment::place::Place;
use crate::experiment::search::varied;
use crate::experiment::written::{Entry, Node, Value};

pub(super) fn check(check: &mut Check<'_>) {
    let spec = check.spec;
    for (name, search) in &spec.search {
        let path = |field: &'static str| ["search", name.as_str(), field];
        let mut models = check.names("model");
        models.extend(check.names("variant"));
        let is_known = check.known("model", &search.of, &models, &path("of"));
        let scenarios = check.names("scenario");
        check.known("scenario", &search.scenario, &scenarios, &path("scenario"));
        let (protocol, metric) = (path("protocol"), path("metric"));
        measured(
            check,
            &search.protocol,
            &[search.metric],
            &protocol,
            &metric,
        );
        on_split(check, &search.protocol, Part::Valid, &protocol);
        check.no_repeats(&search.seeds, &path("seeds"));
        validation(check, name);
        if search.space.is_empty() && !has_written_space(check, name) {
            let place = check.place(&["search", name]);
            check.push(
                Fault::at(place, format!("search `{name}` searches nothing"))
                    .label("expected `space` with at least one setting")
                    .hint("for example `space = { dropout = [0.1, 0.2, 0.5] }`"),
            );
        }
        if is_known && spec.model_named(&search.of).is_some() {
            space(check, name, search);
            if let Method::Halving { .. } = search.method {
                resource(check, name, search);
            }
        }
        nested(check, name, &search.of);
    }
}

/// Whether a space was written. What is wrong in it has been reported.
fn has_written_space(check: &Check<'_>, name: &str) -> bool {
    let path = ["search", name, "space"];
    let mut written = check.layers.iter().filter_map(|layer| layer.at(&path));
    written.any(|space| space.table().is_none_or(|table| !table.is_empty()))
}

/// Reports data sets of a search without validation targets.
fn validation(check: &mut Check<'_>, name: &str) {
    for dataset in check.spec.datasets_of(name) {
        let split = check.spec.dataset.get(&dataset).map(|it| &it.split);
        if let Some(Split::GlobalTime { valid_share, .. }) = split
            && *valid_share == 0.0
        {
            let path = ["dataset", &dataset, "split", "global_time", "valid_share"];
            let (place, related) = (check.place(&path), check.place(&["search", name]));
            let message = format!(
                "search `{name}` chooses settings on validation, and data set `{dataset}` has none"
            );
            check.push(
                Fault::at(place, message)
                    .label("no interaction is left for validation")
                    .related(related, "the search")
                    .hint("raise `valid_share`, for example to 0.1"),
            );
        }
    }
}

/// A table with one dotted key, which is written at `place`.
fn one(key: &str, place: Place, node: &Node) -> Node {
    let entry = Entry {
        key: place,
        node: node.clone(),
    };
    Node::new(
        place,
        Value::Table(BTreeMap::from([(key.to_owned(), entry)])),
    )
}

/// Reports settings that the model does not have, and values that they cannot have.
fn space(check: &mut Check<'_>, name: &str, search: &Search) {
    for (key, values) in &search.space {
        let path = ["search", name, "space", key];
        let table = check.tree.at(&path[..3]).and_then(Node::table);
        let Some(Entry { key: place, node }) = table.and_then(|table| table.get(key)) else {
            continue;
        };
        let ends: Vec<Node> = match (values, &node.value) {
            (Values::List(_), Value::List(items)) => items.clone(),
            (Values::Range(_), Value::Table(table)) => {
                let ends = ["from", "to"].iter().filter_map(|end| table.get(*end));
                ends.map(|entry| entry.node.clone()).collect()
            }
            _ => continue,
        };
        if let (Values::Range(range), Method::Grid {}) = (values, &search.method)
            && range.step.is_none()
        {
            let message =
                format!("a grid needs values: the range `{key}` of `{name}` has no `step`");
            check.push(
                Fault::at(node.place, message)
                    .label("infinitely many values")
                    .hint("add `step`, or list the values"),
            );
        }
        let before = check.faults.len();
        for value in ends {
            match varied(check.layers, (name, search), &one(key, *place, &value)) {
                Ok(Some(model)) => tried(check, &model, search, &path),
                Ok(None) => {}
                Err(faults) => check.faults.extend(faults),
            }
            // An unknown key is reported once.
            if check.faults.len() > before {
                break;
            }
        }
    }
}

/// Reports an unknown encoder, language model, prompt or CF model in a tried model, and files that
/// only this trial reads.
fn tried(check: &mut Check<'_>, model: &Model, search: &Search, path: &[&str]) {
    method::names(check, model, path);
    let own = check.spec.model_named(&search.of).map(Model::files);
    if own.is_some_and(|own| own != model.files()) {
        let place = check.place(path);
        check.push(
            Fault::at(place, "a search cannot choose among files")
                .label("a setting with the path of a file")
                .hint("declare one model for each file, and compare them"),
        );
    }
}

/// Checks the setting that bounds training in successive halving.
fn resource(check: &mut Check<'_>, name: &str, search: &Search) {
    let Method::Halving {
        resource, least, ..
    } = &search.method
    else {
        return;
    };
    let path = ["search", name, "method", "halving", "resource"];
    let place = check.place(&path);
    if search.space.contains_key(resource) {
        let message = format!("`{resource}` of `{name}` is both searched and the resource");
        check.push(Fault::at(place, message).hint("remove it from `space`"));
        return;
    }
    let Some(full) = whole_at(check.spec.model_named(&search.of), resource) else {
        let message = format!(
            "`{resource}` is not a whole number among the settings of `{}`",
            search.of
        );
        check.push(
            Fault::at(place, message)
                .label("expected a setting such as `train.epochs`")
                .hint("name the dotted key of a whole number that bounds training"),
        );
        return;
    };
    if *least >= full {
        let place = check.place(&["search", name, "method", "halving", "least"]);
        let message = format!(
            "`least` is {least}, and `{resource}` of `{}` is {full}",
            search.of
        );
        check.push(
            Fault::at(place, message)
                .label(format!("expected less than {full}"))
                .hint("lower `least`, or raise the setting of the model"),
        );
        return;
    }
    let value = Node::new(
        place,
        Value::Integer((*least).try_into().unwrap_or(i64::MAX)),
    );
    match varied(check.layers, (name, search), &one(resource, place, &value)) {
        Ok(Some(model)) => {
            for fault in super::of_trial(check.spec, check.layers, check.base, &model) {
                let hint = format!(
                    "raise `least` of the search, or change the model, so that `{resource} = {least}` is possible"
                );
                check.push(Fault::at(place, fault.message).hint(hint));
            }
        }
        Ok(None) => {}
        Err(faults) => check.faults.extend(faults),
    }
}

/// The whole number at a dotted key of a model's settings.
pub fn whole_at(model: Option<&Model>, key: &str) -> Option<u64> {
    let json = serde_json::to_value(model?).ok()?;
    let settings = json.as_object()?.values().next()?;
    let found = key
        .split('.')
        .try_fold(settings, |value, step| value.get(step))?;
    found.as_u64()
}

/// Reports a search that tries settings of a model which reads the result of another search.
fn nested(check: &mut Check<'_>, name: &str, of: &str) {
    let read = check.spec.searches_of(of).into_iter();
    for read in read.filter(|read| *read != of) {
        let place = check.place(&["search", name, "of"]);
        let message = format!("`{of}` reads the search `{read}`, whose settings are not known yet");
        check.push(
            Fault::at(place, message)
                .label("another search tries its settings")
                .hint(format!(
                    "run `{read}` first, write its best settings into a variant, and let `{of}` read that"
                )),
        );
    }
}
