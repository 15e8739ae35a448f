//! Checks of a language model that need no weights: its positions and its modules.

use std::path::Path;

use super::{Check, gguf};
use crate::experiment::fault::Fault;
use crate::experiment::place::Place;
use allround_core::config::Llm;
use allround_core::lm_config::{Family, LmConfig};
use allround_core::models::llm_method::Inference;

/// A language model's form, as far as the experiment and its files determine it.
pub(super) struct Form {
    /// Most tokens of a prompt with its answer.
    positions: usize,
    /// Modules that adapters can be added to.
    pub(super) modules: &'static [&'static str],
    /// The field of `llm.NAME` that determines it.
    field: [&'static str; 2],
}

/// `None` if the files are not on this machine, or if another check refuses them.
pub(super) fn of(llm: &Llm, base: &Path) -> Option<Form> {
    match llm {
        Llm::Small(small) => Some(Form {
            positions: small.positions,
            modules: Family::Opt.modules(),
            field: ["small", "positions"],
        }),
        Llm::Random(random) => {
            let config = LmConfig::named(&random.shape).ok()?;
            Some(Form::of(&config, ["random", "shape"]))
        }
        Llm::Pretrained(llm) if !llm.folder.is_empty() => {
            let config = LmConfig::open(&base.join(&llm.folder)).ok()?;
            Some(Form::of(&config, ["pretrained", "folder"]))
        }
        Llm::Pretrained(llm) if !llm.gguf.is_empty() => {
            let file = gguf::read(&base.join(&llm.gguf)).ok()?;
            Some(Form::of(&file.config, ["pretrained", "gguf"]))
        }
        Llm::Pretrained(_) => None,
    }
}

impl Form {
    fn of(config: &LmConfig, field: [&'static str; 2]) -> Self {
        Form {
            positions: config.positions as usize,
            modules: config.family.modules(),
            field,
        }
    }
}

/// Reports metrics that cannot be computed from one generated title: all but hit@1.
pub(super) fn one_title(
    check: &mut Check<'_>,
    inference: Option<&Inference>,
    path: &[&str],
    protocol: &str,
) {
    let Some(kind) = inference.and_then(Inference::one_title) else {
        return;
    };
    let metrics = &check.spec.protocol[protocol].metrics;
    let other = metrics
        .iter()
        .position(|metric| !metric.needs_first_place_alone());
    if let Some(at) = other {
        let metric = metrics[at];
        let place = check.place(&[path, &["inference", kind]].concat());
        let related = check.place(&["protocol", protocol, "metrics", &at.to_string()]);
        let message = format!(
            "`{kind}` answers with one title, and protocol `{protocol}` measures `{metric}`"
        );
        let fault = Fault::at(place, message)
            .label("only `hit@1` can be read from one title")
            .hint(
                "write `metrics = [\"hit@1\"]`, or rank all candidates with `inference.score = {}`",
            );
        // A protocol of the defaults has no place in the file.
        check.push(match related == Place::top() {
            true => fault,
            false => fault.related(related, "needs a ranking"),
        });
    }
}

/// Reports `keep_scores` for generated text, which has no scores of candidates.
pub(super) fn scores(
    check: &mut Check<'_>,
    inference: Option<&Inference>,
    path: &[&str],
    protocol: &str,
) {
    let Some(kind) = inference.and_then(Inference::one_title) else {
        return;
    };
    if !check.spec.protocol[protocol].keep_scores {
        return;
    }
    let place = check.place(&[path, &["inference", kind]].concat());
    let related = check.place(&["protocol", protocol, "keep_scores"]);
    let message = format!(
        "`{kind}` answers with one title, and protocol `{protocol}` keeps the scores of all candidates"
    );
    check.push(
        Fault::at(place, message)
            .label("scores no candidate")
            .related(related, "kept here")
            .hint(
                "rank all candidates with `inference.score = {}`, or write `keep_scores = false`",
            ),
    );
}

/// Reports a language model with too few positions for the candidates and an answer, even if every
/// title is short.
pub(super) fn positions(
    check: &mut Check<'_>,
    (llm, inference): (&str, Option<&Inference>),
    n_titles: usize,
    who: &str,
) {
    let form = check.spec.llm.get(llm).and_then(|llm| of(llm, check.base));
    let Some(form) = form else {
        return;
    };
    let positions = form.positions;
    // Per title two quotes, a token and a vector, and the sentences around the lists.
    let titles = n_titles * 4 + 32;
    let (answer, with_answer, lower) = match inference {
        Some(Inference::Generate { max_new_tokens, .. }) => (
            *max_new_tokens,
            format!(" and an answer of {max_new_tokens} tokens"),
            ", draw fewer candidates, or lower `max_new_tokens`",
        ),
        Some(Inference::Score { .. } | Inference::Constrained {}) | None => {
            (0, String::new(), ", or draw fewer candidates")
        }
    };
    let least = titles + answer;
    if positions < least {
        let place = check.place(&["llm", llm, form.field[0], form.field[1]]);
        let raise = match form.field[0] {
            "small" => "raise `positions`",
            _ => "name a language model with more positions",
        };
        let message = format!(
            "{positions} positions cannot hold the {n_titles} titles that {who} queries{with_answer}"
        );
        check.push(
            Fault::at(place, message)
                .label(format!(
                    "expected at least {least}, and more for long titles"
                ))
                .hint(format!("{raise}{lower}")),
        );
    }
}
