//! Checks of models that read texts: names that they refer to, and whether they can be measured
//! under every protocol.

use std::collections::BTreeSet;

use allround_core::config::protocol::Candidates;
use allround_core::models::llm_method::Inference;
use allround_core::models::tune::LETTERS;
use allround_core::models::{LlmMethod, Model};

use super::{Check, chat, form, protocol};
use crate::experiment::fault::Fault;
use crate::experiment::suggest;

pub(super) fn check(check: &mut Check<'_>) {
    let spec = check.spec;
    for (name, model) in &spec.model {
        names(check, model, &["model", name, model.kind()]);
    }
    for (name, variant) in &spec.variant {
        if let Some(model) = &variant.resolved {
            names(check, model, &["variant", name, "resolved", model.kind()]);
        }
    }
    for name in check.names("model") {
        if !spec.model.contains_key(&name) {
            written_names(check, &name);
        }
    }
    let mut seen = BTreeSet::new();
    for cell in spec.selected() {
        // A fusion runs the models that it combines, also those that the matrix leaves out.
        let sources = spec.model_named(&cell.model).map(Model::sources);
        let names = sources.unwrap_or_default().iter().chain([&cell.model]);
        for name in names {
            if seen.insert((cell.dataset.clone(), name.clone())) {
                titled(check, &cell.dataset, name);
            }
        }
    }
    let names: BTreeSet<String> = seen.into_iter().map(|(_, name)| name).collect();
    for name in &names {
        let Some(model) = spec.model_named(name) else {
            continue;
        };
        if let Some(method) = model.llm_method() {
            answers(check, &path_of(check, name, model), method);
            chat::check(check, method);
        }
    }
}

/// Path of a model's or variant's settings.
fn path_of<'a>(check: &Check<'_>, name: &'a str, model: &'a Model) -> Vec<&'a str> {
    match check.spec.model.contains_key(name) {
        true => vec!["model", name, model.kind()],
        false => vec!["variant", name, "resolved", model.kind()],
    }
}

