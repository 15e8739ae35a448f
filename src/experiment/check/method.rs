//! Methods that ask a language model: what they name must be there, and must be able to answer what is measured.

use std::collections::BTreeSet;

use super::{Check, form, protocol};
use crate::experiment::fault::Fault;
use crate::experiment::select::Selected;
use crate::experiment::suggest;
use allround_core::config::dataset::Source;
use allround_core::config::json::Form;
use allround_core::config::method::{Allmrec, ItemEmbedding, TallrecForm};
use allround_core::config::protocol::Candidates;
use allround_core::config::{Encoder, Model};

/// Kinds of CF models that have a vector for a user and one for an item.
const BACKBONES: [&str; 4] = ["sasrec", "gru4rec", "nextitnet", "ncf"];

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
        let asked = spec.model_named(&cell.model);
        if let Some(model) = asked.filter(|model| model.asks_llm()) {
            titled(check, &cell);
            if seen.insert(cell.model.clone()) {
                answers(check, &cell.model, model);
            }
        }
    }
}

/// Both stages of A-LLMRec must have something to train.
fn trained(check: &mut Check<'_>, method: &Allmrec, path: &[&str]) {
    if !method.user && method.item == ItemEmbedding::None {
        let place = check.place(&below(path, &["item"]));
        let message = "without a user vector and item vectors nothing of stage 2 is trained";
        check.push(
            Fault::at(place, message)
                .label("expected vectors here, or `user = true`")
                .hint("to measure prompts of titles alone, use `llm_only`"),
        );
    }
    if method.text_below > 0 && method.item != ItemEmbedding::Joint {
        let place = check.place(&below(path, &["text_below"]));
        let message = "`text_below` says which joint vectors are replaced, and here are none";
        check.push(
            Fault::at(place, message)
                .label("expected 0, or `item = \"joint\"`")
                .hint("`item = \"text\"` reads every item with its text's vector already"),
        );
    }
    let align = &method.align;
    let weights = [
        align.matching,
        align.item_recon,
        align.text_recon,
        align.rec,
    ];
    if weights.iter().all(|&weight| weight == 0.0) {
        let place = check.place(&below(path, &["align"]));
        let message = "every loss of stage 1 has weight 0, so nothing of it is trained";
        check.push(
            Fault::at(place, message)
                .label("expected a weight above 0")
                .hint("raise `matching`, `item_recon`, `text_recon` or `rec`; without stage 1 there is `mlp_llm`"),
        );
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

/// Every name that a method gives.
fn names(check: &mut Check<'_>, model: &Model, path: &[&str]) {
    let (llm, prompt) = match model {
        Model::Allmrec(method) => {
            backbone(check, &method.backbone, &below(path, &["backbone"]));
            let known = check.names("encoder");
            check.known(
                "encoder",
                &method.encoder,
                &known,
                &below(path, &["encoder"]),
            );
            let encoder = check.spec.encoder.get(&method.encoder);
            if method.align.train_encoder && matches!(encoder, Some(Encoder::Hashed(_))) {
                let place = check.place(&below(path, &["align", "train_encoder"]));
                let message = format!(
                    "encoder `{}` is `hashed`, which has nothing to train",
                    method.encoder
                );
                check.push(
                    Fault::at(place, message)
                        .label("expected `align.train_encoder = false`")
                        .hint(
                            "write `align.train_encoder = false`, or name a `pretrained` encoder",
                        ),
                );
            }
            trained(check, method, path);
            (&method.llm, &method.prompt)
        }
        Model::MlpLlm(method) => {
            backbone(check, &method.backbone, &below(path, &["backbone"]));
            (&method.llm, &method.prompt)
        }
        Model::LlmOnly(method) => (&method.llm, &method.prompt),
        Model::Tallrec(method) => {
            if method.lora.targets.is_empty() {
                let place = check.place(&below(path, &["lora", "targets"]));
                check.push(
                    Fault::at(
                        place,
                        "`lora.targets` is empty, so nothing would be trained",
                    )
                    .label("expected at least one module")
                    .hint("for example `targets = [\"q_proj\", \"v_proj\"]`"),
                );
            }
            let targets = below(path, &["lora", "targets"]);
            form::targets(check, &method.llm, &method.lora.targets, &targets);
            (&method.llm, &method.prompt)
        }
        _ => return,
    };
    for (section, name) in [("llm", llm), ("prompt", prompt)] {
        let known = check.names(section);
        check.known(section, name, &known, &below(path, &[section]));
    }
}

/// The names that a model gives whose settings could not be resolved, since a field of it is missing or wrong.
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

/// A CF model that is trained and has a vector for each user.
fn backbone(check: &mut Check<'_>, name: &str, path: &[&str]) {
    let named = check.spec.model_named(name);
    let kind = named.map(Model::kind);
    if kind.is_some_and(|kind| BACKBONES.contains(&kind)) {
        return;
    }
    let all = check.model_names();
    let spec = check.spec;
    let fits = |name: &&String| {
        let model = spec.model_named(name);
        model.is_none_or(|model| BACKBONES.contains(&model.kind()))
    };
    let fitting: BTreeSet<String> = all.iter().filter(fits).cloned().collect();
    let Some(kind) = kind else {
        check.known("CF model", name, &fitting, path);
        return;
    };
    let why = match named.is_some_and(Model::asks_llm) {
        true => "which reads a CF model itself",
        false => "which has no vector for a user",
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

/// Whether a method can answer what every protocol measures.
fn answers(check: &mut Check<'_>, name: &str, model: &Model) {
    let spec = check.spec;
    let path = path_of(check, name, model);
    let (inference, llm) = match model {
        Model::Allmrec(method) => (Some(&method.inference), &method.llm),
        Model::MlpLlm(method) => (Some(&method.inference), &method.llm),
        Model::LlmOnly(method) => (Some(&method.inference), &method.llm),
        // Yes or no is always ranked by likelihood.
        Model::Tallrec(method) => (
            Some(&method.inference).filter(|_| method.form == TallrecForm::Title),
            &method.llm,
        ),
        _ => return,
    };
    for (protocol, settings) in &spec.protocol {
        form::one_title(check, inference, &path, protocol);
        form::scores(check, inference, &path, protocol);
        let told = match &settings.candidates {
            Candidates::Full { .. } => {
                let place = check.place(&path);
                let related = check.place(&["protocol", protocol, "candidates"]);
                let message = format!(
                    "protocol `{protocol}` ranks every item, and a prompt cannot tell them all"
                );
                check.push(
                    Fault::at(place, message)
                        .label("asks a language model")
                        .related(related, "all items are candidates here")
                        .hint("draw candidates, such as `candidates.uniform = { n = 19 }`"),
                );
                continue;
            }
            // A question asks about one title.
            Candidates::Uniform { .. } | Candidates::Popularity { .. } | Candidates::File(_)
                if inference.is_none() =>
            {
                1
            }
            candidates => match protocol::n(check, candidates) {
                Some(n) => n + 1,
                None => continue,
            },
        };
        form::positions(check, (llm, inference), told, protocol);
    }
}

/// A language model is told titles: a data set without any cannot be asked about.
fn titled(check: &mut Check<'_>, cell: &Selected) {
    let Some(dataset) = check.spec.dataset.get(&cell.dataset) else {
        return;
    };
    let (kind, hint) = match &dataset.source {
        Source::Sequences(_) => (
            "sequences",
            "leave this data set to CF models with `[matrix] exclude`",
        ),
        Source::Amazon(source) if source.metadata.is_empty() => {
            ("amazon", "name the file of titles: `metadata = \"...\"`")
        }
        Source::Atomic(source) if source.item.is_empty() => {
            ("atomic", "name the file of titles: `item = \"...\"`")
        }
        Source::Json(source) if source.items.is_empty() || Form::of(source).title[0].is_empty() => {
            (
                "json",
                "name the file of titles and its field: `items = \"...\"`, `title = \"...\"`",
            )
        }
        Source::Csv(source) if source.items.is_empty() || source.title.is_empty() => (
            "csv",
            "name the file of titles and its column: `items = \"...\"`, `title = \"...\"`",
        ),
        _ => return,
    };
    let place = check.place(&["dataset", &cell.dataset, "source", kind]);
    let message = format!(
        "data set `{}` has no titles, and `{}` asks a language model about titles",
        cell.dataset, cell.model
    );
    check.push(Fault::at(place, message).label("no titles here").hint(hint));
}
