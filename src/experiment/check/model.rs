//! Checks of models and variants: settings that contradict each other.

use std::path::Path;

use allround_core::config::protocol::Part;
use allround_core::models::llm_method::ProblemContext;
use allround_core::models::train::Stop;
use allround_core::models::{CfModel, LlmMethod, Model, Problem};

use super::data::{cut_off, is_there, sizes};
use super::{Check, form, protocol, weights};
use crate::experiment::fault::Fault;
use crate::experiment::variant::nested;
use crate::experiment::written::Node;

pub(super) fn check(check: &mut Check<'_>, base: &Path) {
    let spec = check.spec;
    for (name, model) in &spec.model {
        let path = ["model", name, model.kind()];
        one(check, model, &path);
        early(check, name, model, &path);
        imported(check, model, &path, base);
        given(check, name, model, &path, base);
        let tables = written(check, name, model);
        stated(check, model, &path, &tables);
        untrained(check, &tables);
    }
    let known = check.names("model");
    for (name, variant) in &spec.variant {
        let is_known = check.known("model", &variant.of, &known, &["variant", name, "of"]);
        let path = ["variant", name.as_str(), "set"];
        let lost = check.layers.iter().any(|layer| {
            layer
                .at(&path)
                .and_then(Node::table)
                .is_some_and(|set| !set.is_empty())
        });
        if is_known && variant.set.is_empty() && !lost {
            let place = check.place(&["variant", name]);
            check.push(
                Fault::at(place, format!("variant `{name}` changes nothing"))
                    .label("expected `set` with at least one key")
                    .hint("for example `set = { dropout = 0.0 }`"),
            );
        }
        if let Some(model) = &variant.resolved {
            let path = ["variant", name, "resolved", model.kind()];
            one(check, model, &path);
            // Settings that it shares with its model are reported for the model.
            let validated = |model: &Model| {
                let stop = model.training().map(|training| training.train.stop.clone());
                let validation = model.llm_method().and_then(LlmMethod::validation);
                (stop, validation.map(|(_, validation)| validation.clone()))
            };
            if spec.model.get(&variant.of).map(validated) != Some(validated(model)) {
                early(check, name, model, &path);
            }
            imported(check, model, &path, base);
            given(check, name, model, &path, base);
            let sets = check
                .layers
                .iter()
                .filter_map(|layer| layer.at(&["variant", name, "set"]));
            let mut tables: Vec<Node> = sets.map(nested).collect();
            tables.extend(written(check, &variant.of, model));
            stated(check, model, &path, &tables);
            untrained(check, &tables);
        }
    }
}

/// The written tables of a model, in order of precedence.
fn written(check: &Check<'_>, name: &str, model: &Model) -> Vec<Node> {
    let path = ["model", name, model.kind()];
    let tables = check.layers.iter().filter_map(|layer| layer.at(&path));
    tables.cloned().collect()
}

/// Checks the file of weights, and the file that verifies it.
fn imported(check: &mut Check<'_>, model: &Model, path: &[&str], base: &Path) {
    if let Some(file) = model.weights() {
        let path = [path, &["weights"]].concat();
        if is_there(check, file, (base, false), &path) {
            let place = check.place(&path);
            weights::file(check, model, place, base, file);
        }
    }
    if let Some(file) = model.cf().and_then(CfModel::weights_check) {
        let path = [path, &["weights_check"]].concat();
        is_there(check, file, (base, false), &path);
        if model.weights().is_none() {
            let place = check.place(&path);
            check.push(
                Fault::at(
                    place,
                    "`weights_check` verifies imported weights, and there are none",
                )
                .label("has no effect")
                .hint("add `weights`, or remove `weights_check`"),
            );
        }
    }
}

/// Reports imported weights whose network is not stated next to them. Files of several networks can
/// have the same names and shapes, so a preset must not decide.
fn stated(check: &mut Check<'_>, model: &Model, path: &[&str], tables: &[Node]) {
    let Some(model) = model.cf().filter(|model| model.weights().is_some()) else {
        return;
    };
    let Some(problem) = model.written_with_weights() else {
        return;
    };
    if !tables.iter().any(|table| table.get(&problem.key).is_some()) {
        let key = "weights".to_owned();
        check.problem(path, Problem { key, ..problem });
    }
}

