//! What is known of a language model before any weight is read: its positions and its modules.

use std::path::Path;

use serde_json::Value;

use super::Check;
use crate::experiment::fault::Fault;
use crate::experiment::place::Place;
use allround_core::config::Llm;
use allround_core::config::llm::shape_positions;
use allround_core::models::llm_method::Inference;

/// Modules of an OPT that adapters can be added to.
const OPT: [&str; 6] = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"];
/// Those of a Llama.
const LLAMA: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

/// A language model's form, as far as the experiment and its files say.
pub(super) struct Form {
    /// Most tokens of a prompt with its answer.
    positions: Option<usize>,
    /// Modules that adapters can be added to.
    pub(super) modules: &'static [&'static str],
    /// The field of `llm.NAME` that says so.
    field: [&'static str; 2],
}

/// `None` where the files are not on this machine, or where another check refuses them.
pub(super) fn of(llm: &Llm, base: &Path) -> Option<Form> {
    match llm {
        Llm::Small(small) => Some(Form {
            positions: Some(small.positions),
            modules: &OPT,
            field: ["small", "positions"],
        }),
        Llm::Random(random) => Some(Form {
            positions: Some(shape_positions(&random.shape)?),
            modules: match random.shape.starts_with("opt-") {
                true => &OPT,
                false => &LLAMA,
            },
            field: ["random", "shape"],
        }),
        Llm::Pretrained(pretrained) if !pretrained.folder.is_empty() => {
            let path = base.join(&pretrained.folder).join("config.json");
            let config: Value = serde_json::from_slice(
                &allround_core::fs::read_at_most(&path, allround_core::fs::MOST_TEXT).ok()?,
            )
            .ok()?;
            let positions = config
                .get("max_position_embeddings")
                .and_then(Value::as_u64);
            Some(Form {
                positions: positions.map(|positions| positions as usize),
                modules: match config.get("model_type")?.as_str()? {
                    "opt" => &OPT,
                    "llama" => &LLAMA,
                    _ => return None,
                },
                field: ["pretrained", "folder"],
            })
        }
        Llm::Pretrained(_) => None,
    }
}

/// Generated text names one title, so only hit@1 can be read from it.
pub(super) fn one_title(
    check: &mut Check<'_>,
    inference: Option<&Inference>,
    path: &[&str],
    protocol: &str,
) {
    let kind = match inference {
        Some(Inference::Generate { .. }) => "generate",
        Some(Inference::Constrained {}) => "constrained",
        Some(Inference::Score { .. }) | None => return,
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
        // A protocol that the defaults declare has no place to point at.
        check.push(match related == Place::top() {
            true => fault,
            false => fault.related(related, "needs a ranking"),
        });
    }
}

/// Generated text scores no candidate, so there is nothing to keep.
pub(super) fn scores(
    check: &mut Check<'_>,
    inference: Option<&Inference>,
    path: &[&str],
    protocol: &str,
) {
    let kind = match inference {
        Some(Inference::Generate { .. }) => "generate",
        Some(Inference::Constrained {}) => "constrained",
        Some(Inference::Score { .. }) | None => return,
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

/// A language model whose positions cannot hold the candidates and an answer, whatever the tokenizer makes of the titles.
pub(super) fn positions(
    check: &mut Check<'_>,
    (llm, inference): (&str, Option<&Inference>),
    told: usize,
    protocol: &str,
) {
    let form = check.spec.llm.get(llm).and_then(|llm| of(llm, check.base));
    let Some((positions, form)) = form.and_then(|form| Some((form.positions?, form))) else {
        return;
    };
    // Two quotes or a comma between them, a word, a vector; and the sentences around the lists.
    let titles = told * 4 + 32;
    let (answer, room, lower) = match inference {
        Some(Inference::Generate { max_new_tokens, .. }) => (
            *max_new_tokens,
            format!(" and an answer of {max_new_tokens} tokens"),
            ", draw fewer candidates, or lower `max_new_tokens`",
        ),
        _ => (0, String::new(), ", or draw fewer candidates"),
    };
    let least = titles + answer;
    if positions < least {
        let place = check.place(&["llm", llm, form.field[0], form.field[1]]);
        let raise = match form.field[0] {
            "small" => "raise `positions`",
            _ => "name a language model with more positions",
        };
        let message = format!(
            "{positions} positions cannot hold the {told} titles that protocol `{protocol}` queries{room}"
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
