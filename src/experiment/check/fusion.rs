//! Checks of fusions: the models that they combine, and protocols that leave them no scores.

use allround_core::config::protocol::Candidates;
use allround_core::models::llm_method::Inference;
use allround_core::models::{LlmMethod, Model};

use super::Check;
use crate::experiment::fault::Fault;

pub(super) fn check(check: &mut Check<'_>) {
    let spec = check.spec;
    for (name, model) in &spec.model {
        let path = ["model", name, model.kind()];
        sources(check, name, model, &path);
    }
    for (name, variant) in &spec.variant {
        if let Some(model) = &variant.resolved {
            let path = ["variant", name, "resolved", model.kind()];
            sources(check, name, model, &path);
        }
    }
}

fn sources(check: &mut Check<'_>, fusion: &str, model: &Model, path: &[&str]) {
    let spec = check.spec;
    let Model::Fusion(settings) = model else {
        return;
    };
    let path = [path, &["models"]].concat();
    check.no_repeats(&settings.models, &path);
    let is_fusion = |name: &str| matches!(spec.model_named(name), Some(Model::Fusion(_)));
    let mut known = check.model_names();
    known.retain(|name| !is_fusion(name));
    for (at, name) in settings.models.iter().enumerate() {
        let at = at.to_string();
        let path = [&path[..], &[&at]].concat();
        if name == fusion {
            itself(check, name, &path);
        } else if is_fusion(name) {
            nested(check, name, &path);
        } else if check.known("model", name, &known, &path)
            && let Some(source) = spec.model_named(name)
        {
            one_title(check, name, source, &path);
        }
    }
    full(check, fusion, &path);
}

fn itself(check: &mut Check<'_>, name: &str, path: &[&str]) {
    let place = check.place(path);
    check.push(
        Fault::at(place, format!("the fusion `{name}` combines itself"))
            .label("expected the name of another model")
            .hint("name the models whose scores it combines"),
    );
}

fn nested(check: &mut Check<'_>, name: &str, path: &[&str]) {
    let place = check.place(path);
    check.push(
        Fault::at(
            place,
            format!("`{name}` is a fusion, and a fusion cannot combine another one"),
        )
        .label("expected another kind of model")
        .hint(format!("name the models that `{name}` combines")),
    );
}

/// Reports a model whose answers of one title score no candidate.
fn one_title(check: &mut Check<'_>, name: &str, source: &Model, path: &[&str]) {
    let inference = source.llm_method().and_then(LlmMethod::inference);
    let Some(kind) = inference.and_then(Inference::one_title) else {
        return;
    };
    let place = check.place(path);
    let message =
        format!("`{name}` answers with one title (`{kind}`), and a fusion combines scores");
    check.push(
        Fault::at(place, message)
            .label("scores no candidate")
            .hint(format!(
                "let `{name}` rank all candidates with `inference.score = {{}}`, or name another model"
            )),
    );
}

/// Reports protocols that rank every item: the scores of only the best are kept.
fn full(check: &mut Check<'_>, fusion: &str, path: &[&str]) {
    for (protocol, settings) in &check.spec.protocol {
        if !matches!(settings.candidates, Candidates::Full { .. }) {
            continue;
        }
        let place = check.place(path);
        let related = check.place(&["protocol", protocol, "candidates"]);
        let message = format!(
            "protocol `{protocol}` ranks every item, and `{fusion}` needs the scores of all candidates"
        );
        check.push(
            Fault::at(place, message)
                .label("combines scores, of which a full ranking keeps the best")
                .related(related, "all items are candidates here")
                .hint("draw candidates, such as `candidates.uniform = { n = 19 }`, or put the fusion into a separate experiment"),
        );
    }
}