fn below<'a>(path: &[&'a str], steps: &[&'a str]) -> Vec<&'a str> {
    path.iter().chain(steps).copied().collect()
}

/// Checks every name that a model refers to, except those that a fusion combines.
pub(super) fn names(check: &mut Check<'_>, model: &Model, path: &[&str]) {
    let method = model.llm_method();
    if let Some(name) = method.and_then(LlmMethod::backbone) {
        backbone(check, name, &below(path, &["backbone"]));
    }
    if let Model::Recformer(model) = model {
        let known = check.names("dataset");
        for (place, name) in model.pretrain.datasets.iter().enumerate() {
            let place = place.to_string();
            let path = below(path, &["pretrain", "datasets", &place]);
            check.known("data set", name, &known, &path);
        }
    }
    let words = model.contrasted().map(|model| model.prompt.as_str());
    let named = [
        ("encoder", model.encoder()),
        ("llm", method.map(LlmMethod::llm)),
        ("prompt", method.map(LlmMethod::prompt).or(words)),
    ];
    for (section, name) in named {
        if let Some(name) = name {
            let known = check.names(section);
            check.known(section, name, &known, &below(path, &[section]));
        }
    }
}

/// Checks the names in a model whose settings could not be resolved, since a field is missing or
/// wrong.
fn written_names(check: &mut Check<'_>, model: &str) {
    let layers = check.layers;
    let kinds = layers
        .iter()
        .filter_map(|layer| layer.get("model")?.get(model)?.table())
        .flatten();
    for (field, what) in [
        ("backbone", "CF model"),
        ("encoder", "encoder"),
        ("llm", "llm"),
        ("prompt", "prompt"),
    ] {
        let written = kinds
            .clone()
            .find_map(|(_, kind)| kind.node.get(field).filter(|node| node.text().is_some()));
        let Some((node, name)) = written.and_then(|node| Some((node, node.text()?))) else {
            continue;
        };
        let known = match field {
            "backbone" => check.model_names(),
            section => check.names(section),
        };
        check.known_at(what, name, &known, node.place);
    }
}

/// Reports a backbone without a vector for each user and item.
fn backbone(check: &mut Check<'_>, name: &str, path: &[&str]) {
    let spec = check.spec;
    let named = spec.model_named(name);
    if named.is_some_and(Model::is_backbone) {
        return;
    }
    let all = check.model_names();
    let fits = |name: &&String| spec.model_named(name).is_none_or(Model::is_backbone);
    let fitting: BTreeSet<String> = all.iter().filter(fits).cloned().collect();
    let Some(model) = named else {
        check.known("CF model", name, &fitting, path);
        return;
    };
    let kind = model.kind();
    let why = match model.llm_method() {
        Some(_) => "which reads a CF model itself",
        None => "which has no vector for a user",
    };
    let place = check.place(path);
    check.push(
        Fault::at(place, format!("`{name}` is of kind `{kind}`, {why}"))
            .label("expected the name of a trained CF model")
            .hint(suggest::hint(
                name,
                fitting.iter().map(String::as_str),
                "CF models",
            )),
    );
}

/// Reports protocols under which a method cannot be measured.
fn answers(check: &mut Check<'_>, path: &[&str], method: &dyn LlmMethod) {
    if method.ranks_by_vectors() {
        return;
    }
    let spec = check.spec;
    let inference = method.inference();
    let letters = method.letters();
    let is_one_question = inference.is_none() && letters.is_none();
    let prompt = spec.prompt.get(method.prompt());
    let prompt = prompt.filter(|_| method.uses_template());
    let has_list = prompt.is_none_or(|prompt| prompt.list);
    if !has_list {
        without_list(check, path, method);
    }
    for (protocol, settings) in &spec.protocol {
        // It has a prompt and an answer of its kind for every model.
        if matches!(settings.candidates, Candidates::FavouriteGenre(_)) {
            continue;
        }
        form::one_title(check, inference, path, protocol);
        form::scores(check, inference, path, protocol);
        let titles = match &settings.candidates {
            Candidates::Full { .. } => {
                let place = check.place(path);
                let related = check.place(&["protocol", protocol, "candidates"]);
                let message = format!(
                    "protocol `{protocol}` ranks every item, and a prompt cannot list them all"
                );
                check.push(
                    Fault::at(place, message)
                        .label("queries a language model")
                        .related(related, "all items are candidates here")
                        .hint("draw candidates, such as `candidates.uniform = { n = 19 }`"),
                );
                continue;
            }
            // A yes-or-no question is about one title.
            Candidates::Uniform { .. }
            | Candidates::Popularity { .. }
            | Candidates::File(_)
            | Candidates::FavouriteGenre(_)
                if is_one_question || !has_list =>
            {
                1
            }
            candidates => match protocol::n(check, candidates) {
                Some(n) => n + 1,
                None => continue,
            },
        };
        if letters.is_some_and(|letters| titles > letters) {
            too_few_letters(check, path, protocol, titles);
            continue;
        }
        let who = format!("protocol `{protocol}`");
        form::positions(check, (method.llm(), inference), titles, &who);
    }
    let validation = method.validation().map(|(_, validation)| validation);
    let validation = validation.filter(|it| it.is_on() && has_list && !is_one_question);
    if let Some(n) = validation.and_then(|it| it.candidates.n()) {
        // Candidates are ranked by likelihoods, whatever is generated at inference.
        form::positions(check, (method.llm(), None), n + 1, "validation in training");
    }
}

/// Reports a protocol with more candidates than there are letters to name them.
fn too_few_letters(check: &mut Check<'_>, path: &[&str], protocol: &str, titles: usize) {
    let place = check.place(path);
    let related = check.place(&["protocol", protocol, "candidates"]);
    let letters = LETTERS.len();
    let message = format!(
        "protocol `{protocol}` ranks {titles} candidates, and this kind names each by one of {letters} letters"
    );
    check.push(
        Fault::at(place, message)
            .label("names candidates by letters")
            .related(related, "the candidates")
            .hint("draw fewer, such as `candidates.uniform = { n = 19 }`"),
    );
}

/// Settings that need the list of candidates in the prompt, which has none.
fn without_list(check: &mut Check<'_>, path: &[&str], method: &dyn LlmMethod) {
    let prompt = method.prompt();
    let list = check.place(&["prompt", prompt, "list"]);
    match method.inference() {
        Some(Inference::Generate { .. }) => {
            let place = check.place(&below(path, &["inference", "generate"]));
            let message = format!(
                "an answer names a title of the list, and prompt `{prompt}` lists no candidates"
            );
            check.push(
                Fault::at(place, message)
                    .label("needs the list")
                    .related(list, "no list here")
                    .hint("rank the candidates with `inference.score = {}`"),
            );
        }
        Some(Inference::Score { orders, .. }) if *orders > 1 => {
            let place = check.place(&below(path, &["inference", "score", "orders"]));
            let message =
                format!("`orders = {orders}` has no effect: prompt `{prompt}` lists no candidates");
            check.push(
                Fault::at(place, message)
                    .label("orders of the list")
                    .related(list, "no list here")
                    .hint("remove `orders`"),
            );
        }
        Some(Inference::Score { .. } | Inference::Constrained {}) | None => {}
    }
}

/// Reports a data set without titles for a model that reads titles.
fn titled(check: &mut Check<'_>, dataset_name: &str, model: &str) {
    let why = match check.spec.model_named(model) {
        Some(Model::TextSimilarity(_)) => "compares texts of items",
        Some(found) if found.llm_method().is_some() => "queries a language model about titles",
        Some(found) if found.encoder().is_some() || found.texts().is_some() => {
            "reads texts of items"
        }
        Some(_) | None => return,
    };
    let Some(dataset) = check.spec.dataset.get(dataset_name) else {
        return;
    };
    let Some(hint) = dataset.source.as_source().missing_titles() else {
        return;
    };
    let place = check.place(&["dataset", dataset_name, "source", dataset.source.kind()]);
    let message = format!("data set `{dataset_name}` has no titles, and `{model}` {why}");
    check.push(Fault::at(place, message).label("no titles here").hint(hint));
}