/// Checks that there is a file of scores for every measured part of the split.
fn given(check: &mut Check<'_>, name: &str, model: &Model, path: &[&str], base: &Path) {
    let Model::Scores(scores) = model else {
        return;
    };
    is_there(
        check,
        &scores.file,
        (base, false),
        &[path, &["file"]].concat(),
    );
    if !scores.valid.is_empty() {
        is_there(
            check,
            &scores.valid,
            (base, false),
            &[path, &["valid"]].concat(),
        );
        return;
    }
    for (protocol, settings) in &check.spec.protocol {
        if settings.splits.contains(&Part::Valid) {
            let place = check.place(&["protocol", protocol, "splits"]);
            let related = check.place(path);
            let message = format!(
                "protocol `{protocol}` measures validation, and `{name}` has no scores of it"
            );
            check.push(
                Fault::at(place, message)
                    .label("validation is measured here")
                    .related(related, "only has scores of the test")
                    .hint("name the file of validation scores: `valid = \"...\"`, or measure only the test"),
            );
        }
    }
}

/// Reports training settings of an imported model, written next to `weights` or in an overriding
/// layer. Settings in layers below are those of a model that a variant or flag gives weights to.
fn untrained(check: &mut Check<'_>, tables: &[Node]) {
    let found = tables.iter().enumerate();
    let mut found = found.filter_map(|(at, table)| Some((at, table.get("weights")?)));
    let Some((last, weights)) = found.next() else {
        return;
    };
    for table in &tables[..=last] {
        for field in ["loss", "train"] {
            let Some(entry) = table.table().and_then(|table| table.get(field)) else {
                continue;
            };
            let message = format!("`{field}` is for training, and `weights` are imported instead");
            check.push(
                Fault::at(entry.key, message)
                    .label("has no effect")
                    .related(weights.place, "imported here")
                    .hint(format!(
                        "remove `{field}`, or remove `weights` to train the model"
                    )),
            );
        }
    }
}

/// Reports contradictions within a model's settings. Messages do not name the model, so that a
/// fault which a variant inherits is reported once.
pub(super) fn one(check: &mut Check<'_>, model: &Model, path: &[&str]) {
    let mut problems = Vec::new();
    if let Some(model) = model.cf() {
        problems.extend(model.problems());
        let training = model.training();
        let key = model.train_key();
        problems.extend(training.iter().flat_map(|training| training.problems(key)));
    }
    if let (Some(cf), Some(name)) = (model.cf(), model.encoder()) {
        let encoder = check.spec.encoder.get(name);
        problems.extend(encoder.and_then(|encoder| cf.problems_with_encoder(encoder)));
    }
    if let Some(method) = model.llm_method() {
        let encoder = method
            .encoder()
            .and_then(|name| check.spec.encoder.get(name));
        let llm = check.spec.llm.get(method.llm());
        let form = llm.and_then(|llm| form::of(llm, check.base));
        problems.extend(method.problems(&ProblemContext {
            encoder,
            modules: form.as_ref().map(|form| form.modules),
            prompt: check.spec.prompt.get(method.prompt()),
        }));
        let validation = method.validation();
        problems.extend(validation.iter().flat_map(|(key, it)| it.problems(key)));
    }
    if let Model::Fusion(fusion) = model {
        problems.extend(fusion.problems());
    }
    for problem in problems {
        check.problem(path, problem);
    }
}

/// Checks the metric and the candidates of early stopping, and of validation in training.
fn early(check: &mut Check<'_>, name: &str, model: &Model, path: &[&str]) {
    let train = model.training().map(|training| training.train);
    if let Some(Stop::Early {
        metric, candidates, ..
    }) = train.map(|train| &train.stop)
    {
        let key = model.cf().map_or("train", CfModel::train_key);
        let below = key.split('.').chain(["stop", "early"]);
        let path: Vec<&str> = path.iter().copied().chain(below).collect();
        sizes(
            check,
            &format!("the early stopping of `{name}`"),
            candidates,
            &path,
        );
        cut_off(
            check,
            *metric,
            candidates,
            &[&path[..], &["metric"]].concat(),
        );
        protocol::stopping(check, candidates, &[&path[..], &["candidates"]].concat());
    }
    let validation = model.llm_method().and_then(LlmMethod::validation);
    if let Some((key, validation)) = validation.filter(|(_, validation)| validation.is_on()) {
        let path: Vec<&str> = path.iter().copied().chain(key.split('.')).collect();
        let what = format!("the validation of `{name}`");
        sizes(check, &what, &validation.candidates, &path);
        let metric = [&path[..], &["metric"]].concat();
        cut_off(check, validation.metric, &validation.candidates, &metric);
    }
}
