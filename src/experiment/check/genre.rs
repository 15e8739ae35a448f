//! Checks of the question about favourite genres.

use super::Check;
use crate::experiment::fault::Fault;
use allround_core::config::protocol::{FavouriteGenre, GenreAnswer, Protocol};
use allround_core::metric::Metric;
use allround_core::models::llm_method::ScoreBy;
use allround_core::stage::GenreRule;

/// Checks the protocol `name` and the models that it measures.
pub(super) fn check(
    check: &mut Check<'_>,
    name: &str,
    protocol: &Protocol,
    question: &FavouriteGenre,
) {
    let path = |field| ["protocol", name, "candidates", "favourite_genre", field];
    if question.template.contains("{candidates}") {
        let place = check.place(&path("template"));
        check.push(
            Fault::at(place, "the question has no candidate items to list")
                .label("remove `{candidates}`")
                .hint("`{genres}` lists the genres"),
        );
    }
    if protocol.keep_scores {
        let place = check.place(&["protocol", name, "keep_scores"]);
        check.push(
            Fault::at(
                place,
                "`keep_scores` keeps scores of items, and the candidates are genres",
            )
            .label("expected `false`")
            .hint("ranks of the favourite genres are always kept"),
        );
    }
    if question.answer == GenreAnswer::Text && question.by != ScoreBy::Mean {
        let place = check.place(&path("by"));
        check.push(
            Fault::at(place, "a generated answer has no likelihoods to combine")
                .label("has no effect")
                .hint("remove `by`, or write `answer = \"likelihood\"`"),
        );
    }
    if question.answer == GenreAnswer::Text {
        one_answer(check, name, &protocol.metrics);
    }
    models(check, name);
}

/// Reports metrics that one generated genre does not give.
fn one_answer(check: &mut Check<'_>, name: &str, metrics: &[Metric]) {
    for (at, metric) in metrics.iter().enumerate() {
        if *metric == Metric::Hit(1) {
            continue;
        }
        let place = check.place(&["protocol", name, "metrics", &at.to_string()]);
        check.push(
            Fault::at(place, format!("a generated genre does not give `{metric}`"))
                .label("expected `hit@1` alone")
                .hint("write `metrics = [\"hit@1\"]`, or `answer = \"likelihood\"`"),
        );
    }
}

/// Reports models of the matrix that have no language model, or only compare its vectors.
fn models(check: &mut Check<'_>, name: &str) {
    let spec = check.spec;
    let mut found: Vec<String> = Vec::new();
    for cell in spec.selected() {
        let model = spec.model_named(&cell.model);
        // A method may compare its vectors, and never answer.
        let method = model.map(|model| model.llm_method());
        let is_rule = model.is_some_and(|model| GenreRule::of(model).is_some());
        let answers =
            is_rule || method.is_none_or(|method| method.is_some_and(|it| !it.ranks_by_vectors()));
        if !answers && !found.contains(&cell.model) {
            found.push(cell.model);
        }
    }
    for model in found {
        let section = match spec.variant.contains_key(&model) {
            true => "variant",
            false => "model",
        };
        let place = check.place(&[section, &model]);
        let related = check.place(&["protocol", name, "candidates"]);
        check.push(
            Fault::at(
                place,
                format!("`{model}` has no language model that answers, and protocol `{name}` is a question about genres"),
            )
            .label("cannot answer")
            .related(related, "the question")
            .hint("leave it out with `matrix.model`, or put the question into a separate experiment; methods may still read its vectors"),
        );
    }
}

/// Reports a scenario that ranks among a class of items.
pub(super) fn class(check: &mut Check<'_>, name: &str, (scenario, kind): (&str, &str)) {
    let place = check.place(&["scenario", scenario, kind, "candidates"]);
    let related = check.place(&["protocol", name, "candidates"]);
    let message = format!(
        "scenario `{scenario}` ranks among items of its class, and the candidates of protocol `{name}` are genres"
    );
    check.push(
        Fault::at(place, message)
            .label("expected `all`")
            .related(related, "genres")
            .hint("write `candidates = \"all\"`"),
    );
}
